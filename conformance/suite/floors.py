"""Detection floors on generic normal problems: what a judgement would have caught, by width, format and reach."""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from reference import Activation, CrossEntropy, Softmax, Tanh

from ..bounds.lifted import lifted
from ..judge.equations import end_to_end, local, path
from ..judge.judgement import Judgement
from ..problems.problem import Architecture, fill
from ..subjects.reference import reference_answer
from .suite import REACHES

WIDTHS = ((64, 64, 10), (784, 128, 10), (784, 784, 10))
"""Networks whose floors are shown: tanh below softmax with cross-entropy, 5 samples.

All numbers are drawn from a normal distribution, weights over sqrt(n).
"""

DTYPES = ("float64", "float32")


class Floor(NamedTuple):
    """The least relative error caught: its median over elements that are not 0, in the layer where that is largest."""

    widths: tuple[int, ...]
    dtype: str
    reach: str
    equation: str
    layer: int
    floor: float


def generic(widths: tuple[int, ...], dtype: str) -> Architecture:
    """The problem of those widths."""
    sigmas: tuple[Activation, ...] = (*(Tanh() for _ in widths[2:]), Softmax())
    return Architecture(widths, sigmas, CrossEntropy(), "mean", 5, dtype, ("generic",) * 3, seed=0, eta=0.1)


def floors() -> Iterator[Floor]:
    """The floor of each equation, for every network, format and reach."""
    for widths in WIDTHS:
        for dtype in DTYPES:
            of = lifted(fill(generic(widths, dtype)))
            answer = reference_answer(of.problem)
            judgements = (
                local(of, answer),
                path(of, answer),
                chain.from_iterable(end_to_end(of, answer)),
            )
            for reach, of_reach in zip(REACHES, judgements, strict=True):
                widest: dict[str, Judgement] = {}
                for j in of_reach:
                    widest[j.equation] = max(widest.get(j.equation, j), j, key=lambda j: j.floor)
                yield from (Floor(widths, dtype, reach, j.equation, j.layer, j.floor) for j in widest.values())
