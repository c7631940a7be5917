"""Conventions: what people choose on purpose is no mistake where nothing is declared, and is said first where it is."""

from typing import Any

import numpy as np
import pytest

from conformance import GivenAnswer, check, probe
from conformance.arrays import Array, Network
from conformance.subjects.reference import reference_answer
from reference import HalfSquaredError, Layer, forward, loss_and_gradients
from tests.oracle.network.answers import problem
from tests.oracle.network.functions import Gradients, by_dtype, right

pytestmark = pytest.mark.sampled(4)

LAMBDA = 1 / 100


def averaged(network: Network, x: Array, y: Array) -> Gradients:
    """The mean over samples and outputs, as PyTorch's losses take it."""
    by = x.dtype.type(y.size)
    return [(W / by, b / by) for W, b in right(network, x, y)]


def over_outputs(network: Network, x: Array, y: Array) -> Gradients:
    by = x.dtype.type(y.shape[1])
    return [(W / by, b / by) for W, b in right(network, x, y)]


def over_samples(network: Network, x: Array, y: Array) -> Gradients:
    gradients = loss_and_gradients(network, x, y, HalfSquaredError(), "mean").gradients
    return [(gradient.W, gradient.b) for gradient in gradients]


def penalised(network: Network, x: Array, y: Array) -> Gradients:
    factor = x.dtype.type(LAMBDA)
    return [(dW + factor * W, db) for (dW, db), (W, _, _) in zip(right(network, x, y), network, strict=True)]


def penalised_biases(network: Network, x: Array, y: Array) -> Gradients:
    factor = x.dtype.type(LAMBDA)
    return [(dW, db + factor * b) for (dW, db), (_, b, _) in zip(penalised(network, x, y), network, strict=True)]


SAID = {
    over_samples: "Right if reduction='mean'.",
    over_outputs: "Right if the loss is averaged over the outputs too, as a mean over all elements is: say",
    averaged: "Right if the loss is averaged over the outputs too, as a mean over all elements is, with reduction=",
    penalised: "Right if the objective holds a penalty on the weights: dL/dW is 0.01 W more",
    penalised_biases: "Right if the objective holds a penalty on the weights and biases: dL/dW is 0.01 W more",
}


@by_dtype
@pytest.mark.parametrize("function", SAID, ids=lambda function: function.__name__)
def test_what_explains_every_number_is_said_first(function: Any, dtype: str) -> None:
    report = probe(function, dtype=dtype, hidden="tanh")
    assert report.verdict == "WRONG"
    assert report.findings[0].explanation.startswith(SAID[function]), f"\n{report}"


@by_dtype
def test_what_explains_but_some_numbers_is_not_said(dtype: str) -> None:
    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        gradients = over_samples(network, x, y)
        gradients[0][0][0, 0] *= 2
        return gradients

    report = probe(wrong, dtype=dtype)
    assert report.verdict == "WRONG"
    assert "Right if" not in report.findings[0].explanation


def test_of_a_given_answer_it_is_said_too() -> None:
    given = problem(batch=3)
    other: Any = {"sum": "mean", "mean": "sum"}[given.reduction]
    report = check(given, GivenAnswer(reference_answer(given._replace(reduction=other)).gradients))
    assert report.verdict == "WRONG"
    assert report.findings[0].explanation.startswith(f"Right if reduction={other!r}."), f"\n{report}"


def through(network: Network, x: Array, y: Array, delta: Any) -> Gradients:
    """The documented recursion below a delta of the last layer that somebody's head gives."""
    steps, gradients = forward(network, x), []
    d = delta(steps[-1].z, steps[-1].a, y).astype(x.dtype)
    for l in range(len(network) - 1, -1, -1):
        gradients.append((d.T @ steps[l].a_prev, d.sum(axis=0)))
        if l:
            below: Layer[Array] = network[l - 1]
            d = below.sigma.pullback(steps[l - 1].z, steps[l - 1].a, d @ network[l].W)
    return gradients[::-1]


def quotient(z: Array, a: Array, y: Array) -> Array:
    """Binary cross-entropy as textbooks chain it."""
    delta: Array = (a - y) / (a * (1 - a)) * (a * (1 - a))
    return delta


def by_classes(z: Array, a: Array, y: Array) -> Array:
    """The softmax without a shift, then -y / p, then the Jacobian."""
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    g = -y / p
    delta: Array = p * (g - (g * p).sum(axis=1, keepdims=True))
    return delta


TEXTBOOK = {quotient: ("sigmoid", "binary_cross_entropy"), by_classes: ("softmax", "cross_entropy")}


@by_dtype
@pytest.mark.parametrize("delta", TEXTBOOK, ids=lambda delta: delta.__name__)
def test_textbook_heads_are_right_on_ordinary_questions(delta: Any, dtype: str, whole: bool) -> None:
    output, loss = TEXTBOOK[delta]
    for seed in range(20 if whole else 3):
        report = probe(
            lambda network, x, y: through(network, x, y, delta), output=output, loss=loss, dtype=dtype, seed=seed
        )
        assert report.verdict == "CONFORMS", f"seed {seed}\n{report}"


@by_dtype
@pytest.mark.parametrize(("scale", "exact"), [(1024, True), (1000, False)])
def test_a_loss_scale_taken_out_at_the_end(scale: int, exact: bool, dtype: str, whole: bool) -> None:
    """Of a power of two it is the documented recursion; of any other it is right, and may look suspect."""

    def scaled(network: Network, x: Array, y: Array) -> Gradients:
        by = x.dtype.type(scale)
        above = network[-1].sigma
        gradients = through(network, x, y, lambda z, a, y: above.pullback(z, a, (a - y) * by))
        return [(W / by, b / by) for W, b in gradients]

    for seed in range(20 if whole else 3):
        report = probe(scaled, dtype=dtype, seed=seed, method="backpropagation" if exact else "any")
        assert report.verdict in (("CONFORMS",) if exact else ("CONFORMS", "SUSPECT")), f"seed {seed}\n{report}"
