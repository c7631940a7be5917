"""The equations of the network, (F1) to (U2): each held to its bound, alone and from end to end, in both subjects."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.bounds.admitted import Widened
from conformance.bounds.lifted import lifted
from conformance.bounds.rounded import exact
from conformance.judge.equations import end_to_end, local, path
from conformance.judge.judgement import compare
from conformance.problems.problem import Architecture, Parameters, Problem, fill
from conformance.problems.strategies import problems
from conformance.subjects import twin
from conformance.subjects.reference import reference_answer
from conformance.suite.suite import SUBJECTS, examine
from reference import (
    Activation,
    HalfSquaredError,
    Identity,
    Layer,
    Sigmoid,
    Tanh,
    backward,
    forward,
    input_gradient,
    loss_and_gradients,
    update,
)

EQUATIONS = settings(max_examples=25)


def hold(problem: Problem, *equations: str) -> None:
    """Each of the equations is judged in every layer that has it, for both subjects, and none is wrong."""
    L = len(problem.network)
    layers = {"B1": (L,), "B2": range(L)}
    expected = {(equation, l) for equation in equations for l in layers.get(equation, range(1, L + 1))}
    for subject, ask in SUBJECTS.items():
        judged = [judgement for judgement in local(lifted(problem), ask(problem)) if judgement.equation in equations]
        assert {(judgement.equation, judgement.layer) for judgement in judged} == expected, subject
        assert not [judgement for judgement in judged if judgement.wrong], f"wrong, of {subject}"


PLACES = {
    "F1": ("trace", "z"),
    "F2": ("trace", "a"),
    "B1": ("trace", "delta"),
    "B2": ("trace", "delta"),
    "B3": ("gradients", "W"),
    "B4": ("gradients", "b"),
    "U1": ("updated", "W"),
    "U2": ("updated", "b"),
}
"""Where an answer has what an equation gives."""


@pytest.mark.parametrize(
    ("equation", "l"),
    [(name, l) for name in PLACES for l in (1, 2, 3) if name not in ("B1", "B2") or (l == 3) == (name == "B1")],
)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_what_is_doubled_in_one_layer_does_not_hold(
    subject: str, equation: str, l: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sigmas: tuple[Activation, ...] = (Tanh(), Sigmoid(), Identity())
    generic = ("generic", "generic", "generic")
    problem = fill(Architecture((3, 4, 5, 2), sigmas, HalfSquaredError(), "sum", 3, "float64", generic, 1, 0.1))
    answer = SUBJECTS[subject](problem)
    part, field = PLACES[equation]
    layers = list(getattr(answer, part))
    layers[l - 1] = layers[l - 1]._replace(**{field: 2 * getattr(layers[l - 1], field)})
    changes: dict[str, Any] = {part: tuple(layers)}
    altered = answer._replace(**changes)
    monkeypatch.setitem(SUBJECTS, subject, lambda _: altered)
    with pytest.raises(AssertionError, match=f"wrong, of {subject}"):
        hold(problem, equation)


@EQUATIONS
@given(problems())
def test_F1_weighted_sum(problem: Problem) -> None:
    hold(problem, "F1")


@EQUATIONS
@given(problems())
def test_F2_activation(problem: Problem) -> None:
    hold(problem, "F2")


@EQUATIONS
@given(problems())
def test_B1_output_error(problem: Problem) -> None:
    hold(problem, "B1")


@EQUATIONS
@given(problems())
def test_B2_hidden_error_and_input_gradient(problem: Problem) -> None:
    hold(problem, "B2")


@EQUATIONS
@given(problems())
def test_B3_weight_gradient(problem: Problem) -> None:
    hold(problem, "B3")


@EQUATIONS
@given(problems())
def test_B4_bias_gradient(problem: Problem) -> None:
    hold(problem, "B4")


@EQUATIONS
@given(problems())
def test_U1_U2_weight_and_bias_update(problem: Problem) -> None:
    hold(problem, "U1", "U2")


@given(problems())
def test_every_equation_alone_and_from_end_to_end(problem: Problem) -> None:
    assert not [finding for finding in examine(problem) if finding.judgement.wrong]


@pytest.mark.parametrize(("dtype", "depth"), [("float64", 6), ("float32", 3)])
@given(seed=st.integers(0, 2**32 - 1))
def test_bound_carried_end_to_end_is_no_formality(dtype: str, depth: int, seed: int) -> None:
    """On generic networks of width 16 a gradient of zero does not pass in any layer, nor one that is 1 % off."""
    architecture = Architecture(
        (5, *(16,) * (depth - 1), 3),
        (*(Tanh() for _ in range(depth - 1)), Identity()),
        HalfSquaredError(),
        "sum",
        batch=7,
        dtype=dtype,
        patterns=("generic", "generic", "generic"),
        seed=seed,
        eta=0.1,
    )
    problem = fill(architecture)
    answer = reference_answer(problem)
    for factor in (0, 1.01):
        scaled = tuple(Parameters((factor * W).astype(dtype), (factor * b).astype(dtype)) for W, b in answer.gradients)
        found = {(j.equation, j.layer): j for (j,) in end_to_end(lifted(problem), answer._replace(gradients=scaled))}
        for l in range(1, depth + 1):
            assert found["B3", l].wrong
            assert found["B4", l].wrong


@pytest.mark.parametrize(("dtype", "depth"), [("float64", 10), ("float32", 4)])
@given(seed=st.integers(0, 2**32 - 1))
def test_path_bound_is_no_formality(dtype: str, depth: int, seed: int) -> None:
    """A gradient that is 1 % off in one layer is seen there, and nowhere else.

    The sum over all paths of absolute values grows threefold a layer, where the gradient itself does not: in float32
    the bound reaches the gradient in a dozen layers.
    """
    widths = (5, *(16,) * (depth - 1), 3)
    sigmas: tuple[Activation, ...] = (*(Tanh() for _ in range(depth - 1)), Identity())
    generic = ("generic", "generic", "generic")
    problem = fill(Architecture(widths, sigmas, HalfSquaredError(), "sum", 7, dtype, generic, seed, 0.1))
    answer = reference_answer(problem)
    assert not [j for j in path(lifted(problem), answer) if j.wrong]
    for l in range(1, depth + 1):
        W, b = answer.gradients[l - 1]
        off = Parameters((1.01 * W).astype(dtype), (1.01 * b).astype(dtype))
        gradients = (*answer.gradients[: l - 1], off, *answer.gradients[l:])
        wrong = {(j.equation, j.layer) for j in path(lifted(problem), answer._replace(gradients=gradients)) if j.wrong}
        assert wrong == {("B3", l), ("B4", l)}


@given(problems(depth=4), st.integers(0, 2**32 - 1))
def test_B1_B2_for_any_cotangent(problem: Problem, seed: int) -> None:
    """`backward` is a vector-Jacobian product: any g, not only a loss's."""
    steps = forward(problem.network, problem.x)
    g = np.random.default_rng(seed).standard_normal(steps[-1].a.shape).astype(problem.dtype)
    gradients = backward(problem.network, steps, g)
    parameters, x = twin.tensors(problem.network), torch.tensor(problem.x, requires_grad=True)
    zs, outputs = twin.forward(problem.network, parameters, x)
    deltas = torch.autograd.grad(outputs[-1], [*zs, x], torch.tensor(g))
    theirs = [delta.numpy() for delta in deltas]
    ours = [*(gradient.delta for gradient in gradients), input_gradient(problem.network, gradients)]
    states = [(exact(step.z), exact(step.a)) for step in steps]
    torch_states = [(exact(z.detach().numpy()), exact(a.detach().numpy())) for z, a in zip(zs, outputs, strict=True)]
    for deltas_of, states_of in ((ours, states), (theirs, torch_states)):
        cotangent = exact(g)
        for l in range(len(states_of), 0, -1):
            z, a = states_of[l - 1]
            expected = Widened(problem.network[l - 1].sigma).pullback(z, a, cotangent)
            assert compare("B1", l, deltas_of[l - 1], expected).margin <= 1
            cotangent = exact(deltas_of[l - 1]) @ exact(problem.network[l - 1].W)
        assert compare("B2", 0, deltas_of[-1], cotangent).margin <= 1


def small_problem(dtype: str) -> tuple[tuple[Layer[np.ndarray], ...], np.ndarray, np.ndarray]:
    """A network 3-4-2 with a batch of 5, and a cotangent."""
    rng = np.random.default_rng(3)
    widths = (3, 4, 2)
    sigmas: tuple[Activation, ...] = (Tanh(), Sigmoid())
    network = tuple(
        Layer(rng.standard_normal((n, m)).astype(dtype), rng.standard_normal(n).astype(dtype), sigma)
        for m, n, sigma in zip(widths, widths[1:], sigmas, strict=False)
    )
    return network, rng.standard_normal((5, 3)).astype(dtype), rng.standard_normal((5, 2)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arguments_are_neither_changed_nor_shared_and_bits_repeat(dtype: str) -> None:
    lasts: tuple[Activation, ...] = (Sigmoid(), Identity())
    for last in lasts:
        network, x, g = small_problem(dtype)
        network = (network[0], network[1]._replace(sigma=last))
        arguments = [x, g, *(p for W, b, _ in network for p in (W, b))]
        before = [p.copy() for p in arguments]
        for p in arguments:
            p.flags.writeable = False

        def results(
            network: tuple[Layer[np.ndarray], ...] = network, x: np.ndarray = x, g: np.ndarray = g
        ) -> list[np.ndarray]:
            gradients = backward(network, forward(network, x), g)
            updated = update(network, gradients, 0.1)
            return [
                input_gradient(network, gradients),
                *(part for gradient in gradients for part in gradient),
                *(part for W, b, _ in updated for part in (W, b)),
            ]

        first, second = results(), results()
        for p, q in zip(first, second, strict=True):
            assert p.dtype == np.dtype(dtype)
            assert p.tobytes() == q.tobytes()
            assert not [argument for argument in arguments if np.shares_memory(p, argument)]
        for p, q in zip(arguments, before, strict=True):
            assert p.tobytes() == q.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layout_of_the_arguments_does_not_matter_beyond_rounding(dtype: str) -> None:
    """Fortran order, strides and reversed views give answers within the same bounds."""
    network, x, _ = small_problem(dtype)
    y = np.random.default_rng(4).random((5, 2)).astype(dtype)
    wide = np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)
    views = (np.asfortranarray(x), wide[::2, ::3], x[::-1, ::-1].copy()[::-1, ::-1])
    for view in views:
        assert (view == x).all()
        layers = tuple(layer._replace(W=np.asfortranarray(layer.W)) for layer in network)
        problem = Problem(layers, view, y, HalfSquaredError(), "sum", 0.1)
        assert not [j for j in local(lifted(problem), reference_answer(problem)) if j.wrong]


def test_eta_zero_changes_nothing() -> None:
    network, x, g = small_problem("float64")
    gradients = backward(network, forward(network, x), g)
    for before, after in zip(network, update(network, gradients, 0.0), strict=True):
        assert (before.W == after.W).all()
        assert (before.b == after.b).all()


def test_no_hidden_layer_and_one_unit() -> None:
    """The smallest network: dL/dw = delta x, by hand."""
    network = (Layer(np.array([[2.0]]), np.array([-1.0]), Identity()),)
    value, gradients, steps = loss_and_gradients(
        network, np.array([[3.0]]), np.array([[1.0]]), HalfSquaredError(), "mean"
    )
    results = (value, steps[0].z, gradients[0].W, gradients[0].b, input_gradient(network, gradients))
    assert [result.item() for result in results] == [8, 5, 12, 4, 8]
