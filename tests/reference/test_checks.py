"""Bad input: one clear error that says where, what was expected and what came; nothing is changed."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import reference
from reference import (
    SGD,
    BinaryCrossEntropy,
    CrossEntropy,
    CrossEntropyWithLogits,
    HalfSquaredError,
    Huber,
    Identity,
    Layer,
    LeakyReLU,
    Sigmoid,
    Softmax,
    Tanh,
    train,
    value_and_gradients,
)

W1, b1 = np.arange(6.0).reshape(3, 2) / 7, np.array([0.1, -0.2, 0.3])
W2, b2 = np.arange(6.0).reshape(2, 3) / 5, np.array([-0.1, 0.2])
NETWORK = (Layer(W1, b1, Tanh()), Layer(W2, b2, Sigmoid()))
X, Y = np.ones((4, 2)) / 3, np.ones((4, 2)) / 2


def doors() -> list[Callable[..., Any]]:
    return [
        value_and_gradients,
        lambda *arguments: train(*arguments, rule=SGD(0.1), epochs=1),
    ]


def last(sigma: Any) -> tuple[Layer[Any], ...]:
    return NETWORK[0], NETWORK[1]._replace(sigma=sigma)


NAN, INF = float("nan"), float("inf")
MEAN = "mean"
LOSS = HalfSquaredError()
UNTYPED: dict[Any, Any] = {
    "a": "a", 1j: 1j, "list": [1], "tuple": (0.1, 0.2), "weight": 2.0, "float32": np.float32(0.5),
    "words": [["a"]], "none": None, "ragged": [[1.0], [2.0, 3.0]],
}

REFUSED: list[tuple[type[Exception], str, tuple[Any, ...]]] = [
    (TypeError, r"network: expected a tuple of Layer\(W, b, sigma\), got the str 'net'", ("net", X, Y, LOSS, MEAN)),
    (TypeError, r"network: expected a tuple of Layer", (NETWORK[0], X, Y, LOSS, MEAN)),
    (TypeError, "x: expected an array of numbers, got a masked array", (NETWORK, np.ma.masked_array(X), Y, LOSS, MEAN)),
    (ValueError, "reduction: expected one of 'sum', 'mean', got", (NETWORK, X, Y, LOSS, ["sum"])),
    (TypeError, "layer 2: sigma: negative_slope: expected a number, got the str 'a'", (last(LeakyReLU(UNTYPED["a"])), X, Y, LOSS, MEAN)),
    (TypeError, "layer 2: sigma: negative_slope: expected a number, got complex", (last(LeakyReLU(UNTYPED[1j])), X, Y, LOSS, MEAN)),
    (TypeError, "layer 2: sigma: negative_slope: expected a number, got list", (last(LeakyReLU(UNTYPED["list"])), X, Y, LOSS, MEAN)),
    (ValueError, "layer 2: sigma: negative_slope: expected a finite number, got nan", (last(LeakyReLU(NAN)), X, Y, LOSS, MEAN)),
    (ValueError, "layer 2: sigma: negative_slope: expected a finite number, got 1000", (last(LeakyReLU(10**400)), X, Y, LOSS, MEAN)),
    (ValueError, "loss: delta: expected a number above 0, got -1", (NETWORK, X, Y, Huber(-1), MEAN)),
    (ValueError, "loss: label_smoothing: expected a number from 0 to 1, got 1.5", (last(Softmax()), X, Y, CrossEntropy((), 1.5), MEAN)),
    (TypeError, "loss: weight: expected a tuple of numbers, got the float 2.0", (last(Softmax()), X, Y, CrossEntropy(UNTYPED["weight"]), MEAN)),
    (TypeError, "layer 2: sigma: negative_slope: expected a number, got tuple", (last(LeakyReLU(UNTYPED["tuple"])), X, Y, LOSS, MEAN)),
    (ValueError, "loss: delta: expected a finite number, got nan", (NETWORK, X, Y, Huber(NAN), MEAN)),
    (ValueError, "loss: expected no weight or 2, one for each class, got 3", (last(Softmax()), X, Y, CrossEntropy((1, 2, 3)), MEAN)),
    (ValueError, r"y: expected class indices from 0 to 1, got 2 at \(3,\)", (last(Softmax()), X, np.array([0, 1, 1, 2]), CrossEntropy(), MEAN)),
    (ValueError, "network: expected at least one layer, got none", ((), X, Y, LOSS, MEAN)),
    (TypeError, r"layer 2: expected Layer\(W, b, sigma\), got ndarray", ((NETWORK[0], W2), X, Y, LOSS, MEAN)),
    (TypeError, r"layer 2: sigma: expected an activation .* got a class: write Sigmoid\(\)", (last(Sigmoid), X, Y, LOSS, MEAN)),
    (TypeError, "layer 2: sigma: expected an activation .* got the str 'sigmoid'", (last("sigmoid"), X, Y, LOSS, MEAN)),
    (TypeError, "layer 1: W: expected an array of numbers", ((Layer(UNTYPED["words"], b1, Tanh()),), X, Y, LOSS, MEAN)),
    (TypeError, "layer 1: b: expected an array of numbers", ((Layer(W1, UNTYPED["none"], Tanh()),), X, Y, LOSS, MEAN)),
    (TypeError, "layer 1: W: expected an array of numbers", ((Layer(UNTYPED["ragged"], b1, Tanh()),), X, Y, LOSS, MEAN)),
    (ValueError, r"layer 1: W: expected shape \(units, inputs\), got \(6,\)", ((Layer(W1.ravel(), b1, Tanh()),), X, Y, LOSS, MEAN)),
    (ValueError, r"layer 1: W: expected shape \(units, inputs\), got \(0, 2\)", ((Layer(W1[:0], b1[:0], Tanh()),), X, Y, LOSS, MEAN)),
    (ValueError, r"layer 1: b: expected shape \(3,\), as W has 3 rows, got \(1, 3\)", ((Layer(W1, b1[None], Tanh()),), X, Y, LOSS, MEAN)),
    (ValueError, r"layer 2: W: expected shape \(2, 3\), as layer 1 has 3 units, got \(2, 2\)", ((NETWORK[0], Layer(W2[:, :2], b2, Tanh())), X, Y, LOSS, MEAN)),
    (TypeError, "layer 2: W: expected dtype float64, as layer 1: W has, got float32", ((NETWORK[0], Layer(W2.astype("f4"), b2, Tanh())), X, Y, LOSS, MEAN)),
    (ValueError, r"layer 2: b: expected finite numbers of dtype float64, got nan at \(1,\)", ((NETWORK[0], Layer(W2, np.array([0, NAN]), Tanh())), X, Y, LOSS, MEAN)),
    (ValueError, r"x: expected shape \(samples, 2\), as layer 1 has 2 inputs, got \(2,\)", (NETWORK, X[0], Y, LOSS, MEAN)),
    (ValueError, r"x: expected shape \(samples, 2\), as layer 1 has 2 inputs, got \(2, 4\)", (NETWORK, X.T, Y, LOSS, MEAN)),
    (ValueError, r"x: expected at least one sample, got an empty batch", (NETWORK, X[:0], Y[:0], LOSS, MEAN)),
    (ValueError, r"y: expected shape \(4, 2\), a row for each sample .* got \(4,\)", (NETWORK, X, Y[:, 0], LOSS, MEAN)),
    (ValueError, r"y: expected shape \(4, 2\), .* got \(3, 2\)", (NETWORK, X, Y[:3], LOSS, MEAN)),
    (TypeError, "x: expected dtype float64, as the network has, got float32", (NETWORK, X.astype("f4"), Y, LOSS, MEAN)),
    (TypeError, "y: expected dtype float64, as the network has, got complex128", (NETWORK, X, Y + 0j, LOSS, MEAN)),
    (TypeError, "x: expected an array of numbers, got ndarray of dtype <U", (NETWORK, X.astype(str), Y, LOSS, MEAN)),
    (TypeError, "y: expected an array of numbers", (NETWORK, X, np.array([[None] * 2] * 4), LOSS, MEAN)),
    (ValueError, r"x: expected finite numbers of dtype float64, got inf at \(0, 1\)", (NETWORK, [[1, INF]] * 4, Y, LOSS, MEAN)),
    (ValueError, r"y: expected finite numbers", (NETWORK, X, Y * NAN, LOSS, MEAN)),
    (TypeError, r"loss: expected a loss .* got the str 'mse'", (NETWORK, X, Y, "mse", MEAN)),
    (TypeError, r"loss: expected a loss .* got a class: write CrossEntropy\(\)", (NETWORK, X, Y, CrossEntropy, MEAN)),
    (ValueError, "reduction: expected one of 'sum', 'mean', got 'none'", (NETWORK, X, Y, LOSS, "none")),
    (ValueError, r"layer 2: expected the activation Softmax\(\) before CrossEntropy, got Sigmoid\(\); Sigmoid\(\) goes with BinaryCrossEntropy$", (NETWORK, X, Y, CrossEntropy(), MEAN)),
    (ValueError, r"layer 2: expected the activation Identity\(\) before CrossEntropyWithLogits, got Softmax\(\)", (last(Softmax()), X, Y, CrossEntropyWithLogits(), MEAN)),
    (ValueError, r"y: expected targets from 0 to inf for CrossEntropy, got -0.5 at \(0, 0\)", (last(Softmax()), X, -Y, CrossEntropy(), MEAN)),
    (ValueError, r"y: expected targets from 0 to 1 for BinaryCrossEntropy, got 1.5 at \(0, 0\)", (NETWORK, X, Y + 1, BinaryCrossEntropy(), MEAN)),
]  # fmt: skip


@pytest.mark.parametrize("door", doors(), ids=["value_and_gradients", "train"])
@pytest.mark.parametrize(("error", "message", "arguments"), REFUSED, ids=[message[:50] for _, message, _ in REFUSED])
def test_bad_input_is_refused(
    door: Callable[..., Any], error: type[Exception], message: str, arguments: tuple[Any, ...]
) -> None:
    before = [p.copy() for p in (W1, b1, W2, b2, X, Y)]
    with pytest.raises(error, match=message):
        door(*arguments)
    assert not [(p, q) for p, q in zip((W1, b1, W2, b2, X, Y), before, strict=True) if not (p == q).all()]


def test_integers_booleans_and_lists_count_as_numbers_of_the_networks_dtype() -> None:
    for dtype in (np.float32, np.float64):
        network = tuple(Layer(W.astype(dtype), b.astype(dtype), sigma) for W, b, sigma in NETWORK)
        x = [[0, 1], [1, 1], [1, 0], [0, 0]]
        samples: list[Any] = [x, np.array(x), np.array(x, bool), np.array(x, np.int8), [[float(p) for p in q] for q in x]]
        results = [value_and_gradients(network, sample, x, HalfSquaredError(), "sum") for sample in samples]
        for value, gradients in results:
            assert value.dtype == dtype
            assert not [part for gradient in gradients for part in gradient if part.dtype != dtype]
            assert value == results[0][0]


def test_a_network_of_plain_lists_is_float64() -> None:
    value, _ = value_and_gradients([Layer([[1, 2]], [0], Identity())], [[1, 1]], [[0]], HalfSquaredError(), "sum")  # type: ignore[arg-type]
    assert value == 4.5
    assert value.dtype == np.float64


def test_complex_and_object_networks_pass_the_door() -> None:
    network = (Layer(W1 + 0j, b1 + 0j, Tanh()),)
    value, _ = value_and_gradients(network, X + 0j, np.ones((4, 3)) + 0j, HalfSquaredError(), "mean")
    assert value.dtype == np.complex128
    half = np.array([[Fraction(1, 2)]], dtype=object)
    value, _ = value_and_gradients((Layer(half, half[0], Identity()),), half, half, HalfSquaredError(), "sum")
    assert value == Fraction(1, 32)


def test_parameters_of_any_precision_leave_the_networks_dtype_alone() -> None:
    network = (Layer(W1.astype("f4"), b1.astype("f4"), LeakyReLU(np.float64(0.2))),)
    value, gradients = value_and_gradients(network, [[1, 2]], [[1, 0, 1]], Huber(UNTYPED["float32"]), "sum")
    assert value.dtype == gradients[0].W.dtype == np.float32


def test_class_indices_are_rows_with_a_single_one() -> None:
    network, indices = last(Softmax()), [0, 1, 1, 0]
    for loss in (CrossEntropy(), CrossEntropy((2, 3), 0.1)):
        by_index, _ = value_and_gradients(network, X, np.array(indices), loss, "sum")
        by_row, _ = value_and_gradients(network, X, np.eye(2)[indices], loss, "sum")
        assert by_index == by_row


def test_names_and_parameters() -> None:
    assert reference.activation("elu", alpha=0.5) == reference.ELU(0.5)
    assert reference.loss("mean_squared_error") == reference.MeanSquaredError()
    with pytest.raises(ValueError, match=r"activation: expected one of identity, sigmoid, .*, got 'swish'; is silu meant\?"):
        reference.activation("swish")
    with pytest.raises(ValueError, match=r"activation elu: expected the parameters \(alpha\), got 'beta'"):
        reference.activation("elu", beta=1)
    with pytest.raises(TypeError, match="activation elu: alpha: expected a number, got the str '1'"):
        reference.activation("elu", alpha="1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"loss: expected one of half_squared_error, .*, got 'mse'; is mean_squared_error meant\?"):
        reference.loss("mse")
