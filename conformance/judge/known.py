"""Known failures: findings that are expected, by ids that do not change with what is drawn, with an address each."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from ..problems.reports import KnownFailures


class Known(NamedTuple):
    """A failure that is expected: the `id` of its finding, and the address where it is tracked."""

    id: str
    url: str


PARTS = 4
"""Parts of an id: equation, diagnosis, dtype, function."""


def identity(equation: str, diagnosis: str, dtype: str, function: str) -> str:
    """The id of a finding, as ``B2/hidden-derivative-missing/float32/tanh``."""
    return "/".join(map(_part, (equation, diagnosis, dtype, function)))


def scope(dtype: str, function: str) -> str:
    """The end of an id: what was asked about."""
    return f"{_part(dtype)}/{_part(function)}"


def _part(name: str) -> str:
    return name.replace("/", ":").replace(" ", "-")


def read(path: str | Path) -> tuple[Known, ...]:
    """The known failures of a file.

    Raises
    ------
    ValueError
        If it is no such file.
    OSError
        If it cannot be read.
    """
    try:
        found = KnownFailures.model_validate_json(Path(path).read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{path}: expected known failures, got at {place}: {first['msg']}") from None
    return checked([Known(one.id, one.url) for one in found.failures])


def checked(given: Iterable[Known]) -> tuple[Known, ...]:
    """Known failures whose ids are ids, each once.

    Raises
    ------
    TypeError, ValueError
        Naming what is none.
    """
    known = tuple(given)
    for one in known:
        if not isinstance(one, Known) or not isinstance(one.id, str) or not isinstance(one.url, str):
            raise TypeError(f"known: expected Known(id, url), got {one!r}")
        if len(one.id.split("/")) != PARTS or not all(one.id.split("/")):
            raise ValueError(f"known: expected an id as B2/hidden-derivative-missing/float32/tanh, got {one.id!r}")
        if not one.url:
            raise ValueError(f"known: expected an address for {one.id}, got none")
    twice = [one.id for i, one in enumerate(known) if one.id in {other.id for other in known[:i]}]
    if twice:
        raise ValueError(f"known: expected each once, got {twice[0]} twice")
    return known


def status(known: Known, found: Iterable[str], scopes: Iterable[str]) -> str:
    """Whether a known failure "failed" or "passed" now, or was "not asked", by the ids found and what was asked of.

    A scope is the end of an id: dtype and function.
    """
    if known.id in set(found):
        return "failed"
    return "passed" if known.id.split("/", 2)[2] in set(scopes) else "not asked"
