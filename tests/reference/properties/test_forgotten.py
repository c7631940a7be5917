"""Values that tests forget: kinks, both ends of the range, single units, odd layouts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference
from conformance.arrays import Array
from conformance.problems.problem import Architecture, Problem, fill
from conformance.subjects.reference import reference_answer
from conformance.text.edits import Edit, planted
from reference import (
    Activation,
    CrossEntropy,
    HalfSquaredError,
    Identity,
    Layer,
    LeakyReLU,
    ReLU,
    Softmax,
    Tanh,
)

from .subjects import (
    GENERIC,
    Ask,
    both_dtypes,
    both_subjects,
    network_problem,
    wrong,
)

LARGE, SMALL = 10.0**30, 10.0**-30


def scaled_problem(dtype: str, of_W: float, of_x: float) -> Problem:
    """Two layers whose weights and samples are far from 1, but no product of theirs that the equations form."""
    rng = np.random.default_rng(6)

    def drawn(scale: float, *shape: int) -> Array:
        return (scale * rng.standard_normal(shape)).astype(dtype)

    z = of_W * of_x
    first = Layer(drawn(of_W, 5, 3), drawn(z, 5), LeakyReLU(0.25))
    last = Layer(drawn(1 / z, 2, 5), drawn(1.0, 2), Identity())
    return Problem((first, last), drawn(of_x, 4, 3), drawn(1.0, 4, 2), HalfSquaredError(), "mean", 0.5)


def filled(dtype: str, x: Any, sigmas: tuple[Activation, ...] = (Tanh(), Identity()), loss: Any = None) -> Problem:
    """A generic network for samples (B, 3) of the given numbers."""
    problem = network_problem(dtype, sigmas, loss)
    x = np.asarray(x, dtype)
    return problem._replace(x=x, y=np.random.default_rng(5).random((len(x), 2)).astype(dtype))


def on_kinks(dtype: str, sigma: Activation) -> Problem:
    """Whole numbers for which many z are exactly at a kink of the hidden units."""
    problem = filled(dtype, [[1, -1, 0], [0, 1, 0], [2, 1, 1], [-1, 0, 1]], (sigma, Identity()))
    rng = np.random.default_rng(8)
    (W, b, _), last = problem.network
    whole = Layer(rng.integers(-1, 2, W.shape).astype(dtype), rng.integers(1, 3, b.shape).astype(dtype), sigma)
    return problem._replace(network=(whole, last))


def saturated(dtype: str, loss: Any, *sigmas: Activation) -> Problem:
    """z of a thousand and more, where every sigma is flat or linear."""
    problem = network_problem(dtype, sigmas, loss)
    (W, b, sigma), *rest = problem.network
    return problem._replace(network=(Layer(W * problem.dtype.type(2**12), b, sigma), *rest))


def viewed(dtype: str, view: Callable[[Array], Array]) -> Problem:
    """A generic problem whose arrays are views of that kind."""
    problem = network_problem(dtype, (Tanh(), ReLU(), Identity()))
    network = tuple(Layer(view(W), view(b), sigma) for W, b, sigma in problem.network)
    return problem._replace(network=network, x=view(problem.x), y=view(problem.y))


def strided(array: Array) -> Array:
    """The same numbers, each third of a longer array's along every axis."""
    wide = np.full([3 * n for n in array.shape], np.nan, array.dtype)
    part = wide[(slice(None, None, 3),) * array.ndim]
    part[...] = array
    return part


def zero_stride(array: Array) -> Array:
    """The first row, or number, again and again from the same memory."""
    return np.broadcast_to(array[:1], array.shape)


def column(dtype: str, widths: tuple[int, ...], batch: int) -> Problem:
    """Widths and batches of one."""
    sigmas: tuple[Activation, ...] = (*(Tanh() for _ in widths[2:]), Identity())
    return fill(Architecture(widths, sigmas, HalfSquaredError(), "mean", batch, dtype, GENERIC, 4, 0.1))


def subnormal(dtype: str) -> Array:
    """Whole multiples of the smallest number there is."""
    return np.arange(-6, 6).reshape(4, 3) * np.finfo(dtype).smallest_subnormal


def subnormal_weights(dtype: str) -> Problem:
    """Every weight the smallest number there is."""
    problem, least = filled(dtype, np.ones((4, 3))), np.finfo(dtype).smallest_subnormal
    return problem._replace(network=tuple(Layer(0 * W + least, b, sigma) for W, b, sigma in problem.network))


FORGOTTEN: dict[str, Callable[[str], Problem]] = {
    "constant": lambda dtype: filled(dtype, np.full((17, 3), 0.1)),
    "zeros": lambda dtype: filled(dtype, np.zeros((4, 3))),
    "negative zeros": lambda dtype: filled(dtype, -np.zeros((4, 3)), (ReLU(), LeakyReLU(), Identity())),
    "negative zeros, no bias": lambda dtype: filled(
        dtype, -np.zeros((4, 3)), (reference.Softsign(), reference.Tanhshrink(), reference.SiLU())
    ),
    "relu at its kink": lambda dtype: on_kinks(dtype, ReLU()),
    "hardtanh at its kinks": lambda dtype: on_kinks(dtype, reference.Hardtanh()),
    "softshrink at its kinks": lambda dtype: on_kinks(dtype, reference.Softshrink(1)),
    "hardswish at its kinks": lambda dtype: on_kinks(dtype, reference.Hardswish()),
    "subnormal": lambda dtype: filled(dtype, subnormal(dtype), (Identity(), reference.Softsign(), Identity())),
    "subnormal weights": subnormal_weights,
    "saturated sigmoid": lambda dtype: saturated(dtype, None, reference.Sigmoid(), Tanh(), Identity()),
    "saturated tails": lambda dtype: saturated(dtype, None, reference.GELU(), reference.Mish(), Identity()),
    "saturated units": lambda dtype: saturated(dtype, None, reference.ELU(), reference.LogSigmoid(), reference.SiLU()),
    "saturated softmax": lambda dtype: saturated(dtype, CrossEntropy(), Softmax()),
    "saturated logits": lambda dtype: saturated(dtype, reference.BinaryCrossEntropy(), reference.Sigmoid()),
    "large weights": lambda dtype: scaled_problem(dtype, LARGE, SMALL),
    "large samples": lambda dtype: scaled_problem(dtype, SMALL, LARGE),
    "all large": lambda dtype: scaled_problem(dtype, 10.0**15, 10.0**3),
    "all small": lambda dtype: scaled_problem(dtype, 10.0**-15, 10.0**-3),
    "Fortran order": lambda dtype: viewed(dtype, np.asfortranarray),
    "strided": lambda dtype: viewed(dtype, strided),
    "zero stride": lambda dtype: viewed(dtype, zero_stride),
    "one sample": lambda dtype: column(dtype, (3, 5, 2), 1),
    "one input": lambda dtype: column(dtype, (1, 5, 2), 4),
    "one unit": lambda dtype: column(dtype, (3, 1, 2), 4),
    "one output": lambda dtype: column(dtype, (3, 5, 1), 4),
    "one of all": lambda dtype: column(dtype, (1, 1), 1),
}
"""Problems of values and layouts that generic numbers do not meet, by dtype."""


@both_subjects
@both_dtypes
@pytest.mark.parametrize("name", FORGOTTEN)
def test_values_that_tests_forget(name: str, dtype: str, ask: Ask) -> None:
    problem = FORGOTTEN[name](dtype)
    answer = ask(problem)
    assert not [array for state in answer.trace for array in state if not np.isfinite(array).all()]
    assert not wrong(problem, answer)


@both_dtypes
@pytest.mark.parametrize(
    ("name", "edit", "equation"),
    [
        ("relu at its kink", Edit("D4", "where(z < 0, 0, g)"), "B2"),
        ("zeros", Edit("B3", "delta.T @ (a_prev + 2.0**-60)"), "B3"),
        ("saturated softmax", Edit("A8", "exp(z) / exp(z).sum(axis=1, keepdims=True)"), "F2"),
        ("large weights", Edit("B2", "(delta @ W).clip(-1000, 1000)"), "B2"),
        ("all small", Edit("F1", "(a_prev + 1e-6) @ W.T + b"), "F1"),
        ("Fortran order", Edit("B3", 'delta.T @ a_prev.ravel("K").reshape(a_prev.shape)'), "B3"),
        ("one output", Edit("G1", "(a - y.T).sum(axis=1, keepdims=True)"), "B1"),
    ],
    ids=lambda value: value.expression if isinstance(value, Edit) else str(value),
)
def test_a_mistake_that_such_values_show_is_found(name: str, edit: Edit, equation: str, dtype: str) -> None:
    problem, mistaken = FORGOTTEN[name](dtype), planted(edit)
    with np.errstate(all="ignore"):
        found = wrong(problem, reference_answer(problem, mistaken))
    assert equation in {judgement.equation for judgement in found}
