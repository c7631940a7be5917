"""A walk: a trainer asked for the first batch of a training, then for the first two, and so on.

The rule's state starts fresh with each request, so that the answers are what a training comes to step by step: each
step leads from the parameters that one answer gave to those of the next, and is one exact question.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ....arrays import Network
from ....oracle.asking import Failed, reply
from ....problems.problem import Problem
from ....problems.training import Training

Train = Callable[[Training], Network]


class Walk(NamedTuple):
    """A training with the networks after its first batches, and why there are no more, if it failed."""

    training: Training
    after: tuple[Network, ...]
    failed: Failed | None = None

    def before(self, t: int) -> Network:
        """The network before a step, counted from 0."""
        return self.after[t - 1] if t else self.training.network

    def problem(self, t: int) -> Problem:
        """The problem whose gradients a step takes."""
        return self.training.problem(t, self.before(t))

    @property
    def finite(self) -> bool:
        """Whether all numbers are."""
        return all(np.isfinite(part).all() for network in self.after for W, b, _ in network for part in (W, b))


def walked(train: Train, training: Training) -> Walk:
    """Ask for a training batch by batch, until it fails or its numbers are not finite.

    Raises
    ------
    Ended
        If no more is to be asked.
    """
    walk = Walk(training, ())
    for count in range(1, len(training.batches) + 1):
        answer, failed, _ = reply(lambda count=count: train(training.prefix(count)), ())  # type: ignore[misc]
        if answer is None:
            return walk._replace(failed=failed)
        walk = walk._replace(after=(*walk.after, answer))
        if not walk.finite:
            break
    return walk


def repeats(train: Train, walk: Walk, t: int) -> bool:
    """Whether the answers that make up a step, counted from 0, are the same when they are asked for again."""
    for of in range(max(t - 1, 0), t + 1):
        answer, _, _ = reply(lambda of=of: train(walk.training.prefix(of + 1)), ())  # type: ignore[misc]
        if answer is None or not _same(answer, walk.after[of]):
            return False
    return True


def _same(p: Network, q: Network) -> bool:
    pairs = ((np.append(a.W, a.b), np.append(b.W, b.b)) for a, b in zip(p, q, strict=True))
    return all(np.array_equal(of_p, of_q, equal_nan=True) for of_p, of_q in pairs)
