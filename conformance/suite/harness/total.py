"""The total: reports of parts of a run as one."""

import re
from collections.abc import Iterable

from ...judge.report import Finding, Report, Robustness
from ...judge.verdict import merged, worst_of

FIRST = ("protocol", "state")
"""What comes first in a report: nothing else is certain of a subject that breaks, or keeps what it should not."""

MOST = 40
"""Findings of a report at most."""


def together(p: Report, q: Report) -> Report:
    """Two reports about one subject as one; what both found is said once."""
    return p._replace(
        tallies=merged(p.tallies, q.tallies),
        findings=distinct((*p.findings, *q.findings)),
        asked=p.asked + q.asked,
        unsupported=p.unsupported + q.unsupported,
        failed=p.failed + q.failed,
        robustness=_robustness(p.robustness, q.robustness),
        effective_bits={**q.effective_bits, **p.effective_bits},
        remarks=tuple(dict.fromkeys((*p.remarks, *q.remarks))),
        complete=p.complete and q.complete,
        expected=tuple(sorted({*p.expected, *q.expected})),
        scopes=tuple(sorted({*p.scopes, *q.scopes})),
    )


def distinct(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once for its dtype, what says most about a subject first."""
    found: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        found.setdefault(_key(finding), finding)
    return tuple(sorted(found.values(), key=lambda f: (f.equation not in FIRST, f.kind != "ordinary")))[:MOST]


def _key(f: Finding) -> tuple[object, ...]:
    if f.equation in FIRST:
        return f.verdict, f.kind, f.equation, re.sub(r"\d+", "0", f.explanation.partition("): ")[2] or f.explanation)
    return f.verdict, f.kind, f.id, f.layer


def _robustness(p: Robustness | None, q: Robustness | None) -> Robustness | None:
    if p is None or q is None:
        return p or q
    return Robustness(worst_of((p.verdict, q.verdict)), p.asked + q.asked, p.wrong + q.wrong)


def only(report: Report, equations: Iterable[str]) -> Report:
    """The report with nothing but some equations, and what broke the exchange."""
    wanted = {*equations}
    if not wanted:
        return report
    return report._replace(
        tallies={key: of for key, of in report.tallies.items() if key[0] in wanted},
        findings=tuple(f for f in report.findings if f.equation in (*FIRST, *wanted)),
        expected=tuple(key for key in report.expected if key[0] in wanted),
    )
