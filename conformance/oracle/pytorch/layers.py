"""What PyTorch has as one operation: normalisations, convolutions, pooling, sums into places."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...arrays import Array
from ..following.array import Recording, Unfollowed, narrowed, recorded, stopped
from ..following.exponentials import log_softmax, logsumexp, shifted, softmax

# Normalisations.


def _normalised(x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any, Any]:
    """Less the mean, over the root of the variance; with both, their axes kept."""
    mean = x.mean(axis=axes, keepdims=True)
    centred = x - mean
    rstd = 1 / np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)
    return centred * rstd, mean, rstd


def _scaled(x: Any, weight: Any, bias: Any, shape: Sequence[int]) -> Any:
    """Times a weight, plus a bias, each in a shape that broadcasts; either may be none."""
    x = x if weight is None else x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _layer_norm(x: Any, shape: Sequence[int], weight: Any, bias: Any, eps: float) -> Any:
    normal, mean, rstd = _normalised(x, tuple(range(x.ndim - len(shape), x.ndim)), eps)
    return _scaled(normal, weight, bias, tuple(shape)), mean, rstd


def _group_norm(x: Any, weight: Any, bias: Any, n: int, c: int, size: int, groups: int, eps: float) -> Any:
    normal, mean, rstd = _normalised(x.reshape(n, groups, -1), (2,), eps)
    per_channel = (1, c, *(1,) * (x.ndim - 2))
    return _scaled(normal.reshape(x.shape), weight, bias, per_channel), mean[..., 0], rstd[..., 0]


def _batch_norm(
    x: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool, momentum: float, eps: float
) -> Any:
    per_channel = (1, x.shape[1], *(1,) * (x.ndim - 2))
    if training:
        normal, mean, rstd = _normalised(x, (0, *range(2, x.ndim)), eps)
        return _scaled(normal, weight, bias, per_channel), mean.reshape(-1), rstd.reshape(-1)
    rstd = 1 / np.sqrt(var + eps)
    normal = (x - mean.reshape(per_channel)) * rstd.reshape(per_channel)
    return _scaled(normal, weight, bias, per_channel), mean, rstd


# Windows.


def _windows(x: Any, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int] | None = None) -> Any:
    """All windows over the last axes, each at the end: (..., places, sizes)."""
    d, dilation = len(size), dilation or [1] * len(size)
    spans = [(k - 1) * step + 1 for k, step in zip(size, dilation, strict=True)]
    positions = sliding_window_view(x.positions, spans, axis=tuple(range(x.ndim - d, x.ndim)))
    inside: Any = (..., *(slice(None, None, step) for step in (*stride, *dilation)))
    return x.at(positions[inside])


def _padded(r: Recording, x: Any, padding: Sequence[int], value: float = 0.0, beyond: Sequence[int] = ()) -> Any:
    """With that much put around the last axes, and some more beyond their ends."""
    if not any(padding) and not any(beyond):
        return x
    d, beyond = len(padding), beyond or [0] * len(padding)
    around = zip(x.shape[x.ndim - d :], padding, beyond, strict=True)
    shape = [*x.shape[: x.ndim - d], *(n + 2 * p + more for n, p, more in around)]
    out = r.constant(np.full(shape, value))
    out[(..., *(slice(p, p + n) for n, p in zip(x.shape[x.ndim - d :], padding, strict=True)))] = x
    return out


def _each(x: Any, d: int) -> list[int]:
    """One number for each axis; one of them stands for all."""
    numbers = [int(n) for n in x] if isinstance(x, list | tuple) else [int(x)]
    return numbers * d if len(numbers) == 1 else numbers


def _convolution(
    r: Recording, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
    output_padding: Any, groups: int,
) -> Any:  # fmt: skip
    x, weight = recorded(r, x), recorded(r, weight)
    d = weight.ndim - 2
    stride, padding, dilation, more = (_each(n, d) for n in (stride, padding, dilation, output_padding))
    size = weight.shape[2:]
    if transposed:  # a convolution of the input with zeros between, by the weights turned round
        apart = [(n - 1) * s + 1 for n, s in zip(x.shape[2:], stride, strict=True)]
        around = [t * (k - 1) - p for t, k, p in zip(dilation, size, padding, strict=True)]
        zeros = [n + 2 * a + m for n, a, m in zip(apart, around, more, strict=True)]
        if min(around) < 0:
            raise Unfollowed("nothing is known of a transposed convolution with more padding than weights")
        spread = r.constant(np.zeros((*x.shape[:2], *zeros)))
        places = tuple(slice(a, a + n, s) for a, n, s in zip(around, apart, stride, strict=True))
        spread[(slice(None), slice(None), *places)] = x
        c, out = weight.shape[:2]
        turned = np.flip(weight, axis=tuple(range(2, 2 + d))).reshape(groups, c // groups, out, *size)
        weight = np.swapaxes(turned, 1, 2).reshape(groups * out, c // groups, *size)
        x, stride = spread, [1] * d
    else:
        x = _padded(r, x, padding)
    windows = _windows(x, size, stride, dilation)
    n, c, places = windows.shape[0], windows.shape[1], windows.shape[2 : 2 + d]
    columns = windows.reshape(n, groups, c // groups, *places, *size)
    axes = (1, 0, *range(3, 3 + d), 2, *range(3 + d, 3 + 2 * d))
    columns = columns.transpose(axes).reshape(groups, n * prod(places), -1)
    rows = weight.reshape(groups, weight.shape[0] // groups, -1)
    result = np.matmul(columns, np.swapaxes(rows, 1, 2)).reshape(groups, n, *places, -1)
    result = result.transpose((1, 0, 2 + d, *range(2, 2 + d))).reshape(n, weight.shape[0], *places)
    return _scaled(result, None, bias, (1, -1, *(1,) * d))


def _beyond(
    shape: Sequence[int], spans: Sequence[int], stride: Sequence[int], padding: Sequence[int], ceil_mode: bool
) -> list[int]:
    """How far the last windows reach beyond what is padded: with ``ceil_mode`` any that begins inside, or before it."""
    if not ceil_mode:
        return [0] * len(shape)
    reach = []
    for n, span, step, p in zip(shape, spans, stride, padding, strict=True):
        last = -(-(n + 2 * p - span) // step)
        last -= last * step >= n + p
        reach.append(max(last * step + span - (n + 2 * p), 0))
    return reach


def _max_pool(
    r: Recording, x: Any, size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Any:
    size = _each(size, len(size) if isinstance(size, list | tuple) else 2)
    d = len(size)
    stride, padding, dilation = (_each(n, d) for n in (stride or size, padding, dilation))
    spans = [(k - 1) * step + 1 for k, step in zip(size, dilation, strict=True)]
    # Where it is padded nothing is chosen.
    padded = _padded(r, x, padding, -np.inf, _beyond(x.shape[x.ndim - d :], spans, stride, padding, ceil_mode))
    windows = _windows(padded, size, stride, dilation)
    flat = windows.reshape(*windows.shape[:-d], -1)
    index = np.argmax(flat, axis=-1)
    return np.take_along_axis(flat, index[..., None], axis=-1)[..., 0], index


def _avg_pool(
    r: Recording, x: Any, size: Any, stride: Any = (), padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Any:  # fmt: skip
    d = len(size)
    size, stride, padding = (_each(n, d) for n in (size, stride or size, padding))
    shape = x.shape[x.ndim - d :]
    beyond = _beyond(shape, size, stride, padding, ceil_mode)
    windows = _windows(_padded(r, x, padding, 0.0, beyond), size, stride)
    total = windows.sum(axis=tuple(range(windows.ndim - d, windows.ndim)))
    if divisor_override:
        return total / divisor_override
    counts = np.ones((), int)
    for places, n, k, step, p in zip(windows.shape[x.ndim - d : x.ndim], shape, size, stride, padding, strict=True):
        start = np.arange(places) * step - p
        end = np.minimum(start + k, n + p)
        counts = counts[..., None] * (end - start if count_include_pad else np.minimum(end, n) - np.maximum(start, 0))
    return total / (int(counts.flat[0]) if (counts == counts.flat[0]).all() else counts)


def _adaptive_avg_pool(r: Recording, x: Any, out: Sequence[int]) -> Any:
    d = len(out)
    parts = [
        [(k * n // m, -(-(k + 1) * n // m)) for k in range(m)] for n, m in zip(x.shape[x.ndim - d :], out, strict=True)
    ]
    result = r.constant(np.zeros((*x.shape[: x.ndim - d], *out)))
    for at in np.ndindex(*out):
        window = x[(..., *(slice(*parts[axis][k]) for axis, k in enumerate(at)))]
        result[(..., *at)] = window.mean(axis=tuple(range(x.ndim - d, x.ndim)))
    return result


# Sums into places.


def _into(r: Recording, x: Any, key: Any, values: Any) -> Any:
    """Values added into places of a copy, each as often as it comes."""
    out = recorded(r, x).copy()
    np.add.at(out, key, values)
    return out


def _along(x: Any, dim: int, index: Array) -> tuple[Array, ...]:
    """The key of what `gather` takes along a dimension."""
    grid: list[Any] = list(np.indices(index.shape, sparse=True))
    grid[dim % x.ndim] = index
    return tuple(grid)


def _scatter_add(r: Recording, x: Any, dim: int, index: Array, values: Any) -> Any:
    inside = recorded(r, values)[tuple(slice(n) for n in index.shape)]
    return _into(r, x, _along(x, dim, index), inside)


def _scatter_reduce(
    r: Recording, x: Any, dim: int, index: Array, values: Any, reduce: str, include_self: bool = True
) -> Any:
    if reduce not in ("sum", "add") or not include_self:
        raise Unfollowed(f"nothing is known of scatter_reduce with {reduce!r}")
    return _scatter_add(r, x, dim, index, values)


def _index_put(r: Recording, x: Any, indices: Sequence[Any], values: Any, accumulate: bool = False, *_: Any) -> Any:
    key = tuple(slice(None) if index is None else index for index in indices)
    if accumulate:
        return _into(r, x, key, values)
    out = recorded(r, x).copy()
    out[key] = values
    return out


def _cdist(r: Recording, x: Any, y: Any, p: float, mode: Any = None) -> Any:
    apart = recorded(r, x)[..., :, None, :] - recorded(r, y)[..., None, :, :]
    return np.sqrt((apart * apart).sum(axis=-1)) if p == 2 else (abs(apart) ** p).sum(axis=-1) ** (1 / p)


def _of(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda r, x, *args, **kwargs: f(recorded(r, x), *args, **kwargs)


OPS: dict[str, Callable[..., Any]] = {
    "native_layer_norm": _of(_layer_norm),
    "native_group_norm": _of(_group_norm),
    "native_batch_norm": _of(_batch_norm),
    "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool,
    "max_pool3d_with_indices": _max_pool,
    "avg_pool2d": _avg_pool,
    "avg_pool3d": _avg_pool,
    "_adaptive_avg_pool2d": _adaptive_avg_pool,
    "_adaptive_avg_pool3d": _adaptive_avg_pool,
    "scatter_add": _scatter_add,
    "scatter_reduce": _scatter_reduce,
    "index_put": _index_put,
    "_cdist_forward": _cdist,
}
"""By name: of the recording and the operation's own arguments."""

__all__ = ["OPS", "log_softmax", "logsumexp", "narrowed", "shifted", "softmax", "stopped"]
