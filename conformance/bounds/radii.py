"""Radii: how they are computed, and what becomes of them in functions that move no further than a slope lets them."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..arrays import Array
from ..numbers.enclosure import Unbounded

EPSILON = float(np.finfo(np.float64).eps)


def magnitude(mid: Array) -> Array:
    """|mid| in float64; what float64 does not hold is infinite."""
    if mid.dtype == np.float64:
        return abs(mid)
    with np.errstate(over="ignore", invalid="ignore"):
        return abs(mid).astype(np.float64)


def gamma(n: int, u: float) -> float:
    """The relative error of n roundings in a row: n u / (1 - n u), infinite from n u = 1 on.

    Higham, Accuracy and Stability of Numerical Algorithms, second edition, lemma 3.1.
    """
    return n * u / (1 - n * u) if n * u < 1 else np.inf


def up(radius: Array, n: int = 1) -> Array:
    """The radius, enlarged by what computing it in float64 with sums of n terms may have lost; NaN is infinite."""
    radius = np.asarray(radius, dtype=np.float64) * (1 + (n + 16) * EPSILON)
    unknown = np.isnan(radius)
    return np.where(unknown, np.inf, radius) if unknown.any() else radius


Value = TypeVar("Value")


def within(what: str, x: Any, inside: Array, value: Value) -> Value:
    """The value, where a Rounded is inside an operation's domain by all its radius, or not bounded anyhow.

    Raises
    ------
    Unbounded
        Naming the first number that is not.
    """
    outside = ~inside & np.isfinite(x.rad)
    if outside.any():
        at = tuple(np.argwhere(outside)[0])
        raise Unbounded(f"Rounded: {what} of or by {x.mid[at]} +/- {x.rad[at]} at {tuple(map(int, at))}")
    return value


def _least(m: Array, r: Array) -> Any:
    """The smallest absolute value within r of m."""
    return np.maximum(abs(m) - r, 0)


def steepest_erfc(m: Array, r: Array) -> Array:
    """The largest slope of erfc within r of m, 2 / sqrt(pi) e^(-x^2)."""
    return np.asarray(2 / np.sqrt(np.pi) * np.exp(-(_least(m, r) ** 2)))


MOVED: dict[np.ufunc, Callable[[Array, Array, Array], Array]] = {
    np.expm1: lambda m, r, f: np.exp(m) * np.expm1(r),
    np.tanh: lambda m, r, f: r * (1 - np.tanh(_least(m, r)) ** 2),
    # A slope of cos m is at most |cos m| + r within r of m, as that of cos is at most 1; and neither moves beyond 2.
    np.sin: lambda m, r, f: np.minimum(r * np.minimum(1, abs(np.cos(m)) + r), 2),
    np.cos: lambda m, r, f: np.minimum(r * np.minimum(1, abs(np.sin(m)) + r), 2),
    np.arctan: lambda m, r, f: r / (1 + _least(m, r) ** 2),
    np.arcsinh: lambda m, r, f: r / np.sqrt(1 + _least(m, r) ** 2),
    np.sinh: lambda m, r, f: r * np.cosh(abs(m) + r),
    np.cosh: lambda m, r, f: r * np.sinh(abs(m) + r),
}
"""By how much a function of numbers within r of m is at most away from f, that of m: r by the largest slope there."""
