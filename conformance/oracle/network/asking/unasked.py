"""Unasked: where what came fits no question as it was put, nothing was judged, and one line says what mends it."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np

from ....judge.report import Finding, unnumbered
from ....judge.verdict import NOT_ASKED
from ....problems.drawn import without_biases
from ....problems.problem import GivenAnswer, Problem
from ....subjects.callables import Ask
from ....subjects.shapes.misfit import Misfit, in_common, mending
from ....subjects.shapes.style import KNOWN, Style
from ....subjects.shapes.taken import check_shapes
from ...asking import Failure, Outcome
from ..judging.evidence import Evidence
from .domain import Domain
from .questions import Question

Restyled = Callable[[Style], Ask]
"""The same subject, handed problems in another style."""

Right = Callable[[Problem, GivenAnswer], bool]
"""Whether an answer is right, as far as that is known."""

ALTERED = ("weights", "samples", "biases", "parameters", "indices")
"""What may be meant otherwise where a function raises, whatever it is asked."""

AT_ONCE = 3
"""How many of these are tried together."""


def unasked(
    outcomes: Sequence[Outcome[Question, GivenAnswer, Evidence]],
    domain: Domain,
    restyled: Restyled | None,
    right: Right,
) -> Finding | None:
    """Why nothing could be asked, with what mends it; None where something could, or where nothing mends it.

    Answers that fit the style that is declared and the one that came alike, as square ones may, fit by chance.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of all questions.
    domain : Domain
    restyled : function, optional
        By which other styles are tried.
    right : function
    """
    failed = [outcome for outcome in outcomes if outcome.failed and not outcome.unsupported]
    answered = [outcome.question.problem for outcome in outcomes if not outcome.failed]
    misfits = [o.failed.error for o in failed if o.failed and isinstance(o.failed.error, Misfit)]
    raised = [o for o in failed if o.failed and o.failed.failure is Failure.RAISED]
    if raised and restyled is not None and all(map(_is_square, answered)):
        # Several samples tell more; some code takes one at a time.
        several = next((o for o in raised if len(o.question.problem.x) > 1), raised[0])
        one = next((o for o in raised if len(o.question.problem.x) == 1), raised[0])
        for asked in (several, one):
            problem = asked.question.problem
            other = _taken(problem, domain.style, restyled, right)
            if other is not None and asked.failed and all(_alike(each, domain.style, other) for each in answered):
                return _finding(f"{asked.failed.said}, {_handed(problem, domain.style)}{mending(domain.style, other)}")
    if misfits:
        for style in in_common(misfits):
            if all(_alike(problem, domain.style, style) for problem in answered):
                return _finding(f"{misfits[0].said}{mending(domain.style, style)}")
        return None if answered or raised else _finding(str(misfits[0]))
    return None


def _finding(said: str) -> Finding:
    return unnumbered("ordinary", "shapes", f"Nothing was judged: {said}.", verdict=NOT_ASKED)


def _alike(problem: Problem, style: Style, other: Style) -> bool:
    """Whether a problem and its answer have the same form in both styles."""
    same = all(getattr(style, name) == getattr(other, name) for name in ("parameters", "biased", "indices"))
    same = same and (style.returns == other.returns or _exchangeable(problem, style, other))
    same = same and style.shape_samples(problem.x.shape) == other.shape_samples(problem.x.shape)
    shapes = [W.shape for W, _, _ in problem.network]
    same_W = all(style.shape_W(shape) == other.shape_W(shape) for shape in shapes)
    return same and same_W and all(style.shape_b(n) == other.shape_b(n) for n, _ in shapes)


def _exchangeable(problem: Problem, style: Style, other: Style) -> bool:
    """Whether styles differ in the order of all dW and all db, and these have the same shapes."""
    orders = {style.returns, other.returns} == {"weights, biases", "biases, weights"}
    shapes = [W.shape for W, _, _ in problem.network]
    return orders and all(style.shape_W(shape) == style.shape_b(shape[0]) for shape in shapes)


def _is_square(problem: Problem) -> bool:
    """Whether weights of a problem may stand either way round."""
    return all(n == m for n, m in (layer.W.shape for layer in problem.network))


def _handed(problem: Problem, style: Style) -> str:
    """The shapes of what it was handed."""
    layers = [
        f"W{l} {style.shape_W(W.shape)}" + (f", b{l} {style.shape_b(len(b))}" if style.biased else "")
        for l, (W, b, _) in enumerate(problem.network, start=1)
    ]
    y = f"({len(problem.y)},)" if style.indices else f"{style.shape_samples(problem.y.shape)}"
    return f"handed {', '.join(layers)}, x {style.shape_samples(problem.x.shape)}, y {y}"


# Other styles.


def _taken(problem: Problem, style: Style, restyled: Restyled, right: Right) -> Style | None:
    """The style in which the subject answers rightly or, failing that, at all; of several that differing in least."""
    fits = None
    for other in _styles(style):
        taken = _answered(problem, other, restyled, right)
        if taken is None:
            continue
        other, is_right = taken
        if is_right:
            return other
        fits = fits or other
    return fits


def _styles(style: Style) -> Iterator[Style]:
    known: dict[str, tuple[Any, ...]] = {name: KNOWN.get(name, (False, True)) for name in ALTERED}
    known["parameters"] += (("W{l}", "b{l}"),)
    others = {name: [each for each in known[name] if each != getattr(style, name)] for name in ALTERED}
    for count in range(1, AT_ONCE + 1):
        for names in combinations(ALTERED, count):
            for values in product(*(others[name] for name in names)):
                fields: dict[str, Any] = dict(zip(names, values, strict=True))
                yield style._replace(**fields)


def _answered(problem: Problem, style: Style, restyled: Restyled, right: Right) -> tuple[Style, bool] | None:
    """The style, or one that differs in what is returned too, if it is answered in; and whether it is rightly."""
    own = problem if style.biased else without_biases(problem)
    if style.indices:
        own = own._replace(y=np.eye(own.y.shape[1], dtype=own.dtype)[own.y.argmax(axis=1)])
    try:
        with np.errstate(all="ignore"):
            answer = restyled(style)(own)
            check_shapes(own, answer)
    except Misfit as misfit:
        returns = [other for other in misfit.styles if other._replace(returns=style.returns) == style]
        return _answered(problem, returns[0], restyled, right) if returns else None
    except (Exception, SystemExit):
        return None
    return style, right(own, answer)
