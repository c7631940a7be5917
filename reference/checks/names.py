"""Activations, losses and update rules by their names in EQUATIONS.md."""

from ..activations import ACTIVATIONS, Activation
from ..losses import LOSSES, Loss
from ..updates import UPDATES, Rule
from .parameters import by_name

__all__ = ["activation", "loss", "update_rule"]


def activation(name: str, **parameters: float) -> Activation:
    """Make the activation of that name, with its parameters.

    Raises
    ------
    TypeError
        If a parameter is not a number.
    ValueError
        If the name or a parameter is unknown, or a number out of its range.

    Examples
    --------
    >>> activation("leaky_relu", negative_slope=0.2)
    LeakyReLU(negative_slope=0.2)
    """
    return by_name("activation", ACTIVATIONS, name, parameters)


def loss(name: str, **parameters: float) -> Loss:
    """Make the loss of that name; this raises like `activation`.

    Examples
    --------
    >>> loss("huber", delta=2)
    Huber(delta=2)
    """
    return by_name("loss", LOSSES, name, parameters)


def update_rule(name: str, **parameters: float) -> Rule:
    """Make the update rule of that name; this raises like `activation`.

    Examples
    --------
    >>> update_rule("sgd", eta=0.1, momentum=0.9)
    SGD(eta=0.1, momentum=0.9, dampening=0, weight_decay=0, nesterov=False)
    """
    return by_name("update rule", UPDATES, name, parameters)
