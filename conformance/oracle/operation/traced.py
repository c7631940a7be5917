"""Numbers that record what is done with them: the derivative of a forward function from its own text.

A NumPy function runs unchanged on object arrays of `Traced`.  The tape then holds every operation in its order, and
`pullback.pull_back` takes cotangents of the outputs back through it, by the chain rule alone.  All is done twice:

* with the true values, in balls of 256 bits, which give the true derivative;
* with balls of what any legitimate program may hold in the format judged, which give what may come for it.

What counts as legitimate, and thereby the bound:

* an input is known to one rounding; so is a number in the text that is not whole;
* a sum of two numbers rounds once, one of n numbers by gamma_(n + ARRANGED) of the sum of their absolute values, in any
  order; a product or a quotient by `ARRANGED` units, a power or another function by the format's kappa of its value,
  some functions absolutely (`Function.absolute`);
* each of these, and each product with a partial derivative, may underflow: a smallest normal number is added.  What
  may overflow has no bound;
* a partial derivative is taken of the operand or of the result (1 - t^2), and an operand may be taken back from a later
  result (e^-z from 1 + e^-z), with the errors of that;
* a cotangent is a sum over all paths from a number to the outputs, in any arrangement: where m terms meet it is off by
  gamma_(m + ARRANGED) of the sum of the absolute products along the paths (as in `conformance.bounds.paths`).

A formula that is equal on paper, and loses digits that none of these does, is outside.  Comparisons go by the true
values; those that a rounding could turn are kept (`Tape.met`), for the caller to try the other side.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from flint import arb, ctx

from ...arrays import Array
from ...bounds.rounded import Format, gamma
from ...numbers.balls import BITS, Ball, precise
from ...numbers.derivatives import FUNCTIONS, Function, function

ARRANGED = 4
"""Roundings granted for each product and quotient of a forward text: an arrangement that is as right, of the same
numbers, may take a few more than the text's own."""

NODES = 2**17
"""The longest trace that is followed, in operations on single numbers: some seconds."""


class TooLong(Exception):
    """A trace of more than `NODES` operations."""


class Tape:
    """The operations of one run in their order, the leaves first, and the numbers whose order could not be told.

    An undecided comparison goes by the true values or, with a ``coin``, by that.
    """

    def __init__(self, format: Format, coin: Callable[[], bool] | None = None) -> None:
        self.format, self.coin = format, coin
        self.nodes: list[Traced] = []
        self.leaves = 0
        self.met: list[Traced] = []
        self.tiny, self.largest = arb(0, format.tiny), arb(format.largest)
        self.units = {k: arb(1, k * format.u) for k in (1, ARRANGED, format.kappa)}

    def leaf(self, value: float) -> "Traced":
        """An input: known to one rounding."""
        exact = arb(value)
        self.leaves += 1
        error = self.format.u * abs(value) + smallest(self.format)
        return Traced(self, exact, exact + arb(0, error))

    def constant(self, value: Any) -> "Traced":
        """A number of the text: a whole one is exact, others are within a rounding."""
        exact = Ball(value).arb
        whole = isinstance(value, int | np.integer) or float(value).is_integer()
        return Traced(self, exact, exact if whole else exact * self.units[1])

    def rounded(self, ball: Any, units: int) -> Any:
        """A result after its own rounding; an exact zero has none."""
        return ball if ball.is_zero() else ball * self.units[units] + self.tiny


def smallest(format: Format) -> float:
    """At least the distance of a format's smallest numbers."""
    return max(format.tiny * format.u, float(np.finfo(np.float64).smallest_subnormal))


Slopes = tuple[tuple[Any, Any], ...]
"""For each operand: the partial derivative, and the ball of all that a program may take for it."""


class Sum(NamedTuple):
    """A number as a sum: how many terms, and the balls of their absolute values and of themselves, added up."""

    terms: int
    absolute: Any
    brought: Any


class Traced:
    """An element: its true value, a ball of what legitimate programs have for it, and where it came from.

    ``near`` holds every value that the operations so far may give in the format judged.  ``wide`` holds also what the
    number may be when it is taken back from a later result, by the ``inverse`` of that; pulling back sets it.
    It has the functions of `conformance.numbers.derivatives` as its methods, and no float(): what would leave the
    trace raises TypeError.
    """

    __slots__ = ("index", "inverse", "near", "operands", "slopes", "summed", "tape", "truth", "wide")

    def __init__(
        self,
        tape: Tape,
        truth: Any,
        near: Any,
        operands: tuple["Traced", ...] = (),
        slopes: Callable[["Traced"], Slopes] | None = None,
        inverse: Callable[[Any, Any], Any] | None = None,
        summed: Sum | None = None,
    ) -> None:
        if ctx.prec != BITS:
            raise RuntimeError(f"Traced: expected what `follow` runs, at {BITS} bits, got an operation at {ctx.prec}")
        if not abs(near) <= tape.largest:
            near = arb.nan()  # the format may overflow: anything may come
        self.tape, self.truth, self.near, self.wide = tape, truth, near, near
        self.operands, self.slopes, self.inverse, self.summed = operands, slopes, inverse, summed
        self.index = len(tape.nodes)
        tape.nodes.append(self)
        if self.index > NODES:
            raise TooLong(f"more than {NODES} operations")

    def __repr__(self) -> str:
        return f"Traced({self.truth})"

    def __copy__(self) -> "Traced":
        return self

    def __deepcopy__(self, memo: Any) -> "Traced":
        return self

    __hash__ = None  # type: ignore[assignment]

    def __pos__(self) -> "Traced":
        return self

    def conjugate(self) -> "Traced":
        """Itself, a real number; NumPy's variance asks."""
        return self

    def __neg__(self) -> "Traced":
        terms, absolute, brought = _as_sum(self)
        negative = Sum(terms, absolute, -brought)
        return Traced(self.tape, -self.truth, -self.near, (self,), lambda z: ((-_ONE, -_ONE),), summed=negative)

    def __add__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _sum(x, y, 1))

    def __radd__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _sum(y, x, 1))

    def __sub__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _sum(x, y, -1))

    def __rsub__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _sum(y, x, -1))

    def __mul__(self, other: Any) -> "Traced":
        return _binary(self, other, _product)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Traced":
        return _binary(self, other, _quotient)

    def __rtruediv__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _quotient(y, x))

    def __pow__(self, exponent: Any) -> "Traced":
        return _exp(_log(self) * exponent) if isinstance(exponent, Traced) else _power(self, float(exponent))

    def __rpow__(self, base: Any) -> "Traced":
        return _exp(_log(self.tape.constant(base)) * self)

    def __abs__(self) -> "Traced":
        return -self if self < 0 else self

    def __eq__(self, other: object) -> bool:
        return self is other or bool(self.truth == _lifted(self.tape, other).truth)

    def __gt__(self, other: Any) -> bool:
        return _order(self, _lifted(self.tape, other), strict=True)

    def __lt__(self, other: Any) -> bool:
        return _order(_lifted(self.tape, other), self, strict=True)

    def __ge__(self, other: Any) -> bool:
        return _order(self, _lifted(self.tape, other), strict=False)

    def __le__(self, other: Any) -> bool:
        return _order(_lifted(self.tape, other), self, strict=False)

    def __bool__(self) -> bool:
        return bool(self.truth != 0)

    def __getattr__(self, name: str) -> Any:
        f = function("Traced", name)
        return lambda: _function(self, f)


_ONE = arb(1)


def _lifted(tape: Tape, number: Any) -> Traced:
    return number if isinstance(number, Traced) else tape.constant(number)


def _order(x: Traced, y: Traced, strict: bool) -> bool:
    """Whether x > y, or x >= y."""
    if x is y:
        return not strict
    if not (x.near > y.near or x.near < y.near):
        x.tape.met.extend((x, y))
        if x.tape.coin is not None:
            return x.tape.coin()
    return bool(x.truth > y.truth if strict else x.truth >= y.truth)


def _binary(x: Traced, other: Any, operation: Callable[[Traced, Traced], Traced]) -> Traced:
    try:
        y = _lifted(x.tape, other)
    except TypeError:
        return NotImplemented  # type: ignore[no-any-return]
    return operation(x, y)


def _sum(x: Traced, y: Traced, sign: int) -> Traced:
    """A sum; of three terms and more in any order, so its rounding is relative to their absolute values."""
    tape, (m, of_x, p), (n, of_y, q) = x.tape, _as_sum(x), _as_sum(y)
    terms, absolute, brought = m + n, of_x + of_y, p + sign * q
    if terms == 2:
        near = tape.rounded(brought, 1)
    else:
        near = brought + arranged(terms, tape.format.u) * absolute + terms * tape.tiny
    signed = arb(sign)
    slopes = lambda z: ((_ONE, _ONE), (signed, signed))
    inverse = (lambda operand, radius: radius) if terms == 2 else None
    return Traced(tape, x.truth + sign * y.truth, near, (x, y), slopes, inverse, Sum(terms, absolute, brought))


def _as_sum(x: Traced) -> Sum:
    return x.summed or Sum(1, abs(x.near), x.near)


@cache
def arranged(n: int, u: float) -> Any:
    """The relative error of n terms in any arrangement, as a ball around 0."""
    return arb(0, min(gamma(n + ARRANGED, u), 1e300))


def _product(x: Traced, y: Traced) -> Traced:
    slopes = lambda z: ((y.truth, y.wide), (x.truth, x.wide))
    near = x.tape.rounded(x.near * y.near, ARRANGED)
    return Traced(x.tape, x.truth * y.truth, near, (x, y), slopes, _relative(near, x, y))


def _quotient(x: Traced, y: Traced) -> Traced:
    def slopes(z: Traced) -> Slopes:
        of_x, of_x_wide = 1 / y.truth, 1 / y.wide + x.tape.tiny
        # Of the quotient itself, which may be taken back from a later result.
        of_y_wide = ((x.wide * of_x_wide).union(z.wide) + x.tape.tiny) * of_x_wide + x.tape.tiny
        return (of_x, of_x_wide), (-z.truth * of_x, -of_y_wide)

    near = x.tape.rounded(x.near / y.near, ARRANGED)
    return Traced(x.tape, x.truth / y.truth, near, (x, y), slopes, _relative(near, x, y))


def _relative(near: Any, x: Traced, y: Traced) -> Callable[[Any, Any], Any] | None:
    """The inverse of a product or quotient with a constant: the relative error of the result."""
    if is_constant(x) or is_constant(y):
        return lambda operand, radius: operand * radius / near
    return None


def is_constant(x: Traced) -> bool:
    """Whether a number stands in the text: it comes from no operation, and is no input."""
    return not x.operands and x.index >= x.tape.leaves


def _power(x: Traced, n: float) -> Traced:
    def slopes(z: Traced) -> Slopes:
        if n == 0:
            return ((arb(0), arb(0)),)
        of_truth, of_wide = (arb(n) * _raised(ball, n - 1) for ball in (x.truth, x.wide))
        return ((of_truth, x.tape.rounded(of_wide, x.tape.format.kappa)),)

    near = x.tape.rounded(_raised(x.near, n), x.tape.format.kappa)
    return Traced(x.tape, _raised(x.truth, n), near, (x,), slopes)


def _raised(ball: Any, n: float) -> Any:
    """A power; a whole one as a product, since Arb's own takes a logarithm where a ball holds 0."""
    if not n.is_integer() or abs(n) > 64:
        return ball ** arb(n)
    power = arb(1)
    for _ in range(int(abs(n))):
        power = power * ball
    return power if n >= 0 else 1 / power


def _function(x: Traced, f: Function) -> Traced:
    tape = x.tape
    value = f.value(x.near)
    absolute = arb(0, f.absolute * tape.format.kappa * tape.format.u)
    near = value if value.is_zero() else tape.rounded(value, tape.format.kappa) + absolute

    def slopes(z: Traced) -> Slopes:
        wide = tape.rounded(f.slope(x.wide, f.value(x.wide)), tape.format.kappa)
        return ((f.slope(x.truth, z.truth), wide.union(f.slope(x.wide, z.wide))),)

    return Traced(tape, f.value(x.truth), near, (x,), slopes, f.inverse)


def _exp(x: Traced) -> Traced:
    return _function(x, FUNCTIONS["exp"])


def _log(x: Traced) -> Traced:
    return _function(x, FUNCTIONS["log"])


@precise
def follow(
    function: Callable[..., Any], values: Sequence[Array], format: Format, coin: Callable[[], bool] | None = None
) -> tuple[Tape, Array]:
    """Run a function on numbers that record what is done with them.

    Parameters
    ----------
    function : callable
        Of as many arrays as there are values, to one array.
    values : sequence of arrays
        Its inputs; their numbers become the leaves of the tape, in order.
    format : Format
        That is judged.
    coin : callable, optional
        Decides comparisons that a rounding could turn.

    Returns
    -------
    Tape, object array
        The tape and the outputs: each a `Traced` or, where it depends on no input, maybe a plain number.

    Raises
    ------
    TooLong
        And whatever the function raises on such numbers.
    """
    tape = Tape(format, coin)
    arrays = []
    for numbers in values:
        array = np.empty(numbers.shape, dtype=object)
        for at in np.ndindex(numbers.shape):
            array[at] = tape.leaf(float(numbers[at]))
        arrays.append(array)
    return tape, np.asarray(function(*arrays), dtype=object)
