"""The path bound: what any arrangement of the chain rule may be off by, from given activations on.

dL/dz is a sum over all paths from a unit to the loss, a product along each.  Backpropagation is one way to arrange that
sum; forward mode and a complex step are others, as right, and they break the bound of (B3) alone.  None of them is off
by more than the roundings along a path times P, the sum of the products' absolute values.  With the cotangent's
magnitude G = P^l |W^l| and its error H, layer by layer:

    P^{l-1} = |sigma'| G        eta^{l-1} = |sigma'| H + S G

where S is the radius of sigma' itself.  What of S is a choice of side at a kink multiplies g, not P: whoever sums along
paths takes one slope for all that pass through a unit, so that what comes out is a slope of the hull times g.  The
activations' radii in (B3) multiply delta, likewise.  The sums are the reference's own (B2) to (B4), run on magnitudes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from reference import Activation, Gradient, Identity, Layer, LogSoftmax, Softmax, Step, backward, cotangent
from reference.gradients import Cotangent

from ..arrays import Array
from .admitted import Widened
from .formats import Format
from .radii import gamma
from .rounded import Rounded, exact

MIXING = (Softmax, LogSoftmax)
"""Activations whose outputs depend on all units of the layer; all others are elementwise."""


HEADROOM = 2.0**32
"""How far from overflow a quantity is that is to be decided: PyTorch's softplus multiplies a cotangent by e^z, z up to
20, before it divides, and whoever takes the mean at the very end has summed B samples before."""


class Spread(NamedTuple):
    """A quantity on its way back: its value ``mid`` (wide), the absolute sum ``P`` and the error ``eta`` (float64)."""

    mid: Array
    P: Array
    eta: Array


def path_bounds(
    network: tuple[Layer[Rounded], ...],
    head: Cotangent[Rounded],
    states: Sequence[tuple[Rounded, Rounded]],
    x: Rounded,
    terms: Array | float = np.inf,
    down_to_x: bool = False,
) -> Iterator[tuple[Gradient[Rounded], Rounded | None]]:
    """The gradients that lead on from given activations, with the path bound as radius, the last layer first.

    Parameters
    ----------
    network : tuple of Layer
        Exact; its activations admit every formula that is equal on paper (`conformance.bounds.admitted.admitted`).
    head : Cotangent
        As `conformance.bounds.admitted.admitted_loss` gives it for the last state.
    states : sequence of (z, a)
        Each layer's, (B, n_l), with the radii that they are known to.
    x : Rounded (B, n_0)
    terms : array (B, n_L)
        At most the sum of the absolute terms of the head's g (`conformance.bounds.admitted.absolute_terms`).
    down_to_x : bool
        Whether dL/dx is asked for, which costs as much as dL/dW^1.

    Yields
    ------
    gradient : Gradient
        delta, W and b of the layer as `Rounded`.
    g : Rounded (B, n_{l-1})
        The cotangent below; that of layer 1 is dL/dx, or None.
    """
    delta, format = _top(head, *states[-1], terms), x.format
    for l in range(len(network), 0, -1):
        layer = network[l - 1]
        a_prev = states[l - 2][1] if l > 1 else x
        gradient = _gradient(layer.W, a_prev, delta, format)
        if l == 1 and not down_to_x:
            yield gradient, None
            return
        g = _below(layer.W, delta, format)
        yield gradient, _rounded(g, format)
        if l > 1:
            delta = _pulled_back(network[l - 2].sigma, *states[l - 2], g, format)


def _top(head: Cotangent[Rounded], z: Rounded, a: Rounded, terms: Array | float) -> Spread:
    """delta^L, from which the paths lead on."""
    top: Rounded = head.sigma.pullback(z, a, head.g)
    unit = top.format.kappa * top.format.u
    # What is admitted of the head is at least kappa u times each absolute term of (B1), so that its radius, divided by
    # kappa u, is at least their sum: the absolute part of P that cancellation in p - y would hide.  A choice of side is
    # no rounding, and counts once.
    P = _size(top) + top.rad / unit
    if not _mixes(head.sigma):
        slope, side = _slope(head.sigma, z, a)
        with np.errstate(all="ignore"):
            chosen = np.minimum(side.choice, slope.rad) * _size(head.g)
            most = terms * (_size(slope) + slope.rad + side.rounding / unit)
            P = np.fmin(_size(top) + chosen + np.maximum(top.rad - chosen, 0) / unit, np.maximum(most, _size(top)))
    return Spread(top.mid, P, top.rad)


def _gradient(W: Rounded, a: Rounded, delta: Spread, format: Format) -> Gradient[Rounded]:
    """(B3) and (B4) of values, of absolute values and of errors."""
    most = _size(a) + a.rad
    mid, at_most, error = _sums(W.mid, a.mid, delta.mid), _sums(W.rad, most, delta.P), _sums(W.rad, most, delta.eta)
    B = len(delta.mid)
    with np.errstate(all="ignore"):
        carried = _magnitude(delta.mid).T @ a.rad
        lost = carried + format.lost(B + 1) * at_most[0], format.lost(B) * at_most[1]
    of_W, of_b = (
        _representable(Spread(m, P, e + by), format) for m, P, e, by in zip(mid, at_most, error, lost, strict=True)
    )
    return Gradient(_rounded(delta, format), _rounded(of_W, format), _rounded(of_b, format))


def _sums(W: Array, a: Array, delta: Array) -> tuple[Array, Array]:
    """dL/dW and dL/db by the reference's text; W lends its shape alone."""
    with np.errstate(all="ignore"):  # what overflows has an infinite radius
        (gradient,) = backward((Layer(W, W[:, 0], Identity()),), (Step(a, delta, delta),), delta)
        return gradient.W, gradient.b


def _below(W: Rounded, delta: Spread, format: Format) -> Spread:
    """(B2) of values, of absolute values and of errors: the cotangent below."""

    def pulled(W: Array, delta: Array) -> Array:
        g: Array = cotangent(Layer(W, W[:, 0], Identity()), Gradient(delta, W, W[:, 0]))
        return g

    size = _size(W)
    at_work = int(delta.P.any(axis=0).sum())  # a product with an exact zero, and adding it, is exact
    with np.errstate(all="ignore"):
        mid, at_most, error = pulled(W.mid, delta.mid), pulled(size, delta.P), pulled(size, delta.eta)
        return _representable(Spread(mid, at_most, error + format.lost(at_work + 1) * at_most), format)


class Side(NamedTuple):
    """What a slope's radius is made of where z may lie on either side of a kink, (B, n) each.

    ``choice`` is how far the slope on a side is from the middle, ``rounding`` its radius there.
    """

    choice: Array
    rounding: Array


def _slope(sigma: Activation, z: Rounded, a: Rounded) -> tuple[Rounded, Side]:
    """sigma' of units that do not mix, and what its radius is made of."""
    slope: Rounded = sigma.pullback(z, a, exact(np.ones(z.shape, z.dtype), z.format))
    branches = sigma.branches(z, a) if isinstance(sigma, Widened) else []
    if not branches:
        return slope, Side(np.zeros(z.shape), slope.rad)
    with np.errstate(all="ignore"):
        away = [np.where(reached, abs(side.mid - slope.mid).astype(np.float64), 0) for side, reached in branches]
        rounding = [np.where(reached, side.rad, 0) for side, reached in branches]
        return slope, Side(np.maximum.reduce(away), np.maximum.reduce(rounding))


def _mixes(sigma: Activation) -> bool:
    return isinstance(getattr(sigma, "sigma", sigma), MIXING)


def _pulled_back(sigma: Activation, z: Rounded, a: Rounded, g: Spread, format: Format) -> Spread:
    """(B1) of values, of absolute values and of errors, from the slopes and their radii."""
    slopes: list[tuple[slice, Rounded, Side | None]]
    if _mixes(sigma):
        n = z.shape[1]
        units = np.eye(n, dtype=format.dtype)
        slopes = [
            (slice(k, k + 1), sigma.pullback(z, a, exact(np.broadcast_to(units[k], z.shape), format)), None)
            for k in range(n)
        ]
    else:
        slopes = [(slice(None), *_slope(sigma, z, a))]
    mid, P, eta = np.zeros(z.shape, format.wide), np.zeros(z.shape), np.zeros(z.shape)
    with np.errstate(all="ignore"):
        for columns, slope, side in slopes:
            at_most = _size(slope) + slope.rad
            mid = mid + slope.mid * g.mid[:, columns]
            P = P + at_most * g.P[:, columns]
            unsure = slope.rad * g.P[:, columns]
            if side is not None:
                unsure = np.fmin(unsure, side.choice * _magnitude(g.mid) + side.rounding * g.P)
            eta = eta + at_most * g.eta[:, columns] + unsure
        return _representable(Spread(mid, P, eta + gamma(len(slopes) + 1, format.u) * P), format)


def _representable(spread: Spread, format: Format) -> Spread:
    """With an infinite error where the sum, or a term or a formula's product on the way to it, may overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        within = HEADROOM * (spread.P + spread.eta) <= format.largest
    return spread._replace(eta=np.where(within, spread.eta, np.inf))


def _size(x: Rounded) -> Array:
    return _magnitude(x.mid)


def _magnitude(mid: Array) -> Array:
    with np.errstate(over="ignore"):  # what float64 does not hold is infinite
        return abs(mid).astype(np.float64)


def _rounded(spread: Spread, format: Format) -> Rounded:
    """As a Rounded; a number that is reported is rounded once more, and may underflow."""
    with np.errstate(all="ignore"):
        by = spread.eta + format.u * abs(spread.mid).astype(np.float64) + format.tiny
    return Rounded(spread.mid, np.where((spread.P == 0) & (spread.eta == 0) & (spread.mid == 0), 0, by), format)
