"""Handwritten digits: 64 pixels, 32 hidden units by tanh, ten classes by softmax; a fifth of the images is held out."""

from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

from ..activations import Softmax, Tanh
from ..losses import CrossEntropy
from ..training.evaluation import Score, evaluate, split
from ..training.initialisers import initialised
from ..training.loop import Callback, train
from ..training.outcome import Training
from ..updates import SGD


class Run(NamedTuple):
    """What the example leaves: the training, its score on the images held out, and how many images each part had."""

    training: Training
    score: Score
    trained_on: int
    held_out: int


def run(epochs: int, seed: int, callback: Callback) -> Run:
    """Train on scikit-learn's images; the split, the first weights and the shuffling follow from the seed."""
    rng, data = np.random.default_rng(seed), load_digits()
    x, y, held_x, held_y = split(rng, data.data / 16, np.eye(10)[data.target], 0.2)
    network = initialised(rng, [64, 32, 10], [Tanh(), Softmax()])
    training = train(
        network, x, y, CrossEntropy(), "mean", rule=SGD(0.5), epochs=epochs, batch_size=16, rng=rng,
        validation=(held_x, held_y), callback=callback,
    )  # fmt: skip
    return Run(training, evaluate(training.network, held_x, held_y, CrossEntropy(), "mean"), len(x), len(held_x))
