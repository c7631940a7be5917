"""What cannot be asked is refused in one clear line; what people write for an answer is taken as it is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance import GivenAnswer, check, probe
from conformance.subjects.reference import reference_answer
from reference import CrossEntropy
from tests.oracle.network.answers import problem
from tests.oracle.network.functions import right

pytestmark = pytest.mark.sampled(4)

GIVEN = problem(batch=3)
RIGHT = reference_answer(GIVEN)
PLAIN = [(W.tolist(), b.tolist()) for W, b in RIGHT.gradients]

given: Any = GivenAnswer
"""As somebody writes it who looks at no types."""

TAKEN: dict[str, Any] = {
    "lists of pairs": PLAIN,
    "pairs of lists in an answer": given(PLAIN),
    "a list of pairs in an answer": given([tuple(pair) for pair in RIGHT.gradients]),
    "a plain number as loss": given(RIGHT.gradients, loss=float(RIGHT.value)),
    "lists as output": given(RIGHT.gradients, output=RIGHT.trace[-1].a.tolist()),
    "plain tuples as trace": given(RIGHT.gradients, trace=tuple(tuple(state) for state in RIGHT.trace)),
}


@pytest.mark.parametrize("answer", TAKEN)
def test_what_people_write_is_an_answer(answer: str) -> None:
    report = check(GIVEN, TAKEN[answer])
    assert report.verdict == "CONFORMS", f"\n{report}"


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no problem": (lambda: check(None, PLAIN), r"problem: expected a Problem\(.*got NoneType"),  # type: ignore[arg-type]
    "a dict": (lambda: check({}, []), r"problem: expected a Problem\(.*got dict"),  # type: ignore[arg-type]
    "no layers": (lambda: check(GIVEN, []), r"expected a list of \(dW, db\)"),
    "a trace of numbers": (
        lambda: check(GIVEN, GivenAnswer(RIGHT.gradients, trace=((1, 2),))),  # type: ignore[arg-type]
        r"trace, layer 1: expected \(z, a, delta\), got tuple of 2 parts",
    ),
    "conventions in a list": (
        lambda: probe(right, conventions=["relu"]),  # type: ignore[arg-type]
        "conventions: expected a dict .* got list",
    ),
    "no seed": (lambda: probe(right, seed=None), "seed: expected a whole number"),  # type: ignore[arg-type]
    "a seed below 0": (lambda: probe(right, seed=-1), "seed: expected a whole number"),
    "no problems": (lambda: probe(right, problems=0), "problems: expected a whole number, at least 1"),
    "more samples than there is memory": (
        lambda: probe(right, batch=(10**30, 10**30)),
        "batch: expected the smallest and the largest.*whole numbers from 1 to 1,048,576",
    ),
    "no such targets": (lambda: probe(right, targets="one"), "targets: expected 'any'"),  # type: ignore[arg-type]
    "no such method": (lambda: probe(right, method="tape"), "method: expected 'any'"),  # type: ignore[arg-type]
    "no function": (lambda: probe(None), "expected a function of"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", REFUSED)
def test_what_cannot_be_asked_is_said(call: str) -> None:
    refused, said = REFUSED[call]
    with pytest.raises((TypeError, ValueError), match=said) as error:
        refused()
    assert "\n" not in str(error.value)


def test_an_exit_in_a_function_ends_its_answer_alone() -> None:
    def leaving(*_: Any) -> Any:
        raise SystemExit(0)

    report = probe(leaving, width=(1, 7))
    assert report.verdict == "NOT ASKED"
    assert "SystemExit" in report.findings[0].explanation


def test_a_loss_that_is_off_is_no_convention() -> None:
    """Only where gradients are off is a convention looked for."""
    report = check(GIVEN, GivenAnswer(RIGHT.gradients, loss=np.asarray(2 * RIGHT.value)))
    assert report.verdict == "WRONG"
    assert "Right if" not in report.findings[0].explanation
    assert isinstance(GIVEN.loss, CrossEntropy) or report.findings[0].equation.startswith("L")
