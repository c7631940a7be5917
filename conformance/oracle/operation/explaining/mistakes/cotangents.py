"""Other cotangents than the one given: what a pullback gives that ignores, clips, sums or turns it.

They need no equation either: the truth is asked with them.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from .....arrays import Array
from ...asking.calls import Known, Mistaken, Operation
from ..evidence import Seen

LIMITS = (0.1, 0.5, 1.0, 2.0, 5.0)
"""To which people clip."""

ALONE = 8
"""Outputs along the last axis, at most, of which the diagonal of the Jacobian is taken: each costs a cotangent."""

LARGEST = 2**14
"""Of how many numbers, at most, other cotangents are asked: of more they cost too much."""

ONES = "the derivative without the cotangent"


def other_cotangents(g: Array, known: Known) -> Iterator[Mistaken]:
    """Cotangents that people take for this one, by what comes of them."""
    axes = [i for i, n in enumerate(g.shape) if n > 1]
    yield ONES, np.ones_like(g)
    yield "the pullback of the cotangent's absolute values", abs(g)
    yield "the pullback of the cotangent's signs", np.sign(g)
    yield "the pullback of the cotangent's squares", g * g
    for c in LIMITS:
        if (abs(g) > c).any():
            yield f"the pullback of the cotangent clipped to {c:g}", np.clip(g, -c, c)
    for name, place in known.outputs.items():
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
    yield "the pullback of the cotangent's sum", np.full_like(g, g.sum())
    yield "the pullback of the cotangent's mean", np.full_like(g, g.mean())


def _without(g: Array, place: slice) -> Array:
    rest = g.copy()
    rest[place] = 0
    return rest


def of_other_cotangents(operation: Operation, s: Seen) -> Iterator[Mistaken]:
    """What the truth gives for them."""
    g = s.call.g
    if g is None or g.size > LARGEST or s.got.size > LARGEST:
        return
    named = list(other_cotangents(g, operation.known))
    diagonal = list(_columns(g)) if s.got.shape == g.shape else []
    found = _pulled(operation, s, [*(other for _, other in named), *diagonal])
    yield from zip((name for name, _ in named), found, strict=False)
    if diagonal and found:
        alone = np.stack(found[len(named) :])
        yield "the diagonal of the Jacobian alone", np.einsum("j...j->...j", alone)


def _columns(g: Array) -> Iterator[Array]:
    """The cotangent of each place of the last axis alone."""
    if g.ndim and 1 < g.shape[-1] <= ALONE:
        yield from (np.where(np.arange(g.shape[-1]) == j, g, 0).astype(g.dtype) for j in range(g.shape[-1]))


def _pulled(operation: Operation, s: Seen, gs: Sequence[Array]) -> list[Array]:
    """The truth of other cotangents; none where it cannot be had."""
    try:
        truth = operation.truth(s.call.values, gs)
    except Exception:  # whatever a forward function may do, or an equation that has no bound
        return []
    return [admitted.bounds[s.k].mid for admitted in truth.expected]
