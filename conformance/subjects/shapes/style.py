"""The style of somebody's code: one frozen value, and the arrays of a problem in it.

Ours are W (n_l, n_{l-1}), b (n_l,), and samples in rows; a function may keep its own otherwise.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Literal, NamedTuple, TypedDict

from ...arrays import Array

Weights = Literal["out, in", "in, out"]
Samples = Literal["rows", "columns"]
Biases = Literal["(n,)", "(1, n)", "(n, 1)", "none"]
Arranged = Literal["layers", "pairs", "in turn", "weights, biases", "biases, weights"]
Names = tuple[str, str]
Arrangement = Arranged | Names
OverOutputs = Literal["sum", "mean"]


class Style(NamedTuple):
    """How a function takes a network and a batch, how it returns gradients, and what its objective adds to the loss.

    ``parameters`` and ``returns`` are arrangements of a network's arrays: by layers, in pairs, in turn, apart, or in a
    dict by a pair of names with ``{l}`` (from 1) or ``{k}`` (from 0) in them.  ``indices`` says that targets are
    handed over as classes.  ``l2`` is the c of a penalty c/2 |W|^2, whose gradient is c W.
    """

    weights: Weights = "out, in"
    samples: Samples = "rows"
    biases: Biases = "(n,)"
    parameters: Arrangement = "layers"
    returns: Arrangement = "pairs"
    indices: bool = False
    over_outputs: OverOutputs = "sum"
    l2: float = 0.0
    l2_biases: bool = False

    @property
    def biased(self) -> bool:
        """Whether there are biases."""
        return self.biases != "none"

    @property
    def reshaped(self) -> bool:
        """Whether a problem stands otherwise than in the document's shapes."""
        own = self.weights, self.samples, self.biases, self.indices
        return own != (OURS.weights, OURS.samples, OURS.biases, OURS.indices)

    def own_W(self, W: Array) -> Array:
        """Weights, or their gradient, as the function has them; a view."""
        return W.T if self.weights == "in, out" else W

    def own_b(self, b: Array) -> Array:
        """Biases, or their gradient, as the function has them; a view."""
        return b[None, :] if self.biases == "(1, n)" else b[:, None] if self.biases == "(n, 1)" else b

    def own_samples(self, x: Array) -> Array:
        """Rows of samples as the function has them; a view."""
        return x.T if self.samples == "columns" else x

    def ours_W(self, W: Any) -> Any:
        """The way back from `own_W`."""
        return W.T if self.weights == "in, out" else W

    def ours_b(self, b: Any) -> Any:
        """The way back from `own_b`."""
        return b.reshape(-1) if self.biases in ("(1, n)", "(n, 1)") else b

    def ours_samples(self, x: Any) -> Any:
        """The way back from `own_samples`."""
        return x.T if self.samples == "columns" else x

    def shape_W(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in which W (n, m) stands."""
        return shape[::-1] if self.weights == "in, out" else shape

    def shape_b(self, n: int) -> tuple[int, ...]:
        """The shape in which b (n,) stands."""
        return {"(1, n)": (1, n), "(n, 1)": (n, 1)}.get(self.biases, (n,))

    def shape_samples(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape in which samples (B, n) stand."""
        return shape[::-1] if self.samples == "columns" else shape


OURS = Style()
"""The document's own."""


class Shaped(TypedDict, total=False):
    """What may be said of the shapes and the objective behind an answer (`conformance.probe` says what each means)."""

    weights: Weights
    samples: Samples
    biases: Biases
    returns: Arrangement | None
    over_outputs: OverOutputs
    l2: float
    l2_biases: bool


class Styled(Shaped, total=False):
    """What may be said of a function besides: how it is handed the network."""

    parameters: Arrangement


KNOWN: Mapping[str, tuple[str, ...]] = {
    "weights": ("out, in", "in, out"),
    "samples": ("rows", "columns"),
    "biases": ("(n,)", "(1, n)", "(n, 1)", "none"),
    "parameters": ("layers", "pairs", "in turn", "weights, biases", "biases, weights"),
    "returns": ("pairs", "in turn", "weights, biases", "biases, weights"),
    "over_outputs": ("sum", "mean"),
}
"""What may be said in words."""


def style_of(
    *,
    weights: Any = "out, in",
    samples: Any = "rows",
    biases: Any = "(n,)",
    parameters: Any = "layers",
    returns: Any = None,
    indices: bool = False,
    over_outputs: Any = "sum",
    l2: Any = 0.0,
    l2_biases: Any = False,
) -> Style:
    """The style of what is said of a function; what it returns is arranged as its parameters unless that is said too.

    Raises
    ------
    TypeError, ValueError
        If what is said cannot be.
    """
    if returns is None:
        returns = returned_by(parameters)
    said = {"weights": weights, "samples": samples, "biases": biases, "over_outputs": over_outputs}
    for name, given in said.items():
        _one_of(name, given)
    for name, given in (("parameters", parameters), ("returns", returns)):
        if isinstance(given, str):
            _one_of(name, given)
        else:
            _check_names(name, given)
    if isinstance(l2, bool) or not isinstance(l2, int | float) or not isfinite(l2):
        raise ValueError(f"l2: expected the factor c of a penalty c/2 |W|^2, a finite number, got {l2!r}")
    if not isinstance(l2_biases, bool):
        raise TypeError(f"l2_biases: expected True or False, got {l2_biases!r}")
    parameters, returns = (given if isinstance(given, str) else tuple(given) for given in (parameters, returns))
    return Style(
        weights, samples, biases, parameters, returns, indices, over_outputs, float(l2), l2_biases
    )  # fmt: skip


def returned_by(parameters: Any) -> Any:
    """How what is returned is arranged where nothing is said: as the parameters are handed over."""
    return "pairs" if isinstance(parameters, str) and parameters == "layers" else parameters


def _one_of(name: str, given: Any) -> None:
    known = KNOWN[name]
    if not isinstance(given, str) or given not in known:
        named = [f'"{each}"' for each in known]
        also = ', or a pair of names such as ("W{l}", "b{l}")' if name in ("parameters", "returns") else ""
        raise ValueError(f"{name}: expected {', '.join(named[:-1])} or {named[-1]}{also}, got {given!r}")


def _check_names(name: str, given: Any) -> None:
    """Two names that differ from each other and from layer to layer."""
    expected = f'{name}: expected a pair of names with {{l}} (from 1) or {{k}} (from 0), such as ("W{{l}}", "b{{l}}")'
    if not isinstance(given, tuple | list) or len(given) != 2 or not all(isinstance(each, str) for each in given):
        raise ValueError(f"{expected}, got {given!r}")
    try:
        filled = [named(each, l) for each in given for l in (1, 2)]
    except (KeyError, IndexError, ValueError):
        filled = []
    if len(set(filled)) < 4:
        raise ValueError(f"{expected}, got {tuple(given)!r}")


def named(pattern: str, l: int) -> str:
    """The name of layer l, counted from 1."""
    return pattern.format(l=l, k=l - 1)
