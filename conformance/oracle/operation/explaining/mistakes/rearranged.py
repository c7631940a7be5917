"""What people do to a gradient that was right: transposed, reversed, shifted, added up, clipped.

No equation is needed for these: they are made of the truth's own numbers.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np

from .....arrays import Array
from ...asking.calls import Mistaken
from ..cotangents import COLUMN
from ..evidence import Seen

ROUND = 2.0**-10
"""How near the norm of a gradient must be to a round number to be called clipped to it."""

AT_LIMIT = 2
"""How many numbers, at least, must stand at a limit to be called clipped to it."""


def rearranged(s: Seen) -> Iterator[Mistaken]:
    """The truth's numbers, each in another place or otherwise cut, with what was done to them."""
    t, axes = s.truth, [i for i, n in enumerate(s.got.shape) if n > 1]
    if t.ndim > 1:
        turned = np.swapaxes(t, -1, -2)
        if turned.shape == t.shape:
            yield "the truth transposed", turned
        else:
            yield "the truth read in the order of its transpose", turned.reshape(t.shape)
    for i in axes:
        yield f"the truth reversed along axis {i}", np.flip(t, i)
        if t.shape[i] > 2:
            yield from _shifted(t, i)
        if t.shape[i] > 2 and t.shape[i] % 2 == 0:
            yield f"the truth with the halves of axis {i} exchanged", np.roll(t, t.shape[i] // 2, i)
    if t.ndim > 1:
        yield "the truth reversed along all axes", np.flip(t)
    if t.ndim > 2:
        yield "the truth reversed along the last two axes", np.flip(t, (-1, -2))
    for i in axes:
        yield f"the truth summed over axis {i}, at every place of it", np.broadcast_to(t.sum(i, keepdims=True), t.shape)
        yield (
            f"the truth's mean over axis {i}, at every place of it",
            np.broadcast_to(t.mean(i, keepdims=True), t.shape),
        )
        if t.shape[i] > 2:
            yield f"the truth added up along axis {i}", t.cumsum(i)
            yield f"the truth added up backwards along axis {i}", np.flip(np.flip(t, i).cumsum(i), i)
    yield "the truth's absolute values", abs(t)
    yield "the truth's signs", np.sign(t)
    yield "the truth where it is positive, and 0 elsewhere", np.where(t > 0, t, 0)
    yield "the truth where it is negative, and 0 elsewhere", np.where(t < 0, t, 0)
    yield from _clipped(s)


def _shifted(t: Array, i: int) -> Iterator[Mistaken]:
    first, last = [slice(None)] * t.ndim, [slice(None)] * t.ndim
    first[i], last[i] = slice(0, 1), slice(-1, None)
    for by, end in ((1, first), (-1, last)):
        turned = np.roll(t, by, i)
        yield f"the truth shifted by {by} along axis {i}", turned
        ended = turned.copy()
        ended[tuple(end)] = 0
        yield f"the truth shifted by {by} along axis {i}, with 0 at the end", ended


def _clipped(s: Seen) -> Iterator[Mistaken]:
    """Cut to the largest number, or the norm, of what was got."""
    t, got = s.truth, s.got.astype(s.truth.dtype)
    known = np.where(s.known & np.isfinite(got), got, 0)
    with np.errstate(all="ignore"):
        c = abs(known).max(initial=0)
        if c > 0 and (abs(known) == c).sum() >= AT_LIMIT:
            yield f"the truth, each number clipped to {c:.4g}", np.clip(t, -c, c)
        norm, of_truth = (np.sqrt((x**2).sum()) for x in (known, np.where(s.known, t, 0)))
        if norm and norm < of_truth and abs(float(f"{norm:.2g}") / norm - 1) < ROUND:
            yield f"the truth, clipped to the norm {float(f'{norm:.2g}'):g}", t * (norm / of_truth)
        if t.ndim > 1:
            rows, of_rows = (np.sqrt((x**2).sum(-1, keepdims=True)) for x in (known, np.where(s.known, t, 0)))
            c = rows.max(initial=0)
            if c and (rows < of_rows).any() and abs(float(f"{c:.2g}") / c - 1) < ROUND:
                yield f"the truth, each row clipped to the norm {float(f'{c:.2g}'):g}", t * np.minimum(1, c / of_rows)


def of_other_cotangents(s: Seen) -> Iterator[Mistaken]:
    """What the truth gives for cotangents that people take for this one, and the diagonal of the Jacobian."""
    g, found = s.call.g, s.asked.of_other_cotangents
    columns = [of[s.k] for name, of in found.items() if name.startswith(COLUMN)]
    yield from ((name, of[s.k]) for name, of in found.items() if not name.startswith(COLUMN))
    if columns and g is not None and g.shape == s.got.shape:
        yield "the diagonal of the Jacobian alone", np.einsum("j...j->...j", np.stack(columns))


def of_what_is_given(s: Seen) -> Iterator[Mistaken]:
    """Numbers that were given: the cotangent, the inputs, the output, and the gradients by other inputs."""
    g, shape = s.call.g, s.got.shape
    if g is not None and s.asked.output is not None:
        output = s.asked.output.astype(s.truth.dtype)
        yield from _in_shape("the output itself", output, shape)
        yield from _in_shape("the cotangent times the output", output * g, shape)
    if g is not None:
        yield "the forward function of the cotangent", partial(_forward, s)
        for i, n in enumerate(g.shape):
            if n > 2:
                yield from _in_shape(f"the cotangent added up along axis {i}", g.cumsum(i), shape)
        yield from _in_shape("the cotangent itself", g, shape)
        for j, x in enumerate(s.call.values):
            if x.shape == g.shape:
                yield from _in_shape(f"the cotangent times input {j + 1}", g.astype(s.truth.dtype) * x, shape)
    for j, x in enumerate(s.call.values):
        yield from _in_shape(f"input {j + 1} itself", x, shape)
    for j, other in enumerate(s.call.admitted.bounds):
        if j != s.k:
            yield from _in_shape(f"the gradient by input {j + 1}", other.mid, shape)


def _forward(s: Seen) -> Array:
    """What the forward function of one input gives for the cotangent.

    Raises
    ------
    ValueError
        If it does not take it.
    """
    output, g = s.asked.operation.known.output, s.call.g
    if output is None or g is None or len(s.call.values) != 1 or g.shape != s.call.values[0].shape:
        raise ValueError("the forward function takes other arrays than the cotangent")
    return output([g])


def _in_shape(name: str, x: Array, shape: tuple[int, ...]) -> Iterator[Mistaken]:
    if x.shape == shape:
        yield name, x
    elif x.ndim == 2 and x.shape[::-1] == shape:
        yield f"{name}, transposed", x.T
    elif x.ndim > len(shape) and x.shape[x.ndim - len(shape) :] == shape:
        yield f"{name}, summed over the first axes", x.sum(tuple(range(x.ndim - len(shape))))
