"""The suite: random architectures, put to the reference and to its twin, every answer judged.

`examine` is one problem; `run` is many.  Tests and the command line judge by the same function.
"""

from collections.abc import Callable, Iterator
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

REACHES = ("equation alone", "from end to end")
"""How far a bound is carried: through one equation, or from x."""


class Finding(NamedTuple):
    """A judgement, with who was judged and how far the bound was carried."""

    subject: str
    reach: str
    judgement: Judgement


class Tally(NamedTuple):
    """The judgements of one equation, added up; ``worst`` has the largest margin."""

    elements: int
    wrong: int
    undecided: int
    floors: tuple[float, ...]
    worst: Judgement

    @property
    def floor(self) -> float:
        """The median detection floor."""
        return float(np.median(self.floors))


Tallies = dict[tuple[str, str, str], Tally]
"""By subject, reach and equation."""


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


def add(tallies: Tallies, finding: Finding) -> None:
    """Count a finding in."""
    subject, reach, judgement = finding
    key = (subject, reach, judgement.equation)
    before = tallies.get(key, Tally(0, 0, 0, (), judgement))
    tallies[key] = Tally(
        before.elements + judgement.elements,
        before.wrong + judgement.wrong,
        before.undecided + judgement.undecided,
        (*before.floors, judgement.floor) if judgement.floor else before.floors,
        max(before.worst, judgement, key=lambda j: j.margin),
    )


def run(count: int, seed: int, tallies: Tallies, met: set[Architecture], progress: Callable[[], object]) -> None:
    """Examine that many random architectures, deterministically from the seed.

    Parameters
    ----------
    count, seed : int
    tallies : dict
        Where the findings are counted, also those before an interruption.
    met : set
        Gathers the architectures, their seeds set to 0.
    progress : function
        Called after each.

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
        for finding in findings:
            add(tallies, finding)
        met.add(architecture._replace(seed=0))
        progress()

    every_equation_is_within_its_bound()
