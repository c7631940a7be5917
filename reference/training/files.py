"""Files that are whole or not there: each is written beside its place and moved there once it is complete.

An interrupt, a full disk or an error while it is written leaves what was there before, and nothing else.
"""

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO


def replacing(path: str | os.PathLike[str]) -> AbstractContextManager[BinaryIO]:
    """Open a file that takes the place of the path's, or of what a link there points to, once it is whole.

    Raises
    ------
    OSError
        If it cannot be written; the error names the path.
    """
    return _whole(Path(os.path.realpath(path)), os.replace)


def creating(path: str | os.PathLike[str]) -> AbstractContextManager[BinaryIO]:
    """Open a file that gets the path once it is whole, if nothing is there by then.

    Raises
    ------
    FileExistsError
        If there is something, which is left as it is.
    OSError
        If it cannot be written; the error names the path.
    """
    return _whole(Path(path), _link)


@contextmanager
def _whole(place: Path, move: Callable[[Path, Path], None]) -> Iterator[BinaryIO]:
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


def _link(part: Path, place: Path) -> None:
    """Give a file its name, unless that is taken: `os.replace` would overwrite."""
    try:
        os.link(part, place)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if os.path.lexists(place):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place)) from None
        os.replace(part, place)
