"""Modules in bfloat16: right ones are never accused, and mistakes beyond the format's resolution are where they are."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from conformance import Report, probe_torch
from conformance.bounds.formats import NAMED_FORMATS, held_in_float32
from conformance.bounds.radii import gamma
from conformance.bounds.rounded import Rounded
from conformance.oracle.network.asking.half import nearest

from .networks import MeanOfBias, Net, NoDerivative, RightReLU, UntransposedBelow, layered
from .test_mistakes import ForgottenMean, doubled_weight, negated_cotangent, with_hook

pytestmark = pytest.mark.sampled(4)

mse: Any = F.mse_loss
ONE_HIDDEN = (4, 7, 5)


def probed(net: nn.Module, loss: Any, **options: Any) -> Report:
    return probe_torch(net.bfloat16(), loss, **options)


class Tanh(torch.autograd.Function):
    """tanh with its derivative."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        """The value."""
        a = torch.tanh(z)
        ctx.save_for_backward(a)
        return a

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        """g (1 - a^2)."""
        (a,) = ctx.saved_tensors
        return g * (1 - a * a)


class TanhWithout(Tanh):
    """Its derivative left out."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        """Hand on g."""
        return g


class TanhDoubled(Tanh):
    """Its derivative twice."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        """2 g (1 - a^2)."""
        return 2 * Tanh.backward(ctx, g)


class ForgottenSquare(Tanh):
    """1 - a for 1 - a^2."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        """g (1 - a)."""
        (a,) = ctx.saved_tensors
        return g * (1 - a)


HIDDEN: dict[str, Any] = {
    "tanh": torch.tanh,
    "by hand": Tanh.apply,
    "in float32": lambda z: torch.tanh(z.float()).to(z.dtype),
    "quotient": lambda z: (torch.exp(z) - torch.exp(-z)) / (torch.exp(z) + torch.exp(-z)),
    "relu": torch.relu,
    "relu by hand": RightReLU.apply,
    "relu by a mask": lambda z: z * (z > 0),
    "leaky_relu": F.leaky_relu,
    "sigmoid": torch.sigmoid,
    "1 / (1 + exp)": lambda z: 1 / (1 + torch.exp(-z)),
    "gelu": F.gelu,
    "silu": F.silu,
    "z / (1 + exp)": lambda z: z / (1 + torch.exp(-z)),
    "softplus": F.softplus,
    "log(1 + exp)": lambda z: torch.log(1 + torch.exp(z)),
    "mish": F.mish,
    "mish in parts": lambda z: z * torch.tanh(F.softplus(z)),
    "elu": F.elu,
    "selu": F.selu,
    "softsign": F.softsign,
    "hardswish": F.hardswish,
}

LOSSES: dict[str, Any] = {
    "mse": F.mse_loss,
    "mse, summed": nn.MSELoss(reduction="sum"),
    "halved squares": lambda a, y: 0.5 * ((a - y) ** 2).sum() / len(a),
    "cross entropy": F.cross_entropy,
    "smoothed": nn.CrossEntropyLoss(reduction="sum", label_smoothing=0.125),
    "by log_softmax": lambda a, y: -(torch.log_softmax(a, 1) * y).sum(1).mean(),
    "by log of softmax": lambda a, y: -(torch.log(torch.softmax(a, 1)) * y).sum() / len(a),
    "in float32": lambda a, y: F.cross_entropy(a.float(), y.float()),
    "bce": F.binary_cross_entropy_with_logits,
    "huber": F.huber_loss,
}


@given(
    hidden=st.lists(st.sampled_from(sorted(HIDDEN)), min_size=0, max_size=3),
    loss=st.sampled_from(sorted(LOSSES)),
    widths=st.lists(st.integers(1, 15), min_size=5, max_size=5),
    bias=st.booleans(),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=25, deadline=None)
def test_right_modules_are_never_accused(
    hidden: list[str], loss: str, widths: list[int], bias: bool, seed: int
) -> None:
    net = Net(_through(hidden), bias=bias, widths=(*widths[: len(hidden) + 1], 5))
    report = probed(net, LOSSES[loss], seed=seed)
    assert [f.explanation for f in report.findings] == []
    assert report.verdict in ("CONFORMS", "UNDECIDED")
    assert report.scopes[0].startswith("bfloat16/")


def _through(hidden: list[str]) -> Any:
    """A forward pass with an activation of each name in turn."""

    def run(net: Any, x: Tensor) -> Tensor:
        for name, layer in zip(hidden, net.layers, strict=False):
            x = HIDDEN[name](layer(x))
        last: Tensor = net.layers[-1](x)
        return last

    return run


@pytest.mark.parametrize("net", [
    nn.Sequential(nn.Linear(4, 7), nn.Tanh(), nn.Linear(7, 5)),
    nn.Sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 5)),
    nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)),
    nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)),
])  # fmt: skip
@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.CrossEntropyLoss()])
def test_usual_networks_conform_and_something_is_decided_in_every_layer(net: nn.Module, loss: nn.Module) -> None:
    report = probed(net, loss)
    assert (report.verdict, report.findings, report.robustness) == ("CONFORMS", (), None)
    layers = {layer for (equation, layer), of in report.tallies.items() if equation == "B3"}
    assert layers == {1, 2}
    for key, of in report.tallies.items():
        assert of.undecided < of.elements or key == ("B2", 0), key
    assert {of.worst.dtype for of in report.tallies.values()} == {"bfloat16"}


WRONG: dict[str, tuple[Any, Any, str]] = {
    "relu without derivative": (Net(layered(NoDerivative.apply)), mse, "B2"),
    "tanh without derivative": (Net(layered(TanhWithout.apply), widths=ONE_HIDDEN), mse, "B2"),
    "tanh without derivative, twice": (Net(layered(TanhWithout.apply)), mse, "B2"),
    "derivative doubled": (Net(layered(TanhDoubled.apply), widths=ONE_HIDDEN), mse, "B2"),
    "square forgotten": (Net(layered(ForgottenSquare.apply), widths=ONE_HIDDEN), mse, "B2"),
    "detached": (Net(layered(lambda z: torch.tanh(z).detach())), mse, "B2"),
    "gradient doubled": (with_hook(doubled_weight), mse, "B3"),
    "cotangent negated": (with_hook(negated_cotangent), mse, "B2"),
    "db as a mean": (
        Net(layered(torch.tanh, lambda net, x, i: MeanOfBias.apply(x, net.W[i], net.b[i])), widths=ONE_HIDDEN),  # type: ignore[no-untyped-call]
        mse, "B4"),
    "W untransposed": (
        Net(layered(torch.tanh, lambda net, x, i: UntransposedBelow.apply(x, net.W[i])), bias=False, widths=(5,) * 4),  # type: ignore[no-untyped-call]
        mse, "B2"),
    "mean forgotten": (Net(layered(torch.tanh), widths=ONE_HIDDEN), ForgottenMean.apply, "B1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_wrong_in_their_equation(name: str) -> None:
    net, loss, equation = WRONG[name]
    report = probed(net, loss)
    assert report.verdict == "WRONG", str(report)
    assert report.findings[0].equation == equation, str(report)
    assert "bfloat16" in report.findings[0].id


def test_a_point_of_ones_own_is_asked_in_its_format() -> None:
    generator = torch.Generator().manual_seed(1)
    x, y = torch.randn(3, 4, generator=generator).bfloat16(), torch.randn(3, 5, generator=generator).bfloat16()
    report = probed(Net(layered(torch.tanh), widths=ONE_HIDDEN), mse, x=x, y=y)
    assert report.verdict == "CONFORMS"
    assert "own parameters: CONFORMS." in report.remarks[-1] or "own parameters: UNDECIDED." in report.remarks[-1]
    wrong = probed(Net(layered(TanhWithout.apply), widths=ONE_HIDDEN), mse, x=x.float(), y=y)
    assert wrong.verdict == "WRONG"


@given(st.lists(st.floats(-(2.0**40), 2.0**40, width=32), min_size=1))
def test_numbers_of_bfloat16_are_the_nearest(numbers: list[float]) -> None:
    given = np.array(numbers, np.float32)
    assert np.array_equal(nearest(given), torch.tensor(given).bfloat16().float().numpy())


def test_a_sum_loses_what_its_accumulator_loses_and_little_more() -> None:
    plain, wide = NAMED_FORMATS["bfloat16"], held_in_float32("bfloat16")
    assert wide.lost(2) == plain.lost(2) == gamma(2, plain.u)
    assert gamma(2, plain.u) < wide.lost(50) < 2.1 * plain.u < plain.lost(50)
    assert np.isinf(plain.lost(300))
    assert gamma(4, plain.u) < wide.lost(300) < 4.1 * plain.u
    rng = np.random.default_rng(0)
    x, W = (nearest(rng.standard_normal(shape)) for shape in ((3, 50), (50, 7)))
    bound: Any = Rounded(x, 0.0, wide) @ Rounded(W, 0.0, wide)
    got = (torch.tensor(x).bfloat16() @ torch.tensor(W).bfloat16()).float().numpy()
    assert (abs(got - bound.mid) <= bound.rad).all()
    assert (bound.rad <= 1.001 * wide.lost(50) * (abs(x) @ abs(W))).all()
