"""What an update rule is asked: parameters, and gradients that show what a rule does with each kind of them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from reference import RAdam, Rule

from ...arrays import Array

STEPS = 12
"""How many steps at least: corrections, off by one, and averages show in the first few, what is kept by then."""

MOST = 60
"""How many at most, where a rectification begins late."""

SHAPES = {"arrays of several shapes": ((4, 3), (4,), (4,), (3, 4), (1,)), "arrays of one shape": ((5, 2),) * 3}
"""The arrays of each run: two in a row have one shape, and what is kept of one must not be the other's."""


class Run(NamedTuple):
    """Parameters to begin with, an array each, and the gradients of each step; None where an array has none."""

    name: str
    parameters: tuple[Array, ...]
    gradients: tuple[tuple[Array | None, ...], ...]

    @property
    def whole(self) -> bool:
        """Whether every array has a gradient in every step."""
        return not any(g is None for of_step in self.gradients for g in of_step)


def runs(rule: Rule, dtype: Any, seed: int) -> Iterator[Run]:
    """The runs that a rule is asked.

    Parameters
    ----------
    rule : Rule
        Its epsilon says which gradients are tiny; how many steps there are depends on it.
    dtype : dtype
    seed : int
    """
    rng = np.random.default_rng((seed, 14))
    for name, shapes in SHAPES.items():
        sizes = [int(np.prod(shape)) for shape in shapes]
        # A small array shows the step, a large one the decay.
        scales = [(2.0**-4, 2)[k % 2] for k in range(len(sizes))]
        parameters = [s * rng.uniform(0.5, 2, n) * rng.choice((-1, 1), n) for s, n in zip(scales, sizes, strict=True)]
        count = _steps(rule)
        columns = [_gradients(rule, rng, n, count, sum(sizes[:k])) for k, n in enumerate(sizes)]
        yield Run(
            name,
            tuple(p.reshape(shape).astype(dtype) for p, shape in zip(parameters, shapes, strict=True)),
            tuple(
                tuple(of[t].reshape(shape).astype(dtype) for of, shape in zip(columns, shapes, strict=True))
                for t in range(count)
            ),
        )


def with_none(run: Run) -> Run:
    """The run with no gradient for its second array in some steps, nor for its last in any."""
    return Run(
        "arrays without a gradient",
        run.parameters,
        tuple(
            tuple(None if k == len(gs) - 1 or (k == 1 and t in (0, 4, 5)) else g for k, g in enumerate(gs))
            for t, gs in enumerate(run.gradients)
        ),
    )


def _steps(rule: Rule) -> int:
    """So many that a rectification has begun, and gone on for some steps."""
    begun = 0
    if isinstance(rule, RAdam) and 0 < rule.beta2 < 1:
        begun = next((t for t in range(1, MOST - 5) if rule.rectification(t)), 0)
    return max(STEPS, begun + 5)


def _gradients(rule: Any, rng: np.random.Generator, n: int, count: int, first: int) -> Array:
    """The gradients of ``n`` parameters in all steps (steps, n), each of another kind."""
    g: Array = rng.uniform(0.25, 2, (count, n)) * rng.choice((-1, 1), (count, n))
    eps = getattr(rule, "eps", 0)
    kinds = KINDS if eps > 0 or not hasattr(rule, "eps") else KINDS[:3] + KINDS[5:]  # 0 / 0 is nobody's mistake
    t = np.arange(count)
    for i in range(n):
        column = g[:, i]
        match kinds[(first + i) % len(kinds)]:
            case "constant":
                column[:] = column[0]
            case "alternating":
                column[:] = abs(column[0]) * (-1.0) ** t
            case "zero":
                column[:] = 0
            case "near epsilon":
                column *= max(eps, LEAST)
            case "near its root":
                column *= max(eps, LEAST) ** 0.5
            case "large":
                column *= 2.0**8
            case "ending":
                column[4:] = 0
            case "falling":
                column *= 0.5**t
    return g


KINDS = (
    "any", "constant", "alternating", "zero", "near epsilon", "near its root", "large", "ending", "falling",
    "near epsilon", "any",
)  # fmt: skip
"""The kinds of gradients that parameters have, in turn."""

LEAST = 1e-12
"""No gradient is smaller by its kind: its square must not underflow in float32."""
