"""Functions of one number with their derivatives: the one table from which every kind of number here has its own.

The formulas name no kind of number.  They take Arb's balls, and NumPy's arrays of floats, `Ball`, `Dual` and the like,
which ask each number for its own function.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from flint import arb
from scipy import special

from reference.functions import atan, erfc, exp, expm1, log, log1p, sqrt, tanh


class Function(NamedTuple):
    """A function of one number x, with its derivative in terms of x and of the result y.

    It has a derivative only where ``positive`` is positive; None stands for wherever it has a value.  A program rounds
    relatively but for ``absolute`` times as many units, absolutely: tanh by way of sigmoid, and 1 - y^2 where y rounds
    to 1, are right programs (see `conformance.bounds.assumptions`).  ``inverse`` is the error of an operand that is
    taken back from the result, in terms of the operand and the error of the result; None where no program takes it so.
    """

    value: Callable[[Any], Any]
    slope: Callable[[Any, Any], Any]
    positive: Callable[[Any], Any] | None = None
    absolute: int = 0
    inverse: Callable[[Any, Any], Any] | None = None


def _inverse(name: str) -> Callable[[Any], Any]:
    """An inverse function: NumPy, which calls it the same, asks the elements of an array for another name."""
    return lambda x: getattr(x, name)() if isinstance(x, arb) else getattr(np, name)(x)


def _of_scipy(name: str, of_ball: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A ufunc of SciPy's, which takes no balls; the numbers of an object array have it as their method."""

    def apply(x: Any) -> Any:
        if isinstance(x, arb):
            return of_ball(x)
        if isinstance(x, np.ndarray) and x.dtype.hasobject:
            return np.frompyfunc(lambda number: getattr(number, name)(), 1, 1)(x)
        return getattr(special, name)(x)

    return apply


def _log_of(number: int, like: Any) -> Any:
    """The logarithm of a whole number, of the kind that ``like`` is."""
    return log(0 * like + number)


def _logarithm(base: int) -> Function:
    return Function(
        lambda x: log(x) / _log_of(base, x), lambda x, y: 1 / (x * _log_of(base, x)), lambda x: x, 0, lambda x, r: x * r
    )


FUNCTIONS = {
    "exp": Function(exp, lambda x, y: y),
    "exp2": Function(lambda x: exp(x * _log_of(2, x)), lambda x, y: y * _log_of(2, x)),
    "expm1": Function(expm1, lambda x, y: y + 1, absolute=1),
    "log": Function(log, lambda x, y: 1 / x, lambda x: x, 0, lambda x, r: x * r),
    "log2": _logarithm(2),
    "log10": _logarithm(10),
    "log1p": Function(log1p, lambda x, y: 1 / (1 + x), lambda x: 1 + x, 1, lambda x, r: (1 + x) * r),
    "sqrt": Function(sqrt, lambda x, y: 1 / (2 * y), lambda x: x),
    "tanh": Function(tanh, lambda x, y: 1 - y * y, absolute=1),
    "sinh": Function(np.sinh, lambda x, y: np.cosh(x)),
    "cosh": Function(np.cosh, lambda x, y: np.sinh(x)),
    "sin": Function(np.sin, lambda x, y: np.cos(x), absolute=1),
    "cos": Function(np.cos, lambda x, y: -np.sin(x), absolute=1),
    "tan": Function(np.tan, lambda x, y: 1 + y * y),
    "arctan": Function(atan, lambda x, y: 1 / (1 + x * x)),
    "arcsin": Function(_inverse("asin"), lambda x, y: 1 / sqrt(1 - x * x), lambda x: 1 - x * x),
    "arccos": Function(_inverse("acos"), lambda x, y: -1 / sqrt(1 - x * x), lambda x: 1 - x * x),
    "arcsinh": Function(_inverse("asinh"), lambda x, y: 1 / sqrt(1 + x * x)),
    "arctanh": Function(_inverse("atanh"), lambda x, y: 1 / (1 - x * x), lambda x: 1 - x * x),
    "erf": Function(
        _of_scipy("erf", lambda x: x.erf()), lambda x, y: 2 * exp(-x * x) / sqrt(4 * atan(0 * x + 1)), absolute=1
    ),
    "expit": Function(_of_scipy("expit", lambda x: 1 / (1 + (-x).exp())), lambda x, y: y * (1 - y), absolute=1),
    "erfc": Function(erfc, lambda x, y: -2 * exp(-x * x) / sqrt(4 * atan(0 * x + 1)), absolute=1),
}
"""By the method that NumPy calls on the elements of an object array."""


def function(kind: str, name: str) -> Function:
    """The function that a number of that kind is asked for; the reference asks for arctan as atan.

    Raises
    ------
    AttributeError
        If there is none of that name.
    """
    found = FUNCTIONS.get("arctan" if name == "atan" else name)
    if found is None:
        raise AttributeError(f"{kind}: no derivative is known of {name}")
    return found
