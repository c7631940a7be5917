"""The reference as a subject, or a module with the same names, such as an edited copy of its text."""

from types import ModuleType

import numpy as np

import reference
from reference import ACTIVATIONS, LOSSES

from ..problems.problem import Answer, Parameters, Problem, State


def reference_answer(problem: Problem, text: ModuleType = reference) -> Answer:
    """The answer of the reference, or of a module with the same names, such as an edited copy."""
    network = tuple(
        text.Layer(W, b, counterpart(sigma, ACTIVATIONS, text.ACTIVATIONS)) for W, b, sigma in problem.network
    )
    loss = counterpart(problem.loss, LOSSES, text.LOSSES)
    with np.errstate(over="ignore", invalid="ignore"):  # where the truth overflows, as the judge sees
        value, gradients, steps = text.loss_and_gradients(network, problem.x, problem.y, loss, problem.reduction)
        input_gradient = text.input_gradient(network, gradients)
        updated = text.update(network, gradients, problem.eta)
    return Answer(
        np.asarray(value),
        tuple(Parameters(W, b) for _, W, b in gradients),
        tuple(State(step.z, step.a, gradient.delta) for step, gradient in zip(steps, gradients, strict=True)),
        input_gradient,
        tuple(Parameters(W, b) for W, b, _ in updated),
    )


def counterpart(value: object, ours: dict[str, type], theirs: dict[str, type]) -> object:
    """The value of the same name and parameters in another text; itself, where that text has none of the name.

    Somebody's own activation or loss, which has no name, is itself in every text.
    """
    name = next((name for name, kind in ours.items() if kind is type(value)), None)
    return theirs[name](**vars(value)) if name in theirs else value
