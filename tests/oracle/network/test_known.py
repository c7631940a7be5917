"""Failures that are known: by stable ids, with an address each, from a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from conformance import check, probe, probe_trainer
from conformance.arrays import Array, Network
from conformance.judge.headline import headline
from conformance.judge.known import Known, read
from conformance.judge.report import mark
from conformance.problems.schemas import MODELS
from conformance.subjects.reference import reference_answer

from .answers import problem
from .functions import Gradients, right
from .naming.recursion import recursion

URL = "https://example.org/issues/7"

OPTIONS: dict[str, Any] = {"hidden": "tanh", "width": (1, 20), "layers": (1, 5), "problems": 20}

without_slope = recursion(delta=lambda t, g: g if t.l < t.L else t.pulled(g))


def doubled(network: Network, x: Array, y: Array) -> Gradients:
    return [(2 * W, b) for W, b in right(network, x, y)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_an_id_does_not_change_with_what_is_drawn(dtype: str) -> None:
    ids = {probe(without_slope, seed=seed, dtype=dtype, **OPTIONS).findings[0].id for seed in (0, 1)}
    assert ids == {f"B2/hidden-derivative-missing/{dtype}/tanh"}


def test_a_known_failure_makes_no_verdict_and_stands_with_its_address() -> None:
    known = Known("B3/multiple/float64/tanh", URL)
    report = probe(doubled, known=[known], **OPTIONS)
    assert report.verdict == "CONFORMS"
    assert report.exit_status == 0
    assert f"known, {URL}" in str(report)
    assert "WRONG  " not in str(report).partition("At the ends")[0]
    assert "are within their bounds" not in str(report)
    found = report.as_json()
    assert found["findings"][0]["id"] == known.id
    assert found["findings"][0]["known"] == URL
    records = {of["equation"]: (of["verdict"], of["known"]) for of in found["equations"]}
    assert records["B3"] == ("WRONG", URL)
    assert {known for equation, (_, known) in records.items() if equation != "B3"} == {""}
    assert {of["known"] for each in found["equations"] if each["equation"] == "B3" for of in each["layers"]} == {URL}
    assert found["known"] == [{"id": known.id, "url": URL, "status": "failed"}]
    MODELS["report"].model_validate(found)


def test_another_failure_beside_a_known_one_is_wrong() -> None:
    report = probe(doubled, known=[Known("B3/unknown/float64/tanh", URL)], **OPTIONS)
    assert report.verdict == "WRONG"


def test_an_equation_with_another_failure_is_not_excused() -> None:
    found = probe(doubled, **OPTIONS)
    first = found.findings[0]
    both = found._replace(
        findings=(first._replace(explanation="tracked. "), first._replace(factor=float("nan"), explanation="new. ")),
        known=(Known(first.id, URL),),
    )
    assert (both.verdict, both.excused) == ("WRONG", set())
    assert "known" not in mark(both, "B3", 1).plain
    assert {of["known"] for of in both.as_json()["equations"]} == {""}
    assert headline(both).endswith(": new")


def test_a_known_failure_that_passes_is_said() -> None:
    known = [Known("B2/unknown/float64/tanh", URL), Known("B2/unknown/float32/tanh", "https://example.org/8")]
    report = probe(right, known=known, **OPTIONS)
    assert report.verdict == "CONFORMS"
    assert "passes now: B2/unknown/float64/tanh" in str(report)
    assert [one["status"] for one in report.as_json()["known"]] == ["passed", "not asked"]


def test_one_answer_and_a_trainer_take_known_failures_too() -> None:
    asked = problem(batch=1)
    answer = [(2 * W, b) for W, b in reference_answer(asked).gradients]
    wrong = check(asked, answer)
    assert wrong.verdict == "WRONG"
    assert check(asked, answer, known=[Known(wrong.findings[0].id, URL)]).verdict == "CONFORMS"

    def signs(network: Network, x: Array, y: Array, eta: float) -> Gradients:
        steps = zip(network, right(network, x, y), strict=True)
        return [(W - eta * (dW > 0), b - eta * (db > 0)) for (W, b, _), (dW, db) in steps]

    wrong = probe_trainer(signs, **OPTIONS)
    assert wrong.verdict == "WRONG"
    known = [Known(finding.id, URL) for finding in wrong.findings]
    assert probe_trainer(signs, known={one.id: one for one in known}.values(), **OPTIONS).verdict != "WRONG"


def test_a_file_of_known_failures(tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    path.write_text(json.dumps({"known": 1, "failures": [{"id": "B3/multiple/float64/tanh", "url": URL}]}))
    assert read(path) == (Known("B3/multiple/float64/tanh", URL),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"known": 2, "failures": []}',
        '{"known": 1, "failures": [{"id": "B3"}]}',
        '{"known": 1, "failures": [{"id": "B3", "url": "https://x"}]}',
        '{"known": 1, "failures": [{"id": "B3/x/float64/tanh", "url": ""}]}',
    ],
)
def test_what_is_no_file_of_known_failures_is_refused_in_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "known.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        read(path)


@pytest.mark.parametrize("known", [["B3/x/float64/tanh"], [("B3", URL)], [Known("B3/x/float64/tanh", URL)] * 2, 3])
def test_what_is_no_known_failure_is_refused(known: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"known|iterable"):
        probe(right, known=known, **OPTIONS)
