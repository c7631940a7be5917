"""The bench measures what it says: the same step on either side."""

import json
import tracemalloc
from itertools import count
from pathlib import Path
from types import SimpleNamespace
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
from reference import forward, loss_and_gradients, update

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


def test_the_other_rivals_take_the_same_step() -> None:
    for size in SMALL:
        numbers = bench.case(size)
        expected, _ = bench.step(numbers)
        through: Any = bench.through_the_door(numbers)()
        assert [p.tobytes() for W, b, _ in through for p in (W, b)] == [
            p.tobytes() for W, b, _ in expected for p in (W, b)
        ]
        stepped: Any = bench.jax(numbers)()
        updated = tuple(Parameters(np.asarray(W), np.asarray(b)) for W, b in stepped)
        problem = Problem(*numbers, "mean", bench.ETA)
        answer = reference_answer(problem)._replace(updated=updated)
        judged = [j for (j,) in end_to_end(lifted(problem), answer) if j.equation in ("U1", "U2")]
        assert not [j for j in judged if j.wrong]


def test_the_floor_is_every_product_once() -> None:
    class Counting(np.ndarray[Any, Any]):
        products = 0

        def __array_ufunc__(self, ufunc: np.ufunc, method: Any, *inputs: Any, **options: Any) -> Any:
            Counting.products += ufunc is np.matmul
            plain = [p.view(np.ndarray) if isinstance(p, Counting) else p for p in inputs]
            return np.asarray(getattr(ufunc, method)(*plain, **options)).view(Counting)

    numbers = bench.case(SMALL[1])
    network = tuple(layer._replace(W=layer.W.view(Counting), b=layer.b.view(Counting)) for layer in numbers.network)
    run = bench.products(numbers._replace(network=network, x=numbers.x.view(Counting)))
    Counting.products = 0
    run()
    assert Counting.products == 3 * len(network) - 1


def ticking() -> SimpleNamespace:
    """A clock that is a second later whenever it is looked at."""
    ticks = count()
    return SimpleNamespace(perf_counter=lambda: float(next(ticks)))


def test_figures_are_what_they_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of one run; how much faster than the reference; bytes over those of trace and gradients."""
    with monkeypatch.context() as patch:
        patch.setattr(bench, "time", ticking())
        assert bench._seconds(lambda: None, 4) == 1 / 4
    monkeypatch.setattr(bench, "RIVALS", {"slower": lambda _: slower, "absent": lambda _: 1 / 0})
    monkeypatch.setattr(bench, "TEXTS", {})
    monkeypatch.setattr(bench, "_seconds", lambda run, _: 4.0 if run is slower else 1.0)
    row = bench.measure(SMALL[0])
    assert (row.seconds, row.ratios) == (1.0, {"slower": 1 / 4, "absent": None})
    numbers = bench.case(SMALL[0])
    needed = sum(s.z.nbytes + s.a.nbytes for s in forward(numbers.network, numbers.x))
    needed += sum(part.nbytes for gradient in bench.step(numbers)[1] for part in gradient)
    monkeypatch.setattr(tracemalloc, "get_traced_memory", lambda: (0, 3 * needed))
    assert bench.memory(SMALL[0]).ratio == 3


def slower() -> None:
    """Do nothing, as everybody whose seconds are made up."""


def test_costs_are_what_they_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge's seconds without the subject's, MiB, and each of the three compared in its turn."""
    size, calls = costs.Size((3, 4, 2), "float64"), list[str]()
    monkeypatch.setattr(costs, "time", ticking())
    _, watched, seconds = costs.probed(size)
    assert (watched.seconds, seconds) == (watched.calls, watched.calls + 1)
    monkeypatch.setattr(costs, "ROUNDS", 2)
    monkeypatch.setattr(tracemalloc, "get_traced_memory", lambda: (0, 3 * 2**20))
    assert costs.measure(size).peak == 3
    for name in ("check", "probe"):
        monkeypatch.setattr(costs, name, lambda *_, name=name, **__: calls.append(name))
    monkeypatch.setattr(costs, "gradcheck", lambda _: lambda: calls.append("gradcheck"))
    compared = costs.compared(size)
    assert calls == 2 * ["check", "probe", "gradcheck"]
    assert (compared.check, compared.probe, compared.gradcheck) == (1, 1, 1)


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
    assert not [ratio for ratio in figures["rows"][0]["ratios"].values() if not ratio > 0]
    assert figures["memory"]["ratio"] > 1
    assert figures["judging"][0]["verdict"] == "CONFORMS"
    assert figures["judging"][0]["questions"] <= 30
    assert figures["gradcheck"]["parameters"] == 3 * 4 + 4 + 4 * 2 + 2
    large, small = figures["operations"]
    assert [row["verdict"] for row in (large, small)] == ["CONFORMS", "CONFORMS"]
    assert (large["gradcheck"], small["gradcheck"] > 0) == (None, True)
    assert (large["operation"], small["numbers"]) == ("attention of 6 by 4, float32", 3 * 4 + 4 + 4)
    assert CliRunner().invoke(app, ["bench", "--json", "no/such/folder/bench.json"]).exit_code == 2
