"""Every way in which people write a chain of layers is read as one, and right; all is left as it was."""

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from conformance import probe_torch

from .networks import Net, by_module, functional, layered, product, relu, without_bias
from .networks import linear as right_linear

pytestmark = pytest.mark.sampled(4)

mse: Any = F.mse_loss


@pytest.mark.parametrize(
    ("linear", "options"),
    [
        (by_module, {}),
        (functional, {}),
        (product, {}),
        (lambda net, x, i: net.b[i] + x.matmul(net.W[i].t()), {}),
        (lambda net, x, i: torch.addmm(net.b[i], x, net.W[i].t()), {}),
        (lambda net, x, i: torch.einsum("bi,oi->bo", x, net.W[i]).add_(net.b[i]), {}),
        (lambda net, x, i: x @ net.W[i] + net.b[i], {"stored_in_out": True}),
        (lambda net, x, i: right_linear(x, net.W[i], net.b[i]), {}),
        (by_module, {"bias": False}),
        (lambda net, x, i: F.linear(x, net.layers[i].weight), {"bias": False}),
        (lambda net, x, i: x @ net.W[i].T.contiguous(), {"bias": False}),
        (lambda net, x, i: x @ net.W[i], {"bias": False, "stored_in_out": True}),
        (lambda net, x, i: without_bias(x, net.W[i]), {"bias": False}),
        (lambda net, x, i: x @ net.W[i].T + net.b[i] if i else x @ net.W[i].T, {}),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_linear_layer_is_known_however_it_is_written(linear: Any, options: Any, dtype: torch.dtype) -> None:
    report = probe_torch(Net(layered(torch.tanh, linear), **options).to(dtype), mse)
    assert report.verdict == "CONFORMS", str(report)
    assert report.remarks[0] == (
        "Taken as: 4 inputs; layers of 7 tanh, 6 tanh, 5 identity; loss mean_squared_error, mean over the samples."
    )
    assert all(report.tallies["B4", l].elements > 0 for l in (1, 2, 3))


def test_a_square_weight_is_read_as_it_is_used() -> None:
    for linear in (product, lambda net, x, i: x @ net.W[i] + net.b[i]):
        report = probe_torch(Net(layered(torch.tanh, linear), widths=(5, 5, 5, 5)), mse)
        assert report.verdict == "CONFORMS", str(report)


class Own(nn.Module):
    """An activation of somebody's own, without parameters."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, z: Tensor) -> Tensor:
        """sigma(z)."""
        return self.function(z)


@pytest.mark.parametrize(
    ("sigma", "name"),
    [
        (F.relu, "relu"),
        (lambda z: z.relu(), "relu"),
        (lambda z: z.relu_(), "relu"),
        (relu, "relu"),
        (Own(relu), "relu"),
        (lambda z: z * (z > 0), "relu"),
        (lambda z: torch.maximum(z, torch.zeros_like(z)), "relu"),
        (torch.sigmoid, "sigmoid"),
        (lambda z: torch.where(z > 0, z, 0.2 * z), "leaky_relu"),
        (functools.partial(F.leaky_relu, negative_slope=0.3), "leaky_relu"),
        (lambda z: torch.where(z > 0, z, torch.tensor(0.3) * z), "leaky_relu"),  # in float32, 0.3 is another number
        (functools.partial(F.elu, alpha=0.5), "elu"),
        (functools.partial(F.celu, alpha=0.5), "celu"),
        (functools.partial(F.softplus, beta=2), "softplus"),
        (lambda z: torch.log1p(torch.exp(z)), "softplus"),
        (functools.partial(F.hardtanh, min_val=-2, max_val=0.5), "hardtanh"),
        (lambda z: z.clamp(-1, 1), "hardtanh"),
        (functools.partial(F.softshrink, lambd=0.25), "softshrink"),
        (functools.partial(F.hardshrink, lambd=0.25), "hardshrink"),
        (lambda z: z * torch.sigmoid(z), "silu"),
        (F.gelu, "gelu"),
        (functools.partial(F.gelu, approximate="tanh"), "gelu_tanh"),
        (lambda z: torch.softmax(z, 1), "softmax"),
        (lambda z: z, "identity"),
        (lambda z: F.dropout(torch.tanh(z), 0.5, training=False).view(z.shape[0], -1).flatten(1), "tanh"),
    ],
)
def test_an_activation_is_known_by_its_values(sigma: Any, name: str) -> None:
    report = probe_torch(Net(layered(sigma)), mse)
    assert f"7 {name}, 6 {name}, 5 identity" in report.remarks[0]
    assert report.verdict == "CONFORMS", str(report)


def with_nested(net: Any, x: Tensor) -> Tensor:
    """A nested chain, a shared activation, dropout that is off, and shapes looked at on the way."""
    if x.ndim != 2 or x.shape[1] != 4:
        raise ValueError("rows of four, please")
    z: Tensor = net.head(net.shared(net.layers[1](net.drop(net.shared(net.layers[0](x))))))
    assert len(z) == x.size(0)
    return z


def recomputed(net: Any, x: Tensor) -> Tensor:
    """Layers that are computed again on the way back."""
    h: Any = checkpoint(lambda z: torch.tanh(net.layers[0](z)), x, use_reentrant=False)
    z: Tensor = net.layers[2](torch.tanh(net.layers[1](h)))
    return z


def test_modules_in_modules() -> None:
    parts: dict[str, Any] = {"head": nn.Sequential(nn.Identity(), nn.Sequential(nn.Linear(6, 3))), "shared": nn.Tanh()}
    net = Net(with_nested, drop=nn.Dropout(0.5), **parts).eval()
    assert probe_torch(net, mse).verdict == "CONFORMS"
    for bias in (True, False):
        assert probe_torch(Net(recomputed, bias=bias), mse).verdict == "CONFORMS"


def test_images_and_single_outputs() -> None:
    def images(net: Any, x: Tensor) -> Tensor:
        B, rows, columns = x.shape
        z: Tensor = net.layers[0](x.reshape(B, rows * columns))
        return z.squeeze(1)

    net = Net(images, widths=(6, 1))
    x, y = torch.linspace(-1, 2, 24).reshape(4, 2, 3).double(), torch.linspace(0, 1, 4).double()
    for loss in (mse, nn.BCEWithLogitsLoss()):
        report = probe_torch(net, loss, x=x, y=y)
        assert report.verdict == "CONFORMS", str(report)
        assert report.remarks[-1] == "At your own x and y, with the module's own parameters: CONFORMS."
    with pytest.raises(TypeError, match=r"networks\.py|test_forms\.py:\d+: .*give it some with x="):
        probe_torch(net, mse)


def test_what_is_meant_may_be_said() -> None:
    net = Net(layered(relu))
    assert probe_torch(net, mse, hidden="relu", output="identity").verdict == "CONFORMS"
    report = probe_torch(net, mse, hidden=["relu", "softplus"])
    assert (report.verdict, report.findings[0].layer) == ("WRONG", 2)
    with pytest.raises(ValueError, match="hidden: expected one activation, or 2 in turn, got 3"):
        probe_torch(net, mse, hidden=["relu"] * 3)


def state(net: nn.Module) -> list[Any]:
    """All that a module is."""
    tensors = [t.clone() for t in net.state_dict().values()]
    return [*tensors, *(p.grad for p in net.parameters()), *(p.requires_grad for p in net.parameters())]


class Interrupted:
    """A loss that is interrupted on its n-th call."""

    def __init__(self, n: int, error: type[BaseException]) -> None:
        self.left, self.error = n, error

    def __call__(self, a: Tensor, y: Tensor) -> Tensor:
        """The squared error, or an interruption."""
        self.left -= 1
        if self.left < 0:
            raise self.error
        return F.mse_loss(a, y)


def test_the_module_is_as_it_was_however_it_ends() -> None:
    """Also where dropout draws numbers, a bias was lent, gradients were there, and somebody interrupts."""
    net = Net(layered(torch.tanh), bias=False).train()
    net.layers[0].weight.requires_grad_(False)
    for p in net.parameters():
        p.grad = torch.full_like(p, 3.0)
    before, numbers = state(net), torch.random.get_rng_state()
    for n in (0, 40, 53):
        with pytest.raises(KeyboardInterrupt):
            probe_torch(net, Interrupted(n, KeyboardInterrupt))
    with pytest.raises(TypeError):
        probe_torch(Net(layered(lambda z: z.cumsum(1))), mse)
    assert probe_torch(net, mse).verdict == "CONFORMS"
    for a, b in zip(before, state(net), strict=True):
        assert a is b or torch.equal(torch.as_tensor(a), torch.as_tensor(b))
    assert len(list(net.parameters())) == 6  # no bias is left
    assert torch.equal(numbers, torch.random.get_rng_state())
    assert net.training
    assert not nn.modules.module._global_forward_hooks
    assert "apply" not in vars(torch.autograd.function._SingleLevelFunction)
