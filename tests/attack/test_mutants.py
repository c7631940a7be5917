"""The text under attack: the committed table is that of the text, and a part of it is made again."""

import ast
import os
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from conformance.attack import attack
from conformance.attack.attack import Selection, Unsound, kill, selection
from conformance.attack.equivalence import proof
from conformance.attack.kills import ASSERTION, SURVIVED, TABLE, Fate, changed, committed, table
from conformance.attack.mutants import Mutant, digests, mutants, rotating
from conformance.text.labels import LABEL, modules

ROTATING = 12
"""How many mutants are killed again whatever changed."""


def named(name: str) -> Mutant:
    (found,) = (mutant for mutant in mutants() if mutant.name == name)
    return found


WRONG = named("D2@15: g * (a * (1 - a)) -> (a * (1 - a))")
EQUAL = named("A15@33: z -> (-z)")
"""|-z| is |z|."""
BLIND = ("tests/reference/test_losses.py::test_L1_has_the_half_and_L2_the_mean",)
"""A test that sees neither."""


def test_every_labelled_line_has_its_mutants_and_no_other_line_has() -> None:
    for module in {mutant.module for mutant in mutants()}:
        lines = modules()[module].splitlines()
        labelled = {k: LABEL.findall(line) for k, line in enumerate(lines, start=1) if LABEL.findall(line)}
        found = {mutant.line: [mutant.label] for mutant in mutants() if mutant.module == module}
        assert found == labelled
    assert len({mutant.text for mutant in mutants()}) == len(mutants())


def test_a_mutant_is_one_line_of_python_changed() -> None:
    for mutant in mutants():
        ast.parse(mutant.new, mode="eval")
        before, after = modules()[mutant.module].splitlines(), mutant.text.splitlines()
        different = [k for k, (p, q) in enumerate(zip(before, after, strict=False), start=1) if p != q]
        assert different == [mutant.line]


def test_the_committed_table_is_that_of_the_text() -> None:
    was, now = committed(TABLE.read_text()), digests()
    stale = sorted(label for label in now.keys() | was.digests.keys() if now.get(label) != was.digests.get(label))
    assert not stale, f"the lines or the mutants of {', '.join(stale)} are not those of {TABLE.name}: make kill-matrix"
    assert not was.unexplained
    assert set(was.equal) <= {mutant.name for mutant in mutants()}


def test_what_changed_and_a_rotating_part_are_killed_again() -> None:
    was = committed(TABLE.read_text())
    attacked = dict.fromkeys((*changed(was), *rotating(ROTATING)))
    alive = [mutant for mutant in attacked if mutant.name not in was.equal]
    unexplained = [fate.mutant.name for fate in kill(alive) if not fate.explained]
    unexplained += [mutant.name for mutant in attacked if mutant.name in was.equal and not proof(mutant)]
    assert not unexplained


def test_what_the_tests_do_not_see_survives_and_what_is_equal_is_not_called_killed() -> None:
    blind = Selection({"D2": BLIND, "A15": BLIND}, ())
    wrong, equal = sorted(kill([WRONG, EQUAL], blind), key=lambda fate: bool(fate.proof))
    assert wrong == Fate(WRONG, SURVIVED)
    assert not wrong.explained
    assert equal == Fate(EQUAL, SURVIVED, proof="symbols")
    assert equal.explained


def test_a_test_that_fails_on_the_text_kills_nothing() -> None:
    with pytest.raises(Unsound, match="expected every test to pass on the unaltered text"):
        list(kill([WRONG], Selection({"D2": ("tests/reference/test_losses.py::test_that_is_not_there",)}, ())))


def test_no_test_that_edits_the_text_may_kill() -> None:
    tests = {test for of in selection().named.values() for test in of} | set(selection().rest)
    assert "tests/reference/test_updates.py::test_U3_U5_U6_sgd" in tests
    assert "tests/reference/properties/test_zeros.py::test_a_dead_unit_has_a_gradient_of_exactly_zero" in tests
    editing = (
        "test_updates.py::test_planted_mistake_leaves_the_bound",
        "properties/test_symmetries.py::test_a_unit_that_counts_by_its_place_is_found",  # by what stands beside it
    )
    assert not tests & {f"tests/reference/{test}" for test in editing}
    assert set(selection().named) == set(digests())


@pytest.mark.parametrize(
    ("label", "change", "how"),
    [
        ("A15", "z -> (-z)", "symbols"),  # |-z| is |z|
        ("L3", "1 -> 2", "symbols"),  # 0 log 2 is 0
        ("D10", "0 -> 1", "symbols"),  # e^0 is 1
        ("A23", "z < -self.lambd -> (-self.lambd < z)", ""),
        ("D2", "g * (a * (1 - a)) -> (a * (1 - a))", ""),
        ("A16", "self.min_val -> (self.min_val + 1)", ""),
        ("G8", "self.delta -> (2 * self.delta)", ""),
        ("U7", "g * g -> g", ""),
    ],
)
def test_what_is_proved_equal_is_equal(label: str, change: str, how: str) -> None:
    of = [mutant for mutant in mutants() if mutant.label == label and mutant.name.endswith(f": {change}")]
    proofs = {proof(mutant) for mutant in of}
    assert how in proofs
    assert how or proofs == {""}


def test_a_table_cut_short_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "KILLS.md"
    place.write_text("old")
    monkeypatch.setattr(attack, "TABLE", place)
    monkeypatch.setattr(attack, "_fates", lambda *_: [Fate(WRONG, ASSERTION, "test_D2")])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            attack.kill_matrix(Console(file=StringIO()))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"KILLS.md": "old"}
    assert attack.kill_matrix(Console(file=StringIO())) == 0
    assert committed(place.read_text()).digests == {"D2": digests()["D2"]}


def interrupted(_: int) -> None:
    raise KeyboardInterrupt


def test_a_table_reads_back() -> None:
    fates = [Fate(mutant, ASSERTION, "test_D2") for mutant in mutants() if mutant.label == "D2"]
    fates += [Fate(EQUAL, SURVIVED, proof="symbols"), Fate(WRONG, SURVIVED)]
    read = committed(table(fates))
    assert read.digests == {label: digests()[label] for label in ("A15", "D2")}
    assert read.equal == {EQUAL.name: "symbols"}
    assert read.unexplained == (WRONG.name,)
