"""The PyTorch twin: the forward pass alone, written in PyTorch's own functions.

Autograd gives the gradients and, with ``retain_grad``, every layer's dL/dz; ``torch.optim.SGD`` the update.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from reference import (
    ELU,
    Activation,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    CrossEntropyWithLogits,
    HalfSquaredError,
    Identity,
    LeakyReLU,
    Loss,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from reference.backpropagation import Network
from reference.losses import HEADS

from .problem import Answer, Parameters, Problem, State

SOFTPLUS_THRESHOLD = 40.0
"""Beyond it PyTorch's softplus is linear; e^-40 is below half a unit of 40 in float64, so nothing is lost.

At PyTorch's default of 20 the dropped term is 1e-10 of the value: 2^20 times float64's rounding.
"""

ACTIVATIONS: dict[type[Activation], Callable[[Any, Tensor], Tensor]] = {
    Identity: lambda sigma, z: z,
    Sigmoid: lambda sigma, z: torch.sigmoid(z),
    Tanh: lambda sigma, z: torch.tanh(z),
    ReLU: lambda sigma, z: torch.relu(z),
    LeakyReLU: lambda sigma, z: F.leaky_relu(z, sigma.negative_slope),
    ELU: lambda sigma, z: F.elu(z, sigma.alpha),
    Softplus: lambda sigma, z: F.softplus(z, threshold=SOFTPLUS_THRESHOLD),
    Softmax: lambda sigma, z: F.softmax(z, dim=1),
}

LOSSES: dict[type[Loss], Callable[[Tensor, Tensor], Tensor]] = {
    HalfSquaredError: lambda a, y: F.mse_loss(a, y, reduction="none").sum(dim=1) / 2,
    MeanSquaredError: lambda a, y: F.mse_loss(a, y, reduction="none").mean(dim=1),
    # PyTorch clamps the logarithm in binary_cross_entropy and has no cross-entropy of probabilities.
    CrossEntropy: lambda a, y: -torch.special.xlogy(y, a).sum(dim=1),
    BinaryCrossEntropy: lambda a, y: -(torch.special.xlogy(y, a) + torch.special.xlog1py(1 - y, -a)).sum(dim=1),
    CrossEntropyWithLogits: lambda a, y: F.cross_entropy(a, y, reduction="none"),
    BinaryCrossEntropyWithLogits: lambda a, y: F.binary_cross_entropy_with_logits(a, y, reduction="none").sum(dim=1),
}

def forward(
    network: Network, parameters: list[tuple[Tensor, Tensor]], x: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """z and a of every layer, from weights and biases given as tensors."""
    zs: list[Tensor] = []
    outputs: list[Tensor] = []
    a = x
    for (_, _, sigma), (W, b) in zip(network, parameters, strict=True):
        z = F.linear(a, W, b)
        a = ACTIVATIONS[type(sigma)](sigma, z)
        zs.append(z)
        outputs.append(a)
    return zs, outputs


def loss_value(network: Network, loss: Loss, reduction: str, z: Tensor, a: Tensor, y: Tensor) -> Tensor:
    """The reduced loss, from z and a of the last layer; of the logits where PyTorch advises it."""
    head = HEADS.get((type(network[-1].sigma), type(loss)))
    losses = LOSSES[type(head.loss)](z, y) if head else LOSSES[type(loss)](a, y)
    return losses.sum() if reduction == "sum" else losses.mean()


def tensors(network: Network) -> list[tuple[Tensor, Tensor]]:
    """The network's parameters as leaves that gather gradients; copies, so that nothing is shared."""
    return [(_leaf(W), _leaf(b)) for W, b, _ in network]


def twin_answer(problem: Problem) -> Answer:
    """The answer of PyTorch to a problem."""
    parameters, x, y = tensors(problem.network), _leaf(problem.x), torch.tensor(problem.y)
    zs, outputs = forward(problem.network, parameters, x)
    for z in zs:
        z.retain_grad()
    value = loss_value(problem.network, problem.loss, problem.reduction, zs[-1], outputs[-1], y)
    value.backward()
    gradients = tuple(Parameters(grad(W), grad(b)) for W, b in parameters)
    torch.optim.SGD([p for layer in parameters for p in layer], lr=problem.eta).step()
    return Answer(
        value.detach().numpy(),
        gradients,
        tuple(State(_array(z), _array(a), grad(z)) for z, a in zip(zs, outputs, strict=True)),
        grad(x),
        tuple(Parameters(_array(W), _array(b)) for W, b in parameters),
    )


def _leaf(array: np.ndarray[Any, Any]) -> Tensor:
    return torch.tensor(array, requires_grad=True)


def _array(tensor: Tensor) -> np.ndarray[Any, Any]:
    array: np.ndarray[Any, Any] = tensor.detach().numpy()
    return array


def grad(tensor: Tensor) -> np.ndarray[Any, Any]:
    """What a tensor has gathered."""
    assert tensor.grad is not None  # every layer reaches the loss
    return _array(tensor.grad)
