"""Rules: a walk held to an update rule, its gradients known to within the bound that is carried from x."""

from collections.abc import Sequence
from typing import NamedTuple

from ....arrays import Array, Network
from ....bounds.lifted import lifted
from ....bounds.rounded import Rounded
from ....judge.held import Update
from ....judge.judgement import Judgement
from ....judge.report import Finding, found
from ....oracle.network.asking.domain import Domain
from ....oracle.rule.judging import Step, admitted, bounded, equation, held
from ....oracle.rule.naming import fitting
from ....problems.training import said
from ....text.labels import documented
from .walk import Walk


class Held(NamedTuple):
    """What was found about a walk: judgements by layer, and where one is wrong the finding and its step, from 0."""

    judgements: tuple[Judgement, ...]
    finding: Finding | None = None
    step: int = 0


def held_to_rule(walk: Walk, domain: Domain) -> Held:
    """Judge a walk's steps by the rule of its training."""
    rule = walk.training.rule
    steps = [_step(walk, t, domain) for t in range(len(walk.after))]
    if not steps:
        return Held(())
    name, expected = equation(type(rule)), list(admitted(bounded(rule, (), steps), steps))
    of_steps = [held(name, step, bounds) for step, bounds in zip(steps, expected, strict=True)]
    judgements = tuple(_in_layer(j) for of_step in of_steps for j in of_step)
    wrong = [(t, j) for t, of_step in enumerate(of_steps) for j in sorted(of_step, key=lambda j: -j.margin) if j.wrong]
    if not wrong:
        return Held(judgements)
    t, j = wrong[0]
    fits = list(fitting(rule, (), [_plain(steps) if not walk.finite else steps]))
    label = (fits[0].label if fits else "") or name
    names = f"{'Wb'[(j.layer - 1) % 2]} of layer {(j.layer + 1) // 2}"
    start = steps[t].before[j.layer - 1][j.element]
    text = (
        f"({label}) {documented(label)}: violated by {said(rule)} from the step of batch {t + 1} of "
        f"{len(walk.training.batches)} on: {names}, {j.wrong:,} of {j.elements:,} elements; {list(j.element)} went "
        f"{j.got:.9g} from {start:.9g}, expected {j.expected:.9g} within {j.bound:.1g}.  "
    )
    others = f" (or: {'; '.join(m.said for m in fits[1:3])})" if len(fits) > 1 else ""
    text += f"These are the numbers where {fits[0].said}{others}." if fits else UNNAMED
    faults = tuple(dict.fromkeys(m.name for m in fits))
    by_hand = Update(t + 1, steps[t].before, tuple(map(_mid, steps[t].gradients)), steps[t].after,
                     tuple(map(_mid, expected[t])))  # fmt: skip
    judgements = tuple(of._replace(equation=label) if of.wrong else of for of in judgements)
    finding = found("ordinary", _in_layer(j)._replace(equation=label), text, faults)._replace(question=by_hand)
    return Held(judgements, finding, t)


UNNAMED = "No mistake that is known gives these numbers."


def _step(walk: Walk, t: int, domain: Domain) -> Step:
    of = lifted(walk.problem(t), domain.conventions)
    leading = [(gradient.W, gradient.b) for gradient, _ in of.along_paths(of.states)]
    gradients = tuple(part for pair in reversed(leading) for part in pair)
    return Step(_arrays(walk.before(t)), gradients, _arrays(walk.after[t]))


def _plain(steps: Sequence[Step]) -> list[Step]:
    """The steps with gradients as plain numbers, which the text of a rule takes, wherever it leads."""
    return [step._replace(gradients=tuple(map(_mid, step.gradients))) for step in steps]


def _arrays(network: Network) -> tuple[Array, ...]:
    return tuple(part for W, b, _ in network for part in (W, b))


def _mid(numbers: Array | Rounded | None) -> Array:
    assert isinstance(numbers, Rounded)
    mid: Array = numbers.mid.astype(numbers.dtype)
    return mid


def _in_layer(j: Judgement) -> Judgement:
    """The judgement of an array, counted from 1, as one of its layer: W and b of each are a pair."""
    return j._replace(layer=(j.layer + 1) // 2)
