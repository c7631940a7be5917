"""How well a network does, and the samples held out to tell it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backpropagation import Layer, Network, forward
from ..checks import check_batch, check_generator, check_loss, check_network, check_number, check_samples
from ..gradients import Reduction, reduced_loss
from ..losses import THRESHOLDS, Loss

__all__ = ["Score", "evaluate", "predict", "split"]


class Score(NamedTuple):
    """The reduced loss on samples, and the share of them that the network labels right."""

    loss: float
    accuracy: float


def predict(network: Sequence[Layer[NDArray[Any]]], x: ArrayLike) -> NDArray[Any]:
    """Compute the network's output (B, n_L) for samples x (B, n_0); both are checked as by `value_and_gradients`."""
    network, dtype = check_network(network)
    return forward(network, check_samples(network, dtype, x))[-1].a


def evaluate(
    network: Sequence[Layer[NDArray[Any]]], x: ArrayLike, y: ArrayLike, loss: Loss, reduction: Reduction
) -> Score:
    """Take the loss on samples, and count those labelled right; arguments and errors are `value_and_gradients`'.

    A sample's label is the place of its largest output and target.  With a single output, and with the losses of
    `reference.losses.THRESHOLDS`, each output is a decision, and a sample is right if all of them are.
    """
    network, dtype = check_network(network)
    loss = check_loss(network, dtype, loss, reduction)
    x, y = check_batch(network, dtype, x, y, loss)
    a = forward(network, x)[-1].a
    if a.shape[1] == 1 or type(loss) in THRESHOLDS:
        least, target = THRESHOLDS.get(type(loss), (1 / 2, 1 / 2))
        right = ((a > least) == (y > target)).all(axis=1)
    else:
        right = a.argmax(axis=1) == y.argmax(axis=1)
    return Score(loss_on(network, x, y, loss, reduction), float(right.mean()))


def loss_on(
    network: Network[NDArray[Any]], x: NDArray[Any], y: NDArray[Any], loss: Loss, reduction: Reduction
) -> float:
    """Take the reduced loss on samples, unchecked and without a gradient."""
    _, z, a = forward(network, x)[-1]
    return float(reduced_loss(network[-1].sigma, z, a, y, loss, reduction).value)


def split(
    rng: np.random.Generator, x: ArrayLike, y: ArrayLike, share: float
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Hold a random share of the samples out; return x and y to train on, then x and y held out.

    Raises
    ------
    TypeError, ValueError
        If ``rng`` is no generator, x and y differ in length, or one of the parts would be empty.
    """
    check_generator(rng)
    x, y = np.asarray(x), np.asarray(y)
    held = round(check_number("share", share, 0) * len(x))
    if len(x) != len(y):
        raise ValueError(f"y: expected as many rows as x, {len(x)}, got {len(y)}")
    if not 0 < held < len(x):
        raise ValueError(f"share: expected a share that leaves samples in both parts, got {share} of {len(x)}")
    order = rng.permutation(len(x))
    return x[order[held:]], y[order[held:]], x[order[:held]], y[order[:held]]
