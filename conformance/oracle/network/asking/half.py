"""Questions in half precision: every number is one of the format's, held in float32."""

import numpy as np

from reference import Layer

from ....arrays import Array
from ....problems.problem import Problem
from .questions import Question


def in_half(question: Question, name: str) -> Question:
    """A question whose numbers are rounded to "bfloat16" or "float16".

    Whole numbers and powers of two of a usual size stay as they are, and so do zeros and kinks.
    """
    declared = question.declared and rounded(question.declared, name)
    return question._replace(problem=rounded(question.problem, name), declared=declared)


def rounded(problem: Problem, name: str) -> Problem:
    """A problem in float32 with the nearest numbers of a format."""
    layers = tuple(Layer(nearest(W, name), nearest(b, name), sigma) for W, b, sigma in problem.network)
    return problem._replace(network=layers, x=nearest(problem.x, name), y=nearest(problem.y, name))


def nearest(numbers: Array, name: str) -> Array:
    """The nearest numbers of a half-precision format, ties to even, in float32; finite ones of a usual size."""
    wide = np.asarray(numbers, np.float32)
    if name == "float16":
        return wide.astype(np.float16).astype(np.float32)
    bits = np.ascontiguousarray(wide).view(np.uint32)
    up = np.uint32(0x7FFF) + (bits >> np.uint32(16) & np.uint32(1))
    kept: Array = ((bits + up) & np.uint32(0xFFFF0000)).view(np.float32).reshape(wide.shape)
    return kept
