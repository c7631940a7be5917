"""Questions in half precision: every number is one of bfloat16, held in float32."""

import numpy as np

from reference import Layer

from ....arrays import Array
from ....problems.problem import Problem
from .questions import Question


def in_half(question: Question) -> Question:
    """A question whose numbers are rounded.

    Whole numbers and powers of two of a usual size stay as they are, and so do zeros and kinks.
    """
    return question._replace(
        problem=rounded(question.problem), declared=question.declared and rounded(question.declared)
    )


def rounded(problem: Problem) -> Problem:
    """A problem in float32 with the nearest numbers."""
    layers = tuple(Layer(nearest(W), nearest(b), sigma) for W, b, sigma in problem.network)
    return problem._replace(network=layers, x=nearest(problem.x), y=nearest(problem.y))


def nearest(numbers: Array) -> Array:
    """The nearest numbers of bfloat16, ties to even, in float32: of float32 the upper sixteen bits."""
    bits = np.ascontiguousarray(numbers, np.float32).view(np.uint32)
    up = np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    kept: Array = ((bits + up) & np.uint32(0xFFFF0000)).view(np.float32).reshape(np.shape(numbers))
    return kept
