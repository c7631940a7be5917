"""Opening: who is asked, a program behind the protocol or somebody in this process."""

import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from ...judge import report
from ...oracle.network.asking.declaration import domains
from ...oracle.network.asking.domain import Domain
from ...problems.messages import StartAnswer
from ...problems.wire import Malformed, parse_declaration
from ...subjects.callables import Ask
from ...subjects.implementations.table import DOCUMENTED, Unknown, subject
from ...subjects.programs.process import Limits, NoAnswer
from ...subjects.programs.program import Program


class CannotAsk(ValueError):
    """The question cannot be put: there is nobody to ask, or what is said of them cannot be."""


class Opened(NamedTuple):
    """Somebody who can be asked: what they declare, a function that asks, and the program behind it if it is one."""

    declaration: StartAnswer
    domains: tuple[Domain, ...]
    ask: Ask
    program: Program | None = None

    @property
    def who(self) -> report.Subject:
        """For a report; what it calls itself may be anything."""
        said = self.declaration
        return report.Subject(*map(_named, (said.name, said.version, said.language)))


NAME = 80
"""Characters of a name."""


def _named(given: str) -> str:
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in given[:NAME])


@contextmanager
def opened(
    command: str | None, name: str | None, declares: Path | None = None, limits: Limits | None = None
) -> Iterator[Opened]:
    """Somebody to ask, until the block ends.

    Parameters
    ----------
    command : str, optional
        Of a program, its arguments quoted as for a shell, which there is none of.
    name : str, optional
        Of a subject in this process, where there is no command.
    declares : path, optional
        A file with an answer to ``start``, for a function that declares nothing itself.
    limits : Limits, optional
        How long a program may take.

    Raises
    ------
    CannotAsk
    """
    if command is None:
        try:
            found = subject(name or "", None if declares is None else declared_in(declares))
        except Unknown as error:
            raise CannotAsk(f"--subject: {error}") from None
        yield Opened(found.declaration, _domains(found.declaration), found.ask)
        return
    with closing(_started(command, limits or Limits())) as program:
        yield Opened(program.declaration, _domains(program.declaration), program.ask, program)


def declared_domains(path: Path | None) -> tuple[Domain, ...]:
    """The domains of the declaration in a file; of the document's example where there is none."""
    return _domains(DOCUMENTED if path is None else declared_in(path))


def declared_in(path: Path) -> StartAnswer:
    """The declaration in a file."""
    try:
        return parse_declaration(path.read_bytes())
    except (OSError, Malformed) as error:
        raise CannotAsk(f"--declares: {path}: {error}") from None


def _started(command: str, limits: Limits) -> Program:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise CannotAsk(f"--command: {error}: {command}") from None
    if not words:
        raise CannotAsk("--command: expected a program, got nothing")
    try:
        return Program(words, limits)
    except NoAnswer as error:
        raise CannotAsk(f"{command} does not start: {error}") from None
    except Malformed as error:
        raise CannotAsk(f"{command} does not say what it can do: {error}") from None


def _domains(declaration: StartAnswer) -> tuple[Domain, ...]:
    try:
        return domains(declaration)
    except Malformed as error:
        raise CannotAsk(f"what {_named(declaration.name) or 'it'} declares cannot be asked: {error}") from None
