"""Interrogation: all questions of a domain put to a subject, and what its answers add up to.

What accuses is the bound carried from x, forward and then back along all paths: no right program breaks it, whatever
its arrangement.  What names the equation, the layer and the element is each equation judged alone on the subject's own
numbers.  Where that alone speaks against an answer it is no proof: it is SUSPECT where the subject passed so on every
small network, and otherwise a remark; a subject that declares the method of backpropagation has promised that it holds.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from reference import Layer

from ...arrays import Array
from ...bounds.lifted import lifted
from ...bounds.rounded import Unknown
from ...judge import precision
from ...judge.judgement import Judgement
from ...judge.known import Known, checked
from ...judge.report import Finding, Report, Robustness, Subject, unnumbered
from ...judge.verdict import CONFORMS, WRONG, by_equation_and_layer
from ...problems.layouts import layouts, like
from ...problems.problem import GivenAnswer, Parameters, Problem
from ...subjects.callables import Ask, Ended
from ...subjects.programs.process import NoAnswer
from ...subjects.shapes.taken import check_shapes
from .. import asking
from .asking.domain import Domain
from .asking.half import in_half
from .asking.orientation import in_own_arrays
from .asking.questions import Question, questions
from .asking.unasked import Restyled, always_raising, not_asked, unasked
from .conclusion import concluded
from .contrast import contrast
from .explanation import Violation, attributed, explained, held, summary
from .identity import identified, of_domain
from .judging.evidence import Evidence, equations_of, evidence
from .naming.mistake import Given, Held, Mistake, fits_all, gradients_of, in_float64

REPEATS = 4
"""How many wrong answers are asked for once more: state imitates every fault."""

Outcome = asking.Outcome[Question, GivenAnswer, Evidence]


def interrogated(
    ask: Ask, domain: Domain, subject: Subject, seed: int = 0, count: int | None = None, known: Iterable[Known] = (),
    restyled: Restyled | None = None, called: str = "",
) -> Report:  # fmt: skip
    """Ask a subject the questions that its domain allows and judge its answers; otherwise as `answered`.

    Parameters
    ----------
    ask, domain, subject, known, restyled, called
    seed : int
    count : int, optional
        Of questions.
    """
    asked = questions(domain, seed, count)
    if domain.half:  # the ends of its range are others
        asked = [question for question in asked if question.kind == "ordinary"]
    return answered(ask, domain, subject, asked, known, restyled, called)._replace(seed=seed)


def answered(
    ask: Ask, domain: Domain, subject: Subject, asked: Iterable[Question], known: Iterable[Known] = (),
    restyled: Restyled | None = None, called: str = "",
) -> Report:  # fmt: skip
    """Ask a subject questions of its domain and judge its answers.

    Parameters
    ----------
    ask : function
        From a problem to an answer.
    domain : Domain
    subject : Subject
        For the report.
    asked : iterable of Question
    known : iterable of Known
        Failures that are expected.
    restyled : function, optional
        From a style to the subject asked in that style, which is tried where it answers in no other.
    called : str
        How somebody's own function is called, to be said where it raises whatever it is asked: then nothing is judged.
        Of a program, which has been asked whether it answers at all, nothing.

    Returns
    -------
    Report
        Not complete, if the subject says by `Ended` that no more is to be asked.
    """
    expected = checked(known)
    outcomes: list[Outcome] = []
    complete = True
    try:
        outcomes.extend(_outcome(question, ask, domain) for question in asked)
    except Ended:  # what was judged before stays
        complete = False
    except Unknown as error:  # of an activation or a loss of somebody's own
        return Report(subject, {}, (not_asked(str(error)),))
    first = [outcome for outcome in outcomes if outcome.question.again is None]
    unsupported = [outcome for outcome in outcomes if outcome.unsupported]
    failed = [o for o in outcomes if o.failed and not o.unsupported and (o.question.again is None or _broke(o.failed))]
    nothing = unasked(first, domain, restyled, lambda problem, answer: not _evidence(problem, answer, domain).wrong)
    nothing = nothing or (always_raising(first, called) if called else None)
    if nothing is not None:
        return Report(subject, {}, (nothing,), len(outcomes) - len(unsupported), len(unsupported), len(failed))
    answered = [outcome for outcome in first if not outcome.failed]
    extremes = [outcome for outcome in answered if outcome.question.kind == "extreme"]
    ordinary = [o for o in answered if o.question.kind == "ordinary" and not o.question.open_targets]
    state = _state(outcomes, ask)
    judged = [] if state else ordinary  # state imitates every mistake
    wrong, doubted = _violations(judged, domain)
    findings = [*_failures(failed), *([state] if state else [])]
    of_numbers: list[Finding] = []
    for violations in (wrong, doubted):
        of_numbers += explained(violations, _contrast(violations, ask, domain))
    of_numbers, wrong, is_explained = concluded(of_numbers, wrong, [o.found for o in judged], domain.style)
    findings += of_numbers
    broken = [outcome for outcome in extremes if outcome.violated]
    unanswered = sum(outcome.question.kind == "extreme" for outcome in failed)
    if not findings:
        beyond, both = _violations(broken, domain)[0], [o.found for o in (*ordinary, *extremes)]
        findings = concluded(explained(beyond), beyond, both, domain.style).findings
    quiet = is_explained or domain.half
    bits = None if quiet else precision.effective_bits([(o.found.of, o.answer) for o in ordinary])
    report = Report(
        subject,
        by_equation_and_layer(_counted(judged, [*wrong, *doubted])),
        tuple(in_own_arrays(finding, domain.style) for finding in findings),
        asked=len(outcomes) - len(unsupported),
        unsupported=len(unsupported),
        failed=len(failed),
        robustness=_robustness(len(extremes) + unanswered, len(broken) + unanswered),
        effective_bits={domain.dtype: bits} if bits else {},
        complete=complete,
        expected=_expected(ordinary),
    )
    report = identified(report, of_domain(domain), expected)
    return report._replace(remarks=tuple(_remarks(report, outcomes)))


def _robustness(asked: int, wrong: int) -> Robustness | None:
    return Robustness(WRONG if wrong else CONFORMS, asked, wrong) if asked else None


# Asking.


def _outcome(question: Question, ask: Ask, domain: Domain) -> Outcome:
    """Ask and judge; what is refused in an unusual layout is asked again in the usual one."""
    question = in_half(question) if domain.half else question
    outcome = _asked(question, ask)
    if outcome.failed and not outcome.unsupported and question.layout:
        usual = _asked(question._replace(layout=""), ask)
        outcome = usual if not usual.failed else outcome
        question = outcome.question
    if outcome.failed:
        return outcome
    found = _evidence(question.problem, outcome.answer, domain)
    if found.wrong and question.declared:
        held_to = _evidence(question.declared, outcome.answer, domain)
        if _off(held_to) < _off(found):  # a mistake besides shows in both
            question, found = question._replace(problem=question.declared), held_to
    return outcome._replace(question=question, judgements=found.accused, evidence=found)


def _off(found: Evidence) -> int:
    """How many numbers are wrong."""
    return sum(j.wrong for j in found.accused)


def _evidence(problem: Problem, answer: GivenAnswer, domain: Domain) -> Evidence:
    return evidence(lifted(problem, domain.conventions, domain.narrower), answer)


def _asked(question: Question, ask: Ask) -> Outcome:
    """The reply to a problem of its own, which the subject may keep or change."""
    problem = question.problem
    laid_out = dict(layouts(problem.x)).get(question.layout, like)
    layers = tuple(Layer(laid_out(W, W), laid_out(b, b), sigma) for W, b, sigma in problem.network)
    lent = problem._replace(network=layers, x=laid_out(problem.x, problem.x), y=laid_out(problem.y, problem.y))

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


# State.


def _state(outcomes: Sequence[Outcome], ask: Ask) -> Finding | None:
    """Whether the same question gets another answer, beyond what rounding explains: that imitates every fault."""
    for after in outcomes:
        if after.question.again is not None and not outcomes[after.question.again].failed:
            found = _differs(outcomes[after.question.again], after)
            if found is not None:
                return found
    wrong = [o for o in outcomes if o.violated and o.question.again is None]
    for before in wrong[:REPEATS]:
        for _ in range(2):  # what is kept may by chance be what it was; the second time it is the question itself
            try:
                found = _differs(before, _asked(before.question, ask))
            except Ended:
                return None
            if found is not None:
                return found
    return _earlier(wrong, outcomes)


def _earlier(wrong: Sequence[Outcome], outcomes: Sequence[Outcome]) -> Finding | None:
    """A finding where wrong answers are the gradients of an earlier question's samples, in this question's network."""
    shown = []
    for after in [o for o in wrong[:REPEATS] if o.found.of.narrower is None]:  # in half precision too much fits
        problem = after.question.problem
        place = next(k for k, outcome in enumerate(outcomes) if outcome is after)
        for before in outcomes[:place]:
            x, y = before.question.problem.x, before.question.problem.y
            alike = (x.shape, y.shape) == (problem.x.shape, problem.y.shape) and not np.array_equal(x, problem.x)
            if alike and fits_all(Mistake("", "", _of_samples(x, y)), [Held.of(after.found)]):
                shown.append(after.question)
                break
    if not shown:
        return None
    said = (
        f"The answer to a question ({shown[0].why}) holds the gradients of the samples of an earlier one: something is "
        "kept from one call to the next.  State imitates every other mistake, so nothing else is named."
    )
    return unnumbered(shown[0].kind, "state", said)._replace(question=held(shown[0], None))


def _of_samples(x: Array, y: Array) -> Given:
    return lambda problem: gradients_of(in_float64(problem._replace(x=x, y=y)))


def _differs(before: Outcome, again: Outcome) -> Finding | None:
    """A finding where two answers to one question are further apart than two right answers can be."""
    question, of = before.question, before.found.of
    if again.failed:
        if _broke(again.failed):  # which says nothing of what it keeps
            return None
        said = f"Asked the same question again ({again.question.why}), it failed: {again.failed.said}"
        return unnumbered(question.kind, "state", said)._replace(question=held(question, None))
    if all(map(np.array_equal, *map(_flat, (before.answer, again.answer)))):
        return None
    for l, (gradient, _) in zip(range(len(of.network), 0, -1), of.along_paths(of.states), strict=True):
        for field in Parameters._fields:
            both = [getattr(given.gradients[l - 1], field) for given in (before.answer, again.answer)]
            first, second = map(precision.plain, both)
            bound = 2 * getattr(gradient, field).rad + sum(map(precision.radius, both))
            with np.errstate(all="ignore"):
                beyond = abs(second - first) - bound
            beyond = np.where(np.isnan(first) != np.isnan(second), np.inf, np.nan_to_num(beyond, nan=-np.inf))
            at = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
            if beyond[at] > 0:
                said = (
                    f"The same question ({again.question.why}) got another answer the second time, in d{field} of "
                    f"layer {l}: something is kept from one call to the next (gradients added up, an older forward "
                    f"pass, dropout left on).  State imitates every other mistake, so nothing else is named."
                )
                element = tuple(map(int, at))
                numbers = float(second[at]), float(first[at]), float(bound[at])
                finding = Finding(WRONG, question.kind, "state", l, element, *numbers, said)
                return finding._replace(question=held(question, again.answer))
    return None


def _flat(answer: GivenAnswer) -> list[Array]:
    return [precision.plain(part) for layer in answer.gradients for part in layer]


# What the answers add up to.


def _violations(outcomes: Sequence[Outcome], domain: Domain) -> tuple[list[Violation], list[Violation]]:
    """The violations that are wrong, and those that are suspect, the plainest and smallest questions first."""
    conforming = tuple(o.question for o in outcomes if not o.violated and not o.found.doubtful)
    promised = domain.method == "backpropagation"
    doubts = promised or _passes_alone(outcomes)
    wrong, doubted = [], []
    for o in sorted(outcomes, key=lambda o: (o.question.combined, o.question.size)):
        if o.violated or (o.found.doubtful and promised):
            wrong.append(Violation(o.question, o.found, o.found.explained(), conforming))
        elif o.found.doubtful and doubts and not o.question.small:
            reading = o.found.explained()
            doubted.append(Violation(o.question, o.found, reading and reading.doubted, conforming))
    return attributed(wrong), attributed(doubted)


def _contrast(violations: Sequence[Violation], ask: Ask, domain: Domain) -> str:
    """What sets the questions that are violated apart from the others."""

    def conforms(problem: Problem) -> bool:
        outcome = _outcome(Question("", problem), ask, domain)
        return not outcome.failed and not outcome.violated

    right = violations[0].conforming if violations else ()
    try:
        return contrast([v.question for v in violations], right, conforms)
    except Ended:
        return ""


def _passes_alone(outcomes: Iterable[Outcome]) -> bool:
    """Whether every equation holds alone in every small network with a single sample: only then may it be held to."""
    read = [o.found for o in outcomes if o.question.small and o.found.alone is not None]
    return bool(read) and not any(found.alone and found.alone.violated for found in read)


def _counted(outcomes: Iterable[Outcome], violations: Iterable[Violation]) -> Iterator[Judgement]:
    """The judgements that count: those of the readings that explain, and of the rest those that decide most."""
    explained_by_reading = {id(v.question): v for v in violations}
    for outcome in outcomes:
        violation = explained_by_reading.get(id(outcome.question))
        if violation is None:
            yield from outcome.found.counted
        else:
            yield from violation.counted


def _expected(outcomes: Iterable[Outcome]) -> tuple[tuple[str, int], ...]:
    """The equations and layers of all questions."""
    return tuple(sorted({key for o in outcomes for key in equations_of(o.found.of, o.answer)}))


def _failures(failed: Iterable[Outcome]) -> Iterator[Finding]:
    """A finding for each thing that was said, of ordinary and of extreme questions apart."""
    alike: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in failed:
        assert outcome.failed
        said = NUMBER.sub("0", outcome.failed.said)  # shapes are those of the questions
        alike.setdefault((outcome.question.kind, said), []).append(outcome)
    for (kind, _), (first, *more) in alike.items():
        question, why = first.question, first.failed
        assert why
        asked = " ".join(each for each in (question.why, f"and {len(more)} more" if more else "") if each)
        text = f"No answer to a question ({asked}): {why.said}."
        if not _broke(why):
            text += f"  {OUTSIDE}"
        yield unnumbered(kind, "protocol", text)._replace(question=held(question, None))


NUMBER = re.compile(r"\d+")
"""What differs in what is said of the same failure of different questions."""


def _broke(failed: asking.Failed) -> bool:
    """Whether a program died, hung, or could not be followed."""
    return isinstance(failed.error, NoAnswer)


OUTSIDE = (
    "If such questions are outside what it takes, say so (layers, width, batch or widths), or let it raise "
    'NotImplementedError; a program answers "unsupported".'
)
"""How not to be asked what one cannot."""


def _remarks(report: Report, outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield from summary(report)
    answered = [o for o in outcomes if not o.failed and o.question.again is None]
    if answered:
        yield _ranges([o.question for o in answered])
    if any(o.question.open_targets and o.violated for o in answered) and report.verdict != WRONG:
        yield (
            "Judged on targets that sum to one: on others its gradient is not that of the loss, as p - y is not.  "
            'If it takes any, say targets="any"; targets="distribution" leaves the question out.'
        )
    if report.verdict == CONFORMS and any(o.found.doubtful for o in answered if o.question.kind == "ordinary"):
        yield (
            "Not evaluated by this recursion: single equations are off by more than a rounding of their own, while "
            "the whole is within its bound.  Forward mode, complex steps and loss scales are such programs."
        )
    if any(o.question.declared is o.question.problem for o in answered):
        yield "It holds to its own parameters of the activations, whatever those of the network are."
    if any(o.reply.changed for o in outcomes):
        yield "It changed the arrays that it was given."
    for why in sorted({o.failed.said for o in outcomes if o.failed and o.unsupported}):
        yield f"Not asked: {why}"


def _ranges(asked: Sequence[Question]) -> str:
    """What was asked, in numbers."""

    def span(sizes: Iterable[int], what: str) -> str:
        of = sorted(set(sizes))
        return f"{of[0]} to {of[-1]} {what}s" if len(of) > 1 else f"{of[0]} {what}{'s' * (of[0] != 1)}"

    said = [
        span((len(q.widths) - 1 for q in asked), "layer"),
        span((q.widths[0] for q in asked), "input"),
        span((n for q in asked for n in q.widths[1:-1]), "hidden unit") if any(q.widths[1:-1] for q in asked) else "",
        span((q.widths[-1] for q in asked), "output"),
        span((len(q.problem.x) for q in asked), "sample"),
    ]
    return f"Asked: {', '.join(each for each in said if each)}."
