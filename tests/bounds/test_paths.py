"""The path bound at kinks: any slope between those on the sides, for all that passes through a unit; nothing else."""

import ast
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import reference
from conformance import probe
from conformance.arrays import Array
from conformance.bounds.admitted import KINKS, UNDECLARED, declared, kinks
from conformance.bounds.formats import FORMATS
from conformance.bounds.lifted import lifted
from conformance.bounds.rounded import Rounded, exact
from conformance.judge.equations import path
from conformance.judge.judgement import compare
from conformance.judge.verdict import CONFORMS, WRONG
from conformance.problems.problem import Architecture, Problem, fill
from conformance.subjects.formulas import edited
from conformance.subjects.reference import reference_answer
from conformance.text.edits import Edit, planted, standing
from conformance.text.labels import label
from reference import L1, Activation, HalfSquaredError, Identity, Layer, ReLU, Tanh

pytestmark = pytest.mark.sampled(3)

DTYPES = ("float32", "float64")
SEEDS = range(20)
JUMPING: dict[Any, Activation] = {reference.Softplus: reference.Softplus(1, 1), reference.ELU: reference.ELU(0.5)}
"""Those with a jump that their defaults do not have, or none that float32 sees."""

SIGMAS: tuple[Activation, ...] = tuple(JUMPING.get(kind) or kind() for kind in KINKS)


def at_kinks(sigma: Activation, seed: int, dtype: str, batch: int = 1) -> Problem:
    """A network 3-5-4-4-2 whose first and second unit of layer 2 are at a kink exactly: all terms of z but b are 0."""
    sigmas = (Tanh(), sigma, Tanh(), Identity())
    widths, patterns = (3, 5, 4, 4, 2), ("generic",) * 3
    problem = fill(Architecture(widths, sigmas, HalfSquaredError(), "sum", batch, dtype, patterns, seed, 0.1))
    W, b = problem.network[1].W.copy(), problem.network[1].b.copy()
    places = kinks(sigma)
    W[:2], b[:2] = 0, (places[0], places[-1])
    return problem._replace(network=(problem.network[0], Layer(W, b, sigma), *problem.network[2:]))


def sides(sigma: Activation, kink: float) -> tuple[float, float]:
    """The slopes left and right of a kink."""
    z = np.nextafter([[kink, kink]], [[-np.inf, np.inf]])
    left, right = sigma.pullback(z, sigma.apply(z), np.ones_like(z))[0]
    return float(left), float(right)


def with_slopes(sigma: Activation, share: float) -> Callable[[Problem], Any]:
    """The answer of somebody whose slope at a kink is so far from the left one to the right one."""
    place = label(type(sigma).pullback)
    text = ast.unparse(standing(place).expression)
    for kink in kinks(sigma):
        left, right = sides(sigma, kink)
        text = f"np.where(z == {kink}, {left + share * (right - left)!r} * g, {text})"
    return edited(Edit(place, text))


def accused(problem: Problem, answer: Any) -> set[tuple[str, int]]:
    return {(j.equation, j.layer) for j in path(lifted(problem, UNDECLARED), answer) if j.wrong}


@pytest.mark.parametrize("sigma", SIGMAS, ids=lambda sigma: type(sigma).__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_between_the_sides_of_a_kink_is_right_and_beyond_is_wrong(sigma: Activation, dtype: str) -> None:
    for seed in range(5):
        problem = at_kinks(sigma, seed, dtype)
        for share in (0, 0.3, 1 / 2, 1):
            assert not accused(problem, with_slopes(sigma, share)(problem))
        for share in (-1 / 16, 17 / 16, 2):
            found = accused(problem, with_slopes(sigma, share)(problem))
            assert {("B2", 2), ("B3", 2), ("B4", 2)} <= found


@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_all_kinks_are_known(name: str) -> None:
    """Slopes on a grid: a step between neighbours stands at a kink, and at each kink there is one."""
    sigma: Any = JUMPING.get(reference.ACTIVATIONS[name], reference.ACTIVATIONS[name]())
    z = np.linspace(-8, 8, 2**16)[None]
    units = z if name not in ("softmax", "log_softmax") else z.T  # a unit of its own
    slope = sigma.pullback(units, sigma.apply(units), np.ones_like(units)).ravel()
    steps = np.flatnonzero(abs(np.diff(slope)) > 1 / 100)
    assert np.allclose([z[0, at] for at in steps], kinks(sigma), atol=1e-3, rtol=0)


def test_slopes_at_the_ends_of_a_hull_in_forward_mode() -> None:
    """Tangents from dW^1 up, one slope for each unit and sample at its kink: within the bound along all paths."""
    met = 0
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        problem = fill(
            Architecture((3, 5, 6, 4, 2), (*(ReLU() for _ in range(3)), Identity()), HalfSquaredError(), "sum", 2,
                         "float32", ("integers",) * 3, seed, 0.1)
        )  # fmt: skip
        answer = reference_answer(problem)
        slopes = []
        for state in answer.trace[:-1]:
            chosen = rng.integers(0, 2, state.z.shape).astype("float32")
            slopes.append(np.where(state.z == 0, chosen, state.z > 0).astype("float32"))
            met += int((state.z == 0).sum())
        g = answer.trace[-1].a - problem.y
        W = np.zeros_like(problem.network[0].W)
        for at in np.ndindex(W.shape):
            tangent = np.zeros_like(answer.trace[0].z)
            tangent[:, at[0]] = problem.x[:, at[1]]
            for slope, layer in zip(slopes, problem.network[1:], strict=True):
                tangent = (tangent * slope) @ layer.W.T
            W[at] = (tangent * g).sum()
        states = [(exact(z), exact(a)) for z, a, _ in answer.trace]
        *_, (gradient, _) = lifted(problem, UNDECLARED).along_paths(states)
        assert not compare("B3", 1, W, gradient.W).wrong
    assert met > 10


def relu_with(slope: float) -> Callable[..., Any]:
    """Somebody's gradients, whose relu has that slope at 0."""
    text = planted(Edit("D4", f"np.where(z > 0, g, np.where(z == 0, {slope} * g, 0 * g))"))

    def gradients(network: Any, x: Array, y: Array) -> Any:
        own = tuple(text.Layer(W, b, getattr(text, type(sigma).__name__)()) for W, b, sigma in network)
        _, found, _ = text.loss_and_gradients(own, x, y, text.HalfSquaredError(), "sum")
        return [(gradient.W, gradient.b) for gradient in found]

    return gradients


@pytest.mark.parametrize(
    ("slope", "verdict"), [(0, CONFORMS), (0.5, CONFORMS), (1, CONFORMS), (2, WRONG), (-1, WRONG), (1.5, WRONG)]
)
def test_the_slope_of_relu_at_zero(slope: float, verdict: str, whole: bool) -> None:
    """By every seed a wrong one is found, on networks of up to three layers."""
    mine = relu_with(slope)
    asked: dict[str, Any] = {"hidden": "relu", "output": "identity", "layers": (1, 3), "width": (1, 16)}
    for seed in SEEDS if verdict == WRONG and whole else SEEDS[:3]:
        assert probe(mine, seed=seed, **asked).verdict == verdict
    assert probe(mine, dtype="float32", **asked).verdict == verdict


@pytest.mark.parametrize("declares", [0.0, 1.0, 2.0])
def test_what_is_declared_at_a_kink_is_held_to(declares: float) -> None:
    conventions = declared({"relu_derivative_at_zero": declares})
    problem = at_kinks(ReLU(), 0, "float64")
    for slope in (0.0, 1.0, 2.0):
        answer = with_slopes(ReLU(), slope)(problem)
        found = [j for j in path(lifted(problem, conventions), answer) if j.wrong]
        assert bool(found) == (slope != declares)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_kink_of_the_loss_leaves_what_is_below_decided(dtype: str) -> None:
    """One output of an l1 loss at its target: 1 and -1 are right, 3 is found, below the last layer too."""
    for seed in range(5):
        problem = at_kinks(ReLU(), seed, dtype)._replace(loss=L1())
        y = problem.y.copy()
        y[:, 0] = reference_answer(problem).trace[-1].a[:, 0]
        problem = problem._replace(y=y)
        for at_target, right in ((1, True), (-1, True), (0.25, True), (3, False)):
            text = f"where(d > 0, 1 + 0 * d, where(d < 0, -1 + 0 * d, {at_target} + 0 * d))"
            answer = edited(Edit("G7", text))(problem)
            found = accused(problem, answer)
            assert (("B4", 3) in found) != right
            assert bool(found) != right


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_forced_zero_may_be_a_rounding_of_a_rounding(dtype: str) -> None:
    """Of the largest entry, 2 u^2; where all are zero, nothing."""
    format = FORMATS[np.dtype(dtype)]
    expected = Rounded(np.array([[8.0, 0.0], [-3.0, 1.0]]), np.array([[1e-6, 0.0], [1e-6, 1e-6]]), format)
    for size, wrong in ((-5e-297, 0), (2 * 2 * 8 * format.u**2, 1), (-1.9 * 8 * format.u**2, 0)):
        numbers = np.array([[8, size], [-3, 1]], dtype)
        judgement = compare("B3", 1, numbers, expected)
        assert judgement.wrong == wrong
        assert judgement.undecided == 0
    nothing = Rounded(np.zeros((1, 2)), np.zeros((1, 2)), format)
    assert compare("B3", 1, np.array([[0, format.tiny]], dtype), nothing).wrong == 1
