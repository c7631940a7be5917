"""`probe` and the population of right programs: over all activations, heads, reductions and dtypes none is accused."""

import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest

from conformance import Report, probe
from conformance.arrays import Array, Network
from conformance.problems.problem import Architecture, GivenAnswer, Problem, fill
from conformance.subjects.gradients.population import POPULATION
from conformance.subjects.gradients.route import Kind, Route, asked
from reference import (
    ACTIVATIONS,
    LOSSES,
    Activation,
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

from .functions import DTYPES

HIDDEN: tuple[type[Activation], ...] = tuple(ACTIVATIONS.values())
OF: tuple[type[Loss], ...] = tuple(LOSSES.values())
FREE = (Sigmoid(), Tanh(), Identity(), Softplus(), LogSoftmax(), Softmax(), SiLU())
"""Heads of the losses that take any."""

TURNS, TURNS_OF_COMPILED = 14, 4
"""How often a route is asked in each dtype, with other functions each time."""

LIMITS: dict[str, dict[str, Any]] = {
    "usual": {"width": (1, 16), "layers": (1, 4), "batch": (1, 17), "problems": 24},
    "all shapes": {},
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
        pytest.skip(f"{route.needs} is not installed")
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
