"""Forward functions as people write them, each of one array z (3, 4), that take more than a line."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special

from conformance.arrays import Array

W = np.array([[0.5, -1.25, 0.75, 2.0], [1.5, 0.25, -0.5, 1.0]])
BIAS = np.array([0.3, -0.7])
LABELS = np.array([2, 0, 3])


def filled(z: Array) -> Array:
    out = np.zeros((3,))
    for i in range(3):
        out[i] = (z[i] ** 2).sum()
    return out


def filled_like(z: Array) -> Array:
    out = np.zeros_like(z)
    for i in range(3):
        out[i] = z[i] * 2
    return out


def masked(z: Array) -> Array:
    out = z.copy()
    negative = z < 0
    out[negative] = np.exp(out[negative]) - 1
    return out


def stable_sigmoid(z: Array) -> Array:
    out = np.empty_like(z)
    positive = z >= 0
    out[positive] = 1 / (1 + np.exp(-z[positive]))
    e = np.exp(z[~positive])
    out[~positive] = e / (1 + e)
    return out


def recurrent(z: Array) -> Array:
    hs = np.zeros((4, 4))
    for t in range(3):
        hs[t + 1] = np.tanh(hs[t] * 0.5 + z[t])
    return hs[1:]


def softmax_in_place(z: Array) -> Array:
    z = z - z.max(axis=1, keepdims=True)
    np.exp(z, out=z)
    z /= z.sum(axis=1, keepdims=True)
    return z


def scan(z: Array) -> Array:
    h = np.zeros(4)
    hs = []
    for x in z:
        h = np.tanh(0.5 * h + x)
        hs.append(h)
    return np.stack(hs)


def lstm(z: Array) -> Array:
    h, c = np.zeros(1), np.zeros(1)
    for i, f, o, g in z:
        c = special.expit(f) * c + special.expit(i) * np.tanh(g)
        h = special.expit(o) * np.tanh(c)
    return np.concatenate([h, c])


def gru(z: Array) -> Array:
    h = np.ones(2)
    for x in z:
        r, u = 1 / (1 + np.exp(-x[:2] * h)), 1 / (1 + np.exp(-x[2:]))
        h = (1 - u) * h + u * np.tanh(r * h)
    return h


def embedding(z: Array) -> Array:
    return z[[0, 2, 0, 1]] * np.arange(1, 5)[:, None]


def scattered(z: Array) -> Array:
    out = np.zeros((2, 4))
    np.add.at(out, [0, 1, 0], z**2)
    return out


def segment_sums(z: Array) -> Array:
    out = np.zeros(2)
    for k, row in zip([0, 1, 0], z, strict=True):
        out[k] += (row * row).sum()
    return out


def batch_norm(z: Array) -> Array:
    mean, var = z.mean(0), z.var(0, ddof=1)
    return (z - mean) / np.sqrt(var + 1e-5) * W[0] + W[1]


def rms_norm(z: Array) -> Array:
    return z / np.sqrt(np.mean(np.square(z), axis=-1, keepdims=True) + 1e-6)


def group_norm(z: Array) -> Array:
    groups = z.reshape(3, 2, 2)
    return ((groups - groups.mean(-1, keepdims=True)) / (groups.std(-1, keepdims=True) + 0.1)).reshape(z.shape)


def cross_entropy(z: Array) -> Array:
    z = z - z.max(axis=1, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(z)), LABELS].mean()


def focal(z: Array) -> Array:
    p = special.softmax(z, axis=1)[range(3), LABELS]
    return (-((1 - p) ** 2) * np.log(p)).sum()


def one_hot(z: Array) -> Array:
    return (np.eye(4)[LABELS] * special.log_softmax(z, axis=1)).sum(axis=1)


def dice(z: Array) -> Array:
    p, y = special.expit(z), (np.arange(12).reshape(3, 4) % 3 == 0).astype(float)
    return 1 - 2 * (p * y).sum() / (p.sum() + y.sum() + 1e-6)


def causal_attention(z: Array) -> Array:
    scores = z @ z.T / math.sqrt(4)
    scores[np.triu_indices(3, 1)] = -1e9
    p = np.exp(scores - scores.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True) @ z


def masked_attention(z: Array) -> Array:
    scores = np.where(np.tril(np.ones((3, 3), bool)), z @ z.T, -np.inf)
    return special.softmax(scores, axis=-1) @ z


def heads(z: Array) -> Array:
    q = z.reshape(3, 2, 2).transpose(1, 0, 2)
    p = np.exp(np.einsum("hid,hjd->hij", q, q))
    return np.einsum("hij,hjd->ihd", p / p.sum(-1, keepdims=True), q).reshape(3, 4)


def rope(z: Array) -> Array:
    angle = np.arange(3)[:, None] / 10.0 ** np.arange(2)
    x, y = z[:, 0::2], z[:, 1::2]
    out = np.empty_like(z)
    out[:, 0::2] = x * np.cos(angle) - y * np.sin(angle)
    out[:, 1::2] = x * np.sin(angle) + y * np.cos(angle)
    return out


def im2col(z: Array) -> Array:
    windows = sliding_window_view(np.pad(z, 1), (3, 3))
    return np.tensordot(windows, np.arange(9.0).reshape(3, 3) / 4, axes=((2, 3), (0, 1)))


def loops_of_convolution(z: Array) -> Array:
    out = np.zeros((2, 3))
    for i in range(2):
        for j in range(3):
            out[i, j] = np.sum(z[i : i + 2, j : j + 2] * W[:, :2])
    return out


def strided_pooling(z: Array) -> Array:
    return z.reshape(3, 2, 2).max(axis=-1) * z.reshape(3, 2, 2).mean(axis=-1)


def max_by_mask(z: Array) -> Array:
    return (z * (z == z.max(axis=1, keepdims=True))).sum(axis=1) ** 2


def by_argmax(z: Array) -> Array:
    return z[np.arange(3), z.argmax(axis=1)] ** 2


def top_two(z: Array) -> Array:
    order = np.argsort(-z, axis=1)[:, :2]
    return np.take_along_axis(z, order, axis=1) ** 2


def median(z: Array) -> Array:
    return np.median(z, axis=1) ** 2


def scalar_loops(z: Array) -> Array:
    total = 0.0
    for row in z:
        for number in row:
            total += math.exp(number) if number < 0 else 1 + number
    return np.asarray(total)


def helper(z: Array) -> Array:
    out = np.zeros(z.shape)
    out[...] = np.sin(z)
    return out


def by_helper(z: Array) -> Array:
    return helper(z) * 2


def newton(z: Array) -> Array:
    y = np.ones_like(z)
    for _ in range(3):
        y = y - (y**3 - np.exp(z)) / (3 * y**2)
    return y


def ode(z: Array) -> Array:
    y = z.copy()
    for _ in range(4):
        k1 = np.sin(y)
        k2 = np.sin(y + 0.05 * k1)
        y += 0.05 * (k1 + k2)
    return y


def in_place(z: Array) -> Array:
    z = z * 1.5
    z += 1
    z *= z
    z -= W[0]
    z /= 3
    return z


def in_views(z: Array) -> Array:
    out = np.zeros((4, 3)).T
    row = out[1]
    row[:] = np.cos(z[1])
    out[0] += row * z[0]
    return out


def divided_where(z: Array) -> Array:
    return np.divide(1.0, z, out=np.zeros_like(z), where=z > 0.2)


def gelu(z: Array) -> Array:
    return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))


def swiglu(z: Array) -> Array:
    a, b = np.split(z, 2, axis=1)
    return a / (1 + np.exp(-a)) * b


def by_import(z: Array) -> Array:
    import numpy

    out = numpy.zeros((3, 4))
    out += z
    return out * z


class Layer:
    """An object that is called."""

    scale = 3.0

    def __call__(self, z: Array) -> Array:
        """The value."""
        out = np.zeros(4)
        for row in z:
            out = out + self.scale * row**2
        return out


class Scaled(Layer):
    """An object whose class comes from another, with methods and numbers of its own."""

    def __init__(self) -> None:
        self.scales = np.array([0.5, 2.0, -1.5])

    def scaled(self, z: Array) -> Array:
        """Row by row."""
        out = np.zeros(z.shape)
        for k, row in enumerate(z):
            out[k] = row * self.scales[k]
        return out

    def __call__(self, z: Array) -> Array:
        """The value."""
        return super().__call__(self.scaled(z)) + np.ones(4)


class Deeper(Scaled):
    """One that is called as the class it comes from is."""


def power_of(n: float, z: Array) -> Array:
    return np.abs(z) ** n


def generated(z: Array) -> Array:
    def squares() -> Iterator[Any]:
        for row in z:
            yield (row**2).sum()

    return np.array(list(squares()))


def closed_over(scale: float) -> Callable[[Array], Array]:
    def inner(z: Array) -> Array:
        out = np.full((3,), scale)
        out[1:] = z[1:, 0] * scale
        return out

    return inner


def where_nan(z: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(z > 0, np.log(z), z)


def cholesky_by_hand(z: Array) -> Array:
    a = z @ z.T + 3 * np.eye(3)
    L = np.zeros((3, 3))
    for i in range(3):
        for j in range(i + 1):
            rest = a[i, j] - L[i, :j] @ L[j, :j]
            L[i, j] = np.sqrt(rest) if i == j else rest / L[j, j]
    return L
