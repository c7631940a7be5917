"""The report: all tallies of a run with its findings, and how it reads.

It is the `report.json` of the protocol, and in a terminal a table of layers by equations with marks, then what is to be
said.
"""

import io
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from .held import Example, Question, Update
from .judgement import Judgement
from .known import Known, identity, status
from .undecided import settling
from .verdict import CONFORMS, EXIT_STATUS, NOT_ASKED, SUSPECT, UNDECIDED, WRONG, Tally, added, worst_of


class Finding(NamedTuple):
    """Something found wrong or suspect, for a reader; ``kind`` is "ordinary", "extreme" or "beyond" the inputs given.

    ``faults`` names the known mistakes that the numbers fit, best first.  ``problem`` is a file that replays it, or "".
    ``factor`` is the number by which all are multiplied, where one explains them.  ``question`` holds what was asked
    and answered, as arrays; of an update rule, the step.  ``dtype`` and ``function`` say of what, for the `id`.
    """

    verdict: str
    kind: str
    equation: str
    layer: int
    element: tuple[int, ...]
    got: float
    expected: float
    bound: float
    explanation: str
    faults: tuple[str, ...] = ()
    problem: str = ""
    factor: float = np.nan
    question: Question | Example | Update | None = None
    dtype: str = ""
    function: str = ""

    @property
    def id(self) -> str:
        """What does not change with what is drawn, as ``B2/hidden-derivative-missing/float32/tanh``."""
        unnamed = "multiple" if np.isfinite(self.factor) else "unknown" if np.isfinite(self.got) else "not-a-number"
        return identity(self.equation, self.faults[0] if self.faults else unnamed, self.dtype, self.function)


def found(kind: str, j: Judgement, said: str, faults: tuple[str, ...] = (), problem: str = "") -> Finding:
    """A finding of numbers that are wrong or suspect."""
    verdict, numbers = WRONG if j.wrong else SUSPECT, (j.element, j.got, j.expected, j.bound)
    return Finding(verdict, kind, j.equation, j.layer, *numbers, said, faults, problem, j.factor)


def unnumbered(kind: str, equation: str, said: str, faults: tuple[str, ...] = (), verdict: str = WRONG) -> Finding:
    """A finding that is no number: something wrong, or why nothing was asked."""
    return Finding(verdict, kind, equation, 0, (), np.nan, np.nan, np.nan, said, faults)


class Subject(NamedTuple):
    """Who was asked."""

    name: str
    version: str = ""
    language: str = "python"


class Robustness(NamedTuple):
    """The verdict at the ends of the range, where a formula that is right on paper may fail."""

    verdict: str
    asked: int
    wrong: int


class Report(NamedTuple):
    """What a run over a subject leaves.

    ``tallies`` are keyed by (equation, layer) and hold ordinary problems only.  ``effective_bits`` says with how many
    bits the subject multiplies, by the dtype that it claims.  ``beyond`` is the verdict on inputs that the
    judge made up of those given, and is no part of the main one.  ``expected`` are the equations and layers that an
    architecture has, whether they were judged or not.  ``known`` failures are expected, and leave the verdict as it
    would be without them; ``scopes`` are the ends of the ids that could have been found.  ``print`` it to read it.
    """

    subject: Subject
    tallies: Mapping[tuple[str, int], Tally]
    findings: tuple[Finding, ...] = ()
    asked: int = 0
    unsupported: int = 0
    failed: int = 0
    robustness: Robustness | None = None
    beyond: Robustness | None = None
    effective_bits: Mapping[str, float] = {}
    remarks: tuple[str, ...] = ()
    profile: str = ""
    seed: int = 0
    complete: bool = True
    expected: tuple[tuple[str, int], ...] = ()
    known: tuple[Known, ...] = ()
    scopes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The report as text, for a terminal, a log, an assertion."""
        return text(self)

    @property
    def equations(self) -> dict[str, Tally]:
        """The tallies of each equation, all layers together."""
        return added((equation, of_layer) for (equation, _), of_layer in sorted(self.tallies.items()))

    @property
    def verdict(self) -> str:
        """The worst of the ordinary findings and of the equations in each layer.

        What conforms is UNDECIDED where most is refused, and where not all was asked.  What is known is left out: such
        a finding, and the equation that it names.
        """
        ordinary = [finding for finding in self.findings if finding.kind == "ordinary"]
        tallies = [of.verdict for (equation, _), of in self.tallies.items() if equation not in self.excused]
        worst = worst_of([*tallies, *(finding.verdict for finding in ordinary if not self.address(finding))])
        return UNDECIDED if worst == CONFORMS and (self.refuses_most or not self.complete) else worst

    @property
    def excused(self) -> set[str]:
        """The equations that known findings name, and no other that is WRONG."""
        return set(self._tracked)

    @property
    def _tracked(self) -> dict[str, str]:
        """Where each of them is tracked, by the first of its known findings."""
        ordinary = [(f, self.address(f)) for f in self.findings if f.kind == "ordinary"]
        new = {f.equation for f, url in ordinary if f.verdict == WRONG and not url}
        return {f.equation: url for f, url in reversed(ordinary) if url and f.equation not in new}

    def address(self, finding: Finding) -> str:
        """Where a finding that is expected is tracked; "" of any other."""
        return next((known.url for known in self.known if known.id == finding.id), "")

    def status(self, known: Known) -> str:
        """Whether a known failure "failed" or "passed", or was "not asked"."""
        return status(known, [finding.id for finding in self.findings], self.scopes if self.complete else ())

    @property
    def refuses_most(self) -> bool:
        """Whether more than half of the questions were refused."""
        return self.unsupported > self.asked

    @property
    def undecided(self) -> list[tuple[str, int]]:
        """The equations and layers of which no number is decided."""
        return sorted(key for key, of in self.tallies.items() if of.verdict == UNDECIDED)

    @property
    def exit_status(self) -> int:
        """Of the command that made it."""
        return EXIT_STATUS[self.verdict]

    def _places(self) -> dict[str, list[tuple[str, int]]]:
        """The layers of each equation: what the architecture has, judged or not, and whatever else was judged."""
        places: dict[str, list[tuple[str, int]]] = {}
        for key in sorted({*self.expected, *self.tallies}):
            places.setdefault(key[0], []).append(key)
        return places

    def as_json(self) -> dict[str, Any]:
        """The report of the protocol, version 1, of plain lists, numbers and strings; what is not finite is a word."""
        equations, tracked = self.equations, self._tracked
        totals = list(equations.values())
        return {
            "report": 1,
            "complete": self.complete,
            "verdict": self.verdict,
            "subject": self.subject._asdict(),
            "profile": self.profile,
            "seed": self.seed,
            "problems": {"asked": self.asked, "unsupported": self.unsupported, "failed": self.failed},
            "elements": {
                "judged": sum(t.elements for t in totals),
                "wrong": sum(t.wrong for t in totals),
                "suspect": sum(t.suspect for t in totals),
                "undecided": sum(t.undecided for t in totals),
            },
            "effective_bits": {dtype: round(bits, 1) for dtype, bits in self.effective_bits.items()},
            "equations": [
                _record(equation, equations.get(equation), tracked)
                | {"layers": [_record(equation, self.tallies.get(key), tracked, key[1]) for key in keys]}
                for equation, keys in self._places().items()
            ],
            "findings": [
                {
                    "verdict": f.verdict,
                    "class": f.kind,
                    "equation": f.equation,
                    "layer": f.layer,
                    "element": list(f.element),
                    "got": number(f.got),
                    "expected": number(f.expected),
                    "bound": number(f.bound),
                    "faults": list(f.faults),
                    "explanation": f.explanation,
                    "problem": f.problem,
                    "id": f.id,
                    "known": self.address(f),
                }
                for f in self.findings
            ],
            "robustness": self.robustness._asdict() if self.robustness else None,
            "beyond": self.beyond._asdict() if self.beyond else None,
            "remarks": list(self.remarks),
            "following": [
                {"equation": equation, "layer": layer}
                for (equation, layer), t in sorted(self.tallies.items())
                if t.follows
            ],
            "known": [known._asdict() | {"status": self.status(known)} for known in self.known],
        }


def _record(equation: str, of: Tally | None, tracked: Mapping[str, str], layer: int | None = None) -> dict[str, Any]:
    """What became of an equation, in all layers or in one; nothing was judged where there is no tally.

    What is wrong there and known to be holds the address where it is tracked, as the finding does.
    """
    place = {"equation": equation} | ({} if layer is None else {"layer": layer})
    if of is None:
        counts = dict.fromkeys(("elements", "wrong", "suspect", "undecided", "follows"), 0)
        return place | {"verdict": UNDECIDED} | counts | {"worst_margin": 0.0, "floor": 0.0, "known": ""}
    return place | {
        "verdict": of.verdict,
        "elements": of.elements,
        "wrong": of.wrong,
        "suspect": of.suspect,
        "undecided": of.undecided,
        "follows": of.follows,
        "worst_margin": number(of.worst.margin),
        "floor": number(of.floor),
        "known": tracked.get(equation, "") if of.verdict in (WRONG, SUSPECT) else "",
    }


def number(x: float) -> float | str:
    """As JSON holds it: "NaN", "Infinity", "-Infinity" for what is not finite."""
    if np.isfinite(x):
        return float(x)
    return "NaN" if np.isnan(x) else "Infinity" if x > 0 else "-Infinity"


MARKS = {CONFORMS: "ok", WRONG: "WRONG", SUSPECT: "suspect", UNDECIDED: "?"}

STYLES = {NOT_ASKED: "bold magenta", CONFORMS: "green", WRONG: "bold red", SUSPECT: "yellow", UNDECIDED: "dim"}

FOLLOWS = "follows"
"""The mark of gradients that are off, but right given what comes before them."""

WIDTH = 100


def shown(report: Report, table: RenderableType | None = None) -> RenderableType:
    """The whole report for a terminal, with another table than that of layers by equations where one is given."""
    said: list[RenderableType] = [_title(report)]
    if report.tallies:
        said.append(table or _table(report))
    said += [Text(remark) for remark in report.remarks]
    for finding in report.findings:
        kind, url = KINDS[finding.kind], report.address(finding)
        verdict, style = (f"known, {url}", "dim") if url else (finding.verdict, STYLES[finding.verdict])
        said.append(Text.assemble((f"{verdict}{kind}  ", style), finding.explanation))
    for known in report.known:
        if report.status(known) == "passed":
            said.append(Text(f"Known to fail, and passes now: {known.id} ({known.url})."))
    if report.robustness is not None:
        r = report.robustness
        said.append(
            Text(f"At the ends of the range: {r.verdict}, {r.wrong} of {r.asked} extreme questions answered wrongly.")
        )
    if report.beyond is not None:
        b = report.beyond
        said.append(Text(f"Beyond the inputs given: {b.verdict}, {b.wrong} of {b.asked} questions answered wrongly."))
    return Group(*said)


KINDS = {"ordinary": "", "extreme": " (extreme values)", "beyond": " (beyond the inputs given)"}
"""What a finding says of the inputs that show it."""


def text(report: Report) -> str:
    """The same without colours, for a log or an assertion."""
    console = Console(file=io.StringIO(), width=WIDTH, no_color=True, highlight=False)
    console.print(shown(report))
    written: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in written.splitlines())


def _title(report: Report) -> Text:
    asked = "one question" if report.asked == 1 else f"{report.asked} questions"
    return Text.assemble(
        (report.verdict, STYLES[report.verdict]),
        f"  {report.subject.name}: {asked}"
        + (f", {report.unsupported} more not supported" if report.unsupported else "")
        + (f", {report.failed} failed" if report.failed else "")
        + (f"; {_open(report)}" if report.verdict == UNDECIDED and report.undecided else ""),
    )


def _open(report: Report) -> str:
    return settling(report.undecided, report.tallies, _place(report))


def _place(report: Report) -> str:
    """What the layers are: those of a network, arrays where nothing but an update rule is judged, or inputs."""
    phases = {equation[0] for equation, _ in report.tallies}
    return "array" if phases <= set("UT") and not report.expected else "layer" if phases & set("FBU") else "input"


def by_phase(equation: str) -> tuple[int, str]:
    """A key that sorts equations: forward, loss, backward, then all others."""
    return ("F", "L", "B").index(equation[0]) if equation[0] in "FLB" else 3, equation


def _table(report: Report) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    equations = sorted({equation for equation, _ in report.tallies}, key=by_phase)
    layers = sorted({layer for _, layer in report.tallies})
    table.add_column(_place(report), justify="right")
    for equation in equations:
        table.add_column(f"({equation})")
    for layer in layers:
        table.add_row(str(layer) if layer else "dL/dx", *(mark(report, equation, layer) for equation in equations))
    for name, shown_of in ROWS.items():
        table.add_row(Text(name, "dim"), *(Text(shown_of(report.equations[e]), "dim") for e in equations))
    return table


ROWS: dict[str, Callable[[Tally], str]] = {
    "numbers": lambda t: f"{t.elements:,}",
    "undecided": lambda t: f"{t.undecided / t.elements:.1%}",
    "error / bound": lambda t: margin(t.worst),
    "floor": lambda t: f"{t.floor:.0e}",
}
"""The rows below the marks, for all layers of an equation together.

The floor is the smallest relative error that would have been caught, in the median of the questions' medians: the
``floor`` of the JSON.
"""

EDGE = 0.995
"""From which on a margin reads 1 in two digits.

What conforms so stands at the edge of an interval, as a kink's own derivative does between its left and its right one.
"""


def margin(j: Judgement) -> str:
    """The largest error by its bound, in a cell: two digits, or a word where these would say something else."""
    if not np.isfinite(j.margin):
        return "far" if np.isfinite(j.got) else "none"
    if EDGE <= j.margin <= 1:
        return "edge"
    return digits_apart(j.margin)


def digits_apart(x: float, fewest: int = 2) -> str:
    """A number in so many digits, or in as many as tell it from 1."""
    return next((said for digits in range(fewest, 17) if float(said := f"{x:.{digits}g}") != 1), f"{x!r}")


def mark(report: Report, equation: str, layer: int) -> Text:
    """What became of an equation in a layer, in a word."""
    tally = report.tallies.get((equation, layer))
    if tally is not None and tally.follows and tally.verdict in (CONFORMS, UNDECIDED):
        return Text(FOLLOWS, "cyan")
    if tally is not None and tally.verdict in (WRONG, SUSPECT) and equation in report.excused:
        return Text("known", "dim")
    return Text(MARKS[tally.verdict], STYLES[tally.verdict]) if tally else Text("")
