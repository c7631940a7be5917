"""The replay: a saved problem asked again."""

from pathlib import Path

from rich.console import Console

from ...judge.verdict import CONFORMS, EXIT_STATUS, UNDECIDED, WRONG
from ...oracle.network.asking.domain import Domain
from ...oracle.network.asking.questions import Question, is_small
from ...oracle.network.interrogation import answered
from ...problems import files
from ...problems.problem import Problem
from ...problems.wire import Malformed
from .opening import CannotAsk, Opened
from .smoke import tiny
from .terminal import present


def replayed(console: Console, path: Path, of: Opened) -> int:
    """Ask a saved problem twice, and judge; print whether it is fixed or still fails; return the exit status.

    Raises
    ------
    CannotAsk
        If the file is no problem, or the subject does not take it.
    """
    try:
        problem = files.read_problem(path)
    except (Malformed, OSError) as error:
        raise CannotAsk(str(error)) from None
    domain = of.domains[0]._replace(dtype=str(problem.dtype))
    widths = (problem.x.shape[1], *(len(b) for _, b, _ in problem.network))
    question = Question("the saved problem", problem, small=is_small(widths))
    report = answered(of.ask, domain, of.who, [question, question._replace(why="the saved problem, again", again=0)])
    if report.unsupported:
        raise CannotAsk(f"{path}: it says that it does not support the problem")
    present(console, report)
    verdict = report.verdict
    if verdict == CONFORMS and report.remarks and _doubtful(of, domain, problem):
        verdict = "SUSPECT"
    said = {WRONG: "still failing", CONFORMS: "fixed", UNDECIDED: "nothing is decided"}.get(verdict, "still suspect")
    console.print(f"{verdict} {of.who.name}: {path}: {said}", highlight=False, soft_wrap=True, markup=False)
    return EXIT_STATUS[verdict]


def _doubtful(of: Opened, domain: Domain, problem: Problem) -> bool:
    """Whether single equations alone speak against it, while they hold in small networks of its own."""
    small = [Question("", each, small=True) for each in tiny(domain)]
    return bool(answered(of.ask, domain, of.who, [*small, Question("", problem)]).findings)
