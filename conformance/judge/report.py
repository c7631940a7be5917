"""The report: all tallies of a run with its findings, and how it reads.

It is the `report.json` of the protocol, and in a terminal a table of layers by equations with marks, then what is to be
said.
"""

import io
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from reference import Loss
from reference.gradients import Reduction

from ..arrays import Array, Network
from ..problems import files
from ..problems.problem import GivenAnswer, Problem
from .judgement import Judgement
from .verdict import CONFORMS, EXIT_STATUS, NOT_ASKED, SUSPECT, UNDECIDED, WRONG, Tally, added, worst_of


class Finding(NamedTuple):
    """Something found wrong or suspect, for a reader; ``kind`` is "ordinary", "extreme" or "beyond" the inputs given.

    ``faults`` names the known mistakes that the numbers fit, best first.  ``problem`` is a file that replays it, or "".
    ``factor`` is the number by which all are multiplied, where one explains them.  ``question`` holds what was asked
    and answered, as arrays, where a network was.
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
    question: "Question | None" = None


class Question(NamedTuple):
    """A question to hold in hand: what was asked of a network, with the answer.

    ``network`` holds W (n_l, n_{l-1}), b (n_l,) and sigma of each layer, x is (B, n_0), y (B, n_L).
    """

    network: Network
    x: Array
    y: Array
    loss: Loss
    reduction: Reduction
    answer: GivenAnswer

    @property
    def problem(self) -> Problem:
        """The same as a problem, as `conformance.check` takes it; its learning rate means nothing."""
        return Problem(self.network, self.x, self.y, self.loss, self.reduction, eta=1.0)

    def save(self, folder: str | Path) -> str:
        """Write problem and answer to a folder, by names that follow from their contents.

        Returns
        -------
        str
            The command that judges them again.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        problem = files.save_problem(folder, self.problem)
        answer = files.save_answer(folder, self.answer)
        return f"python -m conformance check {shlex.quote(str(problem))} {shlex.quote(str(answer))}"


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
    architecture has, whether they were judged or not.  ``print`` it to read it.
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

    def __str__(self) -> str:
        """The report as text, for a terminal, a log, an assertion."""
        return text(self)

    @property
    def equations(self) -> dict[str, Tally]:
        """The tallies of each equation, all layers together."""
        return added((equation, of_layer) for (equation, _), of_layer in sorted(self.tallies.items()))

    @property
    def verdict(self) -> str:
        """The worst of the ordinary findings and of the equations in each layer; UNDECIDED where most is refused."""
        ordinary = [finding.verdict for finding in self.findings if finding.kind == "ordinary"]
        worst = worst_of([*(of.verdict for of in self.tallies.values()), *ordinary])
        return UNDECIDED if worst == CONFORMS and self.refuses_most else worst

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
        equations = self.equations
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
                _record(equation, equations.get(equation))
                | {"layers": [_record(equation, self.tallies.get(key), key[1]) for key in keys]}
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
        }


def _record(equation: str, of: Tally | None, layer: int | None = None) -> dict[str, Any]:
    """What became of an equation, in all layers or in one; nothing was judged where there is no tally."""
    place = {"equation": equation} | ({} if layer is None else {"layer": layer})
    if of is None:
        counts = dict.fromkeys(("elements", "wrong", "suspect", "undecided", "follows"), 0)
        return place | {"verdict": UNDECIDED} | counts | {"worst_margin": 0.0, "floor": 0.0}
    return place | {
        "verdict": of.verdict,
        "elements": of.elements,
        "wrong": of.wrong,
        "suspect": of.suspect,
        "undecided": of.undecided,
        "follows": of.follows,
        "worst_margin": number(of.worst.margin),
        "floor": number(of.floor),
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


def shown(report: Report) -> RenderableType:
    """The whole report for a terminal."""
    said: list[RenderableType] = [_title(report)]
    if report.tallies:
        said.append(_table(report))
    said += [Text(remark) for remark in report.remarks]
    for finding in report.findings:
        kind = KINDS[finding.kind]
        said.append(Text.assemble((f"{finding.verdict}{kind}  ", STYLES[finding.verdict]), finding.explanation))
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
    """What is undecided, by name, and what would decide it."""
    if not _of_network(report):
        return _open_inputs(report)
    named = {"B3": "dL/dW", "B4": "dL/db", "B2": "dL/dx"}
    layers: dict[str, list[int]] = {}
    for equation, layer in report.undecided:
        layers.setdefault(named.get(equation, f"({equation})"), []).append(layer)
    said = [
        name if of == [0] else f"{name} of layer{'s' if len(of) > 1 else ''} {', '.join(map(str, of))}"
        for name, of in layers.items()
    ]
    float32 = any(report.tallies[key].worst.dtype == "float32" for key in report.undecided)
    traced = any(equation == "F1" for equation, _ in report.tallies)
    ways = ["float64"] * float32 + ["trace="] * (not traced) + ["fewer layers"]
    return f"{' and '.join(said)} undecided, which {' or '.join(ways)} would decide"


def _open_inputs(report: Report) -> str:
    """The same of an operation, whose layers are its inputs; a second answer is undecided wherever the first is."""
    undecided = [key for key in report.undecided if key[0] != "state"] or report.undecided
    inputs: dict[str, list[int]] = {}
    for equation, k in undecided:
        inputs.setdefault(equation, []).append(k)
    said = [f"({name}) by input{'s' if len(of) > 1 else ''} {', '.join(map(str, of))}" for name, of in inputs.items()]
    dtypes = {report.tallies[key].worst.dtype for key in undecided}
    ways = WIDER[min(dtypes, key=list(WIDER).index)] if dtypes <= set(WIDER) else "other inputs"
    return f"{' and '.join(said)} undecided, which {ways} would decide"


WIDER = {
    "bfloat16": 'float32, or accumulator="float32" if it is true,',
    "float16": 'float32, or accumulator="float32" if it is true,',
    "float32": "float64",
    "float64": "other inputs",
}
"""What may decide what a format leaves undecided, the narrowest format first."""


def _of_network(report: Report) -> bool:
    """Whether the layers are those of a network, and not the inputs of an operation."""
    return any(equation[0] in "FBU" for equation, _ in report.tallies)


def by_phase(equation: str) -> tuple[int, str]:
    """A key that sorts equations: forward, loss, backward, then all others."""
    return ("F", "L", "B").index(equation[0]) if equation[0] in "FLB" else 3, equation


def _table(report: Report) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    equations = sorted({equation for equation, _ in report.tallies}, key=by_phase)
    layers = sorted({layer for _, layer in report.tallies})
    table.add_column("layer" if _of_network(report) else "input", justify="right")
    for equation in equations:
        table.add_column(f"({equation})")
    for layer in layers:
        table.add_row(str(layer) if layer else "dL/dx", *(_mark(report, equation, layer) for equation in equations))
    for name, shown_of in ROWS.items():
        table.add_row(Text(name, "dim"), *(Text(shown_of(report.equations[e]), "dim") for e in equations))
    return table


ROWS: dict[str, Callable[[Tally], str]] = {
    "numbers": lambda t: f"{t.elements:,}",
    "undecided": lambda t: f"{t.undecided / t.elements:.1%}",
    "error / bound": lambda t: _margin(t.worst),
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


def _margin(j: Judgement) -> str:
    """The largest error by its bound, in a cell: two digits, or a word where these would say something else."""
    if not np.isfinite(j.margin):
        return "far" if np.isfinite(j.got) else "none"
    if EDGE <= j.margin <= 1:
        return "edge"
    return digits_apart(j.margin)


def digits_apart(x: float, fewest: int = 2) -> str:
    """A number in so many digits, or in as many as tell it from 1."""
    return next((said for digits in range(fewest, 17) if float(said := f"{x:.{digits}g}") != 1), f"{x!r}")


def _mark(report: Report, equation: str, layer: int) -> Text:
    tally = report.tallies.get((equation, layer))
    if tally is not None and tally.follows and tally.verdict in (CONFORMS, UNDECIDED):
        return Text(FOLLOWS, "cyan")
    return Text(MARKS[tally.verdict], STYLES[tally.verdict]) if tally else Text("")
