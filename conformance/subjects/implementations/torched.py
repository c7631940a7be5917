"""PyTorch's own functions under its autograd."""

import torch

from reference import ACTIVATIONS

from ...problems.messages import Conventions, StartAnswer
from ...problems.problem import GivenAnswer, Problem
from ..threads import one_thread
from ..twin import Refusal, twin_answer
from .table import Subject
from .texts import HEADS, volunteered


def torch_autograd() -> Subject:
    """PyTorch, asked as the twin is: round where it departs from the truth (`conformance.subjects.domain`)."""
    declaration = StartAnswer(
        protocol=1, name="torch", version=str(torch.__version__), language="python", commands=["gradients"],
        dtypes=["float64", "float32"], activations=list(ACTIVATIONS), heads=HEADS, reductions=["sum", "mean"],
        conventions=Conventions.model_validate({"targets": "any"}),
    )  # fmt: skip
    return Subject(declaration, _answer)


def _answer(problem: Problem) -> GivenAnswer:
    try:
        with one_thread():
            return volunteered(twin_answer(problem._replace(eta=0.0)))
    except Refusal as error:
        raise NotImplementedError(str(error)) from None
