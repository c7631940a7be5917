"""Opening: who is asked, a program behind the protocol or somebody in this process."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from ...arrays import Network
from ...judge import report
from ...oracle.network.asking.declaration import domains, rules
from ...oracle.network.asking.domain import Domain
from ...oracle.network.training import by_steps
from ...problems.messages import StartAnswer
from ...problems.training import Training, one_step
from ...problems.wire import Malformed, parse_declaration
from ...subjects.callables import Ask
from ...subjects.implementations.table import DOCUMENTED, Unknown, subject
from ...subjects.programs.process import Limits, NoAnswer
from ...subjects.programs.program import Program


class CannotAsk(ValueError):
    """The question cannot be put: there is nobody to ask, or what is said of them cannot be."""


Train = Callable[[Training], Network]
"""A trainer: from a training to the network after its last batch."""


class Opened(NamedTuple):
    """Somebody who can be asked: what they declare, a function that asks, and the program behind it if it is one.

    ``train`` asks for trainings by the rules of these names.  Of whom only trains, ``ask`` infers gradients from steps.
    """

    declaration: StartAnswer
    domains: tuple[Domain, ...]
    ask: Ask
    program: Program | None = None
    train: Train | None = None
    rules: tuple[str, ...] = ()

    @property
    def by_gradients(self) -> bool:
        """Whether they answer with gradients, and not with steps alone."""
        return "gradients" in self.declaration.commands

    @property
    def who(self) -> report.Subject:
        """For a report; what it calls itself may be anything."""
        said = self.declaration
        return report.Subject(*map(_named, (said.name, said.version, said.language)))


T = TypeVar("T")

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
        yield Opened(found.declaration, _of_gradients(found.declaration), found.ask)
        return
    with closing(_started(command, limits or Limits())) as program:
        said = program.declaration
        of, names = _declared(said, domains), _declared(said, rules)
        ask = program.ask if "gradients" in said.commands else by_plain_steps(program.train, of[0])
        yield Opened(said, of, ask, program, program.train if names else None, names)


def by_plain_steps(train: Train, domain: Domain) -> Ask:
    """A function that asks for gradients by one plain step of a trainer."""
    return by_steps(lambda problem, eta: train(one_step(problem, eta)), domain.style)


def declared_domains(path: Path | None) -> tuple[Domain, ...]:
    """The domains of the declaration in a file; of the document's example where there is none."""
    return _of_gradients(DOCUMENTED if path is None else declared_in(path))


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


def _of_gradients(declaration: StartAnswer) -> tuple[Domain, ...]:
    """The domains of who answers with gradients; trainings are asked of programs alone."""
    if "gradients" not in declaration.commands:
        said = f"commands: expected 'gradients' among them, unless it is a program, got {declaration.commands}"
        raise CannotAsk(f"what {_named(declaration.name) or 'it'} declares cannot be asked: {said}")
    return _declared(declaration, domains)


def _declared(declaration: StartAnswer, read: Callable[[StartAnswer], T]) -> T:
    try:
        return read(declaration)
    except Malformed as error:
        raise CannotAsk(f"what {_named(declaration.name) or 'it'} declares cannot be asked: {error}") from None
