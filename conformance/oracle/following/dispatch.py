"""Who does what NumPy is asked with recorded arrays.

A function is looked for in the tables.  One of NumPy that is written in Python and stands in none runs from its own
text, as somebody's own function does (`conformance.oracle.following.namespace`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .array import Dispatch, Recorded, Recording, Unfollowed, named
from .functions import apply_ufunc
from .moving import MOVING, moved
from .namespace import followed
from .table import ARRAY_METHODS, FUNCTIONS


def apply_function(recording: Recording, function: Any, args: Sequence[Any], kwargs: Any) -> Any:
    """A function of NumPy on arrays of which some are recorded.

    Raises
    ------
    Unfollowed
        If nothing is known of it.
    """
    with np.errstate(all="ignore"):
        if function in FUNCTIONS:
            return FUNCTIONS[function](recording, *args, **kwargs)
        if function in MOVING:
            return moved(recording, function, args, kwargs)
        text: Any = getattr(function, "_implementation", None)
        if hasattr(text, "__code__"):
            return followed(text, recording)(*args, **kwargs)
    raise Unfollowed(f"nothing is known of {named(function)}")


def method(x: Recorded, name: str) -> Callable[..., Any]:
    """The method of an array, by NumPy's function of that name.

    Raises
    ------
    AttributeError
        If arrays have no such method, or nothing is known of it.
    """
    own = ARRAY_METHODS.get(name)
    if own is not None:
        return lambda *args, **kwargs: own(x, *args, **kwargs)
    if name.startswith("_") or not hasattr(np.ndarray, name) or not hasattr(np, name):
        raise AttributeError(f"a recorded array has no {name}")
    return lambda *args, **kwargs: apply_function(x.recording, getattr(np, name), (x, *args), kwargs)


DISPATCH = Dispatch(apply_ufunc, apply_function, method)
