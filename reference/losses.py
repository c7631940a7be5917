"""Losses: the value for each sample and the gradient dL/da, a labelled line each.

A loss is a frozen value with two pure functions of the network's output a (B, K) and the targets y
(B, K).  ``value(a, y)`` is the loss of each sample (B,); ``gradient(a, y)`` its derivative by a (B, K).
The reduction over the batch is not theirs (R1, R2 in `reference.gradients`).

Softmax before cross-entropy, and sigmoid before binary cross-entropy, cannot be finite for all logits
through dL/da; `HEADS` holds the fused delta^L of such pairs (H1, H2).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, Protocol

from .activations import Activation, Identity, Sigmoid, Softmax, Softplus, half_centred
from .functions import Array, exp, log, log1p, where


class Loss(Protocol):
    """What the gradients need of a loss."""

    def value(self, a: Array, y: Array) -> Array:
        """The loss of each sample, (B,), from outputs and targets (B, K)."""

    def gradient(self, a: Array, y: Array) -> Array:
        """The derivative by the outputs, (B, K)."""


@dataclass(frozen=True)
class HalfSquaredError:
    """The document's squared error, with its 1/2 (L1, G1)."""

    def value(self, a: Array, y: Array) -> Array:
        """The loss of each sample."""
        return ((y - a) ** 2).sum(axis=1) / 2              # (L1)  1/2 sum_k (y_k - a_k)^2

    def gradient(self, a: Array, y: Array) -> Array:
        """dL/da."""
        return a - y                                       # (G1)  a_k - y_k


@dataclass(frozen=True)
class MeanSquaredError:
    """The mean of the squares over the K outputs (L2, G2)."""

    def value(self, a: Array, y: Array) -> Array:
        """The loss of each sample."""
        return ((y - a) ** 2).sum(axis=1) / a.shape[1]     # (L2)  1/K sum_k (y_k - a_k)^2

    def gradient(self, a: Array, y: Array) -> Array:
        """dL/da."""
        return 2 * (a - y) / a.shape[1]                    # (G2)  2/K (a_k - y_k)


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of a probability vector a (L3, G3); terms with y_k = 0 are 0."""

    def value(self, a: Array, y: Array) -> Array:
        """The loss of each sample."""
        return -(y * log(where(y == 0, 1, a))).sum(axis=1)  # (L3)  - sum_k y_k log a_k

    def gradient(self, a: Array, y: Array) -> Array:
        """dL/da."""
        return -y / where(y == 0, 1, a)                    # (G3)  - y_k / a_k


@dataclass(frozen=True)
class CrossEntropyWithLogits:
    """Cross-entropy of softmax(a) (L4, G4).

    (L4) is - sum_k y_k log softmax(a)_k with log softmax(a) = 2 d - log sum_j (e^d_j)^2 for the half-centred
    logits d = (a - max a) / 2; the 2 stands outside, so that only a loss that is itself too large overflows.
    """

    def value(self, a: Array, y: Array) -> Array:
        """The loss of each sample."""
        d = half_centred(a)
        log_sum = log((exp(d) ** 2).sum(axis=1, keepdims=True))
        return 2 * (y * (log_sum / 2 - d)).sum(axis=1)     # (L4)  - sum_k y_k log softmax(a)_k

    def gradient(self, a: Array, y: Array) -> Array:
        """dL/da."""
        return softmax_cross_entropy_delta(Softmax().apply(a), y)  # (G4)  softmax(a)_k sum_j y_j - y_k


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Binary cross-entropy of probabilities a (L5, G5); terms with factor 0 are 0."""

    def value(self, a: Array, y: Array) -> Array:
        """The loss of each sample."""
        p, q = where(y == 0, 1, a), where(y == 1, 0, a)
        return -(y * log(p) + (1 - y) * log1p(-q)).sum(axis=1)  # (L5)  - sum_k [y_k log a_k + (1 - y_k) log(1 - a_k)]

    def gradient(self, a: Array, y: Array) -> Array:
        """dL/da."""
        return (a - y) / (a * (1 - a))                     # (G5)  (a_k - y_k) / (a_k (1 - a_k))


@dataclass(frozen=True)
class BinaryCrossEntropyWithLogits:
    """Binary cross-entropy of sigmoid(a) (L6, G6).

    (L6) uses - log sigmoid(a) = softplus(-a) and - log(1 - sigmoid(a)) = softplus(a): nothing cancels.
    """

    def value(self, a: Array, y: Array) -> Array:
        """The loss of each sample."""
        softplus = Softplus().apply
        return (y * softplus(-a) + (1 - y) * softplus(a)).sum(axis=1)  # (L6)  (L5) of sigmoid(a_k)

    def gradient(self, a: Array, y: Array) -> Array:
        """dL/da."""
        return sigmoid_binary_cross_entropy_delta(Sigmoid().apply(a), y)  # (G6)  sigmoid(a_k) - y_k


def softmax_cross_entropy_delta(p: Array, y: Array) -> Array:
    """dL/dz of softmax with cross-entropy, (B, K), from p = softmax(z) (H1).

    The targets need not sum to one.
    """
    return p * y.sum(axis=1, keepdims=True) - y            # (H1)  delta_k = p_k sum_j y_j - y_k


def sigmoid_binary_cross_entropy_delta(p: Array, y: Array) -> Array:
    """dL/dz of sigmoid with binary cross-entropy, (B, K), from p = sigmoid(z) (H2)."""
    return p - y                                           # (H2)  delta_k = p_k - y_k


class Head(NamedTuple):
    """The last activation and the loss in one: the same loss of z, and its fused delta^L from a."""

    loss: Loss
    delta: Callable[[Array, Array], Array]


HEADS: dict[tuple[type[Activation], type[Loss]], Head] = {
    (Softmax, CrossEntropy): Head(CrossEntropyWithLogits(), softmax_cross_entropy_delta),
    (Sigmoid, BinaryCrossEntropy): Head(BinaryCrossEntropyWithLogits(), sigmoid_binary_cross_entropy_delta),
}
"""The fused heads, by (activation of the last layer, loss)."""

REQUIRED_HEAD: dict[type[Loss], type[Activation]] = {
    CrossEntropy: Softmax,
    CrossEntropyWithLogits: Identity,
    BinaryCrossEntropy: Sigmoid,
    BinaryCrossEntropyWithLogits: Identity,
}
"""The activation of the last layer with which a loss is defined; a loss not named here takes any."""

TARGETS: dict[type[Loss], tuple[int, float]] = {
    CrossEntropy: (0, inf),
    CrossEntropyWithLogits: (0, inf),
    BinaryCrossEntropy: (0, 1),
    BinaryCrossEntropyWithLogits: (0, 1),
}
"""The smallest and the largest target of a loss; a loss not named here takes any."""

LOSSES: dict[str, type[Loss]] = {
    "half_squared_error": HalfSquaredError,
    "mean_squared_error": MeanSquaredError,
    "cross_entropy": CrossEntropy,
    "cross_entropy_with_logits": CrossEntropyWithLogits,
    "binary_cross_entropy": BinaryCrossEntropy,
    "binary_cross_entropy_with_logits": BinaryCrossEntropyWithLogits,
}
"""The losses by their names in EQUATIONS.md."""
