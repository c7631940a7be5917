"""Dual numbers: forward mode, from the forward equations alone.

A `Dual` is a real part and a tangent, over any numbers that add, multiply and divide (Fraction, ball, float, other
duals).  Put through the reference's text in object arrays it carries the derivative in one direction, so it checks
(B1) to (B4) by a way that uses none of them; `backward` on duals gives Hessian-vector products.
"""

from typing import Any

import numpy as np

from reference import Array
from reference.functions import atan, constant, erfc, exp, sqrt


class Dual:
    """real + tangent * epsilon, with epsilon^2 = 0; comparisons are those of the real parts."""

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
        quotient = self.real / other.real
        return Dual(quotient, (self.tangent - quotient * other.tangent) / other.real)

    def __rtruediv__(self, other: Any) -> "Dual":
        return _dual(other) / self

    def __pow__(self, exponent: int) -> "Dual":
        return Dual(self.real**exponent, exponent * self.real ** (exponent - 1) * self.tangent)

    def __eq__(self, other: object) -> bool:
        return bool(self.real == _dual(other).real)

    def __gt__(self, other: Any) -> bool:
        return bool(self.real > _dual(other).real)

    def __lt__(self, other: Any) -> bool:
        return bool(self.real < _dual(other).real)

    __hash__ = None  # type: ignore[assignment]  # equal reals may differ in their tangents

    def exp(self) -> "Dual":
        """e^x."""
        value = np.exp(self.real)
        return Dual(value, value * self.tangent)

    def expm1(self) -> "Dual":
        """e^x - 1."""
        return Dual(np.expm1(self.real), np.exp(self.real) * self.tangent)

    def log(self) -> "Dual":
        """The natural logarithm."""
        return Dual(np.log(self.real), self.tangent / self.real)

    def log1p(self) -> "Dual":
        """log(1 + x)."""
        return Dual(np.log1p(self.real), self.tangent / (1 + self.real))

    def tanh(self) -> "Dual":
        """The hyperbolic tangent."""
        value = np.tanh(self.real)
        return Dual(value, (1 - value * value) * self.tangent)

    def sqrt(self) -> "Dual":
        """The square root."""
        value = sqrt(_array(self.real))[0]
        return Dual(value, self.tangent / (2 * value))

    def atan(self) -> "Dual":
        """The inverse tangent."""
        return Dual(atan(_array(self.real))[0], self.tangent / (1 + self.real * self.real))

    def erfc(self) -> "Dual":
        """The complementary error function."""
        x = _array(self.real)
        slope = -2 * exp(-x * x) / constant(lambda one: sqrt(4 * atan(one)), x)
        return Dual(erfc(x)[0], slope.item() * self.tangent)


def _array(number: Any) -> Array:
    """An array of one number, for the functions that know every kind."""
    return np.array([number])


def _dual(x: Any) -> Dual:
    return x if isinstance(x, Dual) else Dual(x)


def dual(real: Array, tangent: Array) -> Array:
    """An object array of duals from arrays of real parts and tangents of one shape."""
    return np.frompyfunc(Dual, 2, 1)(real, tangent)


def tangent(x: Array) -> Array:
    """The tangents of an object array of duals (0 for what is no dual)."""
    return np.frompyfunc(lambda element: _dual(element).tangent, 1, 1)(x)
