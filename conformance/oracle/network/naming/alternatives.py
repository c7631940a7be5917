"""Alternatives: conventions that people choose on purpose, looked for before a mistake is named.

Where one of them explains every number that was answered, the report begins with the option that declares it.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from reference.gradients import Reduction

from ....arrays import Array
from ....bounds.lifted import Lifted, lifted
from ....bounds.rounded import Format, Rounded
from ....judge import precision
from ....problems.problem import GivenAnswer, Parameters
from ..judging.evidence import Evidence
from ..judging.reading import from_x, gradients

DIGITS = 6
"""Digits of a penalty's factor: people write fewer, and float32 tells more of a sum of many terms."""

NEAR = 2.0**-6
"""How far a factor may be from the one that is estimated: what that is off by in float32, many times over."""


class Alternative(NamedTuple):
    """What is said where it explains everything, and an answer's gradients brought back to what is judged."""

    said: str
    restored: Callable[[Evidence], tuple[Lifted, GivenAnswer]]


def explained_by(wrong: Evidence, all_of: Sequence[Evidence]) -> str:
    """Under which convention every answer is right, in a sentence; or "".

    Parameters
    ----------
    wrong : Evidence
        A small question's, which shows that something is off.
    all_of : sequence of Evidence
        Of all answers, ``wrong`` among them.
    """
    if not any(j.wrong and j.equation in ("B3", "B4") for j in wrong.accused):
        return ""  # what is volunteered is off, and not the gradients
    for alternative in _alternatives(wrong):
        if _decided(*alternative.restored(wrong)) and all(_conforms(*alternative.restored(one)) for one in all_of):
            return alternative.said
    return ""


def _conforms(of: Lifted, answer: GivenAnswer) -> bool:
    judged = list(from_x(of, answer._replace(loss=None)))
    return not any(j.wrong for j in judged)


def _decided(of: Lifted, answer: GivenAnswer) -> bool:
    """Whether it conforms, and not for want of bounds: of NaN that nothing can decide no convention is the cause."""
    judged = list(from_x(of, answer._replace(loss=None)))
    return not any(j.wrong for j in judged) and any(j.undecided < j.elements for j in judged)


def _alternatives(wrong: Evidence) -> Iterator[Alternative]:
    reduction = wrong.of.problem.reduction
    other: Reduction = "sum" if reduction == "mean" else "mean"
    if len(wrong.of.problem.x) > 1:
        yield Alternative(f"Right if reduction={other!r}.", lambda e: (_reduced(e, other), e.answer))
    outputs = "Right if the loss is averaged over the outputs too, as a mean over all elements is"
    yield Alternative(f"{outputs}.", lambda e: (e.of, _times(e, _outputs(e))))
    yield Alternative(f"{outputs}, with reduction={other!r}.", lambda e: (_reduced(e, other), _times(e, _outputs(e))))
    for biases in (False, True):
        for factor in _penalties(wrong, biases):
            on = "weights and biases" if biases else "weights"
            said = (
                f"Right if the objective holds a penalty on the {on}: dL/dW is {factor:g} W more than that of the "
                f"loss, as {factor:g}/2 |W|^2 adds."
            )
            yield Alternative(said, partial(_without_penalty, factor=factor, biases=biases))


def _without_penalty(e: Evidence, factor: float, biases: bool) -> tuple[Lifted, GivenAnswer]:
    return e.of, _without(e, factor, biases)


def _reduced(e: Evidence, reduction: Reduction) -> Lifted:
    return lifted(e.of.problem._replace(reduction=reduction), e.of.conventions)


def _outputs(e: Evidence) -> int:
    return int(e.of.problem.y.shape[1])


def _times(e: Evidence, by: float) -> GivenAnswer:
    """The answer times a number, with the rounding of the quotient that it undoes."""
    return _moved(e, lambda got, _, format: got * format.wide(by), lambda got, p: 2 * abs(got) * by)


def _without(e: Evidence, factor: float, biases: bool) -> GivenAnswer:
    """The answer without a penalty's gradient, with the roundings of that product and sum."""

    def change(got: Array, p: Array, format: Format) -> Array:
        taken: Array = got - format.wide(factor) * p.astype(format.wide) if biases or p.ndim == 2 else got
        return taken

    # The factor is known to so many digits.
    lost = 10.0**-DIGITS / float(e.of.format.u)
    return _moved(e, change, lambda got, p: 2 * abs(got) + (4 + lost) * abs(factor * p))


def _moved(
    e: Evidence, change: Callable[[Array, Array, Format], Array], units: Callable[[Array, Array], Array]
) -> GivenAnswer:
    """The gradients changed, each known to so many units of roundoff more."""
    format = e.of.format

    def part(got: Rounded, p: Array) -> Rounded:
        with np.errstate(all="ignore"):
            rad = got.rad + format.u * units(got.mid.astype(np.float64), p.astype(np.float64))
            return Rounded(change(got.mid, p, format), rad, format)

    changed = tuple(
        Parameters(part(of.W, layer.W), part(of.b, layer.b))
        for of, layer in zip(gradients(e.answer), e.of.problem.network, strict=True)
    )
    return GivenAnswer(changed)


def _penalties(e: Evidence, biases: bool) -> list[float]:
    """Factors by which the gradients may exceed the truth by a multiple of the parameters, the roundest first."""
    above = weights = all_above = 0.0
    truth = zip(range(len(e.of.network), 0, -1), e.of.along_paths(e.of.states), strict=True)
    for l, (gradient, _) in truth:
        layer, got = e.of.problem.network[l - 1], e.answer.gradients[l - 1]
        for p, g, expected in ((layer.W, got.W, gradient.W), (layer.b, got.b, gradient.b))[: 1 + biases]:
            with np.errstate(all="ignore"):
                off = (precision.plain(g) - expected.mid).astype(np.float64)
                above += float((off * p).sum())
                all_above += float((off**2).sum())
                weights += float((p.astype(np.float64) ** 2).sum())
    # What is more than half something else is no penalty; rounding may be some of it where the factor is small.
    if not weights or not abs(above) > np.sqrt(all_above) * np.sqrt(weights / 2):
        return []
    factor = above / weights if np.isfinite(above) else 0.0
    rounded = dict.fromkeys(float(f"{factor:.{digits}g}") for digits in range(1, DIGITS + 1))
    return [r for r in rounded if r and abs(r / factor - 1) < NEAR]
