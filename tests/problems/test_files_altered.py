"""Files altered at random are read or refused, and nothing else happens."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from conformance.problems.files import read_answer, read_problem, write_answer, write_problem
from conformance.problems.problem import Problem
from conformance.problems.wire import Malformed, Refused
from reference import Layer

from .examples import (
    EXTENSIONS,
    PROBLEM,
    archive,
    given_answer,
    leaves,
)

EXAMPLES = max(300, settings().max_examples)
"""Of altered files."""


def in_float32(problem: Problem) -> Problem:
    network = tuple(Layer(W.astype("float32"), b.astype("float32"), sigma) for W, b, sigma in problem.network)
    return problem._replace(network=network, x=problem.x.astype("float32"), y=problem.y.astype("float32"))


SPECIAL = (
    b"\0",
    b"\xff",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b'"',
    b"-",
    b"1e999",
    b"NaN",
    b"null",
    b"PK\3\4",
    b"|O",
    b"F16",
)
PIECES = st.sampled_from(SPECIAL) | st.binary(max_size=8)


def altered_bytes(data: st.DataObject, content: bytes) -> bytes:
    """Bytes replaced, deleted, inserted, repeated or cut off, in one to four places."""
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.sampled_from((0, 1, 2, 8, 64, 512, len(content))))
        piece = data.draw(PIECES | st.just(content[at : at + length]))
        content = content[:at] + piece + content[at + data.draw(st.sampled_from((length, len(piece), 0))) :]
    return content


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), max_size=8)
NUMBERS = st.sampled_from((0, -0.0, 1.5, 10**400, float("nan"), float("inf"), -1, True, None, "NaN", "1", 2**64))
VALUES = st.recursive(NUMBERS | st.text(max_size=8), lambda inner: st.lists(inner, max_size=4), max_leaves=6)


def altered_values(data: st.DataObject, content: bytes) -> bytes:
    """A JSON text of which one to three values are replaced, left out or added."""
    document = json.loads(content)
    for _ in range(data.draw(st.integers(1, 3))):
        parent, step = document, None
        inner = document
        while isinstance(inner, dict | list) and inner and (step is None or data.draw(st.integers(0, 4))):
            parent, step = (
                inner,
                data.draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner)))),
            )
            inner = parent[step]
        if step is None:
            continue
        change = data.draw(st.sampled_from(("replace", "delete", "add")))
        if change == "replace":
            parent[step] = data.draw(VALUES)
        elif change == "delete":
            del parent[step]
        elif isinstance(parent, list):
            parent.insert(step, data.draw(VALUES))
        else:
            parent[data.draw(NAMES)] = data.draw(VALUES)
    return json.dumps(document).encode()


def altered_members(data: st.DataObject, content: bytes) -> bytes:
    """A whole archive of which a member's bytes, a name or the compression are altered."""
    with zipfile.ZipFile(io.BytesIO(content)) as zipped:
        found = {name: zipped.read(name) for name in zipped.namelist()}
    name = data.draw(st.sampled_from(list(found)))
    head = found[name][:128]
    found[name] = altered_bytes(data, head) + found[name][128:]
    if data.draw(st.booleans()):
        found[data.draw(NAMES) + ".npy"] = found.pop(data.draw(st.sampled_from(list(found))))
    return archive(found, data.draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))))


def altered_header(data: st.DataObject, content: bytes) -> bytes:
    """A .safetensors file whose header is altered, its length told rightly."""
    (length,) = struct.unpack("<Q", content[:8])
    alter = data.draw(st.sampled_from((altered_bytes, altered_values)))
    header = alter(data, content[8 : 8 + length])
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


ALTERED: dict[str, tuple[Callable[[st.DataObject, bytes], bytes], ...]] = {
    ".json": (altered_bytes, altered_values),
    ".npz": (altered_bytes, altered_members),
    ".safetensors": (altered_bytes, altered_header),
}


def refusal(place: Path, kind: str, problem: Problem) -> str:
    """What is said against a file; "" if it is read, with the dtype and shapes that it must have."""
    try:
        if kind == "problem":
            found = read_problem(place)
            arrays = [found.x, found.y, *(array for layer in found.network for array in layer[:2])]
            assert not [array for array in arrays if not (array.dtype == found.dtype and np.isfinite(array).all())]
            return ""
        given, expected = read_answer(place, problem), given_answer(problem)
    except (Malformed, Refused) as refused:
        return str(refused)
    for field, whole in zip(given, expected, strict=True):
        assert field is None or [leaf[:2] for leaf in leaves(field)] == [leaf[:2] for leaf in leaves(whole)]
    return ""


KINDS = [("problem", ".json"), *(("answer", extension) for extension in EXTENSIONS)]
BY_DTYPE = {"float64": PROBLEM, "float32": in_float32(PROBLEM)}


@pytest.fixture(scope="session")
def unaltered(folder: Path) -> dict[tuple[str, str, str], bytes]:
    """A file of each kind that is read, by its bytes."""
    contents = {}
    for dtype, problem in BY_DTYPE.items():
        for kind, extension in KINDS:
            place = folder / f"{dtype}-{kind}{extension}"
            if kind == "problem":
                write_problem(place, problem)
            else:
                write_answer(place, given_answer(problem))
            assert not refusal(place, kind, problem)
            contents[kind, extension, dtype] = place.read_bytes()
    return contents


@pytest.mark.parametrize("dtype", BY_DTYPE)
@pytest.mark.parametrize(("kind", "extension"), KINDS)
@settings(max_examples=EXAMPLES // (len(KINDS) * len(BY_DTYPE)))
@given(data=st.data())
def test_altered_files_are_read_or_refused(
    folder: Path,
    unaltered: dict[tuple[str, str, str], bytes],
    kind: str,
    extension: str,
    dtype: str,
    data: st.DataObject,
) -> None:
    """Every file ends in a value or in one line: no other exception, no warning."""
    alter = data.draw(st.sampled_from(ALTERED[extension]))
    place = folder / f"altered{extension}"
    place.write_bytes(alter(data, unaltered[kind, extension, dtype]))
    said = refusal(place, kind, BY_DTYPE[dtype])
    event(f"{alter.__name__}: {'refused' if said else 'read'}")
    assert said.isprintable()
    assert not said or "expected" in said
