"""PyTorch's operations, ATen's, on recorded arrays: one table, by name.

Operations that only move numbers run as they are, on positions in place of numbers (`MOVING`).  All others are written
in NumPy's functions of recorded arrays; what ATen has as one operation and NumPy does not stands in `layers`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from ...bounds.formats import NAMED_FORMATS
from ..following.array import Recording, recorded
from . import layers, resampling

Op = Callable[..., Any]


def _all(dim: Any) -> Any:
    """Dimensions as an axis of NumPy's: none, or an empty list, are all."""
    return None if dim is None or (isinstance(dim, list | tuple) and not dim) else _tuple(dim)


def _tuple(dim: Any) -> Any:
    return tuple(dim) if isinstance(dim, list | tuple) else dim


def _of(f: Callable[..., Any]) -> Op:
    """A function that needs no recording."""
    return lambda r, *args, **kwargs: f(*args, **kwargs)


def _add(x: Any, y: Any, alpha: Any = 1) -> Any:
    return x + (y if alpha == 1 else alpha * y)


def _sub(x: Any, y: Any, alpha: Any = 1) -> Any:
    return x - (y if alpha == 1 else alpha * y)


def _div(x: Any, y: Any, rounding_mode: str | None = None) -> Any:
    quotient = x / y
    return quotient if rounding_mode is None else getattr(np, rounding_mode)(quotient)


def _clamp(x: Any, min: Any = None, max: Any = None) -> Any:
    x = x if min is None else np.maximum(x, min)
    return x if max is None else np.minimum(x, max)


def _sum(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return x.sum(axis=_all(dim), keepdims=keepdim)


def _mean(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return x.mean(axis=_all(dim), keepdims=keepdim)


def _var(x: Any, dim: Any = None, correction: Any = 1, keepdim: bool = False) -> Any:
    return x.var(axis=_all(dim), ddof=1 if correction is None else correction, keepdims=keepdim)


def _prod(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    return x.prod(axis=_all(dim), keepdims=keepdim)


def _largest(sign: int) -> Op:
    """The largest or the smallest: of all numbers, or along a dimension with its index."""

    def largest(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            return x.max() if sign > 0 else x.min()
        index = (np.argmax if sign > 0 else np.argmin)(x, axis=dim, keepdims=True) if x.ndim else np.zeros((), int)
        values = np.take_along_axis(x, index, axis=dim) if x.ndim else x
        return (values, index) if keepdim or not x.ndim else (values.squeeze(dim), index.squeeze(dim))

    return largest


def _extreme(sign: int) -> Op:
    def extreme(x: Any, dim: Any = (), keepdim: bool = False) -> Any:
        return (x.max if sign > 0 else x.min)(axis=_all(dim), keepdims=keepdim)

    return extreme


def _sort(x: Any, dim: int = -1, descending: bool = False, stable: Any = None) -> Any:
    order = np.argsort(-x if descending else x, axis=dim)
    return np.take_along_axis(x, order, axis=dim), order


def _sort_stable(x: Any, stable: Any = None, dim: int = -1, descending: bool = False) -> Any:
    return _sort(x, dim, descending)


def _topk(x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    values, order = _sort(x, dim, largest)
    first = [slice(None)] * x.ndim
    first[dim] = slice(k)
    return values[tuple(first)], order[tuple(first)]


def _nth(n: Callable[[int], int]) -> Op:
    """One number of those in order along a dimension, with its index."""

    def nth(x: Any, dim: int, keepdim: bool = False) -> Any:
        values, order = _sort(x, dim)
        at = np.array([n(x.shape[dim])])
        values, order = np.take(values, at, axis=dim), np.take(order, at, axis=dim)
        return (values, order) if keepdim else (values.squeeze(dim), order.squeeze(dim))

    return nth


def _softmax(r: Recording, x: Any, dim: int, half_to_float: Any = None) -> Any:
    return layers.softmax(r, x, dim)


def _norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    axis = _all(dim)
    if ord == 2:
        return np.sqrt((x * x).sum(axis=axis, keepdims=keepdim))
    if ord == 1:
        return abs(x).sum(axis=axis, keepdims=keepdim)
    if ord == float("inf"):
        return abs(x).max(axis=axis, keepdims=keepdim)
    return (abs(x) ** ord).sum(axis=axis, keepdims=keepdim) ** (1 / ord)


def _gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2
    return x * (1 + special.erf(x / np.sqrt(2))) / 2


def _elu(x: Any, alpha: Any = 1, scale: Any = 1, input_scale: Any = 1) -> Any:
    return np.where(x > 0, scale * x, scale * alpha * np.expm1(np.minimum(x * input_scale, 0)))


def _addmm(c: Any, x: Any, y: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    product = np.matmul(x, y)
    product = product if alpha == 1 else alpha * product
    return product + (c if beta == 1 else beta * c)


def _trilinear(
    r: Recording, i1: Any, i2: Any, i3: Any, expand1: Any, expand2: Any, expand3: Any, sumdim: Any, unroll_dim: int = 1
) -> Any:
    arrays = [recorded(r, x) for x in (i1, i2, i3)]
    for k, places in enumerate((expand1, expand2, expand3)):
        for at in places:
            arrays[k] = np.expand_dims(arrays[k], at)
    return (arrays[0] * arrays[1] * arrays[2]).sum(axis=tuple(sumdim))


def _same(x: Any, *_: Any, **__: Any) -> Any:
    return x.copy()


def _cast(x: Any, *_: Any, dtype: Any = None, **__: Any) -> Any:
    name = str(dtype).removeprefix("torch.")
    if dtype is None or dtype.is_floating_point:
        return layers.narrowed(x, NAMED_FORMATS.get(name, x.recording.format))
    return x.astype(bool if name == "bool" else np.int64)


def _logcumsumexp(r: Recording, x: Any, dim: int) -> Any:
    shifted, shift = layers.shifted(r, x, dim)
    return np.log(np.cumsum(np.exp(shifted), axis=dim)) + r.constant(shift, exact=True)


OPS: dict[str, Op] = {
    "add": _of(_add),
    "sub": _of(_sub),
    "mul": _of(lambda x, y: x * y),
    "div": _of(_div),
    "neg": _of(lambda x: -x),
    "abs": _of(abs),
    "pow": _of(lambda x, n: x**n),
    "rsqrt": _of(lambda x: 1 / np.sqrt(x)),
    "reciprocal": _of(lambda x: 1 / x),
    "sigmoid": _of(special.expit),
    "erf": _of(special.erf),
    "erfc": _of(special.erfc),
    **{name: _of(getattr(np, name)) for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt")},
    **{name: _of(getattr(np, name)) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "maximum", "minimum")},
    **{name: _of(getattr(np, name)) for name in ("asin", "acos", "atan", "asinh", "atanh", "hypot", "atan2")},
    **{
        name: _of(getattr(np, name)) for name in ("floor", "ceil", "trunc", "fmod", "remainder", "sign", "fmax", "fmin")
    },
    **{name: _of(getattr(np, name)) for name in ("isnan", "logical_not", "copysign")},
    **{name: _of(f) for name, f in zip(("gt", "lt", "ge"), (np.greater, np.less, np.greater_equal), strict=True)},
    **{name: _of(f) for name, f in zip(("le", "eq", "ne"), (np.less_equal, np.equal, np.not_equal), strict=True)},
    "round": _of(np.rint),
    "clamp": _of(_clamp),
    "clamp_min": _of(lambda x, low: np.maximum(x, low)),
    "relu": _of(lambda x: np.maximum(x, 0)),
    "hardtanh": _of(lambda x, low=-1, high=1: np.minimum(np.maximum(x, low), high)),
    "leaky_relu": _of(lambda x, slope=0.01: np.where(x > 0, x, slope * x)),
    "gelu": _of(_gelu),
    "elu": _of(_elu),
    "mm": _of(np.matmul),
    "bmm": _of(np.matmul),
    "addmm": _of(_addmm),
    "_trilinear": _trilinear,
    "sum": _of(_sum),
    "mean": _of(_mean),
    "var": _of(_var),
    "prod": _of(_prod),
    "amax": _of(_extreme(1)),
    "amin": _of(_extreme(-1)),
    "max": _of(_largest(1)),
    "min": _of(_largest(-1)),
    "argmax": _of(lambda x, dim=None, keepdim=False: np.argmax(x, axis=dim, keepdims=keepdim)),
    "argmin": _of(lambda x, dim=None, keepdim=False: np.argmin(x, axis=dim, keepdims=keepdim)),
    "cumsum": _of(lambda x, dim, dtype=None: np.cumsum(x, axis=dim)),
    "cumprod": _of(lambda x, dim, dtype=None: np.cumprod(x, axis=dim)),
    "logcumsumexp": _logcumsumexp,
    "sort": _of(_sort),
    "sort.stable": _of(_sort_stable),
    "topk": _of(_topk),
    "median": _of(_nth(lambda n: (n - 1) // 2)),
    "kthvalue": _of(lambda x, k, dim=-1, keepdim=False: _nth(lambda n: k - 1)(x, dim, keepdim)),
    "linalg_vector_norm": _of(_norm),
    "_softmax": _softmax,
    "_log_softmax": lambda r, x, dim, half_to_float=None: layers.log_softmax(r, x, dim),
    "clone": _of(_same),
    "detach": _of(layers.stopped),
    "lift_fresh_copy": _of(_same),
    "_to_copy": _of(_cast),
    "copy": lambda r, x, y, *_: recorded(r, np.broadcast_to(recorded(r, y), x.shape)).copy(),
    "full_like": lambda r, x, value, **_: r.constant(np.full(x.shape, value)),
    **layers.OPS,
    **resampling.OPS,
}
"""What operations do: of the recording and their own arguments, in which tensors are recorded or NumPy's arrays."""

MOVING = {
    "as_strided", "cat", "constant_pad_nd", "diagonal", "embedding", "expand", "flip", "gather", "index", "index_put",
    "index_select", "masked_scatter", "masked_select", "permute", "repeat", "scatter", "select", "slice",
    "slice_scatter", "split_with_sizes", "squeeze", "unfold", "unsqueeze", "view", "where",
}  # fmt: skip
"""Operations that only move numbers: they run on positions."""

VIEWS = {
    "as_strided", "diagonal", "expand", "permute", "select", "slice", "split_with_sizes", "squeeze", "unfold",
    "unsqueeze", "view",
}  # fmt: skip
"""Those of them whose results share memory with what they are given."""

NUMBERS = {
    "cat": (0,), "slice_scatter": (0, 1), "scatter": (0, 3), "index_put": (0, 2), "where": (1, 2),
    "masked_scatter": (0, 2), "constant_pad_nd": (0, 2),
}  # fmt: skip
"""Which arguments are numbers that are moved, where it is not the first alone."""
