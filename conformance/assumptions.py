"""What a legitimate program is assumed to be within: the one table behind every bound.

A bound is only as honest as what it assumes.  Each assumption has a name, a value and a reason; the tests of
this module measure the ones that can be measured.  Not admitted: Strassen-like products, accumulators that
truncate, subnormal *operands* taken as zero, a narrower format inside (that is what is to be found).

The rows for activations and losses widen a bound where several formulas are equal on paper: what is admitted
is the hull of them all, so that no right program is called wrong for its choice.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from reference import (
    ELU,
    Activation,
    Array,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    CrossEntropyWithLogits,
    Loss,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)

KAPPA = 16
"""The error of a library function (exp, log, tanh...), in units u of its value.

Measured: jitted XLA's tanh 6.9 in float64 and 4.6 in float32, NumPy's float32 exp 3.3.  The tests measure
NumPy's and PyTorch's.
"""

DIVISION = 3
"""The error of a division in units u: rounding a reciprocal and its product is within 2 u + u^2."""


class Admitted(NamedTuple):
    """How far beyond the text's own rounding a value (or derivative) may be, in units u; with the reason."""

    value: Callable[..., Array]
    derivative: Callable[..., Array]
    reason: str


def _steepness(z: Array) -> Array:
    """By rows: a relative error of exp(z - m) / sum, from the roundings of the shift, of the sum and of log sum."""
    n = z.shape[1]
    return KAPPA + n + np.log(n) + 4 * abs(z).max(axis=1, keepdims=True)


NOTHING = Admitted(lambda *_: 0, lambda *_: 0, "One formula only.")

ACTIVATIONS: dict[type[Activation], Admitted] = {
    Sigmoid: Admitted(
        lambda sigma, z, a: KAPPA,
        lambda sigma, z, a, g: KAPPA * abs(g),
        "Absolute: sigmoid by way of tanh is right, and so is a (1 - a) where a rounds to 1.",
    ),
    Tanh: Admitted(
        lambda sigma, z, a: KAPPA,
        lambda sigma, z, a, g: KAPPA * abs(g),
        "Absolute: tanh by way of sigmoid or of exponentials is right, and so is 1 - a^2 where a rounds to 1.",
    ),
    ELU: Admitted(
        lambda sigma, z, a: KAPPA * abs(sigma.alpha),
        lambda sigma, z, a, g: KAPPA * abs(sigma.alpha * g),
        "Absolute: alpha (exp(z) - 1) for alpha expm1(z), and its derivative as a + alpha.",
    ),
    Softplus: Admitted(
        lambda sigma, z, a: KAPPA,
        lambda sigma, z, a, g: KAPPA * abs(g),
        "Absolute: log(1 + exp(z)) for log1p(exp(z)), and 1 - exp(-a) for the derivative.",
    ),
    Softmax: Admitted(
        lambda sigma, z, a: a * _steepness(z),
        lambda sigma, z, a, g: _steepness(z) * a * (abs(g) + (abs(g) * a).sum(axis=1, keepdims=True)),
        "With or without a shift, as a quotient or as exp(log softmax): the roundings of the exponent count.",
    ),
}
"""The activations that are more than one formula; the arguments are midpoints (B, n)."""

LOSSES: dict[type[Loss], Admitted] = {
    CrossEntropy: Admitted(
        lambda loss, a, y: KAPPA * abs(y).sum(axis=1),
        lambda loss, a, y: 0,
        "Absolute: the logarithm of a probability near 1 that carries a rounding.",
    ),
    CrossEntropyWithLogits: Admitted(
        lambda loss, a, y: (abs(y) * _steepness(a)).sum(axis=1),
        lambda loss, a, y: KAPPA * abs(y) + _steepness(a) * Softmax().apply(a) * abs(y).sum(axis=1, keepdims=True),
        "log sum exp minus z in any arrangement; the delta also by way of dL/da and the softmax.",
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
