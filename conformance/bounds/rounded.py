"""`Rounded`: arrays that bound the rounding error of every legitimate evaluation of what they are put through.

A `Rounded` is a midpoint, computed in a wider format than the one judged, and a radius.  Run the reference's
own text on it and each result's midpoint and radius enclose what any program may return that evaluates the
same expression in the format judged: in any order of summation, with or without fused multiply-add, with a
reciprocal and a product for a division, with library functions within the format's kappa, with gradual underflow
or results flushed to zero.  The assumptions stand in `conformance.bounds.assumptions`.

Every operation does two things: it carries the operands' radii through, and it adds the rounding of its own,
relative to the largest value that the operand's radii allow.  What may overflow has an infinite radius, and hands it
on.  A division by what may be zero and the logarithm of what may be negative raise `Unbounded`.  A branch that cannot
be told takes the hull of both.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from scipy import special

from ..arrays import Array
from ..numbers.enclosure import Unbounded
from .assumptions import DIVISION, KAPPA, erfc_units
from .formats import FORMATS, Format
from .radii import MOVED, gamma, magnitude, steepest_erfc, up, within


class Rounded(NDArrayOperatorsMixin):
    """An array of midpoints ``mid`` (in the wide format) and radii ``rad`` (float64) of one shape.

    A sum remembers how many ``terms`` it has, the sum of their absolute values and the radius that the terms
    brought with them, so that adding to it (a bias to a matrix product) is one longer sum in any order.
    """

    def __init__(
        self,
        mid: Array,
        rad: Array | float,
        format: Format,
        terms: int = 1,
        absolute: Array | None = None,
        brought: Array | None = None,
    ) -> None:
        self.mid: np.ndarray[Any, Any] = np.asarray(mid, dtype=format.wide)
        self._absolute = absolute
        # Where the format, or a partial sum in it, may overflow, anything may come.
        within = (abs(self.mid) if absolute is None else absolute) + rad <= format.largest
        radius = np.asarray(rad if within.all() else np.where(within, rad, np.inf))
        self.rad: Array = radius if radius.shape == self.mid.shape else np.broadcast_to(radius, self.mid.shape)
        self.format = format
        self.terms = terms
        self.brought = self.rad if brought is None else brought

    @property
    def absolute(self) -> Array:
        """The sum of the terms' absolute values, in float64; of what is no sum its own."""
        return magnitude(self.mid) if self._absolute is None else self._absolute

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return tuple(self.mid.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The format judged, not that of the midpoints."""
        return self.format.dtype

    @property
    def T(self) -> "Rounded":
        """The transpose."""
        return Rounded(self.mid.T, self.rad.T, self.format)

    def __repr__(self) -> str:
        return f"Rounded({self.mid} +/- {self.rad}, {self.format.dtype})"

    def widened(self, by: Array | float) -> "Rounded":
        """With ``by`` (not negative) added to the radius."""
        return Rounded(self.mid, up(self.rad + by), self.format)

    def sum(self, axis: int | None = None, keepdims: bool = False) -> "Rounded":
        """The sum in any order."""
        with np.errstate(all="ignore"):
            arrays, format = (self.mid, self.rad, magnitude(self.mid)), self.format
            mid, brought, absolute = (array.sum(axis=axis, keepdims=keepdims) for array in arrays)
            n = self.mid.size // max(mid.size, 1)
            if format.accumulator is None or n == 1:
                return _summed(mid, brought, absolute, n, format)
            added = _summed(mid, brought, absolute, n, format._replace(u=format.accumulator)).rad
            return Rounded(mid, up(added + (format.u * (magnitude(mid) + added) + format.tiny) * (added > 0)), format)

    def max(self, axis: int | None = None, keepdims: bool = False) -> "Rounded":
        """The largest: it lies within the largest radius of the largest midpoint."""
        return Rounded(self.mid.max(axis, keepdims=keepdims), self.rad.max(axis, keepdims=keepdims), self.format)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if (ufunc, method) == (np.maximum, "reduce"):
            return self.max(**options)
        if method != "__call__" or options or ufunc not in OPERATIONS:
            raise Unknown(
                f"Rounded: no bound is known for numpy.{ufunc.__name__} ({method}, {options}); {_written()}"
            )
        with np.errstate(all="ignore"):  # what overflows has an infinite radius
            return OPERATIONS[ufunc](*(_rounded(x, self.format) for x in inputs))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _called(self.format, function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # which libraries look for
            raise AttributeError(name)
        raise Unknown(f"Rounded: no bound is known for the method {name} of an array; {_written()}")


class Unknown(TypeError, AttributeError):
    """What a Rounded cannot be put through."""


class Order(NDArrayOperatorsMixin):
    """The outcome of a comparison: where it surely holds and where it surely does not; else undecided.

    In arithmetic it counts as 1 and 0, and as what lies between where it is undecided.
    """

    def __init__(self, yes: Array, no: Array, format: Format) -> None:
        self.yes, self.no, self.format = yes, no, format

    def __bool__(self) -> bool:
        """Whether it holds throughout; raises `Unbounded` where that cannot be told."""
        if not (self.yes | self.no).all():
            raise Unbounded("Rounded: a comparison that cannot be told")
        return bool(self.yes.all())

    def astype(self, dtype: Any) -> Rounded:
        """As numbers, of the format judged."""
        decided = self.yes | self.no
        return Rounded(np.where(decided, self.yes, 0.5), np.where(decided, 0, 0.5), self.format)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc in LOGICAL and method == "__call__" and not options:
            return LOGICAL[ufunc](*(x if isinstance(x, Order) else Order(x, ~x, self.format) for x in inputs))
        numbers = (x.astype(x.format.dtype) if isinstance(x, Order) else x for x in inputs)
        return getattr(ufunc, method)(*numbers, **options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _called(self.format, function, args, kwargs)


def _both(x: Order, y: Order) -> Order:
    return Order(x.yes & y.yes, x.no | y.no, x.format)


def _either(x: Order, y: Order) -> Order:
    return Order(x.yes | y.yes, x.no & y.no, x.format)


def _called(format: Format, function: Any, args: Any, kwargs: Any) -> Any:
    """What a function of NumPy gives that is no ufunc."""
    if function not in FUNCTIONS or (function is np.where and kwargs):
        raise Unknown(f"Rounded: no bound is known for numpy.{function.__name__}; {_written()}")
    with np.errstate(all="ignore"):
        return FUNCTIONS[function](format, *args, **kwargs)


def _written() -> str:
    """How an activation or a loss is written whose bound is known."""
    known = ", ".join(sorted(f.__name__ for f in (*OPERATIONS, *FUNCTIONS)))
    return f"an activation or a loss of your own is written with sum, {known}"


def exact(array: Array, format: Format | None = None) -> Rounded:
    """The numbers of a float32 or float64 array as they are, TypeError of others; their own format if none is given."""
    if array.dtype not in FORMATS:
        raise TypeError(f"Rounded: expected float32 or float64, got {array.dtype}")
    return Rounded(array, np.zeros(array.shape), format or FORMATS[array.dtype])


def observed(array: Array, format: Format | None = None) -> Rounded:
    """Numbers that a program reports: it may have gone on with what they were before they were rounded.

    A program that computes in wider registers, or divides by the batch size at the very end, is right.
    """
    numbers = exact(array, format)
    return numbers.widened(numbers.format.u * magnitude(numbers.mid))


def held_wider(array: Array, format: Format | None = None) -> Rounded:
    """As `observed`, for a and delta: what is reported as zero or subnormal may have underflowed only in the report.

    Of z a reported zero is taken as zero: that is where the kinks are.
    """
    numbers = observed(array, format)
    return numbers.widened(np.where(magnitude(numbers.mid) < numbers.format.tiny, numbers.format.tiny, 0.0))


def _rounded(x: Any, format: Format) -> Rounded:
    """An operand as a Rounded: arrays and whole numbers are exact, other constants are within a rounding."""
    if isinstance(x, Rounded):
        return x
    if isinstance(x, Order):
        return x.astype(format.dtype)
    if isinstance(x, float) and not x.is_integer():
        return Rounded(np.asarray(x), format.u * abs(x) + format.tiny, format)
    if isinstance(x, int | float) or x.dtype.kind in "biu" or x.dtype == format.dtype:
        return Rounded(np.asarray(x), np.float64(0), format)
    raise TypeError(f"Rounded: expected numbers of dtype {format.dtype}, got {x.dtype}")


def _summed(mid: Array, brought: Array, absolute: Array, terms: int, format: Format) -> Rounded:
    """A sum of that many terms, in any order, from the terms' radii and absolute values."""
    rounding = gamma(terms - 1, format.u) * (absolute + brought) + (terms - 1) * format.tiny
    rounding = np.where(absolute + brought == 0, 0, rounding)
    return Rounded(mid, up(brought + rounding, terms), format, terms, absolute, brought)


def _add(x: Rounded, y: Rounded) -> Rounded:
    mid, brought = x.mid + y.mid, x.brought + y.brought
    absolute = x.absolute + y.absolute
    if x.terms == y.terms == 1:  # two terms have one order: the rounding is relative to their sum
        rad = np.where(absolute + brought == 0, 0, brought + x.format.u * (abs(mid) + brought) + x.format.tiny)
        return Rounded(mid, up(rad), x.format, 2, absolute, brought)
    return _summed(mid, brought, absolute, x.terms + y.terms, x.format)


def _negative(x: Rounded) -> Rounded:
    return Rounded(-x.mid, x.rad, x.format, x.terms, x._absolute, x.brought)


def _multiply(x: Rounded, y: Rounded) -> Rounded:
    mid, p, q = x.mid * y.mid, abs(x.mid), abs(y.mid)
    carried = p * y.rad + q * x.rad + x.rad * y.rad
    units = 0 if _scales(x) or _scales(y) else x.format.u
    rad = carried + units * (abs(mid) + carried) + x.format.tiny
    return Rounded(mid, np.where((mid == 0) & (carried == 0) & ((p == 0) | (q == 0)), 0, up(rad)), x.format)


def _divide(x: Rounded, y: Rounded) -> Rounded:
    mid, least = x.mid / y.mid, within("a division", y, abs(y.mid) > y.rad, abs(y.mid) - y.rad)
    carried = (x.rad + abs(mid) * y.rad) / least
    units = 0 if _scales(y) else DIVISION * x.format.u
    rad = carried + units * (abs(mid) + carried) + x.format.tiny
    rad = np.where((x.mid == 0) & (x.rad == 0), 0, rad)  # zero divided is zero
    return Rounded(mid, up(np.where(least > 0, rad, np.inf)), x.format)


def _scales(x: Rounded) -> bool:
    """Whether x is a power of two, by which products and quotients are exact but for underflow."""
    return x.shape == () and not x.rad and abs(np.frexp(x.mid)[0]) == 0.5


def _matmul(x: Rounded, y: Rounded) -> Rounded:
    format = x.format
    p, q = magnitude(x.mid), magnitude(y.mid)
    # A product by an exact zero is exact, and so is adding it; each other may underflow.
    nonzero = [((operand.mid != 0) | (operand.rad > 0)).astype(np.float64) for operand in (x, y)]
    products = nonzero[0] @ nonzero[1]
    n = int(products.max(initial=0))
    absolute = up(p @ q, n)
    brought = products * format.tiny
    if x.rad.any():
        brought = brought + x.rad @ q
    if y.rad.any():
        brought = brought + (p + x.rad) @ y.rad
    # n products and n - 1 additions, but each product joins a sum: n roundings reach a term at most.
    rad, mid = up(brought + format.lost(n) * (absolute + brought), n), x.mid @ y.mid
    return Rounded(mid, rad, format, *((n + 1, absolute, brought) if format.accumulator is None else ()))


def _power(x: Rounded, exponent: Rounded) -> Rounded:
    """The square: of numbers within r of m, from max(0, |m| - r)^2 to (|m| + r)^2.  Else e^(y ln x), or y products."""
    if exponent.shape != () or exponent.mid != 2 or exponent.rad:
        power: Rounded = OPERATIONS[np.exp](_multiply(exponent, OPERATIONS[np.log](x)))
        return power.widened((abs(exponent.mid) + exponent.rad) * x.format.u * (magnitude(power.mid) + power.rad))
    m, r = abs(x.mid), x.rad
    least, most = np.maximum(m - r, 0) ** 2, (m + r) ** 2
    mid = np.where(r == 0, m * m, (least + most) / 2)
    carried = np.where(r == 0, 0, np.where(m > r, 2 * m * r, most / 2))
    rad = carried + x.format.u * (mid + carried) + x.format.tiny
    return Rounded(mid, np.where((m == 0) & (r == 0), 0, up(rad)), x.format)


def _exp(x: Rounded) -> Rounded:
    """e^x of numbers within r of m lies from e^(m - r) to e^(m + r), whose middle is e^m cosh r."""
    e, r = np.exp(x.mid), x.rad.astype(x.format.wide)
    mid, carried = np.where(r == 0, e, e * np.cosh(r)), np.where(r == 0, 0, e * np.sinh(r))
    return Rounded(mid, up(carried + x.format.kappa * x.format.u * (mid + carried) + x.format.tiny), x.format)


def _function(
    f: Callable[[Array], Array],
    carried: Callable[[Array, Array, Array], Array],
    units: Callable[[int, Array], Array | int] = lambda kappa, size: kappa,
) -> Callable[[Rounded], Rounded]:
    """A library function: the radius carried through it, and so many units of its value, by the size of its operand."""

    def apply(x: Rounded) -> Rounded:
        mid = f(x.mid)
        through = carried(x.mid, x.rad, mid)
        rounding = units(x.format.kappa, abs(x.mid) + x.rad) * x.format.u * (abs(mid) + through) + x.format.tiny
        rounding = np.where((x.mid == 0) & (mid == 0) & (through == 0), 0, rounding)  # f(0) = 0 exactly
        return Rounded(mid, up(np.where(through == 0, 0, through) + rounding), x.format)

    return apply


def _minimum(x: Rounded, y: Rounded) -> Rounded:
    """One of the two where their radii tell; else from the smaller of the lower ends to that of the upper ends."""
    order = _greater(x, y)
    low, high = np.minimum(x.mid - x.rad, y.mid - y.rad), np.minimum(x.mid + x.rad, y.mid + y.rad)
    middle = (low + high) / 2
    rest = Rounded(middle, up((high - low) / 2 + x.format.u * magnitude(middle)), x.format)
    return _where(order, y, _where(Order(order.no, ~order.no, x.format), x, rest))


def _not_positive(x: Rounded) -> Rounded:
    """The sign of what is not positive."""
    return _where(_greater(_rounded(0, x.format), x), _rounded(-1, x.format), _rounded(0, x.format))


def _clip(x: Any, low: Any = None, high: Any = None) -> Any:
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


def _greater(x: Rounded, y: Rounded) -> Order:
    return _compare(lambda ends: ends[0] > 0, lambda ends: ends[1] <= 0)(x, y)


def _opposite(order: Order) -> Order:
    return Order(order.no, order.yes, order.format)


def _compare(surely: Callable[[Array], Array], surely_not: Callable[[Array], Array]) -> Callable[..., Order]:
    """A comparison of x with y by the lower and upper end of x - y, neither of which is rounded away from 0."""

    def compare(x: Rounded, y: Rounded) -> Order:
        difference, radius = x.mid - y.mid, x.rad + y.rad
        ends = np.stack([difference - radius, difference + radius])
        return Order(surely(ends), surely_not(ends), x.format)

    return compare


OPERATIONS: dict[np.ufunc, Callable[..., Any]] = {
    **{f: _function(f, moved) for f, moved in MOVED.items()},
    np.add: _add,
    np.subtract: lambda x, y: _add(x, _negative(y)),
    np.negative: _negative,
    np.positive: lambda x: x,
    np.multiply: _multiply,
    np.divide: _divide,
    np.matmul: _matmul,
    np.power: _power,
    np.exp: _exp,
    np.log: lambda x: _function(np.log, lambda m, r, e: -np.log1p(-r / m))(within("a logarithm", x, x.mid > x.rad, x)),
    np.log1p: lambda x: _function(np.log1p, lambda m, r, e: -np.log1p(-r / (1 + m)))(
        within("a logarithm (log1p)", x, 1 + x.mid > x.rad, x)
    ),
    np.sqrt: lambda x: _function(np.sqrt, lambda m, r, e: np.where(r == 0, 0, r / (e + np.sqrt(m - r))))(
        within("a square root", x, x.mid >= x.rad, x)
    ),
    special.erfc: _function(
        # SciPy has no long double: the midpoint carries an error of its own, which joins the operand's.
        lambda x: special.erfc(x.astype(np.float64)),
        lambda m, r, e: (
            (r + KAPPA * 2.0**-53 * abs(m)) * steepest_erfc(m, r) + erfc_units(KAPPA, abs(m)) * 2.0**-53 * e
        ),
        erfc_units,
    ),
    np.square: lambda x: _power(x, _rounded(2, x.format)),
    np.reciprocal: lambda x: _divide(_rounded(1, x.format), x),
    np.absolute: lambda x: Rounded(abs(x.mid), x.rad, x.format),  # no rounding, and no slope is larger than 1
    np.sign: lambda x: _where(_greater(x, _rounded(0, x.format)), _rounded(1, x.format), _not_positive(x)),
    np.minimum: _minimum,
    np.maximum: lambda x, y: _negative(_minimum(_negative(x), _negative(y))),
    np.greater: _greater,
    np.less: lambda x, y: _greater(y, x),
    np.greater_equal: lambda x, y: _opposite(_greater(y, x)),
    np.less_equal: lambda x, y: _opposite(_greater(x, y)),
    np.equal: _compare(lambda ends: (ends == 0).all(axis=0), lambda ends: (ends[0] > 0) | (ends[1] < 0)),
}
"""What a Rounded can be put through; anything else is `Unknown`."""

LOGICAL: dict[np.ufunc, Callable[..., Order]] = {
    np.logical_and: _both, np.bitwise_and: _both, np.logical_or: _either, np.bitwise_or: _either,
    np.logical_not: _opposite, np.invert: _opposite,
}  # fmt: skip
"""What comparisons can be put through besides."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: lambda format, condition, x, y: _where(condition, _rounded(x, format), _rounded(y, format)),
    np.clip: lambda format, *args, **kwargs: _clip(*args, **kwargs),
    np.sum: lambda format, x, axis=None, keepdims=False: x.sum(axis=axis, keepdims=keepdims),
    np.max: lambda format, x, axis=None, keepdims=False: x.max(axis=axis, keepdims=keepdims),
    np.zeros_like: lambda format, x: np.zeros(x.shape, format.dtype),
    np.ones_like: lambda format, x: np.ones(x.shape, format.dtype),
}
"""The functions of NumPy that are no ufuncs."""


def _where(condition: Order | Array, x: Rounded, y: Rounded) -> Rounded:
    """x or y where the condition is decided, the hull of both where it is not."""
    if not isinstance(condition, Order):
        condition = Order(condition, ~condition, x.format)
    mid, rad = np.where(condition.yes, x.mid, y.mid), np.where(condition.yes, x.rad, y.rad)
    undecided = ~(condition.yes | condition.no)
    if undecided.any():
        low, high = np.minimum(x.mid - x.rad, y.mid - y.rad), np.maximum(x.mid + x.rad, y.mid + y.rad)
        middle = (low + high) / 2
        mid = np.where(undecided, middle, mid)
        rad = np.where(undecided, up(np.maximum(high - middle, middle - low)), rad)
    # A branch that is not taken may be multiplied by zero (`where`): where it overflows, anything may come.
    rad = np.where(np.isfinite(x.rad) & np.isfinite(y.rad), rad, np.inf)
    return Rounded(mid, rad, x.format)
