"""Files: the same bits back, nothing overwritten or executed, and one clear error for whatever else lies there."""

import io
import json
import os
import pickle
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import event, given, settings
from hypothesis import strategies as st

from conformance.arrays import Array
from conformance.problems.files import LARGEST, read_answer, read_problem, save_problem, write_answer, write_problem
from conformance.problems.problem import GivenAnswer, Problem
from conformance.problems.strategies import problems
from conformance.problems.wire import Malformed, Refused
from conformance.subjects.reference import reference_answer
from reference import HalfSquaredError, Layer, Sigmoid, Tanh

W1, b1 = np.arange(1, 13.0).reshape(4, 3) / 8, np.array([0.5, -0.25, 0.75, 1.5])
W2, b2 = np.arange(1, 9.0).reshape(2, 4) / 16, np.array([-0.125, 0.625])
X, Y = np.arange(1, 16.0).reshape(5, 3) / 4, np.arange(1, 11.0).reshape(5, 2) / 16
PROBLEM = Problem((Layer(W1, b1, Tanh()), Layer(W2, b2, Sigmoid())), X, Y, HalfSquaredError(), "mean", 0.0)
EXTENSIONS = (".json", ".npz", ".safetensors")
EXAMPLES = max(300, settings().max_examples)
"""Of altered files."""


def given_answer(problem: Problem) -> GivenAnswer:
    """The reference's, with all that may be volunteered."""
    answer = reference_answer(problem)
    return GivenAnswer(answer.gradients, answer.value, answer.trace[-1].a, answer.input_gradient, answer.trace)


def leaves(value: Any) -> list[Any]:
    """All arrays, with what distinguishes them."""
    if isinstance(value, np.ndarray):
        return [(value.dtype.str, value.shape, value.tobytes())]
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, tuple) else [value]


ANSWER = given_answer(PROBLEM)
ARRAYS: dict[str, Array] = {
    "W1": ANSWER.gradients[0].W,
    "b1": ANSWER.gradients[0].b,
    "W2": ANSWER.gradients[1].W,
    "b2": ANSWER.gradients[1].b,
}
BARE = GivenAnswer(ANSWER.gradients)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@given(problem=problems(depth=3, width=8))
def test_what_is_written_is_read(folder: Path, problem: Problem) -> None:
    place = folder / "problem.json"
    place.unlink(missing_ok=True)
    write_problem(place, problem)
    assert leaves(read_problem(place)) == leaves(problem._replace(eta=0.0))
    answer = given_answer(problem)
    for extension in EXTENSIONS:
        for written in (answer, GivenAnswer(answer.gradients)):
            place = folder / f"answer{extension}"
            place.unlink(missing_ok=True)
            write_answer(place, written)
            assert leaves(read_answer(place, problem)) == leaves(written)


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_what_is_not_finite(tmp_path: Path, extension: str) -> None:
    W = np.array([[np.nan, np.inf, -np.inf], [0.0, -0.0, 5e-324], [1, 2, 3], [4, 5, 6]])
    answer = BARE._replace(gradients=(ANSWER.gradients[0]._replace(W=W), ANSWER.gradients[1]), loss=np.array(np.inf))
    write_answer(tmp_path / f"answer{extension}", answer)
    assert leaves(read_answer(tmp_path / f"answer{extension}", PROBLEM)) == leaves(answer)


def test_a_folder_of_problems(tmp_path: Path) -> None:
    first = save_problem(tmp_path / "new", PROBLEM)
    assert first.parent == tmp_path / "new" / "problems"
    assert (len(first.stem), first.suffix) == (12, ".json")
    written = first.stat().st_mtime_ns, first.stat().st_ino
    assert save_problem(tmp_path / "new", PROBLEM) == first
    assert (first.stat().st_mtime_ns, first.stat().st_ino) == written
    other = save_problem(tmp_path / "new", PROBLEM._replace(reduction="sum"))
    assert sorted(first.parent.iterdir()) == sorted((first, other))
    assert leaves(read_problem(first)) == leaves(PROBLEM)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(first.stat().st_mode) == 0o666 & ~mask


@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    def refused(*_: Any) -> None:
        raise PermissionError(1, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    place = tmp_path / "answer.npz"
    write_answer(place, ANSWER)
    write_answer(place, ANSWER)
    content = place.read_bytes()
    with pytest.raises(FileExistsError, match=r"expected no file, or the same, got one of other contents.*answer\.npz"):
        write_answer(place, BARE)
    assert place.read_bytes() == content
    (tmp_path / "nowhere.json").symlink_to(tmp_path / "missing")
    with pytest.raises(FileExistsError, match="expected no file, or the same"):
        write_problem(tmp_path / "nowhere.json", PROBLEM)
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: '.*/missing/problem\.json'"):
        write_problem(tmp_path / "missing" / "problem.json", PROBLEM)
    assert {path.name for path in tmp_path.iterdir()} == {"answer.npz", "nowhere.json"}


def test_nothing_is_left_of_what_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/problem\.json'"):
        write_problem(tmp_path / "problem.json", PROBLEM)
    assert not list(tmp_path.iterdir())

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_answer(tmp_path / "answer.npz", ANSWER)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_names_of_pytorch(tmp_path: Path, dtype: torch.dtype) -> None:
    """The gradients of an nn.Sequential of twelve modules: 10.weight comes after 2.weight."""
    widths = [3, 5, 4, 6, 7, 3, 4]
    torch.manual_seed(0)
    modules = [(torch.nn.Linear(m, n, dtype=dtype), torch.nn.Tanh()) for m, n in pairwise(widths)]
    network = torch.nn.Sequential(*[module for pair in modules for module in pair])
    x = torch.arange(1.0, 16, dtype=dtype).reshape(5, 3) / 16
    y = torch.arange(1.0, 21, dtype=dtype).reshape(5, 4) / 32
    (((network(x) - y) ** 2).sum() / 2).backward()
    layers = tuple(Layer(linear.weight.detach().numpy(), linear.bias.detach().numpy(), Tanh()) for linear, _ in modules)
    problem = Problem(layers, x.numpy(), y.numpy(), HalfSquaredError(), "sum", 0.0)
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    safetensors.torch.save_file(gradients, tmp_path / "answer.safetensors")
    arrays: dict[str, Any] = {name: g.numpy() for name, g in gradients.items()}
    np.savez_compressed(tmp_path / "answer.npz", **arrays)
    for extension in (".npz", ".safetensors"):
        answer = read_answer(tmp_path / f"answer{extension}", problem)
        assert leaves(answer.gradients) == leaves(tuple(arrays.values()))


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def tensors(**arrays: Any) -> bytes:
    content: bytes = safetensors.torch.save({name: torch.as_tensor(array) for name, array in arrays.items()})
    return content


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(file, "w", compression) as zipped:
            for name, content in members.items():
                zipped.writestr(zipfile.ZipInfo(name), content, compression)
    return file.getvalue()


def npy(array: Array, **header: Any) -> bytes:
    """An array, with another header."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array) | header)
    content: bytes = file.getvalue() + array.tobytes()
    return content


def members(**changed: Any) -> dict[str, bytes]:
    return {f"{name}.npy": npy(array) for name, array in ARRAYS.items()} | {
        f"{name}.npy": content for name, content in changed.items()
    }


class Payload:
    """What fails the test, were it unpickled."""

    def __reduce__(self) -> Any:
        return pytest.fail, ("unpickled",)


def without(name: str) -> dict[str, Array]:
    return {given: array for given, array in ARRAYS.items() if given != name}


def torch_saved() -> bytes:
    file = io.BytesIO()
    torch.save({"0.weight": torch.ones(4, 3)}, file)
    return file.getvalue()


BOTH: list[tuple[str, Callable[[Callable[..., bytes]], bytes], str]] = [
    ("a bias missing", lambda save: save(**without("b2")), "expected the array b2, of shape (2,), got none"),
    ("a layer missing", lambda save: save(W1=ARRAYS["W1"]), "expected the array b1, of shape (4,), got none"),
    (
        "an unknown name",
        lambda save: save(**ARRAYS, W3=W1),
        "expected arrays W1, b1 to W2, b2, loss and so on, got 'W3'",
    ),
    ("another unknown name", lambda save: save(**ARRAYS, **{"fc.weight": W1}), "expected arrays W1, b1 to W2, b2"),
    (
        "both kinds of names",
        lambda save: save(**ARRAYS, **{"0.weight": W1, "2.weight": W2}),
        "expected the names W1, b1 and so on, or 0.weight, 0.bias and so on, got both",
    ),
    (
        "no biases",
        lambda save: save(**{"0.weight": W1, "2.weight": W2}),
        "expected the array 0.bias, of shape (4,), got none",
    ),
    (
        "three modules",
        lambda save: save(**{"0.weight": W1, "2.weight": W2, "4.weight": +W2}),
        "expected weights and biases of 2 modules, one for each layer, got 3",
    ),
    ("half a trace", lambda save: save(**ARRAYS, z1=X), "expected the array a1, of shape (5, 4), got none"),
    ("transposed", lambda save: save(**ARRAYS | {"W2": np.ones((4, 2))}), "W2: expected shape (2, 4), got (4, 2)"),
    ("a row of biases", lambda save: save(**ARRAYS | {"b2": np.ones((1, 2))}), "b2: expected shape (2,), got (1, 2)"),
    ("a batch's losses", lambda save: save(**ARRAYS, loss=np.ones(5)), "loss: expected shape (), got (5,)"),
    (
        "mixed dtypes",
        lambda save: save(**ARRAYS | {"b2": b2.astype(np.float32)}),
        "b2: expected dtype float64, as the problem has, got float32",
    ),
    (
        "half precision",
        lambda save: save(**ARRAYS | {"b2": b2.astype(np.float16)}),
        "b2: expected dtype float64, as the problem has, got float16",
    ),
    (
        "whole numbers",
        lambda save: save(**ARRAYS | {"b2": np.array([1, 2])}),
        "b2: expected dtype float64, as the problem has, got ",
    ),
    ("large", lambda save: save(**ARRAYS, W9=np.ones(10**6)), "expected a file of at most 1,0"),
]

NPZ: list[tuple[str, Callable[[], bytes], str]] = [
    ("empty", lambda: b"", "expected a zip archive, as an .npz file is, got an empty file"),
    ("JSON", lambda: b"{}", "expected a zip archive, as an .npz file is, got text"),
    ("a pickle", lambda: pickle.dumps(Payload()), "expected a zip archive, as an .npz file is, got a pickle"),
    ("safetensors", lambda: tensors(**ARRAYS), "expected a zip archive, as an .npz file is, got a .safetensors file"),
    (
        "objects",
        lambda: npz(**ARRAYS, loss=np.array(Payload())),
        "loss: expected dtype float64, as the problem has, got",
    ),
    ("torch.save", torch_saved, "expected arrays (.npy) alone, got "),
    (
        "truncated",
        lambda: npz(**ARRAYS)[:-30],
        "expected a zip archive, as an .npz file is, got a truncated or altered",
    ),
    (
        "one bit",
        lambda: npz(**ARRAYS).replace(ARRAYS["b2"].tobytes(), (-ARRAYS["b2"]).tobytes()),
        "expected a zip archive, as an .npz file is, got a truncated or altered one (BadZipFile: Bad CRC-32",
    ),
    (
        "a member too large",
        lambda: archive(members(W2=npy(W2) + bytes(2**22)), zipfile.ZIP_DEFLATED),
        "W2: expected at most 1,0",
    ),
    (
        "a member larger than its header says",
        lambda: archive(members(W2=npy(W2) + b"\0")),
        "W2.npy: expected as many bytes as its header says, got more",
    ),
    (
        "a member smaller than its header says",
        lambda: archive(members(W2=npy(W2)[:-1])),
        "expected a zip archive, as an .npz file is, got a truncated or altered one (ValueError: EOF",
    ),
    (
        "a header that claims a petabyte",
        lambda: archive(members(W2=npy(W2, shape=(2**40, 128)))),
        "W2: expected shape (2, 4), got (1099511627776, 128)",
    ),
    (
        "a header of code",
        lambda: archive(members(W2=npy(W2, descr="open('x', 'w')"))),
        "expected a zip archive, as an .npz file is, got a truncated or altered one (ValueError: format number 1",
    ),
    (
        "a later version",
        lambda: archive(members(W2=npy(W2).replace(b"NUMPY\1", b"NUMPY\3"))),
        "W2: expected version 1.0 or 2.0 of the npy format, got (3, 0)",
    ),
    (
        "another compression",
        lambda: archive(members(), zipfile.ZIP_LZMA),
        "W1: expected it stored or deflated, got compression 14",
    ),
    (
        "a member twice",
        lambda: archive(members()).replace(b"b1.npy", b"b2.npy"),
        "expected each array once, got 'b2' 2 times",
    ),
    ("no array", lambda: archive(members() | {"a\n.txt": b""}), r"expected arrays (.npy) alone, got 'a\n.txt'"),
]

SAFETENSORS: list[tuple[str, Callable[[], bytes], str]] = [
    ("empty", lambda: b"", "expected a .safetensors file, got an empty file"),
    ("zip", lambda: npz(**ARRAYS), "expected a .safetensors file, got a zip archive, as an .npz file is"),
    ("JSON", lambda: b'{"a": 1, "b": 2}', "expected a .safetensors file, got text"),
    ("a pickle", lambda: pickle.dumps(Payload()), "expected a .safetensors file, got a pickle"),
    (
        "bfloat16",
        lambda: tensors(**ARRAYS | {"b2": torch.ones(2, dtype=torch.bfloat16)}),
        "b2: expected dtype float64, as the problem has, got bfloat16",
    ),
    (
        "truncated",
        lambda: tensors(**ARRAYS)[:-1],
        "expected a .safetensors file, got a truncated or altered one (Safet",
    ),
    (
        "longer",
        lambda: tensors(**ARRAYS) + b"\0",
        "expected a .safetensors file, got a truncated or altered one (Safet",
    ),
    (
        "a header that claims a petabyte",
        lambda: tensors(**ARRAYS).replace(b'"shape":[4,3]', b'"shape":[4,1125899906842624]'),
        "expected a .safetensors file, got a truncated or altered one (SafetensorError",
    ),
    (
        "a header larger than the file",
        lambda: struct.pack("<Q", 2**31) + b"{}" + bytes(100),
        "expected a .safetensors file, got a truncated or altered one (SafetensorError",
    ),
]

JSON: list[tuple[str, Callable[[], bytes], str]] = [
    ("empty", lambda: b"", "expected JSON, got an empty file"),
    ("zip", lambda: npz(**ARRAYS), "expected JSON, got a zip archive, as an .npz file is"),
    ("safetensors", lambda: tensors(**ARRAYS), "expected JSON, got a .safetensors file"),
    ("a pickle", lambda: pickle.dumps(Payload()), "expected JSON, got a pickle"),
    ("another encoding", lambda: "{}".encode("utf-16"), "expected JSON in UTF-8, got a byte that is none at 0"),
]

TABLE = [
    *((".npz", name, lambda make=make: make(npz), message) for name, make, message in BOTH),
    *((".safetensors", name, lambda make=make: make(tensors), message) for name, make, message in BOTH),
    *((".npz", *case) for case in NPZ),
    *((".safetensors", *case) for case in SAFETENSORS),
    *((".json", *case) for case in JSON),
]


@pytest.mark.parametrize(
    ("extension", "make", "message"),
    [(extension, make, message) for extension, _, make, message in TABLE],
    ids=[f"{extension[1:]}: {name}" for extension, name, _, _ in TABLE],
)
def test_no_answer(tmp_path: Path, extension: str, make: Callable[[], bytes], message: str) -> None:
    place = tmp_path / f"answer{extension}"
    place.write_bytes(make())
    with pytest.raises(Malformed) as refused:
        read_answer(place, PROBLEM)
    assert str(refused.value).startswith(f"{place}: {message}")
    if extension == ".json":
        with pytest.raises(Malformed) as refused:
            read_problem(place)
        assert str(refused.value).startswith(f"{place}: {message}")


def test_the_table_starts_from_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "answer.npz").write_bytes(npz(**ARRAYS))
    assert leaves(read_answer(tmp_path / "answer.npz", PROBLEM)) == leaves(BARE)
    (tmp_path / "answer.safetensors").write_bytes(tensors(**ARRAYS))
    assert leaves(read_answer(tmp_path / "answer.safetensors", PROBLEM)) == leaves(BARE)
    (tmp_path / "members.NPZ").write_bytes(archive(members(), zipfile.ZIP_DEFLATED))
    assert leaves(read_answer(tmp_path / "members.NPZ", PROBLEM)) == leaves(BARE)


def test_other_layouts_are_read(tmp_path: Path) -> None:
    arrays = {name: np.asfortranarray(array).astype(">f8") for name, array in ARRAYS.items()}
    (tmp_path / "answer.npz").write_bytes(npz(**arrays))
    assert leaves(read_answer(tmp_path / "answer.npz", PROBLEM)) == leaves(BARE)


def test_headers_of_old_are_read_in_silence(tmp_path: Path) -> None:
    content = npy(W2).replace(b"(2, 4), }  ", b"(2L, 4L), }")
    (tmp_path / "answer.npz").write_bytes(archive(members(W2=content)))
    answer = read_answer(tmp_path / "answer.npz", PROBLEM)
    assert leaves(answer.gradients[1].W) == leaves(W2)


def test_a_refusal_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text('{"id": 7, "unsupported": "no tanh"}')
    with pytest.raises(Refused, match="unsupported: no tanh"):
        read_answer(tmp_path / "answer.json", PROBLEM)


def test_what_is_no_regular_file(tmp_path: Path) -> None:
    pipe, folder, device = tmp_path / "pipe.json", tmp_path / "folder.json", tmp_path / "device.npz"
    os.mkfifo(pipe)
    folder.mkdir()
    device.symlink_to("/dev/zero")
    with pytest.raises(Malformed, match=r"pipe\.json: expected a regular file, got a pipe or device"):
        read_problem(pipe)
    with pytest.raises(Malformed, match=r"folder\.json: expected a regular file, got a folder"):
        read_answer(folder, PROBLEM)
    with pytest.raises(Malformed, match=r"device\.npz: expected a regular file, got a pipe or device"):
        read_answer(device, PROBLEM)
    with pytest.raises(FileNotFoundError, match=r"No such file or directory: '.*missing\.json'"):
        read_problem(tmp_path / "missing.json")
    with pytest.raises(Malformed, match=r"expected the name of a file: embedded null"):
        read_problem("a\0.json")
    with pytest.raises(OSError, match="File name too long"):
        read_problem("a" * 10_000 + ".json")


def test_a_file_too_large(tmp_path: Path) -> None:
    place = tmp_path / "problem.json"
    with open(place, "wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(Malformed, match="expected a file of at most 1,073,741,824 bytes, got 1,073,741,825"):
        read_problem(place)


@pytest.mark.parametrize("name", ["answer", "answer.pt", "answer.npy", ".npz"])
def test_extensions(tmp_path: Path, name: str) -> None:
    with pytest.raises(Malformed, match=r"expected an answer in a file ending in \.json or \.npz or \.safetensors"):
        read_answer(tmp_path / name, PROBLEM)
    with pytest.raises(Malformed, match=r"expected an answer in a file ending in \.json or \.npz or \.safetensors"):
        write_answer(tmp_path / name, ANSWER)
    with pytest.raises(Malformed, match=r"expected a problem in a file ending in \.json"):
        write_problem(tmp_path / "problem.npz", PROBLEM)


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
            assert all(array.dtype == found.dtype and np.isfinite(array).all() for array in arrays)
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
def whole(folder: Path) -> dict[tuple[str, str, str], bytes]:
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
    folder: Path, whole: dict[tuple[str, str, str], bytes], kind: str, extension: str, dtype: str, data: st.DataObject
) -> None:
    """Every file ends in a value or in one line: no other exception, no warning."""
    alter = data.draw(st.sampled_from(ALTERED[extension]))
    place = folder / f"altered{extension}"
    place.write_bytes(alter(data, whole[kind, extension, dtype]))
    said = refusal(place, kind, BY_DTYPE[dtype])
    event(f"{alter.__name__}: {'refused' if said else 'read'}")
    assert said.isprintable()
    assert not said or "expected" in said
