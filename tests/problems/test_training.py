"""Trainings as the protocol's request ``train``: to the same bits and back, and refused where they are none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import Problem
from conformance.problems.problem import Architecture, fill
from conformance.problems.training import Training, one_step, parse_training, read, said, save_training, training_json
from conformance.problems.wire import Malformed, Refused, parse_trained
from reference import SGD, UPDATES, Adam, HalfSquaredError, LeakyReLU, RMSprop, Rule, Sigmoid, update_rule

GENERIC = ("generic", "generic", "generic")


def problem(dtype: str = "float32", batch: int = 3, seed: int = 0) -> Problem:
    sigmas = (LeakyReLU(0.25), Sigmoid())
    return fill(Architecture((3, 4, 2), sigmas, HalfSquaredError(), "mean", batch, dtype, GENERIC, seed, 0.125))


def training(rule: Rule, dtype: str = "float32") -> Training:
    first, second = problem(dtype), problem(dtype, 1, 1)
    batches = ((first.x, first.y), (second.x, second.y))
    return Training(first.network, batches, first.loss, first.reduction, rule)


RULES = [
    *(update_rule(name, **({"eta": 0.1} if name == "sgd" else {})) for name in UPDATES),
    SGD(0.1, 0.9, nesterov=True), Adam(0.01, amsgrad=True, weight_decay=1e-3), RMSprop(centered=True),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", RULES, ids=said)
def test_a_training_comes_back_to_the_same_bits(rule: Rule, dtype: str) -> None:
    asked = training(rule, dtype)
    text = training_json(asked, 5)
    back = parse_training(text)
    assert training_json(back, 5) == text
    assert (back.rule, back.dtype, back.loss, back.reduction) == (rule, asked.dtype, asked.loss, asked.reduction)
    for given, came in zip(asked.batches, back.batches, strict=True):
        assert all(map(np.array_equal, given, came))
    for layer, same in zip(asked.network, back.network, strict=True):
        assert np.array_equal(layer.W, same.W)
        assert np.array_equal(layer.b, same.b)


def test_what_is_zero_or_false_is_left_out() -> None:
    assert json.loads(training_json(training(SGD(0.1))))["update"] == {"name": "sgd", "eta": 0.1}
    update = json.loads(training_json(training(Adam(0.01, amsgrad=True))))["update"]
    assert update == {"name": "adam", "eta": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "amsgrad": True}


REFUSED: dict[str, Any] = {
    "update: update rule: expected one of": {"update": {"name": "sgf"}},
    "update: update rule sgd: expected a value for eta": {"update": {"name": "sgd"}},
    "update.momentum": {"update": {"name": "sgd", "eta": 1, "momentum": "0.9"}},
    "batches: List should have at least 1 item": {"batches": []},
    "batches[0]: ": {"batches": [{"x": [[1, 2]], "y": [[1, 2]]}]},
    "cmd: ": {"cmd": "gradients"},
}


@pytest.mark.parametrize("said_of_it", REFUSED)
def test_what_is_no_training_is_refused(said_of_it: str) -> None:
    altered = json.loads(training_json(training(SGD(0.1)))) | REFUSED[said_of_it]
    with pytest.raises(Malformed) as refused:
        parse_training(json.dumps(altered))
    assert str(refused.value).startswith(said_of_it), refused.value


def test_a_file_says_what_it_asks(tmp_path: Path) -> None:
    asked = training(Adam())
    path = save_training(tmp_path, asked)
    back = read(path)
    assert isinstance(back, Training)
    assert training_json(back) == training_json(asked)
    path.write_text(path.read_text().replace("0.999", "\"0.999\""))
    with pytest.raises(Malformed, match=f"^{path}: update"):
        read(path)


def test_a_step_is_a_training_of_one_batch() -> None:
    asked = one_step(problem(), 2.0**40)
    assert (len(asked.batches), asked.rule) == (1, SGD(2.0**40))
    assert asked.prefix(1).batches == asked.batches


def test_answers_are_read_in_the_shapes_of_the_network() -> None:
    network = problem().network
    layers = [{"W": W.tolist(), "b": b.tolist()} for W, b, _ in network]
    layers[0]["b"][1] = "NaN"
    after = parse_trained(json.dumps({"id": 4, "layers": layers}), network, 4)
    assert np.isnan(after[0].b[1])
    assert np.array_equal(after[1].W, network[1].W)
    assert after[0].W.dtype == np.float32
    for wrong, said_of_it in (
        ({"id": 5, "layers": layers}, "id: expected 4, got 5"),
        ({"id": 4, "layers": layers[:1]}, "layers: expected a list of 2"),
        ({"id": 4, "layers": layers[::-1]}, r"layers\[0\].W: expected shape"),
        ({"id": 4}, "expected the field 'layers'"),
    ):
        with pytest.raises(Malformed, match=said_of_it):
            parse_trained(json.dumps(wrong), network, 4)
    with pytest.raises(Refused, match="unsupported: no"):
        parse_trained(json.dumps({"id": 4, "unsupported": "no"}), network, 4)
