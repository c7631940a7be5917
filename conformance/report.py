"""How a run reads in a terminal: a table of equations, the lockstep, and one plain verdict."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from .lockstep import Outcome
from .suite import REACHES, SUBJECTS, Finding, Tallies, Violated


def equations(title: str, tallies: Tallies) -> Table:
    """A row for each equation: elements, largest error over bound, undecided share and detection floor."""
    table = Table(title=title, title_justify="left", caption_justify="left")
    table.caption = (
        "error/bound: the largest; within the bound up to 1.  undecided: the bound is as large as the value.  "
        "floor: the smallest relative error that would have been caught, in the median."
    )
    table.add_column("equation")
    for name in ("elements", *(f"error/bound\n{subject}" for subject in SUBJECTS), "undecided", "floor"):
        table.add_column(name, justify="right")
    for reach in REACHES:
        table.add_row(Text(reach, "italic"))
        for equation in sorted({e for _, r, e in tallies if r == reach}):
            rows = [tallies[subject, reach, equation] for subject in SUBJECTS]
            table.add_row(
                f"  {equation}",
                f"{sum(row.elements for row in rows):,}",
                *(Text(_margin(row.worst.margin), "red" if row.wrong else "") for row in rows),
                f"{sum(row.undecided for row in rows) / sum(row.elements for row in rows):.1%}",
                f"{rows[0].floor:.0e}" if rows[0].floors else "exact",
            )
        table.add_section()
    return table


def trainings(outcomes: Sequence[Outcome]) -> Table:
    """A row for each training in lockstep."""
    table = Table(title="Lockstep on digits: 64-32-10, tanh, softmax with cross-entropy", title_justify="left")
    table.caption = (
        "drift: the largest difference of a weight between the reference and a twin that trains freely, after the "
        "first and the last epoch.  differ: test images that reference and twin label differently with equal weights."
    )
    table.caption_justify = "left"
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


def violation(violated: Violated) -> RenderableType:
    """Equation, layer, element, got, expected, bound of each finding, and how to see the problem again."""
    return Group(
        *(finding_line(finding) for finding in violated.findings),
        Text(f"\nThe problem is conformance.problem.fill({violated.architecture!r})"),
    )


def finding_line(finding: Finding) -> Text:
    """One finding in one line."""
    subject, reach, j = finding
    where = f"({j.equation}) in layer {j.layer}, element {list(j.element)}"
    return Text(
        f"{subject}: {where}, {reach}: got {j.got:.9g}, expected {j.expected:.9g} within {j.bound:.2g}; "
        f"{j.wrong} of {j.elements} elements are wrong, by up to {_margin(j.margin)} bounds"
    )


def show(console: Console, *parts: RenderableType) -> None:
    """Print each part, a blank line between."""
    for part in parts:
        console.print(part)
        console.print()


def _margin(margin: float) -> str:
    """Three digits, rounded down so that what is below 1 reads so."""
    return f"{int(margin * 1000) / 1000:.3f}" if margin < 10 else f"{margin:.2g}"
