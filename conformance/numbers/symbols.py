"""Symbols: a proof for every value at once.

The reference's text on object arrays of sympy's symbols gives formulas.  With `Generic`, an activation of which nothing
is known but that it is elementwise, what holds for the formulas holds for every sigma.
"""

from typing import Any

import numpy as np
import sympy

from ..arrays import Array


def symbols(name: str, *shape: int, **assumptions: bool) -> Array:
    """Make an object array of real symbols of that name and shape, with sympy's assumptions (``positive=True``)."""
    flat = sympy.symbols([f"{name}_{i}" for i in range(int(np.prod(shape)))], real=True, **assumptions)
    return np.array(flat, dtype=object).reshape(shape)


class Generic:
    """An elementwise activation of which nothing is known: sympy's undefined function."""

    sigma: Any = sympy.Function("sigma")
    _t = sympy.Symbol("t")

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        a: Array = np.frompyfunc(self.sigma, 1, 1)(z)
        return a

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """g sigma'(z)."""
        slope = sympy.diff(self.sigma(self._t), self._t)
        slopes: Array = np.frompyfunc(lambda number: slope.subs(self._t, number).doit(), 1, 1)(z)
        return g * slopes
