"""The truth of one operation, from one of three places.

* `of_activation`, `of_loss`: a named equation of the reference, its own text on `Rounded`, widened by
  `conformance.bounds.assumptions`.
* `of_forward`: somebody's own forward function, followed on `Traced` numbers (`conformance.oracle.operation.traced`).
* `by_differences`: where that cannot be followed, differences of it in float64 with an estimate of their error.

The inputs count as known to one rounding.  So at a kink, or nearer to one than that, nothing is decided.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from flint import arb

from reference import Activation, Identity, Loss
from reference.gradients import Reduction

from ...arrays import Array
from ...bounds.admitted import Widened, WidenedLoss, admitted_loss, once_more
from ...bounds.formats import format_of
from ...bounds.rounded import EPSILON, Format, Rounded
from ...numbers.balls import precise
from ...problems.layouts import is_tensor, like, numbers
from .pullback import Pulled, pull_back
from .traced import Tape, TooLong, Traced, follow, smallest

COINS = 3
"""How often undecided branches are taken at random, beside all on one side and all on the other, to see which
derivatives hang on them."""

MEASURED = 256
"""How many input elements are measured by differences; of larger inputs a random choice."""

ESTIMATED = 64
"""Units of roundoff, of the absolute terms, that an estimate allows a right program: with differences alone nothing
is known of what happens inside the forward function."""

STEPS = 2**10
"""Units of float64 that a derivative by a complex step may be off by: one for each of that many roundings."""


class Truth(NamedTuple):
    """What is admitted for each cotangent and input, and for the value; ``estimated`` truths do not accuse."""

    expected: list[list[Rounded]]
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
    operand, wide = _operand(z.reshape(matrix), format), Widened(sigma)
    a = wide.apply(operand)
    deltas = [wide.pullback(operand, a, _certain(g.reshape(matrix), format)) for g in gs]
    return Truth([[_reshaped(delta, z.shape)] for delta in deltas], _reshaped(a, z.shape))


def of_loss(loss: Loss, a: Array, y: Array, reduction: Reduction | None, format: Format) -> Truth:
    """The value and the gradient by the outputs a (B, K), of each sample's loss where there is no reduction."""
    outputs, targets = _operand(a, format), _certain(y, format)
    if reduction is None:
        wide = WidenedLoss(loss)
        value, gradient = wide.value(outputs, targets), wide.gradient(outputs, targets)
    else:
        value, _, gradient = admitted_loss(Identity(), outputs, outputs, targets, loss, reduction)
    with np.errstate(all="ignore"):
        return Truth([[once_more(gradient)]], value)


def _operand(values: Array, format: Format) -> Rounded:
    """Numbers known to one rounding."""
    return Rounded(values, format.u * abs(values.astype(np.float64)) + smallest(format), format)


def _certain(values: Array, format: Format) -> Rounded:
    return Rounded(values, np.zeros(values.shape), format)


def _reshaped(x: Rounded, shape: tuple[int, ...]) -> Rounded:
    return Rounded(x.mid.reshape(shape), x.rad.reshape(shape), x.format)


# Of somebody's own forward function, by following it.


def of_forward(
    function: Callable[..., Any], given: Sequence[Any], values: Sequence[Array], gs: Sequence[Array], seed: int
) -> Truth:
    """The pullback of every cotangent: followed or, where that cannot be, measured.

    Parameters
    ----------
    function : callable
        Of arrays like the given ones, to one array.
    given : sequence of arrays or tensors
        Whose kind, dtype and device the function expects.
    values : sequence of arrays
        The numbers of its inputs.
    gs : sequence of arrays
        Cotangents of the output.
    seed : int
        Of random choices.
    """
    format = format_of(given[0])
    flat = [[float(number) for number in g.flat] for g in gs]
    plain = plain_output(function, [like(v, x) for v, x in zip(values, given, strict=True)])
    followed = _followed(function, values, flat, format, plain)
    if isinstance(followed, str):
        truth = by_differences(function, given, values, gs, seed)
        remark = (
            f"an estimate: the forward function {followed}, so its derivative was measured by differences and nothing "
            f"can be found WRONG. Written in NumPy's functions, or judged as a named equation, it can be certified"
        )
        return truth._replace(remarks=(remark, *truth.remarks))
    tape, outputs, pulled = followed
    overflow = not all(output.near.is_finite() for output in outputs.flat if isinstance(output, Traced))
    kinks = _at_kinks(lambda coin: follow(function, values, format, coin), flat, tape, pulled, seed)
    bounds = [_bounds(*of_g, format) for of_g in zip(pulled.truth, pulled.near, strict=True)]
    expected = [_split(mid, np.where(overflow | kinks, np.inf, rad), values, format) for mid, rad in bounds]
    remarks = ["the forward function may overflow for these inputs"] if overflow else []
    if kinks.any():
        remarks.append(f"{kinks.sum()} input elements are at a kink or nearer than a rounding to one: undecided")
    return Truth(expected, remarks=tuple(remarks))


def _followed(
    function: Callable[..., Any], values: Sequence[Array], gs: list[list[float]], format: Format, plain: Array
) -> tuple[Tape, Array, Pulled] | str:
    """The tape, the outputs and the pullback, or why there are none."""
    try:
        tape, outputs = follow(function, values, format)
        return _another(outputs, plain) or (tape, outputs, pull_back(tape, outputs.ravel(), gs))
    except TooLong as error:
        return f"takes {error}"
    except Exception as error:  # whatever a function may do with numbers that it does not know
        return f"cannot be run on numbers that record what is done with them ({type(error).__name__}: {error})"


def plain_output(function: Callable[..., Any], inputs: Sequence[Any]) -> Array:
    """The numbers that a forward function gives.

    Raises
    ------
    TypeError
        If it gives something else than one array of real numbers.
    """
    output = function(*inputs)
    if not isinstance(output, np.ndarray | np.generic | float) and not is_tensor(output):
        raise TypeError(f"forward: expected one array, got {type(output).__name__}")
    got = numbers(output)
    if got.dtype.kind != "f":
        raise TypeError(f"forward: expected real numbers, got dtype {got.dtype}")
    return got


@precise
def _another(outputs: Array, plain: Array) -> str:
    """Why what was followed is not what the function gives for plain numbers, if it is not."""
    if outputs.shape != plain.shape:
        return f"gives shape {outputs.shape} for numbers that record what is done with them, else {plain.shape}"
    for output, number in zip(outputs.flat, plain.flat, strict=True):
        truth, near = (output.truth, output.near) if isinstance(output, Traced) else (arb(float(output)),) * 2
        # Far beyond the bound: a generous factor, since it is not the forward function that is judged.
        reach = 64 * (near - truth).abs_upper() + abs(truth) / 64
        if np.isfinite(number) and near.is_finite() and abs(arb(float(number)) - truth) > reach:
            return "gives other values for numbers that record what is done with them"
    return ""


def _at_kinks(
    run: Callable[[Callable[[], bool]], tuple[Tape, Array]],
    gs: list[list[float]],
    tape: Tape,
    pulled: Pulled,
    seed: int,
) -> Array:
    """Which input elements are at kinks: those of the undecided comparisons, and those whose derivatives hang on them.

    None, where no derivative changes with the side that the comparisons take.
    """
    moved = np.zeros(tape.leaves, dtype=bool)
    if not tape.met:
        return moved
    rng = generator(seed)
    coin = lambda: bool(rng.integers(2))
    for side in (lambda: True, lambda: False, *[coin] * COINS):
        try:
            other_tape, outputs = run(side)
            other = pull_back(other_tape, outputs.ravel(), gs)
        except Exception:  # the other side may not be defined
            moved |= True
            break
        for p, q in zip(pulled.near, other.near, strict=True):
            moved |= [not a.overlaps(b) for a, b in zip(p, q, strict=True)]
    return moved | _upstream(tape) if moved.any() else moved


def _upstream(tape: Tape) -> Array:
    """Which leaves the undecided comparisons depend on."""
    reached = np.zeros(len(tape.nodes), dtype=bool)
    reached[[node.index for node in tape.met]] = True
    for node in reversed(tape.nodes):
        if reached[node.index]:
            reached[[operand.index for operand in node.operands]] = True
    return reached[: tape.leaves]


@precise
def _bounds(truth: Sequence[Any], near: Sequence[Any], format: Format) -> tuple[Array, Array]:
    """Midpoints in the wide format, and radii; what is not finite has an infinite radius."""
    mid = np.array([format.wide(float(t.mid())) for t in truth], dtype=format.wide)
    if format.wide is np.longdouble:
        rest = [float((t - arb(float(m))).mid()) for t, m in zip(truth, mid, strict=True)]
        mid = mid + np.array(rest, dtype=format.wide)
    rad = np.array([float((n - t).abs_upper()) for n, t in zip(near, truth, strict=True)])
    with np.errstate(all="ignore"):
        rad = rad * (1 + 4 * EPSILON) + format.u * abs(mid).astype(np.float64) + format.tiny
    finite = np.isfinite(mid) & np.isfinite(rad)
    return np.where(finite, mid, 0), np.where(finite, rad, np.inf)


def _split(mid: Array, rad: Array, values: Sequence[Array], format: Format) -> list[Rounded]:
    """One Rounded for each input."""
    ends = np.cumsum([v.size for v in values])[:-1]
    return [
        Rounded(m.reshape(v.shape), r.reshape(v.shape), format)
        for m, r, v in zip(np.split(mid, ends), np.split(rad, ends), values, strict=True)
    ]


# Of somebody's own forward function, by differences.


def by_differences(
    function: Callable[..., Any], given: Sequence[Any], values: Sequence[Array], gs: Sequence[Array], seed: int
) -> Truth:
    """The derivative by differences, or a complex step that agrees with them; the errors are estimates."""
    rng, format = generator(seed), format_of(given[0])
    points = [v.astype(np.float64) for v in values]
    total = sum(v.size for v in values)
    chosen = np.sort(rng.permutation(total)[:MEASURED])
    run = _in_float64(function, given)
    nearby = [p * (1 + 2.0**-12 * rng.standard_normal(p.shape)) for p in points]
    columns = [_column(run, points, int(i)) for i in chosen]
    # Right programs may be off by roundings of what cancels inside (1 - t^2), of which differences know nothing.
    scale = float(np.median([abs(column).max() for column, _ in columns]))
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
    return Truth([_split(mid, rad, values, format) for mid, rad in expected], estimated=True, remarks=remarks)


def _in_float64(function: Callable[..., Any], given: Sequence[Any]) -> Callable[[Sequence[Array]], Array]:
    """The function from float64 (or complex) arrays to a flat array."""

    def run(points: Sequence[Array]) -> Array:
        if is_tensor(given[0]):
            import torch

            with torch.no_grad():
                tensors = [torch.from_numpy(p.copy()).to(x.device) for p, x in zip(points, given, strict=True)]
                output = function(*tensors)
            return np.asarray(output.detach().cpu().to(torch.float64).numpy()).ravel()
        with np.errstate(all="ignore"):
            return np.asarray(function(*(p.copy() for p in points))).ravel()

    return run


def _column(run: Callable[[Sequence[Array]], Array], points: Sequence[Array], i: int) -> tuple[Array, Array]:
    """The derivative of all outputs by one input element, and an estimate of its error: infinite at a kink."""
    ends = np.cumsum([p.size for p in points])
    k = int(np.searchsorted(ends, i, side="right"))
    at = np.unravel_index(i - (ends[k] - points[k].size), points[k].shape)
    x = points[k][at]
    h = 2.0 ** np.floor(np.log2(abs(x) if x else 1.0)) / 2**7

    def shifted(by: complex) -> Array:
        return run([p if j != k else _with(p, at, x + by) for j, p in enumerate(points)])

    middle = run(points).astype(np.float64)
    with np.errstate(all="ignore"):
        both = [(shifted(h / 2**s), shifted(-h / 2**s)) for s in range(3)]
        steps = [(p - q) / (2 * h / 2**s) for s, (p, q) in enumerate(both)]
        once = [(4 * steps[s + 1] - steps[s]) / 3 for s in range(2)]
        column = (16 * once[1] - once[0]) / 15
        noise = 64 * EPSILON * (abs(middle) + abs(x * column)) / h
        error = abs(column - once[1]) + noise
        # The two sides of a smooth function draw together with the step; those of a kink do not.
        gaps = [abs(p + q - 2 * middle) / (h / 2**s) for s, (p, q) in enumerate(both)]
        kink = gaps[2] > gaps[0] / 2 + 4 * noise
    try:
        by_complex = shifted(1j * 2.0**-100).imag * 2.0**100
    except Exception:  # no function of complex numbers
        by_complex = np.full_like(column, np.nan)
    agrees = abs(by_complex - column) <= 4 * error
    column = np.where(agrees, by_complex, column)
    error = np.where(agrees, STEPS * EPSILON * abs(column), error)
    return column, np.where(kink, np.inf, error)


def _with(array: Array, at: Any, value: Any) -> Array:
    changed = array.astype(np.result_type(array.dtype, type(value))) if isinstance(value, complex) else array.copy()
    changed[at] = value
    return changed
