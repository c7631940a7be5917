"""A textbook's backpropagation in any declared shape, with a mistake in it or without."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from conformance.arrays import Array

Pairs = list[tuple[Array, Array]]


class Mistake(NamedTuple):
    """What is done wrong, and the equation that it breaks."""

    equation: str
    forgotten: bool = False
    done: Callable[[Pairs, Pairs, float], Pairs] = lambda gradients, network, c: gradients


MISTAKES = {
    "sigma' forgotten": Mistake("B2", forgotten=True),
    "dW of the second layer doubled": Mistake(
        "B3", done=lambda g, network, c: [(W * (1 + (l == 1)), b) for l, (W, b) in enumerate(g)]
    ),
    "one dW of another sign": Mistake("B3", done=lambda g, network, c: [(signed(W), b) for W, b in g]),
    "no penalty": Mistake("B3", done=lambda g, network, c: [
        (dW - c * W, db) for (dW, db), (W, _) in zip(g, network, strict=True)
    ]),
    "penalty twice": Mistake("B3", done=lambda g, network, c: [
        (dW + c * W, db) for (dW, db), (W, _) in zip(g, network, strict=True)
    ]),
}  # fmt: skip

OF_BIASES = {
    "db halved": Mistake("B4", done=lambda g, network, c: [(W, b / 2) for W, b in g]),
    "penalty on the biases": Mistake("B4", done=lambda g, network, c: [
        (dW, db + c * b) for (dW, db), (_, b) in zip(g, network, strict=True)
    ]),
}  # fmt: skip


def signed(W: Array) -> Array:
    """With the last element of another sign."""
    W = W.copy()
    W[-1, -1] *= -1
    return W


def gradients(
    network: Pairs, x: Array, y: Array, options: dict[str, Any], forgotten: bool = False
) -> tuple[Any, Pairs]:
    """Loss and gradients of sigmoid layers and half the squared error, by the recursion as books write it."""
    seen = [x]
    for W, b in network:
        seen.append(1 / (1 + np.exp(-(seen[-1] @ W.T + b))))
    B, K = y.shape
    by = (B if options.get("reduction") == "mean" else 1) * (K if options.get("over_outputs") == "mean" else 1)
    delta = (seen[-1] - y) * seen[-1] * (1 - seen[-1]) / x.dtype.type(by)
    found = []
    for l in range(len(network) - 1, -1, -1):
        found.append((delta.T @ seen[l], delta.sum(axis=0)))
        delta = delta @ network[l][0] * (1 if forgotten else seen[l] * (1 - seen[l]))
    c = x.dtype.type(options.get("l2", 0))
    penalised = [
        (dW + c * W, db + c * b if options.get("l2_biases") else db)
        for (dW, db), (W, b) in zip(found[::-1], network, strict=True)
    ]
    squares = sum((W**2).sum() + ((b**2).sum() if options.get("l2_biases") else 0) for W, b in network)
    return ((seen[-1] - y) ** 2).sum() / 2 / by + c / 2 * squares, penalised


def program(options: dict[str, Any], mistake: Mistake | None = None, with_loss: bool = False) -> Callable[..., Any]:
    """The function that takes a network and a batch, and returns gradients, as the options say."""

    def function(*given: Any) -> Any:
        *handed, x, y = given
        rows = options.get("samples") == "columns"
        x, y = (x.T, y.T) if rows else (x, y)
        turned = options.get("weights") == "in, out"
        network = [
            (W.T if turned else W, np.zeros(W.shape[turned], W.dtype) if b is None else b.reshape(-1))
            for W, b in paired(handed, options)
        ]
        loss, found = gradients(network, x, y, options, bool(mistake and mistake.forgotten))
        if mistake:
            found = mistake.done(found, network, x.dtype.type(options.get("l2", 0)))
        returned = arranged([(W.T if turned else W, stored(b, options)) for W, b in found], options)
        return (loss, returned) if with_loss else returned

    return function


def stored(b: Array, options: dict[str, Any]) -> Array:
    """Biases in their declared shape."""
    return b[None] if options.get("biases") == "(1, n)" else b[:, None] if options.get("biases") == "(n, 1)" else b


def paired(handed: Sequence[Any], options: dict[str, Any]) -> list[tuple[Array, Array | None]]:
    """What was handed over, a pair a layer; it must be arranged as was declared."""
    arrangement, biased = options.get("parameters", "layers"), options.get("biases") != "none"
    if isinstance(arrangement, tuple):
        (of,) = handed
        if not isinstance(of, dict):
            raise TypeError("expected a dict")
        L = len(of) // (1 + biased)
        names = [[name.format(l=l, k=l - 1) for name in arrangement] for l in range(1, L + 1)]
        return [(of[W], of[b] if biased else None) for W, b in names]
    if arrangement in ("weights, biases", "biases, weights") and biased:
        weights, biases = handed if arrangement == "weights, biases" else handed[::-1]
        return list(zip(weights, biases, strict=True))
    (network,) = handed
    if arrangement == "layers":
        return [(W, b[0] if biased else None) for W, *b, _ in network]
    if not biased:
        return [(W, None) for W in network]
    return list(network) if arrangement == "pairs" else list(zip(network[::2], network[1::2], strict=True))


def arranged(pairs: Any, options: dict[str, Any]) -> Any:
    """The gradients as was declared."""
    default = options.get("parameters", "pairs")
    arrangement = options.get("returns", "pairs" if default == "layers" else default)
    biased = options.get("biases") != "none"
    if isinstance(arrangement, tuple):
        return {
            name.format(l=l, k=l - 1): part
            for l, pair in enumerate(pairs, start=1)
            for name, part in list(zip(arrangement, pair, strict=True))[: 1 + biased]
        }
    if not biased:
        return [W for W, _ in pairs]
    apart = [W for W, _ in pairs], [b for _, b in pairs]
    forms = {"pairs": pairs, "in turn": [p for pair in pairs for p in pair], "weights, biases": apart}
    return forms.get(arrangement, apart[::-1])


STYLES: dict[str, dict[str, Any]] = {
    "weights (in, out)": {"weights": "in, out"},
    "columns": {"samples": "columns", "biases": "(n, 1)", "parameters": "weights, biases"},
    "Keras": {"weights": "in, out", "parameters": "in turn", "reduction": "mean"},
    "rows of biases": {"weights": "in, out", "biases": "(1, n)", "parameters": "pairs", "over_outputs": "mean"},
    "no biases": {"biases": "none", "reduction": "mean"},
    "no biases, weights (in, out)": {"biases": "none", "weights": "in, out", "parameters": "in turn"},
    "named": {"parameters": ("W{l}", "b{l}"), "returns": ("dW{l}", "db{l}"), "weights": "in, out"},
    "modules": {"parameters": ("layers.{k}.weight", "layers.{k}.bias"), "reduction": "mean"},
    "biases first": {"parameters": "biases, weights", "samples": "columns", "biases": "(n, 1)", "weights": "in, out"},
    "pairs in, in turn out": {"parameters": "pairs", "returns": "in turn", "biases": "(1, n)"},
    "a mean over all elements": {"over_outputs": "mean", "reduction": "mean"},
}
"""What may be declared, every value of every option in one of them at least."""
