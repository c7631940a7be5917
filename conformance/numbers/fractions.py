"""Fractions: arithmetic without rounding.

The reference's text on object arrays of `fractions.Fraction` is exact wherever it only adds, multiplies, divides and
compares, so for identity, relu and their kin; anything else is an error that names the missing function.
"""

from fractions import Fraction

import numpy as np

from ..arrays import Array


def fractions(array: Array) -> Array:
    """Make an object array of exact fractions from an array of floats, integers or fractions."""
    numbers: Array = np.frompyfunc(lambda x: x if isinstance(x, Fraction) else Fraction(float(x)), 1, 1)(array)
    return numbers
