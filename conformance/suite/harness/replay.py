"""The replay: a saved problem asked again."""

from pathlib import Path

from rich.console import Console

from ...judge.report import Report
from ...judge.verdict import CONFORMS, EXIT_STATUS, UNDECIDED, WRONG, by_equation_and_layer
from ...oracle.network.asking.domain import Domain
from ...oracle.network.asking.questions import Question, is_small
from ...oracle.network.interrogation import answered
from ...problems.problem import Problem
from ...problems.training import Training, read
from ...problems.wire import Malformed
from .opening import CannotAsk, Opened
from .smoke import tiny
from .terminal import present
from .training.judged import judged


def replayed(console: Console, path: Path, of: Opened) -> int:
    """Ask a saved problem twice, and judge; print whether it is fixed or still fails; return the exit status.

    Raises
    ------
    CannotAsk
        If the file is no problem, or the subject does not take it.
    """
    try:
        problem = read(path)
    except (Malformed, OSError) as error:
        raise CannotAsk(str(error)) from None
    if isinstance(problem, Training):
        return _trained_again(console, path, problem, of)
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
    return _concluded(console, path, of, verdict)


def _trained_again(console: Console, path: Path, training: Training, of: Opened) -> int:
    if of.train is None:
        raise CannotAsk(f"{path}: it is a training, and {of.who.name} does not declare 'train'")
    shown = judged(of.train, training, of.domains[0]._replace(dtype=str(training.dtype)))
    if shown.unsupported:
        raise CannotAsk(f"{path}: it says that it does not support the training")
    findings = () if shown.finding is None else (shown.finding,)
    report = Report(of.who, by_equation_and_layer(shown.judgements), findings, asked=1)
    present(console, report)
    return _concluded(console, path, of, report.verdict)


def _concluded(console: Console, path: Path, of: Opened, verdict: str) -> int:
    said = {WRONG: "still failing", CONFORMS: "fixed", UNDECIDED: "nothing is decided"}.get(verdict, "still suspect")
    console.print(f"{verdict} {of.who.name}: {path}: {said}", highlight=False, soft_wrap=True, markup=False)
    return EXIT_STATUS[verdict]


def _doubtful(of: Opened, domain: Domain, problem: Problem) -> bool:
    """Whether single equations alone speak against it, while they hold in small networks of its own."""
    small = [Question("", each, small=True) for each in tiny(domain)]
    return bool(answered(of.ask, domain, of.who, [*small, Question("", problem)]).findings)
