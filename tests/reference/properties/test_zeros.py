"""What is exactly nothing, and that nothing else is changed; each property is seen to fail on a planted mistake."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import assume, given

import reference
from conformance.problems.problem import Answer, Architecture, Problem, fill
from conformance.problems.strategies import architectures
from conformance.subjects.reference import reference_answer
from conformance.subjects.routes import numbers
from conformance.text.edits import Edit, planted
from reference import (
    ACTIVATIONS,
    LOSSES,
    Identity,
    Layer,
    ReLU,
    Tanh,
)
from reference.losses import REQUIRED_HEAD

from .subjects import (
    EXAMPLES,
    GENERIC,
    Ask,
    both_dtypes,
    both_subjects,
    cotangent,
    counterpart,
    named,
    network_problem,
    pulled,
    with_mistake,
)

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
