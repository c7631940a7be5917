"""Estimates: what rounding usually does, where the bound that may accuse is too wide to tell.

The reference's text is evaluated again with every equation's result moved by its own rounding bound, one way, the
other, and at random.  What such runs differ by is no bound: correlated roundings may exceed it.  So what lies outside
`FACTOR` times the largest difference is SUSPECT and never WRONG.
"""

from typing import Any, NamedTuple

import numpy as np

from reference import Array, Identity, Layer, Step, backward, cotangent, forward

from ...bounds.admitted import admitted, admitted_loss, along_paths
from ...bounds.rounded import Rounded, exact
from ...judge.judgement import Judgement, compare
from ...judge.report import Finding
from ...judge.verdict import SUSPECT
from ...problems.problem import GivenAnswer, Problem
from .reading import Conventions

FACTOR = 16
"""How many times the largest difference of the runs a number may be off before it is suspect."""

RUNS = ("up", "down", "random", "random", "random", "random")


class Moved(NamedTuple):
    """dL/dW and dL/db of a layer from one run, wide."""

    W: Array
    b: Array


def suspected(problem: Problem, answer: GivenAnswer, conventions: Conventions) -> tuple[Judgement, ...]:
    """(B3) and (B4) of every layer against the estimate: what is outside counts as suspect."""
    truth = _run(problem, conventions, "none", 0)
    runs = [_run(problem, conventions, way, seed) for seed, way in enumerate(RUNS)]
    format = exact(problem.x).format
    steps, judgements = forward(admitted(problem.network, conventions), exact(problem.x)), []
    bounds = along_paths(problem, [(step.z, step.a) for step in steps], conventions)
    for l, (gradient, _) in zip(range(len(truth), 0, -1), bounds, strict=True):
        for equation, field in (("B3", "W"), ("B4", "b")):
            mid, bound = getattr(truth[l - 1], field), getattr(gradient, field).rad + format.tiny
            with np.errstate(all="ignore"):
                off = np.max([abs(getattr(run[l - 1], field) - mid) for run in runs], axis=0).astype(np.float64)
                # An element that the runs left alone by chance gets the others' share of its bound.  Runs that differ
                # by as much as the numbers themselves, or that may overflow, estimate nothing.
                usual = off + float(np.median(off / bound)) * bound
                linear = FACTOR * usual.max(initial=0) < abs(mid).max(initial=0)
            rad = FACTOR * usual + format.tiny if linear else np.full(mid.shape, np.inf)
            expected = Rounded(np.where(np.isfinite(mid), mid, 0), rad, format)
            judged = compare(equation, l, getattr(answer.gradients[l - 1], field), expected)
            judgements.append(judged._replace(wrong=0, suspect=judged.wrong, undecided=judged.elements))
    return tuple(judgements)


def _run(problem: Problem, conventions: Conventions, way: str, seed: int) -> list[Moved]:
    """The gradients of every layer, each equation's result moved by its own rounding bound."""
    format = exact(problem.x).format
    rng = np.random.default_rng(seed)

    def moved(x: Rounded) -> Rounded:
        signs = {"none": 0, "up": 1, "down": -1}.get(way)
        by = rng.choice((-1, 1), x.shape) if signs is None else signs
        with np.errstate(invalid="ignore"):  # what may be anything is no number, nor is what comes of it
            mid = np.where(np.isfinite(x.rad), x.mid + by * x.rad, np.nan)
        return Rounded(mid, np.zeros(x.shape), format)

    network, a, states = admitted(problem.network, conventions), exact(problem.x), []
    for W, b, sigma in network:
        (step,) = forward((Layer(W, b, Identity()),), a)
        z = moved(step.z)
        states.append((a, z))
        a = moved(sigma.apply(z))
    head = problem.network[-1].sigma
    value = admitted_loss(head, z, a, exact(problem.y), problem.loss, problem.reduction, conventions)
    delta = moved(value.sigma.pullback(z, a, moved(value.g)))
    gradients: list[Moved] = []
    for l in range(len(network), 0, -1):
        W, b, _ = network[l - 1]
        a_prev, z = states[l - 1]
        layer = Layer(W, b, Identity())
        (gradient,) = backward((layer,), (Step(a_prev, z, z),), delta)
        g = cotangent(layer, gradient)
        gradients.append(Moved(moved(gradient.W).mid, moved(gradient.b).mid))
        if l > 1:
            delta = moved(network[l - 2].sigma.pullback(states[l - 2][1], a_prev, moved(g)))
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
