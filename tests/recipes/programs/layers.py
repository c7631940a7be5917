"""A list of layers, each of which keeps what its backward pass needs and its gradients, as small frameworks do."""

# mypy: ignore-errors
import numpy as np


class Dense:
    """Weights (in, out), biases (1, out)."""

    def __init__(self, n_in, n_out):
        self.W, self.b = np.zeros((n_in, n_out)), np.zeros((1, n_out))

    def forward(self, x):
        """The affine function."""
        self.x = x
        return x @ self.W + self.b

    def backward(self, g):
        """The gradient by the input; those by the parameters are kept."""
        self.dW = self.x.T @ g
        self.db = g.sum(axis=0, keepdims=True)
        return g @ self.W.T


class Tanh:
    """The hyperbolic tangent."""

    def forward(self, z):
        """Its value."""
        self.a = np.tanh(z)
        return self.a

    def backward(self, g):
        """Its chain rule."""
        return g * (1 - self.a**2)


class Model:
    """Layers in a row, and the mean over all elements of the squared error."""

    def __init__(self, layers):
        self.layers = layers

    def train_on(self, x, y):
        """Forward and backward; the loss."""
        for layer in self.layers:
            x = layer.forward(x)
        g = 2 * (x - y) / x.size
        for layer in reversed(self.layers):
            g = layer.backward(g)
        return np.mean((x - y) ** 2)
