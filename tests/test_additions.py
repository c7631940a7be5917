"""Whoever adds an activation adds it in one place: added at run time, it is seen in every other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import find, settings
from torch import nn

import reference
from conformance import by_autograd, check, check_pullback, probe, probe_torch
from conformance.arrays import Array
from conformance.problems.problem import Architecture, GivenAnswer, Parameters, Problem, fill
from conformance.problems.strategies import activations, architectures
from conformance.problems.wire import parse_problem, problem_json
from conformance.subjects import twin
from conformance.subjects.correct import PROGRAMS
from conformance.subjects.reference import reference_answer
from conformance.suite.report import by_kind
from conformance.suite.suite import examine, run
from reference import ACTIVATIONS, HalfSquaredError, Layer, Tanh
from reference.functions import exp

QUIET = settings(max_examples=500, database=None, derandomize=True, deadline=None)


@dataclass(frozen=True)
class Gaussian:
    """An activation that neither the reference nor PyTorch has."""

    beta: float = 1

    def apply(self, z: Array) -> Array:
        """A bell."""
        return exp(-self.beta * z * z)                     # (A99)  sigma(z) = e^(-beta z^2)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """Its slope."""
        return g * (-2 * self.beta * z * a)                # (D99)  sigma'(z) = -2 beta z a


@pytest.fixture(autouse=True)
def _added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIVATIONS, "gaussian", Gaussian)


def problem(dtype: str = "float64") -> Problem:
    sigmas = (Gaussian(), Gaussian(0.5), Tanh())
    return fill(
        Architecture((3, 5, 4, 2), sigmas, HalfSquaredError(), "mean", 3, dtype, ("generic",) * 3, seed=1, eta=0.5)
    )


def doubled(answer: GivenAnswer) -> GivenAnswer:
    """With the first layer's gradients doubled, as if its sigma' were."""
    (first, *rest) = answer.gradients
    return GivenAnswer((Parameters(2 * first.W, 2 * first.b), *rest))


def test_by_its_name() -> None:
    assert reference.activation("gaussian", beta=2) == Gaussian(2)
    with pytest.raises(ValueError, match=r"activation gaussian: expected the parameters \(beta\), got 'alpha'"):
        reference.activation("gaussian", alpha=2)
    with pytest.raises(ValueError, match="gaussian: beta: expected a number above 0"):
        reference.activation("gaussian", beta=0)


def test_in_a_training_and_in_a_file(tmp_path: Path) -> None:
    asked = problem()
    rule = reference.SGD(0.5)
    result = reference.train(asked.network, asked.x, asked.y, asked.loss, "mean", rule=rule, epochs=20)
    assert result.history[-1].loss < result.history[0].loss
    reference.save(tmp_path / "network.npz", asked.network)
    loaded: Any = reference.load(tmp_path / "network.npz")
    assert [layer.sigma for layer in loaded] == [layer.sigma for layer in asked.network]


def test_on_the_wire() -> None:
    back = parse_problem(problem_json(problem()))
    assert [layer.sigma for layer in back.network] == [Gaussian(), Gaussian(0.5), Tanh()]


def test_in_what_is_drawn() -> None:
    assert find(activations(), lambda sigma: sigma == Gaussian(), settings=QUIET)
    assert find(activations(), lambda sigma: isinstance(sigma, Gaussian) and sigma.beta != 1, settings=QUIET)
    assert find(architectures(), lambda drawn: Gaussian() in drawn.activations, settings=QUIET)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_judged_with_everybody_who_is_asked(dtype: str) -> None:
    asked = problem(dtype)
    assert not [found for found in examine(asked) if found.judgement.wrong]
    right = reference_answer(asked)
    of_twin = twin.twin_answer(asked)
    assert of_twin.gradients[0].W.any()
    for program in PROGRAMS:
        if program.applies(asked):
            report = check(asked, GivenAnswer(program.answer(asked).gradients))
            assert report.verdict == "CONFORMS", f"{program.name}\n{report}"
    assert check(asked, doubled(GivenAnswer(right.gradients))).verdict == "WRONG"


def test_in_a_run_and_its_report(whole: bool) -> None:
    shard = run(120 if whole else 40, seed=3)
    assert shard.counterexample is None
    assert by_kind(shard)["activation"]["gaussian"] > 0


def test_as_one_operation() -> None:
    z = np.array([[0.5, -1.25, 0.0], [2.0, -0.125, 3.0]])
    for named in ("gaussian", "A99", "D99"):
        assert check_pullback(named, lambda z, g: -2 * g * z * np.exp(-z * z), z).verdict == "CONFORMS"
    report = check_pullback(Gaussian(0.5), lambda z, g: -2 * g * z * np.exp(-z * z / 2), z)
    assert (report.verdict, report.findings[0].equation) == ("WRONG", "D99")
    assert check_pullback("gaussian", by_autograd(lambda z: torch.exp(-z * z)), torch.tensor(z)).verdict == "CONFORMS"


def test_asked_by_the_oracle() -> None:
    def subject(network: Any, x: Array, y: Array) -> Any:
        network = tuple(Layer(*layer) for layer in network)
        _, gradients = reference.value_and_gradients(network, x, y, HalfSquaredError(), "sum")
        return [(gradient.W, gradient.b) for gradient in gradients]

    def with_a_mistake(network: Any, x: Array, y: Array) -> Any:
        (dW, db), *rest = subject(network, x, y)
        return [(dW, db), *rest] if not rest else [(2 * dW, 2 * db), *rest]

    assert probe(subject, hidden="gaussian").verdict == "CONFORMS"
    report = probe(with_a_mistake, hidden="gaussian")
    assert (report.verdict, report.findings[0].equation, report.findings[0].layer) == ("WRONG", "B2", 1)


class Bell(nn.Module):
    """The same, as a module."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """A bell."""
        return torch.exp(-z * z)


def test_in_a_module() -> None:
    network = nn.Sequential(nn.Linear(4, 7), Bell(), nn.Linear(7, 5)).double()
    assert probe_torch(network, nn.MSELoss(), activations={Bell: "gaussian"}).verdict == "CONFORMS"
