"""Each activation (A) and its derivative (D): certified in balls, within the bound, beside PyTorch, stable."""

import warnings
from typing import Literal

import numpy as np
import pytest
import torch
from certified import balls, forward_mode, overlap, radius_used, random
from hypothesis import given
from hypothesis import strategies as st

from conformance import twin
from conformance.judge import Widened
from conformance.rounded import exact
from reference import ACTIVATIONS, ELU, Activation, Identity, LeakyReLU, ReLU, Sigmoid, Softmax, Softplus, Tanh

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
            theirs = twin.ACTIVATIONS[type(sigma)](sigma, leaf)
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


def test_A8_D8_softmax() -> None:
    check(Softmax())


def test_A2_sigmoid_is_accurate_relatively_in_both_tails() -> None:
    for dtype in DTYPES:
        normal = np.floor(-np.log(np.finfo(dtype).tiny))
        z = np.linspace(-normal, normal, 101, dtype=dtype)[None]
        assert radius_used(Sigmoid().apply(z), Sigmoid().apply(balls(z)), Sigmoid().apply(exact(z))) <= 1


@pytest.mark.parametrize(
    ("sigma", "derivative"),
    [(ReLU(), 0), (LeakyReLU(), 0.01), (LeakyReLU(0.5), 0.5), (ELU(), 1), (ELU(0.25), 0.25)],
)
def test_D4_D5_D6_at_the_kink_the_documented_convention_holds(sigma: Activation, derivative: float) -> None:
    for zero in (0.0, -0.0):
        z, g = np.array([[zero]]), np.array([[-3.0]])
        assert sigma.pullback(z, sigma.apply(z), g) == derivative * g
        leaf = torch.tensor(z, requires_grad=True)
        twin.ACTIVATIONS[type(sigma)](sigma, leaf).backward(torch.tensor(g))
        assert leaf.grad == derivative * g


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(st.data())
def test_whole_range_is_finite_without_a_warning(name: str, data: st.DataObject) -> None:
    width: Literal[32, 64] = data.draw(st.sampled_from((32, 64)))
    finite = st.floats(allow_nan=False, allow_infinity=False, width=width)
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
        largest = np.finfo(dtype).max
        z = np.array([[largest, -largest, 0], [-largest, -largest, largest]], dtype=dtype)
        sigma = ACTIVATIONS[name]()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert np.isfinite(sigma.apply(z)).all()
            assert np.isfinite(sigma.pullback(z, sigma.apply(z), np.ones_like(z) / 3)).all()
