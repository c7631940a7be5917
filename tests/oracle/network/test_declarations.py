"""What is declared by the protocol, as the domains in which a subject is asked, and random questions of these."""

from itertools import islice
from typing import Any

import numpy as np
import pytest

from conformance.oracle.network.asking.declaration import domains
from conformance.oracle.network.asking.domain import Domain
from conformance.oracle.network.asking.draws import drawn_question
from conformance.oracle.network.asking.questions import Question, questions
from conformance.problems.messages import StartAnswer
from conformance.problems.wire import Malformed

PLAIN: dict[str, Any] = {
    "protocol": 1, "name": "mine", "version": "1", "language": "c", "commands": ["gradients"],
    "dtypes": ["float64", "float32"], "activations": ["sigmoid", "tanh", "softmax"],
    "heads": [["identity", "half_squared_error"], ["softmax", "cross_entropy"]], "reductions": ["sum", "mean"],
}  # fmt: skip


def of(**fields: Any) -> tuple[Domain, ...]:
    return domains(StartAnswer.model_validate(PLAIN | fields))


def names(values: Any) -> list[str]:
    return [type(value).__name__ for value in values]


def test_a_domain_for_each_dtype_and_for_what_mixes_units() -> None:
    found = [(domain.dtype, names(domain.hidden)) for domain in of()]
    groups = ["Sigmoid", "Tanh"], ["Softmax"]
    assert found == [(dtype, sigmas) for dtype in ("float64", "float32") for sigmas in groups]
    assert all(names(sigma for sigma, _ in domain.heads) == ["Identity", "Softmax"] for domain in of())


def test_one_activation_in_all_layers() -> None:
    hidden_alike = of(dtypes=["float64"], limits={"uniform_hidden": True})
    assert [names(domain.hidden) for domain in hidden_alike] == [["Sigmoid"], ["Tanh"], ["Softmax"]]
    alike = of(dtypes=["float64"], limits={"uniform": True})
    found = [(names(domain.hidden), names(sigma for sigma, _ in domain.heads)) for domain in alike]
    assert found == [(["Softmax"], ["Softmax"])]
    for domain in alike:
        for question in asked(domain):
            assert {type(layer.sigma).__name__ for layer in question.problem.network} == {"Softmax"}


def asked(domain: Domain) -> list[Question]:
    return [*questions(domain, 0), *(drawn_question(domain, 0, i) for i in range(60))]


@pytest.mark.parametrize(
    "limits",
    [{"layers": [1, 1]}, {"layers": [3, 4], "width": [5, 6], "batch": [2, 2]}, {"width": [1, 2]}, {"layers": [9, 12]}],
)
def test_nothing_is_asked_beyond_what_is_declared(limits: dict[str, list[int]]) -> None:
    for domain in of(limits=limits, conventions={"targets": "distribution"}):
        for question in asked(domain):
            problem, widths = question.problem, question.widths
            assert problem.dtype == domain.dtype
            for name, numbers in (("layers", [len(widths) - 1]), ("width", widths), ("batch", [len(problem.x)])):
                low, high = limits.get(name, [1, 1024])
                assert all(low <= number <= high for number in numbers), (name, numbers)
            head = problem.network[-1].sigma, problem.loss
            assert head in domain.heads
            assert problem.reduction in domain.reductions
            if widths[-1] > 1 and type(problem.loss).__name__ == "CrossEntropy":
                np.testing.assert_allclose(problem.y.sum(axis=1), 1, rtol=4 * float(np.finfo(domain.dtype).eps))


def test_networks_without_hidden_layers_alone() -> None:
    (domain,) = of(dtypes=["float32"], activations=[])
    assert {len(question.widths) for question in asked(domain)} == {2}
    with pytest.raises(Malformed, match="activations: expected at least one"):
        of(activations=[], limits={"layers": [2, 3]})


def test_a_draw_is_a_function_of_seed_and_number() -> None:
    (domain, *_) = of()

    def drawn(seed: int) -> list[str]:
        return [repr(drawn_question(domain, seed, i).problem) for i in islice(range(9), 9)]

    assert drawn(0) == drawn(0)
    assert len({*drawn(0), *drawn(1)}) == 18
    met = {(names([q.problem.loss])[0], q.problem.reduction) for q in (drawn_question(domain, 0, i) for i in range(8))}
    assert len(met) == 4
