"""Answers and problems that `check` refuses, and arrays of any layout."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance import GivenAnswer, Parameters, assert_conforms, check
from conformance.arrays import Array
from conformance.subjects.reference import reference_answer
from reference import (
    Layer,
)

from ..answers import REPORTED, problem

pytestmark = pytest.mark.sampled(4)

Change = Callable[[list[tuple[Any, Any]]], Any]

REFUSED: list[tuple[Change, type[Exception], str]] = [
    (lambda g: g[1:], ValueError, "expected a list of (dW, db), one for each of the 3 layers, got 2 of them"),
    (lambda g: None, ValueError, "one for each of the 3 layers, got None: return them"),
    (lambda g: [(g[0][0].T, g[0][1]), *g[1:]], ValueError, "dW of layer 1 has shape (3, 5), expected (5, 3)"),
    (lambda g: [*g[:2], (g[2][0], g[2][1][:, None])], ValueError, "db of layer 3 has shape (7, 1), expected (7,)"),
    (lambda g: [(g[0][0] + 0j, g[0][1]), *g[1:]], ValueError, "dW of layer 1: expected an array of real numbers"),
    (
        lambda g: GivenAnswer(tuple(Parameters(W.astype(np.float32), b) for W, b in g)),
        ValueError, "W, layer 1: expected shape (5, 3) and dtype float64, got (5, 3) and float32",
    ),
    (
        lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g), loss=np.zeros(3)),
        ValueError, "loss: expected shape () and dtype float64, got (3,) and float64",
    ),
    (
        lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g), output=np.zeros((2, 3))),
        ValueError, "output: expected shape (3, 7) and dtype float64, got (2, 3)",
    ),
    (
        lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g), input_gradient=np.zeros((3, 2))),
        ValueError, "input_gradient: expected shape (3, 3) and dtype float64, got (3, 2)",
    ),
    (lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g[:2])), ValueError, "3 layers, got 2"),
    (lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g), trace=()), ValueError, "3 layers, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "error", "said"), REFUSED)
def test_an_answer_that_does_not_fit_is_refused(change: Change, error: type[Exception], said: str) -> None:
    given = problem()
    with pytest.raises(error, match=re.escape(said)):
        check(given, change([(W, b) for W, b in reference_answer(given).gradients]))


def test_a_trace_in_another_shape_is_refused() -> None:
    given = problem()
    answer = reference_answer(given)
    trace = tuple(s._replace(a=s.a.T) for s in answer.trace)
    with pytest.raises(ValueError, match=re.escape("trace, layer 1, a: expected shape (3, 5)")):
        check(given, REPORTED["all"](answer)._replace(trace=trace))


def test_a_problem_that_is_none_is_refused() -> None:
    given = problem()
    answer = [(W, b) for W, b in reference_answer(given).gradients]
    half = tuple(Layer(W.astype(np.float16), b.astype(np.float16), sigma) for W, b, sigma in given.network)
    halved = given._replace(network=half, x=given.x.astype(np.float16), y=given.y.astype(np.float16))
    with pytest.raises(TypeError, match="float16"):
        check(halved, answer)
    with pytest.raises(ValueError, match="y"):
        check(given._replace(y=given.y[:, :1]), answer)


def test_arrays_of_any_layout(capsys: pytest.CaptureFixture[str]) -> None:
    given = problem()

    def laid_out(a: Array) -> Array:
        apart = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
        apart[tuple(slice(None, None, 2) for _ in a.shape)] = a
        return np.asfortranarray(apart)[tuple(slice(None, None, 2) for _ in a.shape)]

    answer = [(laid_out(W), laid_out(b)) for W, b in reference_answer(given).gradients]
    before = [(W.copy(), b.copy()) for W, b in answer]
    report = check(given, answer)
    assert_conforms(report)
    for pair, copies in zip(answer, before, strict=True):
        assert not [(p, q) for p, q in zip(pair, copies, strict=True) if not np.array_equal(p, q)]
    assert capsys.readouterr().out == ""
