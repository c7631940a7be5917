"""`check` and wrong programs: what is wrong is placed, by the trace or by gradients alone."""

import json
from typing import Any

import numpy as np
import pytest

from conformance import GivenAnswer, Parameters, Problem, Report, assert_conforms, check
from conformance.bounds.admitted import loss_label
from conformance.judge.precision import NOTABLE
from conformance.judge.verdict import EXIT_STATUS
from conformance.oracle.network.judging.estimate import FACTOR
from conformance.subjects.faults import FAULTS, Fault
from conformance.subjects.reference import reference_answer
from conformance.text.edits import planted
from reference import (
    L1,
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Identity,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    Softmax,
)

from ..answers import REPORTED, accused, by_dtype, problem, scaled

pytestmark = pytest.mark.sampled(4)


def named(report: Report) -> list[tuple[str, int]]:
    return [(finding.equation, finding.layer) for finding in report.findings]


FAULTS_OF_UPDATES = {"update-ascends", "update-without-rate", "bias-not-updated"}
SATURATED = {"probability-clipped", "exponential-overflow", "log-of-zero"}
"""Those that are hidden while logits are moderate."""

SETTINGS: dict[str, dict[str, Any]] = {
    "derivative-of-sigmoid-handed-z": {"hidden": Sigmoid()},
    "leaky-slope-ignored": {"hidden": LeakyReLU()},
    "outputs-not-averaged": {"head": (Sigmoid(), MeanSquaredError())},
    "softmax-diagonal-only": {"head": (Softmax(), HalfSquaredError())},
    "softmax-twice": {"head": (Softmax(), CrossEntropy())},
    "log-epsilon": {"head": (Softmax(), CrossEntropy())},
    "bce-zero-class-dropped": {"head": (Sigmoid(), BinaryCrossEntropy())},
    "broadcast-target": {"widths": (3, 5, 1)},
    "batch-divided-twice": {"reduction": "mean"},
    "batch-not-divided": {"reduction": "mean"},
    "weight-transposed": {"widths": (3, 4, 4, 2)},
    "weight-transposed-forward": {"widths": (3, 4, 4, 2)},
    "weight-gradient-transposed": {"widths": (3, 4, 4, 2)},
    "probability-clipped": {"head": (Sigmoid(), BinaryCrossEntropy())},
    "exponential-overflow": {"head": (Softmax(), CrossEntropy())},
    "log-of-zero": {"head": (Softmax(), CrossEntropy())},
}
"""Where a fault shows, if not with tanh, sigmoid and half the squared error."""


def kinked(dtype: str = "float64") -> Problem:
    """Of whole numbers, so that a z is exactly 0."""
    head, patterns = (Identity(), HalfSquaredError()), ("integers", "integers", "generic")
    given = problem(hidden=ReLU(), head=head, patterns=patterns, seed=3, dtype=dtype)
    (W, b, sigma), *rest = given.network
    W, b = W.copy(), b.copy()
    W[2], b[2] = 0, 0
    return given._replace(network=(Layer(W, b, sigma), *rest))


@by_dtype
@pytest.mark.parametrize("fault", [f for f in FAULTS if f.name not in FAULTS_OF_UPDATES], ids=lambda fault: fault.name)
def test_a_planted_fault_is_placed_by_its_trace(fault: Fault, dtype: str) -> None:
    given = problem(**{"widths": (3, 4, 5), **SETTINGS.get(fault.name, {})}, dtype=dtype)
    if fault.name == "relu-one-at-zero":
        given = kinked(dtype)
    if fault.name in SATURATED:
        given = scaled(given, 2.0**10)
    conventions = {"relu_derivative_at_zero": 0} if fault.name == "relu-one-at-zero" else {}
    assert not accused(check(given, REPORTED["all"](reference_answer(given)), conventions=conventions))
    with np.errstate(all="ignore"):
        answer = reference_answer(given, planted(*fault.edits))
    report = check(given, REPORTED["all"](answer), conventions=conventions)
    assert report.verdict == "WRONG"
    assert report.findings[0].equation in fault.equations, f"\n{report}"
    # What is broken besides is broken by the same edit: nothing that merely follows is accused.
    assert {equation for equation, _ in named(report)} <= fault.equations


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("name", "placed"),
    [
        ("half-forgotten", [("B1", 2)]),
        ("sign-flipped", [("B1", 2)]),
        ("output-derivative-missing", [("B1", 2)]),
        ("hidden-derivative-missing", [("B2", 1)]),
        ("hidden-delta-doubled", [("B2", 1)]),
        ("weight-gradient-transposed", [("B3", 2)]),
    ],
)
def test_a_planted_fault_is_placed_by_gradients_alone(name: str, placed: list[tuple[str, int]], batch: int) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    widths = (3, 4, 4, 2) if name == "weight-gradient-transposed" else (3, 4, 5)
    given = problem(widths, batch=4 if batch > 1 and name == "weight-gradient-transposed" else batch)
    report = check(given, REPORTED["gradients"](reference_answer(given, planted(*fault.edits))))
    assert report.verdict == "WRONG"
    assert named(report)[0] == placed[0], f"\n{report}"
    if name in {"half-forgotten", "sign-flipped"}:
        factor = "2" if name == "half-forgotten" else "-1"
        assert f"All of them are {factor} times what is expected." in report.findings[0].explanation


@by_dtype
@pytest.mark.parametrize("batch", [1, 3])
def test_a_wrong_dw_and_a_wrong_db_stand_alone(batch: int, dtype: str) -> None:
    given = problem(batch=batch, dtype=dtype)
    right = reference_answer(given).gradients
    for l, (W, b) in enumerate(right):
        for equation, wrong in (("B3", Parameters(W * 2, b)), ("B4", Parameters(W, b * 2))):
            report = check(given, GivenAnswer((*right[:l], wrong, *right[l + 1 :])))
            assert report.verdict == "WRONG"
            assert named(report)[0] == (equation, l + 1), f"\n{report}"
            assert "All of them are 2 times what is expected." in report.findings[0].explanation


@by_dtype
def test_one_element(dtype: str) -> None:
    given = problem(dtype=dtype)
    W, b = reference_answer(given).gradients[1]
    for at in np.ndindex(W.shape):
        off = W.copy()
        off[at] += abs(W).max() / 64
        right = reference_answer(given).gradients
        report = check(given, GivenAnswer((right[0], Parameters(off, b), right[2])))
        assert [(f.equation, f.layer, f.element) for f in report.findings] == [("B3", 2, at)]
        assert report.findings[0].got == off[at]
        assert "1 of 20 elements" in report.findings[0].explanation


def deep() -> Problem:
    """Ten layers in float32, carried through which no bound decides the first."""
    return problem((16, *[64] * 9, 8), dtype="float32", batch=2)


@by_dtype
def test_a_trace_is_judged_equation_by_equation_and_says_how_exact_it_is(dtype: str) -> None:
    given = problem(dtype=dtype, batch=1)
    report = check(given, REPORTED["all"](reference_answer(given)))
    assert_conforms(report)
    assert {("F1", l) for l in (1, 2, 3)} | {("B3", l) for l in (1, 2, 3)} <= set(report.tallies)
    bits = {"float32": 24, "float64": 53}[dtype]
    assert set(report.effective_bits) == {dtype}
    assert bits - NOTABLE < report.effective_bits[dtype] <= bits
    assert report.asked == 1


def test_far_outside_the_usual_rounding_is_suspect_and_no_more() -> None:
    given = deep()
    right = reference_answer(given).gradients
    report = check(given, GivenAnswer(right))
    assert not accused(report)
    assert report.tallies["B3", 1].undecided == right[0].W.size
    (W, b), *rest = right
    report = check(given, GivenAnswer((Parameters(W * (1 + 2.0**-4), b), *rest)))
    assert report.verdict == "SUSPECT", f"\n{report}"
    assert report.exit_status == EXIT_STATUS["SUSPECT"]
    assert {(f.verdict, f.equation, f.layer) for f in report.findings} == {("SUSPECT", "B3", 1)}
    assert f"times {FACTOR} times what perturbed runs differ by" in report.findings[0].explanation
    assert "what is suspect is no proof" in " ".join(str(report).split())
    with pytest.raises(AssertionError, match="SUSPECT"):
        assert_conforms(report)


def test_far_outside_the_bound_is_wrong_in_a_deep_network() -> None:
    given = problem((6, *[7] * 8, 3), dtype="float64", batch=2)
    right = reference_answer(given).gradients
    assert_conforms(check(given, GivenAnswer(right)))
    (W, b), *rest = right
    report = check(given, GivenAnswer((Parameters(W * (1 + 2.0**-4), b), *rest)))
    assert report.verdict == "WRONG"
    assert named(report) == [("B3", 1)]


@by_dtype
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("field", ["loss", "output", "input_gradient"])
def test_what_is_volunteered_is_judged_too(field: str, batch: int, dtype: str) -> None:
    given = problem(batch=batch, dtype=dtype)
    answer = REPORTED["no trace"](reference_answer(given))
    assert_conforms(check(given, answer))
    report = check(given, answer._replace(**{field: 2 * getattr(answer, field)}))
    assert report.verdict == "WRONG"
    place = {"loss": (loss_label(given), 3), "output": ("F2", 3), "input_gradient": ("B2", 0)}[field]
    assert named(report) == [place], f"\n{report}"
    assert "All of them are 2 times what is expected." in report.findings[0].explanation


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("field", ["z", "a", "delta"])
def test_a_wrong_number_of_the_trace_is_placed(field: str, place: int) -> None:
    given = problem()
    answer = REPORTED["all"](reference_answer(given))
    assert answer.trace is not None
    numbers = getattr(answer.trace[place], field).copy()
    numbers[1, 0] += 1 / 8
    trace = tuple(s._replace(**{field: numbers}) if l == place else s for l, s in enumerate(answer.trace))
    report = check(given, answer._replace(trace=trace))
    assert report.verdict == "WRONG"
    first = {"z": "F1", "a": "F2", "delta": "B1" if place == 2 else "B2"}[field]
    assert named(report)[0] == (first, place + 1), f"\n{report}"


def test_conventions_are_held_to_where_they_are_declared() -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "relu-one-at-zero")
    given = kinked()
    zero, one = reference_answer(given).gradients, reference_answer(given, planted(*fault.edits)).gradients
    assert any((p.W != q.W).any() for p, q in zip(zero, one, strict=True)), (zero, one)
    declared = "relu_derivative_at_zero"
    assert_conforms(check(given, GivenAnswer(zero)))
    assert_conforms(check(given, GivenAnswer(one)))
    assert_conforms(check(given, GivenAnswer(zero), conventions={declared: 0}))
    assert_conforms(check(given, GivenAnswer(one), conventions={declared: 1}))
    assert check(given, GivenAnswer(one), conventions={declared: 0}).verdict == "WRONG"
    assert check(given, GivenAnswer(zero), conventions={declared: 1}).verdict == "WRONG"
    beyond = tuple(Parameters(16 * q.W - 15 * p.W, 16 * q.b - 15 * p.b) for p, q in zip(zero, one, strict=True))
    assert check(given, GivenAnswer(beyond)).verdict == "WRONG"  # not between the derivatives on either side


def test_a_kink_of_the_loss() -> None:
    given = problem(head=(Identity(), L1()), widths=(3, 4))
    (layer,) = given.network
    y = given.x @ layer.W.T + layer.b
    given = given._replace(y=y)
    for sign in (-1, 0, 1):
        delta = np.full(y.shape, float(sign))
        assert not accused(check(given, [(delta.T @ given.x, delta.sum(axis=0))]))
    delta = np.full(y.shape, 1.5)
    assert check(given, [(delta.T @ given.x, delta.sum(axis=0))]).verdict == "WRONG"


def test_a_forced_zero_must_be_zero() -> None:
    """An input that is 0 throughout leaves no gradient of its weights."""
    given = problem()
    x = given.x.copy()
    x[:, 1] = 0
    given = given._replace(x=x)
    (W, b), *rest = reference_answer(given).gradients
    assert not W[:, 1].any()
    off = W.copy()
    off[2, 1] = 1e-12
    report = check(given, GivenAnswer((Parameters(off, b), *rest)))
    assert report.verdict == "WRONG"
    assert report.findings[0].element == (2, 1)
    assert report.findings[0].expected == 0


def test_nothing_that_is_no_number_conforms() -> None:
    given = problem()
    for value in (np.nan, np.inf, -np.inf):
        (W, b), *rest = reference_answer(given).gradients
        off = W.copy()
        off[0, 0] = value
        report = check(given, GivenAnswer((Parameters(off, b), *rest)))
        assert report.verdict == "WRONG"
        assert report.findings[0].element == (0, 0)
        json.dumps(report.as_json(), allow_nan=False)
        assert str(report)


def test_assert_conforms_raises_with_the_whole_explanation() -> None:
    given = problem()
    right = [(W, b) for W, b in reference_answer(given).gradients]
    assert_conforms(check(given, right))
    wrong = [(-W, -b) for W, b in right]
    with pytest.raises(AssertionError) as raised:
        assert_conforms(check(given, wrong, name="mine"))
    said = " ".join(str(raised.value).split())
    assert "WRONG mine: one question" in said
    assert "(B1) delta^l = g^l * sigma'(z^l) is violated in layer 3" in said
    assert "All of them are -1 times what is expected." in said
