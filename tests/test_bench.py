"""The bench measures what it says: the same step on either side."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from conformance import bench, twin
from conformance.command import app
from reference import propagate, update
from reference.backpropagation import Network

SMALL = bench.SIZES[:2]


@pytest.mark.parametrize("size", SMALL, ids=str)
def test_the_step_is_the_references(size: bench.Size) -> None:
    numbers = bench.case(size)
    network, _ = bench.step(numbers)
    network_, x, y, loss = numbers
    evaluation = propagate(network_, x, y, loss, "mean")
    expected = update(network_, evaluation.gradients, bench.ETA)
    for ours, theirs in zip(network, expected, strict=True):
        assert ours.W.tobytes() == theirs.W.tobytes()
        assert ours.b.tobytes() == theirs.b.tobytes()
    assert bench.memory(size).ratio > 1


@pytest.mark.parametrize("size", SMALL, ids=str)
def test_pytorchs_step_is_the_same(size: bench.Size, monkeypatch: pytest.MonkeyPatch) -> None:
    """After one step of each, the weights are those of the reference to the roundings of such a step."""
    numbers = bench.case(size)
    kept: list[list[tuple[torch.Tensor, torch.Tensor]]] = []
    tensors = twin.tensors

    def keeping(network: Network) -> list[tuple[torch.Tensor, torch.Tensor]]:
        kept.append(tensors(network))
        return kept[-1]

    monkeypatch.setattr(twin, "tensors", keeping)
    bench.eager(numbers)()
    network, _ = bench.step(numbers)
    for layer, (W, b) in zip(network, kept[0], strict=True):
        u = float(np.finfo(size.dtype).eps)
        assert abs(layer.W - W.detach().numpy()).max() <= 2**8 * u
        assert abs(layer.b - b.detach().numpy()).max() <= 2**8 * u


def test_bench_writes_a_table_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIZES", bench.SIZES[:1])
    monkeypatch.setattr(bench, "ROUNDS", 1)
    monkeypatch.delitem(bench.RIVALS, "torch.compile")
    monkeypatch.delitem(bench.RIVALS, "JAX jit")
    done = CliRunner().invoke(app, ["bench", "--json", str(tmp_path / "bench.json")])
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "bench.json").read_text())
    assert set(figures["rows"][0]["ratios"]) == {"PyTorch eager", "own products", "checked door"}
    assert figures["memory"]["ratio"] > 1
    assert CliRunner().invoke(app, ["bench", "--json", "no/such/folder/bench.json"]).exit_code == 2
