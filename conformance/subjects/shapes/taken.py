"""What somebody's code returned, taken apart: gradients in whatever arrangement, held to the declared shapes."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from ...arrays import Array
from ...bounds.formats import FORMATS
from ...bounds.rounded import Rounded
from ...problems.layouts import numbers
from ...problems.problem import GivenAnswer, Parameters, Problem, State
from ...problems.wire import Malformed
from .misfit import Misfit
from .named import by_names, pair, recognised
from .style import KNOWN, OURS, Style


def answer_of(problem: Problem, returned: Any, style: Style = OURS) -> GivenAnswer:
    """What somebody returned or saved, as an answer: copied, since buffers may be used again.

    Parameters
    ----------
    problem : Problem
    returned : gradients as the style has them, a pair of the loss and these, or GivenAnswer
        Of whatever numbers and sequences; they are taken in the problem's dtype.
    style : Style

    Raises
    ------
    Misfit
        If a part is something else, or has another shape, in one line with what mends it.
    """
    if isinstance(returned, GivenAnswer):
        return _given(problem, returned, style)
    loss, gradients = apart_from_loss(returned)
    layers = layers_of(problem, gradients, style)
    return GivenAnswer(layers, loss=_volunteered(loss, "loss", problem.dtype))


def apart_from_loss(returned: Any) -> tuple[Any, Any]:
    """The loss, where a single number stands beside what holds arrays, and the rest."""
    if isinstance(returned, list | tuple) and len(returned) == 2:
        for loss, rest in (returned, returned[::-1]):
            if isinstance(rest, list | tuple | Mapping) and _is_number(loss):
                return loss, rest
    return None, returned


def _is_number(part: Any) -> bool:
    return not isinstance(part, str | list | tuple | Mapping) and part is not None and getattr(part, "ndim", 0) == 0


def _given(problem: Problem, answer: GivenAnswer, style: Style) -> GivenAnswer:
    gradients, trace, dtype = answer.gradients, answer.trace, problem.dtype
    # What has a dtype of its own is held to it, as in a saved answer.
    kept = isinstance(gradients, list | tuple) and all(isinstance(layer, Parameters) for layer in gradients)
    layers = layers_of(problem, gradients, style, None if kept else dtype)
    loss = _volunteered(answer.loss, "loss", dtype)
    output, below = (
        None if part is None else style.ours_samples(_volunteered(part, name, dtype))
        for name, part in (("output", answer.output), ("input_gradient", answer.input_gradient))
    )
    if trace is not None:
        trace = tuple(_state(layer, l, dtype, style) for l, layer in enumerate(trace, start=1))
    return GivenAnswer(layers, loss, output, below, trace)


def _volunteered(part: Any, name: str, dtype: Any) -> Array | None:
    """A part as an array; plain numbers and lists of them, which have no dtype of their own, in the problem's."""
    if part is None:
        return None
    array = _array(part, name)
    return array if hasattr(part, "dtype") else array.astype(dtype)


def _state(layer: Any, l: int, dtype: Any, style: Style) -> State[Array]:
    parts = list(layer) if isinstance(layer, list | tuple) else []
    if len(parts) != len(State._fields):
        raise Misfit(f"trace, layer {l}: expected (z, a, delta), got {type(layer).__name__} of {len(parts)} parts")
    named = zip(parts, State._fields, strict=True)
    arrays = [_volunteered(part, f"trace, layer {l}, {name}", dtype) for part, name in named]
    if any(array is None for array in arrays):
        raise Misfit(f"trace, layer {l}: expected arrays (z, a, delta), got None among them")
    return State(*map(style.ours_samples, arrays))


def layers_of(
    problem: Problem, returned: Any, style: Style = OURS, dtype: Any = ..., names: tuple[str, str] = ("dW", "db")
) -> tuple[Parameters[Any], ...]:
    """The pair of arrays of each layer, in the document's shapes; copied, since a function may use its buffers again.

    Parameters
    ----------
    problem : Problem
    returned : what somebody returned
    style : Style
    dtype : dtype, optional
        What all are taken in, the problem's by default; None leaves them as they are.
    names : (str, str)
        What a pair holds.

    Returns
    -------
    tuple of Parameters
        Where there are no biases, of b nothing is known: it is 0 to within an infinite radius.

    Raises
    ------
    Misfit
        If it is something else, or of other shapes; with the styles under which it would fit.
    """
    dtype = problem.dtype if dtype is ... else dtype
    try:
        return _in_shape(problem, returned, style, dtype, names)
    except Misfit as misfit:
        raise Misfit(misfit.said, style, tuple(_fitting(problem, returned, style, names))) from None


def _in_shape(
    problem: Problem, returned: Any, style: Style, dtype: Any, names: tuple[str, str]
) -> tuple[Parameters[Any], ...]:
    layers = []
    apart = _pairs(returned, len(problem.network), style, names)
    for l, ((W, b), layer) in enumerate(zip(apart, problem.network, strict=True), start=1):
        n = layer.W.shape[0]
        of_W = style.ours_W(_shaped(W, f"{names[0]} of layer {l}", style.shape_W(layer.W.shape), dtype))
        if style.biased:
            layers.append(
                Parameters(of_W, style.ours_b(_shaped(b, f"{names[1]} of layer {l}", style.shape_b(n), dtype)))
            )
        else:
            layers.append(Parameters(of_W, unknown(n, problem.dtype)))
    return tuple(layers)


def unknown(n: int, dtype: Any) -> Rounded:
    """A dL/db that nobody gave."""
    return Rounded(np.zeros(n), np.full(n, np.inf), FORMATS[np.dtype(dtype)])


def _shaped(part: Any, where: str, expected: tuple[int, ...], dtype: Any) -> Array:
    array = _array(part, where)
    if array.shape != expected:
        raise Misfit(f"{where} has shape {array.shape}, expected {expected}")
    with np.errstate(over="ignore"):
        return array if dtype is None else array.astype(dtype, copy=False)


def _array(part: Any, where: str) -> Array:
    try:
        array = numbers(part)  # copied
    except (ValueError, TypeError) as error:
        raise Misfit(f"{where}: expected an array of real numbers, got {type(part).__name__} ({error})") from None
    if array.dtype.kind not in "fiu":
        raise Misfit(f"{where}: expected an array of real numbers, got dtype {array.dtype}")
    return array


# Arrangements.


def _pairs(returned: Any, L: int, style: Style, names: tuple[str, str]) -> list[tuple[Any, Any]]:
    """The (W, b) of each layer as they came, b None where there are no biases; raises `Misfit`."""
    if isinstance(returned, Mapping):
        if isinstance(style.returns, str):
            return recognised(returned, L, style.biased)
        return by_names(returned, style.returns, L, style.biased)
    arrangement = style.returns
    if not isinstance(arrangement, str):
        raise Misfit(f"expected a dict with names such as {arrangement[0]!r}, got {_described(returned)}")
    both = f"{', '.join(names)}" if style.biased else names[0]
    plural = "layer" if L == 1 else "layers"
    if arrangement in ("weights, biases", "biases, weights") and style.biased:
        order = names if arrangement == "weights, biases" else names[::-1]
        parts = _sequence(returned, 2, f"a list of each layer's {order[0]}, then one of each layer's {order[1]}")
        first, second = (_sequence(part, L, f"{name} of {L} {plural}") for part, name in zip(parts, order, strict=True))
        of_W, of_b = (first, second) if arrangement == "weights, biases" else (second, first)
        return list(zip(of_W, of_b, strict=True))
    if arrangement == "in turn" and style.biased:
        parts = _sequence(returned, 2 * L, f"{names[0]} and {names[1]} of {L} {plural} in turn")
        return list(zip(parts[::2], parts[1::2], strict=True))
    layers = _sequence(returned, L, f"a list of ({both}), one for each of the {L} {plural}")
    return [_pair(layer, l, style.biased, both) for l, layer in enumerate(layers, start=1)]


def _sequence(given: Any, length: int, wanted: str) -> Sequence[Any]:
    if not isinstance(given, list | tuple) or len(given) != length:
        raise Misfit(f"expected {wanted}, got {_described(given)}")
    return given


def _described(given: Any) -> str:
    if given is None:
        return "None: return them, also what is changed in place; what an object keeps asked_by(put, ask, read) reads"
    if isinstance(given, list | tuple):
        shapes = ", ".join(str(shape) if (shape := _shape(part)) else type(part).__name__ for part in given[:4])
        return f"{len(given)} of them: {shapes}{', ...' if len(given) > 4 else ''}"
    shape = _shape(given)
    return type(given).__name__ + (f" of shape {shape}" if shape else "")


def _shape(part: Any) -> tuple[int, ...] | None:
    shape = getattr(part, "shape", None)
    return tuple(shape) if shape is not None else None


def _pair(layer: Any, l: int, biased: bool, both: str) -> tuple[Any, Any]:
    if isinstance(layer, Mapping):
        return pair(layer, biased)
    if hasattr(layer, "W") and (hasattr(layer, "b") or not biased):
        return layer.W, layer.b if biased else None
    if not biased:
        lone = isinstance(layer, tuple) and len(layer) in (1, 2) and (len(layer) == 1 or layer[1] is None)
        return (layer[0] if lone else layer), None
    if not isinstance(layer, list | tuple) or len(layer) != 2:
        raise Misfit(f"layer {l}: expected ({both}), got {_described(layer)}")
    return layer[0], layer[1]


# What would fit.

MENDABLE = ("weights", "biases", "returns")
"""What another shape of an answer may come of."""


def _fitting(problem: Problem, returned: Any, style: Style, names: tuple[str, str]) -> Iterator[Style]:
    """The styles under which what was returned fits, those that differ in least first."""
    others = {name: [each for each in KNOWN[name] if each != getattr(style, name)] for name in MENDABLE}
    if isinstance(returned, Mapping):
        others["returns"] = []  # which names are whose is no matter of these
    for count in range(1, len(MENDABLE) + 1):
        for changed in combinations(MENDABLE, count):
            for values in product(*(others[name] for name in changed)):
                fields: dict[str, Any] = dict(zip(changed, values, strict=True))
                other = style._replace(**fields)
                try:
                    _in_shape(problem, returned, other, None, names)
                except Misfit:
                    continue
                yield other


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
            raise Misfit(
                f"{where}: expected shape {shape} and dtype {dtype}, got {part.shape} and {part.dtype}"
            )
