"""A problem on `Rounded`, lifted once: whoever judges, reads, explains or estimates an answer takes it.

The reference's own text runs on it, equation by equation or all the way, with every result widened by what
`conformance.bounds.admitted` allows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from reference import Gradient, Identity, Layer, Step, backward, cotangent, forward
from reference.backpropagation import Network, Trace
from reference.gradients import Cotangent

from ..problems.problem import Problem
from .admitted import OWN, Conventions, absolute_terms, admitted, admitted_loss
from .formats import Format
from .paths import path_bounds
from .rounded import Rounded, exact


@dataclass(frozen=True)
class Lifted:
    """A problem with what it admits.

    At kinks the ``conventions`` hold.  The format judged is that of the problem's arrays, or the ``narrower`` one whose
    numbers they hold.  What is derived is made when it is first looked at, and kept: a problem that
    nobody looks at again is as small as it was.
    """

    problem: Problem
    conventions: Conventions
    narrower: Format | None = None

    @cached_property
    def network(self) -> Network[Rounded]:
        """Exact parameters and widened activations."""
        return admitted(self.problem.network, self.conventions, self.narrower)

    @cached_property
    def x(self) -> Rounded:
        """The samples (B, n_0), exact."""
        return exact(self.problem.x, self.narrower)

    @cached_property
    def y(self) -> Rounded:
        """The targets (B, n_L), exact."""
        return exact(self.problem.y, self.narrower)

    @property
    def format(self) -> Format:
        """The format that is judged."""
        return self.x.format

    @cached_property
    def steps(self) -> Trace[Rounded]:
        """The forward pass, its bound carried from x."""
        return forward(self.network, self.x)

    @property
    def states(self) -> list[tuple[Rounded, Rounded]]:
        """z and a of every layer, carried from x."""
        return [(z, a) for _, z, a in self.steps]

    def weighted_sum(self, l: int, a_prev: Rounded) -> Rounded:
        """z of layer l from a of the layer below: (F1) alone."""
        W, b, _ = self.network[l - 1]
        (step,) = forward((Layer(W, b, Identity()),), a_prev)
        z: Rounded = step.z
        return z

    def activation(self, l: int, z: Rounded) -> Rounded:
        """a of layer l from its z: (F2) alone."""
        a: Rounded = self.network[l - 1].sigma.apply(z)
        return a

    def head(self, z: Rounded, a: Rounded) -> Cotangent[Rounded]:
        """The reduced loss from z and a of the last layer, and the cotangent that starts the backward pass."""
        problem = self.problem
        return admitted_loss(
            problem.network[-1].sigma, z, a, self.y, problem.loss, problem.reduction, self.conventions
        )

    def gradient(self, l: int, a_prev: Rounded, delta: Rounded) -> tuple[Gradient[Rounded], Rounded]:
        """dL/dW and dL/db of layer l, and the cotangent below: (B3), (B4) and (B2) alone, from a and delta."""
        W, b, _ = self.network[l - 1]
        layer = Layer(W, b, Identity())
        (gradient,) = backward((layer,), (Step(a_prev, delta, delta),), delta)
        return gradient, cotangent(layer, gradient)

    def delta(self, l: int, z: Rounded, a: Rounded, g: Rounded) -> Rounded:
        """delta of a hidden layer from the cotangent of its output: what (B2) ends with."""
        delta: Rounded = self.network[l - 1].sigma.pullback(z, a, g)
        return delta

    def along_paths(
        self, states: Sequence[tuple[Rounded, Rounded]], down_to_x: bool = False
    ) -> Iterator[tuple[Gradient[Rounded], Rounded | None]]:
        """The gradients that lead back from given z and a, within the path bound (`conformance.bounds.paths`)."""
        terms = absolute_terms(self.problem)
        return path_bounds(self.network, self.head(*states[-1]), states, self.x, terms, down_to_x)


def lifted(problem: Problem, conventions: Conventions = OWN, narrower: Format | None = None) -> Lifted:
    """A problem on `Rounded`.

    Parameters
    ----------
    problem : Problem
        In float32 or float64.
    conventions : Conventions
        What is held to at kinks; the reference's own by default.
    narrower : Format, optional
        Whose numbers the problem's arrays hold (`conformance.bounds.formats.held_in_float32`).
    """
    return Lifted(problem, conventions, narrower)
