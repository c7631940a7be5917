"""The document's example: XOR, two inputs, two hidden units, one output, all sigmoid."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..activations import Sigmoid
from ..backpropagation import Layer, Network, update
from ..gradients import loss_and_gradients
from ..losses import HalfSquaredError

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
Y = np.array([[0.0], [1.0], [1.0], [0.0]])


def initial() -> Network[NDArray[Any]]:
    """Draw the document's first parameters: its seed, its order, its layout (inputs in rows) transposed."""
    rng = np.random.RandomState(42)
    W1, W2 = rng.rand(2, 2).T, rng.rand(2, 1).T
    b1, b2 = rng.rand(1, 2)[0], rng.rand(1, 1)[0]
    return Layer(W1, b1, Sigmoid()), Layer(W2, b2, Sigmoid())


class Run(NamedTuple):
    """What the example leaves: every epoch's loss, the last output (4, 1), and the network that computed it."""

    losses: list[float]
    predicted: NDArray[Any]
    network: Network[NDArray[Any]]


def run(epochs: int = 10_000, eta: float = 0.1) -> Run:
    """Train as the document does, with all four samples in each epoch; its last output is from before the last step."""
    network, losses = initial(), []
    for _ in range(epochs):
        evaluation = loss_and_gradients(network, X, Y, HalfSquaredError(), "sum")
        before, network = network, update(network, evaluation.gradients, eta)
        losses.append(float(evaluation.value))
    return Run(losses, evaluation.steps[-1].a, before)
