"""Nodes that move numbers and add them up: gathered, collected, multiplied as matrices, and added up along an axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ...bounds.formats import Format
from .enclosed import Enclosed, magnitude
from .graph import ARRANGED, Cotangent, Incoming, Node, Sum, accumulated, constant

# What only moves numbers.


@dataclass(eq=False)
class Gathered(Node):
    """Numbers of the operands, laid side by side and flat, each from a position."""

    positions: Array = field(default_factory=lambda: np.zeros(0, np.intp))
    moved = True

    @cached_property
    def _ends(self) -> list[int]:
        return [int(n) for n in np.cumsum([x.size for x in self.operands])]

    @cached_property
    def _repeats(self) -> list[int]:
        """How often the same number of each operand is taken, at most."""
        counts = np.bincount(self.positions.ravel(), minlength=self._ends[-1])
        return [int(part.max(initial=1)) for part in np.split(counts, self._ends[:-1])]

    @property
    def repeats(self) -> int:
        """How often any number is taken, at most."""
        return max(self._repeats)

    def back(self) -> None:
        """What may be taken back here may be there."""
        if self.wide is self.value.rad:
            return
        wide = np.zeros(self._ends[-1])
        np.maximum.at(wide, self.positions.ravel(), self.wide.ravel())
        for x, part in zip(self.operands, np.split(wide, self._ends[:-1]), strict=True):
            if x.live and x.operands:
                x.widen(part.reshape(x.shape))

    def pull(self, cotangents: Sequence[Cotangent]) -> list[list[Incoming]]:
        """Each cotangent goes where its number came from; nothing is rounded by that alone."""
        return [self._scattered(c) for c in cotangents]

    def _scattered(self, c: Cotangent) -> list[Incoming]:
        once = self.repeats == 1
        whole = c.through(lambda array: placed(array, self.positions, self._ends[-1], once), 1)
        starts = [0, *self._ends[:-1]]
        operands = zip(self.operands, starts, self._ends, self._repeats, strict=True)
        return [Incoming(x, self._part(whole, x, i, j, n)) for x, i, j, n in operands if x.live]

    @staticmethod
    def _part(whole: Cotangent, x: Node, start: int, end: int, repeats: int) -> Cotangent:
        return whole.through(lambda array: array[start:end].reshape(x.shape), repeats)


def placed(array: Array, positions: Array, n: int, once: bool = False) -> Array:
    """Add numbers into n places, flat; ``once`` says that no place is taken twice."""
    flat, at = array.ravel(), positions.ravel()
    if once:
        out: Array = np.zeros(n, array.dtype)
        out[at] = flat
        return out
    if array.dtype == np.float64:
        return np.bincount(at, flat, minlength=n)
    out = np.zeros(n, array.dtype)
    np.add.at(out, at, flat)
    return out


def gather(sources: Sequence[Node], positions: Array) -> Node:
    """Numbers of the sources, laid side by side and flat, in the shape of ``positions``."""
    used = [x for x in sources if x.size]
    format = sources[0].format
    if not used or not positions.size:
        return constant(np.zeros(positions.shape), format)
    if len(used) == 1:
        (x,) = used
        value = Enclosed(x.value.mid.ravel()[positions], x.value.rad.ravel()[positions])
        summed = (lambda: _moved(x.as_sum, positions)) if x.terms > 1 else None
        return Gathered(format, value, (x,), summed=summed, terms=x.terms, positions=positions)
    mid = np.concatenate([x.value.mid.ravel() for x in used])
    rad = np.concatenate([x.value.rad.ravel() for x in used])
    return Gathered(format, Enclosed(mid[positions], rad[positions]), tuple(used), positions=positions)


def _moved(of: Sum, positions: Array) -> Sum:
    return Sum(of.terms, np.asarray(of.absolute).ravel()[positions], np.asarray(of.brought).ravel()[positions])


# Sums.


@dataclass(eq=False)
class Collected(Node):
    """Sums: each number of the operand, flat, is added into a place."""

    spread: Callable[[Array], Array] = lambda array: array

    def pull(self, cotangents: Sequence[Cotangent]) -> list[list[Incoming]]:
        """Each term has the cotangent of its sum."""
        (x,) = self.operands
        return [[Incoming(x, c.through(lambda array: self.spread(array).reshape(x.shape), 1))] for c in cotangents]


def collect(x: Node, places: Array, n: int) -> Node:
    """Sums into n places, flat, by the place of each number."""
    counts = np.bincount(places.ravel(), minlength=n)
    parts = [placed(array, places, n) for array in (x.value.mid, x.value.rad, x.value.size)]
    return _collected(x, parts, int(counts.max(initial=1)), lambda array: array[places.ravel()])


def total(x: Node, axis: tuple[int, ...], keepdims: bool = False) -> Node:
    """The sum over axes, each counted from the front."""
    arrays = (x.value.mid, x.value.rad, x.value.size)
    parts = [np.asarray(array.sum(axis=axis, keepdims=keepdims)) for array in arrays]
    kept = tuple(1 if k in axis else n for k, n in enumerate(x.shape))
    spread = lambda array: np.broadcast_to(array.reshape(kept), x.shape)
    return _collected(x, parts, max(x.size // max(parts[0].size, 1), 1), spread)


def _collected(x: Node, parts: Sequence[Array], terms: int, spread: Callable[[Array], Array]) -> Node:
    mid, brought, absolute = parts
    near = accumulated(mid, brought, absolute, terms, x.format) if terms > 1 else Enclosed(mid, brought)
    known = _as_sum(terms, absolute, brought, x.format)
    return Collected(x.format, near, (x,), **known, spread=spread)


def _as_sum(terms: int, absolute: Array, brought: Array, format: Format) -> dict[str, Any]:
    """What a node says of the sum that it is, to those that go on adding; one from an accumulator is a number."""
    if terms == 1 or format.accumulator is not None:
        return {}
    return {"summed": lambda: Sum(terms, absolute, brought), "terms": terms}


# Matrices.


@dataclass(eq=False)
class Product(Node):
    """The products of two stacks of matrices, (n, rows, k) and (n, k, columns)."""

    def pull(self, cotangents: Sequence[Cotangent]) -> list[list[Incoming]]:
        """The product with the other's transpose."""
        x, y = self.operands
        p, q = _Matrices.of(x.widest), _Matrices.of(y.widest).transposed()
        found: list[list[Incoming]] = []
        for c in cotangents:
            g = _Matrices(c.mid, c.rad, c.absolute)
            pulled = []
            if x.live:
                pulled.append(Incoming(x, self._cotangent(g, q, c.terms)))
            if y.live:
                pulled.append(Incoming(y, self._cotangent(p.transposed(), g, c.terms)))
            found.append(pulled)
        return found

    def _cotangent(self, p: "_Matrices", q: "_Matrices", terms: int) -> Cotangent:
        n = p.mid.shape[-1]
        mid, rad, absolute = p @ q
        return Cotangent(mid, rad + n * self.format.tiny * (absolute > 0), absolute, terms * n, products=True)


class _Matrices(NamedTuple):
    """Midpoints, radii and what counts as absolute values, with the product of all three."""

    mid: Array
    rad: Array
    absolute: Array

    @staticmethod
    def of(x: Enclosed) -> "_Matrices":
        return _Matrices(x.mid, x.rad, x.size)

    def transposed(self) -> "_Matrices":
        return _Matrices(*(np.swapaxes(array, -1, -2) for array in self))

    def __matmul__(self, other: "_Matrices") -> tuple[Array, Array, Array]:
        p, q = magnitude(self.mid), magnitude(other.mid)
        rad = p @ other.rad + self.rad @ (q + other.rad)
        mid = self.mid @ other.mid
        absolute = self.absolute @ other.absolute
        # Where the bound of a whole product is all that can be told, it is told number by number.
        return mid, np.where(np.isnan(rad), np.inf, rad), np.where(np.isnan(absolute), np.inf, absolute)


def product(x: Node, y: Node) -> Node:
    """The products of two stacks of matrices, (n, rows, k) and (n, k, columns)."""
    n, format = x.shape[-1], x.format
    if not n:
        return constant(np.zeros((*x.shape[:-1], y.shape[-1])), format)
    mid, brought, absolute = _Matrices.of(x.value) @ _Matrices.of(y.value)
    brought = brought + (ARRANGED * format.u) * absolute + n * format.tiny * (absolute > 0)
    near = accumulated(mid, brought, absolute, n, format) if n > 1 else Enclosed(mid, brought)
    return Product(format, near, (x, y), **_as_sum(n, absolute, brought, format))


# Cumulative sums.


@dataclass(eq=False)
class Running(Node):
    """Sums of the numbers so far along an axis."""

    axis: int = 0

    def pull(self, cotangents: Sequence[Cotangent]) -> list[list[Incoming]]:
        """Each number is a term of all that follow."""
        (x,) = self.operands
        n = x.shape[self.axis]

        def following(array: Array) -> Array:
            return np.flip(np.cumsum(np.flip(array, self.axis), self.axis), self.axis)

        return [[Incoming(x, c.through(following, n))] for c in cotangents]


def running(x: Node, axis: int) -> Node:
    """The cumulative sum along an axis."""
    n, format = x.shape[axis], x.format
    mid, brought, absolute = (np.cumsum(a, axis) for a in (x.value.mid, x.value.rad, x.value.size))
    near = accumulated(mid, brought, absolute, n, format) if n > 1 else Enclosed(mid, brought)
    return Running(format, near, (x,), axis=axis)
