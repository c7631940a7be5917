"""Dual numbers: forward mode, from the forward equations alone.

A `Dual` is a real part and a tangent, over any numbers that add, multiply and divide (Fraction, ball, float, other
duals).  Put through the reference's text in object arrays it carries the derivative in one direction, so it checks
(B1) to (B4) by a way that uses none of them; `backward` on duals gives Hessian-vector products.
"""

from typing import Any

import numpy as np

from reference.functions import atan, erfc, exp, expm1, log, log1p, pi, sqrt, tanh

from ..arrays import Array
from .enclosure import Unbounded, Undecided


class Dual:
    """real + tangent * epsilon, with epsilon^2 = 0; comparisons are those of the real parts.

    Raises
    ------
    Unbounded
        By a division by zero, or a function that has no derivative at the real part.
    Undecided
        By |x| at 0, and by comparisons whose real parts are balls that cannot tell.
    TypeError
        By a function that the real part's kind of number does not have.
    """

    __slots__ = ("real", "tangent")

    def __init__(self, real: Any, tangent: Any = 0) -> None:
        self.real, self.tangent = real, tangent

    def __repr__(self) -> str:
        return f"Dual({self.real!r}, {self.tangent!r})"

    def __pos__(self) -> "Dual":
        return self

    def __neg__(self) -> "Dual":
        return Dual(-self.real, -self.tangent)

    def __add__(self, other: Any) -> "Dual":
        other = _dual(other)
        return Dual(self.real + other.real, self.tangent + other.tangent)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Dual":
        return self + -_dual(other)

    def __rsub__(self, other: Any) -> "Dual":
        return _dual(other) + -self

    def __mul__(self, other: Any) -> "Dual":
        other = _dual(other)
        return Dual(self.real * other.real, self.real * other.tangent + self.tangent * other.real)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Dual":
        other = _dual(other)
        if _is_zero(other.real):
            raise Unbounded(f"Dual: a division of {self} by {other}, whose real part is zero")
        quotient = self.real / other.real
        return Dual(quotient, (self.tangent - quotient * other.tangent) / other.real)

    def __rtruediv__(self, other: Any) -> "Dual":
        return _dual(other) / self

    def __pow__(self, exponent: int) -> "Dual":
        if exponent == 0:
            return Dual(self.real**0)
        return Dual(self.real**exponent, exponent * self.real ** (exponent - 1) * self.tangent)

    def __abs__(self) -> "Dual":
        if _is_zero(self.real):
            raise Undecided(f"Dual: the derivative of |x| at {self}")
        return self if self > 0 else -self

    def __eq__(self, other: object) -> bool:
        return bool(self.real == _dual(other).real)

    def __gt__(self, other: Any) -> bool:
        return bool(self.real > _dual(other).real)

    def __lt__(self, other: Any) -> bool:
        return bool(self.real < _dual(other).real)

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __le__(self, other: Any) -> bool:
        return not self > other

    __hash__ = None  # type: ignore[assignment]  # equal reals may differ in their tangents

    def exp(self) -> "Dual":
        """e^x."""
        value = _of(exp, self.real)
        return Dual(value, value * self.tangent)

    def expm1(self) -> "Dual":
        """e^x - 1."""
        return Dual(_of(expm1, self.real), _of(exp, self.real) * self.tangent)

    def log(self) -> "Dual":
        """The natural logarithm."""
        return Dual(_of(log, self._positive("log", self.real)), self.tangent / self.real)

    def log1p(self) -> "Dual":
        """log(1 + x)."""
        self._positive("log1p", 1 + self.real)
        return Dual(_of(log1p, self.real), self.tangent / (1 + self.real))

    def sqrt(self) -> "Dual":
        """The square root."""
        value = _of(sqrt, self._positive("sqrt", self.real))
        return Dual(value, self.tangent / (2 * value))

    def tanh(self) -> "Dual":
        """The hyperbolic tangent."""
        value = _of(tanh, self.real)
        return Dual(value, (1 - value * value) * self.tangent)

    def sinh(self) -> "Dual":
        """The hyperbolic sine."""
        return Dual(_of(np.sinh, self.real), _of(np.cosh, self.real) * self.tangent)

    def cosh(self) -> "Dual":
        """The hyperbolic cosine."""
        return Dual(_of(np.cosh, self.real), _of(np.sinh, self.real) * self.tangent)

    def sin(self) -> "Dual":
        """The sine."""
        return Dual(_of(np.sin, self.real), _of(np.cos, self.real) * self.tangent)

    def cos(self) -> "Dual":
        """The cosine."""
        return Dual(_of(np.cos, self.real), -_of(np.sin, self.real) * self.tangent)

    def tan(self) -> "Dual":
        """The tangent."""
        value = _of(np.tan, self.real)
        return Dual(value, (1 + value * value) * self.tangent)

    def atan(self) -> "Dual":
        """The inverse tangent."""
        return Dual(_of(atan, self.real), self.tangent / (1 + self.real * self.real))

    arctan = atan

    def erfc(self) -> "Dual":
        """The complementary error function."""
        x = _array(self.real)
        slope = -2 * exp(-x * x) / sqrt(pi(x))
        return Dual(_of(erfc, self.real), slope.item() * self.tangent)

    def _positive(self, name: str, real: Any) -> Any:
        if not real > 0:
            raise Unbounded(f"Dual: {name} has no derivative at {self}")
        return real


def _of(function: Any, real: Any) -> Any:
    """A function of one number of any kind; a kind without it is an error that says so."""
    return function(_array(real))[0]


def _is_zero(real: Any) -> bool:
    """Whether a real part is zero; a ball that holds zero says so itself when it is divided by."""
    try:
        return bool(real == 0)
    except Undecided:
        return False


def _array(number: Any) -> Array:
    """An array of one number, for the functions that know every kind."""
    return np.array([number])


def _dual(x: Any) -> Dual:
    return x if isinstance(x, Dual) else Dual(x)


def dual(real: Array, tangent: Array) -> Array:
    """An object array of duals from arrays of real parts and tangents of one shape."""
    duals: Any = np.frompyfunc(Dual, 2, 1)(real, tangent)
    return np.asarray(duals)


def tangent(x: Array) -> Array:
    """The tangents of an object array of duals (0 for what is no dual)."""
    tangents: Array = np.frompyfunc(lambda element: _dual(element).tangent, 1, 1)(x)
    return tangents
