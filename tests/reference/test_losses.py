"""Each loss (L), its gradient (G), the reductions (R) and the fused heads (H): certified, bounded, beside PyTorch."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from conformance.arrays import Array
from conformance.bounds.admitted import Widened, WidenedLoss, admitted_loss
from conformance.bounds.assumptions import DIVISION
from conformance.bounds.rounded import exact
from conformance.judge.judgement import compare
from conformance.numbers.balls import balls, forward_mode, overlap
from conformance.subjects import twin
from reference import (
    L1,
    LOSSES,
    NLL,
    Activation,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    CrossEntropyWithLogits,
    HalfSquaredError,
    Hinge,
    Huber,
    Identity,
    KLDivergence,
    Loss,
    MeanSquaredError,
    PoissonNLL,
    Sigmoid,
    SmoothL1,
    Softmax,
)
from reference.gradients import reduced_loss
from reference.losses import HEADS, REQUIRED_HEAD, TARGETS, smoothed

from ..certified import radius_used, random

DTYPES = ("float32", "float64")


def outputs_and_targets(loss: Loss, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (5, 3) and targets in the loss's domain; those of cross-entropies are soft, zeros and ones as well."""
    rng = np.random.default_rng(11)
    a, y = random(rng, (5, 3), dtype), random(rng, (5, 3), dtype)
    a = REQUIRED_HEAD.get(type(loss), Identity)().apply(a)
    low, high = TARGETS.get(type(loss), (-np.inf, np.inf))
    if low == 0:
        y = abs(y) % 1
        y[0], y[1] = (1, 0, 0), (0, 1, 1)
    return a, y.clip(low, high)


def test_every_loss_is_beside_one_of_pytorch() -> None:
    assert set(LOSSES.values()) == set(twin.LOSSES)


def check(loss: Loss) -> None:
    """Value and gradient of the reference and of PyTorch within bounds, which hold the certified truth."""
    for dtype in DTYPES:
        a, y = outputs_and_targets(loss, dtype)
        leaf = torch.tensor(a, requires_grad=True)
        theirs = twin.losses(loss, leaf, torch.tensor(y))
        c = random(np.random.default_rng(12), (5,), dtype)
        theirs.backward(torch.tensor(c))
        bounds = WidenedLoss(loss)
        value, gradient = bounds.value(exact(a), exact(y)), bounds.gradient(exact(a), exact(y))
        for got in (loss.value(a, y), theirs.detach().numpy()):
            assert got.dtype == a.dtype
            assert radius_used(got, loss.value(balls(a), balls(y)), value) <= 1
        truth = loss.gradient(balls(a), balls(y))
        assert radius_used(loss.gradient(a, y), truth, gradient) <= 1
        weighted = gradient * exact(c[:, None])
        assert radius_used(twin.grad(leaf), truth * balls(c[:, None]), weighted) <= 1
        v = random(np.random.default_rng(13), (5, 3), dtype)
        pushed = forward_mode(partial(_value_of, loss, balls(y)), a, v)
        assert overlap((truth * balls(v)).sum(axis=1), pushed)


def _value_of(loss: Loss, y: Array, a: Array) -> Array:
    value: Array = loss.value(a, y)
    return value


def test_L1_G1_half_squared_error() -> None:
    check(HalfSquaredError())


def test_L2_G2_mean_squared_error() -> None:
    check(MeanSquaredError())


def test_L3_G3_cross_entropy() -> None:
    check(CrossEntropy())


def test_L4_G4_cross_entropy_with_logits() -> None:
    check(CrossEntropyWithLogits())


def test_L5_G5_binary_cross_entropy() -> None:
    check(BinaryCrossEntropy())


def test_L6_G6_binary_cross_entropy_with_logits() -> None:
    check(BinaryCrossEntropyWithLogits())


def test_L7_G7_l1() -> None:
    check(L1())


def test_L8_G8_huber() -> None:
    check(Huber())
    check(Huber(delta=0.3))


def test_L9_G9_smooth_l1() -> None:
    check(SmoothL1())
    check(SmoothL1(beta=2.5))


def test_L10_G10_nll() -> None:
    check(NLL())
    check(NLL(weight=(0.5, 2.0, 1.25)))


def test_L11_G11_kl_divergence() -> None:
    check(KLDivergence())


def test_L12_G12_hinge() -> None:
    check(Hinge())


def test_L13_G13_poisson_nll() -> None:
    check(PoissonNLL())


def test_S1_label_smoothing_and_class_weights() -> None:
    for kind in (CrossEntropy, CrossEntropyWithLogits):
        check(kind(label_smoothing=0.125))
        check(kind(weight=(0.5, 2.0, 1.25), label_smoothing=0.25))
    y = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert smoothed(y, (2, 3), 0.5).tolist() == [[2 * 0.75, 3 * 0.25], [2 * 0.25, 3 * 0.75]]
    assert smoothed(y, (), 0) is y


@pytest.mark.parametrize(
    ("loss", "a", "y", "value", "gradient"),
    [
        (CrossEntropy(), [0, 1], [0, 1], 0, [0, -1]),
        (BinaryCrossEntropy(), [0, 1], [0, 1], 0, None),  # its derivative is not defined there
        (NLL(), [-np.inf, 0], [0, 1], 0, [0, -1]),
        (KLDivergence(), [-np.inf, 0], [0, 1], 0, [0, -1]),
    ],
)
def test_terms_with_factor_0_are_0(
    loss: Loss, a: list[float], y: list[float], value: float, gradient: list[float] | None
) -> None:
    """Without a warning, even where the other factor is infinite."""
    assert loss.value(np.array([a], float), np.array([y], float)).tolist() == [value]
    if gradient is not None:
        assert loss.gradient(np.array([a], float), np.array([y], float)).tolist() == [gradient]


@pytest.mark.parametrize(
    ("loss", "a", "y", "gradient"),
    [
        (L1(), [1.5, -2.0], [1.5, -2.0], [0, 0]),
        (Huber(0.5), [1.5, 0.5], [1.0, 1.0], [0.5, -0.5]),
        (SmoothL1(0.5), [1.5, 0.5], [1.0, 1.0], [1, -1]),
        (Hinge(), [1.0, -2.0], [1.0, -0.5], [0, 0]),
    ],
)
def test_at_a_kink_the_documented_convention_holds_and_is_pytorchs(
    loss: Loss, a: list[float], y: list[float], gradient: list[float]
) -> None:
    assert loss.gradient(np.array([a]), np.array([y])).tolist() == [gradient]
    leaf = torch.tensor([a], dtype=torch.float64, requires_grad=True)
    twin.LOSSES[type(loss)](loss, leaf, torch.tensor([y], dtype=torch.float64)).sum().backward()
    assert twin.grad(leaf).tolist() == [gradient]


@pytest.mark.parametrize(
    ("loss", "theirs", "factor"),
    [
        (MeanSquaredError(), F.mse_loss, 1),
        (L1(), F.l1_loss, 3),
        (Huber(), F.huber_loss, 3),
        (SmoothL1(), F.smooth_l1_loss, 3),
        (PoissonNLL(), F.poisson_nll_loss, 3),
        (KLDivergence(), F.kl_div, 3),
        (BinaryCrossEntropyWithLogits(), F.binary_cross_entropy_with_logits, 3),
        (CrossEntropyWithLogits(), F.cross_entropy, 1),
    ],
)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
def test_relation_to_pytorchs_mean(loss: Loss, theirs: Callable[..., torch.Tensor], factor: int) -> None:
    """Ours divides by B; PyTorch's mean of an elementwise loss by B K as well, so that ours is K = 3 times it."""
    a, y = outputs_and_targets(loss, "float64")
    sigma = REQUIRED_HEAD.get(type(loss), Identity)()
    z = a if isinstance(sigma, Identity) else np.log(np.exp(a))
    ours = np.asarray(reduced_loss(sigma, z, a, y, loss, "mean").value)
    admitted = admitted_loss(sigma, exact(z), exact(a), exact(y), loss, "mean").value
    # Theirs, times K, is rounded by two divisions and a product more.
    again = admitted.widened((2 * DIVISION + 1) * admitted.format.u * abs(float(admitted.mid)))
    assert compare("R1", 1, ours, admitted).margin <= 1
    product = np.asarray(factor * theirs(torch.tensor(a), torch.tensor(y)).numpy())
    assert compare("R1", 1, product, again).margin <= 1


def test_L1_has_the_half_and_L2_the_mean() -> None:
    a, y = np.array([[3.0, 1.0]]), np.array([[1.0, 2.0]])
    assert HalfSquaredError().value(a, y) == (4 + 1) / 2
    assert MeanSquaredError().value(a, y) == (4 + 1) / 2
    assert HalfSquaredError().gradient(a, y).tolist() == [[2, -1]]
    a, y = np.array([[3.0, 1.0, 5.0, 7.0]]), np.array([[1.0, 2.0, 5.0, 7.0]])
    assert MeanSquaredError().value(a, y) == (4 + 1) / 4
    assert MeanSquaredError().gradient(a, y).tolist() == [[1, -0.5, 0, 0]]


def test_R1_R2_reduction_is_over_the_batch_alone() -> None:
    z, y = np.array([[3.0, 1.0], [0.0, 2.0], [1.0, 1.0], [2.0, 6.0]]), np.zeros((4, 2))
    for loss in (HalfSquaredError(), MeanSquaredError()):
        total = reduced_loss(Identity(), z, z, y, loss, "sum")
        mean = reduced_loss(Identity(), z, z, y, loss, "mean")
        assert total.value == loss.value(z, y).sum() == 4 * mean.value
        assert (total.g == loss.gradient(z, y)).all()
        assert (total.g == 4 * mean.g).all()


PAIRS: dict[tuple[type[Activation], type[Loss]], Any] = {
    (Softmax, CrossEntropy): CrossEntropyWithLogits,
    (Sigmoid, BinaryCrossEntropy): BinaryCrossEntropyWithLogits,
}


@pytest.mark.parametrize("loss", [CrossEntropy(), CrossEntropy((0.5, 2, 1.25), 0.25), BinaryCrossEntropy()])
def test_H1_H2_are_chosen_for_these_pairs_alone_with_the_losss_parameters(loss: Loss) -> None:
    assert HEADS == PAIRS
    sigma: Any = Softmax() if isinstance(loss, CrossEntropy) else Sigmoid()
    head = PAIRS[type(sigma), type(loss)](**vars(loss))
    rng = np.random.default_rng(14)
    z, y = rng.standard_normal((4, 3)), rng.random((4, 3))
    a = sigma.apply(z)
    for reduction, N in (("sum", 1), ("mean", 4)):
        value, handed_on, g = reduced_loss(sigma, z, a, y, loss, reduction)  # type: ignore[arg-type]
        assert value == head.value(z, y).sum() / N
        assert handed_on == Identity()
        assert (g == head.delta(a, y) / N).all()
    value, handed_on, g = reduced_loss(Identity(), z, a, y, loss, "sum")
    assert value == loss.value(a, y).sum()
    assert (g == loss.gradient(a, y)).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 7), st.sampled_from(DTYPES))
def test_H1_H2_fused_delta_is_the_chain_where_the_chain_is_defined(seed: int, B: int, K: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    z, y = random(rng, (B, K), dtype), rng.random((B, K)).astype(dtype)  # sums of targets are not one
    for (sigma, loss), head in PAIRS.items():
        a = sigma().apply(z)
        chain = sigma().pullback(z, a, loss().gradient(a, y))
        # On paper, without rounding: the two are one.
        p = sigma().apply(balls(z))
        assert overlap(sigma().pullback(balls(z), p, loss().gradient(p, balls(y))), head().delta(p, balls(y)))
        assert overlap(loss().value(p, balls(y)), head().value(balls(z), balls(y)))
        # In floats: each is within the bound of the other way.
        truth = head().delta(p, balls(y))
        g = admitted_loss(sigma(), exact(z), exact(a), exact(y), loss(), "sum").g
        assert radius_used(head().delta(a, y), truth, g) <= 1
        # The chain divides by probabilities and multiplies by them again: the bound carried along that way.
        value = Widened(sigma()).apply(exact(z))
        carried = Widened(sigma()).pullback(exact(z), value, WidenedLoss(loss()).gradient(value, exact(y)))
        assert radius_used(chain, truth, carried) <= 1


def test_H1_H2_are_the_documented_differences() -> None:
    p, y = np.array([[0.25, 0.75]]), np.array([[0.5, 1.5]])
    assert CrossEntropyWithLogits().delta(p, y).tolist() == [[0.25 * 2 - 0.5, 0.75 * 2 - 1.5]]
    assert BinaryCrossEntropyWithLogits().delta(p, np.array([[1.0, 0.0]])).tolist() == [[-0.75, 0.75]]


def test_H1_H2_are_finite_for_all_finite_logits() -> None:
    for dtype in DTYPES:
        largest = np.finfo(dtype).max
        z = np.array([[largest, -largest, 0], [0, 200, -200], [-largest, -largest, -1]], dtype=dtype)
        y = np.array([[1, 0, 0], [1, 0, 0], [0, 0.5, 0.5]], dtype=dtype)
        for sigma, loss in PAIRS:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                a = sigma().apply(z)
                value, _, g = reduced_loss(sigma(), z[:2], a[:2], y[:2], loss(), "mean")
                assert np.isfinite(value)
                assert np.isfinite(g).all()


def test_chain_is_not_finite_where_a_probability_is_zero() -> None:
    z, y = np.array([[0.0, 200.0]], dtype="float32"), np.array([[1.0, 0.0]], dtype="float32")
    a = Softmax().apply(z)
    with np.errstate(all="ignore"):
        assert not np.isfinite(Softmax().pullback(z, a, CrossEntropy().gradient(a, y))).all()
    assert np.isfinite(CrossEntropyWithLogits().delta(a, y)).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("loss", "a", "y", "gradient"),
    [
        (L1(), (2.5, -1.0, 0.0, 1.5), (2.5, -1.0, 0.0, 1.25), (0, 0, 0, 1)),
        (Hinge(), (2.0, -4.0, 1.0, 0.5), (0.5, -0.25, 1.0, 1.0), (0, 0, 0, -1)),
        (Huber(0.5), (1.0, -1.0, 2.0, 0.25), (0.5, -0.5, 1.0, 0.0), (0.5, -0.5, 0.5, 0.25)),
    ],
)
def test_G7_G8_G12_at_a_kink_are_the_documented_conventions(
    loss: Loss, a: tuple[float, ...], y: tuple[float, ...], gradient: tuple[float, ...], dtype: str
) -> None:
    got = loss.gradient(np.array([a], dtype), np.array([y], dtype))
    assert got.tolist() == [list(gradient)]
