"""Conclusions: what all wrong answers together fit, a convention or a known mistake, said with the first finding."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...judge.judgement import Judgement
from ...judge.report import Finding, digits_apart, found
from ...judge.verdict import WRONG
from ...subjects.shapes.style import OURS, Style
from .explanation import Named, Violation, of_named
from .judging.evidence import Evidence
from .judging.reading import evaluation_order
from .naming.alternatives import explained_by
from .naming.lines import sentence
from .naming.mistake import Mistake
from .naming.mistakes import fitting
from .naming.several import TIMES, Part, several

NAMED = 3
"""Mistakes that are named at most; the sentences are those of the first."""


class Conclusion(NamedTuple):
    """The findings, the first of which says what explains every number, and the violations as they then read.

    ``explained`` says that something explains every number, so that how few bits they show is no matter of precision.
    """

    findings: list[Finding]
    violations: list[Violation]
    explained: bool = False


def concluded(
    findings: Sequence[Finding], violations: Sequence[Violation], all_of: Sequence[Evidence], style: Style = OURS
) -> Conclusion:
    """Conclude what all wrong answers together fit.

    Parameters
    ----------
    findings : sequence of Finding
    violations : sequence of Violation
        The wrong answers, the plainest and smallest questions first.
    all_of : sequence of Evidence
        Of all answers.
    style : Style
        What is declared of the subject's code.
    """
    wrong = [violation.evidence for violation in violations]
    as_it_was = Conclusion(list(findings), list(violations))
    if not findings or not wrong or findings[0].verdict != WRONG:
        return as_it_was
    first, *rest = findings
    batches = [e for e in wrong if len(e.of.problem.x) > 1] or wrong
    convention = explained_by(batches, all_of, style)
    if convention:
        first = first._replace(explanation=f"{convention}  {first.explanation}")
        return as_it_was._replace(findings=[first, *rest], explained=True)
    right = [e for e in all_of if not e.wrong and not e.doubtful]
    places = [(finding.equation, finding.layer) for finding in findings]
    mistakes = fitting(wrong, right, places, extreme=first.kind == "extreme")
    names = tuple(dict.fromkeys(mistake.name for mistake in mistakes))[:NAMED]
    if not names:
        return _of_several(violations, right) or as_it_was
    said = mistakes[0].said if len(names) == 1 else f"{mistakes[0].said}  It fits as well: {', '.join(names[1:])}."
    if mistakes[0].changed:
        changed = _of_change(first, mistakes[0], violations[0], said)._replace(faults=names)
        return Conclusion([changed], [_by_gradients(violation) for violation in violations], explained=True)
    first = first._replace(explanation=f"{first.explanation}  {said}", faults=names)
    return as_it_was._replace(findings=[first, *rest], explained=True)


def _of_several(violations: Sequence[Violation], right: Sequence[Evidence]) -> Conclusion | None:
    """A finding for each of several mistakes that together give every number; None where there are no two."""
    numbers = [v for v in violations if not any(j.wrong and not np.isfinite(j.got) for j in v.accused)]
    parts = several((v.evidence for v in numbers), right) if len(numbers) == len(violations) else []
    if len({(part.equation, part.layer) for part in parts}) < 2:
        return None
    alike: dict[tuple[str, str, str], list[Part]] = {}
    for part in parts:
        of = f"{part.factor:.6g}" if np.isfinite(part.factor) else ""
        alike.setdefault((part.equation, part.line.name, of), []).append(part)
    named = [v._replace(reading=None, named=tuple(j for p in parts for j in _shown_by(v, p))) for v in violations]
    findings = []
    for same in alike.values():
        shown = [Named(v, j._replace(factor=np.nan)) for v in named for p in same for j in _shown_by(v, p)]
        if shown:
            findings.append(_of_part(same[0], of_named(shown)))
    return Conclusion(findings, named, explained=True) if len(findings) > 1 else None


def _shown_by(violation: Violation, part: Part) -> list[Judgement]:
    """The judgement that shows one of several mistakes: a delta's is that of dL/db, or of dL/dW."""
    L = len(violation.question.problem.network)
    layer = part.layer or L
    if part.layer and layer >= L:
        return []
    of = {j.equation: j for j in violation.accused if j.layer == layer and j.wrong}
    j = of.get(part.equation) or (of.get("B4") or of.get("B3") if part.equation in ("B1", "B2") else None)
    return [j._replace(equation=part.equation)] if j else []


def _of_part(part: Part, finding: Finding) -> Finding:
    """What is said of one of several mistakes."""
    if part.line is TIMES:
        what = {"B3": "dL/dW", "B4": "dL/db"}.get(part.equation, "delta")
        said = f"{what} is {digits_apart(part.factor, 4)} times what the numbers above it make it."
        return finding._replace(explanation=f"{finding.explanation}  {said}", factor=part.factor)
    said = f"{finding.explanation}  {sentence(part.line.said)}."
    return finding._replace(explanation=said, faults=(part.line.name,), factor=np.nan)


def _by_gradients(violation: Violation) -> Violation:
    """A violation that names the gradients that are off, and no line that leads to them."""
    off = sorted((j for j in violation.accused if j.wrong), key=evaluation_order)
    return violation._replace(reading=None, named=tuple(off))


def _of_change(first: Finding, mistake: Mistake, violation: Violation, said: str) -> Finding:
    """What is said where right gradients were changed: their lines alone, (B3) and (B4), are violated."""
    off = _by_gradients(violation).named
    j = next((j for j in off if j.equation == "B3"), off[0])
    of = f"dL/d{'W' if j.equation == 'B3' else 'b'}"
    lines = "(B3) and (B4) are" if "and" in mistake.changed else "(B3) is"
    text = (
        f"{lines} violated, by something done to right gradients: {said}  In {of} of layer {j.layer}, at "
        f"{list(j.element)}, got {j.got:.9g}, expected {j.expected:.9g} within {j.bound:.1g}."
    )
    return found(first.kind, j, text)._replace(question=first.question)
