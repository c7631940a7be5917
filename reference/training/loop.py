"""The document's workflow: forward, loss, backward, update, again and again until the loss converges."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, NamedTuple, TypeVar

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
from ..gradients import Reduction, loss_and_gradients
from ..losses import Loss
from ..updates import Rule, State, advance, begin, clipped, euclidean_norm
from .evaluation import loss_on
from .outcome import Diverged, Epoch, Training, generator
from .schedules import Schedule, constant_rate

__all__ = ["train"]

Callback = Callable[[Epoch, Network[NDArray[Any]]], object]
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
    for _ in range(epochs):
        progress = after_epoch(arguments, progress)
        if stopped := reason_to_stop(arguments, progress):
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


class Arguments(NamedTuple):
    """The arguments of `reference.train` that every epoch needs, all checked."""

    x: NDArray[Any]
    y: NDArray[Any]
    loss: Loss
    reduction: Reduction
    rule: Rule
    batch_size: int
    rng: np.random.Generator | None
    schedule: Schedule
    max_norm: float | None
    validation: tuple[NDArray[Any], NDArray[Any]] | None
    patience: int | None
    loss_change: float | None
    gradient_norm: float | None
    callback: Callback | None


class Progress(NamedTuple):
    """How far a training is: the network and the rule's state after the last step, and the epochs behind it.

    ``good`` is the last network that is known to have a finite loss.  ``best`` is the one with the lowest validation
    loss; without validation it is the last.
    """

    network: Network[NDArray[Any]]
    state: State[NDArray[Any]]
    good: Network[NDArray[Any]]
    best: Network[NDArray[Any]]
    history: tuple[Epoch, ...]


def start(network: Network[NDArray[Any]], rule: Rule, resume: Training | None) -> Progress:
    """Start with a copy of the network and no epoch behind it, or where another training ended."""
    given = network if resume is None else resume.network
    copy = tuple(Layer(W.copy(), b.copy(), sigma) for W, b, sigma in given)
    if resume is None:
        return Progress(copy, begin(rule, copy), copy, copy, ())
    return Progress(copy, resume.state, copy, resume.best, resume.history)


def after_epoch(arguments: Arguments, progress: Progress) -> Progress:
    """Take a step for each batch of the samples, and then the loss on the samples held out."""
    epoch, count, rng = len(progress.history) + 1, len(arguments.x), arguments.rng
    order = np.arange(count) if rng is None else rng.permutation(count)
    eta = check_number(f"schedule({epoch})", arguments.schedule(epoch), 0) * arguments.rule.eta
    batch, total, largest = 0, 0.0, 0.0
    for batch, first in enumerate(range(0, count, arguments.batch_size), start=1):
        rows = order[first : first + arguments.batch_size]
        progress, loss, norm = after_step(arguments, progress, rows, eta, batch)
        total += loss * (len(rows) / count if arguments.reduction == "mean" else 1)
        largest = max(largest, norm)
    if not np.isfinite(total):
        raise diverged(f"the loss of the epoch is {total}", progress, batch)
    held = None
    if arguments.validation is not None:
        with np.errstate(over="ignore", invalid="ignore"):  # looked for below
            held = loss_on(progress.network, *arguments.validation, arguments.loss, arguments.reduction)
        if not np.isfinite(held):
            raise diverged(f"the loss on the validation samples is {held}", progress, batch)
    better = held is None or held < min(validation_losses(progress.history), default=inf)
    return progress._replace(
        best=progress.network if better else progress.best,
        history=(*progress.history, Epoch(epoch, total, largest, held)),
    )


def after_step(
    arguments: Arguments, progress: Progress, rows: NDArray[np.intp], eta: float, batch: int
) -> tuple[Progress, float, float]:
    """Take a step on those rows of the samples; return also the loss before it and the norm of its gradient."""
    x, y, before = arguments.x[rows], arguments.y[rows], progress.network
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # looked for below
        evaluation = loss_and_gradients(before, x, y, arguments.loss, arguments.reduction)
        gradients, norm = evaluation.gradients, float(euclidean_norm(evaluation.gradients))
        if arguments.max_norm is not None:
            gradients = clipped(gradients, arguments.max_norm)
        after, state = advance(arguments.rule, before, gradients, progress.state, eta)
    if not np.isfinite(evaluation.value):
        raise diverged(f"the loss is {evaluation.value}", progress, batch)
    progress = progress._replace(good=before)
    if not all(np.isfinite(p).all() for W, b, _ in after for p in (W, b)):
        raise diverged("the update makes a parameter that is not finite", progress, batch)
    return progress._replace(network=after, state=state), float(evaluation.value), norm


def diverged(what: str, progress: Progress, batch: int) -> Diverged:
    """Say what is not finite in that batch of the epoch under way, and hand out the last good network."""
    return Diverged(what, len(progress.history) + 1, batch, progress.good, progress.history)


def reason_to_stop(arguments: Arguments, progress: Progress) -> str | None:
    """Name what ends training after the last epoch, if anything does; the callback is asked after each."""
    history, last = progress.history, progress.history[-1]
    if arguments.callback is not None and arguments.callback(last, progress.network):
        return "callback"
    held = validation_losses(history)
    if arguments.patience is not None and len(held) - 1 - held.index(min(held)) >= arguments.patience:
        return "patience"
    change = abs(last.loss - history[-2].loss) if len(history) > 1 else inf
    if arguments.loss_change is not None and change <= arguments.loss_change:
        return "loss_change"
    if arguments.gradient_norm is not None and last.gradient_norm <= arguments.gradient_norm:
        return "gradient_norm"
    return None


def validation_losses(history: tuple[Epoch, ...]) -> list[float]:
    """List the losses on the samples held out, of the epochs that had any."""
    return [epoch.validation_loss for epoch in history if epoch.validation_loss is not None]
