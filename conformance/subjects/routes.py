"""Right programs that are functions of their own: in another format, sample by sample, by tangents.

The forward equations are still the reference's.  Some routes fail where the documented one does not; a criterion beside
each says which problems it is for.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import reference
from reference import Layer, forward
from reference.gradients import reduced_loss

from ..arrays import Array, Network
from ..numbers.dual import Dual
from ..numbers.enclosure import Unbounded, Undecided
from ..numbers.summation import wide
from ..problems.problem import Answer, Parameters, Problem, State
from .formulas import SAMPLES_IN_COLUMNS, edited
from .reference import reference_answer


def in_wider_registers(problem: Problem) -> Answer:
    """All in the next wider format, each number rounded to the problem's dtype only when it is reported."""
    network = tuple(Layer(wide(W), wide(b), sigma) for W, b, sigma in problem.network)
    answer = reference_answer(problem._replace(network=network, x=wide(problem.x), y=wide(problem.y)))
    with np.errstate(over="ignore"):
        return Answer(
            answer.value.astype(problem.dtype),
            tuple(Parameters(*(p.astype(problem.dtype) for p in layer)) for layer in answer.gradients),
            tuple(State(*(p.astype(problem.dtype) for p in state)) for state in answer.trace),
            answer.input_gradient.astype(problem.dtype),
            tuple(Parameters(*(p.astype(problem.dtype) for p in layer)) for layer in answer.updated),
        )


def in_columns(problem: Problem) -> Answer:
    """Samples in columns: the arrays in Fortran order, the products transposed."""
    network = tuple(Layer(np.asfortranarray(W), b, sigma) for W, b, sigma in problem.network)
    x, y = np.asfortranarray(problem.x), np.asfortranarray(problem.y)
    return edited(*SAMPLES_IN_COLUMNS)(problem._replace(network=network, x=x, y=y))


def divided_at_the_end(problem: Problem) -> Answer:
    """The mean's 1/B divides the summed gradients, and is folded into the learning rate."""
    answer = reference_answer(problem._replace(reduction="sum"))
    if problem.reduction == "sum":
        return answer
    B = problem.dtype.type(len(problem.x))
    return Answer(
        answer.value / B,
        tuple(Parameters(W / B, b / B) for W, b in answer.gradients),
        tuple(State(z, a, delta / B) for z, a, delta in answer.trace),
        answer.input_gradient / B,
        descended(problem.network, answer.gradients, problem.dtype.type(problem.eta) / B),
    )


def sample_by_sample(problem: Problem, ask: Callable[[Problem], Answer] = reference_answer) -> Answer:
    """One sample at a time, the last first, the gradients added up."""
    B, mean = len(problem.x), problem.reduction == "mean"
    single = [
        ask(problem._replace(x=problem.x[s : s + 1], y=problem.y[s : s + 1], reduction="sum")) for s in range(B)
    ]
    N = problem.dtype.type(B if mean else 1)
    gradients = tuple(
        Parameters(*(sum(parts[-2::-1], parts[-1]) / N for parts in zip(*layers, strict=True)))
        for layers in zip(*(answer.gradients for answer in single), strict=True)
    )
    trace = tuple(
        State(*(np.concatenate(parts) for parts in zip(*states, strict=True)))
        for states in zip(*(answer.trace for answer in single), strict=True)
    )
    values = [answer.value for answer in single]
    return Answer(
        np.asarray(sum(values[-2::-1], values[-1]) / N),
        gradients,
        tuple(state._replace(delta=state.delta / N) for state in trace),
        np.concatenate([answer.input_gradient / N for answer in single]),
        descended(problem.network, gradients, problem.dtype.type(problem.eta)),
    )


def descended(network: Network, gradients: tuple[Parameters[Array], ...], eta: Array) -> tuple[Parameters[Array], ...]:
    """The parameters after a step with that rate, a number of their dtype."""
    return tuple(
        Parameters(layer.W - eta * W, layer.b - eta * b) for layer, (W, b) in zip(network, gradients, strict=True)
    )


class Directions(NamedTuple):
    """A number for each weight, bias, z and input of a problem: in these directions its loss is differentiated."""

    W: tuple[Array, ...]
    b: tuple[Array, ...]
    z: tuple[Array, ...]
    x: Array
    total: int


def _directions(problem: Problem) -> Directions:
    L, B = len(problem.network), len(problem.x)
    shapes = [W.shape for W, _, _ in problem.network]
    shapes += [b.shape for _, b, _ in problem.network]
    shapes += [(B, *b.shape) for _, b, _ in problem.network]
    shapes += [problem.x.shape]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    numbers = [np.arange(end - np.prod(shape), end).reshape(shape) for end, shape in zip(ends, shapes, strict=True)]
    return Directions(
        tuple(numbers[:L]), tuple(numbers[L : 2 * L]), tuple(numbers[2 * L : 3 * L]), numbers[-1], int(ends[-1])
    )


class Pass(NamedTuple):
    """The forward equations alone: the reduced loss, and z and a of every layer, (B, n_l)."""

    value: Array
    states: tuple[tuple[Array, Array], ...]


def _pass(problem: Problem, network: Network, x: Array) -> Pass:
    steps = forward(network, x)
    last = steps[-1]
    cotangent = reduced_loss(network[-1].sigma, last.z, last.a, problem.y, problem.loss, problem.reduction)
    return Pass(cotangent.value, tuple((step.z, step.a) for step in steps))


def _from_directions(problem: Problem, run: Pass, derivatives: Array) -> Answer:
    """The answer, from a pass and the derivative of its loss in each direction."""
    directions = _directions(problem)
    gradients = tuple(
        Parameters(derivatives[W], derivatives[b]) for W, b in zip(directions.W, directions.b, strict=True)
    )
    return Answer(
        np.asarray(run.value),
        gradients,
        tuple(State(z, a, derivatives[by]) for (z, a), by in zip(run.states, directions.z, strict=True)),
        derivatives[directions.x],
        descended(problem.network, gradients, problem.dtype.type(problem.eta)),
    )


def forward_mode(problem: Problem) -> Answer:
    """Tangents that go forward: dual numbers over floats, each with a tangent for every direction at once.

    A z is moved by the bias of its sample alone, so each sample has its own copy of the biases.
    """
    directions, B = _directions(problem), len(problem.x)
    unit = np.eye(directions.total, dtype=problem.dtype)

    def moved(numbers: Array, *by: Array) -> Array:
        duals = np.empty(numbers.shape, dtype=object)  # filled one by one: NumPy would make Python's floats of them
        for at in np.ndindex(numbers.shape):
            duals[at] = Dual(numbers[at], sum(unit[index[at]] for index in by))
        return duals

    def real(duals: Array) -> Array:
        numbers: Array = np.frompyfunc(lambda number: (Dual(0) + number).real, 1, 1)(duals).astype(problem.dtype)
        return numbers

    rows = [np.broadcast_to(index, (B, len(index))) for index in directions.b]
    network = tuple(
        Layer(moved(W, by_W), moved(np.broadcast_to(b, by_z.shape), by_b, by_z), sigma)
        for (W, b, sigma), by_W, by_b, by_z in zip(problem.network, directions.W, rows, directions.z, strict=True)
    )
    value, states = _pass(problem, network, moved(problem.x, directions.x))
    whole = Dual(0) + value  # a dual even where nothing moves it
    derivatives = np.broadcast_to(np.asarray(whole.tangent, problem.dtype), directions.total)
    run = Pass(np.asarray(whole.real, problem.dtype), tuple((real(z), real(a)) for z, a in states))
    return _from_directions(problem, run, derivatives)


STEP = 1e-200
"""The complex step: nothing is subtracted, so it is so small that its square vanishes."""


def complex_step(problem: Problem) -> Answer:
    """Im L(w + ih) / h, a forward pass for each direction."""
    directions = _directions(problem)
    runs = [
        _pass(
            problem,
            tuple(
                Layer(W + 1j * STEP * (by_W == k), b + 1j * STEP * ((by_b == k) | (by_z == k)), sigma)
                for (W, b, sigma), by_W, by_b, by_z in zip(
                    problem.network, directions.W, directions.b, directions.z, strict=True
                )
            ),
            problem.x + 1j * STEP * (directions.x == k),
        )
        for k in range(directions.total)
    ]
    run = Pass(runs[0].value.real, tuple((z.real, a.real) for z, a in runs[0].states))
    return _from_directions(problem, run, np.array([run.value.imag for run in runs]) / STEP)


def numbers(answer: Answer) -> list[Array]:
    """All arrays of an answer."""
    layers = (layer for part in (answer.gradients, answer.trace, answer.updated) for layer in part)
    return [answer.value, answer.input_gradient, *(array for layer in layers for array in layer)]


def finite(answer: Callable[[Problem], Answer]) -> Callable[[Problem], bool]:
    """Whether all that a program answers is finite where the reference's answer is."""

    def applies(problem: Problem) -> bool:
        with np.errstate(all="ignore"):
            pairs = zip(numbers(answer(problem)), numbers(reference_answer(problem)), strict=True)
            return all((np.isfinite(p) >= np.isfinite(q)).all() for p, q in pairs)

    return applies


def wider_has_erfc(problem: Problem) -> bool:
    """SciPy's erfc takes no long double."""
    return problem.dtype == np.float32 or not any(type(sigma) is reference.GELU for _, _, sigma in problem.network)


DIRECTIONS = 400
"""As many as forward mode and complex step go in: beyond, they take too long."""


def off_the_kink_of_l1(problem: Problem) -> bool:
    """Whether no output of an l1 loss is at its target: derivatives of the value alone find a one-sided one there."""
    return not (isinstance(problem.loss, reference.L1) and (reference_answer(problem).trace[-1].a == problem.y).any())


def by_tangents(problem: Problem) -> bool:
    """Few directions, no l1 at its kink, nothing that dual numbers refuse; selu's long fractions overflow float32."""
    selu = any(isinstance(sigma, reference.SELU) for _, _, sigma in problem.network)
    if _directions(problem).total > DIRECTIONS or (selu and problem.dtype == np.float32):
        return False
    if not off_the_kink_of_l1(problem):
        return False
    try:
        return finite(forward_mode)(problem)
    except (Undecided, Unbounded):
        return False


ANALYTIC = (
    reference.Identity, reference.Sigmoid, reference.Tanh, reference.Softmax, reference.GELU, reference.GELUTanh,
    reference.SiLU, reference.Mish, reference.LogSigmoid, reference.Tanhshrink,
    reference.LogSoftmax, reference.HalfSquaredError, reference.MeanSquaredError, reference.CrossEntropy,
    reference.CrossEntropyWithLogits, reference.BinaryCrossEntropy, reference.BinaryCrossEntropyWithLogits,
    reference.NLL, reference.KLDivergence, reference.PoissonNLL,
)  # fmt: skip
"""Activations and losses without a kink or a jump, where a complex step is right; softplus jumps at its threshold."""


def outlives_the_step(problem: Problem) -> bool:
    """Whether each derivative, times the step, is a normal number, and what is lost below no unit of its last place."""
    least = np.finfo(problem.dtype).tiny / np.finfo(problem.dtype).eps / STEP
    _, gradients, trace, dx, _ = reference_answer(problem)
    derivatives = [dx, *(step.delta for step in trace), *(array for pair in gradients for array in pair)]
    return all((abs(derivative[derivative != 0]) >= least).all() for derivative in derivatives)


def by_complex_step(problem: Problem) -> bool:
    """Few directions, in float64, everything analytic, within the range and not too near its lower end."""
    functions = (problem.loss, *(sigma for _, _, sigma in problem.network))
    return (
        problem.dtype == np.float64
        and all(isinstance(function, ANALYTIC) for function in functions)
        and _directions(problem).total <= DIRECTIONS
        and finite(complex_step)(problem)
        and outlives_the_step(problem)
    )
