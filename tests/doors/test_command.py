"""The command line, the lockstep and the package itself, as a user meets them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import reference
from conformance.command import app
from conformance.judge.verdict import EXIT_STATUS
from conformance.subjects.faults import FAULTS
from conformance.subjects.reference import reference_answer
from conformance.suite import report, run, suite
from conformance.suite.lockstep import digits, lockstep
from conformance.suite.profiles import PROFILES
from conformance.suite.shards import SIZE, Broken, run_in_shards
from conformance.suite.suite import REACHES, Shard
from conformance.text.edits import altered, copied, planted
from reference import Epoch
from reference.command.app import app as examples
from reference.command.figures import ENDINGS, digits_figure, draw

ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


HOSTILE = {"conftest.py": "raise RuntimeError", "pytest.ini": "[pytest]\naddopts = --no-such-option\n"}
"""What a user's folder may hold for tests of its own."""


def test_a_run_ends_with_one_plain_verdict_and_leaves_its_report_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """In a folder with tests of its own; on the whole, the tallies are the same with another number of processes."""
    asked = 4 * SIZE if whole else 12
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    for name, text in HOSTILE.items():
        (tmp_path / name).write_text(text)
    options = ("--profile", "quick", "--problems", str(asked), "--report", "report.json")
    done = command("-m", "conformance", "run", *options)
    assert re.search(
        r"^Verdict: (CONFORMS|UNDECIDED)\. Reference and PyTorch twin on \d+ random architectures: "
        r"largest error 0\.\d+ of its bound.*\.$",
        done.stdout,
        re.M,
    ), done.stderr
    first, _ = done.stdout.split(f"{asked} random problems from seed 0, ")
    assert " ".join(first.split()) == (
        "Compares this package's reference with its PyTorch twin, which takes minutes; your own implementation is "
        "asked by --command or --subject."
    )
    assert max(map(len, done.stdout.splitlines()[:-1])) <= 100
    assert done.stderr == ""
    assert {path.name for path in tmp_path.iterdir()} == {*HOSTILE, "report.json"}
    written = json.loads((tmp_path / "report.json").read_text())
    assert done.returncode == EXIT_STATUS[written["verdict"]]
    assert (written["report"], written["complete"], written["findings"]) == (1, True, [])
    assert (written["profile"], written["seed"], written["problems"]["asked"]) == ("quick", 0, asked)
    assert {"F1", "F2", "B1", "B2", "B3", "B4"} < {row["equation"] for row in written["equations"]}
    assert written["elements"]["judged"] == sum(row["elements"] for row in written["equations"])
    assert {row["reach"] for row in written["reaches"]} == set(REACHES)
    alone = sum(row["elements"] for row in written["reaches"] if row["reach"] == "alone")
    assert alone == written["elements"]["judged"]
    if whole:
        shard = run_in_shards(asked, 0, 1, lambda _: None)
        again = run.Run(PROFILES["quick"]._replace(problems=asked), 0, shard, complete=True)
        assert json.loads(json.dumps(run.as_json(again))) == written


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--problems", "0"),
        ("run", "--problems", "x"),
        ("run", "--seed", "-1"),
        ("run", "--no"),
        ("run", "--profile", "slow"),
        ("run", "--report", "no/such/folder/report.json"),
        ("run", "--report", "."),
        ("replay",),
    ],
)
def test_bad_arguments_are_a_usage_error(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [(KeyboardInterrupt(), 130, "INTERRUPTED"), (Broken("a worker died"), 2, "a worker died")],
)
def test_a_run_that_is_cut_short_has_no_verdict(
    error: BaseException, status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(count: int, seed: int, workers: int, arrived: Callable[[Shard], object]) -> Shard:
        arrived(suite.run(5, "0"))
        raise error

    monkeypatch.setattr(run, "run_in_shards", cut_short)
    done = CliRunner().invoke(app, ["run", "--report", str(tmp_path / "report.json")])
    assert done.exit_code == status
    assert said in done.output
    assert "Verdict" not in done.output
    written = json.loads((tmp_path / "report.json").read_text())
    assert (written["complete"], written["verdict"]) == (False, "UNDECIDED")
    assert written["problems"]["asked"] == 5
    assert written["remarks"] == ["cut short after 5 of 2400 random problems"]


def test_a_report_cut_short_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.json").write_text("old")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run._written(tmp_path / "report.json", {"report": 1})
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"report.json": "old"}


@pytest.fixture
def wrong_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hidden errors lack the derivative."""
    (fault,) = (fault for fault in FAULTS if fault.name == "hidden-derivative-missing")
    text = planted(*fault.edits)
    monkeypatch.setitem(suite.SUBJECTS, "reference", lambda problem: reference_answer(problem, text))


@pytest.mark.usefixtures("wrong_reference")
def test_a_wrong_subject_is_found_shrunk_shown_saved_and_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(record=True, width=100, file=StringIO())
    monkeypatch.chdir(tmp_path)
    assert run.conformance(console, PROFILES["standard"], 0, 0, Path("report.json")) == EXIT_STATUS["WRONG"]
    shown = console.export_text()
    finding = r"reference: \(B2\) in layer 1, element \[\d+, \d+\], bound alone: got \S+, expected \S+ within \S+;"
    assert re.search(finding, " ".join(shown.split()))
    assert "Verdict: WRONG" in shown
    (replay,) = re.findall(r"python -m conformance (replay problems/[0-9a-f]{12}\.json --eta \S+)\n", shown)
    again = CliRunner().invoke(app, replay.split())
    assert again.exit_code == 1
    assert re.search(finding, " ".join(again.output.split()))
    written = json.loads((tmp_path / "report.json").read_text())
    assert (written["verdict"], written["complete"]) == ("WRONG", False)
    first = written["findings"][0]
    assert (first["verdict"], first["class"], first["equation"], first["layer"]) == ("WRONG", "ordinary", "B2", 1)
    assert first["problem"] == replay.split()[1]
    assert {row["equation"] for row in written["equations"] if row["wrong"]} == {"B2"}
    with monkeypatch.context() as patch:
        patch.setitem(suite.SUBJECTS, "reference", reference_answer)
        right = CliRunner().invoke(app, replay.split())
    assert right.exit_code == 0, right.output
    assert "Verdict: CONFORMS" in right.output


@pytest.mark.thorough
@pytest.mark.usefixtures("wrong_reference")
def test_a_problem_that_cannot_be_saved_is_no_less_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "problems").write_text("in the way")
    console = Console(record=True, width=100, file=StringIO())
    assert run.conformance(console, PROFILES["quick"], 0, 0, tmp_path / "report.json") == EXIT_STATUS["WRONG"]
    assert "The problem cannot be saved: " in capsys.readouterr().err
    assert "replay" not in console.export_text()
    assert json.loads((tmp_path / "report.json").read_text())["findings"][0]["problem"] == ""


def test_a_file_that_is_no_problem_is_said_to_be_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text('{"cmd": "gradients"')
    for path in (broken, tmp_path / "none.json", tmp_path, tmp_path / "problem.txt"):
        done = CliRunner().invoke(app, ["replay", str(path)])
        assert done.exit_code == 2
        assert path.name in done.stderr
        assert "Traceback" not in done.output


@pytest.mark.thorough
def test_a_violation_in_a_worker_ends_the_run_and_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """In a copy of the packages with the mistake in the equations: workers import what the command imports.

    The replay in a process of its own is of the whole alone.
    """
    (fault,) = (fault for fault in FAULTS if fault.name == "hidden-derivative-missing")
    copied(tmp_path / "reference", altered(*fault.edits))
    shutil.copytree(ROOT / "conformance", tmp_path / "conformance", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = command("-m", "conformance", "run", "--problems", "1000")
    assert done.returncode == 1, done.stderr
    assert "reference: (B2) in layer 1" in done.stdout
    (replay,) = re.findall(r"python (-m conformance replay problems/[0-9a-f]{12}\.json --eta \S+)\n", done.stdout)
    if whole:
        again = command(*replay.split())
        assert again.returncode == 1, again.stderr
        assert "reference: (B2) in layer 1" in again.stdout


def test_lockstep_judges_every_step() -> None:
    data = digits(0, "float32")
    assert data.train_x.shape == (1437, 64)
    assert data.test_x.shape == (360, 64)
    assert data.train_x.dtype == data.train_y.dtype == np.float32
    assert np.bincount(data.test_y.argmax(axis=1)).min() >= 34  # equal shares: 174 to 183 of each digit in all
    training, tallies = lockstep("float32", 0, epochs=1)
    assert training.steps == -(-1437 // 32)
    assert {key.equation for key in tallies} == {"F1", "F2", "L4", "B1", "B2", "B3", "B4", "U1", "U2"}
    assert not [tally for tally in tallies.values() if tally.wrong]
    assert len(training.drift) == 1
    assert training.unexplained == 0
    Console(file=StringIO()).print(report.trainings([training]))


def test_examples_draw_and_save(tmp_path: Path) -> None:
    plot = tmp_path / "xor.png"
    done = command("-m", "reference", "xor", "--plot", str(plot))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Final Predicted Output:\n[[0.06029012]\n")
    assert plot.read_bytes().startswith(b"\x89PNG")
    saved, plot = tmp_path / "digits.npz", tmp_path / "digits.svg"
    done = command("-m", "reference", "digits", "--epochs", "2", "--save", str(saved), "--plot", str(plot))
    assert done.returncode == 0, done.stderr
    assert re.search(r"test accuracy \d\d\.\d\d%", done.stdout)
    assert isinstance(reference.load(saved), reference.Training)
    assert "<svg" in plot.read_text()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_figure_is_the_same_file_for_the_same_numbers(ending: str, tmp_path: Path) -> None:
    drawn = [tmp_path / f"{name}{ending}" for name in ("first", "second")]
    for path in drawn:
        draw(digits_figure((Epoch(1, 2.0, 1.0, 3.0), Epoch(2, 0.5, 0.25, 2.0))), path)
    assert drawn[0].read_bytes() == drawn[1].read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ("xor", "--plot", "plot.xyz"),
        ("xor", "--plot", "no/such/folder/plot.png"),
        ("digits", "--epochs", "0"),
        ("digits", "--save", "no/such/folder/file.npz"),
        ("digits", "--plot", "plot"),
        ("nothing",),
    ],
)
def test_bad_arguments_of_the_examples_are_a_usage_error(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(examples, arguments)
    assert done.exit_code == 2, done.output
    assert isinstance(done.exception, SystemExit)


def checked(folder: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["check", str(folder / "problem.json"), *arguments])


@pytest.mark.parametrize("ending", ["json", "npz", "safetensors"])
def test_right_gradients_in_a_file_conform(answered: Path, ending: str) -> None:
    done = checked(answered, str(answered / f"right.{ending}"))
    assert done.exit_code == 0, done.output
    assert done.output.startswith("CONFORMS")


def test_wrong_gradients_in_a_file_are_explained_drawn_and_written(answered: Path) -> None:
    wrong, picture = str(answered / "wrong.json"), answered / "margins.png"
    done = checked(answered, wrong, "--plot", str(picture))
    assert done.exit_code == 1
    assert "(B2) g^l = W^{l+1}T delta^{l+1}, then delta^l = g^l * sigma'(z^l)" in " ".join(done.output.split())
    assert picture.read_bytes().startswith(b"\x89PNG")
    done = checked(answered, wrong, "--json")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["verdict"], report["findings"][0]["equation"]) == (1, "WRONG", "B2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.json"], "nothing.json"),
        (["problem.json"], "gradients"),
        (["right.json", "--plot", "problem.json"], "expected a file of its own"),
        (["right.json", "--plot", "plot.xyz"], "ends in .png, .svg or .pdf"),
        (["right.json", "--convention", "relu=0"], "expected one of relu_derivative_at_zero"),
        (["right.json", "--convention", "relu_derivative_at_zero=x"], "expected a number"),
        (["script.py"], "ending in .json or .npz or .safetensors"),
    ],
)
def test_a_question_that_cannot_be_put_is_an_error_and_changes_nothing(
    answered: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(answered)
    (answered / "script.py").write_text("raise SystemExit('executed')")
    before = {path.name: path.read_bytes() for path in answered.iterdir()}
    done = CliRunner().invoke(app, ["check", "problem.json", *arguments])
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.stderr.split())
    assert isinstance(done.exception, SystemExit)
    assert {path.name: path.read_bytes() for path in answered.iterdir()} == before
