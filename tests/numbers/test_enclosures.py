"""Balls and dual numbers: what they enclose, and what they refuse rather than guess."""

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb, ctx
from hypothesis import given
from hypothesis import strategies as st

from conformance.numbers.balls import NARROW, Ball, Balls, balls, distance, forward_mode, overlap, precise
from conformance.numbers.derivatives import FUNCTIONS
from conformance.numbers.dual import Dual, dual, tangent
from conformance.numbers.enclosure import Unbounded, Undecided
from reference import Activation, Hardtanh, Identity, Layer, ReLU, Softmax, Tanh, backward, forward, input_gradient

SEEDS = st.integers(0, 2**32 - 1)


def wide(middle: float, radius: float) -> Ball:
    """A ball of that radius."""
    return Ball(arb(middle, radius))


def test_an_undecided_order_raises_and_never_picks_a_side() -> None:
    """Arb's own comparisons answer False both ways, and a kink would take a side in silence."""
    straddling = wide(0, 1)
    assert not straddling.arb > 0
    assert not straddling.arb <= 0
    orders: list[Callable[[Any], Any]] = [
        lambda x: x > 0, lambda x: x < 0, lambda x: x >= 0, lambda x: x <= 0, lambda x: x == 0,
    ]  # fmt: skip
    for compare in orders:
        with pytest.raises(Undecided, match="true of some numbers"):
            compare(straddling)
    z = np.array([[straddling]], dtype=object)
    for sigma in (ReLU(), Hardtanh(-0.5, 0.5)):
        with pytest.raises(Undecided):
            sigma.apply(z)
        with pytest.raises(Undecided):
            sigma.apply(np.array([[Dual(straddling, Ball(1))]], dtype=object))


def test_orders_that_hold_for_all_are_decided() -> None:
    assert wide(3, 1) > wide(1, 0.5)
    assert not wide(1, 0.5) > wide(3, 1)
    assert wide(1, 0.5) < 2
    assert Ball(0) == 0
    assert Ball(0) != 1
    assert Ball(1) >= 1
    assert Ball(1) <= Fraction(1)
    assert not Ball(1) >= 2
    assert not Ball(2) <= 1
    assert Dual(Ball(1), Ball(5)) >= 1
    assert not Dual(Ball(1), Ball(5)) >= 2
    assert not Dual(Ball(1), Ball(5)) <= 0


def test_overlap_is_of_every_pair_and_of_narrow_balls_alone() -> None:
    p = balls(np.array([1.0, 2.0]))
    assert overlap(p, p)
    assert not overlap(p, balls(np.array([1.0, 3.0])))
    assert not overlap(p, balls(np.array([3.0, 2.0])))
    broad = balls(np.array([wide(1, 1), Ball(2)], dtype=object))
    assert not overlap(p, broad)
    assert not overlap(broad, p)


def test_the_distance_is_to_the_farthest_of_a_ball() -> None:
    assert 1.25 <= distance(2.0, wide(1, 0.25)) < 1.25 * (1 + 2.0**-20)  # Arb keeps 30 bits of a radius
    assert distance(1.0, Ball(1)) == 0


@pytest.mark.parametrize(
    ("f", "at", "said"),
    [
        (lambda x: 1 / x, wide(0, 1), "which holds zero"),
        (lambda x: 1 / x, Ball(0), "which holds zero"),
        (lambda x: Ball(1) / x, wide(0, 1), "which holds zero"),
        (lambda x: x**-1, wide(0, 1), "which holds zero"),
        (lambda x: x.log(), wide(1, 2), "log has no value"),
        (lambda x: x.log1p(), wide(-1, 0.5), "log1p has no value"),
        (lambda x: x.sqrt(), wide(0, 1), "sqrt has no value"),
        (lambda x: x.tan(), wide(1.5, 0.5), "tan has no value"),
        (lambda x: 1 / x, Dual(Fraction(0), Fraction(1)), "real part is zero"),
        (lambda x: x.log(), Dual(0.0, 1.0), "log has no derivative"),
        (lambda x: x.log1p(), Dual(-1.0, 1.0), "log1p has no derivative"),
        (lambda x: x.sqrt(), Dual(0.0, 1.0), "sqrt has no derivative"),
        (lambda x: x.log(), Dual(Ball(-1), Ball(1)), "log has no derivative"),
        (lambda x: x.log10(), Dual(0.0, 1.0), "log10 has no derivative"),
        (lambda x: x.arcsin(), Dual(1.0, 1.0), "arcsin has no derivative"),
        (lambda x: x.arccos(), Dual(Ball(-1), Ball(1)), "arccos has no derivative"),
        (lambda x: x.arctanh(), wide(1, 0.5), "arctanh has no value"),
    ],
)
def test_what_has_no_value_raises_and_says_which(f: Callable[[Any], Any], at: Any, said: str) -> None:
    with pytest.raises(Unbounded, match=said):
        f(at)


def test_what_a_number_does_not_have_raises_and_says_which() -> None:
    with pytest.raises(TypeError, match="arccosh"):
        np.arccosh(balls(np.array([0.5])))
    with pytest.raises(TypeError, match="arccosh"):
        np.arccosh(dual(np.array([0.5]), np.array([1.0])))
    with pytest.raises(TypeError, match=r"fractions\.Fraction has no exp"):
        Dual(Fraction(1, 2), Fraction(1)).exp()
    with pytest.raises(TypeError, match="expected a whole exponent"):
        Ball(2) ** 0.5  # type: ignore[operator]
    with pytest.raises(TypeError, match="expected a real number, got complex"):
        balls(np.array([1j]))
    with pytest.raises(Undecided, match=r"the derivative of \|x\|"):
        abs(Dual(0.0, 1.0))


OF_MPMATH: dict[str, Callable[[Any], Any]] = {
    name: getattr(mpmath, name.replace("arc", "a")) for name in FUNCTIONS if name not in ("exp2", "expit", "log2")
} | {
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "expit": lambda x: 1 / (1 + mpmath.exp(-x)),
    "log2": lambda x: mpmath.log(x, 2),
    "atan": mpmath.atan,
}

POINTS = dict.fromkeys(("log", "log2", "log10", "sqrt"), (0.3, 1.25, 2.5)) | dict.fromkeys(
    ("arcsin", "arccos", "arctanh"), (-0.5, 0.3)
)
"""Of the functions that have no value everywhere: on both sides of 0, where they have one there."""


@pytest.mark.parametrize("name", OF_MPMATH)
def test_functions_enclose_and_their_duals_are_their_derivatives(name: str) -> None:
    """The value against mpmath's; the tangent between the slopes that two balls of differences enclose."""
    f = OF_MPMATH[name]
    with mpmath.workprec(300):
        for x in POINTS.get(name, (-0.5, 0.3, 1.25, 2.5)):
            value = getattr(Ball(x), name)()
            assert abs(mpmath.mpf(value.arb.mid().str(80, radius=False)) - f(mpmath.mpf(x))) < mpmath.mpf(2) ** -240
            slope = getattr(Dual(Ball(x), Ball(1)), name)().tangent
            h = mpmath.mpf(2) ** -80  # a central difference is off by h^2 f''' / 6, below 2^8 h^2 here
            difference = (f(x + h) - f(x - h)) / (2 * h)
            assert abs(mpmath.mpf(slope.arb.mid().str(80, radius=False)) - difference) < 2**8 * h**2


@given(SEEDS)
def test_products_of_matrices_are_those_of_elements(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, q = balls(rng.standard_normal((3, 5))), balls(rng.standard_normal((5, 2)))
    product = p @ q
    assert isinstance(product, Balls)
    elements = p.view(np.ndarray) @ q.view(np.ndarray)
    assert overlap(product, elements)
    assert not overlap(product, elements + balls(np.array(4 * NARROW * float(abs(product[0, 0])))))


@precise
def test_balls_hold_every_kind_of_float_exactly() -> None:
    for dtype in (np.float32, np.float64, np.longdouble, np.int64):
        third = np.array([1, 7], dtype) / np.array([1, 1], dtype)
        for number, ball in zip(third, balls(third), strict=True):
            assert distance(number, ball) == 0
    tenth = np.longdouble(1) / 10
    assert Ball(tenth).arb * 10 != 1
    assert float(abs(Ball(tenth) * 10 - 1)) <= float(np.finfo(np.longdouble).eps)
    assert (Ball(Fraction(1, 3)) * 3 - 1).arb.contains(0)


def test_a_large_network_in_balls() -> None:
    """64-48-10 with 16 samples: the shapes that element by element would take minutes at ten times the size."""
    rng = np.random.default_rng(0)
    sizes = (64, 48, 10)
    sigmas: tuple[Activation, ...] = (Tanh(), Softmax())
    network = tuple(
        Layer(rng.standard_normal((n, m)) / 8, rng.standard_normal(n), sigma)
        for m, n, sigma in zip(sizes, sizes[1:], sigmas, strict=False)
    )
    x, g = rng.standard_normal((16, 64)), rng.standard_normal((16, 10))
    truth = tuple(Layer(balls(W), balls(b), sigma) for W, b, sigma in network)
    gradients, ours = backward(truth, forward(truth, balls(x)), balls(g)), backward(network, forward(network, x), g)
    dx, theirs = input_gradient(truth, gradients), input_gradient(network, ours)
    for got, ball in ((ours[0].W, gradients[0].W), (ours[1].b, gradients[1].b), (theirs, dx)):
        assert not [p for p in ball.flat if not p.arb.rad() < NARROW]
        scale = abs(got).max()
        roundings = 64 * 16 * 2**6  # sums of 64 and 16 terms through two layers, functions of 16 units among them
        assert max(distance(p, q) for p, q in zip(got.flat, ball.flat, strict=True)) <= roundings * 2.0**-53 * scale


def test_duals_keep_what_does_not_depend_on_them() -> None:
    x = dual(balls(np.array([[0.5, -0.25]])), balls(np.array([[1.0, 3.0]])))
    assert overlap(tangent(Identity().apply(x)), balls(np.array([[1.0, 3.0]])))
    assert float((abs(Dual(Ball(-2), Ball(1)))).tangent) == -1
    constant = Dual(Fraction(0), Fraction(1)) ** 0
    assert (constant.real, constant.tangent) == (1, 0)


def at_every_door() -> list[Any]:
    """What comes of every way there is to compute a ball: midpoints and radii, and what was decided by them."""
    x, y = np.array([[0.3, -1.25], [2.5, 0.7]]), np.array([[1.5, 0.1], [-0.2, 3.0]])
    p, third = balls(x), Ball(Fraction(1, 3))
    barely = np.array([wide(0.5, 1.35 * NARROW)], dtype=object)
    arrays = [p / 3 + y, -(p / 3), abs(p / 3), p @ (p / 3), (p / 3).sum(axis=0), Softmax().apply(p), (p / 3) ** -3]
    arrays += [np.where(p > 0, p / 3, p), forward_mode(Softmax().apply, x, y), np.ones(1, np.longdouble) / 3]
    arrays += [np.array([third, -third, third**3, third.exp(), third.log2(), 1 / Ball(3), third - 1], dtype=object)]
    found = [ball.arb for array in arrays for ball in balls(array).flat]
    decided = [distance(third, Ball(1)), overlap(barely, barely)]
    return [(ball.mid(), ball.rad()) for ball in found] + decided


@pytest.mark.parametrize("precision", [2, 53, 1000])
def test_every_computation_has_its_own_precision_and_leaves_the_callers(precision: int) -> None:
    expected = precise(at_every_door)()
    before = ctx.prec
    ctx.prec = precision
    try:
        assert at_every_door() == expected
        with pytest.raises(Unbounded):
            1 / (Ball(1) - 1)
        assert ctx.prec == precision
    finally:
        ctx.prec = before


def test_an_import_leaves_the_precision() -> None:
    script = (
        "from flint import ctx; ctx.prec = 71; import conformance.oracle.operation.operation, conformance.suite.run; "
        "assert ctx.prec == 71"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
