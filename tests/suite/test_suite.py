"""Random problems in shards: what they add up to, what a violation leaves, and what ends a run early."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import reduce
from itertools import chain
from pathlib import Path

import pytest
import torch

from conformance.bounds.lifted import lifted
from conformance.judge.equations import local
from conformance.judge.judgement import Judgement
from conformance.judge.verdict import Tally
from conformance.problems.problem import Answer, Architecture, Problem, fill
from conformance.problems.wire import parse_problem
from conformance.subjects.correct import another
from conformance.subjects.faults import FAULTS
from conformance.subjects.reference import reference_answer
from conformance.suite import shards, suite
from conformance.suite.floors import floors
from conformance.suite.report import by_kind, expected
from conformance.suite.shards import SIZE, Broken, read, run_in_shards, written
from conformance.suite.suite import NONE, REACHES, Key, Shard, examine, run, tallied, together
from conformance.text.edits import planted
from reference import HalfSquaredError, Identity, Tanh


def faulty(name: str) -> Callable[[Problem], Answer]:
    """The reference with that mistake planted."""
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    text = planted(*fault.edits)
    return lambda problem: reference_answer(problem, text)


@pytest.fixture(scope="module")
def violating() -> Shard:
    """The first shard of seed 0, where hidden errors lack the derivative."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(suite.SUBJECTS, "reference", faulty("hidden-derivative-missing"))
        return run(SIZE, "0, 0")


def ignored(_: Shard) -> None:
    pass


def test_a_shard_adds_up_what_its_problems_come_to() -> None:
    shard = run(12, "a seed")
    assert written(shard) == written(run(12, "a seed"))
    assert shard.architectures != run(12, "another").architectures
    assert (shard.problems, shard.counterexample) == (12, None)
    assert 8 < len(shard.architectures) <= 12
    for kind in ("loss", "layers", "dtype", "reduction", "W", "x", "y"):
        assert sum(times for (of_kind, _), times in shard.reached.items() if of_kind == kind) == 12
    assert shard.reached["equation", "B3"] == 12
    assert {key.reach for key in shard.tallies} == set(REACHES)
    assert by_kind(shard)["equation"]["L3"] == 0
    counts = by_kind(shard)
    assert not [(kind, name) for kind, name in shard.reached if name not in counts[kind]]
    assert set(counts) == set(expected())


def test_tallies_add_the_judgements_of_a_key(violating: Shard) -> None:
    assert violating.counterexample is not None
    found = list(examine(parse_problem(violating.counterexample.problem)))
    tallies = tallied([*found, *found])
    for subject, reach, j in found:
        tally = tallies[Key(subject, reach, j.equation, j.layer, j.dtype)]
        assert (tally.elements, tally.undecided) == (2 * j.elements, 2 * j.undecided)
        assert repr(tally.worst) == repr(j)


def test_what_is_written_is_read_again(violating: Shard) -> None:
    assert violating.counterexample is not None
    assert written(read(written(violating))) == written(violating)
    assert repr(read(written(violating)).counterexample) == repr(violating.counterexample)  # NaN and all
    assert read(written(NONE)) == NONE


def test_shards_add_up_in_any_grouping() -> None:
    p, q, r = (run(4, seed) for seed in range(3))
    assert written(together(NONE, p)) == written(together(p, NONE)) == written(p)
    assert written(together(together(p, q), r)) == written(together(p, together(q, r)))
    both = together(p, q)
    assert both.problems == 8
    assert both.reached["equation", "B3"] == 8
    for key in {*p.tallies, *q.tallies}:
        parts = [of.tallies[key] for of in (p, q) if key in of.tallies]
        assert both.tallies[key].elements == sum(part.elements for part in parts)
        assert repr(both.tallies[key].worst) == repr(max((part.worst for part in parts), key=lambda j: j.margin))


def test_of_two_counterexamples_the_first_counts(violating: Shard) -> None:
    assert violating.counterexample is not None
    other = NONE._replace(counterexample=violating.counterexample._replace(eta=0.0))
    assert together(other, violating).counterexample is other.counterexample
    assert together(violating, other).counterexample is violating.counterexample


def test_another_right_program_is_judged_and_its_equations_alone_if_it_recurs_as_documented() -> None:
    sigmas, patterns, met = (Tanh(), Identity()), ("generic", "generic", "generic"), set[bool]()
    for seed in range(40):
        problem = fill(Architecture((2, 2, 1), sigmas, HalfSquaredError(), "sum", 1, "float64", patterns, seed, 0.1))
        program = another(problem)
        if program is not None and program.recursive not in met:
            met.add(program.recursive)
            reaches = {finding.reach for finding in examine(problem) if finding.subject == suite.OTHERS}
            assert reaches == (set(REACHES) if program.recursive else set(REACHES) - {"alone"}), program.name
    assert met == {True, False}


def test_a_violation_is_small_and_reproduces(monkeypatch: pytest.MonkeyPatch, violating: Shard) -> None:
    assert violating.counterexample is not None
    assert violating.problems <= SIZE
    problem = parse_problem(violating.counterexample.problem, violating.counterexample.eta)
    assert len(problem.network) == 2  # one hidden layer
    assert max(problem.x.size, *(layer.W.size for layer in problem.network)) <= 9
    assert not [finding for finding in examine(problem) if finding.judgement.wrong]
    monkeypatch.setitem(suite.SUBJECTS, "reference", faulty("hidden-derivative-missing"))
    again = [finding for finding in examine(problem) if finding.judgement.wrong]
    assert repr(tuple(again)) == repr(violating.counterexample.judged)
    assert {finding.subject for finding in again} == {"reference"}
    assert {(j.equation, j.layer) for _, reach, j in again if reach == "alone"} == {("B2", 1)}
    counted = {key: tally.wrong for key, tally in violating.tallies.items() if tally.wrong}
    assert counted == {Key(name, reach, j.equation, j.layer, j.dtype): j.wrong for name, reach, j in again}


@pytest.mark.thorough
def test_a_violation_that_shows_only_once_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "CANDIDATES", 3)
    wrong, shown = faulty("hidden-derivative-missing"), 0

    def once(problem: Problem) -> Answer:
        nonlocal shown
        if shown:
            return reference_answer(problem)
        answer = wrong(problem)
        shown += any(judgement.wrong for judgement in local(lifted(problem), answer))
        return answer

    monkeypatch.setitem(suite.SUBJECTS, "reference", once)
    assert run(SIZE, "0, 0").counterexample is not None


def test_shrinking_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "CANDIDATES", 3)
    wrong, asked = faulty("hidden-derivative-missing"), list[bool]()

    def counted(problem: Problem) -> Answer:
        answer = wrong(problem)
        asked.append(any(judgement.wrong for judgement in local(lifted(problem), answer)))
        return answer

    monkeypatch.setitem(suite.SUBJECTS, "reference", counted)
    assert run(SIZE, "0, 0").counterexample is not None
    assert len(asked) - asked.index(True) <= 1 + 3


def test_the_run_ends_with_the_first_shard_that_has_a_violation(
    monkeypatch: pytest.MonkeyPatch, violating: Shard
) -> None:
    came: list[int] = []
    monkeypatch.setattr("conformance.suite.properties.run", lambda count, seed: violating if seed == "0, 2" else NONE)
    total = run_in_shards(10 * SIZE, 0, 0, lambda so_far: came.append(so_far.problems))
    assert repr(total.counterexample) == repr(violating.counterexample)
    assert came == [0, 0, violating.problems]


def test_shards_are_drawn_from_their_numbers_and_the_last_is_what_is_left() -> None:
    asked = shards.shards(2 * SIZE + 3, 7)
    assert [shard.problems for shard in asked] == [SIZE, SIZE, 3]
    assert len({shard.seed for shard in asked} | {shard.seed for shard in shards.shards(2 * SIZE, 8)}) == 5


def report_of(number: int, shard: Shard | None, outcome: str = "passed") -> pytest.TestReport:
    properties = [("shard", written(shard))] if shard else []
    name = f"properties.py::test_every_equation_is_within_its_bound[{number}]"
    longrepr = "it broke" if outcome == "failed" else None
    return pytest.TestReport(
        name, ("", 0, ""), {}, outcome, longrepr, "call", user_properties=properties  # type: ignore[arg-type]
    )


def test_shards_are_added_up_in_their_order_whenever_they_come() -> None:
    of_shards = [run(3, seed) for seed in range(5)]
    came: list[int] = []
    gathering = shards._Gathering(lambda so_far: came.append(so_far.problems))
    numbers = list(range(5))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        gathering.pytest_runtest_logreport(report_of(number, of_shards[number]))
    assert written(gathering.total) == written(reduce(together, of_shards))
    assert came == [3, 6, 9, 12, 15]


def test_a_shard_that_fails_ends_the_run() -> None:
    gathering = shards._Gathering(ignored)
    with pytest.raises(pytest.exit.Exception):
        gathering.pytest_runtest_logreport(report_of(0, None, "failed"))
    assert gathering.broken == "it broke"


def test_a_subject_that_fails_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(problem: Problem) -> Answer:
        raise ZeroDivisionError("by the subject")

    monkeypatch.setitem(suite.SUBJECTS, "twin", failing)
    with pytest.raises(Broken, match="ZeroDivisionError: by the subject"):
        run_in_shards(SIZE, 0, 0, ignored)


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    before, threads = dict(os.environ), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        run_in_shards(1, 0, 0, ignored)
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert dict(os.environ) == before


SCRIPT = """
import sys
from conformance.suite.shards import run_in_shards
if __name__ == "__main__":
    run_in_shards(10_000, 0, 2, lambda so_far: print(so_far.problems, flush=True))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups")
def test_an_interrupt_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) > 0  # both workers are at it
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert complaints.rstrip().endswith("KeyboardInterrupt")
    assert complaints.count("Traceback") == 1  # the script's own
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert os.listdir(tmp_path) == ["script.py"]


def test_floors_on_generic_problems() -> None:
    """Each equation alone: in float64 1e-11; in float32 1e-4 at width 64, 2e-3 at width 784."""
    found = list(floors())
    assert {floor.reach for floor in found} == set(REACHES)
    for floor in found:
        if floor.reach == "alone":
            limit = 1e-11 if floor.dtype == "float64" else 1e-4 if floor.widths[0] == 64 else 2e-3
            assert 0 < floor.floor <= limit, floor


def test_records_hold_plain_values() -> None:
    """What a judgement or a tally holds is what `read` restores."""
    shard = run(2, "1")
    for tally in shard.tallies.values():
        assert isinstance(tally, Tally)
        assert isinstance(tally.worst, Judgement)
        for value in chain(tally, tally.worst):
            assert isinstance(value, int | float | str | tuple | dict | Judgement)
