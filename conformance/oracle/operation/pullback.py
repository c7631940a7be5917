"""Cotangents, pulled back through a tape of `Traced` numbers by the chain rule: the true ones, and what is admitted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from flint import arb

from ...numbers.balls import precise
from .traced import Tape, Traced, arranged, is_constant


class Pulled(NamedTuple):
    """The cotangents of the leaves, for each cotangent of the outputs: true values and balls of what is admitted."""

    truth: list[list[Any]]
    near: list[list[Any]]


class Cotangent(NamedTuple):
    """A number's cotangent along the paths so far: its true value, the ball of what is admitted, the absolute sum."""

    truth: Any
    near: Any
    absolute: Any


@precise
def pull_back(tape: Tape, outputs: Iterable[Any], gs: Sequence[Sequence[float]]) -> Pulled:
    """Pull every cotangent of the outputs back to the leaves.

    Parameters
    ----------
    tape : Tape
        What `conformance.oracle.operation.traced.follow` has recorded.
    outputs : sequence of Traced and plain numbers
    gs : sequence of cotangents
        Each is a number for every output.
    """
    _widen(tape)
    sums: dict[int, list[Cotangent]] = {}
    terms: Counter[int] = Counter()

    def arrive(node: Traced, cotangents: list[Cotangent]) -> None:
        terms[node.index] += 1
        before = sums.get(node.index)
        sums[node.index] = list(map(_added, before, cotangents)) if before else cotangents

    for k, output in enumerate(outputs):
        if isinstance(output, Traced):
            arrive(output, [Cotangent(g, g, abs(g)) for g in (arb(float(of_outputs[k])) for of_outputs in gs)])
    for node in reversed(tape.nodes):
        if node.index not in sums:
            continue
        error = arranged(terms[node.index], tape.format.u)
        here = [Cotangent(truth, near + error * size, size) for truth, near, size in sums.pop(node.index)]
        if node.slopes is None:
            sums[node.index] = here
            continue
        for x, (slope, wide) in zip(node.operands, node.slopes(node), strict=True):
            if not is_constant(x):
                size = abs(wide)
                underflow = tape.tiny if size != 1 else arb(0)
                arrive(x, [_carried(c, slope, wide, size, underflow) for c in here])
    none = [Cotangent(arb(0), arb(0), arb(0))] * len(gs)
    by_g = list(zip(*(sums.get(leaf, none) for leaf in range(tape.leaves)), strict=True))
    return Pulled([[c.truth for c in of_g] for of_g in by_g], [[c.near for c in of_g] for of_g in by_g])


def _carried(c: Cotangent, slope: Any, wide: Any, size: Any, underflow: Any) -> Cotangent:
    """Multiply by a partial derivative; an exact zero does not underflow."""
    near = wide * c.near
    return Cotangent(slope * c.truth, near if near.is_zero() else near + underflow, size * c.absolute)


def _added(p: Cotangent, q: Cotangent) -> Cotangent:
    return Cotangent(p.truth + q.truth, p.near + q.near, p.absolute + q.absolute)


def _widen(tape: Tape) -> None:
    """Let ``wide`` hold what an operand may be when it is taken back from a result."""
    for node in reversed(tape.nodes):
        if node.inverse is not None:
            radius = node.wide.rad()
            for x in node.operands:
                if x.operands and (back := node.inverse(x.near, radius).abs_upper()) > x.wide.rad():
                    x.wide = x.near + arb(0, back)
