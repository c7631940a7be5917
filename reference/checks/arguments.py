"""The arguments of the public functions: networks, losses, samples, targets, update rules and generators.

Each check returns its argument as the equations want it: layers in a tuple, arrays in the network's dtype, parameters
as Python numbers.
"""

from collections.abc import Sequence
from math import inf
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..activations import Activation
from ..backpropagation import Layer, Network
from ..losses import INDEXED, REQUIRED_HEAD, TARGETS, Loss
from ..updates import SGD, Rule
from .numbers import DType, Numbers, check_number, common_dtype, described, first, numbers, of_dtype
from .parameters import with_plain_parameters

__all__ = [
    "check_activation", "check_batch", "check_generator", "check_loss", "check_network", "check_rule", "check_samples",
]  # fmt: skip

REDUCTIONS = ("sum", "mean")


def check_network(network: Sequence[Layer[NDArray[Any]]]) -> tuple[Network[NDArray[Any]], DType]:
    """Check that the layers fit and have one dtype; return them in a tuple, and the dtype."""
    if not isinstance(network, tuple | list) or isinstance(network, Layer):
        raise TypeError(f"network: expected a tuple of Layer(W, b, sigma), got {described(network)}")
    if not network:
        raise ValueError("network: expected at least one layer, got none")
    parts: list[tuple[Numbers, Numbers, Activation]] = []
    for l, layer in enumerate(network, start=1):
        parts.append(_layer(l, layer, parts[-1][0].array.shape[0] if parts else None))
    dtype = common_dtype([p for W, b, _ in parts for p in (W, b)])
    return tuple(
        Layer(of_dtype(W, dtype), of_dtype(b, dtype), with_plain_parameters(f"layer {l}: sigma", sigma, dtype))
        for l, (W, b, sigma) in enumerate(parts, start=1)
    ), dtype


def _layer(l: int, layer: Layer[NDArray[Any]], inputs: int | None) -> tuple[Numbers, Numbers, Activation]:
    """Check that layer l fits in itself and has that number of inputs, which is None for the first."""
    if not isinstance(layer, tuple) or len(layer) != len(Layer._fields):
        raise TypeError(f"layer {l}: expected Layer(W, b, sigma), got {described(layer)}")
    W, b, sigma = numbers(f"layer {l}: W", layer[0]), numbers(f"layer {l}: b", layer[1]), layer[2]
    check_activation(f"layer {l}", sigma)
    shape = W.array.shape
    if len(shape) != 2 or 0 in shape:
        raise ValueError(f"{W.name}: expected shape (units, inputs), got {shape}")
    rows, columns = shape
    if inputs not in (None, columns):
        raise ValueError(
            f"{W.name}: expected shape ({rows}, {inputs}), as layer {l - 1} has {inputs} units, got {shape}"
        )
    if b.array.shape != (rows,):
        raise ValueError(f"{b.name}: expected shape ({rows},), as W has {rows} rows, got {b.array.shape}")
    return W, b, sigma


def check_loss(network: Network[NDArray[Any]], dtype: DType, loss: Loss, reduction: str) -> Loss:
    """Check that the reduction is known, and that the loss is defined for the network's last activation."""
    _check_functions("loss", loss, ("value", "gradient"), "a loss such as HalfSquaredError()")
    loss = with_plain_parameters("loss", loss, dtype)
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise ValueError(f"reduction: expected one of {', '.join(map(repr, REDUCTIONS))}, got {reduction!r}")
    weight, classes = getattr(loss, "weight", ()), network[-1].W.shape[0]
    if len(weight) not in (0, classes):
        raise ValueError(f"loss: expected no weight or {classes}, one for each class, got {len(weight)}")
    sigma, required = network[-1].sigma, REQUIRED_HEAD.get(type(loss))
    if required and type(sigma) is not required:
        raise ValueError(
            f"layer {len(network)}: expected the activation {required.__name__}() before {type(loss).__name__}, "
            f"got {sigma!r}{_goes_with(sigma)}"
        )
    return loss


def _goes_with(sigma: Any) -> str:
    """The losses that are made for an activation."""
    losses = [loss.__name__ for loss, head in REQUIRED_HEAD.items() if head is type(sigma)]
    return f"; {type(sigma).__name__}() goes with {' or '.join(losses)}" if losses else ""


def check_samples(network: Network[NDArray[Any]], dtype: DType, x: ArrayLike) -> NDArray[Any]:
    """Check that the samples (B, n_0) are at least one, and fit the network."""
    samples, inputs = numbers("x", x), network[0].W.shape[1]
    shape = samples.array.shape
    if len(shape) != 2 or shape[1] != inputs:
        raise ValueError(f"x: expected shape (samples, {inputs}), as layer 1 has {inputs} inputs, got {shape}")
    if not shape[0]:
        raise ValueError(f"x: expected at least one sample, got an empty batch of shape {shape}")
    return of_dtype(samples, dtype)


def check_batch(
    network: Network[NDArray[Any]], dtype: DType, x: ArrayLike, y: ArrayLike, loss: Loss
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Check that the samples (B, n_0) and targets (B, n_L) fit the network, and that the loss admits the targets."""
    x = check_samples(network, dtype, x)
    targets, outputs = numbers("y", y), network[-1].W.shape[0]
    if isinstance(loss, INDEXED) and targets.array.ndim == 1 and targets.array.dtype.kind in "iu":
        targets = _one_hot(targets, outputs)
    if targets.array.shape != (len(x), outputs):
        raise ValueError(
            f"y: expected shape ({len(x)}, {outputs}), a row for each sample of x and a column for each unit of "
            f"layer {len(network)}, got {targets.array.shape}"
        )
    y = of_dtype(targets, dtype)
    low, high = TARGETS.get(type(loss), (-inf, inf))
    if dtype.kind == "f" and ((y < low) | (y > high)).any():
        at = first((y < low) | (y > high))
        raise ValueError(f"y: expected targets from {low} to {high} for {type(loss).__name__}, got {y[at]} at {at}")
    return x, y


def _one_hot(indices: Numbers, classes: int) -> Numbers:
    """Turn class indices (B,) into rows (B, classes) with a single 1."""
    outside = (indices.array < 0) | (indices.array >= classes)
    if outside.any():
        at = first(outside)
        raise ValueError(
            f"{indices.name}: expected class indices from 0 to {classes - 1}, got {indices.array[at]} at {at}"
        )
    return indices._replace(array=np.eye(classes, dtype=np.int8)[indices.array])


def check_rule(rule: Rule, dtype: DType) -> Rule:
    """Check that the update rule is one, and that its parameters agree."""
    _check_functions("rule", rule, ("start", "step"), "an update rule such as SGD(0.1)")
    rule = with_plain_parameters("rule", rule, dtype)
    check_number("rule: eta", rule.eta, 0)
    if isinstance(rule, SGD) and rule.nesterov and (not rule.momentum or rule.dampening):
        raise ValueError(f"rule: expected a momentum and no dampening with nesterov, got {rule!r}")
    return rule


def check_activation(name: str, sigma: Activation) -> None:
    """Check that an activation has the functions of one."""
    _check_functions(f"{name}: sigma", sigma, ("apply", "pullback"), "an activation such as Sigmoid()")


def check_generator(rng: object) -> None:
    """Check that numbers can be drawn from the generator."""
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: expected a numpy.random.Generator, as default_rng(0) makes, got {type(rng).__name__}")


def _check_functions(name: str, value: object, functions: tuple[str, ...], expected: str) -> None:
    if isinstance(value, type):
        raise TypeError(f"{name}: expected {expected}, got a class: write {value.__name__}()")
    if not all(callable(getattr(value, function, None)) for function in functions):
        raise TypeError(f"{name}: expected {expected}, got {described(value)}")
