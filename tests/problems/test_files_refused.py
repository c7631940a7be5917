"""Files that hold no answer, each with what is said of it."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from conformance.arrays import Array
from conformance.problems.files import read_answer, read_problem
from conformance.problems.wire import Malformed

from .examples import (
    ARRAYS,
    BARE,
    PROBLEM,
    W1,
    W2,
    X,
    archive,
    b2,
    leaves,
    members,
    npy,
    npz,
)


def tensors(**arrays: Any) -> bytes:
    content: bytes = safetensors.torch.save({name: torch.as_tensor(array) for name, array in arrays.items()})
    return content


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
