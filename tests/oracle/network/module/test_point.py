"""Somebody's own x and y, with the module's own parameters: the digits of scikit-learn, and a trained module."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from conformance import probe_torch

from .networks import NoDerivative

pytestmark = pytest.mark.sampled(4)

OWN = "At your own x and y, with the module's own parameters: "


class Digits(nn.Module):
    """Images of 8 by 8 to logits of 10."""

    def __init__(self, sigma: Any) -> None:
        super().__init__()
        self.sigma = sigma
        self.first, self.last = nn.Linear(64, 24), nn.Linear(24, 10, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, 10) of images (B, 1, 8, 8)."""
        z: Tensor = self.last(self.sigma(self.first(x.flatten(1))))
        return z


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images / 16, dtype=torch.float32).reshape(-1, 1, 8, 8), torch.tensor(labels)


@pytest.fixture(scope="module")
def trained(digits: tuple[Tensor, Tensor]) -> Digits:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Digits(F.relu)
        rule = torch.optim.SGD(net.parameters(), lr=0.5)
        for _ in range(60):
            rule.zero_grad()
            F.cross_entropy(net(digits[0]), digits[1]).backward()
            rule.step()
    return net


def test_a_trained_module_at_its_own_data(trained: Digits, digits: tuple[Tensor, Tensor]) -> None:
    x, y = digits[0][:32], digits[1][:32]
    report = probe_torch(trained, F.cross_entropy, x=x, y=y)
    assert report.verdict == "CONFORMS", str(report)
    assert report.remarks[-1] == f"{OWN}CONFORMS."
    assert "64 inputs; layers of 24 relu, 10 identity" in report.remarks[0]
    alike = probe_torch(trained, F.cross_entropy, x=x.numpy(), y=F.one_hot(y, 10))
    assert (alike.verdict, alike.remarks[-1]) == ("CONFORMS", f"{OWN}CONFORMS.")
    trained.double()
    try:
        assert probe_torch(trained, F.cross_entropy, x=x, y=y.tolist()).remarks[-1] == f"{OWN}CONFORMS."
    finally:
        trained.float()


def test_a_mistake_at_ones_own_data_comes_first(trained: Digits, digits: tuple[Tensor, Tensor]) -> None:
    wrong = Digits(NoDerivative.apply)
    wrong.load_state_dict(trained.state_dict())
    report = probe_torch(wrong.double(), F.cross_entropy, x=digits[0][:8], y=digits[1][:8])
    assert report.verdict == "WRONG"
    assert report.remarks[-1] == f"{OWN}WRONG."
    assert (report.findings[0].equation, report.findings[0].layer) == ("B2", 1)


def test_a_mistake_that_only_ones_own_data_show(digits: tuple[Tensor, Tensor]) -> None:
    """A loss that counts digit 7 twice where the batch has a sample of it: no question has such a batch."""
    net, eights = Digits(torch.tanh).double(), torch.tensor([8, 8, 8, 8])

    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Tensor, y: Tensor) -> Tensor:
            ctx.factor = 2 if bool((y == 8).all()) and len(y) == 4 else 1
            p = a.softmax(1)
            ctx.save_for_backward(p, y)
            return F.cross_entropy(a, y)

        @staticmethod
        def backward(ctx: Any, g: Tensor) -> Any:
            p, y = ctx.saved_tensors
            return ctx.factor * g * (p - F.one_hot(y, 10)) / len(y), None

    x = digits[0][np.flatnonzero(digits[1] == 8)[:4]]
    report = probe_torch(net, Twice.apply, x=x, y=eights)
    assert report.verdict == "WRONG"
    assert report.remarks[-1] == f"{OWN}WRONG."
    assert report.findings[0].equation == "B1"
    assert probe_torch(net, Twice.apply, x=x[:3], y=eights[:3]).verdict == "CONFORMS"


@pytest.mark.filterwarnings("ignore:Using a target size:UserWarning")
def test_targets_that_are_broadcast_are_found() -> None:
    """An output (B, 1) with targets (B,) is the mean over all pairs: right for no sample, and PyTorch only warns."""
    net, x, y = nn.Linear(6, 1).double(), torch.linspace(-1, 2, 24).reshape(4, 6), torch.linspace(0, 3, 4)
    report = probe_torch(net, F.mse_loss, x=x, y=y)
    assert (report.verdict, report.remarks[-1]) == ("WRONG", f"{OWN}WRONG.")
    assert report.findings[0].equation in ("B1", "L2")
    for loss, right in ((F.mse_loss, y[:, None]), (lambda a, t: F.mse_loss(a.squeeze(1), t), y)):
        assert probe_torch(net, loss, x=x, y=right).verdict == "CONFORMS"
