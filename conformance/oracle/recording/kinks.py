"""Derivatives at kinks: what each input's cotangent may be on either side of every undecided comparison.

Right is the convex hull of the pullbacks over all branches of the undecided comparisons, all inputs together: where
a maximum is shared by two, the shares add up to 1.  Which comparisons an element of a derivative hangs on is found by
running the function again with other outcomes: some at random, so that what hangs on one comparison alone is told by
its pattern, and for what hangs on several one after the other.  Where more than `MOST` branches hang together, where
there are more than `MANY` comparisons, or the runs do not agree with one another, the elements are undecided.
"""

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from .branches import Choice, Decide
from .reverse import Followed, Pulled

MOST = 2**8
"""The branches of one connected part that are tried: eight comparisons."""

PATTERN = 40
"""Runs with random outcomes, beside the first: 1 in 2^40 pairs of comparisons has the same pattern."""

MANY = 2**10
"""Comparisons that are told from one another: of so many, in one of two million searches, two have one pattern."""

COINS = 3
"""The first of them, beside all on one side and all on the other, which show whether any derivative hangs on it."""

SINGLY = 64
"""Comparisons that are turned one after the other, where elements hang on several."""

WORK = 2**25
"""Numbers of inputs and outputs that are computed again to find what hangs on what: some ten seconds."""


class Hull(NamedTuple):
    """Elements of the inputs' cotangents (flat, one input after the other) that hang on the same comparisons.

    ``corners`` are their values, one row a branch, and ``rad`` the radii, the largest of all branches.
    """

    elements: Array
    corners: Array
    rad: Array


class Lines(NamedTuple):
    """Elements that hang on one comparison of two outcomes each: ``of`` which, and their values at both ``ends``."""

    elements: Array
    of: Array
    ends: Array
    rad: Array


class Kinks(NamedTuple):
    """For one cotangent: what hangs on one comparison, what on several, and which elements are undecided.

    Of an element that hangs on none for sure, ``rad`` is how far from the midpoint any branch may be.
    """

    undecided: Array
    rad: Array
    lines: Lines | None = None
    hulls: tuple[Hull, ...] = ()

    @property
    def hanging(self) -> Array:
        """Which elements hang on any."""
        found = self.undecided.copy()
        if self.lines:
            found[self.lines.elements] = True
        for hull in self.hulls:
            found[hull.elements] = True
        return found


Run = Callable[[Decide | None], Followed]
"""Runs a function with its choices decided, by the midpoints if there is nothing that decides."""

Outcome = Callable[[Array, Array], Array]
"""The outcomes of comparisons, of their names and how many ways each has."""


class _Values(NamedTuple):
    """What came of a run: for each cotangent all elements in a row."""

    mid: Array
    rad: Array

    def at(self, elements: Array) -> "_Values":
        return _Values(self.mid[:, elements], self.rad[:, elements])


class _Search:
    """The runs of a function, and the comparisons that they met."""

    def __init__(self, run: Run, gs: Sequence[Array], base: Followed) -> None:
        self.run, self.gs, self.base = run, gs, base
        self.ways: dict[int, int] = {}

    def values(self, outcome: Outcome, learn: bool = False) -> _Values | None:
        """A run with outcomes; None where it is not defined, or meets a comparison that is not known."""
        unknown = False

        def decide(choice: Choice) -> Array:
            nonlocal unknown
            names = (choice.serial << 40) + choice.positions.astype(np.int64)
            if learn:
                self.ways.update(zip(names.tolist(), choice.ways.tolist(), strict=True))
            else:
                unknown = unknown or not self.ways.keys() >= set(names.tolist())
            return outcome(names, choice.ways)

        try:
            followed = self.run(decide)
            if followed.output.shape != self.base.output.shape:
                return None
            found = flat(followed.pulled(self.gs))
        except Exception:  # another branch may not be defined
            return None
        return None if unknown else found


def at_kinks(run: Run, base: Followed, gs: Sequence[Array], pulled: list[list[Pulled]], seed: int) -> list[Kinks]:
    """What hangs on undecided comparisons, for each cotangent.

    Parameters
    ----------
    run : callable
        The same function, with outcomes.
    base : Followed
        The run by midpoints.
    gs : sequence of arrays
        Cotangents.
    pulled : list of lists
        What came of the run by midpoints.
    seed : int
        Of random outcomes.
    """
    search, start = _Search(run, gs, base), flat(pulled)
    size = start.mid.shape[1]
    nothing = np.zeros(size, bool)
    if not base.met:
        return [Kinks(nothing, rad) for rad in start.rad]
    outcomes: list[Outcome] = [_first, _last, *(_coin(seed, k) for k in range(PATTERN))]
    runs = [search.values(of, learn=True) for of in outcomes[: 2 + COINS]]
    known = [came for came in runs if came is not None]
    if len(known) < len(runs):
        return [Kinks(~nothing, rad) for rad in start.rad]
    moved = np.any([_apart(start, came) for came in known], axis=0)
    wider = _reach(start, known)
    if not moved.any():
        return [Kinks(nothing, rad) for rad in wider]
    further = WORK // max(size + base.output.size, 1)
    if len(search.ways) > MANY or further < PATTERN:  # what moves is all that can be told
        most = max(search.ways.values())
        turns = [_turning(seed, k) for k in range(1, min(most, PATTERN))] if most > 2 else []
        for of in [*turns, *outcomes[2 + COINS :]][: min(further, PATTERN)]:
            came = search.values(of, learn=True)
            if came is None:
                return [Kinks(~nothing, rad) for rad in wider]
            moved, wider = moved | _apart(start, came), np.maximum(wider, _reach(start, [came]))
        return [Kinks(of_g, rad) for of_g, rad in zip(moved, wider, strict=True)]
    for of in outcomes[2 + COINS :]:
        came = search.values(of)
        if came is None:
            return [Kinks(~nothing, rad) for rad in wider]
        known.append(came)
        moved = moved | _apart(start, came)
    wider = _reach(start, known)
    names = np.array(sorted(search.ways), np.int64)
    ways = np.array([search.ways[name] for name in names.tolist()])
    options = np.stack([of(names, ways) for of in outcomes])
    elements = np.flatnonzero(moved.any(axis=0))
    of_one, second = _by_pattern(known, elements, options, ways)
    groups = _by_options(known, elements[of_one < 0], options, ways)
    rest = np.setdiff1d(elements[of_one < 0], [k for each in groups.values() for k in each])
    undecided = nothing.copy()
    if rest.size:
        several = _by_turns(search, rest, names, ways) if len(names) <= SINGLY else None
        if several is None:
            undecided[rest] = True
        else:
            lone = {(int(c),): elements[of_one == c].tolist() for c in set().union(*several) if (of_one == c).any()}
            of_one[np.isin(of_one, [c for key in lone for c in key])] = -1
            groups = _merged([*groups.items(), *lone.items(), *several.items()])
    line = of_one >= 0
    lines = _lines(known, elements[line], of_one[line], second[line]) if line.any() else [None] * len(gs)
    hulls = _hulls(search, known, groups, names, options, ways, undecided)
    return [Kinks(undecided, wider[k], of_g, hulls[k]) for k, of_g in enumerate(lines)]


def flat(pulled: list[list[Pulled]]) -> _Values:
    """All inputs' cotangents in a row, one row for each cotangent of the output."""
    mids = [np.concatenate([p.mid.ravel() for p in of_g]) for of_g in pulled]
    rads = [np.concatenate([p.rad.ravel() for p in of_g]) for of_g in pulled]
    return _Values(np.stack(mids), np.stack(rads))


def _apart(p: _Values, q: _Values) -> Array:
    """Where two runs surely differ."""
    with np.errstate(all="ignore"):
        return np.asarray(abs(p.mid - q.mid) > p.rad + q.rad)


def _reach(of: _Values, runs: Sequence[_Values]) -> Array:
    """How far from some midpoints any run may be.

    Runs that do not surely differ may still admit other numbers: a zero in one, all about zero in another.
    """
    with np.errstate(all="ignore"):
        reaches = np.stack([of.rad, *(abs(run.mid - of.mid) + run.rad for run in runs)]).astype(np.float64)
    return np.asarray(np.where(np.isnan(reaches), np.inf, reaches).max(axis=0))


def _first(names: Array, ways: Array) -> Array:
    return np.zeros(len(names), np.intp)


def _last(names: Array, ways: Array) -> Array:
    return ways - 1


def _coin(seed: int, k: int) -> Outcome:
    """Outcomes at random, the same for the same name: by the mixing of splitmix64."""
    start = np.uint64((seed * PATTERN + k + 1) * 0x9E3779B97F4A7C15 % 2**64)

    def outcome(names: Array, ways: Array) -> Array:
        with np.errstate(over="ignore"):
            x = names.astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + start
            for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
                x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
            x ^= x >> np.uint64(31)
        return np.asarray((x % ways.astype(np.uint64)).astype(np.intp))

    return outcome


def _turning(seed: int, k: int) -> Outcome:
    """The k-th after some at random, of each comparison: so all outcomes come up in as many runs."""
    start = _coin(seed, 0)
    return lambda names, ways: (start(names, ways) + k) % ways


def _chosen(names: Array, options: Array) -> Outcome:
    """Some outcomes as given; the first of all else."""
    order = np.argsort(names)
    sorted_names, sorted_options = names[order], options[order]

    def outcome(asked: Array, ways: Array) -> Array:
        at = np.minimum(np.searchsorted(sorted_names, asked), len(sorted_names) - 1)
        return np.where(sorted_names[at] == asked, sorted_options[at], 0)

    return outcome


def _by_pattern(runs: Sequence[_Values], elements: Array, options: Array, ways: Array) -> tuple[Array, Array]:
    """For each element the comparison of two outcomes that it hangs on alone, or -1; and a run with the second.

    It differs from the first run just where the comparison does.
    """
    here = [run.at(elements) for run in runs]
    differs = np.stack([_apart(here[0], run).any(axis=0) for run in here])
    bits = 2 ** np.arange(len(runs), dtype=np.int64)
    codes = bits @ differs.astype(np.int64)
    of_choices = np.where(ways == 2, bits @ (options != options[0]).astype(np.int64), -1)
    order = np.argsort(of_choices, kind="stable")
    at = np.minimum(np.searchsorted(of_choices[order], codes), len(order) - 1)
    found = np.where((of_choices[order][at] == codes) & (codes > 0), order[at], -1)
    second = differs.argmax(axis=0)
    there = _taken(here, second)
    for k, run in enumerate(here):  # all runs on the other side agree with one another
        found[differs[k] & _apart(run, there).any(axis=0)] = -1
    return found, second


def _taken(runs: Sequence[_Values], which: Array) -> _Values:
    """For each element the values of one run."""
    mid, rad = np.stack([run.mid for run in runs]), np.stack([run.rad for run in runs])
    at = np.arange(mid.shape[2])
    return _Values(mid[which, :, at].T, rad[which, :, at].T)


def _lines(runs: Sequence[_Values], elements: Array, of: Array, second: Array) -> list[Lines | None]:
    here = [run.at(elements) for run in runs]
    there = _taken(here, second)
    # A run is on the one side or on the other; what it does not surely differ from may be the wider.
    reaches = [np.minimum(_reach(here[0], [run]), _reach(there, [run])) for run in here]
    rad = np.max(reaches, axis=0)
    return [Lines(elements, of, np.stack([here[0].mid[g], there.mid[g]]), rad[g]) for g in range(len(there.mid))]


Groups = dict[tuple[int, ...], list[int]]
"""Which elements hang on which comparisons together."""


def _by_options(runs: Sequence[_Values], elements: Array, options: Array, ways: Array) -> Groups:
    """What hangs on one comparison of several outcomes: it does not differ among the runs with the same one."""
    groups: Groups = {}
    for c in np.flatnonzero((ways > 2) & (ways <= len(runs)))[:SINGLY]:
        same = np.ones(elements.size, bool)
        for option in range(int(ways[c])):
            there = [run.at(elements) for run, o in zip(runs, options[:, c], strict=True) if o == option]
            for other in there[1:]:
                same &= ~_apart(there[0], other).any(axis=0)
        if same.any():
            groups[(int(c),)] = elements[same].tolist()
            elements = elements[~same]
    return groups


def _by_turns(search: _Search, elements: Array, names: Array, ways: Array) -> Groups | None:
    """What each element hangs on, found by turning one comparison after the other, from several bases."""
    hang: dict[int, set[int]] = {int(k): set() for k in elements}
    for base in (_first, _last, _coin(1, 0)):
        here = search.values(base)
        for c, (name, n) in enumerate(zip(names.tolist(), ways.tolist(), strict=True)):
            # Of more than are tried, a few show what hangs on it.
            for option in range(n) if n <= MOST else (0, n // 3, n // 2, n - 1):
                there = search.values(_turned(base, name, option))
                if here is None or there is None:
                    return None
                for k in elements[_apart(here, there)[:, elements].any(axis=0)]:
                    hang[int(k)].add(c)
    if not all(hang.values()):
        return None
    groups: Groups = {}
    for k, of in hang.items():
        groups.setdefault(tuple(sorted(of)), []).append(k)
    return groups


def _turned(base: Outcome, name: int, option: int) -> Outcome:
    return lambda names, ways: np.where(names == name, option, base(names, ways))


def _merged(groups: Sequence[tuple[tuple[int, ...], list[int]]]) -> Groups:
    """Groups that share a comparison are one."""
    merged: list[tuple[set[int], list[int]]] = []
    for key, elements in groups:
        of, members = set(key), list(elements)
        for other in [part for part in merged if part[0] & of]:
            merged.remove(other)
            of, members = of | other[0], members + other[1]
        merged.append((of, members))
    return {tuple(sorted(of)): sorted(members) for of, members in merged}


def _hulls(
    search: _Search,
    runs: Sequence[_Values],
    groups: Groups,
    names: Array,
    options: Array,
    ways: Array,
    undecided: Array,
) -> list[tuple[Hull, ...]]:
    """The corners of each part, for each cotangent; all parts are taken through their branches at once."""
    branches = {key: _branches([int(ways[c]) for c in key]) for key in groups}
    for key in [key for key, each in branches.items() if not each]:
        undecided[groups.pop(key)] = True
        del branches[key]
    corners: list[_Values] = []
    for k in range(max((len(each) for each in branches.values()), default=0)):
        at = np.array([c for key in branches for c in key])
        chosen = np.array([o for each in branches.values() for o in each[k % len(each)]])
        came = search.values(_chosen(names[at], chosen))
        if came is None:
            undecided[[e for members in groups.values() for e in members]] = True
            return [()] * len(runs[0].mid)
        corners.append(came)
    found: list[list[Hull]] = [[] for _ in runs[0].mid]
    for key, members in groups.items():
        each, elements = branches[key], np.array(members)
        there = [corners[k].at(elements) for k in range(len(each))]
        # All runs must be where their branch says: what was missed makes the radii as wide as it is.
        taken = [each.index(tuple(int(o) for o in of[list(key)])) for of in options]
        of_runs = [_reach(there[k], [run.at(elements)]) for run, k in zip(runs, taken, strict=True)]
        rad = np.max([*(corner.rad for corner in there), *of_runs], axis=0)
        if not np.isfinite(rad).all():
            undecided[elements] = True
            continue
        for g, hulls in enumerate(found):
            hulls.append(Hull(elements, np.stack([corner.mid[g] for corner in there]), rad[g]))
    return [tuple(hulls) for hulls in found]


def _branches(ways: Sequence[int]) -> list[tuple[int, ...]]:
    """All outcomes of some comparisons; none where they are too many."""
    return list(product(*map(range, ways))) if prod(ways) <= MOST else []
