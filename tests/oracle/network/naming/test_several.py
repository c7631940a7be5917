"""Two independent mistakes in different layers are told as two, the first in the order of the computation first."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from conformance import probe
from conformance.arrays import Array, Network

from ..functions import Gradients, right
from .recursion import RIGHT, Turn, recursion


class Mistake(NamedTuple):
    """A line that is another, the equation of hidden layers that it violates, and the line."""

    at: str
    equation: str
    line: Callable[[Turn, Array], Array]


MISTAKES = {
    "sigma' missing": Mistake("delta", "B2", lambda t, g: g),
    "sigma'(a)": Mistake("delta", "B2", lambda t, g: t.network[t.l - 1].sigma.pullback(t.a, np.tanh(t.a), g)),
    "delta twice": Mistake("delta", "B2", lambda t, g: 2 * t.pulled(g)),
    "delta negative": Mistake("delta", "B2", lambda t, g: -t.pulled(g)),
    "sigma' squared": Mistake("delta", "B2", lambda t, g: t.pulled(t.pulled(g))),
    "dL/dW twice": Mistake("dW", "B3", lambda t, d: 2 * d.T @ t.a_prev),
    "|a| in dL/dW": Mistake("dW", "B3", lambda t, d: d.T @ abs(t.a_prev)),
    "dL/dW in reverse": Mistake("dW", "B3", lambda t, d: (d.T @ t.a_prev)[::-1]),
    "dL/dW zero": Mistake("dW", "B3", lambda t, d: 0 * d.T @ t.a_prev),
    "dL/db three times": Mistake("db", "B4", lambda t, d: 3 * d.sum(axis=0)),
    "dL/db in reverse": Mistake("db", "B4", lambda t, d: d.sum(axis=0)[::-1]),
    "dL/db of rows": Mistake("db", "B4", lambda t, d: (d.T @ t.a_prev).sum(axis=1)),
    "dL/db zero": Mistake("db", "B4", lambda t, d: 0 * d.sum(axis=0)),
    "dL/db averaged": Mistake("db", "B4", lambda t, d: d.mean(axis=0)),
}

WIDTHS = (4, 6, 7, 5)

PAIRS = [
    (upper, k, lower, l)
    for upper in MISTAKES
    for lower in MISTAKES
    if upper != lower
    for k, l in ((2, 1), (3, 1), (3, 2))
]

SAMPLE = 12
"""Pairs that are asked of where not all are; 70 drawn ones were told as two without exception."""


def planted(places: dict[int, Mistake]) -> Callable[[Network, Array, Array], Gradients]:
    """A recursion with a mistake in each of some layers."""

    def line(at: str) -> Callable[[Turn, Array], Array]:
        def chosen(t: Turn, x: Array) -> Array:
            own = places.get(t.l)
            return own.line(t, x) if own and own.at == at else RIGHT[at](t, x)

        return chosen

    return recursion(**{at: line(at) for at in ("delta", "dW", "db")})


def equation(mistake: Mistake, layer: int) -> str:
    return "B1" if mistake.equation == "B2" and layer == len(WIDTHS) - 1 else mistake.equation


def test_two_mistakes_are_told_as_two(whole: bool) -> None:
    chosen = range(len(PAIRS)) if whole else np.random.default_rng(5).permutation(len(PAIRS))[:SAMPLE]
    otherwise = []
    for upper, k, lower, l in (PAIRS[i] for i in chosen):
        first, second = MISTAKES[upper], MISTAKES[lower]
        report = probe(planted({k: first, l: second}), hidden="tanh", output="tanh", widths=WIDTHS, problems=14)
        told = [(finding.equation, finding.layer) for finding in report.findings if finding.kind == "ordinary"]
        if told != [(equation(first, k), k), (equation(second, l), l)]:
            otherwise.append(f"{upper} in layer {k}, {lower} in layer {l}: {told}")
        marked = {place for place, tally in report.tallies.items() if tally.wrong}
        assert set(told) <= marked, f"\n{report}"
    assert len(otherwise) <= 0.05 * len(chosen), "\n".join(otherwise)


def test_both_gradients_of_a_layer_by_different_factors_are_two_mistakes() -> None:
    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        (W, b), *above = right(network, x, y)
        return [(2 * W, 3 * b), *above]

    report = probe(wrong, hidden="tanh", widths=WIDTHS)
    assert [(f.equation, f.layer, round(f.factor, 6)) for f in report.findings] == [("B3", 1, 2), ("B4", 1, 3)]
