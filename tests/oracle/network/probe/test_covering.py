"""Mistakes that show under one or two conditions alone: the covering array of questions meets each, in either dtype."""

from collections.abc import Callable
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from conformance import probe
from conformance.arrays import Array, Network
from conformance.oracle.network.asking.domain import Domain
from conformance.oracle.network.asking.questions import FACTORS, OF_ONE_SHAPE, QUESTIONS, Question, questions
from reference import HalfSquaredError, LeakyReLU, Sigmoid, Tanh, forward
from tests.oracle.network.functions import Gradients, by_dtype, right

pytestmark = pytest.mark.sampled(4)

Condition = Callable[[Network, Array], bool]


def widths(network: Network, x: Array) -> list[int]:
    return [x.shape[1], *(len(b) for _, b, _ in network)]


CONDITIONS: dict[str, Condition] = {
    "a hidden layer of one unit": lambda network, x: 1 in widths(network, x)[1:-1],
    "one input": lambda network, x: x.shape[1] == 1,
    "one output and one sample": lambda network, x: len(network[-1].b) == len(x) == 1,
    "any width of 2": lambda network, x: 2 in widths(network, x),
    "from 11 layers on": lambda network, x: len(network) >= 11,
    "above width 784": lambda network, x: max(widths(network, x)) > 784,
    "several samples and a width above 40": lambda network, x: len(x) > 1 and max(widths(network, x)) > 40,
    "several samples and more than 5 layers": lambda network, x: len(x) > 1 and len(network) > 5,
    "more than 3 samples and more than 2 layers": lambda network, x: len(x) > 3 and len(network) > 2,
    "equal rows": lambda network, x: len(np.unique(x, axis=0)) < len(x),
}
"""Where all gradients are twice what they should be."""


def doubled_where(condition: Condition) -> Callable[[Network, Array, Array], Gradients]:
    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        by = x.dtype.type(2 if condition(network, x) else 1)
        return [(by * W, by * b) for W, b in right(network, x, y)]

    return wrong


@by_dtype
@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_factor_that_shows_in_few_shapes(condition: str, dtype: str) -> None:
    report = probe(doubled_where(CONDITIONS[condition]), dtype=dtype)
    assert report.verdict == "WRONG", f"\n{report}"


@by_dtype
@pytest.mark.parametrize("dropped", [lambda B: B % 2 == 0, lambda B: B > 33], ids=["even batches", "above 33 samples"])
def test_the_last_sample_dropped(dropped: Callable[[int], bool], dtype: str) -> None:
    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        end = len(x) - dropped(len(x))
        return right(network, x[:end], y[:end])

    assert probe(wrong, dtype=dtype).verdict == "WRONG"


@by_dtype
@pytest.mark.parametrize("first", [2, 26])
def test_from_some_call_on(first: int, dtype: str) -> None:
    calls = 0

    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        nonlocal calls
        calls += 1
        by = x.dtype.type(2 if calls >= first else 1)
        return [(by * W, by * b) for W, b in right(network, x, y)]

    report = probe(wrong, dtype=dtype)
    assert report.verdict == "WRONG"
    assert report.findings[0].equation == "state"


@by_dtype
def test_another_slope_than_the_default(dtype: str) -> None:
    """What is wrong for other slopes is; what holds to its own slope, whatever the network says, is right."""

    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        by = x.dtype.type(2 if any(sigma != LeakyReLU() for _, _, sigma in network[:-1]) else 1)
        return [(by * W, by * b) for W, b in right(network, x, y)]

    def own(network: Network, x: Array, y: Array) -> Gradients:
        return right((*(layer._replace(sigma=LeakyReLU()) for layer in network[:-1]), network[-1]), x, y)

    assert probe(wrong, hidden="leaky_relu", dtype=dtype).verdict == "WRONG"
    report = probe(own, hidden="leaky_relu", dtype=dtype)
    assert report.verdict == "CONFORMS", f"\n{report}"
    assert any("It holds to its own parameters" in remark for remark in report.remarks), report.remarks


@by_dtype
@pytest.mark.parametrize("part", [np.s_[-1], np.s_[:, -1]], ids=["row", "column"])
@pytest.mark.parametrize("hidden", ["tanh", "relu"])
def test_a_last_row_or_column_that_is_zero_in_batches(hidden: str, part: Any, dtype: str) -> None:
    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        gradients = right(network, x, y)
        if len(x) > 1:
            gradients[0][0][part] = 0
        return gradients

    assert probe(wrong, hidden=hidden, widths=(784, 128, 10), dtype=dtype).verdict == "WRONG"


def of(dtype: str = "float64", **options: Any) -> Domain:
    return Domain([Tanh()], [(Sigmoid(), HalfSquaredError())], ["sum", "mean"], dtype, **options)


def test_there_are_as_many_questions_as_are_asked_for() -> None:
    assert len(questions(of(), 0)) == QUESTIONS
    assert len(questions(of(widths=(784, 128, 10)), 0)) == OF_ONE_SHAPE
    more = questions(of(), 0, 2 * QUESTIONS)
    assert len(more) == 2 * QUESTIONS
    assert [q.why for q in more[: QUESTIONS // 2]] == [q.why for q in questions(of(), 0)[: QUESTIONS // 2]]
    assert more[-1].again == 0


@pytest.mark.parametrize("seed", range(3))
def test_any_two_sizes_meet(seed: int) -> None:
    """Every pair of depth, outputs and samples that the array names is asked."""
    sizes: dict[str, Callable[[Question], int]] = {
        "layers": lambda q: len(q.widths) - 1,
        "inputs": lambda q: q.widths[0],
        "outputs": lambda q: q.widths[-1],
        "samples": lambda q: len(q.problem.x),
    }
    asked = questions(of(), seed)
    for p, q in combinations(sizes, 2):
        met = {(sizes[p](question), sizes[q](question)) for question in asked}
        wanted = set(product(FACTORS[p], FACTORS[q]))
        assert not wanted - met, f"{p} and {q} that are never asked together: {sorted(wanted - met)}"


@by_dtype
@pytest.mark.parametrize("seed", range(3))
def test_sums_of_ordinary_questions_are_moderate(seed: int, dtype: str) -> None:
    """So that textbook formulas keep their digits; one unit may be saturated."""
    for question in questions(of(dtype), seed):
        if question.kind == "ordinary":
            largest = [float(abs(step.z).max()) for step in forward(question.problem.network, question.problem.x)]
            assert max(largest) <= 32, f"{question.why}: {largest}"
            assert sum(z > 4 for z in largest) <= 1, f"{question.why}: {largest}"
