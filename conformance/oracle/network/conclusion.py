"""Conclusions: what all wrong answers together fit, a convention or a known mistake, said with the first finding."""

from collections.abc import Sequence

from ...judge.report import Finding
from ...judge.verdict import WRONG
from ...subjects.shapes.style import OURS, Style
from .alternatives import explained_by
from .judging.evidence import Evidence
from .mistakes import fitting

NAMED = 3
"""Mistakes that are named at most; the sentences are those of the first."""


def concluded(
    findings: Sequence[Finding], wrong: Sequence[Evidence], all_of: Sequence[Evidence], style: Style = OURS
) -> list[Finding]:
    """The findings, the first of which says what explains every number.

    Parameters
    ----------
    findings : sequence of Finding
    wrong : sequence of Evidence
        Of wrong answers, the plainest and smallest questions first.
    all_of : sequence of Evidence
        Of all answers.
    style : Style
        What is declared of the subject's code.
    """
    if not findings or not wrong or findings[0].verdict != WRONG:
        return list(findings)
    first, *rest = findings
    batches = [e for e in wrong if len(e.of.problem.x) > 1] or wrong
    convention = explained_by(batches[0], all_of, style)
    if convention:
        return [first._replace(explanation=f"{convention}  {first.explanation}"), *rest]
    mistakes = fitting(wrong, {finding.equation for finding in findings})
    names = tuple(dict.fromkeys(mistake.name for mistake in mistakes))[:NAMED]
    if not names:
        return list(findings)
    said = mistakes[0].said if len(names) == 1 else f"{mistakes[0].said}  It fits as well: {', '.join(names[1:])}."
    return [first._replace(explanation=f"{first.explanation}  {said}", faults=names), *rest]
