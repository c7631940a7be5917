"""Numbers as the equations want them: arrays of one dtype, and Python numbers that are finite."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["DType", "check_number", "check_whole_number"]

DType: TypeAlias = np.dtype[Any]
"""The dtype of a network's arrays."""

LARGEST = float(np.finfo(np.float64).max)
"""The largest Python number that is still one of the floats that the equations compute in."""


def check_number(name: str, value: object, least: int) -> float:
    """Return the finite number as a Python float."""
    return float(_at_least(f"{name}: expected a finite number, at least {least}", value, least, Real))


def check_whole_number(name: str, value: object, least: int) -> int:
    """Return the whole number as a Python integer."""
    return int(_at_least(f"{name}: expected a whole number, at least {least}", value, least, Integral))


def _at_least(expected: str, value: Any, least: int, kind: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(f"{expected}, got {value!r:.60}")
    number: Any = value.item() if isinstance(value, np.generic) else value
    if not least <= number <= LARGEST:
        raise ValueError(f"{expected}, got {value!r:.60}")
    return number


class Numbers(NamedTuple):
    """An argument as an array; it is ``typed`` if it brought an inexact dtype, as a list of numbers does not."""

    name: str
    array: NDArray[Any]
    typed: bool


def numbers(name: str, value: Any) -> Numbers:
    """Read an argument as an array of numbers."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name}: expected an array of numbers, got a masked array, whose mask would be lost")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name}: expected an array of numbers, got {described(value)}: {error}") from error
    if array.dtype.kind not in "biufcO" or not all(map(is_number, array.flat if array.dtype.hasobject else ())):
        raise TypeError(f"{name}: expected an array of numbers, got {described(value)} of dtype {array.dtype}")
    if array.dtype.hasobject and all(isinstance(element, int | float) for element in array.flat):
        array = array.astype(np.float64)  # whole numbers too large for NumPy's
    return Numbers(name, array, array.dtype.kind in "cO" or (array.dtype.kind == "f" and hasattr(value, "dtype")))


def common_dtype(parameters: Sequence[Numbers]) -> DType:
    """Return the dtype of the typed parameters, which must agree, or float64 if none is typed."""
    typed = [p for p in parameters if p.typed]
    for p in typed:
        if p.array.dtype != typed[0].array.dtype:
            expected = typed[0].array.dtype
            raise TypeError(f"{p.name}: expected dtype {expected}, as {typed[0].name} has, got {p.array.dtype}")
    return typed[0].array.dtype if typed else np.dtype(np.float64)


def of_dtype(given: Numbers, dtype: DType) -> NDArray[Any]:
    """Return the array in the network's dtype, which it must have if it is typed."""
    name, array, typed = given
    if typed and array.dtype != dtype:
        raise TypeError(f"{name}: expected dtype {dtype}, as the network has, got {array.dtype}")
    with np.errstate(over="ignore"):  # what overflows is reported below
        array = array.astype(dtype, copy=False)
    if not dtype.hasobject and not np.isfinite(array).all():
        at = first(~np.isfinite(array))
        raise ValueError(f"{name}: expected finite numbers of dtype {dtype}, got {array[at]} at {at}")
    return array


def is_number(value: object) -> bool:
    """Tell whether the equations could compute with the value."""
    return hasattr(value, "__mul__") and not isinstance(value, str | bytes | bool | list | tuple)


def first(wrong: NDArray[np.bool_]) -> tuple[int, ...]:
    """Return the index of the first True."""
    return tuple(map(int, np.argwhere(wrong)[0]))


def described(value: object) -> str:
    """Say in a message what a value is: its type, and the value itself if that is short."""
    return f"the {type(value).__name__} {value!r:.60}" if isinstance(value, str | int | float) else type(value).__name__
