"""What the command line asks of the harness: each function returns an exit status, whatever it was given."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from ...judge.known import Known
from ...judge.known import read as read_known
from ...judge.verdict import INTERRUPTED, NOT_PUT
from ...subjects.programs.process import Limits
from ...text.labels import labelled, modules
from . import results
from .offline import generated, lines_of, read, verified
from .opening import CannotAsk, Opened, declared_domains, opened
from .replay import replayed
from .run import Plan
from .terminal import conclude, judged, present


class Who(NamedTuple):
    """Who is asked, as the options say: a program's command, or a subject in this process, and what it declares."""

    command: str | None
    subject: str | None
    declares: Path | None
    timeout: float | None

    @property
    def somebody(self) -> bool:
        """Whether anybody is named."""
        return self.command is not None or self.subject is not None

    def open(self) -> AbstractContextManager[Opened]:
        """Start or import them."""
        if self.command is not None and self.subject is not None:
            raise CannotAsk("expected --command or --subject, got both")
        limits = Limits() if self.timeout is None else Limits(start=self.timeout, answer=self.timeout)
        return opened(self.command, self.subject, self.declares, limits)

    @property
    def options(self) -> str:
        """The options that name them once more."""
        named = ("--command", self.command) if self.command is not None else ("--subject", self.subject or "")
        return shlex.join((*named, *(("--declares", str(self.declares)) if self.declares else ())))


def run(who: Who, plan: Plan, known: Path | None, report_to: Path | None) -> int:
    """Ask somebody and judge the answers."""

    def asking() -> int:
        _check_labels(plan.only)
        expected = plan._replace(known=_known(known))
        with who.open() as of:
            return judged(Console(), of, expected, report_to, who.options)

    return _put("run", asking)


def replay(who: Who, problem: Path) -> int:
    """Ask somebody a saved problem again."""

    def asking() -> int:
        with who.open() as of:
            return replayed(Console(), problem, of)

    return _put("replay", asking)


def generate(declares: Path | None, plan: Plan) -> int:
    """Print the problems of a run."""

    def printing() -> int:
        try:
            for numbered in generated(declared_domains(declares), plan):
                print(numbered.line)
            sys.stdout.flush()
        except BrokenPipeError:  # nobody reads on, as after head
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0

    return _put("generate", printing)


def verify(
    given: Sequence[Path], declares: Path | None, plan: Plan, known: Path | None, report_to: Path | None
) -> int:
    """Judge the answers in the last of the files, to the problems in the first or, if it is alone, of the plan."""

    def judging() -> int:
        _check_labels(plan.only)
        if len(given) > 2 or [str(path) for path in given].count("-") > 1:
            raise CannotAsk("expected a file of problems, or none, and one of answers, standard input once")
        domains = declared_domains(declares)
        asked = read(lines_of(given[0])) if len(given) == 2 else generated(domains, plan)
        expected = plan._replace(known=_known(known))
        report = verified(asked, lines_of(given[-1]), domains[0], expected, str(given[-1]))
        if report_to is not None:
            report = results.with_problems(report, report_to)
            results.write(report, report_to)
        console = Console()
        present(console, report)
        conclude(console, report)
        return report.exit_status

    return _put("verify", judging)


def _known(path: Path | None) -> tuple[Known, ...]:
    if path is None:
        return ()
    try:
        return read_known(path)
    except ValueError as error:
        raise CannotAsk(f"--known: {error}") from None


def _check_labels(given: Sequence[str]) -> None:
    known = {*(line.label for line in labelled(modules())), "F", "batch", "state", "protocol"}
    for each in given:
        if each not in known:
            raise CannotAsk(f"--only: expected a label of EQUATIONS.md, such as B2, got {each}")


def _put(name: str, asking: Callable[[], int]) -> int:
    """Ask; a question that cannot be put is said to be so, in a few lines."""
    try:
        return asking()
    except KeyboardInterrupt:
        print("INTERRUPTED: nothing was judged.", file=sys.stderr)
        return INTERRUPTED
    except (CannotAsk, OSError) as error:
        print(f"python -m conformance {name}: {error}", file=sys.stderr)
        return NOT_PUT
