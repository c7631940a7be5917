"""What holds of every network's gradients, each property seen to fail on a planted mistake.

Only the judge compares: an answer is turned by the symmetry under test and held to the bounds of the problem it then
belongs to, or an expression that is zero on paper is held to the bound of its own roundings.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import partialmethod
from itertools import product
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from scipy import special

import reference
from conformance.arrays import Array
from conformance.bounds.admitted import admitted, admitted_loss
from conformance.bounds.assumptions import KAPPA
from conformance.bounds.lifted import lifted
from conformance.bounds.rounded import FORMATS, Rounded, exact, observed
from conformance.judge.equations import end_to_end, local, path
from conformance.judge.judgement import Judgement, compare
from conformance.numbers.balls import balls, distance, overlap
from conformance.numbers.dual import Dual, dual, tangent
from conformance.problems.problem import Answer, Architecture, Parameters, Problem, State, fill
from conformance.problems.strategies import architectures
from conformance.subjects import twin
from conformance.subjects.faults import FAULTS
from conformance.subjects.reference import reference_answer
from conformance.subjects.routes import numbers
from conformance.suite.suite import SUBJECTS
from conformance.text.edits import Edit, planted
from reference import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    CrossEntropy,
    CrossEntropyWithLogits,
    HalfSquaredError,
    Identity,
    Layer,
    LeakyReLU,
    ReLU,
    Softmax,
    Tanh,
    backward,
    forward,
    input_gradient,
    loss_and_gradients,
)
from reference.losses import REQUIRED_HEAD

EXAMPLES = settings(max_examples=15)
SEEDS = st.integers(0, 2**32 - 1)
GENERIC = ("generic", "generic", "generic")

Ask = Callable[[Problem], Answer]

both_subjects = pytest.mark.parametrize("ask", SUBJECTS.values(), ids=SUBJECTS)
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@st.composite
def batches(draw: st.DrawFn, depth: int = 4, width: int = 6) -> Problem:
    """A problem of two samples or more."""
    architecture = draw(architectures(depth, width))
    return fill(architecture._replace(batch=max(architecture.batch, 2)))


def network_problem(
    dtype: str, sigmas: tuple[Activation, ...] = (Tanh(), Identity()), loss: Any = None, seed: int = 1
) -> Problem:
    """A generic problem 3-5-...-4-2 with a batch of 3."""
    widths = (3, *(5, 4, 6, 7)[: len(sigmas) - 1], 2)
    return fill(Architecture(widths, sigmas, loss or HalfSquaredError(), "mean", 3, dtype, GENERIC, seed, 0.1))


def wrong(problem: Problem, answer: Answer) -> list[Judgement]:
    """What the judge finds wrong: alone, along all paths, from end to end."""
    of = lifted(problem)
    judged = [*local(of, answer), *path(of, answer), *(j for (j,) in end_to_end(of, answer))]
    return [judgement for judgement in judged if judgement.wrong]


def with_mistake(*edits: Edit) -> Ask:
    """The reference with a mistake in it."""
    text = planted(*edits)
    return lambda problem: reference_answer(problem, text)


def named(name: str) -> ModuleType:
    """The reference with a known fault."""
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    return planted(*fault.edits)


# Symmetries: the answer to the turned problem, turned back, is an answer to the problem itself.


def samples_permuted(problem: Problem, ask: Ask, seed: int) -> Answer:
    """The answer to the problem with its samples in another order, put back."""
    order = np.random.default_rng(seed).permutation(len(problem.x))
    answer, back = ask(problem._replace(x=problem.x[order], y=problem.y[order])), np.argsort(order)
    return answer._replace(
        trace=tuple(State(*(part[back] for part in state)) for state in answer.trace),
        input_gradient=answer.input_gradient[back],
    )


@both_subjects
@EXAMPLES
@given(problem=batches(), seed=SEEDS)
def test_permuting_samples_permutes_delta_and_leaves_gradients(ask: Ask, problem: Problem, seed: int) -> None:
    assert not wrong(problem, samples_permuted(problem, ask, seed))


def test_a_sample_that_counts_by_its_place_is_found() -> None:
    ask = with_mistake(Edit("B4", "delta[:-1].sum(axis=0) + delta[0]"))
    problem = network_problem("float64")
    assert {j.equation for j in wrong(problem, samples_permuted(problem, ask, 3))} >= {"B4"}


def units_permuted(problem: Problem, ask: Ask, seed: int) -> Answer:
    """The answer to the problem with its hidden units in another order, put back."""
    rng, network = np.random.default_rng(seed), problem.network
    inner = [rng.permutation(len(b)) for _, b, _ in network[:-1]]
    orders = [np.arange(problem.x.shape[1]), *inner, np.arange(problem.y.shape[1])]
    turned = tuple(
        Layer(W[np.ix_(rows, columns)], b[rows], sigma)
        for (W, b, sigma), columns, rows in zip(network, orders, orders[1:], strict=False)
    )
    answer, back = ask(problem._replace(network=turned)), [np.argsort(order) for order in orders]

    def parameters(layers: tuple[Parameters[Array], ...]) -> tuple[Parameters[Array], ...]:
        return tuple(
            Parameters(W[np.ix_(rows, columns)], b[rows])
            for (W, b), columns, rows in zip(layers, back, back[1:], strict=False)
        )

    return answer._replace(
        gradients=parameters(answer.gradients),
        updated=parameters(answer.updated),
        trace=tuple(
            State(*(part[:, units] for part in state)) for state, units in zip(answer.trace, back[1:], strict=True)
        ),
    )


@both_subjects
@EXAMPLES
@given(problem=batches(), seed=SEEDS)
def test_permuting_hidden_units_permutes_rows_and_columns(ask: Ask, problem: Problem, seed: int) -> None:
    assert not wrong(problem, units_permuted(problem, ask, seed))


def test_a_unit_that_counts_by_its_place_is_found() -> None:
    ask = with_mistake(Edit("B2", "np.c_[2 * delta @ W[:, :1], delta @ W[:, 1:]]"))
    problem = network_problem("float64")
    assert {(j.equation, j.layer) for j in wrong(problem, units_permuted(problem, ask, 3))} >= {("B2", 1)}


# The backward pass is linear in its cotangent.


def pulled(text: ModuleType, problem: Problem, g: Array) -> list[Array]:
    """delta, dL/dW and dL/db of every layer, and dL/dx, for a cotangent of the network's output."""
    network = tuple(layer._replace(sigma=counterpart(text, layer.sigma)) for layer in problem.network)
    gradients = text.backward(network, text.forward(network, problem.x), g)
    return [*(part for gradient in gradients for part in gradient), text.input_gradient(network, gradients)]


def counterpart(text: ModuleType, sigma: Activation) -> Any:
    """The activation of the same name and parameters in a copy of the reference."""
    return getattr(text, type(sigma).__name__)(**vars(sigma))


def cotangent(problem: Problem, seed: int) -> Array:
    """A generic cotangent of the output."""
    return np.random.default_rng(seed).standard_normal(problem.y.shape).astype(problem.dtype)


def scales_exactly(text: ModuleType, problem: Problem, g: Array, factor: float) -> bool:
    """Whether a power of two comes through bit by bit."""
    once, scaled = pulled(text, problem, g), pulled(text, problem, factor * g)
    return all((factor * p == q).all() for p, q in zip(once, scaled, strict=True))


@EXAMPLES
@given(problem=batches(), seed=SEEDS, exponent=st.integers(-9, 9))
def test_a_power_of_two_comes_through_the_backward_pass_exactly(problem: Problem, seed: int, exponent: int) -> None:
    g = cotangent(problem, seed)
    try:
        with np.errstate(all="raise"):
            exactly = scales_exactly(reference, problem, g, 2.0**exponent)
    except FloatingPointError:
        event("something underflows or overflows")
        return
    assert exactly


def test_a_cotangent_that_is_not_scaled_alike_is_found() -> None:
    problem = network_problem("float64")
    g = cotangent(problem, 2)
    assert scales_exactly(reference, problem, g, 4.0)
    assert not scales_exactly(named("derivative-of-cotangent"), problem, g, 4.0)


def scaled_within_bounds(text: ModuleType, problem: Problem, g: Array, factor: float) -> bool:
    """Whether c g is pulled back to c times what g is, up to the bound that both share."""
    c = problem.dtype.type(factor)
    steps = [reference.Step(*map(exact, step)) for step in forward(problem.network, problem.x)]
    gradients = backward(admitted(problem.network), tuple(steps), exact(c * np.ones_like(g)) * exact(g))
    # c times a result is rounded once more than the result.
    bounds = [*(part for each in gradients for part in each), input_gradient(admitted(problem.network), gradients)]
    bounds = [b.widened(2 * b.format.u * abs(b.mid).astype(float) + abs(factor) * b.format.tiny) for b in bounds]
    scaled, once = pulled(text, problem, c * g), pulled(text, problem, g)
    return not any(
        compare("B2", 0, got, bound).wrong
        for ours in (scaled, [c * p for p in once])
        for got, bound in zip(ours, bounds, strict=True)
    )


@EXAMPLES
@given(architecture=architectures(4, 6), seed=SEEDS, factor=st.floats(0.125, 8).map(lambda c: -c))
def test_any_factor_comes_through_the_backward_pass_within_bounds(
    architecture: Architecture, seed: int, factor: float
) -> None:
    problem = fill(architecture._replace(patterns=GENERIC))
    assert scaled_within_bounds(reference, problem, cotangent(problem, seed), factor)


def test_a_backward_pass_that_is_not_linear_is_found() -> None:
    problem = network_problem("float64")
    assert not scaled_within_bounds(named("derivative-of-cotangent"), problem, cotangent(problem, 2), 3.0)


# Expressions that are zero on paper.


def minors(W: Array) -> Judgement:
    """All 2 by 2 minors of a matrix whose entries were rounded when reported, held against 0."""
    format = FORMATS[W.dtype]

    def entries(array: Array) -> Rounded:
        return observed(array).widened(format.tiny)

    p, q = entries(W[:, None, :, None]), entries(W[None, :, None, :])
    r, s = entries(W[:, None, None, :]), entries(W[None, :, :, None])
    zero = p * q - r * s
    return compare("B3", 0, np.zeros(zero.shape, W.dtype), zero)


@both_subjects
@EXAMPLES
@given(architecture=architectures(4, 6))
def test_a_single_sample_has_a_weight_gradient_of_rank_one(ask: Ask, architecture: Architecture) -> None:
    problem = fill(architecture._replace(batch=1))
    for W, _ in ask(problem).gradients:
        assert not minors(W).wrong


@both_dtypes
def test_a_penalty_inside_the_gradient_is_not_of_rank_one(dtype: str) -> None:
    problem = network_problem(dtype)
    single = problem._replace(x=problem.x[:1], y=problem.y[:1])
    ask = with_mistake(Edit("B3", "delta.T @ a_prev + layer.W / 1024"))
    assert all(minors(W).wrong for W, _ in ask(single).gradients)


def summed_delta(problem: Problem, answer: Answer) -> tuple[Judgement, Judgement]:
    """The sum over units of delta^L, and 0, each held to the bound of that sum."""
    z, a, delta = answer.trace[-1]
    _, sigma, g = admitted_loss(
        problem.network[-1].sigma, exact(z), exact(a), exact(problem.y), problem.loss, problem.reduction
    )
    total = sigma.pullback(exact(z), exact(a), g).sum(axis=1)
    got = delta.sum(axis=1)
    return compare("B1", len(answer.trace), got, total), compare("B1", len(answer.trace), 0 * got, total)


@st.composite
def classifications(draw: st.DrawFn) -> Problem:
    """Softmax with cross-entropy, with class weights and smoothing; targets that sum to one, and that do not."""
    architecture = draw(architectures(3, 6))
    K = architecture.widths[-1]
    weight = draw(st.sampled_from(((), tuple(1 + k / 4 for k in range(K)))))
    loss = CrossEntropy(weight, draw(st.sampled_from((0, 0.125))))
    sigmas = (*architecture.activations[:-1], Softmax())
    problem = fill(architecture._replace(activations=sigmas, loss=loss, patterns=GENERIC))
    if draw(st.booleans()):
        return problem._replace(y=np.eye(K, dtype=problem.dtype)[np.arange(len(problem.y)) % K])
    return problem


@both_subjects
@EXAMPLES
@given(problem=classifications())
def test_deltas_of_softmax_with_cross_entropy_sum_to_zero(ask: Ask, problem: Problem) -> None:
    assert not any(judgement.wrong for judgement in summed_delta(problem, ask(problem)))


@given(SEEDS)
@settings(max_examples=5)
def test_deltas_of_softmax_with_cross_entropy_sum_to_zero_in_balls(seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, y = balls(rng.standard_normal((3, 5))), balls(rng.random((3, 5)))
    delta = CrossEntropyWithLogits().delta(Softmax().apply(z), y)
    assert overlap(delta.sum(axis=1), balls(np.zeros(3)))


@both_dtypes
def test_a_delta_for_targets_of_sum_one_alone_is_found(dtype: str) -> None:
    problem = network_problem(dtype, (Tanh(), Softmax()), CrossEntropy())
    ask = with_mistake(Edit("H1", "p - y"))
    assert [judgement.wrong for judgement in summed_delta(problem, ask(problem))] == [3, 0]


def balance(layer: Layer[Any], gradient: Any, after: Layer[Any], gradient_after: Any) -> Any:
    """For each unit, sum of w dL/dw over what comes in, its bias among it, less that over what goes out."""
    return (
        (layer.W * gradient.W).sum(axis=1)
        + layer.b * gradient.b
        - (after.W * gradient_after.W).T.sum(axis=1)
    )


@st.composite
def rectified(draw: st.DrawFn) -> Problem:
    """Hidden units that are all relu or leaky_relu, before any head."""
    architecture = draw(architectures(4, 6))
    hidden = len(architecture.activations) - 1
    kinds: st.SearchStrategy[Activation] = st.sampled_from((ReLU(), LeakyReLU(), LeakyReLU(0.25)))
    sigmas = (*draw(st.lists(kinds, min_size=hidden, max_size=hidden)), architecture.activations[-1])
    return fill(architecture._replace(activations=sigmas, patterns=GENERIC))


def unbalanced(problem: Problem, answer: Answer) -> list[Judgement]:
    """Hidden layers whose balance, or whose zero, is outside the bound of the balance."""
    states = [(observed(z), observed(a)) for z, a, _ in answer.trace]
    bounds = [gradient for gradient, _ in lifted(problem).along_paths(states)][::-1]
    pairs = []
    for l in range(len(problem.network) - 1):
        ours = balance(problem.network[l], answer.gradients[l], problem.network[l + 1], answer.gradients[l + 1])
        wide = [Layer(exact(W), exact(b), sigma) for W, b, sigma in problem.network[l : l + 2]]
        zero = balance(wide[0], bounds[l], wide[1], bounds[l + 1])
        pairs += [compare("B2", l + 1, ours, zero), compare("B2", l + 1, 0 * ours, zero)]
    return [judgement for judgement in pairs if judgement.wrong]


@both_subjects
@EXAMPLES
@given(problem=rectified())
def test_rectified_units_are_balanced(ask: Ask, problem: Problem) -> None:
    """z sigma'(z) = sigma(z), so what comes into a unit and what goes out are worth the same."""
    assert not unbalanced(problem, ask(problem))


@settings(max_examples=10)
@given(seed=SEEDS)
def test_rectified_units_are_balanced_exactly_in_fractions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fractions = np.frompyfunc(lambda number: Fraction(int(number), 8), 1, 1)

    def drawn(*shape: int) -> Array:
        numbers: Array = fractions(rng.integers(-20, 21, shape))
        return numbers

    slope: Any = Fraction(1, 8)
    network = (
        Layer(drawn(5, 3), drawn(5), ReLU()),
        Layer(drawn(4, 5), drawn(4), LeakyReLU(slope)),
        Layer(drawn(2, 4), drawn(2), Identity()),
    )
    gradients = loss_and_gradients(network, drawn(6, 3), drawn(6, 2), HalfSquaredError(), "mean").gradients
    for l in (0, 1):
        assert (balance(network[l], gradients[l], network[l + 1], gradients[l + 1]) == 0).all()


@both_dtypes
def test_an_unbalanced_unit_is_found(dtype: str) -> None:
    problem = network_problem(dtype, (LeakyReLU(0.25), ReLU(), Identity()))
    for name, layers in (("hidden-delta-doubled", {1, 2}), ("leaky-slope-ignored", {1})):
        found = unbalanced(problem, reference_answer(problem, named(name)))
        assert {judgement.layer for judgement in found} == layers


# What is exactly nothing.


def bits(answer: Answer) -> list[bytes]:
    """Every number of an answer."""
    return [array.tobytes() for array in numbers(answer)]


def unmoved(problem: Problem, ask: Ask) -> bool:
    """Whether a step of rate 0 leaves every parameter as it is."""
    updated = ask(problem._replace(eta=0.0)).updated
    pairs = zip(problem.network, updated, strict=True)
    return all((layer.W == new.W).all() and (layer.b == new.b).all() for layer, new in pairs)


@both_subjects
@EXAMPLES
@given(architecture=architectures(4, 6))
def test_a_step_of_rate_zero_changes_nothing(ask: Ask, architecture: Architecture) -> None:
    assert unmoved(fill(architecture._replace(patterns=GENERIC)), ask)


def test_a_step_without_its_rate_is_found() -> None:
    problem = network_problem("float64")
    assert not unmoved(problem, lambda asked: reference_answer(asked, named("update-without-rate")))


def dead(problem: Problem) -> Problem:
    """With the first hidden unit below the kink for every sample."""
    (W, b, _), *rest = problem.network
    b = b.copy()
    b[0] = -1 - 2 * abs(W[0] * problem.x).sum()
    return problem._replace(network=(Layer(W, b, ReLU()), *rest))


def silent(problem: Problem) -> Problem:
    """With a zero for the first input of every sample."""
    x = problem.x.copy()
    x[:, 0] = 0
    return problem._replace(x=x)


@both_subjects
@EXAMPLES
@given(architecture=architectures(4, 6))
def test_a_dead_unit_has_a_gradient_of_exactly_zero(ask: Ask, architecture: Architecture) -> None:
    assume(len(architecture.widths) > 2)
    problem = dead(fill(architecture._replace(patterns=GENERIC)))
    answer = ask(problem)
    W, b = answer.gradients[0]
    assert not answer.trace[0].a[:, 0].any()
    assert not W[0].any()
    assert not b[0]
    assert not answer.gradients[1].W[:, 0].any()


@both_subjects
@EXAMPLES
@given(architecture=architectures(4, 6))
def test_a_silent_input_has_a_column_of_exactly_zero(ask: Ask, architecture: Architecture) -> None:
    problem = silent(fill(architecture._replace(patterns=GENERIC)))
    assert not ask(problem).gradients[0].W[:, 0].any()


def test_a_zero_that_is_not_exact_is_found() -> None:
    problem = network_problem("float64", (Tanh(), Tanh(), Identity()))
    leak = with_mistake(Edit("D4", "where(z > 0, g, g / 2**40)"))
    assert leak(dead(problem)).gradients[0].W[0].all()
    jitter = with_mistake(Edit("B3", "delta.T @ (a_prev + 2.0**-80)"))
    assert jitter(silent(problem)).gradients[0].W[:, 0].all()


# No side effects.


def shares_or_mutates(text: ModuleType, problem: Problem) -> bool:
    """Whether an argument is written to, or a result shares memory with an argument or another result."""
    network = tuple(layer._replace(sigma=counterpart(text, layer.sigma)) for layer in problem.network)
    loss = getattr(text, type(problem.loss).__name__)(**vars(problem.loss))
    g = cotangent(problem, 1)
    arguments = [problem.x, problem.y, g, *(p for W, b, _ in network for p in (W, b))]
    for array in arguments:
        array.flags.writeable = False
    try:
        evaluation = text.loss_and_gradients(network, problem.x, problem.y, loss, problem.reduction)
        updated = text.update(network, evaluation.gradients, problem.eta)
        for_any_cotangent = pulled(text, problem, g)
    except ValueError:  # an array that is read-only
        return True
    steps = [part for step in evaluation.steps for part in (step.z, step.a)]
    gradients = [part for gradient in evaluation.gradients for part in gradient]
    parameters = [p for W, b, _ in updated for p in (W, b)]
    results = [*steps, *gradients, text.input_gradient(network, evaluation.gradients), *parameters, *for_any_cotangent]
    return any(np.shares_memory(p, q) for k, p in enumerate(results) for q in (*arguments, *results[:k]))


def all_functions(dtype: str) -> list[Problem]:
    """A problem for every activation, hidden and last, and for every loss."""
    losses = [kind() for kind in LOSSES.values()]
    by_loss = [
        network_problem(dtype, (Tanh(), REQUIRED_HEAD.get(type(loss), Identity)()), loss) for loss in losses
    ]
    return by_loss + [network_problem(dtype, (kind(), kind())) for kind in ACTIVATIONS.values()]


@both_dtypes
def test_nothing_is_changed_or_shared_and_bits_repeat(dtype: str) -> None:
    for problem in all_functions(dtype):
        before = bits(reference_answer(problem))
        assert not shares_or_mutates(reference, problem)
        assert bits(reference_answer(problem)) == before


@pytest.mark.parametrize(
    "edit",
    [
        Edit("A1", "z"),
        Edit("D1", "g"),
        Edit("B1", "np.positive(layer.sigma.pullback(z, a, g), out=g)"),
        Edit("U1", "W.__isub__(eta * dW)"),
    ],
)
def test_an_alias_or_a_change_in_place_is_found(edit: Edit) -> None:
    problem = network_problem("float64", (Identity(), Identity()))
    assert shares_or_mutates(planted(edit), problem)


# Values that tests forget.

LARGE, SMALL = 10.0**30, 10.0**-30


def scaled_problem(dtype: str, of_W: float, of_x: float) -> Problem:
    """Two layers whose weights and samples are far from 1, but no product of theirs that the equations form."""
    rng = np.random.default_rng(6)

    def drawn(scale: float, *shape: int) -> Array:
        return (scale * rng.standard_normal(shape)).astype(dtype)

    z = of_W * of_x
    first = Layer(drawn(of_W, 5, 3), drawn(z, 5), LeakyReLU(0.25))
    last = Layer(drawn(1 / z, 2, 5), drawn(1.0, 2), Identity())
    return Problem((first, last), drawn(of_x, 4, 3), drawn(1.0, 4, 2), HalfSquaredError(), "mean", 0.5)


def filled(dtype: str, x: Any, sigmas: tuple[Activation, ...] = (Tanh(), Identity()), loss: Any = None) -> Problem:
    """A generic network for samples (B, 3) of the given numbers."""
    problem = network_problem(dtype, sigmas, loss)
    x = np.asarray(x, dtype)
    return problem._replace(x=x, y=np.random.default_rng(5).random((len(x), 2)).astype(dtype))


def on_kinks(dtype: str, sigma: Activation) -> Problem:
    """Whole numbers for which many z are exactly at a kink of the hidden units."""
    problem = filled(dtype, [[1, -1, 0], [0, 1, 0], [2, 1, 1], [-1, 0, 1]], (sigma, Identity()))
    rng = np.random.default_rng(8)
    (W, b, _), last = problem.network
    whole = Layer(rng.integers(-1, 2, W.shape).astype(dtype), rng.integers(1, 3, b.shape).astype(dtype), sigma)
    return problem._replace(network=(whole, last))


def saturated(dtype: str, loss: Any, *sigmas: Activation) -> Problem:
    """z of a thousand and more, where every sigma is flat or linear."""
    problem = network_problem(dtype, sigmas, loss)
    (W, b, sigma), *rest = problem.network
    return problem._replace(network=(Layer(W * problem.dtype.type(2**12), b, sigma), *rest))


def viewed(dtype: str, view: Callable[[Array], Array]) -> Problem:
    """A generic problem whose arrays are views of that kind."""
    problem = network_problem(dtype, (Tanh(), ReLU(), Identity()))
    network = tuple(Layer(view(W), view(b), sigma) for W, b, sigma in problem.network)
    return problem._replace(network=network, x=view(problem.x), y=view(problem.y))


def strided(array: Array) -> Array:
    """The same numbers, each third of a longer array's along every axis."""
    wide = np.full([3 * n for n in array.shape], np.nan, array.dtype)
    part = wide[(slice(None, None, 3),) * array.ndim]
    part[...] = array
    return part


def zero_stride(array: Array) -> Array:
    """The first row, or number, again and again from the same memory."""
    return np.broadcast_to(array[:1], array.shape)


def column(dtype: str, widths: tuple[int, ...], batch: int) -> Problem:
    """Widths and batches of one."""
    sigmas: tuple[Activation, ...] = (*(Tanh() for _ in widths[2:]), Identity())
    return fill(Architecture(widths, sigmas, HalfSquaredError(), "mean", batch, dtype, GENERIC, 4, 0.1))


def subnormal(dtype: str) -> Array:
    """Whole multiples of the smallest number there is."""
    return np.arange(-6, 6).reshape(4, 3) * np.finfo(dtype).smallest_subnormal


def subnormal_weights(dtype: str) -> Problem:
    """Every weight the smallest number there is."""
    problem, least = filled(dtype, np.ones((4, 3))), np.finfo(dtype).smallest_subnormal
    return problem._replace(network=tuple(Layer(0 * W + least, b, sigma) for W, b, sigma in problem.network))


FORGOTTEN: dict[str, Callable[[str], Problem]] = {
    "constant": lambda dtype: filled(dtype, np.full((17, 3), 0.1)),
    "zeros": lambda dtype: filled(dtype, np.zeros((4, 3))),
    "negative zeros": lambda dtype: filled(dtype, -np.zeros((4, 3)), (ReLU(), LeakyReLU(), Identity())),
    "negative zeros, no bias": lambda dtype: filled(
        dtype, -np.zeros((4, 3)), (reference.Softsign(), reference.Tanhshrink(), reference.SiLU())
    ),
    "relu at its kink": lambda dtype: on_kinks(dtype, ReLU()),
    "hardtanh at its kinks": lambda dtype: on_kinks(dtype, reference.Hardtanh()),
    "softshrink at its kinks": lambda dtype: on_kinks(dtype, reference.Softshrink(1)),
    "hardswish at its kinks": lambda dtype: on_kinks(dtype, reference.Hardswish()),
    "subnormal": lambda dtype: filled(dtype, subnormal(dtype), (Identity(), reference.Softsign(), Identity())),
    "subnormal weights": subnormal_weights,
    "saturated sigmoid": lambda dtype: saturated(dtype, None, reference.Sigmoid(), Tanh(), Identity()),
    "saturated tails": lambda dtype: saturated(dtype, None, reference.GELU(), reference.Mish(), Identity()),
    "saturated units": lambda dtype: saturated(dtype, None, reference.ELU(), reference.LogSigmoid(), reference.SiLU()),
    "saturated softmax": lambda dtype: saturated(dtype, CrossEntropy(), Softmax()),
    "saturated logits": lambda dtype: saturated(dtype, reference.BinaryCrossEntropy(), reference.Sigmoid()),
    "large weights": lambda dtype: scaled_problem(dtype, LARGE, SMALL),
    "large samples": lambda dtype: scaled_problem(dtype, SMALL, LARGE),
    "all large": lambda dtype: scaled_problem(dtype, 10.0**15, 10.0**3),
    "all small": lambda dtype: scaled_problem(dtype, 10.0**-15, 10.0**-3),
    "Fortran order": lambda dtype: viewed(dtype, np.asfortranarray),
    "strided": lambda dtype: viewed(dtype, strided),
    "zero stride": lambda dtype: viewed(dtype, zero_stride),
    "one sample": lambda dtype: column(dtype, (3, 5, 2), 1),
    "one input": lambda dtype: column(dtype, (1, 5, 2), 4),
    "one unit": lambda dtype: column(dtype, (3, 1, 2), 4),
    "one output": lambda dtype: column(dtype, (3, 5, 1), 4),
    "one of all": lambda dtype: column(dtype, (1, 1), 1),
}
"""Problems of values and layouts that generic numbers do not meet, by dtype."""


@both_subjects
@both_dtypes
@pytest.mark.parametrize("name", FORGOTTEN)
def test_values_that_tests_forget(name: str, dtype: str, ask: Ask) -> None:
    problem = FORGOTTEN[name](dtype)
    answer = ask(problem)
    assert all(np.isfinite(array).all() for state in answer.trace for array in state)
    assert not wrong(problem, answer)


@both_dtypes
@pytest.mark.parametrize(
    ("name", "edit", "equation"),
    [
        ("relu at its kink", Edit("D4", "where(z < 0, 0, g)"), "B2"),
        ("zeros", Edit("B3", "delta.T @ (a_prev + 2.0**-60)"), "B3"),
        ("saturated softmax", Edit("A8", "exp(z) / exp(z).sum(axis=1, keepdims=True)"), "F2"),
        ("large weights", Edit("B2", "(delta @ W).clip(-1000, 1000)"), "B2"),
        ("all small", Edit("F1", "(a_prev + 1e-6) @ W.T + b"), "F1"),
        ("Fortran order", Edit("B3", 'delta.T @ a_prev.ravel("K").reshape(a_prev.shape)'), "B3"),
        ("one output", Edit("G1", "(a - y.T).sum(axis=1, keepdims=True)"), "B1"),
    ],
    ids=lambda value: value.expression if isinstance(value, Edit) else str(value),
)
def test_a_mistake_that_such_values_show_is_found(name: str, edit: Edit, equation: str, dtype: str) -> None:
    problem, mistaken = FORGOTTEN[name](dtype), planted(edit)
    with np.errstate(all="ignore"):
        found = wrong(problem, reference_answer(problem, mistaken))
    assert equation in {judgement.equation for judgement in found}


# Hessian-vector products: the backward pass, differentiated.


class Bounded:
    """A single `Rounded` as an element of object arrays, so that dual numbers can be made of it."""

    __slots__ = ("number",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: Rounded) -> None:
        self.number = number

    def _through(self, ufunc: np.ufunc, *others: Any) -> "Bounded":
        if any(isinstance(other, Dual) for other in others):
            return NotImplemented  # type: ignore[no-any-return]  # the dual number knows what to do
        return Bounded(ufunc(self.number, *(o.number if isinstance(o, Bounded) else o for o in others)))

    def __add__(self, other: Any) -> "Bounded":
        return self._through(np.add, other)

    def __mul__(self, other: Any) -> "Bounded":
        return self._through(np.multiply, other)

    __radd__, __rmul__ = __add__, __mul__

    def __sub__(self, other: Any) -> "Bounded":
        return self._through(np.subtract, other)

    def __rsub__(self, other: Any) -> "Bounded":
        return (-self)._through(np.add, other)

    def __truediv__(self, other: Any) -> "Bounded":
        return self._through(np.divide, other)

    def __rtruediv__(self, other: Any) -> "Bounded":
        return Bounded(other / self.number)

    def __neg__(self) -> "Bounded":
        return self._through(np.negative)

    def __pos__(self) -> "Bounded":
        return self

    def __pow__(self, exponent: int) -> "Bounded":
        return self if exponent == 1 else self * self ** (exponent - 1)

    def _decided(self, ufunc: np.ufunc, other: Any) -> bool:
        order = ufunc(self.number, other.number if isinstance(other, Bounded) else other)
        assert order.yes or order.no, f"{self.number} against {other} is undecided: draw another problem"
        return bool(order.yes)

    def __gt__(self, other: Any) -> bool:
        return self._decided(np.greater, other)

    def __lt__(self, other: Any) -> bool:
        return self._decided(np.less, other)

    def __eq__(self, other: object) -> bool:
        return self._decided(np.equal, other)

    exp = partialmethod(_through, np.exp)
    expm1 = partialmethod(_through, np.expm1)
    log = partialmethod(_through, np.log)
    log1p = partialmethod(_through, np.log1p)
    sqrt = partialmethod(_through, np.sqrt)
    tanh = partialmethod(_through, np.tanh)
    erfc = partialmethod(_through, special.erfc)

    def atan(self) -> "Bounded":
        """Of constants: its slope is 1 at most."""
        x = self.number
        mid = np.arctan(x.mid)
        return Bounded(Rounded(mid, np.asarray(x.rad, float), x.format).widened(KAPPA * x.format.u * float(abs(mid))))


def elements(make: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """An object array of what is made of each number, which keeps its dtype."""

    def lifted(array: Array) -> Array:
        result = np.empty(array.shape, dtype=object)
        for at in np.ndindex(array.shape):
            result[at] = make(array[at])
        return result

    return lifted


Direction = list[tuple[Array, Array]]


def hessian_vector(text: ModuleType, problem: Problem, v: Direction, lifted: Callable[[Array], Array]) -> list[Array]:
    """`backward` on duals over other numbers: the derivative in direction v of dL/dW and dL/db of every layer."""
    network = tuple(
        Layer(dual(lifted(W), lifted(p)), dual(lifted(b), lifted(q)), counterpart(text, sigma))
        for (W, b, sigma), (p, q) in zip(problem.network, v, strict=True)
    )
    x, y = lifted(problem.x), lifted(problem.y)
    gradients = text.loss_and_gradients(network, x, y, text.HalfSquaredError(), problem.reduction).gradients
    return [tangent(part) for gradient in gradients for part in (gradient.W, gradient.b)]


def double_backward(problem: Problem, v: Direction) -> list[Array]:
    """The same by PyTorch: the gradient of <gradient, v>."""
    parameters = twin.tensors(problem.network)
    zs, outputs = twin.forward(problem.network, parameters, torch.tensor(problem.x))
    y = torch.tensor(problem.y)
    value = twin.loss_value(problem.network, problem.loss, problem.reduction, zs[-1], outputs[-1], y)
    flat, directions = [p for layer in parameters for p in layer], [torch.tensor(p) for pair in v for p in pair]
    gradients = torch.autograd.grad(value, flat, create_graph=True)
    along = torch.stack([(g * p).sum() for g, p in zip(gradients, directions, strict=True)]).sum()
    return [part.numpy() for part in torch.autograd.grad(along, flat)]


def hessian_problem(dtype: str, sigma: Activation) -> tuple[Problem, Direction]:
    """A network 2-3-2 with a batch of 2, and a direction."""
    architecture = Architecture((2, 3, 2), (sigma, Identity()), HalfSquaredError(), "sum", 2, dtype, GENERIC, 5, 0.1)
    problem, rng = fill(architecture), np.random.default_rng(7)
    v = [(rng.standard_normal(W.shape).astype(dtype), rng.standard_normal(b.shape).astype(dtype))
         for W, b, _ in problem.network]
    return problem, v


def bounds_of(problem: Problem, v: Direction) -> list[Rounded]:
    """The products with the bound that the text's own roundings come to."""
    format = FORMATS[problem.dtype]
    nothing = Bounded(exact(np.zeros((), problem.dtype)))
    products = hessian_vector(reference, problem, v, elements(lambda number: Bounded(exact(np.asarray(number)))))

    def gathered(array: Array) -> Rounded:
        entries = [nothing.number if isinstance(e, int) else e.number for e in array.flat]
        mid = np.array([entry.mid for entry in entries]).reshape(array.shape)
        return Rounded(mid, np.array([float(entry.rad) for entry in entries]).reshape(array.shape), format)

    return [gathered(array) for array in products]


HESSIANS = [pair for pair in product(ACTIVATIONS, ("float32", "float64")) if pair != ("selu", "float32")]
"""Elements take selu's constants as fractions, whose whole numbers of 63 digits are beyond float32."""


@pytest.mark.parametrize(("name", "dtype"), HESSIANS)
def test_hessian_vector_products_are_the_double_backward_of_autograd(name: str, dtype: str) -> None:
    problem, v = hessian_problem(dtype, ACTIVATIONS[name]())
    bounds, truth = bounds_of(problem, v), hessian_vector(reference, problem, v, balls)
    ours = hessian_vector(reference, problem, v, elements(lambda number: number))
    answers = (double_backward(problem, v), [part.astype(dtype) for part in ours])
    for k, (bound, certified) in enumerate(zip(bounds, truth, strict=True)):
        for at in np.ndindex(bound.shape):
            assert distance(bound.mid[at], certified.item(*at)) <= bound.rad[at]
        for answer in answers:
            judged = compare("B3" if k % 2 == 0 else "B4", k // 2 + 1, answer[k], bound)
            assert not judged.wrong
            assert judged.undecided <= judged.elements // 2


@both_dtypes
@pytest.mark.parametrize("mistake", ["tanh-derivative-is-tanh", "hidden-delta-doubled", "derivative-at-activation"])
def test_a_wrong_backward_pass_has_a_wrong_hessian(mistake: str, dtype: str) -> None:
    problem, v = hessian_problem(dtype, Tanh())
    products = hessian_vector(named(mistake), problem, v, elements(lambda number: number))
    pairs = zip(products, bounds_of(problem, v), strict=True)
    assert any(compare("B3", 1, part.astype(dtype), bound).wrong for part, bound in pairs)
