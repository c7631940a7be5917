"""The report of the protocol (PROTOCOL.md) as a model: what other programs find in ``report.json``.

What the models leave out a report may hold besides, since fields may be added.
"""

from typing import Annotated, Literal

from pydantic import Field

from .messages import Finite, Message

Verdict = Literal["NOT ASKED", "WRONG", "SUSPECT", "UNDECIDED", "CONFORMS"]
Quantity = float | Literal["NaN", "Infinity", "-Infinity"]
Count = Annotated[int, Field(ge=0)]


class Subject(Message):
    """Who was asked."""

    name: str
    version: str
    language: str


class Problems(Message):
    """How many problems were asked, were none of the subject's, and failed."""

    asked: Count
    unsupported: Count
    failed: Count


class Elements(Message):
    """How many numbers were judged, and what became of them."""

    judged: Count
    wrong: Count
    suspect: Count
    undecided: Count


class Record(Message):
    """What became of an equation, in all layers or in one; `known` as in a finding."""

    equation: str
    verdict: Verdict
    elements: Count
    wrong: Count
    suspect: Count = 0
    undecided: Count = 0
    follows: Count = 0
    worst_margin: Quantity
    floor: Quantity
    known: str = ""


class LayerRecord(Record):
    """What became of an equation in one layer, 0 for dL/dx."""

    layer: Count = 0


class EquationRecord(Record):
    """What became of an equation, in all layers and in each."""

    layers: list[LayerRecord] = Field(default_factory=list)


class Finding(Message):
    """Something found wrong or suspect: where, what was got and expected, what it fits, and how to replay it.

    `id` does not change with what is drawn; `known` is the address of a failure that is expected, or empty.
    """

    verdict: Verdict
    kind: Annotated[Literal["ordinary", "extreme", "beyond"], Field(alias="class")] = "ordinary"
    equation: str
    layer: Count
    element: list[Count]
    got: Quantity
    expected: Quantity
    bound: Quantity
    faults: list[str]
    explanation: str
    problem: str
    id: str = ""
    known: str = ""


class Robustness(Message):
    """The verdict at the ends of the range, or beyond the inputs given."""

    verdict: Verdict
    asked: Count
    wrong: Count


class Place(Message):
    """An equation in a layer."""

    equation: str
    layer: Count


class KnownFailure(Message):
    """A failure that is expected: the id of its finding, and the address where it is tracked."""

    id: str
    url: str


class KnownOutcome(KnownFailure):
    """What became of a failure that is expected."""

    status: Literal["failed", "passed", "not asked"]


class KnownFailures(Message):
    """The file of failures that are expected, version 1."""

    known: Literal[1]
    failures: list[KnownFailure]


class Report(Message):
    """What a run over a subject leaves; `following` is what is off, but right given what comes before it."""

    report: Literal[1]
    complete: bool
    verdict: Verdict
    subject: Subject
    profile: str
    seed: Count
    problems: Problems
    elements: Elements
    effective_bits: dict[str, Finite]
    equations: list[EquationRecord]
    findings: list[Finding]
    robustness: Robustness | None = None
    beyond: Robustness | None = None
    remarks: list[str] = Field(default_factory=list)
    following: list[Place] = Field(default_factory=list)
    known: list[KnownOutcome] = Field(default_factory=list)
