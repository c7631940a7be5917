"""Naming: the known mistakes that give exactly somebody's steps, all of them, and how that is said."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from reference import Rule

from ...arrays import Array
from ...bounds.rounded import Rounded
from ...bounds.rules import altered_rule
from ...numbers.enclosure import Unbounded
from .catalogue import Mistake
from .judging import Step, admitted, bounded
from .mistakes import mistakes, program_of
from .programs import Program


def fitting(rule: Rule, declared: Sequence[Mistake], runs: Sequence[Sequence[Step]]) -> Iterator[Mistake]:
    """The mistakes that give every number of all runs, and numbers that the rule does not give.

    Parameters
    ----------
    rule : Rule
    declared : sequence of Mistake
        What is done otherwise on purpose.
    runs : sequence of sequences of Step
        Without gradients that are None.
    """
    right = [list(admitted(bounded(rule, declared, steps), steps)) for steps in runs]
    for mistake in mistakes(rule):
        try:
            makes = [bounded(rule, (*declared, mistake), steps) for steps in runs]
        except ValueError:  # what is declared and the mistake stand at one place
            continue
        if _fits(makes, right, runs) or _breaks(rule, (*declared, mistake), runs):
            yield mistake


def _fits(makes: Sequence[Program], right: Any, runs: Sequence[Sequence[Step]]) -> bool:
    told = False
    for program, expected, steps in zip(makes, right, runs, strict=True):
        try:
            for step, wrong, documented in zip(steps, admitted(program, steps), expected, strict=True):
                for q, bound, truth in zip(step.after, wrong, documented, strict=True):
                    off = _off(q, bound)
                    if not (off <= bound.rad).all():
                        return False
                    apart = _off(q, truth)
                    told |= bool(((apart > truth.rad) & (apart > bound.rad)).any())
        except (TypeError, ValueError, Unbounded):  # a mistake that such arrays do not take
            return False
    return told


def _off(q: Array, bound: Rounded) -> Array:
    """How far numbers are from midpoints, in float64; 0 where the radius is infinite."""
    with np.errstate(all="ignore"):
        off = abs(q.astype(bound.format.wide) - bound.mid).astype(np.float64)
    return np.where(np.isfinite(bound.rad), np.where(np.isnan(off), np.inf, off), 0)


def _breaks(rule: Rule, made: Sequence[Mistake], runs: Sequence[Sequence[Step]]) -> bool:
    """Whether the numbers cease to be finite, and do so in the same places where the mistake is made in NumPy."""
    if all(np.isfinite(q).all() for steps in runs for step in steps for q in step.after):
        return False
    for steps in runs:
        program, state = program_of(rule, made, altered_rule), None
        for step in steps:
            try:
                with np.errstate(all="ignore"):
                    after, state = program(step.before, step.gradients, state)
            except (ArithmeticError, TypeError, ValueError):
                return False
            if any((np.isfinite(p) != np.isfinite(q)).any() for p, q in zip(after, step.after, strict=True)):
                return False
            if not all(np.isfinite(q).all() for q in step.after):
                return True
    return True
