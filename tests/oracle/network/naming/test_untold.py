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
    ELU,
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Identity,
    Layer,
    Sigmoid,
    Softmax,
    Tanh,
    forward,
    input_gradient,
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


def with_below(change: Any) -> Any:
    """Gradients with dL/dx, changed."""

    def given(network: Any, x: Any, y: Any) -> GivenAnswer:
        _, found = value_and_gradients(network, x, y, HalfSquaredError(), "sum")
        layers = [(gradient.W, gradient.b) for gradient in found]
        layers, below = change(layers, input_gradient(network, found))
        return GivenAnswer(tuple(Parameters(*pair) for pair in layers), input_gradient=below)

    return given


def test_dl_dx_that_follows_from_a_delta_is_no_mistake_of_its_own() -> None:
    def doubled(layers: Any, below: Any) -> Any:
        """Each hidden delta."""
        (dW, db), (dW2, db2), last = layers
        return [(4 * dW, 4 * db), (2 * dW2, 2 * db2), last], 4 * below

    report = probe(with_below(doubled), widths=(3, 5, 5, 2), batch=(3, 40))
    assert [(finding.equation, finding.layer) for finding in report.findings] == [("B2", 2)], f"\n{report}"


def test_of_a_gradient_that_is_wrong_nothing_follows() -> None:
    """The delta of the first layer of two is doubled, and its dL/dW is off besides."""

    def changed(layers: Any, below: Any) -> Any:
        (dW, db), last = layers
        return [(2 * dW + 0.01, 2 * db), last], 2 * below

    report = probe(with_below(changed), widths=(3, 5, 4))
    said = {finding.equation: finding.explanation for finding in report.findings}
    assert set(said) == {"B2", "B3"}, f"\n{report}"
    assert ["follow from it" in said[equation] for equation in ("B2", "B3")] == [True, False], f"\n{report}"


def test_a_program_with_parameters_of_its_own_and_a_mistake_is_accused_of_the_mistake() -> None:
    """Some questions have other parameters in the network, which it does not look at."""

    def own(network: Any, x: Any, y: Any) -> GivenAnswer:
        *hidden, last = network
        layers = (*(Layer(W, b, ELU(0.5)) for W, b, _ in hidden), last)
        _, found = value_and_gradients(layers, x, y, HalfSquaredError(), "sum")
        output = forward(layers, x)[-1].a
        parts = tuple(Parameters(gradient.W * (1.5 if l == 0 else 1), gradient.b) for l, gradient in enumerate(found))
        return GivenAnswer(parts, output=output)

    report = probe(own, hidden=ELU(0.5), widths=(3, 5, 4))
    assert [(finding.equation, finding.layer) for finding in report.findings] == [("B3", 1)], f"\n{report}"
