"""The workflow: mini-batches, shuffling, history, convergence, callback, divergence; initialisers; the XOR example."""

import json
import os
import pickle
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.arrays import Network
from reference import (
    L1,
    SGD,
    Activation,
    Adadelta,
    Adagrad,
    Adam,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Diverged,
    Epoch,
    HalfSquaredError,
    Hinge,
    Identity,
    Layer,
    LeakyReLU,
    Loss,
    MeanSquaredError,
    RMSprop,
    Rule,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
    Training,
    cosine_decay,
    evaluate,
    forward,
    glorot,
    he,
    initialised,
    load,
    loss_and_gradients,
    predict,
    save,
    split,
    step_decay,
    torch_default,
    train,
    uniform,
    update,
    warm_up,
)
from reference.examples import xor
from reference.training.schedules import Schedule
from reference.updates import euclidean_norm

RNG = np.random.default_rng


def bits(network: Network) -> list[bytes]:
    """All weights and biases."""
    return [p.tobytes() for W, b, _ in network for p in (W, b)]


def problem(dtype: str = "float64") -> tuple[Network, np.ndarray, np.ndarray]:
    rng = RNG(0)
    network = initialised(rng, [3, 4, 2], [Tanh(), Softmax()], dtype=dtype)
    x = rng.standard_normal((7, 3)).astype(dtype)
    return network, x, np.eye(2, dtype=dtype)[(x[:, 0] > 0).astype(int)]


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
    assert all(p.dtype == np.float32 for W, b, _ in result.network for p in (W, b))


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


ONE_UNIT = (Layer(np.array([[1.0]]), np.array([0.0]), Identity()),)


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


def test_validation_patience_and_best() -> None:
    network, x, y = problem()
    rng = RNG(4)
    x, y = rng.standard_normal((40, 3)), np.eye(2)[rng.integers(0, 2, 40)]  # nothing to learn: soon overfitted
    tx, ty, vx, vy = split(rng, x, y, 0.25)
    assert (len(tx), len(vx)) == (30, 10)
    assert sorted(map(tuple, [*tx, *vx])) == sorted(map(tuple, x))
    result = train(
        network, tx, ty, CrossEntropy(), "mean", rule=Adam(0.05), epochs=500, validation=(vx, vy), patience=7
    )
    losses = [epoch.validation_loss for epoch in result.history]
    assert result.stopped == "patience"
    assert int(np.argmin(np.array(losses, float))) == len(losses) - 1 - 7
    assert evaluate(result.best, vx, vy, CrossEntropy(), "mean").loss == min(map(float, losses))  # type: ignore[arg-type]
    assert evaluate(result.network, vx, vy, CrossEntropy(), "mean").loss == losses[-1]


def test_of_equal_validation_losses_the_first_counts() -> None:
    """The samples change W alone, half the way to 1 in each step, and the sample held out does not see W."""
    network = (Layer(np.array([[0.0]]), np.array([0.0]), Identity()),)
    result = train(
        network, [[1.0], [-1.0]], [[1.0], [-1.0]], HalfSquaredError(), "sum",
        rule=SGD(0.25), epochs=9, validation=([[0.0]], [[0.0]]), patience=3,
    )  # fmt: skip
    assert (result.stopped, len(result.history)) == ("patience", 4)
    assert (result.best[0].W.item(), result.network[0].W.item()) == (0.5, 1 - 0.5**4)


def test_a_split_is_random_rounds_its_share_and_keeps_pairs() -> None:
    x = np.arange(7.0)[:, None]
    tx, ty, vx, vy = split(RNG(0), x, 10 * x, 0.4)
    assert (len(tx), len(vx)) == (4, 3)
    assert (ty == 10 * tx).all()
    assert (vy == 10 * vx).all()
    assert not np.array_equal(vx, split(RNG(1), x, x, 0.4)[2])
    with pytest.raises(ValueError, match="y: expected as many rows as x, 7, got 6"):
        split(RNG(0), x, x[:6], 0.4)
    with pytest.raises(TypeError, match=r"rng: expected a numpy.random.Generator"):
        split(0, x, x, 0.4)  # type: ignore[arg-type]


def test_predict_and_evaluate() -> None:
    network, x, y = problem()
    a = predict(network, x)
    assert (a == forward(network, x)[-1].a).all()
    score = evaluate(network, x, y, CrossEntropy(), "sum")
    assert score.accuracy == (a.argmax(axis=1) == y.argmax(axis=1)).mean()
    assert score.loss == loss_and_gradients(network, x, y, CrossEntropy(), "sum").value
    single = (Layer(np.array([[1.0, 2.0]]), np.array([0.5]), Sigmoid()),)
    assert evaluate(single, [[1, 1], [-1, -1]], [[1], [1]], HalfSquaredError(), "mean").accuracy == 0.5
    with pytest.raises(ValueError, match=r"x: expected shape \(samples, 3\)"):
        predict(network, x[:, :2])


def test_accuracy_knows_where_a_loss_decides() -> None:
    def accuracy(loss: Loss, sigma: Activation, z: list[list[float]], y: list[list[float]]) -> float:
        network = (Layer(np.eye(len(z[0])), np.zeros(len(z[0])), sigma),)
        return evaluate(network, z, y, loss, "mean").accuracy

    assert accuracy(BinaryCrossEntropyWithLogits(), Identity(), [[0.3], [-0.3]], [[1], [0]]) == 1
    assert accuracy(BinaryCrossEntropy(), Sigmoid(), [[0.3], [-0.3]], [[1], [0]]) == 1
    assert accuracy(BinaryCrossEntropy(), Sigmoid(), [[3, 2], [2, -2]], [[1, 1], [0, 0]]) == 0.5
    assert accuracy(Hinge(), Identity(), [[0.3], [-0.3], [0.2]], [[1], [-1], [-1]]) == 2 / 3


def test_resume_takes_the_same_kind_of_training_only() -> None:
    network, x, y = problem()
    adam = train(network, x, y, CrossEntropy(), "mean", rule=Adam(), epochs=1)
    other = initialised(RNG(0), [3, 5, 2], [Tanh(), Softmax()])
    single = initialised(RNG(0), [3, 4, 2], [Tanh(), Softmax()], dtype="float32")
    rectified = initialised(RNG(0), [3, 4, 2], [LeakyReLU(), Softmax()])
    untyped: Any = "x"
    refused: list[tuple[type[Exception], str, Network, Rule, Training]] = [
        (ValueError, "resume: expected the state of RMSprop, got that of Adam", network, RMSprop(), adam),
        (ValueError, "resume: expected the state of SGD, got that of Adam", network, SGD(0.1), adam),
        *(
            (ValueError, "resume: expected a training of a network with these shapes", kind, Adam(), adam)
            for kind in (other, single, rectified)
        ),
        (TypeError, "resume: expected a Training, got str", network, Adam(), untyped),
        (ValueError, "rng: expected the state of one of PCG64", network, Adam(), adam._replace(rng=untyped)),
    ]
    for error, message, net, rule, resume in refused:
        with pytest.raises(error, match=message):
            train(net, x.astype(net[0].W.dtype), y.astype(net[0].W.dtype), CrossEntropy(), "mean", rule=rule, epochs=1,
                  resume=resume)


def test_a_generator_given_goes_before_that_of_the_training_resumed() -> None:
    network, x, y = problem()
    arguments: Any = (network, x, y, CrossEntropy(), "mean")
    options: Any = {"rule": SGD(0.5), "epochs": 1, "batch_size": 2}
    half = train(*arguments, rng=RNG(1), **options)
    given = train(*arguments, rng=RNG(2), resume=half, **options)
    left = train(*arguments, resume=half._replace(rng=RNG(2).bit_generator.state), **options)
    assert bits(given.network) == bits(left.network)
    assert bits(given.network) != bits(train(*arguments, resume=half, **options).network)


def test_a_validation_loss_that_is_not_finite_is_a_divergence() -> None:
    network = (Layer(np.array([[1.0]]), np.array([0.0]), Identity()),)
    held = [[1e200]], [[0.0]]
    with pytest.raises(Diverged, match="epoch 1, batch 1: the loss on the validation samples is inf") as caught:
        train(network, [[1.0]], [[2.0]], HalfSquaredError(), "sum", rule=SGD(0.1), epochs=3, validation=held)
    assert caught.value.network[0].W == 1.0  # before the step, after which the loss was not finite


def test_clipping_of_a_float32_gradient_whose_square_overflows() -> None:
    network = (Layer(np.array([[1.0]], "f4"), np.array([0.0], "f4"), Identity()),)
    result = train(network, [[1e10]], [[-1e10]], HalfSquaredError(), "sum", rule=SGD(0.5), epochs=1, max_norm=1.0)
    assert result.network[0].W == 0.5  # the bias's share of a norm of 2e20 is 1e-10


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    network, _, _ = problem()
    (tmp_path / "link.npz").symlink_to(tmp_path / "place.npz")
    save(tmp_path / "link.npz", network)
    assert (tmp_path / "link.npz").is_symlink()
    assert (tmp_path / "place.npz").is_file()


@pytest.mark.parametrize(
    "rule",
    [
        Adam(beta1=1), Adam(beta2=-0.1), Adam(eps=-1), RMSprop(alpha=2), Adagrad(lr_decay=-1), Adadelta(rho=1),
        SGD(0.1, momentum=-1), SGD(0.1, weight_decay=-1), SGD(0.1, nesterov=True), SGD(0.1, 0.9, 0.5, nesterov=True),
    ],
)  # fmt: skip
def test_parameters_of_rules_out_of_range_are_refused(rule: Rule) -> None:
    network, x, y = problem()
    with pytest.raises(ValueError, match=r"rule: .*expected"):
        train(network, x, y, CrossEntropy(), "mean", rule=rule, epochs=1)


@pytest.mark.parametrize("share", [0, 1, 0.01])
def test_a_split_leaves_samples_on_both_sides(share: float) -> None:
    _, x, y = problem()
    with pytest.raises(ValueError, match="share: expected a share that leaves samples in both parts"):
        split(RNG(0), x, y, share)


def test_T1_T2_T3_schedules() -> None:
    """Against torch.optim.lr_scheduler, whose epochs count from 0, to a few roundings."""
    leaf = torch.zeros(1, requires_grad=True)
    pairs: list[tuple[Schedule, Callable[[torch.optim.Optimizer], Any]]] = [
        (step_decay(3, 0.5), lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5)),
        (cosine_decay(8, 0.1), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 8, 0.1)),
        (warm_up(4), lambda o: torch.optim.lr_scheduler.LinearLR(o, 0.25, 1, 3)),
    ]
    for schedule, theirs in pairs:
        optimiser = torch.optim.SGD([leaf], lr=1.0)
        scheduler = theirs(optimiser)
        for epoch in range(1, 9):
            # PyTorch goes from epoch to epoch: 8 times at most 8 roundings of numbers up to 1.
            assert abs(schedule(epoch) - scheduler.get_last_lr()[0]) <= 8 * 8 * 2.0**-53
            optimiser.step()
            scheduler.step()
    assert warm_up(2, step_decay(2, 0.5))(1) == 0.5
    assert warm_up(2, step_decay(2, 0.5))(3) == 0.5


def test_T2_stays_at_its_least_and_T3_hands_its_epoch_on() -> None:
    assert [cosine_decay(4, 0.25)(epoch) for epoch in (5, 6, 7, 9, 13)] == [0.25] * 5
    assert [warm_up(2, step_decay(2, 0.5))(epoch) for epoch in (1, 2, 3, 4, 5)] == [0.5, 1, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (lambda: step_decay(0, 0.5), "every: expected a whole number, at least 1, got 0"),
        (lambda: step_decay(3, -0.5), "gamma: expected a finite number, at least 0, got -0.5"),
        (lambda: cosine_decay(0), "epochs: expected a whole number, at least 1, got 0"),
        (lambda: cosine_decay(4, -1), "least: expected a finite number, at least 0, got -1"),
        (lambda: warm_up(0), "epochs: expected a whole number, at least 1, got 0"),
    ],
)
def test_parameters_of_schedules_out_of_range_are_refused(schedule: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schedule()


def test_schedule_and_clipping_reach_the_rule() -> None:
    network, x, y = problem()
    halved = train(network, x, y, CrossEntropy(), "mean", rule=SGD(0.5), epochs=1, schedule=lambda epoch: 0.5)
    direct = train(network, x, y, CrossEntropy(), "mean", rule=SGD(0.25), epochs=1)
    assert (halved.network[0].W == direct.network[0].W).all()
    factors = {1: 1.0, 2: 0.5, 3: 0.125}
    scheduled = train(network, x, y, CrossEntropy(), "mean", rule=SGD(0.5), epochs=3, schedule=factors.__getitem__)
    expected = network
    for factor in factors.values():
        expected = update(expected, loss_and_gradients(expected, x, y, CrossEntropy(), "mean").gradients, factor * 0.5)
    assert bits(scheduled.network) == bits(expected)
    still = train(network, x, y, CrossEntropy(), "mean", rule=SGD(0.5), epochs=1, max_norm=0)
    assert (still.network[0].W == network[0].W).all()


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
    assert all(p.W.dtype == p.b.dtype == np.float32 for p in again)
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


def test_complex_networks_are_not_trained() -> None:
    network = (Layer(np.array([[1j]]), np.array([0j]), Identity()),)
    with pytest.raises(TypeError, match="expected a floating dtype to train in, got complex128"):
        train(network, [[1j]], [[1j]], HalfSquaredError(), "sum", rule=SGD(0.1), epochs=1)


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


def between(p: np.ndarray, low: float, high: float) -> np.ndarray:
    """The uniform distribution's function."""
    return (p - low) / (high - low)


def test_I1_I2_I3_I4_every_parameter_is_drawn_for_itself_from_its_distribution() -> None:
    r, s = np.sqrt(6 / (N + M)), np.sqrt(2 / M)
    drawn = {initialiser: initialiser(RNG(0), N, M) for initialiser in (uniform, glorot, he, torch_default)}
    for W, b in drawn.values():
        assert (W.shape, b.shape) == ((N, M), (N,))
    for p, distribution in (
        (drawn[uniform][0], lambda p: between(p, 0, 1)),
        (drawn[uniform][1], lambda p: between(p, 0, 1)),
        (drawn[glorot][0], lambda p: between(p, -r, r)),
        (drawn[he][0], lambda p: torch.special.ndtr(torch.tensor(p / s)).numpy()),
        (drawn[torch_default][0], lambda p: between(p, -np.sqrt(1 / M), np.sqrt(1 / M))),
        (drawn[torch_default][1], lambda p: between(p, -np.sqrt(1 / M), np.sqrt(1 / M))),
    ):
        n = p.size
        assert len(np.unique(p)) == n
        # Dvoretzky, Kiefer, Wolfowitz: further off with a probability of at most 2 exp(-2 n d^2) = 10^-9.
        d = np.sqrt(np.log(2e9) / (2 * n))
        assert abs(np.sort(distribution(p.ravel())) - np.arange(1, n + 1) / n).max() <= d + 1 / n


def test_initialised_draws_layer_by_layer_as_pytorch_does_if_nothing_is_said() -> None:
    network, rng = initialised(RNG(5), [2, 2, 2], [Tanh(), Sigmoid()]), RNG(5)
    assert bits(network) == [p.tobytes() for _ in range(2) for p in torch_default(rng, 2, 2)]
    assert [layer.sigma for layer in network] == [Tanh(), Sigmoid()]


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


def test_xor_leaves_its_losses_and_the_network_of_its_last_output() -> None:
    result = xor.run(epochs=3)
    networks = [xor.initial()]
    for _ in range(2):
        gradients = loss_and_gradients(networks[-1], xor.X, xor.Y, HalfSquaredError(), "sum").gradients
        networks.append(update(networks[-1], gradients, 0.1))
    assert result.losses == [evaluate(network, xor.X, xor.Y, HalfSquaredError(), "sum").loss for network in networks]
    assert bits(result.network) == bits(networks[-1])
    assert (result.predicted == predict(networks[-1], xor.X)).all()
