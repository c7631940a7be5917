"""The plugin of pytest, in runs of their own, and what else is there for people's tests."""

import subprocess
import sys

import pytest
from hypothesis import given, settings

from conformance import GivenAnswer, Problem, assert_conforms, check, probe, strategies
from conformance.arrays import Network
from conformance.subjects.reference import reference_answer
from reference import HalfSquaredError, value_and_gradients

TESTS = """
import numpy as np
import pytest
from conformance.judge.known import Known
from reference import HalfSquaredError, value_and_gradients

def right(network, x, y):
    _, gradients = value_and_gradients(network, x, y, HalfSquaredError(), "sum")
    return [(gradient.W, gradient.b) for gradient in gradients]

def doubled(network, x, y):
    return [(2 * W, b) for W, b in right(network, x, y)]

def raising(network, x, y):
    raise RuntimeError("no gradients today")

@pytest.mark.conforms(function=right)
def test_right(equation):
    equation.holds()

@pytest.mark.conforms(function=doubled, hidden="tanh")
def test_doubled(equation):
    equation.holds()

KNOWN = [Known("B3/multiple/float64/tanh", "https://example.org/issues/7")]

@pytest.mark.conforms(function=doubled, hidden="tanh", known=KNOWN)
def test_known(equation):
    equation.holds()

@pytest.mark.conforms(function=raising)
def test_raising(equation):
    equation.holds()

@pytest.mark.conforms(function=right, hiden="tanh")
def test_misspelt(equation):
    equation.holds()

def test_unmarked(equation):
    pass
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of each test, and what is said of it."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "test_mine.py").write_text(TESTS)
    (folder / "conftest.py").write_text('pytest_plugins = ["conformance.plugin"]')
    options = ("-p", "no:cacheprovider", "-p", "no:randomly", "-q", "-rA", "--strict-markers")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=folder, text=True, capture_output=True, check=False
    )
    told = [line for line in done.stdout.splitlines() if line.startswith(("PASSED", "FAILED", "ERROR", "XFAIL"))]
    lines = [line.split(maxsplit=1) for line in told]
    assert "test_mine.py" in done.stdout, done.stdout + done.stderr
    said = {test.partition(" - ")[0].rpartition("::")[2]: f"{what} {test}" for what, test in lines}
    return {**said, "": done.stdout}


@pytest.mark.parametrize("label", ["F", "B1", "B2", "B3", "B4", "rest"])
def test_each_equation_is_a_test(label: str, outcome: dict[str, str]) -> None:
    assert outcome[f"test_right[{label}]"].startswith("PASSED")
    if label != "F":  # where dL/dW is wrong the layers' a cannot be read off: skipped
        assert outcome[f"test_doubled[{label}]"].startswith("FAILED" if label == "B3" else "PASSED")


def test_the_first_line_says_it_all_and_no_frame_of_ours_is_shown(outcome: dict[str, str]) -> None:
    said = outcome["test_doubled[B3]"]
    assert "AssertionError: WRONG  doubled: (B3)" in outcome[""]
    assert "WRONG  doubled: (B3)" in said
    assert "plugin.py" not in outcome[""]


def test_what_fails_is_a_failure_of_the_rest(outcome: dict[str, str]) -> None:
    assert outcome["test_raising[rest]"].startswith("FAILED")
    assert "no gradients today" in outcome[""]


def test_what_is_known_fails_as_expected(outcome: dict[str, str]) -> None:
    assert outcome["test_known[B3]"].startswith("XFAIL")
    assert "https://example.org/issues/7" in outcome["test_known[B3]"]
    assert outcome["test_known[rest]"].startswith("PASSED")


def test_a_misspelt_option_is_one_error_of_one_line(outcome: dict[str, str]) -> None:
    said = [what for test, what in outcome.items() if test.startswith("test_misspelt")]
    assert sum(what.startswith("ERROR") for what in said) == 1, said
    # Where it fails, in the summary, and, in a log that is not cut, why the others are skipped.
    assert outcome[""].count("got 'hiden'; is hidden meant?") <= 3


def test_without_the_marker_it_is_an_error_of_one_line(outcome: dict[str, str]) -> None:
    assert "expected the test to have @pytest.mark.conforms(function=..., **options)" in outcome[""]


def test_assert_conforms_says_it_all_in_its_first_line_and_may_look_at_the_extremes() -> None:
    def naive(network: tuple[object, ...], x: object, y: object) -> list[object]:
        _, gradients = value_and_gradients(network, x, y, HalfSquaredError(), "sum")  # type: ignore[arg-type]
        return [(abs(gradient.W), gradient.b) for gradient in gradients]

    with pytest.raises(AssertionError) as raised:
        assert_conforms(probe(naive))
    assert str(raised.value).splitlines()[0].startswith("WRONG  naive: (B3)")


@given(strategies.problems(depth=3, width=6), strategies.networks(depth=2, width=4))
@settings(max_examples=20)
def test_strategies_draw_problems_and_networks_for_tests_of_ones_own(problem: Problem, network: Network) -> None:
    answer = GivenAnswer(reference_answer(problem).gradients)
    assert_conforms(check(problem, answer), undecided="allow")
    assert len(network) <= 2
    assert all(max(W.shape) <= 4 and b.any() for W, b, _ in network)
