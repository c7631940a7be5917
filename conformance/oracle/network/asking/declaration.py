"""A declaration: what a subject says by the protocol that it can do, as the domains in which it is asked."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

import reference
from reference import UPDATES, Activation, Layer, Loss
from reference.checks import check_loss, check_network

from ....bounds.admitted import Conventions as Admitted
from ....bounds.admitted import declared
from ....bounds.paths import MIXING
from ....problems.messages import Conventions, Limit, Limits, StartAnswer
from ....problems.wire import Malformed
from .domain import MOST, Domain

Head = tuple[Activation, Loss]


def domains(declaration: StartAnswer) -> tuple[Domain, ...]:
    """The domains of a declaration: for each dtype one, and one more for what cannot be asked in the same network.

    Activations that mix units, such as softmax, are asked apart, since judging them takes shallower networks; where all
    layers are to have one activation, each is.

    Raises
    ------
    Malformed
        If it names what is unknown, or nothing that can be asked.
    """
    if not declaration.commands:
        raise Malformed("commands: expected 'gradients' or 'train', got none")
    if "gradients" not in declaration.commands and "sgd" not in declaration.updates:
        raise Malformed(f"updates: expected 'sgd', whose steps show the gradients, got {declaration.updates}")
    for name in ("dtypes", "heads", "reductions"):
        if not getattr(declaration, name):
            raise Malformed(f"{name}: expected at least one, got none")
    hidden = [_activation(f"activations[{i}]", name) for i, name in enumerate(declaration.activations)]
    heads = [_head(f"heads[{i}]", *pair) for i, pair in enumerate(declaration.heads)]
    limits, said = declaration.limits or Limits(), declaration.conventions or Conventions.model_validate({})
    groups = list(_groups(hidden, heads, limits))
    if not groups:
        raise Malformed("heads: expected, as all layers have one activation, one of a declared activation, got none")
    base = Domain(
        (), (), tuple(dict.fromkeys(declaration.reductions)), "",
        layers=_limits("layers", limits.layers, Domain._field_defaults["layers"]),
        width=_limits("width", limits.width, Domain._field_defaults["width"]),
        batch=_limits("batch", limits.batch, Domain._field_defaults["batch"]),
        conventions=_conventions(said), targets=said.targets, method=said.method,
    )  # fmt: skip
    if not hidden and base.layers[0] > 1:
        raise Malformed("activations: expected at least one, for networks of several layers, got none")
    if not hidden:
        base = base._replace(layers=(1, 1))
    return tuple(
        base._replace(hidden=of_hidden, heads=of_heads, dtype=dtype)
        for dtype, (of_hidden, of_heads) in product(dict.fromkeys(declaration.dtypes), groups)
    )


def rules(declaration: StartAnswer) -> tuple[str, ...]:
    """The names of the update rules that a subject trains by, none where it does not train.

    Raises
    ------
    Malformed
        If one is unknown.
    """
    if "train" not in declaration.commands:
        return ()
    for i, name in enumerate(declaration.updates):
        if name not in UPDATES:
            raise Malformed(f"updates[{i}]: expected one of {', '.join(UPDATES)}, got {name!r:.60}")
    return tuple(dict.fromkeys(declaration.updates))


def _groups(
    hidden: Sequence[Activation], heads: Sequence[Head], limits: Limits
) -> Iterator[tuple[Sequence[Activation], Sequence[Head]]]:
    """Hidden activations that may be asked together, with the heads that go with them."""
    if limits.uniform:
        for sigma in hidden:
            own = [head for head in heads if type(head[0]) is type(sigma)]
            if own:
                yield [sigma], own
    elif limits.uniform_hidden and hidden:
        yield from (([sigma], heads) for sigma in hidden)
    else:
        mixing = [sigma for sigma in hidden if isinstance(sigma, MIXING)]
        elementwise = [sigma for sigma in hidden if not isinstance(sigma, MIXING)]
        yield from ((group, heads) for group in ([each for each in (elementwise, mixing) if each] or [[]]))


def _activation(where: str, name: str) -> Activation:
    try:
        return reference.activation(name)
    except ValueError as error:
        raise Malformed(f"{where}: {error}") from None


def _head(where: str, name: str, of: str) -> Head:
    """A head whose loss is defined for its activation."""
    sigma = _activation(f"{where}[0]", name)
    try:
        loss = reference.loss(of)
        network, dtype = check_network((Layer(np.ones((5, 3)), np.ones(5), sigma),))
        return sigma, check_loss(network, dtype, loss, "sum")
    except (TypeError, ValueError) as error:
        raise Malformed(f"{where}: {error}") from None


def _limits(name: str, given: Limit | None, default: tuple[int, int]) -> tuple[int, int]:
    """The smallest and the largest."""
    if given is None:
        return default
    low, high = given
    if not 1 <= low <= high <= MOST:
        raise Malformed(f"limits.{name}: expected the smallest and the largest, from 1 to {MOST:,}, got {given}")
    return low, high


def _conventions(said: Conventions) -> Admitted:
    try:
        return declared(said.__pydantic_extra__)
    except (TypeError, ValueError) as error:
        raise Malformed(str(error)) from None
