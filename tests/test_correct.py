"""Correct but different programs: whoever judges must never accuse them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given

from conformance.judge import end_to_end, local
from conformance.problem import Answer, Parameters, Problem, State
from conformance.strategies import problems
from conformance.subjects import reference_answer
from reference import Layer


def in_wider_registers(problem: Problem) -> Answer:
    """All in float64, each number rounded to the problem's dtype only when it is reported."""
    wide = Problem(
        tuple(Layer(W.astype(float), b.astype(float), sigma) for W, b, sigma in problem.network),
        problem.x.astype(float),
        problem.y.astype(float),
        problem.loss,
        problem.reduction,
        problem.eta,
    )
    answer = reference_answer(wide)
    with np.errstate(over="ignore"):
        return Answer(
            answer.value.astype(problem.dtype),
            tuple(Parameters(*(p.astype(problem.dtype) for p in layer)) for layer in answer.gradients),
            tuple(State(*(p.astype(problem.dtype) for p in state)) for state in answer.trace),
            answer.input_gradient.astype(problem.dtype),
            tuple(Parameters(*(p.astype(problem.dtype) for p in layer)) for layer in answer.updated),
        )


def divided_at_the_end(problem: Problem) -> Answer:
    """The mean's 1/B divides the summed gradients, and is folded into the learning rate."""
    answer = reference_answer(problem._replace(reduction="sum"))
    if problem.reduction == "sum":
        return answer
    B = problem.dtype.type(len(problem.x))
    rate = problem.dtype.type(problem.eta) / B
    return Answer(
        answer.value / B,
        tuple(Parameters(W / B, b / B) for W, b in answer.gradients),
        tuple(State(z, a, delta / B) for z, a, delta in answer.trace),
        answer.input_gradient / B,
        tuple(
            Parameters(layer.W - rate * W, layer.b - rate * b)
            for layer, (W, b) in zip(problem.network, answer.gradients, strict=True)
        ),
    )


def sample_by_sample(problem: Problem) -> Answer:
    """One sample at a time, the last first, the gradients added up."""
    B = len(problem.x)
    single = [
        reference_answer(problem._replace(x=problem.x[s : s + 1], y=problem.y[s : s + 1], reduction="sum"))
        for s in range(B)
    ]
    N = problem.dtype.type(B if problem.reduction == "mean" else 1)
    layers = range(len(problem.network))
    gradients = tuple(
        Parameters(
            sum((answer.gradients[l].W for answer in single[-2::-1]), single[-1].gradients[l].W) / N,
            sum((answer.gradients[l].b for answer in single[-2::-1]), single[-1].gradients[l].b) / N,
        )
        for l in layers
    )
    eta = problem.dtype.type(problem.eta)
    return Answer(
        sum((answer.value for answer in single[-2::-1]), single[-1].value) / N,
        gradients,
        tuple(
            State(
                np.concatenate([answer.trace[l].z for answer in single]),
                np.concatenate([answer.trace[l].a for answer in single]),
                np.concatenate([answer.trace[l].delta / N for answer in single]),
            )
            for l in layers
        ),
        np.concatenate([answer.input_gradient / N for answer in single]),
        tuple(
            Parameters(layer.W - eta * W, layer.b - eta * b)
            for layer, (W, b) in zip(problem.network, gradients, strict=True)
        ),
    )


@pytest.mark.parametrize("program", [in_wider_registers, divided_at_the_end, sample_by_sample])
@given(problem=problems())
def test_is_not_accused(program: Callable[[Problem], Answer], problem: Problem) -> None:
    with np.errstate(all="ignore"):  # what overflows is the judge's to see
        answer = program(problem)
    assert not [judgement for judgement in local(problem, answer) if judgement.wrong]
    assert not [judgement for (judgement,) in end_to_end(problem, answer) if judgement.wrong]
