"""A module as one that answers: its parameters set to a question's, its gradients read, all put back at the end."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from reference import Layer

from ....arrays import Array, Network
from ....problems.problem import GivenAnswer, Parameters, Problem
from .chain import Chain, Linear
from .losses import Objective, value_of
from .trace import tensors_in, watching


class Asked(NamedTuple):
    """A module to be asked: the chain that it is, its loss, and the shape of a sample as it takes it."""

    module: Any
    chain: Chain
    loss: Any
    objective: Objective
    sample: tuple[int, ...]


@contextmanager
def restored(module: nn.Module) -> Iterator[None]:
    """Parameters, buffers, gradients, flags and random numbers are put back at the end, however it comes."""
    parameters, buffers = list(module.parameters()), list(module.buffers())
    kept = [(p.detach().clone(), p.grad, p.requires_grad) for p in parameters]
    saved, modes = [b.detach().clone() for b in buffers], [(part, part.training) for part in module.modules()]
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    with torch.random.fork_rng(devices), torch.inference_mode(False), torch.enable_grad():
        try:
            for p in parameters:
                p.requires_grad_(p.is_floating_point())
            yield
        finally:
            with torch.no_grad():
                for p, (value, gradient, requires) in zip(parameters, kept, strict=True):
                    p.requires_grad_(requires)
                    p.copy_(value)
                    p.grad = gradient
                for buffer, value in zip(buffers, saved, strict=True):
                    buffer.copy_(value)
            for part, training in modes:
                part.training = training


def network_of(chain: Chain, sigmas: Sequence[Any]) -> Network:
    """The network that a module is with its present parameters; a bias that it does not have is 0."""
    layers = []
    for layer, sigma in zip(chain.linear, sigmas, strict=True):
        W = array(layer.weight)
        b = np.zeros(layer.widths[1], W.dtype) if layer.bias is None else array(layer.bias).reshape(-1)
        layers.append(Layer(W.T.copy() if layer.stored_in_out else W, b, sigma))
    return tuple(layers)


def answer(asked: Asked, problem: Problem) -> GivenAnswer:
    """Loss, output and gradients of a problem, by the module itself.

    A parameter that gets no gradient has one of 0, as for any optimizer.  To a layer without a bias the problem's b is
    added behind it, and dL/db is read there.
    """
    device, dtype = asked.chain.linear[0].weight.device, asked.chain.linear[0].weight.dtype
    added: dict[nn.Parameter, nn.Parameter] = {}
    for layer, (W, b, _) in zip(asked.chain.linear, problem.network, strict=True):
        _set(layer.weight, W.T if layer.stored_in_out else W)
        if layer.bias is None:
            added[layer.weight] = nn.Parameter(torch.tensor(b, dtype=dtype, device=device))
        else:
            _set(layer.bias, b.reshape(layer.bias.shape))
    inside = {layer.weight: added[layer.weight] for layer in asked.chain.linear if without_bias(layer, asked.module)}
    x = torch.tensor(problem.x.reshape(-1, *asked.sample), dtype=dtype, device=device, requires_grad=True)
    with _given_biases(asked.module, inside):  # a checkpoint runs forward again on its way back
        with _behind({W: b for W, b in added.items() if W not in inside}, asked.module):
            output = asked.module(x)
        value = value_of(asked.loss, output, torch.tensor(problem.y, dtype=dtype, device=device), asked.objective)
        value = value if asked.objective.factor == 1 else value * asked.objective.factor
        value.backward()
    gradients = []
    for layer in asked.chain.linear:
        of_W, of_b = _gradient(layer.weight), _gradient(layer.bias if layer.bias is not None else added[layer.weight])
        gradients.append(Parameters(of_W.T.copy() if layer.stored_in_out else of_W, of_b.reshape(-1)))
    return GivenAnswer(
        tuple(gradients),
        loss=array(value),
        output=array(output).reshape(problem.y.shape),
        input_gradient=None if x.grad is None else array(x.grad).reshape(problem.x.shape),
    )


def without_bias(layer: Linear, module: nn.Module) -> bool:
    """Whether a layer is an ``nn.Linear`` that was called as such and has no bias, so that it can be given one."""
    found = any(type(part) is nn.Linear and part.weight is layer.weight for part in module.modules())
    return layer.bias is None and layer.place.kind == "Linear" and found


@contextmanager
def _given_biases(module: nn.Module, biases: Mapping[Any, nn.Parameter]) -> Iterator[None]:
    """Each ``nn.Linear`` with one of these weights has the bias to it, until the end."""
    with ExitStack() as stack:
        for part in module.modules():
            if type(part) is nn.Linear and part.weight in biases:
                stack.callback(setattr, part, "bias", None)
                part.bias = biases[part.weight]
        yield


def _behind(biases: Mapping[Any, nn.Parameter], module: nn.Module) -> AbstractContextManager[Any]:
    """To each call on other numbers and a W, or what is W in another shape, that W's bias is added."""
    if not biases:
        return nullcontext()
    own: dict[int, Tensor] = {id(p): p for p in module.parameters()}
    views: list[Any] = []

    def seen(function: Any, arguments: Any, keywords: Any, make: Callable[[], Any]) -> Any:
        tensors, result = list(tensors_in([arguments, keywords])), make()
        of = [own[id(t)] for t in tensors if id(t) in own]
        if of and len(of) == len(tensors):
            views.append(result)  # as long as it lives, nothing else has its id
            own.update({id(view): of[0] for view in tensors_in(result)})
            return result
        lacking = [p for p in of if p in biases]
        return result + biases[lacking[0]] if lacking else result

    return watching(seen)


def _set(p: Tensor, value: Array) -> None:
    with torch.no_grad():
        p.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    p.grad = None


def _gradient(p: Any) -> Array:
    return array(torch.zeros_like(p) if p.grad is None else p.grad)


def array(tensor: Tensor) -> Array:
    """A tensor's numbers, copied; those of bfloat16 in float32."""
    plain = tensor.detach().cpu()
    copied: Array = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy().copy()
    return copied
