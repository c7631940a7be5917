"""Each assumption behind the bounds, measured or shown to matter: a test for every row of the table."""

import ast
from fractions import Fraction
from math import fsum
from pathlib import Path

import numpy as np
import pytest
import torch

from conformance.arrays import Array
from conformance.bounds import assumptions
from conformance.bounds.assumptions import (
    ASSUMPTIONS,
    DIVISION,
    KAPPA,
    MOMENTA,
    MOVING,
    PARTS,
    PARTS_OF_LONG,
    PARTS_OF_SHORT,
    erfc_units,
)
from conformance.bounds.formats import held_in_float32
from conformance.bounds.radii import gamma
from conformance.bounds.rounded import Rounded, exact, observed
from conformance.judge.judgement import compare
from conformance.numbers.balls import balls
from conformance.numbers.enclosure import Unbounded
from reference import Identity, Layer, Sigmoid, forward
from reference.functions import erfc, log, log1p
from reference.updates import averaged

from ..certified import radius_used, random

pytestmark = pytest.mark.sampled(2)

DTYPES = ("float32", "float64")


def unit(dtype: str) -> float:
    return float(np.finfo(dtype).eps) / 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_library_functions(dtype: str) -> None:
    """NumPy's, SciPy's and PyTorch's against balls, over the whole range where the value is a normal number."""
    rng = np.random.default_rng(0)
    x = np.concatenate([s * rng.standard_normal(200) for s in (1e-6, 0.1, 1, 8, 60)]).astype(dtype)
    x = x[abs(x) < np.log(np.finfo(dtype).max)]
    domain = {"log": abs(x), "log1p": abs(x), "sqrt": abs(x)}
    for name in ("exp", "expm1", "tanh", "log1p", "log", "sqrt", "erfc"):
        argument = domain.get(name, x)
        numpys = erfc(argument) if name == "erfc" else getattr(np, name)(argument)
        torchs = getattr(torch.special if name == "erfc" else torch, name)(torch.tensor(argument)).numpy()
        truth = np.array([getattr(ball, name)() for ball in balls(argument)])
        for values in (numpys, torchs):
            normal = abs(values) >= np.finfo(dtype).tiny
            units = erfc_units(KAPPA, abs(argument)) if name == "erfc" else KAPPA + 0 * abs(argument)
            for value, ball, most in zip(values[normal], truth[normal], units[normal], strict=True):
                assert abs(ball - float(value)) <= float(most) * unit(dtype) * abs(ball)


@pytest.mark.parametrize(
    ("n", "parts"), [(5, PARTS_OF_SHORT), (64, PARTS_OF_SHORT), (65, PARTS_OF_LONG), (784, PARTS_OF_LONG)]
)
def test_half_precision_sums(n: int, parts: int) -> None:
    """PyTorch's are within, with a mean taken of them; one that is added up in bfloat16 is not."""
    format, rng = held_in_float32("bfloat16"), np.random.default_rng(n)
    assert n < parts or gamma(parts, format.u) < format.lost(n) < 1.1 * gamma(parts, format.u)
    x, W = (torch.tensor(rng.uniform(0.5, 1, shape)).bfloat16() for shape in ((9, n), (n, 7)))
    truth = x.double() @ W.double() / 9
    off = abs((x @ W / 9).double() - truth) / truth
    assert off.max() <= format.lost(n)
    added = torch.zeros(9, 7).bfloat16()
    for k in range(n):
        added = added + x[:, k : k + 1] * W[k : k + 1]
    assert n < 64 or (abs((added / 9).double() - truth) / truth).max() > format.lost(n)



@pytest.mark.parametrize("dtype", DTYPES)
def test_division(dtype: str) -> None:
    rng = np.random.default_rng(1)
    a, b, one = random(rng, (500,), dtype), random(rng, (500,), dtype), np.dtype(dtype).type(1)
    truth, admitted = balls(a) / balls(b), exact(a) / exact(b)
    assert radius_used(a / b, truth, admitted) <= 1 / 2
    by_reciprocal = radius_used(a * (one / b), truth, admitted)
    assert 1 / DIVISION < by_reciprocal <= 1  # a single rounding would not do


def product_of(W: Array, x: Array) -> tuple[Array, Rounded]:
    """x W^T, in balls and bounded."""
    b = np.zeros(len(W), W.dtype)
    truth = forward((Layer(balls(W), balls(b), Identity()),), balls(x))[0].z
    return truth, forward((Layer(exact(W), exact(b), Identity()),), exact(x))[0].z


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_order(dtype: str) -> None:
    """Reversed, shuffled, pairwise, compensated, blocked; terms from 2^-20 to 2^20, so that the order tells."""
    rng, n = np.random.default_rng(2), 64
    W, x = (random(rng, (1, n), dtype) * 2.0 ** rng.integers(-10, 11, n).astype(dtype) for _ in range(2))
    W, x = W.astype(dtype), x.astype(dtype)
    terms = list((W * x)[0])
    compensated, lost = terms[0], terms[0] * 0
    for term in terms[1:]:
        y = term - lost
        total = compensated + y
        lost, compensated = (total - compensated) - y, total
    blocks = [sum(terms[i : i + 8][1:], terms[i]) for i in range(0, n, 8)]
    pairwise = terms
    while len(pairwise) > 1:
        pairwise = [p + q for p, q in zip(pairwise[::2], pairwise[1::2], strict=True)]
    programs = [sum(order[1:], order[0]) for order in (terms, terms[::-1], list(rng.permutation(terms)), blocks)]
    programs += [pairwise[0], compensated, (x @ W.T)[0, 0]]
    truth, admitted = product_of(W, x)
    assert len({float(program) for program in programs}) > 2
    assert not [program for program in programs if not radius_used(np.array([[program]]), truth, admitted) <= 1]
    forgotten = np.array([[sum(terms[2:], terms[1])]])
    assert radius_used(forgotten, truth, admitted) > 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_fused_multiply_add(dtype: str) -> None:
    rng, n = np.random.default_rng(3), 40
    W, x = random(rng, (1, n), dtype), random(rng, (1, n), dtype)
    fused = Fraction(0)
    for w, a in zip(W[0], x[0], strict=True):
        fused = Fraction(float(np.dtype(dtype).type(fused + Fraction(float(w)) * Fraction(float(a)))))
    once = fsum(float(w) * float(a) for w, a in zip(W[0], x[0], strict=True))
    truth, admitted = product_of(W, x)
    for program in (float(fused), once):
        assert radius_used(np.array([[program]], dtype), truth, admitted) <= 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_underflow(dtype: str) -> None:
    """Products that are subnormal: rounded gradually, or flushed to zero."""
    tiny = float(np.finfo(dtype).tiny)
    a, b = random(np.random.default_rng(4), (2, 30), dtype, tiny**0.5)
    product = a * b
    flushed = np.where(abs(product) < tiny, 0, product).astype(dtype)
    truth, admitted = balls(a) * balls(b), exact(a) * exact(b)
    assert (flushed != product).any()
    for program in (product, flushed):
        assert radius_used(program, truth, admitted) <= 1


def test_wider_inside() -> None:
    """Two products in float64, each reported in float32: the second was fed what the first held."""
    rng = np.random.default_rng(5)
    v, w, x = (random(rng, (400,), "float32") for _ in range(3))
    held = x.astype(float) * v
    z, reported = (held * w).astype("float32"), held.astype("float32")
    assert compare("F1", 1, z, exact(reported) * exact(w)).wrong > 0
    assert compare("F1", 1, z, observed(reported) * exact(w)).wrong == 0


def test_parameters() -> None:
    """0.1 in float32: the bound holds the truth that knows the float64."""
    x = random(np.random.default_rng(6), (50,), "float32")
    truth = balls(x) * 0.1
    assert radius_used(x * np.float32(0.1), truth, 0.1 * exact(x)) <= 1
    assert abs(float(np.float32(0.1)) - 0.1) > unit("float32") * 0.1 / 8


@pytest.mark.parametrize("dtype", DTYPES)
def test_moving_averages(dtype: str) -> None:
    """m + (1 - beta) (x - m): within MOVING, and not without it where 1 - beta is rounded and m is small."""
    rng, u, one = np.random.default_rng(7), unit(dtype), np.dtype(dtype).type(1)
    m, x = (1 + random(rng, (2000,), dtype) / 8 for _ in range(2))
    x = -x.astype(dtype)
    without = []
    for small in (m.astype(dtype), (m / 64).astype(dtype)):
        for beta in (0.9, 0.5, 0.999):
            truth, roundings = averaged(balls(small), balls(x), beta), averaged(exact(small), exact(x), beta)
            admitted = roundings.widened(MOVING * u * (abs(small) + abs(x)))
            for weight in (one.dtype.type(1 - beta), one - one.dtype.type(beta)):
                program = small + weight * (x - small)
                without.append(radius_used(program, truth, roundings))
                assert radius_used(program, truth, admitted) <= 1
    assert (max(without) > 1) == (dtype == "float32")  # in float64 1 - beta is exact


@pytest.mark.parametrize("dtype", DTYPES)
def test_step_in_parts(dtype: str) -> None:
    """p + mu v - eta g of small steps: within PARTS, and not within the bound of one subtraction."""
    rng, u = np.random.default_rng(9), unit(dtype)
    p, g, v = (random(rng, (4000,), dtype) for _ in range(3))
    g, v = ((x * 2.0**-16).astype(dtype) for x in (g, v))
    program, truth = p - v / 8 - g / 4, balls(p) - (balls(v) / 2 + balls(g)) / 4
    once = exact(p) - (exact(v) / 2 + exact(g)) / 4
    between = abs(p.astype(float)) + abs(program.astype(float)) + abs(g.astype(float)) / 4
    assert radius_used(program, truth, once) > 1
    assert radius_used(program, truth, once.widened(PARTS * u * between)) <= 1


def test_momenta_in_float32() -> None:
    """A product of thirty momenta in float32: within MOMENTA a factor, and not by the roundings of float64."""
    product, truth, bound = np.float32(1), 1.0, exact(np.ones(1))
    for t in range(1, 31):
        momentum = 0.9 * (1 - 0.96 ** (t * 0.004) / 2)
        product = np.float32(product * momentum)
        truth *= momentum
        bound = bound * momentum
    off = abs(float(product) / truth - 1)
    assert off > 30 * unit("float64")
    assert off <= 30 * MOMENTA * unit("float32")
    assert abs(float(product) - bound.mid[0]) > bound.rad[0]


def test_no_fast_products() -> None:
    """One step of Strassen's scheme: where the blocks differ in size the small ones drown."""
    rng = np.random.default_rng(8)
    W, x = random(rng, (8, 8), "float32"), random(rng, (8, 8), "float32")
    W[:4], x[:4] = W[:4] * 2**-24, x[:4] * 2**-24
    (a, b, c, d), (e, f, g, h) = ((M[:4, :4], M[:4, 4:], M[4:, :4], M[4:, 4:]) for M in (x, W.T))
    p1, p2, p3, p4 = a @ (f - h), (a + b) @ h, (c + d) @ e, d @ (g - e)
    p5, p6, p7 = (a + d) @ (e + h), (b - d) @ (g + h), (a - c) @ (e + f)
    strassen = np.block([[p5 + p4 - p2 + p6, p1 + p2], [p3 + p4, p1 + p5 - p3 - p7]])
    truth, admitted = product_of(W, x)
    assert radius_used(x @ W.T, truth, admitted) <= 1
    assert radius_used(strassen, truth, admitted) > 1e6


def test_no_flushed_operands() -> None:
    a, b = np.array([2.0**-1060]), np.array([2.0**1000])
    assert radius_used(a * b, balls(a) * balls(b), exact(a) * exact(b)) <= 1
    assert radius_used(np.zeros(1), balls(a) * balls(b), exact(a) * exact(b)) > 1


def test_no_narrower_format() -> None:
    rng = np.random.default_rng(9)
    W, x = random(rng, (8, 64), "float32"), random(rng, (8, 64), "float32")
    narrow = (torch.tensor(x).bfloat16() @ torch.tensor(W).bfloat16().T).float().numpy()
    truth, admitted = product_of(W, x)
    assert radius_used(narrow, truth, admitted) > 1e2
    assert radius_used(x @ W.T, truth, admitted) <= 1


def test_no_lost_ends() -> None:
    z = np.array([[20.0]], np.float32)
    with np.errstate(divide="ignore"):
        assert np.log(1 - Sigmoid().apply(z)) == -np.inf
    with pytest.raises(Unbounded, match="logarithm"):
        log(1 - Sigmoid().apply(exact(z)))
    assert np.isfinite(log1p(-Sigmoid().apply(exact(np.array([[2.0]], np.float32)))).rad).all()


def test_every_assumption_has_a_test_a_reason_and_a_measurement() -> None:
    tests = (Path(__file__), Path(__file__).parents[1] / "oracle" / "operation" / "test_assumed.py")
    trees = (ast.parse(path.read_text()) for path in tests)
    names = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert {f"test_{name.replace('-', '_')}" for name in ASSUMPTIONS} <= names
    for assumption in ASSUMPTIONS.values():
        assert assumption.reason.endswith(".")
        assert assumption.measured
    for table in (assumptions.ACTIVATIONS, assumptions.LOSSES):
        assert not [admitted for admitted in table.values() if not admitted.reason.endswith(".")]
