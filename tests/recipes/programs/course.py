"""Layers and a two-layer net as a vision course has them: weights (in, out), class indices, a dict of parameters."""

# mypy: ignore-errors
import numpy as np


def affine_forward(x, w, b):
    """An affine layer, and what its backward pass needs."""
    return x.dot(w) + b, (x, w, b)


def affine_backward(dout, cache):
    """The gradients of an affine layer."""
    x, w, _ = cache
    dx = dout.dot(w.T)
    dw = x.T.dot(dout)
    db = dout.sum(axis=0)
    return dx, dw, db


class TwoLayerNet:
    """Affine, ReLU, affine, softmax; the loss is a mean, with reg |W|^2 added."""

    def __init__(self, input_size, hidden_size, output_size, std=1e-4):
        rng = np.random.default_rng(0)
        self.params = {
            "W1": std * rng.standard_normal((input_size, hidden_size)),
            "b1": np.zeros(hidden_size),
            "W2": std * rng.standard_normal((hidden_size, output_size)),
            "b2": np.zeros(output_size),
        }

    def loss(self, X, y, reg=0.0):
        """The loss, and the gradients by name."""
        W1, b1 = self.params["W1"], self.params["b1"]
        W2, b2 = self.params["W2"], self.params["b2"]
        N = X.shape[0]
        hidden = np.maximum(0, X.dot(W1) + b1)
        scores = hidden.dot(W2) + b2
        shifted = scores - scores.max(axis=1, keepdims=True)
        log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        loss = -log_probs[np.arange(N), y].sum() / N + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        dscores = np.exp(log_probs)
        dscores[np.arange(N), y] -= 1
        dscores /= N
        dhidden = dscores.dot(W2.T)
        dhidden[hidden <= 0] = 0
        grads = {
            "W2": hidden.T.dot(dscores) + 2 * reg * W2,
            "b2": dscores.sum(axis=0),
            "W1": X.T.dot(dhidden) + 2 * reg * W1,
            "b1": dhidden.sum(axis=0),
        }
        return loss, grads
