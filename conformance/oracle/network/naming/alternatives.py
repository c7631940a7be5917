"""Alternatives: conventions that people choose on purpose, looked for before a mistake is named.

Where one of them explains every number that was answered, the report begins with the option that declares it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from reference.gradients import Reduction

from ....bounds.lifted import Lifted, lifted
from ....judge import precision
from ....problems.problem import GivenAnswer, Parameters
from ....subjects.shapes.objective import times, without_penalty
from ....subjects.shapes.style import OURS, Style
from ..judging.evidence import Evidence
from ..judging.reading import from_x

DIGITS = 6
"""Digits of a penalty's factor: people write fewer, and float32 tells more of a sum of many terms."""

NEAR = 2.0**-6
"""How far a factor may be from the one that is estimated: what that is off by in float32, many times over."""


class Alternative(NamedTuple):
    """What is said where it explains everything, and an answer's gradients brought back to what is judged."""

    said: str
    restored: Callable[[Evidence], tuple[Lifted, GivenAnswer]]


def explained_by(batches: Sequence[Evidence], all_of: Sequence[Evidence], style: Style = OURS) -> str:
    """Under which convention every answer is right, in a sentence; or "".

    Parameters
    ----------
    batches : sequence of Evidence
        Of wrong answers, the smallest questions first.
    all_of : sequence of Evidence
        Of all answers, these among them.
    style : Style
        What is declared, and taken off already.
    """
    wrong = next(filter(_shows, batches), batches[0])
    if not any(j.wrong and j.equation in ("B3", "B4") for j in wrong.accused):
        return ""  # what is volunteered is off, and not the gradients
    for alternative in _alternatives(wrong, style):
        if _decided(*alternative.restored(wrong)) and all(_conforms(*alternative.restored(one)) for one in all_of):
            return alternative.said
    return ""


def _shows(e: Evidence) -> bool:
    """Whether a gradient of each layer stands out from its bound, unlike those of softmax over a single output."""
    found = (gradient for gradient, _ in e.of.along_paths(e.of.states))
    return all(bool((abs(gradient.W.mid) > gradient.W.rad).any()) for gradient in found)


def _conforms(of: Lifted, answer: GivenAnswer) -> bool:
    judged = list(from_x(of, answer._replace(loss=None)))
    return not any(j.wrong for j in judged)


def _decided(of: Lifted, answer: GivenAnswer) -> bool:
    """Whether it conforms, and not for want of bounds: of NaN that nothing can decide no convention is the cause."""
    judged = list(from_x(of, answer._replace(loss=None)))
    return not any(j.wrong for j in judged) and any(j.undecided < j.elements for j in judged)


def _alternatives(wrong: Evidence, style: Style) -> Iterator[Alternative]:
    reduction = wrong.of.problem.reduction
    other: Reduction = "sum" if reduction == "mean" else "mean"
    if len(wrong.of.problem.x) > 1:
        yield Alternative(f"Right if reduction={other!r}.", lambda e: (_reduced(e, other), e.answer))
    if all(n == m for n, m in (layer.W.shape for layer in wrong.of.problem.network)):
        stored = "out, in" if style.weights == "in, out" else "in, out"
        yield Alternative(f'Right if weights are stored ({stored}): say weights="{stored}".', _turned)
    averaged = style.over_outputs == "mean"
    outputs, say = (
        ("Right if the loss is summed over the outputs", "leave out over_outputs")
        if averaged
        else (
            "Right if the loss is averaged over the outputs too, as a mean over all elements is",
            'say over_outputs="mean"',
        )
    )

    def over(e: Evidence) -> float:
        return 1 / _outputs(e) if averaged else _outputs(e)

    yield Alternative(f"{outputs}: {say}.", lambda e: (e.of, times(e.answer, e.of.problem, over(e))))
    both = f"{outputs}, with reduction={other!r}: {say} besides."
    yield Alternative(both, lambda e: (_reduced(e, other), times(e.answer, e.of.problem, over(e))))
    for on in ((True, False), (True, True), (False, True)):
        for factor in _penalties(wrong, on, style):
            said = _penalised(factor, on, style)
            if said:
                yield Alternative(said, partial(_without_penalty, factor=factor, on=on, style=style))


def _penalised(factor: float, on: tuple[bool, bool], style: Style) -> str:
    """What is said of a penalty by that factor beyond the one that is declared; "" where it is none that people add."""
    if not style.l2:
        if not on[0]:
            return ""
        carrying, declaring = ("weights and biases", ", l2_biases=True") if on[1] else ("weights", "")
        return (
            f"Right if the objective holds a penalty on the {carrying}: dL/dW is {factor:g} W more than that of the "
            f"loss, as {factor:g}/2 |W|^2 adds: say l2={factor:g}{declaring}."
        )
    if not on[0]:
        added, missing = abs(factor / style.l2 - 1) < NEAR, abs(factor / style.l2 + 1) < NEAR
        if added and not style.l2_biases:
            return "Right if the biases carry the penalty too: say l2_biases=True."
        return "Right if the weights alone carry the penalty: leave out l2_biases." if missing else ""
    if on[1] != style.l2_biases:
        return ""
    if abs(factor / style.l2 + 1) < NEAR:
        return f"Right if there were no penalty: that of l2={style.l2:g} is missing, dL/dW lacks {style.l2:g} W."
    total = float(f"{style.l2 + factor:.{DIGITS}g}")
    return f"Right if l2={total:g}: dL/dW gains {total:g} W where l2={style.l2:g} is declared."


def _without_penalty(
    e: Evidence, factor: float, on: tuple[bool, bool], style: Style
) -> tuple[Lifted, GivenAnswer]:
    # The factor is known to so many digits.
    lost = 10.0**-DIGITS / float(e.of.format.u)
    return e.of, without_penalty(e.answer, e.of.problem, factor * _multiple(e, style), on, lost)


def _multiple(e: Evidence, style: Style) -> int:
    """By what an answer was multiplied when a mean over the outputs was taken off it, and a penalty with it."""
    return _outputs(e) if style.over_outputs == "mean" else 1


def _turned(e: Evidence) -> tuple[Lifted, GivenAnswer]:
    """Problem and answer with square weights the other way round."""
    network = tuple(layer._replace(W=layer.W.T) for layer in e.of.problem.network)
    answer = e.answer._replace(gradients=tuple(Parameters(W.T, b) for W, b in e.answer.gradients), trace=None)
    return lifted(e.of.problem._replace(network=network), e.of.conventions, e.of.narrower), answer


def _reduced(e: Evidence, reduction: Reduction) -> Lifted:
    return lifted(e.of.problem._replace(reduction=reduction), e.of.conventions, e.of.narrower)


def _outputs(e: Evidence) -> int:
    return int(e.of.problem.y.shape[1])


def _penalties(e: Evidence, on: tuple[bool, bool], style: Style) -> list[float]:
    """Factors by which the gradients may exceed the truth by a multiple of the parameters, the roundest first."""
    above = weights = all_above = 0.0
    truth = zip(range(len(e.of.network), 0, -1), e.of.along_paths(e.of.states), strict=True)
    for l, (gradient, _) in truth:
        layer, got = e.of.problem.network[l - 1], e.answer.gradients[l - 1]
        both = ((layer.W, got.W, gradient.W), (layer.b, got.b, gradient.b))
        for p, g, expected in (parts for parts, carries in zip(both, on, strict=True) if carries):
            with np.errstate(all="ignore"):
                off = (precision.plain(g) - expected.mid).astype(np.float64)
                above += float((off * p).sum())
                all_above += float((off**2).sum())
                weights += float((p.astype(np.float64) ** 2).sum())
    # What is more than half something else is no penalty; rounding may be some of it where the factor is small.
    if not weights or not abs(above) > np.sqrt(all_above) * np.sqrt(weights / 2):
        return []
    factor = above / weights / _multiple(e, style) if np.isfinite(above) else 0.0
    rounded = dict.fromkeys(float(f"{factor:.{digits}g}") for digits in range(1, DIGITS + 1))
    return [r for r in rounded if r and abs(r / factor - 1) < NEAR]
