"""What ufuncs of NumPy and SciPy do with recorded arrays: one table, by the ufunc.

Functions that only move numbers stand in `moving`.  Elementary ones are written in the nodes of `graph` and `sums`.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from scipy import special

from ...arrays import Array
from ...numbers.derivatives import FUNCTIONS
from ..recording import graph, sums
from ..recording.graph import Node
from .array import Recorded, Recording, Unfollowed, named, stacked

Op = Callable[..., Any]

# Ufuncs.


def apply_ufunc(recording: Recording, ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: Any) -> Any:
    """A ufunc, or a method of one, on arrays of which some are recorded."""
    options = dict(options)
    out, where = options.pop("out", None), options.pop("where", True)
    options = {name: x for name, x in options.items() if name not in ("dtype", "casting", "subok", "order")}
    with np.errstate(all="ignore"):
        if method == "__call__":
            operation = UFUNCS.get(ufunc)
            if operation is None or options:
                raise Unfollowed(f"nothing is known of {named(ufunc)}{f' with {options}' if options else ''}")
            result = operation(recording, *inputs)
        elif method == "at":
            return _at(recording, ufunc, *inputs)
        elif method in ("reduce", "accumulate", "outer"):
            result = METHODS[method](recording, ufunc, *inputs, **options)
        else:
            raise Unfollowed(f"nothing is known of {named(ufunc)}.{method}")
    return _put(recording, result, out[0] if isinstance(out, tuple) else out, where)


def _put(recording: Recording, result: Any, out: Any, where: Any = True) -> Any:
    """Put a result where it belongs."""
    if out is None and where is True:
        return result
    if out is None:
        return selected_where(recording, where, result, 0.0)
    if type(out) is not Recorded:
        if type(result) is not Recorded:  # a mask, into an array of masks
            np.copyto(out, result, where=where)
            return out
        raise Unfollowed("recorded numbers cannot be written into an array of plain numbers")
    out.write(out.positions, result if where is True else selected_where(recording, where, result, out))
    return out


def _nodes(f: Callable[..., Node]) -> Op:
    """An operation of nodes, as one of arrays."""
    return lambda recording, *xs: recording.array(f(*map(recording.node, xs)))


def _compare(ufunc: np.ufunc) -> Op:
    def compare(recording: Recording, x: Any, y: Any) -> Array:
        if x is None or y is None:
            return np.asarray(ufunc is np.not_equal)
        return recording.branches.compare(ufunc, recording.node(x), recording.node(y))[()]

    return compare


def _choose(ufunc: np.ufunc) -> Op:
    """The larger or the smaller of two."""

    def choose(recording: Recording, x: Any, y: Any) -> Any:
        p, q = recording.node(x), recording.node(y)
        return _selected(recording, recording.branches.compare(ufunc, p, q), p, q)

    return choose


def _selected(recording: Recording, condition: Array, p: Node, q: Node) -> Any:
    shape = np.broadcast_shapes(condition.shape, p.shape, q.shape)
    of_p = np.broadcast_to(np.arange(p.size).reshape(p.shape), shape)
    of_q = np.broadcast_to(np.arange(q.size).reshape(q.shape), shape) + p.size
    return recording.array(sums.gather([p, q], np.where(condition, of_p, of_q)))


def selected_where(recording: Recording, condition: Any, x: Any, y: Any) -> Any:
    """The one or the other, number by number."""
    if type(condition) is Recorded:
        condition = condition != 0
    return _selected(recording, np.asarray(condition, bool), recording.node(x), recording.node(y))


def _absolute(recording: Recording, x: Any) -> Any:
    p = recording.node(x)
    condition = recording.branches.compare(np.greater_equal, p, recording.node(0))
    return _selected(recording, condition, p, graph.negative(p))


def _power(recording: Recording, x: Any, n: Any) -> Any:
    exponent = recording.node(n)
    if exponent.live:
        return np.exp(recording.array(exponent) * np.log(recording.array(recording.node(x))))
    each = np.unique(exponent.value.mid)
    if each.size == 1:
        powers: Any = recording.array(graph.power(recording.node(x), float(each[0])))
        return powers if exponent.size == 1 else powers + 0 * recording.array(exponent)
    base = recording.array(recording.node(x))
    result = base ** float(each[0])
    for other in each[1:]:
        result = selected_where(recording, exponent.value.mid == other, base ** float(other), result)
    return result


def _steps(f: Callable[[Array], Array]) -> Op:
    def steps(recording: Recording, x: Any) -> Any:
        node = recording.node(x)
        return recording.array(graph.affected(node, recording.branches.steps(node, f)))

    return steps


def _logaddexp(recording: Recording, x: Any, y: Any) -> Any:
    """By the larger, as the midpoints have it: the identity holds either way, so nothing is to be decided."""
    p, q = recording.node(x), recording.node(y)
    first = p.value.mid >= q.value.mid
    high, low = _selected(recording, first, p, q), _selected(recording, ~first, p, q)
    return high + np.log1p(np.exp(low - high))


def _xlogy(recording: Recording, x: Any, y: Any) -> Any:
    zero = recording.array(recording.node(x)) == 0
    return selected_where(recording, zero, 0, x * np.log(recording.array(selected_where(recording, zero, 1, y).node)))


def _matmul(recording: Recording, x: Any, y: Any) -> Any:
    p, q = recording.array(recording.node(x)), recording.array(recording.node(y))
    if not p.ndim or not q.ndim:
        raise ValueError("matmul: Input operand does not have enough dimensions")
    row, column = p.ndim == 1, q.ndim == 1
    p, q = (p[None, :] if row else p), (q[:, None] if column else q)
    stack = np.broadcast_shapes(p.shape[:-2], q.shape[:-2])
    (n, k), (k2, m) = p.shape[-2:], q.shape[-2:]
    if k != k2:
        raise ValueError(f"matmul: Input operand 1 has a mismatch in its core dimension: {k2} is different from {k}")
    if not k:
        return recording.constant(np.zeros((*stack, *(() if row else (n,)), *(() if column else (m,)))))
    if q.ndim == 2 and p.ndim > 2:  # one matrix for all: their rows are one stack
        return shaped(
            _matmul(recording, p.reshape(-1, k), q), (*stack, *(() if row else (n,)), *(() if column else (m,)))
        )
    p3: Any = np.broadcast_to(p, (*stack, n, k)).reshape(-1, n, k)
    q3: Any = np.broadcast_to(q, (*stack, k, m)).reshape(-1, k, m)
    result = recording.array(sums.product(p3.node, q3.node))
    return shaped(result, (*stack, *(() if row else (n,)), *(() if column else (m,))))


def shaped(x: Any, shape: Sequence[int]) -> Any:
    """In another shape."""
    return x.at(x.positions.reshape(shape))


def _comparison_steps(f: Callable[[Array], Array]) -> Op:
    return lambda recording, x: f(recording.node(x).value.mid)


def _composite(f: Callable[..., Any]) -> Op:
    """Written in other functions of recorded arrays; of several operands one may be plain."""
    return lambda recording, *xs: f(*(recording.array(recording.node(x)) for x in xs))


def _function(name: str) -> Op:
    return _nodes(lambda x: graph.function(x, name))


def _sinc(x: Any) -> Any:
    y = np.where(x == 0, 1, np.pi * x)
    return np.where(x == 0, 1, np.sin(y) / y)


SQUARE = _nodes(lambda x: graph.power(x, 2.0))

UFUNCS: dict[np.ufunc, Op] = {
    np.add: _nodes(graph.add),
    np.subtract: _nodes(lambda x, y: graph.add(x, y, -1)),
    np.multiply: _nodes(graph.multiply),
    np.divide: _nodes(graph.divide),
    np.negative: _nodes(graph.negative),
    np.positive: _nodes(lambda x: x),
    np.conjugate: _nodes(lambda x: x),
    np.matmul: _matmul,
    np.power: _power,
    np.float_power: _power,
    np.square: SQUARE,
    np.reciprocal: _composite(lambda x: 1 / x),
    np.cbrt: _composite(lambda x: np.sign(x) * abs(x) ** (1 / 3)),
    np.absolute: _absolute,
    np.fabs: _absolute,
    np.sign: _steps(np.sign),
    np.floor: _steps(np.floor),
    np.ceil: _steps(np.ceil),
    np.rint: _steps(np.rint),
    np.trunc: _steps(np.trunc),
    np.floor_divide: _composite(lambda x, y: np.floor(x / y)),
    np.remainder: _composite(lambda x, y: x - np.floor(x / y) * y),
    np.fmod: _composite(lambda x, y: x - np.trunc(x / y) * y),
    np.heaviside: lambda recording, x, y: selected_where(recording, x == 0, y, np.where(x > 0, 1.0, 0.0)),
    np.copysign: _composite(lambda x, y: abs(x) * np.where(y >= 0, 1.0, -1.0)),
    np.maximum: _choose(np.greater_equal),
    np.fmax: _choose(np.greater_equal),
    np.minimum: _choose(np.less_equal),
    np.fmin: _choose(np.less_equal),
    np.logaddexp: _logaddexp,
    np.logaddexp2: _composite(lambda x, y: np.logaddexp(x * np.log(2), y * np.log(2)) / np.log(2)),
    np.hypot: _composite(lambda x, y: np.sqrt(x * x + y * y)),
    np.arctan2: _composite(lambda y, x: np.arctan(y / x) + np.where(x > 0, 0.0, np.where(y >= 0, np.pi, -np.pi))),
    np.deg2rad: _composite(lambda x: x * (np.pi / 180)),
    np.radians: _composite(lambda x: x * (np.pi / 180)),
    np.rad2deg: _composite(lambda x: x * (180 / np.pi)),
    np.degrees: _composite(lambda x: x * (180 / np.pi)),
    np.isfinite: _comparison_steps(np.isfinite),
    np.isnan: _comparison_steps(np.isnan),
    np.isinf: _comparison_steps(np.isinf),
    np.signbit: _composite(lambda x: x < 0),
    np.logical_not: _composite(lambda x: x == 0),
    np.logical_and: _composite(lambda x, y: (x != 0) & (y != 0)),
    np.logical_or: _composite(lambda x, y: (x != 0) | (y != 0)),
    special.erf: _function("erf"),
    special.erfc: _function("erfc"),
    special.expit: _function("expit"),
    special.log_expit: _composite(lambda x: -np.logaddexp(0, -x)),
    special.ndtr: _composite(lambda x: special.erfc(-x / np.sqrt(2)) / 2),
    special.log_ndtr: _composite(lambda x: np.log(special.erfc(-x / np.sqrt(2)) / 2)),
    special.logit: _composite(lambda x: np.log(x) - np.log1p(-x)),
    special.xlogy: _xlogy,
    special.xlog1py: lambda recording, x, y: _xlogy(recording, x, 1 + y),
    special.entr: _composite(lambda x: -special.xlogy(x, x)),
    special.rel_entr: _composite(lambda x, y: special.xlogy(x, x) - special.xlogy(x, y)),
    special.kl_div: _composite(lambda x, y: special.xlogy(x, x) - special.xlogy(x, y) - x + y),
    special.huber: _composite(lambda d, r: np.where(abs(r) <= d, r * r / 2, d * (abs(r) - d / 2))),
    special.pseudo_huber: _composite(lambda d, r: d * d * (np.sqrt(1 + (r / d) ** 2) - 1)),
    special.exp10: _composite(lambda x: np.exp(x * np.log(10))),
    **{getattr(np, name): _function(name) for name in FUNCTIONS if hasattr(np, name)},
    **{
        ufunc: _compare(ufunc)
        for ufunc in (np.greater, np.less, np.greater_equal, np.less_equal, np.equal, np.not_equal)
    },
}
"""What ufuncs do: of the recording and the operands."""


# Methods of ufuncs.


def axes_of(x: Node, axis: Any) -> tuple[int, ...]:
    """Axes counted from the front; all of them for None."""
    if axis is None:
        return tuple(range(len(x.shape)))
    each = axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(np.lib.array_utils.normalize_axis_index(int(a), len(x.shape)) for a in each)


def _reduce(
    recording: Recording, ufunc: np.ufunc, x: Any, axis: Any = 0, keepdims: bool = False, initial: Any = None
) -> Any:
    node = recording.node(x)
    if ufunc is np.add:
        result: Any = recording.array(sums.total(node, axes_of(node, axis), keepdims))
    elif ufunc in (np.maximum, np.minimum, np.fmax, np.fmin):
        result = _extreme(recording, node, axis, keepdims, 1 if ufunc in (np.maximum, np.fmax) else -1)
    elif ufunc in (np.logical_and, np.logical_or):
        return ufunc.reduce(np.asarray(recording.array(node) != 0), axis, keepdims=keepdims)  # type: ignore[call-overload]
    else:
        result = _folded(recording, ufunc, node, axis, keepdims)
    return result if initial is None or initial is np._NoValue else ufunc(result, initial)


def rows_of(x: Node, axes: Sequence[int]) -> tuple[Array, tuple[int, ...], tuple[int, ...]]:
    """The flat positions of all that is reduced together, as rows; the shape of what stays, with and without axes."""
    kept = [k for k in range(len(x.shape)) if k not in axes]
    positions = np.arange(x.size).reshape(x.shape).transpose(*kept, *axes)
    shape = tuple(x.shape[k] for k in kept)
    return positions.reshape(prod(shape), -1), shape, tuple(1 if k in axes else n for k, n in enumerate(x.shape))


def _extreme(recording: Recording, x: Node, axis: Any, keepdims: bool, sign: int) -> Any:
    rows, shape, kept = rows_of(x, axes_of(x, axis))
    which = recording.branches.largest(x, rows, sign)
    return recording.array(sums.gather([x], rows[np.arange(len(rows)), which].reshape(kept if keepdims else shape)))


def _folded(recording: Recording, ufunc: np.ufunc, x: Node, axis: Any, keepdims: bool) -> Any:
    rows, shape, kept = rows_of(x, axes_of(x, axis))
    result: Any = recording.array(sums.gather([x], rows[:, 0]))
    for k in range(1, rows.shape[1]):
        result = ufunc(result, recording.array(sums.gather([x], rows[:, k])))
    return shaped(result, kept if keepdims else shape)


def _accumulate(recording: Recording, ufunc: np.ufunc, x: Any, axis: int = 0) -> Any:
    node = recording.node(x)
    (axis,) = axes_of(node, axis)
    if ufunc is np.add:
        return recording.array(sums.running(node, axis))
    array: Any = np.moveaxis(recording.array(node), axis, 0)
    results = [array[0]]
    for k in range(1, len(array)):
        results.append(ufunc(results[-1], array[k]))
    return np.moveaxis(stacked(recording, results), 0, axis)


def _outer(recording: Recording, ufunc: np.ufunc, x: Any, y: Any) -> Any:
    p, q = recording.array(recording.node(x)), recording.array(recording.node(y))
    return ufunc(shaped(p, (*p.shape, *(1,) * q.ndim)), q)


METHODS: dict[str, Op] = {"reduce": _reduce, "accumulate": _accumulate, "outer": _outer}


def _at(recording: Recording, ufunc: np.ufunc, out: Any, index: Any, value: Any = None) -> None:
    """Add (or take off) numbers into places, which may come more than once."""
    if type(out) is not Recorded or ufunc not in (np.add, np.subtract):
        raise Unfollowed(f"nothing is known of {named(ufunc)}.at on {type(out).__name__}")
    places = np.arange(out.size).reshape(out.shape)[index]
    node = recording.node(value)
    spread = sums.gather([node], np.broadcast_to(np.arange(node.size).reshape(node.shape), places.shape))
    added = shaped(recording.array(sums.collect(spread, places, out.size)), out.shape)
    out.write(out.positions, ufunc(out, added))
