"""A mistake, the answers that it has to fit, and whether it does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference import Layer, loss_and_gradients

from ....arrays import Array
from ....bounds.radii import EPSILON
from ....judge import precision
from ....problems.problem import Parameters, Problem
from ..judging.evidence import Evidence

SLACK = 4
"""How many of its bounds a number may be off from a mistake's: a mistake may lose twice what the truth does, twice."""

Gradients = Sequence[Parameters[Array]]

Given = Callable[[Problem], Gradients]


class Mistake(NamedTuple):
    """A known mistake: its name, what is said of it, and the gradients that it gives of a problem.

    ``changed`` names what is done to right gradients, in words: "dL/dW", "dL/db" or both; "" for any other mistake.
    """

    name: str
    said: str
    gradients: Given
    changed: str = ""


@dataclass(frozen=True)
class Held:
    """A wrong answer with the truth, the last in float64, all arrays in the order W1, b1, W2, ...

    ``usual`` is the median of the bounds by the sizes of their numbers.
    """

    problem: Problem
    got: list[Array]
    truth: list[Array]
    bound: list[Array]
    usual: list[float]

    @classmethod
    def of(cls, e: Evidence) -> "Held":
        """Of what was found about an answer."""
        leading = [gradient for gradient, _ in e.of.along_paths(e.of.states)][::-1]
        expected = [part for gradient in leading for part in (gradient.W, gradient.b)]
        parts = [part for layer in e.answer.gradients for part in layer]
        got = [precision.plain(part).astype(np.float64) for part in parts]
        radii = map(precision.radius, parts)
        truth = [part.mid.astype(np.float64) for part in expected]
        bound = [part.rad + rad for part, rad in zip(expected, radii, strict=True)]
        usual = [_usual(b, t) for b, t in zip(bound, truth, strict=True)]
        return cls(in_float64(e.of.problem), got, truth, bound, usual)


def in_float64(problem: Problem) -> Problem:
    """The same problem in the format in which mistakes are evaluated."""
    layers = tuple(Layer(W.astype(np.float64), b.astype(np.float64), sigma) for W, b, sigma in problem.network)
    return problem._replace(network=layers, x=problem.x.astype(np.float64), y=problem.y.astype(np.float64))


def fits_all(mistake: Mistake, answers: Sequence[Held]) -> bool:
    """Whether the mistake gives every number of every answer, and not the truth in all of them.

    Of zeros and NaN alone nothing is told: too much else ends in them.
    """
    differs = False
    for held in answers:
        try:
            with np.errstate(all="ignore"):
                given = [np.asarray(part, np.float64) for layer in mistake.gradients(held.problem) for part in layer]
        except (ValueError, IndexError, TypeError):  # it is none of this architecture
            return False
        if len(given) != len(held.got):
            return False
        telling = any((np.isfinite(part) & (part != 0)).any() for part in held.got)
        # The last layer first: there it shows with least work, and whatever is wrong above is wrong below.
        parts = list(zip(held.got, given, held.truth, held.bound, held.usual, strict=True))[::-1]
        for got, mistaken, truth, bound, usual in parts:
            if got.shape != mistaken.shape:
                return False
            with np.errstate(all="ignore"):
                within = allowed(bound, mistaken, usual)
                alike = (got == mistaken) | (np.isnan(got) & np.isnan(mistaken))
                fits = (abs(got - mistaken) <= within) | alike | ~np.isfinite(bound)
                off = ~(abs(mistaken - truth) <= within) & np.isfinite(bound)
                differs = differs or (telling and bool(off.any()))
            if not fits.all():
                return False
    return differs


def allowed(bound: Array, mistaken: Array, usual: float) -> Array:
    """How far a number may be off from a mistake's: its bound, or the usual one of a number of its size."""
    within: Array = SLACK * (bound + (EPSILON + usual) * abs(mistaken))
    return within


def _usual(bound: Array, truth: Array) -> float:
    with np.errstate(all="ignore"):
        relative = (bound / abs(truth))[(truth != 0) & np.isfinite(bound)]
    return float(np.median(relative)) if relative.size else 0.0


def gradients_of(problem: Problem) -> list[Parameters[Array]]:
    """The right ones."""
    found = loss_and_gradients(problem.network, problem.x, problem.y, problem.loss, problem.reduction).gradients
    return [Parameters(gradient.W, gradient.b) for gradient in found]
