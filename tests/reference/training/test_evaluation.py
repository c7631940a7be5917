"""Validation and accuracy, training resumed, schedules and clipping."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from conformance.arrays import Network
from reference import (
    SGD,
    Activation,
    Adadelta,
    Adagrad,
    Adam,
    BinaryCrossEntropy,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    Diverged,
    HalfSquaredError,
    Hinge,
    Identity,
    Layer,
    LeakyReLU,
    Loss,
    RMSprop,
    Rule,
    Sigmoid,
    Softmax,
    Tanh,
    Training,
    cosine_decay,
    evaluate,
    forward,
    initialised,
    loss_and_gradients,
    predict,
    split,
    step_decay,
    train,
    update,
    warm_up,
)
from reference.training.schedules import Schedule

from .networks import RNG, bits, problem


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
