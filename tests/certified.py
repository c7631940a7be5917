"""The truth, certified: what floats are held to by balls."""

import numpy as np

from conformance.arrays import Array
from conformance.bounds.rounded import Rounded
from conformance.numbers.balls import balls, distance


def radius_used(got: Array, truth: Array, admitted: Rounded) -> float:
    """The largest error of ``got`` against the truth's balls, over the bound; the bound's midpoint must hold too.

    A midpoint is as wide a float as there is, so it is itself within the radius of the truth.
    """
    worst = 0.0
    for at, ball in np.ndenumerate(balls(truth)):
        error, middle, bound = distance(got[at], ball), distance(admitted.mid[at], ball), float(admitted.rad[at])
        assert middle <= bound, f"the truth {ball} is not within {bound} of the midpoint {admitted.mid[at]}"
        worst = max(worst, (error / bound if bound else np.inf) if error else 0.0)
    return worst


def random(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, scale: float = 2.0) -> Array:
    """Generic numbers."""
    return (scale * rng.standard_normal(shape)).astype(dtype)
