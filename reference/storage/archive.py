"""Saving and loading, in NumPy's npz with a JSON description: nothing is ever unpickled or executed.

A file is written beside its place and then moved there, so that it is never half written.  A SHA-256 of all that it
holds is part of it, so that what was truncated or altered is not taken for what was saved.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ..activations import ACTIVATIONS
from ..backpropagation import Layer, Network
from ..checks import by_name, check_network
from ..functions import Array
from ..training.outcome import Epoch, Training, generator
from ..updates import State

FORMAT = "backpropagation-reference 1"
DESCRIPTION = "description.json"


def save(path: str | os.PathLike[str], saved: Network | Training) -> None:
    """Save a network, or a training with all that it takes to go on.

    Parameters
    ----------
    path : path
        A file there is replaced, once the new one is whole.
    saved : tuple of Layer, or Training
        With activations of `reference.activations`; in float32 or float64.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or not in one of these dtypes.
    OSError
        If the file cannot be written.
    """
    training = saved if isinstance(saved, Training) else None
    networks: dict[str, Any] = {"network": saved}
    if training:
        networks = {"network": training.network, "best": training.best}
    arrays: dict[str, Array] = {}
    layers = []
    for name, network in networks.items():
        network, dtype = check_network(network)
        if dtype not in (np.float32, np.float64):
            raise TypeError(f"{name}: expected float32 or float64, got {dtype}")
        for l, (W, b, _) in enumerate(network, start=1):
            arrays |= {f"{name}/{l}/W": W, f"{name}/{l}/b": b}
        layers = [_named(l, layer.sigma) for l, layer in enumerate(network, start=1)]
    description: dict[str, Any] = {"format": FORMAT, "layers": layers, "training": None}
    if training:
        for l, slots in enumerate(training.state.slots, start=1):
            for name, arrays_of in zip(("W", "b"), slots, strict=True):
                arrays |= {f"slots/{l}/{name}/{k}": slot for k, slot in enumerate(arrays_of)}
        description["training"] = {
            "history": [list(epoch) for epoch in training.history],
            "stopped": training.stopped,
            "rule": training.state.rule,
            "t": training.state.t,
            "slots": [[len(of_W), len(of_b)] for of_W, of_b in training.state.slots],
            "rng": None if training.rng is None else _listed(training.rng),
        }
    description["sha256"] = _digest(description, arrays)
    text = np.frombuffer(json.dumps(description).encode(), dtype=np.uint8)
    contents: dict[str, Any] = {DESCRIPTION: text, **arrays}
    place = Path(os.path.realpath(path))  # what a link points to is replaced, not the link
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".saving-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **contents)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str]) -> Network | Training:
    """What was saved there, the same to the bit: a network or a training.

    Raises
    ------
    ValueError
        If the file is not one that `save` wrote, or is truncated or altered.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as handle:
        try:
            with np.load(handle, allow_pickle=False) as file:
                arrays = {name: np.ascontiguousarray(file[name]) for name in file.files}
            description = json.loads(arrays.pop(DESCRIPTION).tobytes().decode())
            if description["format"] != FORMAT:
                raise ValueError(f"format {description['format']!r:.60}")
            if description.pop("sha256") != _digest(description, arrays):
                raise ValueError("the SHA-256 is another")
            return _restored(description, arrays)
        except Exception as error:  # the readers of NumPy, zipfile, zlib and json raise nearly everything
            raise ValueError(
                f"{os.fspath(path)}: expected a whole file written by reference.save, got another, or a truncated or "
                f"altered one ({type(error).__name__}: {error!s:.200})"
            ) from error


def _restored(description: dict[str, Any], arrays: dict[str, Array]) -> Network | Training:
    sigmas = [by_name("activation", ACTIVATIONS, layer.pop("name"), layer) for layer in description["layers"]]

    def network(name: str) -> Network:
        layers = [Layer(arrays[f"{name}/{l}/W"], arrays[f"{name}/{l}/b"], s) for l, s in enumerate(sigmas, start=1)]
        return check_network(layers)[0]

    training = description["training"]
    if training is None:
        return network("network")
    rng = training["rng"]
    if rng is not None:
        generator(rng)  # refuses what is no state
    slots = tuple(
        (
            tuple(arrays[f"slots/{l}/W/{k}"] for k in range(of_W)),
            tuple(arrays[f"slots/{l}/b/{k}"] for k in range(of_b)),
        )
        for l, (of_W, of_b) in enumerate(training["slots"], start=1)
    )
    history = tuple(Epoch(*epoch) for epoch in training["history"])
    state = State(training["rule"], training["t"], slots)
    return Training(network("network"), network("best"), history, training["stopped"], state, rng)


def _named(l: int, sigma: Any) -> dict[str, Any]:
    """An activation by its name and parameters, as on the wire."""
    for name, kind in ACTIVATIONS.items():
        if kind is type(sigma):
            return {"name": name, **vars(sigma)}
    raise TypeError(f"layer {l}: sigma: expected one of {', '.join(ACTIVATIONS)}, got {type(sigma).__name__}")


def _listed(state: Any) -> Any:
    """A generator's state with its arrays as lists, which NumPy takes as well."""
    if isinstance(state, dict):
        return {key: _listed(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray | np.generic) else state


def _digest(description: dict[str, Any], arrays: dict[str, Array]) -> str:
    """Of the description and of every array's name, dtype, shape and bytes."""
    total = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


