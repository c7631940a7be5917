"""The examination of one operation: ask, ask the same again, with other cotangents and in other layouts; judge it all.

`examined` asks, and judges each answer against its truth; what follows from that (tallies, findings, remarks) are
functions of the `Outcome`s alone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ...bounds.assumptions import KAPPA
from ...bounds.rounded import Format, Rounded
from ...judge.judgement import Judgement
from ...judge.report import Finding, Report, Robustness, Subject, found, unnumbered
from ...judge.verdict import by_equation_and_layer
from ...problems.layouts import (
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
from .. import asking
from ..asking import Failed, Failure
from ..diagnosis import Diagnosis, Mistaken, diagnosed
from .forward import forward_of
from .judging import judged, judgement
from .truth import Admitted, Truth, generator

COTANGENTS = 3
"""How many cotangents are asked, each of normal numbers."""


class Operation(NamedTuple):
    """Somebody's operation, as an examination sees it.

    ``format`` is what is judged.  ``pullback`` is called with arrays like the ``given`` ones and, where there is an
    ``output`` shape, with a cotangent of that shape last; it gives the gradients by the first ``judged`` inputs, which
    count under ``equation``.  ``truth`` says what is admitted, of the inputs' numbers and the cotangents'.  Of
    ``forward``, where there is one, the value is judged too, and counts under ``value``.  ``mistakes`` are the known
    ones, of the inputs and a cotangent.  Beyond ``end`` an input is extreme.  ``labels`` are what the inputs are
    called, if not by their places.
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
    mistakes: Callable[[Sequence[Array], Array], Iterator[Mistaken]] = lambda values, g: iter(())
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


class Gradients(NamedTuple):
    """The numbers of each array that came, in the format judged, or why there are none; the arrays; and remarks."""

    parts: tuple[Array | Failed, ...]
    came: Sequence[Any] = ()
    remarks: tuple[str, ...] = ()


Outcome = asking.Outcome[Call, Gradients, None]


class Examination(NamedTuple):
    """The first call, the same one again, the others, and those that were refused; and the value."""

    truth: Truth
    first: Outcome
    again: Outcome
    others: tuple[Outcome, ...]
    refused: tuple[Outcome, ...]
    value: Outcome | None

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Of all calls but that made again."""
        return (self.first, *self.others)


def examined(operation: Operation, seed: int) -> Report:
    """Examine an operation.

    Where inputs are extreme and something is found, all is asked once more with them cut to the ``end``: what is found
    beyond it alone is a matter of robustness.
    """
    values = [numbers(x) for x in operation.given]
    examination = _examination(operation, values, seed)
    report = _report(operation, examination, seed)
    if all((abs(x) <= operation.end).all() for x in values):
        return report
    violated = sum(outcome.violated for outcome in examination.outcomes)
    report = report._replace(robustness=Robustness(report.verdict, report.asked, violated))
    if not report.findings:
        return report
    cut = [x.clip(-operation.end, operation.end) for x in values]
    ordinary = _report(operation, _examination(operation, cut, seed), seed)
    if ordinary.findings:
        return report
    said = f" Only for inputs beyond {operation.end:g}: the same, cut to that, conform."
    beyond = tuple(f._replace(kind="extreme", explanation=f.explanation + said) for f in report.findings)
    asked = report.asked + ordinary.asked
    return ordinary._replace(findings=beyond, asked=asked, robustness=report.robustness, remarks=report.remarks)


# Asking.


def _examination(operation: Operation, values: Sequence[Array], seed: int) -> Examination:
    """Ask all questions; only the first, twice, of an operation that keeps state or changes its arguments."""
    gs = [numbers(like(g, operation.given[0])) for g in cotangents(operation, seed)]
    truth = operation.truth(values, gs)
    calls = [Call(values, g, of_g) for g, of_g in zip(gs or (None,), truth.expected, strict=True)]
    first, again = (outcome_of(operation, calls[0], truth.estimated) for _ in range(2))
    value = outcome_of_value(operation, values, truth.value) if operation.forward and truth.value else None
    others: list[Outcome] = []
    if not first.reply.changed and (first.violated or not again.violated):
        further = [*calls[1:], *_laid_out(operation, calls[0], truth)]
        others = [outcome_of(operation, call, truth.estimated) for call in further]
    answered = tuple(outcome for outcome in others if not outcome.failed)
    return Examination(truth, first, again, answered, tuple(o for o in others if o.failed), value)


def cotangents(operation: Operation, seed: int) -> list[Array]:
    """The cotangents asked: none of an operation that takes none."""
    if operation.output is None:
        return []
    rng = generator(seed)
    drawn = [np.asarray(rng.standard_normal(operation.output)) for _ in range(COTANGENTS)]
    if operation.format.accumulator is not None:  # sums of one sign tell the most of how they are added up
        drawn.insert(0, np.asarray(abs(drawn[-1])))
    return drawn


def _laid_out(operation: Operation, call: Call, truth: Truth) -> Iterator[Call]:
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
    reply = reply_to(operation, call)
    if reply.failed and not call.where:
        assert reply.failed.error
        raise reply.failed.error
    outcome: Outcome = asking.Outcome(call, reply)
    if reply.failed:
        return outcome
    found = judged(operation.equation, operation.dtype, outcome.answer.parts, call.admitted, estimated)
    return outcome._replace(judgements=found)


def reply_to(operation: Operation, call: Call) -> asking.Reply[Gradients]:
    """Ask once."""
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


# Reporting.


def _report(operation: Operation, e: Examination, seed: int) -> Report:
    judgements = [j for outcome in e.outcomes for j in outcome.judgements]
    if not e.first.violated and not e.first.reply.changed:
        judgements += [j._replace(equation="state") for j in e.again.judgements]
    if e.value is not None:
        judgements += e.value.judgements
    findings = list(_found(operation, e))
    bits = next((diagnosis.bits for _, diagnosis in findings if diagnosis.bits is not None), None)
    remarks = (
        *e.truth.remarks,
        *(remark for outcome in e.outcomes for remark in outcome.answer.remarks),
        *_kept(operation, e.first.answer, e.again.answer),
        *(f"refuses {o.question.where}: {o.failed.said}" for o in e.refused if o.failed),
    )
    return Report(
        operation.subject,
        by_equation_and_layer(judgements),
        tuple(finding for finding, _ in findings),
        asked=len(e.outcomes) + 1,
        unsupported=len(e.refused),
        effective_bits={operation.dtype: bits} if bits is not None else {},
        remarks=tuple(dict.fromkeys(remarks)),
        profile="operation",
        seed=seed,
    )


def _found(operation: Operation, e: Examination) -> Iterator[tuple[Finding, Diagnosis]]:
    """What is wrong, each input's gradient once, in the first question that shows it; state comes first."""
    changing = [outcome.reply.changed for outcome in e.outcomes if outcome.reply.changed]
    if changing:
        text = f"The call changes {' and '.join(changing[0])}, which the caller still needs."
        yield unnumbered("ordinary", "state", text, ("changes its arguments",)), Diagnosis()
    if not e.first.violated and not e.first.reply.changed:
        for k in violated_in(e.again):
            yield _of_state(operation, e.again, k)
    shown: set[int] = set()
    for outcome in e.outcomes:
        for k in violated_in(outcome):
            if k not in shown:
                yield of_gradient(operation, outcome, k)
        shown.update(violated_in(outcome))
    if e.value is not None and e.value.violated:
        yield of_value(e.value), Diagnosis()


def of_value(outcome: Outcome) -> Finding:
    """A wrong value."""
    j, got, where = outcome.judgements[0], outcome.answer.parts[0], outcome.question.where
    return found("ordinary", j, f"({j.equation}), the value{f' with {where}' if where else ''}: {_counted(j, got)}.")


def of_gradient(operation: Operation, outcome: Outcome, k: int) -> tuple[Finding, Diagnosis]:
    """A wrong gradient by the k-th input."""
    call, j, got = outcome.question, outcome.judgements[k], outcome.answer.parts[k]
    where = f" with {call.where}" if call.where else ""
    text, diagnosis = f"({j.equation}) by {operation.label(k)}{where}: {_counted(j, got)}.", Diagnosis()
    if not isinstance(got, Failed):
        sizes = [*got.shape, got.size, *(n for x in call.values for n in x.shape)]
        mistakes = operation.mistakes(call.values, call.g) if call.g is not None else ()
        diagnosis = diagnosed(j, got, call.admitted.bounds[k], sizes, mistakes)
        if not diagnosis.faults and not _is_linear(operation, call, k, got):
            said = "It is not linear in the cotangent: twice the cotangent does not give twice the gradient."
            diagnosis = Diagnosis(said, ("not linear in the cotangent",))
    return found("ordinary", j, f"{text} {diagnosis.said}".rstrip(), diagnosis.faults), diagnosis


def _is_linear(operation: Operation, call: Call, k: int, got: Array) -> bool:
    """Whether twice the cotangent gives twice the gradient, which is exact but for underflow."""
    if call.g is None:
        return True
    answer = reply_to(operation, call._replace(g=np.asarray(2 * call.g))).answer
    double = answer.parts[k] if answer else None
    if not isinstance(double, np.ndarray):
        return True
    format = operation.format
    with np.errstate(all="ignore"):
        off = abs(double.astype(np.float64) - 2 * got.astype(np.float64))
        return bool((off <= KAPPA * (format.u * abs(double) + format.tiny)).all())


def _of_state(operation: Operation, again: Outcome, k: int) -> tuple[Finding, Diagnosis]:
    """A wrong gradient by the k-th input in the second answer, of which the first was right."""
    j, got = again.judgements[k]._replace(equation="state"), again.answer.parts[k]
    if isinstance(got, Failed):
        said = f"By {operation.label(k)} a second call with the same arguments fails: {got.said}."
        return found("ordinary", j, said), Diagnosis()
    diagnosis = diagnosed(j, got, again.question.admitted.bounds[k], [*got.shape, got.size], ())
    text = (
        f"By {operation.label(k)} the first answer is right, and the second answer to the same question is not: "
        f"{_counted(j, got)}. {diagnosis.said} Something is kept from one call to the next."
    )
    return found("ordinary", j, text, ("keeps state",)), diagnosis


def _counted(j: Judgement, got: Array | Failed) -> str:
    """How many numbers are outside, and the worst; or why there are none."""
    if isinstance(got, Failed):
        return got.said
    n = j.wrong + j.suspect
    outside = "is outside its bound" if n == 1 else "are outside their bounds"
    return (
        f"{n} of {j.elements} elements {outside}, the worst at {j.element}: "
        f"got {j.got:.6g}, expected {j.expected:.6g} within {j.bound:.1g}"
    )


def _kept(operation: Operation, first: Gradients, again: Gradients) -> Iterator[str]:
    """Remarks on what a second answer, and those after it, show of the first."""
    for k, (part, p, q) in enumerate(zip(first.came, first.parts, again.parts, strict=True)):
        if isinstance(p, Failed):
            continue
        if not isinstance(q, Failed) and not np.array_equal(p, q, equal_nan=True):
            yield f"{operation.label(k)}: the same question twice gives other bits"
        with np.errstate(over="ignore"):
            now = numbers(part).astype(p.dtype)
        if not np.array_equal(now, p, equal_nan=True):
            yield f"the gradient by {operation.label(k)} of one call is overwritten by the next: copy it first"
