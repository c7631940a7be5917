"""Each activation (A) and its derivative (D): certified in balls, within the bound, beside PyTorch, stable."""

import re
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from conformance.bounds.admitted import Widened
from conformance.bounds.assumptions import DIVISION, KAPPA
from conformance.bounds.rounded import exact
from conformance.numbers.balls import balls, forward_mode, overlap
from conformance.subjects import twin
from reference import (
    ACTIVATIONS,
    CELU,
    ELU,
    GELU,
    SELU,
    Activation,
    GELUTanh,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
    activations,
)

from ..certified import radius_used, random

DTYPES = ("float32", "float64")
SCALES = (0.01, 2.0, 60.0)
"""Near 0, ordinary, and so far out that every saturation is reached."""


def check(sigma: Activation) -> None:
    """Value and pullback of the reference and of PyTorch within the bounds, which hold the certified truth."""
    rng = np.random.default_rng(7)
    for dtype in DTYPES:
        for scale in SCALES:
            z, g = random(rng, (4, 5), dtype, scale), random(rng, (4, 5), dtype)
            a = sigma.apply(z)
            leaf = torch.tensor(z, requires_grad=True)
            theirs = twin.activated(sigma, leaf)
            theirs.backward(torch.tensor(g))
            value, derivative = Widened(sigma).apply(exact(z)), Widened(sigma).pullback(exact(z), exact(a), exact(g))
            assert a.dtype == derivative.dtype == z.dtype
            for got in (a, theirs.detach().numpy()):
                assert radius_used(got, sigma.apply(balls(z)), value) <= 1
            # The pullback is judged as the composition: from z, with the truth's own a.
            truth = sigma.pullback(balls(z), sigma.apply(balls(z)), balls(g))
            composed = Widened(sigma).pullback(exact(z), value, exact(g))
            for got in (sigma.pullback(z, a, g), twin.grad(leaf)):
                assert radius_used(got, truth, composed) <= 1
            v = random(rng, (4, 5), dtype)
            # <pullback(g), v> = <g, derivative in direction v>, by samples; the right side knows only (A).
            pulled, pushed = (truth * balls(v)).sum(axis=1), (balls(g) * forward_mode(sigma.apply, z, v)).sum(axis=1)
            assert overlap(pulled, pushed)


TEXT_ALONE: set[str] = set()
"""Activations that PyTorch has not: the twin runs their own text, so that only the balls check it."""


def test_every_activation_is_beside_one_of_pytorch() -> None:
    pytorchs = {name for name, kind in ACTIVATIONS.items() if kind in twin.ACTIVATIONS or hasattr(nn, kind.__name__)}
    assert set(ACTIVATIONS) - pytorchs == TEXT_ALONE


def test_A1_D1_identity() -> None:
    check(Identity())


def test_A2_D2_sigmoid() -> None:
    check(Sigmoid())


def test_A3_D3_tanh() -> None:
    check(Tanh())


def test_A4_D4_relu() -> None:
    check(ReLU())


def test_A5_D5_leaky_relu() -> None:
    check(LeakyReLU())
    check(LeakyReLU(negative_slope=1.5))


def test_A6_D6_elu() -> None:
    check(ELU())
    check(ELU(alpha=0.75))


def test_A7_D7_softplus() -> None:
    check(Softplus())
    check(Softplus(beta=0.5, threshold=3))


def test_A8_D8_softmax() -> None:
    check(Softmax())


def test_A9_D9_selu() -> None:
    check(SELU())


def test_A10_D10_celu() -> None:
    check(CELU())
    check(CELU(alpha=0.75))


def test_A11_D11_gelu() -> None:
    check(GELU())


def test_A12_D12_gelu_tanh() -> None:
    check(GELUTanh())


def test_A13_D13_silu() -> None:
    check(SiLU())


def test_A14_D14_mish() -> None:
    check(Mish())


def test_A15_D15_softsign() -> None:
    check(Softsign())


def test_A16_D16_hardtanh() -> None:
    check(Hardtanh())
    check(Hardtanh(min_val=-0.3, max_val=2.5))


def test_A17_D17_relu6() -> None:
    check(ReLU6())


def test_A18_D18_hardsigmoid() -> None:
    check(Hardsigmoid())


def test_A19_D19_hardswish() -> None:
    check(Hardswish())


def test_A20_D20_logsigmoid() -> None:
    check(LogSigmoid())


def test_A21_D21_tanhshrink() -> None:
    check(Tanhshrink())


def test_A22_D22_softshrink() -> None:
    check(Softshrink())
    check(Softshrink(lambd=0.1))


def test_A23_D23_hardshrink() -> None:
    check(Hardshrink())
    check(Hardshrink(lambd=1.3))


def test_A24_D24_log_softmax() -> None:
    check(LogSoftmax())


def test_A2_sigmoid_is_accurate_relatively_in_both_tails() -> None:
    for dtype in DTYPES:
        normal = np.floor(-np.log(np.finfo(dtype).tiny))
        z = np.linspace(-normal, normal, 101, dtype=dtype)[None]
        a = Sigmoid().apply(z)
        # Two exponentials, a sum and a quotient; not the text's own bound, which is as wide as the text is inaccurate.
        units = (2 * KAPPA + 1 + DIVISION) * exact(z).format.u
        assert radius_used(a, Sigmoid().apply(balls(z)), exact(a).widened(units * a)) <= 1


def test_A9_D9_selu_has_all_decimals_of_its_authors() -> None:
    text = (Path(activations.__file__).parent / "EQUATIONS.md").read_text()
    for symbol, digits in ((r"\alpha", activations.ALPHA), ("s", activations.SCALE)):
        (documented,) = re.findall(rf"\${re.escape(symbol)} = (1\.\d{{20,}})\$", text)
        assert digits == documented


@pytest.mark.parametrize(
    ("sigma", "kink", "derivative"),
    [
        (ReLU(), 0.0, 0),
        (ReLU(), -0.0, 0),
        (LeakyReLU(), 0.0, 0.01),
        (LeakyReLU(0.5), -0.0, 0.5),
        (ELU(), 0.0, 1),
        (ELU(0.25), 0.0, 0.25),
        (CELU(0.25), 0.0, 1),
        (Hardtanh(), -1.0, 0),
        (Hardtanh(), 1.0, 0),
        (ReLU6(), 0.0, 0),
        (ReLU6(), 6.0, 0),
        (Hardsigmoid(), -3.0, 0),
        (Hardsigmoid(), 3.0, 0),
        (Hardswish(), -3.0, 0),
        (Hardswish(), 3.0, 1),
        (Softshrink(), -0.5, 0),
        (Softshrink(), 0.5, 0),
        (Hardshrink(), -0.5, 0),
        (Hardshrink(), 0.5, 0),
        (Softplus(threshold=2), 2.0, 1 / (1 + np.exp(-2.0))),
    ],
)
def test_at_a_kink_the_documented_convention_holds_and_is_pytorchs(
    sigma: Activation, kink: float, derivative: float
) -> None:
    z, g = np.array([[kink]]), np.array([[-3.0]])
    assert sigma.pullback(z, sigma.apply(z), g) == derivative * g
    leaf = torch.tensor(z, requires_grad=True)
    twin.activated(sigma, leaf).backward(torch.tensor(g))
    assert leaf.grad == derivative * g


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(st.data())
def test_whole_range_is_finite_without_a_warning(name: str, data: st.DataObject) -> None:
    width: Literal[32, 64] = data.draw(st.sampled_from((32, 64)))
    # A quarter of the range, beyond which selu and log_softmax themselves are not representable.
    end = float(np.finfo(f"float{width}").max) / 4
    finite = st.floats(-end, end, width=width)
    row = st.lists(finite, min_size=3, max_size=3)
    z = np.array(data.draw(st.lists(row, min_size=2, max_size=2)), dtype=f"float{width}")
    sigma = ACTIVATIONS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a = sigma.apply(z)
        delta = sigma.pullback(z, a, np.array([[0.5, -2, 0.25], [1, 3, -1]], dtype=z.dtype))
    assert np.isfinite(a).all()
    assert np.isfinite(delta).all()
    assert a.dtype == delta.dtype == z.dtype


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_both_ends_of_the_range(name: str) -> None:
    for dtype in DTYPES:
        largest = np.finfo(dtype).max / (4 if name in ("selu", "log_softmax") else 1)  # else the truth overflows
        z = np.array([[largest, -largest, 0], [-largest, -largest, largest]], dtype=dtype)
        sigma = ACTIVATIONS[name]()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isfinite(sigma.apply(z)).all()
            assert np.isfinite(sigma.pullback(z, sigma.apply(z), np.ones_like(z) / 3)).all()
