"""The smallest question that shows a mistake, as an example to hold in hand."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ....arrays import Array
from ....judge.held import Example
from ....problems.layouts import is_tensor, like
from ..asking.calls import Call, Operation, outcome_of
from .evidence import Seen, answers, seen


class Cut(NamedTuple):
    """A question, and how much of the one given it is, in words; empty for all of it."""

    seen: Seen
    of: str = ""


def smallest(operation: Operation, s: Seen, element: tuple[int, ...]) -> Cut:
    """The smallest part of a question, around an element that is wrong, that is answered wrongly alone.

    What cannot be cut, or is right alone, is left as it is.
    """
    if s.call.layout is not like:
        return Cut(s)
    for of, values, g in _parts(operation, s, element):
        try:
            truth = operation.truth(values, [g] if g is not None else [])
            outcome = outcome_of(operation, Call(values, g, truth.expected[0]), truth.estimated)
            found = seen(answers(operation, [outcome]), s.k)
        except Exception:  # a function may refuse what is cut
            continue
        if found and outcome.judgements[s.k].violated and _the_same(found[0], s, element, of):
            return Cut(found[0], of)
    return Cut(s)


ONE = "One number alone"


def _the_same(cut: Seen, s: Seen, at: tuple[int, ...], of: str) -> bool:
    """Whether a part is answered wrongly, and one number as it was: no sum over others is lost."""
    if of != ONE:
        return bool(cut.wrong.any())
    truth, rad = float(s.truth[at]), float(s.expected.rad[at])
    same = abs(float(cut.truth.ravel()[0]) - truth) <= 2 * rad + 4 * s.expected.format.u * abs(truth)
    return bool(cut.wrong.any()) and (same or not np.isfinite(rad))


def _parts(operation: Operation, s: Seen, at: tuple[int, ...]) -> Iterator[tuple[str, Sequence[Array], Array | None]]:
    """The one number, or the one sample, that the element is of."""
    values, g, shape = s.call.values, s.call.g, s.got.shape
    alike = [x for x in (*values, *([g] if g is not None else ())) if x.shape == shape]
    if len(shape) > 0 and s.got.size > 1 and len(alike) == len(values) + (g is not None):
        one = tuple(slice(i, i + 1) for i in at)
        yield ONE, [x[one] for x in values], g[one] if g is not None else None
    n = shape[0] if shape else 1
    of_samples = all(x.ndim and len(x) == n for x in (*values, *([g] if g is not None else ())))
    if n > 1 and of_samples and operation.known.written is None:
        i = slice(at[0], at[0] + 1)
        yield "One sample alone", [x[i] for x in values], g[i] if g is not None else None


def example(operation: Operation, s: Seen) -> Example:
    """A question as one to hold in hand."""
    values = list(s.call.values)
    if operation.known.written is not None:
        inputs, g = operation.known.written(values, s.call.g)
        keywords = not all(str(name).startswith("input ") for name in inputs)
    else:
        names = operation.known.names or [f"input {k}" for k in range(1, len(values) + 1)]
        inputs, g, keywords = dict(zip(names, values, strict=True)), s.call.g, False
    bound = s.expected.rad.astype(np.float64)
    expected = s.truth.astype(np.float64)
    return Example(
        operation.subject.name, inputs, g, s.k, s.got, expected, bound, operation.dtype,
        is_tensor(operation.given[0]), keywords, s.call.where if s.call.layout is not like else "",
    )  # fmt: skip


def said(operation: Operation, cut: Cut) -> str:
    """What shows it, with its numbers where it is one."""
    s = cut.seen
    if not cut.of:
        return ""
    if s.got.size > 1:
        return f"{cut.of} shows it."
    numbers = [float(x.ravel()[0]) for x in s.call.values]
    names = operation.known.names or [operation.label(k) for k in range(len(numbers))]
    given = ", ".join(f"{name} = {x:.6g}" for name, x in zip(names, numbers, strict=True))
    if s.call.g is not None:
        given += f" with cotangent {float(s.call.g.ravel()[0]):.6g}"
    got, expected = told_apart(float(s.got.ravel()[0]), float(s.truth.ravel()[0]))
    return f"{cut.of} shows it: of {given} comes {got}, not {expected}."


def told_apart(p: float, q: float) -> tuple[str, str]:
    """Two numbers in six digits, or in as many as tell them apart."""
    for figures in range(6, 18):
        if (a := f"{p:.{figures}g}") != (b := f"{q:.{figures}g}"):
            return a, b
    return a, b
