"""The one line that says what became of somebody, where there is room for no more: a failed test, a log."""

from collections.abc import Sequence

from .report import KINDS, Finding, Report


def headline(report: Report, findings: Sequence[Finding] | None = None) -> str:
    """The verdict, of whom, and what the first of the findings says in its first sentence, with the mistake it fits.

    Parameters
    ----------
    report : Report
    findings : sequence of Finding, optional
        Those to speak of; all by default, and what is known only where there is nothing else.
    """
    new = [finding for finding in report.findings if not report.address(finding)]
    spoken = (new or report.findings) if findings is None else findings
    if not spoken:
        reason = report.remarks[0] if report.remarks else "no number is decided" if not report.tallies else ""
        return f"{report.verdict}  {report.subject.name}" + (f": {reason}" if reason else "")
    first = spoken[0]
    sentence = first.explanation.partition(". ")[0].rstrip(".")
    fits = f" [{', '.join(first.faults)}]" if first.faults else ""
    more = f" (and {len(spoken) - 1} more)" if len(spoken) > 1 else ""
    return f"{first.verdict}{KINDS[first.kind]}  {report.subject.name}: {sentence}{fits}{more}"
