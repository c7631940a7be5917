"""Lines: other lines of the recursion, everywhere or in some layers alone.

The reference's own text is run layer by layer, on other numbers than it should have: another pullback, other weights to
hand down with, another a^{l-1}; dL/dW and dL/db are made of the deltas in another way.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reference import Activation, Layer, Sigmoid, Step, Tanh, backward, cotangent, forward
from reference.gradients import reduced_loss

from ....arrays import Array
from ....problems.problem import Parameters, Problem
from .changes import OF_WEIGHTS
from .mistake import Given, Held, Mistake


class Turn(NamedTuple):
    """A layer's turn on the way back: its number, how many there are, its step, and z of the layer below, or None."""

    l: int
    L: int
    layer: Layer[Array]
    step: Step[Array]
    z_below: Array | None


class Line(NamedTuple):
    """Another line: at which of them it stands, its name, what it is in words, and what it gives.

    ``at`` is "g", the cotangent of the last layer, from g; "delta", from sigma, z, a and g; "W", what is handed down
    with, from W; "handed", what stands for delta there, from g and delta;
    "a", what stands for a^{l-1}, from the turn; "dW" and "db", from delta (B, n_l) and the turn.
    """

    at: str
    name: str
    said: str
    given: Callable[..., Array]


SHOWN_IN = {"g": "B1", "delta": "B1 B2", "W": "B2", "handed": "B2", "a": "B3", "dW": "B3", "db": "B4"}
"""The equations in which another line shows."""


def _one(sigma: Any, z: Array, a: Array, g: Array) -> Array:
    slope: Array = sigma.pullback(z, a, 1 + 0 * g)
    return slope


LINES = (
    Line("g", "target ignored", "a stands for the derivative of the loss by a, and y is not looked at",
         lambda g, a, y: a + 0 * g),
    Line("g", "target added", "a + y stands for a - y", lambda g, a, y: a + y),
    Line("g", "cotangent squared", "the derivative of the loss is squared", lambda g, a, y: g * g),
    Line("g", "cotangent's absolute value", "the derivative of the loss is taken without its sign",
         lambda g, a, y: abs(g)),
    Line("g", "cotangent's sign", "the sign of the derivative of the loss stands for it", lambda g, a, y: np.sign(g)),
    Line("g", "outputs reversed", "the derivative of the loss has its outputs in reverse order",
         lambda g, a, y: g[:, ::-1]),
    Line("g", "outputs shifted", "the derivative of the loss has its outputs shifted by one",
         lambda g, a, y: np.roll(g, 1, axis=1)),
    Line("delta", "derivative missing", "sigma'(z) is missing", lambda sigma, z, a, g: +g),
    Line("delta", "derivative at activation", "sigma'(a) stands for sigma'(z)",
         lambda sigma, z, a, g: sigma.pullback(a, sigma.apply(a), g)),
    Line("delta", "derivative given z for a", "a derivative that is written for a is handed z",
         lambda sigma, z, a, g: sigma.pullback(z, z, g)),
    Line("delta", "cotangent ignored", "sigma'(z) stands alone, without g", _one),
    Line("delta", "cotangent added", "g + sigma'(z) stands for g sigma'(z)",
         lambda sigma, z, a, g: g + _one(sigma, z, a, g)),
    Line("delta", "derivative squared", "sigma'(z) is multiplied by twice",
         lambda sigma, z, a, g: sigma.pullback(z, a, sigma.pullback(z, a, g))),
    Line("delta", "derivative divided by", "it is divided by sigma'(z), and not multiplied",
         lambda sigma, z, a, g: g / _one(sigma, z, a, g)),
    Line("delta", "value for the derivative", "sigma(z) stands for sigma'(z)", lambda sigma, z, a, g: g * a),
    Line("delta", "derivative of the cotangent", "sigma'(g) stands for g sigma'(z)",
         lambda sigma, z, a, g: sigma.pullback(g, sigma.apply(g), 1 + 0 * g)),
    Line("delta", "a (1 - a)", "a (1 - a), the derivative of sigmoid, stands for sigma'(z)",
         lambda sigma, z, a, g: Sigmoid().pullback(z, a, g)),
    Line("delta", "1 - a^2", "1 - a^2, the derivative of tanh, stands for sigma'(z)",
         lambda sigma, z, a, g: Tanh().pullback(z, a, g)),
    Line("delta", "1 + a^2", "1 + a^2 stands for 1 - a^2", lambda sigma, z, a, g: g * (1 + a * a)),
    Line("delta", "1 - a", "1 - a stands for sigma'(z)", lambda sigma, z, a, g: g * (1 - a)),
    Line("delta", "a (1 + a)", "a (1 + a) stands for a (1 - a)", lambda sigma, z, a, g: g * a * (1 + a)),
    Line("delta", "a^2", "a^2 stands for sigma'(z)", lambda sigma, z, a, g: g * a * a),
    Line("delta", "units reversed", "the deltas stand in reverse order",
         lambda sigma, z, a, g: sigma.pullback(z, a, g)[:, ::-1]),
    Line("delta", "zero where z < 0", "the delta of units with z < 0 is zero",
         lambda sigma, z, a, g: np.where(z < 0, 0, sigma.pullback(z, a, g))),
    Line("W", "absolute weights", "delta is handed down with |W|", abs),
    Line("W", "signs of the weights", "delta is handed down with the signs of W", np.sign),
    Line("W", "weights squared", "delta is handed down with the squares of W", np.square),
    Line("W", "weights left out", "delta is handed down without weights", np.ones_like),
    Line("W", "weight transposed", "delta is handed down with W^T for W", lambda W: W.T),
    Line("W", "last unit not handed down", "the last unit's delta is not handed down",
         lambda W: W * (np.arange(len(W)) < len(W) - 1)[:, None]),
    Line("W", "first unit not handed down", "the first unit's delta is not handed down",
         lambda W: W * (np.arange(len(W)) > 0)[:, None]),
    Line("W", "divided by the number of units", "what is handed down is a mean over the units, and no sum",
         lambda W: W / len(W)),
    Line("W", "weights' rows reversed", "delta is handed down with W's rows in reverse order", lambda W: W[::-1]),
    Line("W", "weights' columns reversed", "delta is handed down with W's columns in reverse order",
         lambda W: W[:, ::-1]),
    Line("handed", "cotangent handed down", "g is handed down for delta, without sigma'(z)", lambda g, delta: g),
    Line("handed", "delta's size handed down", "|delta| is handed down for delta", lambda g, delta: abs(delta)),
    Line("a", "a^l for a^(l-1)", "dL/dW is made with a^l for a^(l-1) where it fits",
         lambda t: t.step.a if t.step.a.shape == t.step.a_prev.shape else t.step.a_prev),
    Line("a", "z^(l-1) for a^(l-1)", "dL/dW is made with z^(l-1) for a^(l-1)",
         lambda t: t.step.a_prev if t.z_below is None else t.z_below),
    Line("a", "absolute inputs", "dL/dW is made with |a^(l-1)|", lambda t: abs(t.step.a_prev)),
    Line("a", "inputs squared", "dL/dW is made with the squares of a^(l-1)", lambda t: t.step.a_prev**2),
    Line("a", "inputs left out", "dL/dW is made without a^(l-1)", lambda t: 1 + 0 * t.step.a_prev),
    Line("a", "first sample's inputs", "dL/dW is made with the first sample's a^(l-1) for all",
         lambda t: t.step.a_prev[:1] + 0 * t.step.a_prev),
    Line("dW", "first sample in dL/dW", "dL/dW is the first sample's alone", lambda d, t: d[:1].T @ t.step.a_prev[:1]),
    Line("dW", "last sample in dL/dW", "dL/dW is the last sample's alone", lambda d, t: d[-1:].T @ t.step.a_prev[-1:]),
    Line("dW", "mean over the batch in dL/dW", "dL/dW is the mean over the batch",
         lambda d, t: d.T @ t.step.a_prev / len(d)),
    Line("dW", "product of the sums", "dL/dW is the product of the sums over the batch, and no sum of products",
         lambda d, t: np.outer(d.sum(axis=0), t.step.a_prev.sum(axis=0))),
    Line("dW", "product of the means", "dL/dW is the sum of the deltas by the mean of a^(l-1)",
         lambda d, t: np.outer(d.sum(axis=0), t.step.a_prev.mean(axis=0))),
    Line("dW", "divided by the number of inputs", "dL/dW is divided by the number of inputs",
         lambda d, t: d.T @ t.step.a_prev / t.step.a_prev.shape[1]),
    Line("dW", "divided by the number of units", "dL/dW is divided by the number of units",
         lambda d, t: d.T @ t.step.a_prev / d.shape[1]),
    Line("dW", "reshaped", "dL/dW is reshaped where it should be transposed",
         lambda d, t: (t.step.a_prev.T @ d).reshape(t.layer.W.shape)),
    Line("dW", "dL/dW transposed", "dL/dW is transposed where it is square",
         lambda d, t: t.step.a_prev.T @ d if d.shape[1] == t.step.a_prev.shape[1] else d.T @ t.step.a_prev),
    Line("dW", "cotangent for delta in dL/dW", "dL/dW is made with g for delta, without sigma'(z)",
         lambda d, t: (d / _one(t.layer.sigma, t.step.z, t.step.a, d)).T @ t.step.a_prev),
    *(
        Line("dW", name, f"these are {said}", lambda d, t, change=change: change(d.T @ t.step.a_prev))
        for name, (said, change) in OF_WEIGHTS.items()
    ),
    Line("db", "first sample in dL/db", "dL/db is the first sample's delta alone", lambda d, t: +d[0]),
    Line("db", "last sample in dL/db", "dL/db is the last sample's delta alone", lambda d, t: +d[-1]),
    Line("db", "mean over the batch in dL/db", "dL/db is the mean over the batch", lambda d, t: d.mean(axis=0)),
    Line("db", "row sums of dL/dW", "dL/db is made of the row sums of dL/dW",
         lambda d, t: (d.T @ t.step.a_prev).sum(axis=1)),
    Line("db", "row means of dL/dW", "dL/db is made of the row means of dL/dW",
         lambda d, t: (d.T @ t.step.a_prev).mean(axis=1)),
    Line("db", "largest of the batch", "dL/db is the largest delta of the batch", lambda d, t: d.max(axis=0)),
    Line("db", "absolute deltas", "dL/db adds up |delta|", lambda d, t: abs(d).sum(axis=0)),
    Line("db", "one sum for all units", "dL/db is one sum over all units", lambda d, t: 0 * d[0] + d.sum()),
    Line("db", "one mean for all units", "dL/db is one mean over all units and samples",
         lambda d, t: 0 * d[0] + d.mean()),
    Line("db", "summed over the units", "dL/db is summed over the units, and not over the batch, where it fits",
         lambda d, t: d.sum(axis=1) if d.shape[0] == d.shape[1] else d.sum(axis=0)),
    Line("db", "dL/db reversed", "dL/db stands in reverse order", lambda d, t: d.sum(axis=0)[::-1]),
    Line("db", "dL/db shifted", "dL/db is shifted by one", lambda d, t: np.roll(d.sum(axis=0), 1)),
    Line("db", "dL/db shifted back", "dL/db is shifted back by one", lambda d, t: np.roll(d.sum(axis=0), -1)),
    Line("db", "divided by the number of units in dL/db", "dL/db is divided by the number of units",
         lambda d, t: d.sum(axis=0) / d.shape[1]),
)  # fmt: skip
"""Lines that people write where another should stand."""


@dataclass(frozen=True)
class Other:
    """An activation with another pullback."""

    own: Activation
    line: Line

    def pullback(self, z: Any, a: Any, g: Any) -> Any:
        """Give what the line gives."""
        return self.line.given(self.own, z, a, g)


class Place(NamedTuple):
    """Where another line stands: in words, and whether it stands in layer l of L."""

    said: str
    holds: Callable[[int, int], bool]


def places(line: Line, layers: Sequence[int]) -> list[Place]:
    """Everywhere, in all hidden layers, in the last, in one layer of these alone."""
    everywhere = Place("", lambda l, L: True)
    if line.at == "g":
        return [everywhere]
    own = [_only(n) for n in dict.fromkeys((1, *layers))]
    hidden = Place(" in hidden layers", lambda l, L: l < L)
    return [everywhere, hidden, Place(" in the last layer", lambda l, L: l == L), *own]


def _only(n: int) -> Place:
    return Place(f" in layer {n} alone", lambda l, L: l == n)


def lines(named: set[tuple[str, int]], answers: Sequence[Held]) -> Iterator[Mistake]:
    """The other lines that may show in equations and layers that are named."""
    equations = {equation for equation, _ in named} | ({"B1"} if any(e in ("batch", "L1") for e, _ in named) else set())
    for line in (*LINES, *_clipped(answers)):
        shown = set(SHOWN_IN[line.at].split()) & equations
        if shown:
            # What is handed down with is that of the layer above.
            layers = [layer + (line.at in ("W", "handed")) for equation, layer in sorted(named) if equation in shown]
            for place in places(line, layers):
                yield Mistake(line.name + place.said, f"{sentence(line.said)}{place.said}.", run(line, place))


def sentence(said: str) -> str:
    """What a line is in words, as a sentence begins."""
    return said if said.startswith(("dL", "sigma", "delta ", "a ", "a^", "1 ", "g ")) else said[0].upper() + said[1:]


def _clipped(answers: Sequence[Held]) -> Iterator[Line]:
    """Deltas, and cotangents, clipped at the largest of them that is seen in single samples."""
    single = [held for held in answers if len(held.problem.x) == 1]
    seen = [abs(b).max(initial=0) for held in single for b in held.got[1:-1:2]]
    if seen and 0 < max(seen) < np.inf:
        c = float(max(seen))
        yield Line("delta", f"delta clipped at {c:.6g}", f"delta is clipped at {c:.6g}",
                   lambda sigma, z, a, g, c=c: sigma.pullback(z, a, g).clip(-c, c))  # fmt: skip
    with np.errstate(all="ignore"):
        slopes = [held.got[-1] / _slope(held.problem) for held in single]
    seen = [abs(g[np.isfinite(g)]).max(initial=0) for g in slopes]
    if seen and 0 < max(seen) < np.inf:
        c = float(max(seen))
        yield Line("g", f"cotangent clipped at {c:.6g}", f"the derivative of the loss is clipped at {c:.6g}",
                   lambda g, a, y, c=c: g.clip(-c, c))  # fmt: skip


def _slope(problem: Problem) -> Array:
    """sigma'(z) of the last layer, (n_L,), for a single sample."""
    last = forward(problem.network, problem.x)[-1]
    sigma = reduced_loss(problem.network[-1].sigma, last.z, last.a, problem.y, problem.loss, problem.reduction).sigma
    slope: Array = _one(sigma, last.z, last.a, last.a)[0]
    return slope


def run(line: Line, place: Place) -> Given:
    """The reference's text, layer by layer, with another line in some layers."""
    return lambda problem: _recursed(problem, line, place)


def _recursed(problem: Problem, line: Line, place: Place) -> list[Parameters[Array]]:
    network, L = problem.network, len(problem.network)
    steps = forward(network, problem.x)
    last = steps[-1]
    _, head, g = reduced_loss(network[-1].sigma, last.z, last.a, problem.y, problem.loss, problem.reduction)
    if line.at == "g":
        g = line.given(g, last.a, problem.y)
    found: list[Parameters[Array]] = []
    for l in range(L, 0, -1):
        step, other = steps[l - 1], line if place.holds(l, L) else None
        layer = network[l - 1]._replace(sigma=head) if l == L else network[l - 1]
        turn = Turn(l, L, layer, step, steps[l - 2].z if l > 1 else None)
        sigma: Any = Other(layer.sigma, line) if other and line.at == "delta" else layer.sigma
        a_prev = line.given(turn) if other and line.at == "a" else step.a_prev
        (own,) = backward((layer._replace(sigma=sigma),), (step._replace(a_prev=a_prev),), g)
        W = line.given(own.delta, turn) if other and line.at == "dW" else own.W
        b = line.given(own.delta, turn) if other and line.at == "db" else own.b
        found.append(Parameters(W, b))
        if l > 1:
            with_W = line.given(layer.W) if other and line.at == "W" else layer.W
            if with_W.shape != layer.W.shape:
                with_W = layer.W
            handed = line.given(g, own.delta) if other and line.at == "handed" else own.delta
            g = cotangent(layer._replace(W=with_W), own._replace(delta=handed))
    return found[::-1]
