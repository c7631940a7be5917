"""Interrogation: all questions of a domain put to a subject, and what its answers add up to.

What accuses is the bound carried from x, forward and then back along all paths
(`conformance.oracle.network.reading.from_x`): no right program breaks it, whatever its arrangement.  What names the
equation, the layer and the element is each equation judged alone on the subject's own numbers.  A subject that passed
so on every small network has shown that it works by this recursion, and on large ones may be accused by it.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from ...arrays import Array
from ...bounds.lifted import lifted
from ...judge import precision
from ...judge.judgement import Judgement
from ...judge.report import Finding, Report, Robustness, Subject, unnumbered
from ...judge.verdict import CONFORMS, WRONG, by_equation_and_layer
from ...problems.problem import GivenAnswer, Parameters, Problem
from ...subjects.callables import Ask, check_shapes
from .. import asking
from .explanation import Violation, explained, following, summary
from .questions import Domain, Question, questions
from .reading import Reading, detection, explanation, from_x, idle, restricted

REPEATS = 4
"""How many wrong answers are asked for once more: state imitates every fault."""


Outcome = asking.Outcome[Question, GivenAnswer]


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
    failed = [outcome for outcome in first if outcome.failed and not outcome.unsupported]
    answered = [outcome for outcome in first if not outcome.failed]
    ordinary = [outcome for outcome in answered if outcome.question.kind == "ordinary"]
    state = _state(outcomes, ask)
    judged = [] if state else ordinary  # state imitates every mistake
    violations = _violations(judged, recursive)
    findings = [*_failures(failed), *([state] if state else []), *explained(violations)]
    extremes = [outcome for outcome in answered if outcome.question.kind == "extreme"]
    broken = [outcome for outcome in extremes if outcome.violated]
    if not findings:
        findings += explained(_violations(broken, False))
    bits = precision.effective_bits([(o.lifted, _core(o.question, o.answer)) for o in ordinary])
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
    outcome = _asked(question, ask)
    if outcome.failed:
        return outcome
    of, given = lifted(question.core, domain.conventions), _core(question, outcome.answer)
    alone = detection(of, given) if question.kind == "ordinary" and not question.again else None
    outcome = outcome._replace(alone=alone and tuple(map(question.placed, alone.judgements)), held_to=of)
    if question.again:
        return outcome
    idling: tuple[Judgement, ...] = ()
    if question.at_work:
        idling = tuple(idle(question.problem, outcome.answer, question.at_work, of))
    within = alone is not None and not alone.violated and (recursive or domain.batch[1] > 1)
    if within and not any(judgement.wrong for judgement in idling):
        return outcome
    carried = tuple(map(question.placed, from_x(of, given)))
    # Where the truth may overflow, zero times infinity is no number.
    bounded = all(np.isfinite(judgement.bound) for judgement in carried)
    return outcome._replace(judgements=(*carried, *idling) if bounded else carried)


def _asked(question: Question, ask: Ask) -> Outcome:
    """The reply to a problem of its own, which the subject may keep or change."""
    problem = question.problem
    layers = tuple(layer._replace(W=layer.W.copy(), b=layer.b.copy()) for layer in problem.network)
    lent = problem._replace(network=layers, x=problem.x.copy(), y=problem.y.copy())

    def call() -> GivenAnswer:
        answer = ask(lent)
        check_shapes(problem, answer)
        return answer

    given, now = _arrays(problem), _arrays(lent)
    return asking.Outcome(question, asking.reply(call, [(name, given[name], now[name]) for name in given]))


def _arrays(problem: Problem) -> dict[str, Array]:
    layers = enumerate(problem.network, start=1)
    parts = {f"{name}, layer {l}": p for l, (W, b, _) in layers for name, p in (("W", W), ("b", b))}
    return {"x": problem.x, "y": problem.y, **parts}


def _core(question: Question, answer: GivenAnswer) -> GivenAnswer:
    """The answer to the problem that is judged."""
    return restricted(answer, question.at_work) if question.at_work else answer


def _state(outcomes: Sequence[Outcome], ask: Ask) -> Finding | None:
    """Whether the same question gets another answer, beyond what rounding explains: that imitates every fault."""
    for before, after in pairwise(outcomes):
        if after.question.again and not before.failed:
            found = _differs(before, after)
            if found is not None:
                return found
    wrong = [o for o in outcomes if o.violated and not o.question.again]
    for before in wrong[:REPEATS]:
        found = _differs(before, _asked(before.question, ask))
        if found is not None:
            return found
    return None


def _differs(before: Outcome, again: Outcome) -> Finding | None:
    """A finding where two answers to one question are further apart than two right answers can be."""
    question, of = before.question, before.lifted
    if again.failed:
        said = f"Asked the same question again ({question.why}), it failed: {again.failed.said}"
        return unnumbered(question.kind, "state", said)
    answers = [_core(question, answer) for answer in (before.answer, again.answer)]
    if all(map(np.array_equal, *map(_flat, answers))):
        return None
    for l, (gradient, _) in zip(range(len(of.network), 0, -1), of.along_paths(of.states), strict=True):
        for field in Parameters._fields:
            first, second = (precision.plain(getattr(given.gradients[l - 1], field)) for given in answers)
            bound = 2 * getattr(gradient, field).rad
            with np.errstate(all="ignore"):
                beyond = abs(second - first) - bound
            beyond = np.where(np.isnan(first) != np.isnan(second), np.inf, np.nan_to_num(beyond, nan=-np.inf))
            at = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
            if beyond[at] > 0:
                said = (
                    f"The same question ({question.why}) got another answer the second time, in d{field} of layer {l}: "
                    f"something is kept from one call to the next (gradients added up, an older forward pass, dropout "
                    f"left on).  "
                    f"State imitates every other mistake, so nothing else is named."
                )
                element = tuple(map(int, at))
                numbers = float(second[at]), float(first[at]), float(bound[at])
                return Finding(WRONG, question.kind, "state", l, element, *numbers, said)
    return None


def _flat(answer: GivenAnswer) -> list[Array]:
    return [precision.plain(part) for layer in answer.gradients for part in layer]


def _works_by_the_recursion(small: Iterable[Outcome]) -> bool:
    """Whether every equation holds alone in every small network with a single sample: only then may it accuse."""
    readings = [o.alone for o in small if o.question.kind == "ordinary" and o.alone is not None]
    return bool(readings) and not any(j.violated for judgements in readings for j in judgements)


def _counted(outcome: Outcome, recursive: bool) -> Iterator[Judgement]:
    """The judgements of an outcome that count: those that may accuse, and those that name."""
    alone, accusing = outcome.alone, recursive and outcome.question.role == "locate"
    if outcome.violated or (accusing and any(j.violated for j in alone or ())):
        reading = _explained(outcome)
        yield from reading.judgements if reading else outcome.judgements
    elif accusing and alone is not None:
        yield from alone
    else:
        yield from outcome.judgements
        if alone is not None and recursive:
            yield from (j for j in alone if j.equation in ("F", "F1", "F2", "B1", "B2"))


def _explained(outcome: Outcome) -> Reading | None:
    """The reading that explains what is wrong."""
    question = outcome.question
    return question.placed_in(explanation(outcome.lifted, _core(question, outcome.answer)))


def _violations(outcomes: Sequence[Outcome], recursive: bool) -> list[Violation]:
    conforming = tuple(o.question for o in outcomes if not o.violated)
    found = []
    for o in outcomes:
        alone = recursive and o.question.role == "locate" and any(j.violated for j in o.alone or ())
        if o.violated or alone:
            reading = _explained(o)
            found.append(Violation(o.question, o.judgements, reading, conforming))
    return found


def _failures(failed: Iterable[Outcome]) -> Iterator[Finding]:
    """A finding for each thing that was said, of ordinary and of extreme questions apart."""
    alike: dict[tuple[str, str], list[Question]] = {}
    for outcome in failed:
        assert outcome.failed
        alike.setdefault((outcome.question.kind, outcome.failed.said), []).append(outcome.question)
    for (kind, said), (question, *more) in alike.items():
        text = (
            f"No answer to a question ({question.why}{f', and {len(more)} more' if more else ''}): {said}.  If such "
            "questions are outside what it takes, say so (layers, width, batch or widths), or let it raise "
            "NotImplementedError."
        )
        yield unnumbered(kind, "protocol", text)


def _remarks(report: Report, outcomes: Sequence[Outcome], recursive: bool, domain: Domain) -> Iterator[str]:
    yield from summary(report)
    small = [o.alone for o in outcomes if o.alone is not None and o.question.role == "detect"]
    if report.verdict == CONFORMS and not recursive and small:
        yield (
            "Not evaluated by this recursion: single equations are off by more than a rounding of their own, while "
            "the whole is within its bound.  Forward mode and complex steps are such programs."
        )
    if any(o.reply.changed for o in outcomes):
        yield "It changed the arrays that it was given."
    for why in sorted({o.failed.said for o in outcomes if o.failed and o.unsupported}):
        yield f"Not asked: {why}"
