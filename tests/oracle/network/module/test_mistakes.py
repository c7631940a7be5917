"""Mistakes that people make in modules are WRONG in the equation that they are in, and in float32 as in float64."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance import probe_torch

from .networks import MeanOfBias, Net, NoDerivative, UntransposedBelow, layered, product

pytestmark = pytest.mark.sampled(4)

mse: Any = F.mse_loss
mean_of_bias: Any = MeanOfBias.apply
untransposed_below: Any = UntransposedBelow.apply


def with_hook(change: Callable[[Any], object]) -> Net:
    """A right network, with a hook."""
    net = Net(layered(torch.tanh))
    change(net)
    return net


def stale(net: Any, x: Tensor) -> Tensor:
    """A hidden layer whose output is scaled in place behind autograd's back."""
    h = torch.tanh(net.layers[0](x))
    z: Tensor = net.layers[1](h)
    h.data.mul_(0.5)  # the product's gradient reads h again
    out: Tensor = net.layers[2](torch.tanh(z))
    return out


def without_gradient(net: Any, x: Tensor) -> Tensor:
    """A first layer that is evaluated without gradients, as in a frozen encoder."""
    with torch.no_grad():
        h = torch.tanh(net.layers[0](x))
    out: Tensor = net.layers[2](torch.tanh(net.layers[1](h)))
    return out


class ForgottenMean(torch.autograd.Function):
    """The mean squared error, whose backward forgets the mean over the samples."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, y: Tensor) -> Tensor:
        """The mean of squares."""
        ctx.save_for_backward(a, y)
        return ((a - y) ** 2).mean()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """2 (a - y) / K."""
        a, y = ctx.saved_tensors
        return g * 2 * (a - y) / a.shape[1], None


def doubled_weight(net: Any) -> object:
    return net.layers[1].weight.register_hook(lambda g: 2 * g)


def negated_cotangent(net: Any) -> object:
    return net.layers[1].register_full_backward_hook(lambda module, below, above: (-below[0],))


WRONG: list[tuple[str, Any, Any, tuple[str, int], str]] = [
    ("relu without derivative", Net(layered(NoDerivative.apply)), mse, ("B2", 2), "all units with z < 0"),
    (
        "db as a mean", Net(layered(torch.tanh, lambda net, x, i: mean_of_bias(x, net.W[i], net.b[i]))), mse,
        ("B4", 3), "1/B",
    ),
    (
        "W untransposed", Net(
            layered(torch.tanh, lambda net, x, i: untransposed_below(x, net.W[i])), bias=False, widths=(5,) * 4
        ), mse, ("B2", 2), "delta W^T for delta W",
    ),
    ("gradient doubled by a hook", with_hook(doubled_weight), mse, ("B3", 2), "2 times"),
    ("cotangent negated by a hook", with_hook(negated_cotangent), mse, ("B2", 1), "-1 times"),
    ("detached", Net(layered(lambda z: torch.tanh(z).detach())), mse, ("B2", 2), "detach lets no gradient pass"),
    ("by numpy", Net(layered(lambda z: torch.tanh(z.data))), mse, ("B2", 2), "test_mistakes.py:"),
    ("without gradient", Net(without_gradient), mse, ("B2", 1), "no gradient"),
    ("altered in place", Net(stale), mse, ("B3", 2), ""),
    ("mean forgotten", Net(layered(torch.tanh)), ForgottenMean.apply, ("batch", 3), "B = 3 times"),
    ("rounded on the way", Net(layered(lambda z: torch.tanh(z).half().to(z.dtype), product)), mse, ("F", 1), ""),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("net", "loss", "where", "said"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_mistake_is_found_where_it_is(
    net: Any, loss: Any, where: tuple[str, int], said: str, dtype: torch.dtype
) -> None:
    report = probe_torch(net.to(dtype), loss)
    assert report.verdict == "WRONG", str(report)
    first = report.findings[0]
    assert (first.equation, first.layer) == where, str(report)
    assert said in first.explanation, first.explanation


def test_a_wrong_forward_is_wrong_where_the_activation_is_said() -> None:
    net = Net(layered(lambda z: torch.tanh(z) * 1.01))
    report = probe_torch(net, mse, hidden="tanh")
    assert report.verdict == "WRONG"
    with pytest.raises(TypeError, match=r"test_mistakes\.py:\d+: .*nearest: tanh, off by 0\.01"):
        probe_torch(net, mse)


def test_what_is_kept_from_call_to_call_is_named() -> None:
    """The loss is added to those before."""
    kept: list[Tensor] = []

    def loss(a: Tensor, y: Tensor) -> Tensor:
        kept.append((a.detach() * 1e-3).sum())
        return F.mse_loss(a * (1 + len(kept)), y)

    report = probe_torch(Net(layered(torch.tanh)), loss, equation="mean_squared_error", reduction="mean")
    assert report.verdict == "WRONG"
    assert report.findings[0].equation == "state"


def test_a_layer_that_is_dropped_from_the_chain_is_named() -> None:
    def forgotten(net: Any, x: Tensor) -> Any:
        h = torch.tanh(net.layers[0](x))
        net.layers[1](h)
        return h

    with pytest.raises(TypeError, match=r"test_mistakes\.py:\d+: net\.layers\[1\].* does not reach what is returned"):
        probe_torch(Net(forgotten), mse)
    assert isinstance(Net(forgotten), nn.Module)
