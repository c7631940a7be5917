"""Contrasts: what sets the questions with wrong answers apart from those with right ones.

A remark on samples, layers or widths is made only where two questions that are alike in all else differ so: the
smallest wrong one is cut down to the largest size that was answered rightly, and asked.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from reference import Layer

from ...problems.problem import Problem
from .asking.questions import Question


class Feature(NamedTuple):
    """A size of a question, in words, and a problem cut down to it."""

    one: str
    several: str
    size: Callable[[Problem], int]
    cut: Callable[[Problem, int], Problem]

    def counted(self, n: int) -> str:
        """The size in words."""
        return f"{n} {self.several}" if n > 1 else f"one {self.one}"


def _to_samples(problem: Problem, n: int) -> Problem:
    return problem._replace(x=problem.x[:n], y=problem.y[:n])


def _to_layers(problem: Problem, n: int) -> Problem:
    """The first layers, below the last; its weights as many as it then has inputs."""
    *below, last = problem.network
    m = len(below[n - 2].b) if n > 1 else problem.x.shape[1]
    return problem._replace(network=(*below[: n - 1], last._replace(W=np.resize(last.W, (len(last.b), m)))))


def _to_units(problem: Problem, n: int) -> Problem:
    *below, last = problem.network
    narrow = [Layer(W[:n], b[:n], sigma) for W, b, sigma in below]
    first, *above = (*narrow, last)
    return problem._replace(network=(first, *(layer._replace(W=layer.W[:, :n]) for layer in above)))


def _to_inputs(problem: Problem, n: int) -> Problem:
    first, *above = problem.network
    return problem._replace(network=(first._replace(W=first.W[:, :n]), *above), x=problem.x[:, :n])


FEATURES = (
    Feature("sample", "samples", lambda p: len(p.x), _to_samples),
    Feature("layer", "layers", lambda p: len(p.network), _to_layers),
    Feature("unit in a hidden layer", "units in a hidden layer", lambda p: _widest(p), _to_units),
    Feature("input", "inputs", lambda p: p.x.shape[1], _to_inputs),
)


def _widest(problem: Problem) -> int:
    return max((len(b) for _, b, _ in problem.network[:-1]), default=0)


def contrast(wrong: Sequence[Question], right: Sequence[Question], conforms: Callable[[Problem], bool]) -> str:
    """What the wrong questions have and the right ones have not, in a sentence; or how many were right.

    Parameters
    ----------
    wrong, right : sequences of Question
        The smallest first.
    conforms : function
        Whether a problem is answered rightly; it is asked a few.
    """
    if not right or not wrong:
        return ""
    for feature in FEATURES:
        of_wrong, of_right = ([feature.size(q.problem) for q in asked] for asked in (wrong, right))
        least, most = min(of_wrong), max(of_right)
        first = next(q.problem for q in wrong if feature.size(q.problem) == least)
        if 0 < most < least and conforms(feature.cut(first, most)):
            return (
                f"It shows from {feature.counted(least)} on; the same question with {feature.counted(most)} is "
                "answered rightly."
            )
    for p in wrong:
        for q in right:
            if _alike_but_for_samples(p, q):
                samples = FEATURES[0].counted
                return (
                    f"It shows with {samples(len(p.problem.x))}; the same question with {samples(len(q.problem.x))} is "
                    "answered rightly."
                )
    return f"{len(right)} other question{'s were' if len(right) > 1 else ' was'} answered rightly."


def _alike_but_for_samples(p: Question, q: Question) -> bool:
    """Whether two questions ask of one network, and differ in how many samples they have."""
    if len(p.problem.x) == len(q.problem.x) or p.widths != q.widths:
        return False
    layers = zip(p.problem.network, q.problem.network, strict=True)
    same = all(np.array_equal(a.W, b.W) and np.array_equal(a.b, b.b) and a.sigma == b.sigma for a, b in layers)
    return same and (p.problem.loss, p.problem.reduction) == (q.problem.loss, q.problem.reduction)
