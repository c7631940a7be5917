"""The table of faults: what the oracle says of each, as rows of a page."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from conformance.judge.held import Question
from conformance.judge.report import Finding, Report

from .faults import Fault, of_catalogue, of_functions, of_samples
from .gradients import of_answers, of_done, of_nonsense
from .lines import of_lines
from .trainers import of_trainers

PAGE = Path(__file__).with_name("NAMED.md")

GROUPS = {
    "The catalogue": of_catalogue,
    "Another function than the one that is asked": of_functions,
    "Samples": of_samples,
    "Lines of the recursion": of_lines,
    "Done to right gradients": of_done,
    "Trainers": of_trainers,
    "One answer": of_answers,
    "Nonsense, of which nothing is to be named": of_nonsense,
}


class Row(NamedTuple):
    """What was said of a fault, and whether it is right."""

    fault: str
    verdict: str
    place: str
    said: str
    equation: bool
    layer: bool
    named: bool
    false: tuple[str, ...]


PHRASES = (
    r"All of them are [^.]*(?:\.\d[^.]*)?\.",
    r"Wrong are exactly [^.]*\.",
    r"Right if [^:.]*(?:\.\d[^:.]*)*",
    r"something is kept",
    r"It is [^.]*(?:\.\d[^.]*)?\.",
    r"NaN or infinite",
    r"not in proportion",
)
"""Sentences that name something, beside the names of mistakes."""


def row(fault: Fault, report: Report) -> Row:
    """What is said of a fault."""
    if not report.findings:
        return Row(fault.name, report.verdict, "", "", False, False, False, ())
    first = report.findings[0]
    text = " ".join([first.explanation, *report.remarks])
    phrases = tuple(found for p in PHRASES for found in re.findall(p, first.explanation))
    matched = [s for s in fault.said if any(_same(s, name) for name in first.faults) or s in text]
    named = bool(matched) if fault.said else not (first.faults or phrases)
    false = tuple(name for name in first.faults if not any(_same(s, name) for s in fault.said))
    said = ", ".join(first.faults) or "; ".join(p.rstrip(".") for p in phrases)
    shown = said or next((s for s in matched), "") or "unknown"
    wanted = {None: first.layer, 1: 1, -1: _last(report, first)}.get(fault.layer, fault.layer)
    return Row(
        fault.name,
        report.verdict,
        f"({first.equation}) {first.layer or ''}".strip(),
        shown,
        first.equation in fault.equations.split(),
        first.layer in (0, wanted),
        named,
        false,
    )


def _same(said: str, name: str) -> bool:
    return said == name or (name.startswith(said) and not name[len(said) :][:1].isalnum())


def _last(report: Report, finding: Finding) -> int:
    held = finding.question
    return len(held.network) if isinstance(held, Question) else max((l for _, l in report.tallies), default=0)


def faults() -> list[tuple[str, Fault]]:
    """All of them, with their groups."""
    return [(group, fault) for group, of in GROUPS.items() for fault in of()]


Told = tuple[str, Fault, Row]
"""A fault with its group and what was said of it."""


def told(chosen: Sequence[tuple[str, Fault]]) -> list[Told]:
    """Ask about each."""
    return [(group, fault, row(fault, fault.asked())) for group, fault in chosen]


def share(of: Sequence[bool]) -> float:
    """The share that holds."""
    return sum(of) / len(of)


def line(of: Row) -> str:
    """A row of the page."""
    right = "yes" if of.equation and of.layer else "no"
    named = "yes" if of.named and not of.false else "no"
    cells = (of.fault, of.place, of.said, right, named)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def equations(rows: Sequence[Told]) -> float:
    """The share of faults whose equation is right."""
    return share([row.equation and row.layer for _, _, row in rows])


def names(rows: Sequence[Told]) -> float:
    """The share of the faults that have a name whose name is said, alone or among three."""
    return share([row.named for _, fault, row in rows if fault.said])


HEAD = "| fault | equation and layer | said | equation right | named |"


def page(rows: Sequence[Told]) -> str:
    """The whole page."""
    known = [fault for _, fault, _ in rows if fault.said]
    text = [
        "# What is named",
        "",
        "Made by `python -m tests.oracle.network.naming.table`, not written by hand, and held by `test_table`.",
        "Each fault is put to `probe`, `probe_trainer` or `check` as a user would put it; a row says what the first",
        "finding names: the equation with the layer in which it shows first, and the mistake.  The last two columns",
        "say whether that is the planted equation, and the planted mistake, alone or among three, with no other beside",
        "it that gives other numbers.",
        "",
        f"{len(rows)} faults, {len(known)} of them with a name: the equation is right in {equations(rows):.1%}, the",
        f"mistake is named in {names(rows):.1%}; of {len(rows) - len(known)} that are nonsense, none is given a name.",
    ]
    for group in GROUPS:
        text += [
            "",
            f"## {group}",
            "",
            HEAD,
            "|---|---|---|---|---|",
        ]
        text += [line(row) for of, _, row in rows if of == group]
    return "\n".join([*text, ""])


if __name__ == "__main__":
    PAGE.write_text(page(told(faults())))
