"""The workflow: mini-batches, shuffling, history, convergence, callback, divergence; initialisers; the XOR example."""

import copy
import subprocess
import sys

import numpy as np
import pytest

from reference import (
    L1,
    CrossEntropy,
    Diverged,
    Epoch,
    HalfSquaredError,
    Identity,
    Layer,
    MeanSquaredError,
    Sigmoid,
    Softmax,
    Tanh,
    forward,
    glorot,
    he,
    initialised,
    propagate,
    torch_default,
    train,
    uniform,
    update,
    xor,
)
from reference.backpropagation import Network

RNG = np.random.default_rng


def problem(dtype: str = "float64") -> tuple[Network, np.ndarray, np.ndarray]:
    rng = RNG(0)
    network = initialised(rng, [3, 4, 2], [Tanh(), Softmax()], dtype=dtype)
    x = rng.standard_normal((7, 3)).astype(dtype)
    return network, x, np.eye(2, dtype=dtype)[(x[:, 0] > 0).astype(int)]


def test_full_batch_is_propagate_and_update() -> None:
    network, x, y = problem()
    result = train(network, x, y, CrossEntropy(), "mean", eta=0.5, epochs=3)
    expected = network
    losses = []
    for _ in range(3):
        evaluation = propagate(expected, x, y, CrossEntropy(), "mean")
        losses.append(evaluation.value)
        expected = update(expected, evaluation.gradients, 0.5)
    assert [epoch.loss for epoch in result.history] == losses
    for ours, theirs in zip(result.network, expected, strict=True):
        assert ours.W.tobytes() == theirs.W.tobytes()
        assert ours.b.tobytes() == theirs.b.tobytes()
    assert result.stopped == "epochs"


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_mini_batches_cover_all_samples_once_an_epoch(reduction: str) -> None:
    """With eta = 0 the epoch's loss is that of all samples, whatever the batches; to a sum's rounding."""
    network, x, y = problem()
    whole = propagate(network, x, y, CrossEntropy(), reduction).value  # type: ignore[arg-type]
    for size in (1, 2, 3, 7, 100):
        result = train(
            network, x, y, CrossEntropy(), reduction, eta=0, epochs=2, batch_size=size, rng=RNG(1)  # type: ignore[arg-type]
        )
        for epoch in result.history:
            assert abs(epoch.loss - whole) <= 2 * len(x) * 2.0**-53 * whole


def test_shuffling_comes_from_the_generator() -> None:
    network, x, y = problem()

    def trained(rng: np.random.Generator | None) -> bytes:
        result = train(network, x, y, CrossEntropy(), "mean", eta=0.5, epochs=3, batch_size=2, rng=rng)
        return bytes(result.network[0].W.tobytes())

    assert trained(RNG(1)) == trained(RNG(1))
    assert trained(RNG(1)) != trained(RNG(2))
    assert trained(None) == trained(None)


def test_float32_stays_float32() -> None:
    network, x, y = problem("float32")
    eta = np.float64(0.1)  # a float64 scalar must not widen the weights
    result = train(network, x, y, CrossEntropy(), "mean", eta=eta, epochs=2, batch_size=3)
    assert all(p.dtype == np.float32 for W, b, _ in result.network for p in (W, b))


def test_stops_on_loss_change_gradient_norm_and_callback() -> None:
    network, x, y = problem()
    arguments = (network, x, y, MeanSquaredError(), "mean")
    by_loss = train(*arguments, eta=0.1, epochs=5000, loss_change=1e-6)  # type: ignore[arg-type]
    assert by_loss.stopped == "loss_change"
    assert abs(by_loss.history[-1].loss - by_loss.history[-2].loss) <= 1e-6
    assert abs(by_loss.history[-2].loss - by_loss.history[-3].loss) > 1e-6
    by_norm = train(*arguments, eta=0.1, epochs=5000, gradient_norm=0.05)  # type: ignore[arg-type]
    assert by_norm.stopped == "gradient_norm"
    assert by_norm.history[-1].gradient_norm <= 0.05 < by_norm.history[-2].gradient_norm
    seen: list[Epoch] = []

    def third(epoch: Epoch, network: Network) -> bool:
        seen.append(epoch)
        return epoch.epoch == 3

    by_callback = train(*arguments, eta=0.1, epochs=9, callback=third)  # type: ignore[arg-type]
    assert by_callback.stopped == "callback"
    assert tuple(seen) == by_callback.history


def test_divergence_names_epoch_and_batch_and_keeps_the_last_good_parameters() -> None:
    network = (Layer(np.array([[3.0]]), np.array([0.5]), Identity()),)
    x, y = np.array([[1.0], [1e5], [2.0]]), np.array([[0.25], [0.5], [-1.0]])
    with pytest.raises(Diverged, match=r"epoch \d+, batch \d+: .*last good parameters") as caught:
        train(network, x, y, HalfSquaredError(), "sum", eta=10.0, epochs=100, batch_size=1)
    error = caught.value
    assert error.epoch > 1
    assert error.batch in (1, 2, 3)
    assert len(error.history) == error.epoch - 1
    (layer,) = error.network
    assert np.isfinite(layer.W).all()
    assert np.isfinite(layer.b).all()
    # The parameters are those that the failing epoch met with a finite loss.
    losses = [np.isfinite(propagate(error.network, x[i : i + 1], y[i : i + 1], HalfSquaredError(), "sum").value)
              for i in (0, 2)]
    assert any(losses)


def test_divergence_at_once_keeps_the_first_parameters() -> None:
    network = (Layer(np.array([[3.0]]), np.array([0.5]), Identity()),)
    with pytest.raises(Diverged, match="epoch 1, batch 1: the loss is inf") as caught:
        train(network, [[1e200]], [[0.0]], HalfSquaredError(), "sum", eta=0.1, epochs=1)
    assert caught.value.network[0].W == 3.0
    assert caught.value.history == ()


def test_training_shares_no_memory_with_its_arguments() -> None:
    network, x, y = problem()
    for eta in (0, 0.5):
        result = train(network, x, y, CrossEntropy(), "mean", eta=eta, epochs=1)
        for before, after in zip(network, result.network, strict=True):
            assert not np.shares_memory(before.W, after.W)
            assert not np.shares_memory(before.b, after.b)


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "eta: expected a finite number, at least 0, got 1000", {"eta": 10**400}),
        (TypeError, "callback: expected a function of an Epoch and the network, got int", {"callback": 3}),
        (ValueError, "eta: expected a finite number, at least 0, got -1", {"eta": -1}),
        (ValueError, "eta: expected a finite number, at least 0, got nan", {"eta": float("nan")}),
        (TypeError, "eta: expected a finite number, at least 0, got '0.1'", {"eta": "0.1"}),
        (TypeError, "eta: expected a finite number, at least 0, got True", {"eta": True}),
        (ValueError, "epochs: expected a whole number, at least 1, got 0", {"epochs": 0}),
        (TypeError, "epochs: expected a whole number, at least 1, got 1.5", {"epochs": 1.5}),
        (ValueError, "batch_size: expected a whole number, at least 1, got 0", {"batch_size": 0}),
        (ValueError, "loss_change: expected a finite number, at least 0, got -1", {"loss_change": -1}),
        (ValueError, "gradient_norm: expected a finite number, at least 0, got inf", {"gradient_norm": float("inf")}),
        (TypeError, r"rng: expected a numpy.random.Generator, as default_rng\(0\) makes, got int", {"rng": 3}),
    ],
)
def test_bad_options_are_refused(error: type[Exception], message: str, options: dict[str, object]) -> None:
    network, x, y = problem()
    with pytest.raises(error, match=message):
        train(network, x, y, CrossEntropy(), "mean", **{"eta": 0.1, "epochs": 1, **options})  # type: ignore[arg-type]


def test_small_integers_of_numpy_are_whole_numbers_like_any() -> None:
    network, x, y = problem()
    result = train(network, x, y, CrossEntropy(), "mean", eta=0.1, epochs=np.int8(127))  # type: ignore[arg-type]
    assert len(result.history) == 127


def test_a_divergence_can_be_sent_between_processes() -> None:
    error = Diverged("the loss is inf", 2, 3, (), ())
    again = copy.copy(error)
    assert (str(again), again.epoch, again.batch) == (str(error), 2, 3)


def test_gradient_norm_of_huge_gradients_is_finite() -> None:
    network = (Layer(np.array([[1.0]]), np.array([0.5]), Identity()),)
    result = train(network, [[1.0]], [[3e200]], L1(), "sum", eta=0, epochs=1)
    assert result.history[0].gradient_norm == np.sqrt(2.0)
    huge = train(network, [[1e200]], [[0.5]], L1(), "sum", eta=0, epochs=1)
    assert huge.history[0].gradient_norm == 1e200


def test_initialised_refuses_what_is_no_network() -> None:
    with pytest.raises(TypeError, match="dtype: expected a floating dtype, got int64"):
        initialised(RNG(0), [2, 3], [Sigmoid()], dtype=int)
    with pytest.raises(TypeError, match="layer 1: sigma: expected an activation"):
        initialised(RNG(0), [2, 3], ["tanh"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match=r"widths\[0\]: expected a whole number"):
        initialised(RNG(0), [2.5, 3], [Sigmoid()])  # type: ignore[list-item]


def test_complex_networks_are_not_trained() -> None:
    network = (Layer(np.array([[1j]]), np.array([0j]), Identity()),)
    with pytest.raises(TypeError, match="expected a floating dtype to train in, got complex128"):
        train(network, [[1j]], [[1j]], HalfSquaredError(), "sum", eta=0.1, epochs=1)


N, M = 200, 50
"""Units and inputs: 10,000 weights, so that a bound is reached within 1 % but with probability 0.99^10000."""


def test_I1_uniform() -> None:
    W, b = uniform(RNG(0), N, M)
    assert 0 <= W.min() < 0.01
    assert 0.99 < W.max() < 1
    assert b.shape == (N,)
    assert 0 <= b.min() < b.max() < 1


def test_I2_glorot() -> None:
    W, b = glorot(RNG(0), N, M)
    r = np.sqrt(6 / (N + M))
    assert -r <= W.min() < -0.99 * r
    assert 0.99 * r < W.max() < r
    assert not b.any()


def test_I3_he() -> None:
    W, b = he(RNG(0), N, M)
    n = W.size
    # The mean square of n normal numbers has a standard deviation of sqrt(2 / n): within five of them.
    assert abs((W**2).mean() * M / 2 - 1) < 5 * np.sqrt(2 / n)
    assert abs(W.mean()) < 5 * np.sqrt(2 / M / n)
    assert not b.any()


def test_I4_torch_default() -> None:
    import torch

    W, b = torch_default(RNG(0), N, M)
    theirs = torch.nn.Linear(M, N)
    r = 1 / np.sqrt(M)
    for p in (W, theirs.weight.detach().numpy()):
        assert 0.99 * r < abs(p).max() <= np.float32(r)
    for q in (b, theirs.bias.detach().numpy()):
        assert 0.9 * r < abs(q).max() <= np.float32(r)


def test_initialised_networks_have_the_dtype_and_refuse_what_does_not_fit() -> None:
    for initialiser in (uniform, glorot, he, torch_default):
        network = initialised(RNG(0), [2, 3], [Sigmoid()], initialiser, "float32")
        assert network[0].W.dtype == network[0].b.dtype == np.float32
    with pytest.raises(TypeError, match=r"rng: expected a numpy.random.Generator"):
        initialised(0, [2, 3], [Sigmoid()])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got 2 widths and 2 activations"):
        initialised(RNG(0), [2, 3], [Sigmoid(), Sigmoid()])
    with pytest.raises(ValueError, match=r"widths\[1\]: expected a whole number, at least 1, got 0"):
        initialised(RNG(0), [2, 0], [Sigmoid()])


def test_xor_is_the_documents_example_to_the_digit() -> None:
    shown = subprocess.run([sys.executable, "-m", "reference"], capture_output=True, text=True, check=True)
    assert shown.stdout == (
        "Final Predicted Output:\n[[0.06029012]\n [0.94447222]\n [0.944367  ]\n [0.05997169]]\n"
    )
    assert shown.stderr == ""


def test_xor_starts_from_the_documents_weights() -> None:
    np.random.seed(42)  # noqa: NPY002  # the document's own lines
    hidden, output = np.random.rand(2, 2), np.random.rand(2, 1)  # noqa: NPY002
    bias_hidden, bias_output = np.random.rand(1, 2), np.random.rand(1, 1)  # noqa: NPY002
    first, second = xor.initial()
    assert (hidden == first.W.T).all()
    assert (output == second.W.T).all()
    assert (first.b == bias_hidden).all()
    assert (second.b == bias_output).all()
    assert forward(xor.initial(), xor.X)[-1].a.shape == xor.Y.shape
