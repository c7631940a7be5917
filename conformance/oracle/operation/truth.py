"""The truth of one operation, from one of three places.

* `of_activation`, `of_loss`: a named equation of the reference, its own text on `Rounded`, widened by
  `conformance.bounds.assumptions`.
* `of_forward`: somebody's own forward function, followed on recorded arrays (`conformance.oracle.following`).
* `by_differences`: where that cannot be followed, differences of it in float64 with an estimate of their error.

The inputs count as known to one rounding.  So at a kink, or nearer to one than that, any branch may be taken.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from reference import Activation, Identity, Loss
from reference.gradients import Reduction

from ...arrays import Array
from ...bounds import assumptions
from ...bounds.admitted import Widened, WidenedLoss, admitted_loss, once_more
from ...bounds.formats import Format
from ...bounds.radii import EPSILON
from ...bounds.rounded import Rounded
from ...problems.layouts import is_tensor
from ..following.array import Unfollowed
from ..pytorch.tensors import Runner
from ..recording.kinks import Kinks, at_kinks
from ..recording.reverse import Followed, Pulled
from .forward import Forward

HALF = 2.0**-12
"""Formats with a larger unit roundoff have half precision: what computes with them may add up in float32."""

MEASURED = 256
"""How many input elements are measured by differences; of larger inputs a random choice."""

ESTIMATED = 64
"""Units of roundoff, of the absolute terms, that an estimate allows a right program: with differences alone nothing
is known of what happens inside the forward function."""

STEPS = 2**10
"""Units of float64 that a derivative by a complex step may be off by: one for each of that many roundings."""


AROUND = np.sin(np.arange(-8, 9) * np.pi / 16)
"""Where a function is taken around a point, in steps: closer together at the ends, for a polynomial to hold there."""

POWERS = AROUND[:, None] ** np.arange(9)
"""Of a polynomial of degree 8: half as many as points, so that what is no polynomial is left over."""

FIT = np.linalg.pinv(POWERS)
"""From values at the points to the polynomial's coefficients."""

SPREAD = float(abs(FIT[1]).sum())
"""How far what is left over may move the slope: 1 at every point, at the worst."""

ROUGH = 2.0**-16
"""What a smooth function may leave over: with steps of 1/128 of a number the ninth power is 2^-63 of its scale.  At a
kink some hundredth of the jump is left."""


class Admitted(NamedTuple):
    """What is admitted for one cotangent: for each input a midpoint and a radius for every element.

    The radius is infinite where nothing is known, and at ``kinks``, which have what is right there.  Where ``finite``,
    the derivative is a finite number, however wide the bound is.
    """

    bounds: tuple[Rounded, ...]
    kinks: Kinks | None = None
    finite: tuple[Array, ...] = ()


class Truth(NamedTuple):
    """What is admitted for each cotangent, and for the value; ``estimated`` truths do not accuse."""

    expected: list[Admitted]
    value: Rounded | None = None
    estimated: bool = False
    remarks: tuple[str, ...] = ()


def generator(seed: int) -> np.random.Generator:
    """Of a stream of its own: inputs drawn from the plain seed would be parallel to the first cotangent."""
    return np.random.default_rng((seed, len("cotangent")))


# Of a named equation.


def of_activation(sigma: Activation, z: Array, gs: Sequence[Array], format: Format) -> Truth:
    """The value, and the pullback of every cotangent; z and gs of any one shape."""
    matrix = z.shape if z.ndim == 2 else (-1, 1)
    wide, operand = Widened(sigma), _operand(z.reshape(matrix), format)
    # The switch at 3 is reached through z + 3, which rounds.
    shift = assumptions.SHIFTED.get(type(sigma), 0)
    operand = Rounded(operand.mid, operand.rad + (format.u * shift if shift else 0), format)
    a = wide.apply(operand)
    deltas = [wide.pullback(operand, a, _certain(g.reshape(matrix), format)) for g in gs]
    if type(sigma) in assumptions.BY_EXPONENTIAL:
        deltas = [_by_exponential(delta, operand, g.reshape(matrix)) for delta, g in zip(deltas, gs, strict=True)]
    return Truth([Admitted((_reshaped(delta, z.shape),)) for delta in deltas], _reshaped(a, z.shape))


def _by_exponential(delta: Rounded, z: Rounded, g: Array) -> Rounded:
    with np.errstate(all="ignore"):
        most = np.exp(abs(z.mid).astype(np.float64) + z.rad)
        size = abs(g.astype(np.float64))
        rad = delta.rad + z.format.tiny * most * (1 + size)
        return Rounded(delta.mid, np.where(2 * size * most <= z.format.largest, rad, np.inf), z.format)


def of_loss(loss: Loss, a: Array, y: Array, reduction: Reduction | None, format: Format) -> Truth:
    """The value and the gradient by the outputs a (B, K), of each sample's loss where there is no reduction."""
    outputs, targets = _operand(a, format), _certain(y, format)
    if reduction is None:
        wide = WidenedLoss(loss)
        value, gradient = wide.value(outputs, targets), wide.gradient(outputs, targets)
    else:
        value, _, gradient = admitted_loss(Identity(), outputs, outputs, targets, loss, reduction)
    with np.errstate(all="ignore"):
        return Truth([Admitted((once_more(gradient),))], value)


def _operand(values: Array, format: Format) -> Rounded:
    """Numbers known to one rounding."""
    return Rounded(values, format.u * abs(values.astype(np.float64)) + smallest(format), format)


def _certain(values: Array, format: Format) -> Rounded:
    return Rounded(values, np.zeros(values.shape), format)


def smallest(format: Format) -> float:
    """At least the distance of a format's smallest numbers."""
    return max(format.tiny * format.u, float(np.finfo(np.float64).smallest_subnormal))


def _reshaped(x: Rounded, shape: tuple[int, ...]) -> Rounded:
    return Rounded(x.mid.reshape(shape), x.rad.reshape(shape), x.format)


# Of somebody's own forward function, by following it.


def of_forward(forward: Forward, format: Format, values: Sequence[Array], gs: Sequence[Array], seed: int) -> Truth:
    """The pullback of every cotangent: followed or, where that cannot be, measured.

    Parameters
    ----------
    forward : Forward
        Of arrays like the given ones, to one array.
    format : Format
        That is judged.
    values : sequence of arrays
        The numbers of its inputs.
    gs : sequence of arrays
        Cotangents of the output.
    seed : int
        Of random choices.
    """
    plain = forward.plain(values)
    if not np.array_equal(plain, forward.plain(values), equal_nan=True):
        said = "the forward function asked twice gives other values, so it has no derivative to judge by"
        return _nothing(values, gs, format, said)
    try:
        run, followed = _followed(forward, values, format, plain)
    except Unfollowed as error:
        try:
            truth = by_differences(forward, values, gs, format, seed)
        except Exception as failed:  # whatever a function may do with numbers of another format
            said = f"the forward function cannot be followed, nor run in float64 ({type(failed).__name__}): {error}"
            return _nothing(values, gs, format, said)
        remark = (
            f"an estimate: the forward function cannot be followed, so its derivative was measured by differences and "
            f"nothing can be found WRONG. {error}"
        )
        return truth._replace(remarks=(remark, *truth.remarks))
    pulled = _beside_what_is_no_number(followed, followed.pulled(gs), plain)
    kinks = at_kinks(lambda decide: run(format, decide), followed, gs, pulled, seed)
    finite = _finite(run, gs, format, pulled, plain)
    expected = [_admitted(*of_g, format, finite[k]) for k, of_g in enumerate(zip(pulled, kinks, strict=True))]
    remarks = list(_sums_narrow(followed, format))
    unbounded = sum(int(np.isinf(p.rad).sum()) for p in pulled[0]) if pulled else 0
    if unbounded:
        remarks.append(f"{unbounded} input elements hang on what may overflow, or has no bound: undecided")
    hanging = np.any([of_g.hanging for of_g in kinks], axis=0)
    if hanging.any():
        remarks.append(f"{hanging.sum()} input elements are at a kink or nearer than a rounding to one")
    return Truth(expected, remarks=tuple(remarks))


def _beside_what_is_no_number(followed: Followed, pulled: list[list[Pulled]], plain: Array) -> list[list[Pulled]]:
    """With nothing known of what a NaN of the output hangs on: without a value there is no derivative."""
    lost = np.isnan(plain)
    if not lost.any():
        return pulled
    [through] = followed.pulled([np.where(lost, 1.0, 0.0)])
    return [
        [p._replace(rad=np.where(t.absolute == 0, p.rad, np.inf)) for p, t in zip(of_g, through, strict=True)]
        for of_g in pulled
    ]


def _sums_narrow(followed: Followed, format: Format) -> Iterator[str]:
    """A remark on sums in half precision of which nothing better is declared."""
    if format.accumulator is None and format.u > HALF and followed.sums:
        bits = round(-np.log2(format.u))
        yield f'sums with {bits} bits are admitted: if they are added up in float32, declare accumulator="float32"'


def _followed(forward: Forward, values: Sequence[Array], format: Format, plain: Array) -> tuple[Runner, Followed]:
    """What runs a function on recorded arrays, and the first run, by the midpoints.

    Raises
    ------
    Unfollowed
        Why it cannot be followed; of a function that takes both arrays and tensors, as one of arrays.
    """
    try:
        run = forward.record(values)
        followed = run(format, None)
        _check_the_same(followed, plain)
    except Unfollowed:
        if forward.tensors or not is_tensor(forward.given[0]):
            raise
        with suppress(Unfollowed):
            return _followed(forward._replace(tensors=True), values, format, plain)
        raise
    return run, followed


def _nothing(values: Sequence[Array], gs: Sequence[Array], format: Format, said: str) -> Truth:
    """No truth, and why."""
    unknown = tuple(Rounded(np.zeros(x.shape), np.full(x.shape, np.inf), format) for x in values)
    return Truth([Admitted(unknown) for _ in gs], estimated=True, remarks=(said,))


def _check_the_same(followed: Followed, plain: Array) -> None:
    """Refuse what is not what the function gives for plain numbers.

    Raises
    ------
    Unfollowed
    """
    value = followed.output.value
    if value.mid.shape != plain.shape:
        raise Unfollowed(f"It gives shape {value.mid.shape} for recorded arrays, and {plain.shape} for plain ones")
    with np.errstate(all="ignore"):
        mid, number = value.mid, plain.astype(value.mid.dtype)
        # Far beyond the bound: a generous factor, since it is not the forward function that is judged.
        other = abs(number - mid) > 64 * value.rad + abs(mid) / 64
    if (other & np.isfinite(number) & np.isfinite(value.rad)).any() and not followed.met:
        raise Unfollowed("It gives other values for recorded arrays than for plain ones")


def _finite(
    run: Runner, gs: Sequence[Array], format: Format, pulled: list[list[Pulled]], plain: Array
) -> list[tuple[Array, ...]]:
    """Where a derivative has no bound in the format, but is known to be a finite number of it.

    The function is followed once more, in the wide format alone.
    """
    if not any(np.isinf(p.rad).any() for of_g in pulled for p in of_g) or not np.isfinite(plain).all():
        return [()] * len(gs)
    wide = np.finfo(format.wide)
    alone = format._replace(
        u=float(wide.eps),
        tiny=float(np.finfo(np.float64).tiny),
        largest=float(np.finfo(np.float64).max),
        accumulator=None,
    )
    try:
        true = run(alone, None).pulled(gs)
    except Unfollowed:  # it asks for the format, perhaps
        return [()] * len(gs)
    with np.errstate(all="ignore"):
        return [tuple(abs(p.mid) + p.rad <= format.largest / 2 for p in of_g) for of_g in true]


def _admitted(pulled: list[Pulled], kinks: Kinks, format: Format, finite: tuple[Array, ...]) -> Admitted:
    """One cotangent's, taken apart by input."""
    shapes = [p.mid.shape for p in pulled]
    ends = np.cumsum([p.mid.size for p in pulled])[:-1]
    hanging, rads = (
        [part.reshape(shape) for part, shape in zip(np.split(array, ends), shapes, strict=True)]
        for array in (kinks.hanging, kinks.rad)
    )
    bounds = []
    for p, rad, here in zip(pulled, rads, hanging, strict=True):
        with np.errstate(all="ignore"):
            known = np.isfinite(p.mid) & np.isfinite(rad) & ~here
        bounds.append(Rounded(np.where(np.isfinite(p.mid), p.mid, 0), np.where(known, rad, np.inf), format))
    sure = tuple(f & ~here for f, here in zip(finite, hanging, strict=True)) if finite else ()
    return Admitted(tuple(bounds), kinks if kinks.hanging.any() else None, sure)


def _split(mid: Array, rad: Array, values: Sequence[Array], format: Format) -> tuple[Rounded, ...]:
    """One Rounded for each input."""
    ends = np.cumsum([v.size for v in values])[:-1]
    return tuple(
        Rounded(m.reshape(v.shape), r.reshape(v.shape), format)
        for m, r, v in zip(np.split(mid, ends), np.split(rad, ends), values, strict=True)
    )


# Of somebody's own forward function, by differences.


def by_differences(forward: Forward, values: Sequence[Array], gs: Sequence[Array], format: Format, seed: int) -> Truth:
    """The derivative by differences, or a complex step that agrees with them; the errors are estimates."""
    rng = generator(seed)
    points = [v.astype(np.float64) for v in values]
    total = sum(v.size for v in values)
    chosen = np.sort(rng.permutation(total)[:MEASURED])
    run = forward.in_float64
    nearby = [p * (1 + 2.0**-12 * rng.standard_normal(p.shape)) for p in points]
    columns = [_column(run, points, int(i)) for i in chosen]
    # Right programs may be off by roundings of what cancels inside (1 - t^2), of which differences know nothing.
    scale = max(float(abs(column).max()) for column, _ in columns)
    expected = [(np.zeros(total), np.full(total, np.inf)) for _ in gs]
    for i, (column, error) in zip(chosen, columns, strict=True):
        moved, error_there = _column(run, nearby, int(i))
        for (mid, rad), g in zip(expected, gs, strict=True):
            weights = g.astype(np.float64).ravel()
            with np.errstate(all="ignore"):
                sensitivity = np.maximum(abs(moved - column) - error - error_there, 0) * 2.0**12
                units = abs(weights) @ (abs(column) + sensitivity) + scale * abs(weights).max()
                mid[i] = weights @ column
                rad[i] = abs(weights) @ error + ESTIMATED * format.u * units + format.tiny
            if not np.isfinite(mid[i] + rad[i]):
                mid[i], rad[i] = 0, np.inf
    remarks = (f"{len(chosen)} of {total} input elements were measured",) if len(chosen) < total else ()
    return Truth([Admitted(_split(mid, rad, values, format)) for mid, rad in expected], estimated=True, remarks=remarks)


def _column(run: Callable[[Sequence[Array]], Array], points: Sequence[Array], i: int) -> tuple[Array, Array]:
    """The derivative of all outputs by one input element, and an estimate of its error.

    The outputs are taken at `AROUND`, and a polynomial is laid through them.  What it leaves over says how far its
    slope may be off; a kink anywhere between leaves over much, and no estimate holds: the error is infinite.
    """
    ends = np.cumsum([p.size for p in points])
    k = int(np.searchsorted(ends, i, side="right"))
    at = np.unravel_index(i - (ends[k] - points[k].size), points[k].shape)
    x = points[k][at]
    h = 2.0 ** np.floor(np.log2(abs(x) if x else 1.0)) / 2**7

    def shifted(by: complex) -> Array:
        return run([p if j != k else _with(p, at, x + by) for j, p in enumerate(points)])

    with np.errstate(all="ignore"):
        values = np.stack([shifted(h * t).astype(np.float64) for t in AROUND])
        middle = values[len(AROUND) // 2]
        coefficients = FIT @ (values - middle)
        left = abs(values - middle - POWERS @ coefficients).max(axis=0)
        column = coefficients[1] / h
        noise = 4 * EPSILON * (abs(values).max(axis=0) + abs(x * column))
        error = SPREAD * (left + noise) / h
        rough = SPREAD * left / h > ROUGH * (abs(column) + abs(middle / (x or 1.0))) + 64 * SPREAD * noise / h
    try:
        by_complex = shifted(1j * 2.0**-100).imag * 2.0**100
    except Exception:  # no function of complex numbers
        by_complex = np.full_like(column, np.nan)
    agrees = abs(by_complex - column) <= error
    column = np.where(agrees, by_complex, column)
    error = np.where(agrees, STEPS * EPSILON * abs(column), error)
    return column, np.where(rough | ~np.isfinite(error), np.inf, error)


def _with(array: Array, at: Any, value: Any) -> Array:
    changed = array.astype(np.result_type(array.dtype, type(value))) if isinstance(value, complex) else array.copy()
    changed[at] = value
    return changed
