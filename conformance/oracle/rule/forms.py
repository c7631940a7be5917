"""The forms in which people have an update rule, each asked in the same way: gradients in, parameters out.

Told apart by how many arguments cannot be left out: three are ``step(parameters, gradients, state)``, two
``step(parameters, gradients)``, one makes an optimiser of parameters, none one that is handed them.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ...arrays import Array
from ...problems.layouts import numbers

Taking: TypeAlias = Callable[[Sequence[Array], Sequence[Array | None]], Any]
"""One step: parameters and gradients, lent, to what was returned; None where the parameters were changed in place."""


class Form(NamedTuple):
    """A form: how it is called, in words, and how a run of it begins, with the parameters that it starts from.

    ``again`` says whether it can begin more than once; ``tensors`` whether it is given PyTorch's.
    """

    called: str
    begin: Callable[[Sequence[Any]], Taking]
    again: bool = True
    tensors: bool = False


EXPECTED = (
    "expected step(parameters, gradients, state) -> parameters, state, or step(parameters, gradients), or "
    "make(parameters) -> an optimiser with step()"
)


def form_of(step: Any) -> Form:
    """The form of somebody's update rule.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not callable(step):
        method = _method(step)
        if method is None:
            raise TypeError(f"step: {EXPECTED}, got {type(step).__name__}")
        return Form("step of an optimiser", lambda _: _of_optimiser(deepcopy(step)))
    count = _needed(step)
    if count == 3:
        return Form("step(parameters, gradients, state)", lambda _: _with_state(step))
    if count == 2:
        return Form("step(parameters, gradients)", lambda _: step, again=False)
    if count > 3:
        raise TypeError(f"step: {EXPECTED}, got a function of {count} arguments")
    return _made_by(step, count)


def _made_by(make: Callable[..., Any], count: int) -> Form:
    """The form of what makes an optimiser: of arrays, or of tensors where PyTorch is in use and arrays are refused."""

    def begin(parameters: Sequence[Any]) -> Taking:
        return _of_optimiser(make(parameters) if count else make())

    def begin_of_tensors(parameters: Sequence[Any]) -> Taking:
        return _of_optimiser(make(parameters), tensors=True)

    probe = [np.ones((2, 1)), np.ones(2)]
    called = f"make({'parameters' if count else ''})"
    torch = sys.modules.get("torch")
    try:
        made = make([p.copy() for p in probe]) if count else make()
    except Exception as refused:
        if torch is None or not count:
            raise _refused(called, refused) from refused
        try:
            made = make([torch.nn.Parameter(torch.from_numpy(p)) for p in probe])
        except Exception as error:
            raise _refused(called, error) from error
        _check(made, called)
        return Form(called, begin_of_tensors, tensors=True)
    _check(made, called)
    return Form(called, begin)


def _check(made: Any, called: str) -> None:
    if _method(made) is None:
        raise TypeError(f"step: {EXPECTED}; {called} returned {type(made).__name__}, which has no step or update")


def _with_state(step: Callable[..., Any]) -> Taking:
    """A function that is handed its state, None at first, and returns it."""
    kept: list[Any] = [None]

    def take(parameters: Sequence[Array], gradients: Sequence[Array | None]) -> Any:
        returned = step(parameters, gradients, kept[0])
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            got = f"{len(returned)} of them" if isinstance(returned, tuple | list) else type(returned).__name__
            raise TypeError(f"step: expected (parameters, state), got {got}")
        parameters, kept[0] = returned
        return parameters

    return take


def _of_optimiser(made: Any, tensors: bool = False) -> Taking:
    """An object whose step or update is given the gradients, or parameters and gradients, or finds them itself."""
    method = _method(made)
    assert method is not None  # it was checked
    match _needed(method):
        case 0 if tensors:
            return lambda parameters, gradients: method()
        case 0:
            raise TypeError(f"step: {EXPECTED}; step() of arrays finds no gradients: let it take them")
        case 1:
            return lambda parameters, gradients: method(gradients)
        case 2:
            return method
        case count:
            raise TypeError(f"step: {EXPECTED}; step of the optimiser takes {count} arguments")


def _method(made: Any) -> Callable[..., Any] | None:
    found = (getattr(made, name, None) for name in ("step", "update"))
    return next((method for method in found if callable(method)), None)


def _needed(function: Callable[..., Any]) -> int:
    """How many arguments by place cannot be left out.

    Raises
    ------
    TypeError
        If the function does not say.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise TypeError(f"step: {EXPECTED}, got {function!r}, which does not say what it takes") from error
    places = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    by_place = [p for p in parameters if p.kind in places]
    return sum(1 for p in by_place if p.default is p.empty or (p.name == "state" and len(by_place) == 3))


def _refused(called: str, error: Exception) -> TypeError:
    line = (str(error).splitlines() or [""])[0]
    return TypeError(f"step: {called} raised {type(error).__name__}: {line}; {EXPECTED}")


# --- A step -----------------------------------------------------------------------------------------------------------


class Taken(NamedTuple):
    """What came of a step: the parameters after it, and by number the arrays whose gradients were altered."""

    after: tuple[Array, ...]
    altered: tuple[int, ...] = ()


class Asked:
    """A run of a form: it has the parameters, which a step may change in place.

    Parameters
    ----------
    form : Form
    parameters : sequence of arrays
    """

    def __init__(self, form: Form, parameters: Sequence[Array]) -> None:
        self.form = form
        self.lent: list[Any] = [self._own(p) for p in parameters]
        self.take = form.begin(self.lent)

    def _own(self, p: Array) -> Any:
        if not self.form.tensors:
            return p.copy()
        torch = sys.modules["torch"]
        return torch.nn.Parameter(torch.from_numpy(p.copy()))

    def step(self, gradients: Sequence[Array | None]) -> Taken:
        """Take a step.

        Raises
        ------
        TypeError, ValueError
            If what is returned are no arrays of the shapes of the parameters.
        """
        given = [None if g is None else g.copy() for g in gradients]
        if self.form.tensors:
            torch = sys.modules["torch"]
            for p, g in zip(self.lent, given, strict=True):
                p.grad = None if g is None else torch.from_numpy(g.copy())
        returned = self.take(self.lent, given)
        altered: tuple[int, ...] = ()
        if not self.form.tensors:  # of a tensor people set it to zero, or to None, wherever they like
            pairs = enumerate(zip(given, gradients, strict=True), start=1)
            altered = tuple(k for k, (p, q) in pairs if p is not None and q is not None and not np.array_equal(p, q))
        if returned is not None and not self.form.tensors:
            for p, q in zip(self.lent, _arrays(returned, self.lent), strict=True):
                p[...] = q
        return Taken(tuple(numbers(p) for p in self.lent), altered)


def _arrays(returned: Any, parameters: Sequence[Array]) -> list[Array]:
    """What was returned, an array of the shape of each parameter; copied, since buffers may be used again."""
    if isinstance(returned, np.ndarray) or not isinstance(returned, tuple | list) or len(returned) != len(parameters):
        got = f"{len(returned)} of them" if isinstance(returned, tuple | list) else type(returned).__name__
        raise TypeError(f"step: expected {len(parameters)} arrays of parameters, got {got}")
    arrays = []
    for k, (q, p) in enumerate(zip(returned, parameters, strict=True), start=1):
        array = numbers(q)
        if array.shape != p.shape or array.dtype.kind not in "fiu":
            raise TypeError(f"step: expected shape {p.shape} for array {k}, got {array.shape} of dtype {array.dtype}")
        arrays.append(array)
    return arrays
