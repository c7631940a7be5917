"""A network class as an introductory book has it: columns, lists of weights and biases, one sample at a time."""

# mypy: ignore-errors
from itertools import pairwise

import numpy as np


def sigmoid(z):
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-z))


def sigmoid_prime(z):
    """Its derivative."""
    return sigmoid(z) * (1 - sigmoid(z))


class Network:
    """Weights (out, in) and biases (out, 1) in lists; x and y are columns."""

    def __init__(self, sizes):
        self.num_layers = len(sizes)
        self.biases = [np.random.default_rng(0).standard_normal((n, 1)) for n in sizes[1:]]
        self.weights = [
            np.random.default_rng(1).standard_normal((n, m)) for m, n in pairwise(sizes)
        ]

    def update_mini_batch(self, mini_batch, eta):
        """One step by the mean gradient of the batch."""
        nabla_b = [np.zeros(b.shape) for b in self.biases]
        nabla_w = [np.zeros(w.shape) for w in self.weights]
        for x, y in mini_batch:
            delta_b, delta_w = self.backprop(x, y)
            nabla_b = [nb + db for nb, db in zip(nabla_b, delta_b, strict=True)]
            nabla_w = [nw + dw for nw, dw in zip(nabla_w, delta_w, strict=True)]
        by = eta / len(mini_batch)
        self.weights = [w - by * nw for w, nw in zip(self.weights, nabla_w, strict=True)]
        self.biases = [b - by * nb for b, nb in zip(self.biases, nabla_b, strict=True)]

    def backprop(self, x, y):
        """The gradients of half the squared error of one sample, biases first."""
        nabla_b = [None for _ in self.biases]
        nabla_w = [None for _ in self.weights]
        activation, activations, zs = x, [x], []
        for b, w in zip(self.biases, self.weights, strict=True):
            z = np.dot(w, activation) + b
            zs.append(z)
            activation = sigmoid(z)
            activations.append(activation)
        delta = (activations[-1] - y) * sigmoid_prime(zs[-1])
        nabla_b[-1] = delta
        nabla_w[-1] = np.dot(delta, activations[-2].transpose())
        for l in range(2, self.num_layers):
            delta = np.dot(self.weights[-l + 1].transpose(), delta) * sigmoid_prime(zs[-l])
            nabla_b[-l] = delta
            nabla_w[-l] = np.dot(delta, activations[-l - 1].transpose())
        return nabla_b, nabla_w
