"""NumPy's functions of arrays that are neither ufuncs nor only move numbers, and the methods of arrays."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from ...arrays import Array
from ...bounds.formats import NAMED_FORMATS
from ..recording import sums
from ..recording.graph import Node
from .array import Recorded, Recording, Unfollowed, narrowed, recorded, stacked
from .functions import axes_of, rows_of, selected_where, shaped
from .products import dot, einsum, inner

Op = Callable[..., Any]


# Reductions.


def _sum(
    r: Recording,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = np._NoValue,
    where: Any = True,
) -> Any:
    if where is not True and where is not np._NoValue:
        x = selected_where(r, where, x, 0.0)
    result: Any = r.array(sums.total(r.node(x), axes_of(r.node(x), axis), keepdims is True))
    result = result if initial is np._NoValue else result + initial
    return result if out is None else out.__setitem__(Ellipsis, result) or out


def _count(x: Node, axis: Any) -> int:
    return prod(x.shape[k] for k in axes_of(x, axis))


def _mean(
    r: Recording, x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, where: Any = True
) -> Any:
    if where is not True and where is not np._NoValue:
        mask = np.broadcast_to(where, np.shape(recorded(r, x).positions))
        return _sum(r, x, axis, keepdims=keepdims, where=mask) / mask.sum(axis, keepdims=keepdims is True)
    return _sum(r, x, axis, keepdims=keepdims) / _count(r.node(x), axis)


def _var(
    r: Recording,
    x: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    mean: Any = np._NoValue,
    correction: Any = np._NoValue,
    where: Any = True,
) -> Any:
    array = recorded(r, x)
    middle = _mean(r, array, axis, keepdims=True) if mean is np._NoValue else mean
    ddof = ddof if correction is np._NoValue else correction
    return _sum(r, (array - middle) ** 2, axis, keepdims=keepdims) / (_count(array.node, axis) - ddof)


def _extreme(ufunc: np.ufunc) -> Op:
    def extreme(
        r: Recording,
        x: Any,
        axis: Any = None,
        out: Any = None,
        keepdims: Any = False,
        initial: Any = np._NoValue,
        where: Any = True,
    ) -> Any:
        array = recorded(r, x)
        if where is not True and where is not np._NoValue:
            array = selected_where(r, where, array, initial)
        result = ufunc.reduce(array, axis=axis, keepdims=keepdims is True)
        result = result if initial is np._NoValue else ufunc(result, initial)
        return result if out is None else out.__setitem__(Ellipsis, result) or out

    return extreme


def _prod(
    r: Recording, x: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **_: Any
) -> Any:
    whole: Any = np.multiply
    return whole.reduce(recorded(r, x), axis=axis, keepdims=keepdims is True)


def _running(ufunc: np.ufunc) -> Op:
    def running(r: Recording, x: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
        array = recorded(r, x)
        return ufunc.accumulate(array.ravel() if axis is None else array, axis=axis or 0)

    return running


def _ptp(r: Recording, x: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return np.max(x, axis=axis, keepdims=keepdims is True) - np.min(x, axis=axis, keepdims=keepdims is True)


def _quantile(
    r: Recording,
    x: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    **_: Any,
) -> Any:
    array = recorded(r, x)
    if method != "linear" or np.ndim(q):
        raise Unfollowed(f"nothing is known of numpy.quantile with method {method!r} and q of {np.ndim(q)} axes")
    rows, shape, kept = rows_of(array.node, axes_of(array.node, axis))
    order = r.branches.ordered(array.node, rows)
    where = float(q) * (rows.shape[1] - 1)
    low = int(np.floor(where))
    high = min(low + 1, rows.shape[1] - 1)
    each = np.arange(len(rows))
    p, s = (r.array(sums.gather([array.node], rows[each, order[:, k]])) for k in (low, high))
    result = p if where == low else p + (s - p) * (where - low)
    return shaped(result, kept if keepdims is True else shape)


def _median(
    r: Recording, x: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    return _quantile(r, x, 0.5, axis, keepdims=keepdims)


# Orders.


def _argextreme(sign: int) -> Op:
    def argextreme(r: Recording, x: Any, axis: Any = None, out: Any = None, *, keepdims: Any = False) -> Array:
        node = r.node(x)
        rows, shape, kept = rows_of(node, axes_of(node, axis))
        return r.branches.largest(node, rows, sign).reshape(kept if keepdims is True else shape)[()]

    return argextreme


def _ordered(r: Recording, x: Any, axis: Any) -> tuple[Any, Array, Array]:
    """The array with its axis last, rows of its positions, and their order."""
    array = recorded(r, x)
    array = array.ravel() if axis is None else np.moveaxis(array, axis, -1)
    rows = np.arange(array.size).reshape(-1, array.shape[-1])
    return array, rows, r.branches.ordered(array.node, rows)


def _argsort(r: Recording, x: Any, axis: Any = -1, **_: Any) -> Array:
    array, _rows, order = _ordered(r, x, axis)
    return np.moveaxis(order.reshape(array.shape), -1, -1 if axis is None else axis)


def _sort(r: Recording, x: Any, axis: Any = -1, **_: Any) -> Any:
    array, rows, order = _ordered(r, x, axis)
    result = r.array(sums.gather([array.node], np.take_along_axis(rows, order, 1).reshape(array.shape)))
    return np.moveaxis(result, -1, -1 if axis is None else axis)


# Others.


def _clip(
    r: Recording,
    x: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
    **_: Any,
) -> Any:
    low, high = a_min if min is None else min, a_max if max is None else max
    result = recorded(r, x)
    result = result if low is None else np.maximum(result, low)
    result = result if high is None else np.minimum(result, high)
    return result if out is None else out.__setitem__(Ellipsis, result) or out


def _full(recording: Recording, x: Any, value: Any, dtype: Any = None) -> Any:
    shape = x.shape if type(x) is Recorded else np.shape(x)
    if dtype is not None and np.dtype(dtype).kind in "biu":
        return np.full(shape, value, dtype)
    node = recording.node(value)
    return recording.array(sums.gather([node], np.broadcast_to(np.arange(node.size).reshape(node.shape), shape)))


def _norm(r: Recording, x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    array = recorded(r, x)
    if ord not in (None, "fro", 1, 2, np.inf) or (ord in (1, 2, np.inf) and axis is None and array.ndim > 1):
        raise Unfollowed(f"nothing is known of numpy.linalg.norm of order {ord!r} and axis {axis}")
    if ord == 1:
        return abs(array).sum(axis=axis, keepdims=keepdims)
    if ord == np.inf:
        return abs(array).max(axis=axis, keepdims=keepdims)
    return np.sqrt((array * array).sum(axis=axis, keepdims=keepdims))


def _copyto(r: Recording, out: Any, x: Any, casting: str = "", where: Any = True) -> None:
    if type(out) is not Recorded:
        raise Unfollowed("recorded numbers cannot be written into an array of plain numbers")
    out[...] = x if where is True else selected_where(r, where, x, out)


def _bincount(r: Recording, x: Any, weights: Any = None, minlength: int = 0) -> Any:
    places = np.asarray(x)
    return r.array(sums.collect(r.node(weights), places, max(int(places.max(initial=-1)) + 1, minlength)))


def _putmask(r: Recording, out: Any, mask: Any, values: Any) -> None:
    out[mask] = values if np.ndim(values) == 0 or np.shape(values) == () else recorded(r, values)[mask]


def _where_(r: Recording, condition: Any, *branches: Any) -> Any:
    return selected_where(r, condition, *branches) if branches else np.nonzero(condition != 0)


def _along(r: Recording, f: Any, axis: int, x: Any, *args: Any, **kwargs: Any) -> Any:
    array = np.moveaxis(recorded(r, x), axis, -1)
    rows = array.reshape(-1, array.shape[-1])
    result = stacked(r, [f(row, *args, **kwargs) for row in rows])
    result = result.reshape(array.shape[:-1] + result.shape[1:])
    return np.moveaxis(result, -1, axis) if result.ndim == array.ndim else result


def _nan_to_num(r: Recording, x: Any, *_: Any, **__: Any) -> Any:
    return recorded(r, x)


def _convolve(r: Recording, x: Any, y: Any, mode: str = "full") -> Any:
    p, q = recorded(r, x), recorded(r, y)
    if len(q) > len(p):
        p, q = q, p
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(p, len(q) - 1), len(q)) @ q[::-1]
    spare = {"full": 0, "same": (len(q) - 1) / 2, "valid": len(q) - 1}[mode]
    return windows[int(np.floor(spare)) : len(windows) - int(np.ceil(spare))] if spare else windows


FUNCTIONS: dict[Any, Op] = {
    np.sum: _sum,
    np.nansum: _sum,
    np.mean: _mean,
    np.nanmean: _mean,
    np.var: _var,
    np.std: lambda *args, **kwargs: np.sqrt(_var(*args, **kwargs)),
    np.max: _extreme(np.maximum),
    np.amax: _extreme(np.maximum),
    np.nanmax: _extreme(np.maximum),
    np.min: _extreme(np.minimum),
    np.amin: _extreme(np.minimum),
    np.nanmin: _extreme(np.minimum),
    np.prod: _prod,
    np.cumsum: _running(np.add),
    np.cumprod: _running(np.multiply),
    np.ptp: _ptp,
    np.quantile: _quantile,
    np.percentile: lambda r, x, q, *args, **kwargs: _quantile(r, x, np.asarray(q) / 100, *args, **kwargs),
    np.median: _median,
    np.argmax: _argextreme(1),
    np.argmin: _argextreme(-1),
    np.argsort: _argsort,
    np.sort: _sort,
    np.partition: lambda r, x, kth, axis=-1, **_: _sort(r, x, axis),
    np.argpartition: lambda r, x, kth, axis=-1, **_: _argsort(r, x, axis),
    np.dot: dot,
    np.inner: inner,
    np.vdot: lambda r, x, y: np.dot(recorded(r, x).ravel(), recorded(r, y).ravel()),
    np.vecdot: lambda r, x, y, axis=-1: (recorded(r, x) * recorded(r, y)).sum(axis=axis),
    np.outer: lambda r, x, y, out=None: recorded(r, x).reshape(-1, 1) * recorded(r, y).reshape(1, -1),
    np.trace: lambda r, x, offset=0, axis1=0, axis2=1, **_: np.diagonal(x, offset, axis1, axis2).sum(axis=-1),
    np.einsum: einsum,
    np.convolve: _convolve,
    np.correlate: lambda r, x, y, mode="valid": _convolve(r, x, recorded(r, y)[::-1], mode),
    np.clip: _clip,
    np.where: _where_,
    np.bincount: _bincount,
    np.copyto: _copyto,
    np.putmask: _putmask,
    np.copy: lambda r, x, *_, **__: r.array(r.node(x)),
    np.zeros_like: lambda r, x, dtype=None, *_, **__: _full(r, x, 0, dtype),
    np.ones_like: lambda r, x, dtype=None, *_, **__: _full(r, x, 1, dtype),
    np.empty_like: lambda r, x, dtype=None, *_, **__: _full(r, x, 0, dtype),
    np.full_like: lambda r, x, value, dtype=None, *_, **__: _full(r, x, value, dtype),
    np.linalg.norm: _norm,
    np.real: lambda r, x: x,
    np.round: lambda r, x, decimals=0, out=None: np.rint(x * 10.0**decimals) / 10.0**decimals,
    np.nan_to_num: _nan_to_num,
    np.apply_along_axis: _along,
    np.any: lambda r, x, *args, **kwargs: np.any(x != 0, *args, **kwargs),
    np.all: lambda r, x, *args, **kwargs: np.all(x != 0, *args, **kwargs),
    np.nonzero: lambda r, x: np.nonzero(x != 0),
    np.count_nonzero: lambda r, x, *args, **kwargs: np.count_nonzero(x != 0, *args, **kwargs),
    np.sinc: lambda r, x: np.where(x == 0, 1.0, np.sin(np.pi * x) / np.where(x == 0, 1.0, np.pi * x)),
    np.isclose: lambda r, x, y, rtol=1e-5, atol=1e-8, **_: abs(x - y) <= atol + rtol * abs(y),
    np.shape: lambda r, x: x.shape,
    np.size: lambda r, x, axis=None: x.size if axis is None else x.shape[axis],
    np.ndim: lambda r, x: x.ndim,
    np.iscomplexobj: lambda r, x: False,
    np.isrealobj: lambda r, x: True,
    np.result_type: lambda r, *xs: np.result_type(*(x.dtype if type(x) is Recorded else x for x in xs)),
    np.shares_memory: lambda r, x, y, *_: False,
    np.may_share_memory: lambda r, x, y, *_: False,
}
"""What is done with recorded arrays: of the recording and the function's own arguments."""


def _astype(x: Recorded, dtype: Any, *_: Any, **__: Any) -> Any:
    kind = np.dtype(dtype).kind
    if kind == "b":
        return x != 0
    if kind in "iu":
        steps: Any = np.trunc(x)
        return np.asarray(steps.node.value.mid).astype(dtype)
    if kind != "f":
        raise Unfollowed(f"nothing is known of numbers of dtype {np.dtype(dtype)}")
    return narrowed(x, NAMED_FORMATS.get(np.dtype(dtype).name, x.recording.format))


def _in_place_sort(x: Recorded, axis: int = -1, **_: Any) -> None:
    x[...] = np.sort(x, axis=axis)


def _in_order(function: Any) -> Op:
    """A method that takes a shape, or axes, one by one."""

    def method(x: Recorded, *of: Any, **kwargs: Any) -> Any:
        each: Any = of[0] if len(of) == 1 and (of[0] is None or isinstance(of[0], tuple | list | np.ndarray)) else of
        if function is np.transpose:
            return x.at(x.positions.transpose(None if each is None else each or None))
        order = {k: v for k, v in kwargs.items() if k == "order"}
        return x.at(x.positions.reshape(each, **order))

    return method


ARRAY_METHODS: dict[str, Op] = {
    "astype": _astype,
    "copy": lambda x, *_: x.recording.array(x.node),
    "flatten": lambda x, *_: x.recording.array(x.reshape(-1).node),
    "fill": lambda x, value: x.__setitem__(Ellipsis, value),
    "sort": _in_place_sort,
    "reshape": _in_order(np.reshape),
    "transpose": _in_order(np.transpose),
    "conj": lambda x: x,
    "conjugate": lambda x: x,
    "round": lambda x, decimals=0: np.round(x, decimals),
    "repeat": lambda x, n, axis=None: np.repeat(x, n, axis),
    "setflags": lambda x, **_: None,
}
"""Methods of arrays that NumPy has no function for, or one that is called otherwise."""
