"""Which elements of an operation's gradient are wrong, where a rule tells them from the right ones.

Rules by what the inputs are there come first, then those by the truth and the cotangent, then those by place.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from ....arrays import Array
from ...explaining.elements import exact
from ..asking.calls import Known
from .evidence import Seen

Rule = Callable[[Seen], Array | None]
"""Of which elements something holds; None where it cannot be told."""

THRESHOLDS = (0.5, 1.0, 3.0, 6.0, 20.0)
"""Where activations, losses and clips of all kinds change."""

BLOCKS = (8, 16, 32, 64, 128, 256, 512, 1024)
"""From where on, or in steps of what, loops over blocks forget elements."""

PARTS = {2: ("first half", "second half"), 3: ("first third", "second third", "last third"),
         4: ("first quarter", "second quarter", "third quarter", "last quarter")}  # fmt: skip
"""Parts of an axis that gates and heads stand in."""

PLURAL = ("all ", "the elements", "the rows", "the columns", "the indices", "the places", "the first and ")
"""How rules begin that are of several."""

APART = 3
"""How many elements, at least, a threshold that is read off the numbers must have on either side."""


def which(known: Known, answers: Sequence[Seen]) -> str:
    """Which elements are wrong, in words; or "" where no rule holds exactly in all answers."""
    rules = dict(_rules(known, answers[0]))
    found = next(exact(rules, answers), "") or _beyond_a_number(known, answers)
    if found:
        return found
    # A truth of 0 is right whatever it is multiplied by.
    lenient = [NotOfZeros(s) for s in answers]
    found = next(exact({name: partial(_of_seen, rule) for name, rule in rules.items()}, lenient), "")
    return f"{found}, but for those whose truth is 0" if found else ""


class NotOfZeros(NamedTuple):
    """An answer, in which a truth of 0 tells nothing."""

    seen: Seen

    @property
    def wrong(self) -> Array:
        """Which elements are wrong."""
        return self.seen.wrong

    @property
    def decided(self) -> Array:
        """Where a mistake would be seen."""
        return np.asarray(self.seen.decided & (self.seen.truth != 0))


def _of_seen(rule: Rule, s: NotOfZeros) -> Array | None:
    return rule(s.seen)


def told(which: str) -> str:
    """A rule as the beginning of a sentence."""
    return f"Wrong {'are' if which.startswith(PLURAL) else 'is'} exactly {which}"


def _rules(known: Known, first: Seen) -> Iterator[tuple[str, Rule]]:
    traits = [name for name, x in _traits(known, first).items()]
    for name in traits:
        yield from _by_value(name, partial(_trait, known, name), known.thresholds)
    yield from _by_index(known, first)
    yield "the elements whose truth is 0", lambda s: np.asarray(s.truth == 0)
    yield "the elements whose truth is negative", lambda s: np.asarray(s.truth < 0)
    yield "the elements whose truth is positive", lambda s: np.asarray(s.truth > 0)
    yield "the elements whose cotangent is negative", partial(_by_cotangent, lambda g: g < 0)
    yield "the elements whose cotangent is positive", partial(_by_cotangent, lambda g: g > 0)
    for c in THRESHOLDS[:2]:
        yield f"the elements whose cotangent is beyond {c:g}", partial(_by_cotangent, _beyond(c))
        yield f"the elements whose truth is beyond {c:g}", partial(_by_truth, _beyond(c))
    for axis, n in enumerate(first.got.shape):
        yield from _by_place(axis, n, first.got.ndim)
    yield from _by_two_places(first.got.shape)


def _beyond(c: float) -> Callable[[Array], Array]:
    return lambda x: np.asarray(abs(x) > c)


def _by_truth(holds: Callable[[Array], Array], s: Seen) -> Array | None:
    return holds(s.truth)


def _by_cotangent(holds: Callable[[Array], Array], s: Seen) -> Array | None:
    g = s.call.g
    return holds(g) if g is not None and g.shape == s.got.shape else None


# By what the inputs are.


def _traits(known: Known, s: Seen) -> dict[str, Array]:
    """The arrays that tell the elements apart, of those that have the gradient's shape."""
    return {name: x for name, x in known.traits(s.call.values, s.k).items() if x.shape == s.got.shape}


def _trait(known: Known, name: str, s: Seen) -> Array:
    return _traits(known, s)[name]


def _by_value(name: str, of: Callable[[Seen], Array], thresholds: Sequence[float]) -> Iterator[tuple[str, Rule]]:
    """Rules of one trait, such as all with z > 0."""
    plain: dict[str, Callable[[Array], Array]] = {
        "{} = 0": lambda x: x == 0,
        "{} > 0": lambda x: x > 0,
        "{} < 0": lambda x: x < 0,
        "{} >= 0": lambda x: x >= 0,
        "{} <= 0": lambda x: x <= 0,
        "{} other than 0": lambda x: x != 0,
    }
    for c in dict.fromkeys(abs(t) for t in (*thresholds, *THRESHOLDS) if 0 < abs(t) < np.inf):
        plain |= _around(c)
    plain["{} the largest of its row"] = lambda x: x == x.max(-1, keepdims=True) if x.ndim else x != x
    for text, holds in plain.items():
        yield f"the elements with {text.format(name)}", partial(_held, holds, of)


def _held(holds: Callable[[Array], Array], of: Callable[[Seen], Array], s: Seen) -> Array:
    return np.asarray(holds(of(s)))


def _around(c: float) -> dict[str, Callable[[Array], Array]]:
    """Rules of a threshold c > 0."""
    return {
        f"{{}} = {c:g}": lambda x: x == c,
        f"{{}} = {-c:g}": lambda x: x == -c,
        f"|{{}}| = {c:g}": lambda x: abs(x) == c,
        f"{{}} > {c:g}": lambda x: x > c,
        f"{{}} < {-c:g}": lambda x: x < -c,
        f"|{{}}| > {c:g}": lambda x: abs(x) > c,
        f"|{{}}| < {c:g}": lambda x: abs(x) < c,
        f"{{}} < {c:g}": lambda x: x < c,
        f"{{}} > {-c:g}": lambda x: x > -c,
        f"{{}} between 0 and {c:g}": lambda x: (x > 0) & (x < c),
        f"{{}} between {-c:g} and 0": lambda x: (x < 0) & (x > -c),
    }


def _beyond_a_number(known: Known, answers: Sequence[Seen]) -> str:
    """A rule whose threshold is read off the numbers: beyond the largest, or below the smallest, that is right."""
    for name in _traits(known, answers[0]):
        wrong, right = (np.concatenate([_trait(known, name, s)[at(s)] for s in answers]) for at in (_wrong, _right))
        for words, of in ((name, lambda x: x), (f"|{name}|", abs)):
            w, r = of(wrong), of(right)
            if min(w.size, r.size) < APART:
                continue
            if w.min() > r.max():
                return f"the elements with {words} from {w.min():.4g} on; up to {r.max():.4g} all are right"
            if w.max() < r.min():
                return f"the elements with {words} up to {w.max():.4g}; from {r.min():.4g} on all are right"
    return ""


def _wrong(s: Seen) -> Array:
    return s.wrong


def _right(s: Seen) -> Array:
    return s.decided & ~s.wrong


# By place.


def _at(axis: int, chosen: Array, s: Seen) -> Array | None:
    """A choice of places along an axis as one of elements."""
    if s.got.ndim <= axis or s.got.shape[axis] != len(chosen):
        return None
    return np.broadcast_to(np.expand_dims(chosen, [i for i in range(s.got.ndim) if i != axis]), s.got.shape)


def _called(axis: int, ndim: int) -> tuple[str, str]:
    """What the places along an axis are called: one, and several."""
    if ndim == 1:
        return "element", "elements"
    if ndim == 2:
        return (("row", "rows"), ("column", "columns"))[axis]
    return f"index of axis {axis}", f"indices of axis {axis}"


def _by_place(axis: int, n: int, ndim: int) -> Iterator[tuple[str, Rule]]:
    if n < 2:
        return
    one, several = _called(axis, ndim)
    place = np.arange(n)
    chosen = {f"the last {one}": place == n - 1, f"the first {one}": place == 0}
    if n > 2:
        chosen |= {f"all {several} but the first": place > 0, f"all {several} but the last": place < n - 1}
        chosen |= {f"the first and the last {one}": (place == 0) | (place == n - 1)}
        chosen |= {f"all {several} but the first and the last": (place > 0) & (place < n - 1)}
    if n > 3:
        chosen |= {f"every second {one}, from index 1 on": place % 2 == 1}
        chosen |= {f"every second {one}, from index 0 on": place % 2 == 0}
    for parts, names in PARTS.items():
        if n % parts == 0 and n > parts:
            size = n // parts
            chosen |= {
                f"the {name} of the {several}, {i * size} to {(i + 1) * size - 1}": place // size == i
                for i, name in enumerate(names)
            }
    blocks = [block for block in BLOCKS if block < n]
    chosen |= {f"the {several} from index {block} on": place >= block for block in blocks}
    chosen |= {f"the {several} beyond the last whole block of {b}": place >= n // b * b for b in blocks if n % b}
    for at in range(1, min(n - 1, 8)):
        chosen.setdefault(f"the {one} at index {at}", place == at)
        chosen.setdefault(f"the {several} from index {at} on", place >= at)
    yield from ((name, partial(_at, axis, which)) for name, which in chosen.items())


def _by_two_places(shape: tuple[int, ...]) -> Iterator[tuple[str, Rule]]:
    """Rules of the last two axes."""
    if len(shape) < 2 or min(shape[-2:]) < 2:
        return
    i, j = np.indices(shape[-2:])
    n, m = shape[-2:]
    for name, chosen in {
        "the diagonal": i == j,
        "all but the diagonal": i != j,
        "the elements above the diagonal": j > i,
        "the elements below the diagonal": j < i,
        "the diagonal and what is above it": j >= i,
        "the diagonal and what is below it": j <= i,
        "the border": (i == 0) | (j == 0) | (i == n - 1) | (j == m - 1),
        "all but the border": (i > 0) & (j > 0) & (i < n - 1) & (j < m - 1),
    }.items():
        yield name, partial(_of_last_two, chosen)


def _of_last_two(chosen: Array, s: Seen) -> Array | None:
    return np.broadcast_to(chosen, s.got.shape) if s.got.shape[-2:] == chosen.shape else None


def _by_index(known: Known, first: Seen) -> Iterator[tuple[str, Rule]]:
    """Rules of how often an input of whole numbers names a place along the first axis."""
    n = first.got.shape[0] if first.got.ndim else 0
    for index in known.indices:
        if n < 2 or not index.size or index.min() < 0 or index.max() >= n:
            continue
        often = np.bincount(index.ravel(), minlength=n)
        yield "the places whose index stands more than once", partial(_at, 0, often > 1)
        yield "the places whose index does not stand", partial(_at, 0, often == 0)
        yield "the places whose index stands", partial(_at, 0, often > 0)
