"""Effective precision: with how many bits a subject really computes, whatever it claims."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import Array
from ..bounds.assumptions import KAPPA
from ..bounds.formats import FORMATS
from ..bounds.lifted import Lifted
from ..bounds.rounded import Rounded
from ..problems.problem import GivenAnswer
from .judgement import Judgement

BITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}
"""The significand's, of the formats that can be claimed."""

NEAREST = {8: "bfloat16", 11: "TF32 or float16", 24: "float32", 53: "float64"}
"""Formats by their bits."""

NOTABLE = 6
"""Bits lost beyond which a subject is said to compute in less than it claims.

Measured on 192 problems, single samples and batches of up to 513, widths of up to 300: no right program lost more than
4.4, those that add up the 4 by 5 products of three samples.  In 818 batches of networks without a hidden layer, with
eight activations and losses: 4.5.
"""

LOST = 5
"""Bits that a right program may lose in its format, as `NOTABLE` says it was measured."""

ADMITTED = 2 * KAPPA
"""Units of roundoff in a delta's bound for one that is computed with it: a function and a difference, and their room.

1 - a^2 of a saturated tanh, and a - y near the target, lose bits that no product lost.
"""

LEAST = min(BITS.values()) - 1
"""Bits below which an error is no matter of precision: one less, for chance, than the coarsest format has."""

COARSE = 1 / 4
"""The share of answers below `LEAST` beyond which errors are no matter of precision in the others either.

Measured: none of those that are rounded to 8, 11 or 16 bits; half and more of those with a penalty, whatever its
factor.
"""

VAGUE = 8
"""Units of roundoff beyond which a number's radius hides what precision it was computed in.

A step's difference leaves four at most; a penalty that is taken off many, where it is larger than the gradient.
"""

MEDIAN = 0.35
"""The median error of a rounding to p bits, in units of 2^-p: an error uniform up to 1, over a significand from 1 to 2.

A few numbers that are off by more are no matter of precision.
"""


NORMAL = 0.6745
"""The median size of a normal error, in units of its root mean square."""

GROSS = 32
"""How many times the median an error is at most that is one of precision: 22 standard deviations of a normal one."""


def from_step(before: Array, after: Array, eta: float) -> Rounded:
    """The gradient behind a plain step after = before - eta g, with the roundings of the product and the difference."""
    format = FORMATS[before.dtype]
    mid = (before.astype(format.wide) - after.astype(format.wide)) / format.wide(eta)
    size = abs(mid).astype(np.float64)
    lost = 2 * format.u * (abs(before) + abs(after)).astype(np.float64) / eta
    return Rounded(mid, 2 * format.u * size + lost + 2 * format.tiny, format)


def effective_bits(answers: Iterable[tuple[Lifted, GivenAnswer]]) -> float | None:
    """The fewest bits that the products of dL/dW^1 show, at most the claimed format's; None below `LEAST`.

    For a single sample dL/dW^1 is dL/db^1 x^T, whose relative error is up to 2^-p in a format of p bits.  In a batch it
    is a sum: its error, in the mean over all elements, counts against the root of the terms' squares and of what their
    deltas may have lost, for networks without a hidden layer.  A few gross errors do not count in either.
    """
    found = [bits for lifted, answer in answers for bits in _bits(lifted, answer)]
    fine = [bits for bits in found if bits >= LEAST]
    return None if len(found) - len(fine) > COARSE * len(found) else min(fine, default=None)


def _bits(lifted: Lifted, answer: GivenAnswer) -> Iterable[float]:
    problem, format = lifted.problem, lifted.format
    W, b = (plain(p).astype(format.wide) for p in answer.gradients[0])
    of_W, of_b = map(radius, answer.gradients[0])
    x = problem.x.astype(format.wide)
    most = BITS[str(problem.dtype)]
    normal = format.tiny / format.u
    with np.errstate(all="ignore"):
        if len(x) == 1:
            product = b[:, None] * x
            told = (of_W <= VAGUE * format.u * abs(product)) & (of_b <= VAGUE * format.u * abs(b))[:, None]
            errors = (abs(W - product) / abs(product))[(abs(product) > normal) & np.isfinite(W) & told]
            worst = float(np.median(errors)) / MEDIAN if errors.size else 0.0
        elif len(problem.network) == 1:
            ((gradient, _),) = lifted.along_paths(lifted.states)
            lost = gradient.delta.rad / (ADMITTED * format.u)
            terms = np.sqrt((gradient.delta.mid**2 + lost**2).T @ x**2)
            told = of_W <= VAGUE * format.u * terms
            errors = (abs(W - gradient.W.mid) / terms)[(terms > normal) & np.isfinite(W) & told]
            worst = _typical(errors) if errors.size else 0.0
        else:
            return
    if errors.size:
        yield float(min(most, -np.log2(worst))) if worst else float(most)


def _typical(errors: Array) -> float:
    """The root mean square of errors; that of the typical ones where some are gross, which are no matter of bits."""
    median = float(np.median(errors))
    if errors.max() > GROSS * median:
        return median / NORMAL
    return float(np.sqrt((errors**2).mean()))


def plain(numbers: Any) -> Array:
    """Numbers as an array, without the radius that they may come with."""
    return numbers.mid if isinstance(numbers, Rounded) else numbers


def radius(numbers: Any) -> Array:
    """How much numbers may be off from what they stand for; what is no number has no radius that could excuse it."""
    return np.where(np.isfinite(numbers.mid), numbers.rad, 0) if isinstance(numbers, Rounded) else np.zeros(())


def said(dtype: str, bits: float) -> str:
    """A sentence where a subject computes in less than it claims; empty where it does not."""
    if BITS[dtype] - bits <= NOTABLE:
        return ""
    return f"It claims {dtype}, and multiplies {nearest(bits)}: {bits:.1f} bits of {BITS[dtype]}."


def digits(j: Judgement) -> str:
    """How many decimal digits of the worst number are right, and how many its bound lets be; empty where none can."""
    size, off = abs(j.expected), abs(j.got - j.expected)
    if not (np.isfinite(j.got) and 0 < size < np.inf and off > 0 and j.bound < size):
        return ""
    # An exact bound lets all digits be right that the format has.
    finest = max(j.bound / size, 2.0 ** -BITS.get(j.dtype, max(BITS.values())))
    right, possible = max(int(-np.log10(off / size)), 0), int(-np.log10(finest))
    if possible <= right:
        return ""
    plural = "" if right <= 1 else "s"
    return f"{right or 'no'} digit{plural} right where {possible} {'was' if possible == 1 else 'were'} possible"


def nearest(bits: float) -> str:
    """The format whose products have about so many bits, in words."""
    p = min(NEAREST, key=lambda known: abs(known - bits))
    if abs(p - bits) <= 2:
        return f"like {NEAREST[p]}"
    above = min((known for known in NEAREST if known >= bits), default=max(NEAREST))
    known = NEAREST[above] if above - bits <= LOST else "no format"
    return f"like {known}, or like differences"
