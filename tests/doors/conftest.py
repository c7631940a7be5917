"""A problem in files, with answers."""

from pathlib import Path

import pytest

from conformance import GivenAnswer
from conformance.problems import files
from conformance.problems.problem import Architecture, fill
from conformance.subjects.faults import FAULTS
from conformance.subjects.reference import reference_answer
from conformance.text.edits import planted
from reference import HalfSquaredError, Sigmoid, Tanh


@pytest.fixture
def answered(tmp_path: Path) -> Path:
    """A folder with a problem, right answers in every format, and a wrong one."""
    generic = ("generic", "generic", "generic")
    sigmas = (Tanh(), Tanh(), Sigmoid())
    problem = fill(Architecture((3, 5, 4, 2), sigmas, HalfSquaredError(), "mean", 4, "float64", generic, 7, 0.1))
    files.write_problem(tmp_path / "problem.json", problem)
    for ending in ("json", "npz", "safetensors"):
        files.write_answer(tmp_path / f"right.{ending}", GivenAnswer(reference_answer(problem).gradients))
    (fault,) = (fault for fault in FAULTS if fault.name == "hidden-derivative-missing")
    wrong = reference_answer(problem, planted(*fault.edits))
    files.write_answer(tmp_path / "wrong.json", GivenAnswer(wrong.gradients, trace=wrong.trace))
    return tmp_path
