"""A judgement: numbers held against what is admitted, a midpoint and a radius each."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from ..bounds.rounded import Rounded


class Judgement(NamedTuple):
    """What became of one equation in one layer: a plain record.

    ``margin`` is the largest error divided by its bound, found at ``element``, with what was ``got``, what was
    ``expected`` and the ``bound`` there.  An element is wrong beyond its bound, and undecided where a zero would
    pass or the truth may overflow.  ``floor`` is the median, over elements that are not zero, of the smallest
    relative error that would have been caught.  An element is suspect where only an estimate speaks against it.
    ``follows`` counts those that are off, but right given what is named as wrong.  ``factor`` is the number by which
    all expected ones are multiplied, where one explains what is wrong.
    ``spread`` counts the elements by the octave of their margin: k for 2^(k-1) up to 2^k; those without error are not
    counted.
    """

    equation: str
    layer: int
    dtype: str
    elements: int
    wrong: int
    undecided: int
    margin: float
    floor: float
    element: tuple[int, ...]
    got: float
    expected: float
    bound: float
    suspect: int = 0
    factor: float = np.nan
    spread: Mapping[int, int] = {}
    follows: int = 0

    @property
    def violated(self) -> bool:
        """Whether a number is outside its bound, or suspect."""
        return bool(self.wrong or self.suspect)


def compare(equation: str, layer: int, got: Array | Rounded, expected: Rounded) -> Judgement:
    """Hold numbers against what is admitted: midpoints and radii.

    Parameters
    ----------
    equation, layer : str, int
        What is judged, for the record.
    got : array, or Rounded
        Somebody's numbers; as `Rounded` where they are known only to within a radius, which joins the bound.
    expected : Rounded

    Raises
    ------
    ValueError
        If the shape or the dtype is not that of the problem.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise ValueError(
            f"{equation}, layer {layer}: expected shape {expected.shape} and dtype {expected.dtype}, "
            f"got {got.shape} and {got.dtype}"
        )
    format, size = expected.format, abs(expected.mid)
    numbers, bound = (got.mid, expected.rad) if isinstance(got, Rounded) else (got, expected.rad)
    if isinstance(got, Rounded):  # what is no number has no radius that could excuse it
        bound = bound + np.where(np.isfinite(got.mid), got.rad, 0)
    forced = (size == 0) & (expected.rad == 0)
    if forced.any():  # whoever multiplies by an exact zero late leaves a rounding of a rounding of the largest
        bound = bound + np.where(forced, 2 * format.u**2 * float(np.max(size, initial=0, where=np.isfinite(size))), 0)
    with np.errstate(all="ignore"):  # NaN and infinity are compared below
        error = abs(numbers.astype(format.wide) - expected.mid)
        overflow = ~(size + bound <= format.largest)
        margin = np.asarray(error / bound, np.float64)
        margin[np.isnan(margin)] = np.inf
        margin[overflow | (error == 0)] = 0
        relative = np.asarray(bound / size, np.float64)
    nonzero = size > 0
    wide = overflow | ~(relative < 1)
    # A zero that the structure forces, such as the gradient of a dead unit, can be off by underflow alone: its bound is
    # a few of the smallest normal numbers, and it is decided although every error is large against zero.
    wide = wide & (nonzero | ((bound > format.tiny / format.u) & ~forced))
    at = np.unravel_index(int(margin.argmax()), margin.shape)
    wrong = int(np.count_nonzero(margin > 1))
    return Judgement(
        equation,
        layer,
        format.name or str(format.dtype),
        elements=margin.size,
        wrong=wrong,
        undecided=int(np.count_nonzero(wide)),
        margin=float(margin[at]),
        floor=_median(relative[nonzero]),
        element=tuple(map(int, at)),
        got=float(numbers[at]),
        expected=float(expected.mid[at]),
        bound=float(bound[at]),
        factor=_factor(numbers, expected, bound) if wrong else np.nan,
        spread=_octaves(margin),
    )


def known(numbers: Array | Rounded) -> bool:
    """Whether anything is known of numbers: a 0 to within an infinite radius stands for what nobody gave."""
    return not (isinstance(numbers, Rounded) and not numbers.mid.any() and bool(np.isinf(numbers.rad).all()))


def _factor(numbers: Array, expected: Rounded, bound: Array) -> float:
    """The one factor r with numbers = r expected, each within its bound; NaN where there is none."""
    with np.errstate(all="ignore"):
        decided = np.isfinite(bound)  # what is undecided must not hide a factor that the rest has in common
        mid, got, bound = expected.mid.astype(np.float64)[decided], numbers.astype(np.float64)[decided], bound[decided]
        scale = abs(mid).max(initial=0) or 1.0
        r = float((got / scale * (mid / scale)).sum() / ((mid / scale) ** 2).sum())
        fits = bool((abs(got - r * mid) <= max(1.0, abs(r)) * 2 * bound).all())
        seen = bool((abs(r - 1) * abs(mid) > 2 * bound).any())
    return (0.0 if not got.any() else r) if fits and seen else np.nan


def _octaves(margin: Array) -> dict[int, int]:
    """How many margins lie in each octave, those from 2^-20 down and from 2^60 up together."""
    octaves = np.frexp(np.minimum(margin[margin > 0], 2.0**59))[1]
    counts = np.bincount(np.maximum(octaves, -20) + 20).tolist()
    return {k - 20: count for k, count in enumerate(counts) if count}


def _median(numbers: Array) -> float:
    """The upper median, 0 of none."""
    middle = numbers.size // 2
    return float(np.partition(numbers, middle)[middle]) if numbers.size else 0.0
