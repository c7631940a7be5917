"""The random problems in shards, which pytest runs in parallel, with pytest-xdist.

The shards have a fixed size, each is drawn from the seed and its number, and what they came to is added up in their
order: the sum is the same with any number of processes.  (Hypothesis also draws constants that it reads in the source
of modules outside site-packages; every process imports the same.)

The module is the plugin of pytest that every process loads.  No file of pytest's is read or written: neither the user's
configuration, nor a conftest.py, nor a cache.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from ..judge.judgement import Judgement
from ..judge.verdict import Tally
from ..subjects.threads import one_thread
from .suite import NONE, Counterexample, Judged, Key, Shard, together

SIZE = 25
"""Problems of a shard."""

OPTIONS = (
    *("-c", os.devnull, "--rootdir", os.path.dirname(__file__), "--noconftest", "--import-mode=importlib"),
    *("--assert=plain", "-s", "--max-worker-restart=0", "--maxschedchunk=1", "-p", "xdist", "-p", __name__),
    *(f"-pno:{name}" for name in ("cacheprovider", "faulthandler", "logging", "terminal", "tmpdir")),
)
"""Options for pytest: nothing is found, printed, rewritten or kept; shards are handed out one by one."""

ENVIRONMENT = {
    "PYTEST_ADDOPTS": None,
    "PYTEST_CURRENT_TEST": None,
    "PYTEST_PLUGINS": None,
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "HYPOTHESIS_STORAGE_DIRECTORY": os.devnull,
}
"""The environment of the processes: no options and plugins of the user's, one thread each, and
nowhere to keep what they draw."""


class Asked(NamedTuple):
    """What a shard is drawn from."""

    problems: int
    seed: str


class Broken(RuntimeError):
    """The run ended before all shards had been judged; says why."""


def shards(count: int, seed: int) -> list[Asked]:
    """That many problems in shards of `SIZE`, and what is left over."""
    sizes = [SIZE] * (count // SIZE) + [count % SIZE] * (count % SIZE > 0)
    return [Asked(size, f"{seed}, {k}") for k, size in enumerate(sizes)]


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_in_shards(count: int, seed: int, workers: int, arrived: Callable[[Shard], object]) -> Shard:
    """Examine that many random problems, up to the first shard with a counterexample.

    Parameters
    ----------
    count, seed : int
    workers : int
        Processes; with 0 it is this one.
    arrived : function
        Called with the sum so far, whenever it has grown.

    Raises
    ------
    Broken
        If a subject or a process fails instead of answering.
    KeyboardInterrupt
        Once no process is left.
    """
    asked = shards(count, seed)
    gathering = _Gathering(arrived)
    arguments = [*OPTIONS, f"-n{workers}", f"--problems={count}", f"--from-seed={seed}"]
    with _environment(), one_thread():
        status = pytest.main([*arguments, str(Path(__file__).with_name("properties.py"))], plugins=[gathering])
    if gathering.interrupted:
        raise KeyboardInterrupt
    if gathering.total.counterexample is None and (gathering.broken or gathering.gathered < len(asked)):
        raise Broken(gathering.broken or f"pytest ended with status {status}")
    return gathering.total


def pytest_addoption(parser: pytest.Parser) -> None:
    """What the shards are drawn from, as every process is told."""
    parser.addoption("--problems", type=int)
    parser.addoption("--from-seed", type=int)


def pytest_configure(config: pytest.Config) -> None:
    """A worker is one thread, and an interrupt ends it at once and in silence."""
    if hasattr(config, "workerinput"):
        torch.set_num_threads(1)
        signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each shard, its number being its name."""
    asked = shards(metafunc.config.getoption("--problems"), metafunc.config.getoption("--from-seed"))
    metafunc.parametrize("asked", asked, ids=map(str, range(len(asked))))


class _Gathering:
    """The plugin of the process that gathers: it adds up the shards in their order, and ends the run early."""

    def __init__(self, arrived: Callable[[Shard], object]) -> None:
        self.arrived = arrived
        self.total, self.gathered, self.waiting = NONE, 0, dict[int, Shard]()
        self.broken, self.interrupted = "", False
        self.workers: list[int] = []

    def pytest_testnodeready(self, node: Any) -> None:
        self.workers.append(node.gateway._rinfo().pid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        came = dict(report.user_properties).get("shard") if report.when == "call" else None
        if came is not None:
            number = int(report.nodeid.rpartition("[")[2].removesuffix("]"))
            self.waiting[number] = read(str(came))
            while self.gathered in self.waiting:
                self.total = together(self.total, self.waiting.pop(self.gathered))
                self.gathered += 1
                self.arrived(self.total)
                if self.total.counterexample:
                    self._end()
        elif report.failed:
            self._break(report.longreprtext)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._break(report.longreprtext)

    def pytest_internalerror(self, excrepr: object) -> None:
        self.broken = self.broken or str(excrepr)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupted = excinfo.type is KeyboardInterrupt
        self._interrupt_workers()

    def _break(self, why: str) -> None:
        self.broken = why
        self._end()

    def _end(self) -> None:
        self._interrupt_workers()
        pytest.exit("there is no more to ask")

    def _interrupt_workers(self) -> None:
        while self.workers:
            try:
                os.kill(self.workers.pop(), signal.SIGINT)
            except ProcessLookupError:  # it has ended by itself
                continue


@contextmanager
def _environment() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in ENVIRONMENT}
    try:
        _set(ENVIRONMENT)
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def written(shard: Shard) -> str:
    """A shard as JSON, for `read`; equal shards as equal text, NaN and all."""
    problems, architectures, reached, tallies, counterexample = shard
    counted = dict(sorted(reached.items())), dict(sorted(tallies.items()))
    return json.dumps(_plain((problems, sorted(architectures), *counted, counterexample)))


def _plain(value: Any) -> Any:
    """Tuples as lists, and what maps as a list of pairs: not every key is a string."""
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    return [*map(_plain, value)] if isinstance(value, tuple) else value


def read(text: str) -> Shard:
    """The shard that was `written`, equal to it in all its numbers."""
    problems, architectures, reached, tallies, counterexample = json.loads(text)
    return Shard(
        problems,
        frozenset(architectures),
        {(kind, name): times for (kind, name), times in reached},
        {Key(*key): _tally(fields) for key, fields in tallies},
        counterexample and _counterexample(*counterexample),
    )


def _tally(fields: list[Any]) -> Tally:
    tally = Tally(*fields)
    return tally._replace(floors=dict(tally.floors), worst=_judgement([*tally.worst]), spread=dict(tally.spread))


def _counterexample(problem: str, eta: float, judged: list[Any]) -> Counterexample:
    return Counterexample(problem, eta, tuple(Judged(subject, reach, _judgement(j)) for subject, reach, j in judged))


def _judgement(fields: list[Any]) -> Judgement:
    judgement = Judgement(*fields)
    return judgement._replace(element=tuple(judgement.element), spread=dict(judgement.spread))
