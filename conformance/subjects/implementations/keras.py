"""Keras on JAX: its own layers, activations and losses; the gradients are JAX's."""

import os
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

import reference
from reference import ACTIVATIONS, CrossEntropy, MeanSquaredError

from ...problems.messages import Conventions, StartAnswer
from ...problems.problem import GivenAnswer, Parameters, Problem
from .table import Subject
from .texts import HEADS

FUNCTIONS: dict[type[Any], Callable[[Any, Any, Any], Any]] = {
    reference.Identity: lambda keras, sigma, z: keras.linear(z),
    reference.Sigmoid: lambda keras, sigma, z: keras.sigmoid(z),
    reference.Tanh: lambda keras, sigma, z: keras.tanh(z),
    reference.ReLU: lambda keras, sigma, z: keras.relu(z),
    reference.LeakyReLU: lambda keras, sigma, z: keras.leaky_relu(z, sigma.negative_slope),
    reference.ELU: lambda keras, sigma, z: keras.elu(z, sigma.alpha),
    reference.SELU: lambda keras, sigma, z: keras.selu(z),
    reference.CELU: lambda keras, sigma, z: keras.celu(z, sigma.alpha),
    reference.GELU: lambda keras, sigma, z: keras.gelu(z),
    reference.GELUTanh: lambda keras, sigma, z: keras.gelu(z, approximate=True),
    reference.SiLU: lambda keras, sigma, z: keras.silu(z),
    reference.Mish: lambda keras, sigma, z: keras.mish(z),
    reference.Softsign: lambda keras, sigma, z: keras.softsign(z),
    reference.ReLU6: lambda keras, sigma, z: keras.relu6(z),
    reference.Hardsigmoid: lambda keras, sigma, z: keras.hard_sigmoid(z),
    reference.Hardswish: lambda keras, sigma, z: keras.hard_silu(z),
    reference.LogSigmoid: lambda keras, sigma, z: keras.log_sigmoid(z),
    reference.Tanhshrink: lambda keras, sigma, z: keras.tanh_shrink(z),
    reference.Softmax: lambda keras, sigma, z: keras.softmax(z),
    reference.LogSoftmax: lambda keras, sigma, z: keras.log_softmax(z),
}
"""What `keras.activations` has; its softplus has no threshold."""

LOSSES = ("mean_squared_error", "cross_entropy", "cross_entropy_with_logits")
"""Those that Keras has under the document's definition: its other losses average over the outputs."""


def in_float32() -> Subject:
    """In float32, which Keras computes in."""
    return _subject("keras", "float32")


def in_float64() -> Subject:
    """With layers and losses that are told float64, and take it: many of their functions compute in float32 still."""
    return _subject("keras-float64", "float64")


def _subject(name: str, dtype: Literal["float32", "float64"]) -> Subject:
    keras, jax = _on_jax(), import_module("jax")

    def ask(problem: Problem) -> GivenAnswer:
        with jax.enable_x64(True):
            layers = [_layer(keras, layer, dtype) for layer in problem.network]
            loss = _loss(keras, problem, dtype)

            def value(weights: Any, x: Any) -> Any:
                a = x
                for layer, of in zip(layers, weights, strict=True):
                    a, _ = layer.stateless_call(of, [], a)
                return loss(problem.y, a), a

            weights = [[W.T, b] for W, b, _ in problem.network]
            differentiated = jax.jit(jax.value_and_grad(value, (0, 1), has_aux=True))
            (total, output), (gradients, dx) = differentiated(weights, problem.x)
            numbers = [Parameters(np.asarray(W, dtype).T, np.asarray(b, dtype)) for W, b in gradients]
            return GivenAnswer(
                tuple(numbers), np.asarray(total, dtype), np.asarray(output, dtype), np.asarray(dx, dtype)
            )

    known = [name for name, kind in ACTIVATIONS.items() if kind in FUNCTIONS]
    declaration = StartAnswer(
        protocol=1, name=name, version=version("keras"), language="python", commands=["gradients"],
        dtypes=[dtype], activations=known, reductions=["sum", "mean"],
        heads=[[sigma, of] for sigma, of in HEADS if sigma in known and of in LOSSES],
        conventions=Conventions.model_validate({"targets": "distribution", "relu_derivative_at_zero": 0.0}),
    )  # fmt: skip
    return Subject(declaration, ask)


@cache
def _on_jax() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")  # it is read once, when Keras is first imported
    keras = import_module("keras")
    if keras.backend.backend() != "jax":
        raise NotImplementedError(f"Keras runs on {keras.backend.backend()}: set KERAS_BACKEND=jax")
    return keras


def _layer(keras: Any, layer: Any, dtype: str) -> Any:
    (n, m), sigma = layer.W.shape, layer.sigma
    dense = keras.layers.Dense(n, activation=lambda z: FUNCTIONS[type(sigma)](keras.activations, sigma, z), dtype=dtype)
    dense.build((None, m))
    return dense


def _loss(keras: Any, problem: Problem, dtype: str) -> Any:
    options = {"dtype": dtype, "reduction": {"sum": "sum", "mean": "sum_over_batch_size"}[problem.reduction]}
    if isinstance(problem.loss, MeanSquaredError):
        return keras.losses.MeanSquaredError(**options)
    if problem.loss.weight or problem.loss.label_smoothing:  # type: ignore[attr-defined]
        raise NotImplementedError("a cross-entropy with weights or smoothed targets")
    logits = not isinstance(problem.loss, CrossEntropy)
    return keras.losses.CategoricalCrossentropy(from_logits=logits, **options)
