"""Activations: sigma and its pullback, a labelled line each.

An activation is a frozen value with two pure functions.  ``apply(z)`` is sigma(z).
``pullback(z, a, g)``, with a = sigma(z) and the cotangent g = dL/da, is dL/dz; for an elementwise
sigma that is g * sigma'(z).  All arrays are (B, n), samples are rows, and the result has the dtype of
the input.  Names and parameters are PyTorch's.  Every formula is finite, without overflow, for every
finite input, and runs on any kind of number (see `reference.functions`).
"""

from dataclasses import dataclass
from typing import Protocol

from .functions import Array, exp, expm1, log1p, shift, side, tanh, where


class Activation(Protocol):
    """What a layer needs of its activation; (B, n) in, (B, n) out."""

    def apply(self, z: Array) -> Array:
        """sigma(z), equation (F2)."""

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz, given a = sigma(z) and g = dL/da: equation (B1)."""


@dataclass(frozen=True)
class Identity:
    """sigma(z) = z (A1, D1).  Unary plus makes a new array, so that nothing shares memory."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return +z                                          # (A1)  sigma(z) = z

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return +g                                          # (D1)  sigma'(z) = 1


@dataclass(frozen=True)
class Sigmoid:
    """The logistic function (A2, D2), accurate relatively in both tails.

    Both branches of (A2) are 1 / (1 + e^-z), extended by e^z where z < 0, with t = e^-|z| in either.
    """

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        s = side(z)
        t = exp(where(s, -z, z))
        return where(s, 1, t) / (1 + t)                    # (A2)  sigma(z) = 1 / (1 + e^-z)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return g * (a * (1 - a))                           # (D2)  sigma'(z) = a (1 - a)


@dataclass(frozen=True)
class Tanh:
    """The hyperbolic tangent (A3, D3)."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return tanh(z)                                     # (A3)  sigma(z) = tanh(z)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return g * (1 - a * a)                             # (D3)  sigma'(z) = 1 - a^2


@dataclass(frozen=True)
class ReLU:
    """The positive part (A4, D4); by convention sigma'(0) = 0."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return where(z > 0, z, 0)                          # (A4)  sigma(z) = z if z > 0, else 0

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return where(z > 0, g, 0)                          # (D4)  sigma'(z) = 1 if z > 0, else 0


@dataclass(frozen=True)
class LeakyReLU:
    """z where z > 0, ``negative_slope`` times z elsewhere (A5, D5); sigma'(0) = negative_slope."""

    negative_slope: float = 0.01

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return where(z > 0, z, self.negative_slope * z)    # (A5)  sigma(z) = z if z > 0, else slope z

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return where(z > 0, g, self.negative_slope * g)    # (D5)  sigma'(z) = 1 if z > 0, else slope


@dataclass(frozen=True)
class ELU:
    """The exponential linear unit (A6, D6); sigma'(0) = alpha."""

    alpha: float = 1.0

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        n = where(z > 0, 0, z)
        return where(z > 0, z, self.alpha * expm1(n))      # (A6)  sigma(z) = z if z > 0, else alpha (e^z - 1)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        n = where(z > 0, 0, z)
        return where(z > 0, g, g * (self.alpha * exp(n)))  # (D6)  sigma'(z) = 1 if z > 0, else alpha e^z


@dataclass(frozen=True)
class Softplus:
    """log(1 + e^z) (A7, D7), for every z (PyTorch's turns linear above a threshold of 20).

    (A7) takes the larger of 0 and z out of the logarithm: log(1 + e^z) = z + log(1 + e^-z).
    """

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        s = side(z)
        return where(s, z, 0) + log1p(exp(where(s, -z, z)))  # (A7)  sigma(z) = log(1 + e^z)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return g * Sigmoid().apply(z)                      # (D7)  sigma'(z) = 1 / (1 + e^-z)


@dataclass(frozen=True)
class Softmax:
    """e^z_k / sum_j e^z_j over the units of a layer (A8, D8)."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        e = exp(half_centred(z)) ** 2
        return e / e.sum(axis=1, keepdims=True)            # (A8)  p_k = e^z_k / sum_j e^z_j

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return a * (g - (g * a).sum(axis=1, keepdims=True))  # (D8)  dL/dz_k = p_k (g_k - sum_j g_j p_j)


def half_centred(z: Array) -> Array:
    """(z - max z) / 2 by rows, (B, n): halved first, since z - max z may overflow."""
    h = z / 2
    return h - shift(h)


ACTIVATIONS: dict[str, type[Activation]] = {
    "identity": Identity,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "softplus": Softplus,
    "softmax": Softmax,
}
"""The activations by their names in EQUATIONS.md."""
