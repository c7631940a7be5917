"""Functions of one number with their derivatives, on Arb's balls: what `conformance.oracle.operation.traced` knows."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flint import arb


class Function(NamedTuple):
    """A function of one number on Arb's balls, with its derivative in terms of the operand and, or, of the result.

    Rounding is relative but for ``absolute`` times as many units, absolutely: tanh by way of sigmoid, and 1 - t^2 where
    t rounds to 1, are right programs (see `conformance.bounds.assumptions`).  ``inverse`` is the error of an operand
    that is had back from the result, of its ball and the result's radius; None where nobody would.
    """

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    of_result: Callable[[Any], Any] | None = None
    absolute: int = 0
    inverse: Callable[[Any, Any], Any] | None = None


_LN2, _LN10 = arb(2).log(), arb(10).log()

FUNCTIONS: dict[str, Function] = {
    "exp": Function(lambda x: x.exp(), lambda x: x.exp(), lambda y: y),
    "exp2": Function(lambda x: (x * _LN2).exp(), lambda x: (x * _LN2).exp() * _LN2, lambda y: y * _LN2),
    "expm1": Function(lambda x: x.expm1(), lambda x: x.exp(), lambda y: y + 1, 1),
    "log": Function(lambda x: x.log(), lambda x: 1 / x, inverse=lambda x, r: x * r),
    "log2": Function(lambda x: x.log() / _LN2, lambda x: 1 / (x * _LN2), inverse=lambda x, r: x * r),
    "log10": Function(lambda x: x.log() / _LN10, lambda x: 1 / (x * _LN10), inverse=lambda x, r: x * r),
    "log1p": Function(lambda x: x.log1p(), lambda x: 1 / (1 + x), None, 1, lambda x, r: (1 + x) * r),
    "sqrt": Function(lambda x: x.sqrt(), lambda x: 1 / (2 * x.sqrt()), lambda y: 1 / (2 * y)),
    "tanh": Function(lambda x: x.tanh(), lambda x: 1 / x.cosh() ** 2, lambda y: 1 - y * y, 1),
    "sinh": Function(lambda x: x.sinh(), lambda x: x.cosh()),
    "cosh": Function(lambda x: x.cosh(), lambda x: x.sinh()),
    "sin": Function(lambda x: x.sin(), lambda x: x.cos(), None, 1),
    "cos": Function(lambda x: x.cos(), lambda x: -x.sin(), None, 1),
    "tan": Function(lambda x: x.tan(), lambda x: 1 + x.tan() ** 2, lambda y: 1 + y * y),
    "arctan": Function(lambda x: x.atan(), lambda x: 1 / (1 + x * x)),
    "arcsin": Function(lambda x: x.asin(), lambda x: 1 / (1 - x * x).sqrt()),
    "arccos": Function(lambda x: x.acos(), lambda x: -1 / (1 - x * x).sqrt()),
    "arcsinh": Function(lambda x: x.asinh(), lambda x: 1 / (1 + x * x).sqrt()),
    "arctanh": Function(lambda x: x.atanh(), lambda x: 1 / (1 - x * x)),
    "erfc": Function(lambda x: x.erfc(), lambda x: -2 * (-x * x).exp() / arb.pi().sqrt(), None, 1),
}
"""By the method that NumPy calls on the elements of an object array."""
