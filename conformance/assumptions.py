"""What a legitimate program is assumed to be within: the one table behind every bound.

A bound is only as honest as what it assumes.  Each assumption has a name, a value and a reason; the tests of
this module measure the ones that can be measured.  Not admitted: Strassen-like products, accumulators that
truncate, subnormal *operands* taken as zero, a narrower format inside (that is what is to be found), and formulas
that are right on paper but lose all digits at the ends of the range: log(1 - p) where p = sigmoid(z) rounds to 1.

The rows for activations and losses widen a bound where several formulas are equal on paper: what is admitted
is the hull of them all, so that no right program is called wrong for its choice.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import reference
from reference import (
    Activation,
    Array,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    CrossEntropyWithLogits,
    Loss,
    Softmax,
)
from reference.losses import smoothed

KAPPA = 16
"""The error of a library function (exp, log, tanh...), in units u of its value.

Measured: jitted XLA's tanh 6.9 in float64 and 4.6 in float32, NumPy's float32 exp 3.3.  The tests measure
NumPy's and PyTorch's.
"""

DIVISION = 3
"""The error of a division in units u: rounding a reciprocal and its product is within 2 u + u^2."""


MOVING = 4
"""How far, in units u of |m| + |x|, a moving average beta m + (1 - beta) x may be off beyond its own roundings:
as m + (1 - beta) (x - m), which PyTorch takes, its difference cancels."""


class Admitted(NamedTuple):
    """How far beyond the text's own rounding a value (or derivative) may be, in units u; with the reason."""

    value: Callable[..., Array]
    derivative: Callable[..., Array]
    reason: str


def _steepness(z: Array) -> Array:
    """By rows: a relative error of exp(z - m) / sum, from the roundings of the shift, of the sum and of log sum."""
    n = z.shape[1]
    return KAPPA + n + np.log(n) + 4 * abs(z).max(axis=1, keepdims=True)


def _smoothed(loss: Any, y: Array) -> Array:
    return abs(smoothed(y, loss.weight, loss.label_smoothing))


NOTHING = Admitted(lambda *_: 0, lambda *_: 0, "One formula only.")

_ABSOLUTE = Admitted(
    lambda sigma, z, a: KAPPA,
    lambda sigma, z, a, g: KAPPA * abs(g),
    "Absolute: by way of a neighbour (sigmoid, tanh, exponentials), and 1 - a or 1 - a^2 where a rounds to 1.",
)

_TIMES_Z = Admitted(
    lambda sigma, z, a: KAPPA * abs(z),
    lambda sigma, z, a, g: KAPPA * abs(g) * (1 + abs(z)),
    "A product with z of a factor that is right absolutely: in its tail the factor may be 1 minus what is near 1.",
)

ACTIVATIONS: dict[type[Activation], Admitted] = {
    reference.Sigmoid: _ABSOLUTE,
    reference.Tanh: _ABSOLUTE,
    reference.ELU: Admitted(
        lambda sigma, z, a: KAPPA * abs(sigma.alpha),
        lambda sigma, z, a, g: KAPPA * abs(sigma.alpha * g),
        "Absolute: alpha (exp(z) - 1) for alpha expm1(z), and its derivative as a + alpha.",
    ),
    reference.SELU: Admitted(
        lambda sigma, z, a: 2 * KAPPA,
        lambda sigma, z, a, g: 2 * KAPPA * abs(g),
        "As elu, with scale times alpha below 2.",
    ),
    reference.CELU: Admitted(
        lambda sigma, z, a: KAPPA * abs(sigma.alpha),
        lambda sigma, z, a, g: KAPPA * abs(g),
        "As elu, with a derivative that does not depend on the scale.",
    ),
    reference.Softplus: Admitted(
        lambda sigma, z, a: KAPPA / abs(sigma.beta),
        lambda sigma, z, a, g: KAPPA * abs(g),
        "Absolute: log(1 + exp(z)) for log1p(exp(z)), and 1 - exp(-a) for the derivative.",
    ),
    reference.LogSigmoid: _ABSOLUTE,
    reference.GELU: _TIMES_Z,
    reference.GELUTanh: Admitted(
        lambda sigma, z, a: KAPPA * abs(z),
        lambda sigma, z, a, g: KAPPA * abs(g) * (1 + np.minimum(abs(z), GELU_TANH_END) ** 3),
        "As a product with z; its derivative multiplies a rounding of 1 - tanh^2 by z^3, until the tanh is 1.",
    ),
    reference.SiLU: _TIMES_Z,
    reference.Mish: _TIMES_Z,
    reference.Softsign: Admitted(
        lambda sigma, z, a: 0,
        lambda sigma, z, a, g: KAPPA * abs(g) / (1 + abs(z)),
        "The derivative by the rule of quotients, as autograd takes it: its two terms cancel.",
    ),
    reference.Hardsigmoid: _ABSOLUTE,
    reference.Hardswish: _TIMES_Z,
    reference.Tanhshrink: _ABSOLUTE,
    reference.Softmax: Admitted(
        lambda sigma, z, a: a * _steepness(z),
        lambda sigma, z, a, g: _steepness(z) * a * (abs(g) + (abs(g) * a).sum(axis=1, keepdims=True)),
        "With or without a shift, as a quotient or as exp(log softmax): the roundings of the exponent count.",
    ),
    reference.LogSoftmax: Admitted(
        lambda sigma, z, a: _steepness(z),
        lambda sigma, z, a, g: KAPPA * abs(g) + _steepness(z) * np.exp(a) * abs(g).sum(axis=1, keepdims=True),
        "z minus log sum exp in any arrangement; its derivative by way of exp(a).",
    ),
}
"""The activations that are more than one formula; the arguments are midpoints (B, n)."""

GELU_TANH_END = 8
"""Beyond, tanh(sqrt(2 / pi) (z + 0.044715 z^3)) is 1 in float64, and 1 - tanh^2 is 0 without a rounding."""

LOSSES: dict[type[Loss], Admitted] = {
    CrossEntropy: Admitted(
        lambda loss, a, y: KAPPA * _smoothed(loss, y).sum(axis=1),
        lambda loss, a, y: 0,
        "Absolute: the logarithm of a probability near 1 that carries a rounding.",
    ),
    CrossEntropyWithLogits: Admitted(
        lambda loss, a, y: (_smoothed(loss, y) * _steepness(a)).sum(axis=1),
        lambda loss, a, y: (
            KAPPA * _smoothed(loss, y)
            + _steepness(a) * Softmax().apply(a) * _smoothed(loss, y).sum(axis=1, keepdims=True)
        ),
        "log sum exp minus z in any arrangement; the delta also by way of dL/da and the softmax.",
    ),
    reference.KLDivergence: Admitted(
        lambda loss, a, y: KAPPA * (abs(y) * (1 + abs(a) + abs(np.log(np.where(y == 0, 1, y))))).sum(axis=1),
        lambda loss, a, y: 0,
        "y log y and y a apart: the terms cancel where the distributions agree.",
    ),
    BinaryCrossEntropy: Admitted(
        lambda loss, a, y: np.full(len(y), KAPPA * y.shape[1]),
        lambda loss, a, y: KAPPA * (abs(y) / a + abs(1 - y) / (1 - a)),
        "Absolute: log(1 - a) for log1p(-a); the two terms of the derivative apart, or over one denominator.",
    ),
    BinaryCrossEntropyWithLogits: Admitted(
        lambda loss, a, y: KAPPA * (1 + abs(a)).sum(axis=1),
        lambda loss, a, y: KAPPA,
        "Absolute: max(z, 0) - z y + log1p(exp(-|z|)), whose terms cancel; the delta also by way of dL/da.",
    ),
}
"""The losses that are more than one formula; the arguments are midpoints (B, K)."""
