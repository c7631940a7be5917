"""The package as it is installed: wheel and sdist, in environments that hold nothing else."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "*.npz", "*.png")

SCRIPT = """
import numpy as np
import conformance, reference

def mine(network, x, y):
    _, gradients = reference.value_and_gradients(network, x, y, reference.HalfSquaredError(), "sum")
    return [(gradient.W, gradient.b) for gradient in gradients]

print(conformance.probe(mine).verdict)
print(conformance.probe(lambda network, x, y: [(2 * W, b) for W, b in mine(network, x, y)]).verdict)
z = np.linspace(-2, 3, 12).reshape(3, 4)
print(conformance.check_pullback(np.tanh, lambda z, g: g * (1 - np.tanh(z) ** 2), z).verdict)
conformance.files.write_problem("problem.json", conformance.probe(
    lambda network, x, y: [(0 * W, b) for W, b in mine(network, x, y)]).findings[0].question.problem)
"""


def done(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True, check=False)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist, made from a copy."""
    folder = tmp_path_factory.mktemp("built")
    copy = folder / "copy"
    shutil.copytree(ROOT, copy, ignore=LEFT)
    build = "import setuptools.build_meta as b; b.build_sdist('..'); b.build_wheel('..')"
    made = done(sys.executable, "-c", build, cwd=copy)
    assert made.returncode == 0, made.stderr
    return folder


def test_wheel_and_sdist_hold_every_module_and_what_they_read(built: Path) -> None:
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        path.relative_to(ROOT).as_posix()
        for package in ("reference", "conformance")
        for path in (ROOT / package).rglob("*")
        if path.parent.name != "findings"  # scripts of the repository
        if path.suffix in (".py", ".json", ".typed") or path.name in ("EQUATIONS.md", "PROTOCOL.md", "KILLS.md")
    }
    assert needed <= in_wheel
    assert needed <= in_sdist
    assert not [name for name in in_wheel if name.startswith("tests")]


def environment(folder: Path, requirement: str) -> Path:
    """Python in an environment of its own, with what is required."""
    made = done(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    assert made.returncode == 0, made.stderr
    python = folder / "venv/bin/python"
    installed = done(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", requirement, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    return python


@pytest.mark.parametrize("of", ["*.whl", "*.tar.gz"])
def test_without_extras_the_reference_runs_and_the_oracle_says_what_it_lacks(
    whole: bool, of: str, built: Path, tmp_path: Path
) -> None:
    if not whole:
        pytest.skip("installs into an environment of its own: in make thorough")
    (package,) = built.glob(of)
    python = environment(tmp_path, str(package))
    assert done(python, "-m", "reference", cwd=tmp_path).stdout.startswith("Final Predicted Output:")
    lacking = done(python, "-c", "import conformance; conformance.probe", cwd=tmp_path)
    assert "pip install 'backpropagation-reference[oracle]' brings it" in lacking.stderr
    lacking = done(python, "-m", "conformance", "check", "a.json", "b.json", cwd=tmp_path)
    assert (lacking.returncode, lacking.stderr.count("\n")) == (2, 1)


def test_with_the_oracle_alone_it_judges_without_pytorch(whole: bool, built: Path, tmp_path: Path) -> None:
    if not whole:
        pytest.skip("installs into an environment of its own: in make thorough")
    (wheel,) = built.glob("*.whl")
    python = environment(tmp_path, f"{wheel}[oracle]")
    asked = done(python, "-c", SCRIPT, cwd=tmp_path)
    assert asked.stdout.split() == ["CONFORMS", "WRONG", "CONFORMS"], asked.stderr
    (tmp_path / "answer.json").write_text('{"gradients": []}')
    refused = done(python, "-m", "conformance", "check", "problem.json", "answer.json", cwd=tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert done(python, "-c", "import torch", cwd=tmp_path).returncode == 1
