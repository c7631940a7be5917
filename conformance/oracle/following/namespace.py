"""Somebody's function, with NumPy as recorded arrays need it.

``np.zeros(3)`` has no recorded argument, so NumPy asks nobody and makes an array that holds plain numbers only.  So the
function is run from a copy whose global names, closures and imports have a stand-in for NumPy (and for SciPy's special
functions and ``math``): everything in it is NumPy's own but for what makes arrays (`MAKING`), which makes arrays that
can hold recorded numbers.  Functions of the same program that it calls are copied likewise.  Nothing of the original,
nor of NumPy, is changed.
"""

import builtins
import functools
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from scipy import special

from .array import Recorded, Recording, Unfollowed, holds_recorded, stacked
from .exponentials import SCIPY

STOOD_IN = ("numpy", "scipy", "math")
"""Modules, with all below them, whose place a stand-in takes."""

FOREIGN = ("torch", "jax", "flint", "sympy")
"""Packages whose functions are called as they are; so are those of Python's own library."""


def followed(function: Callable[..., Any], recording: Recording) -> Callable[..., Any]:
    """A copy of a function that makes arrays which can hold recorded numbers."""
    copy: Callable[..., Any] = _Copies(recording).of(function)
    return copy


class StandIn:
    """A module with some of its functions replaced."""

    def __init__(self, module: ModuleType, replaced: Callable[[Any], Any]) -> None:
        self.__dict__["_of"] = module, replaced

    def __getattr__(self, name: str) -> Any:
        module, replaced = self.__dict__["_of"]
        return replaced(getattr(module, name))

    def __setattr__(self, name: str, value: Any) -> None:
        raise Unfollowed(f"{self.__dict__['_of'][0].__name__}.{name} is set")


class _Copies:
    """What stands in for each thing: copied once, since functions may call themselves."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.done: dict[int, Any] = {}
        self.kept: list[Any] = []  # so that no identity is used again
        self.namespaces: dict[int, dict[str, Any]] = {}

    def of(self, value: Any) -> Any:
        """What stands in for a value; most do for themselves."""
        if id(value) in self.done:
            return self.done[id(value)]
        copy = self._copied(value)
        if copy is not value:
            self.done[id(value)] = copy
            self.kept.append(value)
        return copy

    def _copied(self, value: Any) -> Any:
        if isinstance(value, ModuleType):
            top = value.__name__.partition(".")[0]
            return StandIn(value, self.of) if top in STOOD_IN else value
        if isinstance(value, FunctionType | BuiltinFunctionType | type(np.sum)) or value is np.vectorize:
            making = MAKING.get(value)
            if making is not None:
                return functools.partial(making, self.recording, value)
            if value in SCIPY:
                return self._scipys(value)
            if getattr(value, "__module__", None) == "math":
                return self._maths(value)
        if isinstance(value, FunctionType):
            return value if _is_foreign(value) else self._function(value)
        if isinstance(value, MethodType) and isinstance(value.__func__, FunctionType):
            return self._method(value.__func__, value.__self__)
        if isinstance(value, functools.partial):
            return functools.partial(self.of(value.func), *value.args, **value.keywords)
        if value is getattr(sys.modules.get("scipy.stats"), "norm", self):
            return NORMAL
        call = None if isinstance(value, type) else _lookup(type(value), "__call__")
        return self._method(call, value) if isinstance(call, FunctionType) else value

    def _method(self, function: FunctionType, owner: Any) -> Any:
        """A method, copied, of an object whose other methods are copied when they are used."""
        if isinstance(owner, type) or _is_foreign(function):
            return MethodType(function, owner)
        return MethodType(self.of(function), _Owner(owner, self.of))

    def _scipys(self, function: Any) -> Any:
        def either(*args: Any, **kwargs: Any) -> Any:
            if holds_recorded(list(args)) or any(map(holds_recorded, kwargs.values())):
                with np.errstate(all="ignore"):
                    return SCIPY[function](self.recording, *args, **kwargs)
            return function(*args, **kwargs)

        return either

    def _maths(self, function: Any) -> Any:
        def either(*args: Any) -> Any:
            if not holds_recorded(list(args)):
                return function(*args)
            name = {"fabs": "absolute", "pow": "power"}.get(function.__name__, function.__name__)
            home = special if name in ("erf", "erfc") else np
            if not hasattr(home, name):
                raise Unfollowed(f"nothing is known of math.{name}")
            return getattr(home, name)(*args)

        return either

    def _function(self, function: FunctionType) -> FunctionType:
        closure = function.__closure__
        cells = None if closure is None else tuple(CellType() for _ in closure)
        names = self._globals(function.__globals__)
        copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, cells)
        copy.__kwdefaults__ = function.__kwdefaults__
        copy.__dict__.update(function.__dict__)
        self.done[id(function)] = copy  # a closure may hold itself
        for cell, original in zip(cells or (), closure or (), strict=True):
            try:
                cell.cell_contents = self.of(original.cell_contents)
            except ValueError:  # not filled yet
                continue
        return copy

    def _globals(self, names: dict[str, Any]) -> dict[str, Any]:
        if id(names) not in self.namespaces:
            self.namespaces[id(names)] = _Names(names, self.of)
            self.kept.append(names)
        return self.namespaces[id(names)]


class _Names(dict[str, Any]):
    """Global names; what each stands for is copied when it is first used."""

    def __init__(self, names: dict[str, Any], replaced: Callable[[Any], Any]) -> None:
        super().__init__()
        self.names, self.replaced = names, replaced
        imported: Any = lambda *args, **kwargs: replaced(builtins.__import__(*args, **kwargs))
        self["__builtins__"] = {**vars(builtins), "float": _Float, "__import__": imported}

    def __missing__(self, name: str) -> Any:
        self[name] = self.replaced(self.names[name])
        return self[name]


def _is_foreign(function: FunctionType) -> bool:
    top = (function.__module__ or "").partition(".")[0]
    return top in FOREIGN or top in sys.stdlib_module_names


def _lookup(kind: type, name: str) -> Any:
    """What a class has by a name, itself or from those that it comes from."""
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)


class _Owner:
    """An object whose methods run from copies; all else is its own."""

    def __init__(self, owner: Any, replaced: Callable[[Any], Any]) -> None:
        self.__dict__["_of"] = owner, replaced

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self.__dict__["_of"][0])

    def __getattr__(self, name: str) -> Any:
        owner, replaced = self.__dict__["_of"]
        value = getattr(owner, name)
        if isinstance(value, MethodType) and value.__self__ is owner and isinstance(value.__func__, FunctionType):
            return MethodType(replaced(value.__func__), self)
        return replaced(value)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["_of"][0], name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__getattr__("__call__")(*args, **kwargs)


class _Normal:
    """The normal distribution of `scipy.stats`, as far as activations need it."""

    cdf = staticmethod(special.ndtr)
    logcdf = staticmethod(special.log_ndtr)

    @staticmethod
    def pdf(x: Any) -> Any:
        """The density."""
        return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)

    @staticmethod
    def logpdf(x: Any) -> Any:
        """Its logarithm."""
        return -x * x / 2 - np.log(2 * np.pi) / 2


NORMAL = _Normal()


class _FloatType(type):
    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, builtins.float)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, builtins.float)

    def __call__(cls, x: Any = 0.0) -> Any:
        return x.recording.array(x.reshape(()).node) if type(x) is Recorded else builtins.float(x)

    def __eq__(cls, other: Any) -> bool:
        return other is builtins.float or other is _Float

    def __hash__(cls) -> int:
        return hash(builtins.float)


class _Float(builtins.float, metaclass=_FloatType):
    """Python's float, which leaves a recorded number as it is."""


# What makes arrays.


def _is_real(dtype: Any) -> bool:
    return dtype is None or dtype is _Float or np.dtype(dtype).kind == "f"


def _made(recording: Recording, function: Any, *args: Any, **kwargs: Any) -> Any:
    """An array of constants that can hold recorded numbers; of integers and booleans a plain one."""
    args = tuple(float if x is _Float else x for x in args)
    kwargs = {name: float if x is _Float else x for name, x in kwargs.items()}
    if holds_recorded(list(args)):
        return function(*args, **kwargs)  # NumPy asks the recorded array
    if function in (np.empty, np.empty_like):
        function = {np.empty: np.zeros, np.empty_like: np.zeros_like}[function]
    array = function(*args, **kwargs)
    return recording.constant(array) if array.dtype.kind == "f" else array


def _full(recording: Recording, function: Any, shape: Any, fill_value: Any, dtype: Any = None, **_: Any) -> Any:
    if not holds_recorded(fill_value):
        return _made(recording, function, shape, fill_value, dtype)
    filled: Any = np.broadcast_to(fill_value, shape)
    return recording.array(filled.node)


def _converted(recording: Recording, function: Any, x: Any, dtype: Any = None, *args: Any, **kwargs: Any) -> Any:
    """An array of what may be recorded."""
    dtype = float if dtype is _Float else dtype
    if not holds_recorded(x):
        return function(x, dtype, *args, **kwargs) if dtype is not None else function(x, *args, **kwargs)
    array = x if type(x) is Recorded else stacked(recording, x)
    if not _is_real(dtype):
        return array.astype(dtype)
    copies = function is np.array and kwargs.get("copy", True) is True
    array = recording.array(array.node) if copies and array is x else array
    missing = kwargs.get("ndmin", 0) - array.ndim
    return array.reshape((1,) * missing + array.shape) if missing > 0 else array


def _vectorized(recording: Recording, function: Any, f: Any, *_: Any, **__: Any) -> Any:
    def each(*xs: Any) -> Any:
        if not holds_recorded(list(xs)):
            return np.vectorize(f)(*xs)
        arrays = np.broadcast_arrays(*(recording.array(recording.node(x)) for x in xs))
        flat = [f(*(x.flat[k] for x in arrays)) for k in range(arrays[0].size)]
        return stacked(recording, flat).reshape(arrays[0].shape)

    return each


MAKING: dict[Any, Callable[..., Any]] = {
    np.zeros: _made,
    np.ones: _made,
    np.empty: _made,
    np.eye: _made,
    np.identity: _made,
    np.zeros_like: _made,
    np.ones_like: _made,
    np.empty_like: _made,
    np.full: _full,
    np.full_like: lambda r, f, x, value, *args, **kwargs: _full(
        r, np.full, np.shape(x) if not holds_recorded(x) else x.shape, value, *args
    ),
    np.array: _converted,
    np.asarray: _converted,
    np.asanyarray: _converted,
    np.ascontiguousarray: _converted,
    np.asfortranarray: _converted,
    np.asarray_chkfinite: _converted,
    np.vectorize: _vectorized,
}
"""What makes arrays, and what does instead: of the recording, the function and its arguments."""
