"""Factors: the number by which all of a gradient is multiplied, by a name that people would give it."""

from collections.abc import Iterable

CLUES = 3
"""How many numbers, at least, must share a factor that is no simple one."""

SIMPLE = 2.0**-6
"""How far a factor may be from a simple one, relatively, and be called so, in formats that do not tell it better.

In bfloat16 (u = 2^-8) a factor is a quotient of two numbers that carry two roundings each: 4 u.
"""

LEAST = 2.0**-24
"""The smallest factor that is called one: nobody multiplies by less, and what is left is as good as zero."""


def factor(r: float, known: Iterable[tuple[float, str]], within: float) -> str:
    """The names of the known factor nearest to r, where that is so near, relatively; else "" ."""
    named = [(value, name) for value, name in known if value != 1]
    nearest = min((value for value, _ in named), key=lambda value: abs(r / value - 1))
    names = dict.fromkeys(name for value, name in named if value == nearest)
    return " (or ".join(names) + ")" * (len(names) - 1) if abs(r / nearest - 1) <= within else ""
