"""Backpropagation, each documented equation one labelled line: a verified reference.

Start with `reference.backpropagation`, whose labels are explained in EQUATIONS.md.
"""

from .activations import (
    ACTIVATIONS,
    CELU,
    ELU,
    GELU,
    SELU,
    Activation,
    GELUTanh,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    Identity,
    LeakyReLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softshrink,
    Softsign,
    Tanh,
    Tanhshrink,
)
from .backpropagation import Gradient, Layer, Step, backward, forward, update
from .checks import by_name
from .functions import Array
from .gradients import Evaluation, propagate, value_and_gradients
from .losses import (
    L1,
    LOSSES,
    NLL,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    CrossEntropyWithLogits,
    HalfSquaredError,
    Hinge,
    Huber,
    KLDivergence,
    Loss,
    MeanSquaredError,
    PoissonNLL,
    SmoothL1,
)
from .storage.archive import load, save
from .training.initialisers import glorot, he, initialised, torch_default, uniform
from .training.loop import Diverged, Epoch, Score, Training, evaluate, predict, split, train
from .training.schedules import cosine_decay, step_decay, warm_up
from .updates import (
    SGD,
    UPDATES,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    RAdam,
    RMSprop,
    Rule,
    State,
    advance,
    begin,
    clipped,
)

__all__ = [
    "ACTIVATIONS",
    "CELU",
    "ELU",
    "GELU",
    "L1",
    "LOSSES",
    "NLL",
    "SELU",
    "SGD",
    "UPDATES",
    "Activation",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Array",
    "BinaryCrossEntropy",
    "BinaryCrossEntropyWithLogits",
    "CrossEntropy",
    "CrossEntropyWithLogits",
    "Diverged",
    "Epoch",
    "Evaluation",
    "GELUTanh",
    "Gradient",
    "HalfSquaredError",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Hinge",
    "Huber",
    "Identity",
    "KLDivergence",
    "Layer",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Loss",
    "MeanSquaredError",
    "Mish",
    "NAdam",
    "PoissonNLL",
    "RAdam",
    "RMSprop",
    "ReLU",
    "ReLU6",
    "Rule",
    "Score",
    "SiLU",
    "Sigmoid",
    "SmoothL1",
    "Softmax",
    "Softplus",
    "Softshrink",
    "Softsign",
    "State",
    "Step",
    "Tanh",
    "Tanhshrink",
    "Training",
    "activation",
    "advance",
    "backward",
    "begin",
    "clipped",
    "cosine_decay",
    "evaluate",
    "forward",
    "glorot",
    "he",
    "initialised",
    "load",
    "loss",
    "predict",
    "propagate",
    "save",
    "split",
    "step_decay",
    "torch_default",
    "train",
    "uniform",
    "update",
    "update_rule",
    "value_and_gradients",
    "warm_up",
]

__version__ = "0.1.0"


def activation(name: str, **parameters: float) -> Activation:
    """The activation of that name in EQUATIONS.md, with its parameters.

    Raises
    ------
    TypeError
        If a parameter is not a number.
    ValueError
        If the name or a parameter is unknown.

    Examples
    --------
    >>> activation("leaky_relu", negative_slope=0.2)
    LeakyReLU(negative_slope=0.2)
    """
    sigma: Activation = by_name("activation", ACTIVATIONS, name, parameters)
    return sigma


def update_rule(name: str, **parameters: float) -> Rule:
    """The update rule of that name in EQUATIONS.md; raises like `activation`.

    Examples
    --------
    >>> update_rule("sgd", eta=0.1, momentum=0.9)
    SGD(eta=0.1, momentum=0.9, dampening=0, weight_decay=0, nesterov=False)
    """
    rule: Rule = by_name("update rule", UPDATES, name, parameters)
    return rule


def loss(name: str, **parameters: float) -> Loss:
    """The loss of that name in EQUATIONS.md; raises like `activation`.

    Examples
    --------
    >>> loss("huber", delta=2)
    Huber(delta=2)
    """
    found: Loss = by_name("loss", LOSSES, name, parameters)
    return found
