"""An answer's numbers, held to what is admitted."""

from collections.abc import Sequence

import numpy as np

from ...arrays import Array
from ...bounds.rounded import Rounded
from ...judge.judgement import Judgement, compare
from ..asking import Failed
from .hulls import settled
from .truth import Admitted


def judged(
    equation: str, dtype: str, parts: Sequence[Array | Failed], admitted: Admitted, estimated: bool
) -> tuple[Judgement, ...]:
    """The gradients by all inputs, each counted from 1; at kinks, jointly."""
    kinks = admitted.kinks
    bounds, at_kinks = settled(admitted.bounds, kinks, parts) if kinks else (admitted.bounds, ())
    judgements = [
        judgement(equation, k, dtype, got, bound, estimated)
        for k, (got, bound) in enumerate(zip(parts, bounds, strict=True), start=1)
    ]
    if at_kinks:  # what is right there is many numbers: within them nothing is decided
        judgements = [
            j._replace(undecided=min(j.elements - j.wrong, j.undecided + int(here.sum())))
            for j, here in zip(judgements, at_kinks, strict=True)
        ]
    if admitted.finite:
        each = zip(judgements, parts, admitted.bounds, admitted.finite, strict=True)
        judgements = [_not_a_number(j, got, bound, finite) for j, got, bound, finite in each]
    return tuple(judgements)


def nearest_right(admitted: Admitted, parts: Sequence[Array | Failed]) -> Sequence[Rounded]:
    """What is admitted; at kinks the right numbers that are the nearest to an answer."""
    return settled(admitted.bounds, admitted.kinks, parts)[0] if admitted.kinks else admitted.bounds


def judgement(
    equation: str, k: int, dtype: str, got: Array | Failed, admitted: Rounded, estimated: bool = False
) -> Judgement:
    """Of numbers; where there are none, all are wrong, which is a fact and no estimate."""
    if isinstance(got, Failed):
        n = admitted.mid.size
        return Judgement(equation, k, dtype, n, n, 0, np.inf, 0.0, (), np.nan, np.nan, 0.0)
    j = compare(equation, k, got, admitted)._replace(dtype=dtype)
    if not estimated:
        return j
    # An estimate that would let most numbers pass at twice their size decides nothing, not even the few beside them.
    return j._replace(wrong=0, suspect=j.wrong, undecided=j.elements if j.floor >= 1 else j.undecided)


def _not_a_number(j: Judgement, got: Array | Failed, bound: Rounded, finite: Array) -> Judgement:
    """NaN is wrong where the derivative is known to be a finite number, however wide its bound is."""
    if isinstance(got, Failed):
        return j
    wrong = np.isnan(got) & finite & ~np.isfinite(bound.rad)
    if not wrong.any():
        return j
    at = tuple(np.argwhere(wrong)[0])
    n = int(wrong.sum())
    j = j._replace(wrong=j.wrong + n, undecided=j.undecided - n)
    if j.wrong > n:
        return j
    where, expected = tuple(map(int, at)), float(bound.mid[at])
    return j._replace(element=where, got=np.nan, expected=expected, bound=np.inf, margin=np.inf)
