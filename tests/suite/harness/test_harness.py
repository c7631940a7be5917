"""Programs and functions asked by the command line: each failure has its exact verdict, reason and exit status."""

import json
import re
import shlex
import time
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from conformance import Problem
from conformance.oracle.network.asking.domain import domain_of
from conformance.problems import files
from conformance.suite.harness.shrinking import shrunk
from tests.subjects.programs.test_programs import problem as problem_of_programs

from .asked import asked, command, run

pytestmark = pytest.mark.sampled(3)


@pytest.mark.parametrize("how", ["right", "in pieces", "errors flooded", "a child that stays"])
def test_what_is_right_conforms(how: str, tmp_path: Path) -> None:
    done, report = run(how, 60 if how == "in pieces" else 1, tmp_path)
    assert done.exit_code == 0, done.output
    assert (report["verdict"], report["complete"], report["findings"]) == ("CONFORMS", True, [])
    assert report["problems"] == {"asked": 80, "unsupported": 0, "failed": 0}
    assert report["subject"] == {"name": "scripted", "version": "1", "language": "python"}
    assert re.match(
        r"CONFORMS scripted 1: 80 problems, [\d,]+ elements, worst margin 0\.\d+, 5\d\.\d bits in float64$",
        done.stdout.splitlines()[-1],
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junit.xml", "report.json"]


BEFORE = {
    "died": "it ended with status 3 when it was asked; its standard error ends: first / out of cheese",
    "hung": "it did not answer within 1 seconds",
    "garbage before": "it wrote more than one line for an answer",
    "garbage instead": "it wrote 'Segmentation fault (core dumped)'",
    "another id": "id: expected 1, got 2",
    "shapes": "gradients[0].W: expected shape (3, 2), got a list of 4",
    "fields": "expected the field 'gradients'",
    "strings": "gradients[0].b[0]: expected a number, got the string '0.5'",
    "an error": "error: no memory",
    "endless": "bytes without an end of line",
    "unsupported": "neither of two tiny problems within what it declares is supported",
    "start": "does not say what it can do: expected JSON, got text that is none",
}


@pytest.mark.parametrize("how", BEFORE)
def test_a_wrapper_that_is_wrong_is_not_judged(how: str, tmp_path: Path) -> None:
    done, report = run(how, 1, tmp_path, "--timeout", "1")
    assert done.exit_code == 2, done.output
    assert report is None
    assert BEFORE[how] in done.stderr
    assert done.stdout == ""
    if how not in ("unsupported", "start"):
        assert "So the wrapper is wrong, and not the mathematics: nothing was judged." in done.stderr
        assert re.search(r'^  sent: \{"cmd":"gradients","id":1,', done.stderr, re.M)
        assert re.search(r"^  got:  .", done.stderr, re.M)


AFTER = {
    "died": ("it ended with status 3 when it was asked; its standard error ends: first / out of cheese", False),
    "killed": ("it was ended by SIGSEGV when it was asked", False),
    "hung": ("it did not answer within 0.5 seconds", False),
    "garbage before": ("it wrote more than one line for an answer: '{\"id\"", False),
    "garbage after": ("it wrote more than one line for an answer: 'done'", False),
    "garbage instead": ("it wrote 'Segmentation fault (core dumped)'", False),
    "part of a line": ("it did not answer within 0.5 seconds, only part of a line: '{\"id\": ", False),
    "died in a line": ("in the middle of a line: '{\"id\": ", False),
    "another id": ("id: expected 4, got 5; it wrote", False),
    "an id as a string": ("id: expected 4, got the string '4'; it wrote", False),
    "no id": ("expected the field 'id', 4, got an object without it", False),
    "an answer too many": ("it wrote more than one line for an answer: '{\"id\": 4", False),
    "shapes": ("gradients[0].W: expected shape (7, 4), got a list of 8", True),
    "fields": ("expected the field 'gradients', got an object without it", True),
    "strings": ("gradients[0].b[0]: expected a number, got the string '0.5'", True),
    "an error": ("error: no memory", True),
    "a long line": ("bytes without an end of line", False),
    "endless": ("bytes without an end of line", False),
    "output closed": ("it closed its standard output when it was asked", False),
    "input closed": ("it closed its standard input when it was asked", False),
    "ended after": ("it ended with status 0 after its answer|it ended with status 0 when it was asked", False),
}
"""What is said after the smoke test, and whether all was asked all the same."""


@pytest.mark.parametrize("how", AFTER)
def test_what_fails_after_the_smoke_test_is_a_finding(how: str, tmp_path: Path) -> None:
    done, report = run(how, 4, tmp_path, "--timeout", "0.5" if how in ("hung", "part of a line") else "20")
    assert done.exit_code == 1, done.output
    assert report["verdict"] == "WRONG"
    said, complete = AFTER[how]
    assert report["complete"] is complete, report["remarks"]
    found = [finding for finding in report["findings"] if finding["class"] == "ordinary"]
    # The first question is asked again at the end: who answered it, and then no more, keeps something, too.
    assert {finding["equation"] for finding in found} - {"state"} == {"protocol"}, found
    assert not complete or {finding["equation"] for finding in found} == {"protocol", "state"}, found
    assert any(part in finding["explanation"] for part in said.split("|") for finding in found), found
    for finding in found:
        files.read_problem(tmp_path / finding["problem"])
    assert report["problems"]["failed"] > 0
    if not complete:
        assert any(remark.startswith("Cut short: given up after ") for remark in report["remarks"])
        assert any(remark.startswith("The program was started afresh ") for remark in report["remarks"])


@pytest.mark.parametrize(
    ("how", "said"),
    [("status", "it ended with status 4 after stop"), ("stop ignored", "it did not end within 5 seconds of stop")],
)
def test_how_it_stops_is_judged(how: str, said: str, tmp_path: Path) -> None:
    done, report = run(how, 1, tmp_path)
    assert done.exit_code == 1
    (finding,) = report["findings"]
    assert (finding["equation"], finding["explanation"]) == ("protocol", f"The exchange: {said}.")
    assert report["complete"]
    assert {row["verdict"] for row in report["equations"]} == {"CONFORMS"}


def test_a_failure_now_and_then_is_survived(tmp_path: Path) -> None:
    """A program that dies at the thirtieth question of each of its lives answers all others."""
    done, report = run("died", 30, tmp_path)
    assert done.exit_code == 1
    assert report["complete"]
    assert report["problems"] == {"asked": 80, "unsupported": 0, "failed": 2}
    assert {row["verdict"] for row in report["equations"]} == {"CONFORMS"}
    assert "The program was started afresh 2 times." in report["remarks"]


@pytest.mark.parametrize(
    ("how", "equation", "fault"),
    [("no derivative", "B2", "hidden-derivative-missing"), ("doubled biases", "B4", "")],
)
def test_wrong_mathematics_is_named_shrunk_saved_and_replayed(
    how: str, equation: str, fault: str, tmp_path: Path
) -> None:
    done, report = run(how, 1, tmp_path)
    assert done.exit_code == 1
    found = [finding for finding in report["findings"] if finding["class"] == "ordinary"]
    (finding,) = found
    assert finding["equation"] == equation
    assert not fault or fault in finding["faults"]
    problem = files.read_problem(tmp_path / finding["problem"])
    assert max(problem.x.shape) == 1
    assert [layer.W.size for layer in problem.network] == [1] * (2 if equation == "B2" else 1)
    (replay,) = re.findall(r"^  python -m conformance (replay .*)$", done.stdout, re.M)
    again = asked(*shlex.split(replay))
    assert again.exit_code == 1, again.output
    assert again.stdout.splitlines()[-1].endswith(": still failing")
    for other, status, said in (("right", 0, ": fixed"), ("died", 1, ": still failing")):
        again = asked("replay", str(tmp_path / finding["problem"]), "--command", command(other))
        assert (again.exit_code, again.stdout.splitlines()[-1].endswith(said)) == (status, True), again.output
    for other in ("unsupported", "start"):
        again = asked("replay", str(tmp_path / finding["problem"]), "--command", command(other))
        assert (again.exit_code, again.stdout) == (2, ""), again.output


def test_junit_has_a_test_for_each_equation(tmp_path: Path) -> None:
    run("no derivative", 1, tmp_path)
    suite = Xml.parse(tmp_path / "junit.xml").find("testsuite")
    assert suite is not None
    verdicts = {str(case.get("name")).split("  ")[0]: [part.tag for part in case] for case in suite}
    assert verdicts["(B2)"] == ["failure"]
    assert verdicts["(B3)"] == verdicts["protocol"] == []
    assert (suite.get("failures"), suite.get("tests")) == ("1", str(len(suite)))
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "WRONG"
    assert "problems/" in str(failure.text)
    run("died", 4, tmp_path)
    suite = Xml.parse(tmp_path / "junit.xml").find("testsuite")
    assert suite is not None
    assert [case.get("name") for case in suite if case.find("failure") is not None] == ["protocol"]


def test_a_problem_that_cannot_be_saved_is_no_less_wrong(tmp_path: Path) -> None:
    (tmp_path / "problems").write_text("in the way")
    done, report = run("no derivative", 1, tmp_path)
    assert done.exit_code == 1
    assert "The problem cannot be saved: " in done.stderr
    assert {finding["problem"] for finding in report["findings"]} == {""}
    done = asked("run", "--subject", "literal", "--report", str(tmp_path / "problems"))
    assert (done.exit_code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


def test_one_equation_alone(tmp_path: Path) -> None:
    done, report = run("no derivative", 1, tmp_path, "--only", "B4")
    assert done.exit_code == 0
    assert [row["equation"] for row in report["equations"]] == ["B4"]
    done, report = run("no derivative", 1, tmp_path, "--only", "B2", "--only", "B3")
    assert done.exit_code == 1
    assert [row["equation"] for row in report["equations"]] == ["B2", "B3"]


def test_what_is_known_to_fail_is_expected_and_what_passes_is_said(tmp_path: Path) -> None:
    _, report = run("doubled biases", 1, tmp_path)
    (id,) = {finding["id"] for finding in report["findings"] if finding["class"] == "ordinary"}
    assert id == "B4/multiple/float64/sigmoid"
    known = tmp_path / "known.json"
    known.write_text(json.dumps({"known": 1, "failures": [{"id": id, "url": "https://example.org/7"}]}))
    done, report = run("doubled biases", 1, tmp_path, "--known", str(known))
    assert done.exit_code == 0, done.output
    assert (report["verdict"], report["known"][0]["status"]) == ("CONFORMS", "failed")
    assert report["problems"]["asked"] == 80  # what is known does not end the draws
    suite = Xml.parse(tmp_path / "junit.xml").find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "0"
    done, report = run("right", 1, tmp_path, "--known", str(known))
    assert done.exit_code == 0
    assert report["known"][0]["status"] == "passed"
    assert f"Known to fail, and passes now: {id}" in " ".join(done.stdout.split())
    done, report = run("no derivative", 1, tmp_path, "--known", str(known))
    assert done.exit_code == 1
    known.write_text("[]")
    done, _ = run("right", 1, tmp_path, "--known", str(known))
    assert (done.exit_code, done.stdout) == (2, "")


def test_time_that_is_over_ends_the_draws_but_not_in_silence(tmp_path: Path) -> None:
    done, report = run("right", 1, tmp_path, "--max-seconds", "0")
    assert done.exit_code == 3
    assert (report["complete"], report["verdict"]) == (False, "UNDECIDED")
    assert report["remarks"][-2:] == ["Cut short: the time was over.", "0 of 20 random problems were drawn."]


def test_no_problem_is_made_smaller_once_the_time_is_over() -> None:
    problem, asked_for = problem_of_programs(), list[Problem]()

    def fails(smaller: Problem) -> bool:
        asked_for.append(smaller)
        return True

    assert shrunk(problem, fails, domain_of(), time.monotonic() - 1) is problem
    assert not asked_for
    assert shrunk(problem, fails, domain_of()).x.size < problem.x.size
