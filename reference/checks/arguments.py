"""What the public doors refuse, before any arithmetic, with a message that says where and what.

Each check returns its argument as the equations want it: layers in a tuple, arrays of one dtype.
"""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from math import inf
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np

from ..backpropagation import Layer, Network
from ..functions import Array
from ..losses import INDEXED, REQUIRED_HEAD, TARGETS, Loss

REDUCTIONS = ("sum", "mean")


def check_network(network: Sequence[Layer]) -> tuple[Network, np.dtype[Any]]:
    """The network as a tuple of layers in one dtype, and that dtype.

    Raises
    ------
    TypeError
        If something is not a layer or not numbers, or if the dtypes differ.
    ValueError
        If there is no layer, a shape does not fit, or a number is not finite.
    """
    if not isinstance(network, tuple | list) or isinstance(network, Layer):
        raise TypeError(f"network: expected a tuple of Layer(W, b, sigma), got {_kind(network)}")
    if not network:
        raise ValueError("network: expected at least one layer, got none")
    weights, biases, sigmas, units = [], [], [], None
    for l, layer in enumerate(network, start=1):
        if not isinstance(layer, tuple) or len(layer) != len(Layer._fields):
            raise TypeError(f"layer {l}: expected Layer(W, b, sigma), got {_kind(layer)}")
        W, b = _numbers(f"layer {l}: W", layer[0]), _numbers(f"layer {l}: b", layer[1])
        check_activation(f"layer {l}", layer[2])
        if W.array.ndim != 2 or 0 in W.array.shape:
            raise ValueError(f"{W.where}: expected shape (units, inputs), got {W.array.shape}")
        rows, columns = W.array.shape
        if units not in (None, columns):
            raise ValueError(
                f"{W.where}: expected shape ({rows}, {units}), as layer {l - 1} has {units} units, got {W.array.shape}"
            )
        if b.array.shape != (rows,):
            raise ValueError(f"{b.where}: expected shape ({rows},), as W has {rows} rows, got {b.array.shape}")
        weights.append(W)
        biases.append(b)
        sigmas.append(layer[2])
        units = rows
    dtype = _common_dtype([*weights, *biases])
    return tuple(
        Layer(_of_dtype(W, dtype), _of_dtype(b, dtype), _with_plain_parameters(f"layer {l}: sigma", sigma, dtype))
        for l, (W, b, sigma) in enumerate(zip(weights, biases, sigmas, strict=True), start=1)
    ), dtype


def check_loss(network: Network, dtype: np.dtype[Any], loss: Loss, reduction: str) -> Loss:
    """The loss, which is one and is defined for the network's last activation.

    Raises
    ------
    TypeError
        If ``loss`` is not a loss, or a parameter of it not a number.
    ValueError
        If the reduction is unknown or the loss wants another last activation.
    """
    _check_functions("loss", loss, ("value", "gradient"), "a loss such as HalfSquaredError()")
    loss = _with_plain_parameters("loss", loss, dtype)
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise ValueError(f"reduction: expected one of {', '.join(map(repr, REDUCTIONS))}, got {reduction!r}")
    weight, classes = getattr(loss, "weight", ()), network[-1].W.shape[0]
    if len(weight) not in (0, classes):
        raise ValueError(f"loss: expected no weight or {classes}, one for each class, got {len(weight)}")
    sigma, required = network[-1].sigma, REQUIRED_HEAD.get(type(loss))
    if required and type(sigma) is not required:
        raise ValueError(
            f"layer {len(network)}: expected the activation {required.__name__}() before {type(loss).__name__}, "
            f"got {sigma!r}"
        )
    return loss


def check_samples(network: Network, dtype: np.dtype[Any], x: Array) -> Array:
    """Samples (B, n_0) as an array of the network's dtype; raises like `check_batch`."""
    samples, inputs = _numbers("x", x), network[0].W.shape[1]
    shape = samples.array.shape
    if len(shape) != 2 or shape[1] != inputs:
        raise ValueError(f"x: expected shape (samples, {inputs}), as layer 1 has {inputs} inputs, got {shape}")
    if not shape[0]:
        raise ValueError(f"x: expected at least one sample, got an empty batch of shape {shape}")
    return _of_dtype(samples, dtype)


def check_rule(rule: Any, dtype: np.dtype[Any]) -> Any:
    """The update rule, its parameters finite Python numbers and its rate not negative.

    Raises
    ------
    TypeError
        If it is none, or a parameter not a number.
    ValueError
        If a parameter is not finite or eta negative.
    """
    _check_functions("rule", rule, ("start", "step"), "an update rule such as SGD(0.1)")
    rule = _with_plain_parameters("rule", rule, dtype)
    check_number("rule: eta", rule.eta, 0)
    if getattr(rule, "nesterov", False) and (not rule.momentum or rule.dampening):
        raise ValueError(f"rule: expected a momentum and no dampening with nesterov, got {rule!r}")
    return rule


def check_number(name: str, value: Any, least: int, whole: bool = False) -> float:
    """A finite Python number, at least ``least``.

    Raises
    ------
    TypeError
        If it is no number, or not a whole one where it must be.
    ValueError
        If it is not finite or too small.
    """
    expected = f"{name}: expected {'a whole' if whole else 'a finite'} number, at least {least}"
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        raise TypeError(f"{expected}, got {value!r:.60}")
    number: Any = value.item() if isinstance(value, np.generic) else value
    if not least <= number <= LARGEST:
        raise ValueError(f"{expected}, got {value!r:.60}")
    return int(number) if whole else float(number)


def check_generator(rng: Any) -> None:
    """A generator to draw from.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng: expected a numpy.random.Generator, as default_rng(0) makes, got {type(rng).__name__}")


def check_activation(where: str, sigma: Any) -> None:
    """An activation, by its functions.

    Raises
    ------
    TypeError
        If it is none.
    """
    _check_functions(f"{where}: sigma", sigma, ("apply", "pullback"), "an activation such as Sigmoid()")


def check_batch(network: Network, dtype: np.dtype[Any], x: Array, y: Array, loss: Loss) -> tuple[Array, Array]:
    """Samples (B, n_0) and targets (B, n_L) as arrays of the network's dtype.

    Raises
    ------
    TypeError
        If they are not numbers, or of another inexact dtype.
    ValueError
        If a shape does not fit, the batch is empty, a number is not finite or outside the loss's domain.
    """
    x = check_samples(network, dtype, x)
    targets, outputs = _numbers("y", y), network[-1].W.shape[0]
    if isinstance(loss, INDEXED) and targets.array.ndim == 1 and targets.array.dtype.kind in "iu":
        targets = _one_hot(targets, outputs)
    if targets.array.shape != (len(x), outputs):
        raise ValueError(
            f"y: expected shape ({len(x)}, {outputs}), a row for each sample of x and a column for each unit of "
            f"layer {len(network)}, got {targets.array.shape}"
        )
    y = _of_dtype(targets, dtype)
    low, high = TARGETS.get(type(loss), (-inf, inf))
    if dtype.kind == "f" and ((y < low) | (y > high)).any():
        at = _first((y < low) | (y > high))
        raise ValueError(f"y: expected targets from {low} to {high} for {type(loss).__name__}, got {y[at]} at {at}")
    return x, y


def by_name(kind: str, table: dict[str, type[Any]], name: str, parameters: dict[str, Any]) -> Any:
    """The activation, loss or update rule of that name in the table, with its parameters.

    Raises
    ------
    TypeError
        If a parameter is not a number.
    ValueError
        If the name or a parameter is unknown.
    """
    if not isinstance(name, str) or name not in table:
        raise ValueError(f"{kind}: expected one of {', '.join(table)}, got {name!r}")
    known = table[name].__dataclass_fields__
    for parameter in parameters:
        if parameter not in known:
            raise ValueError(f"{kind} {name}: expected the parameters ({', '.join(known)}), got {parameter!r}")
    for parameter, field in known.items():
        if field.default is MISSING and parameter not in parameters:
            raise ValueError(f"{kind} {name}: expected a value for {parameter}, got none")
    return _with_plain_parameters(f"{kind} {name}", table[name](**parameters), np.dtype(object))


UNBOUNDED = ("threshold", "min_val", "max_val", "delta")
"""Parameters that may be infinite."""


def _with_plain_parameters(where: str, value: Any, dtype: np.dtype[Any]) -> Any:
    """An activation, loss or rule whose parameters are Python numbers, which take the dtype of any array.

    An object network may have parameters of its own kind of number.
    """
    if not is_dataclass(value) or isinstance(value, type):
        return value
    plain: dict[str, Any] = {}
    for field in fields(value):
        name, parameter = f"{where}: {field.name}", getattr(value, field.name)
        if isinstance(field.default, bool):
            if not isinstance(parameter, bool | np.bool_):
                raise TypeError(f"{name}: expected True or False, got {_kind(parameter)}")
            plain[field.name] = bool(parameter)
        elif isinstance(field.default, tuple):
            if np.ndim(parameter) != 1:
                raise TypeError(f"{name}: expected a tuple of numbers, got {_kind(parameter)}")
            plain[field.name] = tuple(_plain(name, field.name, each, dtype) for each in parameter)
        else:
            plain[field.name] = _plain(name, f"{type(value).__name__}.{field.name}", parameter, dtype)
    return replace(value, **plain)


def _plain(where: str, name: str, parameter: Any, dtype: np.dtype[Any]) -> Any:
    own_kind = dtype.hasobject and not isinstance(parameter, np.generic)
    if isinstance(parameter, bool) or not isinstance(parameter, Real):
        if own_kind and np.ndim(parameter) == 0 and _is_number(parameter):
            return parameter
        raise TypeError(f"{where}: expected a number, got {_kind(parameter)}")
    p: Any = parameter.item() if isinstance(parameter, np.generic) else parameter
    short = name.rpartition(".")[2]
    if p != p or (abs(p) > LARGEST and not (short in UNBOUNDED and abs(p) == inf)):
        raise ValueError(f"{where}: expected a finite number, got {p!r:.60}")
    within, said = RANGES.get(name) or RANGES.get(short) or (lambda p: True, "")
    if not within(p):
        raise ValueError(f"{where}: expected a number {said}, got {p!r:.60}")
    return p if own_kind else int(p) if isinstance(p, Integral) else float(p)


_SHARE = (lambda p: 0 <= p < 1, "from 0 to below 1")
_NOT_NEGATIVE = (lambda p: p >= 0, "not below 0")
_POSITIVE = (lambda p: p > 0, "above 0")

RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "beta1": _SHARE,
    "beta2": _SHARE,
    "rho": _SHARE,
    "RMSprop.alpha": _SHARE,
    "CELU.alpha": _POSITIVE,
    "beta": _POSITIVE,
    "delta": _POSITIVE,
    "dampening": (lambda p: 0 <= p <= 1, "from 0 to 1"),
    "label_smoothing": (lambda p: 0 <= p <= 1, "from 0 to 1"),
    "eps": _NOT_NEGATIVE,
    "lambd": _NOT_NEGATIVE,
    "lr_decay": _NOT_NEGATIVE,
    "momentum": _NOT_NEGATIVE,
    "momentum_decay": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    "weight": _NOT_NEGATIVE,
}
"""What a parameter may be, by its name or that of its class and its own; those not named may be any number."""

LARGEST = float(np.finfo(np.float64).max)
"""What a Python number must not be above, to be one of the floats that the equations compute in."""


class _Numbers(NamedTuple):
    """An argument as an array; ``typed`` unless it was a list of Python numbers, which have no dtype."""

    where: str
    array: Array
    typed: bool


def _numbers(where: str, value: Any) -> _Numbers:
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{where}: expected an array of numbers, got a masked array, whose mask would be lost")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{where}: expected an array of numbers, got {_kind(value)}: {error}") from error
    if array.dtype.kind not in "biufcO" or not all(map(_is_number, array.flat if array.dtype.hasobject else ())):
        raise TypeError(f"{where}: expected an array of numbers, got {_kind(value)} of dtype {array.dtype}")
    if array.dtype.hasobject and all(isinstance(element, int | float) for element in array.flat):
        array = array.astype(np.float64)  # whole numbers too large for NumPy's
    return _Numbers(where, array, array.dtype.kind in "cO" or (array.dtype.kind == "f" and hasattr(value, "dtype")))


def _common_dtype(parameters: list[_Numbers]) -> np.dtype[Any]:
    """The dtype of the typed parameters, which must agree; float64 where there is none."""
    typed = [p for p in parameters if p.typed]
    for p in typed:
        if p.array.dtype != typed[0].array.dtype:
            expected = typed[0].array.dtype
            raise TypeError(f"{p.where}: expected dtype {expected}, as {typed[0].where} has, got {p.array.dtype}")
    return np.dtype(typed[0].array.dtype) if typed else np.dtype(np.float64)


def _of_dtype(numbers: _Numbers, dtype: np.dtype[Any]) -> Array:
    where, array, typed = numbers
    if typed and array.dtype != dtype:
        raise TypeError(f"{where}: expected dtype {dtype}, as the network has, got {array.dtype}")
    with np.errstate(over="ignore"):  # what overflows is reported below
        array = array.astype(dtype, copy=False)
    if not dtype.hasobject and not np.isfinite(array).all():
        at = _first(~np.isfinite(array))
        raise ValueError(f"{where}: expected finite numbers of dtype {dtype}, got {array[at]} at {at}")
    return array


def _one_hot(indices: _Numbers, classes: int) -> _Numbers:
    """Class indices (B,) as rows (B, classes) with a single 1."""
    where, array, _ = indices
    outside = (array < 0) | (array >= classes)
    if outside.any():
        at = _first(outside)
        raise ValueError(f"{where}: expected class indices from 0 to {classes - 1}, got {array[at]} at {at}")
    return _Numbers(where, np.eye(classes, dtype=np.int8)[array], typed=False)


def _check_functions(where: str, value: Any, functions: tuple[str, ...], expected: str) -> None:
    if isinstance(value, type):
        raise TypeError(f"{where}: expected {expected}, got a class: write {value.__name__}()")
    if not all(callable(getattr(value, name, None)) for name in functions):
        raise TypeError(f"{where}: expected {expected}, got {_kind(value)}")


def _is_number(value: Any) -> bool:
    return hasattr(value, "__mul__") and not isinstance(value, str | bytes | bool | list | tuple)


def _first(wrong: Array) -> tuple[int, ...]:
    """The index of the first True."""
    return tuple(map(int, np.argwhere(wrong)[0]))


def _kind(value: Any) -> str:
    return f"the {type(value).__name__} {value!r:.60}" if isinstance(value, str | int | float) else type(value).__name__
