"""The examples of the README and of the tutorial run as they stand."""

import doctest
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried > 20
    assert not failed


def test_the_tutorial_runs_as_it_stands() -> None:
    failed, tried = doctest.testfile(str(README.parent / "conformance" / "TUTORIAL.md"), module_relative=False)
    assert tried > 15
    assert not failed


def test_the_core_in_the_readme_is_the_core() -> None:
    """Each labelled line that the README shows stands so in the code."""
    code = (README.parent / "reference" / "backpropagation.py").read_text().splitlines()
    shown = [line for line in README.read_text().splitlines() if "# (" in line and "^" in line]
    assert len(shown) == 6
    assert all(line in code for line in shown)
