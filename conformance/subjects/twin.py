"""The PyTorch twin: the forward pass alone, written in PyTorch's own functions.

Autograd gives the gradients and, with ``retain_grad``, every layer's dL/dz; ``torch.optim.SGD`` the update.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import reference
from reference import Activation, Layer, Loss
from reference.gradients import reduced_loss
from reference.losses import fused

from ..arrays import Network
from ..problems.problem import Answer, Parameters, Problem, State

ACTIVATIONS: dict[type[Activation], Callable[[Any, Tensor], Tensor]] = {
    reference.Softmax: lambda sigma, z: F.softmax(z, dim=1),
    reference.LogSoftmax: lambda sigma, z: F.log_softmax(z, dim=1),
    reference.GELUTanh: lambda sigma, z: F.gelu(z, approximate="tanh"),
    reference.Hardsigmoid: lambda sigma, z: F.relu6(z + 3) / 6,
    reference.CELU: lambda sigma, z: torch.where(z > 0, z, sigma.alpha * torch.expm1(z.clamp(max=0) / sigma.alpha)),
}
"""What ``torch.nn`` has otherwise than by the same name and parameters; `Hardsigmoid` and `CELU` by parts, since
PyTorch's own depart from the truth (`conformance.subjects.domain`)."""

LOSSES: dict[type[Loss], Callable[[Any, Tensor, Tensor], Tensor]] = {
    reference.HalfSquaredError: lambda loss, a, y: F.mse_loss(a, y, reduction="none").sum(dim=1) / 2,
    reference.MeanSquaredError: lambda loss, a, y: F.mse_loss(a, y, reduction="none").mean(dim=1),
    reference.CrossEntropy: lambda loss, a, y: -torch.special.xlogy(_smoothed(loss, y), a).sum(dim=1),
    reference.BinaryCrossEntropy: lambda loss, a, y: (
        -(torch.special.xlogy(y, a) + torch.special.xlog1py(1 - y, -a)).sum(dim=1)
    ),
    reference.CrossEntropyWithLogits: lambda loss, a, y: F.cross_entropy(
        a, y, weight=_weight(loss, y), label_smoothing=loss.label_smoothing, reduction="none"
    ),
    reference.BinaryCrossEntropyWithLogits: lambda loss, a, y: (
        F.binary_cross_entropy_with_logits(a, y, reduction="none").sum(dim=1)
    ),
    reference.L1: lambda loss, a, y: F.l1_loss(a, y, reduction="none").sum(dim=1),
    reference.Huber: lambda loss, a, y: F.huber_loss(a, y, delta=loss.delta, reduction="none").sum(dim=1),
    reference.SmoothL1: lambda loss, a, y: F.smooth_l1_loss(a, y, beta=loss.beta, reduction="none").sum(dim=1),
    reference.NLL: lambda loss, a, y: -(_smoothed(loss, y) * a).sum(dim=1),
    reference.KLDivergence: lambda loss, a, y: F.kl_div(a, y, reduction="none").sum(dim=1),
    reference.Hinge: lambda loss, a, y: F.relu(1 - y * a).sum(dim=1),
    reference.PoissonNLL: lambda loss, a, y: F.poisson_nll_loss(a, y, reduction="none").sum(dim=1),
}
"""The losses of each sample.  Where PyTorch's own departs from the truth (`conformance.subjects.domain`), its parts."""


def _weight(loss: Any, y: Tensor) -> Tensor | None:
    return torch.tensor(loss.weight, dtype=y.dtype) if loss.weight else None


def _smoothed(loss: Any, y: Tensor) -> Tensor:
    """Targets of a cross-entropy of probabilities or log-probabilities, which PyTorch has for classes only."""
    weight, s = _weight(loss, y), getattr(loss, "label_smoothing", 0)
    y = y * (1 - s) + s / y.shape[1] if s else y
    return y if weight is None else weight * y


class Refusal(ValueError):
    """PyTorch takes no such parameters (``parameters-are-refused`` in `conformance.subjects.domain`)."""


def activated(sigma: Activation, z: Tensor) -> Tensor:
    """sigma(z) by the module of ``torch.nn`` with the same name and parameters; where there is none by sigma's text.

    Raises
    ------
    Refusal
        If PyTorch does not take the parameters.
    """
    kind = type(sigma)
    if kind in ACTIVATIONS:
        return ACTIVATIONS[kind](sigma, z)
    module = getattr(torch.nn, kind.__name__, None)
    if module is None:
        return cast(Tensor, sigma.apply(z))
    try:
        return cast(Tensor, module(**vars(sigma))(z))
    except (AssertionError, RuntimeError) as refusal:  # what torch.nn raises of an interval, and of a large number
        raise Refusal(f"PyTorch takes no {sigma!r} in {str(z.dtype).partition('.')[2]}: {refusal}") from None


def losses(loss: Loss, a: Tensor, y: Tensor) -> Tensor:
    """The loss of each sample, likewise."""
    return LOSSES[type(loss)](loss, a, y) if type(loss) in LOSSES else loss.value(a, y)


def forward(
    network: Network, parameters: list[tuple[Tensor, Tensor]], x: Tensor
) -> tuple[list[Tensor], list[Tensor]]:
    """z and a of every layer, from weights and biases given as tensors."""
    zs: list[Tensor] = []
    outputs: list[Tensor] = []
    a = x
    for (_, _, sigma), (W, b) in zip(network, parameters, strict=True):
        z = F.linear(a, W, b)
        a = activated(sigma, z)
        zs.append(z)
        outputs.append(a)
    return zs, outputs


def loss_value(network: Network, loss: Loss, reduction: str, z: Tensor, a: Tensor, y: Tensor) -> Tensor:
    """The reduced loss, from z and a of the last layer; of the logits where PyTorch advises it."""
    head = fused(network[-1].sigma, loss)
    of_samples = losses(head, z, y) if head else losses(loss, a, y)
    return of_samples.sum() if reduction == "sum" else of_samples.mean()


def tensors(network: Network) -> list[tuple[Tensor, Tensor]]:
    """The network's parameters as leaves that gather gradients; copies, so that nothing is shared."""
    return [(_leaf(W), _leaf(b)) for W, b, _ in network]


def twin_answer(problem: Problem) -> Answer:
    """The answer of PyTorch to a problem."""

    def evaluated(parameters: list[tuple[Tensor, Tensor]], x: Tensor, y: Tensor) -> Pass:
        zs, outputs = forward(problem.network, parameters, x)
        return Pass(zs, outputs, loss_value(problem.network, problem.loss, problem.reduction, zs[-1], outputs[-1], y))

    return _by_autograd(problem, evaluated)


def text_answer(problem: Problem) -> Answer:
    """The answer of PyTorch's autograd through the reference's own forward pass and loss, run on tensors."""

    def evaluated(parameters: list[tuple[Any, Any]], x: Any, y: Any) -> Pass:
        layers = zip(parameters, problem.network, strict=True)
        steps = reference.forward(tuple(Layer(W, b, layer.sigma) for (W, b), layer in layers), x)
        head, (_, z, a) = problem.network[-1].sigma, steps[-1]
        value = reduced_loss(head, z, a, y, problem.loss, problem.reduction).value
        return Pass([step.z for step in steps], [step.a for step in steps], value)

    return _by_autograd(problem, evaluated)


class Pass(NamedTuple):
    """A forward pass in PyTorch: z and a of every layer, and the reduced loss."""

    zs: list[Tensor]
    outputs: list[Tensor]
    value: Tensor


def _by_autograd(
    problem: Problem, evaluated: Callable[[list[tuple[Tensor, Tensor]], Tensor, Tensor], Pass]
) -> Answer:
    """What autograd makes of a forward pass, and an optimiser of that."""
    parameters, x, y = tensors(problem.network), _leaf(problem.x), torch.tensor(problem.y)
    zs, outputs, value = evaluated(parameters, x, y)
    for z in zs:
        z.retain_grad()
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
