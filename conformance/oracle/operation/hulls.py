"""Answers at kinks: the nearest point of what is right there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import linprog

from ...arrays import Array
from ...bounds.rounded import Rounded
from ..recording.kinks import Hull, Kinks, Lines


def settled(bounds: Sequence[Rounded], kinks: Kinks, parts: Sequence[Any]) -> tuple[list[Rounded], list[Array]]:
    """Put the right point that is the nearest to an answer in place of what is not known at the kinks.

    Parameters
    ----------
    bounds : sequence of Rounded
        What is admitted, for each input.
    kinks : Kinks
        What is right at the kinks.
    parts : sequence of arrays
        The answer; what is no array of numbers is passed over.

    Returns
    -------
    list of Rounded, list of arrays
        The bounds, and which elements are at kinks.
    """
    ends = np.cumsum([b.mid.size for b in bounds])[:-1]
    mids = np.concatenate([b.mid.ravel() for b in bounds])
    rads = np.concatenate([b.rad.ravel() for b in bounds])
    each = zip(parts, bounds, strict=True)
    got = np.concatenate([(p if isinstance(p, np.ndarray) else 0 * b.mid).astype(mids.dtype).ravel() for p, b in each])
    for hull in kinks.hulls:
        mids[hull.elements], rads[hull.elements] = _nearest(hull, got[hull.elements])
    if kinks.lines:
        at = kinks.lines.elements
        mids[at], rads[at] = _between(kinks.lines, got[at]), kinks.lines.rad

    def apart(flat: Array) -> list[Array]:
        return [part.reshape(b.shape) for part, b in zip(np.split(flat, ends), bounds, strict=True)]

    found = [Rounded(m, r, b.format) for m, r, b in zip(apart(mids), apart(rads), bounds, strict=True)]
    return found, apart(kinks.hanging & ~kinks.undecided)


FINE = 2.0**-16
"""What the linear program leaves open, against the largest corner: its own tolerance is 1e-7."""


def _nearest(hull: Hull, got: Array) -> tuple[Array, Array]:
    """The point of a hull that is the nearest to an answer, and the radii; infinite where that cannot be told."""
    with np.errstate(all="ignore"):
        margins = (abs(got - hull.corners) / hull.rad).max(axis=1)
    if (margins <= 1).any():
        return hull.corners[np.nanargmin(margins)], hull.rad
    point = _among(hull, got) @ hull.corners
    error = abs(got - point)
    if (error > hull.rad).any() and (error <= FINE * abs(hull.corners).max()).all():
        return point, np.full(hull.rad.shape, np.inf)
    return point, hull.rad


def _between(lines: Lines, got: Array) -> Array:
    """The nearest points on lines from end to end: where all elements that hang together are within their radii."""
    p, q = lines.ends
    with np.errstate(all="ignore"):
        shares = np.sort(np.stack([(got - lines.rad - p) / (q - p), (got + lines.rad - p) / (q - p)]), axis=0)
    low, high = np.zeros(int(lines.of.max()) + 1), np.ones(int(lines.of.max()) + 1)
    tells = np.isfinite(shares).all(axis=0)
    np.maximum.at(low, lines.of[tells], shares[0, tells])
    np.minimum.at(high, lines.of[tells], shares[1, tells])
    # The ends themselves to all digits.
    share = np.where(low == 0, 0.0, np.where(high == 1, 1.0, np.clip((low + high) / 2, 0, 1)))[lines.of]
    return np.asarray((1 - share) * p + share * q)


def _among(hull: Hull, got: Array) -> Array:
    """Of several corners: by a linear program, the least largest error against the radii."""
    n = len(hull.corners)
    known = np.isfinite(got)
    scaled = (hull.corners[:, known] / hull.rad[known]).astype(np.float64)
    aim = (got[known] / hull.rad[known]).astype(np.float64)
    scale = max(float(abs(scaled).max(initial=1.0)), 1.0)
    rows = np.concatenate([scaled.T, -scaled.T]) / scale
    against = np.concatenate([aim, -aim]) / scale
    result = linprog(
        [0.0] * n + [1.0],
        A_ub=np.hstack([rows, -np.ones((len(rows), 1))]),
        b_ub=against,
        A_eq=[[1.0] * n + [0.0]],
        b_eq=[1.0],
        bounds=[(0, 1)] * n + [(0, None)],
    )
    if result.x is None:
        return np.full(n, 1 / n)
    # The corners that it found, and the shares once more, to all digits.
    used = np.flatnonzero(result.x[:n] > FINE)
    equations = np.vstack([scaled[used].T / scale, np.full(len(used), 1.0)])
    shares = np.zeros(n)
    shares[used] = np.clip(np.linalg.lstsq(equations, np.append(aim / scale, 1.0), rcond=None)[0], 0, 1)
    if not shares.any():  # far from all of them
        shares = result.x[:n]
    return np.asarray(shares / shares.sum())
