"""Evidence: one answer's gradient by one input beside the truth, and whether numbers fit it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ....arrays import Array
from ....bounds.rounded import Rounded
from ..asking.calls import Call, Outcome
from ..judging import nearest_right

FINE = 2.0**-20
"""Formats with a smaller unit roundoff tell a mistake from the truth by far more than all roundings of either."""

SLACK = 64
"""Units of roundoff that a mistake's numbers may be off by in fine formats, of each and of the largest of them."""


class Seen(NamedTuple):
    """The gradient ``got`` by one input in answer to a ``call``, and what is ``expected``: arrays of one shape.

    ``k`` is the input's place.  ``expected`` is the truth, at kinks the right number that is the nearest.
    """

    call: Call
    k: int
    got: Array
    expected: Rounded

    @property
    def truth(self) -> Array:
        """The truth, in the wide format."""
        return self.expected.mid

    @property
    def known(self) -> Array:
        """Where the truth has a bound."""
        return np.isfinite(self.expected.rad)

    @property
    def wrong(self) -> Array:
        """Which elements are wrong."""
        u, size = self.expected.format.u, abs(self.truth)
        # As `conformance.judge.judgement.compare` has it: who multiplies by an exact zero late leaves a rounding.
        late = 2 * u**2 * float(np.max(size, initial=0, where=np.isfinite(size)))
        with np.errstate(all="ignore"):
            rad = np.where((size == 0) & (self.expected.rad == 0), late, self.expected.rad)
            off = ~(abs(self.got.astype(self.truth.dtype) - self.truth) <= rad)
        return off & (self.known | ~np.isfinite(self.got))

    @property
    def decided(self) -> Array:
        """Where a mistake would be seen: elements that stand out from their bounds."""
        return self.known & (abs(self.truth) > 2 * self.expected.rad)

    def fitted(self, numbers: Array) -> Array:
        """Which elements are these numbers, to within the truth's bound twice and the numbers' own rounding."""
        format = self.expected.format
        with np.errstate(all="ignore"):
            numbers = np.broadcast_to(numbers, self.got.shape)
            size = abs(numbers)
            within = 2 * self.expected.rad + 4 * format.u * size + format.tiny
            if format.u < FINE:
                largest = np.max(size, initial=0, where=np.isfinite(size))
                within = np.where(self.known, within, 0) + SLACK * format.u * (size + largest)
            got = self.got.astype(self.truth.dtype)
            near = np.isfinite(numbers) & (abs(got - numbers) <= within)
            return np.asarray(near | (np.isnan(got) & np.isnan(numbers)) | (got == numbers))

    def fits(self, numbers: Array) -> bool:
        """Whether all elements are these numbers where the truth is known."""
        return bool((self.fitted(numbers) | ~self.known).all())

    def fits_where_wrong(self, numbers: Array) -> bool:
        """Whether all wrong elements are these numbers."""
        return bool((self.fitted(numbers) | ~self.wrong).all())


def seen(outcomes: Iterable[Outcome], k: int) -> list[Seen]:
    """What answers show of the gradient by the k-th input; of an answer without one, nothing."""
    found = []
    for outcome in outcomes:
        got = outcome.answer.parts[k]
        if isinstance(got, np.ndarray):
            found.append(
                Seen(outcome.question, k, got, nearest_right(outcome.question.admitted, outcome.answer.parts)[k])
            )
    return found


def sizes(s: Seen) -> Sequence[int]:
    """The extents by which a factor may be explained."""
    return [*s.got.shape, s.got.size, *(n for x in s.call.values for n in x.shape)]
