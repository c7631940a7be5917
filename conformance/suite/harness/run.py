"""The run: somebody is asked what `probe` asks, then to train, then random problems; all of it is one report."""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from pathlib import Path
from time import monotonic
from typing import NamedTuple, TypeVar

from ...arrays import Network
from ...judge.held import Question as Held
from ...judge.known import Known
from ...judge.report import Finding, Report, unnumbered
from ...judge.verdict import UNDECIDED, WRONG
from ...oracle.network.asking.domain import Domain
from ...oracle.network.asking.draws import drawn_question
from ...oracle.network.asking.questions import QUESTIONS, Question, is_small, questions
from ...oracle.network.explanation import summary
from ...oracle.network.identity import identified, of_domain
from ...oracle.network.interrogation import answered
from ...oracle.network.training import LARGE_RATES, of_updates
from ...problems.problem import GivenAnswer, Problem
from ...problems.training import Training, one_step
from ...subjects.callables import Ended
from ...subjects.programs.process import HUNG, NoAnswer
from ...subjects.programs.program import Complaint
from . import results
from .opening import Opened, by_plain_steps
from .shrinking import shrunk
from .total import only, together
from .training.judged import no_plain_steps, trained

CHUNK = 25
"""Random problems that are asked and judged together: what they show is compared, and then forgotten."""

BY_STEPS = 30
"""Questions for gradients that are asked by steps of somebody who also answers with gradients."""

SHRUNK = 6
"""Findings of a run whose problems are made smaller."""


class Plan(NamedTuple):
    """How much is asked: random problems, the seed, the equations that are judged alone, seconds, what is known."""

    profile: str
    problems: int
    seed: int = 0
    only: tuple[str, ...] = ()
    seconds: float = float("inf")
    known: tuple[Known, ...] = ()


T = TypeVar("T")


class Watched:
    """A function that asks, as `Ask` is, and one that asks for trainings; it keeps what became of it.

    Parameters
    ----------
    of : Opened
    until : float
        By `time.monotonic`; from then on it raises `Ended`.
    told : function
        Called after each question.

    Attributes
    ----------
    until : float
    breaks : list of Complaint
        Where there was no answer at all, and on what problem.
    ended : str
        Why no more is asked.
    """

    def __init__(self, of: Opened, until: float, told: Callable[[], object]) -> None:
        self._of, self.until, self._told = of, until, told
        self.breaks: list[Complaint] = []
        self.ended = ""

    def __call__(self, problem: Problem) -> GivenAnswer:
        """The answer; raises what the subject does, and `Ended`."""
        return self._watched(lambda: self._of.ask(problem), problem)

    def train(self, training: Training) -> Network:
        """The network after a training; raises likewise."""
        train = self._of.train
        assert train is not None
        return self._watched(lambda: train(training), training)

    def _watched(self, ask: Callable[[], T], what: Problem | Training) -> T:
        if monotonic() > self.until:
            self.ended = "the time was over"
            raise Ended(self.ended)
        try:
            return ask()
        except NoAnswer as error:
            self.breaks.append(Complaint(str(error), what))
            raise
        except Ended as error:
            self.ended = str(error)
            raise
        finally:
            self._told()


class Steps(NamedTuple):
    """Who is told of a run's progress: how many questions there will be, and of each that was asked."""

    total: Callable[[int], object]
    asked: Callable[[], object]


def run(of: Opened, plan: Plan, folder: Path, steps: Steps) -> Iterator[Report]:
    """Ask and judge; the reports of what was found so far, each whole, the last one of everything.

    Parameters
    ----------
    of : Opened
        Who passed the smoke test.
    plan : Plan
    folder : path
        Where the problems of findings are saved.
    steps : Steps
    """
    watched = Watched(of, monotonic() + plan.seconds, steps.asked)
    total = Report(of.who, {}, profile=plan.profile, seed=plan.seed, complete=False, known=plan.known)
    saving = _Saving(of, watched, folder)
    open_to_draws, probed = [], True
    steps.total(QUESTIONS * len(of.domains) + plan.problems)
    for domain in of.domains:
        asked = questions(domain, plan.seed)
        steps.total(len(asked) - QUESTIONS)
        no_steps = _no_plain_steps(of, watched, domain, plan, saving)
        part = no_steps or answered(watched, domain, of.who, asked, plan.known)
        probed = probed and part.complete
        if of.train is not None and not of.by_gradients:
            part = part._replace(findings=of_updates(part.findings))
        part = _decided(only(part._replace(remarks=_apart(part)), plan.only), domain)
        total = together(total, saving.with_problems(part, domain))
        if not _wrong(part):
            open_to_draws.append(domain)
        yield total
        if of.train is not None and not watched.ended:
            part = _by_training(of, watched, domain, part, plan, saving)
            probed = probed and part.complete
            total = together(total, only(part, plan.only))
            yield total
        if watched.ended:
            break
    drawn = 0
    if not watched.ended and plan.problems and open_to_draws:
        for domain, numbers in _turns(open_to_draws, plan.problems):
            asked = [drawn_question(domain, plan.seed, i) for i in numbers]
            part = answered(watched, domain, of.who, asked, plan.known)
            drawn += part.asked + part.unsupported
            part = part._replace(remarks=(), expected=())  # of some random problems, which may lack what others have
            total = together(total, saving.with_problems(only(part, plan.only), domain))
            yield total
            if _wrong(part):
                open_to_draws.remove(domain)
            if watched.ended or not open_to_draws:
                break
    given_up = bool(watched.ended) and "given up" in watched.ended
    total = _concluded(total, of, plan, watched, drawn, saving)._replace(complete=probed and not given_up)
    yield total._replace(remarks=(*summary(total), *total.remarks))


def _no_plain_steps(of: Opened, watched: Watched, domain: Domain, plan: Plan, saving: "_Saving") -> Report | None:
    """A report where the steps of somebody who only trains show no gradients, or None."""
    if of.train is None or of.by_gradients:
        return None
    return no_plain_steps(watched.train, domain, of.who, plan.seed, saving.of_training)


def _by_training(of: Opened, watched: Watched, domain: Domain, part: Report, plan: Plan, saving: "_Saving") -> Report:
    """What comes of trainings, unless the gradients behind their steps are wrong: no rule can be told of these."""
    steps = Report(of.who, {})
    if of.by_gradients and "sgd" in of.rules:
        no_steps = no_plain_steps(watched.train, domain, of.who, plan.seed, saving.of_training)
        steps = part = no_steps or _by_steps(of, watched, domain, plan, saving)
    if not _wrong(part) and not watched.ended:
        return together(steps, trained(watched.train, of.rules, domain, of.who, plan.seed, saving.of_training))
    said = f"No update rule was judged of {domain.dtype} networks, whose plain steps are wrong."
    return steps if watched.ended else steps._replace(remarks=(said,))


def _by_steps(of: Opened, watched: Watched, domain: Domain, plan: Plan, saving: "_Saving") -> Report:
    """What comes of questions for gradients that are asked by steps of somebody who also answers with gradients."""
    asked = questions(domain, plan.seed, BY_STEPS)
    part = answered(by_plain_steps(watched.train, domain), domain, of.who, asked, plan.known)
    findings = (f._replace(explanation=f"By its steps: {f.explanation}") for f in of_updates(part.findings))
    return saving.of_steps(part._replace(findings=tuple(findings), remarks=(), expected=()))


def _apart(part: Report) -> tuple[str, ...]:
    """The remarks of a part that are not of all that was asked: those are made anew of the whole."""
    of_all = {*summary(part)}
    return tuple(said for said in part.remarks if said not in of_all and not said.startswith("Asked: "))


def _turns(domains: list[Domain], problems: int) -> Iterator[tuple[Domain, range]]:
    """The domains in turn, each with the numbers of its next random questions, until there are so many."""
    drawn: dict[int, int] = {}
    for domain in cycle(tuple(domains)):
        if problems <= 0 or not domains:
            return
        if not any(domain is each for each in domains):
            continue
        first, count = drawn.get(id(domain), 0), min(CHUNK, problems)
        drawn[id(domain)], problems = first + count, problems - count
        yield domain, range(first, first + count)


def _wrong(part: Report) -> bool:
    """Whether its mathematics is wrong, and not known to be: more random problems would show the same."""
    wrong = (f for f in part.findings if f.verdict == WRONG and f.kind == "ordinary" and f.equation != "protocol")
    return any(not part.address(f) for f in wrong)


def _decided(part: Report, domain: Domain) -> Report:
    """The part, with a finding where it is undecided: what other parts decide would hide it."""
    if part.verdict != UNDECIDED or not part.complete:
        return part
    names = ", ".join(type(sigma).__name__ for sigma in domain.hidden[:3])
    said = f"{domain.dtype} networks with {names}{' and others' if len(domain.hidden) > 3 else ''}"
    most = f"{part.unsupported} of {part.asked + part.unsupported} questions were not supported"
    open_ones = ", ".join(f"({equation}) of layer {layer}" for equation, layer in part.undecided[:6])
    why = most if part.refuses_most else f"no number was decided{f' of {open_ones}' if open_ones else ''}"
    finding = unnumbered("ordinary", part.undecided[0][0] if part.undecided else "B3", f"Of {said} {why}.")
    return part._replace(findings=(*part.findings, finding._replace(verdict=UNDECIDED)))


def _concluded(
    total: Report, of: Opened, plan: Plan, watched: Watched, drawn: int, saving: "_Saving"
) -> Report:
    """With what is known only at the end: how the program stops, how often it was started, what was left out."""
    remarks = []
    if watched.ended:
        remarks.append(f"Cut short: {watched.ended}.")
    if plan.problems > drawn:
        why = "" if watched.ended else ": more would show what is wrong already"
        remarks.append(f"{drawn:,} of {plan.problems:,} random problems were drawn{why}.")
    complaints = list(watched.breaks)
    if of.program is not None:
        of.program.stop()
        complaints += of.program.complaints
        if of.program.starts > 1:
            times = of.program.starts - 1
            remarks.append(f"The program was started afresh {times} time{'s' if times > 1 else ''}.")
    said = " ".join(f.explanation for f in total.findings if f.equation == "protocol")
    findings = [_protocol(c, saving) for c in _distinct(complaints) if c.said not in said]
    part = Report(of.who, {}, tuple(findings), failed=len(findings), remarks=tuple(remarks))
    part = identified(part, of_domain(of.domains[0]), plan.known)
    return together(total, saving.with_problems(part, of.domains[0]))


def _distinct(complaints: Iterable[Complaint]) -> list[Complaint]:
    return list({complaint.said: complaint for complaint in complaints}.values())


def _protocol(complaint: Complaint, saving: "_Saving") -> Finding:
    finding = unnumbered("ordinary", "protocol", f"The exchange: {complaint.said}.")
    if isinstance(complaint.problem, Training):
        return saving.of_training(finding, complaint.problem)
    if complaint.problem is None:
        return finding
    return finding._replace(question=Held(*complaint.problem[:5], answer=None))


class _Saving:
    """Gives findings their problems: each made smaller while the subject still fails it, and saved."""

    def __init__(self, of: Opened, watched: Watched, folder: Path) -> None:
        self.of, self.watched, self.folder, self.left = of, watched, folder, SHRUNK

    def with_problems(self, part: Report, domain: Domain) -> Report:
        """The part, its findings with the place of the file that replays each."""
        return part._replace(findings=tuple(self._saved(finding, domain) for finding in part.findings))

    def _saved(self, finding: Finding, domain: Domain) -> Finding:
        if not isinstance(finding.question, Held) or finding.problem:
            return finding
        problem = finding.question.problem
        once = (HUNG, "The exchange: ", "The same question", "Asked the same question")  # slow, or not of one question
        in_time = monotonic() < self.watched.until
        if self.left > 0 and in_time and not any(said in finding.explanation for said in once):
            self.left -= 1
            if self.of.program is None:
                problem = self._shrunk(problem, finding, domain)
            else:
                with self.of.program.patience():
                    problem = self._shrunk(problem, finding, domain)
        return self._kept(finding, problem)

    def of_steps(self, part: Report) -> Report:
        """The same for questions that were asked by steps, each as a training of one."""

        def saved(finding: Finding) -> Finding:
            if not isinstance(finding.question, Held):
                return finding
            return self.of_training(finding, one_step(finding.question.problem, 2.0 ** LARGE_RATES[0]))

        return part._replace(findings=tuple(map(saved, part.findings)))

    def of_training(self, finding: Finding, training: Training) -> Finding:
        """The finding, with the place of the file that replays the training that shows it."""
        return self._kept(finding, training)

    def _kept(self, finding: Finding, what: Problem | Training) -> Finding:
        try:
            return finding._replace(problem=results.saved(what, self.folder))
        except OSError as error:  # what is wrong is no less wrong for that
            print(f"The problem cannot be saved: {error}", file=sys.stderr)
            return finding

    def _shrunk(self, problem: Problem, finding: Finding, domain: Domain) -> Problem:
        def fails(smaller: Problem) -> bool:
            return still(finding, asked_again(self.of, smaller, domain, finding.kind))

        return shrunk(problem, fails, domain, self.watched.until) if fails(problem) else problem


def asked_again(of: Opened, problem: Problem, domain: Domain, kind: str = "ordinary") -> Report:
    """What comes of one problem alone."""
    widths = (problem.x.shape[1], *(len(b) for _, b, _ in problem.network))
    question = Question("", problem, kind="extreme" if kind == "extreme" else "ordinary", small=is_small(widths))
    return answered(of.ask, domain, of.who, [question])


def still(finding: Finding, again: Report) -> bool:
    """Whether another report has the finding."""
    return any((f.equation, f.verdict) == (finding.equation, finding.verdict) for f in again.findings)
