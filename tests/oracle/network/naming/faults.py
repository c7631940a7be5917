"""The faults that are put to the oracle, each with what may be said of it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from conformance.arrays import Array, Network
from conformance.judge.report import Report, Subject
from conformance.oracle.network.asking.domain import domain_of
from conformance.oracle.network.interrogation import interrogated
from conformance.oracle.network.oracle import probe
from conformance.problems.problem import GivenAnswer
from conformance.subjects.faults import FAULTS, KEEPING
from conformance.text.edits import planted
from reference import (
    ACTIVATIONS,
    ELU,
    LOSSES,
    CrossEntropy,
    Huber,
    LeakyReLU,
    SmoothL1,
    Softplus,
    loss_and_gradients,
)
from reference.losses import REQUIRED_HEAD, TARGETS

from ..functions import Gradients, answering
from ..probe.test_wrong import SETTINGS
from .recursion import recursion

Function = Callable[[Network, Array, Array], Gradients]


class Fault(NamedTuple):
    """A fault: how it is asked, the equations that may be named, and each true thing that may be said of it.

    What may be said is the name of a mistake, or a phrase of the first finding's explanation.  Nothing at all may be
    named where that is empty.  ``layer`` is 1 or -1, the last, where it is known.
    """

    name: str
    asked: Callable[[], Report]
    equations: str
    said: tuple[str, ...]
    layer: int | None = None


OPTIONS: dict[str, Any] = {"hidden": "tanh", "width": (1, 70)}


def probed(function: Callable[[], Function], **options: Any) -> Callable[[], Report]:
    return lambda: probe(function(), name="fault", **(OPTIONS | options))


def fault(name: str, function: Function, equations: str, *said: str, layer: int | None = None, **options: Any) -> Fault:
    return Fault(name, probed(lambda: function, **options), equations, said, layer)


# The catalogue.

BATCHES = {"batch-divided-twice", "batch-not-divided", "broadcast-target"}

OF_UPDATES = {"update-ascends", "update-without-rate", "bias-not-updated"}

PHRASES = {
    "output-derivative-missing": ("last pullback of identity",),
    "hidden-derivative-missing": ("pullback of identity",),
    "hidden-delta-doubled": ("2 times",),
    "sign-flipped": ("-1 times",),
    "half-forgotten": ("2 times",),
    "bias-not-summed": ("bias-first-sample",),
    "batch-not-divided": ("Right if reduction='sum'",),
    "outputs-not-averaged": ("loss is half_squared_error",),
    "leaky-slope-ignored": ("pullback of relu",),
    "weight-transposed-forward": (),
    "batch-divided-twice": (),
    "log-of-zero": ("NaN or infinite",),
}


def of_catalogue() -> Iterator[Fault]:
    for of in FAULTS:
        if of.name in OF_UPDATES:
            continue
        hidden, output, loss = SETTINGS.get(of.name, ("tanh", "sigmoid", "half_squared_error"))

        def asked(of: Any = of, hidden: Any = hidden, output: Any = output, loss: Any = loss) -> Report:
            reduction = "mean" if of.name.startswith("batch") else "sum"
            held_to = {"relu_derivative_at_zero": 0} if of.name == "relu-one-at-zero" else None
            domain = domain_of(
                hidden=hidden, output=output, loss=loss, reduction=reduction, conventions=held_to, width=(1, 70)
            )
            return interrogated(answering(planted(*of.edits), whole=of.name == "log-of-zero"), domain, Subject(of.name))

        equations = " ".join(of.equations) + " F" * ("F1" in of.equations) + " batch" * (of.name in BATCHES)
        yield Fault(of.name, asked, equations, (of.name, *PHRASES.get(of.name, ())))
    for kept in KEEPING:

        def keeping(kept: Any = kept) -> Report:
            ask = kept()
            return interrogated(
                lambda problem: GivenAnswer(ask(problem).gradients),
                domain_of(**OPTIONS, widths=(4, 6, 5), batch=(3, 3)),
                Subject(kept.__name__),
            )

        yield Fault(f"{kept.__name__.lower()} from call to call", keeping, "state", ("something is kept",))


# Other functions than the one that is asked.


def of(
    hidden: Any = None,
    output: Any = None,
    loss: Any = "half_squared_error",
    reduction: Any = "sum",
    change: Callable[[Array, Array], tuple[Array, Array]] = lambda x, y: (x, y),
) -> Function:
    """The gradients of another function: other activations, loss, samples."""
    kind: Any = LOSSES[loss]() if isinstance(loss, str) else loss

    def named(sigma: Any) -> Any:
        return ACTIVATIONS[sigma]() if isinstance(sigma, str) else sigma

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        below = [layer._replace(sigma=named(hidden) or layer.sigma) for layer in network[:-1]]
        layers = (*below, network[-1]._replace(sigma=named(output) or network[-1].sigma))
        found = loss_and_gradients(layers, *change(x, y), kind, reduction).gradients
        return [(g.W, g.b) for g in found]

    return gradients


def with_pullback(name: str) -> Function:
    """Another activation's derivative in hidden layers."""
    other = ACTIVATIONS[name]()
    return recursion(delta=lambda t, g: other.pullback(t.z, other.apply(t.z), g) if t.l < t.L else t.pulled(g))


FREE = [n for n, kind in LOSSES.items() if kind not in REQUIRED_HEAD and kind not in TARGETS]


ALIKE = {
    "relu": ("hidden is relu6", "output is relu6", "pullback of relu6"),  # where z stays below 6
    "elu": ("hidden is celu",),
}
"""What gives the same numbers."""


def of_functions() -> Iterator[Fault]:
    for n in FREE:
        if n != "half_squared_error":
            same = ("loss is huber", "loss is smooth_l1") if n in ("huber", "smooth_l1") else ()
            yield fault(f"{n} for half the squared error", of(loss=n), "B1", f"loss is {n}", *same, layer=-1)
    for n in ("sigmoid", "relu", "leaky_relu", "elu", "softplus", "selu", "gelu", "silu", "softsign", "identity"):
        yield fault(f"hidden {n} for tanh", of(n), "F F1 F2", f"hidden is {n}", *ALIKE.get(n, ()))
    for n in ("tanh", "identity", "softmax", "relu"):
        yield fault(f"{n} for the last sigmoid", of(output=n), "B1 F F2", f"output is {n}", *ALIKE.get(n, ()), layer=-1)
    for n in ("sigmoid", "relu", "identity", "softsign"):
        yield fault(
            f"the hidden pullback of {n} for tanh's",
            with_pullback(n),
            "B2",
            f"pullback of {n}",
            *ALIKE.get(n, ()),
            "hidden-derivative-missing",
        )
    yield fault(
        "leaky_relu with slope 0.2 for 0.01",
        of(LeakyReLU(0.2)),
        "F B2",
        "hidden is leaky_relu with",
        hidden="leaky_relu",
    )
    yield fault(
        "leaky_relu with slope 0.15 for 0.01",
        of(LeakyReLU(0.15)),
        "F B2",
        "hidden is leaky_relu with",
        hidden="leaky_relu",
    )
    yield fault("elu with alpha 0.5 for 1", of(ELU(0.5)), "F B2", "hidden is elu with alpha=0.5", hidden="elu")
    yield fault("elu with alpha 1.5 for 1", of(ELU(1.5)), "F B2", "hidden is elu with alpha=1.5", hidden="elu")
    yield fault(
        "softplus with beta 2 for 1", of(Softplus(beta=2)), "F B2", "hidden is softplus with beta=2", hidden="softplus"
    )
    yield fault("gelu's approximation by tanh", of("gelu_tanh"), "F", "hidden is gelu_tanh", hidden="gelu")
    yield fault("gelu itself for its approximation", of("gelu"), "F", "hidden is gelu", hidden="gelu_tanh")
    yield fault("relu6 for relu", of("relu6"), "F B2", "hidden is relu6", hidden="relu")
    yield fault("huber with delta 2 for 1", of(loss=Huber(delta=2)), "B1", "delta is 2", loss="huber")
    yield fault("smooth_l1 with beta 0.5 for 1", of(loss=SmoothL1(beta=0.5)), "B1", "beta is 0.5", loss="smooth_l1")
    yield fault(
        "labels smoothed by 0.1",
        of(loss=CrossEntropy(label_smoothing=0.1)),
        "B1",
        "label_smoothing is 0.1",
        output="softmax",
        loss="cross_entropy",
    )
    yield fault(
        "squared error through softmax for cross-entropy",
        of(),
        "B1",
        "loss is half_squared_error",
        "loss is huber",
        "loss is smooth_l1",
        output="softmax",
        loss="cross_entropy",
    )
    yield fault(
        "squared error for binary cross-entropy",
        of(),
        "B1",
        "loss is half_squared_error",
        "loss is huber",
        "loss is smooth_l1",
        output="sigmoid",
        loss="binary_cross_entropy",
    )
    yield fault("the mean for the sum", of(reduction="mean"), "B1 batch", "Right if reduction='mean'", layer=-1)
    yield fault("the sum for the mean", of(), "B1 batch", "Right if reduction='sum'", reduction="mean", layer=-1)


# Samples.


def rolled(x: Array, y: Array) -> tuple[Array, Array]:
    return x, np.roll(y, 1, axis=0)


def of_samples() -> Iterator[Fault]:
    anywhere = "B1 batch B3 B4"
    yield fault("the first sample alone", of(change=lambda x, y: (x[:1], y[:1])), anywhere, "first sample only")
    yield fault("the last sample alone", of(change=lambda x, y: (x[-1:], y[-1:])), anywhere, "last sample only")
    yield fault(
        "the last sample left out",
        of(change=lambda x, y: (x[:-1], y[:-1]) if len(x) > 1 else (x, y)),
        anywhere,
        "last sample left out",
    )
    yield fault(
        "the first sample left out",
        of(change=lambda x, y: (x[1:], y[1:]) if len(x) > 1 else (x, y)),
        anywhere,
        "first sample left out",
    )
    yield fault(
        "every second sample",
        of(change=lambda x, y: (x[::2], y[::2])),
        anywhere,
        "every second sample left out",
        "every second sample",
    )
    yield fault("targets in reverse", of(change=lambda x, y: (x, y[::-1])), anywhere, "targets reversed")
    yield fault("targets one row on", of(change=rolled), anywhere, "targets shifted", "targets reversed")
    yield fault(
        "the first target for all",
        of(change=lambda x, y: (x, np.broadcast_to(y[:1], y.shape))),
        anywhere,
        "first target for all",
    )
    yield fault(
        "the largest sample's gradient alone",
        of(change=lambda x, y: (x[[0, 0]], y[[0, 0]])),
        anywhere,
        "first sample twice",
        "2 times",
        "first sample",
    )
