"""The document's workflow: forward, loss, backward, update, again and again until the loss converges."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backpropagation import Layer, Network, forward
from ..checks import (
    check_batch,
    check_generator,
    check_loss,
    check_network,
    check_number,
    check_rule,
    check_samples,
    check_whole_number,
)
from ..functions import Array
from ..gradients import Reduction, propagate, reduced_loss
from ..losses import THRESHOLDS, Loss
from ..updates import Rule, State, advance, begin, clipped, euclidean_norm
from .schedules import Schedule, constant_rate


class Epoch(NamedTuple):
    """One pass over the samples.

    ``loss`` is the reduced loss over all of them, each batch taken as the epoch met it; ``gradient_norm`` the largest
    Euclidean norm of a batch's gradient by all weights and biases; ``validation_loss`` the loss after the epoch on
    the samples held out, if there are any.
    """

    epoch: int
    loss: float
    gradient_norm: float
    validation_loss: float | None = None


class Training(NamedTuple):
    """What training leaves, enough to go on from.

    ``network`` is the last one, ``best`` the one with the smallest validation loss (the last without validation);
    ``history`` has an `Epoch` for each epoch and ``stopped`` says why it ended.  ``state`` is the update rule's, and
    ``rng`` the generator's, as ``bit_generator.state`` gives it.
    """

    network: Network
    best: Network
    history: tuple[Epoch, ...]
    stopped: str
    state: State
    rng: Mapping[str, Any] | None


class Score(NamedTuple):
    """How a network does on samples: the reduced loss, and the share of them that it labels right."""

    loss: float
    accuracy: float


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
    rule: Rule,
    epochs: int,
    batch_size: int | None = None,
    rng: np.random.Generator | None = None,
    schedule: Schedule = constant_rate,
    max_norm: float | None = None,
    validation: tuple[Array, Array] | None = None,
    patience: int | None = None,
    loss_change: float | None = None,
    gradient_norm: float | None = None,
    callback: Callable[[Epoch, Network], object] | None = None,
    resume: Training | None = None,
) -> Training:
    """Train by mini-batch gradient descent.

    Parameters
    ----------
    network, x, y, loss, reduction
        As for `value_and_gradients`, and checked like them; the reduction is over each mini-batch.
    rule : Rule
        The update rule, ``SGD(eta)`` for the document's.
    epochs : int
        How many passes at most, those of ``resume`` not counted.
    batch_size : int, optional
        Samples in a mini-batch; the last may be smaller.  All samples if not given.
    rng : numpy.random.Generator, optional
        Shuffles the samples anew for each epoch.  In the given order if not given.
    schedule : function, optional
        The factor on the rule's eta by epoch, counted from 1 (`reference.training.schedules`).
    max_norm : float, optional
        The Euclidean norm down to which each gradient is clipped (U22).
    validation : pair of arrays, optional
        Samples and targets held out, on which the loss is taken after each epoch (`split` makes them).
    patience : int, optional
        Stop when the validation loss has had no new minimum for so many epochs.
    loss_change : float, optional
        Stop when an epoch changes the loss by no more than this.
    gradient_norm : float, optional
        Stop when no batch of an epoch has a gradient of a larger norm.
    callback : function, optional
        Called with the `Epoch` and the network, which it must not change, after each epoch; a true answer stops.
    resume : Training, optional
        Go on from there: its network (in place of ``network``, which must be of the same kind), its rule's state,
        history, best, and generator (if no ``rng`` is given).  The result is that of one long training, to the bit.

    Returns
    -------
    Training
        The network in its dtype, sharing no memory with the argument; what ended it is "epochs", "patience",
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
    size = len(x) if batch_size is None else check_whole_number("batch_size", batch_size, 1)
    epochs = check_whole_number("epochs", epochs, 1)
    if patience is not None:
        check_whole_number("patience", patience, 1)
        if validation is None:
            raise ValueError("patience: expected validation samples with it, got none")
    if validation is not None and not (isinstance(validation, tuple | list) and len(validation) == 2):
        raise TypeError(f"validation: expected a pair of samples and targets, got {type(validation).__name__}")
    held = None if validation is None else check_batch(network, dtype, *validation, loss)
    for name, limit in (("loss_change", loss_change), ("gradient_norm", gradient_norm), ("max_norm", max_norm)):
        if limit is not None:
            check_number(name, limit, 0)
    for name, function in (("callback", callback), ("schedule", schedule)):
        if not callable(function) and not (name == "callback" and function is None):
            raise TypeError(f"{name}: expected a function, got {type(function).__name__}")
    if resume is not None:
        network = _resumed(resume, network, rule)
    if rng is None and resume is not None and resume.rng is not None:
        rng = generator(resume.rng)
    elif rng is not None:
        check_generator(rng)

    good = network = tuple(Layer(W.copy(), b.copy(), sigma) for W, b, sigma in network)
    best, state = network, begin(rule, network)
    history: tuple[Epoch, ...] = ()
    if resume is not None:
        best, history, state = resume.best, resume.history, resume.state
    lowest = min((e.validation_loss for e in history if e.validation_loss is not None), default=np.inf)
    first, stopped = len(history) + 1, "epochs"
    for epoch in range(first, first + epochs):
        order = np.arange(len(x)) if rng is None else rng.permutation(len(x))
        eta = check_number(f"schedule({epoch})", schedule(epoch), 0) * rule.eta
        total, norm = 0.0, 0.0
        for batch, start in enumerate(range(0, len(x), size), start=1):
            rows = order[start : start + size]
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # looked for below
                value, gradients, _, _ = propagate(network, x[rows], y[rows], loss, reduction)
                norm = max(norm, euclidean_norm(gradients))
                if max_norm is not None:
                    gradients = clipped(gradients, max_norm)
                after, state = advance(rule, network, gradients, state, eta)
            if not np.isfinite(value):
                raise Diverged(f"the loss is {value}", epoch, batch, good, history)
            good = network
            if not all(np.isfinite(p).all() for W, b, _ in after for p in (W, b)):
                raise Diverged("the update makes a parameter that is not finite", epoch, batch, good, history)
            network = after
            total += float(value) * (len(rows) / len(x) if reduction == "mean" else 1)
        if not np.isfinite(total):
            raise Diverged(f"the loss of the epoch is {total}", epoch, batch, good, history)
        held_loss = None
        if held is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                held_loss = float(_loss(network, *held, loss, reduction))
            if not np.isfinite(held_loss):
                raise Diverged(f"the loss on the validation samples is {held_loss}", epoch, batch, good, history)
        history += (Epoch(epoch, total, norm, held_loss),)
        if held_loss is None or held_loss < lowest:
            best, lowest = network, np.inf if held_loss is None else held_loss
        reasons = {
            "callback": callback is not None and bool(callback(history[-1], network)),
            "patience": patience is not None and _since_lowest(history) >= patience,
            "loss_change": loss_change is not None
            and len(history) > 1
            and abs(history[-1].loss - history[-2].loss) <= loss_change,
            "gradient_norm": gradient_norm is not None and norm <= gradient_norm,
        }
        met = [reason for reason, holds in reasons.items() if holds]
        if met:
            stopped = met[0]
            break
    return Training(network, best, history, stopped, state, rng.bit_generator.state if rng else None)


def _resumed(resume: Training, network: Network, rule: Rule) -> Network:
    """The network to go on from, if it is one of the same kind, and the rule's state fits it.

    Raises
    ------
    TypeError
        If there is no training to go on from.
    ValueError
        If its layers or its update rule are others.
    """
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
    return resume.network


def predict(network: Sequence[Layer], x: Array) -> Array:
    """The network's output (B, n_L) for samples x (B, n_0), after checking both as `value_and_gradients` does."""
    network, dtype = check_network(network)
    return forward(network, check_samples(network, dtype, x))[-1].a


def evaluate(network: Sequence[Layer], x: Array, y: Array, loss: Loss, reduction: Reduction) -> Score:
    """The loss on samples, and the share labelled right; arguments and errors are `value_and_gradients`'.

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
    return Score(float(_loss(network, x, y, loss, reduction)), float(right.mean()))


def split(rng: np.random.Generator, x: Array, y: Array, share: float) -> tuple[Array, Array, Array, Array]:
    """Samples to train on and a random share of them held out: x, y, held x, held y.

    Raises
    ------
    TypeError
        If ``rng`` is no generator.
    ValueError
        If x and y differ in length, or one of the parts would be empty.
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


GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


def generator(state: Mapping[str, Any]) -> np.random.Generator:
    """A generator in the state that its ``bit_generator.state`` had.

    Raises
    ------
    ValueError
        If that is no state of one of NumPy's bit generators.
    """
    if not isinstance(state, Mapping) or state.get("bit_generator") not in GENERATORS:
        raise ValueError(f"rng: expected the state of one of {', '.join(GENERATORS)}, got {state!r:.60}")
    kind = state["bit_generator"]
    bits = getattr(np.random, kind)()
    try:
        bits.state = state
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"rng: expected a state of {kind}, got something else: {error}") from error
    return np.random.Generator(bits)


def _loss(network: Network, x: Array, y: Array, loss: Loss, reduction: Reduction) -> Array:
    _, z, a = forward(network, x)[-1]
    return reduced_loss(network[-1].sigma, z, a, y, loss, reduction).value


def _since_lowest(history: tuple[Epoch, ...]) -> int:
    """How many epochs ago the validation loss had its first minimum."""
    losses = [epoch.validation_loss for epoch in history if epoch.validation_loss is not None]
    return len(losses) - 1 - losses.index(min(losses))
