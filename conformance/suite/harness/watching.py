"""Watching: a subject that is asked, counted, and asked no more once the time is over."""

from collections.abc import Callable
from time import monotonic

from ...problems.problem import GivenAnswer, Problem
from ...subjects.callables import Ask, Ended
from ...subjects.programs.process import NoAnswer
from ...subjects.programs.program import Complaint


class Watched:
    """A function that asks, as `Ask` is, and keeps what became of it.

    Parameters
    ----------
    ask : function
    until : float
        By `time.monotonic`; from then on it raises `Ended`.
    told : function
        Called after each question.

    Attributes
    ----------
    breaks : list of Complaint
        Where there was no answer at all, and on what problem.
    ended : str
        Why no more is asked.
    """

    def __init__(self, ask: Ask, until: float, told: Callable[[], object]) -> None:
        self._ask, self._until, self._told = ask, until, told
        self.breaks: list[Complaint] = []
        self.ended = ""

    def __call__(self, problem: Problem) -> GivenAnswer:
        """The answer; raises what the subject does, and `Ended`."""
        if monotonic() > self._until:
            self.ended = "the time was over"
            raise Ended(self.ended)
        try:
            return self._ask(problem)
        except NoAnswer as error:
            self.breaks.append(Complaint(str(error), problem))
            raise
        except Ended as error:
            self.ended = str(error)
            raise
        finally:
            self._told()
