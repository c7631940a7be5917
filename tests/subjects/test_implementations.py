"""Implementations by name: they conform in what they declare; what is wrong with a library is found and named."""

import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.judge.report import Report
from conformance.oracle.network.asking.declaration import domains
from conformance.problems.messages import StartAnswer
from conformance.problems.problem import Architecture, Problem, fill
from conformance.subjects.implementations import table
from conformance.subjects.implementations.table import BUILT_IN, NEEDS, Subject, Unknown, subject
from conformance.subjects.reference import reference_answer
from reference import L1, CrossEntropy, HalfSquaredError, Identity, Softmax, Tanh

from ..examples.programs import report

pytestmark = pytest.mark.sampled(4)

FOUND = ("sklearn", "keras-float64")
"""Those with a finding."""

COMPILED = ("jax", "tinygrad", "keras", "keras-float64")
"""Those that take up to a second for each shape and each function that they have not met."""


def installed(name: str) -> Subject:
    try:
        return subject(name)
    except Unknown as missing:
        pytest.skip(str(missing))


def reports(name: str, found: Subject, whole: bool, heads: list[list[str]] | None = None) -> Iterator[Report]:
    """All that it declares, in each dtype; little of what compiles."""
    said = found.declaration.model_copy(update={"heads": heads or found.declaration.heads})
    if name in COMPILED and not whole:
        said = said.model_copy(update={"activations": ["tanh"], "heads": [["identity", "mean_squared_error"]]})
    for of in domains(said):
        count = 60 if whole else 24
        if name in COMPILED:
            of, count = of._replace(widths=(5, 7, 6, 4), batch=(1, 3)), 24 if whole else 6
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # at the ends of the range, and what libraries say of their own parts
            yield report(said, found.ask, of, count)


@pytest.mark.parametrize("name", [name for name in BUILT_IN if name not in FOUND])
def test_it_conforms_in_all_that_it_declares(name: str, whole: bool) -> None:
    for judged in reports(name, installed(name), whole):
        assert judged.verdict == "CONFORMS", judged
        assert judged.failed == 0
        assert judged.asked > judged.unsupported
        for dtype, bits in judged.effective_bits.items():
            # Of 53 and 24: a product of a few dozen terms loses some, and a library's own summation some more.
            assert bits > (45 if dtype == "float64" else 18)


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_it_says_is_an_answer_to_start(name: str) -> None:
    said = installed(name).declaration
    assert StartAnswer.model_validate_json(said.model_dump_json(exclude_none=True)) == said
    assert said.name == name
    assert re.match(r"\d+\.\d+", said.version)
    assert said.heads
    assert {of.dtype for of in domains(said)} == set(said.dtypes)


def test_the_squared_loss_of_scikit_learn_is_found_and_named() -> None:
    for judged in reports("sklearn", installed("sklearn"), whole=False):
        assert judged.verdict == "WRONG"
        assert {finding.equation for finding in judged.findings if finding.kind == "ordinary"} == {"L1"}
        first = judged.findings[0]
        K = round(1 / first.factor)
        assert K > 1
        assert f"1/K = 1/{K}" in first.explanation.replace("\n", " ")


def test_the_rest_of_scikit_learn_conforms(whole: bool) -> None:
    found = installed("sklearn")
    heads = [head for head in found.declaration.heads if head[1] != "half_squared_error"]
    for judged in reports("sklearn", found, whole, heads):
        assert judged.verdict == "CONFORMS", judged


def test_float64_of_keras_is_found_in_bits() -> None:
    """In networks without a hidden layer, whose gradients tell the format of the deltas too."""
    declaration, ask = installed("keras-float64")
    said = declaration.model_copy(update={"heads": [["tanh", "mean_squared_error"]]})
    for of in domains(said):
        judged = report(said, ask, of._replace(layers=(1, 1), width=(1, 7), batch=(1, 4)), 6)
        assert judged.verdict == "WRONG"
        assert judged.effective_bits["float64"] < 26  # float32 has 24
        assert any("bits of 53" in said for said in judged.remarks)


FINDINGS = Path(table.__file__).parent / "findings"
SAID = {
    "sklearn_squared_error": ("sklearn", r"5 outputs: the loss falls by 0\.200\d of what a small step promises"),
    "sklearn_clipped": ("sklearn", r"loss 36\.\d+, the truth is 50\.00; gradient 1"),
    "keras_float64": ("keras", r"float64 declared; output float32, off by [1-9]e-0[78]; loss float64"),
    "keras_clipped": ("keras", r"loss 16\.12, the truth is 20\.00; gradient \[-?0\. -?0\.\], the truth is \[1, -1\]"),
}


@pytest.mark.parametrize("script", sorted(path.stem for path in FINDINGS.glob("*.py") if path.stem != "conftest"))
def test_a_finding_is_shown_without_this_project(script: str) -> None:
    name, said = SAID[script]
    installed(name)
    text = (FINDINGS / f"{script}.py").read_text()
    assert len(text.splitlines()) <= 20
    assert not re.search(r"import (conformance|reference)|from (conformance|reference)", text)
    run = subprocess.run([sys.executable, "-I", FINDINGS / f"{script}.py"], capture_output=True, text=True, check=True)
    assert re.fullmatch(said, run.stdout.strip()), run.stdout


def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NEEDS, "literal", ("numpy", "no-such-package", "another"))
    with pytest.raises(Unknown, match=r"^literal needs what is not installed: pip install no-such-package another$"):
        subject("literal")


def test_what_needs_packages_says_which() -> None:
    assert set(BUILT_IN) - set(NEEDS) == {"reference", "literal"}


def small(**changed: Any) -> Problem:
    generic = ("generic", "generic", "generic")
    architecture = Architecture(
        (3, 5, 4), (Tanh(), Identity()), HalfSquaredError(), "mean", 3, "float64", generic, 1, 0.125
    )
    return fill(architecture)._replace(**changed)


@pytest.mark.parametrize("name", ["jax", "autograd", "mygrad", "tinygrad"])
def test_the_kink_of_l1_is_refused(name: str) -> None:
    problem = small(loss=L1())
    at_kink = problem._replace(y=reference_answer(problem).trace[-1].a)
    ask = installed(name).ask
    with pytest.raises(NotImplementedError, match="l1 has no derivative"):
        ask(at_kink)


def test_the_literal_text_refuses_what_its_numbers_do() -> None:
    first, last = small().network
    problem = small(network=(first, last._replace(W=last.W * 2.0**600)), reduction="sum")
    with pytest.raises(NotImplementedError, match="beyond float64"):
        subject("literal").ask(problem)


def test_scikit_learn_refuses_what_is_not_its_own() -> None:
    ask = installed("sklearn").ask
    sigmas = (Tanh(), Identity(), Softmax())
    generic = ("generic", "generic", "generic")
    mixed = fill(Architecture((3, 5, 6, 4), sigmas, CrossEntropy(), "mean", 3, "float64", generic, 1, 0.1))
    with pytest.raises(NotImplementedError, match="several activations"):
        ask(mixed)
    single = fill(Architecture((3, 5, 1), (Tanh(), Softmax()), CrossEntropy(), "mean", 3, "float64", generic, 1, 0.1))
    with pytest.raises(NotImplementedError, match="one output"):
        ask(single)


def test_scikit_learn_leaves_its_question_alone() -> None:
    problem = small()
    before = [np.array(part) for W, b, _ in problem.network for part in (W, b)]
    installed("sklearn").ask(problem)
    after = [part for W, b, _ in problem.network for part in (W, b)]
    assert all(map(np.array_equal, before, after))


def test_micrograd_refuses_what_its_recursion_does() -> None:
    ask = installed("micrograd").ask
    generic = ("generic", "generic", "generic")
    wide = Architecture((2000, 3), (Identity(),), HalfSquaredError(), "sum", 2, "float64", generic, 1, 0.1)
    with pytest.raises(NotImplementedError, match="recursion"):
        ask(fill(wide))
