"""The commands behind ``python -m conformance``."""

import json
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import bench, report
from .lockstep import DTYPES, SEEDS, Outcome, all_in_lockstep
from .problem import Architecture
from .suite import Judged, Tallies, Violated, run
from .verdict import merged

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

TARGET = 0.97
"""The mean accuracy on held-out digits that shows that what is trained here really learns."""

CONFORMS, WRONG, INTERRUPTED = 0, 1, 130
"""Exit statuses; 130 is a shell's own for an interrupt."""


@app.callback()
def main() -> None:
    """Check an implementation of backpropagation, equation by equation, against its rounding bounds."""


@app.command("run")
def run_command(
    problems: Annotated[int, typer.Option(min=1, help="How many random problems.")] = 2400,
    seed: Annotated[int, typer.Option(min=0, help="From which they are drawn.")] = 0,
    lockstep: Annotated[bool, typer.Option(help="Also train on digits, judged at every step.")] = True,
) -> None:
    """Compare the reference with its PyTorch twin on random architectures, then train both in lockstep on digits."""
    torch.set_num_threads(1)
    console = Console()
    try:
        status = conformance(console, problems, seed, lockstep)
    except KeyboardInterrupt:
        console.print("\nINTERRUPTED: this run is not complete and has no verdict.")
        status = INTERRUPTED
    sys.exit(status)


@app.command("bench")
def bench_command(
    json_to: Annotated[
        Path, typer.Option("--json", dir_okay=False, help="Write the figures there.")
    ] = Path("bench.json"),
) -> None:
    """Time a step against PyTorch, JAX and the matrix products alone, and measure its memory, in one run."""
    if not json_to.parent.is_dir():
        raise typer.BadParameter(f"expected a folder that exists, got {json_to.parent}", param_hint="--json")
    torch.set_num_threads(1)
    console, rows = Console(), []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as progress:
            for size in progress.track(bench.SIZES, description="sizes"):
                rows.append(bench.measure(size))
        memory = bench.memory(bench.SIZES[-1])
    except KeyboardInterrupt:
        console.print("\nINTERRUPTED: nothing is written.")
        sys.exit(INTERRUPTED)
    figures = {"machine": bench.machine(), "rows": [row._asdict() for row in rows], "memory": memory._asdict()}
    report.show(console, report.speed(rows), report.machine(bench.machine(), memory))
    try:
        json_to.write_text(json.dumps(figures, indent=1) + "\n")
    except OSError as error:
        print(f"--json: {json_to} cannot be written: {error}", file=sys.stderr)
        sys.exit(2)
    console.print(f"Written to {json_to}.", highlight=False, soft_wrap=True)


def conformance(console: Console, count: int, seed: int, with_lockstep: bool) -> int:
    """Run it all; print tables and the verdict; return the exit status."""
    tallies, trained = Tallies(), Tallies()
    met: set[Architecture] = set()
    outcomes: list[Outcome] = []

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("random problems", total=count)

        def examined(architecture: Architecture, found: Tallies) -> None:
            nonlocal tallies
            tallies = merged(tallies, found)
            met.add(architecture._replace(seed=0))
            progress.advance(task)

        try:
            run(count, seed, examined)
        except Violated as violated:
            progress.stop()
            report.show(console, report.violation(violated), "Verdict: WRONG")
            return WRONG
        if with_lockstep:
            trainings = progress.add_task("trainings in lockstep", total=len(SEEDS) * len(DTYPES))
            for outcome, found in all_in_lockstep():
                outcomes.append(outcome)
                trained = merged(trained, found)
                progress.advance(trainings)
    title = f"{count:,} random problems, {len(met):,} architectures, seed {seed}"
    report.show(console, report.equations(title, tallies))
    if outcomes:
        report.show(console, report.equations("Every step of the lockstep", trained), report.trainings(outcomes))
    return verdict(console, len(met), tallies, trained, outcomes)


def verdict(console: Console, architectures: int, tallies: Tallies, trained: Tallies, outcomes: list[Outcome]) -> int:
    """One plain line, after what is wrong, and the exit status."""
    for key, tally in trained.items():
        if tally.wrong:
            console.print(report.finding_line(Judged(key.subject, key.reach, tally.worst)))
    every = [*tallies.values(), *trained.values()]
    worst = max(tally.worst.margin for tally in every)
    conforms = not any(tally.wrong for tally in every)
    said = f"{architectures:,} random architectures"
    if outcomes:
        accuracy = sum(o.accuracy for o in outcomes) / len(outcomes)
        unexplained = sum(o.unexplained for o in outcomes)
        conforms = conforms and accuracy >= TARGET and not unexplained
        said += f" and {sum(o.steps for o in outcomes):,} training steps"
        learned = f"; test accuracy {accuracy:.2%}; {unexplained} predictions differ beyond the bound"
    else:
        learned = ""
    console.print(
        f"Verdict: {'CONFORMS' if conforms else 'WRONG'}. Reference and PyTorch twin on {said}: largest error "
        f"{report.shown_margin(worst)} of its bound{learned}.",
        highlight=False,
        soft_wrap=True,
    )
    return CONFORMS if conforms else WRONG
