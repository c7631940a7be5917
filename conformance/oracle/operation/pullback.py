"""Cotangents of a function's outputs, taken back through the tape of its run by the chain rule alone."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from flint import arb

from .traced import Tape, Traced, arranged, is_constant

_ZERO = arb(0)


class Pulled(NamedTuple):
    """The cotangents of the leaves, for each cotangent of the outputs: true values and balls of what is admitted."""

    truth: list[list[Any]]
    near: list[list[Any]]


class Cotangent(NamedTuple):
    """Of one number, of the paths so far: its true value, the ball of what is admitted, the sum of absolute values."""

    truth: Any
    near: Any
    absolute: Any


def pull_back(tape: Tape, outputs: Iterable[Any], gs: Sequence[Sequence[float]]) -> Pulled:
    """Every cotangent of the outputs pulled back to the leaves.

    Parameters
    ----------
    tape : Tape
        Of the run.
    outputs : sequence of Traced and plain numbers
    gs : sequence of cotangents
        Each a number for every output.
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
                underflow = tape.tiny if size != 1 else _ZERO
                arrive(x, [_carried(c, slope, wide, size, underflow) for c in here])
    none = [Cotangent(_ZERO, _ZERO, _ZERO)] * len(gs)
    by_g = list(zip(*(sums.get(leaf, none) for leaf in range(tape.leaves)), strict=True))
    return Pulled([[c.truth for c in of_g] for of_g in by_g], [[c.near for c in of_g] for of_g in by_g])


def _carried(c: Cotangent, slope: Any, wide: Any, size: Any, underflow: Any) -> Cotangent:
    """Times a partial derivative; an exact zero does not underflow."""
    near = wide * c.near
    return Cotangent(slope * c.truth, near if near.is_zero() else near + underflow, size * c.absolute)


def _added(p: Cotangent, q: Cotangent) -> Cotangent:
    return Cotangent(p.truth + q.truth, p.near + q.near, p.absolute + q.absolute)


def _widen(tape: Tape) -> None:
    """Let ``wide`` hold what an operand may be when it is had back from a result."""
    for node in reversed(tape.nodes):
        if node.inverse is not None:
            radius = node.wide.rad()
            for x in node.operands:
                if x.operands and (had := node.inverse(x.near, radius).abs_upper()) > x.wide.rad():
                    x.wide = x.near + arb(0, had)
