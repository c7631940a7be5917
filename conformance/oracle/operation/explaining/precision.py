"""Precision: with how many bits numbers are right that are wrong by little, all alike."""

from collections.abc import Sequence

import numpy as np

from ....arrays import Array
from ....judge.precision import NEAREST, nearest
from .evidence import Seen

ROUGH = 2.0**-5
"""The typical relative error from which on it is no matter of precision: that of e4m3, the coarsest format in use.

It has p = 4 bits, and half of its rounding errors are below 2^-(p + 1).
"""

ALIKE = 2.0**4
"""How many times the typical error, each against its bound, the largest may be and still be one of rounding.

Of three roundings, each spread evenly, half are below 0.37 of the largest that is possible; a bound admits KAPPA = 16.
"""

FINE = 2.0**-20
"""Typical errors below are differences' too, which have no format's bits."""

NEAR = 1.5
"""Bits by which the typical error may be off a format's: two or three roundings, and chance."""

ENOUGH = 8
"""How many errors, at least, show whether they fall to both sides, as those of roundings do."""


SPREAD = 1.5
"""How many times the lower quartile of relative errors the upper one is at least.

Of a rounding, spread evenly, three; of a formula such as a factor of 1.001 for one sign and 0.999 for the other, one.
"""

SYSTEMATIC = 0.9
"""Correlation of relative errors from one cotangent to the next from which on they are a formula's, not roundings."""


def bits_of(answers: Sequence[Seen]) -> float | None:
    """How many bits are right, where the errors are those of a format with fewer bits; else None.

    Either the numbers themselves have no more bits; or the errors are all alike, to both sides, as large as those of a
    format, and others with another cotangent.
    """
    s, *others = answers
    off = s.got.astype(s.truth.dtype) - s.truth
    at = s.known & (s.truth != 0)
    relative, margins = (off[at] / x[at] for x in (s.truth, s.expected.rad))
    typical = float(np.median(abs(relative))) if relative.size else 0.0
    if not 0 < typical < ROUGH:
        return None
    # Rounding errors are spread evenly up to 2^-p: half of them are below half of that.
    bits = float(-np.log2(2 * typical))
    claimed = float(np.round(-np.log2(s.expected.format.u)))
    if bits > claimed - 1:  # nothing is lost but in a few
        return None
    narrow = any(bits <= p + NEAR and p < claimed and _has(s.got[at], p) for p in NEAREST)
    alike = relative.size >= ENOUGH and abs(margins).max() <= ALIKE * np.median(abs(margins))
    beside = min((relative > 0).sum(), (relative < 0).sum()) * ENOUGH >= relative.size
    lower, upper = np.quantile(abs(relative), (0.25, 0.75))
    spread = upper >= SPREAD * lower
    of_format = typical < FINE or any(abs(bits - p) <= NEAR for p in NEAREST)
    if narrow:
        return bits
    return bits if alike and beside and spread and of_format and not any(_alike(s, other) for other in others) else None


def _alike(p: Seen, q: Seen) -> bool:
    """Whether the relative errors of answers to one question with two cotangents are the same."""
    if any(not np.array_equal(x, y) for x, y in zip(p.call.values, q.call.values, strict=True)):
        return False
    at = p.known & q.known & (p.truth != 0) & (q.truth != 0)
    errors = [((s.got - s.truth)[at] / s.truth[at]).astype(np.float64) for s in (p, q)]
    return bool(np.corrcoef(*errors)[0, 1] > SYSTEMATIC)


def _has(numbers: Array, p: int) -> bool:
    """Whether numbers have p bits at most."""
    fraction, _ = np.frexp(numbers.astype(np.float64))
    scaled = fraction * 2.0**p
    return bool((scaled == np.round(scaled)).all())


def said(bits: float) -> str:
    """The same in a sentence."""
    return f"The typical error is that of a format of {bits:.0f} bits, {nearest(bits)}."
