"""The suite: random architectures, put to the reference and to its twin, every answer judged.

`examine` is one problem; `run` is many, a `Shard`.  Tests and the command line judge by the same function.
"""

import hashlib
from collections import Counter
from collections.abc import Container, Hashable, Iterable, Iterator, Mapping
from typing import NamedTuple

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, event, given, settings

from ..bounds.lifted import lifted
from ..judge.equations import end_to_end, local, path
from ..judge.judgement import Judgement
from ..judge.verdict import Tally, added, merged, tally
from ..problems.problem import Answer, Architecture, Problem, fill
from ..problems.strategies import architectures, features
from ..problems.wire import problem_json
from ..subjects.correct import another
from ..subjects.reference import reference_answer
from ..subjects.twin import twin_answer

SUBJECTS = {"reference": reference_answer, "twin": twin_answer}
"""Who is asked every problem."""

OTHERS = "others"
"""Besides, one of the right programs by other routes (`conformance.subjects.correct`), each in its turn."""

REACHES = ("alone", "path", "end to end")
"""How far a bound is carried: through one equation, back from given activations, or from x."""

CANDIDATES = 200
"""How many smaller problems are examined, at most, once one is found outside a bound."""


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
    layer: int
    dtype: str


Tallies = dict[Key, Tally]


def tallied(judged: Iterable[Judged]) -> Tallies:
    """Judgements, added up."""
    return added((Key(subject, reach, j.equation, j.layer, j.dtype), tally(j)) for subject, reach, j in judged)


def examine(problem: Problem) -> Iterator[Judged]:
    """Ask every subject and another right program, judge every equation, alone, along all paths and end to end."""
    answers, other = asked(problem), another(problem)
    if other:
        with np.errstate(all="ignore"):  # where the truth overflows, as the judge sees
            answers[OTHERS] = other.answer(problem)
    yield from judgements(problem, answers, alone={*SUBJECTS, *([OTHERS] if other and other.recursive else [])})


def asked(problem: Problem) -> dict[str, Answer]:
    """The answers of the subjects."""
    return {subject: ask(problem) for subject, ask in SUBJECTS.items()}


def judgements(problem: Problem, answers: Mapping[str, Answer], alone: Container[str] = SUBJECTS) -> Iterator[Judged]:
    """Judge answers; ``alone`` names those that work by the documented recursion, whose equations hold alone."""
    of = lifted(problem)
    for subject, answer in answers.items():
        if subject in alone:
            for judgement in local(of, answer):
                yield Judged(subject, REACHES[0], judgement)
        for judgement in path(of, answer):
            yield Judged(subject, REACHES[1], judgement)
    for of_each in end_to_end(of, *answers.values()):
        for subject, judgement in zip(answers, of_each, strict=True):
            yield Judged(subject, REACHES[2], judgement)


class Counterexample(NamedTuple):
    """A problem outside a bound, as the wire writes it, with its learning rate, and what is wrong there."""

    problem: str
    eta: float
    judged: tuple[Judged, ...]


class Shard(NamedTuple):
    """What some random problems came to: plain records that merge.

    ``architectures`` are digests, the seeds left out.  ``reached`` counts the problems with each feature, a pair such
    as ("activation", "relu").  Behind a ``counterexample`` nothing more was asked.
    """

    problems: int
    architectures: frozenset[str]
    reached: Mapping[tuple[str, str], int]
    tallies: Tallies
    counterexample: Counterexample | None


NONE = Shard(0, frozenset(), {}, {}, None)
"""No problem yet."""


def together(p: Shard, q: Shard) -> Shard:
    """Two shards as one; of two counterexamples the first counts."""
    return Shard(
        p.problems + q.problems,
        p.architectures | q.architectures,
        Counter(p.reached) + Counter(q.reached),
        merged(p.tallies, q.tallies),
        p.counterexample or q.counterexample,
    )


class _Violated(AssertionError):
    """An equation is outside its bound."""


def run(count: int, seed: Hashable) -> Shard:
    """Examine that many random problems, deterministically from the seed.

    At the first problem with a wrong element no more are drawn: Hypothesis shrinks it, and it is the counterexample.

    Parameters
    ----------
    count : int
    seed : int or str
        As `random.Random` takes it.
    """
    met: set[str] = set()
    reached: Counter[tuple[str, str]] = Counter()
    tallies: Tallies = {}
    wrong: dict[Architecture, list[Judged]] = {}
    problems = candidates = 0
    smallest: Architecture | None = None

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=False,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
    )
    @given(architectures())
    def every_equation_is_within_its_bound(architecture: Architecture) -> None:
        nonlocal problems, candidates, smallest, tallies
        if architecture not in wrong:
            candidates += bool(wrong)
            if candidates > CANDIDATES:
                return
            judged = list(examine(fill(architecture)))
            for equation in sorted({one.judgement.equation for one in judged}):
                event(f"equation {equation}")
            if any(one.judgement.wrong for one in judged):
                wrong[architecture] = judged
            elif not wrong:
                problems += 1
                met.add(_digest(architecture))
                reached.update(_features(architecture, judged))
                tallies = merged(tallies, tallied(judged))
        if architecture in wrong:
            smallest = architecture  # the last that Hypothesis tries is the smallest
            raise _Violated

    try:
        every_equation_is_within_its_bound()
    except _Violated:
        assert smallest is not None
        judged, problem = wrong[smallest], fill(smallest)
        counterexample = Counterexample(
            problem_json(problem), problem.eta, tuple(one for one in judged if one.judgement.wrong)
        )
        met.add(_digest(smallest))
        reached.update(_features(smallest, judged))
        return Shard(problems + 1, frozenset(met), reached, merged(tallies, tallied(judged)), counterexample)
    return Shard(problems, frozenset(met), reached, tallies, None)


def _features(architecture: Architecture, judged: Iterable[Judged]) -> set[tuple[str, str]]:
    """What the problem is and which equations were judged, each once."""
    return {*features(architecture), *(("equation", one.judgement.equation) for one in judged)}


def _digest(architecture: Architecture) -> str:
    """The same in every process."""
    return hashlib.sha256(repr(architecture._replace(seed=0)).encode()).hexdigest()[:16]
