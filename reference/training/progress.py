"""How training gets on: from batch to batch, from epoch to epoch, until there is a reason to stop."""

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backpropagation import Layer, Network
from ..checks import check_number
from ..gradients import Reduction, loss_and_gradients
from ..losses import Loss
from ..updates import Rule, State, advance, begin, clipped, euclidean_norm
from .evaluation import loss_on
from .outcome import Diverged, Epoch, Training
from .schedules import Schedule

Callback = Callable[[Epoch, Network[NDArray[Any]]], object]


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

    ``good`` is the last network that is known to have a finite loss.  ``best`` is the one with the ``lowest``
    validation loss; without validation it is the last.
    """

    network: Network[NDArray[Any]]
    state: State[NDArray[Any]]
    good: Network[NDArray[Any]]
    best: Network[NDArray[Any]]
    lowest: float
    history: tuple[Epoch, ...]


def start(network: Network[NDArray[Any]], rule: Rule, resume: Training | None) -> Progress:
    """Start with a copy of the network and no epoch behind it, or where another training ended."""
    given = network if resume is None else resume.network
    copy = tuple(Layer(W.copy(), b.copy(), sigma) for W, b, sigma in given)
    if resume is None:
        return Progress(copy, begin(rule, copy), copy, copy, inf, ())
    losses = [epoch.validation_loss for epoch in resume.history if epoch.validation_loss is not None]
    return Progress(copy, resume.state, copy, resume.best, min(losses, default=inf), resume.history)


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
    held, history = validation_loss(arguments, progress, batch), progress.history
    history += (Epoch(epoch, total, largest, held),)
    if held is None:
        return progress._replace(best=progress.network, history=history)
    if held < progress.lowest:
        return progress._replace(best=progress.network, lowest=held, history=history)
    return progress._replace(history=history)


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


def validation_loss(arguments: Arguments, progress: Progress, batch: int) -> float | None:
    """Take the loss on the samples held out, if there are any, after the last batch of an epoch."""
    if arguments.validation is None:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # looked for below
        loss = loss_on(progress.network, *arguments.validation, arguments.loss, arguments.reduction)
    if not np.isfinite(loss):
        raise diverged(f"the loss on the validation samples is {loss}", progress, batch)
    return loss


def diverged(what: str, progress: Progress, batch: int) -> Diverged:
    """Say what is not finite in that batch of the epoch under way, and hand out the last good network."""
    return Diverged(what, len(progress.history) + 1, batch, progress.good, progress.history)


def reason_to_stop(arguments: Arguments, progress: Progress) -> str | None:
    """Name what ends training after the last epoch, if anything does; the callback is asked after each."""
    history, last = progress.history, progress.history[-1]
    if arguments.callback is not None and arguments.callback(last, progress.network):
        return "callback"
    if arguments.patience is not None and epochs_since_lowest(history) >= arguments.patience:
        return "patience"
    change = abs(last.loss - history[-2].loss) if len(history) > 1 else inf
    if arguments.loss_change is not None and change <= arguments.loss_change:
        return "loss_change"
    if arguments.gradient_norm is not None and last.gradient_norm <= arguments.gradient_norm:
        return "gradient_norm"
    return None


def epochs_since_lowest(history: tuple[Epoch, ...]) -> int:
    """Count the epochs since the validation loss was first at its minimum."""
    losses = [epoch.validation_loss for epoch in history if epoch.validation_loss is not None]
    return len(losses) - 1 - losses.index(min(losses))
