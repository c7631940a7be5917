"""Cotangents, pulled back through the recorded graph by the chain rule: true values, and what is admitted."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from .branches import Choice
from .enclosed import INFLATED, magnitude
from .graph import Cotangent, Node
from .sums import Collected, Gathered, Product, Running


class Pulled(NamedTuple):
    """The cotangent of an input: its midpoints in the wide format, and radii; what has no bound has an infinite one.

    ``absolute`` are the absolute values of the products along all paths, added up.
    """

    mid: Array
    rad: Array
    absolute: Array


class Followed(NamedTuple):
    """One run: the inputs' nodes, the output's, and the choices met."""

    leaves: tuple[Node, ...]
    output: Node
    met: tuple[Choice, ...]

    @property
    def sums(self) -> bool:
        """Whether anything is added up along the way, there or back."""
        order = _ordered(self.output)
        return any(isinstance(x, Collected | Product | Running) or _spread(x) for x in order)

    def pulled(self, gs: Sequence[Array]) -> list[list[Pulled]]:
        """Of each cotangent of the output, what each input's is."""
        return pull_back(self.output, self.leaves, gs)


def pull_back(output: Node, leaves: Sequence[Node], gs: Sequence[Array]) -> list[list[Pulled]]:
    """Pull every cotangent of the output back to the leaves, all of them in one pass.

    Parameters
    ----------
    output : Node
    leaves : sequence of Node
    gs : sequence of arrays
        Cotangents, each of the output's shape.

    Returns
    -------
    list of lists
        For each cotangent, what each leaf's is.
    """
    order = _ordered(output)
    with np.errstate(all="ignore"):
        for node in reversed(order):
            node.back()
        here = _through(order, output, gs)
    format = output.format
    none = [Cotangent(np.zeros(()), np.zeros(()), np.zeros(()), 1)] * len(gs)
    found: list[list[Pulled]] = []
    for k in range(len(gs)):
        of_g = []
        for x in leaves:
            c = here.get(id(x), none)[k]
            with np.errstate(all="ignore"):
                mid = np.broadcast_to(np.asarray(c.mid, format.wide), x.shape)
                rad = c.rad * INFLATED + format.u * magnitude(mid) + format.tiny
                finite = np.isfinite(mid) & np.isfinite(rad)
            absolute = np.broadcast_to(c.absolute, x.shape)
            of_g.append(Pulled(np.where(finite | np.isfinite(mid), mid, 0), np.where(finite, rad, np.inf), absolute))
        found.append(of_g)
    return found


def _through(order: Sequence[Node], output: Node, gs: Sequence[Array]) -> dict[int, list[Cotangent]]:
    """The cotangents of all leaves."""
    format = output.format
    here: dict[int, list[Cotangent]] = {}
    wide = [np.asarray(g, format.wide).reshape(output.shape) for g in gs]
    here[id(output)] = [Cotangent(g, np.zeros(g.shape), magnitude(g), 1) for g in wide]
    for node in reversed(order):
        cotangents = here.pop(id(node), None) if node.operands else here.get(id(node))
        if cotangents is None:
            continue
        cotangents = [c.rounding(format, node.moved) for c in cotangents]
        if not node.operands:
            here[id(node)] = cotangents
            continue
        # By operand: all its cotangents, added to what came by other paths.
        for incoming in zip(*node.pull(cotangents), strict=True):
            x = incoming[0].operand
            before = here.get(id(x))
            came = [i.cotangent for i in incoming]
            here[id(x)] = [p.added(q, format) for p, q in zip(before, came, strict=True)] if before else came
    return here


def _spread(node: Node) -> bool:
    """Whether the numbers of a live operand are used more than once."""
    if isinstance(node, Gathered):
        return node.repeats > 1
    return any(x.live and x.size < node.size for x in node.operands)


def _ordered(output: Node) -> list[Node]:
    """The live nodes that lead to the output, each after its operands."""
    order: list[Node] = []
    seen: set[int] = set()
    stack: list[tuple[Node, bool]] = [(output, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen and node.live:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((x, False) for x in node.operands)
    return order
