"""Verdicts: what judgements add up to, as plain records that can be written, merged and read again.

A `Tally` adds up the judgements of one equation (of one layer, of one subject: whatever its key says).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

import numpy as np

from .judgement import Judgement

NOT_ASKED, WRONG, SUSPECT, UNDECIDED, CONFORMS = VERDICTS = ("NOT ASKED", "WRONG", "SUSPECT", "UNDECIDED", "CONFORMS")
"""Worst first.  NOT ASKED: what came fits no question as it was put, so that nothing was judged.  WRONG: outside a
bound that may accuse.  SUSPECT: outside a statistical one.  UNDECIDED: no bound was small enough to tell.  CONFORMS:
inside bounds that are small against the values."""

EXIT_STATUS = {NOT_ASKED: 2, CONFORMS: 0, WRONG: 1, SUSPECT: 3, UNDECIDED: 3}
"""What a command that judges exits with."""

NOT_PUT, INTERRUPTED = 2, 130
"""What a command exits with where the question could not be put, and, as a shell does, where it was interrupted."""


def worst_of(verdicts: Iterable[str]) -> str:
    """The worst verdict; UNDECIDED where there is none."""
    return min(verdicts, key=VERDICTS.index, default=UNDECIDED)


class Tally(NamedTuple):
    """The judgements under one key, added up; ``worst`` has the largest margin.

    ``follows`` counts the elements that are off, but right given what is named as wrong; ``floors`` the detection
    floors by their logarithm to base 2, ``spread`` the elements by the octave of their margin, so that tallies of
    any size merge.
    """

    elements: int
    wrong: int
    suspect: int
    undecided: int
    floors: Mapping[float, int]
    worst: Judgement
    spread: Mapping[int, int] = {}
    follows: int = 0

    @property
    def floor(self) -> float:
        """The median detection floor, 0 where every bound is exact."""
        floors = sorted(Counter(self.floors).elements())
        return float(2 ** floors[len(floors) // 2]) if floors else 0.0

    @property
    def verdict(self) -> str:
        """Of the elements together: UNDECIDED only where none of them is decided."""
        if self.wrong or self.suspect:
            return WRONG if self.wrong else SUSPECT
        return UNDECIDED if self.undecided == self.elements else CONFORMS


def tally(judgement: Judgement) -> Tally:
    """A tally of one."""
    j = judgement
    floors = {round(float(np.log2(j.floor)), 1): 1} if 0 < j.floor < np.inf else {}
    return Tally(j.elements, j.wrong, j.suspect, j.undecided, floors, j, j.spread, j.follows)


Key = TypeVar("Key")


def merged(p: Mapping[Key, Tally], q: Mapping[Key, Tally]) -> dict[Key, Tally]:
    """Two collections of tallies as one."""
    return {**p, **{key: _sum(p[key], of_q) if key in p else of_q for key, of_q in q.items()}}


def added(tallies: Iterable[tuple[Key, Tally]]) -> dict[Key, Tally]:
    """The tallies of each key, added up."""
    sums: dict[Key, Tally] = {}
    for key, one in tallies:
        sums[key] = _sum(sums[key], one) if key in sums else one
    return sums


def by_equation_and_layer(judgements: Iterable[Judgement]) -> dict[tuple[str, int], Tally]:
    """The tallies that a report holds."""
    return added(((j.equation, j.layer), tally(j)) for j in judgements)


def _sum(p: Tally, q: Tally) -> Tally:
    return Tally(
        p.elements + q.elements,
        p.wrong + q.wrong,
        p.suspect + q.suspect,
        p.undecided + q.undecided,
        Counter(p.floors) + Counter(q.floors),
        max(p.worst, q.worst, key=lambda j: j.margin),
        Counter(p.spread) + Counter(q.spread),
        p.follows + q.follows,
    )
