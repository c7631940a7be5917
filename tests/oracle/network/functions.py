"""Right functions to be spoiled, and what tests read of a report."""

from collections.abc import Callable
from itertools import count
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from conformance import GivenAnswer, Problem, Report
from conformance.arrays import Array, Network
from conformance.subjects.callables import Ask
from conformance.subjects.correct import PROGRAMS, Program
from conformance.subjects.reference import reference_answer
from reference import (
    HalfSquaredError,
    value_and_gradients,
)

DTYPES = ("float64", "float32")


SLOW = {"loops", "backwards", "pairwise", "compensated", "shuffled", "fused-multiply-add"} | {
    program.name for program in PROGRAMS if not program.recursive
}
"""Programs that take a step of Python for each product, or a pass for each parameter."""

by_dtype = pytest.mark.parametrize("dtype", DTYPES)

Gradients = list[tuple[Array, Array]]


def right(network: Network, x: Array, y: Array) -> Gradients:
    """The gradients of the document's example."""
    _, gradients = value_and_gradients(network, x, y, HalfSquaredError(), "sum")
    return [(W, b) for _, W, b in gradients]


def spoiled(change: Callable[[Gradients, Network, Array, Array], Any]) -> Callable[[Network, Array, Array], Gradients]:
    """A function whose right gradients are changed in place before it returns them."""

    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        gradients = right(network, x, y)
        change(gradients, network, x, y)
        return gradients

    return wrong


def named(report: Report) -> list[str]:
    """The equations of the ordinary findings, first things first."""
    return [finding.equation for finding in report.findings if finding.kind == "ordinary"]


def numbers(report: Report) -> int:
    return sum(tally.elements for tally in report.equations.values())


def asked(program: Program) -> Ask:
    """The program, reporting gradients alone; what it does not apply to it does not support."""

    def ask(problem: Problem) -> GivenAnswer:
        if not program.applies(problem):
            raise NotImplementedError
        return GivenAnswer(program.answer(problem).gradients)

    return ask


def column(a: Array) -> Array:
    return a.reshape(len(a), -1).T


def other_style(network: Network, x: Array, y: Array, forgotten: bool = False) -> Gradients:
    """A script in columns: weights (in, out), samples in columns, everything transposed on the way in and out."""
    weights = [np.ascontiguousarray(W.T) for W, _, _ in network]
    activations = [column(x)]
    for w, (_, b, _) in zip(weights, network, strict=True):
        activations.append(1 / (1 + np.exp(-(np.dot(w.T, activations[-1]) + b[:, None]))))
    error = (activations[-1] - column(y)) * activations[-1] * (1 - activations[-1])
    gradients = []
    for l in range(len(weights) - 1, -1, -1):
        gradients.append((np.dot(activations[l], error.T), error.sum(1)))
        slope = 1 if forgotten else activations[l] * (1 - activations[l])
        error = np.dot(weights[l], error) * slope
    return [(w.T, b) for w, b in reversed(gradients)]


def scale(pair: tuple[Array, Array], of_W: float = 1, of_b: float = 1) -> None:
    for part, by in zip(pair, (of_W, of_b), strict=True):
        part *= part.dtype.type(by)


HUNDREDTH = 1 + 2.0**-7
"""A factor that is off by about a hundredth."""


def nan(g: Gradients, *_: Any) -> None:
    g[0][0][0, 0] = np.nan


def in_format(bits: int | None) -> Callable[[Network, Array, Array], Gradients]:
    """Every product's operands rounded to so many bits of significand; None cuts float32 to bfloat16's upper half."""

    def low(a: Array) -> Array:
        if bits is None:
            return (a.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32).astype(a.dtype)
        m, e = np.frexp(a)
        return np.ldexp(np.round(m * 2.0**bits) * 2.0**-bits, e).astype(a.dtype)

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        seen, a = [], x
        for W, b, sigma in network:
            z = low(a) @ low(W).T + b
            seen.append((a, z, sigma.apply(z)))
            a = seen[-1][2]
        g, found = a - y, []
        for (W, _, sigma), (a_prev, z, a) in zip(reversed(network), reversed(seen), strict=True):
            delta = sigma.pullback(z, a, g)
            found.append((low(delta).T @ low(a_prev), delta.sum(axis=0)))
            g = low(delta) @ low(W)
        return found[::-1]

    return gradients


def second_call_wrong() -> Callable[[Network, Array, Array], Gradients]:
    calls = count(1)
    return spoiled(lambda g, *_: scale(g[0], 1.5) if next(calls) == 2 else None)


def answering(text: ModuleType, whole: bool) -> Ask:
    """A copy of the reference that reports its gradients, or everything but its trace."""

    def ask(problem: Problem) -> GivenAnswer:
        value, gradients, trace, dx, _ = reference_answer(problem, text)
        return GivenAnswer(gradients, value, trace[-1].a, dx) if whole else GivenAnswer(gradients)

    return ask


def reject(*_: Any) -> Any:
    raise RuntimeError("out of luck")
