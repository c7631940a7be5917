"""A PyTorch module is asked itself: right and wrong ones, compiled ones, and those that cannot be expressed."""

from collections.abc import Callable
from itertools import zip_longest
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from conformance import probe_torch
from reference import ACTIVATIONS, Activation, Identity, Tanh

pytestmark = pytest.mark.sampled(4)


class Own(nn.Module):
    """An activation of somebody's own, by an ``autograd.Function``."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, z: Tensor) -> Any:
        """sigma(z)."""
        return self.function.apply(z)


class RightTanh(torch.autograd.Function):
    """tanh with its derivative."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        """tanh(z)."""
        a: Tensor = torch.tanh(z)
        ctx.save_for_backward(a)
        return a

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        """g (1 - a^2)."""
        a: Tensor = ctx.saved_tensors[0]
        return g * (1 - a * a)


class Unparenthesised(RightTanh):
    """tanh with a mistake that a cotangent of ones cannot see."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        """g - a^2."""
        a: Tensor = ctx.saved_tensors[0]
        return g - a * a


def sequential(*activations: nn.Module, widths: tuple[int, ...] = (4, 7, 6, 5), dtype: Any = torch.float64) -> Any:
    layers: list[nn.Module] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for m, n, sigma in zip_longest(widths[:-1], widths[1:], activations):
            layers += [nn.Linear(m, n), *([sigma] if sigma else [])]
    return nn.Sequential(*layers).to(dtype)


@pytest.mark.parametrize("name", [kind.__name__ for kind in ACTIVATIONS.values() if hasattr(nn, kind.__name__)])
def test_the_modules_of_pytorch_are_known(name: str) -> None:
    """By the names of their classes; hardsigmoid's own derivative in float64 is a float32, which is found."""
    module: Any = getattr(nn, name)
    dim = {"dim": 1} if name in ("Softmax", "LogSoftmax") else {}
    for dtype in (torch.float32, torch.float64):
        report = probe_torch(sequential(module(**dim), nn.Tanh(), dtype=dtype), nn.MSELoss())
        departs = name == "Hardsigmoid" and dtype == torch.float64
        assert report.verdict == ("WRONG" if departs else "CONFORMS"), str(report)


LOSSES: list[tuple[Any, tuple[int, ...]]] = [
    (nn.MSELoss(), (4, 7, 6, 5)),
    (nn.CrossEntropyLoss(), (4, 7, 6, 5)),
    (nn.CrossEntropyLoss(torch.tensor([0.5, 2.0, 1.0, 0.25, 3.0]).double(), label_smoothing=0.125), (4, 7, 6, 5)),
    (nn.CrossEntropyLoss(reduction="sum"), (4, 7, 6, 5)),
    (nn.L1Loss(reduction="sum"), (4, 7, 6, 5)),
    (nn.HuberLoss(reduction="sum", delta=0.5), (4, 7, 6, 5)),
    (nn.SmoothL1Loss(reduction="sum", beta=0.5), (4, 7, 6, 5)),
    (nn.BCEWithLogitsLoss(reduction="sum"), (4, 7, 6, 5)),
    (nn.BCEWithLogitsLoss(), (4, 7, 6, 1)),
]


@pytest.mark.parametrize(("loss", "widths"), LOSSES, ids=lambda value: type(value).__name__)
def test_the_losses_of_pytorch_are_known(loss: Any, widths: tuple[int, ...]) -> None:
    report = probe_torch(sequential(nn.Tanh(), nn.ReLU(), widths=widths), loss)
    assert report.verdict == "CONFORMS", str(report)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_wrong_derivative_of_ones_own_is_found_and_a_right_one_is_not(dtype: torch.dtype) -> None:
    names: dict[type, Activation | str] = {Own: "tanh"}
    right = probe_torch(sequential(Own(RightTanh), nn.ReLU(), dtype=dtype), nn.MSELoss(), activations=names)
    assert right.verdict == "CONFORMS"
    wrong = probe_torch(sequential(Own(Unparenthesised), nn.ReLU(), dtype=dtype), nn.MSELoss(), activations=names)
    assert wrong.verdict == "WRONG"
    assert (wrong.findings[0].equation, wrong.findings[0].layer) == ("B2", 1)
    net = sequential(nn.ReLU(), Own(Unparenthesised), dtype=dtype)
    swapped = probe_torch(net, nn.MSELoss(), activations={Own: Tanh()})
    assert (swapped.findings[0].equation, swapped.findings[0].layer) == ("B2", 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loss_of_probabilities_is_known(dtype: torch.dtype) -> None:
    report = probe_torch(sequential(nn.Tanh(), nn.ReLU(), nn.Sigmoid(), dtype=dtype), nn.BCELoss(reduction="sum"))
    assert report.verdict == "CONFORMS", f"\n{report}"


def test_modules_are_known_however_they_are_said() -> None:
    net = sequential(nn.Softmax(dim=-1), nn.GELU(approximate="tanh"), nn.GELU())
    for asked in (net, torch.compile(net, backend="eager")):
        report = probe_torch(asked, nn.MSELoss())
        assert report.verdict == "CONFORMS"
        assert report.remarks[0].startswith("Taken as: 4 inputs; layers of 7 softmax, 6 gelu_tanh, 5 gelu; ")
    report = probe_torch(net, nn.MSELoss())
    assert (report.verdict, report.subject.version) == ("CONFORMS", f"PyTorch {torch.__version__}")


def test_what_is_said_of_ones_own_must_be_of_the_references() -> None:
    net, unknown = sequential(Own(RightTanh), nn.ReLU()), cast(Any, nn.Tanh())
    with pytest.raises(TypeError, match="activations: Own: sigma: expected an activation"):
        probe_torch(net, nn.MSELoss(), activations={Own: unknown})
    with pytest.raises(ValueError, match="reduction: expected 'sum' or 'mean' beside equation, got None"):
        probe_torch(sequential(nn.Tanh()), nn.MSELoss(), equation="mean_squared_error")


def test_conventions_targets_and_seed_are_those_of_the_questions() -> None:
    """PyTorch's derivative of relu at 0 is 0; and without the logarithm's weight, the targets must sum to one."""
    net = sequential(nn.ReLU(), nn.Tanh(), nn.Tanh())
    at_zero = "relu_derivative_at_zero"
    assert probe_torch(net, nn.MSELoss(), conventions={at_zero: 0}).verdict == "CONFORMS"
    assert probe_torch(net, nn.MSELoss(), conventions={at_zero: 1}).verdict == "WRONG"

    def of_logits(z: Tensor, y: Tensor) -> Tensor:
        return (torch.logsumexp(z, dim=1) - (z * y).sum(dim=1)).sum()

    options: dict[str, Any] = {"equation": "cross_entropy_with_logits", "reduction": "sum", "seed": 3}
    net = sequential(nn.Tanh(), nn.Tanh())
    assert probe_torch(net, of_logits, targets="any", **options).verdict == "WRONG"
    report = probe_torch(net, of_logits, targets="distribution", **options)
    assert (report.verdict, report.seed) == ("CONFORMS", 3)


def test_a_wide_module_and_a_loss_of_ones_own() -> None:
    net = sequential(nn.ReLU(), widths=(300, 70, 10), dtype=torch.float32)

    def half(output: Tensor, y: Tensor) -> Tensor:
        return ((output - y) ** 2).sum() / 2

    assert probe_torch(net, half, equation="half_squared_error", reduction="sum").verdict == "CONFORMS"
    twice = probe_torch(net, lambda a, y: 2 * half(a, y), equation="half_squared_error", reduction="sum")
    assert twice.verdict == "WRONG"
    low = nn.Sequential(net[0], nn.ReLU(), net[2])
    low.register_forward_hook(lambda module, arguments, output: output.bfloat16().float())
    assert probe_torch(low, nn.MSELoss()).verdict == "WRONG"


def test_the_module_is_left_as_it_was() -> None:
    net = sequential(nn.Tanh(), nn.Sigmoid())
    net[0].weight.requires_grad_(False)
    net[2].bias.grad = torch.full_like(net[2].bias, 3.0)
    before = {name: p.clone() for name, p in net.state_dict().items()}
    assert probe_torch(net, nn.MSELoss()).verdict == "CONFORMS"
    assert not [(name, p) for name, p in net.state_dict().items() if not torch.equal(p, before[name])]
    assert not net[0].weight.requires_grad
    assert torch.equal(net[2].bias.grad, torch.full_like(net[2].bias, 3.0))
    assert net[0].weight.grad is None
    assert net.training


def broken(change: Callable[[Any], object]) -> Any:
    net = sequential(nn.Tanh(), nn.ReLU())
    change(net)
    return net


@pytest.mark.parametrize(
    ("net", "loss", "said"),
    [
        (sequential(nn.BatchNorm1d(7), nn.ReLU()), nn.MSELoss(), r"module 1 \(BatchNorm1d\): batch_norm with 1.weight"),
        (sequential(nn.Dropout(0.5), nn.ReLU()), nn.MSELoss(), r"module 1 \(Dropout\): Dropout is on.*call \.eval\(\)"),
        (sequential(nn.Tanh(), nn.ReLU()), nn.MSELoss, r"write MSELoss\(\)"),
        (
            nn.Sequential(nn.Tanh(), nn.Linear(4, 5)),
            nn.MSELoss(),
            r"module 0 \(Tanh\): expected a Linear first, got tanh",
        ),
        (nn.Tanh(), nn.MSELoss(), "found no parameters"),
        (sequential(nn.Softmax(dim=0), nn.ReLU()), nn.MSELoss(), "module 1: nn.Softmax is none of the reference's"),
        (nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.SELU()), nn.MSELoss(), "nn.Tanh then nn.SELU is none of the ref"),
        (broken(lambda net: net[0].float()), nn.MSELoss(), "parameters of one dtype on one device"),
        (broken(lambda net: net.half()), nn.MSELoss(), "got float16; ask module.float"),
        (broken(lambda net: net[0].bfloat16()), nn.MSELoss(), "got bfloat16 on cpu and float"),
        (sequential(nn.Tanh(), nn.ReLU()), nn.BCELoss(), "BCELoss takes what a Sigmoid gives; expected it last"),
        (nn.Sequential(nn.Linear(4, 5), nn.Softmax(dim=1)), nn.CrossEntropyLoss(), "logits; leave out the Softmax"),
        (
            sequential(nn.Tanh(), nn.Tanh(), nn.Sigmoid()),
            nn.BCELoss(torch.linspace(1, 3, 5).double()),
            "by its numbers none of the reference's",
        ),
        (
            sequential(nn.Tanh()),
            nn.BCEWithLogitsLoss(pos_weight=torch.full((6,), 2.0), reduction="sum"),
            "by its numbers none of the reference's",
        ),
        (sequential(nn.Tanh(), nn.ReLU()), nn.MSELoss(reduction="none"), "expected MSELoss with reduction"),
        (sequential(nn.Tanh(), nn.ReLU()), nn.CosineEmbeddingLoss(), "by its numbers none of the reference's"),
        (sequential(nn.Tanh(), nn.ReLU()), lambda a, y: a.sum(), "by its numbers none of the reference's"),
        (
            sequential(nn.Tanh(), nn.ReLU()),
            lambda a, y: 0.3 * ((a - y) ** 2).sum(),
            "0.6 times .half_squared_error, sum",
        ),
    ],
)
def test_what_cannot_be_expressed_is_named(net: Any, loss: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said):
        probe_torch(net, loss)


def test_an_activation_that_stands_twice_is_one_of_each_layer() -> None:
    twice = nn.Tanh()
    assert probe_torch(sequential(twice, twice), nn.MSELoss()).verdict == "CONFORMS"


def test_a_shared_layer_is_named() -> None:
    shared = nn.Linear(5, 5)
    with pytest.raises(TypeError, match=r"module 0: expected parameters of its own, got 0\.weight of"):
        probe_torch(nn.Sequential(shared, nn.Tanh(), shared), nn.MSELoss())


def test_tied_and_computed_weights_are_named() -> None:
    tied = sequential(nn.Tanh(), nn.ReLU(), widths=(5, 5, 5, 5))
    tied[2].weight = tied[0].weight
    with pytest.raises(TypeError, match=r"module 2: .* got 0\.weight of linear layer 1 once more \(tied\)"):
        probe_torch(tied, nn.MSELoss())
    for of_weights in (nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm):
        computed = nn.Sequential(of_weights(nn.Linear(4, 7)), nn.Tanh(), nn.Linear(7, 5)).double()
        with pytest.raises(
            TypeError, match=r"module 0: expected a parameter, got a weight that is computed from 0\.param"
        ):
            probe_torch(computed, nn.MSELoss())


def test_dropout_that_is_off_and_nested_modules_are_passed() -> None:
    inner = nn.Sequential(nn.Dropout(0.5), nn.Tanh())
    net = nn.Sequential(nn.Linear(4, 6), inner, nn.Linear(6, 5), nn.Identity()).double()
    assert probe_torch(net.eval(), nn.MSELoss()).verdict == "CONFORMS"
    with pytest.raises(TypeError, match=r"module 1\.0 \(Dropout\): Dropout is on"):
        probe_torch(net.train(), nn.MSELoss())
    assert probe_torch(sequential(nn.Tanh(), nn.Dropout(0.0)), nn.MSELoss()).verdict == "CONFORMS"  # drops nothing


def test_a_layer_that_gets_no_gradient_is_named() -> None:
    class Detached(nn.Module):
        def forward(self, z: Tensor) -> Tensor:
            return z.detach()

    report = probe_torch(sequential(Detached(), nn.ReLU()), nn.MSELoss(), activations={Detached: Identity()})
    assert report.verdict == "WRONG"
    assert (report.findings[0].equation, report.findings[0].layer) == ("B2", 1)
    assert "lets no gradient pass" in report.findings[0].explanation


def test_volunteered_numbers_are_judged_too() -> None:
    """A loss that is off by a constant has the right gradient: only its own label is violated."""
    mse = nn.MSELoss()
    report = probe_torch(
        sequential(nn.Tanh(), nn.ReLU()), lambda a, y: mse(a, y) + 1, equation="mean_squared_error", reduction="mean"
    )
    assert [finding.equation for finding in report.findings] == ["L2"]
    assert np.isfinite(report.findings[0].got)
    # Output and dL/dx, of the networks of three layers.
    assert report.tallies["F2", 3].elements > 0
    assert report.tallies["B2", 0].elements > 0
