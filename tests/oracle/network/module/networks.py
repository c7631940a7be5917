"""Modules as people write them: one forward pass in many spellings, and custom functions, right and wrong."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS = (4, 7, 6, 5)
"""Pairwise distinct, and none of them a number of samples."""


class Net(nn.Module):
    """Three layers as modules (``layers``) and as matrices (``W``, ``b``), by whatever forward pass is given."""

    def __init__(
        self,
        run: Callable[[Any, Tensor], Any],
        *,
        bias: bool = True,
        stored_in_out: bool = False,
        widths: tuple[int, ...] = WIDTHS,
        **parts: nn.Module,
    ) -> None:
        super().__init__()
        self.run = run
        pairs = list(pairwise(widths))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.W = nn.ParameterList(torch.randn((m, n) if stored_in_out else (n, m)) for m, n in pairs)
            self.b = nn.ParameterList(torch.randn(n) for _, n in pairs if bias)
            self.layers = nn.ModuleList(nn.Linear(m, n, bias=bias) for m, n in pairs)
        for name, part in parts.items():
            self.add_module(name, part)
        self.double()

    def forward(self, x: Tensor) -> Any:
        """Whatever was given."""
        return self.run(self, x)


Linear = Callable[[Any, Tensor, int], Tensor]


def by_module(net: Any, x: Tensor, i: int) -> Tensor:
    """The layer of that index, as a module."""
    z: Tensor = net.layers[i](x)
    return z


def layered(sigma: Callable[[Any], Any], linear: Linear = by_module) -> Callable[[Any, Tensor], Tensor]:
    """A forward pass of linear layers with an activation between each two."""

    def run(net: Any, x: Tensor) -> Tensor:
        for i in range(len(net.layers) - 1):
            x = sigma(linear(net, x, i))
        return linear(net, x, len(net.layers) - 1)

    return run


class RightReLU(torch.autograd.Function):
    """relu with its derivative."""

    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        """max(z, 0)."""
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        """g where z > 0."""
        (z,) = ctx.saved_tensors
        return g * (z > 0)


class NoDerivative(RightReLU):
    """relu whose backward forgets the derivative."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        """Hand on g."""
        return g


class RightLinear(torch.autograd.Function):
    """x W^T + b with its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor, b: Tensor) -> Tensor:
        """x W^T + b."""
        ctx.save_for_backward(x, W)
        return x @ W.T + b

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """g W, g^T x, and the sum of g over samples."""
        x, W = ctx.saved_tensors
        return g @ W, g.T @ x, g.sum(0)


class MeanOfBias(RightLinear):
    """A linear layer whose bias gets a mean over the samples."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """The mean of g over samples, for b."""
        x, W = ctx.saved_tensors
        return g @ W, g.T @ x, g.mean(0)


class WithoutBias(torch.autograd.Function):
    """x W^T with its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, W: Tensor) -> Tensor:
        """x W^T."""
        ctx.save_for_backward(x, W)
        return x @ W.T

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """g W and g^T x."""
        x, W = ctx.saved_tensors
        return g @ W, g.T @ x


class UntransposedBelow(WithoutBias):
    """The same of a square W, whose cotangent below takes W transposed."""

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        """g W^T and g^T x."""
        x, W = ctx.saved_tensors
        return g @ W.T, g.T @ x


relu: Callable[[Tensor], Tensor] = RightReLU.apply
linear: Callable[[Tensor, Tensor, Tensor], Tensor] = RightLinear.apply
without_bias: Callable[[Tensor, Tensor], Tensor] = WithoutBias.apply
"""Taken from their classes, as people do at the top of a file."""


def functional(net: Any, x: Tensor, i: int) -> Tensor:
    """By ``F.linear``."""
    return F.linear(x, net.W[i], net.b[i])


def product(net: Any, x: Tensor, i: int) -> Tensor:
    """By ``@``."""
    z: Tensor = x @ net.W[i].T + net.b[i]
    return z
