"""The document's workflow: forward, loss, backward, update, again and again until the loss converges."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backpropagation import Layer, Network
from ..checks import (
    check_batch,
    check_generator,
    check_loss,
    check_network,
    check_number,
    check_rule,
    check_whole_number,
)
from ..gradients import Reduction
from ..losses import Loss
from ..updates import Rule, begin
from .outcome import Training, generator
from .progress import Arguments, Callback, after_epoch, reason_to_stop, start
from .schedules import Schedule, constant_rate

__all__ = ["train"]

Function = TypeVar("Function", Callback, Schedule)


def train(
    network: Sequence[Layer[NDArray[Any]]],
    x: ArrayLike,
    y: ArrayLike,
    loss: Loss,
    reduction: Reduction,
    *,
    rule: Rule,
    epochs: int,
    batch_size: int | None = None,
    rng: np.random.Generator | None = None,
    schedule: Schedule = constant_rate,
    max_norm: float | None = None,
    validation: tuple[ArrayLike, ArrayLike] | None = None,
    patience: int | None = None,
    loss_change: float | None = None,
    gradient_norm: float | None = None,
    callback: Callback | None = None,
    resume: Training | None = None,
) -> Training:
    """Train by mini-batch gradient descent.

    Parameters
    ----------
    network, x, y, loss, reduction
        These are `value_and_gradients`', and checked like them; the reduction is over each mini-batch.
    rule : Rule
        The update rule; ``SGD(eta)`` is the document's.
    epochs : int
        Training makes so many passes over the samples at most; those of ``resume`` do not count.
    batch_size : int, optional
        A mini-batch has so many samples, the last one perhaps fewer.  Without it a batch is all samples.
    rng : numpy.random.Generator, optional
        It shuffles the samples anew for each epoch.  Without it they keep their order.
    schedule : function, optional
        It gives the factor on the rule's eta for each epoch, counted from 1 (`reference.training.schedules`).
    max_norm : float, optional
        A gradient of a larger Euclidean norm is scaled down to this one (U22).
    validation : pair of arrays, optional
        On these samples and targets, held out by `split` for instance, the loss is taken after each epoch.
    patience : int, optional
        Training stops when so many epochs on end have brought no smaller validation loss.
    loss_change : float, optional
        Training stops when an epoch changes the loss by no more than this.
    gradient_norm : float, optional
        Training stops when no batch of an epoch has a gradient of a larger norm.
    callback : function, optional
        It is called after each epoch with the `Epoch` and the network, which it must not change; training stops when
        it answers with something true.
    resume : Training, optional
        Training goes on from there: with its network (in place of ``network``, which must be of the same kind), its
        rule's state, history, best, and generator (unless ``rng`` is given).  The result is that of one long training,
        to the bit.

    Returns
    -------
    Training
        The network has its dtype and shares no memory with the argument; what stopped training is "epochs", "patience",
        "loss_change", "gradient_norm" or "callback".

    Raises
    ------
    TypeError, ValueError
        As `value_and_gradients`, and for what the other parameters do not admit.
    Diverged
        If a loss or a parameter becomes infinite or not a number.

    Examples
    --------
    >>> import numpy as np
    >>> from reference import SGD, HalfSquaredError, Sigmoid, Tanh, initialised, train
    >>> rng = np.random.default_rng(1)
    >>> network = initialised(rng, [2, 3, 1], [Tanh(), Sigmoid()])
    >>> x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]
    >>> result = train(network, x, y, HalfSquaredError(), "sum", rule=SGD(1), epochs=1000, batch_size=2, rng=rng)
    >>> print(result.stopped, len(result.history), result.history[-1].loss < 0.01)
    epochs 1000 True
    """
    network, dtype = check_network(network)
    loss = check_loss(network, dtype, loss, reduction)
    x, y = check_batch(network, dtype, x, y, loss)
    if dtype.kind != "f":
        raise TypeError(f"network: expected a floating dtype to train in, got {dtype}")
    rule = check_rule(rule, dtype)
    epochs = check_whole_number("epochs", epochs, 1)
    if validation is not None and not (isinstance(validation, tuple | list) and len(validation) == 2):
        raise TypeError(f"validation: expected a pair of samples and targets, got {type(validation).__name__}")
    if resume is not None:
        check_resume(resume, network, rule)
    if rng is not None:
        check_generator(rng)
    elif resume is not None and resume.rng is not None:
        rng = generator(resume.rng)
    arguments = Arguments(
        x, y, loss, reduction, rule,
        batch_size=len(x) if batch_size is None else check_whole_number("batch_size", batch_size, 1),
        rng=rng,
        schedule=check_function("schedule", schedule),
        max_norm=check_limit("max_norm", max_norm),
        validation=None if validation is None else check_batch(network, dtype, *validation, loss),
        patience=None if patience is None else check_whole_number("patience", patience, 1),
        loss_change=check_limit("loss_change", loss_change),
        gradient_norm=check_limit("gradient_norm", gradient_norm),
        callback=None if callback is None else check_function("callback", callback),
    )  # fmt: skip
    if arguments.patience is not None and validation is None:
        raise ValueError("patience: expected validation samples with it, got none")
    progress = start(network, rule, resume)
    stopped = None
    for _ in range(epochs):
        progress = after_epoch(arguments, progress)
        stopped = reason_to_stop(arguments, progress)
        if stopped:
            break
    return Training(
        progress.network, progress.best, progress.history, stopped or "epochs", progress.state,
        rng=rng.bit_generator.state if rng else None,
    )  # fmt: skip


def check_limit(name: str, limit: float | None) -> float | None:
    """Check that a limit, if there is one, is a number that is not negative."""
    return None if limit is None else check_number(name, limit, 0)


def check_function(name: str, function: Function) -> Function:
    """Check that a function can be called."""
    if not callable(function):
        raise TypeError(f"{name}: expected a function, got {type(function).__name__}")
    return function


def check_resume(resume: Training, network: Network[NDArray[Any]], rule: Rule) -> None:
    """Check that a training had a network of the same kind as this one, and that its state is the rule's."""
    if not isinstance(resume, Training):
        raise TypeError(f"resume: expected a Training, got {type(resume).__name__}")
    kinds = [[(W.shape, W.dtype, sigma) for W, _, sigma in layers] for layers in (network, resume.network)]
    if kinds[0] != kinds[1]:
        raise ValueError("resume: expected a training of a network with these shapes, dtype, activations, got another")
    shapes = [
        (state.rule, [[[slot.shape for slot in of] for of in layer] for layer in state.slots])
        for state in (begin(rule, network), resume.state)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(f"resume: expected the state of {type(rule).__name__}, got that of {resume.state.rule}")
