"""The command line, the lockstep and the package itself, as a user meets them."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import reference
from conformance import report, suite
from conformance.command import WRONG, app, conformance
from conformance.faults import FAULTS, planted
from conformance.lockstep import digits, lockstep
from conformance.subjects import reference_answer

ROOT = Path(__file__).parent.parent


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def test_a_run_ends_with_one_plain_verdict() -> None:
    done = command("-m", "conformance", "run", "--problems", "10", "--no-lockstep")
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^Verdict: CONFORMS\. Reference and PyTorch twin on \d+ random architectures: "
        r"largest error 0\.\d+ of its bound\.$",
        done.stdout,
        re.M,
    )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("--problems", "0"), ("--problems", "x"), ("--seed", "-1"), ("--no",)])
def test_bad_arguments_are_a_usage_error(arguments: tuple[str, ...]) -> None:
    done = command("-m", "conformance", "run", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_an_interrupt_says_that_the_run_is_not_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("conformance.command.run", interrupted)
    done = CliRunner().invoke(app, ["run"])
    assert done.exit_code == 130
    assert "INTERRUPTED" in done.output
    assert "Verdict" not in done.output


def test_a_wrong_subject_is_found_shrunk_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "hidden-derivative-missing")
    text = planted(*fault.edits)
    monkeypatch.setitem(suite.SUBJECTS, "reference", lambda problem: reference_answer(problem, text))
    console = Console(record=True, width=120, file=StringIO())
    assert conformance(console, 200, 0, with_lockstep=False) == WRONG
    shown = console.export_text()
    assert "reference: (B2) in layer 1" in shown
    assert "Verdict: WRONG" in shown
    assert "conformance.problem.fill(Architecture(widths=(" in shown


def test_lockstep_judges_every_step() -> None:
    data = digits(0, "float32")
    assert data.train_x.shape == (1437, 64)
    assert data.test_x.shape == (360, 64)
    assert data.train_x.dtype == data.train_y.dtype == np.float32
    assert np.bincount(data.test_y.argmax(axis=1)).min() >= 34  # equal shares: 174 to 183 of each digit in all
    outcome, tallies = lockstep("float32", 0, epochs=1)
    assert outcome.steps == -(-1437 // 32)
    assert {key.equation for key in tallies} == {"F1", "F2", "L4", "B1", "B2", "B3", "B4", "U1", "U2"}
    assert not any(tally.wrong for tally in tallies.values())
    assert len(outcome.drift) == 1
    assert outcome.unexplained == 0
    Console(file=StringIO()).print(report.trainings([outcome]))


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


@pytest.mark.parametrize(
    "arguments",
    [
        ("xor", "--plot", "plot.xyz"),
        ("xor", "--plot", "no/such/folder/plot.png"),
        ("digits", "--epochs", "0"),
        ("digits", "--save", "no/such/folder/file.npz"),
        ("nothing",),
    ],
)
def test_bad_arguments_of_the_examples_are_a_usage_error(arguments: tuple[str, ...]) -> None:
    done = command("-m", "reference", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_missing_extra_is_named_not_traced(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import conformance.__main__"
    done = command("-c", script)
    assert done.returncode == 2
    assert done.stderr.startswith("python -m conformance: expected the package torch, found none; pip install")
    assert "Traceback" not in done.stderr


def test_import_reference_brings_numpy_alone() -> None:
    script = (
        "import sys; import reference; "
        "third = {m.partition('.')[0] for m in sys.modules} - set(sys.stdlib_module_names); "
        "print(sorted(m for m in third if not m.startswith('_')))"
    )
    done = command("-I", "-c", script)
    found = set(re.findall(r"'(\w+)'", done.stdout))
    assert {"numpy", "reference"} <= found
    assert not found & {"torch", "scipy", "hypothesis", "sklearn", "rich", "typer", "conformance"}


def test_the_package_requires_numpy_alone_and_pins_stand_in_one_file() -> None:
    required = metadata.requires("backpropagation-reference") or []
    assert [r for r in required if "extra ==" not in r] == ["numpy>=2.0"]
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)$", (ROOT / "tests/requirements.txt").read_text(), re.M))
    assert pins["torch"] == "2.13.0"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for extra in project["optional-dependencies"].values():
        for requirement in extra:
            name = re.split(r"[\[>=]", requirement)[0]
            assert "==" not in requirement
            assert name in pins or name == project["name"]
    assert reference.__version__ == metadata.version("backpropagation-reference")
