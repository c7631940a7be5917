"""PyTorch's ways to a gradient: transforms, checkpoints, compilers, gradients added up, other storage."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

import reference

from ...problems.problem import Problem
from .. import twin
from ..routes import off_the_kink_of_l1
from .route import Gradients, Kind, Route, arrays, kind, value

Pairs = tuple[tuple[Tensor, Tensor], ...]
"""The weights and biases of each layer."""

Loss = Callable[[Pairs, Tensor, Tensor], Tensor]
"""The reduced loss of a batch x, y."""


def in_its_functions(of: Kind) -> Loss:
    """The loss in PyTorch's own functions, as the twin has it."""

    def loss(parameters: Pairs, x: Tensor, y: Tensor) -> Tensor:
        zs, outputs = twin.forward(_without_numbers(of), list(parameters), x)
        return reduced(of, zs[-1], outputs[-1], y)

    return loss


def reduced(of: Kind, z: Tensor, a: Tensor, y: Tensor) -> Tensor:
    """The reduced loss in PyTorch's own functions, from z and a of the last layer."""
    return twin.loss_value(_without_numbers(of), of.loss, of.reduction, z, a, y)


def _without_numbers(of: Kind) -> Any:
    return tuple(reference.Layer(None, None, sigma) for sigma in of.sigmas)


def by_the_text(of: Kind) -> Loss:
    """The loss by the reference's text, on tensors."""
    return lambda parameters, x, y: value(of, parameters, x, y)


def tensors(problem: Problem) -> tuple[Pairs, Tensor, Tensor]:
    """The problem's parameters, which need gradients, and its batch, in memory of their own."""
    parameters = tuple(
        (torch.tensor(W, requires_grad=True), torch.tensor(b, requires_grad=True)) for W, b, _ in problem.network
    )
    return parameters, torch.tensor(problem.x), torch.tensor(problem.y)


def _numbers(tensor: Any) -> Any:
    return tensor.detach().numpy()


def given(gradients: Any) -> Gradients:
    """A pair of tensors for each layer as arrays; their strides stay."""
    return arrays((_numbers(W), _numbers(b)) for W, b in gradients)


def pulled(loss: Tensor, parameters: Pairs) -> list[tuple[Tensor, Tensor]]:
    """The gradients of a loss by autograd, a pair for each layer."""
    flat = [part for layer in parameters for part in layer]
    found = torch.autograd.grad(loss, flat)
    return list(zip(found[::2], found[1::2], strict=True))


# --- The routes ------------------------------------------------------------------------------------------------------


def by_autograd_of(loss_of: Callable[[Kind], Loss], scale: float = 1) -> Callable[[Problem], Gradients]:
    """``torch.autograd.grad``; the loss times a number, which is taken out again."""

    def gradients(problem: Problem) -> Gradients:
        parameters, x, y = tensors(problem)
        found = pulled(loss_of(kind(problem))(parameters, x, y) * scale, parameters)
        return given((W / scale, b / scale) for W, b in found)

    return gradients


def transformed(transform: Callable[[Loss], Any]) -> Callable[[Problem], Gradients]:
    """A transform of ``torch.func``: jacrev, jacfwd and their kin."""

    def gradients(problem: Problem) -> Gradients:
        parameters, x, y = tensors(problem)
        free = tuple((W.detach(), b.detach()) for W, b in parameters)
        return given(transform(in_its_functions(kind(problem)))(free, x, y))

    return gradients


def sample_by_sample(problem: Problem) -> Gradients:
    """``vmap(grad)``: a gradient for each sample, then their sum or mean."""
    parameters, x, y = tensors(problem)
    free = tuple((W.detach(), b.detach()) for W, b in parameters)
    loss = in_its_functions(kind(problem)._replace(reduction="sum"))

    def of_one(parameters: Pairs, x: Tensor, y: Tensor) -> Tensor:
        return loss(parameters, x[None], y[None])

    found = torch.func.vmap(torch.func.grad(of_one), in_dims=(None, 0, 0))(free, x, y)
    mean = problem.reduction == "mean"
    return given([[part.mean(dim=0) if mean else part.sum(dim=0) for part in layer] for layer in found])


def checkpointed(problem: Problem) -> Gradients:
    """``torch.utils.checkpoint``: each layer is run again when autograd comes to it."""
    from torch.utils.checkpoint import checkpoint

    parameters, a, y = tensors(problem)
    z = a
    for (W, b), (_, _, sigma) in zip(parameters, problem.network, strict=True):
        z = checkpoint(torch.nn.functional.linear, a, W, b, use_reentrant=False)
        a = checkpoint(twin.activated, sigma, z, use_reentrant=False)
    loss = reduced(kind(problem), z, a, y)
    return given(pulled(loss, parameters))


def accumulated(problem: Problem) -> Gradients:
    """``backward`` on micro-batches of two, each over B for the mean, added up in ``.grad``."""
    parameters, x, y = tensors(problem)
    loss = in_its_functions(kind(problem)._replace(reduction="sum"))
    B = len(x) if problem.reduction == "mean" else 1
    for some_x, some_y in zip(x.split(2), y.split(2), strict=True):
        (loss(parameters, some_x, some_y) / B).backward()
    return arrays((twin.grad(W), twin.grad(b)) for W, b in parameters)


def in_out(problem: Problem) -> Gradients:
    """Weights stored as (in, out), ``addmm`` for the products; the gradients are transposed views."""
    parameters, a, y = tensors(problem)
    stored = tuple((W.detach().T.contiguous().requires_grad_(), b) for W, b in parameters)
    z = a
    for (W, b), (_, _, sigma) in zip(stored, problem.network, strict=True):
        z = torch.addmm(b, a, W)
        a = twin.activated(sigma, z)
    loss = reduced(kind(problem), z, a, y)
    return given((W.T, b) for W, b in pulled(loss, stored))


def augmented(problem: Problem) -> Gradients:
    """[W b] as one matrix, times [a 1]."""
    parameters, a, y = tensors(problem)
    whole = [torch.cat([W, b[:, None]], dim=1).detach().requires_grad_() for W, b in parameters]
    z = a
    for Wb, (_, _, sigma) in zip(whole, problem.network, strict=True):
        z = torch.cat([a, torch.ones_like(a[:, :1])], dim=1) @ Wb.T
        a = twin.activated(sigma, z)
    reduced(kind(problem), z, a, y).backward()
    return given((Wb.grad[:, :-1], Wb.grad[:, -1]) for Wb in whole if Wb.grad is not None)


def in_double(problem: Problem) -> Gradients:
    """All in float64, the gradients as the problem has them."""
    parameters, x, y = tensors(problem)
    wide = tuple((W.detach().double().requires_grad_(), b.detach().double().requires_grad_()) for W, b in parameters)
    found = given(pulled(in_its_functions(kind(problem))(wide, x.double(), y.double()), wide))
    return arrays((W.astype(problem.dtype), b.astype(problem.dtype)) for W, b in found)


@lru_cache(maxsize=1)
def _compiled(backend: str, of: Kind) -> Any:
    torch.compiler.reset()  # it compiles eight times at most, and then no longer
    return torch.compile(in_its_functions(of), backend=backend, dynamic=False)


def compiled(backend: str) -> Callable[[Problem], Gradients]:
    """``torch.compile`` with a backend."""

    def gradients(problem: Problem) -> Gradients:
        parameters, x, y = tensors(problem)
        return given(pulled(_compiled(backend, kind(problem))(parameters, x, y), parameters))

    return gradients


def as_a_module(problem: Problem) -> Gradients:
    """``torch.nn.Linear`` in a ``Sequential``, a step of ``backward``."""
    layers = []
    for W, b, _ in problem.network:
        linear = torch.nn.Linear(W.shape[1], W.shape[0], dtype=torch.tensor(W).dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor(W))
            linear.bias.copy_(torch.tensor(b))
        layers.append(linear)
    z = a = torch.tensor(problem.x)
    for module, (_, _, sigma) in zip(torch.nn.Sequential(*layers), problem.network, strict=True):
        z = module(a)
        a = twin.activated(sigma, z)
    loss = reduced(kind(problem), z, a, torch.tensor(problem.y))
    loss.backward()
    return arrays((twin.grad(linear.weight), twin.grad(linear.bias)) for linear in layers)


def few(problem: Problem) -> bool:
    """Few parameters, since forward mode takes a pass for each, and no l1 at its kink."""
    return sum(np.size(W) + np.size(b) for W, b, _ in problem.network) <= 400 and off_the_kink_of_l1(problem)


TORCHED = (
    Route("torch-grad-of-the-text", by_autograd_of(by_the_text), "autograd.grad through the text",
          applies=off_the_kink_of_l1, needs=("torch",)),
    Route("torch-loss-scale-1000", by_autograd_of(in_its_functions, 1000), "the loss times 1000", recursive=False,
          needs=("torch",)),
    Route("torch-loss-scale-65536", by_autograd_of(in_its_functions, 2.0**16), "the loss times 2^16", needs=("torch",)),
    Route("torch-func-grad", transformed(torch.func.grad), "torch.func.grad", needs=("torch",)),
    Route("torch-func-jacrev", transformed(torch.func.jacrev), "torch.func.jacrev", needs=("torch",)),
    Route("torch-func-jacfwd", transformed(torch.func.jacfwd), "torch.func.jacfwd", recursive=False, applies=few,
          needs=("torch",), slow=True),
    Route("torch-vmap-grad", sample_by_sample, "vmap(grad), a gradient a sample", needs=("torch",)),
    Route("torch-checkpoint", checkpointed, "torch.utils.checkpoint", needs=("torch",)),
    Route("torch-accumulated", accumulated, "micro-batches added up in .grad", needs=("torch",)),
    Route("torch-in-out", in_out, "weights stored as (in, out)", needs=("torch",)),
    Route("torch-augmented", augmented, "[W b] times [a 1]", needs=("torch",)),
    Route("torch-in-double", in_double, "float64 throughout", needs=("torch",)),
    Route("torch-module", as_a_module, "nn.Linear in nn.Sequential", needs=("torch",)),
    Route("torch-compile-aot", compiled("aot_eager"), "torch.compile, traced and partitioned", needs=("torch",),
          compiles=True),
    Route("torch-compile", compiled("inductor"), "torch.compile with its own kernels", needs=("torch", "c++"),
          slow=True, compiles=True),
)  # fmt: skip
"""PyTorch's."""
