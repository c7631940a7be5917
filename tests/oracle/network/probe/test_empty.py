"""Never empty: what conforms was looked at, and a number that is none never conforms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance import GivenAnswer, Parameters, assert_conforms, check, probe
from conformance.arrays import Array, Network
from conformance.problems.problem import Architecture, State, fill
from conformance.subjects.reference import reference_answer
from reference import HalfSquaredError, Sigmoid, Tanh
from tests.oracle.network.functions import Gradients, by_dtype, right

pytestmark = pytest.mark.sampled(4)


def replaced(gradients: Gradients, by: float, field: int | None) -> Gradients:
    """The gradients, one field of them or both, times NaN or infinity."""
    return [
        (W * W.dtype.type(1 if field == 1 else by), b * b.dtype.type(1 if field == 0 else by)) for W, b in gradients
    ]


@by_dtype
@pytest.mark.parametrize("field", [0, 1, None], ids=["dW", "db", "all"])
@pytest.mark.parametrize("by", [np.nan, np.inf])
@pytest.mark.parametrize("single", [True, False])
def test_what_is_no_number_is_wrong(single: bool, by: float, field: int | None, dtype: str) -> None:
    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        gradients = right(network, x, y)
        with np.errstate(all="ignore"):
            return replaced(gradients, by, field) if (len(x) == 1) == single else gradients

    report = probe(wrong, dtype=dtype)
    assert report.verdict == "WRONG"
    assert "has no numbers where the truth has" in report.findings[0].explanation, f"\n{report}"


@by_dtype
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("field", ["z", "a", "delta"])
def test_a_trace_that_is_no_number_is_wrong(field: str, batch: int, dtype: str) -> None:
    given = fill(
        Architecture(
            (4, 7, 5), (Tanh(), Sigmoid()), HalfSquaredError(), "sum", batch, dtype, ("generic",) * 3, 0, eta=0.125
        )
    )
    answer = reference_answer(given)
    nothing = [state._replace(**{field: state.z * np.nan}) for state in answer.trace]
    trace: tuple[State[Array], ...] = (answer.trace[0], nothing[1])
    report = check(given, GivenAnswer(answer.gradients, trace=trace))
    assert report.verdict == "WRONG", f"\n{report}"


def twelve(dtype: str, batch: int = 3) -> Any:
    """Twelve generic layers of tanh, of which the bound carried from x decides few in float32."""
    return fill(
        Architecture(
            (16,) * 13, (Tanh(),) * 12, HalfSquaredError(), "sum", batch, dtype, ("generic",) * 3, 0, eta=0.125
        )
    )


CHANGES: dict[str, Callable[[Array], Array]] = {
    "zero": lambda a: 0 * a,
    "negated": lambda a: -a,
    "not a number": lambda a: a * np.nan,
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("layer", [0, 5])
def test_a_layer_of_which_nothing_is_decided_does_not_conform(layer: int, change: str) -> None:
    given = twelve("float32")
    right_one = reference_answer(given)
    gradients = tuple(
        Parameters(*map(CHANGES[change], pair)) if l == layer else pair for l, pair in enumerate(right_one.gradients)
    )
    assert check(given, GivenAnswer(gradients)).verdict in ("WRONG", "SUSPECT", "UNDECIDED")
    traced = GivenAnswer(gradients, trace=right_one.trace)
    assert check(given, traced).verdict in ("WRONG", "SUSPECT")
    assert check(given, traced, method="backpropagation").verdict == "WRONG", "its trace decides"


def test_what_is_undecided_is_said_by_name_and_what_would_decide_it() -> None:
    given = twelve("float32")
    answer = reference_answer(given)
    report = check(given, GivenAnswer(answer.gradients))
    assert report.verdict == "UNDECIDED"
    first = str(report).splitlines()[0]
    assert "dL/dW of layer" in " ".join(str(report).split()), first
    assert "float64 or trace=" in " ".join(str(report).split())[:400]
    with pytest.raises(AssertionError, match="UNDECIDED"):
        assert_conforms(report)
    assert_conforms(report, undecided="allow")
    assert_conforms(check(given, GivenAnswer(answer.gradients, trace=answer.trace)))
    assert_conforms(check(twelve("float64"), GivenAnswer(reference_answer(twelve("float64")).gradients)))
    with pytest.raises(ValueError, match="undecided"):
        assert_conforms(report, undecided="sometimes")  # type: ignore[arg-type]


def test_what_is_wrong_is_not_allowed_as_undecided() -> None:
    given = twelve("float64")
    gradients = tuple(Parameters(2 * W, b) for W, b in reference_answer(given).gradients)
    with pytest.raises(AssertionError, match="WRONG"):
        assert_conforms(check(given, GivenAnswer(gradients)), undecided="allow")


def test_a_function_that_refuses_nearly_all_is_not_looked_at() -> None:
    def picky(network: Network, x: Array, y: Array) -> Gradients:
        if (x.shape, len(network)) != ((1, 4), 2):
            raise NotImplementedError("one sample of 4 alone")
        return right(network, x, y)

    report = probe(picky)
    assert report.verdict == "UNDECIDED"
    assert any("It refuses" in remark for remark in report.remarks), report.remarks
