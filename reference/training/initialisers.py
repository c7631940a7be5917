"""Initialisers: functions that draw the first weights and biases of a layer from a generator.

Each takes the generator and the numbers of units ``n`` and inputs ``m``, and returns W (n, m) and b (n,) in float64;
`initialised` makes a whole network, in any dtype.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..activations import Activation
from ..backpropagation import Layer, Network
from ..checks import check_activation, check_generator, check_whole_number

__all__ = ["glorot", "he", "initialised", "torch_default", "uniform"]

Parameters = tuple[NDArray[np.float64], NDArray[np.float64]]
Initialiser = Callable[[np.random.Generator, int, int], Parameters]


def uniform(rng: np.random.Generator, n: int, m: int) -> Parameters:
    """Draw every weight and bias from [0, 1), as the document does."""
    return rng.random((n, m)), rng.random(n)               # (I1)  W, b ~ U[0, 1)


def glorot(rng: np.random.Generator, n: int, m: int) -> Parameters:
    """Draw weights for tanh and its like, by Glorot and Bengio's normalised initialisation; biases are 0."""
    r = np.sqrt(6 / (m + n))
    return rng.uniform(-r, r, (n, m)), np.zeros(n)         # (I2)  W ~ U[-r, r), r = sqrt(6 / (n_in + n_out)), b = 0


def he(rng: np.random.Generator, n: int, m: int) -> Parameters:
    """Draw weights for relu and its like, by He et al.'s initialisation; biases are 0."""
    s = np.sqrt(2 / m)
    return s * rng.standard_normal((n, m)), np.zeros(n)    # (I3)  W ~ N(0, s^2), s = sqrt(2 / n_in), b = 0


def torch_default(rng: np.random.Generator, n: int, m: int) -> Parameters:
    """Draw weights and biases on the scale of the inputs, as ``torch.nn.Linear`` does."""
    r = np.sqrt(1 / m)
    return rng.uniform(-r, r, (n, m)), rng.uniform(-r, r, n)  # (I4)  W, b ~ U[-r, r), r = sqrt(1 / n_in)


def initialised(
    rng: np.random.Generator,
    widths: Sequence[int],
    activations: Sequence[Activation],
    initialiser: Initialiser = torch_default,
    dtype: DTypeLike = np.float64,
) -> Network[NDArray[Any]]:
    """Make a network with fresh parameters.

    Parameters
    ----------
    rng : numpy.random.Generator
        The parameters are drawn from it layer by layer, weights before biases.
    widths : sequence of int
        The numbers n_0 to n_L of inputs and units, each at least 1.
    activations : sequence of Activation
        One for each of the L layers.
    initialiser : function
        `uniform` (I1), `glorot` (I2), `he` (I3) or `torch_default` (I4).
    dtype : dtype
        The parameters are drawn in float64 and rounded to it.

    Raises
    ------
    TypeError
        If ``rng`` is no generator, a width no whole number, an activation none, or the dtype not floating.
    ValueError
        If a width is below 1, or the numbers of widths and activations do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import Sigmoid, Tanh, initialised
    >>> network = initialised(np.random.default_rng(0), [3, 5, 1], [Tanh(), Sigmoid()])
    >>> [layer.W.shape for layer in network]
    [(5, 3), (1, 5)]
    """
    check_generator(rng)
    if len(widths) != len(activations) + 1 or not activations:
        raise ValueError(
            f"widths: expected one more than activations, and at least two, got {len(widths)} widths and "
            f"{len(activations)} activations"
        )
    for l, n in enumerate(widths):
        check_whole_number(f"widths[{l}]", n, 1)
    for l, sigma in enumerate(activations, start=1):
        check_activation(f"layer {l}", sigma)
    if np.dtype(dtype).kind != "f":
        raise TypeError(f"dtype: expected a floating dtype, got {np.dtype(dtype)}")
    network = []
    for m, n, sigma in zip(widths, widths[1:], activations, strict=False):
        W, b = initialiser(rng, n, m)
        network.append(Layer(W.astype(dtype), b.astype(dtype), sigma))
    return tuple(network)
