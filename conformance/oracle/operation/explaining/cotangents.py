"""Other cotangents than the one given: those of a pullback that ignores, clips, sums or turns it.

They need no equation: the truth is asked with them.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from ....arrays import Array

LIMITS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""To which people clip."""

ALONE = 8
"""Outputs along the last axis, at most, of which the diagonal of the Jacobian is taken: each costs a cotangent."""

LARGEST = 2**14
"""Of how many numbers, at most, other cotangents are asked: of more they cost too much."""

COLUMN = "column "
"""What begins the name of the cotangent of one place of the last axis alone."""


def others(g: Array, outputs: Mapping[str, slice]) -> Iterator[tuple[str, Array]]:
    """Cotangents that people take for this one, by what comes of them."""
    axes = [i for i, n in enumerate(g.shape) if n > 1]
    yield "the derivative without the cotangent", np.ones_like(g)
    yield "the pullback of the cotangent's absolute values", abs(g)
    yield "the pullback of the cotangent's signs", np.sign(g)
    yield "the pullback of the cotangent's squares", g * g
    for c in LIMITS:
        if (abs(g) > c).any():
            yield f"the pullback of the cotangent clipped to {c:g}", np.clip(g, -c, c)
    for name, place in outputs.items():
        yield f"the pullback without the cotangent of {name}", _without(g, place)
    for i in axes:
        yield f"the pullback of the cotangent reversed along axis {i}", np.flip(g, i).copy()
        yield f"the pullback of the cotangent shifted by 1 along axis {i}", np.roll(g, 1, i)
        if g.shape[i] > 2:
            yield f"the pullback of the cotangent shifted by -1 along axis {i}", np.roll(g, -1, i)
        total, mean = g.sum(i, keepdims=True), g.mean(i, keepdims=True)
        yield f"the pullback of the cotangent's sum over axis {i}", np.broadcast_to(total, g.shape).copy()
        yield f"the pullback of the cotangent's mean over axis {i}", np.broadcast_to(mean, g.shape).copy()
    if g.ndim > 1 and g.shape[-1] == g.shape[-2]:
        yield "the pullback of the cotangent transposed", np.swapaxes(g, -1, -2).copy()
    if g.ndim > 1:
        yield "the pullback of the cotangent's sum", np.full_like(g, g.sum())
        yield "the pullback of the cotangent's mean", np.full_like(g, g.mean())
    if g.ndim and 1 < g.shape[-1] <= ALONE:
        at = np.arange(g.shape[-1])
        yield from ((f"{COLUMN}{j}", np.where(at == j, g, 0).astype(g.dtype)) for j in at)


def _without(g: Array, place: slice) -> Array:
    rest = g.copy()
    rest[place] = 0
    return rest
