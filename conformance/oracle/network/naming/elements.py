"""Elements: which numbers of a gradient are wrong, where a rule tells them from the right ones.

A rule is said where it holds exactly, in every wrong answer that is looked at.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ....arrays import Array
from ....judge import precision
from ....judge.judgement import known
from ...explaining.elements import exact
from ..judging.evidence import Evidence


class Gradient(NamedTuple):
    """A wrong gradient of one layer: which elements are wrong, and what they belong to.

    ``wrong``, ``decided`` and ``truth`` are (n_l, n_{l-1}) or (n_l,); ``z`` is (B, n_l), ``a_prev`` (B, n_{l-1}), ``W``
    the layer's weights; ``y`` (B, n_L) stands for the last layer alone.
    """

    wrong: Array
    decided: Array
    truth: Array
    z: Array
    a_prev: Array
    W: Array
    y: Array | None

    def rows(self, which: Array) -> Array:
        """A choice of units as one of elements."""
        return which if self.wrong.ndim == 1 else np.broadcast_to(which[:, None], self.wrong.shape)

    def columns(self, which: Array) -> Array | None:
        """A choice of inputs as one of elements; None for biases."""
        return None if self.wrong.ndim == 1 else np.broadcast_to(which, self.wrong.shape)


Rule = Callable[[Gradient], Array | None]
"""Of which elements something holds; None where it cannot be told."""

BLOCKS = (8, 16, 32, 64, 128, 256)
"""From where on, or in steps of what, loops over blocks forget elements."""


def _index(n: int) -> Array:
    return np.arange(n)


def _of_one_sample(of: Callable[[Gradient], Array]) -> Rule:
    """Of a single sample's units: a batch's gradient adds up several."""
    return lambda g: g.rows(of(g)) if len(g.z) == 1 else None


RULES: dict[str, Rule] = {
    "all units with z > 0": _of_one_sample(lambda g: g.z[0] > 0),
    "all units with z < 0": _of_one_sample(lambda g: g.z[0] < 0),
    "all units with z = 0": _of_one_sample(lambda g: g.z[0] == 0),
    "all units with |z| > 1": _of_one_sample(lambda g: abs(g.z[0]) > 1),
    "all units with |z| < 1": _of_one_sample(lambda g: abs(g.z[0]) < 1),
    "the units with target 0": lambda g: None if g.y is None or len(g.y) > 1 else g.rows(g.y[0] == 0),
    "the units with another target than 0": lambda g: None if g.y is None or len(g.y) > 1 else g.rows(g.y[0] != 0),
    "the last unit": lambda g: g.rows(_index(len(g.W)) == len(g.W) - 1),
    "the first unit": lambda g: g.rows(_index(len(g.W)) == 0),
    "all units but the first": lambda g: g.rows(_index(len(g.W)) > 0),
    "all units but the last": lambda g: g.rows(_index(len(g.W)) < len(g.W) - 1),
    "every second unit": lambda g: g.rows(_index(len(g.W)) % 2 == 1),
    "the first unit and every second after it": lambda g: g.rows(_index(len(g.W)) % 2 == 0),
    "the last input": lambda g: g.columns(_index(g.W.shape[1]) == g.W.shape[1] - 1),
    "the first input": lambda g: g.columns(_index(g.W.shape[1]) == 0),
    "all inputs but the first": lambda g: g.columns(_index(g.W.shape[1]) > 0),
    "all inputs but the last": lambda g: g.columns(_index(g.W.shape[1]) < g.W.shape[1] - 1),
    "the inputs that are negative": lambda g: g.columns(g.a_prev[0] < 0) if len(g.a_prev) == 1 else None,
    "the inputs that are positive": lambda g: g.columns(g.a_prev[0] > 0) if len(g.a_prev) == 1 else None,
    "the inputs that are 0": lambda g: g.columns(g.a_prev[0] == 0) if len(g.a_prev) == 1 else None,
    "the elements that are to be negative": lambda g: g.truth < 0,
    "the elements that are to be positive": lambda g: g.truth > 0,
    "the elements that are to be 0": lambda g: g.truth == 0,
    "the elements whose weight is negative": lambda g: g.W < 0 if g.wrong.ndim == 2 else None,
    "the elements whose weight is positive": lambda g: g.W > 0 if g.wrong.ndim == 2 else None,
    "the first element": lambda g: np.arange(g.wrong.size).reshape(g.wrong.shape) == 0,
    "the last element": lambda g: np.arange(g.wrong.size).reshape(g.wrong.shape) == g.wrong.size - 1,
    "the diagonal": lambda g: np.eye(*g.W.shape) == 1 if g.wrong.ndim == 2 else None,
    "all but the diagonal": lambda g: np.eye(*g.W.shape) == 0 if g.wrong.ndim == 2 else None,
}
"""What may hold of the wrong elements and of no others, in words."""


def _beyond(n: int) -> dict[str, Rule]:
    return {
        f"the units from index {n} on": lambda g: g.rows(_index(len(g.W)) >= n),
        f"the inputs from index {n} on": lambda g: g.columns(_index(g.W.shape[1]) >= n),
    }


ALL_RULES = RULES | {name: rule for n in BLOCKS for name, rule in _beyond(n).items()}


def which(wrong: Iterable[tuple[Evidence, str, int]]) -> str:
    """Which elements are wrong, in a sentence; or "" where no rule holds exactly.

    Parameters
    ----------
    wrong : iterable of (Evidence, equation, layer)
        What is named in each wrong answer: (B3) and (B4) themselves, (B1) and (B2) by the dL/db that shows them.
    """
    wrong = list(wrong)
    if any(e.of.narrower for e, *_ in wrong):  # in half precision too much is undecided for a rule to hold exactly
        return ""
    gradients = [g for g in (_gradient(*one) for one in wrong) if g is not None]
    if not all(g.wrong.any() for g in gradients):
        return ""
    found = next(exact(ALL_RULES, gradients), "")
    return f"Wrong are exactly {found}." if found else ""


def _gradient(e: Evidence, equation: str, layer: int) -> Gradient | None:
    if equation not in ("B1", "B2", "B3", "B4") or layer < 1:
        return None
    L = len(e.of.network)
    expected = next(gradient for l, (gradient, _) in _layers(e, L) if l == layer)
    field = "W" if equation == "B3" else "b"
    if not known(getattr(e.answer.gradients[layer - 1], field)):
        return None
    truth, got = getattr(expected, field), precision.plain(getattr(e.answer.gradients[layer - 1], field))
    with np.errstate(all="ignore"):
        off = ~(abs(got.astype(np.float64) - truth.mid.astype(np.float64)) <= truth.rad) & np.isfinite(truth.rad)
    z, _ = e.of.states[layer - 1]
    a_prev = e.of.states[layer - 2][1].mid if layer > 1 else e.of.problem.x
    y = e.of.problem.y if layer == L else None
    W = e.of.problem.network[layer - 1].W
    decided = np.isfinite(truth.rad) & (abs(truth.mid) > 2 * truth.rad)
    return Gradient(off, decided, truth.mid, z.mid, a_prev, W, y)


def _layers(e: Evidence, L: int) -> Sequence[tuple[int, tuple[object, object]]]:
    return list(zip(range(L, 0, -1), e.of.along_paths(e.of.states), strict=True))
