"""Findings: what is wrong with an operation's gradients, state and value, for a reader."""

from collections.abc import Sequence

import numpy as np

from ....judge.judgement import Judgement
from ....judge.precision import digits
from ....judge.report import Finding, found, unnumbered
from ...asking import Failed
from ..asking.calls import Operation, Outcome, Part
from .diagnosis import Diagnosis, diagnosed, of_numbers
from .evidence import Answer, Seen, seen
from .evidence import answers as answers_of
from .smallest import example, said, smallest, told_apart

LARGEST = 2**20
"""Of how many numbers, at most, more is looked for than what can be told at a glance."""


def of_gradient(operation: Operation, given: Sequence[Answer], k: int) -> tuple[Finding, Diagnosis]:
    """A wrong gradient by the k-th input.

    Parameters
    ----------
    operation : Operation
    given : sequence of Answer
        That shows it, and others to questions of the same kind, right or wrong, of which an explanation has to hold.
    k : int
        The input's place, from 0.
    """
    call, outcome = given[0].asked.call, given[0].outcome
    j, got = outcome.judgements[k], outcome.answer.parts[k]
    where = f" with {call.where}" if call.where else ""
    text = f"({j.equation}) by {operation.label(k)}{where}: {counted(j, got)}."
    answers = seen(given, k)
    if isinstance(got, Failed) or not answers[0].wrong.any():
        return found("ordinary", j, text), Diagnosis()
    if got.size > LARGEST:
        diagnosis = of_numbers(j, answers[0])
        return found("ordinary", j, f"{text} {diagnosis.said}".rstrip(), diagnosis.faults), diagnosis
    with np.errstate(all="ignore"):
        diagnosis = diagnosed(operation, j, answers)
        cut = smallest(operation, answers[0], j.element)
    sentences = " ".join(filter(None, (text, diagnosis.said, said(operation, cut))))
    finding = found("ordinary", j, sentences, diagnosis.faults)
    return finding._replace(question=example(operation, cut.seen)), diagnosis


def of_value(outcome: Outcome) -> Finding:
    """A wrong value."""
    j, got, where = outcome.judgements[0], outcome.answer.parts[0], outcome.question.where
    return found("ordinary", j, f"({j.equation}), the value{f' with {where}' if where else ''}: {counted(j, got)}.")


def of_state(operation: Operation, again: Outcome, k: int, which: str) -> tuple[Finding, Diagnosis]:
    """A wrong gradient by the k-th input in a later answer to a question, of which the first was right."""
    j, got = again.judgements[k]._replace(equation="state"), again.answer.parts[k]
    if isinstance(got, Failed):
        said = f"By {operation.label(k)} {which} with the same arguments fails: {got.said}."
        return found("ordinary", j, said), Diagnosis()
    answers = seen(answers_of(operation, [again]), k)
    diagnosis = of_numbers(j, answers[0])
    text = (
        f"By {operation.label(k)} the first answer is right, and {which} to the same question is not: "
        f"{counted(j, got)}. {diagnosis.said} Something is kept from one call to the next."
    )
    finding = found("ordinary", j, text, ("keeps state",))
    return finding._replace(question=example(operation, answers[0])), diagnosis


def of_changing(operation: Operation, first: Outcome, again: Outcome, k: int) -> Finding | None:
    """Two answers to one question, neither of them right, that are further apart than roundings put them; or None."""
    p, q = (seen(answers_of(operation, [o]), k) for o in (first, again))
    if not p or not q or not _apart(p[0], q[0]):
        return None
    at = int(np.argmax(abs(p[0].got.astype(np.float64) - q[0].got.astype(np.float64)).ravel()))
    was, now = (float(s.got.ravel()[at]) for s in (p[0], q[0]))
    said = (
        f"By {operation.label(k)} the same question asked twice gives other values, {was:.6g} and then {now:.6g}: "
        "something is kept from one call to the next, or drawn by chance.  What is said of the numbers is of the first "
        "answer."
    ).replace("  ", " ")
    return unnumbered("ordinary", "state", said, ("keeps state",))


def _apart(p: Seen, q: Seen) -> bool:
    """Whether two answers differ by more than the truth's bounds, twice, and their own roundings."""
    format = p.expected.format
    with np.errstate(all="ignore"):
        a, b = p.got.astype(np.float64), q.got.astype(np.float64)
        within = 2 * p.expected.rad * np.maximum(
            1, abs(a) / np.maximum(abs(p.truth), format.tiny)
        ) + 8 * format.u * abs(a)
        return bool(
            ((abs(a - b) > within) & np.isfinite(a) & np.isfinite(b)).any() or (np.isfinite(a) != np.isfinite(b)).any()
        )


def counted(j: Judgement, got: Part) -> str:
    """How many numbers are outside, and the worst; or why there are none."""
    if isinstance(got, Failed):
        return got.said
    n = j.wrong + j.suspect
    outside = "is outside its bound" if n == 1 else "are outside their bounds"
    number = "element" if j.elements == 1 else "elements"
    where = "" if j.elements == 1 else f", the worst at {j.element}"
    within = f" within {j.bound:.1g}" if np.isfinite(j.bound) else ""
    right = digits(j)
    right = "" if right.startswith("no ") else right
    got_said, expected = told_apart(j.got, j.expected)
    return (
        f"{n} of {j.elements} {number} {outside}{where}: got {got_said}, expected {expected}{within}"
        f"{f'; {right}' if right else ''}"
    )
