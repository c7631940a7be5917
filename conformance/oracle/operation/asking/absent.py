"""Absent gradients: None for an input says that there is none by it, which is no wrong number.

Where the derivative by it is zero that is right.  Where it is not, the author may hold the input constant on purpose,
as targets are: what is said of the others is said of it as a constant, and the report says how to ask so.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from ....judge.report import Report, unnumbered
from ....judge.verdict import SUSPECT
from ....problems.layouts import like, numbers
from ..signature import Signature
from .calls import Call, Operation, asked, cotangents


def without_gradient(operation: Operation, seed: int) -> tuple[int, ...]:
    """The places of the inputs, from 0, by which None comes, where gradients come by others.

    Parameters
    ----------
    operation : Operation
    seed : int
        Of the cotangent.
    """
    call = _call(operation, seed)
    reply = asked(operation, call)
    came: Sequence[Any] = reply.answer.came if reply.answer else ()
    absent = tuple(k for k, part in enumerate(came) if part is None)
    return absent if len(absent) < len(came) else ()


def with_absent(report: Report, whole: Operation, others: Operation, absent: Sequence[int], seed: int) -> Report:
    """A report on the others, with what is to be said of the inputs by which None came.

    Parameters
    ----------
    report : Report
        Of the operation with these inputs held constant.
    whole, others : Operation
        With them, and without.
    absent : sequence of int
        Their places among those of the whole, from 0.
    seed : int
    """
    call = _call(whole, seed)
    (admitted,) = whole.truth(call.values, [call.g] if call.g is not None else []).expected
    moved = {k for k in absent if (abs(admitted.bounds[k].mid) > admitted.bounds[k].rad).any()}
    findings = tuple(
        unnumbered("ordinary", "vjp", _said(whole, others, k), ("no gradient",), verdict=SUSPECT) for k in sorted(moved)
    )
    remarks = tuple(f"None came for {whole.label(k)}, whose derivative is zero" for k in absent if k not in moved)
    return report._replace(findings=(*report.findings, *findings), remarks=(*report.remarks, *remarks))


def _call(operation: Operation, seed: int) -> Call:
    """The first question."""
    values, gs = [numbers(x) for x in operation.given], cotangents(operation, seed)
    g = numbers(like(gs[0], operation.given[0])) if gs else None
    return Call(values, g, operation.truth(values, [] if g is None else [g]).expected[0])


def _said(whole: Operation, others: Operation, k: int) -> str:
    moving = ", ".join(f"x{label.strip(chr(39))}" if label.isdigit() else label.strip("'") for label in others.labels)
    return (
        f"(vjp) None came for {whole.label(k)}, whose derivative is not zero: if it takes none, hand it as a constant, "
        f"check_pullback(lambda {moving}: ..., lambda {moving}, g: ..., ({moving})); of an autograd.Function, "
        f"by_autograd(lambda {moving}: ...)."
    )


def check_called(pullback: Callable[..., Any], name: str, signature: Signature) -> None:
    """Raise where a pullback takes the inputs alone, and no cotangent.

    Raises
    ------
    TypeError
        With how it is called, and what a function with a backward of its own is asked by.
    """
    if signature.names is not None:
        return
    try:
        takes = inspect.signature(pullback)
    except (TypeError, ValueError):  # as built-in functions
        return
    n = len(signature.inputs)
    if _binds(takes, n, signature.keywords) and not _binds(takes, n + 1, signature.keywords):
        raise TypeError(
            f"pullback: it is called as pullback(*inputs, g), with {n + 1} arguments, and {name} takes {n}; a forward "
            "function in PyTorch with a backward of its own is asked as by_autograd(function)"
        )


def _binds(takes: inspect.Signature, n: int, keywords: Any) -> bool:
    try:
        takes.bind(*range(n), **keywords)
    except TypeError:
        return False
    return True
