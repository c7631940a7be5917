"""Shrinking: a problem made smaller while the subject still fails it."""

from collections.abc import Callable, Iterator
from time import monotonic

import numpy as np

from reference import Layer

from ...arrays import Array
from ...oracle.network.asking.domain import Domain
from ...oracle.network.oracle import check_problem
from ...problems.problem import Problem

TRIES, SECONDS = 60, 3.0
"""Smaller problems that are asked at most, and how long it may take."""

DIGITS = 3
"""Binary digits after the point to which numbers are rounded."""


def shrunk(
    problem: Problem, fails: Callable[[Problem], bool], domain: Domain, latest: float = float("inf")
) -> Problem:
    """The smallest problem found, in samples, layers, units and digits, that still fails.

    Parameters
    ----------
    problem : Problem
        Which fails.
    fails : function
        Whether the subject fails a problem.
    domain : Domain
        Within whose limits the problem stays.
    latest : float
        By `time.monotonic`: no smaller problem is asked after it.
    """
    until, tries = min(monotonic() + SECONDS, latest), 0
    tried = True
    while tried:
        tried = False
        for smaller in _smaller(problem):
            if not _allowed(smaller, domain):
                continue
            if tries >= TRIES or monotonic() > until:
                return problem
            tries += 1
            if fails(smaller):
                problem, tried = smaller, True
                break
    return problem


def _allowed(problem: Problem, domain: Domain) -> bool:
    widths = _widths(problem)
    within = all(domain.width[0] <= n <= domain.width[1] for n in widths)
    within = within and domain.layers[0] <= len(widths) - 1 and domain.batch[0] <= len(problem.x)
    if not within or (domain.widths is not None and domain.widths != widths):
        return False
    try:
        check_problem(problem)
    except (TypeError, ValueError):  # weights of a loss for more outputs, targets beyond its domain
        return False
    return True


def _widths(problem: Problem) -> tuple[int, ...]:
    return (problem.x.shape[1], *(len(b) for _, b, _ in problem.network))


def _smaller(problem: Problem) -> Iterator[Problem]:
    """Candidates, those that are smaller by most first."""
    B, L, widths = len(problem.x), len(problem.network), _widths(problem)
    if B > 1:
        yield from (_samples(problem, slice(k, k + 1)) for k in range(min(B, 4)))
        yield _samples(problem, slice(0, (B + 1) // 2))
        yield _samples(problem, slice(B // 2, B))
        yield _samples(problem, slice(0, B - 1))
    for l in range(1, L):
        yield _without(problem, l)
    for l, n in enumerate(widths):
        for kept in dict.fromkeys((1, (n + 1) // 2, n - 1)):
            if 0 < kept < n:
                yield _units(problem, l, kept)
    rounded = _rounded(problem)
    if any((p != q).any() for p, q in zip(_arrays(problem), _arrays(rounded), strict=True)):
        yield rounded


def _samples(problem: Problem, kept: slice) -> Problem:
    return problem._replace(x=problem.x[kept], y=problem.y[kept])


def _without(problem: Problem, l: int) -> Problem:
    """Without hidden layer l, counted from 1: the next one sees the layer before, its weights in turn."""
    layers = list(problem.network)
    next_one, before = layers[l], _widths(problem)[l - 1]
    columns = np.arange(before) % next_one.W.shape[1]
    layers[l] = next_one._replace(W=next_one.W[:, columns])
    del layers[l - 1]
    return problem._replace(network=tuple(layers))


def _units(problem: Problem, l: int, kept: int) -> Problem:
    """With the first units of layer l only; of layer 0, the inputs; targets that summed to one still do."""
    layers, x, y = list(problem.network), problem.x, problem.y
    if l < len(layers):
        layers[l] = layers[l]._replace(W=layers[l].W[:, :kept])
    if l > 0:
        W, b, sigma = layers[l - 1]
        layers[l - 1] = Layer(W[:kept], b[:kept], sigma)
    if l == 0:
        x = x[:, :kept]
    if l == len(layers):
        sums = y.sum(axis=1)
        y = y[:, :kept].copy()
        if (abs(sums - 1) < SUMS_TO_ONE).all():
            y[:, -1] += (sums - y.sum(axis=1)).astype(y.dtype)
    return problem._replace(network=tuple(layers), x=x, y=y)


SUMS_TO_ONE = 1e-3
"""How near to one a row of targets sums that was made to sum to it; it is made so again."""


def _rounded(problem: Problem) -> Problem:
    """With numbers of few digits; what is not zero stays so."""

    def rounded(array: Array) -> Array:
        coarse = np.round(array * 2**DIGITS) / 2**DIGITS
        return np.where(coarse == 0, array, coarse).astype(array.dtype)

    layers = tuple(Layer(rounded(W), rounded(b), sigma) for W, b, sigma in problem.network)
    return problem._replace(network=layers, x=rounded(problem.x))


def _arrays(problem: Problem) -> list[Array]:
    return [problem.x, *(part for W, b, _ in problem.network for part in (W, b))]
