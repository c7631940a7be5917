"""Unasked: where what came fits no question as it was put, nothing was judged, and one line says what mends it."""

import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np

import reference

from ....judge.report import Finding, unnumbered
from ....judge.verdict import NOT_ASKED
from ....problems.drawn import without_biases
from ....problems.problem import GivenAnswer, Problem
from ....subjects.callables import Ask
from ....subjects.shapes.misfit import Misfit, in_common, mending
from ....subjects.shapes.style import KNOWN, Style, named
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
                return not_asked(f"{asked.failed.said}, {_handed(problem, domain.style)}{mending(domain.style, other)}")
    if misfits:
        for style in in_common(misfits):
            if all(_alike(problem, domain.style, style) for problem in answered):
                return not_asked(f"{misfits[0].said}{mending(domain.style, style)}")
        return None if answered or raised else not_asked(str(misfits[0]))
    return None


def always_raising(outcomes: Sequence[Outcome[Question, GivenAnswer, Evidence]], called: str) -> Finding | None:
    """What a function raises whatever it is asked, where in its code, and how it is called; None where it answers.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of all questions.
    called : str
        How it is called.
    """
    failed = [outcome.failed for outcome in outcomes if not outcome.unsupported]
    if not failed or any(each is None or each.failure is not Failure.RAISED for each in failed):
        return None
    first = failed[0]
    assert first
    assert first.error
    said = " ".join(first.said.split())
    return not_asked(
        f"it raised, whatever it was asked, {said.rstrip('.')}{_place(first.error)}; it is called as {called}"
    )


PACKAGES = (str(Path(reference.__file__).resolve().parent), str(Path(__file__).resolve().parents[3]))
LIBRARIES = tuple(str(Path(sysconfig.get_path(kind)).resolve()) for kind in ("stdlib", "purelib", "platlib"))
"""Where this package is, and where those are that somebody's code may call."""


def _place(error: BaseException) -> str:
    """In which file and line of somebody's code it was raised; nothing, where their code was not reached."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_below(f.filename, PACKAGES)]
    own = [frame for frame in frames if not _is_below(frame.filename, LIBRARIES)] or frames
    return f" ({Path(own[-1].filename).name}, line {own[-1].lineno}, in {own[-1].name})" if own else ""


def _is_below(file: str, folders: tuple[str, ...]) -> bool:
    return any(Path(file).resolve().is_relative_to(folder) for folder in folders)


HANDED = {
    "layers": ("network", "layers of (W, b, sigma)", "layers of (W, sigma)"),
    "pairs": ("network", "a list of (W, b)", "a list of W"),
    "in turn": ("parameters", "a list of W, b, W, b, ...", "a list of W"),
    "weights, biases": ("weights, biases", "a list each", "a list of W"),
    "biases, weights": ("biases, weights", "a list each", "a list of W"),
}
"""How the arguments that stand for a network are called, what they are, and what without biases."""


def call_of(name: str, style: Style, rest: str) -> str:
    """How a function of that name is called: with what stands for the network, then the rest.

    Parameters
    ----------
    name : str
        An expression or a lambda has none.
    style : Style
    rest : str
        The further arguments.
    """
    if isinstance(style.parameters, str):
        network, of, without = HANDED[style.parameters]
        is_given = of if style.biased else without
        network = network if style.biased or ", " not in network else "weights"
    else:
        network, is_given = "parameters", f"a dict of {', '.join(named(each, 1) for each in style.parameters)}, ..."
    return f"{name if name.isidentifier() else 'function'}({network}, {rest}), {network} being {is_given}"


def not_asked(said: str) -> Finding:
    """That nothing was judged, and why."""
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
