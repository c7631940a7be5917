"""A small network with samples, and its bits."""


import numpy as np

from conformance.arrays import Network
from reference import (
    Identity,
    Layer,
    Softmax,
    Tanh,
    initialised,
)

RNG = np.random.default_rng


def bits(network: Network) -> list[bytes]:
    """All weights and biases."""
    return [p.tobytes() for W, b, _ in network for p in (W, b)]


def problem(dtype: str = "float64") -> tuple[Network, np.ndarray, np.ndarray]:
    rng = RNG(0)
    network = initialised(rng, [3, 4, 2], [Tanh(), Softmax()], dtype=dtype)
    x = rng.standard_normal((7, 3)).astype(dtype)
    return network, x, np.eye(2, dtype=dtype)[(x[:, 0] > 0).astype(int)]


ONE_UNIT = (Layer(np.array([[1.0]]), np.array([0.0]), Identity()),)
