"""What is admitted of an update rule: the reference's own text on `Rounded`, its averages and roots taken in any way.

A rule's parameters count as numbers of the format judged.  A program that computes its corrections in float32, as JAX
does, loses most of 1 - 0.999, and is right.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any, cast

import numpy as np

from reference import SGD, UPDATES, Rule

from ..arrays import Array
from ..numbers.enclosure import Unbounded
from ..text.edits import Edit, alone
from .assumptions import MOMENTA, MOVING, PARTS
from .formats import Format
from .rounded import Rounded


def admitted_rule(rule: Rule, format: Format, *edits: Edit) -> Rule:
    """A rule of the reference, or of its text with edits made, for `Rounded`.

    Parameters
    ----------
    rule : Rule
        One of `reference.UPDATES`.
    format : Format
        Of the numbers that are judged: the rule's parameters are known to within a rounding to it.
    *edits
        As `conformance.text.edits.alone` takes them, and raises.
    """
    return _of_text(rule, edits, {name: _parameter(value, format) for name, value in vars(rule).items()})


def altered_rule(rule: Rule, *edits: Edit) -> Rule:
    """A rule of the reference's text with edits made, for plain numbers."""
    return _of_text(rule, edits, vars(rule))


def _of_text(rule: Rule, edits: tuple[Edit, ...], parameters: Mapping[str, Any]) -> Rule:
    made: Rule = getattr(_text(*edits), type(rule).__name__)(**parameters)
    return made


def widened_gradient(g: Rounded) -> Rounded:
    """A gradient as what it is multiplied by may leave it: the rate may join it inside the velocity.

    Each product of a term of its own is a rounding, which does not cancel where the terms do.
    """
    return g.widened(2 * g.format.u * _size(g))


@cache
def _text(*edits: Edit) -> ModuleType:
    """A copy of the update rules that run on `Rounded` too, and are then widened by what is admitted of them."""
    updates: Any = alone("updates", *edits)
    updates.averaged = _loosened(updates.averaged)
    updates.sqrt = _root(updates.sqrt)
    updates.float = lambda x: x  # the text makes a plain number of what here may be a Rounded
    updates.RAdam.rectification = _told(updates.RAdam.rectification)
    updates.NAdam.momentum = _in_float32(updates.NAdam.momentum)
    for kind in UPDATES.values():
        altered = getattr(updates, kind.__name__)
        altered.step = _in_parts(altered.step, of_gradients=kind is SGD)
    return cast(ModuleType, updates)


def _parameter(value: Any, format: Format) -> Any:
    """A number as the format holds it; switches, 0 and infinity, which the text asks for, are as they were."""
    if isinstance(value, bool) or value == 0 or not np.isfinite(value):
        return value
    off = float(format.dtype.type(value)) != value
    return Rounded(np.asarray(value), (format.u * abs(value) + format.tiny) * off, format)


def _loosened(averaged: Callable[..., Any]) -> Callable[..., Any]:
    """A moving average by any of its formulas (`conformance.bounds.assumptions`)."""

    def admitted(m: Any, x: Any, beta: Any) -> Any:
        average = averaged(m, x, beta)
        return average.widened(MOVING * x.format.u * (_size(m) + _size(x))) if isinstance(x, Rounded) else average

    return admitted


def _root(sqrt: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A root that is not known, instead of none, where roundings may make its operand negative."""

    def admitted(x: Any) -> Any:
        if not isinstance(x, Rounded):
            return sqrt(x)
        unknown = x.mid < x.rad
        return sqrt(Rounded(np.where(unknown, 0, x.mid), np.where(unknown, np.inf, x.rad), x.format))

    return admitted


def _told(rectification: Callable[..., Any]) -> Callable[..., Any]:
    """A rectification of which nothing is known where it cannot be told whether there is one yet."""

    def admitted(self: Any, t: int) -> Any:
        try:
            return rectification(self, t)
        except Unbounded:
            format = next(value.format for value in vars(self).values() if isinstance(value, Rounded))
            return Rounded(np.asarray(1.0), np.inf, format)

    return admitted


def _in_float32(momentum: Callable[..., Any]) -> Callable[..., Any]:
    """A momentum that may go into a product held in float32 (`conformance.bounds.assumptions`)."""

    def admitted(self: Any, t: int) -> Any:
        now = momentum(self, t)
        return now.widened(MOMENTA * 2.0**-24 * _size(now)) if isinstance(now, Rounded) else now

    return admitted


def _in_parts(step: Callable[..., Any], of_gradients: bool) -> Callable[..., Any]:
    """A step that may be subtracted in parts (`conformance.bounds.assumptions`), some perhaps of eta g alone."""

    def admitted(self: Any, p: Any, g: Any, slots: Any, t: int, eta: Any) -> Any:
        after, slots = step(self, p, g, slots, t, eta)
        if isinstance(after, Rounded):
            between = _size(p) + _size(after) + (_size(eta * g) if of_gradients else 0)
            after = after.widened(PARTS * after.format.u * between)
        return after, slots

    return admitted


def _size(x: Rounded) -> Array:
    """The largest absolute value within the radius, in float64."""
    size: Array = abs(x.mid).astype(np.float64) + x.rad
    return size
