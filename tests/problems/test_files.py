"""Problems and answers in files: what is written is read, and nothing is overwritten."""

import json
import os
import stat
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given

from conformance.problems.files import (
    LARGEST,
    creating,
    read_answer,
    read_problem,
    save_problem,
    write_answer,
    write_problem,
)
from conformance.problems.problem import GivenAnswer, Problem
from conformance.problems.strategies import problems
from conformance.problems.wire import Malformed, Refused
from reference import HalfSquaredError, Layer, Tanh

from .examples import (
    ANSWER,
    ARRAYS,
    BARE,
    EXTENSIONS,
    PROBLEM,
    REQUEST,
    W2,
    archive,
    given_answer,
    leaves,
    members,
    npy,
    npz,
)


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
    with pytest.raises(FileExistsError, match=r"late\.json"):
        written_twice(tmp_path / "late.json")
    assert (tmp_path / "late.json").read_bytes() == b"somebody's"


def written_twice(place: Path) -> None:
    """Somebody is first, while ours is being written."""
    with creating(place) as file:
        file.write(b"ours")
        place.write_bytes(b"somebody's")


def test_a_file_that_grows_while_it_is_read_is_no_larger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "answer.npz"
    write_answer(place, ANSWER)
    small = os.stat_result((stat.S_IFREG | 0o600, *[0] * 9))
    place.write_bytes(place.read_bytes() + bytes(2**20))
    monkeypatch.setattr(os, "fstat", lambda _: small)
    with pytest.raises(Malformed, match="expected a file of at most"):
        read_answer(place, PROBLEM)


def test_json_that_is_indented_is_no_other_kind_of_file(tmp_path: Path) -> None:
    place = tmp_path / "problem.json"
    place.write_text(" " * 8 + json.dumps(REQUEST))
    assert leaves(read_problem(place)) == leaves(PROBLEM)


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
    with torch.random.fork_rng(devices=[]):
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
