"""What `reference.train` is told, every argument checked."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..backpropagation import Network
from ..checks import DType, check_batch, check_generator, check_number, check_whole_number
from ..gradients import Reduction
from ..losses import Loss
from ..updates import Rule, State, begin
from .outcome import Epoch, Training, generator
from .schedules import Schedule

Samples = tuple[NDArray[Any], NDArray[Any]]
Callback = Callable[[Epoch, Network], object]
Function = TypeVar("Function", Callback, Schedule)


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
    validation: Samples | None
    patience: int | None
    loss_change: float | None
    gradient_norm: float | None
    callback: Callback | None


def check_validation(
    network: Network, dtype: DType, validation: tuple[ArrayLike, ArrayLike] | None, loss: Loss
) -> Samples | None:
    """Check the samples and targets held out, if there are any, like those to train on."""
    if validation is None:
        return None
    if not (isinstance(validation, tuple | list) and len(validation) == 2):
        raise TypeError(f"validation: expected a pair of samples and targets, got {type(validation).__name__}")
    return check_batch(network, dtype, *validation, loss)


def check_patience(patience: int | None, validation: object) -> int | None:
    """Check that patience, if there is any, has a validation loss to wait for."""
    if patience is None:
        return None
    if validation is None:
        raise ValueError("patience: expected validation samples with it, got none")
    return check_whole_number("patience", patience, 1)


def check_limit(name: str, limit: float | None) -> float | None:
    """Check that a limit, if there is one, is a number that is not negative."""
    return None if limit is None else check_number(name, limit, 0)


def check_function(name: str, function: Function) -> Function:
    """Check that a function can be called."""
    if not callable(function):
        raise TypeError(f"{name}: expected a function, got {type(function).__name__}")
    return function


def check_resume(resume: Training, network: Network, rule: Rule) -> None:
    """Check that a training had a network of the same kind as this one, and that its state is the rule's."""
    if not isinstance(resume, Training):
        raise TypeError(f"resume: expected a Training, got {type(resume).__name__}")
    kinds, kinds_before = ([(W.shape, W.dtype, sigma) for W, _, sigma in each] for each in (network, resume.network))
    if kinds != kinds_before:
        raise ValueError("resume: expected a training of a network with these shapes, dtype, activations, got another")
    if _shapes(begin(rule, network)) != _shapes(resume.state):
        raise ValueError(f"resume: expected the state of {type(rule).__name__}, got that of {resume.state.rule}")


def _shapes(state: State) -> tuple[str, list[list[list[tuple[int, ...]]]]]:
    """Tell what two states of one rule on two networks of one kind have in common."""
    return state.rule, [[[slot.shape for slot in slots] for slots in layer] for layer in state.slots]


def generator_to_use(rng: np.random.Generator | None, resume: Training | None) -> np.random.Generator | None:
    """Check the generator that is given; without one, make the one that the training to go on from had."""
    if rng is not None:
        check_generator(rng)
        return rng
    return generator(resume.rng) if resume is not None and resume.rng is not None else None
