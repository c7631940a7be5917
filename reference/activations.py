"""Activations: sigma and its pullback, a labelled line each.

An activation is a frozen value with two pure functions.  ``apply(z)`` is sigma(z).
``pullback(z, a, g)``, with a = sigma(z) and the cotangent g = dL/da, is dL/dz; for an elementwise
sigma that is g * sigma'(z).  All arrays are (B, n), samples are rows, and the result has the dtype of
the input.  Names and parameters are PyTorch's.  Every formula is finite, without overflow, for every
finite input whose result is finite (but a parameter above 1 may overflow its product with z), and
runs on any kind of number (see `reference.functions`).
"""

from dataclasses import dataclass
from typing import Protocol

from .functions import (
    Array,
    atan,
    bounded,
    constant,
    erfc,
    exp,
    expm1,
    gated,
    log,
    log1p,
    lower,
    scaled,
    shift,
    sqrt,
    tanh,
    where,
)


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

    (A2) is extended by e^z where z < 0, so that no exponential is above 1.
    """

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return exp(lower(z, 0)) / (1 + exp(lower(z, -z)))  # (A2)  sigma(z) = 1 / (1 + e^-z)

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
        return gated(z, z)                                 # (A4)  sigma(z) = z if z > 0, else 0

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return gated(z, g)                                 # (D4)  sigma'(z) = 1 if z > 0, else 0


@dataclass(frozen=True)
class LeakyReLU:
    """z where z > 0, ``negative_slope`` times z elsewhere (A5, D5); sigma'(0) = negative_slope."""

    negative_slope: float = 0.01

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        n = where(z > 0, 0, z)
        return where(z > 0, z, self.negative_slope * n)    # (A5)  sigma(z) = z if z > 0, else slope z

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        h = where(z > 0, 0, g)
        return where(z > 0, g, self.negative_slope * h)    # (D5)  sigma'(z) = 1 if z > 0, else slope


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
        n, h = where(z > 0, 0, z), where(z > 0, 0, g)
        return where(z > 0, g, self.alpha * (h * exp(n)))  # (D6)  sigma'(z) = 1 if z > 0, else alpha e^z


@dataclass(frozen=True)
class Softplus:
    """log(1 + e^(beta z)) / beta (A7, D7); linear where beta z is above ``threshold``, as PyTorch's is."""

    beta: float = 1
    threshold: float = 20

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        t = self.beta * z
        return where(t > self.threshold, z, log1p_exp(t) / self.beta)  # (A7)  log(1 + e^(beta z)) / beta

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        t = self.beta * z
        return where(t > self.threshold, g, g * Sigmoid().apply(t))  # (D7)  1 / (1 + e^(-beta z))


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


@dataclass(frozen=True)
class LogSoftmax:
    """The logarithm of the softmax (A24, D24), for a loss that takes log-probabilities."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return 2 * half_log_softmax(z)                     # (A24)  sigma(z)_k = z_k - log sum_j e^z_j

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        p = Softmax().apply(z)
        return g - p * g.sum(axis=1, keepdims=True)        # (D24)  dL/dz_k = g_k - p_k sum_j g_j


@dataclass(frozen=True)
class SELU:
    """The scaled exponential linear unit (A9, D9), with the decimals of its authors; sigma'(0) = scale alpha."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        n = where(z > 0, 0, z)
        return where(z > 0, scaled(z, *SCALE), scaled(expm1(n), *SCALE_ALPHA))  # (A9)  scale z or scale alpha (e^z - 1)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        n, h = where(z > 0, 0, z), where(z > 0, 0, g)
        return where(z > 0, scaled(g, *SCALE), scaled(h * exp(n), *SCALE_ALPHA))  # (D9)  scale or scale alpha e^z


ALPHA = 16732632423543772848170429916717, 10**31
SCALE = 10507009873554804934193349852946, 10**31
SCALE_ALPHA = ALPHA[0] * SCALE[0], ALPHA[1] * SCALE[1]
"""Fractions, so that any kind of number takes them without rounding."""


@dataclass(frozen=True)
class CELU:
    """The continuously differentiable exponential linear unit (A10, D10)."""

    alpha: float = 1

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        n = where(z > 0, 0, z) / self.alpha
        return where(z > 0, z, self.alpha * expm1(n))      # (A10)  z if z > 0, else alpha (e^(z / alpha) - 1)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        n = where(z > 0, 0, z) / self.alpha
        return where(z > 0, g, g * exp(n))                 # (D10)  1 if z > 0, else e^(z / alpha)


@dataclass(frozen=True)
class GELU:
    """z Phi(z) with the normal distribution Phi (A11, D11); on floats it needs SciPy's erfc."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return z * _normal_distribution(z)                 # (A11)  z Phi(z), Phi(z) = erfc(-z / sqrt 2) / 2

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        c = bounded(z, 64)
        density = exp(-c * c / 2) / constant(lambda one: sqrt(8 * atan(one)), z)
        return g * (_normal_distribution(z) + c * density)  # (D11)  Phi(z) + z phi(z), phi = e^(-z^2 / 2) / sqrt(2 pi)


def _normal_distribution(z: Array) -> Array:
    return erfc(-z / constant(lambda one: sqrt(2 * one), z)) / 2


@dataclass(frozen=True)
class GELUTanh:
    """PyTorch's ``gelu(approximate="tanh")`` (A12, D12); 1/2 (1 + tanh u) is sigmoid(2 u)."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        c = bounded(z, 64)
        t = _root(z) * (c + scaled(c * c * c, *CUBIC))
        return z * Sigmoid().apply(t)                      # (A12)  z / 2 (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3)))

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        c = bounded(z, 64)
        s = Sigmoid().apply(_root(z) * (c + scaled(c * c * c, *CUBIC)))
        slope = _root(z) * (1 + scaled(3 * c * c, *CUBIC))
        return g * (s + c * (s * (1 - s)) * slope)         # (D12)  s + z s (1 - s) t', s = sigmoid(t), (A12) = z s


def _root(z: Array) -> Array:
    """2 sqrt(2 / pi)."""
    return constant(lambda one: sqrt(2 / atan(one)), z)


CUBIC = 44715, 10**6


@dataclass(frozen=True)
class SiLU:
    """z sigmoid(z) (A13, D13)."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return z * Sigmoid().apply(z)                      # (A13)  z s, s = 1 / (1 + e^-z)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        s = Sigmoid().apply(z)
        return g * (s * (1 + z * Sigmoid().apply(-z)))     # (D13)  s (1 + z (1 - s))


@dataclass(frozen=True)
class Mish:
    """z tanh(softplus(z)) (A14, D14)."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return z * tanh(log1p_exp(z))                      # (A14)  z t, t = tanh(log(1 + e^z))

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        t = tanh(log1p_exp(z))
        return g * (t + z * ((1 - t * t) * Sigmoid().apply(z)))  # (D14)  t + z (1 - t^2) / (1 + e^-z)


@dataclass(frozen=True)
class Softsign:
    """z / (1 + |z|) (A15, D15)."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return z / (1 + magnitude(z))                     # (A15)  z / (1 + |z|)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        r = 1 / (1 + magnitude(z))
        return g * (r * r)                                 # (D15)  1 / (1 + |z|)^2


@dataclass(frozen=True)
class Hardtanh:
    """z between ``min_val`` and ``max_val``, cut off there (A16, D16); the derivative is 0 at both."""

    min_val: float = -1
    max_val: float = 1

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return within(z, self.min_val, self.max_val, self.min_val, z, self.max_val)  # (A16)  min(max(z, min), max)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return within(z, self.min_val, self.max_val, 0, g, 0)  # (D16)  1 if min < z < max, else 0


@dataclass(frozen=True)
class ReLU6:
    """The positive part, cut off at 6 (A17, D17); the derivative is 0 at both ends."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return within(z, 0, 6, 0, z, 6)                   # (A17)  min(max(z, 0), 6)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return within(z, 0, 6, 0, g, 0)                   # (D17)  1 if 0 < z < 6, else 0


@dataclass(frozen=True)
class Hardsigmoid:
    """A sigmoid of three lines (A18, D18); the derivative is 0 at both kinks."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return within(z, -3, 3, 0, (z + 3) / 6, 1)        # (A18)  min(max(z + 3, 0), 6) / 6

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return within(z, -3, 3, 0, g / 6, 0)              # (D18)  1/6 if -3 < z < 3, else 0


@dataclass(frozen=True)
class Hardswish:
    """z hardsigmoid(z) (A19, D19); the derivative is 0 at -3 and 1 at 3."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return z * Hardsigmoid().apply(z)                  # (A19)  z min(max(z + 3, 0), 6) / 6

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        c = within(z, -3, 3, -3, z, 3)
        return within(z, -3, 3, 0, g * ((2 * c + 3) / 6), g)  # (D19)  0 up to -3, (2 z + 3) / 6, 1 from 3 on


@dataclass(frozen=True)
class LogSigmoid:
    """log sigmoid(z) (A20, D20)."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return -log1p_exp(-z)                              # (A20)  - log(1 + e^-z)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return g * Sigmoid().apply(-z)                     # (D20)  1 / (1 + e^z)


@dataclass(frozen=True)
class Tanhshrink:
    """z - tanh z (A21, D21)."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return z - tanh(z)                                 # (A21)  z - tanh z

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        t = tanh(z)
        return g * (t * t)                                 # (D21)  tanh^2 z


@dataclass(frozen=True)
class Softshrink:
    """z drawn towards 0 by ``lambd`` (A22, D22); the derivative is 0 at both kinks."""

    lambd: float = 0.5

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return _outside(z, self.lambd, z + self.lambd, z - self.lambd)  # (A22)  z - lambd, z + lambd, or 0 between

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return _outside(z, self.lambd, g, g)               # (D22)  1 if |z| > lambd, else 0


@dataclass(frozen=True)
class Hardshrink:
    """z where |z| is above ``lambd``, else 0 (A23, D23): it jumps, and its derivative is 0 at the jumps."""

    lambd: float = 0.5

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return _outside(z, self.lambd, z, z)               # (A23)  z if |z| > lambd, else 0

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return _outside(z, self.lambd, g, g)               # (D23)  1 if |z| > lambd, else 0


def _outside(z: Array, lambd: float, below: Array, above: Array) -> Array:
    """``below`` where z < -lambd, ``above`` where z > lambd, else 0."""
    return where(z > lambd, above, where(-z > lambd, below, 0))


def magnitude(z: Array) -> Array:
    """|z|, analytic on either side of 0."""
    return -lower(z, -z)


def within(z: Array, low: float, high: float, below: Array, between: Array, above: Array) -> Array:
    """``below`` up to low, ``above`` from high on, else ``between``."""
    return where(z > low, where(high > z, between, above), below)


def half_centred(z: Array) -> Array:
    """(z - max z) / 2 by rows, (B, n): halved first, since z - max z may overflow."""
    h = z / 2
    return h - shift(h)


def half_log_softmax(z: Array) -> Array:
    """Half the logarithm of the softmax, (B, n): d - 1/2 log sum_j (e^d_j)^2 for the half-centred d."""
    d = half_centred(z)
    return d - log((exp(d) ** 2).sum(axis=1, keepdims=True)) / 2


def log1p_exp(z: Array) -> Array:
    """log(1 + e^z), elementwise, with the larger of 0 and z taken out: z + log(1 + e^-z)."""
    return z - lower(z, 0) + log1p(exp(lower(z, -z)))


ACTIVATIONS: dict[str, type[Activation]] = {
    "identity": Identity,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "elu": ELU,
    "softplus": Softplus,
    "softmax": Softmax,
    "selu": SELU,
    "celu": CELU,
    "gelu": GELU,
    "gelu_tanh": GELUTanh,
    "silu": SiLU,
    "mish": Mish,
    "softsign": Softsign,
    "hardtanh": Hardtanh,
    "relu6": ReLU6,
    "hardsigmoid": Hardsigmoid,
    "hardswish": Hardswish,
    "logsigmoid": LogSigmoid,
    "tanhshrink": Tanhshrink,
    "softshrink": Softshrink,
    "hardshrink": Hardshrink,
    "log_softmax": LogSoftmax,
}
"""The activations by their names in EQUATIONS.md."""
