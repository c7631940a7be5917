"""What must come through: samples and units permuted, cotangents scaled, expressions that are zero on paper.

Only the judge compares: an answer is turned by the symmetry under test and held to the bounds of the problem it then
belongs to, or an expression that is zero on paper is held to the bound of its own roundings.  Each property is seen to
fail on a planted mistake.
"""

from fractions import Fraction
from types import ModuleType
from typing import Any

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

import reference
from conformance.arrays import Array
from conformance.bounds.admitted import admitted, admitted_loss
from conformance.bounds.formats import FORMATS
from conformance.bounds.lifted import lifted
from conformance.bounds.rounded import Rounded, exact, observed
from conformance.judge.judgement import Judgement, compare
from conformance.numbers.balls import balls, overlap
from conformance.problems.problem import Answer, Architecture, Parameters, Problem, State, fill
from conformance.problems.strategies import architectures
from conformance.subjects.reference import reference_answer
from conformance.text.edits import Edit
from reference import (
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

from .subjects import (
    EXAMPLES,
    GENERIC,
    Ask,
    both_dtypes,
    both_subjects,
    cotangent,
    named,
    network_problem,
    pulled,
    with_mistake,
    wrong,
)

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def batches(draw: st.DrawFn, depth: int = 4, width: int = 6) -> Problem:
    """A problem of two samples or more."""
    architecture = draw(architectures(depth, width))
    return fill(architecture._replace(batch=max(architecture.batch, 2)))


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
    assert not [W for W, _ in ask(single).gradients if not minors(W).wrong]


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
    assert not [judgement for judgement in summed_delta(problem, ask(problem)) if judgement.wrong]


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
