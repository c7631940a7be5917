"""The errors of many sums of products together: biased ones, and noisier ones than roundings leave, are SUSPECT.

Each sum of n terms may be off by some n u of its absolute values, which hides an accumulator of fewer bits, or one that
truncates, where n is large.  All of them together may not.  So where a forward function is made of sums of products
of its inputs, the judge draws inputs, of random sign and of sizes from 1 to 2, and looks at all errors at once.

What rounding to nearest leaves.  A rounding is off by at most u times its result, either way alike: its square is
u^2 / 3 of that at most on average.  Of a sum of n products of random sign, each of a size near A / n, the partial sums
s_k of whatever order have squares of k (A / n)^2 on average, which add up to A^2 / 2 one after the other, and to less
in blocks, in pairs, or by a fused product; with its products' own roundings the error has a variance of u^2 A^2 / 3 at
most.  Where the sums are accumulated in another format, u is of that, and there is one rounding of each product and
one of the result in the format itself, `SPREAD` A^2 / n and s^2 of its u^2 / 3.  Errors over the root of all that have
a mean square below 1 (measured, for NumPy, PyTorch, JAX and plain loops, in all formats: 0.02 to 0.53).

* Noise: the mean square is at most 1 + `DEVIATIONS` roots of 2 / m, for m numbers.
* Bias: the errors, each as it stands and each away from zero, add up to at most `DEVIATIONS` roots of m.

Six standard deviations come up once in 10^9 if errors are independent and normal; the margin of 1 against what was
measured is for where they hang together.  (TOSA's conformance holds |sum| below 2 sqrt(n t) and squares below 0.4 n t.)
"""

from collections.abc import Sequence
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ...bounds.formats import Format
from ...judge.report import Finding, Report
from ...judge.verdict import CONFORMS, SUSPECT, UNDECIDED
from ...problems.layouts import like, numbers
from ..asking import Failed
from ..recording.linear import factor
from ..recording.reverse import Pulled
from .asking.calls import Call, Operation, asked
from .drawn import LARGEST
from .forward import Forward
from .truth import Admitted

DEVIATIONS = 6.0
"""So many standard deviations of a population are suspect."""

FEWEST = 4
"""Terms of a sum: shorter ones say nothing of how they are added up."""

ENOUGH = 64
"""Numbers of a population, below which nothing is said."""

WANTED = 256
"""Numbers of a population: for so many, up to `MOST` cotangents are asked."""

MOST = 8

SPREAD = 1.25
"""The mean square of products of sizes from 1 to 2, against the square of their mean: 1.037 for each factor; and some
more for sums of few."""


class Population(NamedTuple):
    """Errors of the gradients by one input, over their standard deviations, with the signs of the true numbers.

    Of the ``worst``, its place, what was got and expected, and its standard deviation.
    """

    errors: Array
    signs: Array
    worst: tuple[tuple[int, ...], float, float, float]

    @property
    def noise(self) -> float:
        """The mean square of the errors, in units of the most that is admitted."""
        return float((self.errors**2).mean() / (1 + DEVIATIONS * np.sqrt(2 / self.errors.size)))

    @property
    def bias(self) -> float:
        """The errors added up, as they stand or away from zero, in units of the most that is admitted."""
        sums = abs(self.errors.sum()), abs((self.errors * self.signs).sum())
        return float(max(sums) / (DEVIATIONS * np.sqrt(self.errors.size)))


def examined_as_population(operation: Operation, report: Report, forward: Forward, seed: int) -> Report:
    """A report, with what the errors of many sums of products show together; one that accuses stays as it is.

    Parameters
    ----------
    operation : Operation
    report : Report
        On the inputs given.
    forward : Forward
        Whose pullback it claims to have.
    seed : int
        Of the inputs and cotangents drawn.
    """
    if report.verdict not in (CONFORMS, UNDECIDED):
        return report
    asked, of_inputs = populations(operation, forward, seed)
    found = [
        _finding(operation, k, population)
        for k, population in enumerate(of_inputs)
        if population and max(population.noise, population.bias) > 1
    ]
    return report._replace(findings=(*report.findings, *found), asked=report.asked + asked)


def populations(operation: Operation, forward: Forward, seed: int) -> tuple[int, list[Population | None]]:
    """How often it was asked, and the errors of each input's gradients, where they are many sums of products."""
    shapes = [tuple(x.shape) for x in operation.given]
    sizes = [int(np.prod(shape)) for shape in shapes]
    if operation.output is None or sum(sizes) > LARGEST:
        return 0, []
    rng = np.random.default_rng((seed, len("population")))
    kind, format = operation.given[0], operation.format
    values = [_drawn(rng, shape, kind) for shape in shapes]
    gs = [_drawn(rng, operation.output, kind) for _ in range(min(MOST, ceil(WANTED / max(min(sizes), 1))))]
    try:
        with np.errstate(all="ignore"):
            followed = forward.record(values)(format, None)
            common = None if followed.met else factor(followed.output)
            if common is None:
                return 0, []
            # Of products of size 1 the absolute values count the terms.
            signs, sign_of_g = [np.asarray(np.sign(x)) for x in values], np.asarray(np.sign(gs[0]))
            of_ones = forward.record(signs)(format, None).pulled([sign_of_g])
            terms = [np.rint(of_one.absolute.astype(np.float64) / common) for of_one in of_ones[0]]
            pulled = followed.pulled(gs)
    except Exception:  # whatever a forward function may do with other numbers
        return 0, []
    if not any((n >= FEWEST).any() for n in terms):
        return 0, []
    replies = [asked(operation, Call(values, g, Admitted(()))) for g in gs]
    answered = [(r.answer.parts, of_g) for r, of_g in zip(replies, pulled, strict=True) if r.answer]
    each = [[(parts[k], of_g[k]) for parts, of_g in answered] for k in range(len(shapes))]
    return len(gs), [_population(of_input, n, common, format) for of_input, n in zip(each, terms, strict=True)]


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], kind: Any) -> Array:
    """Numbers of random sign, and of sizes from 1 to 2."""
    return numbers(like(np.asarray(rng.choice([-1.0, 1.0], shape) * rng.uniform(1, 2, shape)), kind))


def _population(
    answers: Sequence[tuple[Array | Failed, Pulled]], terms: Array, common: float, format: Format
) -> Population | None:
    """The errors of one input's gradients; None where they are too few, or too short.  What comes twice counts once."""
    came = [(got, true) for got, true in answers if isinstance(got, np.ndarray)]
    if not came:
        return None
    got, mid = np.stack([got for got, _ in came]), np.stack([true.mid for _, true in came])
    absolute = np.stack([true.absolute for _, true in came]).astype(np.float64)
    with np.errstate(all="ignore"):
        variance = ((format.accumulator or format.u) * absolute) ** 2
        if format.accumulator is not None:
            size = abs(mid).astype(np.float64)
            variance += format.u**2 * (SPREAD * absolute**2 / terms + size**2)
        deviations = np.sqrt(variance / 3)
        errors = ((got.astype(format.wide) - mid) / deviations).astype(np.float64)
    known = np.isfinite([true.rad for _, true in came]) & (absolute >= terms * common)  # every product is 1 at least
    long = np.flatnonzero((terms >= FEWEST) & known)
    places = long[np.unique(abs(mid).ravel()[long], return_index=True)[1]]
    if places.size < ENOUGH:
        return None
    errors = np.where(np.isnan(errors), np.inf, errors).ravel()[places]
    at = np.unravel_index(places[int(abs(errors).argmax())], mid.shape)
    worst = (tuple(map(int, at[1:])), float(got[at]), float(mid[at]), float(deviations[at]))
    return Population(errors, np.sign(mid).astype(np.float64).ravel()[places], worst)


def _finding(operation: Operation, k: int, of: Population) -> Finding:
    many = (
        f"({operation.equation}) by {operation.label(k)}: with inputs that the judge drew, each of {of.errors.size} "
        "sums of products is as near as the worst of roundings could bring it, and all together they are not: "
    )
    if of.bias > 1:
        said = (
            f"the errors add up to {of.bias:.2g} times what comes of rounding to nearest, as where sums are truncated"
        )
    else:
        said = (
            f"the squares of the errors are {of.noise:.2g} times what comes of the format's roundings, as where sums "
            "are added up with fewer bits, or by a fast algorithm (Winograd's, Strassen's, a Fourier transform)"
        )
    return Finding(SUSPECT, "ordinary", operation.equation, k + 1, *of.worst, f"{many}{said}.", ("rounding",))
