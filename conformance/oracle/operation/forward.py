"""Somebody's forward function: run on plain numbers, in float64, and followed.

A function gets NumPy's arrays first, whatever the inputs are; it gets tensors where it cannot take those.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ...bounds.formats import format_of
from ...bounds.rounded import Format
from ...problems.layouts import is_tensor, like, numbers
from ..following.following import follow
from ..recording.branches import Decide
from ..recording.reverse import Followed


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
        with np.errstate(all="ignore"):
            return _numbers(self.function(*self._inputs(values)))

    def _inputs(self, values: Sequence[Array]) -> list[Any]:
        if self.tensors:
            return [like(x, given) for x, given in zip(values, self.given, strict=True)]
        return [x.astype(format_of(given).dtype) for x, given in zip(values, self.given, strict=True)]

    def follow(self, values: Sequence[Array], format: Format, decide: Decide | None = None) -> Followed:
        """Run it on recorded arrays.

        Raises
        ------
        Unfollowed
            Naming the line of the function that cannot be followed.
        """
        return follow(self.function, values, format, decide)

    def in_float64(self, points: Sequence[Array]) -> Array:
        """What it gives for float64 (or complex) arrays, flat."""
        if self.tensors:
            import torch

            with torch.no_grad():
                tensors = [torch.from_numpy(p.copy()).to(x.device) for p, x in zip(points, self.given, strict=True)]
                output = self.function(*tensors)
            return np.asarray(output.detach().cpu().to(torch.float64).numpy()).ravel()
        with np.errstate(all="ignore"):
            return np.asarray(self.function(*(p.copy() for p in points))).ravel()


def forward_of(function: Callable[..., Any], given: Sequence[Any]) -> Forward:
    """Somebody's function, which gets tensors only if they are given and it cannot take NumPy's arrays."""
    of_arrays = Forward(function, tuple(given), tensors=False)
    if not is_tensor(given[0]):
        return of_arrays
    try:
        with np.errstate(all="ignore"):
            output = function(*of_arrays._inputs([numbers(x) for x in given]))
    except Exception:  # whatever a function of tensors may do with arrays
        return of_arrays._replace(tensors=True)
    return of_arrays._replace(tensors=is_tensor(output))


def _numbers(output: Any) -> Array:
    """The numbers of what a function gave."""
    if not isinstance(output, np.ndarray | np.generic | float) and not is_tensor(output):
        raise TypeError(f"forward: expected one array, got {type(output).__name__}")
    got = numbers(output)
    if got.dtype.kind != "f":
        raise TypeError(f"forward: expected real numbers, got dtype {got.dtype}")
    return got
