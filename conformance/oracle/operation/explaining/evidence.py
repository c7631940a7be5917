"""Evidence: one answer's gradient by one input beside the truth, and whether numbers fit it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ....arrays import Array
from ....bounds.rounded import Rounded
from ...following.array import Unfollowed
from ...recording.reverse import Followed
from ..asking.calls import Call, Operation, Outcome
from ..judging import nearest_right
from . import cotangents
from .cotangents import LARGEST

FINE = 2.0**-20
"""Formats with a smaller unit roundoff tell a mistake from the truth by far more than all roundings of either."""

SLACK = 64
"""Units of roundoff that a mistake's numbers may be off by in fine formats, of each and of the largest of them."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A call of an operation, and what else can be had of the same inputs, each when it is first looked at."""

    operation: Operation
    call: Call

    @cached_property
    def output(self) -> Array | None:
        """What somebody's own forward function gives."""
        output = self.operation.known.output
        return output(self.call.values) if output is not None else None

    @cached_property
    def followed(self) -> Followed | None:
        """The forward function followed once; None where it is not somebody's own, or cannot be."""
        record = self.operation.known.record
        try:
            return record(self.call.values) if record is not None else None
        except Unfollowed:
            return None

    @cached_property
    def of_other_cotangents(self) -> dict[str, tuple[Array, ...]]:
        """The truth of cotangents that people take for this one: of each, the gradients by all inputs."""
        g = self.call.g
        if g is None or max(g.size, *(x.size for x in self.call.values)) > LARGEST:
            return {}
        named = dict(cotangents.others(g, self.operation.known.outputs))
        try:
            truth = self.operation.truth(self.call.values, list(named.values()))
        except Exception:  # whatever a forward function may do, or an equation that has no bound
            return {}
        return {n: tuple(b.mid for b in of.bounds) for n, of in zip(named, truth.expected, strict=True)}


class Seen(NamedTuple):
    """The gradient ``got`` by one input in answer to what was asked, and what is ``expected``: arrays of one shape.

    ``k`` is the input's place.  ``expected`` is the truth, at kinks the right number that is the nearest.
    """

    asked: Asked
    k: int
    got: Array
    expected: Rounded

    @property
    def call(self) -> Call:
        """The inputs and the cotangent."""
        return self.asked.call

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
        return np.asarray(self.known & ((abs(self.truth) > 2 * self.expected.rad) | (self.truth == 0)))

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


class Answer(NamedTuple):
    """What was asked, and what came of it."""

    asked: Asked
    outcome: Outcome


def answers(operation: Operation, outcomes: Iterable[Outcome]) -> tuple[Answer, ...]:
    """Answers to questions of one kind, the one to be explained first."""
    return tuple(Answer(Asked(operation, outcome.question), outcome) for outcome in outcomes)


def seen(answers: Iterable[Answer], k: int) -> list[Seen]:
    """What answers show of the gradient by the k-th input; of an answer without one, nothing."""
    found = []
    for asked, outcome in answers:
        got, parts = outcome.answer.parts[k], outcome.answer.parts
        if isinstance(got, np.ndarray):
            found.append(Seen(asked, k, got, nearest_right(asked.call.admitted, parts)[k]))
    return found


def sizes(s: Seen) -> Sequence[int]:
    """The extents by which a factor may be explained."""
    return [*s.got.shape, s.got.size, *(n for x in s.call.values for n in x.shape)]
