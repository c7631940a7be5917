"""What training leaves: its epochs and all that it takes to go on, or the divergence that ended it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..backpropagation import Network
from ..updates import State

__all__ = ["Diverged", "Epoch", "Training"]


class Epoch(NamedTuple):
    """One pass over the samples.

    ``loss`` is the reduced loss over all samples, each batch taken as the epoch met it.  ``gradient_norm`` is the
    largest Euclidean norm that a batch's gradient had, by all weights and biases.  ``validation_loss`` is the loss
    after the epoch on the samples held out, if there are any.
    """

    epoch: int
    loss: float
    gradient_norm: float
    validation_loss: float | None = None


class Training(NamedTuple):
    """What training leaves, enough to go on from.

    ``network`` is the last one, and ``best`` the one with the smallest validation loss (the last, without validation).
    ``history`` has an `Epoch` for each epoch, and ``stopped`` says why there are no more.  ``state`` is the update
    rule's, and ``rng`` is the generator's, as ``bit_generator.state`` gives it.
    """

    network: Network[NDArray[Any]]
    best: Network[NDArray[Any]]
    history: tuple[Epoch, ...]
    stopped: str
    state: State[NDArray[Any]]
    rng: Mapping[str, Any] | None


class Diverged(ArithmeticError):
    """Training met a loss, or made a parameter, that is not finite.

    Attributes
    ----------
    what : str
        What is not finite.
    epoch, batch : int
        Where, both counted from 1.
    network : tuple of Layer
        The last parameters that were finite and had a finite loss (or the first ones).
    history : tuple of Epoch
        The epochs before.
    """

    def __init__(
        self, what: str, epoch: int, batch: int, network: Network[NDArray[Any]], history: tuple[Epoch, ...]
    ) -> None:
        super().__init__(
            f"epoch {epoch}, batch {batch}: {what}; the last good parameters are in this error's .network; "
            "a smaller eta may help"
        )
        self.what, self.epoch, self.batch, self.network, self.history = what, epoch, batch, network, history

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.what, self.epoch, self.batch, self.network, self.history)


GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")


def generator(state: Mapping[str, Any]) -> np.random.Generator:
    """Make a generator in that state; refuse with a ValueError what is no state of one of NumPy's."""
    if not isinstance(state, Mapping) or state.get("bit_generator") not in GENERATORS:
        raise ValueError(f"rng: expected the state of one of {', '.join(GENERATORS)}, got {state!r:.60}")
    kind = state["bit_generator"]
    bits = getattr(np.random, kind)()
    try:
        bits.state = state
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"rng: expected a state of {kind}, got something else: {error}") from error
    return np.random.Generator(bits)
