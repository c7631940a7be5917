"""Problems, and answers to them with more and less in them."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance import GivenAnswer, Problem, Report
from conformance.problems.problem import Answer, Architecture, fill
from reference import (
    Activation,
    HalfSquaredError,
    Loss,
    Sigmoid,
    Tanh,
)

DTYPES = ("float64", "float32")
by_dtype = pytest.mark.parametrize("dtype", DTYPES)


REPORTED: dict[str, Callable[[Answer], GivenAnswer]] = {
    "gradients": lambda answer: GivenAnswer(answer.gradients),
    "no trace": lambda answer: GivenAnswer(answer.gradients, answer.value, answer.trace[-1].a, answer.input_gradient),
    "all": lambda answer: GivenAnswer(
        answer.gradients, answer.value, answer.trace[-1].a, answer.input_gradient, answer.trace
    ),
}
"""How much of an answer is given."""


def problem(
    widths: tuple[int, ...] = (3, 5, 4, 7),
    hidden: Activation = Tanh(),  # noqa: B008
    head: tuple[Activation, Loss] = (Sigmoid(), HalfSquaredError()),
    batch: int = 3,
    dtype: str = "float64",
    patterns: tuple[str, str, str] = ("generic", "generic", "generic"),
    reduction: Any = "sum",
    seed: int = 1,
) -> Problem:
    output, loss = head
    sigmas = (*[hidden] * (len(widths) - 2), output)
    return fill(Architecture(widths, sigmas, loss, reduction, batch, dtype, patterns, seed, 0.125))


def accused(report: Report) -> bool:
    return report.verdict in ("WRONG", "SUSPECT")


def scaled(given: Problem, by: float) -> Problem:
    """With larger logits."""
    *below, last = given.network
    return given._replace(network=(*below, last._replace(W=last.W * by, b=last.b * by)))
