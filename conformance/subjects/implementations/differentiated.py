"""Libraries that differentiate: the reference's forward pass runs on their arrays, the derivatives are theirs."""

from collections.abc import Callable, Iterable
from importlib.metadata import version

from reference import ACTIVATIONS

from ...problems.messages import Conventions, StartAnswer
from ...problems.problem import GivenAnswer, Problem
from ..gradients import libraries
from ..gradients.route import Gradients
from ..routes import off_the_kink_of_l1
from .table import Subject
from .texts import HEADS

WITHOUT_ERFC = [name for name in ACTIVATIONS if name != "gelu"]
"""The activations of a library that has no erfc."""


def jax() -> Subject:
    """``jax.jit(jax.grad)``, compiled for each network that it meets."""
    return _subject("jax", libraries.in_jax(lambda jax, loss, of: jax.grad(loss)))


def autograd() -> Subject:
    """HIPS autograd's ``grad``."""
    return _subject("autograd", libraries.autograd)


def mygrad() -> Subject:
    """``backward`` of a MyGrad tensor."""
    return _subject("mygrad", libraries.mygrad, WITHOUT_ERFC)


def tinygrad() -> Subject:
    """``Tensor.gradient``, interpreted in Python."""
    return _subject("tinygrad", libraries.tinygrad, WITHOUT_ERFC)


def _subject(
    name: str, gradients: Callable[[Problem], Gradients], activations: Iterable[str] = tuple(ACTIVATIONS)
) -> Subject:
    known = list(activations)

    def ask(problem: Problem) -> GivenAnswer:
        if not off_the_kink_of_l1(problem):
            raise NotImplementedError("an output is at its target, where l1 has no derivative")
        return GivenAnswer(gradients(problem))

    declaration = StartAnswer(
        protocol=1, name=name, version=version(name), language="python", commands=["gradients"],
        dtypes=["float64", "float32"], activations=known, heads=[head for head in HEADS if head[0] in known],
        reductions=["sum", "mean"],
        conventions=Conventions.model_validate(
            {"targets": "any", "method": "backpropagation", "relu_derivative_at_zero": 0.0}
        ),
    )  # fmt: skip
    return Subject(declaration, ask)
