"""Enclosures of whole arrays: a midpoint and a radius for each number, and no rounding but their own.

`Rounded` bounds what one text may give, and raises where it has no bound.  An `Enclosed` is only arithmetic: what a
program may round is added by those who know the operation (`rounded`), and what has no bound has an infinite radius
or one that is not a number, alone among its neighbours.  The formulas of `conformance.numbers.derivatives` run on it.

The midpoint of a result is always the formula taken at the midpoints, in the wide format of the format judged; so it
does not depend on the radii.  The radius holds the midpoint's own rounding too.  Radii are sums and products of numbers
that are not negative, in float64; what those lose is made up for once, at the end, by `INFLATED`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from scipy import special

from ...arrays import Array
from ...bounds.assumptions import KAPPA, erfc_units
from ...bounds.formats import Format
from ...bounds.radii import EPSILON

INFLATED = 1 + 2.0**-20
"""What float64 may lose in a radius: 2^-53 an operation, on a path of fewer than 2^32 of them."""


class Enclosed(NDArrayOperatorsMixin):
    """Numbers within ``rad`` of ``mid``: a radius is float64, of a shape that broadcasts to that of the midpoints."""

    __slots__ = ("mid", "rad")

    def __init__(self, mid: Array, rad: Any) -> None:
        self.mid, self.rad = mid, rad

    def __repr__(self) -> str:
        return f"Enclosed({self.mid} +/- {self.rad})"

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the midpoints."""
        return np.asarray(self.mid).dtype

    @property
    def size(self) -> Array:
        """The largest absolute value, in float64."""
        return magnitude(self.mid) + self.rad

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options or ufunc not in OPERATIONS:
            raise TypeError(f"Enclosed: nothing is known of numpy.{ufunc.__name__} ({method}, {options})")
        return OPERATIONS[ufunc](*(x if isinstance(x, Enclosed) else _constant(x, self.dtype) for x in inputs))


def magnitude(mid: Array) -> Array:
    """|mid| in float64; what float64 does not hold is infinite."""
    size = np.asarray(abs(mid))
    return size if size.dtype == np.float64 else size.astype(np.float64)


def rounded(x: Enclosed, format: Format, units: float, absolute: float = 0) -> Enclosed:
    """After so many units of rounding, relative and absolute, and underflow; an exact zero has none."""
    size = np.asarray(x.size)
    rad = (units * format.u) * size
    rad += x.rad
    rad += absolute * format.u + format.tiny
    return Enclosed(x.mid, rad if size.all() else np.where(size == 0, 0, rad))


def union(x: Enclosed, y: Enclosed) -> Enclosed:
    """What lies in either, around the midpoint of the first."""
    return Enclosed(x.mid, np.maximum(x.rad, magnitude(y.mid - x.mid) + y.rad))


def widened(x: Enclosed, by: float) -> Enclosed:
    """With ``by`` added to the radius."""
    return Enclosed(x.mid, x.rad + by)


def _constant(x: Any, dtype: np.dtype[Any]) -> Enclosed:
    return Enclosed(np.asarray(x, dtype), 0.0)


def _own(mid: Array) -> Array:
    """The midpoint's own rounding: one unit of the wide format."""
    return float(np.finfo(mid.dtype).eps) * magnitude(mid)


def times(size: Any, rad: Any) -> Any:
    """Size times radius, at no cost where the radius is a plain zero."""
    return 0.0 if isinstance(rad, float) and rad == 0 else size * rad


def _add(x: Enclosed, y: Enclosed) -> Enclosed:
    mid = x.mid + y.mid
    return Enclosed(mid, x.rad + y.rad + _own(mid))


def _subtract(x: Enclosed, y: Enclosed) -> Enclosed:
    return _add(x, Enclosed(-y.mid, y.rad))


def _multiply(x: Enclosed, y: Enclosed) -> Enclosed:
    mid = x.mid * y.mid
    carried = times(magnitude(x.mid), y.rad) + times(magnitude(y.mid), x.rad)
    if not (isinstance(x.rad, float) or isinstance(y.rad, float)):
        carried = carried + x.rad * y.rad
    return Enclosed(mid, carried + _own(mid))


def _divide(x: Enclosed, y: Enclosed) -> Enclosed:
    mid, divisor = x.mid / y.mid, magnitude(y.mid)
    least = divisor - times(1, y.rad)
    rad = (x.rad + times(magnitude(mid), y.rad)) / np.where(least > 0, least, np.nan) + _own(mid)
    return Enclosed(mid, rad)


def _power(x: Enclosed, n: Enclosed) -> Enclosed:
    """A power with one constant exponent; of whole ones, also of numbers that are not positive."""
    exponent = float(n.mid)
    if exponent == 2:
        return _multiply(x, x)
    mid = np.power(x.mid, n.mid)
    if exponent == 0:
        return Enclosed(mid, 0.0)
    m, r = magnitude(x.mid), x.rad
    whole = exponent.is_integer()
    # |t|^n grows or falls with |t|; its slope is the largest at one of the ends.
    low, high = m - r, m + r
    ends = np.maximum(low, 0) if whole and exponent > 0 else np.where(low > 0, low, np.nan)
    steepest = np.maximum(high ** (exponent - 1), ends ** (exponent - 1)) if exponent != 1 else 1.0
    rad = abs(exponent) * times(steepest, r) + KAPPA * _own(mid)
    return Enclosed(mid, rad)


def _function(
    f: Callable[[Array], Array],
    end: Callable[[Array, Array], Array],
    own: Callable[[Array, Array], Array] | None = None,
) -> Callable[[Enclosed], Enclosed]:
    """A monotone function, and the end of a number's range at which it is the farthest from its value there."""

    def apply(x: Enclosed) -> Enclosed:
        mid = np.asarray(f(x.mid))
        error = KAPPA * _own(mid) if own is None else own(x.mid, mid)
        if isinstance(x.rad, float) and x.rad == 0:
            return Enclosed(mid, error)
        far = end(x.mid, (x.rad + _own(x.mid)).astype(mid.dtype))  # which is rounded as well
        rad = magnitude(f(far) - mid) + 3 * error  # the far end has an error as well
        # Of an infinite number, such as what a mask puts there, a function has its limit.
        limit = np.isinf(x.mid) & np.isfinite(mid)
        return Enclosed(mid, np.where(limit, error, rad) if limit.any() else rad)

    return apply


def _up(m: Array, r: Array) -> Array:
    return m + r


def _down(m: Array, r: Array) -> Array:
    return m - r


def _inwards(m: Array, r: Array) -> Array:
    """Towards 0, where functions such as tanh are the steepest; through it, as far as it goes."""
    return m - np.copysign(r, m)


def _outwards(m: Array, r: Array) -> Array:
    return m + np.copysign(r, m)


def _waves(f: Callable[[Array], Array]) -> Callable[[Enclosed], Enclosed]:
    """A function between -1 and 1 with a slope of 1 at most; its operand is known to a rounding of the wide format."""

    def apply(x: Enclosed) -> Enclosed:
        mid = np.asarray(f(x.mid))
        return Enclosed(mid, np.minimum(x.rad, 2.0) + KAPPA * float(np.finfo(mid.dtype).eps))

    return apply


def _in_float64(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """SciPy's function, which has no long double."""
    return lambda x: f(x.astype(np.float64)).astype(x.dtype)


def _erfc_error(x: Array, value: Array) -> Array:
    """Of SciPy's erfc or erf: the operand's rounding to float64 (slope e^(-x^2)), and the function's own."""
    size = magnitude(x)
    of_operand = size * np.exp(-(np.minimum(size, 27.0) ** 2)) * 2 if x.dtype != np.float64 else 0.0
    return EPSILON * (of_operand + erfc_units(KAPPA, np.minimum(size, 27.0)) * magnitude(value))


OPERATIONS: dict[np.ufunc, Callable[..., Enclosed]] = {
    np.add: _add,
    np.subtract: _subtract,
    np.negative: lambda x: Enclosed(-x.mid, x.rad),
    np.multiply: _multiply,
    np.divide: _divide,
    np.power: _power,
    np.exp: _function(np.exp, _up),
    np.exp2: _function(np.exp2, _up),
    np.expm1: _function(np.expm1, _up),
    np.log: _function(np.log, _down),
    np.log2: _function(np.log2, _down),
    np.log10: _function(np.log10, _down),
    np.log1p: _function(np.log1p, _down),
    np.sqrt: _function(np.sqrt, _down),
    np.tanh: _function(np.tanh, _inwards),
    np.sinh: _function(np.sinh, _outwards),
    np.cosh: _function(np.cosh, _outwards),
    np.sin: _waves(np.sin),
    np.cos: _waves(np.cos),
    np.tan: lambda x: np.sin(x) / np.cos(x),
    np.arctan: _function(np.arctan, _inwards),
    np.arcsin: _function(np.arcsin, _outwards),
    np.arccos: _function(np.arccos, _outwards),
    np.arcsinh: _function(np.arcsinh, _inwards),
    np.arctanh: _function(np.arctanh, _outwards),
    special.erfc: _function(_in_float64(special.erfc), _inwards, _erfc_error),
    special.erf: _function(_in_float64(special.erf), _inwards, _erfc_error),
    special.expit: _function(special.expit, _inwards),
}
"""What an `Enclosed` can be put through: all that the formulas of derivatives use."""


class Order(NamedTuple):
    """A comparison of two arrays: by the midpoints, and where the radii leave it undecided."""

    midpoints: Array
    undecided: Array


def compared(ufunc: np.ufunc, x: Enclosed, y: Enclosed) -> Order:
    """Compare x with y; what may be equal is undecided, as is what has no bound."""
    with np.errstate(all="ignore"):
        apart = magnitude(x.mid - y.mid) > (x.rad + y.rad) * INFLATED
        apart |= (np.isinf(x.mid) | np.isinf(y.mid)) & (x.mid != y.mid)
    exact = ~apart & (np.broadcast_to(x.rad, apart.shape) == 0) & (np.broadcast_to(y.rad, apart.shape) == 0)
    return Order(np.asarray(ufunc(x.mid, y.mid)), ~apart & ~exact)
