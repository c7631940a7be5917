"""The suite finds the mistakes that people make, each planted in a copy of the text, in the equation it violates."""

import numpy as np
import pytest
from hypothesis import Phase, find, settings
from hypothesis import strategies as st

from conformance.bounds.lifted import lifted
from conformance.judge.equations import local
from conformance.judge.judgement import Judgement
from conformance.problems.problem import Answer, Architecture, Problem, fill
from conformance.problems.strategies import architectures
from conformance.subjects.faults import FAULTS, KEEPING, Accumulating, Fault, Stale
from conformance.subjects.reference import reference_answer
from conformance.text.edits import Edit, planted
from reference import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Identity,
    Layer,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    backward,
    forward,
)

pytestmark = pytest.mark.sampled(4)

SEARCH = settings(max_examples=2000, phases=(Phase.generate,), derandomize=True, database=None, deadline=None)

RARE = tuple(
    Architecture(widths, sigmas, loss, "sum", 8, "float64", (pattern,) * 3, 2, 0.1)
    for widths, sigmas, loss, pattern in (
        ((3, 4, 2), (ReLU(), ReLU()), HalfSquaredError(), "integers"),
        ((3, 4, 2), (LeakyReLU(), LeakyReLU()), HalfSquaredError(), "generic"),
        ((3, 4, 1), (Tanh(), Identity()), HalfSquaredError(), "generic"),
        ((3, 4, 2), (Tanh(), Sigmoid()), BinaryCrossEntropy(), "large"),
        ((3, 5, 4), (Softmax(), Softmax()), CrossEntropy(), "large"),
    )
)
"""What random problems seldom have: a z of exactly 0 or a slope below 0 in every layer, one output, saturated heads."""


def wrong(problem: Problem, answer: Answer) -> list[Judgement]:
    return [judgement for judgement in local(lifted(problem), answer) if judgement.wrong]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_planted_fault_is_found(fault: Fault, whole: bool) -> None:
    """A problem violates it, all its equations are violated in one problem or another, and no other ever is.

    Random problems alone are searched for it on the whole, else the rare ones among them.
    """
    text = planted(*fault.edits)

    def violated(architecture: Architecture) -> set[str]:
        problem = fill(architecture)
        with np.errstate(all="ignore"):  # a faulty text may overflow
            return {judgement.equation for judgement in wrong(problem, reference_answer(problem, text))}

    met = set[str]().union(*map(violated, RARE))

    def completes(architecture: Architecture) -> bool:
        found = violated(architecture)
        met.update(found)
        return bool(found) and met >= fault.equations

    drawn = architectures() if whole else st.sampled_from(RARE) | architectures()
    example = find(drawn, completes, settings=SEARCH)
    assert met == fault.equations
    assert not wrong(fill(example), reference_answer(fill(example)))


def small() -> Problem:
    """A network 2-2-3 with a batch of 3."""
    network = (
        Layer(np.array([[1.0, -2.0], [0.5, 0.25]]), np.array([1.0, -0.5]), ReLU()),
        Layer(np.array([[0.75, -1.25], [2.0, 3.0], [-1.0, 0.5]]), np.array([0.5, -0.25, 0.125]), Tanh()),
    )
    x, y = np.array([[1.0, 1.0], [3.0, -1.0], [-2.0, 5.0]]), np.arange(9.0).reshape(3, 3) / 7
    return Problem(network, x, y, HalfSquaredError(), "sum", 0.1)


@pytest.mark.parametrize("mistake", KEEPING)
def test_a_subject_that_keeps_something_is_found_in_the_second_call(mistake: type[Accumulating | Stale]) -> None:
    sigmas, patterns = (Tanh(), Sigmoid(), Identity()), ("generic", "generic", "generic")
    architecture = Architecture((3, 5, 4, 2), sigmas, HalfSquaredError(), "mean", 3, "float64", patterns, 1, 0.1)
    first, second = fill(architecture), fill(architecture._replace(seed=2))
    ask = mistake()
    assert not wrong(first, ask(first))
    assert wrong(second, ask(second))


def test_an_aliased_delta_changes_its_argument() -> None:
    """aliased-delta: computed in place over the cotangent; the reference leaves g as it is."""
    text = planted(Edit("B1", "np.positive(layer.sigma.pullback(z, a, g), out=g)"))
    problem = small()
    steps = forward(problem.network, problem.x)
    g = problem.y + 1
    for pull, unchanged in ((backward, True), (text.backward, False)):
        cotangent = g.copy()
        pull(problem.network, steps, cotangent)
        assert (cotangent == g).all() == unchanged


def test_a_copy_without_edits_answers_with_the_same_bits() -> None:
    problem = small()
    ours, copy = reference_answer(problem), reference_answer(problem, planted())
    for part in ("gradients", "trace", "updated"):
        for p, q in zip(getattr(ours, part), getattr(copy, part), strict=True):
            assert [array.tobytes() for array in p] == [array.tobytes() for array in q], part
    assert (ours.value, ours.input_gradient.tobytes()) == (copy.value, copy.input_gradient.tobytes())
