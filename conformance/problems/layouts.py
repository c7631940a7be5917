"""Arrays and tensors of any dtype and memory layout: to plain numbers, and back.

Numbers here are a NumPy array in memory of its own; those of bfloat16, which NumPy lacks, are held in float32.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays import Array


def is_tensor(x: Any) -> bool:
    """Whether x is a PyTorch tensor; does not import torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def dtype_name(x: Any) -> str:
    """The name of the dtype of an array or tensor, such as "bfloat16"."""
    return str(x.dtype).removeprefix("torch.")


def numbers(x: Any) -> Array:
    """The numbers of an array, a tensor on any device, or a scalar."""
    if is_tensor(x):
        x = x.detach().cpu()
        x = (x.float() if dtype_name(x) == "bfloat16" else x).numpy()
    return np.array(x, order="C")


def like(numbers: Array, x: Any) -> Any:
    """The numbers as an array or tensor of the kind, dtype and device of x, contiguous in memory of its own."""
    if not is_tensor(x):
        return numbers.astype(x.dtype)
    import torch

    return torch.from_numpy(numbers.copy()).to(dtype=x.dtype, device=x.device)


def share_memory(p: Any, q: Any) -> bool:
    """Whether two arrays, or two tensors, have memory in common."""
    if is_tensor(p) and is_tensor(q):
        return bool(p.untyped_storage().data_ptr() == q.untyped_storage().data_ptr())
    return isinstance(p, np.ndarray) and isinstance(q, np.ndarray) and np.shares_memory(p, q)


Layout = Callable[[Array, Any], Any]
"""As `like`, laid out in memory in some way."""


def layouts(x: Any) -> Iterator[tuple[str, Layout]]:
    """The layouts other than contiguous that numbers of any values can have, each with its name."""
    yield "transposed in memory", _transposed
    yield "strided", _strided
    if not is_tensor(x):
        yield "with negative strides", _reversed


def _transposed(numbers: Array, x: Any) -> Any:
    array = like(numbers, x)
    if not is_tensor(x):
        return np.asfortranarray(array) if array.ndim else array  # which it would make an array of one axis
    return array.mT.contiguous().mT if numbers.ndim > 1 else array


def _strided(numbers: Array, x: Any) -> Any:
    """Every second number of an array whose others are NaN."""
    wider = np.full((*numbers.shape, 2), np.nan, numbers.dtype)
    wider[..., 0] = numbers
    return like(wider, x)[..., 0]


def _reversed(numbers: Array, x: Any) -> Any:
    array = like(numbers, x)
    return np.flip(np.flip(array).copy()) if array.ndim else array


def repeated(numbers: Array) -> Array:
    """The first entry of the first axis, at every place of it."""
    return np.broadcast_to(numbers[:1], numbers.shape).copy() if numbers.ndim else numbers


def broadcast(numbers: Array, x: Any) -> Any:
    """As `like` of repeated numbers, the first entry once in memory: with a stride of zero."""
    if not numbers.ndim or len(numbers) == 1:
        return like(numbers, x)
    first = like(numbers[:1], x)
    if is_tensor(x):
        return first.expand(numbers.shape)
    return np.lib.stride_tricks.as_strided(first, numbers.shape, (0, *first.strides[1:]))
