"""One text on many numbers: Fraction against the literal text, forward mode, complex step, symbols, balls."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from conformance.arrays import Array, Network
from conformance.bounds.admitted import Widened
from conformance.bounds.rounded import exact
from conformance.judge.judgement import compare
from conformance.numbers.balls import Balls, balls, overlap
from conformance.numbers.dual import Dual, dual, tangent
from conformance.numbers.fractions import fractions
from conformance.numbers.symbols import Generic, symbols
from conformance.problems.problem import Problem, fill
from conformance.problems.strategies import architectures
from reference import (
    ACTIVATIONS,
    L1,
    LOSSES,
    Activation,
    HalfSquaredError,
    Huber,
    Identity,
    Layer,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SmoothL1,
    Softplus,
    Tanh,
    input_gradient,
    literal,
    loss_and_gradients,
    update,
)
from reference.losses import REQUIRED_HEAD

SEEDS = st.integers(0, 2**32 - 1)


def generic(rng: np.random.Generator, widths: tuple[int, ...], sigmas: tuple[Activation, ...]) -> Network:
    return tuple(
        Layer(rng.standard_normal((n, m)), rng.standard_normal(n), sigma)
        for m, n, sigma in zip(widths, widths[1:], sigmas, strict=False)
    )


def converted(network: Network, number: Callable[[Array], Array]) -> Network:
    """The network in other numbers."""
    return tuple(Layer(number(W), number(b), sigma) for W, b, sigma in network)


@st.composite
def piecewise_linear(draw: st.DrawFn) -> tuple[Network, Array, Array]:
    """A network of identity and relu, with x and y, in fractions."""
    L = draw(st.integers(1, 4))
    widths = tuple(draw(st.lists(st.integers(1, 5), min_size=L + 1, max_size=L + 1)))
    kinds: st.SearchStrategy[Activation] = st.sampled_from([Identity(), ReLU()])
    sigmas = tuple(draw(kinds) for _ in range(L))
    rng, B = np.random.default_rng(draw(SEEDS)), draw(st.integers(1, 4))
    network = converted(generic(rng, widths, sigmas), fractions)
    x, y = rng.standard_normal((B, widths[0])), rng.standard_normal((B, widths[-1]))
    return network, fractions(x), fractions(y)


@given(piecewise_linear())
def test_matrix_form_is_literal_form_exactly(drawn: tuple[Network, Array, Array]) -> None:
    """F1 F2 L1 G1 B1 B2 B3 B4 U1 U2: two independent texts, equal without rounding."""
    network, x, y = drawn
    names = {Identity: "identity", ReLU: "relu"}
    neurons = [
        literal.Neurons(W.tolist(), b.tolist(), *literal.ELEMENTWISE[names[type(sigma)]]) for W, b, sigma in network
    ]
    value, gradients, steps = loss_and_gradients(network, x, y, HalfSquaredError(), "sum")
    total, dw, db = literal.gradients(neurons, x.tolist(), y.tolist())
    assert total == value
    assert dw == [gradient.W.tolist() for gradient in gradients]
    assert db == [gradient.b.tolist() for gradient in gradients]
    for s, sample in enumerate(x.tolist()):
        z, a = literal.forward(neurons, sample)
        assert z[1:] == [step.z[s].tolist() for step in steps]
        assert a[1:] == [step.a[s].tolist() for step in steps]
    eta = Fraction(1, 7)
    ours, theirs = update(network, gradients, eta), literal.update(neurons, dw, db, eta)  # type: ignore[arg-type]
    assert [layer.W.tolist() for layer in ours] == [layer.w for layer in theirs]
    assert [layer.b.tolist() for layer in ours] == [layer.b for layer in theirs]


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
def test_literal_activations_are_the_documents(name: str) -> None:
    """The literal sigma' is the slope of sigma and the reference's: by central differences, error O(h^2) + O(u/h)."""
    sigma, sigma_prime = literal.ELEMENTWISE[name]
    h = 2.0**-17  # about the cube root of u, where both terms are near u^(2/3)
    for z in (-2.5, -0.5, 0.25, 3.0):
        slope = (sigma(z + h) - sigma(z - h)) / (2 * h)
        third_derivative, u = 2, 2.0**-53  # of tanh at most, and of the sigmoid less
        assert abs(slope - sigma_prime(z)) <= third_derivative * h**2 / 6 + 4 * u / h
        admitted = Widened(ACTIVATIONS[name]()).apply(exact(np.array([[z]])))
        assert compare("F2", 1, np.array([[sigma(z)]]), admitted).margin <= 1


@given(piecewise_linear(), SEEDS)
def test_forward_mode_is_backward_exactly(drawn: tuple[Network, Array, Array], seed: int) -> None:
    """B1 B2 B3 B4 in fractions: <gradient, v> is the derivative in direction v that duals find by F1 and F2 alone."""
    network, x, y = drawn
    rng = np.random.default_rng(seed)

    def direction(p: Array) -> Array:
        return fractions(rng.integers(-9, 10, p.shape))

    v = [Layer(direction(W), direction(b), sigma) for W, b, sigma in network]
    vx = direction(x)
    lifted = tuple(
        Layer(dual(W, dW), dual(b, db), sigma) for (W, b, sigma), (dW, db, _) in zip(network, v, strict=True)
    )
    for reduction in ("sum", "mean"):
        pushed = tangent(np.array(loss_and_gradients(lifted, dual(x, vx), y, HalfSquaredError(), reduction).value))
        _, gradients, _ = loss_and_gradients(network, x, y, HalfSquaredError(), reduction)
        pulled = sum(
            (gradient.W * dW).sum() + (gradient.b * db).sum()
            for gradient, (dW, db, _) in zip(gradients, v, strict=True)
        )
        assert pushed == pulled + (input_gradient(network, gradients) * vx).sum()


@given(architectures(depth=3, width=5))
def test_certified_gradient_overlaps_forward_mode(architecture: Any) -> None:
    """Every activation and loss, in balls: backward against forward mode, in one random direction."""
    architecture = architecture._replace(patterns=("generic",) * 3, batch=min(architecture.batch, 3))
    problem: Problem = fill(architecture._replace(dtype="float64"))
    rng = np.random.default_rng(architecture.seed)
    network = converted(problem.network, balls)
    x, y = balls(problem.x), balls(problem.y)
    v = [(rng.standard_normal(W.shape), rng.standard_normal(b.shape)) for W, b, _ in problem.network]
    _, gradients, _ = loss_and_gradients(network, x, y, problem.loss, problem.reduction)
    lifted = tuple(
        Layer(dual(W, balls(dW)), dual(b, balls(db)), sigma) for (W, b, sigma), (dW, db) in zip(network, v, strict=True)
    )
    pushed = loss_and_gradients(lifted, x, y, problem.loss, problem.reduction).value
    pulled = sum((g.W * balls(dW)).sum() + (g.b * balls(db)).sum() for g, (dW, db) in zip(gradients, v, strict=True))
    assert overlap(np.array([pulled], dtype=object), tangent(np.array([pushed], dtype=object)))


def hessian_vector_product(network: Network, x: Array, y: Array, v: list[tuple[Balls, Balls]]) -> list[Array]:
    """`backward` on duals: the derivative of each gradient in direction v."""
    lifted = tuple(Layer(dual(W, p), dual(b, q), sigma) for (W, b, sigma), (p, q) in zip(network, v, strict=True))
    _, gradients, _ = loss_and_gradients(lifted, x, y, HalfSquaredError(), "sum")
    return [tangent(part) for gradient in gradients for part in (gradient.W, gradient.b)]


def test_backward_on_duals_is_a_symmetric_hessian() -> None:
    """<v, H w> = <w, H v>, in balls: the Hessian of a smooth loss is symmetric."""
    rng = np.random.default_rng(5)
    network = converted(generic(rng, (2, 3, 1), (Tanh(), Sigmoid())), balls)
    x, y = balls(rng.standard_normal((4, 2))), balls(rng.standard_normal((4, 1)))
    v, w = ([(balls(rng.standard_normal(W.shape)), balls(rng.standard_normal(b.shape))) for W, b, _ in network]
            for _ in range(2))
    Hv, Hw = (hessian_vector_product(network, x, y, direction) for direction in (v, w))
    flat = [[part for pair in direction for part in pair] for direction in (v, w)]
    left = sum((p * q).sum() for p, q in zip(flat[0], Hw, strict=True))
    right = sum((p * q).sum() for p, q in zip(flat[1], Hv, strict=True))
    assert overlap(np.array([left], dtype=object), np.array([right], dtype=object))


ANALYTIC = tuple(kind() for kind in ACTIVATIONS.values())
"""Analytic away from their kinks, which generic numbers do not meet."""


ROUNDINGS = 2**10
"""How often a term of <gradient, v> is rounded at most, on either way: 5 samples through 2 layers are some hundred
operations, library functions with 16 units each among them.  A wrong formula is off by the order of the terms."""


@pytest.mark.parametrize("loss_name", LOSSES)
@pytest.mark.parametrize("sigma", ANALYTIC, ids=lambda sigma: type(sigma).__name__)
def test_complex_step_is_backward(sigma: Activation, loss_name: str) -> None:
    """Im L(w + i h v) / h = <gradient, v> with h = 1e-200: no difference is taken, so nothing cancels."""
    loss = LOSSES[loss_name]()
    head = REQUIRED_HEAD.get(type(loss), Identity)()
    rng, h = np.random.default_rng(9), 1e-200
    network = generic(rng, (3, 4, 2), (sigma, head))
    x, y = rng.standard_normal((5, 3)), rng.random((5, 2))
    v = [(rng.standard_normal(W.shape), rng.standard_normal(b.shape)) for W, b, _ in network]
    stepped = tuple(
        Layer(W + 1j * h * p, b + 1j * h * q, s) for (W, b, s), (p, q) in zip(network, v, strict=True)
    )
    value = loss_and_gradients(stepped, x, y, loss, "mean").value
    assert value.dtype == np.complex128
    _, gradients, _ = loss_and_gradients(network, x, y, loss, "mean")
    terms = [(g.W * p, g.b * q) for g, (p, q) in zip(gradients, v, strict=True)]
    pulled = sum(t.sum() for pair in terms for t in pair)
    scale = sum(abs(t).sum() for pair in terms for t in pair)
    assert abs(value.imag / h - pulled) <= ROUNDINGS * 2.0**-53 * scale


def test_B1_B2_B3_B4_are_the_derivatives_for_every_sigma_and_value() -> None:
    """A proof at the shape 2-2-1: sympy differentiates the forward text and finds the backward text."""
    network = (
        Layer(symbols("V", 2, 2), symbols("c", 2), Generic()),
        Layer(symbols("W", 1, 2), symbols("b", 1), Generic()),
    )
    x, y = symbols("x", 2, 2), symbols("y", 2, 1)
    value, gradients, _ = loss_and_gradients(network, x, y, HalfSquaredError(), "sum")
    pairs = [(x, input_gradient(network, gradients))]
    pairs += [pair for layer, g in zip(network, gradients, strict=True) for pair in ((layer.W, g.W), (layer.b, g.b))]
    for variables, derivatives in pairs:
        for variable, derivative in zip(variables.flat, derivatives.flat, strict=True):
            assert sympy.expand((sympy.diff(value, variable) - derivative).doit()) == 0


@pytest.mark.parametrize("name", [
    "sigmoid", "tanh", "softplus", "softmax", "identity", "gelu", "silu", "logsigmoid", "tanhshrink", "log_softmax",
])  # fmt: skip
def test_symbols_go_through_smooth_activations(name: str) -> None:
    """The derivative that sympy takes of (A) is (D), for all z."""
    z = np.array([[sympy.Symbol("p", real=True), sympy.Symbol("q", real=True)]], dtype=object)
    g = np.array([[sympy.Symbol("g", real=True), sympy.Symbol("h", real=True)]], dtype=object)
    sigma = Softplus(threshold=np.inf) if name == "softplus" else ACTIVATIONS[name]()
    a = sigma.apply(z)
    for variable, pulled in zip(z.flat, sigma.pullback(z, a, g).flat, strict=True):
        difference = sympy.diff((g * a).sum(), variable) - pulled
        assert sympy.simplify(difference.rewrite(sympy.exp)) == 0


def test_a_true_kink_of_a_symbol_is_an_error_not_a_guess() -> None:
    with pytest.raises(TypeError, match="cannot determine truth value of Relational"):
        ReLU().apply(np.array([[sympy.Symbol("p", real=True)]], dtype=object))


def test_object_arrays_of_other_libraries() -> None:
    """mpmath's numbers have no methods, but their library has the functions; Fraction has neither."""
    z = np.array([[mpmath.mpf("0.25"), mpmath.mpf(-3)]], dtype=object)
    for name in ACTIVATIONS:
        sigma = ACTIVATIONS[name]()  # mpmath's numbers have 53 bits, like float64
        admitted = Widened(sigma).apply(exact(z.astype(float)))
        assert compare("F2", 1, sigma.apply(z).astype(float), admitted).margin <= 1
    with pytest.raises(TypeError, match=r"fractions\.Fraction has no exp"):
        Sigmoid().apply(np.array([[Fraction(1, 2)]], dtype=object))


def test_hyperparameters_keep_the_kind_of_number() -> None:
    z = np.array([[Fraction(-1, 3), Fraction(1, 3)]], dtype=object)
    assert LeakyReLU(Fraction(1, 4)).apply(z).tolist() == [[Fraction(-1, 12), Fraction(1, 3)]]  # type: ignore[arg-type]


def test_dual_arithmetic_is_the_derivative_of_arithmetic() -> None:
    """Every operator of Dual against sympy's derivative, in fractions."""
    t = sympy.Symbol("t")
    at = Fraction(3, 7)
    expressions: list[Callable[[Any], Any]] = [
        lambda s: 2 - s, lambda s: s - 2, lambda s: 3 * s * s, lambda s: 5 / s, lambda s: s / (s + 2),
        lambda s: -s + +s * 4, lambda s: s**3 / 2,
    ]  # fmt: skip
    for f in expressions:
        value = f(Dual(at, Fraction(1)))
        exact = sympy.Rational(at.numerator, at.denominator)
        assert value.real == f(at)
        assert sympy.Rational(value.tangent.numerator, value.tangent.denominator) == sympy.diff(f(t), t).subs(t, exact)
    assert Dual(1, 5) == 1
    assert Dual(1, 5) > 0
    assert Dual(1, 5) < 2


def test_what_a_loss_pulls_back_divides_without_rounding() -> None:
    """G7 G8 G9: a constant is of the array's kind of number, not a Python integer, whose third is a float."""
    a, y = fractions(np.array([[3.0, -5.0, 0.25]])), fractions(np.zeros((1, 3)))
    for loss in (L1(), Huber(), SmoothL1(), Huber(Fraction(1, 3))):  # type: ignore[arg-type]
        g = loss.gradient(a, y) / 3
        assert not [number for number in g.flat if not isinstance(number, Fraction)]
        assert g[0, 0] == -g[0, 1]
