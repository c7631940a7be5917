"""`probe_trainer`: what a step of training must be, and of which rate."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference
from conformance import Parameters, Problem, assert_conforms, probe_trainer
from conformance.arrays import Array, Network
from conformance.subjects.correct import PROGRAMS, Program
from reference import (
    ELU,
    CrossEntropy,
    Softmax,
    Tanh,
    forward,
)

from ..functions import SLOW, Gradients, by_dtype, named, right

pytestmark = pytest.mark.sampled(4)


def sgd(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """One step of gradient descent."""
    rate = x.dtype.type(eta)
    return [(W - rate * dW, b - rate * db) for (W, b, _), (dW, db) in zip(network, right(network, x, y), strict=True)]


class Momentum:
    """A trainer whose velocity is kept from step to step."""

    def __init__(self) -> None:
        self.velocities: dict[tuple[int, ...], Gradients] = {}

    def __call__(self, network: Network, x: Array, y: Array, eta: float) -> Gradients:
        """One step."""
        shape, gradients = tuple(W.size for W, _, _ in network), right(network, x, y)
        before = self.velocities.get(shape, [(0 * W, 0 * b) for W, b in gradients])
        now = [(0.9 * V + W, 0.9 * c + b) for (V, c), (W, b) in zip(before, gradients, strict=True)]
        self.velocities[shape] = now
        return [(W - eta * V, b - eta * c) for (W, b, _), (V, c) in zip(network, now, strict=True)]


def updated_first(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """Each layer is updated before its delta is handed down."""
    steps, after = forward(network, x), []
    g = steps[-1].a - y
    for layer, step in zip(reversed(network), reversed(steps), strict=True):
        ((_, dW, db),) = reference.backward((layer,), (step,), g)
        W, b = layer.W - eta * dW, layer.b - eta * db
        delta = layer.sigma.pullback(step.z, step.a, g)
        g = delta @ W
        after.append((W, b))
    return after[::-1]


def timid(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """A trainer that takes no large learning rate."""
    if eta > 2:
        raise ValueError("eta: expected at most 2")
    return sgd(network, x, y, eta)


def without_bias(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """The biases stay as they are."""
    return [(W, b) for (W, _), (_, b, _) in zip(sgd(network, x, y, eta), network, strict=True)]


def ascending(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """The gradient is added."""
    return sgd(network, x, y, -eta)


@by_dtype
def test_trainers(dtype: str) -> None:
    for trainer in (sgd, timid):
        report = probe_trainer(trainer, dtype=dtype, width=(1, 70), problems=24)
        assert_conforms(report)
        assert report.subject.name == trainer.__name__
    for wrong, equation in ((updated_first, "U1"), (Momentum(), "U1"), (without_bias, "B4"), (ascending, "B1")):
        report = probe_trainer(wrong, dtype=dtype, width=(1, 70), problems=24, hidden=Tanh())
        assert report.verdict == "WRONG"
        assert named(report)[0] == equation, f"\n{report}"


@by_dtype
@pytest.mark.parametrize("program", [p for p in PROGRAMS if p.name not in SLOW], ids=lambda program: program.name)
def test_the_steps_of_right_programs(program: Program, dtype: str) -> None:
    def step(network: Network, x: Array, y: Array, eta: float) -> tuple[Parameters[Array], ...]:
        problem = Problem(network, x, y, CrossEntropy(), "mean", eta)
        if not program.applies(problem):
            raise NotImplementedError
        return program.answer(problem).updated

    options: dict[str, Any] = {"hidden": ELU(), "output": Softmax(), "loss": "cross_entropy", "reduction": "mean"}
    assert_conforms(probe_trainer(step, dtype=dtype, width=(1, 7), problems=24, **options))


def test_where_no_rate_is_taken_nothing_is_asked() -> None:
    def refusing(network: Network, x: Array, y: Array, eta: float) -> Gradients:
        raise ValueError("eta: expected less")

    report = probe_trainer(refusing, width=(1, 7))
    assert (report.verdict, len(report.findings)) == ("NOT ASKED", 1)
    said = report.findings[0].explanation
    assert re.search(r"eta: expected less \(.*line \d+, in refusing\); .* refusing\(network, x, y, eta\)", said), said


HIDDEN_DELTAS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "without the derivative": lambda W, delta, a: delta @ W.T,
    "without 1 - a": lambda W, delta, a: (delta @ W.T) * a,
    "by |W|": lambda W, delta, a: (delta @ abs(W).T) * a * (1 - a),
}


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("name", [None, *HIDDEN_DELTAS])
def test_of_a_hidden_delta_alone_it_is_said_without_biases(name: str | None, layers: int) -> None:
    """(B3) is not accused: it is right given the delta, which a batch without biases does not show."""

    def hidden(W: Array, delta: Array, a: Array) -> Array:
        return HIDDEN_DELTAS[name](W, delta, a) if name else (delta @ W.T) * a * (1 - a)

    def uphill(weights: list[Array], x: Array, y: Array, eta: float) -> list[Array]:
        a = [x]
        for W in weights:
            a.append(1 / (1 + np.exp(-(a[-1] @ W))))
        delta, after = (y - a[-1]) * a[-1] * (1 - a[-1]), []
        for l in reversed(range(len(weights))):
            after.append(weights[l] + eta * a[l].T @ delta)
            delta = hidden(weights[l], delta, a[l])
        return after[::-1]

    options: dict[str, Any] = {"weights": "in, out", "biases": "none", "parameters": "in turn"}
    report = probe_trainer(uphill, layers=(layers, layers), width=(1, 16), **options)
    if name is None:
        assert_conforms(report)
    else:
        assert report.verdict == "WRONG"
        assert set(named(report)) == {"B2"}, f"\n{report}"
        assert (report.findings[0].faults[:1] == ("1 - a missing",)) == (name == "without 1 - a")
        assert report.tallies["B3", 1].wrong == 0 < report.tallies["B3", 1].follows


def test_a_trainer_may_step_in_place() -> None:
    def in_place(network: Network, x: Array, y: Array, eta: float) -> list[tuple[Array, Array]]:
        steps = right(network, x, y)
        for (W, b, _), (dW, db) in zip(network, steps, strict=True):
            W -= eta * dW
            b -= eta * db
        return [(W, b) for W, b, _ in network]

    assert_conforms(probe_trainer(in_place, width=(1, 7)))


class Decaying:
    """A trainer whose rate falls by a tenth with each step on one shape of samples."""

    def __init__(self) -> None:
        self.steps: dict[tuple[int, ...], int] = {}

    def __call__(self, network: Network, x: Array, y: Array, eta: float) -> Gradients:
        """Give the weights after a step."""
        t = self.steps[x.shape] = self.steps.get(x.shape, -1) + 1
        return sgd(network, x, y, eta * 0.9**t)


class OneBatch:
    """A trainer that keeps the first samples of each shape, and steps by them ever after."""

    def __init__(self) -> None:
        self.first: dict[tuple[int, ...], tuple[Array, Array]] = {}

    def __call__(self, network: Network, x: Array, y: Array, eta: float) -> Gradients:
        """Give the weights after a step."""
        return sgd(network, *self.first.setdefault(x.shape, (x.copy(), y.copy())), eta)


@by_dtype
@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        (Momentum, "the gradient plus 0.9 times that of the step before"),
        (Decaying, "It is 0.9 times the gradient"),
        (OneBatch, ""),
    ],
)
def test_what_is_kept_from_batch_to_batch(trainer: Callable[[], Any], said: str, dtype: str) -> None:
    report = probe_trainer(trainer(), dtype=dtype, width=(1, 70), hidden=Tanh())
    assert report.verdict == "WRONG"
    assert report.findings[0].equation in ("U1", "U2"), f"\n{report}"
    assert said in report.findings[0].explanation


def test_a_rate_is_refused_by_any_exception() -> None:
    def refusing(network: Network, x: Array, y: Array, eta: float) -> Gradients:
        assert eta <= 2, "eta: expected at most 2"
        return sgd(network, x, y, eta)

    assert_conforms(probe_trainer(refusing, width=(1, 70)))


def signs(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    rate = x.dtype.type(eta)
    return [
        (W - rate * np.sign(dW), b - rate * np.sign(db))
        for (W, b, _), (dW, db) in zip(network, right(network, x, y), strict=True)
    ]


def adams_first(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    rate, eps = x.dtype.type(eta), x.dtype.type(1e-8)
    return [
        (W - rate * dW / (abs(dW) + eps), b - rate * db / (abs(db) + eps))
        for (W, b, _), (dW, db) in zip(network, right(network, x, y), strict=True)
    ]


def two_half_steps(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    layers = tuple(network)
    for _ in range(2):
        stepped = sgd(layers, x, y, eta / 2)
        layers = tuple(layer._replace(W=W, b=b) for layer, (W, b) in zip(layers, stepped, strict=True))
    return [(W, b) for W, b, _ in layers]


@by_dtype
@pytest.mark.parametrize(
    ("trainer", "named"), [(signs, "signs"), (adams_first, "sizes divided out"), (two_half_steps, "several steps")]
)
def test_what_is_no_plain_step_is_said_to_be_none(trainer: Any, named: str, dtype: str) -> None:
    report = probe_trainer(trainer, dtype=dtype, width=(1, 20), layers=(1, 4), hidden=Tanh(), problems=24)
    assert report.verdict == "WRONG"
    assert report.findings[0].equation == "U1", f"\n{report}"
    assert any(fault.startswith(named) for fault in report.findings[0].faults), f"\n{report}"
