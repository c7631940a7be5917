"""What the package brings, and what is said where something is missing."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import conformance
import reference
from conformance.extras import BRINGS

pytestmark = pytest.mark.sampled(2)

ROOT = Path(__file__).parents[2]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def lacking(tmp_path: Path, package: str, *arguments: str) -> Any:
    """Python with those arguments, in an environment that lacks a package."""
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('no {package}', name='{package}')")
    script = f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[1:] = {list(arguments[1:])!r}; "
    return command("-c", script + f"runpy.run_module({arguments[0]!r}, run_name='__main__')")


@pytest.mark.parametrize(
    ("module", "package", "extra", "arguments"),
    [
        ("conformance", "torch", "torch", ("run",)),
        ("conformance", "hypothesis", "suite", ("run",)),
        ("conformance", "matplotlib", "plot", ("check", "problem.json", "right.json", "--plot", "here.png")),
        ("conformance", "pydantic", "oracle", ("check", "problem.json", "right.json")),
        ("conformance", "typer", "oracle", ("check", "problem.json", "right.json")),
        ("conformance", "safetensors", "suite", ("check", "problem.json", "right.safetensors")),
        ("reference", "matplotlib", "plot", ("digits", "--plot", "here.png")),
        ("reference", "typer", "command", ("digits",)),
        ("reference", "sklearn", "command", ("digits",)),
    ],
)
def test_a_missing_extra_is_named_not_traced(
    module: str, package: str, extra: str, arguments: tuple[str, ...], answered: Path, tmp_path: Path
) -> None:
    given = [str(answered / a) if a.endswith((".json", ".safetensors", ".png")) else a for a in arguments]
    done = lacking(tmp_path, package, module, *given)
    assert done.returncode == 2
    expected = f"python -m {module}: expected the package {package}, found none; "
    assert done.stderr == f"{expected}pip install 'backpropagation-reference[{extra}]' brings it\n"


def test_a_name_of_the_suite_says_which_extra_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "flint.py").write_text("raise ModuleNotFoundError('no flint', name='flint')")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from conformance import check_pullback"
    done = command("-c", script)
    said = "conformance.check_pullback: expected the package flint, found none; pip install 'backpropagation-reference"
    assert f"ModuleNotFoundError: {said}[oracle]' brings it" in done.stderr


def test_each_extra_brings_what_is_said_of_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    installed = metadata.packages_distributions()
    for extra, packages in BRINGS.items():
        named = {re.split(r"[\[>=]", requirement)[0] for requirement in extras[extra]} - {project["name"]}
        brought = {installed[package][0].lower() for package in packages}
        assert {each.replace("_", "-") for each in brought} == named


@pytest.mark.parametrize("module", ["conformance.command", "conformance.oracle.network.oracle"])
def test_the_oracle_starts_without_pytorch_and_what_else_the_suite_takes(module: str) -> None:
    done = command("-c", f"import sys; import {module}; print(*{{m.partition('.')[0] for m in sys.modules}})")
    assert not set(done.stdout.split()) & {*BRINGS["torch"], *BRINGS["plot"], *BRINGS["suite"], *BRINGS["bench"]}


def test_the_suite_lists_its_public_names() -> None:
    assert dir(conformance) == sorted(conformance.__all__)
    assert not [name for name in conformance.__all__ if not hasattr(conformance, name)]
    assert conformance.__version__ == reference.__version__


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


def test_every_public_name_is_listed_by_one_module_alone() -> None:
    assert len(reference.__all__) == len(set(reference.__all__))
    assert {"SGD", "Sigmoid", "HalfSquaredError", "activation", "train", "value_and_gradients"} < set(reference.__all__)
    assert not [name for name in reference.__all__ if not hasattr(reference, name)]


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
