"""Interpolation between numbers on a grid, and rows of a table added up in bags."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ..following.array import Recording, Unfollowed, recorded
from ..recording.enclosed import Enclosed
from ..recording.graph import Node

COORDINATE = 8.0
"""Units of roundoff in a weight, for each number along the axis, and one more.

A place s (k + 1/2) - 1/2 between n numbers takes a rounding of the factor, of s, of the product and of the difference,
each at most u n, as it is at most n; the weights 1 - f and f, f the part beyond a whole number, one more each; and
x + f (y - x), which is as right, one of a weight of 1 in each operation.  That is 4 n + 4 units, and twice that is
granted, so that no right program is outside.
"""


def _places(n: int, out: int, aligned: bool, factor: float | None, dtype: Any) -> Array:
    """Where each of the numbers that come out lies among those that are there, from 0 to n - 1."""
    at: Array = np.arange(out).astype(dtype)
    if aligned:
        return at * (dtype(n - 1) / dtype(out - 1) if out > 1 else dtype(0))
    if out == n:  # taken as they are, whatever the factor
        return at
    step = 1 / dtype(factor) if factor else dtype(n) / dtype(out)
    places: Array = ((at + 0.5) * step - 0.5).clip(0, n - 1)
    return places


def _interpolated(r: Recording, x: Any, axis: int, out: int, aligned: bool, factor: float | None) -> Any:
    """Along one axis, by weights that fall off in a straight line.

    Where a place may be on either side of a whole number, there is a weight on either side.
    """
    n, format = x.shape[axis], r.format
    unit = format.u if format.accumulator is None else format.accumulator
    places, rad = _places(n, out, aligned, factor, format.wide), COORDINATE * unit * (n + 1)
    near = min(int(np.ceil(2 + 2 * rad)), n)
    first = np.clip(np.floor(places - rad), 0, n - near).astype(np.intp)
    taken = first[:, None] + np.arange(near)
    weights = np.maximum(1 - abs(places[:, None] - taken), 0)
    reached = abs(places[:, None] - taken) < 1 + rad
    shape = (*(1,) * axis, out, near, *(1,) * (x.ndim - axis - 1))
    factors = Enclosed(weights.reshape(shape), np.where(reached, rad, 0.0).reshape(shape))
    return (np.take(x, taken, axis=axis) * r.array(Node(format, factors))).sum(axis=axis + 1)


def _interpolation(r: Recording, x: Any, size: Sequence[int], aligned: bool, *factors: float | None) -> Any:
    x = recorded(r, x)
    d = len(size)
    for k, (out, factor) in enumerate(zip(size, factors or (None,) * d, strict=True)):
        x = _interpolated(r, x, x.ndim - d + k, int(out), aligned, factor)
    return x


def _embedding_bag(
    r: Recording, weight: Any, indices: Array, offsets: Array, by_frequency: bool = False, mode: int = 0,
    sparse: bool = False, per_sample: Any = None, last: bool = False, padding: int = -1,
) -> tuple[Any, ...]:  # fmt: skip
    if by_frequency:
        raise Unfollowed("nothing is known of gradients by frequency, which are no derivative")
    weight = recorded(r, weight)
    ends = [int(n) for n in offsets[1:]] + ([] if last else [len(indices)])
    out = r.constant(np.zeros((len(ends), weight.shape[1])))
    for k, (start, end) in enumerate(zip(offsets[: len(ends)], ends, strict=True)):
        inside = np.arange(int(start), end)
        inside = inside[indices[inside] != padding]
        if inside.size:
            rows = weight[indices[inside]]
            out[k] = _bag(rows if per_sample is None else rows * recorded(r, per_sample)[inside][:, None], mode)
    return out, None, None, None


def _bag(rows: Any, mode: int) -> Any:
    """A sum, a mean, or the largest of each column."""
    if mode == 2:
        return np.take_along_axis(rows, np.argmax(rows, axis=0)[None], axis=0)[0]
    return rows.mean(axis=0) if mode else rows.sum(axis=0)


OPS: dict[str, Callable[..., Any]] = {
    "upsample_bilinear2d": _interpolation,
    "upsample_trilinear3d": _interpolation,
    "_embedding_bag_forward_only": _embedding_bag,
}
"""By name: of the recording and the operation's own arguments."""
