"""The examination of one operation: ask, ask the same again, with other cotangents and in other layouts; judge it all.

`examined` asks, and judges each answer against its truth; what follows from that (tallies, findings, remarks) are
functions of the `Outcome`s alone.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from ...judge.report import Finding, Report, Robustness, unnumbered
from ...judge.verdict import by_equation_and_layer
from ...problems.layouts import like, numbers
from ..asking import Failed
from .asking.calls import (
    Call,
    Gradients,
    Operation,
    Outcome,
    cotangents,
    laid_out,
    outcome_of,
    outcome_of_value,
    violated_in,
)
from .explaining.diagnosis import Diagnosis
from .explaining.evidence import answers
from .explaining.findings import of_changing, of_gradient, of_state, of_value
from .truth import Truth

MOST = 3
"""How many answers to questions of one kind an explanation is held to, beside one to inputs drawn anew."""


class Examination(NamedTuple):
    """The first call, the same one again, the others, and those that were refused; and the value.

    ``last`` is the first call once more at the end, where something is wrong in the others alone.
    """

    truth: Truth
    first: Outcome
    again: Outcome
    others: tuple[Outcome, ...]
    refused: tuple[Outcome, ...]
    value: Outcome | None
    last: Outcome | None = None

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Of all calls but that made again."""
        return (self.first, *self.others)


def examined(operation: Operation, seed: int) -> Report:
    """Examine an operation.

    Where inputs are extreme and something is found, all is asked once more with them cut to the ``end``: what is found
    beyond it alone is a matter of robustness.
    """
    values = [numbers(x) for x in operation.given]
    examination = _examination(operation, values, seed)
    report = _report(operation, examination, seed)
    if all((abs(x) <= operation.end).all() for x in values):
        return report
    violated = sum(outcome.violated for outcome in examination.outcomes)
    report = report._replace(robustness=Robustness(report.verdict, report.asked, violated))
    if not report.findings:
        return report
    cut = [x.clip(-operation.end, operation.end) for x in values]
    ordinary = _report(operation, _examination(operation, cut, seed), seed)
    if ordinary.findings:
        return report
    said = f" Only for inputs beyond {operation.end:g}: the same, cut to that, conform."
    beyond = tuple(f._replace(kind="extreme", explanation=f.explanation + said) for f in report.findings)
    asked = report.asked + ordinary.asked
    return ordinary._replace(findings=beyond, asked=asked, robustness=report.robustness, remarks=report.remarks)


def _examination(operation: Operation, values: Sequence[Array], seed: int) -> Examination:
    """Ask all questions; only the first, twice, of an operation that keeps state or changes its arguments."""
    gs = [numbers(like(g, operation.given[0])) for g in cotangents(operation, seed)]
    truth = operation.truth(values, gs)
    calls = [Call(values, g, of_g) for g, of_g in zip(gs or (None,), truth.expected, strict=True)]
    first, again = (outcome_of(operation, calls[0], truth.estimated) for _ in range(2))
    value = outcome_of_value(operation, values, truth.value) if operation.forward and truth.value else None
    others: list[Outcome] = []
    if not first.reply.changed and (first.violated or not again.violated):
        further = [*calls[1:], *laid_out(operation, calls[0], truth)]
        others = [outcome_of(operation, call, truth.estimated) for call in further]
    answered = tuple(outcome for outcome in others if not outcome.failed)
    # What counts calls shows in later ones alone, as if it hung on what is asked.
    once_more = not first.violated and any(o.violated for o in answered)
    last = outcome_of(operation, calls[0], truth.estimated) if once_more else None
    return Examination(truth, first, again, answered, tuple(o for o in others if o.failed), value, last)


# Reporting.


def _report(operation: Operation, e: Examination, seed: int) -> Report:
    judgements = [j for outcome in e.outcomes for j in outcome.judgements]
    if not e.first.violated and not e.first.reply.changed:
        judgements += [j._replace(equation="state") for j in e.again.judgements]
    if e.value is not None:
        judgements += e.value.judgements
    findings = list(_found(operation, e))
    bits = next((diagnosis.bits for _, diagnosis in findings if diagnosis.bits is not None), None)
    remarks = (
        *e.truth.remarks,
        *(remark for outcome in e.outcomes for remark in outcome.answer.remarks),
        *_kept(operation, e.first.answer, e.again.answer),
        *(f"refuses {o.question.where}: {o.failed.said}" for o in e.refused if o.failed),
    )
    return Report(
        operation.subject,
        by_equation_and_layer(judgements),
        tuple(finding for finding, _ in findings),
        asked=len(e.outcomes) + 1,
        unsupported=len(e.refused),
        effective_bits={operation.dtype: bits} if bits is not None else {},
        remarks=tuple(dict.fromkeys(remarks)),
        profile="operation",
        seed=seed,
    )


def _found(operation: Operation, e: Examination) -> Iterator[tuple[Finding, Diagnosis]]:
    """What is wrong, each input's gradient once, in the first question that shows it; state comes first."""
    changing = [outcome.reply.changed for outcome in e.outcomes if outcome.reply.changed]
    if changing:
        text = f"The call changes {' and '.join(changing[0])}, which the caller still needs."
        yield unnumbered("ordinary", "state", text, ("changes its arguments",)), Diagnosis()
    if not e.first.reply.changed:
        later = [(e.again, "the second answer"), *([(e.last, "a later answer")] if e.last else [])]
        kept = {} if e.first.violated else {k: (o, words) for o, words in reversed(later) for k in violated_in(o)}
        yield from (of_state(operation, outcome, k, words) for k, (outcome, words) in sorted(kept.items()))
        if kept:  # whatever else is wrong may come of that
            return
        for k in violated_in(e.first):
            changing_answer = of_changing(operation, e.first, e.again, k)
            if changing_answer:
                yield changing_answer, Diagnosis()
                break
    shown: set[int] = set()
    for outcome in e.outcomes:
        new = [k for k in violated_in(outcome) if k not in shown]
        given = answers(operation, [outcome, *_alike(operation, e, outcome)]) if new else ()
        yield from (of_gradient(operation, given, k) for k in new)
        shown.update(new)
    if e.value is not None and e.value.violated:
        yield of_value(e.value), Diagnosis()


def _alike(operation: Operation, e: Examination, outcome: Outcome) -> list[Outcome]:
    """Answers to other questions that lie in memory as usual, and to inputs drawn anew, to hold an explanation to."""
    if outcome.question.where:
        return []
    plain = [o for o in e.outcomes if o is not outcome and not o.question.where]
    return [*plain[: MOST - 1], *_drawn_anew(operation, outcome)]


def _drawn_anew(operation: Operation, outcome: Outcome) -> Iterator[Outcome]:
    """The same question of other inputs, if there is a truth that may accuse."""
    call = outcome.question
    for values in operation.known.fresh(call.values):
        try:
            values = [numbers(like(x, operation.given[0])) for x in values]
            truth = operation.truth(values, [call.g] if call.g is not None else [])
            asked = Call(values, call.g, truth.expected[0], where="inputs drawn anew")
            answered = outcome_of(operation, asked, truth.estimated)
        except Exception:  # a forward function may refuse them
            continue
        if not truth.estimated and not answered.failed:
            yield answered


def _kept(operation: Operation, first: Gradients, again: Gradients) -> Iterator[str]:
    """Remarks on what a second answer, and those after it, show of the first."""
    for k, (part, p, q) in enumerate(zip(first.came, first.parts, again.parts, strict=True)):
        if isinstance(p, Failed):
            continue
        if not isinstance(q, Failed) and not np.array_equal(p, q, equal_nan=True):
            yield f"{operation.label(k)}: the same question twice gives other bits"
        with np.errstate(over="ignore"):
            now = numbers(part).astype(p.dtype)
        if not np.array_equal(now, p, equal_nan=True):
            yield f"the gradient by {operation.label(k)} of one call is overwritten by the next: copy it first"
