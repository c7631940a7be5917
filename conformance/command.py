"""The commands behind ``python -m conformance``."""

import json
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import Progress

from reference.training.files import replacing

from .attack.attack import kill_matrix
from .bench import bench, costs, operations
from .bench.report import judging, machine, speed
from .bench.report import operations as of_operations
from .judge.picture import plot
from .judge.report import Report, shown
from .judge.terminal import show
from .oracle.network.oracle import check
from .problems import files, schemas
from .subjects.implementations.table import BUILT_IN
from .subjects.programs.process import Limits
from .subjects.threads import one_thread
from .suite.harness import results
from .suite.harness.offline import generated, lines_of, read, verified
from .suite.harness.opening import CannotAsk, Opened, declared_domains, opened
from .suite.harness.replay import replayed
from .suite.harness.run import Plan
from .suite.harness.terminal import judged, last_line, present
from .suite.profiles import PROFILES, Profile
from .suite.run import COLUMNS, INTERRUPTED, NOT_PUT, conformance, replay
from .suite.shards import processors
from .text.labels import labelled, modules

Command = Annotated[
    str | None, typer.Option("--command", help='A program that answers by PROTOCOL.md, as "node mynet.mjs".')
]
Named = Annotated[
    str | None, typer.Option("--subject", help=f"{', '.join(BUILT_IN)}, or package.module:object: a function.")
]
Declares = Annotated[
    Path | None,
    typer.Option("--declares", help="A file with an answer to start: what a function can do; else the XOR example's."),
]
Only = Annotated[list[str] | None, typer.Option("--only", help="Judge an equation alone, as B2; several by turns.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, help="Seconds for a program to start, and for each answer; 60.")
]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Check an implementation of backpropagation, equation by equation, against its rounding bounds."""


@app.command("run")
@one_thread()
def run_command(
    profile: Annotated[
        str, typer.Option(help="; ".join(f"{p.name}: {p.problems:,} problems, {p.purpose}" for p in PROFILES.values()))
    ] = "standard",
    problems: Annotated[int | None, typer.Option(min=1, help="How many random problems instead.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="From which they are drawn.")] = 0,
    lockstep: Annotated[
        bool | None,
        typer.Option("--lockstep/--no-lockstep", help="Also train reference and twin on digits, judged at every step."),
    ] = None,
    report_to: Annotated[
        Path | None,
        typer.Option("--report", help="Write report.json there; of a subject, a folder with junit.xml and problems."),
    ] = None,
    command: Command = None,
    subject: Named = None,
    declares: Declares = None,
    only: Only = None,
    max_seconds: Annotated[
        float | None, typer.Option(min=0, help="Draw no more random problems after that time; of a subject.")
    ] = None,
    timeout: Timeout = None,
) -> None:
    """Ask an implementation, any program by --command or any function by --subject, and judge its answers.

    With neither, compare the reference with its PyTorch twin on random architectures, then train both in lockstep.
    """
    chosen = _profile(profile)
    if command is not None or subject is not None:
        if lockstep is not None:
            raise typer.BadParameter("is of the reference and its twin, and not of a subject", param_hint="--lockstep")
        seconds = float("inf") if max_seconds is None else max_seconds
        plan = Plan(profile, chosen.problems if problems is None else problems, seed, _labels(only), seconds)
        _put("run", lambda: _asked(command, subject, declares, timeout, plan, report_to))
    of_subjects = {"--only": only, "--max-seconds": max_seconds, "--declares": declares, "--timeout": timeout}
    for name, given in of_subjects.items():
        if given is not None:
            raise typer.BadParameter("is of --command or --subject", param_hint=name)
    if report_to is not None:
        if report_to.is_dir():
            raise typer.BadParameter(f"expected a file, got the folder {report_to}", param_hint="--report")
        _check_folder(report_to, "--report")
    chosen = chosen._replace(
        problems=chosen.problems if problems is None else problems,
        lockstep=chosen.lockstep if lockstep is None else lockstep,
    )
    sys.exit(conformance(Console(), chosen, seed, processors(), report_to))


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise typer.BadParameter(f"expected one of {', '.join(PROFILES)}, got {name}", param_hint="--profile")
    return PROFILES[name]


def _labels(given: list[str] | None) -> tuple[str, ...]:
    known = {*(line.label for line in labelled(modules())), "F", "batch", "state", "protocol"}
    for each in given or []:
        if each not in known:
            raise typer.BadParameter(f"expected a label of EQUATIONS.md, such as B2, got {each}", param_hint="--only")
    return tuple(given or ())


def _put(name: str, asking: Callable[[], int]) -> NoReturn:
    """Ask, and exit by what came of it; a question that cannot be put is said to be so in a few lines."""
    try:
        status = asking()
    except KeyboardInterrupt:
        print("INTERRUPTED: nothing was judged.", file=sys.stderr)
        status = INTERRUPTED
    except (CannotAsk, OSError) as error:
        print(f"python -m conformance {name}: {error}", file=sys.stderr)
        status = NOT_PUT
    sys.exit(status)


def _asked(
    command: str | None,
    subject: str | None,
    declares: Path | None,
    timeout: float | None,
    plan: Plan,
    report_to: Path | None,
) -> int:
    with _opened(command, subject, declares, timeout) as of:
        return judged(Console(), of, plan, report_to, _again(command, subject, declares))


def _opened(
    command: str | None, subject: str | None, declares: Path | None, timeout: float | None
) -> AbstractContextManager[Opened]:
    if command is not None and subject is not None:
        raise CannotAsk("expected --command or --subject, got both")
    limits = None if timeout is None else Limits(start=timeout, answer=timeout)
    return opened(command, subject, declares, limits)


def _again(command: str | None, subject: str | None, declares: Path | None) -> str:
    """The options that name the same subject once more."""
    named = ("--command", command) if command is not None else ("--subject", subject or "")
    return shlex.join((*named, *(("--declares", str(declares)) if declares else ())))


@app.command("replay")
@one_thread()
def replay_command(
    problem: Annotated[Path, typer.Argument(help="A saved problem, .json.")],
    eta: Annotated[float, typer.Option(help="Its learning rate, which the file does not hold.")] = 0.1,
    command: Command = None,
    subject: Named = None,
    declares: Declares = None,
    timeout: Timeout = None,
) -> None:
    """Ask a saved problem again, and say whether it is fixed; with no subject, judge the reference and its twin."""
    if command is None and subject is None:
        sys.exit(replay(Console(), problem, eta))

    def asking() -> int:
        with _opened(command, subject, declares, timeout) as of:
            return replayed(Console(), problem, of)

    _put("replay", asking)


@app.command("generate")
def generate_command(
    profile: Annotated[str, typer.Option(help=f"How much: one of {', '.join(PROFILES)}.")] = "quick",
    problems: Annotated[int | None, typer.Option(min=1, help="How many random problems instead.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="From which they are drawn.")] = 0,
    declares: Declares = None,
) -> None:
    """Print the problems of a run, a line of JSON each, for any program to answer."""
    chosen = _profile(profile)

    def printing() -> int:
        plan = Plan(profile, chosen.problems if problems is None else problems, seed)
        try:
            for numbered in generated(declared_domains(declares), plan):
                print(numbered.line)
            sys.stdout.flush()
        except BrokenPipeError:  # nobody reads on, as after head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0

    _put("generate", printing)


@app.command("verify")
@one_thread()
def verify_command(
    given: Annotated[
        list[Path],
        typer.Argument(metavar="[PROBLEMS] ANSWERS", help="Files of lines, - for standard input."),
    ],
    profile: Annotated[str, typer.Option(help="Of the problems, where their file is not given.")] = "quick",
    problems: Annotated[int | None, typer.Option(min=1, help="How many of them were random.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="From which they were drawn.")] = 0,
    declares: Declares = None,
    only: Only = None,
    report_to: Annotated[Path | None, typer.Option("--report", help="A folder for report.json and junit.xml.")] = None,
) -> None:
    """Judge answers to the problems of generate; without their file, they are drawn again from the same options."""
    chosen = _profile(profile)
    plan = Plan(profile, chosen.problems if problems is None else problems, seed, _labels(only))

    def judging() -> int:
        if len(given) > 2 or [str(path) for path in given].count("-") > 1:
            raise CannotAsk("expected a file of problems, or none, and one of answers, standard input once")
        domains = declared_domains(declares)
        asked = read(lines_of(given[0])) if len(given) == 2 else generated(domains, plan)
        report_of = verified(asked, lines_of(given[-1]), domains[0], plan, str(given[-1]))
        if report_to is not None:
            report_of = results.with_problems(report_of, report_to)
            results.write(report_of, report_to)
        console = Console()
        present(console, report_of)
        console.print(last_line(report_of), highlight=False, soft_wrap=True)
        return report_of.exit_status

    _put("verify", judging)


@app.command("check")
def check_command(
    problem: Annotated[Path, typer.Argument(help="A problem of the protocol, .json.")],
    answer: Annotated[Path, typer.Argument(help="An answer: .json of the protocol, .npz or .safetensors.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print report.json instead.")] = False,
    plot_to: Annotated[
        Path | None, typer.Option("--plot", dir_okay=False, help="Draw error/bound of every number there.")
    ] = None,
    convention: Annotated[
        list[str] | None, typer.Option(help="A derivative that is held to, as relu_derivative_at_zero=0.")
    ] = None,
) -> None:
    """Judge a given answer to a given problem: which documented equation is violated, and where."""
    console = Console()
    try:
        given = files.read_problem(problem)
        report_of = check(
            given, files.read_answer(answer, given), conventions=_conventions(convention or []), name=str(answer)
        )
        if plot_to is not None:
            _draw(report_of, plot_to, (problem, answer))
    except (ValueError, TypeError, OSError) as error:
        print(f"python -m conformance check: {error}", file=sys.stderr)
        sys.exit(NOT_PUT)
    if as_json:
        print(json.dumps(report_of.as_json(), indent=1, allow_nan=False))
    else:
        console.print(shown(report_of))
    sys.exit(report_of.exit_status)


def _conventions(given: list[str]) -> dict[str, float]:
    """Conventions by name, from ``name=value``."""
    conventions = {}
    for each in given:
        name, _, value = each.partition("=")
        if name in conventions:
            raise ValueError(f"--convention: expected each once, got {name} twice")
        try:
            conventions[name] = float(value)
        except ValueError:
            raise ValueError(f"--convention: expected a number after {name}=, got {value!r}") from None
    return conventions


def _draw(report_of: Report, path: Path, inputs: tuple[Path, ...]) -> None:
    """The picture, never over a file that was read."""
    _check_folder(path, "--plot")
    if any(path.exists() and path.samefile(read) for read in inputs):
        raise ValueError(f"--plot: expected a file of its own, got {path}, which was read")
    plot(report_of, path)


@app.command("kill-matrix")
def kill_matrix_command(
    labels: Annotated[list[str] | None, typer.Argument(help="Of the lines to attack, as B3; all if none.")] = None,
) -> None:
    """Alter every labelled line in every way: some test must fail, or the two texts be proved equal."""
    console = Console()
    try:
        status = kill_matrix(console, labels)
    except KeyboardInterrupt:
        console.print("\nINTERRUPTED: nothing is written.")
        status = INTERRUPTED
    sys.exit(status)


@app.command("schemas")
def schemas_command(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="A folder.")],
) -> None:
    """Write the JSON Schemas of the protocol's messages and of the report, a file each."""
    try:
        schemas.write(folder)
    except OSError as error:
        print(f"python -m conformance schemas: {error}", file=sys.stderr)
        sys.exit(NOT_PUT)


@app.command("bench")
@one_thread()
def bench_command(
    json_to: Annotated[Path, typer.Option("--json", dir_okay=False, help="Write the figures there.")] = Path(
        "bench.json"
    ),
) -> None:
    """Time a step against PyTorch, JAX and the matrix products alone, and measure its memory, in one run."""
    _check_folder(json_to, "--json")
    console, rows = Console(), []
    try:
        with Progress(*COLUMNS, console=console) as progress:
            for size in progress.track(bench.SIZES, description="sizes"):
                rows.append(bench.measure(size))
            judged = [costs.measure(size) for size in progress.track(costs.SIZES, description="judging")]
            compared = costs.compared(costs.COMPARED)
            pullbacks = operations.measure()
        memory = bench.memory(bench.SIZES[-1])
    except KeyboardInterrupt:
        console.print("\nINTERRUPTED: nothing is written.")
        sys.exit(INTERRUPTED)
    figures = {
        "machine": bench.machine(),
        "rows": [row._asdict() for row in rows],
        "memory": memory._asdict(),
        "judging": [cost._asdict() for cost in judged],
        "gradcheck": compared._asdict(),
        "operations": [cost._asdict() for cost in pullbacks],
    }
    show(console, speed(rows), judging(judged, compared), of_operations(pullbacks), machine(bench.machine(), memory))
    try:
        with replacing(json_to) as file:
            file.write(json.dumps(figures, indent=1).encode() + b"\n")
    except OSError as error:
        print(f"--json: {json_to} cannot be written: {error}", file=sys.stderr)
        sys.exit(2)
    console.print(f"Written to {json_to}.", highlight=False, soft_wrap=True)


def _check_folder(path: Path, option: str) -> None:
    if not path.parent.is_dir():
        raise typer.BadParameter(f"expected a folder that exists, got {path.parent}", param_hint=option)
