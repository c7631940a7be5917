"""What an objective adds to the loss, taken off an answer: a mean over the outputs, a penalty.

An answer is brought back to the documented loss in the wider format, with a radius for the roundings that it may carry
by what is taken off.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ...bounds.formats import FORMATS, Format
from ...bounds.radii import gamma
from ...bounds.rounded import Rounded, observed
from ...problems.problem import GivenAnswer, Parameters, Problem
from .style import Style


class Change(NamedTuple):
    """What is done to gradients ``got``, wide, of parameters p: the numbers, and what is lost with them.

    ``scale`` is what it multiplies them by, and what they were known to; ``units`` of roundoff are lost besides, and as
    much as ``scale`` times the smallest normal number.
    """

    numbers: Callable[[Array, Array, Format], Array]
    units: Callable[[Array, Array], Array]
    scale: float = 1.0


def documented(answer: GivenAnswer, problem: Problem, style: Style) -> GivenAnswer:
    """The answer that the documented loss would have, with what is known of it.

    A trace, whose numbers carry no radius, is left out where its deltas are those of another loss.
    """
    K = problem.y.shape[1]
    if style.l2:
        answer = without_penalty(answer, problem, style.l2, (True, style.l2_biases and style.biased))
    if style.over_outputs == "mean" and K > 1:
        answer = times(answer, problem, K)
    return answer


def without_penalty(
    answer: GivenAnswer, problem: Problem, factor: float, on: tuple[bool, bool], lost: float = 0.0
) -> GivenAnswer:
    """The answer without a penalty's gradient and value.

    Parameters
    ----------
    answer : GivenAnswer
    problem : Problem
    factor : float
        The c of c/2 |W|^2.
    on : (bool, bool)
        Whether weights and biases carry it.
    lost : float
        Units of roundoff to which the factor itself is known.
    """
    # A factor such as lambda/n that is rounded twice, and once more to the format, and the product; B sums of them
    # where each sample's gradient carries the penalty.
    roundings = 4 + len(problem.x) + lost
    change = Change(
        lambda got, p, format: got - format.wide(factor) * p.astype(format.wide),
        lambda got, p: 2 * abs(got) + roundings * abs(factor * p),
    )
    of_W, of_b = (change if carries else None for carries in on)
    found = of_gradients(answer, problem, of_W, of_b)
    if answer.loss is None:
        return found
    carrying = [p for layer in problem.network for p, carries in zip(layer[:2], on, strict=True) if carries]
    format = FORMATS[problem.dtype]
    with np.errstate(all="ignore"):
        penalty = factor / 2 * sum((p.astype(format.wide) ** 2).sum() for p in carrying)
        n = int(sum(p.size for p in carrying) + roundings)
        off = gamma(n, format.u) / format.u * abs(float(penalty))
    of_loss = Change(lambda got, *_: got - penalty, lambda got, _: 2 * abs(got) + off)
    return found._replace(loss=_moved(answer.loss, answer.loss, of_loss, format))


def times(answer: GivenAnswer, problem: Problem, by: float) -> GivenAnswer:
    """The answer times a number, with the rounding of the quotient that it undoes."""
    format = FORMATS[problem.dtype]
    change = Change(lambda got, _, format: got * format.wide(by), lambda got, _: 2 * abs(got) * by, by)
    found = of_gradients(answer, problem, change, change)
    loss, below = (
        None if part is None else _moved(part, part, change, format)
        for part in (answer.loss, answer.input_gradient)
    )
    return found._replace(loss=loss, input_gradient=below, trace=None)


def of_gradients(answer: GivenAnswer, problem: Problem, of_W: Change | None, of_b: Change | None) -> GivenAnswer:
    """The answer with the gradients of weights, of biases, or of both changed."""
    format = FORMATS[problem.dtype]
    return answer._replace(
        gradients=tuple(
            Parameters(
                *(
                    got if change is None else _moved(got, p, change, format)
                    for got, p, change in ((W, layer.W, of_W), (b, layer.b, of_b))
                )
            )
            for (W, b), layer in zip(answer.gradients, problem.network, strict=True)
        )
    )


def _moved(got: Array | Rounded, p: Any, change: Change, format: Format) -> Any:
    """Numbers changed, each known to so many units of roundoff more."""
    known = got if isinstance(got, Rounded) else observed(got)
    p = p if isinstance(p, np.ndarray) else np.zeros(known.shape)
    with np.errstate(all="ignore"):
        units = change.units(known.mid.astype(np.float64), p.astype(np.float64))
        rad = change.scale * (known.rad + format.tiny) + format.u * units
        return Rounded(change.numbers(known.mid, p, format), rad, format)
