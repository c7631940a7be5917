"""The commands behind ``python -m conformance``.

Each imports what it needs when it is called: `check` starts without PyTorch, in a fraction of a second.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from reference.training.files import replacing

from .judge.terminal import COLUMNS, show
from .judge.verdict import INTERRUPTED, NOT_PUT
from .suite.profiles import PROFILES, Profile

if TYPE_CHECKING:
    from .judge.report import Report

Command = Annotated[
    str | None, typer.Option("--command", help='A program that answers by PROTOCOL.md, as "node mynet.mjs".')
]
Named = Annotated[
    str | None,
    typer.Option("--subject", help="Who is asked in this process: reference, torch, ... or package.module:function."),
]
Declares = Annotated[
    Path | None,
    typer.Option("--declares", help="A file with an answer to start: what a function can do; else the XOR example's."),
]
Only = Annotated[list[str] | None, typer.Option("--only", help="Judge an equation alone, as B2; may be repeated.")]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.001, help="Seconds for a program to start, and for each answer; 60.")
]

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Check an implementation of backpropagation, equation by equation, against its rounding bounds."""


@app.command("run")
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
        float | None, typer.Option(min=0, help="Ask a subject no more after that time.")
    ] = None,
    timeout: Timeout = None,
    known: Annotated[
        Path | None, typer.Option("--known", help="A file of failures that are expected, with an address each.")
    ] = None,
) -> None:
    """Ask an implementation, any program by --command or any function by --subject, and judge its answers.

    With neither, compare the reference with its PyTorch twin on random architectures, then train both in lockstep.
    """
    chosen = _profile(profile)
    count = chosen.problems if problems is None else problems
    if command is not None or subject is not None:
        from .suite.harness import commands
        from .suite.harness.run import Plan

        if lockstep is not None:
            raise typer.BadParameter("is of the reference and its twin, and not of a subject", param_hint="--lockstep")
        seconds = float("inf") if max_seconds is None else max_seconds
        plan = Plan(profile, count, seed, tuple(only or ()), seconds)
        sys.exit(commands.run(commands.Who(command, subject, declares, timeout), plan, known, report_to))
    of_subjects = {"--only": only, "--max-seconds": max_seconds, "--declares": declares, "--timeout": timeout}
    for name, given in {**of_subjects, "--known": known}.items():
        if given is not None:
            raise typer.BadParameter("is of --command or --subject", param_hint=name)

    from .subjects.threads import one_thread
    from .suite.run import conformance
    from .suite.shards import processors

    if report_to is not None:
        if report_to.is_dir():
            raise typer.BadParameter(f"expected a file, got the folder {report_to}", param_hint="--report")
        _check_folder(report_to, "--report")
    chosen = chosen._replace(problems=count, lockstep=chosen.lockstep if lockstep is None else lockstep)
    console = Console()
    console.print(
        "Compares this package's reference with its PyTorch twin, which takes minutes; your own implementation is "
        "asked by --command or --subject."
    )
    with one_thread():
        sys.exit(conformance(console, chosen, seed, processors(), report_to))


@app.command("replay")
def replay_command(
    problem: Annotated[Path, typer.Argument(help="A saved problem, .json.")],
    eta: Annotated[float, typer.Option(help="Its learning rate, which the file does not hold.")] = 0.1,
    command: Command = None,
    subject: Named = None,
    declares: Declares = None,
    timeout: Timeout = None,
) -> None:
    """Ask a saved problem again, and say whether it is fixed; with no subject, judge the reference and its twin."""
    if command is not None or subject is not None:
        from .suite.harness import commands

        sys.exit(commands.replay(commands.Who(command, subject, declares, timeout), problem))
    from .subjects.threads import one_thread
    from .suite.run import replay

    with one_thread():
        sys.exit(replay(Console(), problem, eta))


@app.command("generate")
def generate_command(
    profile: Annotated[str, typer.Option(help=f"How much: one of {', '.join(PROFILES)}.")] = "quick",
    problems: Annotated[int | None, typer.Option(min=1, help="How many random problems instead.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="From which they are drawn.")] = 0,
    declares: Declares = None,
) -> None:
    """Print the problems of a run, a line of JSON each, for any program to answer."""
    from .suite.harness import commands
    from .suite.harness.run import Plan

    count = _profile(profile).problems if problems is None else problems
    sys.exit(commands.generate(declares, Plan(profile, count, seed)))


@app.command("verify")
def verify_command(
    given: Annotated[
        list[Path], typer.Argument(metavar="[PROBLEMS] ANSWERS", help="Files of lines, - for standard input.")
    ],
    profile: Annotated[str, typer.Option(help="Of the problems, where their file is not given.")] = "quick",
    problems: Annotated[int | None, typer.Option(min=1, help="How many of them were random.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="From which they were drawn.")] = 0,
    declares: Declares = None,
    only: Only = None,
    report_to: Annotated[Path | None, typer.Option("--report", help="A folder for report.json and junit.xml.")] = None,
    known: Annotated[
        Path | None, typer.Option("--known", help="A file of failures that are expected, with an address each.")
    ] = None,
) -> None:
    """Judge answers to the problems of generate; without their file, they are drawn again from the same options."""
    from .suite.harness import commands
    from .suite.harness.run import Plan

    count = _profile(profile).problems if problems is None else problems
    sys.exit(commands.verify(given, declares, Plan(profile, count, seed, tuple(only or ())), known, report_to))


def _profile(name: str) -> Profile:
    if name not in PROFILES:
        raise typer.BadParameter(f"expected one of {', '.join(PROFILES)}, got {name}", param_hint="--profile")
    return PROFILES[name]


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
    from .judge.report import shown
    from .oracle.network.oracle import check
    from .problems import files

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


def _draw(report_of: "Report", path: Path, inputs: tuple[Path, ...]) -> None:
    """The picture, never over a file that was read."""
    from .judge.picture import plot

    _check_folder(path, "--plot")
    if any(path.exists() and path.samefile(read) for read in inputs):
        raise ValueError(f"--plot: expected a file of its own, got {path}, which was read")
    plot(report_of, path)


@app.command("kill-matrix")
def kill_matrix_command(
    labels: Annotated[list[str] | None, typer.Argument(help="Of the lines to attack, as B3; all if none.")] = None,
) -> None:
    """Alter every labelled line in every way: some test must fail, or the two texts be proved equal."""
    from .attack.attack import kill_matrix

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
    from .problems import schemas

    try:
        schemas.write(folder)
    except OSError as error:
        print(f"python -m conformance schemas: {error}", file=sys.stderr)
        sys.exit(NOT_PUT)


@app.command("bench")
def bench_command(
    json_to: Annotated[Path, typer.Option("--json", dir_okay=False, help="Write the figures there.")] = Path(
        "bench.json"
    ),
) -> None:
    """Time a step against PyTorch, JAX and the matrix products alone, and measure its memory, in one run."""
    from .bench import bench, costs, operations
    from .bench.report import judging, machine, speed
    from .bench.report import operations as of_operations
    from .subjects.threads import one_thread

    _check_folder(json_to, "--json")
    console, rows = Console(), []
    try:
        with one_thread(), Progress(*COLUMNS, console=console) as progress:
            for size in progress.track(bench.SIZES, description="sizes"):
                rows.append(bench.measure(size))
            judged = [costs.measure(size) for size in progress.track(costs.SIZES, description="judging")]
            compared, diagnosed = costs.compared(costs.COMPARED), costs.diagnosed()
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
        "diagnosis": [of._asdict() for of in diagnosed],
        "operations": [cost._asdict() for cost in pullbacks],
    }
    costing = judging(judged, compared, diagnosed)
    show(console, speed(rows), costing, of_operations(pullbacks), machine(bench.machine(), memory))
    try:
        with replacing(json_to) as file:
            file.write(json.dumps(figures, indent=1).encode() + b"\n")
    except OSError as error:
        print(f"--json: {json_to} cannot be written: {error}", file=sys.stderr)
        sys.exit(2)
    console.print(f"Written to {json_to}.", highlight=False, soft_wrap=True)


@app.command("compare")
def compare_command() -> None:
    """Put the same mistakes and right programs to gradcheck, allclose, JAX's check_grads and the oracle."""
    from .bench.comparison import SCENES, TOOLS, measure, probed
    from .bench.report import comparison
    from .subjects.threads import one_thread

    console = Console()
    try:
        with one_thread(), Progress(*COLUMNS, console=console) as progress:
            asked = progress.add_task("asked", total=2 * len(TOOLS) * len(SCENES) + 1)
            rows = [measure(scene, asked=lambda: progress.advance(asked)) for scene in SCENES]
            by_probe = probed()
            progress.advance(asked)
    except KeyboardInterrupt:
        console.print("\nINTERRUPTED.")
        sys.exit(INTERRUPTED)
    show(console, comparison(rows, by_probe))


def _check_folder(path: Path, option: str) -> None:
    if not path.parent.is_dir():
        raise typer.BadParameter(f"expected a folder that exists, got {path.parent}", param_hint=option)
