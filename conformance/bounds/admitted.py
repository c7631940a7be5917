"""What is admitted of a network: every formula that is equal on paper, terms in any order, kinks as they are declared.

The reference's own activations and losses, their results widened by what `conformance.bounds.assumptions` allows, to be
run on `Rounded`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import reference
from reference import ACTIVATIONS, Identity, Layer, Loss
from reference.activations import Activation
from reference.functions import where
from reference.gradients import Cotangent, Reduction, reduced_loss
from reference.losses import fused

from ..arrays import Array, Network
from ..numbers.enclosure import Unbounded
from ..problems.problem import Problem
from ..text.labels import label
from . import assumptions
from .formats import Format
from .radii import EPSILON, gamma
from .rounded import Rounded, exact


@dataclass(frozen=True)
class Widened:
    """An activation whose results admit every formula that is equal on paper.

    At a kink the reference's own convention holds; with ``at_zero`` that derivative at z = 0; with ``any_at_kinks``
    whatever lies between the derivatives on either side, for somebody who has declared nothing.
    """

    sigma: Activation
    at_zero: float | None = None
    any_at_kinks: bool = False

    def apply(self, z: Rounded) -> Rounded:
        """sigma(z), widened by what `conformance.bounds.assumptions` admits."""
        a = bounded(lambda: self.sigma.apply(z), z)
        with np.errstate(all="ignore"):  # what overflows has an infinite radius
            kappa, upper = z.format.kappa, _upper(a)
            by = self._most(lambda size: self._admitted.value(kappa, self.sigma, size, upper), z)
            return a.widened(z.format.u * by)

    def pullback(self, z: Rounded, a: Rounded, g: Rounded) -> Rounded:
        """dL/dz, widened likewise."""
        return self._pulled_back(self._around(z), z, a, g)

    def _pulled_back(self, around: Rounded, z: Rounded, a: Rounded, g: Rounded) -> Rounded:
        delta = bounded(lambda: self.sigma.pullback(around, a, g), z)
        if self.at_zero is not None:
            delta = where(z == 0, self.at_zero * g, delta)
        with np.errstate(all="ignore"):
            kappa, size_of_g, upper = z.format.kappa, _size(g), _upper(a)
            by = self._most(lambda size: self._admitted.derivative(kappa, self.sigma, size, upper, size_of_g), z)
            return delta.widened(z.format.u * by)

    def branches(self, z: Rounded, a: Rounded) -> list[tuple[Rounded, Array]]:
        """The slope on every side of the kinks, and where (B, n) the radius of z reaches that side; none off all kinks.

        Whatever the slope is at a kink, it is one number between those on its sides for all that passes through the
        unit, and off by roundings besides.
        """
        around, ends, one = self._around(z), kinks(self.sigma), exact(np.ones(z.shape, z.dtype), z.format)
        slopes: list[tuple[Rounded, Array]] = []
        with np.errstate(all="ignore"):
            low, high = around.mid - around.rad, around.mid + around.rad
            met = any(((low <= kink) & (high >= kink)).any() for kink in ends)
            for left, right in pairwise((-np.inf, *ends, np.inf)) if met else ():
                # Inside by more than the roundings of z and of a kink that is no number of the format.
                from_left, from_right = (
                    4 * z.format.u * abs(kink) + z.format.tiny if kink in ends else 0 for kink in (left, right)
                )
                reached = (low <= right + from_right) & (high >= left - from_left)
                p, q = (np.clip(end, left + from_left, right - from_right) for end in (low, high))
                radius = ((q - p) / 2 * (1 - 4 * EPSILON)).astype(np.float64)
                side = Rounded((p + q) / 2, radius, z.format)
                slopes.append((self._pulled_back(side, side, a, one), reached))
            if self.at_zero is not None and met:
                slopes.append((self.at_zero * one, (low <= 0) & (high >= 0)))
        return slopes

    def _around(self, z: Rounded) -> Rounded:
        """z to within what decides its side of a kink: its own roundings, and those of how the kink is reached."""
        if self.any_at_kinks:
            z = z.widened(z.format.tiny)
        reach = assumptions.REACH.get(type(self.sigma), 0) * z.format.u
        if not reach:
            return z
        near = [(z.mid != kink) & (abs(z.mid - kink) <= z.rad + reach) for kink in kinks(self.sigma)]
        return z.widened(np.where(np.logical_or.reduce(near), reach, 0))

    @staticmethod
    def _most(admitted: Callable[[Array], Array | int], z: Rounded) -> Array | int:
        """What is admitted at most: it grows or falls with |z|, whose ends the radius tells."""
        most = admitted(_size(z))
        return np.maximum(most, admitted(np.maximum(abs(_float(z)) - z.rad, 0))) if z.rad.any() else most

    @property
    def _admitted(self) -> assumptions.Admitted:
        return assumptions.ACTIVATIONS.get(type(self.sigma), assumptions.NOTHING)


@dataclass(frozen=True)
class WidenedLoss:
    """A loss whose results admit every formula that is equal on paper, and its terms added in any order."""

    loss: Loss
    any_at_kinks: bool = False

    def value(self, a: Rounded, y: Rounded) -> Rounded:
        """The loss of each sample, widened by what `conformance.bounds.assumptions` admits."""
        value = bounded(lambda: self.loss.value(a, y), Rounded(y.mid[:, 0], 0 * y.rad[:, 0], y.format))
        with np.errstate(all="ignore"):
            # Whoever adds the terms of all samples in one sum makes B K roundings.
            any_order = gamma(y.mid.size, a.format.u) * (value.absolute + value.brought)
            by = self._admitted.value(a.format, self.loss, _float(a), _float(y)) * _within(a)[:, 0]
            return value.widened(a.format.u * by + any_order)

    def gradient(self, a: Rounded, y: Rounded) -> Rounded:
        """dL/da, widened likewise."""
        around = a.widened(a.format.tiny) if self.any_at_kinks else a
        gradient = bounded(lambda: self.loss.gradient(around, y), a)
        with np.errstate(all="ignore"):
            by = self._admitted.derivative(a.format, self.loss, _float(a), _float(y)) * _within(a)
            return gradient.widened(a.format.u * by)

    @property
    def _admitted(self) -> assumptions.Admitted:
        return assumptions.LOSSES.get(type(self.loss), assumptions.NOTHING)


def bounded(equation: Callable[[], Rounded], like: Rounded) -> Rounded:
    """What an equation gives or, where it cannot be bounded, numbers of that shape of which nothing is known.

    A bound carried far may reach a division by what may be zero; there nothing is decided, and nothing accused.
    """
    try:
        return equation()
    except Unbounded:
        return like.widened(np.inf)


class Conventions(NamedTuple):
    """What is held to at kinks: ``declared`` derivatives at z = 0, as ``{"relu_derivative_at_zero": 1}``.

    Elsewhere it is the reference's ``own`` convention or, where that is not asked for, anything between the one-sided
    derivatives.
    """

    declared: Mapping[str, float] = MappingProxyType({})
    own: bool = False


OWN = Conventions(own=True)
"""The reference's own conventions, at every kink."""

UNDECLARED = Conventions()
"""Nothing is declared: at every kink anything between the one-sided derivatives is right."""


def admitted(
    network: Network, conventions: Conventions = OWN, format: Format | None = None
) -> tuple[Layer[Rounded], ...]:
    """The network with exact parameters and widened activations, to be run on `Rounded`."""
    return tuple(Layer(exact(W, format), exact(b, format), held(sigma, conventions)) for W, b, sigma in network)


KINKS: dict[type[Activation], Callable[[Any], tuple[float, ...]]] = {
    reference.ReLU: lambda sigma: (0,),
    reference.LeakyReLU: lambda sigma: (0,),
    reference.ELU: lambda sigma: (0,),
    reference.SELU: lambda sigma: (0,),
    reference.Softplus: lambda sigma: (sigma.threshold / sigma.beta,),
    reference.Hardtanh: lambda sigma: (sigma.min_val, sigma.max_val),
    reference.ReLU6: lambda sigma: (0, 6),
    reference.Hardsigmoid: lambda sigma: (-3, 3),
    reference.Hardswish: lambda sigma: (-3, 3),
    reference.Softshrink: lambda sigma: (-sigma.lambd, sigma.lambd),
    reference.Hardshrink: lambda sigma: (-sigma.lambd, sigma.lambd),
}
"""Where the derivative of an activation jumps, from the left to the right."""


def kinks(sigma: Activation) -> tuple[float, ...]:
    """Where the derivative of an activation jumps, as far as floats reach."""
    return tuple(kink for kink in KINKS[type(sigma)](sigma) if np.isfinite(kink)) if type(sigma) in KINKS else ()


KINKED_AT_ZERO = ("relu", "leaky_relu", "elu", "selu", "relu6")
"""Activations whose derivative at z = 0 is a convention, for `declared`."""


def declared(conventions: Mapping[str, float] | None) -> Conventions:
    """What somebody declares, each a finite number by the name of a convention.

    Raises
    ------
    ValueError
        If a name or a number is none.
    """
    if conventions is not None and not isinstance(conventions, Mapping):
        got = type(conventions).__name__
        raise TypeError(f'conventions: expected a dict such as {{"relu_derivative_at_zero": 0}}, got {got}')
    known = [f"{name}_derivative_at_zero" for name in KINKED_AT_ZERO]
    for name, value in (conventions or {}).items():
        if name not in known:
            raise ValueError(f"conventions: expected one of {', '.join(known)}, got {name!r}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise ValueError(f"conventions: expected a finite number for {name}, got {value!r}")
    return Conventions(MappingProxyType(dict(conventions or {})))


def held(sigma: Activation, conventions: Conventions) -> Widened:
    """The activation, widened, and held to its conventions."""
    name = next((name for name, kind in ACTIVATIONS.items() if kind is type(sigma)), "")
    at_zero = conventions.declared.get(f"{name}_derivative_at_zero")
    return Widened(sigma, at_zero, any_at_kinks=at_zero is None and not conventions.own)


def admitted_loss(
    sigma: Activation,
    z: Rounded,
    a: Rounded,
    y: Rounded,
    loss: Loss,
    reduction: Reduction,
    conventions: Conventions = OWN,
) -> Cotangent[Rounded]:
    """The reference's reduced loss and the cotangent that starts the backward pass, widened likewise.

    A fused head is taken as its loss of the logits, with the identity as last activation.

    Parameters
    ----------
    sigma : Activation
        Of the last layer.
    z, a, y : Rounded (B, n_L)
    loss : Loss
    reduction : "sum" or "mean"
    conventions : Conventions
    """
    head = fused(sigma, loss)
    if head:
        sigma, a, loss = Identity(), z, head
    widened = WidenedLoss(loss, any_at_kinks=not conventions.own)
    value, sigma, g = reduced_loss(sigma, z, a, y, widened, reduction)
    return Cotangent(value, held(sigma, conventions), g)


def absolute_terms(problem: Problem) -> Array | float:
    """At most the sum of the absolute terms of delta^L or of dL/da, (B, n_L); infinite where no table tells."""
    N = {"sum": 1, "mean": len(problem.x)}[problem.reduction]
    terms = assumptions.TERMS.get(type(problem.loss))
    return np.inf if terms is None else terms(problem.y.astype(np.float64)) / N


def loss_label(problem: Problem) -> str:
    """The label of the loss as it is evaluated: that of the logits for a fused head."""
    return label(type(fused(problem.network[-1].sigma, problem.loss) or problem.loss).value)


def once_more(gradient: Rounded) -> Rounded:
    """Widened by a rounding: the 1/N of the mean may be taken of each gradient at the very end."""
    return gradient.widened(gradient.format.u * _size(gradient))


def _size(x: Rounded) -> Array:
    """The largest absolute value within the radius, in float64."""
    return abs(_float(x)) + x.rad


def _upper(x: Rounded) -> Array:
    """The upper ends, in float64."""
    return _float(x) + x.rad


def _within(a: Rounded) -> Array:
    """By rows (B, 1): how much larger what is admitted of a loss may be within the radius of its outputs.

    Everything in the table grows at most by e^(2 r): a probability by the logits' radius either way, the rest slower.
    """
    growth: Array = np.exp(2 * a.rad.max(axis=1, keepdims=True))
    return growth


def _float(x: Rounded) -> Array:
    """The midpoints in float64, for the assumptions' formulas."""
    return x.mid.astype(np.float64)
