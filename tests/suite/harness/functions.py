"""Functions that are asked by where they stand: ``tests.suite.harness.functions:right``."""

from typing import Any

import numpy as np

import reference
from conformance import GivenAnswer, Problem
from conformance.subjects.reference import reference_answer

NUMBER = 7


def right(network: Any, x: Any, y: Any) -> Any:
    _, gradients = reference.value_and_gradients(network, x, y, reference.HalfSquaredError(), "sum")
    return [(gradient.W, gradient.b) for gradient in gradients]


def of_a_problem(problem: Problem) -> GivenAnswer:
    return GivenAnswer(reference_answer(problem).gradients)


def averaged(network: Any, x: Any, y: Any) -> Any:
    return [(dW / len(x), db / len(x)) for dW, db in right(network, x, y)]


def refusing(network: Any, x: Any, y: Any) -> Any:
    raise NotImplementedError("not today")


def raising(network: Any, x: Any, y: Any) -> Any:
    raise KeyError("weights")


def of_one_shape(network: Any, x: Any, y: Any) -> Any:
    return [(np.zeros((1, 1)), np.zeros(1))]


def in_float32(network: Any, x: Any, y: Any) -> Any:
    single = [layer._replace(W=layer.W.astype("f4"), b=layer.b.astype("f4")) for layer in network]
    return right(single, x.astype("f4"), y.astype("f4"))
