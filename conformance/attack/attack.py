"""The text under attack: every labelled line of the reference, altered, must make a test fail.

`kill` runs the project's tests with an altered text *as* the reference.  Judge and subject then share the mistake, so
that only an independent truth finds it: PyTorch, balls in forward mode, the literal text, symbols, a known number.  A
mutant that no test sees must be proved equal to the text; else it shows what is not tested.  The result is the
committed table KILLS.md.
"""

import ast
import contextlib
import gc
import importlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from reference.training.files import replacing

from ..text.edits import copied
from .equivalence import proof
from .kills import ASSERTION, ERROR, SURVIVED, TABLE, TIME, Fate, table
from .mutants import ROOT, TESTS, Mutant, mutants

SELECTION = (
    "test_updates.py", "test_losses.py", "test_activations.py", "test_numbers.py", "test_equations.py",
    "test_symmetries.py", "test_zeros.py", "test_forgotten.py", "test_hessians.py", "test_loop.py",
    "test_evaluation.py", "test_storage.py", "test_initialisers.py", "test_rounded.py",
)
"""The tests that a mutant meets which its label's own tests leave alive; a file that is not there is left out."""

PROCESSES = 2
CPU_LIMIT, LIMIT = 100, 900.0
"""Seconds of the processor and of the clock after which tests count as not ending; unaltered, all take a fifth."""

ENVIRONMENT = {
    "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
}
"""Of the process that runs the tests."""

UNSOUND = "unsound"
"""A failure that shows nothing about the mutant."""


class Unsound(RuntimeError):
    """A test fails on the unaltered text, or tests another text, so that its failures show nothing."""


# --- The tests --------------------------------------------------------------------------------------------------------


class Selection(NamedTuple):
    """The tests to run: those named after each label, then those for any mutant left alive; pytest's node ids."""

    named: Mapping[str, tuple[str, ...]]
    rest: tuple[str, ...]


@cache
def selection() -> Selection:
    """All tests that may kill.

    Left out are those that edit the text: where an edit takes the place of a mutant's line, they say nothing of it.
    """
    named: dict[str, list[str]] = {}
    rest: list[str] = []
    for path in sorted(TESTS.rglob("test_*.py"), key=lambda path: _rank(path.name)):
        editing = _editing(path)
        for function in ast.parse(path.read_text()).body:
            if not isinstance(function, ast.FunctionDef) or function.name in editing:
                continue
            if not function.name.startswith("test_"):
                continue
            test = f"{path.relative_to(ROOT).as_posix()}::{function.name}"
            for label in re.findall(r"(?<=_)[A-Z]\d+(?=_|$)", function.name):
                named.setdefault(label, []).append(test)
            if path.name in SELECTION:
                rest.append(test)
    return Selection({label: tuple(tests) for label, tests in named.items()}, tuple(rest))


EDITING = {"planted", "mutants"}
"""What a test uses that edits the text."""


def _editing(path: Path) -> set[str]:
    """What a module of tests defines that edits the text, itself or by what it calls, there or beside it."""
    tree = ast.parse(path.read_text())
    used = {
        part.name: {n.id for n in ast.walk(part) if isinstance(n, ast.Name)}
        for part in tree.body
        if isinstance(part, ast.FunctionDef | ast.ClassDef)
    }
    editing = EDITING | {
        name.name
        for part in tree.body
        if isinstance(part, ast.ImportFrom) and part.level and part.module
        for name in part.names
        if name.name in _editing(path.parents[part.level - 1].joinpath(*part.module.split(".")).with_suffix(".py"))
    }
    while more := {name for name, uses in used.items() if uses & editing} - editing:
        editing |= more
    return editing


def _rank(name: str) -> tuple[int, str]:
    return SELECTION.index(name) if name in SELECTION else len(SELECTION), name


def kill(
    attacked: Sequence[Mutant], tests: Selection | None = None, processes: int = PROCESSES
) -> Generator[Fate, None, None]:
    """Run the tests with each mutant as the reference; fates as they come.

    First the tests named after its label.  What they leave is proved equal to the text, or meets all the tests.

    Parameters
    ----------
    attacked : sequence of Mutant
    tests : Selection, optional
        Instead of `selection()`.
    processes : int
        How many run at a time.  None is left when the iterator ends, is closed or interrupted, nor is any file.

    Raises
    ------
    Unsound
        If one of these tests fails on the unaltered text.
    """
    tests = tests or selection()
    named = [test for label in dict.fromkeys(m.label for m in attacked) for test in tests.named.get(label, ())]
    jobs = {
        "processes": processes,
        "baseline": list(dict.fromkeys(named)),
        "rest": tests.rest,
        "mutants": [(mutant, tests.named.get(mutant.label, ())) for mutant in attacked],
    }
    with _server(jobs) as lines:
        for line in lines:
            answer = json.loads(line)
            if answer["index"] is None:
                raise Unsound(
                    f"expected every test to pass on the unaltered text, but {answer['killer']} fails; mend it first\n"
                    f"{answer['said']}"
                )
            yield Fate(attacked[answer["index"]], answer["how"], answer["killer"], answer.get("proof", ""))


@contextlib.contextmanager
def _server(jobs: Mapping[str, Any]) -> Iterator[IO[str]]:
    """What the process that works through the jobs prints; it and its children end with the context."""
    server = subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import _serve; _serve()"],
        cwd=ROOT, env=os.environ | ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert server.stdin is not None  # pipes
    assert server.stdout is not None
    try:
        with server.stdin as request:
            json.dump(jobs, request)
        yield server.stdout
        if server.wait():
            raise RuntimeError(f"the process that runs the tests ended with status {server.returncode}")
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


# --- In a process of its own, which imports all but the text under attack once, and forks for each mutant -------------

PRELOADED = (
    "torch", "torch._dynamo", "torch.fx.experimental.symbolic_shapes", "scipy.special", "flint", "hypothesis", "pytest",
    "typer", "pydantic", "safetensors.numpy",
)


class _Job(NamedTuple):
    """Tests to run on the mutant of that index, or on the unaltered text if None: those named, or the ``rest``."""

    which: int | None
    rest: bool


class _Run(NamedTuple):
    """A child: its job, when it was started, and the folder for its text, what it says and its answer."""

    job: _Job
    started: float
    folder: Path


def _serve() -> None:
    """Read the jobs and work through them; a line of JSON for each fate."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt comes by way of the process that reads the fates
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    jobs = json.load(sys.stdin)
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # a child need not look through all that, nor copy it
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        _work(jobs, folder)


def _work(jobs: Mapping[str, Any], folder: str) -> None:
    """Run the named tests on each mutant and, if they leave it, the rest; both on the unaltered text first."""
    waiting = [*(_Job(k, False) for k in reversed(range(len(jobs["mutants"])))), _Job(None, False)]
    running: dict[int, _Run] = {}
    rest_on_text = False
    try:
        while waiting or running:
            while waiting and len(running) < jobs["processes"]:
                pid, run = _started(waiting.pop(), jobs, folder)
                running[pid] = run
            time.sleep(0.005)
            for job, answer in _ended(running):
                left = answer["how"] == SURVIVED
                if answer["how"] == UNSOUND or (job.which is None and not left):
                    print(json.dumps({"index": None, **answer}), flush=True)
                    return
                if job.which is None:
                    continue
                if left and not job.rest and not answer["proof"]:
                    waiting += [_Job(job.which, True), *([] if rest_on_text else [_Job(None, True)])]
                    rest_on_text = True
                else:
                    print(json.dumps({"index": job.which, **answer}), flush=True)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is left is to end
        for pid in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _started(job: _Job, jobs: Mapping[str, Any], folder: str) -> tuple[int, _Run]:
    """Start a job; its process id and run."""
    fields, tests = (None, jobs["baseline"]) if job.which is None else jobs["mutants"][job.which]
    run = _Run(job, time.monotonic(), Path(tempfile.mkdtemp(dir=folder)))
    return _forked(run, Mutant(*fields) if fields else None, jobs["rest"] if job.rest else tests), run


def _ended(running: dict[int, _Run]) -> Iterator[tuple[_Job, dict[str, str]]]:
    """The jobs that have ended, or whose time has, with their answers; they are taken out of those running."""
    for pid, run in list(running.items()):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended and time.monotonic() > run.started + LIMIT:
            os.killpg(pid, signal.SIGKILL)
            ended, status = os.waitpid(pid, 0)
        if ended:
            del running[pid]
            answer = _answer(run, status)
            shutil.rmtree(run.folder)
            yield run.job, answer


def _answer(run: _Run, status: int) -> dict[str, str]:
    """What a child that ended with that status had found."""
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        return {"how": TIME, "killer": "time", "said": ""}
    try:
        answer: dict[str, str] = json.loads((run.folder / "answer.json").read_text())
    except (OSError, ValueError):
        said = (run.folder / "said").read_text(errors="replace")
        return {"how": UNSOUND, "killer": "the interpreter", "said": f"status {status}\n{said[-2000:]}"}
    return answer


def _forked(run: _Run, mutant: Mutant | None, tests: Sequence[str]) -> int:
    """Start a child that runs the tests on the mutant and, if it survives its own, tries a proof; its process id."""
    copy = copied(run.folder / "reference", {mutant.module: mutant.text} if mutant else {})
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT, CPU_LIMIT))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        said = os.open(run.folder / "said", os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(said, stream)
        answer = _tested(copy, tests)
        if mutant and answer["how"] == SURVIVED and not run.job.rest:
            answer["proof"] = proof(mutant)
        (run.folder / "answer.json").write_text(json.dumps(answer))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(0)


class _Recorder:
    """A plugin of pytest: the first failure; and Hypothesis does not look for a smaller one."""

    def __init__(self) -> None:
        self.kind = ERROR
        self.failure: dict[str, str] = {}

    def pytest_configure(self) -> None:
        from hypothesis import Phase, settings

        settings.register_profile("mutants", settings.default, phases=(Phase.explicit, Phase.generate), database=None)
        settings.load_profile("mutants")

    def pytest_collectreport(self, report: Any) -> None:
        self._record(report, ERROR)

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        self.kind = ASSERTION if call.excinfo is not None and call.excinfo.errisinstance(AssertionError) else ERROR

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._record(report, self.kind)

    def _record(self, report: Any, how: str) -> None:
        if report.failed and not self.failure:
            killer = report.nodeid.rpartition("::")[2].partition("[")[0] or report.nodeid
            self.failure = {"how": how, "killer": killer, "said": str(report.longrepr)[-2000:]}


def _tested(copy: Path, tests: Sequence[str]) -> dict[str, str]:
    """Run tests in this process on the package in ``copy``."""
    import pytest

    for name in [name for name in sys.modules if name.partition(".")[0] in ("reference", "conformance")]:
        del sys.modules[name]
    sys.path.insert(0, str(copy.parent))
    os.environ["PYTHONPATH"] = f"{copy.parent}:{ROOT}"
    recorder = _Recorder()
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "-q", "-x", "--no-header", "--tb=short", "-o", "addopts="]
    options += ["--import-mode=importlib"]  # which leaves the way to the altered text alone
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # what is loaded before is not to be rewritten
    # -o addopts= leaves out the doctests of the test files, of which there are none.
    status = pytest.main([*options, *tests], plugins=[recorder]) if tests else 0
    loaded = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "reference"}
    strange = [name for name, module in loaded.items() if copy not in Path(str(module.__file__)).parents]
    if strange:
        return {"how": UNSOUND, "killer": "the interpreter", "said": f"{strange} are not of the text to be tested"}
    if recorder.failure:
        return recorder.failure
    if status != 0:
        return {"how": ERROR, "killer": "pytest", "said": f"status {status}"}
    return {"how": SURVIVED, "killer": "", "said": ""}


# --- The command ------------------------------------------------------------------------------------------------------


def kill_matrix(console: Console, only: Sequence[str] | None = None) -> int:
    """Attack the lines with these labels, or all and write the table; print what stays unexplained.

    Returns
    -------
    int
        0 if every mutant was stopped or proved equal, 1 if one was not, 2 if a label is unknown or a test fails on the
        unaltered text.
    """
    unknown = sorted(set(only or ()) - {mutant.label for mutant in mutants()})
    if unknown:
        console.print(f"expected labels of EQUATIONS.md, got {', '.join(unknown)}", highlight=False)
        return 2
    try:
        fates = _fates([mutant for mutant in mutants() if not only or mutant.label in only], console)
    except Unsound as error:
        console.print(str(error), highlight=False, markup=False)
        return 2
    unexplained = sum(not fate.explained for fate in fates)
    equal = sum(bool(fate.proof) for fate in fates)
    if not only:
        with replacing(TABLE) as file:
            file.write(table(fates).encode())
        console.print(f"Written to {TABLE}.", highlight=False, soft_wrap=True)
    console.print(
        f"{len(fates):,} mutants of {len({fate.mutant.label for fate in fates})} lines: "
        f"{len(fates) - equal - unexplained:,} stopped, {equal:,} proved equal, {unexplained:,} unexplained.",
        highlight=False, soft_wrap=True,
    )
    return 1 if unexplained else 0


def _fates(attacked: Sequence[Mutant], console: Console) -> list[Fate]:
    """The fates, with a bar of progress; what is unexplained is printed at once."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    fates: list[Fate] = []
    with Progress(*columns, console=console) as progress, contextlib.closing(kill(attacked)) as found:
        for fate in progress.track(found, total=len(attacked), description="mutants"):
            fates.append(fate)
            if not fate.explained:
                progress.console.print(f"unexplained: {fate.mutant.name}", highlight=False, markup=False)
    return fates
