"""What a judgement costs: the oracle's own time and memory, beside `torch.autograd.gradcheck`, in one run.

The subject is the reference, whose time is not counted.  Everything is on one thread.
"""

import time
import tracemalloc
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from reference import CrossEntropy, HalfSquaredError, ReLU, Softmax, Tanh, loss_and_gradients

from ..arrays import Array, Network
from ..judge.report import Report
from ..oracle.network.oracle import check, probe
from ..problems.problem import Architecture, Problem, fill
from ..subjects import twin

BATCH = 17
"""Samples, as many as a question has at most."""

ROUNDS = 5
"""Times that a figure is taken; the median is reported."""


class Size(NamedTuple):
    """A network to be judged."""

    widths: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, {self.dtype}"

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(m * n + n for m, n in zip(self.widths, self.widths[1:], strict=False))


SIZES = (
    Size((24, 24, 16), "float32"),
    Size((64, 64, 64, 10), "float32"),
    Size((784, 128, 10), "float32"),
    Size((784, 128, 10), "float64"),
    Size((512, 1024, 1024, 512, 10), "float32"),
    Size((512, 1024, 1024, 512, 10), "float64"),
    Size((1024, 1984, 2048, 1920, 10), "float32"),
)
"""From a thousand parameters to ten million."""

COMPARED = Size((64, 64, 64, 10), "float64")
"""What gradcheck is given as well; it judges float64 alone."""


class Cost(NamedTuple):
    """What judging one size costs: parameters, questions, the judge's own seconds, the peak of its memory in MiB."""

    size: str
    parameters: int
    questions: int
    seconds: float
    peak: float
    verdict: str


class Comparison(NamedTuple):
    """Seconds on the same network with the same samples: of `check`, of `probe` with all its questions, of gradcheck.

    gradcheck looks at one point, as `check` does.
    """

    size: str
    parameters: int
    check: float
    probe: float
    gradcheck: float


class Watched:
    """The reference as a subject, with how often it was asked and how long it took itself."""

    def __init__(self) -> None:
        self.calls, self.seconds = 0, 0.0

    def __call__(self, network: Network, x: Array, y: Array) -> list[tuple[Array, Array]]:
        """The gradients."""
        start = time.perf_counter()
        gradients = loss_and_gradients(network, x, y, CrossEntropy(), "mean").gradients
        self.calls, self.seconds = self.calls + 1, self.seconds + time.perf_counter() - start
        return [(gradient.W, gradient.b) for gradient in gradients]


def probed(size: Size) -> tuple[Report, Watched, float]:
    """One probe: its report, the subject, the judge's own seconds."""
    watched, start = Watched(), time.perf_counter()
    report = probe(
        watched, hidden=ReLU(), output=Softmax(), loss=CrossEntropy(), reduction="mean",
        widths=size.widths, width=(1, max(size.widths)), dtype=size.dtype, name="reference",
    )  # fmt: skip
    return report, watched, time.perf_counter() - start - watched.seconds


def measure(size: Size) -> Cost:
    """What judging that size costs; the memory in a run of its own, since watching it takes time."""
    report, watched, _ = probed(size)
    seconds = float(np.median([probed(size)[2] for _ in range(ROUNDS)]))
    tracemalloc.start()
    try:
        probed(size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Cost(str(size), size.parameters, watched.calls, seconds, peak / 2**20, report.verdict)


def compared(size: Size) -> Comparison:
    """Each in its turn, on one network of tanh and half the squared error."""
    generic = ("generic", "generic", "generic")
    layers = (Tanh(),) * (len(size.widths) - 1)
    problem = fill(Architecture(size.widths, layers, HalfSquaredError(), "sum", BATCH, size.dtype, generic, 0, 0.1))

    def ask(network: Network, x: Array, y: Array) -> list[tuple[Array, Array]]:
        gradients = loss_and_gradients(network, x, y, HalfSquaredError(), "sum").gradients
        return [(gradient.W, gradient.b) for gradient in gradients]

    answer = ask(problem.network, problem.x, problem.y)
    runs: tuple[Callable[[], object], ...] = (
        lambda: check(problem, answer),
        lambda: probe(ask, hidden=Tanh(), output=Tanh(), widths=size.widths, dtype=size.dtype),
        gradcheck(problem),
    )
    turns = [[_timed(run) for run in runs] for _ in range(ROUNDS)]
    return Comparison(str(size), size.parameters, *map(float, np.median(turns, axis=0)))


class Diagnosed(NamedTuple):
    """Seconds of one probe of a wrong program, and of a right one: what naming a mistake costs besides."""

    mistake: str
    right: float
    wrong: float


def diagnosed() -> list[Diagnosed]:
    """Known mistakes, and one that is in no list, for which all are tried."""
    right = float(np.median([_probe_time(lambda W: W) for _ in range(ROUNDS)]))
    rows = []
    for name, change in MISTAKES.items():
        _probe_time(change)
        rows.append(Diagnosed(name, right, float(np.median([_probe_time(change) for _ in range(ROUNDS)]))))
    return rows


MISTAKES: dict[str, Callable[[Array], Array]] = {
    "dL/dW twice": lambda W: 2 * W,
    "dL/dW with its rows in reverse": lambda W: W[::-1].copy(),
    "in no list": lambda W: W + W * W / 7,
}
"""What is done to every dL/dW."""


def _probe_time(change: Callable[[Array], Array]) -> float:
    def ask(network: Network, x: Array, y: Array) -> list[tuple[Array, Array]]:
        gradients = loss_and_gradients(network, x, y, HalfSquaredError(), "sum").gradients
        return [(change(gradient.W), gradient.b) for gradient in gradients]

    return _timed(lambda: probe(ask, hidden=Tanh(), width=(1, 70), name="bench"))


def gradcheck(problem: Problem) -> Callable[[], object]:
    """PyTorch's own check of the same loss by all parameters, in its slow mode."""
    parameters = [p for layer in twin.tensors(problem.network) for p in layer]
    x, y = torch.tensor(problem.x), torch.tensor(problem.y)

    def value(*p: torch.Tensor) -> torch.Tensor:
        a = x
        for W, b in zip(p[::2], p[1::2], strict=True):
            a = torch.tanh(F.linear(a, W, b))
        return ((a - y) ** 2).sum() / 2

    return lambda: torch.autograd.gradcheck(value, parameters)


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
