"""Explanations: what the judgements mean, in two or three sentences with the numbers.

The first broken equation comes first, and what merely follows from it is said to follow.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...judge import precision
from ...judge.judgement import Judgement
from ...judge.report import Finding, Report, found
from ...judge.verdict import CONFORMS, SUSPECT, UNDECIDED
from ...problems.problem import Problem
from ...text.labels import documented
from ..diagnosis import factor
from .questions import Question
from .reading import Reading, evaluation_order

SAME = 1e-5
"""How close an estimated factor is to the number that it is called by: it carries some roundings of float32."""

SHOWN = 6
"""Findings of a report at most."""


class Violation(NamedTuple):
    """A question with a wrong answer.

    ``reading`` explains it, where one does; ``accused`` is what the bound carried from x finds; ``conforming`` are the
    questions that were answered rightly.
    """

    question: Question
    accused: tuple[Judgement, ...]
    reading: Reading | None
    conforming: tuple[Question, ...]


class Named(NamedTuple):
    """A violated equation in one question."""

    violation: Violation
    judgement: Judgement


def explained(violations: Sequence[Violation]) -> list[Finding]:
    """A finding for each violated equation, the one that is evaluated first in the network first.

    What a single sample names comes before what a batch leaves open.
    """
    single = [v for v in violations if len(v.question.problem.x) == 1 or v.reading]
    named: dict[str, list[Named]] = {}
    for violation in single or violations:
        for judgement in attributed(violation, in_batches_only=not single):
            named.setdefault(judgement.equation, []).append(Named(violation, judgement))

    def likelihood(shown: list[Named]) -> tuple[bool, tuple[int, int, str]]:
        """What is violated in most of the questions that show it is the cause; of such, the first to be evaluated."""
        equation = shown[0].judgement.equation
        showing = sum(any(j.equation == equation for j in _judged(v)) for v in single or violations)
        return 2 * len({id(f.violation) for f in shown}) < showing, evaluation_order(shown[0].judgement)

    order = sorted(named.values(), key=likelihood)
    return [_finding(shown, violations, "F" in named) for shown in order[:SHOWN]]


def _judged(violation: Violation) -> Sequence[Judgement]:
    return violation.reading.judgements if violation.reading else violation.accused


def attributed(violation: Violation, in_batches_only: bool) -> list[Judgement]:
    """The violated equations: those of the reading, or what can be told from which gradients are off."""
    if violation.reading is not None:
        return violation.reading.violated
    wrong = [j for j in violation.accused if j.wrong]
    volunteered = [j for j in wrong if j.equation not in ("B3", "B4")]
    of_W, of_b = ({j.layer: j for j in wrong if j.equation == equation} for equation in ("B3", "B4"))
    if not of_W or not of_b:
        return sorted(wrong, key=evaluation_order)
    L = len(violation.question.problem.network)
    both = max(set(of_W) & set(of_b), default=0)
    if not both or max([*of_W, *of_b]) > both:
        return sorted(wrong, key=evaluation_order)
    single = any(len(question.problem.x) == 1 for question in violation.conforming)
    equation = "batch" if in_batches_only and single and both == L else "B1" if both == L else "B2"
    return [*volunteered, of_b[both]._replace(equation=equation)]


def _finding(shown: Sequence[Named], violations: Sequence[Violation], forward_too: bool) -> Finding:
    violation = shown[0].violation  # the smallest question that shows it
    j = min((f.judgement for f in shown if f.violation is violation), key=evaluation_order)
    sentences = [_violated(j), _factor(j, violation.question.problem), _follows(violation), _where(violations)]
    if j.equation == "B1" and forward_too:
        sentences.append("The last layer's a is not reported, so that its (F1) and (F2) cannot be told from (B1).")
    if violation.question.why:
        sentences.append(f"Seen in: {violation.question.why}.")
    said = " ".join(sentence for sentence in sentences if sentence)
    return found(violation.question.kind, j, said)


def _violated(j: Judgement) -> str:
    number = "element" if j.elements == 1 else "elements"
    text = {
        "batch": "The batch's gradient is not the sum (or mean) of its samples'",
        "F": f"(F1) {documented('F1')}, then (F2) {documented('F2')}, is violated in layer {j.layer}",
        "B2": f"(B2) {documented('B2')}, then {documented('B1')}, is violated in layer {j.layer}",
    }.get(j.equation) or f"({j.equation}) {documented(j.equation)} is violated in layer {j.layer}"
    return (
        f"{text}: {j.wrong:,} of {j.elements:,} {number}, by up to {j.margin:.2g} bounds; at {list(j.element)} got "
        f"{j.got:.9g}, expected {j.expected:.9g} within {j.bound:.1g}."
    )


def _factor(j: Judgement, problem: Problem) -> str:
    """Whether all numbers are a simple multiple of what is expected."""
    if not np.isfinite(j.factor):
        return ""
    if j.factor == 0:
        return "All of them are zero."
    B, K = len(problem.x), problem.network[-1].W.shape[0]
    known = ((-1, "-1"), (2, "2"), (1 / 2, "1/2"), (B, f"B = {B}"), (1 / B, f"1/B = 1/{B}"), (K, f"K = {K}"))
    name = factor(j.factor, (*known, (1 / K, f"1/K = 1/{K}")), SAME) or f"{j.factor:.4g}"
    return f"All of them are {name} times what is expected."


def following(violations: Sequence[Violation]) -> tuple[tuple[str, int], ...]:
    """The equations and layers whose numbers are off, but right given what comes before them."""
    return tuple(sorted({key for violation in violations for key in _off(violation)}))


def _off(violation: Violation) -> set[tuple[str, int]]:
    if violation.reading is None:
        return set()
    named = {(v.equation, v.layer) for v in violation.reading.violated}
    return {(a.equation, a.layer) for a in violation.accused if a.wrong} - named


def _follows(violation: Violation) -> str:
    off = sorted({layer for _, layer in _off(violation)})
    if not off:
        return ""
    layers = f"layer {off[0]}" if len(off) == 1 else f"layers {', '.join(map(str, off))}"
    return f"Other gradients of {layers} are off too, and follow from it by the documented equations."


FEATURES: tuple[tuple[str, Callable[[Question], int]], ...] = (
    ("samples", lambda q: len(q.problem.x)),
    ("layers", lambda q: len(q.problem.network)),
    ("units in a layer", lambda q: max(len(b) for _, b, _ in q.problem.network)),
    ("inputs", lambda q: q.problem.x.shape[1]),
)


def _where(violations: Sequence[Violation]) -> str:
    """What sets the questions with wrong answers apart from those with right ones."""
    wrong, right = [v.question for v in violations], violations[0].conforming
    if not right:
        return ""
    for name, size in FEATURES:
        of_wrong, of_right = [size(q) for q in wrong], [size(q) for q in right]
        if min(of_wrong) > max(of_right):
            return f"It shows from {min(of_wrong)} {name} on; up to {max(of_right)} the answers conform."
        if max(of_wrong) < min(of_right):
            return f"It shows up to {max(of_wrong)} {name}; from {min(of_right)} on the answers conform."
    return f"{len(right)} other question{'s were' if len(right) > 1 else ' was'} answered rightly."


def summary(report: Report) -> Iterator[str]:
    """What is to be said of the whole: the verdict's reach, and the effective precision."""
    totals = list(report.equations.values())
    judged, undecided = sum(t.elements for t in totals), sum(t.undecided for t in totals)
    if report.verdict == CONFORMS and totals:
        widest = max(totals, key=lambda t: t.sharpest)
        margin = max(t.worst.margin for t in totals)
        yield (
            f"All {judged:,} numbers are within their bounds, the largest error {margin:.2g} of its bound.  Relative "
            f"errors from {widest.sharpest:.0e} on would have been caught in "
            f"({widest.worst.equation}), and smaller ones "
            f"elsewhere; {undecided / judged:.1%} of the numbers are undecided."
        )
    if report.verdict == UNDECIDED:
        yield "No bound was small enough to tell: fewer layers, narrower ones, or a single sample would."
    if report.verdict == SUSPECT:
        yield "Nothing breaks a bound that may accuse; an estimate of the usual rounding speaks against it."
    # A mistake in one equation, or by a factor, is none of the precision's.
    named = {finding.equation for finding in report.findings}
    if len(named) != 1 and not any(np.isfinite(finding.factor) for finding in report.findings):
        said = (precision.said(dtype, bits) for dtype, bits in report.effective_bits.items())
        yield from (f"{sentence}  The rest may be no more than that." for sentence in said if sentence)
