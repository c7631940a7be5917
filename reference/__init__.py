"""Backpropagation, each documented equation one labelled line: a verified reference.

Start with `reference.backpropagation`, whose labels are explained in EQUATIONS.md.  Public are the names that the
modules list in ``__all__``.
"""

from . import activations, backpropagation, checks, gradients, losses, training, updates
from .activations import *
from .backpropagation import *
from .checks.parameters import *
from .functions import Array
from .gradients import *
from .losses import *
from .training.evaluation import *
from .training.initialisers import *
from .training.loop import *
from .training.outcome import *
from .training.schedules import *
from .training.storage import *
from .updates import *

__all__ = [
    "Array", *activations.__all__, *backpropagation.__all__, *checks.parameters.__all__, *gradients.__all__,
    *losses.__all__, *training.evaluation.__all__, *training.initialisers.__all__, *training.loop.__all__,
    *training.outcome.__all__, *training.schedules.__all__, *training.storage.__all__, *updates.__all__,
]  # fmt: skip

__version__ = "0.1.0"
