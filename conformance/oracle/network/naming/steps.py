"""Steps: what a trainer does besides stepping along right gradients."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from reference import backward, cotangent, forward
from reference.gradients import reduced_loss

from ....arrays import Array
from ....problems.problem import Parameters, Problem
from .mistake import SLACK, Gradients, gradients_of, in_float64

NEARLY = 0.02
"""How far steps may be from one size and be called so: an epsilon in a root, or a correction, moves them so little."""

SMALL = 1e-3
"""The least gradient, relative to the largest, whose size of a step is looked at: epsilon counts below it."""


SIZES = ("signs", "sizes divided out")
"""What gives steps of one size: an epsilon beside it may be too small to tell the second from the first."""


class Shown(NamedTuple):
    """A step with the gradient that it shows: (p - after) / eta, and how far that may be off, in a row each."""

    problem: Problem
    eta: float
    got: Array
    within: Array

    @property
    def truth(self) -> Array:
        """The right gradient."""
        return flat(gradients_of(in_float64(self.problem)))


Stepped = Callable[[Problem, float], Gradients]
"""The parameters after a step, from a problem in float64 and the rate."""


class Kind(NamedTuple):
    """A step that is no plain one: its name, what is said of it, and what comes of it."""

    name: str
    said: str
    after: Stepped


def flat(layers: Gradients) -> Array:
    """All numbers in a row, in the order W1, b1, W2, ..."""
    return np.concatenate([np.asarray(part, np.float64).ravel() for layer in layers for part in layer])


def sizes(shown: Shown) -> tuple[tuple[str, ...], str] | None:
    """The names and a sentence where all steps have one size, whatever the gradients are; None where they have not."""
    truth, got = shown.truth, shown.got
    seen = abs(truth) > SMALL * abs(truth).max(initial=0)
    if seen.sum() < len(truth) / 4 or not (np.sign(got[seen]) == np.sign(truth[seen])).all():
        return None
    size = float(np.median(abs(got[seen])))
    off = abs(abs(got[seen]) - size)
    if (off <= shown.within[seen]).all() and not got[truth == 0].any():
        return SIZES, f"every step is {size:.4g} eta by the sign of the gradient, whatever its size"
    if size and (off <= NEARLY * size).all():
        return SIZES[1:], (
            f"every step is about {size:.4g} eta, whatever the gradient's size, as in Adam, RMSprop and Adagrad"
        )
    return None


def fitting(shown: Sequence[Shown]) -> Kind | None:
    """The first kind of step that gives every number at every rate."""
    for kind in _kinds(shown):
        if all(_fits(kind, one) for one in shown):
            return kind
    return None


def _fits(kind: Kind, shown: Shown) -> bool:
    problem = in_float64(shown.problem)
    with np.errstate(all="ignore"):
        implied = (flat(_parameters(problem)) - flat(kind.after(problem, shown.eta))) / shown.eta
        return bool((abs(implied - shown.got) <= SLACK * shown.within).all())


def _parameters(problem: Problem) -> Gradients:
    return [Parameters(W, b) for W, b, _ in problem.network]


def _kinds(shown: Sequence[Shown]) -> Iterator[Kind]:
    yield Kind("weights-updated-first", "each layer's weights are updated before the delta below is taken from them",
               _updated_first)  # fmt: skip
    for n in (2, 3, 4, 5):
        yield Kind(f"several steps: {n} of eta/{n}", f"it takes {n} steps of eta/{n} each", _several(n, 1 / n))
        yield Kind(f"several steps: {n} of eta", f"it takes {n} steps", _several(n, 1))
    yield Kind("several steps: one a sample", "it takes a step for each sample, and not one for the batch", _one_by_one)
    for name, said, rate in (
        ("update-without-rate", "the step is not multiplied by eta", lambda eta: 1.0),
        ("rate squared", "the step is multiplied by eta twice", lambda eta: eta**2),
        ("root of the rate", "the step is multiplied by the root of eta", lambda eta: eta**0.5),
    ):
        yield Kind(name, said, _by_rate(rate, rate))
        yield Kind(name, f"{said}, that of the weights", _by_rate(rate, lambda eta: eta))
        yield Kind(name, f"{said}, that of the biases", _by_rate(lambda eta: eta, rate))
    first = shown[0]
    p = flat(_parameters(in_float64(first.problem)))
    after = p - first.eta * first.got
    for whole, of in ((True, ""), (False, ", not the biases,")):
        q = p if whole else flat([Parameters(W, 0 * b) for W, b in _parameters(in_float64(first.problem))])
        factor = float(((after + first.eta * first.truth) * q).sum() / (q * q).sum())
        factor = float(f"{factor:.5g}")
        yield Kind("weights decayed", f"the weights{of} are multiplied by {factor:g} besides, whatever eta is",
                   _decayed(factor, factor if whole else 1))  # fmt: skip
    c = float(max(abs(one_after).max() for one_after in (
        flat(_parameters(in_float64(one.problem))) - one.eta * one.got for one in shown)))  # fmt: skip
    c = float(f"{c:.9g}")
    yield Kind("weights clipped", f"the weights are clipped at {c:.6g} after the step", _then(lambda p: p.clip(-c, c)))
    yield Kind("weights through float16", "the weights are rounded to float16 after the step",
               _then(lambda p: p.astype(np.float16).astype(np.float64)))  # fmt: skip


def _stepped(problem: Problem, gradients: Gradients, eta: float) -> Gradients:
    parts = zip(problem.network, gradients, strict=True)
    return [Parameters(W - eta * dW, b - eta * db) for (W, b, _), (dW, db) in parts]


def _with(problem: Problem, parameters: Gradients) -> Problem:
    layers = zip(problem.network, parameters, strict=True)
    return problem._replace(network=tuple(layer._replace(W=W, b=b) for layer, (W, b) in layers))


def _several(n: int, share: float) -> Stepped:
    def after(problem: Problem, eta: float) -> Gradients:
        for _ in range(n):
            problem = _with(problem, _stepped(problem, gradients_of(problem), eta * share))
        return _parameters(problem)

    return after


def _one_by_one(problem: Problem, eta: float) -> Gradients:
    x, y = problem.x, problem.y
    for i in range(len(x)):
        one = problem._replace(x=x[i : i + 1], y=y[i : i + 1])
        problem = _with(problem, _stepped(one, gradients_of(one), eta))
    return _parameters(problem)


def _by_rate(of_W: Callable[[float], float], of_b: Callable[[float], float]) -> Stepped:
    def after(problem: Problem, eta: float) -> Gradients:
        parts = zip(problem.network, gradients_of(problem), strict=True)
        return [Parameters(W - of_W(eta) * dW, b - of_b(eta) * db) for (W, b, _), (dW, db) in parts]

    return after


def _decayed(of_W: float, of_b: float) -> Stepped:
    def after(problem: Problem, eta: float) -> Gradients:
        smaller = _with(problem, [Parameters(of_W * W, of_b * b) for W, b, _ in problem.network])
        return _stepped(smaller, gradients_of(problem), eta)

    return after


def _then(change: Callable[[Array], Array]) -> Stepped:
    def after(problem: Problem, eta: float) -> Gradients:
        return [Parameters(change(W), change(b)) for W, b in _stepped(problem, gradients_of(problem), eta)]

    return after


def _updated_first(problem: Problem, eta: float) -> Gradients:
    network, steps = problem.network, forward(problem.network, problem.x)
    last, found = steps[-1], []
    _, head, g = reduced_loss(network[-1].sigma, last.z, last.a, problem.y, problem.loss, problem.reduction)
    for l in range(len(network) - 1, -1, -1):
        layer = network[l]._replace(sigma=head) if l == len(network) - 1 else network[l]
        (own,) = backward((layer,), (steps[l],), g)
        after = Parameters(layer.W - eta * own.W, layer.b - eta * own.b)
        found.append(after)
        g = cotangent(layer._replace(W=after.W), own)
    return found[::-1]
