"""Estimates: what rounding usually does, where the bound that may accuse is too wide to tell.

The reference's text is evaluated again with every equation's result moved by its own rounding bound, one way, the
other, and at random.  What such runs differ by is no bound: correlated roundings may exceed it.  So what lies outside
`FACTOR` times the largest difference is SUSPECT and never WRONG.
"""

from typing import Any, NamedTuple

import numpy as np

from ....arrays import Array
from ....bounds.lifted import Lifted
from ....bounds.rounded import Rounded
from ....judge.judgement import Judgement, compare, known
from ....judge.report import Finding
from ....judge.verdict import SUSPECT
from ....problems.problem import GivenAnswer

FACTOR = 16
"""How many times the largest difference of the runs a number may be off before it is suspect.

Measured on 20 problems, two to seven layers up to 40 wide, either format: no answer of a right program was off by more
than 0.2 times.  No factor is safe: a sum of 16,384 equal terms, whose roundings all go one way, is off by a hundred
times what independent roundings make of it.  So an estimate never says WRONG.
"""

RUNS = ("up", "down", "random", "random", "random", "random")


class Moved(NamedTuple):
    """dL/dW and dL/db of a layer from one run, wide."""

    W: Array
    b: Array


def suspected(of: Lifted, answer: GivenAnswer) -> tuple[Judgement, ...]:
    """(B3) and (B4) of every layer against the estimate: what is outside counts as suspect."""
    truth = _run(of, "none", 0)
    runs = [_run(of, way, seed) for seed, way in enumerate(RUNS)]
    format, judgements = of.format, []
    for l, (gradient, _) in zip(range(len(truth), 0, -1), of.along_paths(of.states), strict=True):
        for equation, field in (("B3", "W"), ("B4", "b")):
            if not known(getattr(answer.gradients[l - 1], field)):
                continue
            mid, bound = getattr(truth[l - 1], field), getattr(gradient, field).rad + format.tiny
            with np.errstate(all="ignore"):
                off = np.max([abs(getattr(run[l - 1], field) - mid) for run in runs], axis=0).astype(np.float64)
                # The runs may by chance agree on an element, as if it had no error: so each is granted, besides, the
                # median share of its bound.  Runs that differ by as much as the numbers themselves, or that may
                # overflow, estimate nothing.
                usual = off + float(np.median(off / bound)) * bound
                linear = FACTOR * usual.max(initial=0) < abs(mid).max(initial=0)
            rad = FACTOR * usual + format.tiny if linear else np.full(mid.shape, np.inf)
            expected = Rounded(np.where(np.isfinite(mid), mid, 0), rad, format)
            judged = compare(equation, l, getattr(answer.gradients[l - 1], field), expected)
            judgements.append(judged._replace(wrong=0, suspect=judged.wrong, undecided=judged.elements))
    return tuple(judgements)


def _run(of: Lifted, way: str, seed: int) -> list[Moved]:
    """The gradients of every layer, each equation's result moved by its own rounding bound."""
    rng = np.random.default_rng(seed)

    def moved(x: Rounded) -> Rounded:
        signs = {"none": 0, "up": 1, "down": -1}.get(way)
        by = rng.choice((-1, 1), x.shape) if signs is None else signs
        with np.errstate(invalid="ignore"):  # what may be anything is no number, nor is what comes of it
            mid = np.where(np.isfinite(x.rad), x.mid + by * x.rad, np.nan)
        return Rounded(mid, np.zeros(x.shape), of.format)

    L = len(of.network)
    outputs, sums = [of.x], []
    for l in range(1, L + 1):
        sums.append(moved(of.weighted_sum(l, outputs[-1])))
        outputs.append(moved(of.activation(l, sums[-1])))
    head = of.head(sums[-1], outputs[-1])
    delta = moved(head.sigma.pullback(sums[-1], outputs[-1], moved(head.g)))
    gradients: list[Moved] = []
    for l in range(L, 0, -1):
        gradient, g = of.gradient(l, outputs[l - 1], delta)
        gradients.append(Moved(moved(gradient.W).mid, moved(gradient.b).mid))
        if l > 1:
            delta = moved(of.delta(l - 1, sums[l - 2], outputs[l - 1], moved(g)))
    return gradients[::-1]


def finding(judgement: Judgement) -> Finding:
    """A suspect number, for a reader."""
    j: Any = judgement
    said = (
        f"({j.equation}) in layer {j.layer}: {j.suspect} of {j.elements} elements are further from the truth than "
        f"rounding usually leads, {j.margin:.2g} times {FACTOR} times what perturbed runs differ by.  The bound that "
        "could accuse is wider than that here: fewer layers or samples would tell."
    )
    return Finding(SUSPECT, "ordinary", j.equation, j.layer, j.element, j.got, j.expected, j.bound, said)
