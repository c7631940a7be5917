"""Diagnosis: what the wrong numbers of one operation fit, in a sentence."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from reference import Activation, Softmax

from ..arrays import Array
from ..bounds.rounded import Rounded
from ..judge.judgement import Judgement
from ..judge.precision import nearest

CLUES = 3
"""How many numbers, at least, must share a factor that is no simple one."""

SIMPLE = 2.0**-6
"""How far a factor may be from a simple one, relatively, and be called so, in formats that do not tell it better.

In bfloat16 (u = 2^-8) a factor is a quotient of two numbers that carry two roundings each: 4 u.
"""

ROUGH = 2.0**-5
"""The typical relative error from which on it is no matter of precision: that of e4m3, the coarsest format in use.

It has p = 4 bits, and half of its rounding errors are below 2^-(p + 1).
"""


class Diagnosis(NamedTuple):
    """What is said, the names of the mistakes that fit, and with how many bits the numbers are right."""

    said: str = ""
    faults: tuple[str, ...] = ()
    bits: float | None = None


Mistaken = tuple[str, Array]
"""What was mistaken, in words, and the numbers that come of it."""


def diagnosed(
    judgement: Judgement, got: Array, admitted: Rounded, sizes: Iterable[int], mistakes: Iterable[Mistaken]
) -> Diagnosis:
    """The first of these that fits: NaN, a factor, a transpose, one of the mistakes, fewer bits.

    Parameters
    ----------
    judgement : Judgement
        Of ``got``, which is wrong.
    got, admitted : array, Rounded
    sizes : iterable of int
        By which a factor may be explained, beside 2.
    mistakes : iterable of (str, array)
    """
    decided = got[np.isfinite(admitted.rad)]
    if np.isnan(decided).any():
        return Diagnosis("There are NaN where the truth is a number.", ("not a number",))
    if not decided.any():
        return Diagnosis("It is zero throughout.", ("zero",))
    name = _factor(judgement, sizes, known=len(decided) >= CLUES)
    if name:
        return Diagnosis(f"It is {name} times the truth throughout.", (f"factor {name}",))
    if got.ndim == 2 and got.shape[0] == got.shape[1] and _fits(got.T, admitted.mid, admitted):
        return Diagnosis("It is the truth transposed.", ("transposed",))
    for name, mistaken in mistakes:
        if _fits(got, mistaken, admitted):
            return Diagnosis(f"It is right as {name}.", (name,))
    return _of_precision(judgement, got, admitted)


def factor(r: float, known: Iterable[tuple[float, str]], within: float) -> str:
    """The names of the known factor nearest to r, where that is so near, relatively; else "" ."""
    named = [(value, name) for value, name in known if value != 1]
    nearest = min((value for value, _ in named), key=lambda value: abs(r / value - 1))
    names = dict.fromkeys(name for value, name in named if value == nearest)
    return " (or ".join(names) + ")" * (len(names) - 1) if abs(r / nearest - 1) <= within else ""


def _factor(j: Judgement, sizes: Iterable[int], known: bool) -> str:
    """The name of the factor that all numbers have in common; or "", also where it is neither ``known`` nor simple."""
    if not np.isfinite(j.factor):
        return ""
    simple = [(-1.0, "-1")]
    for n in dict.fromkeys((2, *sizes)):
        simple += [(1.0 * n, f"{n}"), (1 / n, f"1/{n}"), (-1.0 * n, f"-{n}"), (-1 / n, f"-1/{n}")] if n > 1 else []
    return factor(j.factor, simple, min(2 * j.floor, SIMPLE)) or (f"{j.factor:.6g}" if known else "")


def _fits(got: Array, mid: Array, admitted: Rounded) -> bool:
    """Whether all decided numbers lie within twice their radius, and a few roundings, of mid."""
    format = admitted.format
    with np.errstate(all="ignore"):
        off = abs(got.astype(format.wide) - mid)
        within = off <= 2 * admitted.rad + 4 * format.u * abs(mid) + format.tiny
    return bool(within[np.isfinite(admitted.rad)].all())


def _of_precision(j: Judgement, got: Array, admitted: Rounded) -> Diagnosis:
    """How many bits are right, where the typical error is small; nothing where the worst of them is gross."""
    format, size = admitted.format, abs(admitted.mid)
    if not abs(j.got - j.expected) < ROUGH * abs(j.expected):
        return Diagnosis()
    at = (size > 0) & np.isfinite(admitted.rad)
    with np.errstate(all="ignore"):
        relative = (abs(got.astype(format.wide) - admitted.mid)[at] / size[at]).astype(np.float64)
    typical = float(np.median(relative)) if relative.size else 0.0
    if not 0 < typical < ROUGH:
        return Diagnosis()
    # Rounding errors are spread evenly up to 2^-p: half of them are below half of that.
    claimed = float(np.round(-np.log2(format.u)))
    bits = float(-np.log2(2 * typical))
    if bits > claimed - 1:  # nothing is lost but in a few
        return Diagnosis()
    return Diagnosis(f"The typical error is that of a format of {bits:.0f} bits, {nearest(bits)}.", bits=bits)


def mistaken(sigma: Activation, z: Array, g: Array) -> Iterator[Mistaken]:
    """Common mistakes with the derivative of an activation, by the reference's own text; z and g of any one shape."""
    shape, (z, g) = z.shape, (x.astype(np.float64) for x in (z, g))
    if z.ndim != 2:
        z, g = z.reshape(-1, 1), g.reshape(-1, 1)
    with np.errstate(all="ignore"):
        a = sigma.apply(z)
        slope = sigma.pullback(z, a, np.ones_like(g))
        found = [
            ("the derivative taken at a instead of z", sigma.pullback(a, sigma.apply(a), g)),
            ("the pullback given z for a", sigma.pullback(z, z, g)),
            ("the derivative without the cotangent", slope),
            ("g times the value instead of the derivative", g * a),
            ("the cotangent plus the derivative instead of their product", g + slope),
            ("g - (1 - derivative), a parenthesis missing", g - (1 - slope)),
        ]
        if isinstance(sigma, Softmax):
            found.append(("the diagonal of the Jacobian alone", g * a * (1 - a)))
    yield from ((name, numbers.reshape(shape)) for name, numbers in found)
