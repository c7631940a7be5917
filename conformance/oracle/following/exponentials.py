"""SciPy's functions of exponentials, which are no ufuncs: logsumexp, softmax and its logarithm."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from ...arrays import Array
from .array import Recording, Unfollowed, recorded
from .functions import axes_of, shaped


def shifted(r: Recording, x: Any, axis: Any) -> tuple[Any, Array]:
    """Numbers less the largest midpoint, which is a number like any other: the identities hold for every shift."""
    array = recorded(r, x)
    middle = array.node.value.mid.max(axis=axis, keepdims=True)
    shift = np.where(np.isfinite(middle), middle, 0).astype(np.float64)
    return array - r.constant(shift, exact=True), shift


def logsumexp(
    r: Recording, a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Any:
    """As `scipy.special.logsumexp`."""
    if return_sign:
        raise Unfollowed("nothing is known of scipy.special.logsumexp with return_sign")
    less, shift = shifted(r, a, axis)
    e = np.exp(less) if b is None else b * np.exp(less)
    logarithm = np.log(e.sum(axis=axis, keepdims=True))
    result = logarithm + r.constant(shift, exact=True)
    if keepdims:
        return result
    axes = axes_of(result.node, axis)
    return shaped(result, tuple(n for k, n in enumerate(result.shape) if k not in axes))


def softmax(r: Recording, x: Any, axis: Any = None) -> Any:
    """As `scipy.special.softmax`."""
    e = np.exp(shifted(r, x, axis)[0])
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(r: Recording, x: Any, axis: Any = None) -> Any:
    """As `scipy.special.log_softmax`."""
    less, _ = shifted(r, x, axis)
    return less - np.log(np.exp(less).sum(axis=axis, keepdims=True))


SCIPY: dict[Any, Callable[..., Any]] = {
    special.logsumexp: logsumexp,
    special.softmax: softmax,
    special.log_softmax: log_softmax,
}
"""SciPy's functions that are no ufuncs; they are known by name alone."""
