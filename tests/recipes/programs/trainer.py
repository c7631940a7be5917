"""A step of training with weight decay, as scripts have it: parameters in a list, changed in place."""

# mypy: ignore-errors
import numpy as np


def train_step(params, x, y, lr, decay):
    """One plain step of gradient descent on the mean cross-entropy with decay/2 |W|^2."""
    W1, b1, W2, b2 = params
    z = x @ W1 + b1
    h = np.tanh(z)
    s = h @ W2 + b2
    p = np.exp(s - s.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    d = (p - y) / len(x)
    dh = (d @ W2.T) * (1 - h**2)
    grads = [x.T @ dh + decay * W1, dh.sum(axis=0), h.T @ d + decay * W2, d.sum(axis=0)]
    for p, g in zip(params, grads, strict=True):
        p -= lr * g
    return params
