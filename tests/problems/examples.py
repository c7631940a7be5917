"""A problem, its answer, the messages that hold them, and the bytes of files."""

import io
import json
import warnings
import zipfile
from typing import Any

import numpy as np

from conformance.arrays import Array
from conformance.problems.problem import GivenAnswer, Problem
from conformance.problems.wire import answer_json, problem_json
from conformance.subjects.reference import reference_answer
from reference import HalfSquaredError, Layer, Sigmoid, Tanh

W1, b1 = np.arange(1, 13.0).reshape(4, 3) / 8, np.array([0.5, -0.25, 0.75, 1.5])
W2, b2 = np.arange(1, 9.0).reshape(2, 4) / 16, np.array([-0.125, 0.625])
X, Y = np.arange(1, 16.0).reshape(5, 3) / 4, np.arange(1, 11.0).reshape(5, 2) / 16
PROBLEM = Problem((Layer(W1, b1, Tanh()), Layer(W2, b2, Sigmoid())), X, Y, HalfSquaredError(), "mean", 0.0)
EXTENSIONS = (".json", ".npz", ".safetensors")


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
REQUEST: dict[str, Any] = json.loads(problem_json(PROBLEM))
REPLY: dict[str, Any] = json.loads(answer_json(ANSWER))
"""The problem and the answer as the protocol sends them."""


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


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
