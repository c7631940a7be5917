"""`probe` and the population of right programs: over all activations, heads, reductions and dtypes none is accused."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from conformance import Report, check, probe
from conformance.arrays import Array, Network
from conformance.oracle.network.asking.domain import Domain
from conformance.oracle.network.asking.questions import questions
from conformance.problems.problem import Architecture, GivenAnswer, Parameters, Problem, State, fill
from conformance.subjects.gradients.population import POPULATION
from conformance.subjects.gradients.route import Gradients, Kind, Route, asked
from conformance.subjects.gradients.storage import backwards, strided, transposed, unaligned
from conformance.subjects.reference import reference_answer
from reference import (
    ACTIVATIONS,
    LOSSES,
    NLL,
    Activation,
    CrossEntropyWithLogits,
    HalfSquaredError,
    Identity,
    LogSoftmax,
    Loss,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from reference.gradients import Reduction
from reference.losses import REQUIRED_HEAD

from ..functions import DTYPES

pytestmark = pytest.mark.sampled(4)

HIDDEN: tuple[type[Activation], ...] = tuple(ACTIVATIONS.values())
OF: tuple[type[Loss], ...] = tuple(LOSSES.values())
FREE = (Sigmoid(), Tanh(), Identity(), Softplus(), LogSoftmax(), Softmax(), SiLU())
"""Heads of the losses that take any."""

TURNS, TURNS_OF_COMPILED = 12, 3
"""How often a route is asked in each dtype, with other functions each time."""

LIMITS: dict[str, dict[str, Any]] = {
    "usual": {"width": (1, 16), "layers": (1, 4), "batch": (1, 17), "problems": 24},
    "all shapes": {"width": (1, 70)},
    "small": {"width": (1, 7), "layers": (1, 3), "batch": (1, 4), "problems": 14},
    "few shapes": {"widths": (5, 7, 6, 4), "batch": (1, 3), "problems": 10},
    "one shape": {"widths": (5, 7, 6, 4), "batch": (3, 3), "problems": 6},
}
"""What is asked."""


def limits(route: Route, number: int, whole: bool) -> dict[str, Any]:
    """What a route is asked: in each fifth turn all shapes; little of slow ones, and of what compiles few shapes."""
    if route.compiles:
        return LIMITS["few shapes" if whole else "one shape"]
    if route.slow or not whole:
        return LIMITS["small"]
    return LIMITS["usual" if number % 5 else "all shapes"]


class Turn(NamedTuple):
    """What a route is asked once."""

    number: int
    hidden: tuple[Activation, ...]
    head: Activation
    loss: Loss
    reduction: Reduction

    @property
    def kind(self) -> Kind:
        """Of a network with one layer of each."""
        return Kind((*self.hidden, self.head), self.loss, self.reduction)


def turn(number: int) -> Turn:
    """The functions of a turn: every pair of an activation and a loss comes up once in 24 x 13 numbers."""
    rng = np.random.default_rng(number)
    another = (HIDDEN[int(rng.integers(len(HIDDEN)))](),) if number % 2 else ()
    loss = OF[number % len(OF)]
    required = REQUIRED_HEAD.get(loss)
    head = required() if required else FREE[int(rng.integers(len(FREE)))]
    reduction: Reduction = "mean" if rng.integers(2) else "sum"
    return Turn(number, (HIDDEN[number % len(HIDDEN)](), *another), head, loss(), reduction)


def turns(route: Route, count: int) -> list[Turn]:
    """So many turns of which a small problem is one that the route applies to; each route has other ones."""
    first = POPULATION.index(route)
    numbers = range(first, first + 10**4 * len(POPULATION), len(POPULATION))
    found: list[Turn] = []
    for number in numbers:
        if len(found) == count:
            break
        of = turn(number)
        widths = (4, *range(7, 7 - len(of.hidden), -1), 5)
        patterns = ("generic", "generic", "generic")
        architecture = Architecture(widths, of.kind.sigmas, of.loss, of.reduction, 3, "float64", patterns, number, 0.1)
        if route.applies(fill(architecture)):
            found.append(of)
    return found


def report(route: Route, of: Turn, dtype: str, whole: bool) -> Report:
    """The route, probed; every other time one that is recursive promises so, and is held to it."""
    ask = asked(route)

    def function(network: Network, x: Array, y: Array) -> GivenAnswer:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # at the ends of the range, and what libraries say of their own parts
            return ask(Problem(network, x, y, of.loss, of.reduction, 0.125))

    asked_of = limits(route, of.number, whole)
    return probe(
        function,
        hidden=of.hidden if "widths" not in asked_of else (*of.hidden, *of.hidden)[:2],
        output=of.head,
        loss=of.loss,
        reduction=of.reduction,
        dtype=dtype,
        method="backpropagation" if route.recursive and of.number % 3 else "any",
        name=route.name,
        seed=of.number,
        **asked_of,
    )


def count(route: Route, whole: bool) -> int:
    """How many turns a route has; in the sample none where one takes several seconds."""
    if not whole:
        return 0 if route.slow and route.compiles else 1
    return TURNS_OF_COMPILED if route.compiles else TURNS


@pytest.mark.parametrize("route", POPULATION, ids=lambda route: route.name)
def test_none_is_accused(route: Route, whole: bool) -> None:
    if route.missing:
        pytest.skip(f"not installed: {', '.join(route.missing)}")
    if not count(route, whole):
        pytest.skip("asked by make thorough")
    for of in turns(route, count(route, whole)):
        for dtype in DTYPES if whole else DTYPES[of.number % 2 :][:1]:
            judged = report(route, of, dtype, whole)
            allowed = {"CONFORMS", *(() if route.recursive else ("SUSPECT",))}
            if judged.refuses_most:
                allowed.add("UNDECIDED")
            assert judged.verdict in allowed, f"{of} {dtype}\n{judged}"


def test_they_are_many() -> None:
    assert len(POPULATION) >= 60
    assert len({route.name for route in POPULATION}) == len(POPULATION)
    assert sum(count(route, whole=True) * len(DTYPES) for route in POPULATION) >= 2000


@pytest.mark.parametrize("laid_out", [transposed, strided, backwards, unaligned, np.asfortranarray])
@pytest.mark.parametrize("dtype", DTYPES)
def test_how_an_answer_lies_in_memory_changes_nothing(dtype: str, laid_out: Callable[[Array], Array]) -> None:
    """All that it says, its trace too; nor does a mistake become right by it."""
    sigmas = (Tanh(), Softplus(), Identity())
    generic = ("generic", "generic", "generic")
    problem = fill(Architecture((3, 5, 5, 4), sigmas, HalfSquaredError(), "mean", 3, dtype, generic, 1, 0.1))
    value, gradients, trace, dx, _ = reference_answer(problem)

    def answer(by: Callable[[Array], Array], of: Gradients = gradients) -> GivenAnswer:
        layers = tuple(Parameters(by(W), by(b)) for W, b in of)
        return GivenAnswer(layers, value, by(trace[-1].a), by(dx), tuple(State(*map(by, state)) for state in trace))

    usual, unusual = check(problem, answer(np.array)), check(problem, answer(laid_out))
    assert unusual.verdict == usual.verdict == "CONFORMS"
    assert unusual.tallies == usual.tallies
    exchanged = (gradients[0], Parameters(gradients[1].W.T, gradients[1].b), gradients[2])
    assert check(problem, answer(laid_out, exchanged)).verdict == "WRONG"


@pytest.mark.parametrize(("head", "loss"), [(LogSoftmax(), NLL()), (Identity(), CrossEntropyWithLogits())])
def test_a_single_probability_is_not_asked_for_where_others_may_be(head: Activation, loss: Loss) -> None:
    """It is 1 whatever the weights are: no gradient is decided, and with few questions no layer."""
    domain = Domain([Tanh()], [(head, loss)], ["sum"], "float64", layers=(4, 4), width=(1, 16))
    asked_of = [question.problem.y.shape[1] for question in questions(domain, seed=0)]
    assert min(asked_of) > 1
    only = domain._replace(width=(1, 1))
    assert {question.problem.y.shape[1] for question in questions(only, seed=0)} == {1}


@pytest.mark.parametrize("sigma", [Softmax(), LogSoftmax()])
def test_a_hidden_layer_that_mixes_has_units_to_mix(sigma: Activation) -> None:
    domain = Domain([sigma], [(Identity(), HalfSquaredError())], ["sum"], "float64", layers=(2, 4), width=(1, 16))
    assert min(n for question in questions(domain, seed=0) for n in question.widths[1:-1]) > 1


def test_what_is_not_installed_is_said() -> None:
    (route,) = (route for route in POPULATION if route.name == "autograd")
    assert route._replace(needs=("numpy", "no_such_package")).missing == ("no_such_package",)
    assert not route._replace(needs=("numpy",)).missing
