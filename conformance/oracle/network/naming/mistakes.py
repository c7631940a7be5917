"""Mistakes: known ones that give exactly an answer's numbers, in every question that is wrong.

A mistake is the reference's text with one edit (`conformance.subjects.faults`) or with another line in some layers,
another function or parameter than the one that is asked, or something done to gradients that were right.  Each is
evaluated on the question itself, and named where it fits every number of every answer that is looked at.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from types import ModuleType

from ....subjects.faults import FAULTS, Fault
from ....subjects.reference import reference_answer
from ....text.edits import planted
from ..judging.evidence import Evidence
from .changes import done_to_gradients, samples
from .functions import functions
from .lines import lines
from .mistake import Held, Mistake, fits_all

LOOKED_AT = 5
"""Wrong answers that a mistake has to fit first, the smallest: most mistakes are ruled out by them."""

CONFIRMED_BY = 12
"""Wrong answers more that are looked at where several mistakes fit, or one: what shows in few questions tells these."""


def fitting(
    wrong: Iterable[Evidence], right: Iterable[Evidence], named: Iterable[tuple[str, int]], extreme: bool = False
) -> list[Mistake]:
    """The mistakes that fit every number of the wrong answers, best first; of the first kind that has one.

    Parameters
    ----------
    wrong : iterable of Evidence
        Of wrong answers, the smallest questions first.
    right : iterable of Evidence
        Of answers that conform.
    named : iterable of (str, int)
        The equations that are named, with their layers; only lines of one of them are tried.
    extreme : bool
        Whether the wrong answers are those at the ends of the range: then a mistake must give the right ones too.
    """
    found, places = list(wrong), set(named)
    answers = [Held.of(e) for e in found[:LOOKED_AT]]
    if not answers:
        return []
    for kind in _kinds(answers, places):
        fits = [mistake for mistake in kind if fits_all(mistake, answers)]
        if fits:
            more = [Held.of(e) for e in found[LOOKED_AT : LOOKED_AT + CONFIRMED_BY]]
            fits = [mistake for mistake in fits if not more or fits_all(mistake, [*answers[:1], *more])]
        if fits:
            # What is right where the answers are comes before what shows in some questions alone.
            beside = [Held.of(e) for e in list(right)[:CONFIRMED_BY]] if len(fits) > 1 or extreme else []
            throughout = [m for m in fits if fits_all(m, [*answers, *beside])]
            if throughout or not extreme:
                return _distinct(throughout or fits)
    return []


def _distinct(fits: Sequence[Mistake]) -> list[Mistake]:
    """One of each name, whatever the place is where it stands: the first says it most generally."""
    return list({mistake.name.split(" in ")[0]: mistake for mistake in reversed(fits)}.values())[::-1]


def _kinds(answers: Sequence[Held], places: set[tuple[str, int]]) -> Iterator[Iterator[Mistake]]:
    """The mistakes that are tried, kind after kind."""
    named = {equation for equation, _ in places}
    # Gradients alone do not tell (F1) from (F2); a batch alone tells the last delta at most.
    told = named | ({"F1", "F2"} if "F" in named else set()) | ({"B1", "L1"} if "batch" in named else set())
    yield (_of_fault(fault) for fault in FAULTS if fault.equations & told)
    yield functions(answers[0].problem)
    yield lines(places, answers)
    yield samples()
    yield done_to_gradients(answers)


def _of_fault(fault: Fault) -> Mistake:
    written = "; ".join(f"({edit.place}) as {edit.expression}" for edit in fault.edits)
    said = f"Exactly these numbers come of {fault.mistake}: {written}."
    return Mistake(fault.name, said, lambda problem: reference_answer(problem, _text(fault.name)).gradients)


@cache
def _text(name: str) -> ModuleType:
    """The reference with a fault in it: the same copy whenever it is asked for."""
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    return planted(*fault.edits)
