"""What is asked and what is answered: frozen values that every room of the suite passes on.

An `Architecture` is the plain description from which `fill` makes a `Problem`, always the same one: Hypothesis
draws and shrinks architectures, and the printed one replays its problem.
"""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from reference import Activation, Layer, Loss
from reference.gradients import Reduction
from reference.losses import TARGETS

from ..arrays import Array, Network

Numbers = TypeVar("Numbers")
"""An array, or numbers that carry a bound."""


class Problem(NamedTuple):
    """A network, a batch x (B, n_0) with targets y (B, n_L), a loss, and a learning rate for one step."""

    network: Network
    x: Array
    y: Array
    loss: Loss
    reduction: Reduction
    eta: float

    @property
    def dtype(self) -> np.dtype[Any]:
        """The format in which the subject is to compute."""
        dtype: np.dtype[Any] = self.x.dtype
        return dtype


class Parameters(NamedTuple, Generic[Numbers]):
    """A layer's weights and biases, or their gradients."""

    W: Numbers
    b: Numbers


class State(NamedTuple, Generic[Numbers]):
    """A layer's z, a and delta = dL/dz, each (B, n_l)."""

    z: Numbers
    a: Numbers
    delta: Numbers


class Answer(NamedTuple):
    """What a subject computed: the loss, gradients and trace for each layer, dL/dx, and the updated parameters."""

    value: Array
    gradients: tuple[Parameters[Array], ...]
    trace: tuple[State[Array], ...]
    input_gradient: Array
    updated: tuple[Parameters[Array], ...]


class GivenAnswer(NamedTuple):
    """What a subject answered, in the problem's dtype: the gradients, and what it volunteered.

    ``loss`` has shape (), ``output`` (B, n_L), ``input_gradient`` (B, n_0); any number may be NaN or infinite.
    """

    gradients: tuple[Parameters[Any], ...]
    loss: Array | None = None
    output: Array | None = None
    input_gradient: Array | None = None
    trace: tuple[State[Array], ...] | None = None


class Architecture(NamedTuple):
    """All that determines a problem.

    ``widths`` are n_0 to n_L; ``patterns`` name how W, x and y are filled.  Biases are generic, but whole numbers
    where W and x are, so that some z is exactly 0 and meets a kink; they are never 0.
    """

    widths: tuple[int, ...]
    activations: tuple[Activation, ...]
    loss: Loss
    reduction: Reduction
    batch: int
    dtype: str
    patterns: tuple[str, str, str]
    seed: int
    eta: float


PATTERNS = ("generic", "zeros", "constant", "integers", "large", "tiny")
"""How an array is filled: normal numbers; zeros; one number; whole numbers from -3 to 3; scaled up; scaled down."""


def fill(architecture: Architecture) -> Problem:
    """The problem of that architecture, drawn from its seed."""
    widths, activations, loss, reduction, B, dtype, patterns, seed, eta = architecture
    rng = np.random.default_rng(seed)
    # A gradient multiplies all weights, samples and targets: so scaled, none overflows and few underflow.
    budget = -np.log2(float(np.finfo(dtype).tiny)) / 4
    scale = 2.0 ** np.floor(budget / (2 * len(widths)))

    def array(shape: tuple[int, ...], pattern: str) -> Array:
        filled: dict[str, Callable[[], Array]] = {
            "generic": lambda: rng.standard_normal(shape),
            "zeros": lambda: np.zeros(shape),
            "constant": lambda: np.full(shape, rng.standard_normal()),
            "integers": lambda: rng.integers(-3, 4, shape),
            "large": lambda: scale * rng.standard_normal(shape),
            "tiny": lambda: rng.standard_normal(shape) / scale,
        }
        return filled[pattern]().astype(dtype)

    layers = []
    for m, n, sigma in zip(widths, widths[1:], activations, strict=False):
        W = array((n, m), patterns[0])
        if patterns[0] == "generic":
            W = W / np.sqrt(m, dtype=dtype)
        b = array((n,), "generic")
        if patterns[:2] == ("integers", "integers"):
            b = np.copysign(1 + np.floor(abs(b)), b)
        layers.append(Layer(W, b, sigma))
    x, y = array((B, widths[0]), patterns[1]), array((B, widths[-1]), patterns[2])
    return Problem(tuple(layers), x, _within(y, *TARGETS.get(type(loss), (-np.inf, np.inf))), loss, reduction, eta)


def _within(y: Array, low: float, high: float) -> Array:
    """The targets, drawn into the loss's domain; its ends occur."""
    return (abs(y) if low == 0 else y).clip(low, high).astype(y.dtype)
