"""Draws: random questions without end, each a pure function of the seed and its number.

The covering array combines what is known to matter; these meet what nobody thought of.  Heads and reductions take
turns, so that each is met as often as any other.
"""

import numpy as np

from ....bounds.paths import MIXING
from .domain import Domain
from .questions import MIXED_LAYERS, OF_DISTRIBUTIONS, SMALL_LAYERS, SMALL_WIDTH, Question, Shape, question_of

FIRST = 2**20
"""The number of the first draw: no question of `questions` has so large a one."""

DEEPER, WIDER = 8, 24
"""The most layers and units of a draw; beyond a small network it is drawn well conditioned."""

SMALL_SHARE = 0.75
"""The share of small networks, of which all weights are generic."""

SAMPLES = 9
"""The most samples."""


def drawn_question(domain: Domain, seed: int, number: int) -> Question:
    """The random question of that number, 0 or more.

    Parameters
    ----------
    domain : Domain
    seed, number : int
    """
    rng = np.random.default_rng((seed, FIRST, number))
    small = rng.random() < SMALL_SHARE
    deepest, widest = (SMALL_LAYERS, SMALL_WIDTH) if small else (DEEPER, WIDER)
    if domain.dtype == "float32" and any(isinstance(sigma, MIXING) for sigma in domain.hidden):
        deepest = min(deepest, MIXED_LAYERS)
    turn, head = divmod(number, len(domain.heads))
    sigma, loss = domain.heads[head]
    fewest = 2 if isinstance(sigma, MIXING) or isinstance(loss, OF_DISTRIBUTIONS) else 1  # a single p is 1
    L = _within(rng, (1, deepest), domain.layers)
    widths = tuple(_within(rng, (fewest if l == L else 1, widest), domain.width) for l in range(L + 1))
    B = _within(rng, (1, SAMPLES), domain.batch)
    shape = Shape(f"random {number}: {'-'.join(map(str, widths))}", widths, B)
    reduction = domain.reductions[turn % len(domain.reductions)]
    numbers = str(rng.choice(("normal", "normal", "whole", "some 0")))
    return question_of(domain, shape, seed, FIRST + number, numbers, head, reduction)


def _within(rng: np.random.Generator, wished: tuple[int, int], limits: tuple[int, int]) -> int:
    """A number in both intervals, or the limit that is nearest to the wished ones."""
    low, high = (min(max(end, limits[0]), limits[1]) for end in wished)
    return int(rng.integers(low, high + 1))
