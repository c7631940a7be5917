"""Programs and functions asked by the command line: each failure has its exact verdict, reason and exit status."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from typer.testing import CliRunner, Result

from conformance import Problem
from conformance.command import app
from conformance.oracle.network.asking.domain import domain_of
from conformance.problems import files
from conformance.problems.reports import Report
from conformance.suite.harness.shrinking import shrunk
from tests.subjects.programs.test_programs import SCRIPT, in_group
from tests.subjects.programs.test_programs import problem as problem_of_programs

HERE = "tests.suite.harness.functions"


def command(how: str, when: int = 1) -> str:
    return shlex.join([sys.executable, "-I", "-S", str(SCRIPT), how, str(when)])


def asked(*arguments: str, input: bytes | None = None) -> Result:
    done = CliRunner().invoke(app, arguments, input=input)
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert "Traceback" not in done.output
    return done


def run(how: str, when: int, folder: Path, *options: str) -> tuple[Result, Any]:
    """A quick run over a scripted program, and its report if it left one."""
    quick = ("--profile", "quick", "--problems", "20", "--report", str(folder))
    done = asked("run", "--command", command(how, when), *quick, *options)
    path = folder / "report.json"
    if not path.exists():
        return done, None
    report = json.loads(path.read_text())
    Report.model_validate(report)
    return done, report


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


@pytest.mark.parametrize("name", ["reference", "literal", "torch", f"{HERE}:right", f"{HERE}:of_a_problem"])
def test_who_is_asked_in_process_conforms(name: str, tmp_path: Path) -> None:
    done = asked("run", "--subject", name, "--profile", "quick", "--problems", "30", "--report", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].startswith(f"CONFORMS {name}")
    report = json.loads((tmp_path / "report.json").read_text())
    Report.model_validate(report)
    assert set(report["effective_bits"]) == ({"float64", "float32"} if name in ("reference", "torch") else {"float64"})


def test_what_a_program_calls_itself_may_be_anything(tmp_path: Path) -> None:
    name = "[/red] \x1b[31m\x00\ud800 " + "n" * 2**16
    started = {"name": name, "version": "[bold", "language": "\u202e"}
    script = SCRIPT.read_text().replace('STARTED: Message = {', f"STARTED: Message = {started!r} | {{", 1)
    script = script.replace('"name": "scripted", "version": "1", "language": "python", ', "", 1)
    path = tmp_path / "named.py"
    path.write_text(script, errors="surrogatepass")
    options = ("--profile", "quick", "--problems", "1", "--report", str(tmp_path))
    done = asked("run", "--command", shlex.join([sys.executable, str(path), "right", "1"]), *options)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].startswith(r"CONFORMS [/red] \x1b[31m\x00\ud800 nnn")
    assert len(json.loads((tmp_path / "report.json").read_text())["subject"]["name"]) < 200
    Xml.parse(tmp_path / "junit.xml")


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        (f"{HERE}:averaged", 1, 'Right if reduction='),
        (f"{HERE}:in_float32", 1, "float32"),
        (f"{HERE}:refusing", 2, "neither of two tiny problems"),
        (f"{HERE}:raising", 2, "KeyError: 'weights'"),
        (f"{HERE}:of_one_shape", 2, "dW of layer 1 has shape (1, 1), expected (3, 2)"),
        (f"{HERE}:NUMBER", 2, "expected a function"),
        (f"{HERE}:none", 2, "expected 'none' in"),
        ("no.such.module:f", 2, "expected the package no, found none"),
        ("nobody", 2, "expected one of reference, literal, torch"),
        (":", 2, "package.module:object"),
    ],
)
def test_what_comes_of_others_in_process(name: str, status: int, said: str, tmp_path: Path) -> None:
    done = asked("run", "--subject", name, "--profile", "quick", "--problems", "1", "--report", str(tmp_path))
    assert done.exit_code == status, done.output
    assert said in " ".join(done.output.split())
    assert bool(done.stdout) == (status != 2)


def test_a_function_is_asked_what_a_file_declares(tmp_path: Path) -> None:
    declared = {
        "protocol": 1, "name": "mine", "version": "2", "language": "python", "commands": ["gradients"],
        "dtypes": ["float32"], "activations": ["sigmoid", "tanh", "softmax"], "reductions": ["sum"],
        "heads": [["identity", "half_squared_error"]], "limits": {"layers": [2, 3], "width": [3, 9]},
    }  # fmt: skip
    path = tmp_path / "declares.json"
    path.write_text(json.dumps(declared))
    options = ("--profile", "quick", "--problems", "10", "--report", str(tmp_path), "--declares", str(path))
    done = asked("run", "--subject", f"{HERE}:right", *options)
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["subject"] == {"name": "mine", "version": "2", "language": "python"}
    assert set(report["effective_bits"]) == {"float32"}
    for wrong, said in (
        ({"activations": ["swish"]}, "activations[0]: activation: expected one of"),
        ({"heads": [["tanh", "cross_entropy"]]}, "heads[0]: "),
        ({"heads": []}, "heads: expected at least one, got none"),
        ({"commands": ["train"]}, "commands: expected 'gradients' among them"),
        ({"limits": {"layers": [3, 1]}}, "limits.layers: expected the smallest and the largest"),
        ({"conventions": {"sigmoid_derivative_at_zero": 1.0}}, "conventions: expected one of"),
        ({"protocol": 2}, "expected 1, got 2"),
    ):
        path.write_text(json.dumps(declared | wrong))
        done = asked("run", "--subject", f"{HERE}:right", *options)
        assert done.exit_code == 2, done.output
        assert said in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--command", "a", "--subject", "b"),
        ("run", "--command", ""),
        ("run", "--command", "'"),
        ("run", "--command", "a", "--only", "B9"),
        ("run", "--only", "B2"),
        ("run", "--subject", "reference", "--lockstep"),
        ("run", "--subject", "reference", "--declares", "no/such/file"),
        ("generate", "--declares", "no/such/file"),
        ("generate", "--profile", "slow"),
        ("verify",),
        ("verify", "a", "b", "c"),
        ("verify", "-", "-"),
        ("verify", "no/such/file"),
        ("replay", "no/such/file.json", "--subject", "reference"),
    ],
)
def test_bad_arguments_are_said_in_a_line(arguments: tuple[str, ...]) -> None:
    done = asked(*arguments)
    assert done.exit_code == 2
    assert done.stderr


def start(how: str, folder: Path) -> subprocess.Popen[str]:
    """A long run in a process of its own."""
    arguments = ("run", "--command", command(how), "--profile", "thorough", "--report", str(folder))
    return subprocess.Popen([sys.executable, "-m", "conformance", *arguments], stdout=subprocess.PIPE, text=True)


def children(pid: int) -> list[int]:
    """The leaders of the groups that a process started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize(("by", "status"), [(signal.SIGKILL, -9), (signal.SIGTERM, -15), (signal.SIGINT, 130)])
def test_a_run_that_is_ended_leaves_whole_files_and_no_process(by: int, status: int, tmp_path: Path) -> None:
    with start("right", tmp_path) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "report.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        groups = children(process.pid)
        assert groups
        os.kill(process.pid, by)
        assert process.wait(60) == status
    while any(map(in_group, groups)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(in_group, groups))
    report = json.loads((tmp_path / "report.json").read_text())
    Report.model_validate(report)
    assert not report["complete"]
    Xml.parse(tmp_path / "junit.xml")


def test_problems_become_lines_and_lines_answers(tmp_path: Path) -> None:
    problems, answers = tmp_path / "problems.jsonl", tmp_path / "answers.jsonl"
    generated = asked("generate", "--problems", "9")
    assert generated.exit_code == 0
    problems.write_text(generated.stdout)
    assert generated.stdout == asked("generate", "--problems", "9").stdout
    assert generated.stdout != asked("generate", "--problems", "9", "--seed", "1").stdout
    lines = [json.loads(line) for line in generated.stdout.splitlines()]
    assert [line["id"] for line in lines] == list(range(1, len(lines) + 1))
    assert {line["class"] for line in lines} == {"ordinary", "extreme"}
    script = "import json, sys\nsys.path.insert(0, sys.argv[1])\nfrom scripted import gradients\n" + (
        "for line in sys.stdin:\n    request = json.loads(line)\n"
        '    print(json.dumps({"id": request["id"], "gradients": gradients(request, sys.argv[2])}))'
    )
    answered = {
        how: subprocess.run(
            [sys.executable, "-c", script, str(SCRIPT.parent), how],
            input=generated.stdout, capture_output=True, text=True, check=True,
        ).stdout
        for how in ("right", "no derivative")
    }  # fmt: skip
    answers.write_text(answered["right"])
    for given in ((str(problems), str(answers)), (str(answers), "--problems", "9")):
        done = asked("verify", *given)
        assert done.exit_code == 0, done.output
        assert done.stdout.splitlines()[-1].startswith(f"CONFORMS {answers}: {len(lines)} problems, ")
    done = asked("verify", "-", "--problems", "9", input=answered["right"].encode())
    assert done.exit_code == 0, done.output
    mixed = answered["right"].splitlines()
    answers.write_text("\n".join([*mixed[::-1][1:], "junk", mixed[0], '{"id": 0}']))
    done = asked("verify", str(problems), str(answers), "--report", str(tmp_path))
    assert done.exit_code == 1
    report = json.loads((tmp_path / "report.json").read_text())
    said = [finding["explanation"] for finding in report["findings"]]
    assert [finding["equation"] for finding in report["findings"]] == ["protocol"] * 4
    for part in ("no line has its id", "is no answer, an object with an id: 'junk'", "answers problem 1 once more"):
        assert any(part in each for each in said), said
    answers.write_text(answered["no derivative"])
    done = asked("verify", str(problems), str(answers), "--report", str(tmp_path))
    assert done.exit_code == 1
    (finding,) = json.loads((tmp_path / "report.json").read_text())["findings"]
    assert (finding["equation"], finding["faults"][0]) == ("B2", "hidden-derivative-missing")
    files.read_problem(tmp_path / finding["problem"])
    known = tmp_path / "known.json"
    known.write_text(json.dumps({"known": 1, "failures": [{"id": finding["id"], "url": "https://example.org/7"}]}))
    for how, status in (("no derivative", "failed"), ("right", "passed")):
        answers.write_text(answered[how])
        done = asked("verify", str(problems), str(answers), "--report", str(tmp_path), "--known", str(known))
        assert done.exit_code == 0, done.output
        assert json.loads((tmp_path / "report.json").read_text())["known"][0]["status"] == status
    answers.write_text("junk\n")
    done = asked("verify", str(problems), str(answers))
    assert (done.exit_code, done.stdout) == (2, "")
    problems.write_text('{"cmd": "gradients"}\n')
    done = asked("verify", str(problems), str(answers))
    assert (done.exit_code, done.stdout) == (2, "")
    assert "problems, line 1: " in done.stderr
