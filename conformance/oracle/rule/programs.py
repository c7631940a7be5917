"""Update rules as programs: parameters, gradients and a state in, parameters and a state out; right ones and wrong.

Each runs on arrays, as somebody's own, and on `Rounded`, as what is admitted.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from reference import Rule

Program: TypeAlias = Callable[[Sequence[Any], Sequence[Any], Any], tuple[tuple[Any, ...], Any]]
"""``program(parameters, gradients, state) -> parameters, state``, an array each; the state is None before the first
step.  A gradient that is None leaves its array, and what is remembered of it, as they are."""

Clock: TypeAlias = Callable[[int, int, int], int]
"""The t of a step, from its number, counted from 1, the array's, counted from 0, and how many arrays there are."""


def plain(rule: Rule, clock: Clock = lambda t, k, n: t) -> Program:
    """The rule as it is documented, or with another count of its steps."""

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        n, after, kept = len(parameters), [], []
        state = state or tuple((rule.start(p), 0) for p in parameters)
        for k, (p, g, (slots, t)) in enumerate(zip(parameters, gradients, state, strict=True)):
            if g is not None:
                t += 1
                p, slots = rule.step(p, g, slots, clock(t, k, n), rule.eta)
            after.append(p)
            kept.append((slots, t))
        return tuple(after), tuple(kept)

    return program


# --- What is kept wrongly, whatever the rule --------------------------------------------------------------------------


def forgetful(rule: Rule) -> Program:
    """The state is made anew in every step."""
    step = plain(rule)
    return lambda parameters, gradients, state: step(parameters, gradients, None)


def emptied(rule: Rule) -> Program:
    """The slots are made anew in every step, but t goes on."""
    step = plain(rule)

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        fresh = state and tuple((rule.start(p), t) for p, (_, t) in zip(parameters, state, strict=True))
        return step(parameters, gradients, fresh)

    return program


def shared(rule: Rule) -> Program:
    """Arrays of one shape have their slots in common."""

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        t, slots = state or (0, {})
        t, slots, after = t + 1, dict(slots), []
        for p, g in zip(parameters, gradients, strict=True):
            p, slots[p.shape] = rule.step(p, g, slots.get(p.shape) or rule.start(p), t, rule.eta)
            after.append(p)
        return tuple(after), (t, slots)

    return program


def accumulating(rule: Rule) -> Program:
    """The gradients of all steps so far are added up."""
    step = plain(rule)

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        within, sums = state or (None, [0 * g for g in gradients])
        sums = [total + g for total, g in zip(sums, gradients, strict=True)]
        after, within = step(parameters, sums, within)
        return after, (within, sums)

    return program


def stale(rule: Rule) -> Program:
    """Each step takes the gradients of the step before; the first its own."""
    step = plain(rule)

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        within, before = state or (None, gradients)
        after, within = step(parameters, before, within)
        return after, (within, gradients)

    return program


# --- What is done wrongly with gradients and steps, whatever the rule -------------------------------------------------


def negated(rule: Rule) -> Program:
    """The gradients have the other sign."""
    step = plain(rule)
    return lambda parameters, gradients, state: step(parameters, [-g for g in gradients], state)


def ascending(rule: Rule) -> Program:
    """What is to be subtracted is added."""
    step = plain(rule)

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        after, state = step(parameters, gradients, state)
        return tuple(p + (p - q) for p, q in zip(parameters, after, strict=True)), state

    return program


def twice(rule: Rule) -> Program:
    """Two steps are taken with each gradient."""
    step = plain(rule)

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        after, state = step(parameters, gradients, state)
        return step(after, gradients, state)

    return program


def first_alone(rule: Rule) -> Program:
    """Only the first array is updated."""
    step = plain(rule)

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        after, state = step(parameters, gradients, state)
        return (*after[:1], *(+p for p in parameters[1:])), state

    return program


# --- Weight decay in another place ------------------------------------------------------------------------------------


def _with(rule: Any, **parameters: Any) -> Rule:
    changed: Rule = replace(rule, **parameters)
    return changed


def decoupled(rule: Any) -> Program:
    """The weights decay by eta lambda before the step, and the gradient has no part of it."""
    step, kept = plain(_with(rule, weight_decay=0)), 1 - rule.eta * rule.weight_decay
    return lambda parameters, gradients, state: step([p * kept for p in parameters], gradients, state)


def decayed_after(rule: Any) -> Program:
    """The same, after the step."""
    step, kept = plain(_with(rule, weight_decay=0)), 1 - rule.eta * rule.weight_decay

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        after, state = step(parameters, gradients, state)
        return tuple(p * kept for p in after), state

    return program


def matrices_decay(rule: Any) -> Program:
    """Only arrays of two axes or more decay: weights, and no biases."""
    rules = rule, _with(rule, weight_decay=0)

    def program(parameters: Sequence[Any], gradients: Sequence[Any], state: Any) -> tuple[tuple[Any, ...], Any]:
        state = state or (None,) * len(parameters)
        stepped = [
            plain(rules[len(p.shape) < 2])([p], [g], of) for p, g, of in zip(parameters, gradients, state, strict=True)
        ]
        return tuple(after for (after,), _ in stepped), tuple(of for _, of in stepped)

    return program
