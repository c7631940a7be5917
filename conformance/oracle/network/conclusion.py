"""Conclusions: what all wrong answers together fit, a convention or a known mistake, said with the first finding."""

from collections.abc import Sequence
from typing import NamedTuple

from ...judge.report import Finding, found
from ...judge.verdict import WRONG
from .explanation import Violation
from .judging.evidence import Evidence
from .judging.reading import evaluation_order
from .naming.alternatives import explained_by
from .naming.mistake import Mistake
from .naming.mistakes import fitting

NAMED = 3
"""Mistakes that are named at most; the sentences are those of the first."""


class Conclusion(NamedTuple):
    """The findings, the first of which says what explains every number, and the violations as they then read."""

    findings: list[Finding]
    violations: list[Violation]


def concluded(
    findings: Sequence[Finding], violations: Sequence[Violation], all_of: Sequence[Evidence]
) -> Conclusion:
    """Conclude what all wrong answers together fit.

    Parameters
    ----------
    findings : sequence of Finding
    violations : sequence of Violation
        The wrong answers, the plainest and smallest questions first.
    all_of : sequence of Evidence
        Of all answers.
    """
    wrong = [violation.evidence for violation in violations]
    as_it_was = Conclusion(list(findings), list(violations))
    if not findings or not wrong or findings[0].verdict != WRONG:
        return as_it_was
    first, *rest = findings
    batches = [e for e in wrong if len(e.of.problem.x) > 1] or wrong
    convention = explained_by(batches[0], all_of)
    if convention:
        first = first._replace(explanation=f"{convention}  {first.explanation}")
        return as_it_was._replace(findings=[first, *rest])
    right = (e for e in all_of if not e.wrong and not e.doubtful)
    mistakes = fitting(wrong, right, [(finding.equation, finding.layer) for finding in findings])
    names = tuple(dict.fromkeys(mistake.name for mistake in mistakes))[:NAMED]
    if not names:
        return as_it_was
    said = mistakes[0].said if len(names) == 1 else f"{mistakes[0].said}  It fits as well: {', '.join(names[1:])}."
    if mistakes[0].changed:
        changed = _of_change(first, mistakes[0], violations[0], said)._replace(faults=names)
        return Conclusion([changed], [_by_gradients(violation) for violation in violations])
    first = first._replace(explanation=f"{first.explanation}  {said}", faults=names)
    return as_it_was._replace(findings=[first, *rest])


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
