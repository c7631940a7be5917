"""Networks and trainings that are saved: read back to the bit, or refused."""

import json
import os
import pickle
import stat
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import (
    SGD,
    Adam,
    CrossEntropy,
    HalfSquaredError,
    LeakyReLU,
    RMSprop,
    Rule,
    Softplus,
    Training,
    cosine_decay,
    initialised,
    load,
    save,
    train,
)

from .networks import ONE_UNIT, RNG, bits, problem


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    network, _, _ = problem()
    (tmp_path / "link.npz").symlink_to(tmp_path / "place.npz")
    save(tmp_path / "link.npz", network)
    assert (tmp_path / "link.npz").is_symlink()
    assert (tmp_path / "place.npz").is_file()


@pytest.mark.parametrize("rule", [SGD(0.3, momentum=0.9), Adam(0.01, amsgrad=True), RMSprop(0.01)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_saved_and_resumed_training_is_one_long_training_to_the_bit(
    rule: Rule, dtype: str, kind: str, tmp_path: Path
) -> None:
    network, x, y = problem(dtype)
    held = x, 1 - y  # the better the samples are learnt, the worse are these
    options: dict[str, Any] = {"rule": rule, "batch_size": 2, "schedule": cosine_decay(6), "validation": held}

    def rng() -> np.random.Generator:
        return np.random.Generator(getattr(np.random, kind)(3))

    whole = train(network, x, y, CrossEntropy(), "mean", epochs=5, rng=rng(), **options)
    half = train(
        network, x, y, CrossEntropy(), "mean", epochs=9, rng=rng(), callback=lambda e, _: e.epoch == 2, **options
    )
    save(tmp_path / "half.npz", half)
    again = load(tmp_path / "half.npz")
    assert isinstance(again, Training)
    assert (again.history, again.stopped) == (half.history, "callback")
    resumed = train(network, x, y, CrossEntropy(), "mean", epochs=3, resume=again, **options)
    assert resumed.history == whole.history
    assert bits(resumed.network) == bits(whole.network)
    assert bits(resumed.best) == bits(whole.best) == bits(half.best)
    assert bits(half.best) != bits(half.network)


def test_a_saved_network_is_the_same_to_the_bit(tmp_path: Path) -> None:
    network = initialised(RNG(0), [3, 4, 2], [LeakyReLU(0.1), Softplus(threshold=np.inf)], dtype="float32")
    save(tmp_path / "network.npz", network)
    again = load(tmp_path / "network.npz")
    assert not isinstance(again, Training)
    assert bits(again) == bits(network)
    assert not [p for p in again if not p.W.dtype == p.b.dtype == np.float32]
    assert [p.sigma for p in again] == [p.sigma for p in network]
    assert [path.name for path in tmp_path.iterdir()] == ["network.npz"]


@settings(max_examples=150)
@given(data=st.data())
def test_an_altered_file_is_a_clear_error(data: st.DataObject) -> None:
    """Truncated anywhere, or with any byte changed: refused, or (in bytes that mean nothing) read the same."""
    network, x, y = problem()
    training = train(network, x, y, CrossEntropy(), "mean", rule=Adam(), epochs=1, rng=RNG(0))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.npz"
        save(path, training)
        whole = path.read_bytes()
        if data.draw(st.booleans()):
            path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        else:
            at = data.draw(st.integers(0, len(whole) - 1))
            path.write_bytes(whole[:at] + bytes([whole[at] ^ data.draw(st.integers(1, 255))]) + whole[at + 1 :])
        try:
            again = load(path)
        except ValueError as error:
            refused = str(error)
        else:
            refused = str(path)
            save(path, again)
            assert path.read_bytes() == whole
        assert str(path) in refused


def test_contents_that_were_not_saved_together_are_refused(tmp_path: Path) -> None:
    """Whole files, of which zip's own checks say nothing."""
    network, x, y = problem()
    path = tmp_path / "training.npz"
    save(path, train(network, x, y, CrossEntropy(), "mean", rule=Adam(), epochs=1))
    with np.load(path) as file:
        contents = dict(file)
    described = json.loads(contents["description.json"].tobytes())

    def describing(**changes: object) -> dict[str, np.ndarray]:
        return {"description.json": np.frombuffer(json.dumps(described | changes).encode(), np.uint8)}

    W = contents["network/1/W"]
    for changed, reason in (
        ({"network/1/W": W + 1}, "the SHA-256 is another"),
        ({"network/1/W": W.reshape(W.shape[::-1])}, "the SHA-256 is another"),
        ({"network/1/W": W.view(np.int64)}, "the SHA-256 is another"),
        (describing(training=described["training"] | {"stopped": "patience"}), "the SHA-256 is another"),
        (describing(format="another 2"), "format 'another 2'"),
    ):
        np.savez(path, **{**contents, **changed})
        with pytest.raises(ValueError, match=reason):
            load(path)
    np.savez(path, **contents)
    assert isinstance(load(path), Training)


def test_what_cannot_be_restored_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    wide = (ONE_UNIT[0]._replace(W=np.ones((1, 1), np.longdouble), b=np.ones(1, np.longdouble)),)
    with pytest.raises(TypeError, match="network: expected float32 or float64, got"):
        save(path, wide)
    training = train(ONE_UNIT, [[1.0]], [[1.0]], HalfSquaredError(), "sum", rule=SGD(0.1), epochs=1)
    save(path, training._replace(rng={"bit_generator": "Another"}))
    with pytest.raises(ValueError, match="rng: expected the state of one of PCG64"):
        load(path)


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_saved_file_has_the_permissions_of_any_new_one(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        save(tmp_path / "network.npz", ONE_UNIT)
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "network.npz").stat().st_mode) == 0o640


class Touching:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_foreign_files_are_clear_errors_and_nothing_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    for content in (b"", b"hello", pickle.dumps({"a": 1}), b"PK\x03\x04" + bytes(100)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="expected a whole file written by reference"):
            load(path)
    np.savez(path, W=np.ones(3))
    with pytest.raises(ValueError, match="expected a whole file written by reference"):
        load(path)
    np.savez(path, allow_pickle=True, **{"description.json": np.array([Touching(tmp_path / "touched")], dtype=object)})
    with pytest.raises(ValueError, match="expected a whole file written by reference"):
        load(path)
    assert not (tmp_path / "touched").exists()
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.npz")


def test_a_save_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, _, _ = problem()
    path = tmp_path / "network.npz"
    save(path, network)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="no space left"):
        save(path, network)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
