"""Subjects that are anybody's functions: what they return is taken apart, and held to the problem's shapes."""

from collections.abc import Callable
from copy import deepcopy
from inspect import Parameter, signature
from typing import Any

import numpy as np

from ..arrays import Array
from ..problems.layouts import numbers
from ..problems.problem import GivenAnswer, Parameters, Problem, State
from ..problems.wire import Malformed

Ask = Callable[[Problem], GivenAnswer]
"""A subject, as the oracle sees it: a problem in, an answer out; `Refused` where it cannot."""


class Ended(Exception):
    """No more is to be asked: the subject is given up, or the time is over; says which."""


def asking(function: Callable[..., Any]) -> Ask:
    """A plain function as a subject: what it returns is taken apart, and refused where its shapes do not fit.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not callable(function):
        raise TypeError(f"expected a function of (network, x, y), got {type(function).__name__}")
    together = _takes_a_pair(function)

    def ask(problem: Problem) -> GivenAnswer:
        network, x, y = problem.network, problem.x, problem.y
        returned = function(network, (x, y)) if together else function(network, x, y)
        return given_answer(problem, returned)

    return ask


def _takes_a_pair(function: Callable[..., Any]) -> bool:
    try:
        positional = [
            p
            for p in signature(function).parameters.values()
            if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL)
        ]
    except (TypeError, ValueError):  # a built-in function says nothing of its parameters
        return False
    return len(positional) == 2


def given_answer(problem: Problem, returned: Any) -> GivenAnswer:
    """What somebody returned or saved, as an answer: copied, since buffers may be used again.

    Parameters
    ----------
    problem : Problem
    returned : list of (dW, db), or GivenAnswer
        Of whatever numbers and sequences; the gradients of a list are taken in the problem's dtype.

    Raises
    ------
    TypeError, ValueError
        If a part is something else, or has another shape.
    """
    shapes = [W.shape for W, _, _ in problem.network]
    if not isinstance(returned, GivenAnswer):
        return GivenAnswer(layers_of(returned, shapes, problem.dtype))
    gradients, trace = returned.gradients, returned.trace
    if not isinstance(gradients, list | tuple) or not all(isinstance(layer, Parameters) for layer in gradients):
        gradients = layers_of(gradients, shapes, problem.dtype)
    volunteered = {
        name: _volunteered(getattr(returned, name), name, problem.dtype)
        for name in ("loss", "output", "input_gradient")
    }
    if trace is not None:
        trace = tuple(_state(layer, l, problem.dtype) for l, layer in enumerate(trace, start=1))
    return deepcopy(GivenAnswer(tuple(gradients), trace=trace, **volunteered))


def _volunteered(part: Any, name: str, dtype: Any) -> Array | None:
    """A part as an array; plain numbers and lists of them, which have no dtype of their own, in the problem's."""
    if part is None:
        return None
    array = _array(part, name)
    return array if hasattr(part, "dtype") else array.astype(dtype)


def _state(layer: Any, l: int, dtype: Any) -> State[Array]:
    parts = list(layer) if isinstance(layer, list | tuple) else []
    if len(parts) != len(State._fields):
        raise TypeError(f"trace, layer {l}: expected (z, a, delta), got {type(layer).__name__} of {len(parts)} parts")
    named = zip(parts, State._fields, strict=True)
    arrays = [_volunteered(part, f"trace, layer {l}, {name}", dtype) for part, name in named]
    if any(array is None for array in arrays):
        raise TypeError(f"trace, layer {l}: expected arrays (z, a, delta), got None among them")
    return State(*arrays)  # type: ignore[arg-type]


def layers_of(
    returned: Any, shapes: list[tuple[int, ...]], dtype: Any, names: tuple[str, str] = ("dW", "db")
) -> tuple[Parameters[Array], ...]:
    """What a function returned, a pair of arrays of those names a layer; copied, since it may use its buffers again.

    Raises
    ------
    TypeError, ValueError
        If it is something else, or of other shapes.
    """
    if not isinstance(returned, list | tuple) or len(returned) != len(shapes):
        got = f"{len(returned)} of them" if isinstance(returned, list | tuple) else type(returned).__name__
        wanted = f"a list of ({', '.join(names)}), one for each of the {len(shapes)} layers"
        raise ValueError(f"expected {wanted}, got {got}")
    layers = []
    for l, (layer, shape) in enumerate(zip(returned, shapes, strict=True), start=1):
        if hasattr(layer, "W") and hasattr(layer, "b"):
            layer = layer.W, layer.b
        if not isinstance(layer, list | tuple) or len(layer) != 2:
            got = f"{len(layer)} of them" if isinstance(layer, list | tuple) else type(layer).__name__
            raise ValueError(f"layer {l}: expected ({', '.join(names)}), got {got}")
        W, b = (_array(part, f"{name}, layer {l}") for part, name in zip(layer, names, strict=True))
        for array, field, expected in ((W, names[0], shape), (b, names[1], shape[:1])):
            if array.shape != expected:
                raise ValueError(f"{field}, layer {l}: expected shape {expected}, got {array.shape}")
        with np.errstate(over="ignore"):
            layers.append(Parameters(W.astype(dtype, copy=False), b.astype(dtype, copy=False)))
    return tuple(layers)


def _array(part: Any, where: str) -> Array:
    array = numbers(part)  # copied
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{where}: expected an array of real numbers, got dtype {array.dtype}")
    return array


def check_shapes(problem: Problem, answer: GivenAnswer) -> None:
    """Raise `Malformed` where a part of an answer has another shape or dtype than the problem asks for."""
    B, dtype = len(problem.x), problem.dtype
    for name, parts in (("gradients", answer.gradients), ("trace", answer.trace)):
        if parts is not None and len(parts) != len(problem.network):
            raise Malformed(f"{name}: expected {len(problem.network)} layers, got {len(parts)}")
    K = problem.network[-1].W.shape[0]
    expected: list[tuple[str, Any, tuple[int, ...]]] = [
        (f"{field}, layer {l}", getattr(got, field), shape)
        for l, (got, layer) in enumerate(zip(answer.gradients, problem.network, strict=True), start=1)
        for field, shape in (("W", layer.W.shape), ("b", layer.b.shape))
    ]
    expected += [("loss", answer.loss, ()), ("output", answer.output, (B, K))]
    expected += [("input_gradient", answer.input_gradient, problem.x.shape)]
    for l, (state, layer) in enumerate(zip(answer.trace or (), problem.network, strict=False), start=1):
        expected += [(f"trace, layer {l}, {f}", getattr(state, f), (B, len(layer.b))) for f in ("z", "a", "delta")]
    for where, part, shape in expected:
        if part is not None and (part.shape != shape or part.dtype != dtype):
            raise Malformed(
                f"{where}: expected shape {shape} and dtype {dtype}, got {part.shape} and {part.dtype}"
            )
