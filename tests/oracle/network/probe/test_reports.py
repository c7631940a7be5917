"""What a report of `probe` says: in words, in JSON, in a picture."""

import json
import math
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance import Report, assert_conforms, check, probe, probe_trainer
from conformance.arrays import Array, Network
from conformance.files import read_answer, read_problem
from conformance.judge.held import Question
from conformance.judge.picture import plot
from conformance.judge.report import WIDTH, Subject
from conformance.judge.verdict import EXIT_STATUS
from conformance.oracle.network.asking.domain import Domain
from conformance.oracle.network.interrogation import interrogated
from conformance.subjects.correct import PROGRAMS
from conformance.subjects.faults import FAULTS
from conformance.text.edits import planted
from reference import (
    HalfSquaredError,
    Sigmoid,
    Tanh,
)

from ..functions import (
    Gradients,
    answering,
    asked,
    in_format,
    named,
    nan,
    numbers,
    other_style,
    reject,
    right,
    scale,
    second_call_wrong,
    spoiled,
)

pytestmark = pytest.mark.sampled(4)


def reports() -> Iterator[Report]:
    """A report of each kind."""
    yield probe(right, width=(1, 70))
    yield probe(in_format(8), dtype="float32", hidden=Tanh(), width=(1, 70))
    yield probe(spoiled(nan), width=(1, 7))
    yield probe(second_call_wrong(), width=(1, 7))
    yield probe(reject, width=(1, 7))


FIELDS = {
    "report", "complete", "verdict", "subject", "profile", "seed", "problems", "elements", "effective_bits",
    "equations", "findings", "robustness",
}  # fmt: skip
OF_FINDINGS = {
    "verdict", "class", "equation", "layer", "element", "got", "expected", "bound", "faults", "explanation", "problem",
}  # fmt: skip


def test_reports_fit_a_terminal_and_the_protocol() -> None:
    for report in reports():
        lines = str(report).splitlines()
        assert lines[0].startswith(report.verdict)
        assert max(map(len, lines)) <= WIDTH == 100
        record = json.loads(json.dumps(report.as_json(), allow_nan=False))
        assert set(record) >= FIELDS
        assert record["report"] == 1
        assert record["verdict"] == report.verdict
        assert set(record["elements"]) == {"judged", "wrong", "suspect", "undecided"}
        assert set(record["problems"]) == {"asked", "unsupported", "failed"}
        for finding in record["findings"]:
            assert set(finding) >= OF_FINDINGS
        assert report.exit_status == EXIT_STATUS[report.verdict]


def test_floor_and_undecided_share_are_always_said() -> None:
    report = probe(right, width=(1, 70))
    said = str(report)
    assert "floor" in said
    assert "undecided" in said
    assert not [tally for tally in report.equations.values() if not 0 < tally.floor < math.inf]
    said = " ".join(said.split())
    assert f"All {numbers(report):,} numbers are within their bounds" in said
    assert "would have been caught" in said


def test_what_follows_is_said_to_follow() -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "half-forgotten")
    of = Domain([Tanh()], [(Sigmoid(), HalfSquaredError())], ["sum"], "float64", width=(1, 70))
    report = interrogated(answering(planted(*fault.edits), whole=False), of, Subject("it"))
    assert named(report) == ["B1"]
    said = report.findings[0].explanation
    assert "All of them are 2 times what is expected." in said
    assert "are off too, and follow from it by the documented equations." in said
    assert "follows" in str(report)
    assert report.tallies["B3", 1].follows
    assert not report.tallies["B3", 1].wrong


def test_forward_mode_is_told_to_be_another_route() -> None:
    (program,) = (program for program in PROGRAMS if program.name == "forward-mode")
    of = Domain([Tanh()], [(Sigmoid(), HalfSquaredError())], ["sum"], "float64", width=(1, 9), batch=(1, 1))
    report = interrogated(asked(program), of, Subject("forward mode"))
    assert_conforms(report)
    assert any(remark.startswith("Not evaluated by this recursion") for remark in report.remarks), report.remarks


SIGNATURES = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.mark.parametrize("ending", SIGNATURES)
def test_plot(ending: str, tmp_path: Path) -> None:
    report = probe(other_style, width=(1, 70))
    wrong = probe(lambda network, x, y: other_style(network, x, y, forgotten=True), width=(1, 70))
    for name, judged in (("right", report), ("wrong", wrong)):
        path = tmp_path / f"{name}{ending}"
        plot(judged, path)
        assert path.read_bytes().startswith(SIGNATURES[ending])


def test_a_picture_cut_short_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "picture.png").write_bytes(b"old")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plot(probe(right, width=(1, 7)), tmp_path / "picture.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"picture.png": b"old"}


def test_plot_refuses_what_it_cannot_draw(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a name that ends in .*png.*, got .*picture\.txt"):
        plot(probe(right, width=(1, 7)), tmp_path / "picture.txt")
    with pytest.raises(ValueError, match="expected a report with judged numbers"):
        plot(probe(reject, width=(1, 7)), tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


def test_a_finding_holds_its_question(tmp_path: Path) -> None:
    """What was asked and answered, which check and the command judge again."""
    for report in (probe(spoiled(doubled)), probe_trainer(backwards)):
        held = report.findings[0].question
        assert isinstance(held, Question)
        assert held.answer is not None
        finding = report.findings[0]
        again = check(held.problem, held.answer, name="again")
        assert again.verdict == "WRONG"
        assert (again.findings[0].equation, again.findings[0].layer) == (finding.equation, finding.layer)
        command = shlex.split(held.save(tmp_path))
        assert command[:4] == ["python", "-m", "conformance", "check"]
        saved = read_problem(command[4])
        assert check(saved, read_answer(command[5], saved)).verdict == "WRONG"
        assert held.save(tmp_path) == shlex.join(command), "the same question has the same files"


def doubled(gradients: Gradients, *_: Any) -> None:
    scale(gradients[0], 2, 1)


def backwards(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """A step that goes up."""
    rate = x.dtype.type(eta)
    return [(W + rate * dW, b + rate * db) for (W, b, _), (dW, db) in zip(network, right(network, x, y), strict=True)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_gross_element_takes_no_bits(dtype: str) -> None:
    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        gradients = right(network, x, y)
        gradients[0][0][0, 0] *= x.dtype.type(1.001)
        return gradients

    wide = probe(right, dtype=dtype, width=(1, 70)).effective_bits[dtype]
    report = probe(wrong, dtype=dtype, width=(1, 70))
    assert report.verdict == "WRONG"
    assert abs(report.effective_bits[dtype] - wide) < 2
