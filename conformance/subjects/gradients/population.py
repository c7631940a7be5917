"""The population: all right programs, whatever they answer with, to be asked for gradients."""

from ..correct import BY_NUMBERS, PROGRAMS, Program
from .arrangements import ARRANGEMENTS
from .libraries import LIBRARIES
from .route import Route
from .storage import STORAGE
from .torched import TORCHED


def _of_gradients(program: Program) -> Route:
    return Route(
        program.name,
        lambda problem: program.answer(problem).gradients,
        program.route,
        program.recursive,
        program.applies,
        slow=program.name in BY_NUMBERS or not program.recursive,
    )


POPULATION = (*map(_of_gradients, PROGRAMS), *ARRANGEMENTS, *STORAGE, *TORCHED, *LIBRARIES)
"""Right programs, each by another route; those whose package is `missing` say so."""
