"""A route: a right program that answers with gradients alone; and what such programs have in common."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from shutil import which
from types import ModuleType
from typing import Any, NamedTuple

import reference
from reference import ACTIVATIONS, LOSSES, Activation, Identity, Layer, Loss, backward
from reference.gradients import Cotangent, Reduction, reduced_loss

from ...arrays import Array, Network
from ...problems.problem import GivenAnswer, Parameters, Problem
from ..callables import Ask
from ..reference import counterpart

Gradients = tuple[Parameters[Any], ...]
"""dL/dW and dL/db of each layer, in the problem's shapes; numbers of any library, anyhow in memory."""


def any_problem(problem: Problem) -> bool:
    """It is right for all."""
    return True


class Route(NamedTuple):
    """A right program: its name, its gradients, what it is, whether it is `recursive` (as `subjects.correct` has it).

    ``needs`` are the packages and commands that it runs on.  ``slow`` ones take a step of Python for each product, or a
    pass for each parameter; what ``compiles`` takes up to a second for each shape that it has not met.
    """

    name: str
    gradients: Callable[[Problem], Gradients]
    says: str
    recursive: bool = True
    applies: Callable[[Problem], bool] = any_problem
    needs: tuple[str, ...] = ("numpy",)
    slow: bool = False
    compiles: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """What it needs and is not installed."""
        return tuple(name for name in self.needs if find_spec(name) is None and which(name) is None)


def asked(route: Route) -> Ask:
    """The route as a subject, which does not support what it does not apply to."""

    def ask(problem: Problem) -> GivenAnswer:
        if not route.applies(problem):
            raise NotImplementedError(f"{route.name} is not for such problems")
        return GivenAnswer(route.gradients(problem))

    return ask


# Parts of the reference, to be put together otherwise.


def cotangent_of(problem: Problem, z: Array, a: Array) -> Cotangent[Array]:
    """The loss as the last layer meets it, from that layer's z and a."""
    return reduced_loss(problem.network[-1].sigma, z, a, problem.y, problem.loss, problem.reduction)


def pulled_back(network: Network, steps: Sequence[Any], sigma: Any, g: Array) -> Gradients:
    """The documented recursion from a cotangent; ``sigma`` stands in the last layer for its own activation."""
    layers = (*network[:-1], network[-1]._replace(sigma=sigma))
    return tuple(Parameters(W, b) for _, W, b in backward(layers, tuple(steps), g))


def of_one_layer(layer: Layer[Array], step: Any, delta: Array) -> Parameters[Array]:
    """dL/dW and dL/db of a layer from its delta."""
    (gradients,) = pulled_back((layer,), (step,), Identity(), delta)
    return gradients


class Kind(NamedTuple):
    """What a problem differentiates, without its numbers: so that what is compiled for it is compiled once."""

    sigmas: tuple[Activation, ...]
    loss: Loss
    reduction: Reduction


def kind(problem: Problem) -> Kind:
    """The kind of a problem."""
    return Kind(tuple(sigma for _, _, sigma in problem.network), problem.loss, problem.reduction)


def value(of: Kind, parameters: Any, x: Any, y: Any, text: ModuleType = reference) -> Any:
    """The reduced loss by the text's forward equations, from parameters and a batch of any library's numbers."""
    sigmas = [counterpart(sigma, ACTIVATIONS, text.ACTIVATIONS) for sigma in of.sigmas]
    loss = counterpart(of.loss, LOSSES, text.LOSSES)
    layers = (text.Layer(W, b, sigma) for (W, b), sigma in zip(parameters, sigmas, strict=True))
    _, z, a = text.forward(tuple(layers), x)[-1]
    return text.gradients.reduced_loss(sigmas[-1], z, a, y, loss, of.reduction).value


def arrays(gradients: Any) -> Gradients:
    """A pair for each layer, as parameters."""
    return tuple(Parameters(W, b) for W, b in gradients)
