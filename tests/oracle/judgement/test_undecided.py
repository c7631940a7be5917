"""What is undecided of an operation is undecided by name, whatever else is decided beside it."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conformance.judge.verdict import CONFORMS, UNDECIDED, WRONG
from conformance.oracle.operation.operation import by_autograd, check_pullback

from ..operation.operations import accused, generic, tensor

pytestmark = pytest.mark.sampled(4)


def layernorm(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return F.layer_norm(x, (24,), w, b)


def operands(dtype: str) -> list[torch.Tensor]:
    return [tensor(generic("float32", shape, seed, 1.0), dtype) for seed, shape in enumerate(((4, 24), (24,), (24,)))]


def times(of_x: float) -> Any:
    """The pullback, the gradient by x times a factor."""

    def pullback(*arguments: Any) -> Any:
        by_x, *others = by_autograd(layernorm)(*arguments)
        return of_x * by_x, *others

    return pullback


@pytest.mark.parametrize("factor", [1, 0, 2])
def test_an_input_that_nothing_decides_does_not_hide(factor: float) -> None:
    """In bfloat16 the bound of dx holds 0 and twice dx, and those of the other two do not; in float32 none does."""
    report = check_pullback(layernorm, times(factor), operands("bfloat16"))
    assert (report.verdict, accused(report)) == (UNDECIDED, [])
    assert [report.tallies["vjp", k].verdict for k in (1, 2, 3)] == [UNDECIDED, CONFORMS, CONFORMS]
    assert '(vjp) by input 1 undecided, which float32, or accumulator="float32"' in " ".join(str(report).split())
    wide = check_pullback(layernorm, times(factor), operands("float32"))
    assert (wide.verdict, {f.layer for f in wide.findings}) == ((CONFORMS, set()) if factor == 1 else (WRONG, {1}))


def unrecorded(z: torch.Tensor) -> torch.Tensor:
    """A softmax times a number, in a way that PyTorch cannot record."""
    return torch.softmax(z, dim=1) if float(z.detach().sum()) < np.inf else z


def test_an_estimate_that_would_let_most_pass_decides_nothing() -> None:
    """In bfloat16 it is wider than most of the numbers; in float32 it says something."""
    z = generic("float32", (3, 9))
    right = by_autograd(unrecorded)
    coarse = check_pullback(unrecorded, right, tensor(z, "bfloat16"))
    decided = check_pullback(unrecorded, right, tensor(z, "float32"))
    assert (coarse.tallies["vjp", 1].floor >= 1, coarse.verdict) == (True, UNDECIDED)
    assert (decided.tallies["vjp", 1].floor < 1, decided.verdict) == (True, CONFORMS)
    assert coarse.tallies["vjp", 1].undecided == coarse.tallies["vjp", 1].elements


def test_an_output_that_nothing_decides_does_not_hide() -> None:
    """Of a difference that cancels nothing is known in bfloat16; beside a large square that does not show."""
    x = tensor(generic("float32", (3, 7)), "bfloat16")

    def forward(x: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"squares": 100 * x * x, "difference": torch.tanh(x) - torch.sinh(x) / torch.cosh(x)}

    def of_squares(x: torch.Tensor, g: Any) -> torch.Tensor:
        return 200 * x * g["squares"]

    report = check_pullback(forward, of_squares, x)
    assert (report.verdict, accused(report)) == (UNDECIDED, [])
    assert report.tallies["vjp of output 'squares'", 1].verdict == CONFORMS
    assert report.undecided == [("vjp of output 'difference'", 1)]
    assert "(vjp of output 'difference') by input 1 undecided" in " ".join(str(report).split())


def test_where_the_function_has_no_value_there_is_no_derivative_to_judge() -> None:
    """At a probability of 1 a textbook's binary cross-entropy is 0 times infinity, and its derivative 0 / 0."""

    def loss(a: Any) -> Any:
        return -(TARGETS * np.log(a) + (1 - TARGETS) * np.log(1 - a)).sum(axis=1)

    def pullback(a: Any, g: Any) -> Any:
        return g[:, None] * (-TARGETS / a + (1 - TARGETS) / (1 - a))

    a = np.array([[0.25, 1.0], [0.5, 0.75]])
    report = check_pullback(loss, pullback, a)
    assert (report.verdict, accused(report)) == (CONFORMS, [])
    assert check_pullback(loss, lambda a, g: 2 * pullback(a, g), a).verdict == WRONG


TARGETS = np.array([[1.0, 1.0], [0.0, 1.0]])
