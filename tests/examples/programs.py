"""A program on the wire, line by line."""

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from conformance import GivenAnswer, Problem, Report
from conformance.judge.report import Subject
from conformance.oracle.network.asking.domain import Domain
from conformance.oracle.network.interrogation import interrogated
from conformance.problems.messages import StartAnswer
from conformance.problems.wire import parse_answer, problem_json


class Program(NamedTuple):
    """A running program: what it declares, and two ways to ask it."""

    declaration: StartAnswer
    ask: Callable[[Problem], GivenAnswer]
    exchange: Callable[[str], str]


@contextmanager
def running(command: Sequence[str]) -> Iterator[Program]:
    """Start a program, and stop it; its status is 0 then."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        written, read = process.stdin, process.stdout

        def exchange(line: str) -> str:
            print(line, file=written, flush=True)
            return read.readline()

        def ask(problem: Problem) -> GivenAnswer:
            answer = exchange(problem_json(problem, id=7))
            assert json.loads(answer)["id"] == 7
            return parse_answer(answer, problem)

        started = exchange('{"cmd": "start", "protocol": 1}')
        yield Program(StartAnswer.model_validate_json(started), ask, exchange)
        print('{"cmd": "stop"}', file=written, flush=True)
        assert process.wait(10) == 0
        assert read.read() == ""


def report(declaration: StartAnswer, ask: Callable[[Problem], GivenAnswer], of: Domain, count: int) -> Report:
    """What `probe` makes of it."""
    return interrogated(ask, of, Subject(declaration.name), seed=0, count=count)
