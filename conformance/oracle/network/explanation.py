"""Explanations: what the judgements mean, in two or three sentences with the numbers.

The first broken equation comes first, and what merely follows from it is said to follow.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from reference.losses import fused

from ...judge import precision
from ...judge.held import Question as Held
from ...judge.judgement import Judgement, known
from ...judge.report import EDGE, Finding, Report, digits_apart, found
from ...judge.verdict import CONFORMS, SUSPECT, UNDECIDED
from ...problems.problem import GivenAnswer, Parameters, Problem
from ...text.labels import documented, label
from ..explaining.factors import CLUES, factor
from .asking.questions import Question
from .judging.evidence import Evidence
from .judging.reading import MULTIPLES, Reading, biased, evaluation_order
from .naming.elements import which

SAME = 1e-5
"""How close an estimated factor is to the number that it is called by: it carries some roundings of float32."""

OTHER_ROUTE = (
    "Right programs by another arrangement do this too (forward mode, loss scales); if yours is the documented "
    'recursion, say method="backpropagation", and it is WRONG.'
)

LOOKED_AT = 6
"""Questions of which it is asked which elements are wrong, the plainest."""

SHOWN = 6
"""Findings of a report at most."""


class Violation(NamedTuple):
    """A question with a wrong answer.

    ``reading`` explains it, where one does; ``conforming`` are the questions that were answered rightly.  ``named`` are
    the violated equations, from which what else is off follows.
    """

    question: Question
    evidence: Evidence
    reading: Reading | None
    conforming: tuple[Question, ...]
    named: tuple[Judgement, ...] = ()

    @property
    def accused(self) -> tuple[Judgement, ...]:
        """What bounds find that no right program breaks."""
        return self.evidence.accused

    @property
    def counted(self) -> Iterator[Judgement]:
        """The judgements that count: what is named, what follows from it, and what is right."""
        off = {(j.equation, j.layer): j for j in self.accused if j.wrong}
        following = {key: off[key] for key in self.following}
        right = (j for j in self.accused if not j.violated)
        judged = self.reading.judgements if self.reading else (*self.named, *right)
        for j in judged:
            then = following.pop((j.equation, j.layer), None)
            yield j._replace(follows=then.wrong) if then else j
        for j in following.values():
            yield j._replace(wrong=0, follows=j.wrong, margin=0.0, spread={})

    @property
    def following(self) -> set[tuple[str, int]]:
        """The equations and layers whose numbers are off, but right given what is named."""
        off = {(j.equation, j.layer) for j in self.accused if j.wrong}
        return off - {(j.equation, j.layer) for j in self.named}


class Named(NamedTuple):
    """A violated equation in one question."""

    violation: Violation
    judgement: Judgement


def attributed(violations: Sequence[Violation]) -> list[Violation]:
    """The violations with what is named.

    What a single sample or a trace names comes before what a batch leaves open: there the gradients that are off tell.
    """
    single = any(len(v.question.problem.x) == 1 or v.reading for v in violations)
    named = [v._replace(named=tuple(_named(v, in_batches_only=not single))) for v in violations]
    return [_without_what_follows(v, _deltas_read(named)) for v in named]


def _deltas_read(violations: Sequence[Violation]) -> int:
    """The highest layer whose delta is off in single samples, and whose dL/dW is right given it; 0 for none."""
    read = {(j.equation, j.layer) for v in violations if len(v.question.problem.x) == 1 for j in v.named}
    return max((l for equation, l in read if equation in ("B1", "B2") and ("B3", l) not in read), default=0)


def _without_what_follows(violation: Violation, layer: int) -> Violation:
    """A batch of a network without biases shows no delta: a dL/dW that is off follows from one that is read elsewhere.

    ``layer`` is where that is, from which all below follow.
    """
    answer = violation.evidence.answer
    if len(violation.question.problem.x) == 1 or biased(answer) or answer.trace is not None:
        return violation
    if violation.named and all(j.equation == "B3" and j.layer <= layer for j in violation.named):
        return violation._replace(reading=None, named=())
    return violation


def explained(violations: Sequence[Violation], contrast: str = "") -> list[Finding]:
    """A finding for each equation that is named, the one that is evaluated first in the network first.

    Parameters
    ----------
    violations : sequence of Violation
        The smallest questions first.
    contrast : str
        What sets them apart from the questions that were answered rightly.
    """
    # Numbers that are missing spoil whatever else could be read, and may be no more than what large errors end in.
    missing = bool(violations) and bool(_not_numbers(violations[0].accused))
    violations = [v for v in violations if bool(_not_numbers(v.accused)) == missing]
    telling = [v for v in violations if len(v.question.problem.x) == 1 or v.reading] or violations
    named: dict[tuple[str, str], list[Named]] = {}
    for violation in telling:
        for judgement in violation.named:
            # One equation by different factors in different layers is as many mistakes.
            of = f"{judgement.factor:.3g}" if _several(violation, judgement.equation) else ""
            named.setdefault((judgement.equation, of), []).append(Named(violation, judgement))

    def likelihood(shown: list[Named]) -> tuple[bool, tuple[int, int, str]]:
        """What is violated in most of the questions that show it is the cause; of such, the first to be evaluated."""
        equation = shown[0].judgement.equation
        showing = sum(any(j.equation == equation for j in _judged(v)) for v in telling)
        return 2 * len({id(f.violation) for f in shown}) < showing, evaluation_order(shown[0].judgement)

    order = sorted(named.values(), key=likelihood)
    forward_too = any(equation == "F" for equation, _ in named)
    findings: dict[tuple[str, int], Finding] = {}
    for shown in order:
        finding = of_named(shown, contrast, forward_too)
        findings.setdefault((finding.equation, finding.layer), finding)
    return list(findings.values())[:SHOWN]


def _several(violation: Violation, equation: str) -> bool:
    """Whether the equation is off by different factors in different layers."""
    each = violation.reading is not None and violation.reading.given == MULTIPLES
    return each and len({f"{j.factor:.3g}" for j in violation.named if j.equation == equation}) > 1


def _judged(violation: Violation) -> Sequence[Judgement]:
    return violation.reading.judgements if violation.reading else violation.accused


def _not_numbers(accused: Sequence[Judgement]) -> list[Judgement]:
    """The judgements of fields that have NaN or infinity where the truth is a number."""
    return [j for j in accused if j.wrong and not np.isfinite(j.got)]


def _named(violation: Violation, in_batches_only: bool) -> list[Judgement]:
    """The violated equations: those of the reading, or what can be told from which gradients are off."""
    if violation.reading is not None:
        return violation.reading.violated
    missing = _not_numbers(violation.accused)
    wrong = missing or [j for j in violation.accused if j.wrong]
    of_W, of_b = ({j.layer: j for j in wrong if j.equation == equation} for equation in ("B3", "B4"))
    if not biased(violation.evidence.answer) and list(of_W) == list(range(len(of_W), 0, -1)) and len(of_W) > 1:
        of_b = of_W  # all down from one layer: that is its delta
    led = {0} if 1 in of_W and 1 in of_b else set()  # dL/dx follows from a delta of layer 1 that is off
    volunteered = [j for j in wrong if j.equation not in ("B3", "B4") and j.layer not in led]
    if not of_W or not of_b:
        return sorted(wrong, key=evaluation_order)
    L = len(violation.question.problem.network)
    both = max(set(of_W) & set(of_b), default=0)
    if not both or max([*of_W, *of_b]) > both:
        return sorted(wrong, key=evaluation_order)
    single = any(len(question.problem.x) == 1 for question in violation.conforming)
    equation = "batch" if in_batches_only and single and both == L and not missing else "B1" if both == L else "B2"
    return [*volunteered, of_b[both]._replace(equation=equation)]


def of_named(shown: Sequence[Named], contrast: str = "", forward_too: bool = False) -> Finding:
    """The finding of one equation that is named, in the violations that show it, the smallest questions first."""
    violation = shown[0].violation  # the smallest question that shows it
    j = min((f.judgement for f in shown if f.violation is violation), key=evaluation_order)
    multiple = _factor(j, violation.question.problem)
    if not multiple:
        j = j._replace(factor=np.nan)
    sentences = [_violated(j, violation.question.problem), OTHER_ROUTE if j.suspect else "", multiple]
    layers = sorted({f.judgement.layer for f in shown if f.violation is violation} - {j.layer})
    also = f"Likewise in layer{'s' if len(layers) > 1 else ''} {', '.join(map(str, layers))}." if layers else ""
    told = which([(v.evidence, j.equation, layer) for v, layer in _first_layers(shown)[:LOOKED_AT]])
    sentences += [told, also, _follows(violation, j), contrast]
    if j.equation == "B1" and forward_too:
        line = _line(j, violation.question.problem)
        sentences.append(f"The last layer's a is not reported, so that its (F1) and (F2) cannot be told from ({line}).")
    if violation.question.why:
        sentences.append(f"Seen in: {violation.question.why}.")
    said = " ".join(sentence for sentence in sentences if sentence)
    question = held(violation.question, _without_radii(violation.evidence))
    return found(violation.question.kind, j, said)._replace(question=question)


def held(question: Question, answer: GivenAnswer | None) -> Held:
    """What a finding hands on: the question, and the answer, of plain arrays, if one came."""
    network, x, y, loss, reduction, _ = question.problem
    return Held(network, x, y, loss, reduction, answer)


def _first_layers(shown: Sequence[Named]) -> list[tuple[Violation, int]]:
    """Each violation with the layer that is evaluated first of those where the equation is named."""
    first: dict[int, Named] = {}
    for one in sorted(shown, key=lambda f: evaluation_order(f.judgement)):
        first.setdefault(id(one.violation), one)
    return [(f.violation, f.judgement.layer) for f in shown if first[id(f.violation)] is f]


def _without_radii(evidence: Evidence) -> GivenAnswer:
    """The answer in plain arrays, also where it was inferred from steps; a dL/db that nobody gave is the truth's."""
    answer, dtype = evidence.answer, evidence.of.problem.dtype

    def part(got: Any, truth: Any) -> Any:
        return (precision.plain(got) if known(got) else truth.mid).astype(dtype)

    leading = [gradient for gradient, _ in evidence.of.along_paths(evidence.of.states)][::-1]
    layers = tuple(
        Parameters(part(W, truth.W), part(b, truth.b)) for (W, b), truth in zip(answer.gradients, leading, strict=True)
    )
    loss, below = (
        None if of is None else precision.plain(of).astype(dtype) for of in (answer.loss, answer.input_gradient)
    )
    return answer._replace(gradients=layers, loss=loss, input_gradient=below)


def _violated(j: Judgement, problem: Problem) -> str:
    number = "element" if j.elements == 1 else "elements"
    if j.wrong and not np.isfinite(j.got):
        named = {"B3": f"dL/dW of layer {j.layer}", "B4": f"dL/db of layer {j.layer}"}
        what = named.get(j.equation, f"({j.equation}) in layer {j.layer}")
        return (
            f"{what} has no numbers where the truth has: {j.wrong:,} of {j.elements:,} {number} are NaN or infinite; "
            f"at {list(j.element)} got {j.got:g}, expected {j.expected:.9g}."
        )
    text = {
        "batch": "The batch's gradient is not the sum (or mean) of its samples'",
        "F": f"(F1) {documented('F1')}, then (F2) {documented('F2')}, is violated in layer {j.layer}",
        "B2": f"(B2) {documented('B2')}, then {documented('B1')}, is violated in layer {j.layer}",
    }.get(j.equation)
    line = _line(j, problem)
    text = text or f"({line}) {documented(line)} is violated in layer {j.layer}"
    return (
        f"{text}: {j.wrong + j.suspect:,} of {j.elements:,} {number}, {_by(j)}; at "
        f"{list(j.element)} got {j.got:.9g}, expected {j.expected:.9g} within {j.bound:.1g}{_digits(j)}."
    )


def _by(j: Judgement) -> str:
    """How far off they are."""
    if np.isfinite(j.margin):
        return f"by up to {digits_apart(j.margin)} bounds"
    return "far beyond the bound" if j.elements == 1 else "far beyond their bounds"


def _digits(j: Judgement) -> str:
    said = precision.digits(j)
    return said and f": {said}"


def _line(j: Judgement, problem: Problem) -> str:
    """The label of the documented line that gives the numbers: a fused head's own for delta^L, (H1) or (H2)."""
    network = problem.network
    head = fused(network[-1].sigma, problem.loss) if j.equation == "B1" and j.layer == len(network) else None
    return label(type(head).delta) if head else j.equation


def _factor(j: Judgement, problem: Problem) -> str:
    """Whether all numbers are a multiple of what is expected, and a simple one where there are few of them."""
    if not np.isfinite(j.factor):
        return ""
    if j.factor == 0:
        return "All of them are zero."
    B, K = len(problem.x), problem.network[-1].W.shape[0]
    known = ((-1, "-1"), (2, "2"), (1 / 2, "1/2"), (B, f"B = {B}"), (1 / B, f"1/B = 1/{B}"), (K, f"K = {K}"))
    name = factor(j.factor, (*known, (1 / K, f"1/K = 1/{K}")), SAME)
    if not name and j.elements >= CLUES:
        name = digits_apart(j.factor, 4)
    return f"All of them are {name} times what is expected." if name else ""


def _follows(violation: Violation, j: Judgement) -> str:
    """What a wrong line makes wrong besides: of a cotangent all from its layer down, of dL/dW and dL/db nothing."""
    reach = {"B2": j.layer, "B3": -1, "B4": -1}.get(j.equation, len(violation.question.problem.network))
    off = sorted({layer for _, layer in violation.following if layer <= reach})
    if not off:
        return ""
    layers = f"layer {off[0]}" if len(off) == 1 else f"layers {', '.join(map(str, off))}"
    return f"Other gradients of {layers} are off too, and follow from it by the documented equations."


def summary(report: Report) -> Iterator[str]:
    """What is to be said of the whole: the verdict's reach, and the effective precision."""
    totals = list(report.equations.values())
    judged, undecided = sum(t.elements for t in totals), sum(t.undecided for t in totals)
    if report.verdict == CONFORMS and totals and not any(t.wrong or t.suspect for t in totals):  # nor what is known
        widest = max(totals, key=lambda t: t.floor)
        margins = [t.worst.margin for t in report.tallies.values()]
        inside = [f"the largest error {margin:.2g} of its bound" for margin in [max(margins)] if margin < EDGE]
        if not inside:
            below = max((margin for margin in margins if margin < EDGE), default=0.0)
            inside = [f"some at an edge, as either derivative at a kink is; elsewhere up to {below:.2g} of the bound"]
        yield (
            f"All {judged:,} numbers are within their bounds, {inside[0]}.  Relative errors from {widest.floor:.0e} on "
            f"would have been caught in ({widest.worst.equation}), and smaller ones elsewhere, in the median; "
            f"{undecided / judged:.1%} of the numbers are undecided."
        )
    if report.verdict == UNDECIDED and report.refuses_most:
        yield (
            f"It refuses {report.unsupported} of {report.asked + report.unsupported} questions, so that most of what "
            "it could be wrong in was not looked at: say what it takes (layers, width, batch or widths), and it is "
            "asked that."
        )
    if report.verdict == SUSPECT:
        yield "Nothing breaks a bound that no right program breaks: what is suspect is no proof."
    # A mistake in one equation, or by a factor, is none of the precision's.
    named = {finding.equation for finding in report.findings}
    if len(named) != 1 and not any(np.isfinite(finding.factor) for finding in report.findings):
        said = (precision.said(dtype, bits) for dtype, bits in report.effective_bits.items())
        rest = "  The rest may be no more than that." if report.findings else ""
        yield from (f"{sentence}{rest}" for sentence in said if sentence)
