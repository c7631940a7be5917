"""Where each equation stands: labels read from the reference's own text."""

import inspect
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import reference

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


@cache
def documented(label: str) -> str:
    """What the comment of a labelled line says: the equation, as the reference's text writes it.

    Raises
    ------
    ValueError
        If no line has that label.
    """
    for path in sorted(Path(reference.__file__).parent.glob("*.py")):
        if path.stem != "literal":
            found = re.search(rf"# \({label}\)  (.*)$", path.read_text(), re.M)
            if found:
                return found[1].strip()
    raise ValueError(f"labels: expected a label of EQUATIONS.md, got {label}")
