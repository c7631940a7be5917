"""micrograd: one `Value` for each number, in loops as its own neurons have them."""

from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from reference import MeanSquaredError, ReLU

from ...problems.messages import Conventions, Limits, StartAnswer
from ...problems.problem import GivenAnswer, Parameters, Problem
from .table import Subject


def values() -> Subject:
    """Linear and relu layers, squared errors; small networks, since it goes through its graph by recursion."""
    value = import_module("micrograd.engine").Value

    def ask(problem: Problem) -> GivenAnswer:
        layers = [(_values(value, W), _values(value, b), sigma) for W, b, sigma in problem.network]
        samples = _values(value, problem.x)
        outputs = []
        for a in samples:
            for W, b, sigma in layers:
                z = [sum((w * x for w, x in zip(row, a, strict=True)), bias) for row, bias in zip(W, b, strict=True)]
                a = [each.relu() for each in z] if isinstance(sigma, ReLU) else z
            outputs.append(a)
        errors = (
            a - y for row, of in zip(outputs, problem.y.tolist(), strict=True) for a, y in zip(row, of, strict=True)
        )
        total = sum(error**2 for error in errors)
        total = total / (problem.y.shape[1] if isinstance(problem.loss, MeanSquaredError) else 2)
        loss = total / len(samples) if problem.reduction == "mean" else total
        try:
            loss.backward()
        except RecursionError:
            raise NotImplementedError("a graph deeper than Python's recursion") from None
        return GivenAnswer(
            tuple(Parameters(_grad(W), _grad(b)) for W, b, _ in layers),
            np.array(loss.data),
            np.array([[each.data for each in row] for row in outputs]),
            _grad(samples),
        )

    declaration = StartAnswer(
        protocol=1, name="micrograd", version=version("micrograd"), language="python", commands=["gradients"],
        dtypes=["float64"], activations=["identity", "relu"], reductions=["sum", "mean"],
        heads=[[sigma, of] for sigma in ("identity", "relu") for of in ("half_squared_error", "mean_squared_error")],
        limits=Limits(layers=[1, 4], width=[1, 12], batch=[1, 8]),
        conventions=Conventions.model_validate({"relu_derivative_at_zero": 0.0, "method": "backpropagation"}),
    )  # fmt: skip
    return Subject(declaration, ask)


def _values(value: Any, array: Any) -> Any:
    return [_values(value, row) for row in array] if np.ndim(array) else value(float(array))


def _grad(values: Any) -> Any:
    return np.array([_grad(each) for each in values] if isinstance(values, list) else values.grad, dtype=float)
