"""Every label stands in three places: EQUATIONS.md, the code line that computes it, a test's name."""

import ast
import re
from collections import Counter
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest

import reference
from conformance.text.labels import LABEL, label
from reference import CrossEntropy, Sigmoid, forward

PACKAGE = Path(reference.__file__).parent
LITERAL = {"F1", "F2", "L1", "G1", "B1", "B2", "B3", "B4", "U1", "U2"}
"""The document's own equations, which the literal text writes once more."""


def documented() -> Counter[str]:
    """Labels that EQUATIONS.md defines: bold, in parentheses, at the start of a table row or a paragraph."""
    return Counter(re.findall(r"^(?:\| )?\*\*\(([A-Z]\d+)\)\*\*", (PACKAGE / "EQUATIONS.md").read_text(), re.M))


def coded() -> Counter[str]:
    texts = (path.read_text() for path in PACKAGE.rglob("*.py") if path.stem != "literal")
    return Counter(found for text in texts for found in LABEL.findall(text))


def in_test_names() -> set[str]:
    names = [
        node.name
        for path in Path(__file__).parents[1].rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    return {part for name in names for part in name.split("_") if re.fullmatch(r"[A-Z]\d+", part)}


def test_every_label_is_documented_once_and_coded_once() -> None:
    assert set(documented().values()) == {1}
    assert set(coded().values()) == {1}
    assert documented() == coded()


def test_every_label_is_in_the_name_of_a_test() -> None:
    assert in_test_names() == set(documented())


def test_the_literal_text_has_the_documents_labels_once() -> None:
    assert Counter(LABEL.findall((PACKAGE / "literal.py").read_text())) == Counter(LITERAL)


def test_labels_are_read_from_the_text() -> None:
    assert label(Sigmoid.apply) == "A2"
    assert label(CrossEntropy.value) == "L3"
    with pytest.raises(ValueError, match="forward: expected one labelled line, found 2"):
        label(forward)


KINDS: dict[str, Any] = {**reference.ACTIVATIONS, **reference.LOSSES, **reference.UPDATES}


def signatures() -> dict[str, dict[str, object]]:
    """Names as EQUATIONS.md has them in code, ``name`` or ``name(p, q=1)``: their parameters, with the defaults."""
    found: dict[str, dict[str, object]] = {}
    for name, listed in re.findall(r"`(\w+)(?:\(([^`]*)\))?`", (PACKAGE / "EQUATIONS.md").read_text()):
        if name in KINDS:
            code = ast.parse(f"f({listed})", mode="eval").body
            assert isinstance(code, ast.Call)
            parameters: dict[str, object] = {ast.unparse(arg): MISSING for arg in code.args}
            parameters |= {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in code.keywords}
            assert not parameters or found.get(name) in (None, {}, parameters), f"{name}: documented in two ways"
            found[name] = parameters or found.get(name, {})
    return found


BOTH = {"cross_entropy_with_logits": "cross_entropy"}
"""Documented together: the parameters of the latter are those of both."""


@pytest.mark.parametrize("name", KINDS)
def test_every_parameter_and_name_is_documented(name: str) -> None:
    parameters = {field.name: field.default for field in fields(KINDS[name])}
    documented = signatures()
    assert name in documented
    if name in reference.UPDATES and not documented[name]:
        return  # PyTorch's, says the text: tests/reference/test_updates.py
    assert (documented[name] or documented[BOTH.get(name, name)]) == parameters


@pytest.mark.parametrize(("letter", "method"), [("A", "apply"), ("D", "pullback"), ("L", "value"), ("G", "gradient")])
def test_a_label_stands_by_the_same_name_in_text_and_code(letter: str, method: str) -> None:
    rows = re.findall(rf"^\| \*\*\(({letter}\d+)\)\*\* \| `(\w+)", (PACKAGE / "EQUATIONS.md").read_text(), re.M)
    kinds = reference.ACTIVATIONS if letter in "AD" else reference.LOSSES
    assert {name: found for found, name in rows} == {name: label(getattr(kinds[name], method)) for name in kinds}
