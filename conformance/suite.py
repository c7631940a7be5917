"""The suite: random architectures, put to the reference and to its twin, every answer judged.

`examine` is one problem; `run` is many.  Tests and the command line judge by the same function.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings

from .judge import Judgement, end_to_end, local, path
from .problem import Architecture, Problem, fill
from .strategies import architectures
from .subjects import reference_answer
from .twin import twin_answer
from .verdict import Tally, merged, tally

SUBJECTS = {"reference": reference_answer, "twin": twin_answer}
"""Who is asked."""

REACHES = ("alone", "path", "end to end")
"""How far a bound is carried: through one equation, back from given activations, or from x."""


class Judged(NamedTuple):
    """A judgement, with who was judged and how far the bound was carried."""

    subject: str
    reach: str
    judgement: Judgement


class Key(NamedTuple):
    """What is added up together."""

    subject: str
    reach: str
    equation: str
    dtype: str


Tallies = dict[Key, Tally]


def tallied(findings: Iterable[Judged]) -> Tallies:
    """Findings, added up."""
    tallies: Tallies = {}
    for subject, reach, j in findings:
        tallies = merged(tallies, {Key(subject, reach, j.equation, j.dtype): tally(j)})
    return tallies


class Violated(AssertionError):
    """An equation is outside its bound; ``findings`` say where, ``architecture`` makes the problem again."""

    def __init__(self, architecture: Architecture, findings: list[Judged]) -> None:
        super().__init__(f"{len(findings)} judgements outside their bounds for {architecture}")
        self.architecture, self.findings = architecture, findings


def examine(problem: Problem) -> Iterator[Judged]:
    """Ask every subject, judge every equation, alone and from end to end."""
    answers = {subject: ask(problem) for subject, ask in SUBJECTS.items()}
    for subject, answer in answers.items():
        for judgement in local(problem, answer):
            yield Judged(subject, REACHES[0], judgement)
        for judgement in path(problem, answer):
            yield Judged(subject, REACHES[1], judgement)
    for judgements in end_to_end(problem, *answers.values()):
        for subject, judgement in zip(answers, judgements, strict=True):
            yield Judged(subject, REACHES[2], judgement)


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
