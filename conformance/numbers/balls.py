"""Balls: the true value, enclosed.

A `Ball` is a midpoint of 256 bits and a radius, by Arb in python-flint; every operation returns a ball that holds every
result for every number in its operands.  `balls` makes an object array of them from floats, exactly, and the
reference's text runs on it unchanged; matrix products go through Arb's own, a hundred times faster than element by
element.

Arb rounds to a precision that is global.  Whatever rounds here is `precise`: it has 256 bits, whatever a caller has
set, and leaves the caller's precision as it was.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
from flint import arb, arb_mat, ctx

from ..arrays import Array
from .derivatives import Function, function
from .dual import dual, tangent
from .enclosure import Unbounded, Undecided

BITS = 256
"""The precision of a midpoint: far beyond float64, and enough for the cancellations of these equations."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


def precise(computation: Callable[_P, _T]) -> Callable[_P, _T]:
    """Make a computation round to `BITS`, and put back the precision that it found."""

    @wraps(computation)
    def at_precision(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        before = ctx.prec
        if before == BITS:
            return computation(*args, **kwargs)
        ctx.prec = BITS
        try:
            return computation(*args, **kwargs)
        finally:
            ctx.prec = before

    return at_precision


class Ball:
    """An element: a real number, enclosed, with the functions of `conformance.numbers.derivatives` as its methods.

    Raises
    ------
    Undecided
        If a comparison holds for some numbers in the operands, and not for others.
    Unbounded
        If a divisor holds zero, or a function has no value for some number in its operand.
    """

    __slots__ = ("arb",)

    def __init__(self, number: Any) -> None:
        self.arb: Any = _arb(number)

    def __repr__(self) -> str:
        return f"Ball({self.arb})"

    def __float__(self) -> float:
        return float(self.arb.mid())

    def __pos__(self) -> "Ball":
        return self

    @precise
    def __neg__(self) -> "Ball":
        return Ball(-self.arb)

    def __abs__(self) -> "Ball":
        return Ball(abs(self.arb))

    def __add__(self, other: Any) -> "Ball":
        return _binary(other, lambda p: self.arb + p)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Ball":
        return _binary(other, lambda p: self.arb - p)

    def __rsub__(self, other: Any) -> "Ball":
        return _binary(other, lambda p: p - self.arb)

    def __mul__(self, other: Any) -> "Ball":
        return _binary(other, lambda p: self.arb * p)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Ball":
        return _binary(other, lambda p: self.arb / _nonzero(p))

    def __rtruediv__(self, other: Any) -> "Ball":
        return _binary(other, lambda p: p / _nonzero(self.arb))

    @precise
    def __pow__(self, exponent: int) -> "Ball":
        if exponent != int(exponent):
            raise TypeError(f"Ball: expected a whole exponent, got {exponent}; the root of a ball is its sqrt")
        base = self.arb if exponent >= 0 else 1 / _nonzero(self.arb)
        return Ball(base ** abs(int(exponent)))

    def __gt__(self, other: Any) -> bool:
        return self._decided(other, lambda p, q: p > q, lambda p, q: p <= q, ">")

    def __lt__(self, other: Any) -> bool:
        return self._decided(other, lambda p, q: p < q, lambda p, q: p >= q, "<")

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __le__(self, other: Any) -> bool:
        return not self > other

    def __eq__(self, other: object) -> bool:
        return self._decided(other, lambda p, q: p == q, lambda p, q: p != q, "==")

    __hash__ = None  # type: ignore[assignment]  # equality may be undecided

    def _decided(
        self, other: Any, surely: Callable[[Any, Any], bool], surely_not: Callable[[Any, Any], bool], sign: str
    ) -> bool:
        p, q = self.arb, _arb(other)
        if not surely(p, q) and not surely_not(p, q):
            raise Undecided(f"Ball: {p} {sign} {q} is true of some numbers in the balls and false of others")
        return bool(surely(p, q))

    def __getattr__(self, name: str) -> Callable[[], "Ball"]:
        f = function("Ball", name)
        return lambda: _function(self, name, f)


@precise
def _function(x: Ball, name: str, f: Function) -> Ball:
    value = f.value(x.arb)
    if not value.is_finite():
        raise Unbounded(f"Ball: {name} has no value, or none that is bounded, somewhere in {x.arb}")
    return Ball(value)


def _arb(number: Any) -> Any:
    if isinstance(number, arb):
        return number
    if isinstance(number, Ball):
        return number.arb
    if isinstance(number, Fraction):
        return _quotient(number.numerator, number.denominator)
    if isinstance(number, np.longdouble):
        return _sum(float(number), float(number - float(number)))
    if isinstance(number, float | np.floating):
        return arb(float(number))
    if isinstance(number, int | np.integer):  # booleans are whole numbers too
        return arb(int(number))
    raise TypeError(f"Ball: expected a real number, got {type(number).__name__}")


@precise
def _quotient(p: int, q: int) -> Any:
    return arb(p) / q


@precise
def _sum(high: float, low: float) -> Any:
    """Add two doubles, which make a long double."""
    return arb(high) + low


@precise
def _binary(other: Any, operation: Callable[[Any], Any]) -> "Ball":
    try:
        operand = _arb(other)
    except TypeError:
        return NotImplemented  # type: ignore[no-any-return]  # a dual number knows what to do with a ball
    return Ball(operation(operand))


def _nonzero(divisor: Any) -> Any:
    if divisor.contains(0):
        raise Unbounded(f"Ball: a division by {divisor}, which holds zero")
    return divisor


class Balls(np.ndarray[Any, Any]):
    """An object array of numbers, which leaves a product of matrices of balls to Arb."""

    @precise
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [x.view(np.ndarray) if isinstance(x, Balls) else x for x in inputs]
        if ufunc is np.matmul and all(x.ndim == 2 and _holds_balls(x) for x in plain):
            return _product(*plain)
        return _viewed(getattr(ufunc, method)(*plain, **options))

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _viewed(super().__array_function__(function, types, args, kwargs))


def _viewed(result: Any) -> Any:
    return result.view(Balls) if isinstance(result, np.ndarray) and result.dtype.hasobject else result


def _holds_balls(array: Array) -> bool:
    return all(isinstance(element, Ball | int) for element in array.flat)


def _product(p: Array, q: Array) -> Balls:
    product: Any = _matrix(p) * _matrix(q)
    return _shaped(product.entries(), (len(p), q.shape[1]))


def _matrix(array: Array) -> Any:
    rows, columns = array.shape
    return arb_mat(rows, columns, [_arb(element) for element in array.flat])


def _shaped(numbers: Iterable[Any], shape: tuple[int, ...]) -> Balls:
    array = np.empty(shape, dtype=object)
    array.ravel()[:] = [Ball(number) for number in numbers]
    return array.view(Balls)


def balls(array: Array) -> Balls:
    """Make balls of the numbers of an array, exactly: of floats, integers, fractions, or what are balls already."""
    array = np.asarray(array)
    return _shaped(array.flat, array.shape)


def forward_mode(f: Callable[[Array], Array], z: Array, direction: Array) -> Balls:
    """Differentiate f at z in a direction, in balls, from its own text; z and direction are floats of one shape."""
    return balls(tangent(f(dual(balls(z), balls(direction)))))


NARROW = 2.0**-100
"""A ball of 256 bits may lose half of them and more to cancellation, and still be far below float64's rounding."""


@precise
def overlap(p: Array, q: Array) -> bool:
    """Whether all balls of two arrays overlap, and are narrow enough for that to mean something."""
    pairs = [(a.arb, b.arb) for a, b in zip(balls(p).flat, balls(q).flat, strict=True)]
    narrow = all(ball.rad() <= NARROW * (1 + abs(ball).upper()) for pair in pairs for ball in pair)
    return narrow and all(a.overlaps(b) for a, b in pairs)


@precise
def distance(number: Any, ball: Ball) -> float:
    """How far a number may be from a truth that the ball encloses."""
    return float(abs(_arb(number) - _arb(ball)).upper())
