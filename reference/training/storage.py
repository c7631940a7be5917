"""Saving and loading, in NumPy's npz with a JSON description: nothing is ever unpickled or executed.

A file holds a SHA-256 of all else that it holds, so that what was truncated or altered is not taken for what was saved.
"""

import hashlib
import json
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..activations import ACTIVATIONS
from ..backpropagation import Layer, Network
from ..checks import activation, check_network
from ..updates import State
from .files import replacing
from .outcome import Epoch, Training, generator

__all__ = ["load", "save"]

FORMAT = "backpropagation-reference 1"
DESCRIPTION = "description.json"

Arrays = dict[str, NDArray[Any]]
Description = dict[str, Any]
"""What JSON can say."""


def save(path: str | os.PathLike[str], saved: Network[NDArray[Any]] | Training) -> None:
    """Save a network, or a training with all that it takes to go on.

    Parameters
    ----------
    path : path
        A file there is replaced, once the new one is whole.
    saved : tuple of Layer, or Training
        Its activations are those of `reference.activations`, and its dtype is float32 or float64.

    Raises
    ------
    TypeError, ValueError
        If it is neither, or has other activations or another dtype.
    OSError
        If the file cannot be written.
    """
    description, arrays = _taken_apart(saved)
    text = _json(description | {"sha256": _digest(description, arrays)})
    contents: dict[str, Any] = {DESCRIPTION: np.frombuffer(text.encode(), dtype=np.uint8), **arrays}
    with replacing(path) as file:
        np.savez(file, **contents)


def load(path: str | os.PathLike[str]) -> Network[NDArray[Any]] | Training:
    """Load the network or training that was saved there, the same to the bit.

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
            return _put_together(description, arrays)
        except Exception as error:  # the readers of NumPy, zipfile, zlib and json raise nearly everything
            raise ValueError(
                f"{os.fspath(path)}: expected a whole file written by reference.save, got another, or a truncated or "
                f"altered one ({type(error).__name__}: {error!s:.200})"
            ) from error


def _taken_apart(saved: Network[NDArray[Any]] | Training) -> tuple[Description, Arrays]:
    """Name every array, and describe the rest."""
    layers, arrays = _layers("network", saved.network if isinstance(saved, Training) else saved)
    if not isinstance(saved, Training):
        return {"format": FORMAT, "layers": layers, "training": None}, arrays
    arrays |= _layers("best", saved.best)[1]
    for l, layer in enumerate(saved.state.slots, start=1):
        for name, slots in zip(("W", "b"), layer, strict=True):
            arrays |= {f"slots/{l}/{name}/{k}": slot for k, slot in enumerate(slots)}
    training = {
        "history": saved.history,
        "stopped": saved.stopped,
        "rule": saved.state.rule,
        "t": saved.state.t,
        "slots": [[len(of_W), len(of_b)] for of_W, of_b in saved.state.slots],
        "rng": saved.rng,
    }
    return {"format": FORMAT, "layers": layers, "training": training}, arrays


def _layers(name: str, network: Network[NDArray[Any]]) -> tuple[list[Description], Arrays]:
    """Describe the activations of a network, and name its arrays after it."""
    network, dtype = check_network(network)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"{name}: expected float32 or float64, got {dtype}")
    names = {kind: known for known, kind in ACTIVATIONS.items()}
    layers: list[Description] = []
    arrays: Arrays = {}
    for l, (W, b, sigma) in enumerate(network, start=1):
        if type(sigma) not in names:
            raise TypeError(f"layer {l}: sigma: expected one of {', '.join(ACTIVATIONS)}, got {type(sigma).__name__}")
        layers.append({"name": names[type(sigma)], **vars(sigma)})
        arrays |= {f"{name}/{l}/W": W, f"{name}/{l}/b": b}
    return layers, arrays


def _put_together(description: Description, arrays: Arrays) -> Network[NDArray[Any]] | Training:
    """Make the network or training that was taken apart."""
    sigmas = [activation(layer.pop("name"), **layer) for layer in description["layers"]]

    def network(name: str) -> Network[NDArray[Any]]:
        layers = [Layer(arrays[f"{name}/{l}/W"], arrays[f"{name}/{l}/b"], s) for l, s in enumerate(sigmas, start=1)]
        return check_network(layers)[0]

    def slots(name: str, count: int) -> tuple[NDArray[Any], ...]:
        return tuple(arrays[f"slots/{name}/{k}"] for k in range(count))

    if description["training"] is None:
        return network("network")
    history, stopped, rule, t, counts, rng = (
        description["training"][key] for key in ("history", "stopped", "rule", "t", "slots", "rng")
    )
    if rng is not None:
        generator(rng)  # refuses what is no state
    layers = enumerate(counts, start=1)
    state = State(rule, t, tuple((slots(f"{l}/W", of_W), slots(f"{l}/b", of_b)) for l, (of_W, of_b) in layers))
    return Training(network("network"), network("best"), tuple(Epoch(*e) for e in history), stopped, state, rng)


def _json(description: Description) -> str:
    """Write a description in JSON; arrays, which a generator's state may hold, become lists."""
    return json.dumps(description, sort_keys=True, default=lambda array: np.asarray(array).tolist())


def _digest(description: Description, arrays: Arrays) -> str:
    """Hash the description, and every array's name, dtype, shape and bytes."""
    total = hashlib.sha256(_json(description).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}".encode())
        total.update(array.tobytes())
    return total.hexdigest()
