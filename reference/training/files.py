"""Files that are whole or not there."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: str | os.PathLike[str], move: Callable[[Path, Path], None] = os.replace) -> Iterator[BinaryIO]:
    """Open a file that takes the place of the path's, or of what a link there points to, once it is whole.

    It is written beside that place, and then moved there; if writing fails, nothing is changed.  An `OSError` names the
    path.
    """
    place = Path(os.path.realpath(path))
    part = place.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        move(part, place)
    except OSError as error:
        if error.errno is not None and error.filename in (None, part, str(part)):
            raise type(error)(error.errno, error.strerror, str(place)) from None
        raise
    finally:
        part.unlink(missing_ok=True)
