"""The bench measures what it says: the same step on either side."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from conformance.arrays import Network
from conformance.bench import bench, costs, operations
from conformance.bounds.lifted import lifted
from conformance.command import app
from conformance.judge.equations import end_to_end
from conformance.problems.problem import Parameters, Problem
from conformance.subjects import twin
from conformance.subjects.reference import reference_answer
from reference import loss_and_gradients, update

SMALL = bench.SIZES[:2]


@pytest.mark.parametrize("size", SMALL, ids=str)
def test_the_step_is_the_references(size: bench.Size) -> None:
    numbers = bench.case(size)
    network, _ = bench.step(numbers)
    network_, x, y, loss = numbers
    evaluation = loss_and_gradients(network_, x, y, loss, "mean")
    expected = update(network_, evaluation.gradients, bench.ETA)
    for ours, theirs in zip(network, expected, strict=True):
        assert ours.W.tobytes() == theirs.W.tobytes()
        assert ours.b.tobytes() == theirs.b.tobytes()
    assert bench.memory(size).ratio > 1


@pytest.mark.parametrize("name", ["on tensors", "under jax.jit"])
@pytest.mark.parametrize("size", SMALL, ids=str)
def test_the_text_in_other_libraries_takes_the_same_step(size: bench.Size, name: str) -> None:
    numbers = bench.case(size)
    problem = Problem(*numbers, "mean", bench.ETA)
    stepped: Any = bench.TEXTS[name](numbers)()
    updated = tuple(Parameters(np.asarray(W), np.asarray(b)) for W, b in stepped)
    answer = reference_answer(problem)._replace(updated=updated)
    judged = [j for (j,) in end_to_end(lifted(problem), answer) if j.equation in ("U1", "U2")]
    assert judged
    assert not [j for j in judged if j.wrong]


@pytest.mark.parametrize("size", SMALL, ids=str)
def test_pytorchs_step_is_the_same(size: bench.Size, monkeypatch: pytest.MonkeyPatch) -> None:
    """After PyTorch's step the weights are within the reference's bound, carried from x."""
    numbers = bench.case(size)
    kept: list[list[tuple[torch.Tensor, torch.Tensor]]] = []
    tensors = twin.tensors

    def keeping(network: Network) -> list[tuple[torch.Tensor, torch.Tensor]]:
        kept.append(tensors(network))
        return kept[-1]

    monkeypatch.setattr(twin, "tensors", keeping)
    bench.eager(numbers)()
    problem = Problem(*numbers, "mean", bench.ETA)
    stepped = tuple(Parameters(W.detach().numpy(), b.detach().numpy()) for W, b in kept[0])
    (first, *_), answer = stepped, reference_answer(problem)
    assert (first.W != numbers.network[0].W).any()
    judged = [j for (j,) in end_to_end(lifted(problem), answer._replace(updated=stepped)) if j.equation in ("U1", "U2")]
    assert judged
    assert not [j for j in judged if j.wrong]


def test_bench_writes_a_table_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIZES", bench.SIZES[:1])
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.setattr(costs, "SIZES", (costs.Size((24, 24, 16), "float32"),))
    monkeypatch.setattr(costs, "ROUNDS", 1)
    monkeypatch.setattr(operations, "LARGE", (operations.LARGE[0]._replace(shapes=((6, 4),) * 3),))
    monkeypatch.setattr(operations, "SMALL", (operations.SMALL[1]._replace(shapes=((3, 4), (4,), (4,))),))
    monkeypatch.setattr(costs, "COMPARED", costs.Size((3, 4, 2), "float64"))
    monkeypatch.delitem(bench.RIVALS, "torch.compile")
    monkeypatch.delitem(bench.RIVALS, "JAX jit")
    monkeypatch.delitem(bench.TEXTS, "under torch.compile")
    done = CliRunner().invoke(app, ["bench", "--json", str(tmp_path / "bench.json")])
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert set(figures["rows"][0]["ratios"]) == {
        "PyTorch eager",
        "own products",
        "checked door",
        "on tensors",
        "under jax.jit",
    }
    assert all(ratio > 0 for ratio in figures["rows"][0]["ratios"].values())
    assert figures["memory"]["ratio"] > 1
    assert figures["judging"][0]["verdict"] == "CONFORMS"
    assert figures["judging"][0]["questions"] <= 30
    assert figures["gradcheck"]["parameters"] == 3 * 4 + 4 + 4 * 2 + 2
    large, small = figures["operations"]
    assert [row["verdict"] for row in (large, small)] == ["CONFORMS", "CONFORMS"]
    assert (large["gradcheck"], small["gradcheck"] > 0) == (None, True)
    assert (large["operation"], small["numbers"]) == ("attention of 6 by 4, float32", 3 * 4 + 4 + 4)
    assert CliRunner().invoke(app, ["bench", "--json", "no/such/folder/bench.json"]).exit_code == 2
