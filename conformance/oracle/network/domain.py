"""The domain of a subject: what it says that it can do, and how it wants to be judged."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from reference import Activation, Loss
from reference.gradients import Reduction

from ...bounds.admitted import UNDECLARED, Conventions

Targets = Literal["any", "distribution", "one-hot"]
Method = Literal["any", "backpropagation"]


class Domain(NamedTuple):
    """What a subject can do.

    ``hidden`` are the activations of hidden layers, which take turns, ``heads`` the pairs of the last layer's
    activation and loss.  ``widths`` is a network's fixed shape, whose layers have the hidden activations in order, or
    None; ``layers``, ``width`` and ``batch`` are the smallest and largest that it takes.  ``conventions`` are the
    derivatives at kinks that it declares.  ``targets`` says what y is; where it says nothing, rows that sum to one are
    judged, and what others show is a remark.  The ``method`` "backpropagation" promises the documented recursion,
    rescaled by powers of two at most: then each equation alone, on the subject's own numbers, may accuse.
    """

    hidden: Sequence[Activation]
    heads: Sequence[tuple[Activation, Loss]]
    reductions: Sequence[Reduction]
    dtype: str
    widths: tuple[int, ...] | None = None
    layers: tuple[int, int] = (1, 12)
    width: tuple[int, int] = (1, 1024)
    batch: tuple[int, int] = (1, 1024)
    conventions: Conventions = UNDECLARED
    targets: Targets | None = None
    method: Method = "any"
