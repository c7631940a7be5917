"""The domain of a subject: what it says that it can do, and how it wants to be judged."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple, Unpack

import numpy as np

from reference import Activation, HalfSquaredError, Layer, Loss, Sigmoid, activation
from reference import loss as named_loss
from reference.checks import check_activation, check_loss, check_network
from reference.gradients import Reduction

from ....bounds.admitted import UNDECLARED, Conventions, declared
from ....bounds.formats import Format, held_in_float32
from ....subjects.shapes.style import OURS, Style, Styled, style_of

Targets = Literal["any", "distribution", "one-hot"]
Said = Literal["any", "distribution", "one-hot", "indices"]
Method = Literal["any", "backpropagation"]


MOST = 2**20
"""Layers, units and samples that may be declared at most: of more no question could be held in memory."""


class Domain(NamedTuple):
    """What a subject can do.

    ``hidden`` are the activations of hidden layers, which take turns, ``heads`` the pairs of the last layer's
    activation and loss.  ``widths`` is a network's fixed shape, whose layers have the hidden activations in order, or
    None; ``layers``, ``width`` and ``batch`` are the smallest and largest that it takes.  ``conventions`` are the
    derivatives at kinks that it declares.  ``targets`` says what y is; where it says nothing, rows that sum to one are
    judged, and what others show is a remark.  The ``method`` "backpropagation" promises the documented recursion,
    rescaled by powers of two at most: then each equation alone, on the subject's own numbers, may accuse.  The
    ``style`` is that in which it takes problems and returns gradients.  ``half`` names the half-precision format in
    which it computes, if it does: the arrays of a ``dtype`` of float32 hold its numbers.
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
    style: Style = OURS
    half: str = ""

    @property
    def claimed(self) -> str:
        """The format in which it claims to compute."""
        return self.half or self.dtype

    @property
    def narrower(self) -> Format | None:
        """What is judged, where that is not the format of the arrays."""
        return held_in_float32(self.half) if self.half else None


class Declared(Styled, total=False):
    """What somebody may say of a subject (`conformance.probe` says what each means)."""

    hidden: Activation | str | Sequence[Activation]
    output: Activation | str
    loss: Loss | str
    reduction: Reduction
    dtype: Any
    widths: Sequence[int] | None
    layers: tuple[int, int]
    width: tuple[int, int]
    batch: tuple[int, int]
    conventions: Mapping[str, float] | None
    targets: Said | None
    method: Method


def domain_of(
    *,
    hidden: Any = Sigmoid(),  # noqa: B008  (a frozen value)
    output: Any = Sigmoid(),  # noqa: B008
    loss: Any = HalfSquaredError(),  # noqa: B008
    reduction: Any = "sum",
    dtype: Any = "float64",
    widths: Any = None,
    layers: Any = (1, 12),
    width: Any = (1, 1024),
    batch: Any = (1, 1024),
    conventions: Any = None,
    targets: Any = None,
    method: Any = "any",
    **styled: Unpack[Styled],
) -> Domain:
    """The domain of what is said of a subject, checked by the reference's own checks on a network of that kind.

    Raises
    ------
    TypeError, ValueError
        If what is said cannot be: an unknown option or name, a loss that wants another last activation.
    """
    options = [*(domain_of.__kwdefaults__ or {}), *Styled.__annotations__]
    for name in styled:
        if name not in options:
            near = get_close_matches(name, options, 1)
            meant = f"; is {near[0]} meant?" if near else ""
            raise TypeError(f"expected options among {', '.join(options)}, got {name!r}{meant}")
    sigmas = [_activation(each) for each in (hidden if isinstance(hidden, list | tuple) else [hidden])]
    if not sigmas:
        raise ValueError("hidden: expected an activation, or several that take turns, got none")
    for sigma in sigmas:
        check_activation("hidden", sigma)
    head, of = _activation(output), named_loss(loss) if isinstance(loss, str) else loss
    dtype = getattr(dtype, "name", None) or getattr(dtype, "__name__", dtype)
    if not isinstance(dtype, str) or dtype not in ("float32", "float64"):
        raise ValueError(f"dtype: expected 'float32' or 'float64', got {dtype!r}")
    fixed = None if widths is None else _whole_numbers("widths", widths, "n_0 to n_L, such as (784, 128, 10)")
    K = fixed[-1] if fixed else 5
    network, kind = check_network((Layer(np.ones((K, 3), dtype), np.ones(K, dtype), head),))
    of = check_loss(network, kind, of, reduction)
    limits = {name: _limits(name, given) for name, given in (("layers", layers), ("width", width), ("batch", batch))}
    one_of("targets", targets, (None, "any", "distribution", "one-hot", "indices"))
    one_of("method", method, ("any", "backpropagation"))
    style = style_of(indices=targets == "indices", **styled)
    return Domain(
        sigmas, [(head, of)], [reduction], dtype, fixed, conventions=declared(conventions),
        targets="one-hot" if style.indices else targets, method=method, style=style,
        layers=limits["layers"], width=limits["width"], batch=limits["batch"],
    )  # fmt: skip


def one_of(name: str, given: Any, known: tuple[Any, ...]) -> Any:
    """What is given, if it is one of the known; None stands for what is not said.

    Raises
    ------
    ValueError
        If it is another.
    """
    if not isinstance(given, str | None) or given not in known:
        named = [repr(each) for each in known if each is not None]
        raise ValueError(f"{name}: expected {', '.join(named[:-1])} or {named[-1]}, got {given!r}")
    return given


def _limits(name: str, given: Any) -> tuple[int, int]:
    ends = _whole_numbers(name, given, "the smallest and the largest, such as (1, 8)")
    if len(ends) != 2 or ends[0] > ends[1]:
        raise ValueError(f"{name}: expected the smallest and the largest, such as (1, 8), got {given!r}")
    return ends[0], ends[1]


def _whole_numbers(name: str, given: Any, expected: str) -> tuple[int, ...]:
    """At least two whole numbers above 0."""
    try:
        numbers = tuple(given)
    except TypeError:
        numbers = ()
    if len(numbers) < 2 or not all(isinstance(n, int | np.integer) and 0 < n <= MOST for n in numbers):
        raise ValueError(f"{name}: expected {expected}, whole numbers from 1 to {MOST:,}, got {given!r}")
    return tuple(map(int, numbers))


def _activation(named: Any) -> Activation:
    return activation(named) if isinstance(named, str) else named
