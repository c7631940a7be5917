"""Arrays and tensors of any dtype and memory layout: to plain numbers, and back.

Numbers here are a NumPy array in memory of its own; those of bfloat16, which NumPy lacks, are held in float32.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reference import Array

from ..bounds.assumptions import KAPPA_HALF
from ..bounds.rounded import FORMATS, Format

EPSILON = float(np.finfo(np.float64).eps)

NAMED_FORMATS: dict[str, Format] = {
    "float16": Format(np.dtype(np.float16), np.float64, 2.0**-11 + EPSILON, 2.0**-14, 65504.0, KAPPA_HALF),
    "bfloat16": Format(
        np.dtype(np.float32),
        np.float64,
        2.0**-8 + EPSILON,
        2.0**-126,
        float(np.finfo(np.float32).max) * (1 - 2.0**-8),
        KAPPA_HALF,
    ),
    "float32": FORMATS[np.dtype(np.float32)],
    "float64": FORMATS[np.dtype(np.float64)],
}
"""The formats in which an operation can be judged."""


def is_tensor(x: Any) -> bool:
    """Whether x is a PyTorch tensor; does not import torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def dtype_name(x: Any) -> str:
    """The name of the dtype of an array or tensor, such as "bfloat16"."""
    return str(x.dtype).removeprefix("torch.")


def format_of(x: Any) -> Format:
    """The format of an array or tensor of a dtype in `NAMED_FORMATS`."""
    return NAMED_FORMATS[dtype_name(x)]


def checked(inputs: Any) -> tuple[Any, ...]:
    """The inputs as a tuple: arrays or tensors of one floating dtype, not empty, and finite.

    Raises
    ------
    TypeError, ValueError
        Naming the input that is something else.
    """
    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    if not given:
        raise ValueError("inputs: expected at least one array, got none")
    for k, x in enumerate(given, start=1):
        if not isinstance(x, np.ndarray) and not is_tensor(x):
            raise TypeError(f"input {k}: expected a NumPy array or a PyTorch tensor, got {type(x).__name__}")
        if dtype_name(x) not in NAMED_FORMATS:
            raise TypeError(
                f"input {k}: expected dtype {', '.join(NAMED_FORMATS)}, got {x.dtype}; what is not to be "
                f"differentiated, such as indices, belongs into the functions themselves"
            )
        if _kind(x) != _kind(given[0]):
            raise TypeError(f"input {k}: expected {_kind(given[0])}, as input 1 is, got {_kind(x)}")
        if 0 in x.shape:
            raise ValueError(f"input {k}: expected numbers, got an empty array of shape {tuple(x.shape)}")
        if not np.isfinite(numbers(x)).all():
            raise ValueError(f"input {k}: expected finite numbers")
    return given


def _kind(x: Any) -> str:
    return f"a {'tensor' if is_tensor(x) else 'NumPy array'} of dtype {dtype_name(x)}"


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
        return np.asfortranarray(array)
    return array.mT.contiguous().mT if numbers.ndim > 1 else array


def _strided(numbers: Array, x: Any) -> Any:
    """Every second number of an array whose others are NaN."""
    wider = np.full((*numbers.shape, 2), np.nan, numbers.dtype)
    wider[..., 0] = numbers
    return like(wider, x)[..., 0]


def _reversed(numbers: Array, x: Any) -> Any:
    return np.flip(np.flip(like(numbers, x)).copy())


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
