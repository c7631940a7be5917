"""Calls of one operation: what is asked of somebody's functions, and what they answer, held to the truth."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ....arrays import Array
from ....bounds.formats import Format
from ....bounds.rounded import Rounded
from ....judge.report import Subject
from ....problems.layouts import (
    Layout,
    broadcast,
    dtype_name,
    is_tensor,
    layouts,
    like,
    numbers,
    repeated,
    share_memory,
)
from ... import asking
from ...asking import Failed, Failure
from ...recording.reverse import Followed
from ..forward import forward_of
from ..judging import judged, judgement
from ..truth import Admitted, Truth, generator

COTANGENTS = 3
"""How many cotangents are asked, each of normal numbers."""


Mistaken = tuple[str, Array | Callable[[], Any]]
"""What was mistaken, in words, and the numbers that come of it, or what gives them if they are to be had."""

Written = tuple[Mapping[str, Any], Any]
"""All inputs by name, in order, and the cotangent."""


class Known(NamedTuple):
    """What is known of an operation beforehand, to explain by.

    ``mistakes`` are of the inputs and the cotangent, if there is one, single ones before two at once.  ``traits`` are
    the arrays, by name, that tell the elements of the gradient by the k-th input apart; at the ``thresholds`` the
    equation changes.  ``names`` are the equation's for its inputs.  ``outputs`` says where each of several outputs
    stands in the cotangent.  ``indices`` are inputs of whole numbers.  ``fresh`` draws other inputs for the same
    question.  ``written`` gives a question as somebody's function takes it; None if it is plain.  ``output`` is what a
    forward function gives, and ``record`` follows it once.
    """

    mistakes: tuple[Callable[[Sequence[Array], Array | None], Iterable[Mistaken]], ...] = (lambda values, g: (),)
    traits: Callable[[Sequence[Array], int], Mapping[str, Array]] = lambda values, k: {}
    thresholds: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    outputs: Mapping[str, slice] = {}
    indices: tuple[Array, ...] = ()
    fresh: Callable[[Sequence[Array]], Iterable[Sequence[Array]]] = lambda values: ()
    written: Callable[[Sequence[Array], Array | None], Written] | None = None
    output: Callable[[Sequence[Array]], Array] | None = None
    record: Callable[[Sequence[Array]], Followed] | None = None


class Operation(NamedTuple):
    """Somebody's operation, as an examination sees it.

    ``format`` is what is judged.  ``pullback`` is called with arrays like the ``given`` ones and, where there is an
    ``output`` shape, with a cotangent of that shape last; it gives the gradients by the first ``judged`` inputs, which
    count under ``equation``.  ``truth`` says what is admitted, of the inputs' numbers and the cotangents'.  Of
    ``forward``, where there is one, the value is judged too, and counts under ``value``.  ``known`` serves to explain
    what is wrong.  Beyond ``end`` an input is extreme.  ``labels`` are what the inputs are called, if not by their
    places.
    """

    subject: Subject
    given: tuple[Any, ...]
    format: Format
    judged: int
    pullback: Callable[..., Any]
    output: tuple[int, ...] | None
    equation: str
    truth: Callable[[Sequence[Array], Sequence[Array]], Truth]
    forward: Callable[..., Any] | None = None
    value: str = ""
    known: Known = Known()
    end: float = np.inf
    labels: tuple[str, ...] = ()

    def label(self, k: int) -> str:
        """What the k-th of the inputs judged is called, from 0."""
        return f"input {self.labels[k] if self.labels else k + 1}"

    @property
    def dtype(self) -> str:
        """The name of the inputs' dtype."""
        return dtype_name(self.given[0])


class Call(NamedTuple):
    """The numbers of the inputs and of the cotangent, what is admitted, and how they lie in memory.

    ``where`` says that in words where it is unusual; such a call may be refused.
    """

    values: Sequence[Array]
    g: Array | None
    admitted: Admitted
    layout: Layout = like
    where: str = ""


Part = Array | Failed
"""The gradient by one input, or why there is none."""


class Gradients(NamedTuple):
    """The numbers of each array that came, in the format judged, or why there are none; the arrays; and remarks."""

    parts: tuple[Array | Failed, ...]
    came: Sequence[Any] = ()
    remarks: tuple[str, ...] = ()


Outcome = asking.Outcome[Call, Gradients, None]


# Asking.


REVERSED = -0.7
"""Times the first cotangent: of few numbers, those drawn may all give one sign; by -1 roundings would be alike."""


def cotangents(operation: Operation, seed: int) -> list[Array]:
    """The cotangents asked: none of an operation that takes none."""
    if operation.output is None:
        return []
    rng = generator(seed)
    drawn = [np.asarray(rng.standard_normal(operation.output)) for _ in range(COTANGENTS)]
    drawn.insert(1, np.asarray(REVERSED * drawn[0]))
    if operation.format.accumulator is not None:  # sums of one sign tell the most of how they are added up
        drawn.insert(0, np.asarray(abs(drawn[-1])))
    return drawn


def laid_out(operation: Operation, call: Call, truth: Truth) -> Iterator[Call]:
    """The same numbers in other layouts, and the first of them at every place of the first axis."""
    for name, layout in layouts(operation.given[0]):
        yield call._replace(layout=layout, where=f"inputs {name}")
    if not any(x.ndim and len(x) > 1 for x in call.values):
        return
    values = [repeated(x) for x in call.values]
    # The cotangent of a sum over the first axis comes with a stride of zero.
    g = repeated(call.g) if call.g is not None else None
    try:
        of_repeated = operation.truth(values, [g] if g is not None else [])
    except Exception:  # a forward function may refuse equal rows
        return
    if of_repeated.estimated == truth.estimated:
        yield Call(values, g, of_repeated.expected[0], broadcast, "inputs broadcast with strides of zero")


def outcome_of(operation: Operation, call: Call, estimated: bool) -> Outcome:
    """Ask and judge; what fails with arrays that lie in memory as usual raises."""
    reply = asked(operation, call)
    if reply.failed and not call.where:
        assert reply.failed.error
        raise reply.failed.error
    outcome: Outcome = asking.Outcome(call, reply)
    if reply.failed:
        return outcome
    found = judged(operation.equation, operation.dtype, outcome.answer.parts, call.admitted, estimated)
    return outcome._replace(judgements=found)


def asked(operation: Operation, call: Call) -> asking.Reply[Gradients]:
    """Ask; nothing is judged."""
    names, before = [operation.label(k) for k in range(len(call.values))], list(call.values)
    kinds = list(operation.given)
    if call.g is not None:
        names, before, kinds = [*names, "the cotangent"], [*before, call.g], [*kinds, kinds[0]]
    arguments = [call.layout(x, kind) for x, kind in zip(before, kinds, strict=True)]
    lent = list(zip(names, before, arguments, strict=True))
    return asking.reply(lambda: _gradients(operation, call, operation.pullback(*arguments), lent), lent)


def _gradients(operation: Operation, call: Call, returned: Any, lent: Iterable[tuple[str, Array, Any]]) -> Gradients:
    """What a pullback returned, taken apart."""
    came = list(returned) if isinstance(returned, tuple | list) else [returned]
    if len(came) != operation.judged:
        expected = f"{operation.judged} gradient{'s' if operation.judged > 1 else ''}, one for each input"
        raise TypeError(f"pullback: expected {expected}, got {len(came)}")
    parts = tuple(_gradient(part, x, operation) for part, x in zip(came, call.values, strict=False))
    remarks = [
        f"the gradient by {operation.label(k)} came as {dtype_name(part)} and was rounded to {operation.dtype}"
        for k, (part, got) in enumerate(zip(came, parts, strict=True))
        if not isinstance(got, Failed) and dtype_name(part) != operation.dtype
    ]
    remarks += [
        f"the gradient by {operation.label(k)} shares memory with {name}"
        for k, part in enumerate(came)
        for name, _, argument in lent
        if share_memory(part, argument)
    ]
    return Gradients(parts, came, tuple(remarks))


def _gradient(part: Any, x: Array, operation: Operation) -> Array | Failed:
    """The numbers of a gradient by x in the format judged, or why there are none."""
    if part is None:
        return Failed(Failure.MALFORMED, "no gradient came")
    if not isinstance(part, np.ndarray | np.generic) and not is_tensor(part):
        return Failed(Failure.MALFORMED, f"expected an array, got {type(part).__name__}")
    got = numbers(part)
    if got.dtype.kind != "f":
        return Failed(Failure.MALFORMED, f"expected real numbers of dtype {operation.dtype}, got {got.dtype}")
    if got.shape != x.shape:
        said = f"expected shape {x.shape}, as the input has, got {got.shape}{_unsummed(got.shape, x.shape)}"
        return Failed(Failure.MALFORMED, said)
    return _in_format(got, operation)


def _in_format(got: Array, operation: Operation) -> Array:
    with np.errstate(over="ignore"):
        return got.astype(operation.format.dtype)


def _unsummed(got: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Which sums are missing in a gradient, if they are what is missing."""
    extra = len(got) - len(expected)
    wanted = (1,) * extra + expected
    if extra < 0 or any(n != m != 1 for n, m in zip(got, wanted, strict=True)):
        return ""
    axes = (str(i) for i, (n, m) in enumerate(zip(got, wanted, strict=True)) if i < extra or n != m)
    return f". The input was broadcast: the sum over axis {', '.join(axes)} is missing"


# Judging.


def violated_in(outcome: Outcome) -> list[int]:
    """Of which inputs the gradients are wrong, or suspect."""
    return [k for k, j in enumerate(outcome.judgements) if j.violated]


def outcome_of_value(operation: Operation, values: Sequence[Array], admitted: Rounded, where: str = "") -> Outcome:
    """The value that a forward function of a named equation gives, judged."""
    assert operation.forward is not None
    came = forward_of(operation.forward, operation.given).plain(values)
    got: Array | Failed = _in_format(came, operation)
    if came.shape != admitted.shape:
        got = Failed(Failure.MALFORMED, f"expected a value of shape {admitted.shape}, got {came.shape}")
    of_value = judgement(operation.value, 1, operation.dtype, got, admitted)
    return asking.Outcome(
        Call(values, None, Admitted((admitted,)), where=where), asking.Reply(Gradients((got,))), (of_value,)
    )
