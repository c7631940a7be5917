"""Equal to the text: mutants that no test can see, shown to be so by symbols or by `Fraction`."""

import contextlib
import dataclasses
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from operator import attrgetter
from types import ModuleType
from typing import Any

import numpy as np
import sympy

from ..arrays import Array
from ..numbers.fractions import fractions
from ..text.edits import loaded
from .mutants import Mutant


def proof(mutant: Mutant) -> str:
    """How a mutant is shown to be equal to the text: by "symbols", by "Fraction", or not at all: "".

    The original and the altered function of an activation, a loss or a rule are run on the same arguments, with the
    default parameters and with others.  Symbols stand for all values of a cell between two kinks, and each kink stands
    for itself.  Where the text cannot decide that way, fractions do, on both sides of every kink and many more than a
    piecewise rational text has coefficients.
    """
    for kind, cases in (("symbols", _symbolic), ("Fraction", _rational)):
        with contextlib.suppress(Exception):  # a text that cannot be run on these numbers is not proved by them
            original, altered = _decidable({}), _decidable({mutant.module: mutant.text})
            for parameters, arguments in cases(original, mutant):
                if not _same(*(_function(of, mutant, parameters)(*arguments) for of in (original, altered))):
                    break
            else:
                return kind
    return ""


Case = tuple[dict[str, Any], tuple[Any, ...]]
"""Parameters of an activation, a loss or a rule, and the arguments of its function."""


# --- The two texts ----------------------------------------------------------------------------------------------------


def _decidable(texts: Mapping[str, str]) -> ModuleType:
    """A copy of the reference with other texts for some modules, whose ``where`` takes symbols."""
    package = loaded(texts)
    for module in _within(package):
        if hasattr(module, "where"):
            module.where = _where  # type: ignore[attr-defined]
    return package


def _within(package: ModuleType) -> Iterator[ModuleType]:
    """The modules of a package, and of the packages in it."""
    for part in vars(package).values():
        if isinstance(part, ModuleType) and part.__name__.startswith(f"{package.__name__}."):
            yield part
            yield from _within(part)


def _function(package: ModuleType, mutant: Mutant, parameters: Mapping[str, Any]) -> Callable[..., Any]:
    """The function of the mutant's line."""
    owner = _kind(package, mutant)
    found: Callable[..., Any] = getattr(
        owner(**parameters) if owner else attrgetter(mutant.module)(package), mutant.function.name
    )
    return found


def _kind(package: ModuleType, mutant: Mutant) -> Any:
    """The class that holds the mutant's line, if one does."""
    return attrgetter(f"{mutant.module}.{mutant.owner}")(package) if mutant.owner else None


def _parameters(kind: Any) -> tuple[dict[str, Any], ...]:
    """Its own, as exact numbers, with 1 where there is none; and others."""
    fields = getattr(kind, "__dataclass_fields__", {})
    own = {name: 1 if field.default is dataclasses.MISSING else field.default for name, field in fields.items()}
    exact = {name: value if isinstance(value, bool | tuple) else Fraction(str(value)) for name, value in own.items()}
    other = {name: not v if isinstance(v, bool) else v if isinstance(v, tuple) else v / 2 for name, v in exact.items()}
    return exact, other


# --- Symbols whose order is decided -----------------------------------------------------------------------------------


class _Decided(np.ndarray[Any, Any]):
    """An array of symbolic expressions whose order is decided, throughout the cell of their symbol."""

    def __gt__(self, other: Any) -> Any:
        return np.frompyfunc(_greater, 2, 1)(self, other).astype(bool)

    def __lt__(self, other: Any) -> Any:
        return np.frompyfunc(_greater, 2, 1)(other, self).astype(bool)

    def __ge__(self, other: Any) -> Any:
        return ~(self < other)

    def __le__(self, other: Any) -> Any:
        return ~(self > other)


def _where(condition: Any, x: Any, y: Any) -> Any:
    """NumPy's, but symbolic where its arguments are."""
    chosen = np.where(condition, x, y)
    if not any(isinstance(part, _Decided) for part in (x, y)):
        return chosen
    return np.frompyfunc(sympy.sympify, 1, 1)(chosen).view(_Decided)


class _Cell(sympy.Symbol):  # type: ignore[misc]
    """A symbol for all numbers between two others."""

    low: Any
    high: Any


_Cell.__module__ = sympy.__name__  # where `reference.functions` looks for its functions


def _cell(number: int, low: Any = -sympy.oo, high: Any = sympy.oo) -> _Cell:
    """A symbol of its own for each number."""
    sign = {"positive": True} if low >= 0 else {"negative": True} if high <= 0 else {"real": True}
    made = _Cell(f"x{number}", **sign)  # a letter and digits, which sympy's polynomials put first: minutes less
    made.low, made.high = low, high
    return made


def _greater(p: Any, q: Any) -> bool:
    """Whether p > q; of a symbol, throughout its cell."""
    difference = sympy.sympify(p) - sympy.sympify(q)
    if difference.is_number:
        return bool(difference > 0)
    (symbol,) = difference.free_symbols  # the order of more than one is not known
    low, high = symbol.low, symbol.high
    roots = sympy.solveset(difference, symbol, sympy.Interval.open(low, high))
    if roots != sympy.S.EmptySet:
        raise ValueError(f"{difference} has no sign between {low} and {high}")
    within = (low + high) / 2 if abs(low) + abs(high) < sympy.oo else low + 1 if low > -sympy.oo else high - 1
    return bool(difference.subs(symbol, within) > 0)


# --- The cases --------------------------------------------------------------------------------------------------------


def _symbolic(original: ModuleType, mutant: Mutant) -> Iterator[Case]:
    """Each case of the branches."""
    kind = _kind(original, mutant)
    numbers = itertools.count()
    for parameters in _parameters(kind):
        sizes = {Fraction(n) * factor for n in (0, 1, 3, 6, *_numbers(parameters)) for factor in (1, 2)}
        kinks = [sympy.Rational(kink) for kink in sorted(sizes | {-size for size in sizes})]
        cells = itertools.pairwise([-sympy.oo, *kinks, sympy.oo])
        values = [*kinks, *(_cell(next(numbers), low, high) for low, high in cells)]
        values += values[: -len(values) % 4]
        signature = list(inspect.signature(_function(original, mutant, parameters)).parameters)
        for k in range(0, len(values), 4):
            z = np.array(values[k : k + 4], dtype=object).reshape(2, 2).view(_Decided)
            g = np.array([_cell(next(numbers)) for _ in range(4)], dtype=object).reshape(2, 2).view(_Decided)
            for given in _given(signature, z, g, kind and kind(**parameters)):
                yield parameters, given


def _numbers(parameters: Mapping[str, Any]) -> list[Any]:
    return [value for value in parameters.values() if not isinstance(value, bool | tuple)]


def _rational(original: ModuleType, mutant: Mutant) -> Iterator[Case]:
    """Fractions from -8 to 8, each with each."""
    kind = _kind(original, mutant)
    grid = np.concatenate([fractions(np.arange(-32, 33)) / 4, fractions(np.arange(-50, 51, 3)) / 7])
    z, g = np.meshgrid(grid, grid, indexing="ij")
    for parameters in _parameters(kind):
        names = list(inspect.signature(_function(original, mutant, parameters)).parameters)
        for given in _given(names, z, g, kind and kind(**parameters)):
            yield parameters, given


def _given(names: Sequence[str], z: Array, g: Array, owner: Any) -> Iterator[tuple[Any, ...]]:
    """Arguments by their names: ``z`` has the cases, ``g`` is anything."""
    match names:
        case ["z"]:
            yield (z,)
        case ["z", "a", "g"]:
            yield z, owner.apply(z), g
        case ["a" | "p", "y"]:
            yield g, g + z
            yield z, 0 * z
            yield z, 0 * z + 1
        case ["p", "g", "slots", "t", "eta"]:
            for t in (1, 2, 7):
                yield z, g, tuple(g * g + (k + 1) * z * z for k, _ in enumerate(owner.start(z))), t, abs(z.flat[-1]) + 1
        case _:
            raise TypeError(f"no cases for {names}")


def _same(p: Any, q: Any) -> bool:
    """Whether all numbers in two results are equal on paper."""
    if isinstance(p, tuple):
        return len(p) == len(q) and all(_same(*pair) for pair in zip(p, q, strict=True))
    if np.shape(p) != np.shape(q):
        return False
    pairs = zip(np.ravel(p), np.ravel(q), strict=True)
    return all(x == y or sympy.simplify(x - y) == 0 for x, y in pairs)
