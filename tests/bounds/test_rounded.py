"""`Rounded` is sound: what programs compute in other orders and by other formulas stays within the radius.

pytestmark = pytest.mark.sampled(2)

The truth is the ball's; the programs are float32 and float64 evaluations of random expressions.
"""

from collections.abc import Callable
from fractions import Fraction
from math import fsum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.arrays import Array
from conformance.bounds.admitted import Widened
from conformance.bounds.assumptions import DIVISION, KAPPA
from conformance.bounds.formats import FORMATS
from conformance.bounds.radii import gamma
from conformance.bounds.rounded import Rounded, exact
from conformance.judge.judgement import compare
from conformance.numbers.balls import balls, distance
from conformance.numbers.enclosure import Unbounded, Undecided
from reference import Identity, Layer, ReLU, Sigmoid, Softmax, Tanh, backward, forward
from reference.functions import erfc, exp, expm1, log, log1p, minimum, row_maximum, sqrt, tanh, where

from ..certified import radius_used, random

DTYPES = ("float32", "float64")
SEEDS = st.integers(0, 2**32 - 1)


def within(programs: list[Array], truth: Array, admitted: Rounded) -> bool:
    return all(radius_used(np.asarray(program), truth, admitted) <= 1 for program in programs)


Expression = Callable[[list[Any]], Any]
"""Of three square matrices."""

UNARY: list[Callable[[Any], Any]] = [
    lambda p: -p,
    lambda p: p**2,
    lambda p: 0.1 * p,
    lambda p: p / 3,
    tanh,
    lambda p: exp(-(p**2)),
    lambda p: exp(tanh(p)),
    lambda p: expm1(-(p**2)),
    lambda p: log(p**2 + 1 / 4),
    lambda p: log1p(exp(-tanh(p))),
    lambda p: sqrt(p**2 + 1),
    lambda p: erfc(tanh(p)),
    lambda p: minimum(p, -p),
    lambda p: exp(tanh(p) - row_maximum(tanh(p))),
    lambda p: where(p > 0, p, 0),
    lambda p: p - p.sum(axis=1, keepdims=True) / p.shape[1],
    lambda p: p.T,
]

BINARY: list[Callable[[Any, Any], Any]] = [
    lambda p, q: p + q,
    lambda p, q: p - q,
    lambda p, q: p * q,
    lambda p, q: p / (q**2 + 1),
    lambda p, q: p @ q.T,
    lambda p, q: (p @ q + p) - q,
    lambda p, q: where(p > q, p * q, q),
    lambda p, q: minimum(p, q),
]

expressions: st.SearchStrategy[Expression] = st.recursive(
    st.integers(0, 2).map(lambda i: lambda leaves: leaves[i]),
    lambda inner: (
        st.builds(lambda f, p: lambda leaves: f(p(leaves)), st.sampled_from(UNARY), inner)
        | st.builds(lambda f, p, q: lambda leaves: f(p(leaves), q(leaves)), st.sampled_from(BINARY), inner, inner)
    ),
    max_leaves=8,
)
"""Every operation that a Rounded knows, composed at random."""


@given(SEEDS, expressions, st.sampled_from(DTYPES), st.integers(1, 5))
def test_random_expressions_stay_within(seed: int, f: Expression, dtype: str, n: int) -> None:
    """By NumPy, and number by number from left to right; 0.1 is known to the truth as the float64 that it is."""
    rng = np.random.default_rng(seed)
    leaves = [random(rng, (n, n), dtype, scale) for scale in (0.5, 2.0, 8.0)]
    scalars = np.frompyfunc(np.dtype(dtype).type, 1, 1)
    try:
        admitted = f([exact(leaf) for leaf in leaves])
        with np.errstate(all="ignore"):  # what overflows has an infinite radius
            programs = [f(leaves), f([scalars(leaf) for leaf in leaves])]
            truth = f([balls(leaf) for leaf in leaves])
    except (Unbounded, Undecided):
        return  # an expression at a kink or without a bound has no claim to test
    programs = [np.asarray(program, dtype) for program in programs]
    bounded = np.isfinite(admitted.rad)
    keep = Rounded(np.where(bounded, admitted.mid, 0), np.where(bounded, admitted.rad, 0), admitted.format)
    assert within([np.where(bounded, program, 0) for program in programs], np.where(bounded, truth, 0), keep)


N = 6
CLAIMS: dict[str, tuple[Callable[..., Any], float, Callable[..., Array]]] = {
    "add": (lambda p, q: p + q, -np.inf, lambda u, p, q: u * abs(p + q)),
    "subtract": (lambda p, q: p - q, -np.inf, lambda u, p, q: u * abs(p - q)),
    "multiply": (lambda p, q: p * q, -np.inf, lambda u, p, q: u * abs(p * q)),
    "divide": (lambda p, q: p / q, 0, lambda u, p, q: DIVISION * u * abs(p / q)),
    "square": (lambda p, _: p**2, -np.inf, lambda u, p, _: u * p**2),
    "exp": (lambda p, _: exp(p), -np.inf, lambda u, p, _: KAPPA * u * exp(p)),
    "expm1": (lambda p, _: expm1(p), -np.inf, lambda u, p, _: KAPPA * u * abs(expm1(p))),
    "log": (lambda p, _: log(p), 0, lambda u, p, _: KAPPA * u * abs(log(p))),
    "log1p": (lambda p, _: log1p(p), -1, lambda u, p, _: KAPPA * u * abs(log1p(p))),
    "sqrt": (lambda p, _: sqrt(p), 0, lambda u, p, _: KAPPA * u * sqrt(p)),
    "tanh": (lambda p, _: tanh(p), -np.inf, lambda u, p, _: KAPPA * u * abs(tanh(p))),
    "erfc": (lambda p, _: erfc(p), -np.inf, lambda u, p, _: (KAPPA + p**2) * u * erfc(p)),
    "minimum": (lambda p, q: minimum(p, q), -np.inf, lambda u, p, q: 0 * p),
    "where": (lambda p, q: where(p > q, p, -q), -np.inf, lambda u, p, q: 0 * p),
    "largest": (lambda p, _: row_maximum(p), -np.inf, lambda u, p, _: 0 * p[:, :1]),
    "sum": (
        lambda p, _: p.sum(axis=1), -np.inf, lambda u, p, _: ((1 + u) ** (N - 1) - 1) * abs(p).sum(axis=1),
    ),
    "matmul": (lambda p, q: p @ q.T, -np.inf, lambda u, p, q: ((1 + u) ** N - 1) * (abs(p) @ abs(q).T)),
    "affine": (
        lambda p, q: q - p @ q.T, -np.inf, lambda u, p, q: ((1 + u) ** (N + 1) - 1) * (abs(q) + abs(p) @ abs(q).T),
    ),
}  # fmt: skip
"""An operation, the end of its domain, and how far a program may be off that is given exact operands."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CLAIMS)
@given(SEEDS)
def test_every_operation_holds_what_it_may_give_within_its_operands_radii(name: str, dtype: str, seed: int) -> None:
    """The operands at either end of their radii or inside, in balls, and then as far off as a program may be."""
    f, least, off = CLAIMS[name]
    rng, u = np.random.default_rng(seed), Fraction(float(np.finfo(dtype).eps)) / 2
    m = random(rng, (2, N, N), dtype)
    if least > -np.inf:
        m = (abs(m) + least + np.dtype(dtype).type(2.0**-10)).astype(dtype)
    share = 2.0 ** rng.integers(-30, 1, (2, N, 1)) * 0.9 * rng.integers(0, 2, (2, 1, 1))
    r = share * np.where(least > -np.inf, abs(m - least), abs(m)).astype(float)
    wide = [exact(array).widened(radius) for array, radius in zip(m, r, strict=True)]
    result = f(*wide)
    ends = [(balls(operand.mid), balls(operand.rad)) for operand in wide]
    for t in (rng.integers(-2, 3, m.shape) / 2, rng.choice([-1.0, 1.0], m.shape), np.ones(m.shape), -np.ones(m.shape)):
        # Radii are enlarged a little where they are made: the operands are a little inside.
        p, q = (mid + balls(inside) * rad for (mid, rad), inside in zip(ends, t, strict=True))
        truth, most = f(p, q), off(balls(np.array(u)), p, q)
        for sign in (-1, 1):
            for at, ball in np.ndenumerate(truth + sign * most):
                assert distance(result.mid[at], ball) <= result.rad[at], (at, t)


def test_an_order_is_decided_where_it_is() -> None:
    zero, one = exact(np.array([0.0])), exact(np.array([1.0]))
    for order, yes in ((one > zero, True), (zero > zero, False), (zero > one, False), (zero < one, True),
                       (zero == zero, True), (zero == one, False), (one == zero, False)):  # fmt: skip
        assert (order.yes, order.no) == (yes, not yes)
    near = zero.widened(2.0)
    for order in (near > one, one > near, near == one):
        assert (order.yes, order.no) == (False, False)


def test_a_bound_that_forgets_an_operation_is_left() -> None:
    """Planted: a difference taken as exact leaves the radius in some of a hundred expressions."""
    rng = np.random.default_rng(0)
    left = 0
    for _ in range(100):
        p, q = random(rng, (1, 1), "float32"), random(rng, (1, 1), "float32", 1e-3)
        sum_ = exact(p) + exact(q)
        forgetful = Rounded(sum_.mid, np.zeros(sum_.shape) + 2.0**-40, sum_.format)
        left += radius_used(p + q, balls(p) + balls(q), forgetful) > 1
    assert left > 50


@given(SEEDS, st.sampled_from(DTYPES), st.integers(1, 40))
def test_sums_in_any_order_stay_within(seed: int, dtype: str, n: int) -> None:
    """Sequential, reversed, shuffled, pairwise, with the bias first or last, and in wider accumulators."""
    rng = np.random.default_rng(seed)
    W, x, b = random(rng, (1, n), dtype), random(rng, (1, n), dtype), random(rng, (1,), dtype, 100)
    terms = [x[0, i] * W[0, i] for i in range(n)]
    shuffled = [terms[i] for i in rng.permutation(n)]
    orders: list[list[Any]] = [[*terms, b[0]], [b[0], *terms], [*terms[::-1], b[0]], [*shuffled, b[0]]]
    programs = []
    for order in orders:
        total = order[0]
        for term in order[1:]:
            total = total + term
        programs.append(total)
    pairwise = [*terms, b[0]]
    while len(pairwise) > 1:
        pairwise = [sum(pairwise[i : i + 2][1:], pairwise[i]) for i in range(0, len(pairwise), 2)]
    programs.append(pairwise[0])
    fused = b.astype(dtype)[0]  # each product is added without a rounding of its own
    for i in range(n):
        fused = np.dtype(dtype).type(Fraction(float(x[0, i])) * Fraction(float(W[0, i])) + Fraction(float(fused)))
    programs.append(fused)
    programs.append(np.dtype(dtype).type(fsum([*(float(p) * float(q) for p, q in zip(x[0], W[0], strict=True)), b[0]])))
    network = (Layer(W, b, Identity()),)
    truth = forward((Layer(balls(W), balls(b), Identity()),), balls(x))[0].z
    admitted = forward((Layer(exact(W), exact(b), Identity()),), exact(x))[0].z
    assert within([forward(network, x)[0].z, *(np.array([[p]]) for p in programs)], truth, admitted)


@given(SEEDS, st.sampled_from(DTYPES))
def test_other_formulas_stay_within(seed: int, dtype: str) -> None:
    """Naive sigmoid, tanh by way of sigmoid, unshifted and logarithmic softmax: right on paper, so admitted."""
    rng = np.random.default_rng(seed)
    z = random(rng, (3, 4), dtype, 5)
    one = np.dtype(dtype).type(1)
    e = np.exp(z)
    others: dict[Any, list[Array]] = {
        Sigmoid(): [one / (one + np.exp(-z)), e / (one + e), (np.tanh(z / 2) + one) / 2],
        Tanh(): [2 / (one + np.exp(-2 * z)) - one, (e - 1 / e) / (e + 1 / e), 2 * Sigmoid().apply(2 * z) - 1],
        Softmax(): [
            e / e.sum(axis=1, keepdims=True),
            np.exp(z - np.log(e.sum(axis=1, keepdims=True))),
            Softmax().apply(z[:, ::-1])[:, ::-1],
        ],
    }
    for sigma, programs in others.items():
        assert within(programs, sigma.apply(balls(z)), Widened(sigma).apply(exact(z)))


@given(SEEDS, st.sampled_from(DTYPES), st.sampled_from((-30, 0, 20)))
def test_underflow_stays_within(seed: int, dtype: str, scale: int) -> None:
    """Products that are subnormal, or flushed to zero."""
    rng = np.random.default_rng(seed)
    tiny = float(np.finfo(dtype).tiny)
    a = random(rng, (2, 3), dtype, 2.0**scale * tiny**0.5)
    b = random(rng, (2, 3), dtype, tiny**0.5)
    product = a * b
    flushed = np.where(abs(product) < tiny, 0, product).astype(dtype)
    summed = (a * b).sum(axis=1)
    truth, admitted = balls(a) * balls(b), exact(a) * exact(b)
    assert within([product, flushed], truth, admitted)
    assert within([summed, flushed.sum(axis=1)], truth.sum(axis=1), admitted.sum(axis=1))
    products = a[:, None] * b
    each = np.where(abs(products) < tiny, 0, products).astype(dtype).sum(axis=2)
    assert within([a @ b.T, each], balls(a) @ balls(b).T, exact(a) @ exact(b).T)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_may_overflow_is_not_bounded(dtype: str) -> None:
    """In the format, or in a partial sum of some order, though the midpoint is far within the wider format."""
    largest = float(np.finfo(dtype).max)
    a, b = exact(np.array([[0.9 * largest, -0.9 * largest]], dtype)), exact(np.array([[1, 1]], dtype))
    for result in (a + a, 2 * a, a.sum(), (a + b).sum(axis=1), a @ (4 * b).T):
        assert np.isinf(result.rad).all()
    assert np.isfinite((a * b).rad).all()
    assert np.isinf(exact(np.array([0.9 * largest], dtype)).widened(0.2 * largest).rad).all()
    assert np.isinf((exact(np.zeros(1, dtype)) * exact(np.ones(1, dtype)).widened(np.inf)).rad).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_branch_not_taken_that_may_overflow_is_not_bounded(dtype: str) -> None:
    """A program may multiply it by zero, which is then not a number: the relu above an overflowing cotangent."""
    largest = float(np.finfo(dtype).max)
    g = 4 * exact(np.array([[0.9 * largest, 1.0]], dtype))
    z = np.array([[-1.0, -1.0]], dtype)
    with np.errstate(all="ignore"):
        assert np.isnan(ReLU().pullback(z, z, np.array([[np.inf, 1.0]], dtype))[0, 0])
    rad = ReLU().pullback(exact(z), exact(z), g).rad
    assert np.isinf(rad[0, 0])
    assert rad[0, 1] == 0


def test_an_undecided_order_takes_the_hull() -> None:
    z = exact(np.array([[0.25]])) - exact(np.array([[0.25]])).widened(0.5)
    a = ReLU().apply(z)
    low, high = a.mid - a.rad, a.mid + a.rad
    assert low <= 0
    assert high >= 0.5
    slope = ReLU().pullback(z, a, exact(np.array([[3.0]])))
    assert slope.mid - slope.rad <= 0
    assert slope.mid + slope.rad >= 3


@pytest.mark.parametrize(
    ("f", "x", "said"),
    [
        (lambda x: 1 / x, 0.0, "division"),
        (lambda x: log(x), -1.0, "logarithm"),
        (lambda x: log(x), 0.0, "logarithm"),
        (lambda x: log1p(x), -1.0, "log1p"),
        (lambda x: sqrt(x), -1.0, "square root"),
    ],
)
def test_what_cannot_be_bounded_is_an_error_that_says_which(f: Callable[[Any], Any], x: float, said: str) -> None:
    for number in (x, x + 0.25):
        for radius in (0.0, 0.5) if number == x else (0.5,):
            with pytest.raises(Unbounded, match=said):
                f(exact(np.array([[1.0, number]])).widened(np.array([0.0, radius])))
    assert np.isfinite(f(exact(np.array([[3.0, 1.0]])).widened(np.array([[0.5, 0.25]]))).rad).all()
    assert np.isinf(f(exact(np.array([[3.0]])).widened(np.inf)).rad).all()  # nothing was known before


@given(SEEDS, st.sampled_from(DTYPES))
def test_enclosures_that_straddle_zero_hold_every_value(seed: int, dtype: str) -> None:
    """Squares, exponentials and minima of wide numbers hold what every number within the radius gives."""
    rng = np.random.default_rng(seed)
    m, r = random(rng, (50,), dtype, 3), abs(random(rng, (50,), dtype, 3))
    wide = exact(m).widened(r.astype(float))
    inside = (m.astype(float) + r * rng.uniform(-1, 1, 50)).astype(dtype)
    inside = np.where(abs(inside.astype(float) - m) <= r, inside, m)
    other = exact(random(rng, (50,), dtype, 3)).widened(1.0)
    functions: list[Callable[[Any], Any]] = [lambda x: x**2, exp, lambda x: minimum(x, -x), lambda x: minimum(x, other)]
    for f in functions:
        y, value = f(wide), f(exact(inside))
        assert (value.mid - value.rad >= y.mid - y.rad - value.rad).all()
        assert (value.mid + value.rad <= y.mid + y.rad + value.rad).all()
        assert (abs(value.mid - y.mid) <= y.rad + value.rad).all()


def test_what_is_not_known_is_refused_by_name() -> None:
    x = exact(np.array([[1.0]]))
    with pytest.raises(TypeError, match=r"no bound is known for numpy\.arctan2"):
        np.arctan2(x, x)
    with pytest.raises(TypeError, match=r"no bound is known for numpy\.concatenate"):
        np.concatenate([x, x])
    with pytest.raises(TypeError, match="expected float32 or float64, got int64"):
        exact(np.array([1]))
    with pytest.raises(TypeError, match="expected numbers of dtype float64, got float32"):
        x + np.ones((1, 1), np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers(dtype: type[Any]) -> None:
    """By the library, by products in a row, by a root; also where base or exponent has a radius."""
    one, beta = dtype(1), dtype(0.9990234375)
    product = one
    for t in range(1, 40):
        product = dtype(product * beta)
        bound = exact(np.asarray(beta)) ** t
        for got in (product, beta ** dtype(t), np.exp(dtype(t) * np.log(beta))):
            assert abs(got.astype(bound.format.wide) - bound.mid) <= bound.rad
        assert bound.rad < 2**7 * bound.format.u
    root = exact(np.asarray(beta)) ** 0.5
    assert abs(np.sqrt(beta).astype(root.format.wide) - root.mid) <= root.rad
    around = exact(np.asarray(beta)).widened(2.0**-12)
    for wide, ends in (
        (around**7, [(beta + sign * dtype(2.0**-12)) ** 7 for sign in (-1, 1)]),
        (0.96 ** (7 * around), [dtype(0.96) ** (7 * (beta + sign * dtype(2.0**-12))) for sign in (-1, 1)]),
    ):
        assert all(abs(end - wide.mid) <= wide.rad for end in ends)
        assert wide.rad < 2.0**-8
    with pytest.raises(Unbounded, match="a logarithm"):
        exact(np.array([-1.0])) ** 3


def test_a_comparison_has_a_truth_where_it_can_be_told() -> None:
    x = exact(np.array([1.0, 2.0]))
    assert x > 0
    assert not x < 0
    assert not x > 1.5
    with pytest.raises(Unbounded, match="a comparison that cannot be told"):
        bool(x.widened(1.0) > 1)


def test_gamma_is_infinite_when_nothing_is_left() -> None:
    assert gamma(1, 0.25) == 0.25 / 0.75
    assert gamma(4, 0.25) == np.inf


def test_a_doubled_error_is_found_and_an_admitted_one_is_not() -> None:
    """The radius is no wider than it must be: half a unit passes a single rounding, three halves do not."""
    for dtype, format in FORMATS.items():
        a, b = np.array([3.0], dtype), np.array([7.0], dtype)
        quotient = exact(a) * exact(b)
        off = np.array([21.0], dtype)
        assert compare("F1", 1, off, quotient).margin == 0
        assert compare("F1", 1, np.nextafter(off, np.inf, dtype=dtype), quotient).wrong == 1
        assert quotient.rad[0] <= 2 * format.u * 21


def test_backward_on_rounded_holds_the_certified_gradient() -> None:
    rng = np.random.default_rng(1)
    layers = [(random(rng, (4, 3), "float64"), random(rng, (4,), "float64"), Tanh()),
              (random(rng, (2, 4), "float64"), random(rng, (2,), "float64"), Sigmoid())]
    x, g = random(rng, (5, 3), "float64"), random(rng, (5, 2), "float64")

    def gradients(number: Callable[[Array], Any], wrap: Callable[[Any], Any]) -> Any:
        network = tuple(Layer(number(W), number(b), wrap(sigma)) for W, b, sigma in layers)
        return backward(network, forward(network, number(x)), number(g))

    truth, admitted = gradients(balls, lambda s: s), gradients(exact, Widened)
    ours = gradients(lambda p: p, lambda s: s)
    for t, a, o in zip(truth, admitted, ours, strict=True):
        for part in range(3):
            assert radius_used(o[part], t[part], a[part]) <= 1
