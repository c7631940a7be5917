"""Problems and answers on disk: JSON as on the wire, and an answer's arrays from .npz or .safetensors.

Nothing is executed or unpickled, and no file is overwritten.  An array's dtype and shape are held to the problem's
before its numbers are read, so that a file can claim no more memory than the problem's own arrays take.
"""

import errno
import hashlib
import io
import os
import re
import stat
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np
from numpy.lib import format as npy

from reference.training.files import replacing

from ..arrays import Array
from ..extras import told
from . import wire
from .problem import GivenAnswer, Parameters, Problem, State
from .wire import Malformed

LARGEST = 2**30
"""Bytes of a JSON file."""

SPARE = 2**20
"""Bytes that a file of arrays may hold besides its numbers: names, headers, a comment."""

StrPath = str | os.PathLike[str]
_T = TypeVar("_T")


def read_problem(path: StrPath) -> Problem:
    """The problem in a .json file, read as by `conformance.problems.wire.parse_problem`.

    Raises
    ------
    Malformed
        If the file holds anything else; the message starts with its name.
    OSError
        If it cannot be read.
    """
    _by_extension(path, "a problem", (".json",))
    with _named(path):
        return wire.parse_problem(text_of(path))


def read_answer(path: StrPath, problem: Problem) -> GivenAnswer:
    """The answer to a problem in a .json, .npz or .safetensors file.

    Parameters
    ----------
    path : path
    problem : Problem
        Whose dtype and shapes the arrays must have.  ``W1``, ``b1`` and so on are the gradients of each layer; so are
        ``0.weight``, ``0.bias``, ``2.weight`` and so on, the numbers rising with the layers, as PyTorch names the
        parameters of an ``nn.Sequential``.  There may be ``loss``, ``output``, ``input_gradient``, and ``z1``, ``a1``,
        ``delta1`` and so on, for all layers or none.

    Raises
    ------
    Malformed
        If the file holds anything else; the message starts with its name.
    conformance.problems.wire.Refused
        If a .json file says that there is no answer.
    OSError
        If it cannot be read.
    """
    extension = _by_extension(path, "an answer", (".json", *STORES))
    with _named(path):
        if extension == ".json":
            return wire.parse_answer(text_of(path), problem)
        store = STORES[extension]
        content = _content(path, _room(problem))
        if _looks_like(content) != store.kind:
            raise Malformed(f"expected {store.kind}, got {_looks_like(content)}")
        with _readers_errors(store.kind):
            return _answer(problem, dict(_each_once(store.stored(content, _room(problem)))))


def write_problem(path: StrPath, problem: Problem) -> None:
    """Write a problem to a .json file.

    Raises
    ------
    FileExistsError
        If there is a file of other contents.
    OSError
        If it cannot be written.
    TypeError, ValueError
        If `conformance.problems.wire.problem_json` refuses the problem, or the name does not end in .json.
    """
    _by_extension(path, "a problem", (".json",))
    _write(Path(path), _line(wire.problem_json(problem)))


def write_answer(path: StrPath, answer: GivenAnswer) -> None:
    """Write an answer to a .json, .npz or .safetensors file, as `read_answer` reads it; raises as `write_problem`."""
    extension = _by_extension(path, "an answer", (".json", *STORES))
    if extension == ".json":
        content = _line(wire.answer_json(answer))
    else:
        content = STORES[extension].packed(_arrays(answer))
    _write(Path(path), content)


def save_problem(folder: StrPath, problem: Problem) -> Path:
    """Write a problem to ``problems`` in a folder, named by its own text, so that equal problems share a file.

    Returns
    -------
    Path
        ``problems/<12 hexadecimal digits>.json`` in the folder.

    Raises
    ------
    OSError
        If it cannot be written.
    TypeError, ValueError
        If `conformance.problems.wire.problem_json` refuses the problem.
    """
    return saved(Path(folder) / "problems", _line(wire.problem_json(problem)))


def save_answer(folder: StrPath, answer: GivenAnswer) -> Path:
    """Write an answer to ``answers`` in a folder likewise; raises as `save_problem`."""
    return saved(Path(folder) / "answers", _line(wire.answer_json(answer)))


def save_arrays(folder: StrPath, arrays: dict[str, Array]) -> Path:
    """Write arrays by name to ``examples`` in a folder likewise, as .npz; raises `OSError`."""
    return saved(Path(folder) / "examples", _packed_npz(arrays), ".npz")


def saved(folder: Path, content: bytes, extension: str = ".json") -> Path:
    """Write a file into a folder, named by its own contents; raises `OSError`."""
    path = folder / f"{hashlib.sha256(content).hexdigest()[:12]}{extension}"
    folder.mkdir(parents=True, exist_ok=True)
    _write(path, content)
    return path


class _Stored(NamedTuple):
    """An array in a file, not yet read."""

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], Array]


def _in_npz(content: bytes, room: int) -> Iterator[tuple[str, _Stored]]:
    """The arrays of a zip archive, of which the headers alone are read, after the sizes that they declare."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    for member in archive.infolist():
        if not member.filename.endswith(".npy"):
            raise Malformed(f"expected arrays (.npy) alone, got {member.filename!a:.60}")
        name = member.filename.removesuffix(".npy")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack all at once
            raise Malformed(f"{name}: expected it stored or deflated, got compression {member.compress_type}")
        if member.file_size > room:
            raise Malformed(f"{name}: expected at most {room:,} bytes for this problem, got {member.file_size:,}")
        with archive.open(member) as file:
            version = npy.read_magic(file)
            read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
            if read_header is None:
                raise Malformed(f"{name}: expected version 1.0 or 2.0 of the npy format, got {version}")
            shape, _, dtype = read_header(file)
        yield name, _Stored(dtype.newbyteorder("=").name, shape, _member(archive, member))


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Callable[[], Array]:
    def read() -> Array:
        with archive.open(member) as file:
            array: Array = npy.read_array(file, allow_pickle=False)
            if file.read(1):
                raise Malformed(f"{member.filename}: expected as many bytes as its header says, got more")
        return array

    return read


def _in_safetensors(content: bytes, room: int) -> Iterator[tuple[str, _Stored]]:
    with told("a .safetensors file"):
        from safetensors import deserialize
    read: Any = deserialize
    for name, tensor in read(content):
        dtype = SAFETENSORS_DTYPES.get(tensor["dtype"], tensor["dtype"])
        yield name, _Stored(dtype, tuple(tensor["shape"]), _tensor(tensor))


def _tensor(tensor: Any) -> Callable[[], Array]:
    dtype = {"F32": "<f4", "F64": "<f8"}.get(tensor["dtype"])
    return lambda: np.frombuffer(tensor["data"], dtype).reshape(tensor["shape"])


SAFETENSORS_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


def _packed_npz(arrays: dict[str, Array]) -> bytes:
    file = io.BytesIO()
    contents: dict[str, Any] = {**arrays}
    np.savez(file, **contents)
    return file.getvalue()


def _packed_safetensors(arrays: dict[str, Array]) -> bytes:
    with told("a .safetensors file"):
        from safetensors.numpy import save
    return save(arrays)


class _Store(NamedTuple):
    """A format for arrays: what it is called, its reader, its writer."""

    kind: str
    stored: Callable[[bytes, int], Iterable[tuple[str, _Stored]]]
    packed: Callable[[dict[str, Array]], bytes]


STORES = {
    ".npz": _Store("a zip archive, as an .npz file is", _in_npz, _packed_npz),
    ".safetensors": _Store("a .safetensors file", _in_safetensors, _packed_safetensors),
}
"""The formats for arrays, by extension."""

MODULE = re.compile(r"(0|[1-9][0-9]{0,8})\.(weight|bias)")


def _shapes(problem: Problem) -> dict[str, tuple[int, ...]]:
    """The arrays that an answer may hold."""
    layers = list(enumerate(problem.network, start=1))
    of_parameters = {f"{name}{l}": getattr(layer, name).shape for l, layer in layers for name in Parameters._fields}
    of_state = {f"{name}{l}": (len(problem.x), len(layer.b)) for l, layer in layers for name in State._fields}
    return of_parameters | {"loss": (), "output": problem.y.shape, "input_gradient": problem.x.shape} | of_state


def _room(problem: Problem) -> int:
    """Bytes that the numbers of an answer may take, even in a wider dtype."""
    return 16 * sum(int(np.prod(shape)) for shape in _shapes(problem).values()) + SPARE


def _answer(problem: Problem, stored: dict[str, _Stored]) -> GivenAnswer:
    """The arrays as an answer, each checked before any is read."""
    L, shapes = len(problem.network), _shapes(problem)
    aliases = _aliases(stored, L)
    called = {aliases.get(name, name): name for name in stored}
    if len(called) != len(stored):
        raise Malformed("expected the names W1, b1 and so on, or 0.weight, 0.bias and so on, got both")
    for name, given in called.items():
        if name not in shapes:
            raise Malformed(f"expected arrays W1, b1 to W{L}, b{L}, loss and so on, got {given!a:.60}")
    layers = range(1, L + 1)
    traced = any(f"{name}{l}" in called for l in layers for name in State._fields)
    for l in layers:
        for letter in (*Parameters._fields, *(State._fields if traced else ())):
            name = f"{letter}{l}"
            if name not in called:
                spelled = {ours: theirs for theirs, ours in aliases.items()}.get(name, name)
                raise Malformed(f"expected the array {spelled}, of shape {shapes[name]}, got none")
    for name, given in called.items():
        dtype, shape, _ = stored[given]
        if dtype != problem.dtype.name:
            raise Malformed(f"{given}: expected dtype {problem.dtype}, as the problem has, got {dtype:.60}")
        if shape != shapes[name]:
            raise Malformed(f"{given}: expected shape {shapes[name]}, got {shape}")
    arrays = {name: np.array(stored[given].read(), dtype=problem.dtype, order="C") for name, given in called.items()}
    return GivenAnswer(
        tuple(Parameters(arrays[f"W{l}"], arrays[f"b{l}"]) for l in layers),
        arrays.get("loss"),
        arrays.get("output"),
        arrays.get("input_gradient"),
        tuple(State(arrays[f"z{l}"], arrays[f"a{l}"], arrays[f"delta{l}"]) for l in layers) if traced else None,
    )


def _aliases(names: Iterable[str], L: int) -> dict[str, str]:
    """W1 for the weight of the module with the lowest number, and so on."""
    modules = sorted({int(match[1]) for name in names if (match := MODULE.fullmatch(name))})
    if modules and len(modules) != L:
        raise Malformed(f"expected weights and biases of {L} modules, one for each layer, got {len(modules)}")
    letters = {"weight": "W", "bias": "b"}
    return {f"{module}.{name}": f"{letters[name]}{l}" for l, module in enumerate(modules, start=1) for name in letters}


def _arrays(answer: GivenAnswer) -> dict[str, Array]:
    """An answer's arrays by name."""
    layers: list[tuple[int, Parameters[Array] | State[Array]]] = [
        *enumerate(answer.gradients, start=1),
        *enumerate(answer.trace or (), start=1),
    ]
    arrays: dict[str, Array | None] = {
        f"{name}{l}": array for l, layer in layers for name, array in zip(layer._fields, layer, strict=True)
    }
    arrays |= {name: getattr(answer, name) for name in ("loss", "output", "input_gradient")}
    return {name: np.array(array, order="C") for name, array in arrays.items() if array is not None}


def _by_extension(path: StrPath, what: str, extensions: tuple[str, ...]) -> str:
    extension = Path(path).suffix.lower()
    if extension not in extensions:
        raise Malformed(f"{os.fspath(path)}: expected {what} in a file ending in {' or '.join(extensions)}")
    return extension


@contextmanager
def _named(path: StrPath) -> Iterator[None]:
    try:
        yield
    except Malformed as error:
        raise Malformed(f"{os.fspath(path)}: {error}") from None


@contextmanager
def _readers_errors(kind: str) -> Iterator[None]:
    """What the readers of NumPy, zipfile, zlib and safetensors raise, as `Malformed`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that are odd but plain
            yield
    except (Malformed, ModuleNotFoundError):
        raise
    except Exception as error:  # they raise nearly everything
        raise Malformed(
            f"expected {kind}, got a truncated or altered one ({type(error).__name__}: {error!s:.200})"
        ) from None


def _each_once(arrays: Iterable[tuple[str, _T]]) -> list[tuple[str, _T]]:
    listed = list(arrays)
    for name, times in Counter(name for name, _ in listed).items():
        if times > 1:
            raise Malformed(f"expected each array once, got {name!a:.60} {times} times")
    return listed


def text_of(path: StrPath) -> bytes:
    """The text of a file; raises `Malformed` where it is none, and `OSError` where it cannot be read."""
    content = _content(path, LARGEST)
    if _looks_like(content) != "text":
        raise Malformed(f"expected JSON, got {_looks_like(content)}")
    return content


def _looks_like(content: bytes) -> str:
    """What a file holds, by its first bytes."""
    if content[:2] == b"PK":
        return STORES[".npz"].kind
    if content[8:9] == b"{" and content[4:8] == bytes(4):
        return STORES[".safetensors"].kind
    if content[:1] == b"\x80":
        return "a pickle"
    return "text" if content else "an empty file"


def _content(path: StrPath, most: int) -> bytes:
    """The bytes of a regular file: opening anything else, such as a pipe, might wait for ever."""
    try:
        mode = os.stat(path).st_mode
    except ValueError as error:  # a name with a zero byte
        raise Malformed(f"expected the name of a file: {error}") from None
    if not stat.S_ISREG(mode):
        raise Malformed(f"expected a regular file, got {'a folder' if stat.S_ISDIR(mode) else 'a pipe or device'}")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        content = file.read(most + 1) if size <= most else b""
    if max(size, len(content)) > most:
        raise Malformed(f"expected a file of at most {most:,} bytes, got {max(size, len(content)):,}")
    return content


def _line(text: str) -> bytes:
    return text.encode() + b"\n"


def creating(path: Path) -> AbstractContextManager[BinaryIO]:
    """Open a file that gets the path once it is whole, if nothing is there by then.

    Raises
    ------
    FileExistsError
        If there is something, which is left as it is.
    """
    if os.path.lexists(path):  # of a link that leads nowhere, too
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    return replacing(path, _link)


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


def _write(path: Path, content: bytes) -> None:
    """Write a file where there is none, or the same."""
    try:
        with creating(path) as file:
            file.write(content)
    except FileExistsError:
        if not path.is_file() or path.read_bytes() != content:
            raise FileExistsError(
                errno.EEXIST, "expected no file, or the same, got one of other contents; it is left as it is", str(path)
            ) from None
