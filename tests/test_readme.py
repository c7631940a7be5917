"""The examples of README, tutorial and CONTRIBUTING run as they stand, and each folder's README names what is in it."""

import doctest
import re
from html import unescape
from pathlib import Path

import pytest

from tests.doors.verdict import picture

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testfile(str(README), module_relative=False)
    assert tried > 20
    assert not failed


def test_the_tutorial_runs_as_it_stands() -> None:
    failed, tried = doctest.testfile(str(README.parent / "conformance/guide/TUTORIAL.md"), module_relative=False)
    assert tried > 15
    assert not failed


def test_how_the_judge_works_runs_as_it_stands() -> None:
    failed, tried = doctest.testfile(str(README.parent / ".github" / "CONTRIBUTING.md"), module_relative=False)
    assert tried > 15
    assert not failed


def test_the_core_in_the_readme_is_the_core() -> None:
    """Each labelled line that the README shows stands so in the code."""
    code = (README.parent / "reference" / "backpropagation.py").read_text().splitlines()
    shown = [line for line in README.read_text().splitlines() if "# (" in line and "^" in line]
    assert len(shown) == 6
    assert not [line for line in shown if line not in code]


def test_the_picture_in_the_readme_is_of_what_is_printed() -> None:
    """But for numbers, which processors round otherwise."""
    def words(svg: str) -> list[str]:
        texts = re.findall(r">([^<>]+)</text>", svg)
        return [re.sub(r"[0-9.,e+]+", "0", unescape(text)).strip() for text in texts]

    assert words((README.parent / ".github" / "verdict.svg").read_text()) == words(picture())


CONFORMANCE = README.parent / "conformance"
FOLDERS = sorted(path.parent for path in CONFORMANCE.rglob("__init__.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_readme_of_a_folder_lists_what_is_in_it(folder: Path) -> None:
    """Each module and each folder; at the top, where the doors are told of in words, the folders."""
    first_cells = " ".join(re.findall(r"^\|(.*?)\|", (folder / "README.md").read_text(), re.M))
    listed = re.findall(r"`(\w+)`|\[(\w+)\]\(\w+/README\.md\)", first_cells)
    modules = {path.stem for path in folder.glob("*.py") if folder != CONFORMANCE} - {"__init__"}
    folders = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert {module or linked for module, linked in listed} == modules | folders
