"""How wrong numbers of an operation are told: questions to hold in hand, state first, what is not finite, grammar."""

import re
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from conformance.arrays import Array
from conformance.judge.held import Example
from conformance.judge.verdict import CONFORMS, WRONG
from conformance.oracle.operation.asking import calls
from conformance.oracle.operation.operation import check_loss, check_pullback

from .operations import generic, linear, naive_sigmoid, of_linear, of_softmax, scaled, softmax, tensor

pytestmark = pytest.mark.sampled(5)

# A question to hold in hand.


def replayed(example: Example, folder: Path, **names: Any) -> dict[str, Any]:
    """What the lines of a saved example leave, run as they stand."""
    lines = example.save(folder)
    scope: dict[str, Any] = dict(names)
    exec(lines, scope)
    return scope


def of_relu(z: Array, g: Array) -> Array:
    return np.where(z > -1, g, 0)


def test_the_smallest_question_that_shows_it_is_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    z = np.array([[0.5, -0.25, 2.0], [1.5, -3.0, 0.75]])
    example = check_pullback("relu", of_relu, z).findings[0].question
    assert isinstance(example, Example)
    assert {name: x.tolist() for name, x in example.inputs.items()} == {"z": [[-0.25]]}
    assert (example.got.tolist(), example.expected.tolist()) == (example.cotangent.tolist(), [[0]])
    scope = replayed(example, tmp_path, of_relu=of_relu)
    assert np.array_equal(scope["got"], example.got)
    assert capsys.readouterr().out.splitlines()[1] == "[[0.]]"
    assert example.save(tmp_path) == example.save(tmp_path)
    assert len(list(tmp_path.rglob("*.npz"))) == 1


def test_a_part_is_held_only_where_it_is_answered_as_the_whole(tmp_path: Path) -> None:
    """Of a softmax one number alone has no sum to forget: a row is the smallest."""

    def diagonal(z: Array, g: Array) -> Array:
        return g * softmax(z) * (1 - softmax(z))

    for forward in ("softmax", softmax):
        example = check_pullback(forward, diagonal, generic("float64", (3, 4))).findings[0].question
        assert isinstance(example, Example)
        assert example.got.shape == (1, 4)
        assert np.array_equal(replayed(example, tmp_path, diagonal=diagonal)["got"], example.got)


def test_questions_of_every_form_of_input_replay(tmp_path: Path) -> None:
    def by_name(x: Array, w: Array, g: Any) -> dict[str, Array]:
        return {"x": g["y"] * w, "w": 2 * g["y"] * x}

    named = {"x": generic("float64", (3, 2)), "w": generic("float64", (3, 2), 1)}
    example = check_pullback(lambda x, w: {"y": x * w}, by_name, named).findings[0].question
    assert isinstance(example, Example)
    assert np.array_equal(replayed(example, tmp_path, by_name=by_name)["got"]["w"], example.got)

    def looked_up(w: torch.Tensor, index: torch.Tensor, g: torch.Tensor) -> Any:
        found = torch.zeros_like(w)
        found[index] = g
        return found, None

    for dtype in ("float32", "bfloat16"):
        given = [tensor(generic("float32", (4, 3)), dtype), torch.tensor([0, 2, 2])]
        finding = check_pullback(lambda w, index: w[index], looked_up, given).findings[0]
        assert "the places whose index stands more than once" in finding.explanation
        assert isinstance(finding.question, Example)
        got = replayed(finding.question, tmp_path, looked_up=looked_up)["got"][0]
        assert np.array_equal(got.float().numpy(), finding.question.got)

    def negated(a: Array, y: Array) -> Array:
        return y - a

    lost = check_loss("huber", negated, generic("float64"), generic("float64", seed=1)).findings[0].question
    assert isinstance(lost, Example)
    assert (lost.cotangent, list(lost.inputs)) == (None, ["a", "y"])
    assert np.array_equal(replayed(lost, tmp_path, negated=negated)["got"], lost.got)


# State, before equations.


def test_state_is_told_before_equations() -> None:
    """Where both answers to one question are wrong and differ; and where only later ones are."""
    calls_made = count(2)
    grows = check_pullback("sigmoid", lambda z, g: next(calls_made) * naive_sigmoid(z, g), generic("float64"))
    first, *_ = grows.findings
    assert (first.equation, first.faults) == ("state", ("keeps state",))
    assert "asked twice gives other values" in first.explanation

    later = count()
    third = check_pullback(
        "sigmoid", lambda z, g: naive_sigmoid(z, g) * (1.1 if next(later) > 1 else 1), generic("float64")
    )
    assert third.verdict == WRONG
    assert [(f.equation, f.faults) for f in third.findings] == [("state", ("keeps state",))]
    assert "a later answer to the same question is not" in third.findings[0].explanation

    steady = check_pullback("sigmoid", scaled(naive_sigmoid, 1.1), generic("float64"))
    assert [f.equation for f in steady.findings] == ["D2"]


# What is not finite; numbers for people.


@pytest.mark.parametrize(("number", "word"), [(np.inf, "infinite"), (-np.inf, "infinite"), (np.nan, "NaN")])
def test_what_is_not_finite_is_told_first(number: float, word: str) -> None:
    def one(z: Array, g: Array) -> Array:
        found = naive_sigmoid(z, g)
        found[1, 2] = number
        return found

    text = check_pullback("sigmoid", one, generic("float64")).findings[0].explanation
    assert f"One element is {word} where the truth is a number. " in text
    assert "linear" not in text
    whole = check_pullback("sigmoid", lambda z, g: number * g * g, generic("float64", (2, 2))).findings[0].explanation
    assert f"All 4 elements are {word if word == 'NaN' else 'infinite'}" in whole
    assert "within inf" not in text + whole


def test_what_is_as_good_as_zero_is_no_factor_and_gross_errors_no_matter_of_precision() -> None:
    z = generic("float64", (4, 5))
    tiny = check_pullback("sigmoid", scaled(naive_sigmoid, 6.8e-13), z).findings[0]
    assert "e-13" not in " ".join(tiny.faults)

    def gross(z: Array, g: Array) -> Array:
        found = naive_sigmoid(z.astype("f4"), g.astype("f4")).astype("f8")
        found[0, 0] += 1
        return found

    def smooth(z: Array, g: Array) -> Array:
        return naive_sigmoid(z, g) * (1 + 0.003 * np.sin(z))

    for wrong in (gross, smooth):
        report = check_pullback("sigmoid", wrong, z)
        assert "bits" not in report.findings[0].explanation
        assert not report.effective_bits


def test_a_number_is_not_said_to_be_itself_and_one_element_is_one() -> None:
    close = check_pullback("identity", lambda z, g: g * (1 + 1e-9), np.array([1.5])).findings[0].explanation
    got, expected = re.findall(r"got (\S+), expected (\S+) within", close)[0]
    assert got != expected
    assert "1 of 1 element is outside its bound: " in close
    assert "8 digits right where" in close or "9 digits right where" in close


# Nothing is said of what is right, and explaining costs little.


def test_right_elements_contradict_a_rule_and_a_mistake() -> None:
    """A rule that holds but for one right element is not said, nor is a mistake that it contradicts."""

    def all_but_one(z: Array, g: Array) -> Array:
        found = np.where(z > 0, 2 * g, g)
        found[0, 0] = g[0, 0]
        return found

    z = abs(generic("float64", (4, 5)))
    z[1:, ::2] *= -1
    text = check_pullback("identity", all_but_one, z).findings[0].explanation
    assert "z > 0" not in text
    assert "throughout" not in text


def test_explaining_asks_little_more_than_judging(monkeypatch: pytest.MonkeyPatch) -> None:
    """In truths and calls, which are what costs: fewer than ten times those of a right operation."""
    asked: list[int] = []
    real = calls.asked
    monkeypatch.setattr(calls, "asked", lambda *of: asked.append(1) or real(*of))  # type: ignore[func-returns-value]
    inputs = [generic("float64", shape, seed) for seed, shape in enumerate(((4, 3), (5, 3), (5,)))]

    def counted(pullback: Any) -> tuple[str, int, int]:
        asked.clear()
        truths.clear()
        report = check_pullback(forward, pullback, inputs)
        return report.verdict, len(asked), len(truths)

    truths: list[int] = []

    def forward(*given: Any) -> Any:
        truths.append(1)
        return linear(*given)

    def nonsense(x: Array, W: Array, b: Array, g: Array) -> Any:
        return tuple(p * np.cos(np.arange(p.size).reshape(p.shape)) for p in of_linear(x, W, b, g))

    right, wrong = counted(of_linear), counted(nonsense)
    assert (right[0], wrong[0]) == (CONFORMS, WRONG)
    assert wrong[1] < 10 * right[1]
    assert wrong[2] < 10 * right[2]
    assert check_pullback(softmax, of_softmax, generic("float64")).verdict == CONFORMS
