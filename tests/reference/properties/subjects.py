"""Problems of networks, the subjects that are asked, and what the judge finds wrong in their answers."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from conformance.arrays import Array
from conformance.bounds.lifted import lifted
from conformance.judge.equations import end_to_end, local, path
from conformance.judge.judgement import Judgement
from conformance.problems.problem import Answer, Architecture, Problem, fill
from conformance.subjects.faults import FAULTS
from conformance.subjects.reference import reference_answer
from conformance.suite.suite import SUBJECTS
from conformance.text.edits import Edit, planted
from reference import (
    Activation,
    HalfSquaredError,
    Identity,
    Tanh,
)

EXAMPLES = settings(max_examples=15)


GENERIC = ("generic", "generic", "generic")

Ask = Callable[[Problem], Answer]

both_subjects = pytest.mark.parametrize("ask", SUBJECTS.values(), ids=SUBJECTS)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def network_problem(
    dtype: str, sigmas: tuple[Activation, ...] = (Tanh(), Identity()), loss: Any = None, seed: int = 1
) -> Problem:
    """A generic problem 3-5-...-4-2 with a batch of 3."""
    widths = (3, *(5, 4, 6, 7)[: len(sigmas) - 1], 2)
    return fill(Architecture(widths, sigmas, loss or HalfSquaredError(), "mean", 3, dtype, GENERIC, seed, 0.1))


def wrong(problem: Problem, answer: Answer) -> list[Judgement]:
    """What the judge finds wrong: alone, along all paths, from end to end."""
    of = lifted(problem)
    judged = [*local(of, answer), *path(of, answer), *(j for (j,) in end_to_end(of, answer))]
    return [judgement for judgement in judged if judgement.wrong]


def with_mistake(*edits: Edit) -> Ask:
    """The reference with a mistake in it."""
    text = planted(*edits)
    return lambda problem: reference_answer(problem, text)


def named(name: str) -> ModuleType:
    """The reference with a known fault."""
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    return planted(*fault.edits)


def pulled(text: ModuleType, problem: Problem, g: Array) -> list[Array]:
    """delta, dL/dW and dL/db of every layer, and dL/dx, for a cotangent of the network's output."""
    network = tuple(layer._replace(sigma=counterpart(text, layer.sigma)) for layer in problem.network)
    gradients = text.backward(network, text.forward(network, problem.x), g)
    return [*(part for gradient in gradients for part in gradient), text.input_gradient(network, gradients)]


def counterpart(text: ModuleType, sigma: Activation) -> Any:
    """The activation of the same name and parameters in a copy of the reference."""
    return getattr(text, type(sigma).__name__)(**vars(sigma))


def cotangent(problem: Problem, seed: int) -> Array:
    """A generic cotangent of the output."""
    return np.random.default_rng(seed).standard_normal(problem.y.shape).astype(problem.dtype)
