"""Other equations: the reference's own text, altered or of another name, on the numbers that were asked.

A derivative of another activation, a loss without its weight, another parameter, a line with a term left out: each is
run, and named where it gives exactly the numbers got.
"""

import ast
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

import reference
from reference import ACTIVATIONS, LOSSES, Activation, LogSoftmax, Loss, Softmax
from reference.gradients import Reduction
from reference.losses import TARGETS

from .....arrays import Array
from .....attack.mutants import SHIFT, SHIFTED, Mutant, mutants_of
from .....text.labels import label, modules
from ...asking.calls import Mistaken

VALUES = (0.0, 0.001, 0.01, 0.02, 0.05, 0.1, 0.125, 0.2, 0.25, 0.3, 1 / 3, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0,
          5.0, 6.0, 10.0, 20.0, np.inf)  # fmt: skip
"""What people give as slopes, thresholds and scales, and leave out: 0, 1 and infinity."""

SIGNED = ("negative_slope", "min_val", "max_val")
"""Parameters that may have either sign."""

WHOLE = {"transpose", "double", "sign"}
"""Alterations of a whole line that are a factor or a transpose of the result, and said as that."""


# --- Activations ------------------------------------------------------------------------------------------------------


def of_activation(sigma: Activation, z: Array, g: Array) -> Iterator[Mistaken]:
    """What people give for the pullback of an activation; z and g of any one shape, the numbers perhaps a column."""
    z, g = (x.astype(np.float64) for x in (z, g))
    if z.ndim != 2:
        z, g = z.reshape(-1, 1), g.reshape(-1, 1)
    with np.errstate(all="ignore"):
        yield from _of_activation(sigma, z, g)


def _of_activation(sigma: Activation, z: Array, g: Array) -> Iterator[Mistaken]:
    a = sigma.apply(z)
    slope = sigma.pullback(z, a, np.ones_like(g))
    yield "the derivative taken at a instead of z", lambda: sigma.pullback(a, sigma.apply(a), g)
    yield "the pullback given z for a", lambda: sigma.pullback(z, z, g)
    yield "the derivative without the cotangent", lambda: slope
    yield "g times the value instead of the derivative", lambda: g * a
    yield "the value itself", lambda: a
    yield "the cotangent plus the derivative instead of their product", lambda: g + slope
    yield "g - (1 - derivative), a parenthesis missing", lambda: g - (1 - slope)
    yield "the derivative applied twice", lambda: sigma.pullback(z, a, sigma.pullback(z, a, g))
    if isinstance(sigma, Softmax):
        yield "the diagonal of the Jacobian alone", lambda: g * a * (1 - a)
    if isinstance(sigma, Softmax | LogSoftmax):
        yield f"{_named(sigma)} over the other axis", lambda: _pulled(lambda: sigma, z.T, g.T).T
    for kind in ACTIVATIONS.values():
        if kind is not type(sigma):
            yield f"{_named(kind)}, the pullback of {kind.__name__}", partial(_pulled, kind, z, g)
    for parameter, other in _other_parameters(sigma):
        yield f"{_named(sigma)} with {parameter}", partial(_pulled, other, z, g)
    for name, pullback in altered(label(type(sigma).pullback)):
        yield name, partial(pullback, sigma, z, a, g)


def _pulled(kind: Callable[[], Activation], z: Array, g: Array) -> Array:
    sigma = kind()
    pulled: Array = sigma.pullback(z, sigma.apply(z), g)
    return pulled


def _named(equation: Any) -> str:
    """The label of an equation's derivative, in parentheses; of an instance or a class."""
    kind: Any = equation if isinstance(equation, type) else type(equation)
    return f"({label(kind.pullback if hasattr(kind, 'pullback') else kind.gradient)})"


def numbers_of(equation: Any) -> tuple[float, ...]:
    """The parameters of an equation that are numbers: where it may change."""
    numbers = (p for p in vars(equation).values() if isinstance(p, int | float) and not isinstance(p, bool))
    return tuple(map(float, numbers))


def _other_parameters(equation: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What was changed of an equation's parameters, and what gives the equation so."""
    own = numbers_of(equation)
    for name, value in vars(equation).items():
        if isinstance(value, bool):
            continue
        if isinstance(value, tuple):
            if value:
                yield f"no {name}", partial(replace, equation, **{name: ()})
            continue
        others = [*VALUES, 2 * value, value / 2, value**2, 1 - value]
        if name in SIGNED:
            others += [-value, *(-v for v in VALUES if v not in (0, np.inf))]
        if value:
            others.append(1 / value)
        for other in dict.fromkeys([*others, *own]):
            if other != value and (name != "label_smoothing" or 0 <= other <= 1):
                yield f"{name} = {other:.4g}", partial(replace, equation, **{name: other})


# --- The text, altered ------------------------------------------------------------------------------------------------


@cache
def altered(of: str) -> tuple[tuple[str, Callable[..., Any]], ...]:
    """The functions that hold the line of a label, each with one alteration of it, and what is altered in words."""
    found = []
    for mutant in mutants_of(of):
        whole = mutant.operator in WHOLE and mutant.new.strip("()-2* T.").startswith(_returned(mutant))
        if not whole:
            found.append((f"({of}) {_in_words(mutant)}", _compiled(mutant)))
    return tuple(found)


def _returned(mutant: Mutant) -> str:
    """What the line of a mutant returns."""
    line = modules()[mutant.module].splitlines()[mutant.line - 1]
    return line.partition("  #")[0].strip().removeprefix("return ").strip("()-2* T.")


def _in_words(mutant: Mutant) -> str:
    new = mutant.new[1:-1] if mutant.new.startswith("(") and _is_one(mutant.new[1:-1]) else mutant.new
    if new.startswith(SHIFT):
        return f"with the rows of `{mutant.old}` shifted by one"
    return f"with `{new}` for `{mutant.old}`"


def _is_one(text: str) -> bool:
    """Whether it is an expression, as it stands."""
    try:
        ast.parse(text, mode="eval")
    except SyntaxError:
        return False
    return True


def _compiled(mutant: Mutant) -> Callable[..., Any]:
    """The function that holds a mutant's line, altered, in the module's own names."""
    function = mutant.function
    lines = mutant.text.splitlines()[function.lineno - 1 : function.end_lineno]
    names = dict(vars(__import__(f"{reference.__name__}.{mutant.module}", fromlist=["*"])))
    exec(SHIFTED, names)
    exec("from __future__ import annotations\n" + textwrap.dedent("\n".join(lines)), names)
    compiled: Callable[..., Any] = names[function.name]
    return compiled


# --- Losses -----------------------------------------------------------------------------------------------------------


def of_loss(loss: Loss, a: Array, y: Array, reduction: Reduction | None) -> Iterator[Mistaken]:
    """What people give for the gradient of a loss by the outputs a (B, K), of targets y."""
    a, y = a.astype(np.float64), y.astype(np.float64)
    with np.errstate(all="ignore"):
        right, share = loss.gradient(a, y), _share(len(a), reduction)
        for name, factor in _reductions(len(a), a.shape[1], reduction):
            yield name, factor * right
        weight = np.asarray(getattr(loss, "weight", ()) or (1.0,) * a.shape[1])
        if reduction == "mean" and (weight != 1).any():
            name = "the sum divided by the weights of the targets, not by the number of samples"
            yield name, right / (y @ weight).sum()
        for name, attempt in _of_loss(loss, a, y):
            yield name, partial(_times, share, attempt)


def of_loss_reduced_otherwise(loss: Loss, a: Array, y: Array, reduction: Reduction | None) -> Iterator[Mistaken]:
    """The same, and the samples added up otherwise: two mistakes at once."""
    a, y = a.astype(np.float64), y.astype(np.float64)
    with np.errstate(all="ignore"):
        for name, attempt in _of_loss(loss, a, y):
            for reduced, factor in _reductions(len(a), a.shape[1], reduction):
                yield f"{name}, and {reduced}", partial(_times, factor, attempt)


def _times(factor: float, attempt: Any) -> Array:
    return np.asarray(factor * np.asarray(attempt()))


def _share(B: int, reduction: Reduction | None) -> float:
    return 1 / B if reduction == "mean" else 1.0


def _reductions(B: int, K: int, reduction: Reduction | None) -> Iterable[tuple[str, float]]:
    """By what the sum over the samples is divided otherwise than it should be."""
    known = {
        "the sum over the samples, not their mean": 1.0,
        f"the mean over the {B} samples, where the sum is asked": 1 / B,
        f"the mean over the {K} outputs of each sample": _share(B, reduction) / K,
        f"the mean over all {B * K} numbers": 1 / (B * K),
    }
    return [(name, factor) for name, factor in known.items() if factor != _share(B, reduction)]


def _of_loss(loss: Loss, a: Array, y: Array) -> Iterator[Mistaken]:
    kind, own, right = type(loss), _named(loss), loss.gradient(a, y)
    yield f"{own} with outputs and targets exchanged", lambda: loss.gradient(y, a)
    yield f"{own} in the place of the target alone", lambda: np.where(y != 0, right, 0)
    for other_kind in LOSSES.values():
        low, high = TARGETS.get(other_kind, (-np.inf, np.inf))
        if other_kind is not kind and ((low <= y) & (y <= high)).all():
            other = other_kind()
            yield f"{_named(other)}, the gradient of {other_kind.__name__}", partial(other.gradient, a, y)
            yield f"{_named(other)} negated, the gradient of {other_kind.__name__}", partial(_negated, other, a, y)
    for parameter, changed in _other_parameters(loss):
        yield f"{own} with {parameter}", partial(_gradient, changed, a, y)
    for name, head in (("softmax", Softmax()), ("sigmoid", ACTIVATIONS["sigmoid"]()), ("log-softmax", LogSoftmax())):
        p = head.apply(a)
        yield f"{own} of the {name} of the outputs", partial(loss.gradient, p, y)
        yield f"{own} pulled back through a {name} of the outputs", partial(_through, head, loss, a, y)
        yield f"{own} times the derivative of a {name}", partial(head.pullback, a, p, right)
    yield f"{own} over the other axis", lambda: loss.gradient(a.T, y.T).T
    yield "the loss of each sample itself", lambda: np.broadcast_to(loss.value(a, y)[:, None], a.shape)
    for name, gradient in altered(label(kind.gradient)):
        yield name, partial(gradient, loss, a, y)
    delta = getattr(kind, "delta", None)
    if callable(delta):
        head = HEADS[kind]()
        p = head.apply(a)
        name = f"({label(delta)}) with the {type(head).__name__.lower()} over the other axis"
        yield name, lambda: delta(loss, head.apply(a.T).T, y)
        for name, gradient in altered(label(delta)):
            yield name, partial(gradient, loss, p, y)


HEADS: dict[Any, type[Activation]] = {fused: head for (head, _), fused in reference.losses.HEADS.items()}
"""What a loss of logits is fused with."""


def _gradient(kind: Callable[[], Loss], a: Array, y: Array) -> Array:
    return np.asarray(kind().gradient(a, y))


def _negated(loss: Loss, a: Array, y: Array) -> Array:
    return np.asarray(-loss.gradient(a, y))


def _through(head: Activation, loss: Loss, a: Array, y: Array) -> Array:
    p = head.apply(a)
    return np.asarray(head.pullback(a, p, loss.gradient(p, y)))
