"""Interrogation: all questions of a domain put to a subject, and what its answers add up to.

What accuses is the bound carried from x, forward and then back along all paths
(`conformance.oracle.network.reading.from_x`): no right program breaks it, whatever its arrangement.  What names the
equation, the layer and the element is each equation judged alone on the subject's own numbers.  A subject that passed
so on every small network has shown that it works by this recursion, and on large ones may be accused by it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from ...bounds.lifted import Lifted, lifted
from ...judge import precision
from ...judge.judgement import Judgement
from ...judge.report import Finding, Report, Robustness, Subject
from ...judge.verdict import CONFORMS, WRONG, by_equation_and_layer
from ...problems.problem import GivenAnswer, Parameters, Problem
from ...problems.wire import Refused
from ...subjects.callables import Ask, check_shapes
from .explanation import Violation, explained, following, summary
from .questions import Domain, Question, questions
from .reading import Reading, detection, explanation, from_x, idle, restricted

REPEATS = 4
"""How many wrong answers are asked for once more: state imitates every fault."""


class Outcome(NamedTuple):
    """What became of a question.

    ``accused`` are the judgements by the bound carried from x, ``alone`` those of each equation on the subject's own
    numbers, where it reported enough.  ``failure`` says why there is no answer, ``changed`` that the subject altered
    what it was given.
    """

    question: Question
    answer: GivenAnswer | None
    accused: tuple[Judgement, ...] = ()
    alone: Reading | None = None
    failure: str = ""
    changed: bool = False
    of: Lifted | None = None

    @property
    def lifted(self) -> Lifted:
        """The problem that is judged, on `Rounded`, where there is an answer to it."""
        assert self.of is not None
        return self.of

    @property
    def judged(self) -> GivenAnswer:
        """The answer to the problem that is judged."""
        assert self.answer is not None
        return restricted(self.answer, self.question.at_work) if self.question.at_work else self.answer

    @property
    def unsupported(self) -> bool:
        """Whether the subject said that it has no answer to such a question."""
        return self.failure.startswith("unsupported")

    @property
    def wrong(self) -> bool:
        """Whether the bound that may accuse is broken."""
        return any(judgement.wrong for judgement in self.accused)


def interrogated(ask: Ask, domain: Domain, subject: Subject, seed: int = 0) -> Report:
    """Ask a subject all questions of its domain and judge its answers.

    Parameters
    ----------
    ask : function
        From a problem to an answer.
    domain : Domain
    subject : Subject
        For the report.
    seed : int
    """
    asked = list(questions(domain, seed))
    outcomes = [_outcome(question, ask, domain, False) for question in asked if question.role == "detect"]
    recursive = _works_by_the_recursion(outcomes)
    outcomes += [_outcome(question, ask, domain, recursive) for question in asked if question.role == "locate"]
    first = [outcome for outcome in outcomes if not outcome.question.again]
    unsupported = [outcome for outcome in outcomes if outcome.unsupported]
    failed = [outcome for outcome in first if outcome.failure and not outcome.unsupported]
    ordinary = [o for o in first if o.question.kind == "ordinary" and not o.failure]
    state = _state(outcomes, ask)
    judged = [] if state else ordinary  # state imitates every mistake
    violations = _violations(judged, recursive)
    findings = [*map(_failure, _alike(failed)), *([state] if state else []), *explained(violations)]
    extremes = [o for o in first if o.question.kind == "extreme" and not o.failure]
    broken = [outcome for outcome in extremes if outcome.wrong]
    if not findings:
        findings += [f._replace(kind="extreme") for f in explained(_violations(broken, False))]
    bits = precision.effective_bits([(o.lifted, o.judged) for o in ordinary])
    report = Report(
        subject,
        by_equation_and_layer(j for outcome in judged for j in _counted(outcome, recursive)),
        tuple(findings),
        asked=len(outcomes) - len(unsupported),
        unsupported=len(unsupported),
        failed=len(failed),
        robustness=Robustness(WRONG if broken else CONFORMS, len(extremes), len(broken)) if extremes else None,
        effective_bits={domain.dtype: bits} if bits else {},
        seed=seed,
        following=following(violations),
    )
    return report._replace(remarks=tuple(_remarks(report, outcomes, recursive, domain)))


def _outcome(question: Question, ask: Ask, domain: Domain, recursive: bool) -> Outcome:
    """Ask and judge.

    Where every equation holds alone on the subject's own numbers, the whole is within the bound carried from x, which
    need not be evaluated; the questions with batches say how much that bound sees.
    """
    answer, failure, changed = _asked(question.problem, ask)
    if answer is None:
        return Outcome(question, None, failure=failure, changed=changed)
    outcome = Outcome(question, answer, changed=changed, of=lifted(question.judged, domain.conventions))
    of, given = outcome.lifted, outcome.judged
    alone = detection(of, given) if question.kind == "ordinary" and not question.again else None
    outcome = outcome._replace(alone=question.placed_in(alone))
    if question.again:
        return outcome
    idling: tuple[Judgement, ...] = ()
    if question.at_work:
        idling = tuple(idle(question.problem, answer, question.at_work, of))
    within = alone is not None and not alone.violated and (recursive or domain.batch[1] > 1)
    if within and not any(judgement.wrong for judgement in idling):
        return outcome
    carried = tuple(map(question.placed, from_x(of, given)))
    # Where the truth may overflow, zero times infinity is no number.
    bounded = all(np.isfinite(judgement.bound) for judgement in carried)
    return outcome._replace(accused=(*carried, *idling) if bounded else carried)


def _asked(problem: Problem, ask: Ask) -> tuple[GivenAnswer | None, str, bool]:
    """The answer, or why there is none; and whether the subject changed what it was given."""
    given = [problem.x, problem.y, *(p for W, b, _ in problem.network for p in (W, b))]
    copies = [p.copy() for p in given]
    network = tuple(
        layer._replace(W=W, b=b) for layer, W, b in zip(problem.network, copies[2::2], copies[3::2], strict=True)
    )
    try:
        with np.errstate(all="ignore"):
            answer = ask(problem._replace(network=network, x=copies[0], y=copies[1]))
    except NotImplementedError as error:
        return None, f"unsupported: {error}", False
    except Refused as refused:
        return None, str(refused), False
    except Exception as error:  # somebody else's code may raise anything
        return None, f"{type(error).__name__}: {error}", False
    try:
        check_shapes(problem, answer)
    except ValueError as error:
        return None, str(error), False
    return answer, "", not all(map(np.array_equal, copies, given))


def _state(outcomes: Sequence[Outcome], ask: Ask) -> Finding | None:
    """Whether the same question gets another answer, beyond what rounding explains: that imitates every fault."""
    for before, after in pairwise(outcomes):
        if after.question.again and before.answer is not None:
            found = _differs(before, after.answer, after.failure)
            if found is not None:
                return found
    wrong = [o for o in outcomes if o.wrong and not o.question.again]
    for before in wrong[:REPEATS]:
        found = _differs(before, *_asked(before.question.problem, ask)[:2])
        if found is not None:
            return found
    return None


def _differs(before: Outcome, again: GivenAnswer | None, failure: str) -> Finding | None:
    """A finding where two answers to one question are further apart than two right answers can be."""
    kind, why, answer = before.question.kind, before.question.why, before.judged
    if again is None:
        said = f"Asked the same question again ({why}), it failed: {failure}"
        return Finding(WRONG, kind, "state", 0, (), np.nan, np.nan, np.nan, said)
    again = restricted(again, before.question.at_work) if before.question.at_work else again
    if all(map(np.array_equal, _flat(answer), _flat(again))):
        return None
    of = before.lifted
    for l, (gradient, _) in zip(range(len(of.network), 0, -1), of.along_paths(of.states), strict=True):
        for field in Parameters._fields:
            first, second = (precision.plain(getattr(given.gradients[l - 1], field)) for given in (answer, again))
            bound = 2 * getattr(gradient, field).rad
            with np.errstate(all="ignore"):
                beyond = abs(second - first) - bound
            beyond = np.where(np.isnan(first) != np.isnan(second), np.inf, np.nan_to_num(beyond, nan=-np.inf))
            at = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
            if beyond[at] > 0:
                said = (
                    f"The same question ({why}) got another answer the second time, in d{field} of layer {l}: "
                    f"something is kept from one call to the next (gradients added up, an older forward pass, dropout "
                    f"left on).  "
                    f"State imitates every other mistake, so nothing else is named."
                )
                element = tuple(map(int, at))
                return Finding(
                    WRONG, kind, "state", l, element, float(second[at]), float(first[at]), float(bound[at]), said
                )
    return None


def _flat(answer: GivenAnswer) -> list[Array]:
    return [precision.plain(part) for layer in answer.gradients for part in layer]


def _works_by_the_recursion(small: Iterable[Outcome]) -> bool:
    """Whether every equation holds alone in every small network with a single sample: only then may it accuse."""
    readings = [o.alone for o in small if o.question.kind == "ordinary" and o.alone is not None]
    return bool(readings) and not any(reading.violated for reading in readings)


def _counted(outcome: Outcome, recursive: bool) -> Iterator[Judgement]:
    """The judgements of an outcome that count: those that may accuse, and those that name."""
    alone, accusing = outcome.alone, recursive and outcome.question.role == "locate"
    if outcome.wrong or (accusing and alone is not None and alone.violated):
        reading = _explained(outcome)
        yield from reading.judgements if reading else outcome.accused
    elif accusing and alone is not None:
        yield from alone.judgements
    else:
        yield from outcome.accused
        if alone is not None and recursive:
            yield from (j for j in alone.judgements if j.equation in ("F", "F1", "F2", "B1", "B2"))


def _explained(outcome: Outcome) -> Reading | None:
    """The reading that explains what is wrong."""
    return outcome.question.placed_in(explanation(outcome.lifted, outcome.judged))


def _violations(outcomes: Sequence[Outcome], recursive: bool) -> list[Violation]:
    conforming = tuple(o.question for o in outcomes if not o.wrong)
    found = []
    for o in outcomes:
        alone = recursive and o.question.role == "locate" and o.alone is not None and bool(o.alone.violated)
        if o.wrong or alone:
            reading = _explained(o)
            found.append(Violation(o.question, o.accused, reading, conforming))
    return found


def _alike(failed: Iterable[Outcome]) -> list[list[Outcome]]:
    """The failures by what was said of them, ordinary and extreme ones apart."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in failed:
        groups.setdefault((outcome.question.kind, outcome.failure), []).append(outcome)
    return list(groups.values())


def _failure(alike: Sequence[Outcome]) -> Finding:
    question, more = alike[0].question, len(alike) - 1
    said = (
        f"No answer to a question ({question.why}{f', and {more} more' if more else ''}): {alike[0].failure}.  If such "
        "questions are outside what it takes, say so (layers, width, batch or widths), or let it raise "
        "NotImplementedError."
    )
    return Finding(WRONG, question.kind, "protocol", 0, (), np.nan, np.nan, np.nan, said)


def _remarks(report: Report, outcomes: Sequence[Outcome], recursive: bool, domain: Domain) -> Iterator[str]:
    yield from summary(report)
    small = [o.alone for o in outcomes if o.alone is not None and o.question.role == "detect"]
    if report.verdict == CONFORMS and not recursive and small:
        yield (
            "Not evaluated by this recursion: single equations are off by more than a rounding of their own, while "
            "the whole is within its bound.  Forward mode and complex steps are such programs."
        )
    if any(o.changed for o in outcomes):
        yield "It changed the arrays that it was given."
    for why in sorted({o.failure for o in outcomes if o.failure.startswith("unsupported")}):
        yield f"Not asked: {why}"
