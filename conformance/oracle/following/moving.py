"""Functions that only move numbers: they run as they are, on positions in place of numbers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..recording import sums
from .array import Recorded, Recording, Unfollowed, holds_recorded, named

MOVING = {
    np.reshape, np.ravel, np.transpose, np.swapaxes, np.moveaxis, np.rollaxis, np.squeeze, np.expand_dims,
    np.broadcast_to, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.flip, np.fliplr, np.flipud, np.rot90, np.split,
    np.array_split,
    np.hsplit, np.vsplit, np.dsplit, np.diagonal, np.diag, np.tril, np.triu, np.roll, np.repeat, np.tile,
    np.take, np.take_along_axis, np.compress, np.extract, np.delete, np.resize, np.concatenate, np.stack, np.vstack,
    np.hstack, np.dstack, np.column_stack, np.append, np.pad, np.matrix_transpose, np.permute_dims, np.block, np.select,
    np.choose, np.insert, np.broadcast_arrays, np.unstack, np.diagflat, np.trim_zeros, np.lib.stride_tricks.as_strided,
    np.lib.stride_tricks.sliding_window_view,
}  # fmt: skip
"""Functions that only move numbers: they run on positions."""

PLAIN = {np.take: 1, np.repeat: 1, np.tile: 1, np.roll: 1, np.compress: 0, np.extract: 0, np.choose: 0, np.select: 0}
"""Which argument holds indices or masks, not numbers."""


def moved(recording: Recording, function: Any, args: Sequence[Any], kwargs: Any) -> Any:
    """Run a function on positions: a view of one array stays a view, all else is gathered anew."""
    if len(args) and type(args[0]) is Recorded and not holds_recorded(args[1:]) and function not in _FILLING:
        (x, *rest) = args
        result = function(x.positions, *rest, **kwargs)
        if isinstance(result, list | tuple):
            return type(result)(x.at(part) for part in result)
        return x.at(result)
    # Position 0 holds the zero that some functions fill with.
    nodes, numbers = [recording.node(np.zeros(1))], _NUMBERS.get(function, (0,))

    def positions(x: Any, k: int | None = None) -> Any:
        if k is not None and (PLAIN.get(function) == k or (k not in numbers and not holds_recorded(x))):
            return x
        if isinstance(x, list | tuple):
            return [positions(part) for part in x]
        if type(x) is not Recorded and not isinstance(x, np.ndarray | float | int):
            return x
        node = recording.node(x)
        start = sum(n.size for n in nodes)
        nodes.append(node)
        return np.arange(start, start + node.size).reshape(node.shape)

    args = [positions(x, k) for k, x in enumerate(args)]
    kwargs = {name: positions(x) if holds_recorded(x) else x for name, x in kwargs.items()}
    fill = kwargs.get("constant_values", 0)
    if np.ndim(fill) or fill:
        raise Unfollowed(f"nothing is known of {named(function)} with constant_values other than 0")
    result = function(*args, **kwargs)
    if isinstance(result, list | tuple):
        return type(result)(recording.array(sums.gather(nodes, part)) for part in result)
    return recording.array(sums.gather(nodes, np.asarray(result)))


_FILLING = {np.pad, np.tril, np.triu, np.diag, np.diagflat, np.append, np.insert, np.resize}
_NUMBERS: dict[Any, tuple[int, ...]] = {np.append: (0, 1), np.insert: (0, 2), np.select: (1, 2), np.choose: (1,)}
"""Which arguments are numbers, where it is not the first alone."""
