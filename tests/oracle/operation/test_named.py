"""What is said of faults of operations and losses: a table, kept in conformance/oracle/operation/explaining/NAMED.md.

``python -m tests.oracle.operation.test_named`` writes it anew.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from conformance.judge.report import Finding
from conformance.judge.verdict import WRONG
from conformance.oracle.operation import explaining

from .faulty import FAULTS, Fault

pytestmark = pytest.mark.sampled(5)

TABLE = Path(explaining.__file__).with_name("NAMED.md")

SAMPLED = 6
"""Every so many faults are asked in a sample."""

SEVERAL = 3
"""How many mistakes may be named at most for one of them to be told."""


def findings(fault: Fault) -> list[Finding]:
    with np.errstate(all="ignore"):
        report = fault.report()
    assert report.verdict == WRONG, (fault.of, fault.fault)
    return [f for f in report.findings if f.kind != "extreme"]


def said(finding: Finding) -> str:
    """What is said of a finding beyond its numbers."""
    _, found, rest = finding.explanation.partition(" expected ")
    told = re.split(r"(?<=[^.\d])\. |(?<=\d)\. (?=[A-Z])", rest if found else finding.explanation)[1:]
    sentences = [s.rstrip(".") for s in told if " alone shows it" not in s]
    return "; ".join(sentences) or finding.explanation.partition(": ")[2].rstrip(".")


def lines(fault: Fault) -> list[str]:
    """The rows of a fault: one, or more where it is said otherwise of another input."""
    by_words: dict[str, list[str]] = {}
    for finding in findings(fault):
        by_words.setdefault(said(finding), []).append(str(finding.layer))
    return [
        f"| {fault.of} | {fault.fault} | {', '.join(inputs)} | {words.replace('|', chr(92) + '|')} |"
        for words, inputs in by_words.items()
    ]


def right_inputs(fault: Fault, found: list[Finding]) -> bool:
    return sorted({f.layer for f in found}) == list(fault.wrong)


def named(fault: Fault, found: list[Finding]) -> bool:
    """Whether the mistake is told, alone or among three."""
    return all(
        len(f.faults) <= SEVERAL and any(word in text for word in fault.mistake for text in (f.explanation, *f.faults))
        for f in found
    )


def table() -> str:
    """The whole table, with what it comes to."""
    found = {fault: findings(fault) for fault in FAULTS}
    to_name = [fault for fault in FAULTS if fault.mistake]
    inputs = sum(right_inputs(*of) for of in found.items())
    told = sum(named(fault, found[fault]) for fault in to_name)
    head = (
        "# What is said of faults of operations\n\n"
        f"{len(FAULTS)} faults, each asked and explained.  The input is right in {inputs}; of the {len(to_name)} whose "
        f"mistake has a name, it is told, alone or among\nthree, in {told}.  Kept by "
        "`tests/oracle/operation/test_named.py`, which writes it as well.\n\n"
        "| operation | fault | inputs | what is said |\n|---|---|---|---|\n"
    )
    return head + "\n".join(line for fault in FAULTS for line in lines(fault)) + "\n"


def test_faults_are_told_as_the_table_says(whole: bool) -> None:
    committed = TABLE.read_text().splitlines()
    asked = FAULTS if whole else FAULTS[::SAMPLED]
    inputs, told = 0, []
    for fault in asked:
        found = findings(fault)
        inputs += right_inputs(fault, found)
        if fault.mistake:
            told.append(named(fault, found))
        else:  # what has no name is given none, but that it is not linear
            assert not [f for f in found if f.faults not in ((), ("not linear in the cotangent",))], fault.fault
        assert all(fault.elements in f.explanation for f in found), fault.fault
        assert not [line for line in lines(fault) if line not in committed], fault.fault
    assert inputs >= 0.95 * len(asked)
    assert sum(told) >= 0.85 * len(told)


def test_no_sentence_is_one_of_a_machine() -> None:
    text = TABLE.read_text()
    assert not re.findall(r"\binf bounds?\b|e-1\d times|(?<![-/.\d])1 times|1 elements|\b1 samples", text)
    assert len(FAULTS) >= 60
    assert len({(f.of, f.fault) for f in FAULTS}) == len(FAULTS)


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.fault == "nonsense"], ids=lambda f: f.of)
def test_nonsense_is_called_unknown(fault: Fault) -> None:
    for finding in findings(fault):
        assert "No known mistake" in finding.explanation or "not linear" in finding.explanation


if __name__ == "__main__":
    TABLE.write_text(table())
