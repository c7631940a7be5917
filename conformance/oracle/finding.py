"""Findings: what every explanation of the oracle says in one way."""

from collections.abc import Iterable

import numpy as np

from ..judge.judgement import Judgement
from ..judge.report import Finding
from ..judge.verdict import SUSPECT, WRONG


def found(kind: str, j: Judgement, said: str, faults: tuple[str, ...] = ()) -> Finding:
    """Of numbers that are wrong or suspect."""
    verdict = WRONG if j.wrong else SUSPECT
    numbers = j.element, j.got, j.expected, j.bound
    return Finding(verdict, kind, j.equation, j.layer, *numbers, said, faults, factor=j.factor)


def unnumbered(kind: str, equation: str, said: str, faults: tuple[str, ...] = ()) -> Finding:
    """Of something wrong that is no number."""
    return Finding(WRONG, kind, equation, 0, (), np.nan, np.nan, np.nan, said, faults)


def factor(r: float, known: Iterable[tuple[float, str]], within: float) -> str:
    """The names of the known factor nearest to r, where that is so near, relatively; else "" ."""
    named = [(value, name) for value, name in known if value != 1]
    nearest = min((value for value, _ in named), key=lambda value: abs(r / value - 1))
    names = dict.fromkeys(name for value, name in named if value == nearest)
    return " (or ".join(names) + ")" * (len(names) - 1) if abs(r / nearest - 1) <= within else ""
