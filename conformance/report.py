"""How a run reads in a terminal: a table of equations, the lockstep, and one plain verdict."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from .bench import RIVALS, Memory, Row
from .lockstep import DTYPES, Outcome
from .suite import REACHES, SUBJECTS, Judged, Tallies, Violated
from .verdict import Tally


def equations(title: str, tallies: Tallies) -> Table:
    """A row for each equation: elements, largest error over bound, undecided share and detection floor."""
    table = _table(title)
    table.caption = (
        "reference, twin: the largest error over its bound, alone (on the subject's own inputs) or carried end to "
        "end.  "
        "undecided: the bound is as large as the value, or the value may overflow.  "
        "floor: the smallest relative error that would have been caught, in the median."
    )
    table.add_column("equation", no_wrap=True)
    for name in ("elements", *SUBJECTS, "undecided"):
        table.add_column(name, justify="right")
    for dtype in DTYPES:
        table.add_column(f"floor\n{dtype}", justify="right")
    for reach in REACHES:
        table.add_row(Text(reach, "italic"))
        for equation in sorted({key.equation for key in tallies if key.reach == reach}):
            rows = {key: tally for key, tally in tallies.items() if (key.reach, key.equation) == (reach, equation)}
            elements = sum(tally.elements for tally in rows.values())
            table.add_row(
                f"  {equation}",
                _count(elements),
                *(_worst([tally for key, tally in rows.items() if key.subject == subject]) for subject in SUBJECTS),
                f"{sum(tally.undecided for tally in rows.values()) / elements:.1%}",
                *(_floor([tally for key, tally in rows.items() if key.dtype == dtype]) for dtype in DTYPES),
            )
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", caption_justify="left", box=box.SIMPLE, pad_edge=False)


def _count(n: int) -> str:
    return f"{n:,}" if n < 1_000_000 else f"{n / 1e6:,.1f} M"


def _worst(tallies: list[Tally]) -> Text:
    margin = max(tally.worst.margin for tally in tallies)
    return Text(shown_margin(margin), "red" if margin > 1 else "")


def _floor(tallies: list[Tally]) -> str:
    return f"{max(tally.floor for tally in tallies):.0e}" if tallies else ""


def trainings(outcomes: Sequence[Outcome]) -> Table:
    """A row for each training in lockstep."""
    table = _table("Lockstep on digits: 64-32-10, tanh, softmax with cross-entropy")
    table.caption = (
        "drift: the largest difference of a weight between the reference and a twin that trains freely, after the "
        "first and the last epoch.  differ: test images that reference and twin label differently with equal weights."
    )
    for name in ("dtype", "seed", "steps", "accuracy", "free twin", "drift", "differ"):
        table.add_column(name, justify="left" if name == "dtype" else "right")
    for o in outcomes:
        table.add_row(
            o.dtype,
            str(o.seed),
            f"{o.steps:,}",
            f"{o.accuracy:.2%}",
            f"{o.free_accuracy:.2%}",
            f"{o.drift[0]:.0e} to {o.drift[-1]:.0e}",
            str(o.differing),
        )
    return table


def speed(rows: Sequence[Row]) -> Table:
    """A row for each size, a column for each rival."""
    table = _table("A step of the reference (forward, backward, update)")
    table.caption = "After the time: the reference's time divided by theirs; below 1 the reference is faster."
    table.add_column("network, samples, dtype", max_width=24)
    table.add_column("time", justify="right")
    for rival in RIVALS:
        table.add_column(rival.replace(" ", "\n").replace(".", ".\n"), justify="right")
    for row in rows:
        shown = [row.ratios[rival] for rival in RIVALS]
        table.add_row(
            row.size,
            f"{row.seconds * 1e6:,.0f} us",
            *("-" if ratio is None else f"{ratio:.2f}" for ratio in shown),
        )
    return table


def machine(facts: Mapping[str, Any], memory: Memory) -> Text:
    """Memory, and what the figures were taken on."""
    lines = [
        f"Memory: a step of {memory.size} allocates {memory.ratio:.2f} times the bytes of its trace and gradients.",
        f"NumPy {facts['numpy']}, {facts['blas']}; PyTorch {facts['torch']}, threads: {facts['torch threads']}.",
    ]
    if facts["avx512"] and "Haswell" in facts["blas"]:
        lines.append(
            "This processor has AVX-512, but NumPy's OpenBLAS took its Haswell kernels and leaves that on the table; "
            "with OPENBLAS_CORETYPE=SkylakeX it uses it, as PyTorch does, and the larger networks' ratios fall."
        )
    return Text("\n".join(lines))


def violation(violated: Violated) -> RenderableType:
    """Equation, layer, element, got, expected, bound of each finding, and how to see the problem again."""
    return Group(
        *(finding_line(finding) for finding in violated.findings),
        Text(f"\nThe problem is conformance.problem.fill({violated.architecture!r})"),
    )


def finding_line(finding: Judged) -> Text:
    """One finding in one line."""
    subject, reach, j = finding
    where = f"({j.equation}) in layer {j.layer}, element {list(j.element)}"
    return Text(
        f"{subject}: {where}, bound {reach}: got {j.got:.9g}, expected {j.expected:.9g} within {j.bound:.2g}; "
        f"{j.wrong} of {j.elements} elements are wrong, by up to {shown_margin(j.margin)} bounds"
    )


def show(console: Console, *parts: RenderableType) -> None:
    """Print each part, a blank line between."""
    for part in parts:
        console.print(part)
        console.print()


def shown_margin(margin: float) -> str:
    """Three digits, rounded down so that what is below 1 reads so."""
    return f"{int(margin * 1000) / 1000:.3f}" if margin < 10 else f"{margin:.2g}"
