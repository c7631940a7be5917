"""Training: first parameters, the loop that improves them, how well they do, and files that keep them."""

from . import evaluation, initialisers, loop, outcome, schedules, storage
from .evaluation import *
from .initialisers import *
from .loop import *
from .outcome import *
from .schedules import *
from .storage import *

__all__ = [
    *evaluation.__all__,
    *initialisers.__all__,
    *loop.__all__,
    *outcome.__all__,
    *schedules.__all__,
    *storage.__all__,
]
