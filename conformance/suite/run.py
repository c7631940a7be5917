"""What ``python -m conformance run`` and ``replay`` do: ask, show as it comes, leave a report."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from reference import __version__
from reference.training.files import replacing

from ..judge.report import Finding, Report, Subject, found, number
from ..judge.terminal import COLUMNS, show
from ..judge.verdict import EXIT_STATUS, INTERRUPTED, NOT_PUT, UNDECIDED, WRONG, added, merged, tally, worst_of
from ..problems import files
from ..problems.wire import Malformed, parse_problem
from ..subjects.twin import Refusal
from . import report
from .floors import Floor, floors
from .lockstep import DTYPES, SEEDS, Training, all_in_lockstep
from .profiles import Profile
from .shards import Broken, run_in_shards
from .suite import NONE, REACHES, SUBJECTS, Judged, Shard, Tallies, examine

TARGET = 0.97
"""The mean accuracy on held-out digits that shows that what is trained here really learns."""


class Run(NamedTuple):
    """What a run came to, as far as it came; ``saved`` is the file of the problem that violates an equation."""

    profile: Profile
    seed: int
    shard: Shard = NONE
    floors: tuple[Floor, ...] = ()
    trainings: tuple[Training, ...] = ()
    trained: Tallies = Tallies()
    saved: Path | None = None
    complete: bool = False

    @property
    def wrong(self) -> tuple[Judged, ...]:
        """What is outside its bound."""
        of_problem = self.shard.counterexample.judged if self.shard.counterexample else ()
        of_training = (Judged(key.subject, key.reach, t.worst) for key, t in self.trained.items() if t.wrong)
        return (*of_problem, *of_training)

    @property
    def accuracy(self) -> float:
        """The mean over the trainings, on images held out."""
        return sum(training.accuracy for training in self.trainings) / len(self.trainings)

    @property
    def unexplained(self) -> int:
        """Predictions in which reference and twin differ by more than their bounds."""
        return sum(training.unexplained for training in self.trainings)

    @property
    def verdict(self) -> str:
        """The report's; UNDECIDED for a run that was cut short without a finding."""
        if self.trainings and (self.accuracy < TARGET or self.unexplained):
            return WRONG
        return as_report(self).verdict if self.wrong or self.complete else UNDECIDED


def conformance(console: Console, profile: Profile, seed: int, workers: int, report_to: Path | None = None) -> int:
    """Run a profile; print tables and the verdict, leave a report where one is asked for; return the exit status."""
    run = Run(profile, seed)
    console.print(f"{profile.problems:,} random problems from seed {seed}, {max(workers, 1)} at a time")

    def grown(further: Run) -> None:
        nonlocal run
        run = further

    try:
        with Progress(*COLUMNS, console=console, transient=True, disable=not console.is_terminal) as progress:
            _ask(run, workers, progress, grown)
        run = run._replace(complete=run.shard.counterexample is None)
        if run.shard.counterexample:
            run = run._replace(saved=_saved(run.shard, report_to.parent if report_to else Path()))
        _show(console, run)
        status = EXIT_STATUS[run.verdict]
    except KeyboardInterrupt:
        console.print("INTERRUPTED: this run is not complete and has no verdict.")
        status = INTERRUPTED
    except Broken as broken:
        print(f"{broken}\n\nBROKEN, as above: this run is not complete and has no verdict.", file=sys.stderr)
        status = NOT_PUT
    if report_to and not _written(report_to, as_json(run)):
        status = NOT_PUT
    return status


def _ask(run: Run, workers: int, progress: Progress, grown: Callable[[Run], None]) -> None:
    """Do what the profile says, up to the first violation, and hand the run over whenever it has grown."""
    asked = progress.add_task("random problems", total=run.profile.problems)

    def arrived(shard: Shard) -> None:
        grown(run._replace(shard=shard))
        progress.update(asked, completed=shard.problems)

    run = run._replace(shard=run_in_shards(run.profile.problems, run.seed, workers, arrived))
    if run.profile.floors and not run.wrong:
        run = run._replace(floors=tuple(floors()))
        grown(run)
    if run.profile.lockstep and not run.wrong:
        trainings = progress.add_task("trainings in lockstep", total=len(SEEDS) * len(DTYPES))
        for training, tallies in all_in_lockstep():
            run = run._replace(trainings=(*run.trainings, training), trained=merged(run.trained, tallies))
            grown(run)
            progress.advance(trainings)


def _saved(shard: Shard, folder: Path) -> Path | None:
    """The file of the violating problem; None, and a line on standard error, where it cannot be written."""
    assert shard.counterexample is not None
    try:
        return files.save_problem(folder, parse_problem(shard.counterexample.problem))
    except OSError as error:
        print(f"The problem cannot be saved: {error}", file=sys.stderr)
        return None


def _show(console: Console, run: Run) -> None:
    """Tables, what is wrong, and one plain verdict."""
    shard = run.shard
    if run.complete:
        title = f"{shard.problems:,} random problems, {len(shard.architectures):,} architectures, seed {run.seed}"
        parts = [report.equations(title, shard.tallies), report.undecided(shard.tallies), report.reached(shard)]
        if run.floors:
            parts.append(report.generic_floors(run.floors))
        if run.trainings:
            parts += [report.equations("Every step of the lockstep", run.trained), report.trainings(run.trainings)]
        show(console, *parts)
    if run.wrong:
        show(console, report.findings(run.wrong))
    if run.saved and shard.counterexample:
        console.print("The problem, as small as it could be made, is saved; this judges it again:", soft_wrap=True)
        console.print(f"  {report.replay(run.saved, shard.counterexample.eta)}\n", highlight=False, soft_wrap=True)
    console.print(_verdict(run), highlight=False, soft_wrap=True)


def _verdict(run: Run) -> str:
    """One plain line."""
    if run.shard.counterexample:
        return f"Verdict: WRONG. Stopped at the first violation, after {run.shard.problems:,} problems."
    said = f"Verdict: {run.verdict}. "
    said += f"Reference and PyTorch twin on {len(run.shard.architectures):,} random architectures"
    if run.trainings:
        said += f" and {sum(training.steps for training in run.trainings):,} training steps"
    worst = max(tally.worst.margin for tally in (*run.shard.tallies.values(), *run.trained.values()))
    said += f": largest error {report.shown_margin(worst)} of its bound"
    if run.trainings:
        said += f"; test accuracy {run.accuracy:.2%}; {run.unexplained} predictions differ beyond the bound"
    undecided = [equation for equation, tally in as_report(run).equations.items() if tally.verdict == UNDECIDED]
    if undecided:
        said += f"; no element was decided of {', '.join(undecided)}: more problems may"
    return f"{said}."


def as_report(run: Run) -> Report:
    """The report of the protocol: tallies of each equation alone, which name equation and layer; all findings."""
    shard = run.shard
    alone = added(((key.equation, key.layer), tally) for key, tally in shard.tallies.items() if key.reach == REACHES[0])
    remarks = []
    if shard.problems < run.profile.problems:
        remarks.append(f"cut short after {shard.problems} of {run.profile.problems} random problems")
    if run.trainings and run.accuracy < TARGET:
        remarks.append(f"trained on digits, test accuracy is {run.accuracy:.2%}; expected {TARGET:.0%}")
    if run.unexplained:
        remarks.append(f"{run.unexplained} predictions of reference and twin differ beyond their bounds")
    return Report(
        Subject("reference and PyTorch twin", f"{__version__}, torch {torch.__version__}"),
        dict(sorted(alone.items())),
        tuple(_finding(judged, run.saved) for judged in run.wrong),
        asked=shard.problems,
        remarks=tuple(remarks),
        profile=run.profile.name,
        seed=run.seed,
        complete=run.complete,
    )


def _finding(judged: Judged, saved: Path | None) -> Finding:
    said, problem = report.finding_line(judged).plain, "/".join(saved.parts[-2:]) if saved else ""
    return found("ordinary", judged.judgement, said, problem=problem)


def as_json(run: Run) -> dict[str, Any]:
    """The report of the protocol, and besides: architectures, each reach, what was reached, floors, the lockstep."""
    shard = run.shard
    sums = added((key._replace(layer=0), tally) for key, tally in shard.tallies.items())
    return as_report(run).as_json() | {
        "verdict": run.verdict,
        "architectures": len(shard.architectures),
        "reaches": [
            {
                "subject": key.subject,
                "reach": key.reach,
                "equation": key.equation,
                "dtype": key.dtype,
                "elements": tally.elements,
                "wrong": tally.wrong,
                "undecided": tally.undecided,
                "worst_margin": number(tally.worst.margin),
                "floor": number(tally.floor),
            }
            for key, tally in sorted(sums.items())
        ],
        "reached": report.by_kind(shard),
        "generic_floors": [floor._asdict() | {"floor": number(floor.floor)} for floor in run.floors],
        "lockstep": [training._asdict() for training in run.trainings],
    }


def _written(path: Path, contents: dict[str, Any]) -> bool:
    """Whether the report is in its place."""
    try:
        with replacing(path) as file:
            file.write(json.dumps(contents, indent=1, allow_nan=False).encode() + b"\n")
    except OSError as error:
        print(f"--report: {path} cannot be written: {error}", file=sys.stderr)
        return False
    return True


def replay(console: Console, path: Path, eta: float) -> int:
    """Judge a saved problem again; print what is wrong with whom, or that nothing is; return the exit status."""
    try:
        problem = files.read_problem(path)
        problem = problem._replace(eta=_rate(eta, problem.dtype))
        with np.errstate(all="ignore"):  # where the truth overflows, as the judge sees
            judged = list(examine(problem))
    except (Malformed, Refusal, OSError) as error:
        print(f"replay: {error}", file=sys.stderr)
        return NOT_PUT
    wrong = [one for one in judged if one.judgement.wrong]
    if wrong:
        show(console, report.findings(wrong))
    alone = added(((j.equation, j.layer), tally(j)) for _, reach, j in judged if reach == REACHES[0])
    verdict = WRONG if wrong else worst_of(of.verdict for of in alone.values())
    worst = max(one.judgement.margin for one in judged)
    undecided = dict.fromkeys(equation for (equation, _), of in alone.items() if of.verdict == UNDECIDED)
    console.print(
        f"Verdict: {verdict}. {' and '.join(SUBJECTS)} on {path}, {report.described(problem)}: "
        f"largest error {report.shown_margin(worst)} of its bound"
        + (f"; no element was decided of {', '.join(undecided)}." if undecided else "."),
        highlight=False,
        soft_wrap=True,
    )
    return EXIT_STATUS[verdict]


def _rate(eta: float, dtype: np.dtype[Any]) -> float:
    """The learning rate, if both subjects take it."""
    largest = float(np.finfo(dtype).max)
    if not 0 <= eta <= largest:
        raise Malformed(f"--eta: expected a number from 0 to {largest:.3g}, the largest of {dtype}, got {eta!r}")
    return eta
