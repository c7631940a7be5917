"""Activations: sigma and its pullback, a labelled line each.

An activation is a frozen value with two pure functions.  ``apply(z)`` is sigma(z).
``pullback(z, a, g)``, with a = sigma(z) and the cotangent g = dL/da, is dL/dz; for an elementwise
sigma that is g * sigma'(z).  All arrays are (B, n), samples are rows, and the result has the dtype of
the input.  Names and parameters are PyTorch's.

Every formula is finite, and NumPy silent, for every finite input whose result is finite: `numpy.where` evaluates both
its branches, so where one would overflow in the other's place it is handed min(z, 0) or 0 there.  The exceptions are
softplus's beta z and celu's z / alpha, which may overflow where the result does not.
"""

from dataclasses import dataclass
from typing import Any, Protocol

from .functions import (
    Array,
    absolute,
    bounded,
    clip,
    decimal,
    erfc,
    exp,
    expm1,
    log,
    log1p,
    minimum,
    pi,
    row_maximum,
    sqrt,
    tanh,
    where,
)

__all__ = [
    "ACTIVATIONS", "CELU", "ELU", "GELU", "SELU", "Activation", "GELUTanh", "Hardshrink", "Hardsigmoid",
    "Hardswish", "Hardtanh", "Identity", "LeakyReLU", "LogSigmoid", "LogSoftmax", "Mish", "ReLU", "ReLU6", "SiLU",
    "Sigmoid", "Softmax", "Softplus", "Softshrink", "Softsign", "Tanh", "Tanhshrink",
]  # fmt: skip


class Activation(Protocol):
    """What a layer needs of its activation; (B, n) in, (B, n) out, perhaps for arrays of one kind alone."""

    def apply(self, z: Any) -> Any:
        """Give sigma(z), for (F2)."""

    def pullback(self, z: Any, a: Any, g: Any) -> Any:
        """Give dL/dz, for (B1), from z, a = sigma(z) and g = dL/da."""


@dataclass(frozen=True)
class Identity:
    """The linear layer's (A1, D1).  Unary plus makes a new array, so that nothing shares memory."""

    def apply(self, z: Array) -> Array:
        return +z                                          # (A1)  sigma(z) = z

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return +g                                          # (D1)  sigma'(z) = 1


@dataclass(frozen=True)
class Sigmoid:
    """The logistic function (A2, D2).

    Where z < 0, (A2) is extended by e^z: no exponential is above 1, and both tails keep their relative accuracy.
    """

    def apply(self, z: Array) -> Array:
        return exp(minimum(z, 0)) / (1 + exp(minimum(z, -z)))  # (A2)  sigma(z) = 1 / (1 + e^-z)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return g * (a * (1 - a))                           # (D2)  sigma'(z) = a (1 - a)


@dataclass(frozen=True)
class Tanh:
    """The hyperbolic tangent (A3, D3)."""

    def apply(self, z: Array) -> Array:
        return tanh(z)                                     # (A3)  sigma(z) = tanh(z)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return g * (1 - a * a)                             # (D3)  sigma'(z) = 1 - a^2


@dataclass(frozen=True)
class ReLU:
    """The positive part (A4, D4); by convention sigma'(0) = 0."""

    def apply(self, z: Array) -> Array:
        return where(z > 0, z, 0)                          # (A4)  sigma(z) = z if z > 0, else 0

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return where(z > 0, g, 0)                          # (D4)  sigma'(z) = 1 if z > 0, else 0


@dataclass(frozen=True)
class LeakyReLU:
    """A relu with a slope where z is not positive (A5, D5); sigma'(0) = ``negative_slope``."""

    negative_slope: float = 0.01

    def apply(self, z: Array) -> Array:
        return where(z > 0, z, self.negative_slope * minimum(z, 0))  # (A5)  sigma(z) = z if z > 0, else slope z

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return where(z > 0, g, self.negative_slope * where(z > 0, 0, g))  # (D5)  sigma'(z) = 1 if z > 0, else slope


@dataclass(frozen=True)
class ELU:
    """The exponential linear unit (A6, D6); sigma'(0) = ``alpha``."""

    alpha: float = 1.0

    def apply(self, z: Array) -> Array:
        return where(z > 0, z, self.alpha * expm1(minimum(z, 0)))  # (A6)  sigma(z) = z if z > 0, else alpha (e^z - 1)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return g * where(z > 0, 1, self.alpha * exp(minimum(z, 0)))  # (D6)  sigma'(z) = 1 if z > 0, else alpha e^z


@dataclass(frozen=True)
class Softplus:
    """A smooth relu (A7, D7); linear where beta z is above ``threshold``, as PyTorch's is."""

    beta: float = 1
    threshold: float = 20

    def apply(self, z: Array) -> Array:
        t = self.beta * z
        return where(t > self.threshold, z, log1p_exp(t) / self.beta)  # (A7)  log(1 + e^(beta z)) / beta

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        t = self.beta * z
        return g * where(t > self.threshold, 1, sigmoid(t))  # (D7)  sigma'(z) = 1 / (1 + e^(-beta z))


@dataclass(frozen=True)
class Softmax:
    """Probabilities over the units of a layer (A8, D8).

    e^z_k is the square of e^(z_k / 2), since z_k - max z itself may overflow and its half cannot.
    """

    def apply(self, z: Array) -> Array:
        e = exp(half_centred(z)) ** 2
        return e / e.sum(axis=1, keepdims=True)            # (A8)  p_k = e^z_k / sum_j e^z_j

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return a * (g - (g * a).sum(axis=1, keepdims=True))  # (D8)  dL/dz_k = p_k (g_k - sum_j g_j p_j)


@dataclass(frozen=True)
class LogSoftmax:
    """The logarithm of the softmax (A24, D24), for a loss that takes log-probabilities."""

    def apply(self, z: Array) -> Array:
        return 2 * half_log_softmax(z)                     # (A24)  sigma(z)_k = z_k - log sum_j e^z_j

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return g - softmax(z) * g.sum(axis=1, keepdims=True)  # (D24)  dL/dz_k = g_k - p_k sum_j g_j


@dataclass(frozen=True)
class SELU:
    """The scaled exponential linear unit (A9, D9), with the decimals of its authors; sigma'(0) = scale alpha."""

    def apply(self, z: Array) -> Array:
        scale, alpha = decimal(SCALE, z), decimal(ALPHA, z)
        return scale * where(z > 0, z, alpha * expm1(minimum(z, 0)))  # (A9)  scale z or scale alpha (e^z - 1)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        scale, alpha = decimal(SCALE, z), decimal(ALPHA, z)
        return g * (scale * where(z > 0, 1, alpha * exp(minimum(z, 0))))  # (D9)  sigma'(z) = scale or scale alpha e^z


ALPHA = "1.6732632423543772848170429916717"
SCALE = "1.0507009873554804934193349852946"


@dataclass(frozen=True)
class CELU:
    """The continuously differentiable exponential linear unit (A10, D10)."""

    alpha: float = 1

    def apply(self, z: Array) -> Array:
        n = minimum(z, 0) / self.alpha
        return where(z > 0, z, self.alpha * expm1(n))      # (A10)  z if z > 0, else alpha (e^(z / alpha) - 1)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return g * where(z > 0, 1, exp(minimum(z, 0) / self.alpha))  # (D10)  sigma'(z) = 1 if z > 0, else e^(z / alpha)


@dataclass(frozen=True)
class GELU:
    """The input times the normal distribution Phi (A11, D11); on NumPy's floats it needs SciPy's erfc."""

    def apply(self, z: Array) -> Array:
        return z * normal_distribution(z)                  # (A11)  sigma(z) = z Phi(z), Phi(z) = erfc(-z / sqrt 2) / 2

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        c = bounded(z, 64)  # beyond, phi is 0 in every float, and z^2 may overflow
        phi = exp(-c * c / 2) / sqrt(2 * pi(z))
        return g * (normal_distribution(z) + c * phi)      # (D11)  sigma'(z) = Phi(z) + z phi(z)


def normal_distribution(z: Array) -> Array:
    """Phi(z), elementwise, accurate relatively in both tails."""
    return erfc(-z / sqrt(decimal("2", z))) / 2


@dataclass(frozen=True)
class GELUTanh:
    """PyTorch's ``gelu(approximate="tanh")`` (A12, D12), whose 1/2 (1 + tanh(t / 2)) is sigmoid(t)."""

    def apply(self, z: Array) -> Array:
        c, r, q = self.terms(z)
        return z * sigmoid(r * (c + q * c * c * c))        # (A12)  z / 2 (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3)))

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        c, r, q = self.terms(z)
        s = sigmoid(r * (c + q * c * c * c))
        slope = r * (1 + 3 * q * c * c)
        return g * (s + c * (s * (1 - s)) * slope)         # (D12)  s + z s (1 - s) t', s = sigmoid(t), (A12) = z s

    def terms(self, z: Array) -> tuple[Array, Array | float, Array | float]:
        """Give z, 2 sqrt(2 / pi) and 0.044715; z within 32, beyond which s is 0 or 1 in every float."""
        return bounded(z, 32), sqrt(8 / pi(z)), decimal("0.044715", z)


@dataclass(frozen=True)
class SiLU:
    """The input times its sigmoid (A13, D13)."""

    def apply(self, z: Array) -> Array:
        return z * sigmoid(z)                              # (A13)  sigma(z) = z s, s = 1 / (1 + e^-z)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return g * (sigmoid(z) * (1 + z * sigmoid(-z)))    # (D13)  sigma'(z) = s (1 + z (1 - s))


@dataclass(frozen=True)
class Mish:
    """The input times the tanh of its softplus (A14, D14)."""

    def apply(self, z: Array) -> Array:
        return z * tanh(log1p_exp(z))                      # (A14)  sigma(z) = z t, t = tanh(log(1 + e^z))

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        t = tanh(log1p_exp(z))
        return g * (t + z * ((1 - t * t) * sigmoid(z)))    # (D14)  sigma'(z) = t + z (1 - t^2) / (1 + e^-z)


@dataclass(frozen=True)
class Softsign:
    """A sigmoid of algebraic tails (A15, D15)."""

    def apply(self, z: Array) -> Array:
        return z / (1 + absolute(z))                       # (A15)  sigma(z) = z / (1 + |z|)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        r = 1 / (1 + absolute(z))                          # squared after the division: (1 + |z|)^2 may overflow
        return g * (r * r)                                 # (D15)  sigma'(z) = 1 / (1 + |z|)^2


@dataclass(frozen=True)
class Hardtanh:
    """The input, cut off at ``min_val`` and ``max_val`` (A16, D16); the derivative is 0 at both."""

    min_val: float = -1
    max_val: float = 1

    def apply(self, z: Array) -> Array:
        return clip(z, self.min_val, self.max_val)         # (A16)  sigma(z) = min(max(z, min_val), max_val)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return where(z > self.min_val, where(z < self.max_val, g, 0), 0)  # (D16)  1 if min < z < max, else 0


@dataclass(frozen=True)
class ReLU6:
    """The positive part, cut off at 6 (A17, D17); the derivative is 0 at both ends."""

    def apply(self, z: Array) -> Array:
        return clip(z, 0, 6)                               # (A17)  sigma(z) = min(max(z, 0), 6)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return where(z > 0, where(z < 6, g, 0), 0)         # (D17)  sigma'(z) = 1 if 0 < z < 6, else 0


@dataclass(frozen=True)
class Hardsigmoid:
    """A sigmoid of three lines (A18, D18); the derivative is 0 at both kinks."""

    def apply(self, z: Array) -> Array:
        return clip(z + 3, 0, 6) / 6                       # (A18)  sigma(z) = min(max(z + 3, 0), 6) / 6

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return where(z > -3, where(z < 3, g / 6, 0), 0)    # (D18)  sigma'(z) = 1/6 if -3 < z < 3, else 0


@dataclass(frozen=True)
class Hardswish:
    """The input times its hardsigmoid (A19, D19); the derivative is 0 at -3 and 1 at 3."""

    def apply(self, z: Array) -> Array:
        return z * hardsigmoid(z)                          # (A19)  sigma(z) = z min(max(z + 3, 0), 6) / 6

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        c = clip(z, -3, 3)                                 # 2 z may overflow
        return g * where(z > -3, where(z < 3, (2 * c + 3) / 6, 1), 0)  # (D19)  0 up to -3, (2 z + 3) / 6, 1 from 3 on


@dataclass(frozen=True)
class LogSigmoid:
    """The logarithm of the sigmoid (A20, D20)."""

    def apply(self, z: Array) -> Array:
        return -log1p_exp(-z)                              # (A20)  sigma(z) = - log(1 + e^-z)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return g * sigmoid(-z)                             # (D20)  sigma'(z) = 1 / (1 + e^z)


@dataclass(frozen=True)
class Tanhshrink:
    """The input less its tanh (A21, D21)."""

    def apply(self, z: Array) -> Array:
        return z - tanh(z)                                 # (A21)  sigma(z) = z - tanh z

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return g * tanh(z) ** 2                            # (D21)  sigma'(z) = tanh^2 z


@dataclass(frozen=True)
class Softshrink:
    """The input, drawn towards 0 by ``lambd`` (A22, D22); the derivative is 0 at both kinks."""

    lambd: float = 0.5

    def apply(self, z: Array) -> Array:
        return where(z > self.lambd, z - self.lambd, where(z < -self.lambd, z + self.lambd, 0))  # (A22)  z - or + lambd

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return where(z > self.lambd, g, where(z < -self.lambd, g, 0))  # (D22)  sigma'(z) = 1 if |z| > lambd, else 0


@dataclass(frozen=True)
class Hardshrink:
    """The input where it is beyond ``lambd``, else 0 (A23, D23): it jumps, and its derivative is 0 at the jumps."""

    lambd: float = 0.5

    def apply(self, z: Array) -> Array:
        return where(z > self.lambd, z, where(z < -self.lambd, z, 0))  # (A23)  sigma(z) = z if |z| > lambd, else 0

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        return where(z > self.lambd, g, where(z < -self.lambd, g, 0))  # (D23)  sigma'(z) = 1 if |z| > lambd, else 0


sigmoid, softmax, hardsigmoid = Sigmoid().apply, Softmax().apply, Hardsigmoid().apply


def half_centred(z: Array) -> Array:
    """(z - max z) / 2 by rows, (B, n): halved first, since z - max z may overflow."""
    h = z / 2
    return h - row_maximum(h)


def half_log_softmax(z: Array) -> Array:
    """Half the logarithm of the softmax, (B, n): d - 1/2 log sum_j (e^d_j)^2 for the half-centred d."""
    d = half_centred(z)
    return d - log((exp(d) ** 2).sum(axis=1, keepdims=True)) / 2


def log1p_exp(z: Array) -> Array:
    """log(1 + e^z), elementwise, with the larger of 0 and z taken out: z + log(1 + e^-z)."""
    return z - minimum(z, 0) + log1p(exp(minimum(z, -z)))


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
