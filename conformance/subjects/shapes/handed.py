"""What somebody's code is handed: a problem's arrays in their own shapes, arranged as they take them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from reference import Layer

from ...arrays import Array
from ...problems.problem import Problem
from .style import Style, named


class Handed(NamedTuple):
    """The network's arguments, x and y in somebody's own shapes; ``copies`` are those of lent arrays, a pair each."""

    network: tuple[Any, ...]
    x: Array
    y: Array
    copies: tuple[tuple[Array, Array], ...]

    def give_back(self) -> None:
        """What was written into copies is written into the arrays that they are of, for whoever looks at changes."""
        for lent, copy in self.copies:
            lent[...] = copy


def handed(problem: Problem, style: Style) -> Handed:
    """The arguments for a problem.

    Contiguous arrays are handed over contiguous in their own shapes, in copies; others as views of the lent ones.
    """
    copies: list[tuple[Array, Array]] = []

    def own(lent: Array, view: Array) -> Array:
        if view is lent or not lent.flags.c_contiguous or view.flags.c_contiguous:
            return view
        copies.append((view, np.ascontiguousarray(view)))
        return copies[-1][1]

    weights = [own(W, style.own_W(W)) for W, _, _ in problem.network]
    biases = [own(b, style.own_b(b)) for _, b, _ in problem.network] if style.biased else None
    network = _arranged(weights, biases, [sigma for _, _, sigma in problem.network], style)
    x = own(problem.x, style.own_samples(problem.x))
    y = problem.y.argmax(axis=1) if style.indices else own(problem.y, style.own_samples(problem.y))
    return Handed(network, x, y, tuple(copies))


def _arranged(
    weights: Sequence[Array], biases: Sequence[Array] | None, sigmas: Sequence[Any], style: Style
) -> tuple[Any, ...]:
    """The arguments that stand for a network."""
    if not isinstance(style.parameters, str):
        of_W, of_b = style.parameters
        both = {}
        for l, W in enumerate(weights, start=1):
            both[named(of_W, l)] = W
            if biases is not None:
                both[named(of_b, l)] = biases[l - 1]
        return (both,)
    if biases is None:
        if style.parameters == "layers":
            return (tuple(zip(weights, sigmas, strict=True)),)
        return (list(weights),)
    if style.parameters == "layers":
        return (tuple(Layer(W, b, sigma) for W, b, sigma in zip(weights, biases, sigmas, strict=True)),)
    if style.parameters == "weights, biases":
        return list(weights), list(biases)
    if style.parameters == "biases, weights":
        return list(biases), list(weights)
    pairs = list(zip(weights, biases, strict=True))
    return (pairs if style.parameters == "pairs" else [part for pair in pairs for part in pair],)


def in_our_shapes(problem: Problem, style: Style) -> Problem:
    """A problem that is given in a style, in the document's shapes; what is no problem is left to whoever checks it.

    A network without biases gets biases of 0.

    Raises
    ------
    ValueError
        If targets are no class indices where these are declared.
    """
    if not isinstance(problem, Problem) or not style.reshaped:
        return problem
    layers = []
    for layer in problem.network:
        W, *b, sigma = layer
        W = style.ours_W(np.asarray(W))
        layers.append(Layer(W, style.ours_b(np.asarray(b[0])) if style.biased else np.zeros(len(W), W.dtype), sigma))
    x, y = style.ours_samples(np.asarray(problem.x)), np.asarray(problem.y)
    if not style.indices:
        return problem._replace(network=tuple(layers), x=x, y=style.ours_samples(y))
    K = len(layers[-1].W)
    if y.ndim != 1 or y.dtype.kind not in "iu" or (y.size and not 0 <= y.min() <= y.max() < K):
        raise ValueError(f"y: expected class indices (B,) from 0 to {K - 1}, got {y.dtype} of shape {y.shape}")
    return problem._replace(network=tuple(layers), x=x, y=np.eye(K, dtype=x.dtype)[y])
