"""A program as a subject: the protocol's messages to a process, which is started afresh whenever it breaks."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from ...arrays import Network
from ...problems.messages import StartAnswer
from ...problems.problem import GivenAnswer, Problem
from ...problems.training import Training, training_json
from ...problems.wire import (
    Malformed,
    Refused,
    Unrelated,
    parse_answer,
    parse_declaration,
    parse_trained,
    problem_json,
)
from ..callables import Ended
from .process import Limits, NoAnswer, Process, shown

IN_A_ROW, IN_ALL = 3, 12
"""After so many failures to answer at all, one upon the other or together, a program is given up."""

SLACK, OF_A_NUMBER = 2**20, 64
"""Bytes of a line beside its numbers, and for each of these: no float64 needs more than 25 digits and signs."""

T = TypeVar("T")
Asked = TypeVar("Asked", Problem, Training)


class Complaint(NamedTuple):
    """What a program did wrong when nobody was waiting for an answer, and what it had answered last."""

    said: str
    problem: Problem | Training | None


class Exchange(NamedTuple):
    """The last line that was sent, and what became of it: a line, or the reason that there is none."""

    sent: str
    got: str


class Program:
    """A program that answers by the protocol.  To be closed, as by ``contextlib.closing``.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    limits : Limits

    Attributes
    ----------
    declaration : StartAnswer
        What it says that it can do.
    starts : int
        How often it was started.
    complaints : list of Complaint
    exchange : Exchange

    Raises
    ------
    NoAnswer, Malformed
        If it does not start, or does not say what it can do.
    """

    def __init__(self, command: Sequence[str], limits: Limits = Limits()) -> None:  # noqa: B008  (a frozen value)
        self.command, self.limits = tuple(command), limits
        self.starts, self.complaints = 0, list[Complaint]()
        self.exchange = Exchange("", "")
        self._process: Process | None = None
        self._broken, self._in_a_row = 0, 0
        self._id, self._answered = 0, None
        self._loop = asyncio.Runner()
        try:
            self.declaration = self._run(self._start())
        except BaseException:
            self.close()
            raise

    _answered: Problem | Training | None

    def ask(self, problem: Problem) -> GivenAnswer:
        """The program's answer to a problem.

        Raises
        ------
        NoAnswer
            If it died, hung, or wrote something else than an answer to this question.
        Malformed
            If its answer is none to such a problem.
        Refused
            If it says that it has none.
        Ended
            If it is given up.
        """
        return self._asked(problem, problem_json, _numbers(problem), lambda line, id: parse_answer(line, problem, id))

    def train(self, training: Training) -> Network:
        """The network after a training, by the program; raises as `ask`."""
        numbers, network = sum(W.size + b.size for W, b, _ in training.network), training.network
        return self._asked(training, training_json, numbers, lambda line, id: parse_trained(line, network, id))

    def _asked(
        self, what: Asked, said: Callable[[Asked, int], str], numbers: int, read: Callable[[bytes, int], T]
    ) -> T:
        """What is read from the line that answers, which may hold so many numbers."""
        self._check_not_given_up()
        self._id += 1
        request = said(what, self._id)
        try:
            line = self._run(self._exchanged(request, SLACK + OF_A_NUMBER * numbers))
        except NoAnswer as broken:
            self.exchange = Exchange(request, f"no answer: {broken}")
            self._break()
            raise
        self.exchange = Exchange(request, line.decode(errors="replace"))
        try:
            answer = read(line, self._id)
        except Unrelated as error:
            self._break()
            raise NoAnswer(f"{error}; it wrote {shown(line)}") from None
        except (Malformed, Refused):
            self._in_a_row, self._answered = 0, what
            raise
        self._in_a_row, self._answered = 0, what
        return answer

    @contextmanager
    def patience(self) -> Iterator[None]:
        """Within the block, failures do not count towards giving up: they are looked for."""
        counted = self._broken, self._in_a_row
        self._broken = self._in_a_row = -(10**6)
        try:
            yield
        finally:
            self._broken, self._in_a_row = counted

    def stop(self) -> None:
        """Tell it to stop; what it does instead is a complaint."""
        if self._process is not None:
            said = self._run(self._process.since()) or self._run(
                self._process.stopped(_line({"cmd": "stop"}), self.limits.stop)
            )
            if said:
                self.complaints.append(Complaint(said, self._answered))
            self._end()

    def close(self) -> None:
        """End it, and all that it started, at once."""
        try:
            self._end()
        finally:
            self._loop.close()

    def _run(self, doing: Coroutine[Any, Any, T]) -> T:
        return self._loop.run(doing)

    async def _start(self) -> StartAnswer:
        self.starts += 1
        self._process = await Process.started(self.command)
        request = _line({"cmd": "start", "protocol": 1})
        self.exchange = Exchange(request.decode().strip(), "")
        try:
            line = await self._process.exchange(request, SLACK, self.limits.start)
        except NoAnswer as broken:
            self.exchange = self.exchange._replace(got=f"no answer: {broken}")
            raise
        self.exchange = self.exchange._replace(got=line.decode(errors="replace"))
        return parse_declaration(line)

    async def _exchanged(self, request: str, most: int) -> bytes:
        """The line that answers, from a process that did nothing wrong since its last answer, or from a new one."""
        if self._process is not None:
            said = await self._process.since()
            if said:
                self.complaints.append(Complaint(said, self._answered))
                self._broken += 1
                await self._process.end()
                self._process = None
        if self._process is None:
            try:
                await self._start()
            except Malformed as error:
                raise NoAnswer(f"started afresh, it did not say what it can do: {error}") from None
        assert self._process is not None
        return await self._process.exchange(f"{request}\n".encode(), most, self.limits.answer)

    def _break(self) -> None:
        self._broken += 1
        self._in_a_row += 1
        self._end()

    def _check_not_given_up(self) -> None:
        if self._in_a_row >= IN_A_ROW or self._broken >= IN_ALL:
            times = f"{self._in_a_row} failures in a row" if self._in_a_row >= IN_A_ROW else f"{IN_ALL} failures"
            raise Ended(f"given up after {times} to answer at all")

    def _end(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            self._run(process.end())


def _line(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _numbers(problem: Problem) -> int:
    """How many numbers an answer may hold, with all that may be volunteered."""
    B = len(problem.x)
    of_layers = sum(W.size + b.size + 3 * B * b.size for W, b, _ in problem.network)
    return of_layers + problem.x.size + problem.y.size + 1
