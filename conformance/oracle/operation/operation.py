"""One operation alone: whether somebody's vector-Jacobian product, or the gradient of their loss, is right.

The truth comes from one of three places, the first that can be had:

* a named equation of the reference: its own text on `Rounded`, widened by `conformance.bounds.assumptions`;
* somebody's own forward function, followed on recorded arrays (`conformance.oracle.following`), so that the derivative
  comes from the forward function alone, with a bound on what any legitimate evaluation may be off by;
* where that cannot be run, differences of the forward function in float64 with an estimate of their error.  An
  estimate never accuses: the verdict is SUSPECT at most, and a remark says why.

The inputs count as known to one rounding.  So at a kink, or nearer to one than that, whatever lies between the
derivatives of the branches is admitted.  Inputs for which an exponential overflows are extreme:
what a pullback of a named equation gets wrong for them alone is a matter of robustness.

What is given is not all that is asked (`conformance.oracle.operation.drawn`): of a named equation also kinks, zeros,
cotangents of other sizes and the ends of the range, and of somebody's own forward function the inputs moved a little
and in another order; what is wrong there is said under ``Report.beyond``, and is no part of the verdict.

The truths stand in `conformance.oracle.operation.truth`, the asking and judging in the module `examination` beside it.

Examples
--------
>>> import numpy as np
>>> from conformance.oracle.operation.operation import check_pullback
>>> z = np.array([[0.5, -1.25, 2.0]])
>>> def with_z_for_a(z, g):
...     return g * z * (1 - z)
>>> report = check_pullback("sigmoid", with_z_for_a, z)
>>> report.verdict, report.findings[0].equation
('WRONG', 'D2')
>>> def softmax(z):
...     e = np.exp(z - z.max(axis=1, keepdims=True))
...     return e / e.sum(axis=1, keepdims=True)
>>> def of_softmax(z, g):
...     p = softmax(z)
...     return p * (g - (g * p).sum(axis=1, keepdims=True))
>>> check_pullback(softmax, of_softmax, z).verdict
'CONFORMS'
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from reference import ACTIVATIONS, LOSSES
from reference.checks.numbers import check_whole_number
from reference.gradients import Reduction
from reference.losses import TARGETS

from ...arrays import Array
from ...bounds import assumptions
from ...bounds.formats import Format, accumulating, check_inputs, format_of
from ...judge.known import Known, checked
from ...judge.report import Finding, Report, Subject
from ...judge.verdict import WRONG
from ...problems.layouts import is_tensor, like, numbers
from ...text.labels import label
from ..identity import identified
from .asking.absent import check_called, with_absent, without_gradient
from .asking.calls import Operation
from .asking.equations import activation_of, check_operand, check_reduced, loss_of, name_of
from .beyond import Drawing, examined_beyond
from .drawn import for_activation, for_loss, for_own
from .examination import examined
from .explaining import known as beforehand
from .forward import Forward, forward_of
from .outputs import examined_by_output
from .populations import examined_as_population
from .signature import Signature, flattened, signature_of, structure_of
from .truth import Truth, of_activation, of_forward, of_loss

# What is asked.


def check_pullback(
    forward: Any,
    pullback: Any,
    inputs: Any,
    *,
    equation: Any = None,
    keywords: Mapping[str, Any] | None = None,
    accumulator: str | None = None,
    seed: int = 0,
    known: Iterable[Known] = (),
) -> Report:
    """Judge a vector-Jacobian product of one operation.

    Parameters
    ----------
    forward : callable, str or Activation
        ``forward(*inputs)`` gives one array, or a tuple or dict of arrays.  Or an equation of the reference: its name
        ("gelu"), its label ("A11" or "D11"), or an activation with parameters.
    pullback : callable, torch.autograd.Function or None
        ``pullback(*inputs, g)``, with the cotangent g = dL/d(output) last, in the form of the output, gives dL/d(input)
        for every input: an array, or a tuple or list of as many as there are inputs.  Of inputs by name it is called as
        ``pullback(**inputs, g=g)``, and may give a dict.  None for an input, beside others, says that there is no
        gradient by it: the others are judged with it as a constant, and it is SUSPECT where its derivative is not
        zero.  A ``torch.autograd.Function``, or its ``apply``, is asked
        through autograd (`by_autograd`); None asks ``forward`` itself that way.
    inputs : array, sequence of arrays, or dict of arrays
        NumPy arrays or PyTorch tensors (then the callables are given tensors) of one dtype: float16, bfloat16, float32
        or float64.  Arrays of integers and booleans among them have no gradient: None stands for it, or nothing.
    equation : str or Activation, optional
        What ``forward`` claims to be: then its value is judged too, under (A..), and the pullback under (D..).
    keywords : mapping, optional
        Further keyword arguments of both callables, held fixed.
    accumulator : str, optional
        The dtype in which both callables add up, such as "float32" for bfloat16 inputs: then every sum over an axis,
        into a place or of products is held to that, and to one rounding to the inputs' dtype.
    seed : int
        Of the cotangents and random choices.
    known : sequence of Known
        As for `conformance.probe`; the function of an id is the forward function's name, with the input's where there
        are several: ``vjp/unknown/float32/attention-by-input-2``.

    Returns
    -------
    Report
        Tallies by label ("vjp" for somebody's own operation, "vjp of output 2" for the cotangent of one of several
        outputs alone) and input, counted from 1; "state" for the same question asked again.  Asked are contiguous,
        transposed, strided, reversed and broadcast inputs.

    Raises
    ------
    TypeError
        Inputs that are no arrays of a floating dtype, or of several; a forward function that gives no array; a pullback
        that cannot be called so.
    ValueError
        No input, an empty one, or one that is not finite; an unknown equation, or a shape that it does not take; an
        accumulator that is unknown or narrower than the inputs.
    """
    signature = signature_of(inputs, keywords or {})
    given = check_inputs([signature.inputs[k] for k in signature.moving])
    format = accumulating(format_of(given[0]), accumulator)
    if forward is None:
        raise TypeError("forward: expected a function, or the name or label of an equation, got None")
    seed, expected = check_whole_number("seed", seed, 0), checked(known)
    function: Any
    function, named = (_applied(forward), equation) if _is_function(forward) else (None, forward)
    ask = _pullback(function, pullback)
    check_called(ask, _name(pullback), signature)
    subject = Subject(_name(pullback if pullback is not None else forward))
    if named is None:
        report, operation = _of_own(subject, function, ask, signature, given, format, seed)
        absent = without_gradient(operation, seed) if report.verdict == WRONG else ()
        if absent:  # what is said of the others is said of it as a constant
            moving = tuple(k for j, k in enumerate(signature.moving) if j not in absent)
            rest = [x for j, x in enumerate(given) if j not in absent]
            held = signature._replace(moving=moving)
            report, others = _of_own(subject, function, ask, held, tuple(rest), format, seed)
            report = with_absent(report, operation, others, absent, seed)
            operation = others
        return _told(operation, report, _name(forward), expected)
    sigma = activation_of(named)
    check_operand(sigma, given)
    end = _end(format, type(sigma) in assumptions.ACTIVATIONS and type(sigma) not in assumptions.ALGEBRAIC)
    return _judged(
        Operation(
            subject,
            given,
            format,
            1,
            ask,
            tuple(given[0].shape),
            label(type(sigma).pullback),
            lambda values, gs: of_activation(sigma, values[0], gs, format),
            function,
            label(type(sigma).apply),
            beforehand.of_activation(sigma, seed),
            end,
        ),
        lambda values: for_activation(sigma, values[0], format, end),
        seed,
        name_of(sigma),
        expected,
    )


def _of_own(
    subject: Subject,
    function: Any,
    ask: Callable[..., Any],
    signature: Signature,
    given: tuple[Any, ...],
    format: Format,
    seed: int,
) -> tuple[Report, Operation]:
    """What is found of a pullback of somebody's own forward function, by the inputs that move."""
    values = [numbers(x) for x in given]
    tensors = forward_of(signature.forward(function), given).tensors
    output = Forward(signature.called(function), given, tensors).output(values)
    signature = signature._replace(output=structure_of(output))
    own = Forward(signature.forward(function), given, tensors)
    truth: Truths = lambda values, gs: of_forward(own, format, values, gs, seed)
    shape, asked = own.plain(values).shape, signature.pullback(ask)
    operation = Operation(subject, given, format, len(given), asked, shape, "vjp", truth, labels=signature.labels)
    operation = operation._replace(known=beforehand.of_own(signature, own, format, seed))
    report = examined_by_output(operation, examined(operation, seed), signature.outputs, seed)
    report = examined_as_population(operation, report, own, seed)
    return examined_beyond(operation, report, lambda values: for_own(values, len(given), seed), seed), operation


def check_loss(
    loss: Any,
    gradient: Any,
    outputs: Any,
    targets: Any,
    *,
    equation: Any = None,
    reduction: Reduction | None = None,
    accumulator: str | None = None,
    seed: int = 0,
    known: Iterable[Known] = (),
) -> Report:
    """Judge the gradient of a loss by the outputs, and its value where it claims to be one of the reference's.

    Parameters
    ----------
    loss : callable, str or Loss
        ``loss(outputs, targets)`` gives the loss of each sample (B,), or with ``reduction`` a scalar.  Or an equation
        of the reference: its name ("huber"), its label ("L8", "G8", "H1"), or a loss with parameters.
    gradient : callable
        ``gradient(outputs, targets)`` gives dL/d(outputs), (B, K), of the reduced loss or, without a reduction, of
        each sample's.
    outputs, targets : arrays (B, K)
        As the inputs of `check_pullback`; class indices are to be given as rows with a single 1.
    equation : str or Loss, optional
        What ``loss`` claims to be: then its value is judged too, under (L..).
    reduction : "sum", "mean" or None
        Over the batch.
    accumulator : str, optional
        As of `check_pullback`.
    seed : int
        Of random choices.
    known : sequence of Known
        As for `conformance.probe`.

    Returns
    -------
    Report
        Tallies by label: (L..), and (G..) or (H..); "vjp" for somebody's own loss.

    Raises
    ------
    TypeError, ValueError
        As `check_pullback` does; also an unknown reduction, and targets outside the equation's domain.

    Examples
    --------
    >>> a, y = np.array([[0.5, -2.0], [1.5, 0.25]]), np.array([[1.0, 0.5], [-0.5, 0.75]])
    >>> check_loss("half_squared_error", lambda a, y: a - y, a, y).verdict
    'CONFORMS'
    >>> print(check_loss("L1", lambda a, y: y - a, a, y).findings[0].explanation)
    (G1) by input 1: 4 of 4 elements are outside their bounds, the worst at (1, 1): got 0.5, expected -0.5 within \
1e-16. It is -1 times the truth throughout. One number alone shows it: of a = 0.25, y = 0.75 comes 0.5, not -0.5.
    """
    given = check_inputs((outputs, targets))
    check_reduced(given, reduction)
    if loss is None:
        raise TypeError("loss: expected a function, or the name or label of an equation, got None")
    seed, expected = check_whole_number("seed", seed, 0), checked(known)
    function, named = (loss, equation) if _is_function(loss) else (None, loss)
    if not callable(gradient):
        raise TypeError(f"gradient: expected a function gradient(outputs, targets), got {type(gradient).__name__}")
    subject, format = Subject(_name(gradient)), accumulating(format_of(given[0]), accumulator)
    if named is None:
        of_outputs = _of_outputs(function, given, format, reduction, seed)
        own = Operation(subject, given, format, 1, gradient, None, "vjp", of_outputs)
        own = own._replace(known=beforehand.of_own_loss(seed))
        return _judged(own, lambda values: for_own(values, 1, seed), seed, _name(loss), expected)
    named_loss, equation_label = loss_of(named)
    low, high = TARGETS.get(type(named_loss), (-np.inf, np.inf))
    if not all(low <= y <= high for y in numbers(targets).flat):
        raise ValueError(f"targets: expected numbers from {low} to {high} for {type(named_loss).__name__}")
    end = _end(format, type(named_loss) in assumptions.LOSSES)
    return _judged(
        Operation(
            subject,
            given,
            format,
            1,
            gradient,
            None,
            equation_label,
            lambda values, gs: of_loss(named_loss, values[0], values[1], reduction, format),
            function,
            label(type(named_loss).value),
            beforehand.of_loss(named_loss, reduction, seed),
            end,
        ),
        lambda values: for_loss(named_loss, values[0], values[1], format, end),
        seed,
        name_of(named_loss),
        expected,
    )


def _judged(operation: Operation, drawing: Drawing, seed: int, function: str, known: Iterable[Known]) -> Report:
    """On the inputs given, and beyond them."""
    return _told(operation, examined_beyond(operation, examined(operation, seed), drawing, seed), function, known)


def _told(operation: Operation, report: Report, function: str, known: Iterable[Known]) -> Report:
    """With findings that say of what they are: the function and, of several, the input."""
    by_input = [f"{function} by {operation.label(k)}" for k in range(operation.judged)] if operation.judged > 1 else []

    def of(finding: Finding) -> str:
        return by_input[finding.layer - 1] if by_input and finding.layer else function

    return identified(report, operation.dtype, of, (function, *by_input), known)


Truths = Callable[[Sequence[Array], Sequence[Array]], Truth]
"""The truth, of the inputs' numbers and the cotangents'."""


def _of_outputs(
    function: Any, given: tuple[Any, ...], format: Format, reduction: Reduction | None, seed: int
) -> Truths:
    """The truth of somebody's own loss: a function of the outputs, the targets being fixed."""
    whole = forward_of(function, given)
    shape, tensors = whole.plain([numbers(x) for x in given]).shape, whole.tensors
    expected = (len(given[0]),) if reduction is None else ()
    if shape != expected:
        raise ValueError(f"loss: expected a result of shape {expected} for reduction {reduction!r}, got {shape}")

    def truth(values: Sequence[Array], gs: Sequence[Array]) -> Truth:
        outputs, targets = values
        fixed = like(targets, given[1]) if tensors else targets.astype(format_of(given[1]).dtype)
        of_outputs = Forward(lambda a: function(a, fixed), given[:1], tensors)
        return of_forward(of_outputs, format, [outputs], [np.ones(expected, outputs.dtype)], seed)

    return truth


def _end(format: Format, exponential: bool) -> float:
    """Up to where an exponential does not overflow, a whole number; infinite for an equation without one."""
    return float(np.floor(np.log(format.largest))) if exponential else np.inf


def by_autograd(function: Any) -> Callable[..., Any]:
    """The pullback of a PyTorch function as ``torch.autograd`` takes it.

    Parameters
    ----------
    function : callable or torch.autograd.Function
        Of tensors by place, to one tensor or several.

    Returns
    -------
    callable
        ``pullback(*inputs, g)``, a tuple with the gradient of each input (None for one that has none).

    Examples
    --------
    >>> import torch
    >>> check_pullback("silu", by_autograd(torch.nn.functional.silu), torch.tensor([0.5, -3.0])).verdict
    'CONFORMS'
    """
    applied = _applied(function)

    def pullback(*arguments: Any, **keywords: Any) -> Any:
        import torch

        *inputs, g = arguments
        if not all(is_tensor(x) for x in inputs):
            raise TypeError("autograd: expected the inputs as PyTorch tensors, got NumPy arrays")
        floating = [x.is_floating_point() for x in inputs]
        leaves = [x.detach().requires_grad_() if f else x for x, f in zip(inputs, floating, strict=True)]
        with torch.enable_grad():
            output = flattened(applied(*leaves, **keywords))
        if not isinstance(output, torch.Tensor) or not output.requires_grad:
            raise TypeError(f"autograd: expected {_name(function)} to give a tensor that requires a gradient")
        moving = [x for x, f in zip(leaves, floating, strict=True) if f]
        found = iter(torch.autograd.grad(output, moving, flattened(g), allow_unused=True))
        return tuple(next(found) if f else None for f in floating)

    pullback.__name__ = _name(function)
    return pullback


def _applied(function: Any) -> Any:
    """A function, or the ``apply`` of an autograd.Function that is given as a class."""
    return function.apply if _is_autograd_class(function) else function


def _is_function(forward: Any) -> bool:
    """Whether it is somebody's own function: not a name, an equation or the class of one."""
    return callable(forward) and forward not in (*ACTIVATIONS.values(), *LOSSES.values())


def _is_autograd_class(function: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(function, type) and issubclass(function, torch.autograd.Function)


def _pullback(function: Any, pullback: Any) -> Callable[..., Any]:
    """The pullback to be asked."""
    if pullback is None:
        if function is None:
            raise TypeError("pullback: expected a function, got None; None asks forward through torch.autograd")
        return by_autograd(function)
    if _is_autograd_class(pullback) or _is_autograd_class(getattr(pullback, "__self__", None)):
        return by_autograd(pullback)
    if not callable(pullback):
        raise TypeError(f"pullback: expected a function pullback(*inputs, g), got {type(pullback).__name__}")
    asked: Callable[..., Any] = pullback
    return asked


def _name(function: Any) -> str:
    owner = getattr(function, "__self__", None)
    if isinstance(owner, type):
        return owner.__qualname__
    return str(getattr(function, "__name__", type(function).__qualname__))
