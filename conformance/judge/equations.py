"""The judge: each documented equation held to its bound on somebody's own numbers.

`local` takes the inputs of every equation from the answer itself, so that each is judged alone, at any
depth; it names equation, layer and element.  `end_to_end` carries the bound from x to the gradients.  Both run
the reference's text on `Rounded`; nothing here knows where an answer came from.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from reference import Array, Gradient, Identity, Layer, Step, backward, cotangent, forward, input_gradient, update

from ..bounds.admitted import Widened, admitted, admitted_loss, along_paths, loss_label, once_more
from ..bounds.rounded import Rounded, exact, observed
from ..problems.problem import Answer, Problem, State
from .judgement import Judgement, compare


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


def local(problem: Problem, answer: Answer) -> Iterator[Judgement]:
    """Judge each equation alone, on the answer's own numbers.

    Each number of the answer counts as rounded once when it was reported (`conformance.bounds.rounded.observed`).

    Parameters
    ----------
    problem : Problem
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
    check_answer(problem, answer)
    states = [State(*map(observed, state)) for state in answer.trace]
    # The rate carries its own rounding, and two more where it is folded with 1/B before it meets the gradient.
    eta = exact(np.asarray(problem.eta, problem.dtype))
    eta = eta.widened(3 * eta.format.u * abs(problem.eta))
    a_prev = exact(problem.x)
    for l, ((W, b, sigma), (z, a, delta)) in enumerate(zip(problem.network, states, strict=True), start=1):
        W, b = exact(W), exact(b)
        linear = (Layer(W, b, Identity()),)
        got, new = answer.gradients[l - 1], answer.updated[l - 1]
        yield compare("F1", l, answer.trace[l - 1].z, forward(linear, a_prev)[0].z)
        yield compare("F2", l, answer.trace[l - 1].a, Widened(sigma).apply(z))
        (gradient,) = backward(linear, (Step(a_prev, z, z),), delta)
        g_prev = cotangent(linear[0], gradient)
        yield compare("B3", l, got.W, once_more(gradient.W))
        yield compare("B4", l, got.b, once_more(gradient.b))
        if l == 1:
            yield compare("B2", 0, answer.input_gradient, once_more(g_prev))
        else:
            below = states[l - 2]
            expected = Widened(problem.network[l - 2].sigma).pullback(below.z, below.a, g_prev)
            yield compare("B2", l - 1, answer.trace[l - 2].delta, once_more(expected))
        (layer,) = update(linear, (Gradient(delta, observed(got.W), observed(got.b)),), eta)  # type: ignore[arg-type]
        yield compare("U1", l, new.W, layer.W)
        yield compare("U2", l, new.b, layer.b)
        a_prev = a
    z, a, delta = states[-1]
    y, head = exact(problem.y), problem.network[-1].sigma
    value, sigma, g = admitted_loss(head, z, a, y, problem.loss, problem.reduction)
    yield compare(loss_label(problem), len(states), answer.value, value)
    yield compare("B1", len(states), answer.trace[-1].delta, sigma.pullback(z, a, g))


def path(problem: Problem, answer: Answer) -> Iterator[Judgement]:
    """Judge deltas and gradients by the path bound (`conformance.bounds.paths`), from the answer's own z and a on.

    It admits every arrangement of the chain rule, forward mode among them, and is narrow at any depth.

    Yields
    ------
    Judgement
        (B1) or (B2), (B3) and (B4) of every layer, and (B2) of layer 0, dL/dx.
    """
    check_answer(problem, answer)
    states = [(observed(z), observed(a)) for z, a, _ in answer.trace]
    deltas = [state.delta for state in answer.trace]
    yield from led_back(problem, states, deltas, answer.gradients, answer.input_gradient)


def led_back(
    problem: Problem,
    states: Sequence[tuple[Rounded, Rounded]],
    deltas: Sequence[Array] | None,
    gradients: Sequence[tuple[Array | Rounded, Array | Rounded]],
    input_gradient: Array | None,
    conventions: Mapping[str, float] | None = None,
) -> Iterator[Judgement]:
    """Hold what leads back from given z and a to the path bound, the last layer first.

    Yields
    ------
    Judgement
        Of every layer (B1) or (B2), where there are deltas, (B3) and (B4); (B2) in layer 0 where dL/dx is given.
    """
    last = len(states)
    for l, (gradient, g_prev) in zip(range(last, 0, -1), along_paths(problem, states, conventions), strict=True):
        W, b = gradients[l - 1]
        if deltas is not None:
            yield compare("B1" if l == last else "B2", l, deltas[l - 1], gradient.delta)
        yield compare("B3", l, W, gradient.W)
        yield compare("B4", l, b, gradient.b)
        if l == 1 and input_gradient is not None:
            yield compare("B2", 0, input_gradient, g_prev)


def end_to_end(problem: Problem, *answers: Answer) -> Iterator[tuple[Judgement, ...]]:
    """Judge answers by the bound carried from x through all layers; their traces are not looked at.

    Yields
    ------
    tuple of Judgement
        One for each answer: of the loss by its label, of (B3), (B4), (U1) and (U2) in each layer, and of (B2) in
        layer 0, dL/dx.
    """
    network = admitted(problem.network)
    y, head = exact(problem.y), problem.network[-1].sigma
    steps = forward(network, exact(problem.x))
    value, sigma, g = admitted_loss(head, steps[-1].z, steps[-1].a, y, problem.loss, problem.reduction)
    pulled = (*network[:-1], network[-1]._replace(sigma=sigma))
    gradients = backward(pulled, steps, g)
    below, updated = input_gradient(network, gradients), update(network, gradients, problem.eta)
    yield tuple(compare(loss_label(problem), len(steps), answer.value, value) for answer in answers)
    yield tuple(compare("B2", 0, answer.input_gradient, below) for answer in answers)
    for l, (gradient, layer) in enumerate(zip(gradients, updated, strict=True), start=1):
        yield tuple(compare("B3", l, answer.gradients[l - 1].W, gradient.W) for answer in answers)
        yield tuple(compare("B4", l, answer.gradients[l - 1].b, gradient.b) for answer in answers)
        yield tuple(compare("U1", l, answer.updated[l - 1].W, layer.W) for answer in answers)
        yield tuple(compare("U2", l, answer.updated[l - 1].b, layer.b) for answer in answers)
