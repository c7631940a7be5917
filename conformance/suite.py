"""The suite: random architectures, put to the reference and to its twin, every answer judged.

`examine` is one problem; `run` is many.  Tests and the command line judge by the same function.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

from .judge import Judgement, end_to_end, local
from .problem import Architecture, Problem, fill
from .strategies import architectures
from .subjects import reference_answer
from .twin import twin_answer

SUBJECTS = {"reference": reference_answer, "twin": twin_answer}
"""Who is asked."""

REACHES = ("alone", "end to end")
"""How far a bound is carried: through one equation, or from x."""


class Finding(NamedTuple):
    """A judgement, with who was judged and how far the bound was carried."""

    subject: str
    reach: str
    judgement: Judgement


class Tally(NamedTuple):
    """The judgements of one equation, added up; ``worst`` has the largest margin.

    ``floors`` counts the detection floors by their logarithm to base 2, so that tallies of any size merge.
    """

    elements: int
    wrong: int
    undecided: int
    floors: Mapping[float, int]
    worst: Judgement

    @property
    def floor(self) -> float:
        """The median detection floor, 0 where every bound is exact."""
        floors = sorted(Counter(self.floors).elements())
        return float(2 ** floors[len(floors) // 2]) if floors else 0.0


class Key(NamedTuple):
    """What is added up together."""

    subject: str
    reach: str
    equation: str
    dtype: str


Tallies = dict[Key, Tally]


def tallied(findings: Iterable[Finding]) -> Tallies:
    """Findings, added up."""
    tallies: Tallies = {}
    for subject, reach, j in findings:
        floors = {round(float(np.log2(j.floor)), 1): 1} if 0 < j.floor < np.inf else {}
        one = Tally(j.elements, j.wrong, j.undecided, floors, j)
        tallies = merged(tallies, {Key(subject, reach, j.equation, j.dtype): one})
    return tallies


def merged(p: Tallies, q: Tallies) -> Tallies:
    """Two tallies as one."""
    return p | {key: _sum(p[key], tally) if key in p else tally for key, tally in q.items()}


def _sum(p: Tally, q: Tally) -> Tally:
    return Tally(
        p.elements + q.elements,
        p.wrong + q.wrong,
        p.undecided + q.undecided,
        Counter(p.floors) + Counter(q.floors),
        max(p.worst, q.worst, key=lambda j: j.margin),
    )


class Violated(AssertionError):
    """An equation is outside its bound; ``findings`` say where, ``architecture`` makes the problem again."""

    def __init__(self, architecture: Architecture, findings: list[Finding]) -> None:
        super().__init__(f"{len(findings)} judgements outside their bounds for {architecture}")
        self.architecture, self.findings = architecture, findings


def examine(problem: Problem) -> Iterator[Finding]:
    """Ask every subject, judge every equation, alone and from end to end."""
    answers = {subject: ask(problem) for subject, ask in SUBJECTS.items()}
    for subject, answer in answers.items():
        for judgement in local(problem, answer):
            yield Finding(subject, REACHES[0], judgement)
    for judgements in end_to_end(problem, *answers.values()):
        for subject, judgement in zip(answers, judgements, strict=True):
            yield Finding(subject, REACHES[1], judgement)


def run(count: int, seed: int, examined: Callable[[Architecture, Tallies], object]) -> None:
    """Examine that many random problems, deterministically from the seed.

    Parameters
    ----------
    count, seed : int
    examined : function
        Called after each with its architecture and its findings, tallied.

    Raises
    ------
    Violated
        At the first problem with a wrong element, shrunk by Hypothesis.
    """

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(architectures())
    def every_equation_is_within_its_bound(architecture: Architecture) -> None:
        findings = list(examine(fill(architecture)))
        wrong = [finding for finding in findings if finding.judgement.wrong]
        if wrong:
            raise Violated(architecture, wrong)
        examined(architecture, tallied(findings))

    every_equation_is_within_its_bound()
