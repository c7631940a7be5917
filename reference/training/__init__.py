"""Training: first parameters, the loop that improves them, and how well they do."""

from . import evaluation, initialisers, loop, outcome, schedules
from .evaluation import *
from .initialisers import *
from .loop import *
from .outcome import *
from .schedules import *

__all__ = [*evaluation.__all__, *initialisers.__all__, *loop.__all__, *outcome.__all__, *schedules.__all__]
