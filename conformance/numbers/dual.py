"""Dual numbers: forward mode, from the forward equations alone.

A `Dual` is a real part and a tangent, over any numbers that add, multiply and divide (Fraction, ball, float, other
duals).  Put through the reference's text in object arrays it carries the derivative in one direction, so it checks
(B1) to (B4) by a way that uses none of them; `backward` on duals gives Hessian-vector products.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import Array
from .derivatives import Function, function
from .enclosure import Unbounded, Undecided


class Dual:
    """The number real + tangent * epsilon, where epsilon^2 = 0; it compares as its real part does.

    It has the functions of `conformance.numbers.derivatives` as its methods.

    Raises
    ------
    Unbounded
        If a divisor is zero, or a function has no derivative at the real part.
    Undecided
        If |x| is asked for at 0, or a comparison of real parts that are balls cannot be told.
    TypeError
        If the real part's kind of number does not have a function.
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

    def __getattr__(self, name: str) -> Callable[[], "Dual"]:
        f = function("Dual", name)
        return lambda: _function(self, name, f)


def _function(x: Dual, name: str, f: Function) -> Dual:
    if f.positive is not None and not f.positive(x.real) > 0:
        raise Unbounded(f"Dual: {name} has no derivative at {x}")
    real = np.array([x.real])  # an array, of which every kind of number is an element
    value = f.value(real)
    return Dual(value[0], f.slope(real, value)[0] * x.tangent)


def _is_zero(real: Any) -> bool:
    """Whether a real part is zero; a ball that holds zero says so itself when it is divided by."""
    try:
        return bool(real == 0)
    except Undecided:
        return False


def _dual(x: Any) -> Dual:
    return x if isinstance(x, Dual) else Dual(x)


def dual(real: Array, tangent: Array) -> Array:
    """Make an object array of duals from arrays of real parts and tangents of one shape."""
    duals: Any = np.frompyfunc(Dual, 2, 1)(real, tangent)
    return np.asarray(duals)


def tangent(x: Array) -> Array:
    """Take the tangents of an object array of duals; what is no dual has tangent 0."""
    tangents: Array = np.frompyfunc(lambda element: _dual(element).tangent, 1, 1)(x)
    return tangents
