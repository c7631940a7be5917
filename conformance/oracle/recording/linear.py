"""Whether an output is a sum of products of inputs: matrices, convolutions, sums, and what only moves numbers."""

import numpy as np

from .enclosed import Enclosed
from .graph import Node, Pointwise
from .sums import Collected, Gathered, Product


def factor(output: Node) -> float | None:
    """The absolute factor that all numbers of an output have in common, each a sum of products of different inputs.

    Constants may be added.  None for anything else: a product with itself, one after another, a factor that differs.
    """
    if not output.live:
        return 1.0
    if _inputs(output) is not None:
        return 1.0
    if isinstance(output, Gathered):
        return _common(output.operands) if output.repeats == 1 else None
    if isinstance(output, Product):
        return _of_product(*output.operands)
    if isinstance(output, Collected):
        (x,) = output.operands
        return factor(x)
    if not isinstance(output, Pointwise):
        return None
    slopes = output.slopes(output)
    if all(isinstance(slope, int) for slope in slopes):
        return _common(output.operands)
    live = [k for k, x in enumerate(output.operands) if x.live]
    if len(live) == 1:
        return _times_constant(output, output.operands[live[0]], slopes[live[0]])
    if len(slopes) == 2 and _are_each_other(slopes, output.operands):
        return _of_product(*output.operands)
    return None


def _common(nodes: tuple[Node, ...]) -> float | None:
    """The factor of all nodes that hang on an input, if they have one in common."""
    factors = {factor(x) for x in nodes if x.live}
    return factors.pop() if len(factors) == 1 else None


def _of_product(x: Node, y: Node) -> float | None:
    """Of inputs by other inputs, or by constants that are 1 and -1, or 0."""
    p, q = _inputs(x), _inputs(y)
    return 1.0 if p is not None and q is not None and not p & q else None


def _inputs(x: Node) -> set[int] | None:
    """The inputs of which it only moves numbers, beside constants of 0, 1 and -1; None if it is anything else."""
    if not x.live:
        return set() if np.isin(x.value.mid, (-1, 0, 1)).all() else None
    if not x.operands:
        return {id(x)}
    if not isinstance(x, Gathered):
        return None
    each = [_inputs(operand) for operand in x.operands]
    return None if None in each else set().union(*(of for of in each if of))


def _times_constant(output: Pointwise, x: Node, slope: int | Enclosed) -> float | None:
    """The factor of a product with a number, or with several that differ by their signs alone."""
    before = factor(x)
    if before is None or isinstance(slope, int):
        return before
    sizes = np.unique(abs(slope.mid))
    proportional = abs(output.value.mid - slope.mid * x.value.mid) <= output.format.u * abs(output.value.mid)
    return before * float(sizes[0]) if sizes.size == 1 and bool(proportional.all()) else None


def _are_each_other(slopes: tuple[int | Enclosed, ...], operands: tuple[Node, ...]) -> bool:
    """Whether each operand's partial derivative is the other operand."""
    each = zip(slopes, reversed(operands), strict=True)
    return all(isinstance(slope, Enclosed) and np.array_equal(slope.mid, x.value.mid) for slope, x in each)
