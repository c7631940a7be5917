"""The recorded graph: one node an operation on whole arrays, each with what any legitimate program may have for it.

What counts as legitimate, and thereby the bound:

* an input is known to one rounding; so is a number in the text that is not whole;
* a sum of two numbers rounds once, one of n numbers by gamma_(n + ARRANGED) of the sum of their absolute values, in any
  order; a product or a quotient by `ARRANGED` units, a power or another function by the format's kappa of its value,
  some functions absolutely (`Function.absolute`);
* each of these, and each product with a partial derivative, may underflow: a smallest normal number is added.  What
  may overflow has no bound, and so has what hangs on it, element by element;
* a partial derivative is taken of the operand or of the result (1 - t^2), and an operand may be taken back from a later
  result (e^-z from 1 + e^-z), with the errors of that;
* a cotangent is a sum over all paths from a number to the outputs, in any arrangement: where m terms meet it is off by
  gamma_(m + ARRANGED) of the sum of the absolute products along the paths (as in `conformance.bounds.paths`).

Where an accumulator is declared (`Format.accumulator`), each sum over an axis, into a place or of products is off by
gamma of the accumulator's u and rounded once; sums that the text writes with + are not.  On the way back
`Cotangent.rounding` says what that leaves.

A formula that is equal on paper, and loses digits that none of these does, is outside.

There are five kinds of node, and each knows its own pullback (`conformance.oracle.recording.reverse` runs them):
`Pointwise` (arithmetic and functions of single numbers), `Gathered` (all that only moves numbers: slices, transposes,
`where`, `pad`, `sort`), `Collected` (sums of numbers into places: `add.at`, sums over axes), `Product` (matrices) and
`Running` (cumulative sums).  All else is made of these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ...arrays import Array
from ...bounds.formats import Format
from ...bounds.radii import gamma
from ...numbers.derivatives import FUNCTIONS
from .enclosed import Enclosed, magnitude, rounded, union, widened

ARRANGED = 4
"""Roundings granted for each product and quotient of a forward text: an arrangement that is as right, of the same
numbers, may take a few more than the text's own."""


class Sum(NamedTuple):
    """A number as a sum: how many terms, their absolute values added up, and the radius that they brought."""

    terms: int
    absolute: Array
    brought: Array


class Cotangent(NamedTuple):
    """Of one node: true values, radii of what is admitted, sums of absolute products along paths; and the terms.

    ``products`` says whether any of these products was rounded; without one they are plain sums of what was given.
    ``met`` counts the paths that meet in the node, and ``sizes`` adds up their absolute values, where sums over axes
    have an accumulator of their own.
    """

    mid: Array
    rad: Array
    absolute: Array
    terms: int
    products: bool = False
    met: int = 1
    sizes: Array | None = None

    def through(self, f: Callable[[Array], Array], terms: int) -> "Cotangent":
        """Something done to all three arrays, which makes so many times the terms."""
        return Cotangent(f(self.mid), f(self.rad), f(self.absolute), self.terms * terms, self.products)

    def added(self, other: "Cotangent", format: Format) -> "Cotangent":
        """What came by this path and by another."""
        sums = (self.mid + other.mid, self.rad + other.rad, self.absolute + other.absolute, self.terms + other.terms)
        together = Cotangent(*sums, self.products or other.products)
        if format.accumulator is None:
            return together
        sizes = (magnitude(self.mid) if self.sizes is None else self.sizes) + magnitude(other.mid)
        return together._replace(met=self.met + other.met, sizes=sizes)

    def rounding(self, format: Format, moved: bool) -> "Cotangent":
        """With the rounding of the sum that it is; a node that only ``moved`` numbers leaves that to a later one.

        With an accumulator the sums are added up in that, and rounded as themselves; products round in the format, and
        so does what meets from several paths, in any order.
        """
        if format.accumulator is None:
            if moved:
                return self
            return self._replace(rad=self.rad + arranged(self.terms, format.u) * self.absolute, terms=1)
        rad = self.rad
        if self.terms > 1:
            rad = rad + ARRANGED * format.u * magnitude(self.mid)
        if self.sizes is not None:
            rad = rad + arranged(self.met, format.u) * self.sizes
        c = self._replace(rad=rad, met=1, sizes=None)
        if moved:
            return c
        units = arranged(self.terms, format.accumulator) if self.terms > 1 else 0.0
        return c._replace(rad=rad + (units + ARRANGED * format.u * self.products) * self.absolute, terms=1)


class Incoming(NamedTuple):
    """A cotangent for one operand."""

    operand: "Node"
    cotangent: Cotangent


@dataclass(eq=False)
class Node:
    """One array: its enclosure, and where it came from.

    ``value`` holds every value that the operations so far may give in the format judged.  ``wide`` is the radius of
    what a number may be when it is taken back from a later result; pulling back sets it.  ``live`` says whether it
    depends on an input, ``moved`` whether it only moves numbers.
    """

    format: Format
    value: Enclosed
    operands: tuple["Node", ...] = ()
    live: bool = False
    summed: Callable[[], Sum] | None = None
    terms: int = 1
    moved = False
    wide: Array = field(init=False)

    def __post_init__(self) -> None:
        mid = np.asarray(self.value.mid, dtype=self.format.wide)
        rad = np.broadcast_to(np.asarray(self.value.rad, dtype=np.float64), mid.shape)
        with np.errstate(all="ignore"):
            within = magnitude(mid) + rad <= self.format.largest
        if not within.all():
            rad = np.where(within, rad, np.inf)
        self.value = Enclosed(mid, rad)
        self.wide = rad
        self.live = self.live or any(x.live for x in self.operands)

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return tuple(self.value.mid.shape)

    @property
    def size(self) -> int:
        """How many numbers."""
        return int(self.value.mid.size)

    @property
    def widest(self) -> Enclosed:
        """With the radius of what may be taken back from later results."""
        return Enclosed(self.value.mid, self.wide)

    @cached_property
    def as_sum(self) -> Sum:
        """Itself, or the terms that it is the sum of."""
        return self.summed() if self.summed else Sum(1, self.value.size, self.value.rad)

    def widen(self, rad: Array) -> None:
        """Let ``wide`` hold at least that much."""
        self.wide = np.maximum(self.wide, rad)

    def back(self) -> None:
        """Widen the operands by what may be taken back from here."""

    def pull(self, cotangents: Sequence[Cotangent]) -> list[list[Incoming]]:
        """For each cotangent, those of the operands."""
        return [[] for _ in cotangents]


def leaf(value: Array, format: Format) -> Node:
    """An input: known to one rounding."""
    with np.errstate(under="ignore"):
        smallest = max(format.tiny * format.u, float(np.finfo(np.float64).smallest_subnormal))
    return Node(format, Enclosed(value, format.u * magnitude(value.astype(np.float64)) + smallest), live=True)


def constant(value: Any, format: Format, exact: bool = False) -> Node:
    """Numbers of the text: whole ones are exact, others are within a rounding."""
    numbers = np.asarray(value, dtype=format.wide)
    rad = format.u * magnitude(numbers) * (numbers != np.floor(numbers)) if not exact else 0.0
    return Node(format, Enclosed(numbers, rad))


def arranged(n: int, u: float) -> float:
    """The relative error of n terms in any arrangement."""
    return min(gamma(n + ARRANGED, u), 1e300)


def _unbroadcast(array: Array, shape: tuple[int, ...], reduce: Callable[..., Any]) -> Array:
    """Sums (or the largest) over the axes along which a shape was broadcast."""
    array = np.asarray(array)
    extra = array.ndim - len(shape)
    axes = (*range(extra), *(k + extra for k, n in enumerate(shape) if n == 1 != array.shape[k + extra]))
    return np.asarray(reduce(array, axis=axes)).reshape(shape) if axes else array


# Arithmetic and functions of single numbers.

Slope: TypeAlias = Enclosed | int
"""A partial derivative, enclosed; 1 or -1 where it is that."""


@dataclass(eq=False)
class Pointwise(Node):
    """An operation on each number; ``slopes`` are asked for once, after all is widened."""

    slopes: Callable[["Pointwise"], tuple[Slope, ...]] = lambda z: ()
    inverse: Callable[["Pointwise", Node], Array] | None = None

    def back(self) -> None:
        """An operand that came from an operation may be taken back from this result."""
        if self.inverse is not None:
            for x in self.operands:
                if x.live and x.operands:
                    back = _unbroadcast(self.inverse(self, x), x.shape, np.max)
                    x.widen(x.value.rad + back)

    def pull(self, cotangents: Sequence[Cotangent]) -> list[list[Incoming]]:
        """By the chain rule."""
        pairs = [(x, _Slope.of(slope)) for x, slope in zip(self.operands, self.slopes(self), strict=True) if x.live]
        return [[Incoming(x, slope.carried(c, x.shape, self.format)) for x, slope in pairs] for c in cotangents]


class _Slope(NamedTuple):
    """A partial derivative, its radius and largest absolute value; or a sign alone."""

    mid: Any
    rad: Any = None
    size: Any = None

    @staticmethod
    def of(slope: Slope) -> "_Slope":
        if isinstance(slope, int):
            return _Slope(slope)
        positive = magnitude(slope.mid)
        return _Slope(slope.mid, slope.rad, positive + slope.rad)

    def carried(self, c: Cotangent, shape: tuple[int, ...], format: Format) -> Cotangent:
        """A cotangent times the derivative, added up where the operand was broadcast."""
        count = max(int(c.mid.size), 1) // max(int(np.prod(shape)), 1)
        products = c.products or self.size is not None
        if self.size is None:
            mid, rad, absolute = (c.mid if self.mid == 1 else -c.mid), c.rad, c.absolute
        else:
            mid, absolute = self.mid * c.mid, self.size * c.absolute
            rad = self.size * c.rad
            rad += self.rad * magnitude(c.mid)
            rad += format.tiny
            if not c.absolute.all() or np.isnan(rad.sum()):  # what no cotangent reaches hangs on nothing
                none = c.absolute == 0
                mid, rad, absolute = (np.where(none, 0, array) for array in (mid, rad, absolute))
        return Cotangent(mid, rad, absolute, c.terms, products).through(lambda a: _unbroadcast(a, shape, np.sum), count)


def add(x: Node, y: Node, sign: int = 1) -> Node:
    """A sum; of three terms and more in any order, so its rounding is relative to their absolute values."""
    format, terms = x.format, x.terms + y.terms

    def summed() -> Sum:
        (_, p, of_x), (_, q, of_y) = x.as_sum, y.as_sum
        return Sum(terms, p + q, of_x + of_y)

    mid = x.value.mid + y.value.mid if sign == 1 else x.value.mid - y.value.mid
    slopes = (1, sign)
    if terms == 2:
        near = rounded(Enclosed(mid, x.value.rad + y.value.rad), format, 1)
        return Pointwise(
            format, near, (x, y), summed=summed, terms=2, slopes=lambda z: slopes, inverse=lambda z, operand: z.wide
        )
    _, absolute, brought = summed()
    near = of_terms(mid, brought, absolute, terms, format)
    return Pointwise(format, near, (x, y), summed=summed, terms=terms, slopes=lambda z: slopes)


def of_terms(mid: Array, brought: Array, absolute: Array, terms: int, format: Format) -> Enclosed:
    """A sum of so many terms in any order; a partial sum that may overflow has no bound."""
    rad = brought + arranged(terms, format.u) * absolute + terms * format.tiny * (absolute > 0)
    if not (absolute <= format.largest).all():
        rad = np.where(absolute <= format.largest, rad, np.inf)
    return Enclosed(mid, rad)


def accumulated(mid: Array, brought: Array, absolute: Array, terms: int, format: Format) -> Enclosed:
    """The same of a sum over axes or of products: in the accumulator, if one is declared, and rounded once."""
    if format.accumulator is None:
        return of_terms(mid, brought, absolute, terms, format)
    added = of_terms(mid, brought, absolute, terms, format._replace(u=format.accumulator))
    return rounded(added, format, 1)


def negative(x: Node) -> Node:
    """Exact, and still the sum that it was."""
    value = Enclosed(-x.value.mid, x.value.rad)
    return Pointwise(x.format, value, (x,), summed=lambda: x.as_sum, terms=x.terms, slopes=lambda z: (-1,))


def multiply(x: Node, y: Node) -> Node:
    """A product."""
    near = rounded(x.value * y.value, x.format, ARRANGED)
    return Pointwise(
        x.format,
        near,
        (x, y),
        slopes=lambda z: (y.widest, x.widest),
        inverse=_relative if not (x.live and y.live) else None,
    )


def divide(x: Node, y: Node) -> Node:
    """A quotient."""
    tiny = x.format.tiny

    def slopes(z: Pointwise) -> tuple[Slope, ...]:
        of_x = 1 / y.widest
        # Of the quotient itself, which may be taken back from a later result.
        quotient = widened(union(x.widest * of_x, z.widest), tiny)
        return widened(of_x, tiny), -widened(quotient * of_x, tiny)

    near = rounded(x.value / y.value, x.format, ARRANGED)
    return Pointwise(x.format, near, (x, y), slopes=slopes, inverse=_relative if not (x.live and y.live) else None)


def _relative(z: Pointwise, operand: Node) -> Array:
    """The radius of an operand of a product or quotient with a constant: by the relative error of the result."""
    least = magnitude(z.value.mid) - z.value.rad
    relative = np.where(least > 0, z.wide / np.where(least > 0, least, 1), np.inf)
    back = operand.value.size * relative
    return np.where(z.wide == 0, 0, np.where(operand.value.size == 0, 0, back))


def power(x: Node, n: float) -> Node:
    """A power with a constant exponent."""
    format = x.format

    def slopes(z: Pointwise) -> tuple[Slope, ...]:
        return (rounded(n * x.widest ** (n - 1), format, format.kappa),)

    return Pointwise(format, rounded(x.value**n, format, format.kappa), (x,), slopes=slopes)


def function(x: Node, name: str) -> Node:
    """A function of `conformance.numbers.derivatives`."""
    f, format = FUNCTIONS[name], x.format

    def slopes(z: Pointwise) -> tuple[Slope, ...]:
        wide = rounded(f.slope(x.widest, f.value(x.widest)), format, format.kappa)
        slope = union(wide, f.slope(x.widest, z.widest))
        known = np.isfinite(z.value.rad)  # what has no value has no derivative
        return (slope if known.all() else Enclosed(slope.mid, np.where(known, slope.rad, np.inf)),)

    def inverse(z: Pointwise, operand: Node) -> Array:
        assert f.inverse is not None
        back = f.inverse(Enclosed(operand.value.size, 0.0), Enclosed(z.wide, 0.0))
        return np.asarray(back.mid)

    near = rounded(f.value(x.value), format, format.kappa, f.absolute * format.kappa)
    return Pointwise(format, near, (x,), slopes=slopes, inverse=inverse if f.inverse else None)


def stopped(x: Node) -> Node:
    """The same numbers, through which no derivative goes."""
    return Node(x.format, x.value)


def narrowed(x: Node, to: Format) -> Node:
    """As numbers of another format: where that is the narrower one they are rounded to it, and so is a cotangent."""
    if to.u <= x.format.u:
        return x
    near, slope = rounded(x.value, to, 1), Enclosed(np.ones((), x.format.wide), to.u)
    return Pointwise(x.format, near, (x,), slopes=lambda z: (slope,))


def affected(x: Node, value: Array) -> Node:
    """Numbers that hang on x by steps alone (a sign, a floor): their derivative is zero."""
    return Node(x.format, Enclosed(value, 0.0))
