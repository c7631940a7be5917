"""Whatever a program does, it is said, in time and in little memory, and no process stays behind."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from conformance import Problem
from conformance.problems.problem import Architecture, fill
from conformance.problems.wire import Malformed, Refused
from conformance.subjects.callables import Ended
from conformance.subjects.programs.process import Limits, NoAnswer
from conformance.subjects.programs.program import IN_A_ROW, IN_ALL, Program
from conformance.subjects.reference import reference_answer
from reference import HalfSquaredError, Sigmoid

pytestmark = pytest.mark.sampled(4)

SCRIPT = Path(__file__).with_name("scripted.py")
QUICK = Limits(start=20.0, answer=20.0, stop=0.5)
IMPATIENT = Limits(start=20.0, answer=0.5, stop=0.5)


def scripted(how: str, when: int = 1, limits: Limits = QUICK) -> Program:
    return Program([sys.executable, "-I", "-S", str(SCRIPT), how, str(when)], limits)


def problem(seed: int = 0, batch: int = 3) -> Problem:
    generic = ("generic", "generic", "generic")
    sigmas = (Sigmoid(), Sigmoid())
    return fill(Architecture((4, 6, 5), sigmas, HalfSquaredError(), "sum", batch, "float64", generic, seed, 0.1))


def in_group(pid: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def gone(group: int) -> bool:
    deadline = time.monotonic() + 10
    while in_group(group):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def group_of(program: Program) -> int:
    assert program._process is not None
    return program._process._guard.get_pid()


@pytest.mark.parametrize("how", ["right", "in pieces", "errors flooded", "slow"])
def test_what_is_right_is_taken(how: str) -> None:
    with closing(scripted(how)) as program:
        for seed in range(2):
            answer, expected = program.ask(problem(seed)), reference_answer(problem(seed))
            for got, right in zip(answer.gradients, expected.gradients, strict=True):
                np.testing.assert_allclose(got.W, right.W, rtol=1e-12)
        group = group_of(program)
        program.stop()
        assert program.complaints == []
        assert program.starts == 1
    assert gone(group)


FAILURES = {
    "died": r"it ended with status 3 when it was asked; its standard error ends: first / out of cheese",
    "killed": "it was ended by SIGSEGV when it was asked",
    "garbage before": "it wrote more than one line for an answer: '{\"id\": ",
    "garbage after": "it wrote more than one line for an answer: 'done'",
    "garbage behind": r"expected JSON, got text that is none at line 1, column \d+: Extra data; it wrote '\{\"id\": ",
    "garbage instead": r"expected JSON, got text that is none .*; it wrote 'Segmentation fault \(core dumped\)'",
    "not UTF-8": "expected JSON in UTF-8, got a byte that is none at 0; it wrote '\ufffd\ufffd'",
    "an empty line": "expected JSON, got an empty text; it wrote ''",
    "a list": "expected an object, got a list of 1; it wrote",
    "died in a line": "it ended with status 0 when it was asked, in the middle of a line: '{\"id\": 1,'",
    "another id": "id: expected 1, got 2; it wrote",
    "an id as a string": "id: expected 1, got the string '1'; it wrote",
    "no id": "expected the field 'id', 1, got an object without it; it wrote",
    "an answer too many": "it wrote more than one line for an answer: '{\"id\": 1",
    "a long line": r"it wrote more than 1,\d{3},\d{3} bytes without an end of line",
    "endless": r"it wrote more than 1,\d{3},\d{3} bytes without an end of line",
    "endless lines": "it wrote more than one line for an answer: '0",
    "output closed": "it closed its standard output when it was asked",
    "input closed": "it closed its standard input when it was asked",
}
"""What breaks the exchange, and what is said."""


@pytest.mark.parametrize("how", FAILURES)
def test_what_breaks_the_exchange_is_said_and_the_program_started_afresh(how: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with closing(scripted(how)) as program:
        group = group_of(program)
        with pytest.raises(NoAnswer) as raised:
            program.ask(problem())
        assert re.match(FAILURES[how], str(raised.value)), str(raised.value)
        assert gone(group)
        with pytest.raises(NoAnswer):
            program.ask(problem())
        assert program.starts == 2
        group = group_of(program) if program._process else group
    assert gone(group)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # kilobytes; 100 MB was written


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("hung", "it did not answer within 0.5 seconds$"),
        ("part of a line", "it did not answer within 0.5 seconds, only part of a line: '{\"id\": 1,'$"),
    ],
)
def test_who_hangs_is_ended(how: str, said: str) -> None:
    with closing(scripted(how, limits=IMPATIENT)) as program:
        group = group_of(program)
        with pytest.raises(NoAnswer, match=said):
            program.ask(problem())
        assert gone(group)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("shapes", r"gradients\[0\].W: expected shape \(6, 4\), got a list of 7"),
        ("fields", "expected the field 'gradients', got an object without it"),
        ("strings", r"gradients\[0\].b\[0\]: expected a number, got the string '0.5'"),
    ],
)
def test_what_is_no_answer_to_the_problem_is_said_and_the_program_goes_on(how: str, said: str) -> None:
    with closing(scripted(how)) as program:
        for _ in range(IN_A_ROW + 1):
            with pytest.raises(Malformed, match=said) as raised:
                program.ask(problem())
            assert not isinstance(raised.value, NoAnswer)
        assert program.starts == 1


@pytest.mark.parametrize(("how", "kind"), [("an error", "error"), ("unsupported", "unsupported")])
def test_what_the_program_refuses_is_refused(how: str, kind: str) -> None:
    with closing(scripted(how)) as program, pytest.raises(Refused, match=r"no memory|not today") as raised:
        program.ask(problem())
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("an answer too many, later", "it wrote more than one line for an answer: '{\"id\": 1"),
        ("ended after", "it ended with status 0 after its answer"),
        ("status", "it ended with status 4 after stop"),
        ("stop ignored", "it did not end within 0.5 seconds of stop"),
        ("endless at stop", "it did not end within 0.5 seconds of stop"),
    ],
)
def test_what_is_wrong_after_an_answer_is_a_complaint_about_it(how: str, said: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with closing(scripted(how)) as program:
        group = group_of(program)
        program.ask(problem())
        time.sleep(0.4)
        program.stop()
        (complaint,) = program.complaints
        assert complaint.said.startswith(said)
        assert isinstance(complaint.problem, Problem)
        assert complaint.problem.x.shape == (3, 4)
    assert gone(group)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    with closing(scripted("an answer too many, later")) as program:
        program.ask(problem())
        time.sleep(0.4)
        program.ask(problem(1))
        assert program.starts == 2
        (complaint,) = program.complaints
        assert isinstance(complaint.problem, Problem)
        np.testing.assert_array_equal(complaint.problem.x, problem().x)


def test_a_program_that_fails_again_and_again_is_given_up() -> None:
    with closing(scripted("died")) as program:
        for _ in range(IN_A_ROW):
            with pytest.raises(NoAnswer):
                program.ask(problem())
        with pytest.raises(Ended, match="given up after 3 failures in a row"):
            program.ask(problem())
        assert program.starts == IN_A_ROW
    with closing(scripted("died", when=2)) as program:
        for _ in range(IN_ALL):
            program.ask(problem())
            with pytest.raises(NoAnswer):
                program.ask(problem())
        with pytest.raises(Ended, match="given up after 12 failures to answer"):
            program.ask(problem())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["no-such-program-anywhere"], "No such file or directory: 'no-such-program-anywhere'"),
        ([str(SCRIPT.parent)], "Permission denied"),
        ([sys.executable, "-c", "import sys; sys.exit('no such model')"], "status 1 .*ends: no such model"),
        ([sys.executable, "-I", "-S", str(SCRIPT), "start", "1"], "expected JSON"),
        ([sys.executable, "-c", "print('{}')"], "expected the field 'protocol'|more than one line|ended with status 0"),
    ],
)
def test_who_does_not_start_is_said_not_to(command: list[str], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        Program(command, QUICK)


def test_the_children_of_a_program_end_with_it() -> None:
    with closing(scripted("a child that stays")) as program:
        program.ask(problem())
        group = group_of(program)
        assert len(in_group(group)) == 3  # guard, program, sleep
        program.stop()
    assert gone(group)


HARNESS = """
import sys, time
sys.path.insert(0, {root!r})
from tests.subjects.programs.test_programs import group_of, problem, scripted
program = scripted("a child that stays")
program.ask(problem())
print(group_of(program), flush=True)
time.sleep(1000)
"""


@pytest.fixture
def harness() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that asks, and the process group of the program that it asks."""
    script = HARNESS.format(root=str(SCRIPT.parents[3]))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_whoever_asks(by: int, harness: tuple[subprocess.Popen[str], int]) -> None:
    process, group = harness
    assert len(in_group(group)) == 3
    os.kill(process.pid, by)
    process.wait()
    assert gone(group)
