"""What a legitimate program is assumed to be within: the one table behind every bound.

A bound is only as honest as what it assumes.  `ASSUMPTIONS` holds each assumption with its value, the reason and what
was measured; a test of the same name measures it again or shows what would break it.

The rows for activations and losses widen a bound where several formulas are equal on paper: what is admitted
is the hull of them all, so that no right program is called wrong for its choice.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import reference
from reference import (
    Activation,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    CrossEntropyWithLogits,
    Loss,
    Softmax,
)
from reference.losses import smoothed

from ..arrays import Array

KAPPA = 16
"""The error of a library function (exp, log, tanh...) in float32 or float64, in units u of its value."""

KAPPA_HALF = 4
"""The same in float16 and bfloat16, whose functions are computed in float32 and rounded once."""


def erfc_units(kappa: int, size: Array) -> Array:
    """The error of erfc at arguments up to that size, in units u: e^(-x^2) multiplies a rounding of x^2 by x^2."""
    return kappa + size**2


DIVISION = 3
"""The error of a division, in units u."""

PARTS_OF_SHORT, PARTS_OF_LONG, LONG = 2, 4, 64
"""Roundings to its format that a sum added up in a wider one takes: of up to so many terms, and of more."""

MOVING = 4
"""How far, in units u of |m| + |x|, a moving average may be off beyond its own roundings."""

PARTS = 2
"""How many roundings of what is in between, at most |p| + |p'| + |eta g|, a step that is taken in parts adds."""

MOMENTA = 3
"""How far, in units of float32 whatever the format, a momentum of NAdam may be off in the product of all of them."""


class Assumption(NamedTuple):
    """What is assumed, how large it is (in units u, where it has a size), why, and what was measured."""

    what: str
    size: float | None
    reason: str
    measured: str


ASSUMPTIONS = {
    "library-functions": Assumption(
        "exp, expm1, log, log1p, sqrt and tanh err by KAPPA u of their value at most, erfc by KAPPA + x^2",
        KAPPA,
        "No standard bounds them; what is in use stays well below, and a larger KAPPA loses no detection.",
        "NumPy 3.3 (float32 exp), jitted XLA 6.9 (float64 tanh) and 4.6 (float32 tanh), PyTorch 18 (erfc near 6)",
    ),
    "half-precision-functions": Assumption(
        "in float16 and bfloat16 they err by KAPPA_HALF u at most",
        KAPPA_HALF,
        "NumPy and PyTorch compute them in float32 and round once.",
        "1.0 over all numbers of either format, NumPy and PyTorch",
    ),
    "half-precision-sums": Assumption(
        "in bfloat16 modules a sum is added up in float32, and rounds to bfloat16 twice, or four times beyond 64 terms",
        PARTS_OF_LONG,
        "Once as it is, once for a 1/B that is taken of it; kernels may split a long one, and round the parts.",
        "1 u for PyTorch's products on a CPU, up to 3000 terms; no GPU was asked",
    ),
    "division": Assumption(
        "a quotient errs by 3 u of its value at most",
        DIVISION,
        "A reciprocal, rounded, times the numerator, rounded, is within 2 u + u^2.",
        "1.5 for the product with the reciprocal, 1 for the quotient",
    ),
    "any-order": Assumption(
        "a sum or product of n terms errs by n u / (1 - n u) times the sum of the terms' absolute values",
        None,
        "Higham, Accuracy and Stability of Numerical Algorithms, lemma 3.1 and section 3.1: whatever the order.",
        "reversed, shuffled, pairwise, compensated, blocked: all within",
    ),
    "fused-multiply-add": Assumption(
        "a product may join a sum with or without a rounding of its own",
        None,
        "A fused operation rounds once where two round twice: it is within the bound of two.",
        "emulated exactly in fractions: within",
    ),
    "underflow": Assumption(
        "a result below the smallest normal number may be rounded to a subnormal one, or flushed to zero",
        None,
        "Processors and compilers flush results for speed; the loss is at most the smallest normal number.",
        "gradual and flushed products: within",
    ),
    "wider-inside": Assumption(
        "a program may hold numbers in a wider format than it reports",
        1,
        "It goes on with what it held before it rounded for the report: each reported number counts as rounded once.",
        "float64 inside, float32 reported: within",
    ),
    "parameters": Assumption(
        "a hyper-parameter such as 0.1 errs by u, as the number of the format that is nearest to it",
        1,
        "The truth knows it as the float64 that was given; float32 programs round it.",
        "0.1 in float32 is off by 0.25 u",
    ),
    "moving-averages": Assumption(
        "m + (1 - beta) (x - m) for beta m + (1 - beta) x errs by 4 u of |m| + |x| more",
        MOVING,
        "Equal on paper; its difference cancels where m and x agree.",
        "PyTorch's Adam and its kin: within",
    ),
    "momenta-in-float32": Assumption(
        "NAdam's product of momenta may be held in float32: each factor errs by 3 u of float32",
        MOMENTA,
        "PyTorch holds it in the default dtype, also for float64 parameters: factor, product and report are rounded.",
        "torch.optim.NAdam of float64 parameters, twenty steps: within; off by up to 1 unit a step",
    ),
    "step-in-parts": Assumption(
        "a step may be subtracted in parts, of which two at most add a rounding of their own each",
        PARTS,
        "p + mu v - eta g, or a decay as a term: equal on paper; what is in between may be larger than either end.",
        "Keras's Nesterov with small steps: 1.7 times the bound without it",
    ),
    "no-fast-products": Assumption(
        "no product of matrices by Strassen's scheme or its kin",
        None,
        "They err by the norms of the matrices, not by |a| |b| element by element; none is a default anywhere.",
        "one step of Strassen's on graded matrices is off by 10^6 bounds",
    ),
    "no-flushed-operands": Assumption(
        "no subnormal operand taken as zero, unless it is declared",
        None,
        "Its loss is not bounded by the result: 2^-1074 * 2^1000 is a normal number.",
        "the product of such an operand is off by 100 %",
    ),
    "no-narrower-format": Assumption(
        "no narrower format inside: TF32, bfloat16 or float16 products, accumulators that truncate",
        None,
        "That is what is to be found.",
        "bfloat16 products of 64 terms are off by some 400 bounds of float32",
    ),
    "no-lost-ends": Assumption(
        "no formula that loses all digits at the ends of the range: log(1 - p) of a p that rounds to 1",
        None,
        "It is right on paper and fails where people train; it is judged apart, as robustness.",
        "log(1 - sigmoid(20)) in float32 is infinite, the truth is -20",
    ),
}
"""The assumptions, by name."""


class Admitted(NamedTuple):
    """How far beyond the text's own rounding a value (or derivative) may be, in units u; with the reason."""

    value: Callable[..., Array | int]
    derivative: Callable[..., Array | int]
    reason: str


def _steepness(kappa: int, z: Array) -> Array:
    """By rows: a relative error of exp(z - m) / sum, from the roundings of the shift, of the sum and of log sum."""
    n = z.shape[1]
    steepness: Array = kappa + n + np.log(n) + 4 * abs(z).max(axis=1, keepdims=True)
    return steepness


def _lost(format: Any, z: Array, y: Array) -> Array:
    """Units that log p and log(1 - p) of a rounded p lose, 1 / p and 1 / (1 - p), up to `KEPT` of all digits."""
    most = KEPT * np.log(1 / format.u)
    lost: Array = abs(y) * np.exp(np.minimum(-z, most)) + abs(1 - y) * np.exp(np.minimum(z, most))
    return lost


KEPT = 0.7
"""How much of ln(1 / u) a logit may be for a logarithm of its probability to have digits left: beyond, it is judged as
an end of the range, like logarithms that are clamped there."""


def _smoothed(loss: Any, y: Array) -> Array:
    return abs(smoothed(y, loss.weight, loss.label_smoothing))


NOTHING = Admitted(lambda *_: 0, lambda *_: 0, "One formula only.")

_ABSOLUTE = Admitted(
    lambda kappa, sigma, z, a: kappa,
    lambda kappa, sigma, z, a, g: kappa * abs(g),
    "Absolute: by way of a neighbour (sigmoid, tanh, exponentials), and 1 - a or 1 - a^2 where a rounds to 1.",
)

_TIMES_Z = Admitted(
    lambda kappa, sigma, z, a: kappa * abs(z),
    lambda kappa, sigma, z, a, g: kappa * abs(g) * (1 + abs(z)),
    "A product with z of a factor that is right absolutely: in its tail the factor may be 1 minus what is near 1.",
)

ACTIVATIONS: dict[type[Activation], Admitted] = {
    reference.Sigmoid: _ABSOLUTE,
    reference.Tanh: _ABSOLUTE,
    reference.LeakyReLU: Admitted(
        lambda kappa, sigma, z, a: MEAN * np.maximum(1, abs(sigma.negative_slope)) * z,
        lambda kappa, sigma, z, a, g: MEAN * np.maximum(1, abs(sigma.negative_slope)) * abs(g),
        "(1 + s) / 2 z + (1 - s) / 2 |z|, whose terms cancel where z is negative.",
    ),
    reference.ELU: Admitted(
        lambda kappa, sigma, z, a: kappa * abs(sigma.alpha),
        lambda kappa, sigma, z, a, g: kappa * abs(sigma.alpha * g),
        "Absolute: alpha (exp(z) - 1) for alpha expm1(z), and its derivative as a + alpha.",
    ),
    reference.SELU: Admitted(
        lambda kappa, sigma, z, a: 2 * kappa,
        lambda kappa, sigma, z, a, g: 2 * kappa * abs(g),
        "As elu, with scale times alpha below 2.",
    ),
    reference.CELU: Admitted(
        lambda kappa, sigma, z, a: kappa * abs(sigma.alpha),
        lambda kappa, sigma, z, a, g: kappa * abs(g),
        "As elu, with a derivative that does not depend on the scale.",
    ),
    reference.Softplus: Admitted(
        lambda kappa, sigma, z, a: kappa / abs(sigma.beta),
        lambda kappa, sigma, z, a, g: kappa * abs(g),
        "Absolute: log(1 + exp(z)) for log1p(exp(z)), and 1 - exp(-a) for the derivative.",
    ),
    reference.LogSigmoid: _ABSOLUTE,
    reference.GELU: _TIMES_Z,
    reference.GELUTanh: Admitted(
        lambda kappa, sigma, z, a: kappa * abs(z),
        lambda kappa, sigma, z, a, g: kappa * abs(g) * (1 + np.minimum(abs(z), GELU_TANH_END) ** 3),
        "As a product with z; its derivative multiplies a rounding of 1 - tanh^2 by z^3, until the tanh is 1.",
    ),
    reference.SiLU: _TIMES_Z,
    reference.Mish: _TIMES_Z,
    reference.Softsign: Admitted(
        lambda kappa, sigma, z, a: 0,
        lambda kappa, sigma, z, a, g: kappa * abs(g) / (1 + abs(z)),
        "The derivative by the rule of quotients, as autograd takes it: its two terms cancel.",
    ),
    reference.Hardtanh: Admitted(
        lambda kappa, sigma, z, a: abs(z) + 3 * max(abs(sigma.min_val), abs(sigma.max_val)),
        lambda kappa, sigma, z, a, g: 0,
        "(|z - min| - |z - max| + min + max) / 2: two roundings of at most |z| + |m| and two of at most 2 |m|, halved.",
    ),
    reference.Hardsigmoid: _ABSOLUTE,
    reference.Hardswish: _TIMES_Z,
    reference.Tanhshrink: _ABSOLUTE,
    reference.Softmax: Admitted(
        lambda kappa, sigma, z, a: a * _steepness(kappa, z),
        lambda kappa, sigma, z, a, g: _steepness(kappa, z) * a * (abs(g) + (abs(g) * a).sum(axis=1, keepdims=True)),
        "With or without a shift, as a quotient or as exp(log softmax): the roundings of the exponent count.",
    ),
    reference.LogSoftmax: Admitted(
        lambda kappa, sigma, z, a: _steepness(kappa, z),
        lambda kappa, sigma, z, a, g: (
            kappa * abs(g) + _steepness(kappa, z) * np.exp(a) * abs(g).sum(axis=1, keepdims=True)
        ),
        "z minus log sum exp in any arrangement; its derivative by way of exp(a).",
    ),
}
"""The activations that are more than one formula; kappa is the format's, z and g are absolute values, a upper ends,
all (B, n).

Each grows or falls with |z|, and grows with |g| and a: so a judge can take the largest within a radius.
"""

MEAN = 3
"""Units of |z| (or |g|) that leaky_relu as a mean loses, for slopes s up to 1: both constants and both products are
rounded, 2 (1 + s) / 2 + 2 (1 - s) / 2, and the sum of them, 1 where z is positive."""

REACH = dict.fromkeys((reference.Hardsigmoid, reference.Hardswish), 6 * (1 + DIVISION / 2))
"""Units by which a kink at 3 or -3 is missed where its side is told by another number than z: by z + 3 next to 6, a
rounding of 6 units; by z / 6 + 1/2 next to 1, a rounding of 1 and that of the quotient 1/2, six times as much in z."""

SHIFTED: dict[type[Activation], float] = dict.fromkeys((reference.Hardsigmoid, reference.Hardswish), 3.0)
"""Activations as relu6(z + 3) / 6: the switch is met up to a rounding of 3 beside it."""

BY_EXPONENTIAL = (reference.LogSigmoid, reference.Softplus)
"""log(sigma(z)) and log1p(exp(z)): their derivative is also g / sigma(z) times sigma(z) (1 - sigma(z)), or
g / (1 + e^z) times e^z, of which the first factor may overflow or underflow before the second makes up for it."""

GELU_TANH_END = 8
"""Beyond, tanh(sqrt(2 / pi) (z + 0.044715 z^3)) is 1 in float64, and 1 - tanh^2 is 0 without a rounding."""

LOSSES: dict[type[Loss], Admitted] = {
    CrossEntropy: Admitted(
        lambda format, loss, a, y: format.kappa * _smoothed(loss, y).sum(axis=1),
        lambda format, loss, a, y: 0,
        "Absolute: the logarithm of a probability near 1 that carries a rounding.",
    ),
    CrossEntropyWithLogits: Admitted(
        lambda format, loss, a, y: (_smoothed(loss, y) * _steepness(format.kappa, a)).sum(axis=1),
        lambda format, loss, a, y: (
            format.kappa * _smoothed(loss, y)
            + _steepness(format.kappa, a) * Softmax().apply(a) * _smoothed(loss, y).sum(axis=1, keepdims=True)
        ),
        "log sum exp minus z in any arrangement; the delta also by way of dL/da and the softmax.",
    ),
    reference.KLDivergence: Admitted(
        lambda format, loss, a, y: (
            format.kappa * (abs(y) * (1 + abs(a) + abs(np.log(np.where(y == 0, 1, y))))).sum(axis=1)
        ),
        lambda format, loss, a, y: 0,
        "y log y and y a apart: the terms cancel where the distributions agree.",
    ),
    BinaryCrossEntropy: Admitted(
        lambda format, loss, a, y: np.full(len(y), format.kappa * y.shape[1]),
        lambda format, loss, a, y: format.kappa * (abs(y) / a + abs(1 - y) / (1 - a)),
        "Absolute: log(1 - a) for log1p(-a); the two terms of the derivative apart, or over one denominator.",
    ),
    BinaryCrossEntropyWithLogits: Admitted(
        lambda format, loss, a, y: format.kappa * (1 + abs(a) + _lost(format, a, y)).sum(axis=1),
        lambda format, loss, a, y: format.kappa * (1 + _lost(format, a, y)),
        "Absolute: max(z, 0) - z y + log1p(exp(-|z|)), whose terms cancel.  Textbooks take log(1 - p) of a sigmoid p, "
        "and their delta divides by 1 - p: u of p is u / (1 - p) of 1 - p; u / p where p comes of a tanh.",
    ),
}
"""The losses that are more than one formula; the format has kappa and u, the other arguments are midpoints (B, K)."""

TERMS: dict[type[Loss], Callable[[Array], Array]] = {
    BinaryCrossEntropy: lambda y: 1 + abs(y),
    BinaryCrossEntropyWithLogits: lambda y: 1 + abs(y),
    reference.L1: np.ones_like,
    reference.Hinge: abs,
}
"""The largest sum of the absolute terms of a sample's delta, p and y, or of dL/da, by the targets (B, K): for losses
whose radius says little of it, since it holds lost digits or either side of a kink."""

ALGEBRAIC = (reference.LeakyReLU, reference.Hardtanh)
"""Of the activations above, those without a formula that an exponential's overflow could end."""
