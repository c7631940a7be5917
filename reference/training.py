"""The document's workflow: forward, loss, backward, update, again and again until the loss converges."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .backpropagation import Gradients, Layer, Network, update
from .checks import check_batch, check_generator, check_loss, check_network, check_number
from .functions import Array
from .gradients import Reduction, propagate
from .losses import Loss


class Epoch(NamedTuple):
    """One pass over the samples.

    ``loss`` is the reduced loss over all of them, each batch taken as the epoch met it;
    ``gradient_norm`` the largest Euclidean norm of a batch's gradient by all weights and biases.
    """

    epoch: int
    loss: float
    gradient_norm: float


class Training(NamedTuple):
    """What training leaves: the network, an `Epoch` for each epoch, and why it stopped."""

    network: Network
    history: tuple[Epoch, ...]
    stopped: str


class Diverged(ArithmeticError):
    """Training met a loss, or made a parameter, that is not finite.

    Attributes
    ----------
    epoch, batch : int
        Where, both counted from 1.
    network : tuple of Layer
        The last parameters that were finite and had a finite loss (or the first ones).
    history : tuple of Epoch
        The epochs before.
    """

    def __init__(self, what: str, epoch: int, batch: int, network: Network, history: tuple[Epoch, ...]) -> None:
        super().__init__(
            f"epoch {epoch}, batch {batch}: {what}; the last good parameters are in this error's .network; "
            "a smaller eta may help"
        )
        self.what, self.epoch, self.batch, self.network, self.history = what, epoch, batch, network, history

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.what, self.epoch, self.batch, self.network, self.history)


def train(
    network: Sequence[Layer],
    x: Array,
    y: Array,
    loss: Loss,
    reduction: Reduction,
    *,
    eta: float,
    epochs: int,
    batch_size: int | None = None,
    rng: np.random.Generator | None = None,
    loss_change: float | None = None,
    gradient_norm: float | None = None,
    callback: Callable[[Epoch, Network], object] | None = None,
) -> Training:
    """Train by mini-batch gradient descent.

    Parameters
    ----------
    network, x, y, loss, reduction
        As for `value_and_gradients`, and checked like them; the reduction is over each mini-batch.
    eta : float
        The learning rate, not negative.
    epochs : int
        How many passes at most.
    batch_size : int, optional
        Samples in a mini-batch; the last may be smaller.  All samples if not given.
    rng : numpy.random.Generator, optional
        Shuffles the samples anew for each epoch.  In the given order if not given.
    loss_change : float, optional
        Stop when an epoch changes the loss by no more than this.
    gradient_norm : float, optional
        Stop when no batch of an epoch has a gradient of a larger norm.
    callback : function, optional
        Called with the `Epoch` and the network, which it must not change, after each epoch; a true answer stops.

    Returns
    -------
    Training
        The network in its dtype, sharing no memory with the argument; history; and what ended it:
        "epochs", "loss_change", "gradient_norm" or "callback".

    Raises
    ------
    TypeError, ValueError
        As `value_and_gradients`, and for what the other parameters do not admit.
    Diverged
        If a loss or a parameter becomes infinite or not a number.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import HalfSquaredError, Sigmoid, Tanh, initialised, train
    >>> rng = np.random.default_rng(1)
    >>> network = initialised(rng, [2, 3, 1], [Tanh(), Sigmoid()])
    >>> x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    >>> result = train(network, x, y, HalfSquaredError(), "sum", eta=1, epochs=1000, batch_size=2, rng=rng)
    >>> print(result.stopped, len(result.history), result.history[-1].loss < 0.01)
    epochs 1000 True
    """
    network, dtype = check_network(network)
    loss = check_loss(network, dtype, loss, reduction)
    x, y = check_batch(network, dtype, x, y, loss)
    if dtype.kind != "f":
        raise TypeError(f"network: expected a floating dtype to train in, got {dtype}")
    eta = check_number("eta", eta, 0)
    size = len(x) if batch_size is None else int(check_number("batch_size", batch_size, 1, whole=True))
    epochs = int(check_number("epochs", epochs, 1, whole=True))
    for name, tolerance in (("loss_change", loss_change), ("gradient_norm", gradient_norm)):
        if tolerance is not None:
            check_number(name, tolerance, 0)
    if rng is not None:
        check_generator(rng)
    if callback is not None and not callable(callback):
        raise TypeError(f"callback: expected a function of an Epoch and the network, got {type(callback).__name__}")

    history: tuple[Epoch, ...] = ()
    good = network = tuple(Layer(W.copy(), b.copy(), sigma) for W, b, sigma in network)
    for epoch in range(1, epochs + 1):
        order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
        total, norm = 0.0, 0.0
        for batch, start in enumerate(range(0, len(x), size), start=1):
            rows = order[start : start + size]
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # looked for below
                value, gradients, _, _ = propagate(network, x[rows], y[rows], loss, reduction)
                after = update(network, gradients, eta)
                norm = max(norm, _norm(gradients))
            if not np.isfinite(value):
                raise Diverged(f"the loss is {value}", epoch, batch, good, history)
            good = network
            if not all(np.isfinite(p).all() for W, b, _ in after for p in (W, b)):
                raise Diverged("the update makes a parameter that is not finite", epoch, batch, good, history)
            network = after
            total += float(value) * (len(rows) / len(x) if reduction == "mean" else 1)
        if not np.isfinite(total):
            raise Diverged(f"the loss of the epoch is {total}", epoch, batch, good, history)
        history += (Epoch(epoch, total, norm),)
        reasons = {
            "callback": callback is not None and bool(callback(history[-1], network)),
            "loss_change": loss_change is not None
            and epoch > 1
            and abs(history[-1].loss - history[-2].loss) <= loss_change,
            "gradient_norm": gradient_norm is not None and norm <= gradient_norm,
        }
        for reason, met in reasons.items():
            if met:
                return Training(network, history, reason)
    return Training(network, history, "epochs")


def _norm(gradients: Gradients) -> float:
    """The Euclidean norm of the gradient by all weights and biases, in float64, scaled so that no square overflows."""
    parts = [p.astype(np.float64) for _, W, b in gradients for p in (W, b)]
    largest = max(float(abs(p).max()) for p in parts)
    return largest * float(np.sqrt(sum(((p / largest) ** 2).sum() for p in parts))) if largest else 0.0
