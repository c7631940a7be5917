"""A network in a few lines, as a well-known blog has it: two weight matrices, no biases, a step of rate 1."""

# mypy: ignore-errors
import numpy as np


def step(syn0, syn1, X, y):
    """The body of the loop."""
    l1 = 1 / (1 + np.exp(-(np.dot(X, syn0))))
    l2 = 1 / (1 + np.exp(-(np.dot(l1, syn1))))
    l2_delta = (y - l2) * (l2 * (1 - l2))
    l1_delta = l2_delta.dot(syn1.T) * (l1 * (1 - l1))
    syn1 = syn1 + l1.T.dot(l2_delta)
    syn0 = syn0 + X.T.dot(l1_delta)
    return syn0, syn1
