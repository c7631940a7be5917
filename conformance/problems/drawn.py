"""Problems changed to show things: well conditioned, with moderate sums, with a unit at a kink, at an end of the range.

Each function takes a problem and gives another of the same shapes.  Scales are powers of two, so that what is exactly
zero stays so and nothing is rounded.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from reference import Layer, forward

from ..arrays import Array
from .problem import Problem

REST = 0.25
"""What all entries of a row but its dominant one weigh together, of about 1.

A sum then cancels little, and the bound that is carried through twelve such layers grows by (1 + REST)^12 = 15 where
generic rows let it grow by the root of their length in each.
"""

MODERATE = 4.0
"""The largest |z| of an ordinary problem: 1 - tanh(4)^2 is 1e-3, and no formula that people write loses its digits."""

SATURATING = 8.0
"""How much larger the weights and bias of a saturated unit are."""


def well_conditioned(problem: Problem, seed: int) -> Problem:
    """Dense weights in which every row, and every column that has a row for it, has one dominant entry."""
    rng = np.random.default_rng(seed)

    def dominated(layer: Layer[Array]) -> Layer[Array]:
        (n, m), dtype = layer.W.shape, layer.W.dtype
        W = rng.standard_normal((n, m)) * (REST / max(n, m))
        W[np.arange(n), np.resize(rng.permutation(m), n)] = rng.choice((-1, 1), n) * rng.uniform(0.75, 1.25, n)
        return Layer(W.astype(dtype), layer.b / dtype.type(2), layer.sigma)

    return problem._replace(network=tuple(map(dominated, problem.network)))


def few_at_work(problem: Problem, few: int, whole: Sequence[bool], seed: int) -> Problem:
    """A small network inside a wide one: of each layer but the ``whole`` ones a few units have weights, of x a few too.

    All biases stay, so that idle units have outputs; nothing leads on from them.  ``whole`` says of x and of each layer
    whether all units are at work.
    """
    rng = np.random.default_rng(seed)
    widths = (problem.x.shape[1], *(len(b) for _, b, _ in problem.network))
    at_work = []
    for n, all_of_them in zip(widths, whole, strict=True):
        working = np.full(n, all_of_them)
        working[rng.choice(n, min(n, few), replace=False)] = True
        at_work.append(working)
    layers = tuple(
        Layer(W * np.outer(out, into).astype(W.dtype) * _gain(into, W.dtype), b, sigma)
        for (W, b, sigma), into, out in zip(problem.network, at_work, at_work[1:], strict=False)
    )
    return problem._replace(network=layers, x=problem.x * at_work[0].astype(problem.dtype))


def _gain(at_work: Array, dtype: Any) -> Any:
    """A power of two by which weights over the root of all units become weights over about that of the few."""
    share = np.count_nonzero(at_work) / at_work.size
    return np.dtype(dtype).type(2.0 ** -np.round(np.log2(share) / 2))


def moderate(problem: Problem) -> Problem:
    """With every layer scaled down, where it must be, until no |z| is above `MODERATE`."""
    layers: list[Layer[Array]] = []
    a = problem.x
    for layer in problem.network:
        with np.errstate(all="ignore"):
            (step,) = forward((layer,), a)
            largest = float(abs(step.z).max())
            if largest > MODERATE:
                layer = scaled(layer, 2.0 ** -np.ceil(np.log2(largest / MODERATE)))
                (step,) = forward((layer,), a)
        layers.append(layer)
        a = step.a
    return problem._replace(network=tuple(layers))


def scaled(layer: Layer[Array], by: float) -> Layer[Array]:
    """The layer with its parameters times a power of two."""
    dtype = layer.W.dtype.type
    return Layer(layer.W * dtype(by), layer.b * dtype(by), layer.sigma)


def with_inputs_scaled(problem: Problem, by: float) -> Problem:
    """x times a power of two, and the weights of the first layer divided by it: all z are what they were."""
    dtype = problem.dtype.type
    (W, b, sigma), *rest = problem.network
    return problem._replace(network=(Layer(W / dtype(by), b, sigma), *rest), x=problem.x * dtype(by))


def with_equal_rows(problem: Problem) -> Problem:
    """With the first sample and its target at every place of the batch but the second."""
    at = np.zeros(len(problem.x), int)
    at[1:2] = 1
    return problem._replace(x=problem.x[at], y=problem.y[at])


def sparse(problem: Problem, seed: int) -> Problem:
    """With a zero in about every third place of x, but not throughout a sample."""
    rng = np.random.default_rng(seed)
    kept = rng.random(problem.x.shape) < 2 / 3
    kept[np.arange(len(kept)), rng.integers(kept.shape[1], size=len(kept))] = True
    return problem._replace(x=np.where(kept, problem.x, problem.x.dtype.type(0)))


def saturated(problem: Problem) -> Problem:
    """With the first unit's weights and bias scaled up."""
    scale = np.ones(len(problem.network[0].W), problem.dtype)
    scale[0] = SATURATING
    return _with_first_layer(problem, scale)


def dead(problem: Problem, unit: int) -> Problem:
    """With no weights and no bias into a unit of the first layer: every term of its z is 0."""
    alive = np.ones(len(problem.network[0].W), problem.dtype)
    alive[unit] = 0
    return _with_first_layer(problem, alive)


def without_biases(problem: Problem) -> Problem:
    """With biases of 0, as a network has that knows none."""
    return problem._replace(network=tuple(layer._replace(b=np.zeros_like(layer.b)) for layer in problem.network))


def _with_first_layer(problem: Problem, scale: Array) -> Problem:
    (W, b, sigma), *rest = problem.network
    return problem._replace(network=(Layer(W * scale[:, None], b * scale, sigma), *rest))


def _at_the_ends(problem: Problem, first: float, last: float) -> Problem:
    """With the first layer's parameters and the last layer's scaled."""
    network = (scaled(problem.network[0], first), *problem.network[1:])
    return problem._replace(network=(*network[:-1], scaled(network[-1], last)))


def _to_the_exponentials_end(problem: Problem) -> Problem:
    """With logits of the size at which an exponential overflows."""
    end = float(np.log(np.finfo(problem.dtype).max))
    return _at_the_ends(problem, 1, 2.0 ** np.ceil(np.log2(end)))


def _to_the_logarithms_end(problem: Problem) -> Problem:
    """With logits of the size at which a probability rounds to 1."""
    end = -float(np.log(np.finfo(problem.dtype).eps))
    return _at_the_ends(problem, 1, 2.0 ** np.floor(np.log2(end)))


def _to_subnormals(problem: Problem) -> Problem:
    """With inputs that are barely normal numbers."""
    tiny = np.finfo(problem.dtype).tiny
    return problem._replace(x=(problem.x * problem.x.dtype.type(4 * tiny)).astype(problem.dtype))


EXTREMES: dict[str, Callable[[Problem], Problem]] = {
    "saturated: first layer scaled by 64": lambda problem: _at_the_ends(problem, 64, 1),
    "logits where a probability rounds to 1": _to_the_logarithms_end,
    "logits where an exponential overflows": _to_the_exponentials_end,
    "inputs that are barely normal": _to_subnormals,
}
"""Ordinary problems, moved to an end of the range."""
