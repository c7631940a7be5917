"""Training: batches, when it stops, when it diverges, what it refuses."""

import pickle
from typing import Any

import numpy as np
import pytest

from conformance.arrays import Network
from reference import (
    L1,
    SGD,
    CrossEntropy,
    Diverged,
    Epoch,
    HalfSquaredError,
    Identity,
    Layer,
    MeanSquaredError,
    Sigmoid,
    initialised,
    loss_and_gradients,
    train,
    update,
)
from reference.updates import euclidean_norm

from .networks import ONE_UNIT, RNG, bits, problem


def test_full_batch_is_propagate_and_update() -> None:
    network, x, y = problem()
    result = train(network, x, y, CrossEntropy(), "mean", rule=SGD(0.5), epochs=3)
    expected = network
    losses = []
    for _ in range(3):
        evaluation = loss_and_gradients(expected, x, y, CrossEntropy(), "mean")
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
    whole = loss_and_gradients(network, x, y, CrossEntropy(), reduction).value  # type: ignore[arg-type]
    for size in (1, 2, 3, 7, 100):
        result = train(
            network, x, y, CrossEntropy(), reduction, rule=SGD(0), epochs=2, batch_size=size, rng=RNG(1)  # type: ignore[arg-type]
        )
        for epoch in result.history:
            assert abs(epoch.loss - whole) <= 2 * len(x) * 2.0**-53 * whole


def test_shuffling_comes_from_the_generator() -> None:
    network, x, y = problem()

    def trained(rng: np.random.Generator | None) -> bytes:
        result = train(network, x, y, CrossEntropy(), "mean", rule=SGD(0.5), epochs=3, batch_size=2, rng=rng)
        return bytes(result.network[0].W.tobytes())

    assert trained(RNG(1)) == trained(RNG(1))
    assert trained(RNG(1)) != trained(RNG(2))
    assert trained(None) == trained(None)


def test_every_epoch_is_shuffled_anew_and_a_sample_keeps_its_target() -> None:
    network, x, y = problem()
    result = train(network, x, y, CrossEntropy(), "mean", rule=SGD(0.5), epochs=3, batch_size=2, rng=RNG(1))
    rng, expected = RNG(1), network
    for _ in range(3):
        order = rng.permutation(len(x))
        for rows in (order[:2], order[2:4], order[4:6], order[6:]):
            evaluation = loss_and_gradients(expected, x[rows], y[rows], CrossEntropy(), "mean")
            expected = update(expected, evaluation.gradients, 0.5)
    assert bits(result.network) == bits(expected)


def test_float32_stays_float32() -> None:
    network, x, y = problem("float32")
    eta = np.float64(0.1)  # a float64 scalar must not widen the weights
    result = train(network, x, y, CrossEntropy(), "mean", rule=SGD(eta), epochs=2, batch_size=3)
    assert not [p for W, b, _ in result.network for p in (W, b) if p.dtype != np.float32]


def test_stops_on_loss_change_gradient_norm_and_callback() -> None:
    network, x, y = problem()
    arguments = (network, x, y, MeanSquaredError(), "mean")
    by_loss = train(*arguments, rule=SGD(0.1), epochs=5000, loss_change=1e-6)  # type: ignore[arg-type]
    assert by_loss.stopped == "loss_change"
    assert abs(by_loss.history[-1].loss - by_loss.history[-2].loss) <= 1e-6
    assert abs(by_loss.history[-2].loss - by_loss.history[-3].loss) > 1e-6
    by_norm = train(*arguments, rule=SGD(0.1), epochs=5000, gradient_norm=0.05)  # type: ignore[arg-type]
    assert by_norm.stopped == "gradient_norm"
    assert by_norm.history[-1].gradient_norm <= 0.05 < by_norm.history[-2].gradient_norm
    seen: list[Epoch] = []

    def third(epoch: Epoch, network: Network) -> bool:
        seen.append(epoch)
        return epoch.epoch == 3

    by_callback = train(*arguments, rule=SGD(0.1), epochs=9, callback=third)  # type: ignore[arg-type]
    assert by_callback.stopped == "callback"
    assert len(seen) == 3
    assert tuple(seen) == by_callback.history


def test_a_limit_that_is_met_exactly_stops_and_a_loss_that_rises_does_not() -> None:
    arguments = (ONE_UNIT, [[1.0]], [[1.0]], HalfSquaredError(), "sum")  # the gradient is 0
    assert train(*arguments, rule=SGD(1), epochs=9, gradient_norm=0).stopped == "gradient_norm"  # type: ignore[arg-type]
    still = train(*arguments, rule=SGD(1), epochs=9, loss_change=0)  # type: ignore[arg-type]
    assert (still.stopped, len(still.history)) == ("loss_change", 2)
    rising = train(ONE_UNIT, [[1.0]], [[0.0]], HalfSquaredError(), "sum", rule=SGD(1.5), epochs=3, loss_change=1e-6)
    assert rising.stopped == "epochs"
    assert [epoch.loss for epoch in rising.history] == [0.5, 2, 8]  # a = W + b becomes -2 a


def test_the_callback_is_handed_the_network_after_the_epoch() -> None:
    network, x, y = problem()
    seen: list[list[bytes]] = []
    arguments = (network, x, y, CrossEntropy(), "mean")
    train(*arguments, rule=SGD(0.5), epochs=2, callback=lambda _, network: seen.append(bits(network)))  # type: ignore[arg-type]
    assert seen == [
        bits(train(*arguments, rule=SGD(0.5), epochs=epochs).network) for epochs in (1, 2)  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("max_norm", [None, 1e-3])
def test_gradient_norm_of_an_epoch_is_the_largest_of_its_batches_before_clipping(max_norm: float | None) -> None:
    network, x, y = problem()
    norms = [
        euclidean_norm(loss_and_gradients(network, x[i : i + 1], y[i : i + 1], CrossEntropy(), "sum").gradients)
        for i in range(len(x))
    ]
    assert max(norms) not in (norms[0], norms[-1])
    result = train(network, x, y, CrossEntropy(), "sum", rule=SGD(0), epochs=1, batch_size=1, max_norm=max_norm)
    assert result.history[0].gradient_norm == max(norms)


def test_divergence_names_epoch_and_batch_and_keeps_the_last_good_parameters() -> None:
    network = (Layer(np.array([[3.0]]), np.array([0.5]), Identity()),)
    x, y = np.array([[1.0], [1e5], [2.0]]), np.array([[0.25], [0.5], [-1.0]])
    with pytest.raises(Diverged, match=r"epoch \d+, batch \d+: .*last good parameters") as caught:
        train(network, x, y, HalfSquaredError(), "sum", rule=SGD(10.0), epochs=100, batch_size=1)
    error = caught.value
    good: Network = network
    current: Network = network
    for step in range(300):
        rows = slice(step % 3, step % 3 + 1)
        with np.errstate(over="ignore"):
            evaluation = loss_and_gradients(current, x[rows], y[rows], HalfSquaredError(), "sum")
        if not np.isfinite(evaluation.value):
            break
        good, current = current, update(current, evaluation.gradients, 10.0)
    assert (error.epoch, error.batch) == (step // 3 + 1, step % 3 + 1)
    assert error.epoch > 1
    assert len(error.history) == error.epoch - 1
    assert bits(error.network) == bits(good)


def test_divergence_at_once_keeps_the_first_parameters() -> None:
    network = (Layer(np.array([[3.0]]), np.array([0.5]), Identity()),)
    with pytest.raises(Diverged, match="epoch 1, batch 1: the loss is inf") as caught:
        train(network, [[1e200]], [[0.0]], HalfSquaredError(), "sum", rule=SGD(0.1), epochs=1)
    assert caught.value.network[0].W == 3.0
    assert not np.shares_memory(caught.value.network[0].W, network[0].W)
    assert caught.value.history == ()


@pytest.mark.parametrize(
    ("x", "b", "y", "eta"),
    [(1e200, 0.0, 0.0, 1e200), (0.0, 1e308, 1.5e308, 1e308)],
    ids=["weight", "bias"],
)
def test_a_parameter_that_is_not_finite_is_a_divergence(x: float, b: float, y: float, eta: float) -> None:
    """The loss is finite, and the step is too large for W alone, or for b alone."""
    network = (Layer(np.array([[1.0]]), np.array([b]), Identity()),)
    with pytest.raises(Diverged, match="epoch 1, batch 1: the update makes a parameter that is not finite") as caught:
        train(network, [[x]], [[y]], L1(), "sum", rule=SGD(eta), epochs=1)
    assert bits(caught.value.network) == bits(network)


def test_losses_of_batches_that_add_up_to_infinity_are_a_divergence() -> None:
    with pytest.raises(Diverged, match="epoch 1, batch 2: the loss of the epoch is inf") as caught:
        train(ONE_UNIT, [[1.0]] * 2, [[1e308]] * 2, L1(), "sum", rule=SGD(1e300), epochs=1, batch_size=1)
    # Those that met the last batch: after the first step, which adds eta.
    assert caught.value.network[0].W == 1e300


def test_training_shares_no_memory_with_its_arguments() -> None:
    network, x, y = problem()
    for eta in (0, 0.5):
        result = train(network, x, y, CrossEntropy(), "mean", rule=SGD(eta), epochs=1)
        for before, after in zip(network, result.network, strict=True):
            assert not np.shares_memory(before.W, after.W)
            assert not np.shares_memory(before.b, after.b)


UNTYPED: Any = 1


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (ValueError, "rule: eta: expected a finite number, got 1000", {"rule": SGD(10**400)}),
        (ValueError, "rule: eta: expected a finite number, at least 0, got -1", {"rule": SGD(-1)}),
        (ValueError, "rule: eta: expected a finite number, got nan", {"rule": SGD(float("nan"))}),
        (TypeError, "rule: eta: expected a number, got the bool True", {"rule": SGD(True)}),
        (TypeError, "rule: nesterov: expected True or False, got the int 1", {"rule": SGD(0.1, 0.9, nesterov=UNTYPED)}),
        (TypeError, r"rule: expected an update rule such as SGD\(0.1\), got the float 0.1", {"rule": 0.1}),
        (TypeError, "callback: expected a function, got int", {"callback": 3}),
        (TypeError, "schedule: expected a function, got float", {"schedule": 0.5}),
        (TypeError, "schedule: expected a function, got NoneType", {"schedule": None}),
        (TypeError, "validation: expected a pair of samples and targets, got int", {"validation": 3}),
        (ValueError, r"schedule\(1\): expected a finite number, at least 0, got -1", {"schedule": lambda epoch: -1}),
        (ValueError, "patience: expected validation samples with it, got none", {"patience": 3}),
        (ValueError, "patience: expected a whole number, at least 1, got 0", {"patience": 0}),
        (ValueError, "max_norm: expected a finite number, at least 0, got -1", {"max_norm": -1}),
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
        train(network, x, y, CrossEntropy(), "mean", **{"rule": SGD(0.1), "epochs": 1, **options})  # type: ignore[arg-type]


def test_small_integers_of_numpy_are_whole_numbers_like_any() -> None:
    network, x, y = problem()
    result = train(network, x, y, CrossEntropy(), "mean", rule=SGD(0.1), epochs=np.int8(127))  # type: ignore[arg-type]
    assert len(result.history) == 127


def test_a_divergence_can_be_sent_between_processes() -> None:
    history = (Epoch(1, 0.5, 2.0),)
    error = Diverged("the loss is inf", 2, 3, ONE_UNIT, history)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.epoch, again.batch, again.history) == (str(error), 2, 3, history)
    assert bits(again.network) == bits(ONE_UNIT)


def test_gradient_norm_of_huge_gradients_is_finite() -> None:
    network = (Layer(np.array([[1.0]]), np.array([0.5]), Identity()),)
    result = train(network, [[1.0]], [[3e200]], L1(), "sum", rule=SGD(0), epochs=1)
    assert result.history[0].gradient_norm == np.sqrt(2.0)
    huge = train(network, [[1e200]], [[0.5]], L1(), "sum", rule=SGD(0), epochs=1)
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
        train(network, [[1j]], [[1j]], HalfSquaredError(), "sum", rule=SGD(0.1), epochs=1)
