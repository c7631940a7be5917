"""A recursion by hand, each of whose lines may be another: what people's own scripts look like."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from conformance.arrays import Array, Network
from reference import Step, forward

from ..functions import Gradients


class Turn(NamedTuple):
    """A layer's turn on the way back: l from 1 to L, all steps, and what stands in the layer itself."""

    l: int
    L: int
    network: Network
    steps: Sequence[Step[Array]]
    y: Array

    @property
    def W(self) -> Array:
        """(n_l, n_{l-1})."""
        return self.network[self.l - 1].W

    @property
    def z(self) -> Array:
        """(B, n_l)."""
        return self.steps[self.l - 1].z

    @property
    def a(self) -> Array:
        """(B, n_l)."""
        return self.steps[self.l - 1].a

    @property
    def a_prev(self) -> Array:
        """(B, n_{l-1})."""
        return self.steps[self.l - 1].a_prev

    def pulled(self, g: Array) -> Array:
        """g sigma'(z)."""
        pulled: Array = self.network[self.l - 1].sigma.pullback(self.z, self.a, g)
        return pulled


Line = Callable[[Turn, Array], Array]

RIGHT: dict[str, Line] = {
    "g": lambda t, a: a - t.y,
    "delta": lambda t, g: t.pulled(g),
    "dW": lambda t, delta: delta.T @ t.a_prev,
    "db": lambda t, delta: delta.sum(axis=0),
    "down": lambda t, delta: delta @ t.W,
}
"""The lines of the document's example, half the squared error summed."""


def recursion(**other: Line) -> Callable[[Network, Array, Array], Gradients]:
    """Backpropagation with other lines in place of some: g from a^L, delta from g, dW, db and g below from delta."""
    lines = RIGHT | other

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        steps, found = forward(network, x), []
        L = len(network)
        g = lines["g"](Turn(L, L, network, steps, y), steps[-1].a)
        for l in range(L, 0, -1):
            turn = Turn(l, L, network, steps, y)
            delta = lines["delta"](turn, g)
            found.append((lines["dW"](turn, delta), lines["db"](turn, delta)))
            g = lines["down"](turn, delta)
        return [(W.astype(x.dtype), b.astype(x.dtype)) for W, b in found[::-1]]

    return gradients


def only(l: int, line: str, other: Line) -> Line:
    """Another line in layer l alone; counted from the end where l is negative, -1 being the last."""

    def chosen(t: Turn, x: Array) -> Array:
        own = t.l == (l if l > 0 else t.L + 1 + l)
        return other(t, x) if own else RIGHT[line](t, x)

    return chosen


Change = Callable[[Array], Array]


def done(of_W: Change | None = None, of_b: Change | None = None, of: Any = None) -> Any:
    """Right gradients, each changed when they are ready; ``of`` takes and gives all of them."""
    from ..functions import right

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        found = right(network, x, y)
        if of:
            return [(W.astype(x.dtype), b.astype(x.dtype)) for W, b in of(found)]
        same: Change = lambda p: p
        return [((of_W or same)(W).astype(x.dtype), (of_b or same)(b).astype(x.dtype)) for W, b in found]

    return gradients
