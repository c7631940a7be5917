"""Numbers for people: digits beside margins, no word that says more than is known, one floor in text and JSON."""

import re
from typing import Any

import numpy as np
import pytest

import reference
from conformance import check, check_pullback, probe
from conformance.judge.judgement import Judgement
from conformance.judge.precision import digits
from conformance.judge.report import EDGE, digits_apart, text
from conformance.problems.problem import Architecture, Problem, fill
from reference import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Identity,
    Loss,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)

from .functions import right as right_gradients


def problem(last: Any, loss: Loss, dtype: str = "float64") -> Problem:
    """Two layers, generic numbers, three samples."""
    generic = ("generic", "generic", "generic")
    return fill(Architecture((4, 5, 3), (Tanh(), last), loss, "mean", 3, dtype, generic, 5, 0.1))


def gradients(asked: Problem) -> list[Any]:
    _, right = reference.value_and_gradients(asked.network, asked.x, asked.y, asked.loss, asked.reduction)
    return [(layer.W, layer.b) for layer in right]


def judgement(got: float, expected: float, bound: float, dtype: str = "float64") -> Judgement:
    margin = abs(got - expected) / bound if bound else np.inf
    return Judgement("B3", 1, dtype, 7, 1, 0, margin, 1e-9, (0, 2), got, expected, bound)


@pytest.mark.parametrize(
    ("got", "expected", "bound", "dtype", "said"),
    [
        (1.0004, 1.0, 1e-7, "float64", "3 digits right where 7 were possible"),
        (1.04, 1.0, 1e-7, "float64", "1 digit right where 7 were possible"),
        (-1.0, 1.0, 1e-7, "float64", "no digit right where 7 were possible"),
        (3e5, 1.0, 1e-7, "float64", "no digit right where 7 were possible"),
        (2.5e-9, 2e-9, 1.5e-10, "float64", "no digit right where 1 was possible"),
        (1.0004, 1.0, 0.0, "float32", "3 digits right where 7 were possible"),
        (1.0004, 1.0, 0.0, "float64", "3 digits right where 15 were possible"),
        (1.0004, 1.0, 2e-4, "float64", ""),  # as many as its bound lets be
        (0.25, 0.0, 1e-7, "float64", ""),
        (np.nan, 1.0, 1e-7, "float64", ""),
        (np.inf, 1.0, 1e-7, "float64", ""),
        (1.5, 1.0, np.inf, "float64", ""),
        (1.0, 1.0, 1e-7, "float64", ""),
    ],
)
def test_digits_right_and_possible(got: float, expected: float, bound: float, dtype: str, said: str) -> None:
    assert digits(judgement(got, expected, bound, dtype)) == said


def test_a_number_near_1_is_told_from_it() -> None:
    said = {0.25: "0.25", 2.0: "2", 1.0004: "1.0004", 0.9996: "0.9996", 3.4e17: "3.4e+17"}
    assert {x: digits_apart(x) for x in said} == said


def test_the_digits_stand_beside_the_bound() -> None:
    asked = problem(Sigmoid(), HalfSquaredError())
    (W1, b1), last = gradients(asked)
    said = check(asked, [(W1, b1 * 1.0004), last]).findings[0].explanation
    assert re.search(r"expected \S+ within \S+: 3 digits right where 1\d were possible\.", said), said
    assert "digit" not in text(check(asked, [(W1, b1), last]))


def test_what_is_zero_and_has_no_bound_is_far_off_and_not_infinitely() -> None:
    """A sample of zeros: dL/dW^1 is 0 exactly, whatever the bound."""
    asked = problem(Identity(), HalfSquaredError())
    asked = asked._replace(x=np.zeros_like(asked.x))
    (W1, b1), last = gradients(asked)
    assert check(asked, [(W1, b1), last]).verdict == "CONFORMS"
    report = check(asked, [(W1 + 0.25, b1), last])
    assert report.verdict == "WRONG"
    assert not re.search(r"\binf\b", str(report)), report
    assert "far" in str(report)
    missing = check(asked, [(W1, b1 * np.nan), last])
    assert not re.search(r"\binf\b", str(missing)), missing
    assert re.search(r"error / bound .*none", str(missing)), missing


@pytest.mark.parametrize(
    ("last", "loss", "line"),
    [
        (Softmax(), CrossEntropy(), "(H1) delta_k = p_k sum_j y_j - y_k is violated in layer 2"),
        (Softmax(), CrossEntropy(label_smoothing=0.25), "(H1) delta_k = p_k sum_j y_j - y_k is violated in layer 2"),
        (Sigmoid(), BinaryCrossEntropy(), "(H2) delta_k = p_k - y_k is violated in layer 2"),
        (Sigmoid(), HalfSquaredError(), "(B1) delta^l = g^l * sigma'(z^l) is violated in layer 2"),
    ],
)
def test_a_fused_head_is_told_by_its_own_line(last: Any, loss: Loss, line: str) -> None:
    """The sentence alone: the key of table, JSON and finding stays B1."""
    asked = problem(last, loss)
    right = gradients(asked)
    report = check(asked, [(1.25 * W, 1.25 * b) for W, b in right])
    finding = report.findings[0]
    assert (finding.equation, finding.layer) == ("B1", 2)
    assert finding.explanation.startswith(line), finding.explanation
    assert {row["equation"] for row in report.as_json()["equations"]} >= {"B1"}
    assert "H1" not in {equation for equation, _ in report.tallies}
    assert check(asked, right).verdict == "CONFORMS"


def test_the_edge_of_a_kink_is_no_error_of_1_bound() -> None:
    """Relu's gradients in float32 meet the edge at z = 0; without a kink there is none."""
    for hidden, edge in ((ReLU(), True), (Tanh(), False)):
        report = probe(right_gradients, hidden=hidden, dtype="float32", layers=(1, 3), width=(1, 9))
        said = str(report)
        assert report.verdict == "CONFORMS", said
        (row,) = (line for line in said.splitlines() if line.lstrip().startswith("error / bound"))
        assert ("edge" in row) == edge, row
        assert "1" not in row.split(), row
        assert ("some at an edge, as either derivative at a kink is" in " ".join(said.split())) == edge
        assert not re.search(r"largest error (1|0\.99\d*) of its bound", " ".join(said.split()))
        worst = max(tally.worst.margin for tally in report.tallies.values())
        assert (EDGE <= worst <= 1) == edge


def test_the_floor_is_the_same_in_table_and_json() -> None:
    report = probe(right_gradients, layers=(1, 3), width=(1, 9))
    (row,) = (line for line in str(report).splitlines() if line.lstrip().startswith("floor"))
    written = {record["equation"]: record["floor"] for record in report.as_json()["equations"]}
    assert row.split()[1:] == [f"{written[equation]:.0e}" for equation in ("F", "B1", "B2", "B3", "B4")]
    said = " ".join(str(report).split())
    assert f"Relative errors from {max(written.values()):.0e} on would have been caught in" in said


def in_single(z: Any, g: Any) -> Any:
    return g / (1 + np.exp(-z)) * (1 / (1 + np.exp(z)))


def in_half(z: Any, g: Any) -> Any:
    return in_single(z.astype(np.float16), g.astype(np.float16)).astype(np.float32)


@pytest.mark.parametrize(
    ("pullback", "factor", "bits"),
    [(in_half, 1, True), (in_half, 3, False), (in_single, 3, False), (in_single, 1.0004, False)],
)
def test_a_few_errors_are_no_matter_of_precision(pullback: Any, factor: float, bits: bool) -> None:
    """Of all numbers in half precision it is; not where one is off by more, or where the others are right."""
    z = np.random.default_rng(5).standard_normal((30, 41)).astype(np.float32)

    def one_off(z: Any, g: Any) -> Any:
        delta = pullback(z, g)
        delta[7, 11] *= factor
        return delta

    report = check_pullback("sigmoid", one_off, z)
    said = report.findings[0].explanation
    assert report.verdict == "WRONG"
    assert (" bits" in said, "like" in said) == (bits, bits), said
    assert bool(report.effective_bits) == bits


def test_of_nan_that_nothing_decides_no_convention_is_the_cause() -> None:
    """Softplus of the smallest beta: the truth is beyond every number, and so is every bound."""
    asked = problem(Softplus(beta=5e-324), HalfSquaredError())
    report = check(asked, [(W * np.nan, b * np.nan) for W, b, _ in asked.network])
    assert "Right if" not in str(report)
    plain = problem(Identity(), HalfSquaredError())
    report = check(plain, [(W / 3, b / 3) for W, b in gradients(plain)])
    assert "Right if the loss is averaged over the outputs too" in str(report)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": (1, 1), "batch": (1, 1)}, "Asked: 1 layer, 1 to 6 inputs, 1 to 37 outputs, 1 sample."),
        ({"widths": (3, 1, 2)}, "Asked: 2 layers, 3 inputs, 1 hidden unit, 2 outputs, 1 to "),
    ],
)
def test_one_is_no_plural(options: Any, said: str) -> None:
    assert said in " ".join(str(probe(right_gradients, problems=3, **options)).split())


@pytest.mark.parametrize("option", ["dtype", "targets", "method"])
def test_an_option_that_is_an_array_is_refused_by_its_name(option: str) -> None:
    wrong: Any = {option: np.array([1, 2])}
    with pytest.raises(ValueError, match=f"{option}: expected "):
        probe(right_gradients, **wrong)
