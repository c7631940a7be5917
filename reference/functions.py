"""Elementary functions for every kind of number: the one place that asks what a number is.

The equations of this package name no number type.  They call the functions below, which take

* NumPy's arrays of floats or complex numbers, and arrays that bring their own arithmetic (``__array_ufunc__``):
  these go to NumPy's function;
* NumPy's object arrays: each element is asked for its own method (``x.exp()``), then its library for a function of
  that name (``sympy.exp``, ``mpmath.exp``);
* arrays of any library that follows the array API standard (JAX), and PyTorch's tensors by way of the package
  array-api-compat: these go to their own library, which also traces, compiles and differentiates them.

Where two formulas are equal on paper and one keeps more digits, `minimum` and `row_maximum` choose; the result is the
same on either side, so they may guess where a number cannot tell.  True kinks (relu at 0) are written ``z > 0``
(`where`, `clip`): a number that cannot decide that must raise.  (NumPy orders complex numbers by their real parts
first, so that a complex step is right except at a kink itself, where it finds a one-sided derivative.)
"""

import math
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any, Protocol, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray


class Operations(Protocol):
    """What the equations use of an array, besides the functions below."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    @property
    def T(self) -> Self: ...
    def sum(self, axis: Any = ..., *, keepdims: Any = ...) -> Self: ...
    def max(self) -> Self: ...
    def __neg__(self) -> Self: ...
    def __pos__(self) -> Self: ...
    def __add__(self, other: Any, /) -> Self: ...
    def __radd__(self, other: Any, /) -> Self: ...
    def __sub__(self, other: Any, /) -> Self: ...
    def __rsub__(self, other: Any, /) -> Self: ...
    def __mul__(self, other: Any, /) -> Self: ...
    def __rmul__(self, other: Any, /) -> Self: ...
    def __truediv__(self, other: Any, /) -> Self: ...
    def __rtruediv__(self, other: Any, /) -> Self: ...
    def __pow__(self, other: Any, /) -> Self: ...
    def __matmul__(self, other: Any, /) -> Self: ...
    def __gt__(self, other: Any, /) -> Any: ...
    def __ge__(self, other: Any, /) -> Any: ...
    def __lt__(self, other: Any, /) -> Any: ...
    def __le__(self, other: Any, /) -> Any: ...
    def __eq__(self, other: Any, /) -> Any: ...


Array = TypeVar("Array", bound=Operations)
"""An array of numbers of any kind: what a function is given and what it returns are of the same."""


def exp(x: Array) -> Array:
    """e^x, elementwise.

    Raises
    ------
    TypeError
        If a number of x has no exponential.
    """
    return _elementwise("exp", x)


def log(x: Array) -> Array:
    """The natural logarithm, elementwise; raises like `exp`."""
    return _elementwise("log", x)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent, elementwise; raises like `exp`."""
    return _elementwise("tanh", x)


def expm1(x: Array) -> Array:
    """e^x - 1 without cancellation near 0, elementwise; raises like `exp`."""
    return _elementwise("expm1", x)


def log1p(x: Array) -> Array:
    """log(1 + x) without cancellation near 0, elementwise; raises like `exp`."""
    return _elementwise("log1p", x)


@overload
def sqrt(x: float) -> float: ...
@overload
def sqrt(x: Array) -> Array: ...
def sqrt(x: Any) -> Any:
    """The square root, elementwise or of a single number; raises like `exp`."""
    return _elementwise("sqrt", x)


def atan(x: Array) -> Array:
    """The inverse tangent, elementwise; raises like `exp`."""
    return _elementwise("atan", x)


def erfc(x: Array) -> Array:
    """The complementary error function, elementwise; raises like `exp`.

    Raises
    ------
    ModuleNotFoundError
        If x is NumPy's and SciPy, which alone has it for NumPy's floats, is not installed.
    """
    return _elementwise("erfc", x)


def where(condition: Any, x: Array | float, y: Array | float) -> Array:
    """x where the condition holds, else y, elementwise; one of them may be a single number."""
    if type(x) is np.ndarray and type(condition) is np.ndarray and x.dtype.kind == "f" and type(y) is int and y == 0:
        return x * condition  # twenty times faster than NumPy's where; its zeros may be negative
    array = x if hasattr(x, "dtype") else y
    library = _library(array)
    if library is np and array.dtype.hasobject:  # a single number becomes one of their kind, which divides exactly
        x, y = (part if hasattr(part, "dtype") else part + 0 * array for part in (x, y))
    return library.where(condition, x, y)


def minimum(x: Array, y: Array | float) -> Array:
    """The smaller of two, elementwise; x where they are equal, or their order cannot be told.

    Automatic differentiation takes x's derivative where they are equal, not the mean of both.
    """
    library = _library(x)
    if library is not np:
        return library.where(x > y, y, x)
    return where(_ordered(x, y), y, x) if x.dtype.hasobject else library.minimum(x, y)


def maximum(x: Array, y: Array) -> Array:
    """The larger of two, elementwise; x where they are equal.  Their order must be known."""
    return where(y > x, y, x)


def absolute(x: Array) -> Array:
    """|x|, elementwise: the negative of min(x, -x), which is analytic on either side of 0."""
    return -minimum(x, -x)


def clip(x: Array, low: float, high: float) -> Array:
    """x between ``low`` and ``high``, elementwise; at both ends the constant, so that a derivative there is 0."""
    return where(x >= high, high, where(x <= low, low, x))


def bounded(x: Array, limit: int) -> Array:
    """x, cut off at a limit beyond which the caller's result is the same in every float; object arrays are not."""
    return x if _library(x) is np and x.dtype.hasobject else clip(x, -limit, limit)


def row_maximum(x: Array) -> Array:
    """Per row (B, 1), the largest entry or, where the numbers cannot be ordered, one of them."""
    library = _library(x)
    if library is not np:
        return library.max(x, axis=1, keepdims=True)
    if not x.dtype.hasobject:
        return library.maximum.reduce(x, axis=1, keepdims=True)
    columns: list[Array] = library.split(x, x.shape[1], axis=1)
    return reduce(lambda largest, column: where(_ordered(column, largest), column, largest), columns)


def decimal(digits: str, like: Array) -> Array | float:
    """A decimal, as a number of the kind that ``like`` holds: for floats a Python float, which adapts to any dtype."""
    one, fraction = _one(like), Fraction(digits)
    return float(fraction) if one is None else one * fraction.numerator / fraction.denominator


def pi(like: Array) -> Array | float:
    """The number pi, of the kind that ``like`` holds, as `decimal` gives it."""
    one = _one(like)
    return math.pi if one is None else 4 * atan(one)


def row(numbers: Sequence[float], like: Array) -> Array:
    """Numbers as an array of the dtype of ``like``, by its library and on its device."""
    library = _library(like)
    if library is np:
        return library.asarray(numbers, like.dtype)
    device = getattr(like, "device", None)  # what JAX traces has none
    return library.asarray(numbers, dtype=like.dtype, device=device)


def _library(x: Any) -> Any:
    """The module with the functions for an array: NumPy, or that of its own library."""
    if type(x) is np.ndarray or hasattr(x, "__array_ufunc__") or isinstance(x, np.generic):
        return np
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    try:
        from array_api_compat import torch
    except ModuleNotFoundError as error:
        raise _missing(error, f"array-api-compat and PyTorch for a {type(x).__name__}", "torch") from error
    return torch


def _elementwise(name: str, x: Any) -> Any:
    """The function of that name: by the library of x or, for an object array and a single number, by each number."""
    if type(x) is np.ndarray and not x.dtype.hasobject:
        return _of_library(np, name)(x)
    if type(x) is float:
        return getattr(math, name)(x)  # a float that adapts to any dtype, which NumPy's does not
    if not hasattr(x, "dtype"):
        return _of_number(name, x)
    library = _library(x)
    if library is np and x.dtype.hasobject:
        return np.frompyfunc(lambda number: _of_number(name, number), 1, 1)(x)
    return _of_library(library, name)(x)


def _of_library(library: Any, name: str) -> Callable[[Any], Any]:
    """The function of that name in an array library, or among its special functions."""
    function: Callable[[Any], Any] | None = getattr(library, name, None)
    if function is not None:
        return function
    if library is not np:
        from jax.scipy import special as of_jax

        return getattr(of_jax, name)
    try:
        from scipy import special
    except ModuleNotFoundError as error:
        raise _missing(error, f"SciPy for gelu's {name}", "special") from error
    return getattr(special, name)


def _missing(error: ModuleNotFoundError, expected: str, extra: str) -> ModuleNotFoundError:
    said = f"expected {expected}, found no {error.name}; pip install 'backpropagation-reference[{extra}]' brings it"
    return ModuleNotFoundError(said, name=error.name)


def _of_number(name: str, number: Any) -> Any:
    """The function of that name by a number's own method, or by its library's function."""
    if isinstance(number, int | float | complex | np.number):
        return _elementwise(name, np.asarray(number))[()]
    method = getattr(number, name, None)
    if callable(method):  # mpmath's .exp is an exponent
        return method()
    library = sys.modules[type(number).__module__.partition(".")[0]]
    if hasattr(library, name):
        return getattr(library, name)(number)
    # A library without these keeps no digits to be lost by the plain formula.
    if name == "expm1" and hasattr(library, "exp"):
        return library.exp(number) - 1
    if name == "log1p" and hasattr(library, "log"):
        return library.log(1 + number)
    raise TypeError(f"{type(number).__module__}.{type(number).__qualname__} has no {name}")


def _one(like: Any) -> Any:
    """The number one, an array (1,) of the kind that an object array holds; None for arrays of floats."""
    return like.flat[:1] * 0 + 1 if _library(like) is np and like.dtype.hasobject else None


def _ordered(x: Any, y: Any) -> NDArray[np.bool_]:
    """Elementwise x > y, False where the numbers cannot tell."""

    def greater(p: Any, q: Any) -> bool:
        try:
            return bool(p > q)
        except (TypeError, ValueError):
            return False

    return np.frompyfunc(greater, 2, 1)(x, y).astype(bool)
