"""Readings: what somebody's gradients say of the z, a and delta behind them.

A subject that reports nothing but gradients is checked like one with a trace.  For a single sample dL/db^l *is*
delta^l, and a^{l-1} is a row of dL/dW^l divided by its delta: the row of the largest.  So each equation is held to its
bound on the subject's own numbers.

Where something is wrong, what was taken from it spoils more than one equation; so there are several readings, each
taking other numbers as given, and the one that leaves the fewest equations violated is the explanation.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from reference import Array, Identity, Layer, Step, backward, cotangent, forward
from reference.gradients import Cotangent

from ...bounds.admitted import admitted, admitted_loss, along_paths, held, loss_label, once_more
from ...bounds.rounded import FORMATS, Rounded, exact, observed
from ...judge.equations import led_back
from ...judge.judgement import Judgement, compare
from ...problems.problem import GivenAnswer, Parameters, Problem

Conventions = Mapping[str, float]


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


def gradients(answer: GivenAnswer) -> tuple[Parameters, ...]:
    """The gradients as they count: rounded when they were reported, unless they come with a radius of their own."""
    return tuple(Parameters(_known(W), _known(b)) for W, b in answer.gradients)


def _known(numbers: Array | Rounded) -> Rounded:
    return numbers if isinstance(numbers, Rounded) else observed(numbers)


def from_x(problem: Problem, answer: GivenAnswer, conventions: Conventions) -> Iterator[Judgement]:
    """Judge by the bound that is carried from x, forward and back along all paths; any batch, any arrangement.

    Yields
    ------
    Judgement
        (B3) and (B4) of every layer, the last first; where they are volunteered the output as (F2), the loss by its
        label, dL/dx as (B2) of layer 0.
    """
    steps = forward(admitted(problem.network, conventions), exact(problem.x))
    states = [(z, a) for _, z, a in steps]
    yield from led_back(problem, states, None, answer.gradients, answer.input_gradient, conventions)
    yield from _volunteered(problem, answer, *states[-1], conventions)


def from_trace(problem: Problem, answer: GivenAnswer, conventions: Conventions) -> Iterator[Judgement]:
    """Judge a trace, if there is one: (F1) and (F2) alone, what leads back from its z and a along all paths.

    Whoever arranges the chain rule otherwise reports deltas that break the bounds of (B2) to (B4) alone.
    """
    if answer.trace is None:
        return
    states = [(observed(z), observed(a)) for z, a, _ in answer.trace]
    network, a_prev = admitted(problem.network, conventions), exact(problem.x)
    for l, (layer, (z, a)) in enumerate(zip(network, states, strict=True), start=1):
        (step,) = forward((layer,), a_prev)
        yield compare("F1", l, z, step.z)
        yield compare("F2", l, a, layer.sigma.apply(z))
        a_prev = a
    yield from _volunteered(problem, answer, *states[-1], conventions)
    deltas = [state.delta for state in answer.trace]
    yield from led_back(problem, states, deltas, answer.gradients, answer.input_gradient, conventions)


def _volunteered(
    problem: Problem, answer: GivenAnswer, z: Rounded, a: Rounded, conventions: Conventions
) -> Iterator[Judgement]:
    """Output and loss, given z and a of the last layer."""
    if answer.output is not None:
        yield compare("F2", len(problem.network), answer.output, a)
    if answer.loss is not None:
        yield compare(loss_label(problem), len(problem.network), answer.loss, _head(problem, z, a, conventions).value)


def _head(problem: Problem, z: Rounded, a: Rounded, conventions: Conventions) -> Cotangent:
    head = problem.network[-1].sigma
    return admitted_loss(head, z, a, exact(problem.y), problem.loss, problem.reduction, conventions)


def readings(problem: Problem, answer: GivenAnswer, conventions: Conventions) -> Iterator[Reading]:
    """All readings of an answer: of its trace, and of its gradients alone where there is a single sample.

    The first is the one that detects; the others take less from the subject and are for naming what the first finds.
    """
    if answer.trace is not None:
        states = [State(observed(z), observed(a), observed(delta), seen=True) for z, a, delta in answer.trace]
        yield Reading("its trace", tuple(_equations(problem, answer, states, conventions, traced=True)))
    if len(problem.x) == 1:
        deltas = [_row(b) for _, b in gradients(answer)]
        states = list(_recovered(problem, answer, deltas, conventions))
        yield Reading("its gradients", tuple(_equations(problem, answer, states, conventions)))
        steps = forward(admitted(problem.network, conventions), exact(problem.x))
        states = [State(s.z, s.a, delta, seen=False) for s, delta in zip(steps, deltas, strict=True)]
        yield Reading("x and its dL/db", tuple(_equations(problem, answer, states, conventions)))
        of_W = [_delta_of(W, s.a_prev, b) for (W, b), s in zip(gradients(answer), steps, strict=True)]
        states = [State(s.z, s.a, delta, seen=False) for s, delta in zip(steps, of_W, strict=True)]
        yield Reading("x and its dL/dW", tuple(_equations(problem, answer, states, conventions)))


def explanation(problem: Problem, answer: GivenAnswer, conventions: Conventions) -> Reading | None:
    """The reading that explains what is wrong with fewest violated equations; None where no reading finds anything."""
    found = [reading for reading in readings(problem, answer, conventions) if reading.violated]
    return min(found, key=lambda r: (len(r.violated), sum(j.wrong for j in r.violated)), default=None)


def detection(problem: Problem, answer: GivenAnswer, conventions: Conventions) -> Reading | None:
    """The reading that detects: each equation alone on the subject's own numbers; None for a batch without a trace."""
    return next(readings(problem, answer, conventions), None)


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


def idle(
    problem: Problem, answer: GivenAnswer, at_work: Sequence[Array], conventions: Conventions
) -> Iterator[Judgement]:
    """The gradients that the restricted problem leaves out, of a batch; a wide network of one sample is asked whole.

    Nothing leads on from units that are not at work, so that their rows are zero.  What such a unit hands up is the
    same for every sample, sigma(b) or an input of 0: its column is that times dL/db.
    """
    yield from _idle_rows(problem, answer, at_work)
    if len(problem.x) > 1:
        yield from _idle_columns(problem, answer, at_work, conventions)


def _idle_rows(problem: Problem, answer: GivenAnswer, at_work: Sequence[Array]) -> Iterator[Judgement]:
    format = FORMATS[problem.dtype]
    for l, (gradient, out) in enumerate(zip(answer.gradients, at_work[1:], strict=True), start=1):
        for equation, given in zip(("B3", "B4"), gradient, strict=True):
            numbers = given.mid if isinstance(given, Rounded) else given
            rows = np.setdiff1d(np.arange(len(numbers)), out)
            if np.count_nonzero(numbers[rows]):
                largest = float(abs(numbers[np.isfinite(numbers)]).max(initial=0))
                zeros = np.zeros(numbers[rows].shape, format.wide)
                # Whoever multiplies by an exact zero late may leave a rounding of a rounding.
                late = Rounded(zeros, np.full(zeros.shape, 2 * format.u**2 * largest), format)
                j = compare(equation, l, numbers[rows].astype(problem.dtype), late)
                yield j._replace(element=(int(rows[j.element[0]]), *j.element[1:]))


def _idle_columns(
    problem: Problem, answer: GivenAnswer, at_work: Sequence[Array], conventions: Conventions
) -> Iterator[Judgement]:
    format, few = FORMATS[problem.dtype], restricted_problem(problem, at_work)
    steps = forward(admitted(few.network, conventions), exact(few.x))
    known = along_paths(few, [(z, a) for _, z, a in steps], conventions)
    zero = exact(np.zeros((1, problem.x.shape[1]), problem.dtype))
    handed_up = [zero, *(held(sigma, conventions).apply(_row(exact(b))) for _, b, sigma in problem.network)]
    for l, (gradient, _) in zip(range(len(steps), 0, -1), known, strict=True):
        a, delta, got = handed_up[l - 1], gradient.b, answer.gradients[l - 1].W
        columns = np.setdiff1d(np.arange(a.shape[1]), at_work[l - 1])
        numbers = (got.mid if isinstance(got, Rounded) else got)[np.ix_(at_work[l], columns)]
        if numbers.size and (l > 1 or np.count_nonzero(numbers)):
            mid = np.outer(delta.mid, a.mid[0, columns])
            # Each sample's product is rounded once more than its delta, which the bound of their sum allows for twice.
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


def _recovered(
    problem: Problem, answer: GivenAnswer, deltas: Sequence[Rounded], conventions: Conventions
) -> Iterator[State]:
    """z, a and delta of every layer; below a blind layer a is what the forward pass makes of the one before."""
    known, a = gradients(answer), exact(problem.x)
    for l, layer in enumerate(admitted(problem.network, conventions), start=1):
        (step,) = forward((layer,), a)
        above = known[l] if l < len(known) else None
        seen = above is not None and _sees(above.b)
        a = _activations(above) if above is not None and seen else step.a
        yield State(step.z, a, deltas[l - 1], seen)


def _sees(b: Rounded) -> bool:
    """Whether the largest delta is a normal number by far, so that a row divided by it has digits left."""
    largest = float(np.nanmax(abs(b.mid), initial=0))
    return bool(np.isfinite(b.mid).all() and largest > b.format.tiny / b.format.u)


def _activations(above: Parameters) -> Rounded:
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


def _equations(
    problem: Problem,
    answer: GivenAnswer,
    states: Sequence[State],
    conventions: Conventions,
    traced: bool = False,
) -> Iterator[Judgement]:
    """Each equation on those states: forward where a is the subject's own, then backward."""
    network, a = admitted(problem.network, conventions), exact(problem.x)
    for l, (layer, state) in enumerate(zip(network, states, strict=True), start=1):
        if state.seen:
            (step,) = forward((layer,), a)
            if traced:
                yield compare("F1", l, state.z, step.z)
                yield compare("F2", l, state.a, layer.sigma.apply(state.z))
            else:
                yield compare("F", l, state.a, step.a)
        a = state.a
    last, L = states[-1], len(states)
    yield from _volunteered(problem, answer, last.z, last.a, conventions)
    head = _head(problem, last.z, last.a, conventions)
    yield compare("B1", L, last.delta, head.sigma.pullback(last.z, last.a, head.g))
    for l in range(L, 0, -1):
        W, b, _ = network[l - 1]
        z, _, delta, _ = states[l - 1]
        a_prev = states[l - 2].a if l > 1 else exact(problem.x)
        layer = Layer(W, b, Identity())
        (gradient,) = backward((layer,), (Step(a_prev, z, z),), delta)
        g = cotangent(layer, gradient)
        yield compare("B3", l, answer.gradients[l - 1].W, once_more(gradient.W))
        yield compare("B4", l, answer.gradients[l - 1].b, once_more(gradient.b))
        if l > 1:
            below = states[l - 2]
            expected = network[l - 2].sigma.pullback(below.z, below.a, g)
            yield compare("B2", l - 1, below.delta, once_more(expected))
        elif answer.input_gradient is not None:
            yield compare("B2", 0, answer.input_gradient, once_more(g))
