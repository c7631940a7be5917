"""What is no chain of linear layers and activations is refused in one line that names the place."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance import probe_torch

from .networks import Net, layered

pytestmark = pytest.mark.sampled(4)

PLACE = r"test_refused\.py:\d+: "


def joined(net: Any, x: Tensor) -> Any:
    return net.layers[2](net.layers[1](x) + torch.tanh(net.layers[0](x)))


def residual(net: Any, x: Tensor) -> Any:
    return net.layers[2](x + torch.tanh(net.layers[0](x)))


def branched(net: Any, x: Tensor) -> Any:
    h = torch.tanh(net.layers[0](x))
    net.layers[2](h)
    return net.layers[1](h)


def tied(net: Any, x: Tensor) -> Any:
    return net.layers[0](torch.tanh(F.linear(x, net.layers[0].weight.T)))


def masked(net: Any, x: Tensor) -> Any:
    return F.linear(x, net.W[0] * (net.W[0].detach() > 0), net.b[0])


def standardised(net: Any, x: Tensor) -> Any:
    return net.layers[0](x / 255 - 0.5)


def normed(net: Any, x: Tensor) -> Any:
    return net.layers[1](net.norm(net.layers[0](x)))


def normed_plainly(net: Any, x: Tensor) -> Any:
    return net.layers[1](F.layer_norm(net.layers[0](x), (7,)))


def recurrent(net: Any, x: Tensor) -> Any:
    return net.layers[0](net.rnn(x)[0])


def convolved(net: Any, x: Tensor) -> Any:
    return net.layers[0](net.conv(x[:, None])[:, 0])


def dropped(net: Any, x: Tensor) -> Any:
    return net.layers[1](F.dropout(net.layers[0](x), 0.5))


def noisy(net: Any, x: Tensor) -> Any:
    z = net.layers[0](x)
    return net.layers[1](z * torch.rand_like(z))


def by_numpy(net: Any, x: Tensor) -> Any:
    return torch.from_numpy(net.layers[0](x).detach().numpy())


def scaled(net: Any, x: Tensor) -> Any:
    return net.layers[0](x) * net.b[0]


REFUSED: list[tuple[Net, str]] = [
    (Net(joined, widths=(4, 4, 4, 4)), PLACE + r"return .*layers\[1\].*: a second layer that takes what x gives|joins"),
    (Net(residual, widths=(4, 4, 4, 4)), PLACE + r".*add joins what x and linear layer 1 give \(a residual"),
    (Net(branched, widths=(4, 4, 4, 4)), PLACE + r".*a second layer that takes what linear layer 1 gives"),
    (Net(tied, widths=(4, 4)), PLACE + r".*got layers\.0\.weight of linear layer 1 once more \(tied\)"),
    (Net(masked), PLACE + r".*a weight that is computed from W\.0 "),
    (Net(standardised), PLACE + r"return .*: expected a Linear first, got div, sub on x; do that to x before"),
    (Net(normed, norm=nn.LayerNorm(7)), PLACE + r".*LayerNorm\): layer_norm with norm\.weight.*judges this operation"),
    (Net(normed_plainly), PLACE + r".*layer_norm is none of the reference's.*judges this operation alone"),
    (Net(recurrent, rnn=nn.GRU(4, 4)), PLACE + r".*\(GRU\): gru with rnn\.weight_ih_l0.*judges this operation alone"),
    (Net(convolved, conv=nn.Conv1d(1, 1, 3, padding=1)), PLACE + r".*\(Conv1d\): conv1d with conv\.weight"),
    (Net(dropped).eval(), PLACE + r".*Dropout is on.*pass training=self\.training"),
    (Net(noisy), PLACE + r".*gives other numbers the second time"),
    (Net(by_numpy), "what it returns is not computed from x by PyTorch's functions"),
    (Net(scaled), PLACE + r".*mul with b\.0 is no x W\^T \+ b"),
    (Net(lambda net, x: (net.layers[0](x), x)), "expected one tensor returned, got tuple"),
    (Net(lambda net, x: net.layers[0](x).sum()), "sum is none of the reference's activations"),
    (
        Net(lambda net, x: net.layers[5](x)),
        r"test_refused\.py:\d+: the module takes no x of shape \(B, 4\): IndexError",
    ),
]


@pytest.mark.parametrize(("net", "said"), REFUSED, ids=[str(i) for i in range(len(REFUSED))])
def test_what_is_no_chain_is_named_by_its_line(net: Net, said: str) -> None:
    with pytest.raises(TypeError, match=said) as refused:
        probe_torch(net, F.mse_loss)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 5)),
            r"module 0 \(Conv2d\): .*give it some with x=",
        ),
        (nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 5)), "takes no x of shape"),
        (
            nn.Sequential(nn.Linear(4, 7), nn.BatchNorm1d(7), nn.Linear(7, 5)),
            r"module 1 \(BatchNorm1d\): batch_norm with",
        ),
    ],
)
def test_modules_of_pytorch_are_named(net: nn.Module, said: str) -> None:
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(TypeError, match=said):
        probe_torch(net, F.mse_loss)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_compiled_module_needs_its_biases() -> None:
    net = Net(layered(torch.tanh, lambda net, x, i: F.linear(x, net.W[i])), bias=False)
    with pytest.raises(TypeError, match=r"ask the module before torch\.compile"):
        probe_torch(torch.compile(net, backend="eager"), F.mse_loss)


def test_a_class_is_no_module() -> None:
    with pytest.raises(TypeError, match=r"expected an instance, such as Linear\(\), got the class Linear$"):
        probe_torch(nn.Linear, nn.MSELoss())


def test_a_point_has_both_parts() -> None:
    net = Net(layered(torch.tanh))
    with pytest.raises(TypeError, match="y: expected x beside it"):
        probe_torch(net, F.mse_loss, y=torch.zeros(3, 5))
    with pytest.raises(ValueError, match=r"y: expected"):
        probe_torch(net, F.mse_loss, x=torch.ones(3, 4), y=torch.zeros(2, 5))
    with pytest.raises(TypeError, match=r"expected a torch\.nn\.Module, got function"):
        probe_torch(layered(torch.tanh), F.mse_loss)
