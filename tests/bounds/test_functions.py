"""What activations and losses of somebody's own are written with stays within its bounds, by wider arithmetic."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import probe
from conformance.arrays import Array
from conformance.bounds.rounded import Order, Rounded, Unknown, exact
from conformance.judge.verdict import CONFORMS, NOT_ASKED, WRONG
from reference import Identity, backward, forward

pytestmark = pytest.mark.sampled(4)

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "square": np.square,
    "reciprocal": lambda x: np.reciprocal(np.square(x) + 1),
    "absolute": np.absolute,
    "sign": np.sign,
    "maximum": lambda x: np.maximum(x, 0.25),
    "of two": lambda x: np.maximum(x, -x),
    "clip": lambda x: np.clip(x, -1, 1),
    "clip above": lambda x: np.clip(x, None, 0.5),
    "sin": np.sin,
    "cos": np.cos,
    "arctan": np.arctan,
    "arcsinh": np.arcsinh,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "masked": lambda x: x * (x > 0),
    "masked from the left": lambda x: (x > 0) * x + 0.125 * (x <= 0) * x,
    "as numbers": lambda x: (x > 0).astype(x.dtype) * x,
    "plain numbers": lambda x: np.where(x > 0, 1, 0.125),
    "two comparisons": lambda x: np.where((x > -1) & (x < 1), x, 0),
    "either": lambda x: np.where((x < -1) | ~(x < 1), x, 0),
    "sum": lambda x: np.sum(x, axis=0),
    "largest": lambda x: np.max(x, axis=0, keepdims=True),
    "ones": lambda x: np.ones_like(x) - x + np.zeros_like(x),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
@given(st.integers(0, 2**32 - 1))
def test_functions_hold_what_they_may_give_within_their_operand_s_radius(name: str, dtype: str, seed: int) -> None:
    """At both ends of the radius and inside; of exact operands the format's own evaluation too."""
    f, rng = FUNCTIONS[name], np.random.default_rng(seed)
    m = (rng.standard_normal((8, 3)) * 2.0 ** rng.integers(-4, 4, (8, 1))).astype(dtype)
    r = abs(m) * 2.0 ** rng.integers(-20, 2, m.shape)
    wide = f(exact(m).widened(r))
    inside = 1 - 2.0**-30  # m + r t is rounded too
    for t in (-inside, inside, 0.0, rng.uniform(-inside, inside, m.shape)):
        value = f(m.astype(np.longdouble) + r * t)
        assert (abs(value - wide.mid) <= wide.rad).all(), t
    own, computed = f(exact(m)), np.asarray(f(m), dtype)
    assert (abs(computed - own.mid) <= own.rad).all()
    assert (own.rad <= 64 * own.format.u * (abs(own.mid) + abs(m).sum(axis=0))).all(), "of exact operands it is narrow"



@pytest.mark.parametrize("name", ["absolute", "maximum", "sin", "cos", "arctan", "arcsinh", "sinh", "cosh"])
def test_a_radius_half_as_wide_is_left(name: str) -> None:
    """The radii are no wider than twice what is reached, where the slope changes little."""
    m, r = np.linspace(0.5, 1.5, 7), 2.0**-10
    wide = FUNCTIONS[name](exact(m).widened(r))
    reached = np.max([abs(FUNCTIONS[name](m + t * r) - wide.mid) for t in (-1, 1)], axis=0)
    assert (reached > wide.rad / 2).all()


def test_a_comparison_that_cannot_be_told_is_anything_between() -> None:
    z = exact(np.array([1.0, -1.0, 0.25])).widened(0.5)
    order = z > 0
    assert isinstance(order, Order)
    mask = 1 * order
    assert isinstance(mask, Rounded)
    assert mask.mid.tolist() == [1, 0, 0.5]
    assert mask.rad[2] >= 0.5


class Bent:
    """An activation of one's own, as people write them."""

    def __init__(self, value: Callable[[Any], Any], slope: Callable[[Any], Any]) -> None:
        self.apply, self.slope = value, slope

    def pullback(self, z: Any, a: Any, g: Any) -> Any:
        """dL/dz."""
        return g * self.slope(z)


OWN: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "leaky by where": (lambda z: np.where(z > 0, z, 0.125 * z), lambda z: np.where(z > 0, 1, 0.125)),
    "relu by product": (lambda z: z * (z > 0), lambda z: (z > 0).astype(z.dtype)),
    "sine": (np.sin, np.cos),
    "arctan": (np.arctan, lambda z: 1 / (1 + np.square(z))),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / np.square(1 + np.abs(z))),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OWN)
def test_an_activation_of_one_s_own_is_asked(name: str, dtype: str) -> None:
    def gradients(network: Any, x: Array, y: Array, factor: float = 1) -> Any:
        steps = forward(network, x)
        found = backward(network, steps, steps[-1].a - y)
        return [(factor * W, b) for _, W, b in found]

    options: dict[str, Any] = {"hidden": Bent(*OWN[name]), "output": Identity(), "width": (1, 16), "dtype": dtype}
    assert probe(gradients, **options).verdict == CONFORMS
    assert probe(lambda network, x, y: gradients(network, x, y, 1.125), **options).verdict == WRONG


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.cbrt, r"numpy\.cbrt"),
        (lambda z: np.interp(z, [0, 1], [0, 1]), r"numpy\.interp"),
        (lambda z: z.round(), "method round"),
    ],
)
def test_what_has_no_bound_is_not_asked(value: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(Unknown, match=said):
        value(exact(np.array([0.5])))
    report = probe(lambda network, x, y: [(W, b) for W, b, _ in network], hidden=Bent(value, np.cos), width=(1, 16))
    assert (report.verdict, report.exit_status, len(report.findings)) == (NOT_ASKED, 2, 1)
    assert "no bound is known for" in report.findings[0].explanation
