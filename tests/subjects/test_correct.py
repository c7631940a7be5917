"""Correct but different programs: whoever judges must never accuse them, and must see a mistake on any route."""

import hypothesis
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, event, find, given, settings

from conformance.bounds.lifted import lifted
from conformance.judge.equations import end_to_end, local, path
from conformance.judge.judgement import Judgement
from conformance.numbers.derivatives import FUNCTIONS
from conformance.problems.problem import Answer, Architecture, Parameters, Problem, fill
from conformance.problems.strategies import architectures
from conformance.subjects.correct import PROGRAMS, Program
from conformance.subjects.faults import FAULTS
from conformance.subjects.formulas import edited, summed
from conformance.subjects.reference import reference_answer
from conformance.subjects.routes import forward_mode, numbers, sample_by_sample
from reference import CrossEntropy, HalfSquaredError, Identity, Layer, Sigmoid, Softmax, Tanh

pytestmark = pytest.mark.sampled(4)

EXAMPLES = settings(
    max_examples=10,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.nested_given, HealthCheck.too_slow],
)
SEARCH = settings(max_examples=2000, phases=(Phase.generate,), derandomize=True, database=None, deadline=None)

DEEP, SHALLOW = architectures(depth=10, width=12), architectures(depth=3, width=4)
"""What recursive programs are asked, and what those that need a pass or a tangent for each parameter are."""

by_name = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


def drawn(program: Program, architecture: Architecture) -> Problem:
    """The problem of an architecture, with at least two samples, and not too many for the program."""
    return fill(architecture._replace(batch=min(max(architecture.batch, 2), 17 if program.recursive else 3)))


def answered(program: Program, problem: Problem) -> Answer | None:
    """The program's answer, if the problem is one that it applies to."""
    with np.errstate(all="ignore"):  # what overflows is the judge's to see
        return program.answer(problem) if program.applies(problem) else None


def accusations(problem: Problem, answer: Answer, alone: bool = True) -> list[Judgement]:
    """Every judgement that finds something wrong; ``alone`` with the bounds of single equations among them."""
    judged = [*path(lifted(problem), answer), *(judgement for (judgement,) in end_to_end(lifted(problem), answer))]
    return [judgement for judgement in (*judged, *(local(lifted(problem), answer) if alone else ())) if judgement.wrong]


@by_name
def test_is_never_accused(program: Program) -> None:
    """Alone (those that work by the recursion), along all paths, and from end to end; each asked other problems."""

    @hypothesis.seed(PROGRAMS.index(program))
    @EXAMPLES
    @given(DEEP if program.recursive else SHALLOW)
    def no_accusation(architecture: Architecture) -> None:
        problem = drawn(program, architecture)
        answer = answered(program, problem)
        event(f"{program.name}: {'not ' if answer is None else ''}asked")
        assert answer is None or not accusations(problem, answer, alone=program.recursive)

    no_accusation()


@by_name
def test_is_no_copy(program: Program) -> None:
    """Somewhere its bits are not the reference's."""

    def differs(architecture: Architecture) -> bool:
        problem = drawn(program, architecture)
        answer = answered(program, problem)
        if answer is None:
            return False
        pairs = zip(numbers(answer), numbers(reference_answer(problem)), strict=True)
        return any(p.tobytes() != q.tobytes() for p, q in pairs)

    find(SHALLOW, differs, settings=SEARCH)


def small(dtype: str = "float64") -> Problem:
    """A network 3-5-4-2 with a batch of 3."""
    sigmas, patterns = (Tanh(), Sigmoid(), Softmax()), ("generic", "generic", "generic")
    return fill(Architecture((3, 5, 4, 2), sigmas, CrossEntropy(), "mean", 3, dtype, patterns, 1, 0.1))


@by_name
def test_a_gradient_off_by_a_hundredth_is_found_on_any_route(program: Program) -> None:
    problem = small()
    answer = program.answer(problem)
    assert program.applies(problem)
    W, b = answer.gradients[1]
    wrong = (answer.gradients[0], Parameters(W, b * (1 + 1 / 100)), answer.gradients[2])
    found = accusations(problem, answer._replace(gradients=wrong), alone=program.recursive)
    assert {("B4", 2)} <= {(j.equation, j.layer) for j in found} <= {("B4", 2), ("U2", 2)}


SUMS = {
    "F1": "product(a_prev, W.T, b)",
    "B2": "product(delta, W)",
    "B3": "product(delta.T, a_prev)",
    "B4": "total(delta",
}


@pytest.mark.parametrize("order", ["loops", "backwards", "pairwise", "shuffled", "compensated"])
@pytest.mark.parametrize("equation", SUMS)
def test_a_sum_that_forgets_a_term_is_found_in_its_equation(equation: str, order: str) -> None:
    whole, problem = SUMS[equation], small()
    edits = tuple(edit._replace(expression=edit.expression.replace(whole, f"{whole}[1:]")) for edit in summed(order))
    assert edits != summed(order)
    assert {j.equation for j in local(lifted(problem), edited(*edits)(problem)) if j.wrong} == {equation}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["hidden-derivative-missing", "weight-transposed", "bias-averaged"])
def test_a_mistake_of_single_samples_is_found_in_their_sum(name: str, dtype: str) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    architecture = Architecture(
        (3, 4, 4, 2), (Tanh(), Tanh(), Identity()), HalfSquaredError(), "mean", 3, dtype, ("generic",) * 3, 1, 0.1
    )
    problem = fill(architecture)
    answer = sample_by_sample(problem, edited(*fault.edits))
    # A single sample is summed and averaged alike: such mistakes are no mistakes on this route.
    assert bool(accusations(problem, answer)) == (name in {"hidden-derivative-missing", "weight-transposed"})


def test_a_wrong_tangent_is_found_along_paths_and_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = small()
    assert not accusations(problem, forward_mode(problem), alone=False)

    monkeypatch.setitem(FUNCTIONS, "tanh", FUNCTIONS["tanh"]._replace(slope=lambda x, y: 1 - y))
    answer = forward_mode(problem)
    for judged in (path(lifted(problem), answer), (judgement for (judgement,) in end_to_end(lifted(problem), answer))):
        assert {j.layer for j in judged if j.wrong and j.equation == "B3"} == {1}


def test_forward_mode_breaks_the_bound_of_one_equation_alone() -> None:
    """Why those that are not recursive are not held to it: their deltas cancel where their gradients do not."""
    forward = next(program for program in PROGRAMS if program.name == "forward-mode")

    def breaks(architecture: Architecture) -> bool:
        problem = drawn(forward, architecture)
        answer = answered(forward, problem)
        return answer is not None and any(j.wrong for j in local(lifted(problem), answer) if j.equation in {"B2", "B3"})

    find(architectures(depth=3, width=4), breaks, settings=SEARCH)


def test_a_complex_step_is_not_asked_for_what_it_loses() -> None:
    """1e-200 times a derivative that is barely normal is 0."""
    (program,) = (program for program in PROGRAMS if program.name == "complex-step")
    problem = small()
    lost = problem._replace(x=problem.x * (4 * np.finfo(np.float64).tiny))
    assert reference_answer(lost).gradients[0].W.all()
    assert not program.answer(lost).gradients[0].W.any()
    assert program.applies(problem)
    assert not program.applies(lost)


def test_programs_have_names_of_their_own() -> None:
    assert len({program.name for program in PROGRAMS}) == len(PROGRAMS)


def test_what_underflows_only_in_the_report_is_no_mistake() -> None:
    """In float64 delta^1 is about 2^-151, which float32 reports as 0; dL/dW^1, 2^10 times that, it can hold."""
    first = Layer(np.array([[2.0**-90, -(2.0**-91)]], np.float32), np.array([2.0**-80], np.float32), Identity())
    last = Layer(np.array([[2.0**-80], [2.0**-81], [-(2.0**-82)]], np.float32), np.zeros(3, np.float32), Identity())
    x, y = np.array([[2.0**10, 2.0**9]], np.float32), np.array([[2.0**-71, 2.0**-72, 2.0**-74]], np.float32)
    problem = Problem((first, last), x, y, HalfSquaredError(), "sum", 0.125)
    (wider,) = (program for program in PROGRAMS if program.name == "in-wider-registers")
    answer = wider.answer(problem)
    assert not answer.trace[0].delta.any()
    assert answer.gradients[0].W.all()
    assert not accusations(problem, answer)
