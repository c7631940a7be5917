"""Steps held to a rule: each from the parameters that were there before it, with a state that follows with its bounds.

Nothing here knows where the steps came from: a trainer's do as well, whose gradients are known to within a bound.
"""

import inspect
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from reference import Rule

from ...arrays import Array
from ...bounds.formats import FORMATS
from ...bounds.rounded import Rounded, exact
from ...bounds.rules import admitted_rule, widened_gradient
from ...judge.judgement import Judgement, compare
from ...numbers.enclosure import Unbounded
from ...text.labels import LABEL
from .catalogue import Mistake
from .mistakes import program_of
from .programs import Program


class Step(NamedTuple):
    """A step: the parameters before it, an array each, the gradients that it was given, and the parameters after.

    A gradient may be known to within a radius, as `Rounded`; None says that an array has none.
    """

    before: tuple[Array, ...]
    gradients: tuple[Array | Rounded | None, ...]
    after: tuple[Array, ...]


@cache
def equation(kind: type[Rule]) -> str:
    """The label of the line of a rule that gives the parameters after a step."""
    return str(LABEL.findall(inspect.getsource(kind.step))[-1])


def judged(rule: Rule, steps: Sequence[Step], declared: Sequence[Mistake] = ()) -> Iterator[tuple[Judgement, ...]]:
    """Hold steps in a row to a rule, from its first step on.

    Parameters
    ----------
    rule : Rule
        One of `reference.UPDATES`.
    steps : sequence of Step
        All arrays of one dtype, float32 or float64.
    declared : sequence of Mistake
        What is done otherwise on purpose (`conformance.oracle.rule.mistakes.declared`).

    Yields
    ------
    tuple of Judgement
        For each step one of each array, counted from 1 as its layer.
    """
    if not steps:
        return
    for step, expected in zip(steps, admitted(bounded(rule, declared, steps), steps), strict=True):
        yield held(equation(type(rule)), step, expected)


def bounded(rule: Rule, made: Sequence[Mistake], steps: Sequence[Step]) -> Program:
    """The rule with these mistakes, for `Rounded` of the format of the steps; raises as `program_of`."""
    format = FORMATS[steps[0].before[0].dtype]
    return program_of(rule, made, lambda rule, *edits: admitted_rule(rule, format, *edits))


def held(name: str, step: Step, expected: Sequence[Rounded]) -> tuple[Judgement, ...]:
    """Judge how far each array went, so that what is decided is decided of the step, not of the parameters."""
    parts = enumerate(zip(step.before, step.after, expected, strict=True), start=1)
    return tuple(_went(name, k, p, q, bound) for k, (p, q, bound) in parts)


def _went(name: str, k: int, p: Array, q: Array, expected: Rounded) -> Judgement:
    format, start = expected.format, p.astype(expected.format.wide)
    got = Rounded(q.astype(format.wide) - start, np.zeros(q.shape), format)
    step = Rounded(expected.mid - start, expected.rad, format)
    judgement = compare(name, k, got, step)
    # Where there is no step, to within the roundings of the parameter itself, there is nothing that could be missed.
    still = (step.mid == 0) & (step.rad <= STILL * format.u * abs(p))
    wide = ~(step.rad < abs(step.mid)) & ~still
    return judgement._replace(undecided=int(np.count_nonzero(wide)))


STILL = 12
"""Roundings of a parameter that stays where it is: the subtraction's, and twice those of a step in parts, 2 PARTS."""


def admitted(program: Program, steps: Sequence[Step]) -> Iterator[tuple[Rounded, ...]]:
    """What a program may give in each step, from the parameters that were there before it.

    From where nothing can be bounded anything is admitted.
    """
    state: Any = None
    known = True
    for step in steps:
        before = tuple(exact(p) for p in step.before)
        gradients = [None if g is None else widened_gradient(_rounded(g)) for g in step.gradients]
        expected = tuple(p.widened(np.inf) for p in before)
        if known:
            try:
                with np.errstate(all="ignore"):
                    expected, state = program(before, gradients, state)
            except Unbounded:
                known = False
        yield expected


def _rounded(g: Array | Rounded) -> Rounded:
    return g if isinstance(g, Rounded) else exact(g)
