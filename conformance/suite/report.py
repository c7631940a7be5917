"""How a run reads in a terminal: tables of equations, of what was reached and of the lockstep, and what is wrong."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reference import ACTIVATIONS, LOSSES
from reference.losses import REQUIRED_HEAD, fused

from ..judge.terminal import titled
from ..judge.verdict import Tally, added
from ..problems.problem import PATTERNS, Problem
from ..problems.strategies import DEPTH
from ..text.labels import label
from .floors import Floor
from .lockstep import DTYPES, Training
from .suite import OTHERS, REACHES, SUBJECTS, Judged, Shard, Tallies


def expected() -> dict[str, tuple[str, ...]]:
    """What a run is to reach."""
    losses = (label(kind.value) for kind in LOSSES.values())
    return {
        "equation": ("F1", "F2", "B1", "B2", "B3", "B4", "U1", "U2", *losses),
        "activation": tuple(ACTIVATIONS),
        "loss": tuple(LOSSES),
        "layers": tuple(map(str, range(1, DEPTH + 1))),
        "dtype": DTYPES,
        "reduction": ("sum", "mean"),
        **dict.fromkeys("Wxy", PATTERNS),
    }


FUSED = {label(kind.value) for kind, head in REQUIRED_HEAD.items() if fused(head(), kind())}
"""The labels of losses that stand for others in a run."""


def equations(title: str, tallies: Tallies) -> Table:
    """A row for each equation: elements, largest error over bound, undecided share and detection floor."""
    table = titled(title)
    table.caption = (
        "reference, twin, others (right programs by other routes): the largest error over its bound, alone (on the "
        "subject's own inputs), along all paths from its own activations, or carried end to end.  "
        "blind: undecided, where the bound is as large as the value, or the value may overflow.  "
        "floor: the smallest relative error that would have been caught, in the median."
    )
    table.add_column("equation", no_wrap=True)
    subjects = [subject for subject in (*SUBJECTS, OTHERS) if any(key.subject == subject for key in tallies)]
    for name in ("elements", *subjects, "blind"):
        table.add_column(name, justify="right")
    for dtype in DTYPES:
        table.add_column(f"floor\n{dtype}", justify="right")
    for reach in REACHES:
        table.add_row(Text(reach, "italic"))
        for equation in sorted({key.equation for key in tallies if key.reach == reach}, key=_order):
            rows = {key: tally for key, tally in tallies.items() if (key.reach, key.equation) == (reach, equation)}
            whole = _whole(rows.values())
            table.add_row(
                f"  {equation}",
                _count(whole.elements),
                *(
                    _worst([tally for key, tally in rows.items() if key.subject == subject])
                    for subject in subjects
                ),
                f"{whole.undecided / whole.elements:.1%}",
                *(_floor([tally for key, tally in rows.items() if key.dtype == dtype]) for dtype in DTYPES),
            )
    return table


def _whole(tallies: Iterable[Tally]) -> Tally:
    """Tallies, one at least, as one."""
    return added(("", tally) for tally in tallies)[""]


def _order(equation: str) -> tuple[str, int]:
    """L2 before L10."""
    return equation[0], int(equation[1:])


def _count(n: int) -> str:
    return f"{n:,}" if n < 1_000_000 else f"{n / 1e6:,.1f} M"


def _worst(tallies: list[Tally]) -> Text:
    margin = max((tally.worst.margin for tally in tallies), default=0.0)
    return Text(shown_margin(margin), "red" if margin > 1 else "")


def _floor(tallies: list[Tally]) -> str:
    return f"{_whole(tallies).floor:.0e}" if tallies else ""


def undecided(tallies: Tallies) -> Text:
    """All elements, and the share that no bound could decide, by reach."""
    shares = []
    for reach in REACHES:
        of_reach = [tally for key, tally in tallies.items() if key.reach == reach]
        if of_reach:
            shares.append(f"{reach} {blind(of_reach):.1%}")
    elements = sum(tally.elements for tally in tallies.values())
    return Text(f"{_count(elements)} elements judged; blind (undecided): {blind(tallies.values()):.1%}: ").append(
        ", ".join(shares)
    )


def blind(tallies: Iterable[Tally]) -> float:
    """The share of the elements that are undecided."""
    whole = _whole(tallies)
    return whole.undecided / whole.elements


def reached(shard: Shard) -> RenderableType:
    """How many problems reached each activation, loss and so on; and what none has reached."""
    grid = Table.grid(padding=(0, 2))
    grid.title, grid.title_justify = "Problems that reached each", "left"
    counts = by_kind(shard)
    for kind, names in counts.items():
        grid.add_row(kind, ", ".join(f"{name} {times:,}" for name, times in names.items() if times))
    return Group(grid, "", Text(f"Not reached: {_missing(counts)}."))


def _missing(counts: Mapping[str, Mapping[str, int]]) -> str:
    """What no problem has reached."""
    missing = {kind: [name for name, times in counts[kind].items() if not times] for kind in expected()}
    said = "; ".join(f"{kind} {', '.join(names)}" for kind, names in missing.items() if names)
    of_logits = [equation for equation in missing["equation"] if equation in FUSED]
    if of_logits:
        said += f" ({', '.join(of_logits)}: such a loss is fused with its head, and judged of the logits)"
    return said or "nothing that there is"


def by_kind(shard: Shard) -> dict[str, dict[str, int]]:
    """How many problems reached each feature of each kind, 0 for none."""
    return {kind: {name: shard.reached.get((kind, name), 0) for name in names} for kind, names in expected().items()}


def generic_floors(floors: Sequence[Floor]) -> Table:
    """A row for each network and format: the widest floor of all equations, and that of dL/dW."""
    table = titled("Detection floors on generic normal problems")
    table.caption = (
        "tanh, softmax with cross-entropy, 5 samples.  The median over elements that are not zero, of the layer and "
        "equation where it is widest, updates left out; beside it of (B3), dL/dW."
    )
    short = [reach.replace("end to end", "end\nto end") for reach in REACHES]
    for name in ("network", "dtype", *short, *(f"B3\n{reach.partition(' ')[0]}" for reach in REACHES)):
        table.add_column(name, justify="left" if name in ("network", "dtype") else "right", no_wrap=True)
    for widths, dtype in dict.fromkeys((floor.widths, floor.dtype) for floor in floors):
        of_problem = [floor for floor in floors if (floor.widths, floor.dtype) == (widths, dtype)]
        of_reach = {reach: [floor for floor in of_problem if floor.reach == reach] for reach in REACHES}
        updates = ("U1", "U2")
        widest = [max((f for f in fs if f.equation not in updates), key=lambda f: f.floor) for fs in of_reach.values()]
        of_W = [floor for fs in of_reach.values() for floor in fs if floor.equation == "B3"]
        table.add_row(
            "-".join(map(str, widths)),
            dtype,
            *(f"{floor.floor:.0e} {floor.equation}" for floor in widest),
            *(f"{floor.floor:.0e}" for floor in of_W),
        )
    return table


def trainings(completed: Sequence[Training]) -> Table:
    """A row for each training in lockstep."""
    table = titled("Lockstep on digits: 64-32-10, tanh, softmax with cross-entropy")
    table.caption = (
        "drift: the largest difference of a weight between the reference and a twin that trains freely, after the "
        "first and the last epoch.  differ: test images that reference and twin label differently with equal weights."
    )
    for name in ("dtype", "seed", "steps", "accuracy", "free twin", "drift", "differ"):
        table.add_column(name, justify="left" if name == "dtype" else "right")
    for training in completed:
        table.add_row(
            training.dtype,
            str(training.seed),
            f"{training.steps:,}",
            f"{training.accuracy:.2%}",
            f"{training.free_accuracy:.2%}",
            f"{training.drift[0]:.0e} to {training.drift[-1]:.0e}",
            str(training.differing),
        )
    return table


def findings(found: Iterable[Judged]) -> RenderableType:
    """Equation, layer, element, got, expected and bound of each finding."""
    return Group(*map(finding_line, found))


def described(problem: Problem) -> str:
    """A problem in a few words: widths, activations, loss, batch and dtype."""
    widths = (problem.x.shape[1], *(len(layer.b) for layer in problem.network))
    sigmas = ", ".join(repr(layer.sigma) for layer in problem.network)
    batch = f"{problem.reduction} over {len(problem.x)} samples, {problem.dtype}"
    return f"{'-'.join(map(str, widths))}, {sigmas}, {problem.loss!r}, {batch}"


def replay(path: Path, eta: float) -> str:
    """The command that judges a saved problem again."""
    return f"python -m conformance replay {shlex.quote(str(path))} --eta {eta!r}"


def finding_line(finding: Judged) -> Text:
    """One finding in one line."""
    subject, reach, j = finding
    where = f"({j.equation}) in layer {j.layer}, element {list(j.element)}"
    return Text(
        f"{subject}: {where}, bound {reach}: got {j.got:.9g}, expected {j.expected:.9g} within {j.bound:.2g}; "
        f"{j.wrong} of {j.elements} elements are wrong, by up to {shown_margin(j.margin)} bounds"
    )


def shown_margin(margin: float) -> str:
    """Three digits, rounded down so that what is below 1 reads so."""
    return f"{int(margin * 1000) / 1000:.3f}" if margin < 10 else f"{margin:.2g}"
