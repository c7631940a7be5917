"""One operation alone: whether somebody's vector-Jacobian product, or the gradient of their loss, is right.

The truth comes from one of three places, the first that can be had:

* a named equation of the reference: its own text on `Rounded`, widened by `conformance.assumptions`;
* somebody's own forward function, run on `Traced` numbers: balls that record what was done with them, so that the
  derivative follows from the forward function alone, with a bound on what any legitimate evaluation may be off by;
* where that cannot be run, differences of the forward function in float64 with an estimate of their error.  An
  estimate never accuses: the verdict is SUSPECT at most, and a remark says why.

The inputs count as known to one rounding.  So at a kink, or nearer to one than that, nothing is decided, and
whatever lies between the one-sided derivatives is admitted.

Examples
--------
>>> import numpy as np
>>> from conformance.operation import check_pullback
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
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from flint import arb

from reference import ACTIVATIONS, LOSSES, Activation, Array, Identity, LogSoftmax, Loss, Softmax
from reference.gradients import Reduction
from reference.losses import TARGETS

from .assumptions import KAPPA
from .balls import Ball
from .judge import Judgement, Widened, WidenedLoss, admitted_loss, compare
from .labels import label
from .rounded import FORMATS, Format, Rounded, gamma
from .verdict import SUSPECT, WRONG, Finding, Report, Subject, Tally, merged, tally

ARRANGED = 4
"""Roundings granted for each product and quotient of a forward text: an arrangement that is as right, of the same
numbers, may take a few more than the text's own."""

NODES = 2**17
"""The longest trace that is followed, in operations on single numbers: some seconds."""

COTANGENTS = 3
"""How many cotangents are asked, each of normal numbers."""

COINS = 3
"""How often undecided branches are taken at random, beside all on one side and all on the other, to see which
derivatives hang on them."""

MEASURED = 256
"""How many input elements are measured by differences; of larger inputs a random choice."""

ESTIMATED = 64
"""Units of roundoff, of the absolute terms, that an estimate allows a right program: with differences alone nothing
is known of what happens inside the forward function."""

STEPS = 2**10
"""Units of float64 that a derivative by a complex step may be off by: one for each of that many roundings."""

_EPS = float(np.finfo(np.float64).eps)
_BFLOAT16 = Format(
    np.dtype(np.float32), np.float64, 2.0**-8 + _EPS, 2.0**-126, float(np.finfo(np.float32).max) * (1 - 2.0**-8)
)
_FLOAT16 = Format(np.dtype(np.float16), np.float64, 2.0**-11 + _EPS, 2.0**-14, 65504.0)
NAMED_FORMATS: dict[str, Format] = {
    "float16": _FLOAT16,
    "bfloat16": _BFLOAT16,
    "float32": FORMATS[np.dtype(np.float32)],
    "float64": FORMATS[np.dtype(np.float64)],
}
"""The formats in which an operation can be judged; the numbers of bfloat16, which NumPy lacks, are held in float32."""

BITS = {"bfloat16": 8, "float16 or TF32": 11, "float32": 24, "float64": 53}
"""How many bits a number has, by format."""


# What is asked.


def check_pullback(forward: Any, pullback: Any, inputs: Any, *, equation: Any = None, seed: int = 0) -> Report:
    """Judge a vector-Jacobian product of one operation.

    Parameters
    ----------
    forward : callable, str or Activation
        ``forward(*inputs)`` gives one array.  Or an equation of the reference: its name ("gelu"), its label ("A11" or
        "D11"), or an activation with parameters.
    pullback : callable, torch.autograd.Function or None
        ``pullback(*inputs, g)``, with the cotangent g = dL/d(output) last, gives dL/d(input) for every input: an array,
        or a tuple or list of as many as there are inputs.  A ``torch.autograd.Function``, or its ``apply``, is asked
        through autograd (`by_autograd`); None asks ``forward`` itself that way.
    inputs : array or sequence of arrays
        NumPy arrays or PyTorch tensors (then the callables are given tensors) of one dtype: float16, bfloat16, float32
        or float64.  What is not to be differentiated belongs into the callables.
    equation : str or Activation, optional
        What ``forward`` claims to be: then its value is judged too, under (A..), and the pullback under (D..).
    seed : int
        Of the cotangents and random choices.

    Returns
    -------
    Report
        Tallies by label ("vjp" for somebody's own operation) and input, counted from 1; "state" for the same
        question asked again.  Asked are contiguous, transposed, strided, reversed and broadcast inputs.

    Raises
    ------
    TypeError
        Inputs that are no arrays of a floating dtype, or of several; a forward function that gives no array; a pullback
        that cannot be called so.
    ValueError
        No input, an empty one, or one that is not finite; an unknown equation, or a shape that it does not take.
    """
    given = _inputs(inputs)
    name = _dtype_name(given[0])
    format = NAMED_FORMATS[name]
    function, named = (_applied(forward), equation) if _is_function(forward) else (None, forward)
    sigma = _activation(named) if named is not None else None
    ask = _pullback(function, pullback)
    values = [_numbers(x) for x in given]
    if sigma is not None:
        _check_operand(sigma, values)
        shape = values[0].shape
        labels = label(type(sigma).apply), label(type(sigma).pullback)
        truth: Callable[..., _Truth] = lambda values, gs: _of_activation(sigma, values[0], gs, format)
    else:
        shape = _plain_output(function, given).shape
        labels = "", "vjp"
        truth = lambda values, gs: _of_forward(function, values, gs, format, given, seed)
    return _examine(
        _Question(
            Subject(_name(pullback if pullback is not None else forward)),
            given,
            len(given),
            lambda arrays, g: ask(*arrays, g),
            function if sigma is not None else None,
            truth,
            shape,
            labels,
            format,
            name,
            seed,
            lambda values, gs: _mistaken_activation(sigma, values[0], gs) if sigma is not None else [],
        )
    )


def check_loss(
    loss: Any,
    gradient: Any,
    outputs: Any,
    targets: Any,
    *,
    equation: Any = None,
    reduction: Reduction | None = None,
    seed: int = 0,
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
    seed : int
        Of random choices.

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
1e-16. It is -1 times the truth throughout.
    """
    given = _inputs((outputs, targets))
    name, values = _dtype_name(given[0]), [_numbers(x) for x in given]
    format = NAMED_FORMATS[name]
    if reduction not in (None, "sum", "mean"):
        raise ValueError(f"reduction: expected 'sum', 'mean' or None, got {reduction!r}")
    if values[0].ndim != 2 or values[0].shape != values[1].shape:
        raise ValueError(
            f"outputs and targets: expected one shape (samples, units), got {values[0].shape} and {values[1].shape}; "
            f"class indices are to be given as rows with a single 1"
        )
    function, named = (loss, equation) if _is_function(loss) else (None, loss)
    if not callable(gradient):
        raise TypeError(f"gradient: expected a function gradient(outputs, targets), got {type(gradient).__name__}")
    B = len(values[0])
    if named is not None:
        known, of_gradient = _loss(named)
        low, high = TARGETS.get(type(known), (-np.inf, np.inf))
        if not ((values[1] >= low) & (values[1] <= high)).all():
            raise ValueError(f"targets: expected numbers from {low} to {high} for {type(known).__name__}")
        labels = label(type(known).value), of_gradient
        truth: Callable[..., _Truth] = lambda values, gs: _of_loss(known, values[0], values[1], reduction, format)
    else:
        shape = _plain_output(function, given).shape
        expected = (B,) if reduction is None else ()
        if shape != expected:
            raise ValueError(f"loss: expected a result of shape {expected} for reduction {reduction!r}, got {shape}")
        labels = "", "vjp"
        ones = [np.ones(expected, format.dtype)]
        truth = (
            lambda values, gs: _of_forward(
                lambda a: function(a, _like(values[1], given[1]) if not _traced(a) else values[1]),  # type: ignore[misc]
                values[:1],
                ones,
                format,
                given[:1],
                seed,
            )
        )
    return _examine(
        _Question(
            Subject(_name(gradient)),
            given,
            1,
            lambda arrays, g: gradient(*arrays),
            function if named is not None else None,
            truth,
            None,
            labels,
            format,
            name,
            seed,
            lambda values, gs: [],
        )
    )


def by_autograd(function: Any) -> Callable[..., Any]:
    """The pullback of a PyTorch function as ``torch.autograd`` takes it.

    Parameters
    ----------
    function : callable or torch.autograd.Function
        Of tensors, to one tensor.

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

    def pullback(*arguments: Any) -> Any:
        import torch

        *inputs, g = arguments
        if not all(isinstance(x, torch.Tensor) for x in arguments):
            raise TypeError("autograd: expected the inputs as PyTorch tensors, got NumPy arrays")
        leaves = [x.detach().requires_grad_() for x in inputs]
        with torch.enable_grad():
            output = applied(*leaves)
        if not isinstance(output, torch.Tensor) or not output.requires_grad:
            raise TypeError(f"autograd: expected {_name(function)} to give a tensor that requires a gradient")
        return torch.autograd.grad(output, leaves, g, allow_unused=True)

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


def _activation(named: Any) -> Activation:
    if isinstance(named, str):
        by_label = {label(f): kind for kind in ACTIVATIONS.values() for f in (kind.apply, kind.pullback)}
        kind = ACTIVATIONS.get(named) or by_label.get(named.strip("()"))
        if kind is None:
            raise ValueError(
                f"equation: expected one of {', '.join(ACTIVATIONS)}, or a label such as A2, got {named!r}"
            )
        return kind()
    if type(named) in ACTIVATIONS.values():
        return named  # type: ignore[no-any-return]
    raise TypeError(f"equation: expected the name or an instance of an activation, got {named!r:.60}")


def _loss(named: Any) -> tuple[Loss, str]:
    """A loss, and the label of its gradient."""
    if isinstance(named, str):
        name = named.strip("()")
        for key, kind in LOSSES.items():
            own = label(kind.gradient)
            fused = getattr(kind, "delta", None)  # of a loss that is fused with its head; Huber has a number
            delta = label(fused) if callable(fused) else own
            if name in (key, label(kind.value), own, delta):
                return kind(), delta if name == delta else own
        raise ValueError(f"equation: expected one of {', '.join(LOSSES)}, or a label such as L8, got {named!r}")
    if type(named) in LOSSES.values():
        return named, label(type(named).gradient)
    raise TypeError(f"equation: expected the name or an instance of a loss, got {named!r:.60}")


def _check_operand(sigma: Activation, values: list[Array]) -> None:
    if len(values) != 1:
        raise ValueError(f"inputs: expected one, the z of {type(sigma).__name__}, got {len(values)}")
    if isinstance(sigma, Softmax | LogSoftmax) and values[0].ndim != 2:
        raise ValueError(f"inputs: expected shape (samples, units) for {type(sigma).__name__}, got {values[0].shape}")


# Arrays and tensors.


def _is_tensor(x: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def _dtype_name(x: Any) -> str:
    return str(x.dtype).removeprefix("torch.")


def _inputs(inputs: Any) -> tuple[Any, ...]:
    """The inputs as a tuple, checked."""
    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    if not given:
        raise ValueError("inputs: expected at least one array, got none")
    for k, x in enumerate(given, start=1):
        if not isinstance(x, np.ndarray) and not _is_tensor(x):
            raise TypeError(f"input {k}: expected a NumPy array or a PyTorch tensor, got {type(x).__name__}")
        if _dtype_name(x) not in NAMED_FORMATS:
            raise TypeError(
                f"input {k}: expected dtype {', '.join(NAMED_FORMATS)}, got {x.dtype}; what is not to be "
                f"differentiated, such as indices, belongs into the functions themselves"
            )
        if x.dtype != given[0].dtype or _is_tensor(x) != _is_tensor(given[0]):
            raise TypeError(f"input {k}: expected {_kind(given[0])}, as input 1 is, got {_kind(x)}")
        if 0 in x.shape:
            raise ValueError(f"input {k}: expected numbers, got an empty array of shape {tuple(x.shape)}")
        if not np.isfinite(_numbers(x)).all():
            raise ValueError(f"input {k}: expected finite numbers")
    return given


def _kind(x: Any) -> str:
    return f"a {'tensor' if _is_tensor(x) else 'NumPy array'} of dtype {_dtype_name(x)}"


def _numbers(x: Any) -> Array:
    """A NumPy array with the numbers of an array, tensor or scalar, in memory of its own; bfloat16 as float32."""
    if _is_tensor(x):
        x = x.detach().cpu()
        x = (x.float() if _dtype_name(x) == "bfloat16" else x).numpy()
    return np.array(x, order="C")


def _like(numbers: Array, x: Any) -> Any:
    """The numbers as an array or tensor of the kind, dtype and device of x."""
    if not _is_tensor(x):
        return numbers.astype(x.dtype)
    import torch

    return torch.from_numpy(numbers.copy()).to(dtype=x.dtype, device=x.device)


def _rounded_to(numbers: Array, x: Any) -> Array:
    """The numbers rounded to the format of x."""
    return _numbers(_like(numbers, x))


Layout = Callable[[Array, Any], Any]
"""From numbers to an array like a given one, laid out in memory in some way."""


def _transposed(numbers: Array, x: Any) -> Any:
    if _is_tensor(x):
        return _like(numbers, x).mT.contiguous().mT if numbers.ndim > 1 else _like(numbers, x)
    return np.asfortranarray(_like(numbers, x))


def _strided(numbers: Array, x: Any) -> Any:
    """Every second number of an array whose others are NaN."""
    wider = np.full((*numbers.shape, 2), np.nan, numbers.dtype)
    wider[..., 0] = numbers
    return _like(wider, x)[..., 0]


def _reversed(numbers: Array, x: Any) -> Any:
    return np.flip(np.flip(_like(numbers, x)).copy())


def _broadcast(numbers: Array, x: Any) -> Any:
    """The first entry of the first axis, at every place of it."""
    first = _like(numbers[:1], x)
    if _is_tensor(x):
        return first.expand(numbers.shape)
    return np.lib.stride_tricks.as_strided(first, numbers.shape, (0, *first.strides[1:]))


def _layouts(x: Any) -> Iterator[tuple[str, Layout]]:
    yield "transposed in memory", _transposed
    yield "strided", _strided
    if not _is_tensor(x):
        yield "with negative strides", _reversed


# The examination.


class _Truth(NamedTuple):
    """What is admitted for each cotangent and input, and for the value; ``estimated`` truths do not accuse."""

    expected: list[list[Rounded]]
    value: Rounded | None = None
    estimated: bool = False
    remarks: tuple[str, ...] = ()


class _Question(NamedTuple):
    """All that an examination needs to know of an operation; the first ``judged`` inputs have gradients."""

    subject: Subject
    given: tuple[Any, ...]
    judged: int
    ask: Callable[[list[Any], Any], Any]
    forward: Any
    truth: Callable[..., _Truth]
    shape: tuple[int, ...] | None
    labels: tuple[str, str]
    format: Format
    dtype: str
    seed: int
    mistakes: Callable[[list[Array], list[Array]], list[tuple[str, Array]]]


class _Refused(NamedTuple):
    """An answer that is none: what was wrong with it."""

    why: str


class _Answer(NamedTuple):
    """The gradients, the remarks on how they came, and what of the arguments was changed by asking."""

    gradients: list[Array | _Refused]
    remarks: tuple[str, ...]
    changed: tuple[str, ...]
    raw: Any


def _examine(question: _Question) -> Report:
    """Ask, ask the same again, with other cotangents and in other layouts; judge each answer."""
    q = question
    rng = _generator(q.seed)
    values = [_numbers(x) for x in q.given]
    gs = (
        [_rounded_to(rng.standard_normal(q.shape), q.given[0]) for _ in range(COTANGENTS)]
        if q.shape is not None
        else []
    )
    truth = q.truth(values, gs)
    log = _Log(q, truth.estimated)
    log.remarks.extend(truth.remarks)
    first_g = gs[0] if gs else None
    first = _asked(q, values, first_g, _like)
    log.answer(first, truth.expected[0], values, gs[:1], "")
    kept = [None if isinstance(p, _Refused) else p.copy() for p in first.gradients]
    again = _asked(q, values, first_g, _like)
    for k, (p, r) in enumerate(zip(kept, again.gradients, strict=True)):
        if p is not None and not isinstance(r, _Refused) and not np.array_equal(p, r, equal_nan=True):
            log.remarks.append(f"input {k + 1}: the same question twice gives other bits")
    state_broken = not log.findings and log.state(again, truth.expected[0])
    if q.forward is not None and truth.value is not None:
        log.value(q.forward, values, truth.value)
    if state_broken or any(f.equation == "state" for f in log.findings):
        return log.report()
    for g, expected in zip(gs[1:], truth.expected[1:], strict=True):
        answer = _asked(q, values, g, _like)
        log.answer(answer, expected, values, [g], "")
        log.overwritten(first.raw, kept)
    layouts = [(name, layout, values, first_g, truth.expected[0]) for name, layout in _layouts(q.given[0])]
    if any(x.ndim and len(x) > 1 for x in values):
        repeated = [_repeated(x) for x in values]
        g = _repeated(first_g) if first_g is not None else None
        # The cotangent of a sum over the first axis comes with a stride of zero.
        of_repeated = _truth_if_any(q, repeated, g)
        if of_repeated is not None and of_repeated.estimated == truth.estimated:
            layouts.append(("broadcast with strides of zero", _spread, repeated, g, of_repeated.expected[0]))
    for name, layout, numbers, g, expected in layouts:
        try:
            answer = _asked(q, numbers, g, layout)
        except Exception as error:
            log.unsupported += 1
            log.remarks.append(f"refuses inputs {name}: {type(error).__name__}: {error}")
            continue
        log.answer(answer, expected, numbers, [g] if g is not None else [], f" with inputs {name}")
    return log.report()


def _truth_if_any(q: _Question, values: list[Array], g: Array | None) -> _Truth | None:
    """The truth for other inputs than the given, unless the operation is not defined there."""
    try:
        return q.truth(values, [g] if g is not None else [])
    except Exception:  # a forward function may refuse equal rows
        return None


def _generator(seed: int) -> np.random.Generator:
    """Of a stream of its own: inputs drawn from the plain seed would be parallel to the first cotangent."""
    return np.random.default_rng((seed, len("cotangent")))


def _repeated(numbers: Array) -> Array:
    return np.broadcast_to(numbers[:1], numbers.shape).copy() if numbers.ndim and len(numbers) > 1 else numbers


def _spread(numbers: Array, x: Any) -> Any:
    return _broadcast(numbers, x) if numbers.ndim and len(numbers) > 1 else _like(numbers, x)


def _asked(q: _Question, values: list[Array], g: Array | None, layout: Layout) -> _Answer:
    """One question: the gradients as NumPy arrays of the format judged."""
    arrays = [layout(numbers, x) for numbers, x in zip(values, q.given, strict=True)]
    cotangent = layout(g, q.given[0]) if g is not None else None
    result = q.ask(arrays, cotangent)
    parts = list(result) if isinstance(result, tuple | list) else [result]
    if len(parts) != q.judged:
        raise TypeError(
            f"pullback: expected {q.judged} gradient{'s' if q.judged > 1 else ''}, one for each input, got {len(parts)}"
        )
    remarks: list[str] = []
    gradients = [_gradient(k, p, values[k], q, remarks) for k, p in enumerate(parts)]
    for k, p in enumerate(parts, start=1):
        for what, x in [*((f"input {j}", x) for j, x in enumerate(arrays, start=1)), ("the cotangent", cotangent)]:
            if x is not None and _shares_memory(p, x):
                remarks.append(f"the gradient by input {k} shares memory with {what}")
    kept = [*zip((f"input {j}" for j in range(1, 99)), values, arrays, strict=False)]
    if g is not None:
        kept.append(("the cotangent", g, cotangent))
    changed = tuple(what for what, before, after in kept if not np.array_equal(before, _numbers(after)))
    return _Answer(gradients, tuple(remarks), changed, parts)


def _shares_memory(p: Any, q: Any) -> bool:
    if _is_tensor(p) and _is_tensor(q):
        return bool(p.untyped_storage().data_ptr() == q.untyped_storage().data_ptr())
    return isinstance(p, np.ndarray) and isinstance(q, np.ndarray) and np.shares_memory(p, q)


def _gradient(k: int, part: Any, like: Array, q: _Question, remarks: list[str]) -> Array | _Refused:
    if part is None:
        return _Refused("no gradient came")
    if not isinstance(part, np.ndarray | np.generic) and not _is_tensor(part):
        return _Refused(f"expected an array, got {type(part).__name__}")
    numbers = _numbers(part)
    if numbers.dtype.kind != "f":
        return _Refused(f"expected real numbers of dtype {q.dtype}, got {numbers.dtype}")
    if numbers.shape != like.shape:
        return _Refused(f"expected shape {like.shape}, as the input has, got {numbers.shape}{_unsummed(numbers, like)}")
    if (got := _dtype_name(part)) != q.dtype:
        remarks.append(f"the gradient by input {k + 1} came as {got} and was rounded to {q.dtype}")
    with np.errstate(over="ignore"):
        return numbers.astype(q.format.dtype)


def _unsummed(numbers: Array, like: Array) -> str:
    """What a shape says that may be summed to the one expected."""
    extra = numbers.ndim - like.ndim
    wanted = (1,) * extra + like.shape
    if extra >= 0 and all(n == m or m == 1 for n, m in zip(numbers.shape, wanted, strict=True)):
        axes = ", ".join(
            str(i) for i, (n, m) in enumerate(zip(numbers.shape, wanted, strict=True)) if i < extra or n != m
        )
        return f". The input was broadcast: the sum over axis {axes} is missing"
    return ""


class _Log:
    """What an examination has found so far."""

    def __init__(self, question: _Question, estimated: bool) -> None:
        self.question, self.estimated = question, estimated
        self.tallies: dict[tuple[str, int], Tally] = {}
        self.findings: list[Finding] = []
        self.remarks: list[str] = []
        self.bits: dict[str, float] = {}
        self.asked = self.unsupported = 0

    def answer(
        self, answer: _Answer, expected: list[Rounded], values: list[Array], gs: list[Array], where: str
    ) -> None:
        """Judge one answer."""
        self.asked += 1
        self._changed(answer)
        self.remarks.extend(remark for remark in answer.remarks if remark not in self.remarks)
        equation = self.question.labels[1]
        for k, (got, admitted) in enumerate(zip(answer.gradients, expected, strict=True), start=1):
            reported = any((f.equation, f.layer) == (equation, k) for f in self.findings)
            if isinstance(got, _Refused):
                # A shape is a fact and no estimate.
                self._tally(equation, k, _nothing(equation, k, admitted, self.question.dtype))
                if not reported:
                    text = f"({equation}) by input {k}{where}: {got.why}."
                    self.findings.append(Finding(WRONG, "ordinary", equation, k, (), np.nan, np.nan, 0.0, text))
                continue
            judgement = self._judged(equation, k, got, admitted)
            self._tally(equation, k, judgement)
            if (judgement.wrong or judgement.suspect) and not reported:
                said, faults = self._explained(k, got, admitted, values, gs)
                self._finding(judgement, f"({equation}) by input {k}{where}: {_counted(judgement)}. {said}", faults)

    def state(self, answer: _Answer, expected: list[Rounded]) -> bool:
        """Judge the same question's second answer, of which the first was right; whether it is wrong."""
        self.asked += 1
        broken = False
        for k, (got, admitted) in enumerate(zip(answer.gradients, expected, strict=True), start=1):
            if isinstance(got, _Refused):
                text = f"By input {k} a second call with the same arguments fails: {got.why}."
                self.findings.append(Finding(WRONG, "ordinary", "state", k, (), np.nan, np.nan, 0.0, text))
                broken = True
                continue
            judgement = self._judged("state", k, got, admitted)
            self._tally("state", k, judgement)
            if judgement.wrong or judgement.suspect:
                broken = True
                said, _ = self._explained(k, got, admitted, [], [])
                text = (
                    f"By input {k} the first answer is right, and the second answer to the same question is not: "
                    f"{_counted(judgement)}. {said} Something is kept from one call to the next."
                )
                self._finding(judgement, text, ("keeps state",))
        return broken

    def value(self, forward: Any, values: list[Array], expected: Rounded) -> None:
        """Judge the value that a forward function of a named equation gives."""
        equation = self.question.labels[0]
        output = forward(*(_like(x, given) for x, given in zip(values, self.question.given, strict=True)))
        got = _output(output)
        if got.shape != expected.shape:
            text = f"({equation}): expected a value of shape {expected.shape}, got {got.shape}."
            self.findings.append(Finding(WRONG, "ordinary", equation, 1, (), np.nan, np.nan, 0.0, text))
            return
        with np.errstate(over="ignore"):
            judgement = self._judged(equation, 1, got.astype(self.question.format.dtype), expected)
        self._tally(equation, 1, judgement)
        if judgement.wrong:
            self._finding(judgement, f"({equation}), the value: {_counted(judgement)}.", ())

    def overwritten(self, raw: list[Any], kept: list[Array | None]) -> None:
        """Remark where the first answer's arrays no longer hold what they held."""
        for k, (part, before) in enumerate(zip(raw, kept, strict=True), start=1):
            if before is None:
                continue
            with np.errstate(over="ignore"):
                now = _numbers(part).astype(before.dtype)
            if not np.array_equal(now, before, equal_nan=True):
                self.remarks.append(f"the gradient by input {k} of one call is overwritten by the next: copy it first")

    def report(self) -> Report:
        """All of it."""
        return Report(
            self.question.subject,
            self.tallies,
            tuple(sorted(self.findings, key=lambda f: f.equation != "state")),
            asked=self.asked,
            unsupported=self.unsupported,
            effective_bits=self.bits,
            remarks=tuple(dict.fromkeys(self.remarks)),
            profile="operation",
            seed=self.question.seed,
        )

    def _changed(self, answer: _Answer) -> None:
        if answer.changed and not any(f.equation == "state" for f in self.findings):
            text = f"The call changes {' and '.join(answer.changed)}, which the caller still needs."
            finding = Finding(WRONG, "ordinary", "state", 0, (), np.nan, np.nan, 0.0, text, ("changes its arguments",))
            self.findings.append(finding)

    def _judged(self, equation: str, k: int, got: Array, admitted: Rounded) -> Judgement:
        judgement = compare(equation, k, got, admitted)._replace(dtype=self.question.dtype)
        return judgement._replace(wrong=0, suspect=judgement.wrong) if self.estimated else judgement

    def _tally(self, equation: str, k: int, judgement: Judgement) -> None:
        self.tallies = merged(self.tallies, {(equation, k): tally(judgement)})

    def _finding(self, judgement: Judgement, text: str, faults: tuple[str, ...]) -> None:
        j = judgement
        verdict = WRONG if j.wrong else SUSPECT
        self.findings.append(
            Finding(verdict, "ordinary", j.equation, j.layer, j.element, j.got, j.expected, j.bound, text, faults)
        )

    def _explained(
        self, k: int, got: Array, admitted: Rounded, values: list[Array], gs: list[Array]
    ) -> tuple[str, tuple[str, ...]]:
        """What the numbers fit, in a sentence; and its name."""
        q = self.question
        decided = np.isfinite(admitted.rad)
        if np.isnan(got[decided]).any():
            return "There are NaN where the truth is a number.", ("not a number",)
        if not got[decided].any():
            return "It is zero throughout.", ("zero",)
        factors = {1.0 * f: str(f) for f in (-1, 2, -2)} | {0.5: "1/2", -0.5: "-1/2"}
        for n in dict.fromkeys([*admitted.shape, got.size, *(n for v in values for n in v.shape)]):
            if n > 1:
                factors |= {1.0 * n: str(n), 1 / n: f"1/{n}", -1.0 * n: str(-n), -1 / n: f"-1/{n}"}
        for factor, name in factors.items():
            if _fits(got, factor * admitted.mid, abs(factor) * admitted.rad, admitted):
                return f"It is {name} times the truth throughout.", (f"factor {name}",)
        if got.ndim == 2 and got.shape[0] == got.shape[1] and _fits(got.T, admitted.mid, admitted.rad, admitted):
            return "It is the truth transposed.", ("transposed",)
        for name, mistaken in q.mistakes(values, gs) if values and gs else []:
            if _fits(got, mistaken, admitted.rad, admitted):
                return f"It is right as {name}.", (name,)
        ratio = _constant_ratio(got, admitted)
        if ratio is not None:
            return f"It is {ratio:.6g} times the truth throughout.", (f"factor {ratio:.6g}",)
        if gs and values and not self._linear(k, values, gs[0], got):
            return "It is not linear in the cotangent: twice the cotangent does not give twice the gradient.", (
                "not linear in the cotangent",
            )
        return self._precision(got, admitted), ()

    def _linear(self, k: int, values: list[Array], g: Array, got: Array) -> bool:
        """Whether twice the cotangent gives twice the gradient, which is exact but for underflow."""
        double = _asked(self.question, values, 2 * g, _like).gradients[k - 1]
        if isinstance(double, _Refused):
            return True
        format = self.question.format
        with np.errstate(all="ignore"):
            off = abs(double.astype(np.float64) - 2 * got.astype(np.float64))
            return bool((off <= 16 * format.u * abs(double) + 16 * format.tiny).all())

    def _precision(self, got: Array, admitted: Rounded) -> str:
        """How many bits are right, where all errors are small."""
        size = abs(admitted.mid)
        at = (size > 0) & np.isfinite(admitted.rad)
        with np.errstate(all="ignore"):
            relative = (abs(got.astype(admitted.format.wide) - admitted.mid)[at] / size[at]).astype(np.float64)
        typical = float(np.sqrt(np.median(relative**2))) if relative.size else 0.0
        if not 0 < typical < 2.0**-5:
            return ""
        # Rounding errors are spread evenly up to 2^-p: half of them are below half of that.
        bits = min(-np.log2(2 * typical), BITS_OF[self.question.dtype])
        self.bits = {self.question.dtype: float(bits)} | self.bits
        nearest = min(BITS, key=lambda name: abs(BITS[name] - bits))
        return f"The typical error is that of a format of {bits:.0f} bits (the nearest is {nearest})."


BITS_OF = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def _nothing(equation: str, k: int, admitted: Rounded, dtype: str) -> Judgement:
    """A judgement of an answer without numbers: all of its elements are wrong."""
    n = admitted.mid.size
    return Judgement(equation, k, dtype, n, n, 0, np.inf, 0.0, (), np.nan, np.nan, 0.0)


def _counted(j: Judgement) -> str:
    n = j.wrong + j.suspect
    outside = "is outside its bound" if n == 1 else "are outside their bounds"
    return (
        f"{n} of {j.elements} elements {outside}, the worst at {j.element}: "
        f"got {j.got:.6g}, expected {j.expected:.6g} within {j.bound:.1g}"
    )


def _fits(got: Array, mid: Array, rad: Array, admitted: Rounded) -> bool:
    """Whether all decided numbers lie within twice a radius."""
    with np.errstate(all="ignore"):
        off = abs(got.astype(admitted.format.wide) - mid)
        return bool(
            (off <= 2 * rad + 4 * admitted.format.u * abs(mid) + admitted.format.tiny)[np.isfinite(admitted.rad)].all()
        )


def _constant_ratio(got: Array, admitted: Rounded) -> float | None:
    """The factor by which every number is off, if it is one."""
    largest = np.unravel_index(int(np.argmax(np.where(np.isfinite(admitted.rad), abs(admitted.mid), 0))), got.shape)
    if not admitted.mid[largest] or got.size < 3:
        return None
    ratio = float(got[largest] / admitted.mid[largest])
    slack = admitted.rad[largest] / abs(float(admitted.mid[largest])) * abs(admitted.mid)
    fits = _fits(got, ratio * admitted.mid, abs(ratio) * (admitted.rad + slack), admitted)
    return ratio if fits and np.isfinite(ratio) else None


# The truth of a named equation.


def _operand(values: Array, format: Format) -> Rounded:
    """Numbers known to one rounding."""
    mid = values.astype(np.float64)
    return Rounded(values, format.u * abs(mid) + _spacing(format), format)


def _spacing(format: Format) -> float:
    """The distance of the smallest numbers."""
    return max(format.tiny * format.u, float(np.finfo(np.float64).smallest_subnormal))


def _certain(values: Array, format: Format) -> Rounded:
    return Rounded(values, np.zeros(values.shape), format)


def _of_activation(sigma: Activation, z: Array, gs: list[Array], format: Format) -> _Truth:
    shape = z.shape
    flat = shape if len(shape) == 2 else (-1, 1)
    operand, wide = _operand(z.reshape(flat), format), Widened(sigma)
    a = wide.apply(operand)
    deltas = [wide.pullback(operand, a, _certain(g.reshape(flat), format)) for g in gs]
    return _Truth([[_shaped(delta, shape)] for delta in deltas], _shaped(a, shape))


def _shaped(x: Rounded, shape: tuple[int, ...]) -> Rounded:
    return Rounded(x.mid.reshape(shape), x.rad.reshape(shape), x.format)


def _of_loss(loss: Loss, a: Array, y: Array, reduction: Reduction | None, format: Format) -> _Truth:
    outputs, targets = _operand(a, format), _certain(y, format)
    if reduction is None:
        wide = WidenedLoss(loss)
        value, gradient = wide.value(outputs, targets), wide.gradient(outputs, targets)
    else:
        value, _, gradient = admitted_loss(Identity(), outputs, outputs, targets, loss, reduction)
    # A 1/N may be taken at the very end.
    with np.errstate(all="ignore"):
        gradient = gradient.widened(format.u * abs(gradient.mid).astype(np.float64))
    return _Truth([[gradient]], value)


def _mistaken_activation(sigma: Activation, z: Array, gs: list[Array]) -> list[tuple[str, Array]]:
    """Common mistakes with a derivative, by the reference's own text."""
    shape, (z, g) = z.shape, (x.astype(np.float64) for x in (z, gs[0]))
    if z.ndim != 2:
        z, g = z.reshape(-1, 1), g.reshape(-1, 1)
    with np.errstate(all="ignore"):
        a = sigma.apply(z)
        ones = np.ones_like(g)
        slope = sigma.pullback(z, a, ones)
        found = [
            ("the derivative taken at a instead of z", sigma.pullback(a, sigma.apply(a), g)),
            ("the pullback given z for a", sigma.pullback(z, z, g)),
            ("the derivative without the cotangent", slope),
            ("g times the value instead of the derivative", g * a),
            ("the cotangent plus the derivative instead of their product", g + slope),
            ("g - (1 - derivative), a parenthesis missing", g - (1 - slope)),
        ]
        if isinstance(sigma, Softmax):
            found.append(("the diagonal of the Jacobian alone", g * a * (1 - a)))
    return [(name, mistaken.reshape(shape)) for name, mistaken in found]


# The truth of somebody's own forward function, by following it.


def _plain_output(function: Any, given: Sequence[Any]) -> Array:
    return _output(function(*(_like(_numbers(x), x) for x in given)))


def _output(output: Any) -> Array:
    """What a forward function gives, as a NumPy array."""
    if not isinstance(output, np.ndarray | np.generic | float) and not _is_tensor(output):
        raise TypeError(f"forward: expected one array, got {type(output).__name__}")
    numbers = _numbers(output)
    if numbers.dtype.kind != "f":
        raise TypeError(f"forward: expected real numbers, got dtype {numbers.dtype}")
    return numbers


def _traced(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.hasobject


class _TooLong(Exception):
    """A trace of more than NODES operations."""


class Tape:
    """The operations of one run in their order, the leaves first, and the numbers whose order could not be told.

    An undecided comparison goes by the true values or, with a ``coin``, by that.
    """

    def __init__(self, format: Format, coin: Callable[[], bool] | None = None) -> None:
        self.format, self.coin = format, coin
        self.nodes: list[Traced] = []
        self.leaves = 0
        self.met: list[Traced] = []
        self.tiny, self.largest = arb(0, format.tiny), arb(format.largest)
        self.units = {k: arb(1, k * format.u) for k in (1, ARRANGED, KAPPA)}

    def leaf(self, value: float) -> "Traced":
        """An input: known to one rounding."""
        exact = arb(value)
        self.leaves += 1
        return Traced(self, exact, exact + arb(0, self.format.u * abs(value)) + arb(0, _spacing(self.format)))

    def constant(self, value: Any) -> "Traced":
        """A number of the text: a whole one is exact, others are within a rounding."""
        exact = Ball(value).arb
        whole = isinstance(value, int | np.integer) or float(value).is_integer()
        return Traced(self, exact, exact if whole else exact * self.units[1])

    def rounded(self, ball: Any, units: int) -> Any:
        """A result after its own rounding; an exact zero has none."""
        return ball if ball.is_zero() else ball * self.units[units] + self.tiny


Slopes = tuple[tuple[Any, Any], ...]
"""For each operand: the partial derivative, and the ball of all that a program may take for it."""


class Traced:
    """An element: its true value, a ball of what legitimate programs have for it, and where it came from.

    ``near`` holds every value that the operations so far may give in the format judged.  ``wide`` holds also what the
    number may be when it is had back from a later result (e^-z from 1 + e^-z), as derivatives in terms of outputs do.
    It has no float(): what would leave the trace raises TypeError.
    """

    __slots__ = ("index", "inverse", "near", "operands", "series", "slopes", "tape", "truth", "wide")

    def __init__(
        self,
        tape: Tape,
        truth: Any,
        near: Any,
        operands: tuple["Traced", ...] = (),
        slopes: Callable[["Traced"], Slopes] | None = None,
        series: tuple[int, Any, Any] | None = None,
        inverse: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        if not abs(near) <= tape.largest:
            near = arb.nan()  # the format may overflow: anything may come
        self.tape, self.truth, self.near, self.wide = tape, truth, near, near
        self.operands, self.slopes, self.series, self.inverse = operands, slopes, series, inverse
        self.index = len(tape.nodes)
        tape.nodes.append(self)
        if self.index > NODES:
            raise _TooLong(f"more than {NODES} operations")

    def __repr__(self) -> str:
        return f"Traced({self.truth})"

    def __copy__(self) -> "Traced":
        return self

    def __deepcopy__(self, memo: Any) -> "Traced":
        return self

    __hash__ = None  # type: ignore[assignment]

    def __pos__(self) -> "Traced":
        return self

    def conjugate(self) -> "Traced":
        """Itself, a real number; NumPy's variance asks."""
        return self

    def __neg__(self) -> "Traced":
        series = (self.series[0], self.series[1], -self.series[2]) if self.series else None
        return Traced(self.tape, -self.truth, -self.near, (self,), lambda z: ((-_ONE, -_ONE),), series)

    def __add__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _sum(x, y, 1))

    def __radd__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _sum(y, x, 1))

    def __sub__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _sum(x, y, -1))

    def __rsub__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _sum(y, x, -1))

    def __mul__(self, other: Any) -> "Traced":
        return _binary(self, other, _product)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Traced":
        return _binary(self, other, _quotient)

    def __rtruediv__(self, other: Any) -> "Traced":
        return _binary(self, other, lambda x, y: _quotient(y, x))

    def __pow__(self, exponent: Any) -> "Traced":
        if isinstance(exponent, Traced):
            return _exp(_log(self) * exponent)
        return _power(self, exponent)

    def __rpow__(self, base: Any) -> "Traced":
        return _exp(_log(self.tape.constant(base)) * self)

    def __abs__(self) -> "Traced":
        return -self if self < 0 else self

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return bool(self.truth == _lifted(self.tape, other).truth)

    def __gt__(self, other: Any) -> bool:
        return self._order(_lifted(self.tape, other), strict=True)

    def __lt__(self, other: Any) -> bool:
        return _lifted(self.tape, other)._order(self, strict=True)

    def __ge__(self, other: Any) -> bool:
        return self._order(_lifted(self.tape, other), strict=False)

    def __le__(self, other: Any) -> bool:
        return _lifted(self.tape, other)._order(self, strict=False)

    def __bool__(self) -> bool:
        return bool(self.truth != 0)

    def _order(self, other: "Traced", strict: bool) -> bool:
        """Whether self > other, or >=."""
        if self is other:
            return not strict
        if not (self.near > other.near or self.near < other.near):
            self.tape.met.extend((self, other))
            if self.tape.coin is not None:
                return self.tape.coin()
        return bool(self.truth > other.truth if strict else self.truth >= other.truth)

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS:
            raise AttributeError(f"Traced: no derivative is known of {name}")
        return lambda: _function(self, FUNCTIONS[name])


class Function(NamedTuple):
    """A function of one number on Arb's balls, with its derivative in terms of the operand and, or, of the result.

    Rounding is relative but for ``absolute`` times KAPPA units of the value: tanh by way of sigmoid, and 1 - t^2 where
    t rounds to 1, are right programs (see `conformance.assumptions`).  ``inverse`` is the error of an operand that is
    had back from the result, of its ball and the result's radius; None where nobody would.
    """

    value: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    of_result: Callable[[Any], Any] | None = None
    absolute: int = 0
    inverse: Callable[[Any, Any], Any] | None = None


_ONE, _LN2, _LN10 = arb(1), arb(2).log(), arb(10).log()

FUNCTIONS: dict[str, Function] = {
    "exp": Function(lambda x: x.exp(), lambda x: x.exp(), lambda y: y),
    "exp2": Function(lambda x: (x * _LN2).exp(), lambda x: (x * _LN2).exp() * _LN2, lambda y: y * _LN2),
    "expm1": Function(lambda x: x.expm1(), lambda x: x.exp(), lambda y: y + 1, 1),
    "log": Function(lambda x: x.log(), lambda x: 1 / x, inverse=lambda x, r: x * r),
    "log2": Function(lambda x: x.log() / _LN2, lambda x: 1 / (x * _LN2), inverse=lambda x, r: x * r),
    "log10": Function(lambda x: x.log() / _LN10, lambda x: 1 / (x * _LN10), inverse=lambda x, r: x * r),
    "log1p": Function(lambda x: x.log1p(), lambda x: 1 / (1 + x), None, 1, lambda x, r: (1 + x) * r),
    "sqrt": Function(lambda x: x.sqrt(), lambda x: 1 / (2 * x.sqrt()), lambda y: 1 / (2 * y)),
    "tanh": Function(lambda x: x.tanh(), lambda x: 1 / x.cosh() ** 2, lambda y: 1 - y * y, 1),
    "sinh": Function(lambda x: x.sinh(), lambda x: x.cosh()),
    "cosh": Function(lambda x: x.cosh(), lambda x: x.sinh()),
    "sin": Function(lambda x: x.sin(), lambda x: x.cos(), None, 1),
    "cos": Function(lambda x: x.cos(), lambda x: -x.sin(), None, 1),
    "tan": Function(lambda x: x.tan(), lambda x: 1 + x.tan() ** 2, lambda y: 1 + y * y),
    "arctan": Function(lambda x: x.atan(), lambda x: 1 / (1 + x * x)),
    "atan": Function(lambda x: x.atan(), lambda x: 1 / (1 + x * x)),
    "arcsin": Function(lambda x: x.asin(), lambda x: 1 / (1 - x * x).sqrt()),
    "arccos": Function(lambda x: x.acos(), lambda x: -1 / (1 - x * x).sqrt()),
    "arcsinh": Function(lambda x: x.asinh(), lambda x: 1 / (1 + x * x).sqrt()),
    "arctanh": Function(lambda x: x.atanh(), lambda x: 1 / (1 - x * x)),
    "erfc": Function(lambda x: x.erfc(), lambda x: -2 * (-x * x).exp() / arb.pi().sqrt(), None, 1),
}
"""By the method that NumPy calls on the elements of an object array."""


def _lifted(tape: Tape, number: Any) -> Traced:
    return number if isinstance(number, Traced) else tape.constant(number)


def _binary(x: Traced, other: Any, operation: Callable[[Traced, Traced], Traced]) -> Traced:
    if not isinstance(other, Traced):
        try:
            other = x.tape.constant(other)
        except TypeError:
            return NotImplemented  # type: ignore[no-any-return]
    return operation(x, other)


def _sum(x: Traced, y: Traced, sign: int) -> Traced:
    """A sum; of three terms and more in any order, so its rounding is relative to their absolute values."""
    tape = x.tape
    (m, of_x, p), (n, of_y, q) = (t.series or (1, abs(t.near), t.near) for t in (x, y))
    terms, absolute, brought = m + n, of_x + of_y, p + sign * q
    if terms == 2:
        near = tape.rounded(brought, 1)
    else:
        error = min(gamma(terms + ARRANGED, tape.format.u), 1e300) if not absolute.is_zero() else 0.0
        near = brought + arb(0, error) * absolute + terms * tape.tiny
    signed = arb(sign)
    slopes = lambda z: ((_ONE, _ONE), (signed, signed))
    inverse = (lambda operand, radius: radius) if terms == 2 else None
    return Traced(tape, x.truth + sign * y.truth, near, (x, y), slopes, (terms, absolute, brought), inverse)


def _product(x: Traced, y: Traced) -> Traced:
    slopes = lambda z: ((y.truth, y.wide), (x.truth, x.wide))
    near = x.tape.rounded(x.near * y.near, ARRANGED)
    return Traced(x.tape, x.truth * y.truth, near, (x, y), slopes, inverse=_relative(near, x, y))


def _quotient(x: Traced, y: Traced) -> Traced:
    def slopes(z: Traced) -> Slopes:
        of_x, of_x_wide = 1 / y.truth, 1 / y.wide
        # Of the quotient itself, which may be had back from a later result.
        of_y_wide = (x.wide * of_x_wide).union(z.wide) * of_x_wide
        return (of_x, of_x_wide), (-z.truth * of_x, -of_y_wide)

    near = x.tape.rounded(x.near / y.near, ARRANGED)
    return Traced(x.tape, x.truth / y.truth, near, (x, y), slopes, inverse=_relative(near, x, y))


def _relative(near: Any, x: Traced, y: Traced) -> Callable[[Any, Any], Any] | None:
    """The inverse of a product or quotient with a constant: the relative error of the result."""
    if any(not t.operands and t.index >= t.tape.leaves for t in (x, y)):
        return lambda operand, radius: operand * radius / near
    return None


def _power(x: Traced, exponent: Any) -> Traced:
    n = float(exponent)

    def slopes(z: Traced) -> Slopes:
        if n == 0:
            return ((arb(0), arb(0)),)
        of_truth, of_wide = (arb(n) * _raised(ball, n - 1) for ball in (x.truth, x.wide))
        return ((of_truth, x.tape.rounded(of_wide, KAPPA)),)

    near = x.tape.rounded(_raised(x.near, n), KAPPA)
    return Traced(x.tape, _raised(x.truth, n), near, (x,), slopes)


def _raised(ball: Any, n: float) -> Any:
    """A power; a whole one as a product, since Arb's own takes a logarithm where a ball holds 0."""
    if not n.is_integer() or abs(n) > 64:
        return ball ** arb(n)
    power = arb(1)
    for _ in range(int(abs(n))):
        power = power * ball
    return power if n >= 0 else 1 / power


def _function(x: Traced, f: Function) -> Traced:
    tape = x.tape
    value = f.value(x.near)
    near = value if value.is_zero() else tape.rounded(value, KAPPA) + arb(0, f.absolute * KAPPA * tape.format.u)

    def slopes(z: Traced) -> Slopes:
        wide = tape.rounded(f.slope(x.wide), KAPPA)
        if f.of_result is not None:
            wide = wide.union(f.of_result(z.wide))
        return ((f.slope(x.truth), wide),)

    return Traced(tape, f.value(x.truth), near, (x,), slopes, inverse=f.inverse)


def _exp(x: Traced) -> Traced:
    return _function(x, FUNCTIONS["exp"])


def _log(x: Traced) -> Traced:
    return _function(x, FUNCTIONS["log"])


class _Pulled(NamedTuple):
    """The cotangents of the leaves, for each cotangent of the outputs: true values and balls of what is admitted."""

    truth: list[list[Any]]
    near: list[list[Any]]


def pull_back(tape: Tape, outputs: Sequence[Any], gs: Sequence[Sequence[float]], leaves: Sequence[Traced]) -> _Pulled:
    """Every cotangent of the outputs pulled back to the leaves.

    A leaf's cotangent is a sum over all paths from it to the outputs.  Beside the sum goes that of the absolute values,
    of which the roundings of any arrangement are a multiple (as in `conformance.paths`).
    """
    for node in reversed(tape.nodes):
        if node.inverse is not None:
            radius = node.wide.rad()
            for x in node.operands:
                if x.operands and (had := node.inverse(x.near, radius).abs_upper()) > x.wide.rad():
                    x.wide = x.near + arb(0, had)
    C, u = range(len(gs)), tape.format.u
    sums: dict[int, list[list[Any]]] = {}
    arrivals: dict[int, int] = {}
    for k, output in enumerate(outputs):
        if isinstance(output, Traced):
            _arrive(sums, arrivals, output, [[g, g, abs(g)] for g in (arb(float(gs[c][k])) for c in C)])
    for node in reversed(tape.nodes):
        if node.index not in sums:
            continue
        arrived = sums[node.index]
        error = arb(0, min(gamma(arrivals[node.index] + ARRANGED, u), 1e300))
        for c in C:
            arrived[c][1] += error * arrived[c][2]
        if node.slopes is None:
            continue
        for x, (slope, wide) in zip(node.operands, node.slopes(node), strict=True):
            if x.operands or x.index < len(leaves):  # constants need no cotangent
                size = abs(wide)
                _arrive(sums, arrivals, x, [[slope * g, wide * n, size * P] for g, n, P in arrived])
        del sums[node.index]
    none = [[arb(0)] * 3 for _ in C]
    found = [sums.get(leaf.index, none) for leaf in leaves]
    return _Pulled([[f[c][0] for f in found] for c in C], [[f[c][1] for f in found] for c in C])


def _arrive(sums: dict[int, list[list[Any]]], arrivals: dict[int, int], node: Traced, terms: list[list[Any]]) -> None:
    arrivals[node.index] = arrivals.get(node.index, 0) + 1
    if node.index in sums:
        for total, term in zip(sums[node.index], terms, strict=True):
            for part in range(3):
                total[part] += term[part]
    else:
        sums[node.index] = terms


class _Run(NamedTuple):
    """A forward function followed once: its tape and leaves, its outputs as flat list and their shape."""

    tape: Tape
    leaves: list[Traced]
    outputs: list[Any]
    shape: tuple[int, ...]


def _followed(function: Any, values: list[Array], format: Format, coin: Callable[[], bool] | None = None) -> _Run:
    tape = Tape(format, coin)
    leaves: list[Traced] = []
    arrays = []
    for numbers in values:
        array = np.empty(numbers.shape, dtype=object)
        own = [tape.leaf(float(number)) for number in numbers.flat]
        for at, leaf in zip(np.ndindex(numbers.shape), own, strict=True):
            array[at] = leaf
        leaves += own
        arrays.append(array)
    output = np.asarray(function(*arrays), dtype=object)
    return _Run(tape, leaves, list(output.flat), output.shape)


def _of_forward(
    function: Any, values: list[Array], gs: list[Array], format: Format, given: Sequence[Any], seed: int
) -> _Truth:
    """The truth of somebody's own forward function: followed, else measured."""
    plain = _output(function(*(_like(v, x) for v, x in zip(values, given, strict=True))))
    flat = [[float(number) for number in g.flat] for g in gs]
    try:
        run = _followed(function, values, format)
        why = _other(run, plain)
        if not why:
            pulled = pull_back(run.tape, run.outputs, flat, run.leaves)
    except _TooLong as error:
        why = f"takes {error}"
    except Exception as error:  # whatever a function may do with numbers that it does not know
        why = f"cannot be run on numbers that record what is done with them ({type(error).__name__}: {error})"
    if why:
        truth = _measured(function, values, gs, format, given, seed)
        remark = (
            f"an estimate: the forward function {why}, so its derivative was measured by differences and nothing can "
            f"be found WRONG. Written in NumPy's functions, or judged as a named equation, it can be certified"
        )
        return truth._replace(remarks=(remark, *truth.remarks))
    overflows = not all(output.near.is_finite() for output in run.outputs if isinstance(output, Traced))
    undecided = np.full(len(run.leaves), overflows)
    remarks: tuple[str, ...] = ("the forward function may overflow for these inputs",) if overflows else ()
    if run.tape.met and (moved := _moved(function, values, format, flat, pulled, seed)).any():
        at_kinks = moved | _upstream(run.tape.met, len(run.leaves))
        undecided |= at_kinks
        remarks += (f"{at_kinks.sum()} input elements are at a kink or nearer than a rounding to one: undecided",)
    expected = []
    for c in range(len(gs)):
        mid, rad = _admitted(pulled.truth[c], pulled.near[c], format)
        rad[undecided] = np.inf
        expected.append(_split(mid, rad, values, format))
    return _Truth(expected, remarks=remarks)


def _other(run: _Run, plain: Array) -> str:
    """Why what was followed is not what the function gives for plain numbers, if it is not."""
    if run.shape != plain.shape:
        return f"gives shape {run.shape} for numbers that record what is done with them, else {plain.shape}"
    for output, number in zip(run.outputs, plain.flat, strict=True):
        truth, near = (output.truth, output.near) if isinstance(output, Traced) else (arb(float(output)),) * 2
        # Far beyond the bound: a generous factor, since it is not the forward function that is judged.
        reach = 64 * (near - truth).abs_upper() + abs(truth) / 64
        if np.isfinite(number) and near.is_finite() and abs(arb(float(number)) - truth) > reach:
            return "gives other values for numbers that record what is done with them"
    return ""


def _moved(
    function: Any, values: list[Array], format: Format, flat: list[list[float]], pulled: _Pulled, seed: int
) -> Array:
    """Which derivatives change with the side that undecided comparisons take."""
    moved = np.zeros(len(pulled.truth[0]), dtype=bool)
    rng = _generator(seed)
    coin = lambda: bool(rng.integers(2))
    for side in (lambda: True, lambda: False, *(coin for _ in range(COINS))):
        try:
            run = _followed(function, values, format, side)
            other = pull_back(run.tape, run.outputs, flat, run.leaves)
        except Exception:  # the other side may not be defined
            return np.ones_like(moved)
        for p, q in zip(pulled.near, other.near, strict=True):
            moved |= [not a.overlaps(b) for a, b in zip(p, q, strict=True)]
    return moved


def _upstream(nodes: list[Traced], leaves: int) -> Array:
    """Which leaves some nodes depend on."""
    reached = np.zeros(leaves, dtype=bool)
    seen: set[int] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node.index not in seen:
            seen.add(node.index)
            waiting.extend(node.operands)
            if node.index < leaves:
                reached[node.index] = True
    return reached


def _admitted(truth: list[Any], near: list[Any], format: Format) -> tuple[Array, Array]:
    """Midpoints in the wide format, and radii; what is not finite has an infinite radius."""
    mid = np.array([format.wide(float(t.mid())) for t in truth], dtype=format.wide)
    if format.wide is np.longdouble:
        rest = [float((t - arb(float(m))).mid()) for t, m in zip(truth, mid, strict=True)]
        mid = mid + np.array(rest, dtype=format.wide)
    rad = np.array([float((n - t).abs_upper()) for n, t in zip(near, truth, strict=True)])
    with np.errstate(all="ignore"):
        rad = rad * (1 + 4 * _EPS) + format.u * abs(mid).astype(np.float64) + format.tiny
    finite = np.isfinite(mid) & np.isfinite(rad)
    return np.where(finite, mid, 0), np.where(finite, rad, np.inf)


def _split(mid: Array, rad: Array, values: list[Array], format: Format) -> list[Rounded]:
    """One Rounded for each input."""
    ends = np.cumsum([v.size for v in values])
    return [
        Rounded(m.reshape(v.shape), r.reshape(v.shape), format)
        for m, r, v in zip(np.split(mid, ends[:-1]), np.split(rad, ends[:-1]), values, strict=True)
    ]


# The truth of somebody's own forward function, by differences.


def _measured(
    function: Any, values: list[Array], gs: list[Array], format: Format, given: Sequence[Any], seed: int
) -> _Truth:
    """The derivative by differences, or a complex step that agrees with them; the errors are estimates."""
    rng = _generator(seed)
    points = [v.astype(np.float64) for v in values]
    total = sum(v.size for v in values)
    chosen = np.sort(rng.permutation(total)[:MEASURED])
    run = _in_float64(function, given)
    nearby = [p * (1 + 2.0**-12 * rng.standard_normal(p.shape)) for p in points]
    columns = [_column(run, points, int(i)) for i in chosen]
    # Right programs may be off by roundings of what cancels inside (1 - t^2), of which differences know nothing.
    scale = float(np.median([abs(column).max() for column, _ in columns]))
    expected = [(np.zeros(total), np.full(total, np.inf)) for _ in gs]
    for i, (column, error) in zip(chosen, columns, strict=True):
        moved, error_there = _column(run, nearby, int(i))
        for (mid, rad), g in zip(expected, gs, strict=True):
            weights = g.astype(np.float64).ravel()
            with np.errstate(all="ignore"):
                sensitivity = np.maximum(abs(moved - column) - error - error_there, 0) * 2.0**12
                units = abs(weights) @ (abs(column) + sensitivity) + scale * abs(weights).max()
                mid[i] = weights @ column
                rad[i] = abs(weights) @ error + ESTIMATED * format.u * units + format.tiny
            if not np.isfinite(mid[i] + rad[i]):
                mid[i], rad[i] = 0, np.inf
    remarks = (f"{len(chosen)} of {total} input elements were measured",) if len(chosen) < total else ()
    return _Truth([_split(mid, rad, values, format) for mid, rad in expected], estimated=True, remarks=remarks)


def _in_float64(function: Any, given: Sequence[Any]) -> Callable[[list[Array]], Array]:
    """The function from float64 (or complex) arrays to a flat array."""

    def run(points: list[Array]) -> Array:
        if _is_tensor(given[0]):
            import torch

            with torch.no_grad():
                tensors = [torch.from_numpy(p.copy()).to(x.device) for p, x in zip(points, given, strict=True)]
                output = function(*tensors)
            return np.asarray(output.detach().cpu().to(torch.float64).numpy()).ravel()
        with np.errstate(all="ignore"):
            return np.asarray(function(*(p.copy() for p in points))).ravel()

    return run


def _column(run: Callable[[list[Array]], Array], points: list[Array], i: int) -> tuple[Array, Array]:
    """The derivative of all outputs by one input element, and an estimate of its error: infinite at a kink."""
    ends = np.cumsum([p.size for p in points])
    k = int(np.searchsorted(ends, i, side="right"))
    at = np.unravel_index(i - (ends[k] - points[k].size), points[k].shape)
    x = points[k][at]
    h = 2.0 ** np.floor(np.log2(abs(x) if x else 1.0)) / 2**7

    def shifted(by: complex) -> Array:
        return run([p if j != k else _with(p, at, x + by) for j, p in enumerate(points)])

    middle = run(points).astype(np.float64)
    with np.errstate(all="ignore"):
        both = [(shifted(h / 2**s), shifted(-h / 2**s)) for s in range(3)]
        steps = [(p - q) / (2 * h / 2**s) for s, (p, q) in enumerate(both)]
        once = [(4 * steps[s + 1] - steps[s]) / 3 for s in range(2)]
        column = (16 * once[1] - once[0]) / 15
        noise = 64 * _EPS * (abs(middle) + abs(x * column)) / h
        error = abs(column - once[1]) + noise
        # The two sides of a smooth function draw together with the step; those of a kink do not.
        gaps = [abs(p + q - 2 * middle) / (h / 2**s) for s, (p, q) in enumerate(both)]
        kink = gaps[2] > gaps[0] / 2 + 4 * noise
    try:
        by_complex = shifted(1j * 2.0**-100).imag * 2.0**100
    except Exception:  # no function of complex numbers
        by_complex = np.full_like(column, np.nan)
    agrees = abs(by_complex - column) <= 4 * error
    column = np.where(agrees, by_complex, column)
    error = np.where(agrees, STEPS * _EPS * abs(column), error)
    return column, np.where(kink, np.inf, error)


def _with(array: Array, at: Any, value: complex) -> Array:
    changed = array.astype(np.result_type(array.dtype, type(value))) if isinstance(value, complex) else array.copy()
    changed[at] = value
    return changed
