"""Gradients by names: which entries of a dict are the weights' and which the biases', layer by layer."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .misfit import Misfit
from .style import Names, named

KINDS = {
    "W": ("w", "weight", "weights", "kernel", "kernels", "theta"),
    "b": ("b", "bias", "biases"),
}
"""Last words of the names that people give to weights and biases, after what stands for a gradient."""

GRADIENT = ("d", "grad", "grads", "nabla", "g", "dl", "dj")
"""What stands for a gradient before or after such a word."""

Entry = tuple[str, tuple[int, ...]]
"""The words of a name without its numbers, and its numbers."""


def by_names(given: Mapping[Any, Any], names: Names, layers: int, biased: bool) -> list[tuple[Any, Any]]:
    """The (W, b) of each layer under declared names; raises `Misfit` where one is missing."""
    found = []
    for l in range(1, layers + 1):
        wanted = [named(pattern, l) for pattern in names[: 1 + biased]]
        missing = [name for name in wanted if name not in given]
        if missing:
            raise Misfit(f"expected {' and '.join(map(repr, missing))} in the dict returned, got {_listed(given)}")
        found.append((given[wanted[0]], given[wanted[1]] if biased else None))
    return found


def recognised(given: Mapping[Any, Any], layers: int, biased: bool) -> list[tuple[Any, Any]]:
    """The (W, b) of each layer, where the names tell them in one way alone.

    Raises
    ------
    Misfit
        If they do not.
    """
    of_W, of_b = (_numbered(given, kind, layers) for kind in ("W", "b"))
    if len(of_W) != 1 or (biased and len(of_b) != 1):
        raise Misfit(
            f"expected the gradients of {layers} {'layer' if layers == 1 else 'layers'} under names such as W1 and b1, "
            f'got {_listed(given)}; say returns=("dW{{l}}", "db{{l}}") with your own names, l from 1 or k from 0'
        )
    (weights,) = of_W
    biases: Sequence[Any] = of_b[0] if biased else [None] * layers
    return list(zip(weights, biases, strict=True))


def pair(given: Mapping[Any, Any], biased: bool) -> tuple[Any, Any]:
    """The (W, b) of one layer, from a dict of its own; raises `Misfit`."""
    ((W, b),) = recognised(given, 1, biased)
    return W, b


def _numbered(given: Mapping[Any, Any], kind: str, layers: int) -> list[Sequence[Any]]:
    """The entries of a kind, in the order of their numbers: one sequence for each way in which there is one a layer."""
    groups: dict[str, dict[tuple[int, ...], Any]] = {}
    for name, part in given.items():
        words, at = _entry(str(name))
        if _kind(words) == kind:
            groups.setdefault(words, {})[at] = part
    found: list[Sequence[Any]] = []
    for group in groups.values():
        if len(group) == layers and (layers == 1 or all(group)):
            found.append([part for _, part in sorted(group.items(), key=lambda entry: entry[0])])
    return found


def _entry(name: str) -> Entry:
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"\d+", " ", name))
    return " ".join(re.findall(r"[a-z]+", apart.lower())), tuple(map(int, re.findall(r"\d+", name)))


def _kind(words: str) -> str | None:
    """Of which kind a name is, by its words other than those that stand for a gradient."""
    kept = [word for word in words.split() if word not in GRADIENT]
    last = kept[-1] if kept else ""
    for kind, known in KINDS.items():
        if last in known or any(last == f"{prefix}{word}" for prefix in GRADIENT for word in known):
            return kind
    return None


def _listed(given: Mapping[Any, Any]) -> str:
    if not given:
        return "an empty dict"
    return ", ".join(map(repr, list(given)[:6])) + (", ..." if len(given) > 6 else "")
