"""Lockstep training: reference and twin on real handwritten digits, judged at every step.

At each step both start from the same weights and the same mini-batch, and their answers are judged.  Beside it a
PyTorch network trains freely, on the same mini-batches from the same first weights: how far it drifts away shows
what the roundings of a whole training come to.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from reference import CrossEntropy, Softmax, Tanh, forward, initialised, torch_default
from reference.backpropagation import update
from reference.gradients import loss_and_gradients

from ..arrays import Array, Network
from ..bounds.admitted import admitted
from ..bounds.rounded import exact
from ..judge.verdict import merged
from ..problems.problem import Problem
from ..subjects import twin
from .suite import Tallies, asked, judgements, tallied

SEEDS = (0, 1, 2, 3, 4)
"""Seeds of the splits, the first weights and the shuffling."""

DTYPES = ("float64", "float32")

WIDTHS, BATCH, ETA, EPOCHS = (64, 32, 10), 32, 0.7, 20


class Digits(NamedTuple):
    """Handwritten digits: images (n, 64) with pixels from 0 to 1, and labels one-hot (n, 10)."""

    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array


class Training(NamedTuple):
    """What a training in lockstep came to.

    ``drift`` is the largest difference between a weight of the reference's and one of the freely trained twin,
    after each epoch.  Accuracies are on the test set.  ``differing`` counts the images that reference and twin, with
    the same weights, label differently; ``unexplained`` those among them whose two best logits are further apart
    than the bounds allow.
    """

    dtype: str
    seed: int
    steps: int
    drift: tuple[float, ...]
    accuracy: float
    free_accuracy: float
    differing: int
    unexplained: int


def digits(seed: int, dtype: str) -> Digits:
    """scikit-learn's 1,797 digits, split 80/20 with equal shares of each digit."""
    data = load_digits()
    images, labels = (data.data / 16).astype(dtype), np.eye(10, dtype=dtype)[data.target]
    parts = train_test_split(images, labels, test_size=0.2, stratify=data.target, random_state=seed)
    return Digits(parts[0], parts[2], parts[1], parts[3])


def lockstep(dtype: str, seed: int, epochs: int = EPOCHS) -> tuple[Training, Tallies]:
    """Train on one split of the digits; the training, and the tallies of all steps."""
    data, rng = digits(seed, dtype), np.random.default_rng(seed)
    network = initialised(rng, WIDTHS, (Tanh(), Softmax()), torch_default, dtype)
    free = twin.tensors(network)
    optimiser = torch.optim.SGD([p for layer in free for p in layer], lr=ETA)
    steps, drift, tallies = 0, [], Tallies()
    for _ in range(epochs):
        order = rng.permutation(len(data.train_x))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            problem = Problem(network, data.train_x[rows], data.train_y[rows], CrossEntropy(), "mean", ETA)
            tallies = merged(tallies, tallied(judgements(problem, asked(problem))))
            network = update(network, loss_and_gradients(*problem[:5]).gradients, ETA)
            _free_step(problem, free, optimiser)
            steps += 1
        drift.append(_distance(network, free))
    labels = data.test_y.argmax(axis=1)
    ours = forward(network, data.test_x)[-1].z.argmax(axis=1)
    theirs = twin.forward(network, free, torch.tensor(data.test_x))[0][-1].detach().numpy().argmax(axis=1)
    differing, unexplained = _same_predictions(network, data.test_x)
    return Training(
        dtype,
        seed,
        steps,
        tuple(drift),
        float((ours == labels).mean()),
        float((theirs == labels).mean()),
        differing,
        unexplained,
    ), tallies


def all_in_lockstep() -> Iterator[tuple[Training, Tallies]]:
    """Every dtype and seed, two at a time in processes of their own, which an interruption ends."""
    tasks = [(dtype, seed) for seed in SEEDS for dtype in DTYPES]
    with multiprocessing.get_context("spawn").Pool(len(DTYPES), initializer=_quiet) as pool:
        yield from pool.imap(_lockstep, tasks)


def _lockstep(task: tuple[str, int]) -> tuple[Training, Tallies]:
    return lockstep(*task)


def _quiet() -> None:
    """Leave the interrupt to the parent, and the other core to the other process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _free_step(problem: Problem, free: list[tuple[torch.Tensor, torch.Tensor]], optimiser: torch.optim.SGD) -> None:
    """One step of the twin from its own weights."""
    optimiser.zero_grad()
    zs, outputs = twin.forward(problem.network, free, torch.tensor(problem.x))
    targets = torch.tensor(problem.y)
    value = twin.loss_value(problem.network, problem.loss, problem.reduction, zs[-1], outputs[-1], targets)
    value.backward()
    optimiser.step()


def _distance(network: Network, free: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """The largest difference of a weight or bias."""
    pairs = [(p, q) for (W, b, _), (V, c) in zip(network, free, strict=True) for p, q in ((W, V), (b, c))]
    return max(float(abs(p - q.detach().numpy()).max()) for p, q in pairs)


def _same_predictions(network: Network, x: Array) -> tuple[int, int]:
    """How many images reference and twin label differently with the same weights, and how many beyond the bound."""
    ours = forward(network, x)[-1].z
    theirs = twin.forward(network, twin.tensors(network), torch.tensor(x))[0][-1].detach().numpy()
    radius = forward(admitted(network), exact(x))[-1].z.rad
    differing = ours.argmax(axis=1) != theirs.argmax(axis=1)
    best = np.sort(ours, axis=1)
    # Each logit of either is within a radius of the truth: the order of two may differ up to four radii apart.
    close = best[:, -1] - best[:, -2] <= 4 * radius.max(axis=1)
    return int(differing.sum()), int((differing & ~close).sum())
