"""The reference's two texts: the equations on arrays, and the literal ones on lists."""

from typing import Any

import numpy as np

import reference
from reference import ACTIVATIONS, LOSSES, literal
from reference.losses import REQUIRED_HEAD

from ...problems.messages import Conventions, StartAnswer
from ...problems.problem import Answer, GivenAnswer, Parameters, Problem
from ..reference import reference_answer
from .table import Subject

HEADS = [
    [name, of]
    for of, loss in LOSSES.items()
    for name, sigma in ACTIVATIONS.items()
    if REQUIRED_HEAD.get(loss, sigma) is sigma
]
"""Every activation of a last layer with every loss that is defined for it."""


def reference_text() -> Subject:
    """The reference: everything that EQUATIONS.md holds."""
    declaration = StartAnswer(
        protocol=1, name="reference", version=reference.__version__, language="python", commands=["gradients"],
        dtypes=["float64", "float32"], activations=list(ACTIVATIONS), heads=HEADS, reductions=["sum", "mean"],
        conventions=Conventions.model_validate({"targets": "any", "method": "backpropagation"}),
    )  # fmt: skip
    return Subject(declaration, lambda problem: volunteered(reference_answer(problem)))


def volunteered(answer: Answer) -> GivenAnswer:
    """All that an answer holds but the step."""
    return GivenAnswer(answer.gradients, answer.value, answer.trace[-1].a, answer.input_gradient, answer.trace)


def literal_text() -> Subject:
    """The document's own sums over i, j and k, in plain Python."""
    declaration = StartAnswer(
        protocol=1, name="literal", version=reference.__version__, language="python", commands=["gradients"],
        dtypes=["float64"], activations=list(literal.ELEMENTWISE),
        heads=[[name, "half_squared_error"] for name in literal.ELEMENTWISE], reductions=["sum"],
        conventions=Conventions.model_validate({"method": "backpropagation", "relu_derivative_at_zero": 0.0}),
    )  # fmt: skip
    return Subject(declaration, _in_sums)


def _in_sums(problem: Problem) -> GivenAnswer:
    names = {kind: name for name, kind in ACTIVATIONS.items()}
    network = [
        literal.Neurons(W.tolist(), b.tolist(), *literal.ELEMENTWISE[names[type(sigma)]])
        for W, b, sigma in problem.network
    ]
    try:
        value, dw, db = literal.gradients(network, problem.x.tolist(), problem.y.tolist())
    except OverflowError:
        raise NotImplementedError("a power or exponential beyond float64, for which Python's numbers raise") from None

    def array(numbers: Any) -> Any:
        return np.array(numbers, dtype=np.float64)

    return GivenAnswer(tuple(Parameters(array(W), array(b)) for W, b in zip(dw, db, strict=True)), array(value))
