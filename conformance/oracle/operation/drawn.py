"""Inputs that the judge draws for itself: what moderate numbers hide is asked as well.

Each stands for a place at which people's formulas fail: kinks and zeros, the ends of the range, cotangents that are
large or tiny; and of somebody's own forward function the numbers given, moved a little and in another order.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from reference import (
    L1,
    Activation,
    BinaryCrossEntropyWithLogits,
    CrossEntropyWithLogits,
    HalfSquaredError,
    Huber,
    Loss,
    MeanSquaredError,
    SmoothL1,
)

from ...arrays import Array
from ...bounds.assumptions import SHIFTED
from ...bounds.formats import Format

Kind: TypeAlias = Literal["ordinary", "extreme", "beyond"]
"""What an answer counts as: as any other, as one at the ends of the range, or as one beyond the inputs given."""


class Drawn(NamedTuple):
    """Inputs drawn, and by what the cotangent is multiplied; ``where`` says so in words."""

    kind: Kind
    values: tuple[Array, ...]
    where: str
    scale: float = 1.0


KINKS = (0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 6.0, -6.0)
"""Kinks and zeros of the activations and losses, and round numbers, at which people's formulas divide 0 by 0."""

MARGIN = 4
"""How far below the end of an exponential four times a number stays: right formulas square e^2z (the mish of Darknet's
kernels), times a cotangent of up to e^4."""

DIFFERENCES = (HalfSquaredError, MeanSquaredError, L1, Huber, SmoothL1)
"""The losses of a - y, whose kinks are there."""

LOGITS = (BinaryCrossEntropyWithLogits, CrossEntropyWithLogits)
"""The losses of any outputs, with kinks and zeros of their own."""

MOVED = 2.0**-3
"""By how much of itself a number is moved at most: what is 1 throughout becomes seen in every format."""

LARGEST = 2**14
"""Of how many numbers somebody's own forward function is asked beyond them; of more, that would take too long."""


def for_activation(sigma: Activation, z: Array, format: Format, end: float) -> Iterator[Drawn]:
    """For a named activation of z, of any shape; beyond ``end`` an exponential overflows."""
    every = [*KINKS, *_parameters(sigma)]
    kinks = every if type(sigma) in SHIFTED else [k for k in every if 4 * abs(k) <= end - MARGIN]
    at_kinks = list(_filled(kinks, z))
    for values in at_kinks:
        yield Drawn("ordinary", (values,), "kinks and zeros")
    # Still far from the ends of the range for whatever is multiplied on the way.
    size = 2.0**4 if format.largest < 2.0**16 else 2.0**10
    yield Drawn("ordinary", (at_kinks[0],), f"kinks and zeros, and a cotangent times {size:g}", size)
    yield Drawn("ordinary", (at_kinks[0],), f"kinks and zeros, and a cotangent divided by {size:g}", 1 / size)
    for values in _filled(_ends(format, end), z):
        yield Drawn("extreme", (values,), "inputs at the ends of the range")
    yield Drawn("extreme", (at_kinks[0],), "a cotangent near the largest number", format.largest / 2**6)
    yield Drawn("extreme", (at_kinks[0],), "a cotangent near the smallest number", format.tiny * 2**4)


def for_loss(loss: Loss, a: Array, y: Array, format: Format, end: float) -> Iterator[Drawn]:
    """For a named loss of outputs a with targets y, (B, K); the targets stay."""
    if type(loss) in DIFFERENCES:
        for by in _filled([*KINKS, *_parameters(loss)], a):
            yield Drawn("ordinary", ((y + by).astype(a.dtype), y), "outputs at the targets and beside them")
    if type(loss) in LOGITS:
        for values in _filled([k for k in KINKS if 4 * abs(k) <= end - MARGIN], a):
            yield Drawn("ordinary", (values, y), "logits of zero and round ones")
        for values in _filled(_ends(format, end), a):
            yield Drawn("extreme", (values, y), "logits at the ends of the range")


SPREAD = (0.0, 0.003, -0.005, 0.07, -0.09, 0.4, -0.3, 0.8, -0.7, 1.3, -1.6, 2.4, -2.2, 3.7, -4.1, 5.3, -5.6, 7.0, -8.0,
          12.0, -13.0, 25.0, -26.0)  # fmt: skip
"""Numbers on either side of where equations change, away from all that people give as thresholds, but for 0."""


def spread(x: Array, seed: int) -> Iterator[Array]:
    """As many numbers of all sizes as an array has, in some order; nothing of large ones."""
    if x.size <= LARGEST:
        rng = np.random.default_rng((seed, len("beyond")))
        order = np.concatenate([rng.permutation(SPREAD) for _ in range(-(-x.size // len(SPREAD)))])
        yield (order[: x.size].reshape(x.shape) * rng.uniform(0.9, 1.1, x.shape)).astype(x.dtype)


def fresh_outputs(loss: Loss, a: Array, y: Array, seed: int) -> Iterator[tuple[Array, Array]]:
    """Other outputs of a named loss: of all sizes, where it takes any."""
    if type(loss) in (*DIFFERENCES, *LOGITS):
        for by in spread(a, seed):
            yield (y + by if type(loss) in DIFFERENCES else by).astype(a.dtype), y
    else:
        yield from ((moved_a, y) for moved_a, _ in moved((a, y), 1, seed))


def moved(values: Sequence[Array], judged: int, seed: int) -> Iterator[tuple[Array, ...]]:
    """The first ``judged`` inputs moved a little, the others as they are; nothing of large ones."""
    if sum(x.size for x in values) > LARGEST:
        return
    rng = np.random.default_rng((seed, len("beyond")))
    yield (*(_moved(x, rng) for x in values[:judged]), *values[judged:])


def for_own(values: Sequence[Array], judged: int, seed: int) -> Iterator[Drawn]:
    """For somebody's own forward function: the first ``judged`` inputs moved a little, and each in another order."""
    if sum(x.size for x in values) > LARGEST:
        return
    rng = np.random.default_rng((seed, len("beyond")))
    fixed = tuple(values[judged:])
    moved = [_moved(x, rng) for x in values[:judged]]
    yield Drawn("beyond", (*moved, *fixed), "the inputs moved a little")
    permuted = [rng.permutation(x.ravel()).reshape(x.shape) for x in values[:judged]]
    yield Drawn("beyond", (*permuted, *fixed), "the numbers of each input in another order")


def _moved(x: Array, rng: np.random.Generator) -> Array:
    """Each number by a part of itself; what is zero throughout by as much of 1."""
    by = MOVED * rng.uniform(-1, 1, x.shape)
    return np.asarray(x + by * (x if x.any() else 1)).astype(x.dtype)


def _parameters(equation: Activation | Loss) -> tuple[float, ...]:
    """The parameters of an equation, and their negatives: where its kinks may be."""
    numbers = [float(p) for p in vars(equation).values() if isinstance(p, int | float) and not isinstance(p, bool)]
    return tuple(k for p in numbers for k in (p, -p))


def _ends(format: Format, end: float) -> list[float]:
    """Numbers at both ends of the range, just beyond where an exponential overflows among them."""
    large = [format.largest**0.5, format.largest / 4]
    if np.isfinite(end):
        large = [end + 1, 2 * end, *large]
    return [sign * x for x in (*large, 4 * format.tiny, format.tiny / 4) for sign in (1, -1)]


def _filled(numbers: Sequence[float], like: Array) -> Iterator[Array]:
    """Arrays of a shape and dtype that hold all the numbers, in as many as they need."""
    n = max(like.size, 1)
    for start in range(0, len(numbers), n):
        yield np.resize(np.asarray(numbers[start : start + n]), like.shape).astype(like.dtype)
