"""`probe` and right programs: none is accused, in whatever style it is written."""

from typing import Any

import pytest

from conformance import GivenAnswer, Parameters, assert_conforms, probe
from conformance.arrays import Array, Network
from conformance.judge.precision import NOTABLE
from conformance.judge.report import Subject
from conformance.oracle.network.asking.domain import Domain
from conformance.oracle.network.interrogation import interrogated
from conformance.subjects.correct import PROGRAMS, Program
from reference import (
    ELU,
    L1,
    BinaryCrossEntropy,
    CrossEntropy,
    GELUTanh,
    HalfSquaredError,
    Huber,
    Identity,
    LeakyReLU,
    LogSoftmax,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
    backward,
    forward,
)

from ..functions import (
    DTYPES,
    SLOW,
    Gradients,
    asked,
    by_dtype,
    named,
    numbers,
    other_style,
    right,
)

pytestmark = pytest.mark.sampled(4)

HIDDEN = (Tanh(), Sigmoid(), ReLU(), LeakyReLU(), ELU(), Softplus(), SiLU(), Softsign(), GELUTanh())
HEADS = (
    (Sigmoid(), HalfSquaredError()),
    (Softmax(), CrossEntropy()),
    (Sigmoid(), BinaryCrossEntropy()),
    (Identity(), MeanSquaredError()),
    (LogSoftmax(), Huber()),
    (Tanh(), L1()),
)


def domain(program: Program, dtype: str, turn: int, whole: bool) -> Domain:
    """Another order of activations and heads in each turn; small for slow programs."""
    hidden = HIDDEN[turn % len(HIDDEN) :] + HIDDEN[: turn % len(HIDDEN)]
    limits: dict[str, Any] = {"width": (1, 7), "layers": (1, 3)} if program.name in SLOW else {"width": (1, 1024)}
    if program.name not in SLOW and not whole and turn % 6:
        limits = {"width": (1, 70)}
    if not program.recursive:
        limits["batch"] = (1, 3)
    return Domain(hidden, HEADS[turn % len(HEADS) :] + HEADS[: turn % len(HEADS)], ["sum", "mean"], dtype, **limits)


@by_dtype
def test_right_programs_are_never_accused(dtype: str, whole: bool) -> None:
    judged = 0
    for turn, program in enumerate(PROGRAMS * (len(HIDDEN) if whole else 1)):
        count = None if whole or turn % 6 == 0 else 24
        report = interrogated(
            asked(program), domain(program, dtype, turn, whole), Subject(program.name), turn, count
        )
        judged += numbers(report)
        assert report.verdict == ("UNDECIDED" if report.refuses_most else "CONFORMS"), f"\n{report}"
        assert not report.refuses_most or program.name == "complex-step", f"\n{report}"
        assert report.robustness is None or report.robustness.verdict == "CONFORMS", f"\n{report}"
    print(f"{judged:,} numbers of right programs in {dtype}, none accused")
    assert judged >= 10**6 / len(DTYPES)


@by_dtype
def test_a_script_in_another_style(dtype: str) -> None:
    assert_conforms(probe(other_style, dtype=dtype, seed=1))
    report = probe(lambda network, x, y: other_style(network, x, y, forgotten=True), dtype=dtype)
    assert report.verdict == "WRONG"
    assert named(report) == ["B2"]


@by_dtype
def test_a_function_of_two_parameters_and_a_class_that_is_called(dtype: str) -> None:
    class Net:
        def __call__(self, network: Network, batch: tuple[Array, Array]) -> Gradients:
            return right(network, *batch)

    report = probe(Net(), dtype=dtype)
    assert_conforms(report)
    assert report.subject.name == "Net"


def test_bits_lost_are_few_in_right_programs() -> None:
    for dtype, bits in (("float64", 53), ("float32", 24)):
        assert probe(right, dtype=dtype, width=(1, 70)).effective_bits[dtype] > bits - NOTABLE


def test_p_minus_y_is_right_for_targets_that_sum_to_one() -> None:
    def p_minus_y(network: Network, x: Array, y: Array) -> list[tuple[Array, Array]]:
        steps = forward(network, x)
        head = network[-1]._replace(sigma=Identity())
        gradients = backward((*network[:-1], head), steps, steps[-1].a - y)
        return [(gradient.W, gradient.b) for gradient in gradients]

    options: dict[str, Any] = {"output": Softmax(), "loss": CrossEntropy(), "width": (1, 7)}
    report = probe(p_minus_y, **options)
    assert_conforms(report)
    assert any("Judged on targets that sum to one" in remark for remark in report.remarks), report.remarks
    assert probe(p_minus_y, targets="any", **options).verdict == "WRONG"
    for targets in ("distribution", "one-hot"):
        assert_conforms(probe(p_minus_y, targets=targets, **options))


@pytest.mark.parametrize("seed", range(3))
def test_in_a_wide_network_every_entry_of_a_batch_is_judged(seed: int) -> None:
    """The columns of units that are not at work as well."""

    def columns(network: Network, x: Array, y: Array) -> list[tuple[Array, Array]]:
        gradients = right(network, x, y)
        if len(x) > 1:
            gradients[1][0][:, 5:7] *= 2
        return gradients

    options: dict[str, Any] = {"widths": (300, 70, 10), "seed": seed}
    assert_conforms(probe(right, **options))
    report = probe(columns, **options)
    assert (report.verdict, report.findings[0].equation, report.findings[0].layer) == ("WRONG", "B3", 2)
    assert report.findings[0].element[1] in (5, 6)


@pytest.mark.parametrize("limits", [{"layers": (4, 4)}, {"layers": (7, 9)}, {"width": (16, 64)}, {"batch": (64, 64)}])
def test_within_any_limits_there_is_something_to_ask(limits: dict[str, Any]) -> None:
    report = probe(right, **limits)
    assert report.asked > 5
    assert_conforms(report)


def test_a_subject_that_answers_from_its_own_buffers_is_found_by_its_state() -> None:
    kept: list[GivenAnswer] = []

    def accumulating(network: Network, x: Array, y: Array) -> GivenAnswer:
        gradients = right(network, x, y)
        same = [k for k in kept if [W.shape for W, _ in k.gradients] == [W.shape for W, _ in gradients]]
        if not same:
            kept.append(GivenAnswer(tuple(Parameters(W, b) for W, b in gradients)))
            return kept[-1]
        for (W, b), (dW, db) in zip(same[0].gradients, gradients, strict=True):
            W += dW
            b += db
        return same[0]

    report = probe(accumulating, width=(1, 7))
    assert [finding.equation for finding in report.findings] == ["state"]
