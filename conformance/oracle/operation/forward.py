"""Somebody's forward function: run on plain numbers, in float64, and followed.

Where tensors are given, a function that takes NumPy's arrays as well, and gives the same for them, gets those.
"""

import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ...bounds.formats import format_of
from ...problems.layouts import is_tensor, like, numbers
from ..following.following import follow
from ..pytorch.tensors import Runner, record_tensors


class Forward(NamedTuple):
    """A function of arrays like the ``given`` ones, to one array; whether it wants ``tensors``."""

    function: Callable[..., Any]
    given: tuple[Any, ...]
    tensors: bool

    def plain(self, values: Sequence[Array]) -> Array:
        """The numbers that it gives.

        Raises
        ------
        TypeError
            If it gives something else than one array of real numbers.
        """
        return _numbers(self.output(values))

    def output(self, values: Sequence[Array]) -> Any:
        """What it gives."""
        with np.errstate(all="ignore"):
            return self.function(*self._inputs(values))

    def _inputs(self, values: Sequence[Array]) -> list[Any]:
        if self.tensors:
            return [like(x, given) for x, given in zip(values, self.given, strict=True)]
        return [x.astype(format_of(given).dtype) for x, given in zip(values, self.given, strict=True)]

    def record(self, values: Sequence[Array]) -> Runner:
        """What runs it on recorded arrays, of these numbers.

        Raises
        ------
        Unfollowed
            Naming the line of the function that cannot be followed; maybe only when it is run.
        """
        if self.tensors:
            return record_tensors(self.function, values, self.given)
        return partial(follow, self.function, values)

    def in_float64(self, points: Sequence[Array]) -> Array:
        """What it gives for float64 (or complex) arrays, flat; nothing that it warns of is said."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            if self.tensors:
                import torch

                with torch.no_grad():
                    tensors = [torch.from_numpy(p.copy()).to(x.device) for p, x in zip(points, self.given, strict=True)]
                    output = self.function(*tensors)
                if not is_tensor(output):  # NumPy's functions take tensors, and give arrays
                    return np.asarray(output).ravel()
                output = output.detach().cpu()
                return np.asarray(output if output.is_complex() else output.to(torch.float64)).ravel()
            return np.asarray(self.function(*(p.copy() for p in points))).ravel()


def forward_of(function: Callable[..., Any], given: Sequence[Any]) -> Forward:
    """Somebody's function.  If tensors are given it gets them unless it gives the same numbers for NumPy's arrays.

    A function of arrays may also take tensors, and one of tensors may take arrays and do something else
    (``x.var(1)``); so where both run and differ it is one of tensors.
    """
    of_arrays = Forward(function, tuple(given), tensors=False)
    if not is_tensor(given[0]):
        return of_arrays
    values = [numbers(x) for x in given]
    try:
        of_arrays.plain(values)
    except Exception:  # whatever a function of tensors may do with arrays
        return of_arrays._replace(tensors=True)
    try:
        of_arrays._replace(tensors=True).plain(values)
    except Exception:
        return of_arrays
    try:
        wide = [x.astype(np.float64) for x in values]
        arrays, tensors = of_arrays.in_float64(wide), of_arrays._replace(tensors=True).in_float64(wide)
    except Exception:  # it holds tensors of another format
        return of_arrays._replace(tensors=True)
    same = arrays.shape == tensors.shape and np.allclose(arrays, tensors, rtol=SAME, atol=0, equal_nan=True)
    return of_arrays._replace(tensors=not same)


SAME = 2.0**-20
"""Far beyond the rounding of float64, and far below what another function gives."""


def _numbers(output: Any) -> Array:
    """The numbers of what a function gave."""
    if not isinstance(output, np.ndarray | np.generic | float) and not is_tensor(output):
        raise TypeError(f"forward: expected one array, got {type(output).__name__}")
    got = numbers(output)
    if got.dtype.kind != "f":
        raise TypeError(f"forward: expected real numbers, got dtype {got.dtype}")
    return got
