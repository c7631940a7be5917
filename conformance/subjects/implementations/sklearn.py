"""scikit-learn: the loss and the gradient that its own MLPRegressor and MLPClassifier train with."""

from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np

from reference import BinaryCrossEntropy, CrossEntropy, HalfSquaredError, Identity, ReLU, Sigmoid, Softmax, Tanh

from ...problems.messages import Conventions, Limits, StartAnswer
from ...problems.problem import GivenAnswer, Parameters, Problem
from .table import Subject

ACTIVATIONS: dict[type[Any], str] = {
    Identity: "identity",
    Sigmoid: "logistic",
    Tanh: "tanh",
    ReLU: "relu",
    Softmax: "softmax",
}
"""What it calls them."""

LOSSES: dict[type[Any], str] = {
    HalfSquaredError: "squared_error",
    CrossEntropy: "log_loss",
    BinaryCrossEntropy: "log_loss",
}


def perceptron() -> Subject:
    """One activation in all hidden layers, and the three heads that it fuses, averaged over the batch."""

    def ask(problem: Problem) -> GivenAnswer:
        K = problem.y.shape[1]
        if isinstance(problem.loss, CrossEntropy) and K == 1:
            raise NotImplementedError("softmax with one output, for which it takes a sigmoid")
        model = _model(problem)
        layers = range(len(problem.network))
        empty: list[Any] = [None for _ in layers]
        activations = [problem.x, *empty]
        loss, dW, db = model._backprop(problem.x, problem.y, None, activations, empty[:], empty[:], empty[:])
        return GivenAnswer(
            tuple(Parameters(dW[l].T, db[l]) for l in layers), np.array(loss, problem.dtype), activations[-1]
        )

    declaration = StartAnswer(
        protocol=1, name="sklearn", version=version("scikit-learn"), language="python", commands=["gradients"],
        dtypes=["float64", "float32"], activations=["identity", "sigmoid", "tanh", "relu"], reductions=["mean"],
        heads=[["identity", "half_squared_error"], ["softmax", "cross_entropy"], ["sigmoid", "binary_cross_entropy"]],
        limits=Limits(uniform_hidden=True),
        conventions=Conventions.model_validate(
            {"targets": "distribution", "method": "backpropagation", "relu_derivative_at_zero": 0.0}
        ),
    )  # fmt: skip
    return Subject(declaration, ask)


def _model(problem: Problem) -> Any:
    """A model with the network's weights, as it is after its own initialisation; without a penalty."""
    network = problem.network
    hidden = {type(sigma) for _, _, sigma in network[:-1]} or {Identity}
    if len(hidden) > 1:
        raise NotImplementedError("several activations in one network")
    (sigma,) = hidden
    library = import_module("sklearn.neural_network")
    kind = library.MLPRegressor if isinstance(problem.loss, HalfSquaredError) else library.MLPClassifier
    model = kind([len(b) for _, b, _ in network[:-1]], activation=ACTIVATIONS[sigma], alpha=0.0)
    model.loss = LOSSES[type(problem.loss)]
    model.n_layers_ = len(network) + 1
    model.out_activation_ = ACTIVATIONS[type(network[-1].sigma)]
    model.coefs_ = [W.T for W, _, _ in network]
    model.intercepts_ = [b for _, b, _ in network]
    return model
