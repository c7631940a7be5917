"""PyTorch modules as subjects: an ``nn.Sequential`` of linear layers and activations is asked itself.

Its parameters are set to those of each question, it runs forward on whatever device and by whatever kernel it has, its
loss is called and ``backward`` too; afterwards everything is as it was.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import reference
from reference import Activation, Loss, activation
from reference import loss as named_loss

from ...arrays import Network
from ...bounds.admitted import declared
from ...bounds.paths import MIXING
from ...judge.report import Report, Subject
from ...problems.problem import GivenAnswer, Parameters, Problem
from .asking.domain import Domain, Targets
from .interrogation import interrogated

if TYPE_CHECKING:
    import torch

PER_SAMPLE: dict[str, Callable[[Any], Loss]] = {
    "CrossEntropyLoss": lambda m: reference.CrossEntropyWithLogits(_weight(m), m.label_smoothing),
}
"""Losses whose ``mean`` is over the samples alone."""

PER_ELEMENT: dict[str, Callable[[Any], Loss]] = {
    "L1Loss": lambda m: reference.L1(),
    "HuberLoss": lambda m: reference.Huber(m.delta),
    "SmoothL1Loss": lambda m: reference.SmoothL1(m.beta),
    "BCELoss": lambda m: reference.BinaryCrossEntropy(),
    "BCEWithLogitsLoss": lambda m: reference.BinaryCrossEntropyWithLogits(),
}
"""Losses whose ``mean`` is over samples and outputs: the reference's where there is one output."""


class Parts(NamedTuple):
    """A module taken apart: its linear layers, the activation of each, and the widths n_0 to n_L."""

    linear: tuple[Any, ...]
    sigmas: tuple[Activation, ...]
    widths: tuple[int, ...]


def probe_torch(
    module: "torch.nn.Module",
    loss: Any,
    *,
    activations: Mapping[type, Activation | str] | None = None,
    equation: Loss | str | None = None,
    reduction: str | None = None,
    conventions: Mapping[str, float] | None = None,
    targets: Targets | None = None,
    seed: int = 0,
) -> Report:
    """Ask a PyTorch module for its gradients, and say whether they are right and, if not, where.

    Parameters
    ----------
    module : torch.nn.Module
        An ``nn.Sequential``, nested or compiled, of ``nn.Linear`` and activations, float32 or float64, on any device.
    loss : torch.nn loss, or callable
        Called as ``loss(output, y)``, y (B, n_L) of the output's dtype; a scalar.
    activations : mapping, optional
        What classes of your own compute, as ``{MyGELU: "gelu"}``: an activation of the reference or its name.
    equation, reduction : loss or its name, "sum" or "mean"
        What a loss of your own computes; read from the losses of ``torch.nn``.
    conventions, targets
        As for `conformance.probe`.
    seed : int
        Of the questions.

    Returns
    -------
    Report
        Loss, output and dL/dx are judged besides the gradients.

    Raises
    ------
    TypeError, ValueError
        Naming what cannot be expressed: another module, a layer without bias, a loss with another reduction.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 7), torch.nn.Tanh(), torch.nn.Linear(7, 5)).double()
    >>> probe_torch(net, torch.nn.MSELoss()).verdict
    'CONFORMS'
    """
    parts = taken_apart(module, activations or {})
    dtype, device = _format(parts)
    of, by = _loss(loss, equation, reduction, parts.widths[-1])
    if isinstance(of, reference.CrossEntropyWithLogits) and isinstance(parts.sigmas[-1], MIXING):
        raise ValueError(f"loss: {type(loss).__name__} takes logits; leave out the {type(parts.sigmas[-1]).__name__}")
    seed = reference.checks.numbers.check_whole_number("seed", seed, 0)
    domain = Domain(
        _one_each(parts), [(parts.sigmas[-1], of)], [by], dtype,  # type: ignore[list-item]
        widths=parts.widths, conventions=declared(conventions), targets=targets,
    )  # fmt: skip
    reference.checks.check_loss(_network(parts), np.dtype(dtype), of, by)
    subject = Subject(type(module).__name__, _version(), "python")
    with _restored(module, parts):
        return interrogated(lambda problem: _answer(module, loss, parts, device, problem), domain, subject, seed)


def taken_apart(module: Any, activations: Mapping[type, Activation | str]) -> Parts:
    """The linear layers and activations of a module, in order; raises like `probe_torch`."""
    from torch import nn

    linear: list[Any] = []
    sigmas: list[Activation | None] = []
    for where, part in _flat(getattr(module, "_orig_mod", module), ""):
        if isinstance(part, nn.Linear):
            if not part.in_features or not part.out_features:
                raise ValueError(f"{where}: expected inputs and outputs, got {part}")
            _check_own_parameters(where, part, linear)
            linear.append(part)
            sigmas.append(None)
            continue
        if isinstance(part, nn.Dropout) and (not part.training or part.p == 0):
            continue
        sigma = _sigma(where, part, activations)
        if not linear:
            raise TypeError(f"{where}: expected a Linear first, got {type(part).__name__}")
        if sigmas[-1] is not None and not isinstance(sigma, reference.Identity):
            raise TypeError(f"{where}: expected one activation after a Linear, got {type(part).__name__} after another")
        sigmas[-1] = sigmas[-1] or sigma
    if not linear:
        raise TypeError(f"module: expected an nn.Sequential with a Linear, got {type(module).__name__}")
    widths = (linear[0].in_features, *(layer.out_features for layer in linear))
    return Parts(tuple(linear), tuple(sigma or reference.Identity() for sigma in sigmas), widths)


def _check_own_parameters(where: str, layer: Any, earlier: list[Any]) -> None:
    """The layer has a weight and a bias that are parameters of its own, as the documented equations take them."""
    if layer.bias is None:
        raise TypeError(f"{where}: expected a Linear with bias, got one without; dL/db shows delta")
    if any(layer is other for other in earlier):
        raise TypeError(f"{where}: expected layers of their own, got the one of {earlier.index(layer)} once more")
    for name in ("weight", "bias"):
        if name not in layer._parameters:
            raise TypeError(
                f"{where}: expected {name} as a parameter, got one that is computed from others (weight_norm, "
                "spectral_norm, parametrize), whose gradients are none of the documented equations"
            )
        shared = [l for l, other in enumerate(earlier, start=1) if getattr(other, name) is getattr(layer, name)]
        if shared:
            raise TypeError(
                f"{where}: expected a {name} of its own, got that of linear layer {shared[0]} (tied), whose gradient "
                "is a sum over both layers"
            )


def _flat(module: Any, where: str) -> Iterator[tuple[str, Any]]:
    from torch import nn

    if isinstance(module, nn.Sequential):
        for name, part in module._modules.items():  # named_children leaves out what stands twice
            yield from _flat(part, f"{where}{name}." if isinstance(part, nn.Sequential) else f"{where}{name}")
    else:
        yield f"module {where or '0'}", module


def _sigma(where: str, part: Any, activations: Mapping[type, Activation | str]) -> Activation:
    """The reference's activation that a module computes."""
    from torch import nn

    if type(part) in activations:
        known = activations[type(part)]
        sigma = activation(known) if isinstance(known, str) else known
        reference.checks.check_activation(f"activations: {type(part).__name__}", sigma)
        return sigma
    name = type(part).__name__
    if isinstance(part, nn.Dropout):
        raise TypeError(f"{where}: Dropout is on, and what it does is none of the reference's equations; call .eval()")
    if getattr(nn, name, None) is not type(part):
        raise TypeError(
            f"{where}: expected a Linear or an activation of torch.nn, got {type(part).__module__}.{name}; "
            f"if it computes one of the reference's, say activations={{{name}: 'tanh'}}"
        )
    same = of_same_name(part)
    if same is None:
        raise TypeError(f"{where}: nn.{name} is none of the reference's equations")
    if name in ("Softmax", "LogSoftmax") and part.dim not in (1, -1):
        raise TypeError(f"{where}: expected {name}(dim=1), over the units, got dim={part.dim}")
    return same


def of_same_name(part: Any) -> Activation | None:
    """The activation with the name and the parameters of a module of ``torch.nn``; None where there is none."""
    name = type(part).__name__
    if name == "GELU" and part.approximate == "tanh":
        return reference.GELUTanh()
    kinds: dict[str, Any] = {kind.__name__: kind for kind in reference.ACTIVATIONS.values()}
    if name not in kinds:
        return None
    sigma: Activation = kinds[name](*(getattr(part, field.name) for field in fields(kinds[name])))
    return sigma


def _loss(loss: Any, equation: Loss | str | None, reduction: str | None, outputs: int) -> tuple[Loss, str]:
    """The reference's loss and reduction that a loss computes."""
    from torch import nn

    name = type(loss).__name__
    if equation is not None:
        if reduction not in ("sum", "mean"):
            raise ValueError(f"reduction: expected 'sum' or 'mean' beside equation, got {reduction!r}")
        return (named_loss(equation) if isinstance(equation, str) else equation), reduction
    if isinstance(loss, type):
        raise TypeError(f"loss: expected a loss such as nn.MSELoss(), got a class: write {loss.__name__}()")
    if getattr(nn, name, None) is not type(loss):
        raise TypeError(
            f"loss: expected a loss of torch.nn, got {name}; say what it computes with equation= and reduction="
        )
    if loss.reduction not in ("sum", "mean"):
        raise ValueError(f"loss: expected {name} with reduction 'sum' or 'mean', got {loss.reduction!r}")
    if name == "MSELoss" and loss.reduction == "mean":
        return reference.MeanSquaredError(), "mean"
    if name in PER_SAMPLE:
        return PER_SAMPLE[name](loss), loss.reduction
    if name in PER_ELEMENT and getattr(loss, "weight", None) is None and getattr(loss, "pos_weight", None) is None:
        if loss.reduction == "sum" or outputs == 1:
            return PER_ELEMENT[name](loss), loss.reduction
        raise ValueError(
            f"loss: {name} with reduction 'mean' divides by the {outputs} outputs too, which is none of the "
            f"reference's losses; take reduction='sum'"
        )
    raise TypeError(f"loss: {name}({loss.reduction!r}) is none of the reference's losses, or only with other settings")


def _weight(loss: Any) -> tuple[float, ...]:
    return () if loss.weight is None else tuple(loss.weight.tolist())


def _one_each(parts: Parts) -> tuple[Activation, ...]:
    """The hidden activations, layer by layer: the questions take them in turn."""
    return parts.sigmas[:-1] or (reference.Identity(),)


def _network(parts: Parts) -> Network:
    """A network of these layers, for the reference's checks; its numbers mean nothing."""
    return tuple(
        reference.Layer(np.ones((n, 1)), np.ones(n), sigma)
        for n, sigma in zip(parts.widths[1:], parts.sigmas, strict=True)
    )


def _format(parts: Parts) -> tuple[str, Any]:
    """The one dtype and device of all parameters."""
    parameters = [p for layer in parts.linear for p in (layer.weight, layer.bias)]
    kinds = {(str(p.dtype).removeprefix("torch."), p.device) for p in parameters}
    if len(kinds) != 1:
        raise TypeError(f"module: expected parameters of one dtype on one device, got {sorted(map(str, kinds))}")
    ((dtype, device),) = kinds
    if dtype not in ("float32", "float64"):
        raise TypeError(f"module: expected float32 or float64 parameters, got {dtype}")
    return dtype, device


def _version() -> str:
    import torch

    return f"PyTorch {torch.__version__}"


@contextmanager
def _restored(module: Any, parts: Parts) -> Iterator[None]:
    """Parameters, their gradients and what they require, put back at the end."""
    import torch

    parameters = [p for layer in parts.linear for p in (layer.weight, layer.bias)]
    kept = [(p.detach().clone(), p.grad, p.requires_grad) for p in parameters]
    try:
        for p in parameters:
            p.requires_grad_(True)
        yield
    finally:
        with torch.no_grad():
            for p, (value, gradient, requires) in zip(parameters, kept, strict=True):
                p.copy_(value)
                p.grad = gradient
                p.requires_grad_(requires)


def _answer(module: Any, loss: Any, parts: Parts, device: Any, problem: Problem) -> GivenAnswer:
    """Loss, output and gradients of a question, by the module itself."""
    import torch

    with torch.no_grad():
        for layer, (W, b, _) in zip(parts.linear, problem.network, strict=True):
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(W)))
            layer.bias.copy_(torch.from_numpy(np.ascontiguousarray(b)))
            layer.weight.grad = layer.bias.grad = None
    x = torch.tensor(problem.x, device=device, requires_grad=True)
    output = module(x)
    value = loss(output, torch.tensor(problem.y, device=device))
    value.backward()
    gradients = [(layer.weight.grad, layer.bias.grad) for layer in parts.linear]
    for l, pair in enumerate(gradients, start=1):
        if any(p is None for p in pair):
            raise RuntimeError(f"layer {l} has no gradient: its output does not reach the loss")

    def array(tensor: Any) -> Any:
        return tensor.detach().cpu().numpy().copy()

    return GivenAnswer(
        tuple(Parameters(array(W), array(b)) for W, b in gradients),
        loss=array(value),
        output=array(output),
        input_gradient=None if x.grad is None else array(x.grad),
    )
