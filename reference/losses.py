"""Losses: the value for each sample and the gradient dL/da, a labelled line each.

A loss is a frozen value with two pure functions of the network's output a (B, K) and the targets y
(B, K).  ``value(a, y)`` is the loss of each sample (B,); ``gradient(a, y)`` its derivative by a (B, K).
The reduction over the batch is not theirs (R1, R2 in `reference.gradients`).

Softmax before cross-entropy, and sigmoid before binary cross-entropy, cannot be finite for all logits
through dL/da; `HEADS` holds the fused delta^L of such pairs (H1, H2).
"""

from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

from .activations import (
    Activation,
    Identity,
    LogSoftmax,
    Sigmoid,
    Softmax,
    half_log_softmax,
    log1p_exp,
    sigmoid,
    softmax,
)
from .functions import Array, absolute, clip, exp, log, log1p, row, where

__all__ = [
    "L1", "LOSSES", "NLL", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits", "CrossEntropy",
    "CrossEntropyWithLogits", "HalfSquaredError", "Hinge", "Huber", "KLDivergence", "Loss", "MeanSquaredError",
    "PoissonNLL", "SmoothL1",
]  # fmt: skip


class Loss(Protocol):
    """What the gradients need of a loss, perhaps for arrays of one kind alone; outputs a and targets y are (B, K)."""

    def value(self, a: Any, y: Any) -> Any:
        """Give the loss of each sample, (B,)."""

    def gradient(self, a: Any, y: Any) -> Any:
        """Give its derivative by the outputs, (B, K)."""


@dataclass(frozen=True)
class HalfSquaredError:
    """The document's squared error, with its 1/2 (L1, G1)."""

    def value(self, a: Array, y: Array) -> Array:
        return ((y - a) ** 2).sum(axis=1) / 2              # (L1)  1/2 sum_k (y_k - a_k)^2

    def gradient(self, a: Array, y: Array) -> Array:
        return a - y                                       # (G1)  a_k - y_k


@dataclass(frozen=True)
class MeanSquaredError:
    """The mean of the squares over the K outputs (L2, G2)."""

    def value(self, a: Array, y: Array) -> Array:
        return ((y - a) ** 2).sum(axis=1) / a.shape[1]     # (L2)  1/K sum_k (y_k - a_k)^2

    def gradient(self, a: Array, y: Array) -> Array:
        return 2 * (a - y) / a.shape[1]                    # (G2)  2/K (a_k - y_k)


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of a probability vector a (L3, G3); terms with y_k = 0 are 0.

    ``weight`` has a number for each class, or is empty; ``label_smoothing`` is from 0 to 1 (S1).
    """

    weight: tuple[float, ...] = ()
    label_smoothing: float = 0

    def value(self, a: Array, y: Array) -> Array:
        y = smoothed(y, self.weight, self.label_smoothing)
        return -(y * log(where(y == 0, 1, a))).sum(axis=1)  # (L3)  - sum_k y_k log a_k

    def gradient(self, a: Array, y: Array) -> Array:
        y = smoothed(y, self.weight, self.label_smoothing)
        return -y / where(y == 0, 1, a)                    # (G3)  - y_k / a_k


@dataclass(frozen=True)
class CrossEntropyWithLogits:
    """Cross-entropy of softmax(a) (L4, G4), with the parameters of `CrossEntropy`.

    The 2 of (L4) stands outside, so that only a loss that is itself too large overflows.
    """

    weight: tuple[float, ...] = ()
    label_smoothing: float = 0

    def value(self, a: Array, y: Array) -> Array:
        y = smoothed(y, self.weight, self.label_smoothing)
        return -2 * (y * half_log_softmax(a)).sum(axis=1)  # (L4)  - sum_k y_k log softmax(a)_k

    def gradient(self, a: Array, y: Array) -> Array:
        return self.delta(softmax(a), y)                   # (G4)  softmax(a)_k sum_j y_j - y_k

    def delta(self, p: Array, y: Array) -> Array:
        """dL/dz of softmax with cross-entropy, (B, K), from p = softmax(z); targets need not sum to one."""
        y = smoothed(y, self.weight, self.label_smoothing)
        return p * y.sum(axis=1, keepdims=True) - y        # (H1)  delta_k = p_k sum_j y_j - y_k


def smoothed(y: Array, weight: tuple[float, ...], label_smoothing: float) -> Array:
    """Targets (B, K) drawn towards 1 / K, and weighted by class."""
    if not weight and not label_smoothing:
        return y
    w = row(weight or (1,) * y.shape[1], y)
    return w * ((1 - label_smoothing) * y + label_smoothing / y.shape[1])  # (S1)  w_k ((1 - s) y_k + s / K)


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Binary cross-entropy of probabilities a (L5, G5); terms with factor 0 are 0."""

    def value(self, a: Array, y: Array) -> Array:
        p, q = where(y == 0, 1, a), where(y == 1, 0, a)
        return -(y * log(p) + (1 - y) * log1p(-q)).sum(axis=1)  # (L5)  - sum_k [y_k log a_k + (1 - y_k) log(1 - a_k)]

    def gradient(self, a: Array, y: Array) -> Array:
        return (a - y) / (a * (1 - a))                     # (G5)  (a_k - y_k) / (a_k (1 - a_k))


@dataclass(frozen=True)
class BinaryCrossEntropyWithLogits:
    """Binary cross-entropy of sigmoid(a) (L6, G6).

    (L6) uses - log sigmoid(a) = log(1 + e^-a) and - log(1 - sigmoid(a)) = log(1 + e^a): nothing cancels.
    """

    def value(self, a: Array, y: Array) -> Array:
        return (y * log1p_exp(-a) + (1 - y) * log1p_exp(a)).sum(axis=1)  # (L6)  (L5) of sigmoid(a_k)

    def gradient(self, a: Array, y: Array) -> Array:
        return self.delta(sigmoid(a), y)                   # (G6)  sigmoid(a_k) - y_k

    def delta(self, p: Array, y: Array) -> Array:
        """dL/dz of sigmoid with binary cross-entropy, (B, K), from p = sigmoid(z)."""
        return p - y                                       # (H2)  delta_k = p_k - y_k


@dataclass(frozen=True)
class L1:
    """The sum of the absolute errors (L7, G7); the derivative is 0 where the error is."""

    def value(self, a: Array, y: Array) -> Array:
        return absolute(y - a).sum(axis=1)                 # (L7)  sum_k |y_k - a_k|

    def gradient(self, a: Array, y: Array) -> Array:
        d = a - y
        return where(d > 0, 1, where(d < 0, -1, 0 * d))    # (G7)  1 if a_k > y_k, -1 if a_k < y_k, else 0


@dataclass(frozen=True)
class Huber:
    """Half the square of small errors, linear beyond ``delta`` (L8, G8).

    (L8) is |d| q - q^2 / 2 with q = min(|d|, delta), which is both branches.
    """

    delta: float = 1

    def value(self, a: Array, y: Array) -> Array:
        m = absolute(y - a)
        q = where(m > self.delta, self.delta, m)
        return (q * (m - q / 2)).sum(axis=1)               # (L8)  sum_k d^2 / 2, or delta (|d| - delta / 2)

    def gradient(self, a: Array, y: Array) -> Array:
        return clip(a - y, -self.delta, self.delta)        # (G8)  a_k - y_k, within delta of 0


@dataclass(frozen=True)
class SmoothL1:
    """The Huber loss with threshold ``beta``, divided by it (L9, G9)."""

    beta: float = 1

    def value(self, a: Array, y: Array) -> Array:
        return Huber(self.beta).value(a, y) / self.beta    # (L9)  sum_k d^2 / (2 beta), or |d| - beta / 2

    def gradient(self, a: Array, y: Array) -> Array:
        return Huber(self.beta).gradient(a, y) / self.beta  # (G9)  (a_k - y_k) / beta, within 1 of 0


@dataclass(frozen=True)
class NLL:
    """The negative log-likelihood of log-probabilities a (L10, G10), with class weights (S1)."""

    weight: tuple[float, ...] = ()

    def value(self, a: Array, y: Array) -> Array:
        y = smoothed(y, self.weight, 0)
        return -(y * where(y == 0, 0, a)).sum(axis=1)      # (L10)  - sum_k y_k a_k

    def gradient(self, a: Array, y: Array) -> Array:
        return -smoothed(y, self.weight, 0)                # (G10)  - y_k


@dataclass(frozen=True)
class KLDivergence:
    """The Kullback-Leibler divergence of y from the probabilities whose logarithms are a (L11, G11)."""

    def value(self, a: Array, y: Array) -> Array:
        return (y * (log(where(y == 0, 1, y)) - where(y == 0, 0, a))).sum(axis=1)  # (L11)  sum_k y_k (log y_k - a_k)

    def gradient(self, a: Array, y: Array) -> Array:
        return -y                                          # (G11)  - y_k


@dataclass(frozen=True)
class Hinge:
    """The hinge loss of scores a for targets -1 and 1 (L12, G12); the derivative is 0 at the margin."""

    def value(self, a: Array, y: Array) -> Array:
        m = 1 - y * a
        return where(m > 0, m, 0).sum(axis=1)              # (L12)  sum_k max(0, 1 - y_k a_k)

    def gradient(self, a: Array, y: Array) -> Array:
        return where(1 - y * a > 0, -y, 0)                 # (G12)  - y_k if y_k a_k < 1, else 0


@dataclass(frozen=True)
class PoissonNLL:
    """The negative log-likelihood of counts y for rates e^a, without the constant log y! (L13, G13)."""

    def value(self, a: Array, y: Array) -> Array:
        return (exp(a) - y * a).sum(axis=1)                # (L13)  sum_k e^a_k - y_k a_k

    def gradient(self, a: Array, y: Array) -> Array:
        return exp(a) - y                                  # (G13)  e^a_k - y_k


HEADS: dict[tuple[type[Activation], type[Loss]], type[CrossEntropyWithLogits | BinaryCrossEntropyWithLogits]] = {
    (Softmax, CrossEntropy): CrossEntropyWithLogits,
    (Sigmoid, BinaryCrossEntropy): BinaryCrossEntropyWithLogits,
}
"""The fused heads: the last activation and the loss in one, as a loss of z with the same parameters."""


def fused(sigma: Activation, loss: Loss) -> CrossEntropyWithLogits | BinaryCrossEntropyWithLogits | None:
    """The loss of z that is ``loss`` of sigma(z), if it has a delta^L of its own (H1, H2)."""
    head = HEADS.get((type(sigma), type(loss)))
    return head(**vars(loss)) if head else None


REQUIRED_HEAD: dict[type[Loss], type[Activation]] = {
    CrossEntropy: Softmax,
    CrossEntropyWithLogits: Identity,
    BinaryCrossEntropy: Sigmoid,
    BinaryCrossEntropyWithLogits: Identity,
    NLL: LogSoftmax,
    KLDivergence: LogSoftmax,
}
"""The activation of the last layer with which a loss is defined; a loss not named here takes any."""

TARGETS: dict[type[Loss], tuple[int, float]] = {
    **dict.fromkeys((CrossEntropy, CrossEntropyWithLogits, NLL, KLDivergence, PoissonNLL), (0, inf)),
    **dict.fromkeys((BinaryCrossEntropy, BinaryCrossEntropyWithLogits), (0, 1)),
    Hinge: (-1, 1),
}
"""The smallest and the largest target of a loss; a loss not named here takes any."""

THRESHOLDS: dict[type[Loss], tuple[float, float]] = {
    BinaryCrossEntropy: (1 / 2, 1 / 2),
    BinaryCrossEntropyWithLogits: (0, 1 / 2),
    Hinge: (0, 0),
}
"""The losses whose outputs are a decision each: the output and the target above which the decision is yes."""

INDEXED = (CrossEntropy, CrossEntropyWithLogits, NLL)
"""The losses whose targets may be given as class indices (B,), each a row with a single 1."""

LOSSES: dict[str, type[Loss]] = {
    "half_squared_error": HalfSquaredError,
    "mean_squared_error": MeanSquaredError,
    "cross_entropy": CrossEntropy,
    "cross_entropy_with_logits": CrossEntropyWithLogits,
    "binary_cross_entropy": BinaryCrossEntropy,
    "binary_cross_entropy_with_logits": BinaryCrossEntropyWithLogits,
    "l1": L1,
    "huber": Huber,
    "smooth_l1": SmoothL1,
    "nll": NLL,
    "kl_divergence": KLDivergence,
    "hinge": Hinge,
    "poisson_nll": PoissonNLL,
}
"""The losses by their names in EQUATIONS.md."""
