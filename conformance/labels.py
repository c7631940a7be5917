"""Where each equation stands: labels read from the reference's own text."""

import inspect
import re
from collections.abc import Callable
from functools import cache
from typing import Any

LABEL = re.compile(r"# \(([A-Z]\d+)\)")
"""How a line of code is labelled: ``# (F1)``."""


@cache
def label(function: Callable[..., Any]) -> str:
    """The label of the one labelled line in a function.

    Raises
    ------
    ValueError
        If there is none, or more than one.
    """
    found = LABEL.findall(inspect.getsource(function))
    if len(found) != 1:
        raise ValueError(f"{function.__qualname__}: expected one labelled line, found {len(found)}")
    return str(found[0])
