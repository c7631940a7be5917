"""A forward function, followed: run on recorded arrays, and what of it the derivative hangs on."""

import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...arrays import Array
from ...bounds.formats import Format
from ..recording.branches import Branches, Decide
from ..recording.graph import leaf
from ..recording.reverse import Followed
from .array import Recorded, Recording, Unfollowed, holds_recorded
from .dispatch import DISPATCH
from .namespace import followed


def follow(
    function: Callable[..., Any], values: Sequence[Array], format: Format, decide: Decide | None = None
) -> Followed:
    """Run a function of NumPy arrays on recorded ones.

    Parameters
    ----------
    function : callable
        Of as many arrays as there are values, to one array.
    values : sequence of arrays
        The numbers of its inputs.
    format : Format
        That is judged.
    decide : callable, optional
        Decides comparisons that a rounding could turn.

    Raises
    ------
    Unfollowed
        Naming the line of the function that cannot be followed.
    """
    branches = Branches(decide)
    recording = Recording(format, branches, DISPATCH)
    leaves = tuple(leaf(x, format) for x in values)
    try:
        output = followed(function, recording)(*map(recording.array, leaves))
        if (
            type(output) is not Recorded
            and not holds_recorded(output)
            and not isinstance(output, np.ndarray | np.generic | float)
        ):
            raise Unfollowed(f"it gives {type(output).__name__}, not one array")
        return Followed(leaves, recording.node(output), tuple(branches.met))
    except Exception as error:  # whatever a function may do with arrays that it does not know
        raise Unfollowed(f"{line_of(error)}{type(error).__name__}: {error}") from error


def line_of(error: Exception) -> str:
    """The last line of somebody's own code that an error came through, and what stands there."""
    own = Path(__file__).parent.parent
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__)
        if own not in Path(frame.filename).parents and not _is_library(frame.filename)
    ]  # fmt: skip
    if not frames:
        return ""
    frame = frames[-1]
    return f"{frame.name}, {Path(frame.filename).name}:{frame.lineno} ({frame.line}): "


def _is_library(filename: str) -> bool:
    return any(part in ("site-packages", "dist-packages") for part in Path(filename).parts) or filename.startswith(
        "<frozen"
    )
