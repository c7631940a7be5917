"""Losses are known as modules, as functions and by their numbers, with the factor to the reference's."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance import probe_torch
from conformance.oracle.network.module.losses import Head, Objective, objective
from reference import (
    L1,
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
    LogSoftmax,
    MeanSquaredError,
    PoissonNLL,
    Sigmoid,
    SmoothL1,
    Softmax,
)

pytestmark = pytest.mark.sampled(4)

K = 5

MODULES: dict[type[Any], Any] = {
    Identity: nn.Identity(), Sigmoid: nn.Sigmoid(), Softmax: nn.Softmax(1), LogSoftmax: nn.LogSoftmax(1),
}  # fmt: skip


def sequential(sigma: Activation, dtype: torch.dtype) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, K), MODULES[type(sigma)]).to(dtype)


def by_hand(a: Tensor, y: Tensor) -> Tensor:
    return -(y * a.log()).sum() / len(a)


def by_index(a: Tensor, y: Tensor) -> Tensor:
    return -a[torch.arange(len(y)), y].mean()


WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0])

LOSSES: list[tuple[Any, Activation, Objective]] = [
    (F.mse_loss, Identity(), Objective(MeanSquaredError(), "mean")),
    (nn.MSELoss(reduction="sum"), Identity(), Objective(HalfSquaredError(), "sum", 0.5)),
    (lambda a, y: ((a - y) ** 2).sum(1).mean(), Identity(), Objective(HalfSquaredError(), "mean", 0.5)),
    (lambda a, y: ((a - y) ** 2).sum() / 2, Identity(), Objective(HalfSquaredError(), "sum")),
    (lambda a, y: 4 * F.mse_loss(a, y), Identity(), Objective(MeanSquaredError(), "mean", 0.25)),
    (nn.L1Loss(), Identity(), Objective(L1(), "mean", K)),
    (partial(F.l1_loss, reduction="sum"), Identity(), Objective(L1(), "sum")),
    (nn.HuberLoss(delta=0.5), Identity(), Objective(Huber(0.5), "mean", K)),
    (partial(F.smooth_l1_loss, beta=0.5), Identity(), Objective(SmoothL1(0.5), "mean", K)),
    (F.binary_cross_entropy_with_logits, Identity(), Objective(BinaryCrossEntropyWithLogits(), "mean", K)),
    (nn.MultiLabelSoftMarginLoss(), Identity(), Objective(BinaryCrossEntropyWithLogits(), "mean", K)),
    (nn.BCELoss(reduction="sum"), Sigmoid(), Objective(BinaryCrossEntropy(), "sum")),
    (F.binary_cross_entropy, Sigmoid(), Objective(BinaryCrossEntropy(), "mean", K)),
    (F.cross_entropy, Identity(), Objective(CrossEntropyWithLogits(), "mean")),
    (
        partial(F.cross_entropy, label_smoothing=0.125), Identity(),
        Objective(CrossEntropyWithLogits(label_smoothing=0.125), "mean"),
    ),
    (
        lambda a, y: F.cross_entropy(a, y) if y.ndim == 1 else F.cross_entropy(a, y.long()), Identity(),
        Objective(CrossEntropyWithLogits(), "mean", indexed=True),
    ),
    (by_hand, Softmax(), Objective(CrossEntropy(), "mean")),
    (F.nll_loss, LogSoftmax(), Objective(NLL(), "mean", indexed=True)),
    (by_index, LogSoftmax(), Objective(NLL(), "mean", indexed=True)),
    (nn.KLDivLoss(reduction="batchmean"), LogSoftmax(), Objective(KLDivergence(), "mean")),
    (nn.KLDivLoss(reduction="sum"), LogSoftmax(), Objective(KLDivergence(), "sum")),
    (F.kl_div, LogSoftmax(), Objective(KLDivergence(), "mean", K)),
    (nn.PoissonNLLLoss(), Identity(), Objective(PoissonNLL(), "mean", K)),
    (lambda a, y: torch.clamp(1 - a * y, min=0).mean(), Identity(), Objective(Hinge(), "mean", K)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:reduction.*batchmean:UserWarning")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("loss", "sigma", "expected"), LOSSES, ids=[str(i) for i in range(len(LOSSES))])
def test_a_loss_is_told_and_right(loss: Any, sigma: Activation, expected: Objective, dtype: torch.dtype) -> None:
    told = objective(loss, Head(sigma, K, dtype, "cpu", (K,)))
    assert told == expected
    report = probe_torch(sequential(sigma, dtype), loss)
    assert report.verdict == "CONFORMS", str(report)


def test_a_factor_that_is_no_power_of_two_is_admitted() -> None:
    """K (1 / (B K)) is rounded twice, the reference's 1 / B once: for every K up to 65 both are right."""
    for outputs in (3, 7, 49, 61):
        for loss in (nn.L1Loss(), nn.HuberLoss()):
            net = nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, outputs)).double()
            assert probe_torch(net, loss).verdict == "CONFORMS"


@pytest.mark.parametrize(
    ("loss", "sigma", "said"),
    [
        (nn.CrossEntropyLoss(), Softmax(), "CrossEntropyLoss takes logits; leave out the Softmax"),
        (lambda a, y: F.cross_entropy(a, y), Softmax(), "<lambda> takes logits; leave out the Softmax"),
        (F.binary_cross_entropy_with_logits, Sigmoid(), "takes logits; leave out the Sigmoid"),
        (F.nll_loss, Identity(), "nll_loss takes what a LogSoftmax gives; expected it last, got Identity"),
        (by_hand, Sigmoid(), "by_hand takes what a Softmax gives"),
        (lambda a, y: 0.3 * F.mse_loss(a, y), Identity(), r"0\.12 times \(half_squared_error, mean"),
        (lambda a, y: (a - y).abs().mean(1).sum(), Identity(), r"0\.2 times \(l1, sum over the samples\)"),
        (nn.CrossEntropyLoss(WEIGHTS, reduction="none"), Identity(), "expected CrossEntropyLoss with reduction"),
        (nn.TripletMarginLoss(), Identity(), "TripletMarginLoss is by its numbers none"),
        (lambda a, y: (a - y).norm(), Identity(), "is by its numbers none of the reference's losses"),
        (3, Identity(), "expected a loss such as nn.MSELoss"),
        (nn.KLDivLoss(reduction="sum", log_target=True), LogSoftmax(), "by its numbers none"),
    ],
)
def test_what_no_loss_of_the_reference_is_is_named(loss: Any, sigma: Activation, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said) as refused:
        objective(loss, Head(sigma, K, torch.float64, "cpu", (K,)))
    assert "\n" not in str(refused.value)


def test_a_loss_that_is_meant_as_one_may_be_wrong() -> None:
    """The sum where a mean is meant, half of what is meant, and a right gradient of a wrong value."""
    net = sequential(Identity(), torch.float64)
    said: dict[str, Any] = {"equation": "mean_squared_error", "reduction": "mean"}
    missing = probe_torch(net, lambda a, y: ((a - y) ** 2).mean(1).sum(), **said)
    assert missing.verdict == "WRONG"
    assert missing.findings[0].explanation.startswith("Right if reduction='sum'.")
    halved = probe_torch(net, lambda a, y: F.mse_loss(a, y) / 2, **said)
    assert (halved.verdict, halved.findings[0].layer) == ("WRONG", 2)
    assert "1/2" in halved.findings[0].explanation
    off = probe_torch(net, lambda a, y: F.mse_loss(a, y) + 1, **said)
    assert [finding.equation for finding in off.findings] == ["L2"]


class BackwardOfIndices(torch.autograd.Function):
    """Cross-entropy whose forward takes rows of targets too, and whose backward class indices alone."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, y: Tensor) -> Tensor:
        """The mean cross-entropy."""
        ctx.save_for_backward(a.softmax(1), y)
        return F.cross_entropy(a, y)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """(p - y) / B."""
        p, y = ctx.saved_tensors
        return g * (p - F.one_hot(y, K)) / len(y), None


def test_targets_are_those_that_the_whole_loss_takes() -> None:
    loss: Any = BackwardOfIndices.apply
    told = objective(loss, Head(Identity(), K, torch.float64, "cpu", (K,)))
    assert told == Objective(CrossEntropyWithLogits(), "mean", indexed=True)
    assert probe_torch(sequential(Identity(), torch.float64), loss).verdict == "CONFORMS"
