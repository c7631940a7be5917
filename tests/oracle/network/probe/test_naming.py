"""What is wrong is named: the equation, the mistake that gives these numbers, the elements; several as several."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance import Report, probe
from conformance.arrays import Array, Network
from conformance.judge.report import Subject
from conformance.oracle.network.asking.domain import domain_of
from conformance.oracle.network.interrogation import interrogated
from conformance.subjects.faults import FAULTS
from conformance.text.edits import planted
from reference import ACTIVATIONS, LOSSES, HalfSquaredError, Layer, Tanh, forward, loss_and_gradients
from reference.losses import REQUIRED_HEAD, TARGETS
from tests.oracle.network.functions import Gradients, answering, by_dtype, right

from .test_wrong import SETTINGS

pytestmark = pytest.mark.sampled(4)

UNSEEN = {"update-ascends", "update-without-rate", "bias-not-updated", "log-of-zero", "relu-one-at-zero"}
"""Faults of the update, of a loss that is not reported, and a convention."""

CONVENTIONS = {"batch-not-divided"}
"""What is said as a convention, before mistakes."""


def of_fault(name: str, dtype: str) -> Report:
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    hidden, output, loss = SETTINGS.get(name, (Tanh(), "sigmoid", HalfSquaredError()))
    reduction: Any = "mean" if name.startswith("batch") else "sum"
    domain = domain_of(hidden=hidden, output=output, loss=loss, reduction=reduction, dtype=dtype, width=(1, 70))
    return interrogated(answering(planted(*fault.edits), whole=False), domain, Subject(name))


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS if fault.name not in UNSEEN | CONVENTIONS])
def test_a_fault_of_the_catalogue_is_named(name: str) -> None:
    report = of_fault(name, "float64")
    assert name in report.findings[0].faults, f"\n{report}"


def gradients_of(network: Any, x: Array, y: Array, loss: Any = HalfSquaredError()) -> Gradients:  # noqa: B008
    return [(g.W, g.b) for g in loss_and_gradients(network, x, y, loss, "sum").gradients]


def with_hidden(network: Network, sigma: Any) -> Network:
    return (*(layer._replace(sigma=sigma) for layer in network[:-1]), network[-1])


FREE = [name for name, kind in LOSSES.items() if kind not in REQUIRED_HEAD and kind not in TARGETS]


@pytest.mark.parametrize("name", [name for name in FREE if name != "half_squared_error"])
def test_another_loss_is_named(name: str) -> None:
    report = probe(lambda network, x, y: gradients_of(network, x, y, LOSSES[name]()), hidden="tanh", width=(1, 70))
    assert report.verdict == "WRONG"
    assert any(name in fault for fault in report.findings[0].faults), f"\n{report}"


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in ("tanh", "softmax", "log_softmax")])
def test_another_activation_is_named(name: str) -> None:
    report = probe(
        lambda network, x, y: gradients_of(with_hidden(network, ACTIVATIONS[name]()), x, y),
        hidden="tanh", width=(1, 70),
    )  # fmt: skip
    assert report.verdict == "WRONG"
    assert f"hidden is {name}" in report.findings[0].faults, f"\n{report}"


def changed(change: Callable[[Array], Array], of_b: bool = True) -> Callable[[Network, Array, Array], Gradients]:
    return lambda network, x, y: [(change(W), change(b) if of_b else b) for W, b in right(network, x, y)]


def normed(network: Network, x: Array, y: Array) -> Gradients:
    gradients = right(network, x, y)
    norm = np.sqrt(sum((part**2).sum() for pair in gradients for part in pair))
    by = 1 / max(norm / 0.125, 1)
    return [(W * by, b * by) for W, b in gradients]


DONE: dict[str, tuple[Callable[[Network, Array, Array], Gradients], str]] = {
    "signs": (changed(np.sign), "signs"),
    "absolute values": (changed(abs), "absolute values"),
    "clipped elementwise": (changed(lambda p: p.clip(-0.0625, 0.0625)), "clipped at 0.0625"),
    "clipped by norm": (normed, "norm clipped at 0.125"),
    "rows in reverse": (changed(lambda p: p[::-1].copy(), of_b=False), "rows reversed"),
    "columns shifted": (changed(lambda p: np.roll(p, 1, axis=1), of_b=False), "columns shifted"),
    "last sample": (lambda n, x, y: right(n, x[:-1], y[:-1]) if len(x) > 1 else right(n, x, y), "last sample left out"),
    "first sample": (lambda n, x, y: right(n, x[:1], y[:1]), "first sample only"),
}


@pytest.mark.parametrize("done", DONE)
def test_what_was_done_to_right_gradients_is_named(done: str) -> None:
    function, name = DONE[done]
    report = probe(function, hidden="tanh", width=(1, 70))
    assert report.verdict == "WRONG"
    assert name in report.findings[0].faults, f"\n{report}"


def spoiled(change: Callable[[Array], None]) -> Callable[[Network, Array, Array], Gradients]:
    """Every dL/dW is changed in place."""

    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        gradients = right(network, x, y)
        for W, _ in gradients:
            change(W)
        return gradients

    return wrong


def last_row(W: Array) -> None:
    W[-1] = 0


def last_column(W: Array) -> None:
    W[:, -1] *= 2


def from_32(W: Array) -> None:
    W[32:] *= 2


def negative(W: Array) -> None:
    W[W < 0] *= 2


def diagonal(W: Array) -> None:
    np.fill_diagonal(W, 0)


def where_negative(network: Network, x: Array, y: Array) -> Gradients:
    """The slope below zero is left out."""
    steps, found = forward(network, x), []
    d = network[-1].sigma.pullback(steps[-1].z, steps[-1].a, steps[-1].a - y)
    for l in range(len(network) - 1, -1, -1):
        found.append((d.T @ steps[l].a_prev, d.sum(axis=0)))
        if l:
            below: Layer[Array] = network[l - 1]
            g, z = d @ network[l].W, steps[l - 1].z
            d = np.where(z < 0, 2, 1).astype(x.dtype) * below.sigma.pullback(z, steps[l - 1].a, g)
    return found[::-1]


ELEMENTS: dict[str, tuple[Callable[[Network, Array, Array], Gradients], str]] = {
    "last row": (spoiled(last_row), "Wrong are exactly the last unit."),
    "last column": (spoiled(last_column), "Wrong are exactly the last input."),
    "from 32 on": (spoiled(from_32), "Wrong are exactly the units from index 32 on."),
    "negative": (spoiled(negative), "Wrong are exactly the elements that are to be negative."),
    "diagonal": (spoiled(diagonal), "Wrong are exactly the diagonal."),
    "z below 0": (where_negative, "Wrong are exactly all units with z < 0."),
}


@by_dtype
@pytest.mark.parametrize("elements", ELEMENTS)
def test_which_elements_are_wrong_is_said(elements: str, dtype: str) -> None:
    function, said = ELEMENTS[elements]
    report = probe(function, hidden="leaky_relu", dtype=dtype)
    assert report.verdict == "WRONG"
    assert said in report.findings[0].explanation, f"\n{report}"


SEVERAL: dict[str, tuple[dict[tuple[int, int], float], list[tuple[str, int, float]]]] = {
    "dL/dW2 twice, dL/db1 four times": ({(1, 0): 2, (0, 1): 4}, [("B3", 2, 2), ("B4", 1, 4)]),
    "dL/dW3 twice, dL/db2 four times": ({(2, 0): 2, (1, 1): 4}, [("B3", 3, 2), ("B4", 2, 4)]),
    "each dL/db by another factor": (
        {(0, 1): 2, (1, 1): 3, (2, 1): 0.5}, [("B4", 3, 0.5), ("B4", 2, 3), ("B4", 1, 2)],
    ),
    "layer 1 twice": ({(0, 0): 2, (0, 1): 2}, [("B2", 1, 2)]),
}  # fmt: skip


@by_dtype
@pytest.mark.parametrize("several", SEVERAL)
def test_several_mistakes_are_told_as_several(several: str, dtype: str) -> None:
    factors, told = SEVERAL[several]

    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        gradients = right(network, x, y)
        for (l, part), factor in factors.items():
            gradients[l][part][...] *= x.dtype.type(factor)
        return gradients

    report = probe(wrong, hidden="tanh", widths=(4, 6, 7, 5), dtype=dtype)
    assert [(f.equation, f.layer, round(f.factor, 3)) for f in report.findings] == told, f"\n{report}"
