"""Elements: which rule tells the wrong numbers of an array from the right ones.

A rule is said where it holds exactly, in every wrong answer that is looked at.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from ...arrays import Array


class Chosen(Protocol):
    """An array of which some elements are ``wrong``; right ones tell something where they are ``decided``."""

    @property
    def wrong(self) -> Array:
        """Which are wrong."""

    @property
    def decided(self) -> Array:
        """Of which a mistake would have been seen."""


Answer = TypeVar("Answer", bound=Chosen)


def holds(chosen: Array | None, answer: Chosen) -> bool:
    """Whether what is wrong is what was chosen, but for numbers so small that nothing shows in them."""
    if chosen is None:
        return False
    missed = chosen & ~answer.wrong
    return not (answer.wrong & ~chosen).any() and not (missed & answer.decided).any()


def exact(rules: Mapping[str, Callable[[Answer], Array | None]], answers: Sequence[Answer]) -> Iterator[str]:
    """The rules that hold in every answer, first to last.

    Parameters
    ----------
    rules : mapping
        Of which elements something holds, by what it is called; None where it cannot be told.
    answers : sequence
        Of which at least half must have right and wrong elements: what is all wrong follows every wide rule.
    """
    telling = [a for a in answers if a.wrong.any() and not a.wrong.all()]
    if not telling or len(telling) * 2 < len(answers):
        return
    yield from (name for name, rule in rules.items() if all(holds(rule(a), a) for a in answers))
