"""Faults of trainers: steps that are no plain steps of gradient descent, and plain ones from wrong gradients."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import reference
from conformance.arrays import Array, Network
from conformance.judge.report import Report
from conformance.oracle.network.oracle import probe_trainer
from conformance.subjects.faults import FAULTS, UPDATE_FAULTS
from conformance.text.edits import planted
from reference import HalfSquaredError, loss_and_gradients

from ..functions import Gradients, right
from ..probe.test_trainers import Momentum, adams_first, sgd, signs, two_half_steps, updated_first
from .faults import OPTIONS, Fault
from .recursion import done, recursion

Trainer = Callable[[Network, Array, Array, float], Gradients]


def trained(name: str, trainer: Callable[[], Trainer], equations: str, *said: str) -> Fault:
    def asked() -> Report:
        return probe_trainer(trainer(), name="fault", problems=24, **(OPTIONS | {"layers": (1, 4)}))

    return Fault(f"trainer: {name}", asked, equations, said)


def stepping(change: Callable[[Array, Array, float], Array], gradients: Any = right) -> Callable[[], Trainer]:
    """A step of each array by p, g, eta."""

    def step(network: Network, x: Array, y: Array, eta: float) -> Gradients:
        found = zip(network, gradients(network, x, y), strict=True)
        kind = x.dtype
        return [(change(W, dW, eta).astype(kind), change(b, db, eta).astype(kind)) for (W, b, _), (dW, db) in found]

    return lambda: step


def by_rule(rule: Any, text: Any = reference) -> Callable[[], Trainer]:
    """A rule of the reference, or of an edited text, whose state is kept for each architecture."""

    def fresh() -> Trainer:
        kept: dict[Any, Any] = {}

        def step(network: Network, x: Array, y: Array, eta: float) -> Gradients:
            layers = tuple(text.Layer(*layer) for layer in network)
            shape = tuple(W.shape for W, _, _ in network)
            state = kept.get(shape) or text.begin(rule, layers)
            found = loss_and_gradients(network, x, y, HalfSquaredError(), "sum").gradients
            after, kept[shape] = text.advance(rule, layers, found, state, eta)
            return [(W, b) for W, b, _ in after]

        return step

    return fresh


class Scheduled:
    """A trainer whose rate depends on how many steps it has taken on samples of a shape."""

    def __init__(self, rate: Callable[[int], float]) -> None:
        self.rate, self.steps = rate, dict[Any, int]()

    def __call__(self, network: Network, x: Array, y: Array, eta: float) -> Gradients:
        """One step."""
        t = self.steps[x.shape] = self.steps.get(x.shape, -1) + 1
        return sgd(network, x, y, eta * self.rate(t))


class OldBatch:
    """A trainer that steps by the first samples of each shape ever after."""

    def __init__(self) -> None:
        self.first: dict[Any, Any] = {}

    def __call__(self, network: Network, x: Array, y: Array, eta: float) -> Gradients:
        """One step."""
        x, y = self.first.setdefault((x.shape, len(network)), (x.copy(), y.copy()))
        return sgd(network, x, y, eta)


class Adding:
    """A trainer that never sets its gradients to zero."""

    def __init__(self) -> None:
        self.sums: dict[Any, Any] = {}

    def __call__(self, network: Network, x: Array, y: Array, eta: float) -> Gradients:
        """One step."""
        key, found = tuple(W.shape for W, _, _ in network), right(network, x, y)
        before = self.sums.get(key, [(0 * W, 0 * b) for W, b in found])
        self.sums[key] = now = [(V + W, c + b) for (V, c), (W, b) in zip(before, found, strict=True)]
        return [(W - eta * V, b - eta * c) for (W, b, _), (V, c) in zip(network, now, strict=True)]


def one_by_one(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """A step for each sample instead of one for the batch."""
    layers: Any = tuple(network)
    for i in range(len(x)):
        stepped = sgd(layers, x[i : i + 1], y[i : i + 1], eta)
        layers = tuple(layer._replace(W=W, b=b) for layer, (W, b) in zip(layers, stepped, strict=True))
    return [(W, b) for W, b, _ in layers]


def edited(name: str) -> Callable[[], Trainer]:
    (of,) = (of for of in FAULTS if of.name == name)

    def fresh() -> Trainer:
        text = planted(*of.edits)

        def step(network: Network, x: Array, y: Array, eta: float) -> Gradients:
            found = loss_and_gradients(network, x, y, HalfSquaredError(), "sum").gradients
            return [(W, b) for W, b, _ in text.update(network, found, eta)]

        return step

    return fresh


RULES: dict[str, tuple[Any, str, tuple[str, ...]]] = {
    "nesterov-variant": ({"momentum": 0.9, "nesterov": True}, "SGD", ("as a momentum", "momentum", "times what")),
    "momentum-convention": ({"momentum": 0.9}, "SGD", ("momentum",)),
    "adam-epsilon-inside": ({}, "Adam", ("sizes divided out", "signs")),
    "adam-epsilon-scaled": ({}, "Adam", ("sizes divided out", "signs")),
    "adam-uncorrected": ({}, "Adam", ("sizes divided out", "signs", "sizes divided out, times", "no multiple")),
    "penalty-not-differentiated": ({"weight_decay": 0.1}, "SGD", ()),
    "penalty-factor": ({"weight_decay": 0.1}, "SGD", ("0.2 W more",)),
    "penalty-sign": ({"weight_decay": 0.1}, "SGD", ("-0.1 W more",)),
}


def of_trainers() -> Iterator[Fault]:
    yield trained("update-ascends", edited("update-ascends"), "U1 B1 B3", "update-ascends", "-1 times")
    yield trained("update-without-rate", edited("update-without-rate"), "U1 B3", "update-without-rate")
    yield trained("bias-not-updated", edited("bias-not-updated"), "U2 B4", "bias-not-updated", "All of them are zero")
    for name, (parameters, kind, said) in RULES.items():
        if name == "penalty-not-differentiated":
            continue  # then the step is plain
        (of,) = (of for of in UPDATE_FAULTS if of.name == name)
        text = planted(*of.edits)
        rule = getattr(text, kind)(eta=1.0, **parameters)
        yield trained(name, by_rule(rule, text), "U1 U2 B3 B1", *said)
    yield trained("momentum 0.9", Momentum, "U1 U2", "momentum")
    yield trained(
        "momentum 0.9 with dampening 0.5", by_rule(reference.SGD(1.0, 0.9, 0.5)), "U1 U2", "momentum", "a velocity"
    )
    yield trained("nesterov", by_rule(reference.SGD(1.0, 0.9, nesterov=True)), "U1 U2 B1", "1.9 times", "momentum")
    yield trained("adam", by_rule(reference.Adam()), "U1", "sizes divided out", "signs")
    yield trained("adam's first step", lambda: adams_first, "U1", "sizes divided out", "signs")
    yield trained("rmsprop", by_rule(reference.RMSprop()), "U1", "sizes divided out", "signs times 10", "signs times")
    yield trained("adagrad", by_rule(reference.Adagrad()), "U1", "sizes divided out", "signs")
    yield trained("the signs of the gradient", lambda: signs, "U1", "signs")
    yield trained("two half steps", lambda: two_half_steps, "U1", "several steps")
    yield trained("a step for each sample", lambda: one_by_one, "U1", "several steps")
    yield trained("weights updated first", lambda: updated_first, "U1 B2", "weights-updated-first")
    yield trained(
        "weight decay of 0.1",
        stepping(lambda p, g, eta: p - eta * (g + 0.1 * p)),
        "U1 U2 B3 B4 B1",
        "0.1 W more",
        "weight decay",
    )
    yield trained(
        "weights decayed by 0.99 after the step",
        stepping(lambda p, g, eta: 0.99 * p - eta * g),
        "U1",
        "weights decayed",
    )
    yield trained("the rate falls by a tenth", lambda: Scheduled(lambda t: 0.9**t), "U1 U2", "rate changes")
    yield trained(
        "the rate halves after three steps",
        lambda: Scheduled(lambda t: 1 if t < 3 else 0.5),
        "U1 U2",
        "rate changes",
        "something is kept",
    )
    yield trained("half the rate", stepping(lambda p, g, eta: p - eta / 2 * g), "U1 B1", "1/2 times", "0.5 times")
    yield trained(
        "the rate squared", stepping(lambda p, g, eta: p - eta**2 * g), "U1", "not in proportion", "rate squared"
    )
    yield trained(
        "the gradient added",
        stepping(lambda p, g, eta: p + eta * g),
        "U1 B1",
        "-1 times",
        "update-ascends",
        "sign-flipped",
    )
    yield trained("an old batch", lambda: OldBatch(), "U1 U2 state", "an earlier batch", "something is kept")
    yield trained(
        "gradients added up", lambda: Adding(), "U1 U2 state", "momentum", "something is kept", "earlier gradients"
    )
    yield trained(
        "weights clipped to [-1, 1]", stepping(lambda p, g, eta: (p - eta * g).clip(-1, 1)), "U1", "weights clipped"
    )
    yield trained(
        "gradients clipped at 0.0625",
        stepping(lambda p, g, eta: p - eta * g.clip(-0.0625, 0.0625)),
        "U1",
        "clipped at 0.0625",
    )
    yield trained(
        "the mean over the batch",
        stepping(lambda p, g, eta: p - eta * g, lambda n, x, y: [(W / len(x), b / len(x)) for W, b in right(n, x, y)]),
        "U1 B1 batch",
        "Right if reduction='mean'",
    )
    yield trained(
        "sigma' missing in hidden layers",
        stepping(lambda p, g, eta: p - eta * g, recursion(delta=lambda t, g: g if t.l < t.L else t.pulled(g))),
        "B2",
        "hidden-derivative-missing",
        "pullback of identity",
    )
    yield trained(
        "biases by the mean",
        stepping(lambda p, g, eta: p - eta * g, recursion(db=lambda t, d: d.mean(axis=0))),
        "B4 U2",
        "bias-averaged",
    )
    yield trained(
        "rounded to float16",
        stepping(lambda p, g, eta: (p - eta * g).astype(np.float16)),
        "U1 B3 B1 B4",
        "weights through float16",
        "NaN or infinite",
    )
    yield trained(
        "rows in reverse", stepping(lambda p, g, eta: p - eta * g, done(lambda W: W[::-1])), "B3 U1", "rows reversed"
    )
