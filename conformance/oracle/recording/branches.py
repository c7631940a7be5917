"""Comparisons of recorded numbers: by the midpoints where the enclosures decide, else kept as choices.

A comparison that a rounding could turn has more than one outcome.  Each such place is a choice: it has a key that the
same function gives it each time it runs, so that it can be run again on another side, and the numbers that it hangs on.
"""

from collections.abc import Callable
from itertools import permutations
from math import factorial
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from .enclosed import INFLATED, compared, magnitude
from .graph import Node
from .sums import Gathered

LONGEST = 5
"""Of a cluster of numbers that cannot be ordered: all their orders are tried up to that many, 120."""

COUNTED = 20
"""The orders of so many are as many as a whole number holds; of a longer cluster as many are told from one another."""


class Choice(NamedTuple):
    """Undecided places of one comparison: for each its position, how many outcomes it has and the one by midpoints.

    ``numbers`` are the arrays that were compared; ``places`` says for each undecided place, in each of them, which
    numbers take part, flat.
    """

    serial: int
    positions: Array
    ways: Array
    by_midpoints: Array
    numbers: tuple[Node, ...]
    places: tuple[list[Array], ...]


Decide = Callable[[Choice], Array]
"""The outcomes of a choice, one for each undecided place."""


class Branches:
    """The choices met in one run, in their order, each decided by ``decide`` (by the midpoints, if there is none)."""

    def __init__(self, decide: Decide | None = None) -> None:
        self.met: list[Choice] = []
        self.decide = decide

    def _chosen(
        self, positions: Array, ways: Array, default: Array, numbers: tuple[Node, ...], places: tuple[list[Array], ...]
    ) -> Array:
        choice = Choice(len(self.met), positions, ways, default, numbers, places)
        self.met.append(choice)
        return default if self.decide is None else np.minimum(self.decide(choice), ways - 1)

    def compare(self, ufunc: np.ufunc, x: Node, y: Node) -> Array:
        """Compare numbers; a number with itself is decided."""
        order = compared(ufunc, x.value, y.value)
        outcome = np.array(order.midpoints, dtype=bool)
        at = np.flatnonzero(order.undecided)
        if not at.size or not (x.live or y.live):
            return outcome
        sides = [_flat_at(node, outcome.shape, at) for node in (x, y)]
        (p, at_p), (q, at_q) = roots(x, sides[0]), roots(y, sides[1])
        same = (p == q) & (at_p == at_q)
        outcome.ravel()[at[same]] = bool(ufunc(0.0, 0.0))
        at, sides = at[~same], [side[~same] for side in sides]
        if at.size:
            default = outcome.ravel()[at].astype(np.intp)
            places = tuple([np.array([i]) for i in side] for side in sides)
            outcome.ravel()[at] = self._chosen(at, np.full(at.size, 2), default, (x, y), places).astype(bool)
        return outcome

    def largest(self, x: Node, rows: Array, sign: int = 1) -> Array:
        """Which number of each row is the largest (or, of negative sign, the smallest); rows of flat positions."""
        mid, rad = sign * x.value.mid.ravel()[rows], x.value.rad.ravel()[rows]
        which = np.argmax(mid, axis=1)
        with np.errstate(all="ignore"):
            low = np.take_along_axis(mid - rad * INFLATED, which[:, None], 1)
            candidates = ~(mid + rad * INFLATED < low) & (mid != -np.inf)
        at = np.flatnonzero(candidates.sum(axis=1) > 1)
        if not at.size or not x.live:
            return which
        options = [_distinct(x, rows[i], np.flatnonzero(candidates[i]), int(which[i])) for i in at]
        open_ = [k for k, option in enumerate(options) if len(option) > 1]
        if open_:
            ways = np.array([len(options[k]) for k in open_])
            default = np.zeros(len(open_), dtype=np.intp)
            places = ([rows[at[k]][options[k]] for k in open_],)
            chosen = self._chosen(at[open_], ways, default, (x,), places)
            for k, option in zip(open_, chosen, strict=True):
                which[at[k]] = options[k][option]
        return which

    def ordered(self, x: Node, rows: Array) -> Array:
        """The order of each row from the smallest number to the largest; rows of flat positions."""
        mid, rad = x.value.mid.ravel()[rows], x.value.rad.ravel()[rows]
        order = np.argsort(mid, axis=1, kind="stable")
        mids, rads = np.take_along_axis(mid, order, 1), np.take_along_axis(rad, order, 1)
        with np.errstate(all="ignore"):
            close = ~(magnitude(mids[:, 1:] - mids[:, :-1]) > (rads[:, 1:] + rads[:, :-1]) * INFLATED)
        clusters = [(i, a, b) for i in np.flatnonzero(close.any(axis=1)) for a, b in _runs(close[i])]
        if clusters and x.live:
            ways = np.array([factorial(min(b - a, COUNTED)) for _, a, b in clusters])
            at = np.array([i * rows.shape[1] + a for i, a, _ in clusters])
            places = ([rows[i][order[i, a:b]] for i, a, b in clusters],)
            chosen = self._chosen(at, ways, np.zeros(len(clusters), np.intp), (x,), places)
            for (i, a, b), n, option in zip(clusters, ways, chosen, strict=True):
                order[i, a:b] = order[i, a:b][_order(b - a, int(option), int(n))]
        return order

    def steps(self, x: Node, f: Callable[[Array], Array]) -> Array:
        """A function that is constant but for steps, such as floor: a value of either side where it is undecided."""
        mid, rad = x.value.mid, x.value.rad * INFLATED
        with np.errstate(all="ignore"):
            low, here, high = f(mid - rad), np.array(f(mid)), f(mid + rad)
        at = np.flatnonzero(~((low == here) & (here == high)))
        if at.size and x.live:
            options = np.stack([here.ravel()[at], low.ravel()[at], high.ravel()[at]], axis=1)
            places = ([np.array([i]) for i in at],)
            chosen = self._chosen(at, np.full(at.size, 3), np.zeros(at.size, np.intp), (x,), places)
            here.ravel()[at] = np.take_along_axis(options, chosen[:, None], 1)[:, 0]
        return here


def _order(n: int, option: int, ways: int) -> list[int]:
    """One of the orders of n numbers: the first as they are, the last turned round; of many some of those between."""
    if n <= LONGEST:
        return list(list(permutations(range(n)))[option])
    if option in (0, ways - 1):
        return list(range(n))[:: -1 if option else 1]
    return np.random.default_rng(option).permutation(n).tolist()


def _runs(close: Array) -> list[tuple[int, int]]:
    """The clusters of neighbours: from where to where."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], close, [False]]).astype(int)))
    return [(int(a), int(b) + 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _flat_at(node: Node, shape: tuple[int, ...], at: Array) -> Array:
    """The flat positions of a node's numbers in an array to which it is broadcast."""
    return np.asarray(np.broadcast_to(np.arange(node.size).reshape(node.shape), shape).reshape(-1)[at])


def _distinct(x: Node, row: Array, candidates: Array, first: int) -> Array:
    """Those that are different numbers, the largest by midpoints first."""
    candidates = np.concatenate([[first], candidates[candidates != first]])
    owner, at = roots(x, row[candidates])
    _, once = np.unique(np.stack([owner, at]), axis=1, return_index=True)
    return candidates[np.sort(once)]


def roots(node: Node, positions: Array) -> tuple[Array, Array]:
    """Where numbers came from, through all that only moved them: the identity of a node, and the position there."""
    owner, at = np.full(positions.size, id(node)), np.array(positions)
    if isinstance(node, Gathered):
        source = node.positions.ravel()[positions]
        ends = np.cumsum([x.size for x in node.operands])
        which = np.searchsorted(ends, source, side="right")
        for k in np.unique(which):
            mine = which == k
            x = node.operands[int(k)]
            owner[mine], at[mine] = roots(x, source[mine] - (ends[k] - x.size))
    return owner, at
