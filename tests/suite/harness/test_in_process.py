"""Who is asked in this process, bad arguments, runs that are ended, and problems and answers as lines."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from conformance.problems import files
from conformance.problems.reports import Report
from tests.subjects.programs.test_programs import SCRIPT, in_group

from .asked import asked, command

pytestmark = pytest.mark.sampled(3)

HERE = "tests.suite.harness.functions"


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
