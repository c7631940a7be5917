"""Faults of single lines of the recursion, everywhere or in some layers alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .faults import Fault, fault
from .recursion import Turn, only, recursion


def square(t: Turn) -> bool:
    return t.W.shape[0] == t.W.shape[1]


def of_lines() -> Iterator[Fault]:
    def line(
        name: str, equations: str, *said: str, layer: int | None = None, options: Any = None, **lines: Any
    ) -> Fault:
        return fault(name, recursion(**lines), equations, *said, layer=layer, **(options or {}))

    # (B1): the cotangent.
    yield line("the cotangent ignored", "B1", "cotangent ignored", g=lambda t, a: 1 + 0 * a, layer=-1)
    yield line("the target ignored", "B1", "target ignored", g=lambda t, a: a, layer=-1)
    yield line("a + y for a - y", "B1", "target added", g=lambda t, a: a + t.y, layer=-1)
    yield line("y - a for a - y", "B1", "-1 times", "sign-flipped", g=lambda t, a: t.y - a, layer=-1)
    yield line("(a - y)^2 for a - y", "B1", "cotangent squared", g=lambda t, a: (a - t.y) ** 2, layer=-1)
    yield line("|a - y| for a - y", "B1", "cotangent's absolute value", g=lambda t, a: abs(a - t.y), layer=-1)
    yield line(
        "sign(a - y) for a - y", "B1", "loss is l1", "cotangent's sign", g=lambda t, a: np.sign(a - t.y), layer=-1
    )
    yield line(
        "a - y clipped at 0.1", "B1", "cotangent clipped at 0.1", g=lambda t, a: (a - t.y).clip(-0.1, 0.1), layer=-1
    )
    yield line(
        "a - y added to sigma'",
        "B1",
        "cotangent added",
        delta=only(-1, "delta", lambda t, g: g + t.pulled(1 + 0 * g)),
        layer=-1,
    )
    yield line(
        "sigma' alone, in the last layer",
        "B1",
        "cotangent ignored",
        delta=only(-1, "delta", lambda t, g: t.pulled(1 + 0 * g)),
        layer=-1,
    )
    yield line("the outputs in reverse", "B1", "outputs reversed", g=lambda t, a: (a - t.y)[:, ::-1], layer=-1)
    yield line("sigma'(z)^2", "B1 B2", "derivative squared", delta=lambda t, g: t.pulled(t.pulled(g)), layer=-1)
    yield line(
        "sigma'(z)^2 in hidden layers",
        "B2",
        "derivative squared",
        delta=lambda t, g: t.pulled(t.pulled(g)) if t.l < t.L else t.pulled(g),
    )
    yield line(
        "divided by sigma'",
        "B1 B2",
        "derivative divided by",
        delta=lambda t, g: g * g / (t.pulled(g) + (g == 0)),
        layer=-1,
    )
    yield line("sigma(z) for sigma'(z)", "B1 B2", "value for the derivative", delta=lambda t, g: g * t.a, layer=-1)
    yield line(
        "a (1 - a) for tanh's derivative",
        "B2",
        "pullback of sigmoid",
        "a (1 - a)",
        delta=lambda t, g: g * t.a * (1 - t.a) if t.l < t.L else t.pulled(g),
    )
    yield line(
        "1 + a^2 for 1 - a^2",
        "B2",
        "tanh-derivative-sign",
        "1 + a^2",
        delta=lambda t, g: g * (1 + t.a**2) if t.l < t.L else t.pulled(g),
    )
    yield line("1 - a for 1 - a^2", "B2", "1 - a", delta=lambda t, g: g * (1 - t.a) if t.l < t.L else t.pulled(g))
    # (B2): what is handed down.
    yield line("|W| for W", "B2", "absolute weights", down=lambda t, d: d @ abs(t.W))
    yield line("the sign of W for W", "B2", "signs of the weights", down=lambda t, d: d @ np.sign(t.W))
    yield line("W^2 for W", "B2", "weights squared", down=lambda t, d: d @ t.W**2)
    yield line("minus at every layer", "B2", "-1 times", down=lambda t, d: -d @ t.W)
    yield line("half at every layer", "B2", "1/2 times", "0.5 times", down=lambda t, d: d @ t.W / 2)
    yield line(
        "W transposed where it is square",
        "B2",
        "weight-transposed",
        down=lambda t, d: d @ (t.W.T if square(t) else t.W),
    )
    yield line(
        "without weights, the sum of delta",
        "B2",
        "weights left out",
        down=lambda t, d: np.broadcast_to(d.sum(axis=1, keepdims=True), t.a_prev.shape),
    )
    yield line(
        "the last unit's delta not handed down",
        "B2",
        "last unit not handed down",
        "handed down",
        down=lambda t, d: d[:, :-1] @ t.W[:-1],
    )
    yield line(
        "the mean over the units for the sum",
        "B2",
        "mean over units",
        "divided by the number of units",
        down=lambda t, d: d @ t.W / len(t.W),
    )
    yield line(
        "g instead of delta handed down",
        "B2",
        "cotangent handed down",
        down=lambda t, d: (d / (t.pulled(1 + 0 * d) + (t.pulled(1 + 0 * d) == 0))) @ t.W,
    )
    yield line(
        "sigma' missing in layer 1 alone",
        "B2",
        "derivative-missing",
        "derivative missing",
        "derivative left out",
        delta=only(1, "delta", lambda t, g: g if t.L > 1 else t.pulled(g)),
        layer=1,
    )
    yield line(
        "sigma'(a) in layer 1 alone",
        "B2",
        "derivative at activation",
        delta=only(
            1,
            "delta",
            lambda t, g: t.network[0].sigma.pullback(t.a, t.network[0].sigma.apply(t.a), g) if t.L > 1 else t.pulled(g),
        ),
        layer=1,
    )
    yield line(
        "delta doubled in layer 1 alone",
        "B2",
        "2 times",
        delta=only(1, "delta", lambda t, g: t.pulled(g) * (2 if t.L > 1 else 1)),
        layer=1,
    )
    yield line(
        "delta cut at 0.01 below",
        "B2",
        "delta clipped at 0.01",
        delta=lambda t, g: t.pulled(g).clip(-0.01, 0.01) if t.l < t.L else t.pulled(g),
    )
    yield line("cut off below the last layer", "B2", "All of them are zero", down=lambda t, d: 0 * (d @ t.W))
    yield line(
        "layer 1 frozen",
        "B2",
        "All of them are zero",
        delta=only(1, "delta", lambda t, g: t.pulled(g) * (0 if t.L > 1 else 1)),
        layer=1,
    )
    # (B3).
    yield line(
        "a^l for a^(l-1), where it fits",
        "B3",
        "own activation",
        "a^l for a^(l-1)",
        dW=lambda t, d: d.T @ (t.a if square(t) else t.a_prev),
    )
    yield line(
        "z^(l-1) for a^(l-1)",
        "B3",
        "z^(l-1) for a^(l-1)",
        dW=lambda t, d: d.T @ (t.steps[t.l - 2].z if t.l > 1 else t.a_prev),
    )
    yield line(
        "the mean in dL/dW alone",
        "B3",
        "mean over the batch",
        "weights averaged",
        dW=lambda t, d: d.T @ t.a_prev / len(d),
    )
    yield line("dL/dW of the first sample", "B3", "first sample", dW=lambda t, d: d[:1].T @ t.a_prev[:1])
    yield line("dL/dW of the last sample", "B3", "last sample", dW=lambda t, d: d[-1:].T @ t.a_prev[-1:])
    yield line(
        "sums multiplied in dL/dW",
        "B3",
        "sums multiplied",
        "product of the sums",
        dW=lambda t, d: np.outer(d.sum(axis=0), t.a_prev.sum(axis=0)),
    )
    yield line(
        "dL/dW divided by its inputs",
        "B3",
        "divided by the number of inputs",
        dW=lambda t, d: d.T @ t.a_prev / t.a_prev.shape[1],
    )
    yield line(
        "dL/dW twice in the last layer", "B3", "2 times", dW=only(-1, "dW", lambda t, d: 2 * d.T @ t.a_prev), layer=-1
    )
    yield line("dL/dW of layer 1 negative", "B3", "-1 times", dW=only(1, "dW", lambda t, d: -d.T @ t.a_prev), layer=1)
    yield line(
        "dL/dW reshaped where it is to be transposed",
        "B3",
        "reshaped",
        "transposed and reshaped",
        dW=lambda t, d: (t.a_prev.T @ d).reshape(t.W.shape),
    )
    yield line(
        "dL/dW transposed where it is square",
        "B3",
        "weight-gradient-transposed",
        "transposed",
        dW=lambda t, d: t.a_prev.T @ d if square(t) else d.T @ t.a_prev,
    )
    yield line("|a| for a in dL/dW", "B3", "absolute inputs", "absolute values", dW=lambda t, d: d.T @ abs(t.a_prev))
    yield line(
        "g for delta in dL/dW",
        "B3 B4",
        "derivative left out of dL/dW",
        "cotangent for delta",
        dW=lambda t, d: (d / t.pulled(1 + 0 * d)).T @ t.a_prev,
    )
    # (B4).
    yield line("the mean in dL/db alone", "B4", "bias-averaged", db=lambda t, d: d.mean(axis=0))
    yield line("dL/db of the first sample", "B4", "bias-not-summed", db=lambda t, d: d[0])
    yield line("dL/db of the last sample", "B4", "last sample", db=lambda t, d: d[-1])
    yield line(
        "dL/db from the rows of dL/dW", "B4", "bias-from-weight-rows", db=lambda t, d: (d.T @ t.a_prev).sum(axis=1)
    )
    yield line(
        "dL/db from the mean of dL/dW's rows",
        "B4",
        "mean of dL/dW's rows",
        "row means",
        db=lambda t, d: (d.T @ t.a_prev).mean(axis=1),
    )
    yield line(
        "dL/db the largest of the batch",
        "B4",
        "largest of the batch",
        "the maximum over the batch",
        db=lambda t, d: d.max(axis=0),
    )
    yield line(
        "one sum for all dL/db", "B4", "one sum", "summed over everything", db=lambda t, d: np.full(len(t.W), d.sum())
    )
    yield line("dL/db in reverse", "B4", "dL/db reversed", db=lambda t, d: d.sum(axis=0)[::-1])
    yield line("dL/db one place on", "B4", "dL/db shifted", db=lambda t, d: np.roll(d.sum(axis=0), 1))
    yield line("dL/db zero", "B4", "All of them are zero", db=lambda t, d: 0 * d.sum(axis=0))
    yield line("dL/db negative", "B4", "-1 times", db=lambda t, d: -d.sum(axis=0))
    yield line("dL/db twice in layer 1", "B4", "2 times", db=only(1, "db", lambda t, d: 2 * d.sum(axis=0)), layer=1)
    yield line(
        "dL/db summed over the wrong axis where it fits",
        "B4",
        "summed over the units",
        db=lambda t, d: d.sum(axis=1) if d.shape[0] == d.shape[1] else d.sum(axis=0),
        options={"widths": (4, 3, 5), "batch": (1, 9)},
    )
