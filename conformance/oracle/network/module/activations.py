"""Which activation of the reference a function is, told by its numbers: somebody's own is called, and compared."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import reference
from reference import ACTIVATIONS, Activation

from ....arrays import Array

Function = Callable[[Array], Array]
"""From z (B, n) to a (B, n), samples in rows."""

FAR = 1e4
"""Beyond all kinks of the activations by their usual parameters."""

AS_NEAR = 4
"""Activations off by up to so many times the least are as near: where all are off by roundings, the plainest is it."""


class Nearest(NamedTuple):
    """An activation, and how far off a function is from it at most, relative to 1 or to the larger number."""

    sigma: Activation
    off: float


def nearest(function: Function, shape: tuple[int, int], digits: int) -> Nearest:
    """The activation that a function is nearest to.

    Parameters
    ----------
    function : callable
        From z to a, both of that shape.
    shape : (int, int)
    digits : int
        To which parameters that are read from its values are rounded.
    """
    with np.errstate(all="ignore"):
        points = _points(shape)
        given = [function(z) for z in points]
        found = [Nearest(sigma, _off(sigma, points, given)) for sigma in _candidates(function, shape, digits)]
    least = min(each.off for each in found)
    return next(each for each in found if each.off <= AS_NEAR * least)


def _points(shape: tuple[int, int]) -> list[Array]:
    """Numbers on all sides of the kinks and thresholds, shuffled into arrays of that shape, and ordinary rows."""
    rng = np.random.default_rng(0)
    special = [0, *(s * k for s in (1, -1) for k in (0.25, 0.5, 1, 3, 6, 20.001, 20.1, 21, 25, 30))]
    grid = rng.permutation(np.concatenate([np.linspace(-8, 8, 161), special]))
    arrays = [np.resize(part, shape) for part in np.array_split(grid, max(len(grid) // (shape[0] * shape[1]), 1))]
    return [*arrays, *(scale * rng.standard_normal(shape) for scale in (0.1, 1, 3))]


def _off(sigma: Activation, points: list[Array], given: list[Array]) -> float:
    """The largest distance; infinite where one of both is no number."""
    most = 0.0
    for z, a in zip(points, given, strict=True):
        expected = sigma.apply(z)
        distance = np.max(abs(a - expected) / np.maximum(1, abs(expected)))
        most = max(most, float(distance) if np.isfinite(distance) else np.inf)
    return most


def _candidates(function: Function, shape: tuple[int, int], digits: int) -> Iterator[Activation]:
    """Every activation by its usual parameters, and by those that the function's values tell.

    Those are taken as decimals first, since people write 0.2, and then as they come, since a buffer may hold them.
    """

    def at(z: float) -> float:
        return float(function(np.full(shape, z)).flat[0])

    for kind in ACTIVATIONS.values():
        yield kind()
    yield from _fitted(at, digits)
    yield from _fitted(at, EXACT)


EXACT = 17
"""Digits that tell every float64."""


def _fitted(at: Callable[[float], float], digits: int) -> Iterator[Activation]:
    """Activations by the parameters that values tell, in so many digits."""

    def rounded(value: float) -> float:
        return float(f"{value:.{digits}g}")

    slope, low, high = rounded(-at(-1)), rounded(at(-FAR)), rounded(at(FAR))
    shrunk, jumps = rounded(FAR - at(FAR)), at(-FAR) == -FAR and at(FAR) == FAR and at(2.0**-10) == 0
    fitted: dict[type[Any], tuple[tuple[float, ...], bool]] = {
        reference.LeakyReLU: ((slope,), True),
        reference.ELU: ((rounded(at(-1) / np.expm1(-1)),), True),
        reference.CELU: ((-low,), -FAR < low < 0),
        reference.Hardtanh: ((low, high), low < high),
        reference.Softshrink: ((shrunk,), 0 <= shrunk < FAR),
        reference.Hardshrink: ((_jump(at) if jumps else np.nan,), jumps),
    }
    for kind, (parameters, allowed) in fitted.items():
        if allowed and np.isfinite(parameters).all():
            yield kind(*parameters)
    beta = rounded(np.log(2) / at(0)) if at(0) > 0 else 0
    if 0 < beta < FAR:
        for threshold in (20.0, np.inf):
            yield reference.Softplus(beta, threshold)


def _jump(at: Callable[[float], float]) -> float:
    """Where a function that is 0 near 0 and the identity far from it jumps, in as many digits as a decimal has."""
    low, high = 0.0, FAR
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if at(middle) == 0 else (low, middle)
    return float(f"{high:.6g}")
