"""The judge: each documented equation held to its bound on somebody's own numbers.

`local` takes the inputs of every equation from the answer itself, so that each is judged alone, at any
depth; it names equation, layer and element.  `end_to_end` carries the bound from x to the gradients.  Both run
the reference's text on `Rounded`; nothing here knows where an answer came from.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from reference import Gradient, backward, input_gradient, update

from ..arrays import Array
from ..bounds.admitted import loss_label, once_more
from ..bounds.lifted import Lifted
from ..bounds.rounded import Rounded, exact, held_wider, observed
from ..problems.problem import Answer, Problem, State
from .judgement import Judgement, compare, known


def check_answer(problem: Problem, answer: Answer) -> None:
    """The answer has every layer, in the problem's shapes and dtype.

    Raises
    ------
    ValueError
        Naming what has not.
    """
    B, shapes = len(problem.x), [W.shape for W, _, _ in problem.network]
    expected: dict[str, list[tuple[tuple[int, ...], ...]]] = {
        "gradients": [(shape, shape[:1]) for shape in shapes],
        "updated": [(shape, shape[:1]) for shape in shapes],
        "trace": [((B, n),) * 3 for n, _ in shapes],
    }
    for name, layers in expected.items():
        got = getattr(answer, name)
        if len(got) != len(layers):
            raise ValueError(f"{name}: expected {len(layers)} layers, got {len(got)}")
        for l, (parts, wanted) in enumerate(zip(got, layers, strict=True), start=1):
            for part, shape, field in zip(parts, wanted, parts._fields, strict=True):
                if part.shape != shape or part.dtype != problem.dtype:
                    raise ValueError(
                        f"{name}, layer {l}, {field}: expected shape {shape} and dtype {problem.dtype}, "
                        f"got {part.shape} and {part.dtype}"
                    )


def local(lifted: Lifted, answer: Answer) -> Iterator[Judgement]:
    """Judge each equation alone, on the answer's own numbers.

    Each number of the answer counts as rounded once when it was reported (`conformance.bounds.rounded.observed`).

    Parameters
    ----------
    lifted : Lifted
        The problem.
    answer : Answer
        With its trace; in the problem's dtype.

    Raises
    ------
    ValueError
        If the answer lacks a layer, or an array has another shape or dtype than the problem asks for.

    Yields
    ------
    Judgement
        (F1), (F2), (B3), (B4) and the update of every layer; (B1) of the last, (B2) of all below, layer 0 being
        dL/dx; the loss by its own label.
    """
    problem = lifted.problem
    check_answer(problem, answer)
    states = [State(observed(z), held_wider(a), held_wider(delta)) for z, a, delta in answer.trace]
    yield from alone(lifted, states, _reported(answer))
    yield loss(lifted, states[-1].z, states[-1].a, answer.value)
    # The rate carries its own rounding, and two more where it is folded with 1/B before it meets the gradient.
    eta = exact(np.asarray(problem.eta, problem.dtype))
    eta = eta.widened(3 * eta.format.u * abs(problem.eta))
    gradients = [
        Gradient(state.delta, observed(W), observed(b)) for state, (W, b) in zip(states, answer.gradients, strict=True)
    ]
    stepped = update(lifted.network, tuple(gradients), eta)  # type: ignore[arg-type]
    for l, (layer, new) in enumerate(zip(stepped, answer.updated, strict=True), start=1):
        yield compare("U1", l, new.W, layer.W)
        yield compare("U2", l, new.b, layer.b)


Reported = Mapping[tuple[str, int], Array | Rounded]
"""Numbers of an answer by the equation and layer that they are held to."""


def _reported(answer: Answer) -> Reported:
    """All numbers of an answer with a trace, but for its loss, by equation and layer."""
    L = len(answer.trace)
    numbers: dict[tuple[str, int], Array | Rounded] = {("B2", 0): answer.input_gradient}
    for l, (state, gradient) in enumerate(zip(answer.trace, answer.gradients, strict=True), start=1):
        numbers |= {("F1", l): state.z, ("F2", l): state.a, ("B1" if l == L else "B2", l): state.delta}
        numbers |= {("B3", l): gradient.W, ("B4", l): gradient.b}
    return numbers


def alone(lifted: Lifted, states: Sequence[State[Rounded]], reported: Reported) -> Iterator[Judgement]:
    """Hold each equation alone to its bound: what is reported, against what follows from given states.

    Parameters
    ----------
    lifted : Lifted
    states : sequence of State
        z, a and delta of every layer, as `Rounded`, to within what is known of them.
    reported : mapping
        Numbers by equation and layer: (F1), (F2), or (F) for both where only a is seen; (B1), (B2) with layer 0 for
        dL/dx, (B3), (B4).  What is not reported is not judged.
    """
    a_prev, L = lifted.x, len(states)
    for l, (z, a, _) in enumerate(states, start=1):
        if ("F1", l) in reported:
            yield compare("F1", l, reported["F1", l], lifted.weighted_sum(l, a_prev))
        for equation in ("F2", "F"):
            if (equation, l) in reported:
                yield compare(equation, l, reported[equation, l], lifted.activation(l, z))
        a_prev = a
    z, a, _ = states[-1]
    head = lifted.head(z, a)
    yield compare("B1", L, reported["B1", L], head.sigma.pullback(z, a, head.g))
    for l in range(L, 0, -1):
        gradient, g = lifted.gradient(l, states[l - 2].a if l > 1 else lifted.x, states[l - 1].delta)
        yield compare("B3", l, reported["B3", l], once_more(gradient.W))
        if ("B4", l) in reported:
            yield compare("B4", l, reported["B4", l], once_more(gradient.b))
        if ("B2", l - 1) in reported:
            expected = lifted.delta(l - 1, states[l - 2].z, states[l - 2].a, g) if l > 1 else g
            yield compare("B2", l - 1, reported["B2", l - 1], once_more(expected))


def loss(lifted: Lifted, z: Rounded, a: Rounded, value: Array) -> Judgement:
    """Hold a loss to its bound, by its label, from z and a of the last layer."""
    return compare(loss_label(lifted.problem), len(lifted.network), value, lifted.head(z, a).value)


def path(lifted: Lifted, answer: Answer) -> Iterator[Judgement]:
    """Judge deltas and gradients by the path bound (`conformance.bounds.paths`), from the answer's own z and a on.

    It admits every arrangement of the chain rule, forward mode among them, and is narrow at any depth.

    Yields
    ------
    Judgement
        (B1) or (B2), (B3) and (B4) of every layer, and (B2) of layer 0, dL/dx.
    """
    check_answer(lifted.problem, answer)
    states = [(observed(z), held_wider(a)) for z, a, _ in answer.trace]
    deltas = [state.delta for state in answer.trace]
    yield from led_back(lifted, states, deltas, answer.gradients, answer.input_gradient)


def led_back(
    lifted: Lifted,
    states: Sequence[tuple[Rounded, Rounded]],
    deltas: Sequence[Array] | None,
    gradients: Sequence[tuple[Array | Rounded, Array | Rounded]],
    input_gradient: Array | None,
) -> Iterator[Judgement]:
    """Hold what leads back from given z and a to the path bound, the last layer first.

    Yields
    ------
    Judgement
        Of every layer (B1) or (B2), where there are deltas, (B3), and (B4) where dL/db is given; (B2) in layer 0 where
        dL/dx is.
    """
    last, leading = len(states), lifted.along_paths(states, down_to_x=input_gradient is not None)
    for l, (gradient, g_prev) in zip(range(last, 0, -1), leading, strict=True):
        W, b = gradients[l - 1]
        if deltas is not None:
            yield compare("B1" if l == last else "B2", l, deltas[l - 1], gradient.delta)
        yield compare("B3", l, W, gradient.W)
        if known(b):
            yield compare("B4", l, b, gradient.b)
        if l == 1 and input_gradient is not None and g_prev is not None:
            yield compare("B2", 0, input_gradient, g_prev)


def end_to_end(lifted: Lifted, *answers: Answer) -> Iterator[tuple[Judgement, ...]]:
    """Judge answers by the bound carried from x through all layers; their traces are not looked at.

    Yields
    ------
    tuple of Judgement
        One for each answer: of the loss by its label, of (B3), (B4), (U1) and (U2) in each layer, and of (B2) in
        layer 0, dL/dx.
    """
    network, (z, a) = lifted.network, lifted.states[-1]
    head = lifted.head(z, a)
    gradients = backward((*network[:-1], network[-1]._replace(sigma=head.sigma)), lifted.steps, head.g)
    below, updated = input_gradient(network, gradients), update(network, gradients, lifted.problem.eta)
    yield tuple(loss(lifted, z, a, answer.value) for answer in answers)
    yield tuple(compare("B2", 0, answer.input_gradient, below) for answer in answers)
    for l, (gradient, layer) in enumerate(zip(gradients, updated, strict=True), start=1):
        yield tuple(compare("B3", l, answer.gradients[l - 1].W, gradient.W) for answer in answers)
        yield tuple(compare("B4", l, answer.gradients[l - 1].b, gradient.b) for answer in answers)
        yield tuple(compare("U1", l, answer.updated[l - 1].W, layer.W) for answer in answers)
        yield tuple(compare("U2", l, answer.updated[l - 1].b, layer.b) for answer in answers)
