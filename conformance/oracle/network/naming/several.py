"""Several: independent mistakes in different layers, found from the last layer down.

What a layer's gradients are depends on the lines of that layer and of those above alone.  So the lines are found one
layer after the other: the right ones where they give the numbers, else another one, or one for dL/dW and one for dL/db.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from reference import Gradient, backward, cotangent, forward
from reference.gradients import reduced_loss

from ....arrays import Array
from ..judging.evidence import Evidence
from .lines import LINES, Line, Other, Turn
from .mistake import Held, allowed

LAST = 0
"""Stands for the number of the last layer, whatever it is; hidden ones are counted from 1."""

FEWEST = 4
"""Numbers, at least, that must share a factor."""

EACH = 3
"""Wrong answers to single samples, and to batches, that are looked at, the smallest; and right ones."""


class Part(NamedTuple):
    """One of several mistakes: its equation and layer, `LAST` for the last, its line, and a factor or NaN."""

    equation: str
    layer: int
    line: Line
    factor: float = np.nan


@dataclass
class _Down:
    """An answer on the way down: what it is asked, and g as the subject's own lines hand it down."""

    held: Held
    steps: Any
    head: Any
    g: Array
    above: Gradient[Array] | None = None

    @classmethod
    def of(cls, held: Held) -> "_Down":
        problem = held.problem
        steps = forward(problem.network, problem.x)
        z, a = steps[-1].z, steps[-1].a
        head = reduced_loss(problem.network[-1].sigma, z, a, problem.y, problem.loss, problem.reduction)
        return cls(held, steps, head.sigma, head.g)

    def turn(self, l: int) -> Turn:
        """A layer's turn."""
        network = self.held.problem.network
        layer = network[l - 1]._replace(sigma=self.head) if l == len(network) else network[l - 1]
        return Turn(l, len(network), layer, self.steps[l - 1], self.steps[l - 2].z if l > 1 else None)

    def cotangent(self, l: int, line: Line | None = None) -> Array:
        """What is handed down to layer l from the one above, perhaps by another line."""
        if self.above is None:
            return line.given(self.g, self.steps[-1].a, self.held.problem.y) if line else self.g
        layer, above = self.turn(l + 1).layer, self.above
        if line and line.at == "W":
            W = line.given(layer.W)
            layer = layer._replace(W=W if W.shape == layer.W.shape else layer.W)
        if line and line.at == "handed":
            above = above._replace(delta=line.given(self.g, above.delta))
        return cotangent(layer, above)

    def own(self, l: int, g: Array, line: Line | None = None) -> Gradient[Array]:
        """The layer's gradient from g, perhaps with another line of its own."""
        turn = self.turn(l)
        sigma: Any = Other(turn.layer.sigma, line) if line and line.at == "delta" else turn.layer.sigma
        a_prev = line.given(turn) if line and line.at == "a" else turn.step.a_prev
        (own,) = backward((turn.layer._replace(sigma=sigma),), (turn.step._replace(a_prev=a_prev),), g)
        if line and line.at == "dW":
            own = own._replace(W=line.given(own.delta, turn))
        return own._replace(b=line.given(own.delta, turn)) if line and line.at == "db" else own

    def fits(self, l: int, field: int, mistaken: Array, right: Array) -> bool:
        """Whether dL/dW (0) or dL/db (1) of a layer is that."""
        k = 2 * (l - 1) + field
        got, bound, truth = self.held.got[k], self.held.bound[k], self.held.truth[k]
        if got.shape != mistaken.shape:
            return False
        with np.errstate(all="ignore"):
            larger = float(abs(right).max(initial=0) / (abs(truth).max(initial=0) or 1.0))
            within = allowed(bound * max(1.0, larger), mistaken, self.held.usual[k])
            return bool(((abs(got - mistaken) <= within) | ~np.isfinite(bound)).all())


def several(wrong: Iterable[Evidence], right: Iterable[Evidence] = ()) -> list[Part]:
    """The mistakes that together give every number, in the order of the computation; none where they do not.

    Parameters
    ----------
    wrong : iterable of Evidence
        Of wrong answers, the smallest questions first.
    right : iterable of Evidence
        Of right ones: what gives other numbers there hangs on something that no line says.
    """
    answers = [_Down.of(Held.of(e)) for found in (wrong, right) for e in _looked_at(found)]
    if not answers or not all(np.isfinite(part).all() for a in answers for part in a.held.got):
        return []
    parts: list[Part] = []
    most = max(len(a.held.problem.network) for a in answers)
    with np.errstate(all="ignore"):
        for key in (LAST, *range(most - 1, 0, -1)):
            at = [(a, l) for a in answers for l in [_layer(a, key)] if l]
            chosen = _of_layer(at, key)
            if chosen is None:
                return []
            parts += chosen
    return parts


def _looked_at(found: Iterable[Evidence]) -> list[Evidence]:
    """Some answers to single samples, and some to batches."""
    answers = list(found)
    single, batches = ([e for e in answers if (len(e.of.problem.x) == 1) == alone] for alone in (True, False))
    return [*single[:EACH], *batches[:EACH]]


def _layer(answer: _Down, key: int) -> int:
    """The number of the layer in an answer's network; 0 where it has none."""
    L = len(answer.held.problem.network)
    return L if key == LAST else key if key < L else 0


At = Sequence[tuple[_Down, int]]


def _of_layer(at: At, key: int) -> list[Part] | None:
    """The mistakes of one layer, and each answer taken below it; None where no lines give its numbers."""
    others = list(_deltas(at, key))
    # One line that gives both dL/dW and dL/db comes before one for each.
    for alone, (line, factor) in (*((True, other) for other in others), *((False, other) for other in others[:2])):
        g = [answer.cotangent(l, line if line.at in ("g", "W", "handed") else None) for answer, l in at]
        own = [a.own(l, of, line if line.at == "delta" else None) for (a, l), of in zip(at, g, strict=True)]
        own = [Gradient(factor * o.delta, factor * o.W, factor * o.b) for o in own]
        weights = _parts(at, own, "W", g, factor, alone)
        biases = _parts(at, own, "b", g, factor, alone) if weights is not None else None
        if weights is None or biases is None:
            continue
        for (answer, _), each, handed in zip(at, own, g, strict=True):
            answer.above, answer.g = each, handed
        delta = Part("B1" if key == LAST else "B2", key, line, factor if line is TIMES else np.nan)
        of_delta = [] if line is TIMES and factor == 1 else [delta]
        return [*of_delta, *(part._replace(layer=key) for part in (*weights, *biases))]
    return None


TIMES = Line("factor", "factor", "it is multiplied by a number", lambda g: g)
"""Stands for a factor."""


def _deltas(at: At, key: int) -> Iterator[tuple[Line, float]]:
    """What may be with a layer's delta, nothing first."""
    yield TIMES, 1.0
    right = [answer.own(l, answer.cotangent(l)) for answer, l in at]
    r = _ratio(at, 1, [own.b for own in right])
    yield TIMES, r if np.isfinite(r) else 1.0
    for line in LINES:
        if line.at == "delta" or (line.at == "g" if key == LAST else line.at in ("W", "handed")):
            yield line, 1.0


def _ratio(at: At, field: int, right: Sequence[Array]) -> float:
    """The factor between what was answered and what is right, by least squares; NaN of too few numbers."""
    got = np.concatenate([a.held.got[2 * (l - 1) + field].ravel() for a, l in at])
    of = np.concatenate([part.ravel() for part in right])
    size = float(abs(of).max(initial=0))
    return float((got / size * (of / size)).sum() / ((of / size) ** 2).sum()) if len(got) >= FEWEST and size else np.nan


def _parts(
    at: At, own: Sequence[Gradient[Array]], field: str, g: Sequence[Array], factor: float, alone: bool
) -> list[Part] | None:
    """The mistake in dL/dW or dL/db beside the delta, none where it is right; None where no line gives the numbers."""
    k, equation = (0, "B3") if field == "W" else (1, "B4")
    right = [getattr(o, field) for o in own]

    def fits(numbers: Iterable[Array]) -> bool:
        return all(a.fits(l, k, n, r) for (a, l), n, r in zip(at, numbers, right, strict=True))

    if fits(right):
        return []
    if alone:
        return None
    r = _ratio(at, k, right)
    if np.isfinite(r) and fits([r * part for part in right]):
        return [Part(equation, 0, TIMES, r)]
    for line in LINES:
        if line.at == ("db" if field == "b" else "dW") or (line.at == "a" and field == "W"):
            try:
                made = [factor * getattr(a.own(l, of, line), field) for (a, l), of in zip(at, g, strict=True)]
            except ValueError:  # it is none of this shape
                continue
            if fits(made):
                return [Part(equation, 0, line)]
    return None
