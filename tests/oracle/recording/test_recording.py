"""Enclosures hold what they should, and the way back gives the derivative: against balls, by forward mode."""

from typing import Any

import numpy as np
import pytest
from flint import arb
from scipy import special

from conformance.arrays import Array
from conformance.bounds.formats import NAMED_FORMATS, Format
from conformance.numbers.balls import balls, distance, forward_mode, precise
from conformance.numbers.derivatives import FUNCTIONS
from conformance.oracle.following.following import follow
from conformance.oracle.recording import graph, sums
from conformance.oracle.recording.enclosed import OPERATIONS, Enclosed
from conformance.oracle.recording.reverse import pull_back

pytestmark = pytest.mark.sampled(2)

POINTS = (-40.0, -9.5, -2.25, -1.0, -0.75, -(2.0**-20), 2.0**-30, 0.375, 0.9375, 1.0, 1.5, 6.25, 30.0)
RADII = (0.0, 2.0**-60, 2.0**-24, 0.0625, 0.5)


def arbs(x: float) -> Any:
    return arb(float(x)) + arb(float(np.longdouble(x) - float(x)))


@pytest.mark.parametrize("wide", [np.float64, np.longdouble])
@pytest.mark.parametrize("name", FUNCTIONS)
@precise
def test_a_function_of_enclosures_holds_the_function_of_every_number(name: str, wide: Any) -> None:
    """At both ends, the middle and between; and so does its derivative, of which nothing is said beyond the domain."""
    f = FUNCTIONS[name]
    for m in POINTS:
        for r in RADII:
            mid = np.array([m], wide)
            x = Enclosed(mid, np.array([r]))
            with np.errstate(all="ignore"):
                value = f.value(x)
                slope = f.slope(x, value)
            for share in (-1, -0.5, 0, 0.5, 1):
                at = arb(m) + arb(r) * arb(share)
                true = f.value(at)
                for found, of in ((value, true), (slope, f.slope(at, true) if true.is_finite() else true)):
                    radius = np.broadcast_to(found.rad, (1,))[0]
                    if not np.isfinite(found.mid[0]) or not np.isfinite(radius):
                        continue
                    if found is slope and not np.isfinite(value.mid[0] + np.sum(value.rad)):
                        continue
                    assert of.is_finite(), (m, r, share)
                    bound = arb(float(radius)) * (1 + arb(2) ** -40) + arb(2) ** -1000  # that much may underflow
                    assert abs(of - arbs(found.mid[0])) <= bound, (m, r, share)


@pytest.mark.parametrize("wide", [np.float64, np.longdouble])
@precise
def test_arithmetic_of_enclosures_holds_that_of_every_number(wide: Any) -> None:
    rng = np.random.default_rng(1)
    for ufunc in (np.add, np.subtract, np.multiply, np.divide):
        for _ in range(200):
            p, q = rng.standard_normal(2)
            r, s = abs(rng.standard_normal(2)) * 2.0 ** rng.integers(-50, 1, 2)
            with np.errstate(all="ignore"):
                z = OPERATIONS[ufunc](
                    Enclosed(np.array([p], wide), np.array([r])), Enclosed(np.array([q], wide), np.array([s]))
                )
            if not np.isfinite(z.rad[0]):
                assert ufunc is np.divide
                assert abs(q) <= s
                continue
            for a in (-1, 0, 1):
                for b in (-1, 0, 1):
                    x, y = arb(p) + a * arb(r), arb(q) + b * arb(s)
                    true = {np.add: x + y, np.subtract: x - y, np.multiply: x * y, np.divide: x / y}[ufunc]
                    assert abs(true - arbs(z.mid[0])) <= arb(float(z.rad[0])) * (1 + arb(2) ** -40)
    for n in (2.0, 3.0, -2.0, 0.5, -1.5, 0.0, 1.0):
        for m in (-1.25, 0.125, 3.0):
            for r in (0.0, 2.0**-40, 0.0625, 0.25):
                with np.errstate(all="ignore"):
                    z = Enclosed(np.array([m], wide), np.array([r])) ** n
                if np.isfinite(np.broadcast_to(z.rad, (1,))[0]) and np.isfinite(z.mid[0]):
                    for share in (-1, 0, 1):
                        true = (
                            (arb(m) + share * arb(r)) ** arb(n) if n != int(n) else (arb(m) + share * arb(r)) ** int(n)
                        )
                        assert abs(true - arbs(z.mid[0])) <= arb(float(np.max(z.rad))) * (1 + arb(2) ** -40)


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def layer_norm(z: Array) -> Array:
    centred = z - z.sum(axis=1, keepdims=True) / 4
    return centred / np.sqrt((centred * centred).sum(axis=1, keepdims=True) / 4 + 1)


def moved(z: Array) -> Array:
    return np.concatenate([z[1:, ::-1] * z[:1], z.T.reshape(3, 4) ** 3]) / 3


def products(z: Array) -> Array:
    return (z @ z.T) @ z + np.tanh(z)


def deep(z: Array) -> Array:
    for _ in range(5):
        z = np.log1p(np.exp(z)) * z / 2 - z * z / 8
    return z


def exact(format: Format) -> Format:
    """Alone in the wide format: all that is admitted is the truth."""
    return format._replace(u=float(np.finfo(format.wide).eps), tiny=float(np.finfo(np.float64).tiny), largest=1e300)


@pytest.mark.parametrize("name", ["float32", "float64"])
@pytest.mark.parametrize("f", [softmax, layer_norm, moved, products, deep])
def test_the_way_back_gives_the_derivative_of_forward_mode(f: Any, name: str) -> None:
    rng = np.random.default_rng(2)
    z, direction = rng.standard_normal((2, 3, 4)).astype(name)
    along = forward_mode(f, z, direction)
    g = rng.standard_normal(along.shape)
    true = (along * balls(g)).sum()
    for format, floor in ((NAMED_FORMATS[name], 2.0**14), (exact(NAMED_FORMATS[name]), 2.0**14)):
        [[pulled]] = follow(f, [z], format).pulled([g])
        total = (pulled.mid * direction).sum()
        radius = float((pulled.rad * abs(direction)).sum()) + 16 * float(
            np.finfo(format.wide).eps * abs(pulled.mid).sum()
        )
        assert distance(total, true) <= radius
        assert radius < floor * format.u * float(abs(pulled.mid).sum())


def test_what_may_overflow_is_without_a_bound_alone() -> None:
    format = NAMED_FORMATS["float16"]
    x = graph.leaf(np.array([3.0, 300.0], np.float16), format)
    y = graph.multiply(x, x)
    assert list(np.isinf(y.value.rad)) == [False, True]
    [[pulled]] = pull_back(graph.add(y, x), [x], [np.ones(2)])
    assert list(np.isinf(pulled.rad)) == [False, False], "the slope of a product is its factor"
    [[pulled]] = pull_back(graph.multiply(y, x), [x], [np.ones(2)])
    assert list(np.isinf(pulled.rad)) == [False, True]


def test_numbers_that_go_to_several_places_gather_all_cotangents() -> None:
    format = NAMED_FORMATS["float64"]
    x, y = (graph.leaf(np.arange(1.0, n + 1), format) for n in (3, 2))
    z = sums.gather([x, y], np.array([[0, 3, 0], [2, 4, 4]]))
    of_x, of_y = pull_back(z, [x, y], [np.array([[1.0, 2, 4], [8, 16, 32]])])[0]
    assert (list(of_x.mid), list(of_y.mid)) == ([5, 0, 8], [2, 48])
    back = sums.collect(z, np.array([[0, 1, 1], [1, 0, 3]]), 4)
    assert list(back.value.mid) == [1 + 2, 1 + 1 + 3, 0, 2]
    assert list(pull_back(back, [x], [np.array([1.0, 2, 4, 8])])[0][0].mid) == [3, 0, 2]


def test_functions_have_an_enclosure() -> None:
    unknown: Any = np.gcd
    names = {ufunc.__name__ for ufunc in OPERATIONS}
    assert {special.erf.__name__, "exp2", "log10"} <= names
    with pytest.raises(TypeError, match=r"nothing is known of numpy\.gcd"):
        unknown(Enclosed(np.ones(1), 0.0), 2)
