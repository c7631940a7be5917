"""Forward functions as people write them, each of one array z (3, 4): idioms that a certified truth follows.

Each is written so that z away from kinks has a derivative; `REFUSED` are those that are refused, with what is said.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special, stats

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


IDIOMS: dict[str, Callable[[Any], Any]] = {
    "exp(minimum(z, 0))": lambda z: np.exp(np.minimum(z, 0)),
    "log1p(maximum(z, 0))": lambda z: np.log1p(np.maximum(z, 0)),
    "exp(where(z > 0, 0, z))": lambda z: np.exp(np.where(z > 0, 0, z)),
    "exp(clip)": lambda z: np.exp(np.clip(z, -1, 1)),
    "logaddexp": lambda z: np.logaddexp(0, z),
    "expit": special.expit,
    "erf": special.erf,
    "logsumexp": lambda z: special.logsumexp(z, axis=1),
    "einsum": lambda z: np.einsum("ij,kj->ik", z, z),
    "norm": lambda z: z / np.linalg.norm(z, axis=1, keepdims=True),
    "mean and std": lambda z: (z - np.mean(z, 0)) / np.std(z, 0),
    "cumsum": lambda z: np.cumsum(z, axis=1),
    "pad": lambda z: np.pad(z, 1)[1:, 1:] * 2,
    "windows": lambda z: sliding_window_view(z, (2, 2)).max(axis=(2, 3)),
    "sort": lambda z: np.sort(z, axis=1),
    "astype": lambda z: np.tanh(z.astype(np.float64)),
    "asarray": lambda z: np.asarray(z, dtype=float) * 2,
    "log2": lambda z: np.log2(abs(z) + 1),
    "filled": filled,
    "filled_like": filled_like,
    "masked": masked,
    "stable_sigmoid": stable_sigmoid,
    "recurrent": recurrent,
    "softmax_in_place": softmax_in_place,
    "scan": scan,
    "lstm": lstm,
    "gru": gru,
    "embedding": embedding,
    "add.at": scattered,
    "segment sums": segment_sums,
    "batch norm": batch_norm,
    "rms norm": rms_norm,
    "group norm": group_norm,
    "cross entropy": cross_entropy,
    "focal loss": focal,
    "one hot": one_hot,
    "dice": dice,
    "causal attention": causal_attention,
    "masked attention": masked_attention,
    "heads": heads,
    "rope": rope,
    "im2col": im2col,
    "loops of convolution": loops_of_convolution,
    "strided pooling": strided_pooling,
    "max by mask": max_by_mask,
    "argmax": by_argmax,
    "top two": top_two,
    "median": median,
    "scalar loops": scalar_loops,
    "helper": by_helper,
    "newton": newton,
    "ode": ode,
    "in place": in_place,
    "in views": in_views,
    "divide(where=)": divided_where,
    "gelu": gelu,
    "swiglu": swiglu,
    "import inside": by_import,
    "called object": Layer(),
    "object with methods": Scaled(),
    "inherited call": Deeper(),
    "bound method": Scaled().scaled,
    "normal distribution": lambda z: z * stats.norm.cdf(z) + stats.norm.pdf(z),
    "bincount": lambda z: np.bincount(np.array([0, 2, 0, 1]), weights=z[0]) ** 2,
    "partial": partial(power_of, 1.5),
    "generator": generated,
    "closure": closed_over(0.75),
    "where with nan": where_nan,
    "cholesky by hand": cholesky_by_hand,
    "affine": lambda z: z @ W.T + BIAS,
    "dot": lambda z: np.dot(W, z.T),
    "outer": lambda z: np.outer(z[0], z[1]),
    "kron": lambda z: np.kron(z[:2, :2], W),
    "trace": lambda z: np.trace(z @ z.T),
    "norm of order 1": lambda z: np.linalg.norm(z, 1, axis=1),
    "frobenius": lambda z: np.linalg.norm(z),
    "prod": lambda z: np.prod(z, axis=1),
    "cumprod": lambda z: np.cumprod(z, axis=0),
    "diff": lambda z: np.diff(z, axis=1) ** 2,
    "gradient": lambda z: np.gradient(z, axis=1) ** 2,
    "roll": lambda z: z * np.roll(z, 1, axis=0),
    "tile and repeat": lambda z: np.tile(z, 2) * np.repeat(z, 2, axis=1),
    "tril": lambda z: np.tril(z @ z.T),
    "diag": lambda z: np.diag(np.diag(z[:, :3])) + np.diag(z[:, 0]),
    "concatenate": lambda z: np.concatenate([z, z[::-1] ** 2, np.ones((1, 4))]),
    "flip": lambda z: np.flip(z, 1) * z,
    "hypot": lambda z: np.hypot(z[0], z[1]),
    "arctan2": lambda z: np.arctan2(z[0], abs(z[1]) + 1),
    "remainder": lambda z: np.remainder(3.3 * z, 1.0) * z,
    "sign": lambda z: np.sign(z) * z**2,
    "heaviside": lambda z: np.heaviside(z, 0.5) * z,
    "leaky": lambda z: np.where(z > 0, z, 0.1 * z),
    "relu6": lambda z: np.clip(z + 3, 0, 6) * z / 6,
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "softplus": lambda z: np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0),
    "huber": lambda z: np.where(np.abs(z) < 1, 0.5 * z**2, np.abs(z) - 0.5),
    "log cosh": lambda z: np.log(np.cosh(z)).mean(),
    "entropy": lambda z: special.entr(special.softmax(z, axis=1)).sum(axis=1),
    "kl": lambda z: special.kl_div(special.softmax(z, axis=1), np.full(4, 0.25)).sum(),
    "xlogy": lambda z: special.xlogy(z**2, z**2),
    "ndtr": lambda z: z * special.ndtr(z),
    "log_expit": lambda z: special.log_expit(z),
    "logit": lambda z: special.logit(0.25 + special.expit(z) / 2),
    "vectorize": lambda z: np.vectorize(lambda x: x * x if x > 0 else -x)(z),
    "apply_along_axis": lambda z: np.apply_along_axis(lambda row: row / row.sum(), 1, abs(z)),
    "cov": lambda z: (z - z.mean(0)).T @ (z - z.mean(0)) / 2,
    "quantile": lambda z: np.quantile(z, 0.3, axis=1),
    "reduce": lambda z: reduce(np.logaddexp, z),
    "sum of a generator": lambda z: sum(np.sin(row) for row in z),
    "list of rows": lambda z: np.array([row.max() - row.min() for row in z]),
    "convolve": lambda z: np.convolve(z[0], z[1]),
    "average": lambda z: np.average(z, axis=1, weights=np.arange(1.0, 5.0)),
    "ptp": lambda z: np.ptp(z, axis=0),
    "meshed": lambda z: z[:, None, :] - z[None, :, :],
    "distances": lambda z: np.sqrt(((z[:, None] - z[None]) ** 2).sum(-1) + np.eye(3)),
    "cosine": lambda z: z[0] @ z[1] / (np.linalg.norm(z[0]) * np.linalg.norm(z[1])),
    "ellipsis": lambda z: np.einsum("...i,...i->...", z, z),
    "einsum of three": lambda z: np.einsum("ij,kj,k->i", z, W, BIAS),
    "scan by accumulate": lambda z: np.add.accumulate(z**2, axis=1),
    "maximum.accumulate": lambda z: np.maximum.accumulate(z, axis=1) ** 2,
    "take": lambda z: np.take(z, [1, 1, 0], axis=0) ** 2,
    "compress": lambda z: z[:, np.array([True, False, True, True])] ** 3,
    "scalar power": lambda z: 2.0**z,
    "rsqrt": lambda z: (z * z + 1) ** -0.5,
}


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "bytes": (lambda z: np.frombuffer(z.tobytes(), z.dtype).reshape(3, 4) * z, "tobytes"),
    "gamma": (lambda z: np.array([math.lgamma(abs(x)) for x in z[0]]), "math.lgamma"),
    "inverse": (lambda z: np.linalg.inv(z @ z.T + np.eye(3)), "numpy.linalg.inv"),
    "fft": (lambda z: np.fft.fft(z).real, "fft"),
}
