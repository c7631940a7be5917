"""Identity: findings that say of what they are, whatever is drawn, so that they may be known."""

from collections.abc import Callable, Iterable

from ..judge.known import Known, checked, scope
from ..judge.report import Finding, Report


def identified(
    report: Report,
    dtype: str,
    function: Callable[[Finding], str],
    functions: Iterable[str],
    known: Iterable[Known] = (),
) -> Report:
    """A report whose findings say of what they are, and which of them are known.

    Parameters
    ----------
    report : Report
    dtype : str
        In which it was asked.
    function : callable
        What a finding is about.
    functions : iterable of str
        All that findings could have been about.
    known : iterable of Known
        Failures that are expected.

    Raises
    ------
    TypeError, ValueError
        As `conformance.judge.known.checked` does.
    """
    findings = tuple(finding._replace(dtype=dtype, function=function(finding)) for finding in report.findings)
    scopes = tuple(dict.fromkeys(scope(dtype, each) for each in functions))
    return report._replace(findings=findings, known=checked(known), scopes=scopes)
