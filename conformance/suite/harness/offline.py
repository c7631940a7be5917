"""Offline: problems as lines for any program to answer, and the answers judged afterwards; nobody is started."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...judge.report import Report, Subject, unnumbered
from ...oracle.network.asking.domain import Domain
from ...oracle.network.asking.draws import drawn_question
from ...oracle.network.asking.questions import OF_DISTRIBUTIONS, Question, is_small, questions
from ...oracle.network.explanation import summary
from ...oracle.network.interrogation import answered
from ...problems.files import LARGEST
from ...problems.problem import GivenAnswer, Problem
from ...problems.wire import Malformed, parse_answer, parse_problem, problem_json
from ...subjects.callables import Ended
from ...subjects.programs.process import NoAnswer, shown
from .opening import CannotAsk
from .run import Plan
from .total import only, together

TOGETHER = 64
"""Problems that are judged together: what they show is compared, and then forgotten."""


class Numbered(NamedTuple):
    """A problem of a file: its id and its class, "ordinary" or "extreme"."""

    id: int
    problem: Problem
    kind: str

    @property
    def line(self) -> str:
        """The request of the protocol, with the class."""
        return f'{problem_json(self.problem, self.id)[:-1]},"class":"{self.kind}"}}'


def generated(domains: Sequence[Domain], plan: Plan) -> Iterator[Numbered]:
    """What a run asks: what `probe` asks in each domain, then random problems, numbered from 1."""

    def asked() -> Iterator[Question]:
        for domain in domains:
            yield from questions(domain, plan.seed)
        for i in range(plan.problems):
            yield drawn_question(domains[i % len(domains)], plan.seed, i // len(domains))

    for number, question in enumerate(asked(), start=1):
        yield Numbered(number, question.problem, question.kind)


def lines_of(path: Path) -> list[bytes]:
    """The lines of a file, or of standard input for the name ``-``.

    Raises
    ------
    CannotAsk
        If it cannot be read, or is larger than any that is read.
    """
    try:
        with sys.stdin.buffer if str(path) == "-" else open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise CannotAsk(str(error)) from None
    if len(content) > LARGEST:
        raise CannotAsk(f"{path}: expected at most {LARGEST:,} bytes, got more")
    return content.split(b"\n")


def read(lines: Iterable[bytes]) -> Iterator[Numbered]:
    """The problems of a file; blank lines are passed over.

    Raises
    ------
    CannotAsk
        If a line is none.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            problem = parse_problem(line)
            fields = json.loads(line)
            id, kind = fields.get("id", number), fields.get("class", "ordinary")
            if isinstance(id, bool) or not isinstance(id, int):
                raise Malformed(f"id: expected a whole number, got {id!r:.60}")
            if kind not in ("ordinary", "extreme"):
                raise Malformed(f"class: expected 'ordinary' or 'extreme', got {kind!r:.60}")
        except Malformed as error:
            raise CannotAsk(f"problems, line {number}: {error}") from None
        yield Numbered(id, problem, kind)


def verified(problems: Iterable[Numbered], answers: Sequence[bytes], domain: Domain, plan: Plan, name: str) -> Report:
    """Judge answers to problems.

    Parameters
    ----------
    problems : iterable of Numbered
    answers : sequence of bytes
        Lines, in any order.
    domain : Domain
        How the subject wants to be judged.
    plan : Plan
        What is said of the problems, and which equations are judged.
    name : str
        For the report.

    Raises
    ------
    CannotAsk
        If there is no answer to any of them.
    """
    given, strange = _by_id(answers)
    subject, left = Subject(name, language=""), dict(given)
    total = Report(subject, {}, profile=plan.profile, seed=plan.seed, known=plan.known)
    numbered = iter(problems)
    answers_in_form = 0
    while chunk := list(islice(numbered, TOGETHER)):
        for dtype in sorted({str(each.problem.dtype) for each in chunk}):
            of_dtype = [each for each in chunk if str(each.problem.dtype) == dtype]
            recorded = _Recorded(of_dtype, given)
            part = answered(recorded, domain._replace(dtype=dtype), subject, _asked(of_dtype, domain), plan.known)
            answers_in_form += part.asked - part.failed
            part = part._replace(remarks=tuple(said for said in part.remarks if said.startswith("Not asked")))
            total = together(total, only(part._replace(complete=True), plan.only))
        for each in chunk:
            left.pop(each.id, None)
    if not answers_in_form:
        raise CannotAsk(strange[0] if strange else "there is no answer to any of the problems")
    strange += [f"an answer to a problem that was not put, {id}: {shown(lines[0])}" for id, lines in left.items()]
    findings = tuple(unnumbered("ordinary", "protocol", f"The answers: {said}.") for said in strange)
    total = together(total, Report(subject, {}, findings, failed=len(findings)))
    return total._replace(remarks=(*summary(total), *total.remarks))


def _by_id(answers: Sequence[bytes]) -> tuple[dict[int, list[bytes]], list[str]]:
    """The lines by their ids, and what is said of lines that have none, and of ids that have several."""
    given: dict[int, list[bytes]] = {}
    strange = []
    for number, line in enumerate(answers, start=1):
        if not line.strip():
            continue
        try:
            document: Any = json.loads(line)
        except (ValueError, RecursionError):
            document = None
        id = document.get("id") if isinstance(document, dict) else None
        if isinstance(id, bool) or not isinstance(id, int):
            strange.append(f"line {number} is no answer, an object with an id: {shown(line)}")
        elif id in given:
            strange.append(f"line {number} answers problem {id} once more: {shown(line)}")
        else:
            given[id] = [line]
    return given, strange


def _asked(numbered: Sequence[Numbered], domain: Domain) -> Iterator[Question]:
    """The questions that such problems are."""
    before: dict[str, int] = {}
    for i, (id, problem, kind) in enumerate(numbered):
        widths = (problem.x.shape[1], *(len(b) for _, b, _ in problem.network))
        sums = abs(problem.y.astype(np.float64).sum(axis=1) - 1)
        sum_to_one = bool((sums <= widths[-1] * np.finfo(problem.dtype).eps).all())
        any_targets = isinstance(problem.loss, OF_DISTRIBUTIONS) and domain.targets != "any" and not sum_to_one
        alike = before.setdefault(_digest(problem), i)
        yield Question(
            f"problem {id}", problem, kind="extreme" if kind == "extreme" else "ordinary",
            again=None if alike == i else alike, open_targets=any_targets, small=is_small(widths),
        )  # fmt: skip


class _Recorded:
    """The answers of a file, asked for by their problems; equal problems get theirs in order."""

    def __init__(self, numbered: Sequence[Numbered], given: dict[int, list[bytes]]) -> None:
        self._given = given
        self._ids: dict[str, list[int]] = {}
        for each in numbered:
            self._ids.setdefault(_digest(each.problem), []).append(each.id)

    def __call__(self, problem: Problem) -> GivenAnswer:
        ids = self._ids.get(_digest(problem))
        if ids is None:  # nobody is there to answer another problem
            raise Ended("there are no more answers")
        id = ids.pop(0) if len(ids) > 1 else ids[0]
        if id not in self._given:
            raise NoAnswer("no line has its id")
        return parse_answer(self._given[id][0], problem, id)


def _digest(problem: Problem) -> str:
    """The same for equal problems."""
    found = sha256(repr((*(sigma for _, _, sigma in problem.network), *problem[3:5], problem.x.shape)).encode())
    for array in (problem.x, problem.y, *(part for W, b, _ in problem.network for part in (W, b))):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
