"""Which loss of the reference somebody's loss is, how it is reduced, and by which factor it is another's.

The losses of ``torch.nn`` are known by name and parameters, those of ``torch.nn.functional`` as the same; any other is
called, and compared by its numbers.
"""

from collections.abc import Callable, Iterator
from functools import partial
from math import frexp, log2
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import reference
from reference import Activation, Loss
from reference import loss as named_loss
from reference.losses import INDEXED, LOSSES, REQUIRED_HEAD, TARGETS

from ....arrays import Array


class Objective(NamedTuple):
    """A loss of the reference with its reduction: somebody's loss times ``factor``.

    ``indexed`` says that targets are given as class indices (B,), ``flat`` that those of one output are given as (B,).
    """

    loss: Loss
    reduction: str
    factor: float = 1
    indexed: bool = False
    flat: bool = False

    def __str__(self) -> str:
        """As a remark names it."""
        return f"{name_of(self.loss)}, {self.reduction} over the samples"


def name_of(loss: Loss) -> str:
    """The name of a loss in EQUATIONS.md."""
    return next((name for name, kind in LOSSES.items() if kind is type(loss)), type(loss).__name__)


class Head(NamedTuple):
    """What a loss is called on: n_L outputs that the last activation gives, a sample's output in that shape."""

    sigma: Activation
    outputs: int
    dtype: torch.dtype
    device: Any
    shape: tuple[int, ...]


MODULES: dict[Any, type[nn.Module]] = {
    F.mse_loss: nn.MSELoss, F.l1_loss: nn.L1Loss, F.huber_loss: nn.HuberLoss, F.smooth_l1_loss: nn.SmoothL1Loss,
    F.cross_entropy: nn.CrossEntropyLoss, F.nll_loss: nn.NLLLoss, F.kl_div: nn.KLDivLoss,
    F.binary_cross_entropy: nn.BCELoss, F.binary_cross_entropy_with_logits: nn.BCEWithLogitsLoss,
    F.poisson_nll_loss: nn.PoissonNLLLoss,
}  # fmt: skip
"""The functions that are modules too, by the same parameters."""


def _weight(loss: Any) -> tuple[float, ...]:
    return () if loss.weight is None else tuple(loss.weight.tolist())


KNOWN: dict[type[nn.Module], Callable[[Any], Loss]] = {
    nn.CrossEntropyLoss: lambda m: reference.CrossEntropyWithLogits(_weight(m), m.label_smoothing),
    nn.NLLLoss: lambda m: reference.NLL(_weight(m)),
    nn.L1Loss: lambda m: reference.L1(),
    nn.HuberLoss: lambda m: reference.Huber(m.delta),
    nn.SmoothL1Loss: lambda m: reference.SmoothL1(m.beta),
    nn.BCELoss: lambda m: reference.BinaryCrossEntropy(),
    nn.BCEWithLogitsLoss: lambda m: reference.BinaryCrossEntropyWithLogits(),
    nn.KLDivLoss: lambda m: reference.KLDivergence(),
    nn.PoissonNLLLoss: lambda m: reference.PoissonNLL(),
}
"""The losses of ``torch.nn`` whose parameters say which of the reference's they can be; the numbers say whether."""

ASKED = ((3, 0), (3, 1), (7, 2), (7, 3))
"""Samples and seeds by which a loss is told: a constant ratio to another's sum, or one that falls with the samples."""


def objective(loss: Any, head: Head, indices: bool = False) -> Objective:
    """What a loss computes of a network's outputs.

    Parameters
    ----------
    loss : callable
        Of the output (B, n_L) and targets, or class indices (B,); a scalar.
    head : Head
    indices : bool
        Whether class indices are tried before rows of targets.

    Raises
    ------
    TypeError, ValueError
        Naming a loss that is none of the reference's, or another head's.
    """
    if isinstance(loss, type):
        raise TypeError(f"loss: expected a loss such as nn.MSELoss(), got a class: write {loss.__name__}()")
    if not callable(loss):
        raise TypeError(f"loss: expected a loss such as nn.MSELoss(), got {type(loss).__name__}")
    kinds = _kinds(loss)
    found = [
        each for kind in kinds for each in _told(loss, kind, head, indices)
        if REQUIRED_HEAD.get(type(kind), type(head.sigma)) is type(head.sigma)
    ]  # fmt: skip
    exact = [each._replace(factor=f) for each in found if (f := _exact(each, head)) is not None]
    if exact:
        return min(exact, key=lambda each: (each.factor != 1, not _is_power(each.factor)))
    if found:
        raise ValueError(f"loss: {_name(loss)} is {1 / found[0].factor:.6g} times ({found[0]}); divide that out")
    for kind in kinds:
        needed = REQUIRED_HEAD.get(type(kind), type(head.sigma))
        if needed is not type(head.sigma) and any(_told(loss, kind, head._replace(sigma=needed()), indices)):
            raise ValueError(_amiss(loss, needed, head.sigma))
    raise TypeError(
        f"loss: {_name(loss)} is by its numbers none of the reference's losses ({', '.join(map(name_of, kinds))}); "
        "if it is meant as one, say equation= and reduction=; check_loss judges it alone"
    )


def declared_objective(equation: Loss | str, reduction: str | None) -> Objective:
    """What somebody says of a loss.

    Raises
    ------
    ValueError
        If the name or the reduction is none.
    """
    if reduction not in ("sum", "mean"):
        raise ValueError(f"reduction: expected 'sum' or 'mean' beside equation, got {reduction!r}")
    return Objective(named_loss(equation) if isinstance(equation, str) else equation, reduction)


def value_of(loss: Any, output: torch.Tensor, y: torch.Tensor, of: Objective) -> Any:
    """Somebody's loss, of targets (B, n_L) in the shape in which it takes them."""
    if of.indexed:
        return loss(output, y.argmax(1))
    return loss(output, y.reshape(-1) if of.flat else y.reshape(output.shape))


def _name(loss: Any) -> str:
    if isinstance(loss, partial):
        return f"partial({_name(loss.func)})"
    return getattr(loss, "__name__", type(loss).__name__)


def _as_module(loss: Any) -> Any:
    """The module of ``torch.nn`` that a loss is, or that does the same; None where there is none."""
    if isinstance(loss, partial) and loss.func in MODULES and not loss.args:
        return MODULES[loss.func](**loss.keywords)
    if isinstance(loss, nn.Module):
        return loss if getattr(nn, type(loss).__name__, None) is type(loss) else None
    return MODULES[loss]() if loss in MODULES else None


def _kinds(loss: Any) -> list[Loss]:
    """The losses of the reference that one may be."""
    named = _as_module(loss)
    if named is not None and getattr(named, "reduction", None) not in ("sum", "mean", "batchmean"):
        got = getattr(named, "reduction", None)
        raise ValueError(f"loss: expected {_name(loss)} with reduction 'sum' or 'mean', got {got!r}")
    return [KNOWN[type(named)](named)] if type(named) in KNOWN else [kind() for kind in LOSSES.values()]


def _told(loss: Any, kind: Loss, head: Head, indices: bool) -> Iterator[Objective]:
    """What a loss is of this one: by rows of targets, class indices, or plain numbers, the first that it takes."""
    plain = Objective(kind, "sum")
    ways = [plain, *([plain._replace(flat=True)] if head.outputs == 1 else [])]
    ways += [plain._replace(indexed=True)] if isinstance(kind, INDEXED) else []
    for way in reversed(ways) if indices else ways:
        try:
            ratios = [(B, _ratio(loss, way, head, B, seed)) for B, seed in ASKED]
        except Exception:  # whatever a loss may say of targets that it does not take
            continue
        for reduction in ("sum", "mean"):
            factors = [1 / (ratio * (B if reduction == "mean" else 1)) if ratio else np.nan for B, ratio in ratios]
            if np.isfinite(factors).all() and np.ptp(factors) <= _near(head.dtype) * abs(factors[0]):
                yield way._replace(reduction=reduction, factor=float(np.mean(factors)))
                return


def _near(dtype: torch.dtype) -> float:
    """Half the digits of a format: random numbers of a size of 1 agree so far by chance in no two losses."""
    return float(torch.finfo(dtype).eps ** 0.5)


def _sample(kind: Loss, sigma: Activation, shape: tuple[int, int], seed: int, indexed: bool) -> tuple[Array, Array]:
    """Outputs that the last activation may give, and targets in the loss's domain."""
    rng = np.random.default_rng(seed)
    a, y = sigma.apply(rng.standard_normal(shape)), rng.standard_normal(shape)
    low, high = TARGETS.get(type(kind), (-np.inf, np.inf))
    if indexed:
        y = np.eye(shape[1])[rng.integers(shape[1], size=shape[0])]
    elif high == np.inf and low == 0:
        y = rng.uniform(0.25, 1, shape)
        y = y / y.sum(axis=1, keepdims=True)
    elif low == -1:
        y = np.where(y > 0, 1.0, -1.0)
    elif low == 0:
        y = rng.uniform(size=shape)
    return a, y


def _ratio(loss: Any, way: Objective, head: Head, B: int, seed: int) -> float:
    """A loss by the sum of another's over the samples."""
    a, y = _sample(way.loss, head.sigma, (B, head.outputs), seed, way.indexed)
    output = torch.tensor(a, dtype=head.dtype, device=head.device).reshape(B, *head.shape).requires_grad_()
    with torch.enable_grad():
        value = value_of(loss, output, torch.tensor(y, dtype=head.dtype, device=head.device), way)
    if value.numel() != 1:
        raise ValueError("no scalar")
    value.backward()  # which may not take such targets where forward does
    return float(value.detach()) / float(way.loss.value(a, y).sum())


def _exact(of: Objective, head: Head) -> float | None:
    """The factor as a power of two or, of a mean, n_L times one; None where it is another.

    A power of two rounds nothing.  n_L does: PyTorch's kernels multiply n_L by a rounded 1 / (B n_L), two roundings of
    delta^L where the reference has the one of 1 / B.  The bound along paths has room for the second: it takes B
    roundings for the B - 1 of a sum over samples, and one of the result.  Of a sum there are none to begin with.
    """
    for by in (1.0, float(head.outputs)) if of.reduction == "mean" else (1.0,):
        power = 2.0 ** round(log2(of.factor / by)) if of.factor > 0 else 0
        if abs(of.factor - by * power) <= _near(head.dtype) * of.factor:
            return by * power
    return None


def _is_power(factor: float) -> bool:
    return frexp(factor)[0] == 0.5


def _amiss(loss: Any, needed: type[Activation], sigma: Activation) -> str:
    """What is amiss where the last activation is not the one that a loss takes."""
    name, last = _name(loss), type(sigma).__name__
    if needed is reference.Identity:
        return f"loss: {name} takes logits; leave out the {last}"
    return f"loss: {name} takes what a {needed.__name__} gives; expected it last, got {last}"
