"""Where each equation stands: labels read from the reference's own text."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import reference

PACKAGE = Path(reference.__file__).parent

LABEL = re.compile(r"# \(([A-Z]\d+)\)")
"""How a line of code is labelled: ``# (F1)``."""


class Line(NamedTuple):
    """A labelled line: its label, its module (see `modules`), its number, counted from 1, and its text."""

    label: str
    module: str
    number: int
    text: str


@cache
def modules() -> Mapping[str, str]:
    """The text of each module of the package by its dotted name within it, ``losses`` or ``training.schedules``.

    The literal text is left out: it has the document's labels once more.
    """
    paths = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    return MappingProxyType({name: paths[name].read_text() for name in sorted(paths) if name != "literal"})


def labelled(texts: Mapping[str, str]) -> Iterator[Line]:
    """The labelled lines of modules, in the order of modules and lines."""
    for module, text in texts.items():
        for number, line in enumerate(text.splitlines(), start=1):
            for found in LABEL.findall(line):
                yield Line(found, module, number, line)


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
    for line in labelled(modules()):
        if line.label == label:
            return line.text.partition(f"# ({label})")[2].strip()
    raise ValueError(f"labels: expected a label of EQUATIONS.md, got {label}")
