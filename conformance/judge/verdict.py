"""Verdicts: what judgements add up to, as plain records that can be written, merged and read again.

A `Tally` adds up the judgements of one equation (of one layer, of one subject: whatever its key says); a `Report` holds
all tallies of a run with its findings, and is the `report.json` of the protocol.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .judgement import Judgement

WRONG, SUSPECT, UNDECIDED, CONFORMS = VERDICTS = ("WRONG", "SUSPECT", "UNDECIDED", "CONFORMS")
"""Worst first.  WRONG: outside a bound that may accuse.  SUSPECT: outside a statistical one.  UNDECIDED: no bound was
small enough to tell.  CONFORMS: inside bounds that are small against the values."""

EXIT_STATUS = {CONFORMS: 0, WRONG: 1, SUSPECT: 3, UNDECIDED: 3}
"""Of a command that judges; 2 says that the question could not be put."""


def worst_of(verdicts: Iterable[str]) -> str:
    """The worst verdict; UNDECIDED where there is none."""
    return min(verdicts, key=VERDICTS.index, default=UNDECIDED)


class Tally(NamedTuple):
    """The judgements under one key, added up; ``worst`` has the largest margin.

    ``floors`` counts the detection floors by their logarithm to base 2, ``spread`` the elements by the octave of their
    margin, so that tallies of any size merge.
    """

    elements: int
    wrong: int
    suspect: int
    undecided: int
    floors: Mapping[float, int]
    worst: Judgement
    spread: Mapping[int, int] = {}

    @property
    def floor(self) -> float:
        """The median detection floor, 0 where every bound is exact."""
        floors = sorted(Counter(self.floors).elements())
        return float(2 ** floors[len(floors) // 2]) if floors else 0.0

    @property
    def sharpest(self) -> float:
        """The smallest detection floor of all: that of the question that sees most."""
        return float(2 ** min(self.floors)) if self.floors else 0.0

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
    return Tally(j.elements, j.wrong, j.suspect, j.undecided, floors, j, j.spread)


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
    )


class Finding(NamedTuple):
    """Something found wrong or suspect, for a reader; ``kind`` is "ordinary" or "extreme".

    ``faults`` names the known mistakes that the numbers fit, best first.  ``problem`` is a file that replays it, or "".
    """

    verdict: str
    kind: str
    equation: str
    layer: int
    element: tuple[int, ...]
    got: float
    expected: float
    bound: float
    explanation: str
    faults: tuple[str, ...] = ()
    problem: str = ""


class Subject(NamedTuple):
    """Who was asked."""

    name: str
    version: str = ""
    language: str = "python"


class Robustness(NamedTuple):
    """The verdict at the ends of the range, where a formula that is right on paper may fail."""

    verdict: str
    asked: int
    wrong: int


class Report(NamedTuple):
    """What a run over a subject leaves.

    ``tallies`` are keyed by (equation, layer) and hold ordinary problems only.  ``effective_bits`` says with how many
    bits the subject multiplies, by the dtype that it claims.  ``following`` are the equations and layers whose numbers
    are off, but right given what comes before them.  ``print`` it to read it.
    """

    subject: Subject
    tallies: Mapping[tuple[str, int], Tally]
    findings: tuple[Finding, ...] = ()
    asked: int = 0
    unsupported: int = 0
    failed: int = 0
    robustness: Robustness | None = None
    effective_bits: Mapping[str, float] = {}
    remarks: tuple[str, ...] = ()
    profile: str = ""
    seed: int = 0
    complete: bool = True
    following: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        """The report as text, for a terminal, a log, an assertion."""
        from .display import text

        return text(self)

    @property
    def equations(self) -> dict[str, Tally]:
        """The tallies of each equation, all layers together."""
        return added((equation, of_layer) for (equation, _), of_layer in sorted(self.tallies.items()))

    @property
    def verdict(self) -> str:
        """The worst of the equations and of the ordinary findings."""
        ordinary = [finding.verdict for finding in self.findings if finding.kind == "ordinary"]
        return worst_of([*(of.verdict for of in self.equations.values()), *ordinary])

    @property
    def exit_status(self) -> int:
        """Of the command that made it."""
        return EXIT_STATUS[self.verdict]

    def as_json(self) -> dict[str, Any]:
        """The report of the protocol, version 1, of plain lists, numbers and strings; what is not finite is a word."""
        equations = self.equations
        totals = list(equations.values())
        return {
            "report": 1,
            "complete": self.complete,
            "verdict": self.verdict,
            "subject": self.subject._asdict(),
            "profile": self.profile,
            "seed": self.seed,
            "problems": {"asked": self.asked, "unsupported": self.unsupported, "failed": self.failed},
            "elements": {
                "judged": sum(t.elements for t in totals),
                "wrong": sum(t.wrong for t in totals),
                "suspect": sum(t.suspect for t in totals),
                "undecided": sum(t.undecided for t in totals),
            },
            "effective_bits": {dtype: round(bits, 1) for dtype, bits in self.effective_bits.items()},
            "equations": [
                {
                    "equation": equation,
                    "verdict": t.verdict,
                    "elements": t.elements,
                    "wrong": t.wrong,
                    "suspect": t.suspect,
                    "undecided": t.undecided,
                    "worst_margin": number(t.worst.margin),
                    "floor": number(t.floor),
                }
                for equation, t in equations.items()
            ],
            "findings": [
                {
                    "verdict": f.verdict,
                    "class": f.kind,
                    "equation": f.equation,
                    "layer": f.layer,
                    "element": list(f.element),
                    "got": number(f.got),
                    "expected": number(f.expected),
                    "bound": number(f.bound),
                    "faults": list(f.faults),
                    "explanation": f.explanation,
                    "problem": f.problem,
                }
                for f in self.findings
            ],
            "robustness": self.robustness._asdict() if self.robustness else None,
            "remarks": list(self.remarks),
            "following": [{"equation": equation, "layer": layer} for equation, layer in self.following],
        }


def number(x: float) -> float | str:
    """As JSON holds it: "NaN", "Infinity", "-Infinity" for what is not finite."""
    if np.isfinite(x):
        return float(x)
    return "NaN" if np.isnan(x) else "Infinity" if x > 0 else "-Infinity"
