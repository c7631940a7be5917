"""How far a training is, and how it gets on: from batch to batch, from epoch to epoch."""

from math import inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backpropagation import Layer, Network
from ..checks import check_number
from ..gradients import propagate
from ..updates import Rule, State, advance, begin, clipped, euclidean_norm
from .arguments import Arguments
from .evaluation import loss_on
from .outcome import Diverged, Epoch, Training


class Progress(NamedTuple):
    """How far a training is: the network and the rule's state after the last step, and the epochs behind it.

    ``good`` is the last network that is known to have a finite loss.  ``best`` is the one with the ``lowest``
    validation loss; without validation it is the last.
    """

    network: Network
    state: State
    good: Network
    best: Network
    lowest: float
    history: tuple[Epoch, ...]


def begun(network: Network, rule: Rule) -> Progress:
    """Start with a copy of the network."""
    network = copied(network)
    return Progress(network, begin(rule, network), network, network, inf, ())


def resumed(training: Training) -> Progress:
    """Start where another training ended."""
    network, history = copied(training.network), training.history
    lowest = min((epoch.validation_loss for epoch in history if epoch.validation_loss is not None), default=inf)
    return Progress(network, training.state, network, training.best, lowest, history)


def copied(network: Network) -> Network:
    """Copy the parameters, so that what training leaves shares no memory with what it was given."""
    return tuple(Layer(W.copy(), b.copy(), sigma) for W, b, sigma in network)


def after_epoch(arguments: Arguments, progress: Progress) -> Progress:
    """Take a step for each batch of the samples, and then the loss on the samples held out."""
    epoch, count, rng = len(progress.history) + 1, len(arguments.x), arguments.rng
    order = np.arange(count) if rng is None else rng.permutation(count)
    eta = check_number(f"schedule({epoch})", arguments.schedule(epoch), 0) * arguments.rule.eta
    batch, total, norm = 0, 0.0, 0.0
    for batch, start in enumerate(range(0, count, arguments.batch_size), start=1):
        rows = order[start : start + arguments.batch_size]
        progress, loss, length = after_step(arguments, progress, rows, eta, batch)
        total += loss * (len(rows) / count if arguments.reduction == "mean" else 1)
        norm = max(norm, length)
    if not np.isfinite(total):
        raise diverged(f"the loss of the epoch is {total}", progress, batch)
    held = validation_loss(arguments, progress, batch)
    progress = progress._replace(history=(*progress.history, Epoch(epoch, total, norm, held)))
    if held is None:
        return progress._replace(best=progress.network)
    return progress._replace(best=progress.network, lowest=held) if held < progress.lowest else progress


def after_step(
    arguments: Arguments, progress: Progress, rows: NDArray[np.intp], eta: float, batch: int
) -> tuple[Progress, float, float]:
    """Take a step on those rows of the samples; return also the loss before it and the norm of its gradient."""
    x, y, before = arguments.x[rows], arguments.y[rows], progress.network
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # looked for below
        evaluation = propagate(before, x, y, arguments.loss, arguments.reduction)
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
    """Say in which batch of the epoch after the last something is not finite, and keep the last good network."""
    return Diverged(what, len(progress.history) + 1, batch, progress.good, progress.history)
