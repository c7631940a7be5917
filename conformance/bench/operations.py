"""What judging one operation costs: `check_pullback` with all its questions, beside `torch.autograd.gradcheck`.

The time and memory are those of the whole, the subject's own included.  gradcheck runs the forward function twice for
every number of the inputs, in float64, so it is given small sizes alone.
"""

import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from ..judge.report import Report
from ..oracle.operation.operation import check_pullback


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """One head, causal."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def layer_norm(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Over the last axis."""
    return F.layer_norm(x, weight.shape, weight, bias)


class Operation(NamedTuple):
    """A function of PyTorch with the shapes of its inputs and their dtype."""

    forward: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]
    dtype: str

    def __str__(self) -> str:
        size = " by ".join(map(str, self.shapes[0]))
        return f"{self.forward.__name__.replace('_', ' ')} of {size}, {self.dtype}"

    def inputs(self) -> list[torch.Tensor]:
        """Normal numbers, always the same."""
        rng = np.random.default_rng(0)
        return [torch.from_numpy(rng.standard_normal(shape).astype(self.dtype)) for shape in self.shapes]


LARGE = (
    Operation(attention, ((512, 128),) * 3, "float32"),
    Operation(layer_norm, ((4096, 1024), (1024,), (1024,)), "float32"),
    Operation(attention, ((128, 64),) * 3, "float64"),
)
"""As large as what people train with."""

SMALL = (
    Operation(attention, ((32, 16),) * 3, "float64"),
    Operation(layer_norm, ((32, 48), (48,), (48,)), "float64"),
)
"""What gradcheck is given as well; it judges float64 alone."""


class OperationCost(NamedTuple):
    """Of judging one: seconds, the peak of memory in MiB, the verdict; gradcheck's seconds, where it was asked."""

    operation: str
    numbers: int
    seconds: float
    peak: float
    verdict: str
    gradcheck: float | None = None


def measured(operation: Operation, beside_gradcheck: bool) -> OperationCost:
    """What judging costs; the memory in a run of its own, since watching it takes time."""
    inputs = operation.inputs()

    def judge() -> Report:
        return check_pullback(operation.forward, None, inputs)

    report, seconds = _timed(judge)
    tracemalloc.start()
    try:
        judge()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    other = None
    if beside_gradcheck:
        leaves = [x.requires_grad_() for x in operation.inputs()]
        other = _timed(lambda: torch.autograd.gradcheck(operation.forward, leaves))[1]
    numbers = sum(x.numel() for x in inputs)
    return OperationCost(str(operation), numbers, seconds, peak / 2**20, report.verdict, other)


def measure() -> list[OperationCost]:
    """All of them."""
    rows = [measured(operation, beside_gradcheck=False) for operation in LARGE]
    return rows + [measured(operation, beside_gradcheck=True) for operation in SMALL]


def _timed(run: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = run()
    return result, time.perf_counter() - start
