"""Readings: what somebody's gradients say of the z, a and delta behind them.

A subject that reports nothing but gradients is checked like one with a trace.  For a single sample dL/db^l *is*
delta^l, and a^{l-1} is a row of dL/dW^l divided by its delta: the row of the largest.  So each equation is held to its
bound on the subject's own numbers.

Where something is wrong, what was taken from it spoils more than one equation; so there are several readings, each
taking other numbers as given, and the one that leaves the fewest equations violated is the explanation.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ....arrays import Array
from ....bounds.lifted import Lifted
from ....bounds.rounded import Rounded, held_wider, observed
from ....judge.equations import Reported, alone, led_back
from ....judge.equations import loss as judged_loss
from ....judge.judgement import Judgement, compare, known
from ....problems.problem import GivenAnswer, Parameters
from ....problems.problem import State as Given
from ...explaining.factors import CLUES


class Reading(NamedTuple):
    """Each equation judged alone, given the numbers that ``given`` names."""

    given: str
    judgements: tuple[Judgement, ...]

    @property
    def violated(self) -> list[Judgement]:
        """What is wrong, in the order in which the equations are evaluated."""
        return sorted((j for j in self.judgements if j.violated), key=evaluation_order)

    @property
    def doubted(self) -> "Reading":
        """The same, where what it finds speaks against the answer and is no proof."""
        return self._replace(judgements=tuple(j._replace(wrong=0, suspect=j.wrong) for j in self.judgements))


def evaluation_order(judgement: Judgement) -> tuple[int, int, str]:
    """Forward by layers, the loss, then backward by layers: delta first, then the gradients that it gives."""
    equation, layer = judgement.equation, judgement.layer
    if equation.startswith("F"):
        return 0, layer, equation
    return (2, -layer, equation) if equation.startswith("B") else (1, layer, equation)


class State(NamedTuple):
    """A layer's z, a and delta, to within what is known of them; ``seen`` where a is the subject's own."""

    z: Rounded
    a: Rounded
    delta: Rounded
    seen: bool


def gradients(of: Lifted, answer: GivenAnswer) -> tuple[Parameters[Rounded], ...]:
    """The gradients as they count: rounded when they were reported, unless they come with a radius of their own."""
    return tuple(Parameters(_known(of, W), _known(of, b)) for W, b in answer.gradients)


def _known(of: Lifted, numbers: Array | Rounded) -> Rounded:
    return numbers if isinstance(numbers, Rounded) else observed(numbers, of.format)


def from_x(of: Lifted, answer: GivenAnswer) -> Iterator[Judgement]:
    """Judge by the bound that is carried from x, forward and back along all paths; any batch, any arrangement.

    Yields
    ------
    Judgement
        (B3) and (B4) of every layer, the last first; where they are volunteered the output as (F2), the loss by its
        label, dL/dx as (B2) of layer 0.
    """
    yield from led_back(of, of.states, None, answer.gradients, answer.input_gradient)
    yield from _volunteered(of, answer, *of.states[-1])


def from_trace(of: Lifted, answer: GivenAnswer) -> Iterator[Judgement]:
    """Judge a trace, if there is one: (F1) and (F2) alone, what leads back from its z and a along all paths.

    Whoever arranges the chain rule otherwise reports deltas that break the bounds of (B2) to (B4) alone.
    """
    if answer.trace is None:
        return
    states, a_prev = [(observed(z, of.format), held_wider(a, of.format)) for z, a, _ in answer.trace], of.x
    for l, (z, a) in enumerate(states, start=1):
        yield compare("F1", l, z, of.weighted_sum(l, a_prev))
        yield compare("F2", l, a, of.activation(l, z))
        a_prev = a
    yield from _volunteered(of, answer, *states[-1])
    deltas = [state.delta for state in answer.trace]
    yield from led_back(of, states, deltas, answer.gradients, answer.input_gradient)


def _volunteered(of: Lifted, answer: GivenAnswer, z: Rounded, a: Rounded) -> Iterator[Judgement]:
    """Output and loss, given z and a of the last layer."""
    if answer.output is not None:
        yield compare("F2", len(of.network), answer.output, a)
    if answer.loss is not None:
        yield judged_loss(of, z, a, answer.loss)


def readings(of: Lifted, answer: GivenAnswer) -> Iterator[Reading]:
    """All readings of an answer: of its trace, and of its gradients alone where there is a single sample.

    The first detects, if `detection` has one; the others take less from the subject and are for naming what it finds.
    """
    if answer.trace is not None:
        states = [
            State(observed(z, of.format), held_wider(a, of.format), held_wider(delta, of.format), True)
            for z, a, delta in answer.trace
        ]
        yield _reading("its trace", of, answer, states, traced=True)
    if len(of.problem.x) > 1:
        return
    if biased(answer):
        deltas = [_row(b) for _, b in gradients(of, answer)]
        yield _reading("its gradients", of, answer, list(_recovered(of, answer, deltas)))
        states = [State(z, a, delta, seen=False) for (z, a), delta in zip(of.states, deltas, strict=True)]
        yield _reading("x and its dL/db", of, answer, states)
    of_W = [_delta_of(W, step.a_prev, b) for (W, b), step in zip(gradients(of, answer), of.steps, strict=True)]
    states = [State(z, a, delta, seen=False) for (z, a), delta in zip(of.states, of_W, strict=True)]
    yield _reading("x and its dL/dW", of, answer, states)


def biased(answer: GivenAnswer) -> bool:
    """Whether every dL/db is given; a network without biases has none, and a single sample's delta is not read so."""
    return all(known(b) for _, b in answer.gradients)


def _reading(given: str, of: Lifted, answer: GivenAnswer, states: Sequence[State], traced: bool = False) -> Reading:
    """Each equation on those states: forward where a is the subject's own, then backward, and what it volunteers."""
    last = states[-1]
    givens = [Given(z, a, delta) for z, a, delta, _ in states]
    forward_and_back = alone(of, givens, _reported(answer, states, traced))
    return Reading(given, (*_volunteered(of, answer, last.z, last.a), *forward_and_back))


def _reported(answer: GivenAnswer, states: Sequence[State], traced: bool) -> Reported:
    """What is to be judged on those states, by equation and layer."""
    numbers: dict[tuple[str, int], Array | Rounded] = {}
    for l, (state, (W, b)) in enumerate(zip(states, answer.gradients, strict=True), start=1):
        if state.seen:
            numbers |= {("F1", l): state.z, ("F2", l): state.a} if traced else {("F", l): state.a}
        numbers |= {("B1" if l == len(states) else "B2", l): state.delta, ("B3", l): W}
        if known(b):
            numbers["B4", l] = b
    if answer.input_gradient is not None:
        numbers["B2", 0] = answer.input_gradient
    return numbers


def explanation(of: Lifted, answer: GivenAnswer, accused: Sequence[Judgement]) -> Reading | None:
    """The reading that explains what is wrong with fewest violated equations; None where no reading finds anything.

    A reading that has something follow which is right explains less than one that does not.
    """
    found = [reading for reading in readings(of, answer) if reading.violated]
    if not biased(answer):  # what dL/db shows of a delta is missing: dL/dW stands for it, or is off by itself
        found += [reading for reading in (Reading("x", tuple(accused)),) if reading.violated]
    each = multiples(accused, len(of.network), max(SAME_FACTOR, 4 * of.format.u))
    if each is not None and each.violated and (found or len(each.violated) > 1):
        found.append(each)

    def plain(reading: Reading) -> tuple[int, int, int]:
        return _contradicted(reading, accused), len(reading.violated), sum(j.wrong for j in reading.violated)

    return min(found, key=plain, default=None)


def _contradicted(reading: Reading, accused: Sequence[Judgement]) -> int:
    """How many right gradients a reading has to be wrong: those of a delta or activation that it names, or its own."""
    last = max((j.layer for j in accused), default=0)
    right = {(j.equation, j.layer) for j in accused if not j.wrong and j.undecided < j.elements}
    count = 0
    for j in reading.violated:
        if j.equation in ("B1", "B2") and j.layer > 0:
            off = {("B3", j.layer), ("B4", j.layer)}
        elif j.equation == "F":
            off = {("B3", j.layer + 1), ("B4", last)}  # all that is computed from it, up to the last delta
        else:
            off = {(j.equation, j.layer)}
        count += len(right & off)
    return count


MULTIPLES = "that each is a multiple"
"""What the reading takes as given in which every gradient is a multiple of the truth."""

SAME_FACTOR = 2.0**-10
"""How near two factors are that are one: each is off by the floor of its gradient, below 1e-3 in narrow networks."""


def multiples(accused: Sequence[Judgement], L: int, same: float = SAME_FACTOR) -> Reading | None:
    """The reading of gradients that are each a multiple of the truth: which of the factors come from one mistake.

    Factors are one where they are so near, relatively.
    A factor of both gradients of a layer is its delta's, and all below have it too; any other is a mistake of its own.
    None where a gradient is no multiple, or has too few numbers to tell.
    """
    of = {(j.equation, j.layer): j for j in accused if j.equation in ("B3", "B4")}
    if len(of) < 2 * L or any(j.wrong and not (np.isfinite(j.factor) and j.factor) for j in of.values()):
        return None
    if any(j.wrong and j.elements < CLUES for j in of.values()):
        return None
    factor = {key: j.factor if j.wrong else 1.0 for key, j in of.items()}
    above, named = 1.0, []
    for l in range(L, 0, -1):
        W, b = factor["B3", l], factor["B4", l]
        if abs(W / b - 1) < same and abs(b / above - 1) >= same:
            named.append(of["B4", l]._replace(equation="B1" if l == L else "B2", factor=b / above))
            above = b
            continue
        for equation, own in (("B3", W), ("B4", b)):
            if abs(own / above - 1) >= same:
                named.append(of[equation, l]._replace(factor=own / above))
    keys = {(j.equation, j.layer) for j in named}
    led = {*of} | {("B2", 0) for j in accused if j.layer == 0 and abs(j.factor / above - 1) < SAME_FACTOR}
    following = [
        j._replace(wrong=0, margin=0.0, spread={}) if key in led and j.wrong else j
        for j in accused
        if (key := (j.equation, j.layer)) not in keys
    ]
    return Reading(MULTIPLES, (*named, *following))


def detection(of: Lifted, answer: GivenAnswer) -> Reading | None:
    """The reading that detects: each equation alone on the subject's own numbers.

    None for a batch without a trace, and where no dL/db shows a single sample's deltas.
    """
    return next(readings(of, answer), None) if answer.trace is not None or biased(answer) else None


def _row(b: Rounded) -> Rounded:
    """A vector (n,) as a single sample (1, n)."""
    return Rounded(b.mid[None], b.rad[None], b.format)


def _recovered(of: Lifted, answer: GivenAnswer, deltas: Sequence[Rounded]) -> Iterator[State]:
    """z, a and delta of every layer; below a blind layer a is what the forward pass makes of the one before."""
    known, a = gradients(of, answer), of.x
    for l, delta in enumerate(deltas, start=1):
        z = of.weighted_sum(l, a)
        above = known[l] if l < len(known) else None
        seen = above is not None and _sees(above.b)
        a = _activations(above) if above is not None and seen else of.activation(l, z)
        yield State(z, a, delta, seen)


def _sees(b: Rounded) -> bool:
    """Whether the largest delta is a normal number by far, and known, so that a row divided by it has digits left."""
    if not np.isfinite(b.mid).all():
        return False
    J = int(np.argmax(abs(b.mid)))
    return bool(abs(b.mid[J]) > max(b.format.tiny / b.format.u, 2 * b.rad[J]))


def _activations(above: Parameters[Rounded]) -> Rounded:
    """a (1, n): the row of dL/dW whose delta is largest, divided by it."""
    W, b = above
    J = int(np.argmax(abs(b.mid)))
    row, delta = Rounded(W.mid[J : J + 1], W.rad[J : J + 1], W.format), Rounded(b.mid[J], b.rad[J], b.format)
    a: Rounded = row / delta
    return a


def _delta_of(W: Rounded, a: Rounded, b: Rounded) -> Rounded:
    """delta (1, n): the column of dL/dW whose activation is largest, divided by it; dL/db where all are zero."""
    i = int(np.argmax(abs(a.mid[0]) - a.rad[0]))
    if not a.rad[0, i] < abs(a.mid[0, i]):
        return _row(b)
    column = Rounded(W.mid[:, i][None], W.rad[:, i][None], W.format)
    delta: Rounded = column / Rounded(a.mid[0, i], a.rad[0, i], a.format)
    return delta
