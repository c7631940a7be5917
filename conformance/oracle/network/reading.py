"""Readings: what somebody's gradients say of the z, a and delta behind them.

A subject that reports nothing but gradients is checked like one with a trace.  For a single sample dL/db^l *is*
delta^l, and a^{l-1} is a row of dL/dW^l divided by its delta: the row of the largest.  So each equation is held to its
bound on the subject's own numbers.

Where something is wrong, what was taken from it spoils more than one equation; so there are several readings, each
taking other numbers as given, and the one that leaves the fewest equations violated is the explanation.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from reference import Layer

from ...arrays import Array
from ...bounds.admitted import held
from ...bounds.lifted import Lifted
from ...bounds.rounded import Format, Rounded, exact, held_wider, observed
from ...judge.equations import Reported, alone, led_back
from ...judge.equations import loss as judged_loss
from ...judge.judgement import Judgement, compare
from ...problems.problem import GivenAnswer, Parameters, Problem
from ...problems.problem import State as Given


class Reading(NamedTuple):
    """Each equation judged alone, given the numbers that ``given`` names."""

    given: str
    judgements: tuple[Judgement, ...]

    @property
    def violated(self) -> list[Judgement]:
        """What is wrong, in the order in which the equations are evaluated."""
        return sorted((j for j in self.judgements if j.wrong), key=evaluation_order)


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


def gradients(answer: GivenAnswer) -> tuple[Parameters[Rounded], ...]:
    """The gradients as they count: rounded when they were reported, unless they come with a radius of their own."""
    return tuple(Parameters(_known(W), _known(b)) for W, b in answer.gradients)


def _known(numbers: Array | Rounded) -> Rounded:
    return numbers if isinstance(numbers, Rounded) else observed(numbers)


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
    states, a_prev = [(observed(z), held_wider(a)) for z, a, _ in answer.trace], of.x
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

    The first is the one that detects; the others take less from the subject and are for naming what the first finds.
    """
    if answer.trace is not None:
        states = [State(observed(z), held_wider(a), held_wider(delta), True) for z, a, delta in answer.trace]
        yield _reading("its trace", of, answer, states, traced=True)
    if len(of.problem.x) == 1:
        deltas = [_row(b) for _, b in gradients(answer)]
        yield _reading("its gradients", of, answer, list(_recovered(of, answer, deltas)))
        states = [State(z, a, delta, seen=False) for (z, a), delta in zip(of.states, deltas, strict=True)]
        yield _reading("x and its dL/db", of, answer, states)
        of_W = [_delta_of(W, step.a_prev, b) for (W, b), step in zip(gradients(answer), of.steps, strict=True)]
        states = [State(z, a, delta, seen=False) for (z, a), delta in zip(of.states, of_W, strict=True)]
        yield _reading("x and its dL/dW", of, answer, states)


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
        numbers |= {("B1" if l == len(states) else "B2", l): state.delta, ("B3", l): W, ("B4", l): b}
    if answer.input_gradient is not None:
        numbers["B2", 0] = answer.input_gradient
    return numbers


def explanation(of: Lifted, answer: GivenAnswer) -> Reading | None:
    """The reading that explains what is wrong with fewest violated equations; None where no reading finds anything."""
    found = [reading for reading in readings(of, answer) if reading.violated]
    return min(found, key=lambda r: (len(r.violated), sum(j.wrong for j in r.violated)), default=None)


def detection(of: Lifted, answer: GivenAnswer) -> Reading | None:
    """The reading that detects: each equation alone on the subject's own numbers; None for a batch without a trace."""
    return next(readings(of, answer), None)


def restricted_problem(problem: Problem, at_work: Sequence[Array]) -> Problem:
    """The small network of the units at work (`conformance.oracle.network.questions.Question.at_work`)."""
    layers = tuple(
        Layer(W[np.ix_(out, into)], b[out], sigma)
        for (W, b, sigma), (into, out) in zip(problem.network, pairwise(at_work), strict=True)
    )
    return problem._replace(network=layers, x=problem.x[:, at_work[0]])


def restricted(answer: GivenAnswer, at_work: Sequence[Array]) -> GivenAnswer:
    """An answer's numbers for the units at work (`conformance.oracle.network.questions.Question.at_work`)."""
    pairs = list(pairwise(at_work))

    def taken(numbers: Array | Rounded, *indices: Array) -> Array | Rounded:
        if isinstance(numbers, Rounded):
            return Rounded(numbers.mid[np.ix_(*indices)], numbers.rad[np.ix_(*indices)], numbers.format)
        return numbers[np.ix_(*indices)]

    gradients = tuple(
        Parameters(taken(W, out, into), taken(b, out))
        for (W, b), (into, out) in zip(answer.gradients, pairs, strict=True)
    )
    dx = None if answer.input_gradient is None else answer.input_gradient[:, at_work[0]]
    trace = answer.trace and tuple(
        state._replace(z=state.z[:, out], a=state.a[:, out], delta=state.delta[:, out])
        for state, (_, out) in zip(answer.trace, pairs, strict=True)
    )
    return answer._replace(gradients=gradients, input_gradient=dx, trace=trace)


def idle(problem: Problem, answer: GivenAnswer, at_work: Sequence[Array], few: Lifted) -> Iterator[Judgement]:
    """The gradients that the restricted problem ``few`` leaves out, of a batch; one sample is asked whole.

    Nothing leads on from units that are not at work, so that their rows are zero.  What such a unit hands up is the
    same for every sample, sigma(b) or an input of 0: its column is that times dL/db.
    """
    yield from _idle_rows(answer, at_work, few.format)
    if len(problem.x) > 1:
        yield from _idle_columns(problem, answer, at_work, few)


def _idle_rows(answer: GivenAnswer, at_work: Sequence[Array], format: Format) -> Iterator[Judgement]:
    for l, (gradient, out) in enumerate(zip(answer.gradients, at_work[1:], strict=True), start=1):
        for equation, given in zip(("B3", "B4"), gradient, strict=True):
            numbers = given.mid if isinstance(given, Rounded) else given
            rows = np.setdiff1d(np.arange(len(numbers)), out)
            if np.count_nonzero(numbers[rows]):
                largest = float(abs(numbers[np.isfinite(numbers)]).max(initial=0))
                zeros = np.zeros(numbers[rows].shape, format.wide)
                # Whoever multiplies by an exact zero late may leave a rounding of a rounding.
                late = Rounded(zeros, np.full(zeros.shape, 2 * format.u**2 * largest), format)
                j = compare(equation, l, numbers[rows].astype(format.dtype), late)
                yield j._replace(element=(int(rows[j.element[0]]), *j.element[1:]))


def _idle_columns(problem: Problem, answer: GivenAnswer, at_work: Sequence[Array], few: Lifted) -> Iterator[Judgement]:
    format = few.format
    zero = exact(np.zeros((1, problem.x.shape[1]), problem.dtype))
    handed_up = [zero, *(held(sigma, few.conventions).apply(_row(exact(b))) for _, b, sigma in problem.network)]
    for l, (gradient, _) in zip(range(len(few.network), 0, -1), few.along_paths(few.states), strict=True):
        a, delta, got = handed_up[l - 1], gradient.b, answer.gradients[l - 1].W
        columns = np.setdiff1d(np.arange(a.shape[1]), at_work[l - 1])
        numbers = (got.mid if isinstance(got, Rounded) else got)[np.ix_(at_work[l], columns)]
        if numbers.size and (l > 1 or np.count_nonzero(numbers)):
            mid = np.outer(delta.mid, a.mid[0, columns])
            # dL/dW rounds each sample's product delta a once more than dL/db rounds its delta, and adds as many terms:
            # it may be off by twice dL/db's radius times a; twice again for dL/db, from which it is computed here.
            rad = np.outer(4 * delta.rad, _most(a)[0, columns]) + np.outer(_most(delta), a.rad[0, columns])
            nothing = (mid == 0) & (rad == 0)
            expected = Rounded(mid, np.where(nothing, 0, rad + len(problem.x) * format.tiny), format)
            j = compare("B3", l, numbers.astype(problem.dtype), expected)
            yield j._replace(element=(int(at_work[l][j.element[0]]), int(columns[j.element[1]])))


def _most(x: Rounded) -> Array:
    return abs(x.mid).astype(np.float64) + x.rad


def _row(b: Rounded) -> Rounded:
    """A vector (n,) as a single sample (1, n)."""
    return Rounded(b.mid[None], b.rad[None], b.format)


def _recovered(of: Lifted, answer: GivenAnswer, deltas: Sequence[Rounded]) -> Iterator[State]:
    """z, a and delta of every layer; below a blind layer a is what the forward pass makes of the one before."""
    known, a = gradients(answer), of.x
    for l, delta in enumerate(deltas, start=1):
        z = of.weighted_sum(l, a)
        above = known[l] if l < len(known) else None
        seen = above is not None and _sees(above.b)
        a = _activations(above) if above is not None and seen else of.activation(l, z)
        yield State(z, a, delta, seen)


def _sees(b: Rounded) -> bool:
    """Whether the largest delta is a normal number by far, so that a row divided by it has digits left."""
    largest = float(np.nanmax(abs(b.mid), initial=0))
    return bool(np.isfinite(b.mid).all() and largest > b.format.tiny / b.format.u)


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
