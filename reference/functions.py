"""Elementary functions for every kind of number: the one place that asks what a number is.

The equations of this package name no number type.  They call the functions below, which take

* arrays of floats or complex numbers, and arrays that bring their own arithmetic
  (``__array_ufunc__``): these go to NumPy's function;
* object arrays: each element is asked for its own method (``x.exp()``), then its library for a
  function of that name (``sympy.exp``, ``mpmath.exp``).

Where two formulas are equal on paper and one keeps more digits, `lower` and `shift` choose; the
result is the same on either side, so they may guess where a number cannot tell.  True kinks (relu
at 0) are written ``z > 0`` (`gated`, `where`): a number that cannot decide that must raise.  (NumPy
orders complex numbers by their real parts first, so that a complex step is right but at a kink
itself, where it finds a one-sided derivative.)
"""

import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""An array of numbers of any kind: what arithmetic, ``@``, ``.T``, ``.sum`` and `where` work on."""

where: Callable[..., Array] = np.where


def exp(x: Array) -> Array:
    """e^x, elementwise.

    Raises
    ------
    TypeError
        If an element of an object array has no exponential.
    """
    return _own("exp", x) if x.dtype.hasobject else np.exp(x)


def log(x: Array) -> Array:
    """The natural logarithm, elementwise; raises like `exp`."""
    return _own("log", x) if x.dtype.hasobject else np.log(x)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent, elementwise; raises like `exp`."""
    return _own("tanh", x) if x.dtype.hasobject else np.tanh(x)


def expm1(x: Array) -> Array:
    """e^x - 1 without cancellation near 0, elementwise; raises like `exp`."""
    return _own("expm1", x) if x.dtype.hasobject else np.expm1(x)


def log1p(x: Array) -> Array:
    """log(1 + x) without cancellation near 0, elementwise; raises like `exp`."""
    return _own("log1p", x) if x.dtype.hasobject else np.log1p(x)


def sqrt(x: Array) -> Array:
    """The square root, elementwise; raises like `exp`."""
    return _own("sqrt", x) if x.dtype.hasobject else np.sqrt(x)


def atan(x: Array) -> Array:
    """The inverse tangent, elementwise; raises like `exp`."""
    return _own("atan", x) if x.dtype.hasobject else np.arctan(x)


def erfc(x: Array) -> Array:
    """The complementary error function, elementwise; raises like `exp`.

    Raises
    ------
    ModuleNotFoundError
        If SciPy, which alone has it for floats, is not installed.
    """
    if x.dtype.hasobject:
        return _own("erfc", x)
    try:
        from scipy import special
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "gelu: expected SciPy for its erfc, found none; pip install 'backpropagation-reference[special]' brings it",
            name="scipy",
        ) from error
    return special.erfc(x)


def constant(formula: Callable[[Array], Array], like: Array) -> Array:
    """A constant, as a number of the kind that ``like`` holds: the formula of one.

    For floats it is evaluated in the widest format and then a Python float, which takes any dtype.
    """
    if not like.dtype.hasobject:
        return float(formula(np.longdouble(1)))
    return formula(np.full((1, 1), like.flat[0] * 0 + 1, dtype=object))


def scaled(x: Array, p: int, q: int) -> Array:
    """x times the fraction p / q."""
    return x * p / q if x.dtype.hasobject else x * (p / q)


def bounded(x: Array, limit: int) -> Array:
    """x, but no further from 0 than where the caller's result no longer changes in any float; else x itself."""
    return x if x.dtype.hasobject else where(x > limit, limit, where(-x > limit, -limit, x))


def gated(z: Array, x: Array) -> Array:
    """x where z > 0, else 0, elementwise; on floats as a product, which is ten times faster than `where`.

    Its zeros may be negative.
    """
    if type(z) is np.ndarray and z.dtype.kind == "f":
        return x * (z > 0)
    return where(z > 0, x, 0)


def lower(x: Array, y: Array | int) -> Array:
    """The smaller of two, elementwise; x where their order cannot be told (by symbols, or by balls that overlap)."""
    if not x.dtype.hasobject:
        return np.minimum(x, y)
    return where(_ordered(x, y), y, x)


def shift(z: Array) -> Array:
    """Per row (B, 1), the largest entry or, where the numbers cannot be ordered, one of them."""
    if not z.dtype.hasobject:
        return np.maximum.reduce(z, axis=1, keepdims=True)
    largest = z[:, :1]
    for k in range(1, z.shape[1]):
        largest = where(_ordered(z[:, k : k + 1], largest), z[:, k : k + 1], largest)
    return largest


def _ordered(x: Array, y: Array) -> Array:
    """Elementwise x > y, False where the elements cannot tell."""

    def greater(p: Any, q: Any) -> bool:
        try:
            return bool(p > q)
        except (TypeError, ValueError):
            return False

    return np.frompyfunc(greater, 2, 1)(x, y).astype(bool)


def _own(name: str, x: Array) -> Array:
    """The function of that name, by each element's own method or its library's function."""

    def value(element: Any) -> Any:
        if isinstance(element, int | float | complex | np.number):
            return _FLOATS[name](np.asarray(element))[()]
        method = getattr(element, name, None)
        if callable(method):  # mpmath's .exp is an exponent
            return method()
        library = sys.modules[type(element).__module__.partition(".")[0]]
        if hasattr(library, name):
            return getattr(library, name)(element)
        # A library without these keeps no digits to be lost by the plain formula.
        if name == "expm1" and hasattr(library, "exp"):
            return library.exp(element) - 1
        if name == "log1p" and hasattr(library, "log"):
            return library.log(1 + element)
        raise TypeError(f"{type(element).__module__}.{type(element).__qualname__} has no {name}")

    return np.frompyfunc(value, 1, 1)(x)


_FLOATS: dict[str, Callable[[Array], Array]] = {
    f.__name__: f for f in (exp, log, tanh, expm1, log1p, sqrt, atan, erfc)
}
