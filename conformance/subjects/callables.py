"""Subjects that are anybody's functions: called as they take a problem, and what they return taken apart."""

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

from ..problems.problem import GivenAnswer, Problem
from .shapes.handed import Handed, handed
from .shapes.objective import documented
from .shapes.style import OURS, Style
from .shapes.taken import answer_of

Ask = Callable[[Problem], GivenAnswer]
"""A subject, as the oracle sees it: a problem in, an answer out; `Refused` where it cannot."""


class Ended(Exception):
    """No more is to be asked: the subject is given up, or the time is over; says which."""


def asking(function: Callable[..., Any], style: Style = OURS) -> Ask:
    """A plain function as a subject, handed problems in its own style and judged by the documented loss.

    Its answer raises `conformance.subjects.shapes.misfit.Misfit` where what it returns has other shapes.

    Raises
    ------
    TypeError
        If it is none.
    """
    if not callable(function):
        raise TypeError(f"expected a function of (network, x, y), got {type(function).__name__}")

    def ask(problem: Problem) -> GivenAnswer:
        own = handed(problem, style)
        returned = called(function, own)
        answer = answer_of(problem, returned, style)
        own.give_back()
        return documented(answer, problem, style)

    return ask


def called(function: Callable[..., Any], own: Handed) -> Any:
    """What a function of (network, x, y), or of (network, (x, y)), returns."""
    if _takes(function) == len(own.network) + 1:
        return function(*own.network, (own.x, own.y))
    return function(*own.network, own.x, own.y)


def _takes(function: Callable[..., Any]) -> int | None:
    """How many positional parameters a function has; None where it says nothing of them, or takes any number."""
    try:
        parameters = signature(function).parameters.values()
    except (TypeError, ValueError):  # as built-in functions
        return None
    if any(p.kind is Parameter.VAR_POSITIONAL for p in parameters):
        return None
    return sum(p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for p in parameters)


def asked_by(
    put: Callable[..., Any], run: Callable[..., Any], read: Callable[[], Any] | None = None
) -> Callable[..., Any]:
    """An object with a state of its own as a function of (network, x, y), to be asked by `conformance.probe`.

    Parameters
    ----------
    put : callable
        Called with the network, as it is handed over: it puts the parameters where the object has them.
    run : callable
        Called as ``run(x, y)``: forward and backward.
    read : callable, optional
        Called without arguments: it returns the gradients, or the loss and the gradients.  What ``run`` returns is
        taken where there is none.

    Returns
    -------
    callable
    """

    def ask(*given: Any) -> Any:
        *network, x, y = given
        put(*network)
        returned = run(x, y)
        return returned if read is None else read()

    return ask
