"""Files that are whole or not there: whatever happens while one is written, nothing else is left."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from conformance.problems.files import creating
from reference import Identity, Layer, save
from reference.command.figures import digits_figure, draw
from reference.training.files import replacing

Opener = Callable[[Path], AbstractContextManager[BinaryIO]]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("opened", [replacing, creating])
@pytest.mark.parametrize("error", [KeyboardInterrupt("stop"), ValueError("no"), OSError("none"), OSError(28, "full")])
def test_what_is_cut_short_leaves_nothing(tmp_path: Path, opened: Opener, error: BaseException) -> None:
    def written() -> None:
        with opened(tmp_path / "file") as file:
            file.write(b"half")
            file.flush()
            assert "file" not in contents(tmp_path)
            assert list(contents(tmp_path).values()) == [b"half"]  # beside its place, where nobody takes it for whole
            raise error

    with pytest.raises(type(error), match=error.args[-1]):
        written()
    assert not contents(tmp_path)


def test_what_stood_there_stays_until_the_new_is_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")

    def interrupted() -> None:
        with replacing(tmp_path / "file") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert contents(tmp_path) == {"file": b"old"}
    with replacing(tmp_path / "file") as file:
        file.write(b"new")
        assert (tmp_path / "file").read_bytes() == b"old"
    assert contents(tmp_path) == {"file": b"new"}


def test_what_a_link_points_to_is_replaced_and_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    with replacing(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path) == {"link": b"new", "file": b"new"}


@pytest.mark.parametrize("links", [True, False])
def test_what_appears_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "no links here")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    with pytest.raises(FileExistsError, match=r"/file'$"), creating(tmp_path / "file"):
        (tmp_path / "file").write_bytes(b"another's")
    assert contents(tmp_path) == {"file": b"another's"}
    with creating(tmp_path / "other") as file:
        file.write(b"new")
    assert contents(tmp_path) == {"file": b"another's", "other": b"new"}


@pytest.mark.parametrize("opened", [replacing, creating])
def test_an_error_names_the_file_that_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Opener
) -> None:
    with pytest.raises(FileNotFoundError, match=r"/missing/file'$"), opened(tmp_path / "missing" / "file"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"/folder'$"), opened(tmp_path / "folder"):
        pass

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/file'$"), opened(tmp_path / "file"):
        pass
    assert os.listdir(tmp_path) == ["folder"]


def test_what_the_reference_writes_is_written_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "network.npz").write_bytes(b"old")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "network.npz", (Layer(np.ones((1, 1)), np.ones(1), Identity()),))
    with pytest.raises(KeyboardInterrupt):
        draw(digits_figure(()), tmp_path / "figure.png")
    assert contents(tmp_path) == {"network.npz": b"old"}
