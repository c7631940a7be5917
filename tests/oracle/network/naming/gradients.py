"""Faults of gradients that were right once, of what is kept, and nonsense that is no known mistake."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from conformance.arrays import Array, Network
from conformance.oracle.network.oracle import check

from ..answers import problem
from ..functions import Gradients, in_format, right
from .faults import Fault, Function, fault, probed
from .recursion import Turn, done, only, recursion


def clipped_by_norm(most: float) -> Any:
    def change(found: Gradients) -> Gradients:
        norm = np.sqrt(sum((p**2).sum() for pair in found for p in pair))
        by = min(1.0, most / norm) if norm else 1.0
        return [(W * by, b * by) for W, b in found]

    return change


def each_by_norm(p: Array) -> Array:
    norm = np.sqrt((p**2).sum())
    scaled: Array = p * min(1.0, 0.05 / norm) if norm else p
    return scaled


ANY = "B1 B3 B4 B2 batch"


def of_done() -> Iterator[Fault]:
    def both(name: str, change: Any, *said: str) -> Fault:
        return fault(name, done(change, change), ANY, *said)

    yield both("signs alone", np.sign, "signs")
    yield both("absolute values", abs, "absolute values")
    yield both("squares", np.square, "squares")
    yield both("square roots with signs", lambda p: np.sign(p) * np.sqrt(abs(p)), "square roots")
    yield both("divided by their sizes", lambda p: p / (abs(p) + 1e-8), "sizes divided out")
    yield both("clipped elementwise at 0.0625", lambda p: p.clip(-0.0625, 0.0625), "clipped at 0.0625")
    yield both("clipped elementwise at 0.01", lambda p: p.clip(-0.01, 0.01), "clipped at 0.01")
    yield both("negative ones left out", lambda p: p.clip(0), "negative elements zero", "to be negative")
    yield both("small ones left out", lambda p: np.where(abs(p) < 1e-3, 0, p), "small elements zero")
    yield both("each array clipped by norm", each_by_norm, "each array's norm clipped")
    yield both("less their mean", lambda p: p - p.mean(), "mean taken away")
    yield fault(
        "rows less their mean",
        done(lambda W: W - W.mean(axis=1, keepdims=True)),
        "B3",
        "row means taken away",
        "mean taken away",
    )
    yield fault(
        "clipped by norm at 0.125",
        done(of=clipped_by_norm(0.125)),
        ANY,
        "norm clipped at 0.125",
        "norm is 0.125",
    )
    yield fault("divided by the norm", done(of=normed), ANY, "norm is 1")
    yield fault("rows in reverse", done(lambda W: W[::-1]), "B3", "rows reversed")
    yield fault("columns in reverse", done(lambda W: W[:, ::-1]), "B3", "columns reversed")
    yield fault("rows one on", done(lambda W: np.roll(W, 1, axis=0)), "B3", "rows shifted")
    yield fault("rows one back", done(lambda W: np.roll(W, -1, axis=0)), "B3", "rows shifted back")
    yield fault("columns one on", done(lambda W: np.roll(W, 1, axis=1)), "B3", "columns shifted")
    yield fault("columns one back", done(lambda W: np.roll(W, -1, axis=1)), "B3", "columns shifted back")
    yield fault("layers in reverse", done(of=lambda f: f[::-1]), ANY, "layers reversed", widths=(5, 5, 5, 5))
    yield fault(
        "square dL/dW transposed",
        done(lambda W: W.T if W.shape[0] == W.shape[1] else W),
        "B3",
        "weight-gradient-transposed",
        widths=(5, 6, 6, 4),
    )
    yield fault("a penalty of 0.01 on the weights", penalised(0.01, False), "B3", "dL/dW is 0.01 W more")
    yield fault("a penalty of 0.5 on all", penalised(0.5, True), "B3 B4 B1 B2", "dL/dW is 0.5 W more")
    yield fault(
        "a penalty of 0.01 on absolute weights",
        penalised(0.01, False, np.sign),
        "B3",
        "sign of the weights",
        "0.01 times the signs",
    )
    yield both("divided by 2", lambda p: p / 2, "1/2 times", "0.5 times")
    yield both("divided by 255", lambda p: p / 255, "0.003922 times")
    yield both("10 times", lambda p: 10 * p, "10 times")
    yield fault("dL/dW 0.9 times", done(lambda W: 0.9 * W), "B3", "0.9 times")
    yield fault("all zero", done(lambda W: 0 * W, lambda b: 0 * b), "B1", "All of them are zero")
    # Elements.
    yield fault("the last row zero", spoiled(lambda W: W.__setitem__(-1, 0)), "B3", "the last unit")
    yield fault("the last column zero", spoiled(lambda W: W.__setitem__((slice(None), -1), 0)), "B3", "the last input")
    yield fault(
        "columns from 32 on missing",
        spoiled(lambda W: W.__setitem__((slice(None), slice(32, None)), 0)),
        "B3",
        "the inputs from index 32 on",
    )
    yield fault(
        "rows from 32 on doubled",
        spoiled(lambda W: W.__setitem__(slice(32, None), 2 * W[32:])),
        "B3",
        "the units from index 32 on",
    )
    yield fault("the diagonal zero", spoiled(lambda W: np.fill_diagonal(W, 0)), "B3", "the diagonal")
    yield fault(
        "every second unit zero", spoiled(lambda W: W.__setitem__(slice(1, None, 2), 0)), "B3", "every second unit"
    )
    yield fault(
        "the first input doubled",
        spoiled(lambda W: W.__setitem__((slice(None), 0), 2 * W[:, 0])),
        "B3",
        "the first input",
    )
    yield fault(
        "the first element doubled",
        spoiled(lambda W: W.__setitem__((0, 0), 2 * W[0, 0])),
        "B3",
        "the first element",
        "element [0, 0]",
    )
    yield fault("the upper triangle alone", done(np.triu), "B3", "below the diagonal", "upper triangle")
    yield fault(
        "delta zero where z < 0",
        recursion(delta=lambda t, g: np.where(t.z < 0, 0, t.pulled(g)) if t.l < t.L else t.pulled(g)),
        "B2",
        "all units with z < 0",
        "zero where z < 0",
    )
    yield fault(
        "delta doubled where |z| > 1",
        recursion(delta=lambda t, g: np.where(abs(t.z) > 1, 2, 1) * t.pulled(g) if t.l < t.L else t.pulled(g)),
        "B2",
        "all units with |z| > 1",
    )
    # Not a number.
    yield fault("one NaN", spoiled(lambda W: W.__setitem__((0, 0), np.nan)), "B3", "NaN or infinite")
    yield fault("all NaN", done(lambda W: W * np.nan, lambda b: b * np.nan), ANY, "NaN or infinite")
    yield fault("an infinite bias", done(None, inf_first), "B4", "NaN or infinite")
    # Precision.
    yield fault("through float16 and back", done(half, half), ANY, "bits of", "digits", "through float16")
    yield fault("through bfloat16 products", in_format(8), ANY + " F", "like bfloat16", "bits of")
    yield fault(
        "rounded to three decimals", done(lambda p: p.round(3), lambda p: p.round(3)), ANY, "rounded to 3 decimals"
    )
    yield fault("float32 inside", in_float32, ANY + " F", "like float32", "computed in float32")
    # Kept.
    yield Fault("1.1 times from the third call on", probed(from_the_third), "state", ("something is kept",))
    yield Fault("dropout left on", probed(dropped), "state", ("something is kept",))
    yield Fault("noise in the gradients", probed(noisy), "state", ("something is kept",))
    yield Fault("the first batch for ever", probed(first_batch), "state B1 batch", ("something is kept",))


def normed(found: Gradients) -> Gradients:
    norm = np.sqrt(sum((p**2).sum() for pair in found for p in pair)) or 1.0
    return [(W / norm, b / norm) for W, b in found]


def inf_first(b: Array) -> Array:
    changed = b.copy()
    changed[0] = np.inf
    return changed


def half(p: Array) -> Array:
    rounded: Array = p.astype(np.float16).astype(p.dtype)
    return rounded


def in_float32(network: Network, x: Array, y: Array) -> Gradients:
    layers = tuple(layer._replace(W=layer.W.astype("f4"), b=layer.b.astype("f4")) for layer in network)
    return [(W.astype(x.dtype), b.astype(x.dtype)) for W, b in right(layers, x.astype("f4"), y.astype("f4"))]


def penalised(factor: float, biases: bool, of: Any = lambda p: p) -> Function:
    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        parts = zip(right(network, x, y), network, strict=True)
        return [(dW + factor * of(W), db + factor * of(b) if biases else db) for (dW, db), (W, b, _) in parts]

    return gradients


def spoiled(change: Any) -> Function:
    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        found = right(network, x, y)
        for W, _ in found:
            change(W)
        return found

    return gradients


def from_the_third() -> Function:
    calls = count(1)

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        by = 1.1 if next(calls) > 2 else 1.0
        return [(by * W, by * b) for W, b in right(network, x, y)]

    return gradients


def dropped() -> Function:
    rng = np.random.default_rng(3)
    return recursion(delta=lambda t, g: t.pulled(g) * (rng.random(g.shape) < 0.8 if t.l < t.L else 1))


def noisy() -> Function:
    rng = np.random.default_rng(4)
    return done(of=lambda f: [(W + 1e-3 * rng.standard_normal(W.shape), b) for W, b in f])


def first_batch() -> Function:
    kept: dict[Any, Any] = {}

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        first = kept.setdefault((x.shape, y.shape), (x.copy(), y.copy()))
        return right(network, *first)

    return gradients


# One answer.


def of_answers() -> Iterator[Fault]:
    def given(name: str, function: Function, equations: str, *said: str, layer: int | None = None, **of: Any) -> Fault:
        asked = problem(**({"batch": 1} | of))

        def checked() -> Any:
            return check(asked, function(asked.network, asked.x, asked.y), name="fault")

        return Fault(f"one answer: {name}", checked, equations, said, layer)

    yield given("dL/dW2 twice", recursion(dW=only(2, "dW", lambda t, d: 2 * d.T @ t.a_prev)), "B3", "2 times", layer=2)
    yield given(
        "sigma' missing",
        recursion(delta=lambda t, g: g if t.l < t.L else t.pulled(g)),
        "B2",
        "hidden-derivative-missing",
    )
    yield given("y - a", recursion(g=lambda t, a: t.y - a), "B1", "-1 times", "sign-flipped", layer=-1)
    yield given("dL/db averaged", recursion(db=lambda t, d: d.mean(axis=0)), "B4", "bias-averaged", batch=3)
    yield given(
        "a's own activation",
        recursion(delta=lambda t, g: t.pulled(t.pulled(g)) if t.l < t.L else t.pulled(g)),
        "B2",
        "derivative squared",
    )
    yield given("one NaN", spoiled(lambda W: W.__setitem__((0, 0), np.nan)), "B3", "NaN or infinite")


# Nonsense: wrong in a way that is in no list.


def mangled(t: Turn, d: Array) -> Array:
    rng = np.random.default_rng(t.W.shape)
    mixed: Array = (d.T @ t.a_prev) * rng.uniform(0.5, 1.5, t.W.shape)
    return mixed


def of_nonsense() -> Iterator[Fault]:
    def nonsense(name: str, function: Function, equations: str, **options: Any) -> Fault:
        return fault(f"nonsense: {name}", function, equations, **options)

    yield nonsense("the sine of 7 dL/dW", done(lambda W: np.sin(7 * W) / 5), "B3")
    yield nonsense("dL/dW^3 + dL/dW / 3", done(lambda W: W**3 + W / 3), "B3")
    yield nonsense(
        "dL/dW plus cosines of its place", done(lambda W: W + np.cos(np.arange(W.size)).reshape(W.shape) / 99), "B3"
    )
    yield nonsense("each dL/dW element by its own factor", recursion(dW=mangled), "B3")
    yield nonsense("dL/dW times |W| + 0.3", recursion(dW=lambda t, d: (d.T @ t.a_prev) * (abs(t.W) + 0.3)), "B3")
    yield nonsense("dL/db plus a fifth of its square", done(None, lambda b: b + b * b / 5), "B4")
    yield nonsense(
        "dL/db with dL/dW's corner in it", done(of=lambda f: [(W, b + 0.37 * W.ravel()[0]) for W, b in f]), "B4"
    )
    yield nonsense("delta plus a tenth of z", recursion(delta=lambda t, g: t.pulled(g) + 0.1 * t.z * (t.l < t.L)), "B2")
    yield nonsense("W + 0.3 for W on the way down", recursion(down=lambda t, d: d @ (t.W + 0.3)), "B2")
    yield nonsense(
        "tanh' by 1 - 0.7 a^2 + a^3 / 9",
        recursion(delta=lambda t, g: g * (1 - 0.7 * t.a**2 + t.a**3 / 9) if t.l < t.L else t.pulled(g)),
        "B2",
    )
    yield nonsense("|a - y|^1.5", recursion(g=lambda t, a: np.sign(a - t.y) * abs(a - t.y) ** 0.5 * 1.5), "B1")
    yield nonsense("a - y plus its square", recursion(g=lambda t, a: (a - t.y) * (1 + (a - t.y) / 3)), "B1")
    yield nonsense("a^1.1 in dL/dW", recursion(dW=lambda t, d: d.T @ (np.sign(t.a_prev) * abs(t.a_prev) ** 1.1)), "B3")
    yield nonsense("x + 0.1 x^3 for x", lambda n, x, y: right(n, x + 0.1 * x**3, y), "F B3 B1 batch")
    yield nonsense("sin(z) for tanh(z)", sines, "F")
    yield nonsense("targets times 0.93 plus 0.011", lambda n, x, y: right(n, x, 0.93 * y + 0.011), "B1")


class Sine:
    """sin(z), which is no activation of the reference."""

    def apply(self, z: Any) -> Any:
        """Give the value."""
        return np.sin(z)

    def pullback(self, z: Any, a: Any, g: Any) -> Any:
        """Give g times the derivative."""
        return g * np.cos(z)


def sines(network: Network, x: Array, y: Array) -> Gradients:
    from reference import HalfSquaredError, loss_and_gradients

    below: Any = [layer._replace(sigma=Sine()) for layer in network[:-1]]
    found = loss_and_gradients((*below, network[-1]), x, y, HalfSquaredError(), "sum").gradients
    return [(g.W, g.b) for g in found]
