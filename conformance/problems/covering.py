"""Covering arrays: few rows in which any two levels of any two factors meet.

A mistake that shows only under one or two conditions together (more than three samples and more than two layers, say)
is met by one of the rows.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

Level = TypeVar("Level", bound=Hashable)

CANDIDATES = 24
"""Random rows of which the one that covers most is taken; more make an array hardly shorter."""


def rows(factors: Mapping[str, Sequence[Level]], seed: int) -> Iterator[dict[str, Level]]:
    """Rows without end: first those that cover every pair of levels, of the first factors first; then random ones.

    Parameters
    ----------
    factors : mapping
        The levels of each factor, by its name.
    seed : int

    Yields
    ------
    dict
        A level for each factor.
    """
    rng = np.random.default_rng(seed)
    names = list(factors)
    left = {
        ((p, u), (q, v)): None for p, q in combinations(names, 2) for u in factors[p] for v in factors[q]
    }  # a dict, whose order does not hang on hashes

    def drawn() -> dict[str, Level]:
        return {name: factors[name][int(rng.integers(len(factors[name])))] for name in names}

    def pairs(row: dict[str, Level]) -> list[tuple[tuple[str, Level], tuple[str, Level]]]:
        return list(combinations(row.items(), 2))

    while left:
        first = next(iter(left))
        candidates = [drawn() | dict(first) for _ in range(CANDIDATES)]
        row = max(candidates, key=lambda row: sum(pair in left for pair in pairs(row)))
        for pair in pairs(row):
            left.pop(pair, None)
        yield row
    while True:
        yield drawn()
