"""Activations, losses and update rules by their names in EQUATIONS.md; their parameters are Python numbers in range."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from difflib import get_close_matches
from math import inf
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np

from ..activations import ACTIVATIONS, Activation
from ..losses import LOSSES, Loss
from ..updates import UPDATES, Rule
from .numbers import LARGEST, DType, described, is_number

__all__ = ["activation", "loss", "update_rule"]

ELSEWHERE = {
    "mse": "mean_squared_error", "mseloss": "mean_squared_error", "meansquarederror": "mean_squared_error",
    "mae": "l1", "l1loss": "l1", "meanabsoluteerror": "l1", "smoothl1loss": "smooth_l1", "huberloss": "huber",
    "categoricalcrossentropy": "cross_entropy", "crossentropyloss": "cross_entropy_with_logits",
    "bce": "binary_cross_entropy", "bceloss": "binary_cross_entropy", "binarycrossentropy": "binary_cross_entropy",
    "bcewithlogitsloss": "binary_cross_entropy_with_logits", "nllloss": "nll", "kld": "kl_divergence",
    "kldiv": "kl_divergence", "kldivloss": "kl_divergence", "poisson": "poisson_nll", "poissonnllloss": "poisson_nll",
    "linear": "identity", "none": "identity", "logistic": "sigmoid", "swish": "silu", "leakyrelu": "leaky_relu",
}  # fmt: skip
"""What PyTorch, Keras and scikit-learn call them, in small letters and digits, and their names here."""

Function = TypeVar("Function")
"""An activation, a loss or an update rule."""


RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    **dict.fromkeys(("beta1", "beta2", "rho", "RMSprop.alpha"), (lambda p: 0 <= p < 1, "from 0 to below 1")),
    **dict.fromkeys(("dampening", "label_smoothing"), (lambda p: 0 <= p <= 1, "from 0 to 1")),
    **dict.fromkeys(("CELU.alpha", "beta", "delta"), (lambda p: p > 0, "above 0")),
    **dict.fromkeys(("eps", "lambd", "weight"), (lambda p: p >= 0, "not below 0")),
    **dict.fromkeys(("lr_decay", "momentum", "momentum_decay", "weight_decay"), (lambda p: p >= 0, "not below 0")),
}
"""The range of a parameter, and how a message calls it, by the parameter's name or with its class before that."""

UNBOUNDED = ("threshold", "min_val", "max_val", "delta")
"""The parameters that may be infinite."""


def activation(name: str, **parameters: float) -> Activation:
    """Make the activation of that name, with its parameters.

    Raises
    ------
    TypeError
        If a parameter is not a number.
    ValueError
        If the name or a parameter is unknown, or a number out of its range.

    Examples
    --------
    >>> activation("leaky_relu", negative_slope=0.2)
    LeakyReLU(negative_slope=0.2)
    """
    return by_name("activation", ACTIVATIONS, name, parameters)


def loss(name: str, **parameters: float) -> Loss:
    """Make the loss of that name; this raises like `activation`.

    Examples
    --------
    >>> loss("huber", delta=2)
    Huber(delta=2)
    """
    return by_name("loss", LOSSES, name, parameters)


def update_rule(name: str, **parameters: float) -> Rule:
    """Make the update rule of that name; this raises like `activation`.

    Examples
    --------
    >>> update_rule("sgd", eta=0.1, momentum=0.9)
    SGD(eta=0.1, momentum=0.9, dampening=0, weight_decay=0, nesterov=False)
    """
    return by_name("update rule", UPDATES, name, parameters)


def by_name(kind: str, table: Mapping[str, type[Function]], name: str, parameters: Mapping[str, Any]) -> Function:
    """Make the activation, loss or update rule of that name in the table, with its parameters."""
    if not isinstance(name, str) or name not in table:
        raise ValueError(f"{kind}: expected one of {', '.join(table)}, got {name!r}{_meant(name, table)}")
    made: Any = table[name]
    known = {field.name: field for field in fields(made)}
    for parameter in parameters:
        if parameter not in known:
            raise ValueError(f"{kind} {name}: expected the parameters ({', '.join(known)}), got {parameter!r}")
    for parameter, field in known.items():
        if field.default is MISSING and parameter not in parameters:
            raise ValueError(f"{kind} {name}: expected a value for {parameter}, got none")
    return with_plain_parameters(f"{kind} {name}", table[name](**parameters), np.dtype(object))


def _meant(name: Any, table: Mapping[str, Any]) -> str:
    """The name in the table that is meant by one of other libraries, or by a misspelt one."""
    if not isinstance(name, str):
        return ""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    known = {key.replace("_", ""): key for key in table}
    known |= {other: key for other, key in ELSEWHERE.items() if key in table}
    near = [plain] if plain in known else get_close_matches(plain, known, 1)
    return f"; is {known[near[0]]} meant?" if near else ""


def with_plain_parameters(name: str, function: Function, dtype: DType) -> Function:
    """Return the function with Python numbers for parameters, since these leave the dtype of every array alone.

    In a network of objects a parameter may be of the network's own kind of number.
    """
    if not is_dataclass(function) or isinstance(function, type):
        return function
    plain: dict[str, Any] = {}
    for field in fields(function):
        where, parameter = f"{name}: {field.name}", getattr(function, field.name)
        key = f"{type(function).__name__}.{field.name}"
        if isinstance(field.default, bool):
            if not isinstance(parameter, bool | np.bool_):
                raise TypeError(f"{where}: expected True or False, got {described(parameter)}")
            plain[field.name] = bool(parameter)
        elif isinstance(field.default, tuple):
            if np.ndim(parameter) != 1:
                raise TypeError(f"{where}: expected a tuple of numbers, got {described(parameter)}")
            plain[field.name] = tuple(_plain(where, key, each, dtype) for each in parameter)
        else:
            plain[field.name] = _plain(where, key, parameter, dtype)
    return replace(function, **plain)


def _plain(where: str, key: str, parameter: Any, dtype: DType) -> Any:
    """Return one parameter as a Python number in the range that stands under its key."""
    own_kind = dtype.hasobject and not isinstance(parameter, np.generic)
    if isinstance(parameter, bool) or not isinstance(parameter, Real):
        if own_kind and np.ndim(parameter) == 0 and is_number(parameter):
            return parameter
        raise TypeError(f"{where}: expected a number, got {described(parameter)}")
    p: Any = parameter.item() if isinstance(parameter, np.generic) else parameter
    name = key.rpartition(".")[2]
    if p != p or (abs(p) > LARGEST and not (name in UNBOUNDED and abs(p) == inf)):
        raise ValueError(f"{where}: expected a finite number, got {p!r:.60}")
    holds, words = RANGES.get(key) or RANGES.get(name) or (lambda p: True, "of any size")
    if not holds(p):
        raise ValueError(f"{where}: expected a number {words}, got {p!r:.60}")
    return p if own_kind else int(p) if isinstance(p, Integral) else float(p)
