"""Edits by place: they fit a text however it is written, and are refused where there is no such place."""

import ast
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from conformance.subjects.faults import FAULTS, UPDATE_FAULTS
from conformance.subjects.formulas import FUNCTIONS, SAMPLES_IN_COLUMNS, SUMS
from conformance.text import edits
from conformance.text.edits import Edit, altered, loaded, planted, standing
from conformance.text.labels import PACKAGE, labelled, modules

pytestmark = pytest.mark.sampled(2)

EVERY = {
    **{fault.name: fault.edits for fault in (*FAULTS, *UPDATE_FAULTS)},
    **{formula.name: formula.edits for formula in (*SUMS, *FUNCTIONS)},
    "in-columns": SAMPLES_IN_COLUMNS,
}


@pytest.mark.parametrize("name", EVERY)
def test_every_edit_has_a_place_and_says_something_else_there(name: str) -> None:
    for edit in EVERY[name]:
        assert ast.dump(ast.parse(edit.expression, mode="eval").body) != ast.dump(standing(edit.place).expression)
    for module, text in altered(*EVERY[name]).items():
        compile(text, module, "exec")


def test_every_label_is_a_place_of_its_own() -> None:
    places = [standing(line.label) for line in labelled(modules())]
    at = {(module, expression.lineno, expression.col_offset) for module, expression in places}
    assert len(at) == len(places)
    altered(*(Edit(line.label, "0") for line in labelled(modules())))


def reworded(monkeypatch: pytest.MonkeyPatch, label: str, lines: str) -> str:
    """Let the text have other lines in place of the one with that label; its module's text."""
    (line,) = (line for line in labelled(modules()) if line.label == label)
    indent = line.text[: len(line.text) - len(line.text.lstrip())]
    text = modules()[line.module].splitlines()
    text[line.number - 1] = "\n".join(indent + new for new in lines.splitlines())
    texts = {**modules(), line.module: "\n".join([*text, ""])}
    monkeypatch.setattr(edits, "modules", lambda: texts)
    return texts[line.module]


LINES = {
    "as it is": "return g * (a * (1 - a))  # (D2)",
    "in other words": "return g * a - g * a * a  # (D2)",
    "named": "slope = g * (a * (1 - a))  # (D2)\nreturn slope",
    "named, with a type": "slope: Array = g * (a * (1 - a))  # (D2)\nreturn slope",
    "one of two": "slope = g * (a * (1 - a)) if len(a) else g  # (D2)\nreturn slope",
    "in parentheses": "return (\n    g\n    * (a * (1 - a))  # (D2)\n)",
    "labelled at its first line": "return where(  # (D2)\n    a > 0,\n    g * (a * (1 - a)),\n    0 * a,\n)",
    "labelled at its last line": "return where(\n    a > 0,\n    g * (a * (1 - a)),\n    0 * a)  # (D2)",
    "after other letters": "slope = lambda s, why='é': g * (s * (1 - s))  # (D2)\nreturn slope(a)",
    "an argument": "slopes = []\nslopes.append(g * (a * (1 - a)))  # (D2)\nreturn slopes[0]",
    "an element": "slopes = [\n    (0, g * (a * (1 - a)))[1]  # (D2)\n    for _ in 'x']\nreturn slopes[0]",
    "a function's": "slope = lambda s: g * (s * (1 - s))  # (D2)\nreturn slope(a)",
}
"""The line of (D2), written otherwise."""


@pytest.mark.parametrize("way", LINES)
def test_an_edit_fits_a_line_however_it_is_written(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    z, g = np.array([[-1.0, 0.5]]), np.array([[2.0, 3.0]])
    a = np.array([[0.25, 0.5]])
    text = reworded(monkeypatch, "D2", LINES[way])
    edited = planted(Edit("A3", "z"), Edit("D2", "7 * g"))
    assert (edited.Sigmoid().pullback(z, a, g) == 7 * g).all()
    assert (edited.Tanh().apply(z) == z).all()
    unedited = loaded({"activations": text})
    assert (unedited.Sigmoid().pullback(z, a, g) == [[0.375, 0.75]]).all()
    assert (unedited.Tanh().apply(z) != z).all()


def test_each_label_of_a_call_is_the_place_of_its_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where an argument takes more lines than one."""
    reworded(monkeypatch, "B4", "delta.sum(\n    axis=0)))  # (B4)")
    found = {label: ast.unparse(standing(label).expression) for label in ("B3", "B4", "R1", "R2", "U1", "U2")}
    assert found["B4"] == "delta.sum(axis=0)"
    assert not [text for text in found.values() if "Gradient(" in text or "Cotangent(" in text or "Layer(" in text]
    assert len(set(found.values())) == len(found)


def test_what_a_function_returns_is_edited_by_its_name() -> None:
    z = np.array([[-1.0, 0.5]])
    assert (planted(Edit("Sigmoid.apply", "z + 1")).Sigmoid().apply(z) == z + 1).all()
    assert planted(Edit("fused", "None")).losses.fused(None, None) is None


def test_an_expression_may_use_numpy_the_functions_and_what_it_imports() -> None:
    z = np.array([[-1.0, 0.5]])
    assert (planted(Edit("A1", "np.full_like(z, 7)")).Identity().apply(z) == 7).all()
    assert (planted(Edit("G2", "atan(a)")).MeanSquaredError().gradient(z, z) == np.arctan(z)).all()
    assert (planted(Edit("A1", "z + tau", "from math import tau")).Identity().apply(z) == z + 2 * np.pi).all()


def test_an_edit_is_of_its_copy_alone_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = set(sys.modules)
    one, other = planted(Edit("A1", "z + 1")), planted()
    z = np.array([[-1.0, 0.5]])
    assert (one.Identity().apply(z) == z + 1).all()
    assert (other.Identity().apply(z) == z).all()
    assert set(sys.modules) == before
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit("B9", "z"), r"expected a label of EQUATIONS.md or a function of the reference, got 'B9'"),
        (Edit("Sigmoid", "z"), r"expected a label of EQUATIONS.md or a function of the reference, got 'Sigmoid'"),
        (Edit("step_decay.x", "z"), r"expected a label .* got 'step_decay.x'"),
        (Edit("SGD.step", "z"), r"expected a function that returns at one place, got 'SGD.step', at 2"),
        (Edit("A1", "z +"), r"expected an expression for A1, got 'z \+'"),
        (Edit("A1", "y = z"), r"expected an expression for A1, got 'y = z'"),
        (Edit("A1", ""), r"expected an expression for A1, got ''"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(edit: Edit, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planted(edit)


def test_a_place_is_edited_once() -> None:
    with pytest.raises(ValueError, match=r"expected one edit at each place, got another that holds Identity\.apply"):
        altered(Edit("A1", "z"), Edit("Identity.apply", "2 * z"))


def test_a_label_without_an_expression_is_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    reworded(monkeypatch, "A1", "return (  # (A9)\n    z)\npass  # (A1)")
    with pytest.raises(ValueError, match=r"expected an expression on the line of \(A1\), got 'pass  # \(A1\)'"):
        standing("A1")


def test_the_name_of_two_functions_is_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {**modules(), "other.place": "def fused():\n    return 1\n"}
    monkeypatch.setattr(edits, "modules", lambda: texts)
    with pytest.raises(ValueError, match=r"expected the name of one function, got 'fused', .* other\.place"):
        standing("fused")


def test_modules_have_dotted_names() -> None:
    assert {PACKAGE.joinpath(*name.split(".")).with_suffix(".py") for name in modules()} == {
        path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "literal.py"
    }
