"""Numbers that tell nothing get no name, and beside what explains every number nothing is said of precision."""

from typing import Any

import numpy as np
import pytest

from conformance import probe
from conformance.bounds.lifted import lifted
from conformance.judge.precision import NOTABLE, nearest
from conformance.oracle.network.judging.evidence import evidence
from conformance.oracle.network.naming.mistake import Held, Mistake, fits_all
from conformance.problems.problem import GivenAnswer, Parameters, Problem
from reference import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Identity,
    Layer,
    Sigmoid,
    Softmax,
    Tanh,
    value_and_gradients,
)  # fmt: skip

HEADS: dict[str, Any] = {
    "sigmoid": {"output": Sigmoid(), "loss": HalfSquaredError()},
    "softmax": {"output": Softmax(), "loss": CrossEntropy()},
}


def gradients(network: Any, x: Any, y: Any, loss: Any, reduction: Any = "sum") -> list[Any]:
    _, found = value_and_gradients(network, x, y, loss, reduction)
    return [(gradient.W, gradient.b) for gradient in found]


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_a_penalty_that_is_not_declared_is_told_and_is_no_matter_of_precision(head: str, biased: bool) -> None:
    """Of softmax over a single output no gradient stands out, and another question tells the factor."""
    options, c = HEADS[head], 0.2

    def penalised(network: Any, x: Any, y: Any) -> list[Any]:
        right = gradients(network, x, y, options["loss"])
        return [(dW + c * W, db + biased * c * b) for (dW, db), (W, b, _) in zip(right, network, strict=True)]

    report = probe(penalised, problems=30, **options)
    assert report.findings[0].explanation.startswith("Right if the objective holds a penalty"), f"\n{report}"
    assert f"say l2=0.2{', l2_biases=True' * biased}." in report.findings[0].explanation
    assert not report.effective_bits


@pytest.mark.parametrize("c", [1e-6, 1e-4])
def test_a_penalty_beside_another_reduction_is_no_matter_of_precision(c: float) -> None:
    def penalised(network: Any, x: Any, y: Any) -> list[Any]:
        right = gradients(network, x, y, HalfSquaredError(), "mean")
        return [(dW + c * W, db + c * b) for (dW, db), (W, b, _) in zip(right, network, strict=True)]

    assert not probe(penalised, problems=30).effective_bits


@pytest.mark.parametrize(
    ("output", "loss"),
    [(Tanh(), HalfSquaredError()), (Sigmoid(), BinaryCrossEntropy()), (Softmax(), CrossEntropy()),
     (Identity(), HalfSquaredError())],
)  # fmt: skip
def test_what_a_delta_cancels_is_no_bit_of_the_products(output: Any, loss: Any) -> None:
    """1 - a^2 of a saturated tanh, and p - y near 0, lose bits in any format."""

    def in_single(network: Any, x: Any, y: Any) -> list[Any]:
        return gradients(network, x, y, loss)

    report = probe(in_single, output=output, loss=loss, dtype="float32", layers=(1, 1), seed=1, problems=40)
    assert report.verdict == "CONFORMS"
    assert report.effective_bits["float32"] > 24 - NOTABLE


@pytest.mark.parametrize(
    ("bits", "said"),
    [(22.1, "like float32"), (20.9, "like float32, or like differences"), (33, "like no format, or like differences")],
)
def test_the_format_is_said_that_a_right_program_may_have_lost_bits_of(bits: float, said: str) -> None:
    assert nearest(bits) == said


def held(answer: Any) -> Held:
    """A question with logits far apart, so that a softmax is one-hot, and an answer."""
    W, b = 40 * np.eye(3, 4), np.array([0.5, -0.25, 0.125])
    x, y = np.array([[1.0, 0.25, -0.5, 2.0]]), np.array([[0.0, 0.0, 1.0]])
    problem = Problem((Layer(W, b, Softmax()),), x, y, CrossEntropy(), "sum", 1.0)
    return Held.of(evidence(lifted(problem), GivenAnswer(answer(problem))))


def saturated(problem: Problem) -> Any:
    """What softmax twice gives of it, among much else."""
    return tuple(Parameters(0 * W, 0 * b) for W, b, _ in problem.network)


def negative(problem: Problem) -> Any:
    right = gradients(problem.network, problem.x, problem.y, problem.loss)
    return tuple(Parameters(-dW, -db) for dW, db in right)


@pytest.mark.parametrize(("given", "telling"), [(saturated, False), (negative, True)])
def test_of_zeros_alone_no_mistake_is_named(given: Any, telling: bool) -> None:
    assert fits_all(Mistake("", "", given), [held(given)]) == telling


def test_a_mistake_that_shows_at_the_ends_alone_must_give_the_ordinary_numbers() -> None:
    """A derivative left out where logits are large is no derivative left out."""

    def left_out(network: Any, x: Any, y: Any) -> list[Any]:
        found = gradients(network, x, y, CrossEntropy())
        W, b, _ = network[0]
        if len(network) > 1 and abs(x @ W.T + b).max() > 30:
            of = [Layer(W, b, Identity()) for W, b, _ in network[:-1]]
            found = gradients((*of, network[-1]), x, y, CrossEntropy())
        return found

    report = probe(left_out, hidden=Tanh(), output=Softmax(), loss=CrossEntropy(), targets="distribution")
    assert (report.verdict, report.robustness and report.robustness.verdict) == ("CONFORMS", "WRONG"), f"\n{report}"
    assert not report.findings[0].faults, report.findings[0].explanation
