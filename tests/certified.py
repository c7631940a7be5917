"""The truth, certified: the reference's text on balls, and in forward mode on duals over balls."""

from collections.abc import Callable
from typing import Any

import numpy as np
from flint import arb, ctx

from conformance.dual import dual, tangent
from conformance.rounded import Rounded
from reference import Array

ctx.prec = 256
"""Bits of a ball's midpoint: far beyond float64, and enough for the cancellations of these equations."""

balls = np.frompyfunc(lambda number: arb(float(number)), 1, 1)
"""An object array of exact balls from an array of floats."""


def radius_used(got: Array, truth: Array, admitted: Rounded) -> float:
    """The largest error of ``got`` against the truth's balls, over the bound; the bound's midpoint must hold too.

    A midpoint is as wide a float as there is, so it is itself within the radius of the truth.
    """
    worst = 0.0
    for at in np.ndindex(got.shape):
        error = float(abs(arb(float(got[at])) - truth[at]).upper())
        middle = float(abs(_wide(admitted.mid[at]) - truth[at]).upper())
        bound = float(admitted.rad[at])
        assert middle <= bound, f"the truth {truth[at]} is not within {bound} of the midpoint {admitted.mid[at]}"
        worst = max(worst, error / bound if error else 0.0)
    return worst


def _wide(number: Any) -> arb:
    """A long double, exactly, as the sum of two doubles."""
    high = float(number)
    return arb(high) + arb(float(number - high))


def forward_mode(f: Callable[[Array], Array], z: Array, direction: Array) -> Array:
    """The derivative of f at z in a direction, in balls, from f's own text."""
    return balls_of(tangent(f(dual(balls(z), balls(direction)))))


def balls_of(numbers: Array) -> Array:
    """Balls, also of the whole numbers that stand for what does not depend on the input."""
    return np.frompyfunc(arb, 1, 1)(numbers)


def overlap(p: Array, q: Array) -> bool:
    """Whether all balls overlap, and are narrow enough for that to mean something."""
    pairs = list(zip(np.ravel(balls_of(p)), np.ravel(balls_of(q)), strict=True))
    narrow = all(ball.rad() <= NARROW * (1 + abs(ball).upper()) for pair in pairs for ball in pair)
    return narrow and all(a.overlaps(b) for a, b in pairs)


NARROW = arb(2) ** -100
"""A ball of 256 bits may lose half of them and more to cancellation, and still be far below float64's rounding."""


def random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, scale: float = 2.0) -> Array:
    """Generic numbers."""
    return (scale * rng.standard_normal(shape)).astype(dtype)
