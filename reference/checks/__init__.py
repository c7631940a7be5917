"""What the public functions refuse, before any arithmetic, with a message that says where and what.

Every check raises a TypeError for what is of another kind (no layer, no number, another dtype) and a ValueError for
what is of the right kind but does not fit (a shape, a range, a name that is unknown, a number that is not finite).
"""

from . import arguments, numbers, parameters
from .arguments import *
from .numbers import *
from .parameters import *

__all__ = [*arguments.__all__, *numbers.__all__, *parameters.__all__]
