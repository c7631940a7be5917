"""The door for PyTorch modules: any whose forward pass is a chain of linear layers and activations is asked itself.

It is run once and what it calls is written down (`trace`), read as a chain (`chain`) whose activations and loss are
told by their numbers (`activations`, `losses`).  Then its parameters are set to those of each question, it runs forward
on whatever device and by whatever kernel it has, its loss is called and ``backward`` too (`subject`); afterwards
everything is as it was.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import reference
from reference import ACTIVATIONS, Activation, Loss, activation
from reference.checks import check_activation, check_loss
from reference.checks.numbers import check_whole_number
from reference.losses import INDEXED

from ....arrays import Array, Network
from ....bounds.admitted import declared
from ....bounds.lifted import lifted
from ....judge.known import Known, checked
from ....judge.report import Report, Subject
from ....judge.verdict import CONFORMS, merged
from ....problems.problem import Problem
from ....subjects.shapes.taken import check_shapes
from ..asking.domain import Domain, Targets
from ..asking.half import rounded
from ..identity import identified, of_domain
from ..interrogation import interrogated
from ..judging.evidence import evidence
from ..oracle import check_problem, judged
from .activations import nearest
from .chain import ALONE, Between, Chain, chain
from .losses import Head, Objective, declared_objective, objective
from .subject import Asked, answer, array, network_of, restored, without_bias
from .trace import Call, line_of, recorded

SAMPLES = 3
"""Samples of the run that is written down."""


HALF = {torch.bfloat16: "bfloat16"}
"""Formats of half precision whose modules are asked, by name."""


class Said(NamedTuple):
    """What somebody says of a module's activations."""

    of_types: Mapping[type, Activation]
    hidden: tuple[Activation, ...]
    output: Activation | None


def probe_torch(
    module: Any,
    loss: Any,
    *,
    x: Any = None,
    y: Any = None,
    activations: Mapping[type, Activation | str] | None = None,
    hidden: Activation | str | Sequence[Activation | str] | None = None,
    output: Activation | str | None = None,
    equation: Loss | str | None = None,
    reduction: str | None = None,
    conventions: Mapping[str, float] | None = None,
    targets: Targets | None = None,
    seed: int = 0,
    known: Iterable[Known] = (),
) -> Report:
    """Ask a PyTorch module for its gradients, and say whether they are right and, if not, where.

    Parameters
    ----------
    module : torch.nn.Module
        Any whose forward pass is a chain of linear layers and activations, however they are written: modules,
        functions, methods, an ``autograd.Function`` of one's own; float32, float64 or bfloat16, on any device.  A layer
        without a bias is asked with one that is added behind it, since mistakes hide where b is 0; its dL/db is
        PyTorch's.  In bfloat16 sums are taken to be added up in float32; it tells what is off by more than some
        percent, in small networks, and what no bound decides is UNDECIDED.
    loss : callable
        A loss of ``torch.nn`` or ``torch.nn.functional``, or one's own, called as ``loss(output, y)`` with y of the
        output's shape and dtype or, if it takes no such targets, class indices (B,); a scalar.
    x, y : tensor or array, optional
        A batch of one's own, asked besides with the module's own parameters; the shape of x without its first extent is
        the shape of all samples.
    activations : mapping, optional
        What modules of your own compute, as ``{MyGELU: "gelu"}``: an activation of the reference or its name.  Where
        nothing is said, it is told by the values.
    hidden, output : activation or its name, optional
        What the hidden layers (one for all, or each) and the last one are meant to compute.
    equation, reduction : loss or its name, "sum" or "mean"
        What a loss is meant to compute; told by its values where nothing is said.
    conventions, targets, known
        As for `conformance.probe`.
    seed : int
        Of the questions.

    Returns
    -------
    Report
        Loss, output and dL/dx are judged besides the gradients.  A loss that is the reference's by a factor, such as
        a mean over the outputs too, is multiplied by it.

    Raises
    ------
    TypeError, ValueError
        Naming the line that cannot be expressed, and the nearest that can.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.first, self.last = nn.Linear(4, 7), nn.Linear(7, 5, bias=False)
    ...     def forward(self, x):
    ...         return self.last(self.first(x.flatten(1)).relu())
    >>> probe_torch(Net(), torch.nn.functional.mse_loss).verdict
    'CONFORMS'
    """
    if isinstance(module, type) and issubclass(module, nn.Module):
        raise TypeError(f"module: expected an instance, such as {module.__name__}(), got the class {module.__name__}")
    if not isinstance(module, nn.Module):
        raise TypeError(f"module: expected a torch.nn.Module, got {type(module).__name__}")
    seed, expected = check_whole_number("seed", seed, 0), checked(known)
    if y is not None and x is None:
        raise TypeError("y: expected x beside it, got none")
    said = _said(activations, hidden, output)
    dtype, device = _format(module)
    with restored(module):
        own = {name: p.detach().clone() for name, p in module.named_parameters()}
        parts, sample = _chain(module, None if x is None else tuple(np.shape(x)[1:]), tuple(said.of_types))
        _check_compiled(module, parts)
        sigmas = _sigmas(parts, said)
        widths = (parts.linear[0].widths[0], *(layer.widths[1] for layer in parts.linear))
        shape = tuple(parts.between[-1].result.shape[1:])
        wide = torch.float32 if dtype in HALF else dtype  # in which a loss tells more of what it is
        of = _objective(loss, equation, reduction, Head(sigmas[-1], widths[-1], wide, device, shape), y)
        half, kind = HALF.get(dtype, ""), "float32" if dtype in HALF else str(dtype).removeprefix("torch.")
        check_loss(_network(widths, sigmas), np.dtype(kind), of.loss, of.reduction)
        domain = Domain(
            sigmas[:-1] or (reference.Identity(),), [(sigmas[-1], of.loss)], [of.reduction],  # type: ignore[list-item]
            kind, widths=widths, conventions=declared(conventions), targets="one-hot" if of.indexed else targets,
            half=half,
        )  # fmt: skip
        subject = Subject(type(getattr(module, "_orig_mod", module)).__name__, f"PyTorch {torch.__version__}", "python")
        asked = Asked(module, parts, loss, of, sample)
        at_point = None if x is None or y is None else _at(asked, own, sigmas, x, y, domain)
        at_point = None if at_point is None else identified(at_point, of_domain(domain), expected)
        report = interrogated(lambda problem: answer(asked, problem), domain, subject, seed, known=expected)
    report = report._replace(remarks=(_taken_as(widths, sigmas, of), *report.remarks))
    return _with_cuts(_with_point(report, at_point), parts)


# What the module is.


def _chain(
    module: nn.Module, sample: tuple[int, ...] | None, leaves: tuple[type, ...]
) -> tuple[Chain, tuple[int, ...]]:
    """The chain that a module is, and the shape of its samples: the first that it takes, where none is given."""
    parameters = dict(module.named_parameters())
    device = next(iter(parameters.values())).device
    generator = torch.Generator().manual_seed(0)

    def random(shape: Sequence[int]) -> Tensor:
        return torch.randn(tuple(shape), generator=generator, dtype=torch.float64)

    with torch.no_grad():
        for p in parameters.values():
            p.copy_((random(p.shape) / max(p.shape[-1] if p.ndim > 1 else 1, 1) ** 0.5).to(p.dtype))
    dtype = next(iter(parameters.values())).dtype
    widths = dict.fromkeys(n for p in parameters.values() if p.ndim == 2 for n in p.shape[::-1])
    shapes = [sample] if sample is not None else [(n,) for n in widths]
    refused: BaseException | None = None
    eager = getattr(module, "_orig_mod", module)
    for shape in shapes:
        x = random((SAMPLES, *shape)).to(dtype).to(device).requires_grad_()
        try:
            with torch.compiler.set_stance("force_eager"):
                calls, output = recorded(eager, x, leaves)
        except (Exception, SystemExit) as error:  # whatever a module may say of a shape
            refused = refused or error
            continue
        named = {name.removeprefix("_orig_mod."): p for name, p in parameters.items()}
        return chain(calls, x, output, named), shape
    if refused is None:
        raise TypeError("module: expected a linear layer x W^T + b, found no parameter of two extents")
    others = [
        f"module {name} ({type(part).__name__}): its parameters are no linear layer's; {ALONE}.  "
        for name, part in eager.named_modules() if any(p.ndim > 2 for p in part.parameters(recurse=False))
    ]  # fmt: skip
    hint = "" if sample is not None else "; if its samples are no rows of numbers, give it some with x="
    said = f"the module takes no x of shape (B, {', '.join(map(str, shapes[0]))})"
    raise TypeError(f"{''.join(others[:1])}{line_of(refused)}{said}: {type(refused).__name__}: {refused}{hint}")


def _check_compiled(module: nn.Module, parts: Chain) -> None:
    """Only ``nn.Linear`` can be given the bias that it lacks, once it is compiled."""
    lacking = [layer for layer in parts.linear if layer.bias is None and not without_bias(layer, module)]
    if lacking and any(hasattr(part, "_orig_mod") for part in module.modules()):
        raise TypeError(f"{lacking[0].place}: compiled, and without a bias; ask the module before torch.compile")


def _format(module: nn.Module) -> tuple[torch.dtype, Any]:
    """The one dtype and device of all parameters."""
    kinds = {(p.dtype, p.device) for p in module.parameters()}
    if not kinds:
        raise TypeError("module: expected a linear layer x W^T + b, found no parameters")
    if len(kinds) != 1:
        named = sorted(f"{str(dtype).removeprefix('torch.')} on {device}" for dtype, device in kinds)
        raise TypeError(f"module: expected parameters of one dtype on one device, got {' and '.join(named)}")
    ((dtype, device),) = kinds
    if dtype not in (torch.float32, torch.float64, *HALF):
        got = str(dtype).removeprefix("torch.")
        raise TypeError(
            f"module: expected bfloat16, float32 or float64 parameters, got {got}; ask module.float(), and each kernel "
            "in that format with check_pullback"
        )
    return dtype, device


def _said(of_types: Any, hidden: Any, output: Any) -> Said:
    """What is said of activations, by names or as they are."""

    def said(where: str, meant: Any) -> Activation:
        sigma = activation(meant) if isinstance(meant, str) else meant
        check_activation(where, sigma)
        return sigma

    each = () if hidden is None else tuple(hidden) if isinstance(hidden, list | tuple) else (hidden,)
    return Said(
        {kind: said(f"activations: {kind.__name__}", meant) for kind, meant in (of_types or {}).items()},
        tuple(said("hidden", meant) for meant in each),
        None if output is None else said("output", output),
    )


def _sigmas(parts: Chain, said: Said) -> tuple[Activation, ...]:
    """The activation of each layer, as it is said or as its values tell."""
    hidden = said.hidden * (len(parts.linear) - 1) if len(said.hidden) == 1 else said.hidden
    if hidden and len(hidden) != len(parts.linear) - 1:
        raise ValueError(f"hidden: expected one activation, or {len(parts.linear) - 1} in turn, got {len(hidden)}")
    meant = (*(hidden or (None,) * (len(parts.linear) - 1)), said.output)
    return tuple(
        sigma if sigma is not None else _sigma(between, said.of_types)
        for sigma, between in zip(meant, parts.between, strict=True)
    )


def _sigma(between: Between, of_types: Mapping[type, Activation]) -> Activation:
    """The activation that the calls after a layer are."""
    named = [of_types[type(call.function)] for call in between.calls if type(call.function) in of_types]
    if len(named) == 1:
        return named[0]
    if not between.calls:
        return reference.Identity()
    if between.result.shape[:1] != between.z.shape[:1] or between.result.numel() != between.z.numel():
        raise TypeError(
            f"{between.calls[-1].place}: {_shown(between)} is none of the reference's activations: from "
            f"{tuple(between.z.shape)} to {tuple(between.result.shape)}; {ALONE}"
        )
    shape, device = (int(between.z.shape[0]), int(between.z.shape[1])), between.z.device

    def by(dtype: torch.dtype) -> tuple[Activation, float, float]:
        def function(z: Array) -> Array:
            a = between(torch.tensor(z, dtype=dtype, device=device))
            near.append(max(torch.finfo(of).eps for of in (a.dtype, *narrowed)) ** 0.5)
            numbers: Array = a.cpu().double().numpy().reshape(shape)
            return numbers

        near: list[float] = []
        passed = {t.dtype for call in between.calls for t in call.given if t.is_floating_point()}
        narrowed = [of for of in passed if torch.finfo(of).eps > torch.finfo(between.z.dtype).eps]
        z = np.random.default_rng(0).standard_normal(shape)
        if not np.array_equal(function(z), function(z), equal_nan=True):
            raise TypeError(f"{between.calls[0].place}: {_shown(between)} gives other numbers the second time")
        sigma, off = nearest(function, shape, 12 if dtype == torch.float64 else 6)
        return sigma, off, max(near)

    try:
        sigma, off, near = by(torch.float64)
    except (RuntimeError, TypeError, ValueError):  # it holds numbers of another dtype, or its device none of float64
        sigma, off, near = by(between.z.dtype)
    if off <= near:
        return sigma
    name = next(name for name, kind in ACTIVATIONS.items() if kind is type(sigma))
    close = f" (nearest: {name}, off by {off:.1g})" if off <= RESEMBLES else ""
    raise TypeError(
        f"{between.calls[0].place}: {_shown(between)} is none of the reference's activations{close}; if it is meant as "
        f"one, say which by hidden= or output=; else {ALONE}"
    )


RESEMBLES = 0.25
"""How far off an activation may be, relative to 1, to be named as the nearest: hard and smooth kinds of one are."""


def _shown(between: Between) -> str:
    """The calls after a layer, by their modules of ``torch.nn`` where they are such."""
    named = [
        f"nn.{call.place.kind}" if not call.place.line and hasattr(nn, call.place.kind) else call.name
        for call in between.calls
    ]
    return " then ".join(dict.fromkeys(named))


def _objective(loss: Any, equation: Loss | str | None, reduction: str | None, head: Head, y: Any) -> Objective:
    """What a loss computes, as it is said or as its numbers tell."""
    if equation is not None:
        return declared_objective(equation, reduction)
    return objective(loss, head, indices=y is not None and _are_indices(_numbers(y)))


def _network(widths: Sequence[int], sigmas: Sequence[Activation]) -> Network:
    """A network of these layers, for the reference's checks; its numbers mean nothing."""
    return tuple(
        reference.Layer(np.ones((n, 1)), np.ones(n), sigma) for n, sigma in zip(widths[1:], sigmas, strict=True)
    )


# A point of one's own.


def _at(
    asked: Asked, own: Mapping[str, Tensor], sigmas: Sequence[Activation], x: Any, y: Any, domain: Domain
) -> Report:
    """The judgement on the module's own parameters and somebody's own batch."""
    with torch.no_grad():
        for name, p in asked.module.named_parameters():
            p.copy_(own[name])
    network = network_of(asked.chain, sigmas)
    kind, widths = network[0].W.dtype, (network[0].W.shape[1], len(network[-1].b))
    rows, targets = (_numbers(each) for each in (x, y))
    rows = rows.reshape(len(rows), -1).astype(kind)
    if _are_indices(targets) and isinstance(asked.objective.loss, INDEXED):
        targets = np.eye(widths[1])[targets]
    flat = targets.ndim == 1 and widths[1] == 1  # as somebody has it, though a loss may broadcast it to (B, B)
    asked = asked._replace(objective=asked.objective._replace(flat=flat))
    targets = targets.reshape(len(targets), -1).astype(kind)
    problem = Problem(network, rows, targets, asked.objective.loss, asked.objective.reduction, 1.0)  # type: ignore[arg-type]
    problem = check_problem(rounded(problem) if domain.half else problem)
    given = answer(asked, problem)
    check_shapes(problem, given)
    return judged(evidence(lifted(problem, domain.conventions, domain.narrower), given))


def _numbers(given: Any) -> Array:
    return array(given) if isinstance(given, Tensor) else np.asarray(given)


def _are_indices(targets: Array) -> bool:
    return targets.ndim == 1 and targets.dtype.kind in "iu"


def _with_point(report: Report, at: Report | None) -> Report:
    """A report with what came of somebody's own point, whose findings come first."""
    if at is None:
        return report
    return report._replace(
        tallies=merged(report.tallies, at.tallies),
        findings=(*at.findings, *report.findings),
        asked=report.asked + at.asked,
        remarks=(*report.remarks, f"At your own x and y, with the module's own parameters: {at.verdict}."),
    )


# What is said of it.


def _taken_as(widths: Sequence[int], sigmas: Sequence[Activation], of: Objective) -> str:
    names = {kind: name for name, kind in ACTIVATIONS.items()}
    times = f", 1 / {of.factor:g} of it" if of.factor != 1 else ""
    layers = ", ".join(f"{n} {names.get(type(sigma), sigma)}" for n, sigma in zip(widths[1:], sigmas, strict=True))
    return f"Taken as: {widths[0]} input{'s' * (widths[0] != 1)}; layers of {layers}; loss {of}{times}."


def _with_cuts(report: Report, parts: Chain) -> Report:
    """With the line at which no gradient passes, where there is one."""
    cut = next(filter(None, map(_cut, parts.between)), None)
    if cut is None or not report.findings or report.verdict == CONFORMS:
        return report
    first, *rest = report.findings
    said = f"{first.explanation}  {cut.place}: {cut.name} lets no gradient pass, so that all below it gets none."
    return report._replace(findings=(first._replace(explanation=said), *rest))


def _cut(between: Between) -> Call | None:
    """The call after a layer from which no gradient comes back."""
    if between.result.requires_grad:
        return None
    return next((call for call in between.calls if not any(t.requires_grad for t in call.results)), None)
