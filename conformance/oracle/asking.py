"""Asking: somebody's code is called, and what became of that, whether it is a network's or a single operation's."""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from ..arrays import Array
from ..judge.judgement import Judgement
from ..problems.layouts import numbers
from ..problems.wire import Malformed, Refused
from ..subjects.callables import Ended

Asked = TypeVar("Asked")
Given = TypeVar("Given")
Found = TypeVar("Found")


class Failure(Enum):
    """Why there is no answer."""

    UNSUPPORTED = "the subject says that it does not take such a question"
    REFUSED = "the subject says that it failed"
    RAISED = "the subject's code raised"
    MALFORMED = "what came is no answer to the question"


class Failed(NamedTuple):
    """No answer: why, in words, and by what exception."""

    failure: Failure
    said: str
    error: BaseException | None = None


class Reply(NamedTuple, Generic[Given]):
    """What came of asking once; ``changed`` names the arguments that the subject altered."""

    answer: Given | None
    failed: Failed | None = None
    changed: tuple[str, ...] = ()


class Outcome(NamedTuple, Generic[Asked, Given, Found]):
    """What became of a question.

    ``judgements`` are those that may accuse; ``evidence`` is what else was found about the answer, where it was judged.
    """

    question: Asked
    reply: Reply[Given]
    judgements: tuple[Judgement, ...] = ()
    evidence: Found | None = None

    @property
    def answer(self) -> Given:
        """The answer to a question that did not fail."""
        assert self.reply.answer is not None
        return self.reply.answer

    @property
    def found(self) -> Found:
        """The evidence about an answer that was judged."""
        assert self.evidence is not None
        return self.evidence

    @property
    def violated(self) -> bool:
        """Whether a number is outside its bound, or suspect."""
        return any(j.violated for j in self.judgements)

    @property
    def failed(self) -> Failed | None:
        """Why there is no answer, if there is none."""
        return self.reply.failed

    @property
    def unsupported(self) -> bool:
        """Whether the subject said that it has no answer to such a question."""
        return self.failed is not None and self.failed.failure is Failure.UNSUPPORTED


def reply(call: Callable[[], Given], lent: Iterable[tuple[str, Array, Any]]) -> Reply[Given]:
    """Call somebody's code, which may raise anything; ``lent`` are its arguments' names, their numbers, and they.

    Raises
    ------
    Ended
        If no more is to be asked.
    """
    try:
        with np.errstate(all="ignore"):  # what overflows is the judge's to see
            answer = call()
    except Ended:
        raise
    except Refused as error:
        said = Failure.UNSUPPORTED if error.kind == "unsupported" else Failure.REFUSED
        return Reply(None, Failed(said, str(error), error))
    except NotImplementedError as error:
        return Reply(None, Failed(Failure.UNSUPPORTED, f"unsupported: {error}", error))
    except Malformed as error:
        return Reply(None, Failed(Failure.MALFORMED, str(error), error))
    except (Exception, SystemExit) as error:  # exit() in somebody's code ends its answer, and not the one who asks
        return Reply(None, Failed(Failure.RAISED, f"{type(error).__name__}: {error}", error))
    return Reply(answer, changed=tuple(name for name, x, now in lent if not np.array_equal(x, numbers(now))))
