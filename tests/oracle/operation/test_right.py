"""`check_pullback` and the derivatives that are documented: no right one is accused, in whatever formula."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conformance.arrays import Array
from conformance.bounds.admitted import Widened
from conformance.bounds.formats import NAMED_FORMATS
from conformance.bounds.rounded import Rounded
from conformance.judge.verdict import CONFORMS, WRONG
from conformance.numbers.balls import balls
from conformance.oracle.operation.operation import by_autograd, check_pullback
from conformance.subjects import twin
from reference import ACTIVATIONS

from .operations import DTYPES, accused, generic, naive_sigmoid, tensor

pytestmark = pytest.mark.sampled(5)

KINKS = (0, -0.0, 0.5, -0.5, 1, -1, 3, -3, 6, 20)


def operands(dtype: str) -> list[Array]:
    """Generic, saturated, and at the kinks; all of them are numbers of bfloat16 too where they need to be."""
    saturated = np.array([[-90.0, 30, 12, -25], [11, -8, 60, -60]])
    return [generic(dtype), saturated.astype(dtype), np.array(KINKS, dtype=dtype).reshape(2, 5)]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_reference_is_not_accused(name: str) -> None:
    sigma = ACTIVATIONS[name]()

    def pullback(z: Array, g: Array) -> Array:
        return sigma.pullback(z, sigma.apply(z), g)

    for dtype in ("float16", "float32", "float64"):
        for z in operands(dtype):
            with np.errstate(all="ignore"):
                report = check_pullback(sigma.apply, pullback, z, equation=name)
            assert not report.findings
        assert check_pullback(name, pullback, generic(dtype)).verdict == CONFORMS


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_pytorch_is_not_accused(name: str) -> None:
    pytorchs = partial(twin.activated, ACTIVATIONS[name]())
    for dtype in DTYPES:
        for z in operands("float32"):
            report = check_pullback(pytorchs, None, tensor(z, dtype), equation=name)
            assert not accused(report)
        assert check_pullback(name, by_autograd(pytorchs), tensor(generic("float32"), dtype)).verdict == CONFORMS


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_bound_of_every_format_holds_the_certified_derivative(name: str) -> None:
    sigma, z, g = ACTIVATIONS[name](), generic("float16"), generic("float16", seed=1)
    truth = sigma.pullback(balls(z), sigma.apply(balls(z)), balls(g)).astype(float)
    for dtype in ("float16", "bfloat16"):
        format = NAMED_FORMATS[dtype]
        operand = Rounded(z, format.u * abs(z.astype(float)), format)
        delta = Widened(sigma).pullback(operand, Widened(sigma).apply(operand), Rounded(g, 0 * g.astype(float), format))
        assert (abs(truth - delta.mid) <= delta.rad).all()


def tanh_by_sech(z: Array, g: Array) -> Array:
    return g / np.cosh(z) ** 2


def tanh_by_square(z: Array, g: Array) -> Array:
    t = np.tanh(z)
    return g * ((1 - t) * (1 + t))


def silu_apart(z: Array, g: Array) -> Array:
    s = 1 / (1 + np.exp(-z))
    return g * s + g * z * s * (1 - s)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("name", "forward", "pullback"),
    [
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z)), naive_sigmoid),
        ("sigmoid", lambda z: (np.tanh(z / 2) + 1) / 2, naive_sigmoid),
        ("tanh", np.tanh, tanh_by_sech),
        ("tanh", np.tanh, tanh_by_square),
        ("tanh", lambda z: 2 / (1 + np.exp(-2 * z)) - 1, tanh_by_square),
        ("silu", lambda z: z / (1 + np.exp(-z)), silu_apart),
        ("relu", lambda z: np.maximum(z, 0), lambda z, g: g * (z > 0)),
        ("relu", lambda z: np.where(z > 0, z, 0), lambda z, g: g * (z >= 0)),
        ("softplus", lambda z: np.log1p(np.exp(z)), lambda z, g: g - g * np.exp(-np.log1p(np.exp(z)))),
    ],
)
def test_other_formulas_are_not_accused(dtype: str, name: str, forward: Any, pullback: Any) -> None:
    """By name, and by the forward function's own text; derivative 0 or 1 at the kink of relu."""
    own = check_pullback(forward, pullback, generic(dtype))
    assert (own.verdict, set(own.equations)) == (CONFORMS, {"vjp", "state"})
    assert check_pullback(forward, pullback, generic(dtype), equation=name).verdict == CONFORMS
    for z in (np.clip(operands(dtype)[1], -20, 10), operands(dtype)[2]):
        with np.errstate(all="ignore"):
            assert not accused(check_pullback(forward, pullback, z))
            assert not accused(check_pullback(name, pullback, z))


@pytest.mark.parametrize("dtype", DTYPES)
def test_formulas_near_a_switch_are_not_accused(dtype: str) -> None:
    """relu6(z + 3) / 6 rounds z + 3 to the switch, an ulp below it; in float16 exponentials end early."""
    switch = torch.tensor(3.0, dtype=getattr(torch, dtype))
    below = torch.nextafter(switch, -switch)
    z = torch.stack([below, -below, switch, -switch, switch / 4, -switch / 8])[None]
    ends = torch.linspace(-11, 11, 23, dtype=getattr(torch, dtype))[None]
    for name, f, given in (
        ("hardsigmoid", lambda z: F.relu6(z + 3) / 6, z),
        ("hardswish", lambda z: z * F.relu6(z + 3) / 6, z),
        ("softplus", lambda z: torch.log1p(torch.exp(z)), ends),
        ("logsigmoid", lambda z: torch.log(torch.sigmoid(z)), ends),
    ):
        right = by_autograd(f)
        for seed in range(4):
            report = check_pullback(name, right, given, seed=seed)
            assert (accused(report), report.verdict) == ([], CONFORMS)
            assert not accused(check_pullback(f, None, given, seed=seed))
        assert check_pullback(name, lambda z, g, right=right: 1.25 * right(z, g)[0], given).verdict == WRONG


def test_products_that_underflow_on_the_way_back_are_not_accused() -> None:
    """1/(1 + e^-z)^2 is subnormal in float16, and e^-z multiplies it afterwards."""

    def own_silu(z: Any) -> Any:
        return z / (1 + (np if isinstance(z, np.ndarray) else torch).exp(-z))

    for z in ([-10.5, -9.25, 0.75], [-8.0, -10.0, 2.0]):
        report = check_pullback(own_silu, None, torch.tensor([z], dtype=torch.float16))
        assert (accused(report), report.verdict) == ([], CONFORMS)
