"""The terminal: a bar with the rate and the time left while it asks, then the report, what replays it, a last line."""

import shlex
from pathlib import Path

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ...judge.report import Report, by_phase, margin, mark, shown
from ...judge.terminal import titled
from ...judge.verdict import INTERRUPTED
from . import results
from .opening import Opened
from .run import Plan, Steps, run
from .smoke import check_smoke

BESIDE = 8
"""Equations that a table shows beside one another; of more, each has a row of its own."""


class Rate(ProgressColumn):
    """How many questions a second."""

    def render(self, task: Task) -> Text:
        """The rate, once it is known."""
        return Text(f"{task.speed:.0f}/s" if task.speed else "")


def judged(console: Console, of: Opened, plan: Plan, report_to: Path | None, again: str) -> int:
    """Ask somebody all that a plan holds; print what came of it, leave the report where one is asked for.

    Parameters
    ----------
    console : Console
    of : Opened
    plan : Plan
    report_to : path, optional
        A folder for report.json, junit.xml and the problems of findings, which else are saved where the command runs.
    again : str
        The options that name the same subject, for the commands that replay findings.

    Returns
    -------
    int
        The exit status.

    Raises
    ------
    CannotAsk
        If the smoke test shows that the wrapper is wrong.
    OSError
        If something cannot be written.
    """
    if report_to:
        report_to.mkdir(parents=True, exist_ok=True)  # before anything is asked
    check_smoke(of)
    folder, interrupted = report_to or Path(), False
    total = Report(of.who, {}, profile=plan.profile, seed=plan.seed, complete=False, known=plan.known)
    try:
        with _progress(console) as bar:
            task = bar.add_task(escape(of.who.name), total=0)
            steps = Steps(
                lambda more: bar.update(task, total=(bar.tasks[0].total or 0) + more), lambda: bar.advance(task)
            )
            for total in run(of, plan, folder, steps):
                if report_to:
                    results.write(total, report_to)
    except KeyboardInterrupt:
        total = total._replace(complete=False, remarks=(*total.remarks, "Cut short: interrupted."))
        interrupted = True
        if report_to:
            results.write(total, report_to)
    present(console, total)
    _replays(console, total, folder, again)
    conclude(console, total)
    return INTERRUPTED if interrupted else total.exit_status


def _progress(console: Console) -> Progress:
    """A bar for questions, of which nothing is left."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def present(console: Console, total: Report) -> None:
    """Print a report; where there are many equations, with a row for each."""
    console.print(shown(total, _by_equation(total) if len(total.equations) > BESIDE else None))


def _by_equation(total: Report) -> RenderableType:
    table = titled("")
    table.title = None
    for column in ("", "layers", "numbers", "undecided", "error / bound", "floor"):
        table.add_column(column, justify="left" if column in ("", "layers") else "right")
    for equation, of in sorted(total.equations.items(), key=lambda item: by_phase(item[0])):
        layers: dict[str, list[int]] = {}
        for layer in (layer for e, layer in sorted(total.tallies) if e == equation):
            layers.setdefault(mark(total, equation, layer).plain, []).append(layer)
        said = ", ".join(f"{_ranges(numbers)} {word}" for word, numbers in layers.items())
        counted = f"{of.elements:,}", f"{of.undecided / of.elements:.1%}", margin(of.worst), f"{of.floor:.0e}"
        table.add_row(f"({equation})", said, *counted)
    return table


def _ranges(layers: list[int]) -> str:
    """Layers as runs: 1-3, 5; dL/dx is layer 0."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1 and runs[-1][0]:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    names = [f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) if run[0] else "dL/dx" for run in runs]
    return ", ".join(names)


def _replays(console: Console, total: Report, folder: Path, again: str) -> None:
    """The command that asks each saved problem again."""
    problems = list(dict.fromkeys(f.problem for f in total.findings if f.problem))
    if problems:
        console.print("The problems are saved, as small as they could be made; this asks again:", soft_wrap=True)
    for problem in problems:
        command = f"python -m conformance replay {shlex.quote(str(folder / problem))} {again}"
        console.print(f"  {command}", highlight=False, soft_wrap=True, markup=False)


def conclude(console: Console, report: Report) -> None:
    """Print the last line."""
    console.print(last_line(report), highlight=False, soft_wrap=True, markup=False)


def last_line(report: Report) -> str:
    """One line for a log: the verdict, how much was asked, and how near the bounds it came."""
    totals = list(report.equations.values())
    worst = max((t.worst.margin for t in totals), default=0.0)
    bits = ", ".join(f"{bits:.1f} bits in {dtype}" for dtype, bits in sorted(report.effective_bits.items()))
    named = " ".join(each for each in (report.subject.name, report.subject.version) if each)
    parts = [
        f"{report.asked:,} problem{'s' * (report.asked != 1)}",
        f"{sum(t.elements for t in totals):,} elements",
        f"worst margin {worst:.3g}",
        bits or "bits unknown",
        *([] if report.complete else ["not complete"]),
    ]
    return f"{report.verdict} {named}: {', '.join(parts)}"
