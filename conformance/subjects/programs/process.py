"""A process that is asked line by line, within limits of time and memory, and that never outlives who asks.

Whatever it does, there comes a line or a `NoAnswer` with the reason.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ...problems.wire import Malformed

GUARD = Path(__file__).with_name("guard.py")

GRACE = 0.5
"""Seconds for which a process that closed a stream is given to end, so that its status can be told."""

KEPT = 4096
"""Bytes of standard error that are kept."""

SHOWN_LINES, SHOWN = 5, 300
"""The last lines of standard error that a reason holds, and the characters of them, or of a line, at most."""


HUNG = "it did not answer"
"""How the reason begins of what took too long."""


class Limits(NamedTuple):
    """How many seconds a program has to start, to answer a problem, and to end once it is told to stop."""

    start: float = 60.0
    answer: float = 60.0
    stop: float = 5.0


class NoAnswer(Malformed):
    """A program died, hung, or wrote something else than one line for an answer: says which, and what it wrote."""


class NotStarted(NoAnswer):
    """There is no such program, or it may not be run."""


class _Streams(asyncio.SubprocessProtocol):
    """What a process wrote: of its standard output what was not yet read, up to a limit; the end of its errors."""

    def __init__(self) -> None:
        self.received, self.most = bytearray(), 0
        self.errors = b""
        self.changed = asyncio.Event()
        self.open = True
        self.exited = asyncio.get_running_loop().create_future()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:  # one byte too many is enough to tell
            self.received += data[: max(self.most + 1 - len(self.received), 0)]
        else:
            self.errors = (self.errors + data)[-KEPT:]
        self.changed.set()

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        if fd == 1:
            self.open = False
        self.changed.set()

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)


class _Input(asyncio.BaseProtocol):
    """The process's standard input, which it may close."""

    def __init__(self, streams: _Streams) -> None:
        self.streams, self.open = streams, True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self.streams.changed.set()


class Process:
    """A running program behind its guard."""

    def __init__(
        self,
        guard: asyncio.SubprocessTransport,
        streams: _Streams,
        writing: asyncio.WriteTransport,
        input: _Input,
        lifeline: socket.socket,
    ) -> None:
        self._guard, self._streams, self._writing, self._input = guard, streams, writing, input
        self._lifeline = lifeline
        self._told = asyncio.ensure_future(self._ending())

    @classmethod
    async def started(cls, command: Sequence[str]) -> "Process":
        """Start a command, in a process group of its own."""
        loop = asyncio.get_running_loop()
        lifeline, its_end = socket.socketpair()
        # A pipe of our own: asyncio may make a socket, which programs cannot open by the name /dev/stdin.
        reading, writing = os.pipe()
        try:
            lifeline.setblocking(False)
            guard, streams = await loop.subprocess_exec(
                _Streams,
                *(sys.executable, "-I", "-S", str(GUARD), str(its_end.fileno()), *command),
                stdin=reading,
                pass_fds=(its_end.fileno(),),
                start_new_session=True,
            )
        except BaseException:
            lifeline.close()
            os.close(writing)
            raise
        finally:
            os.close(reading)
            its_end.close()
        to_it, input = await loop.connect_write_pipe(lambda: _Input(streams), os.fdopen(writing, "wb", 0))
        return cls(guard, streams, to_it, input, lifeline)

    async def _ending(self) -> str:
        """How the program ended: a status, or why it did not start."""
        told = b""
        while not told.endswith(b"\n"):
            more = await asyncio.get_running_loop().sock_recv(self._lifeline, 4096)
            if not more:
                return "-9"  # nobody but the system ends a guard
            told += more
        return told.decode(errors="replace").strip()

    async def exchange(self, request: bytes, most: int, seconds: float) -> bytes:
        """Send a line and read a line.

        Parameters
        ----------
        request : bytes
            With its newline.
        most : int
            Bytes that the line may have.
        seconds : float
            Within which it must have come.

        Raises
        ------
        NoAnswer
        """
        self._streams.most = most
        self._writing.write(request)
        try:
            line = await asyncio.wait_for(self._line(most), seconds)
        except TimeoutError:
            came = f", only part of a line: {shown(bytes(self._streams.received))}" if self._streams.received else ""
            raise NoAnswer(f"{HUNG} within {seconds:g} seconds{came}{self.said}") from None
        await asyncio.sleep(0)
        if self._streams.received:
            raise NoAnswer(unasked(bytes(self._streams.received)))
        return line

    async def since(self) -> str:
        """What is wrong with a process that nobody asked anything since its last answer; nothing, usually."""
        for _ in range(2):  # what has come by now is read in the first turn of the loop, and acted on in the second
            await asyncio.sleep(0)
        if self._streams.received:
            return unasked(bytes(self._streams.received))
        return "" if self._streams.open and self._input.open else await self._why("after its answer")

    async def _line(self, most: int) -> bytes:
        received, searched = self._streams.received, 0
        while (end := received.find(b"\n", searched)) < 0:
            if len(received) > most:
                raise NoAnswer(f"it wrote more than {most:,} bytes without an end of line")
            if not self._streams.open or not self._input.open:
                raise NoAnswer(await self._why("when it was asked"))
            searched = len(received)
            self._streams.changed.clear()
            await self._streams.changed.wait()
        line = bytes(received[:end])
        del received[: end + 1]
        return line

    async def _why(self, when: str) -> str:
        """Why nothing more comes of a process that closed a stream."""
        ended = await self._ended(GRACE)
        if ended is None:
            stream = "output" if self._input.open else "input"
            return f"it closed its standard {stream} {when}{self.said}"
        part = self._streams.received
        cut = f", in the middle of a line: {shown(bytes(part))}" if part else ""
        return f"it {ended} {when}{cut}{self.said}"

    async def _ended(self, seconds: float) -> str | None:
        """How the program ended, if it does within that time.

        Raises
        ------
        NotStarted
        """
        try:
            told = await asyncio.wait_for(asyncio.shield(self._told), seconds)
        except TimeoutError:
            return None
        try:
            status = int(told)
        except ValueError:
            raise NotStarted(told) from None
        await asyncio.wait([self._streams.exited], timeout=GRACE)  # what it wrote last is read by then
        return _described(status)

    async def stopped(self, request: bytes, seconds: float) -> str:
        """Tell the program to stop; what is wrong with how it does, or nothing."""
        if self._input.open:
            self._writing.write(request)
            self._writing.close()
        ended = await self._ended(seconds)
        if ended is None:
            return f"it did not end within {seconds:g} seconds of stop{self.said}"
        return "" if ended == _described(0) else f"it {ended} after stop{self.said}"

    async def end(self) -> None:
        """End the program, and all that it started."""
        if self._guard.get_returncode() is None:
            with suppress(ProcessLookupError, PermissionError):  # it is gone; on macOS a group of the dead says so
                os.killpg(self._guard.get_pid(), signal.SIGKILL)
        await self._streams.exited
        self._told.cancel()
        await asyncio.wait([self._told])
        self._lifeline.close()
        if self._input.open:
            self._writing.abort()
        self._guard.close()
        await asyncio.sleep(0)  # the streams are closed in the next turn

    @property
    def said(self) -> str:
        """The last lines of its standard error, as the end of a sentence."""
        lines = self._streams.errors.decode(errors="replace").strip().splitlines()[-SHOWN_LINES:]
        said = " / ".join(lines)[-SHOWN:]
        return f"; its standard error ends: {said}" if said else ""


def unasked(text: bytes) -> str:
    """The reason that there is more than one line."""
    return f"it wrote more than one line for an answer: {shown(text)}"


def shown(text: bytes) -> str:
    """The beginning of what somebody wrote."""
    begun = text[:SHOWN].decode(errors="replace").strip()
    return f"{begun!r}{' ...' if len(text) > SHOWN else ''}"


def _described(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
