"""What drawn functions are made of: steps in PyTorch, and steps written once for NumPy and for JAX.

A step takes what came before, and parameters of shapes of its own; a row of a table makes one for a shape, with
numbers at random where it has any.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

Shape = tuple[int, ...]


class Step(NamedTuple):
    """A function of what came before and of parameters, whose shapes these are."""

    f: Callable[..., Any]
    parameters: tuple[Shape, ...] = ()


Maker = Callable[[Shape, np.random.Generator], Step]
"""Of the shape that comes in."""


def always(f: Callable[..., Any]) -> Maker:
    """A step that is the same for every shape."""
    return lambda shape, rng: Step(f)


# In PyTorch.


def _places(shape: Shape, rng: np.random.Generator, dim: int) -> torch.Tensor:
    return torch.from_numpy(rng.integers(0, shape[dim], 5))


def _labels(shape: Shape, rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.integers(0, shape[1], shape[0]))


def _mask(shape: Shape, rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(rng.integers(0, 3, shape) > 0)


def _linear(shape: Shape, rng: np.random.Generator) -> Step:
    n, m = shape[-1], int(rng.integers(2, 8))
    return Step(lambda x, w, b: F.linear(x, w, b) / n**0.5, ((m, n), (m,)))


def _gather(shape: Shape, rng: np.random.Generator) -> Step:
    places = _places(shape, rng, -1)
    return Step(lambda x: x[..., places])


def _scatter_add(shape: Shape, rng: np.random.Generator) -> Step:
    places = torch.from_numpy(rng.integers(0, 3, shape[0]))
    return Step(lambda x: x.new_zeros(3, *x.shape[1:]).index_add(0, places, x))


def _dropout(shape: Shape, rng: np.random.Generator) -> Step:
    mask = _mask(shape, rng)
    return Step(lambda x: x * mask * 1.5)


def _masked_softmax(shape: Shape, rng: np.random.Generator) -> Step:
    mask = _mask(shape, rng)
    mask[..., 0] = True
    return Step(lambda x: x.masked_fill(~mask, -torch.inf).softmax(-1))


def _topk(shape: Shape, rng: np.random.Generator) -> Step:
    return Step(lambda x: x.topk(shape[-1] - 1, dim=-1).values)


def _heads(shape: Shape, rng: np.random.Generator) -> Step:
    d, causal = shape[-1], bool(rng.integers(2))

    def attention(x: Any, w: Any) -> Any:
        q, k, v = (F.linear(x, part) / d**0.5 for part in w)
        return x + F.scaled_dot_product_attention(q, k, v, is_causal=causal)

    return Step(attention, ((3, d, d),))


def _recurrent(shape: Shape, rng: np.random.Generator) -> Step:
    d = shape[-1]

    def scan(x: Any, w: Any, u: Any) -> Any:
        h = torch.zeros_like(x[:, 0])
        for t in range(x.shape[1]):
            h = torch.tanh((x[:, t] @ w + h @ u) / d**0.5)
        return h

    return Step(scan, ((d, d), (d, d)))


def _rotated(shape: Shape, rng: np.random.Generator) -> Step:
    half = shape[-1] // 2

    def rope(x: Any) -> Any:
        angle = torch.arange(x.shape[1], dtype=x.dtype)[:, None] / 4 ** torch.arange(half, dtype=x.dtype)
        p, q = x[..., :half], x[..., half : 2 * half]
        return torch.cat([p * angle.cos() - q * angle.sin(), p * angle.sin() + q * angle.cos()], -1)

    return Step(rope)


def _convolution(shape: Shape, rng: np.random.Generator) -> Step:
    c, out, stride, padding = shape[1], int(rng.integers(2, 5)), int(rng.integers(1, 3)), int(rng.integers(0, 2))
    return Step(
        lambda x, w, b: F.conv2d(x, w, b, stride=stride, padding=padding) / 4, ((out, c, 3, 2), (out,)))  # fmt: skip


def _loss(name: str, **options: Any) -> Maker:
    def maker(shape: Shape, rng: np.random.Generator) -> Step:
        labels = _labels(shape, rng)
        return Step(lambda z: getattr(F, name)(z, labels, **options))

    return maker


def _against(name: str, target: Callable[[Any], Any] = lambda y: y, **options: Any) -> Maker:
    """A loss against targets, which are constants."""

    def maker(shape: Shape, rng: np.random.Generator) -> Step:
        numbers = torch.from_numpy(rng.standard_normal(shape))
        return Step(lambda z: getattr(F, name)(z, target(numbers).to(z.dtype), **options))

    return maker


def _focal(shape: Shape, rng: np.random.Generator) -> Step:
    labels = _labels(shape, rng)

    def focal(z: Any) -> Any:
        log_q = F.log_softmax(z, 1).gather(1, labels[:, None])[:, 0]
        return (-((1 - log_q.exp()) ** 2) * log_q).mean()

    return Step(focal)


ANY: dict[str, Maker] = {
    name: always(getattr(F, name))
    for name in ("gelu", "silu", "mish", "elu", "softplus", "hardswish", "leaky_relu", "logsigmoid", "relu", "selu")
} | {
    "tanh": always(torch.tanh),
    "sigmoid": always(torch.sigmoid),
    "sin": always(torch.sin),
    "arctan": always(torch.atan),
    "exponential": always(lambda x: torch.exp(x / 4)),
    "logarithm": always(lambda x: torch.log1p(x * x)),
    "root": always(lambda x: torch.sqrt(x * x + 0.5)),
    "quotient": always(lambda x: x / (1 + x.abs())),
    "reciprocal": always(lambda x: 1 / (1.5 + x * x)),
    "cube": always(lambda x: x**3 / 8),
    "error function": always(torch.erf),
    "clamp": always(lambda x: x.clamp(-1.25, 0.75)),
    "where": always(lambda x: torch.where(x > 0.5, x, 0.25 * x)),
    "gate": always(lambda x: x * torch.sigmoid(1.5 * x)),
    "scaled": lambda shape, rng: Step(lambda x, w, b: x * w + b, ((shape[-1],), (shape[-1],))),
    "residual": lambda shape, rng: Step(lambda x, w: x + w * torch.tanh(x), ((shape[-1],),)),
    "larger": lambda shape, rng: Step(torch.maximum, (shape,)),
    "softmax": always(lambda x: x.softmax(-1)),
    "log softmax": always(lambda x: x.log_softmax(-1)),
    "masked softmax": _masked_softmax,
    "layer norm": lambda shape, rng: Step(lambda x, w, b: F.layer_norm(x, w.shape, w, b), ((shape[-1],),) * 2),
    "rms norm": lambda shape, rng: Step(lambda x, w: F.rms_norm(x, w.shape, w), ((shape[-1],),)),
    "to length 1": always(lambda x: F.normalize(x, dim=-1)),
    "cumulative": always(lambda x: torch.cumsum(x, -1) / 2),
    "linear": _linear,
    "gather": _gather,
    "scatter": _scatter_add,
    "dropout": _dropout,
    "top": _topk,
    "in order": always(lambda x: x.sort(-1).values),
    "turned": always(lambda x: x.flip(-1).roll(1, 0)),
    "padded": always(lambda x: F.pad(x, (1, 2))),
    "halves": always(lambda x: torch.cat([x[..., ::2], x[..., 1::2] * 2], -1)),
}
MATRIX: dict[str, Maker] = {
    "gram": always(lambda x: x @ x.T / x.shape[1]),
    "embedding": lambda shape, rng: (
        lambda places: Step(lambda x: F.embedding(places, x)))(torch.from_numpy(rng.integers(0, shape[0], (2, 3)))),
    "batch norm": lambda shape, rng: Step(
        lambda x, w, b: F.batch_norm(x, None, None, w.contiguous(), b, training=True), ((shape[1],),) * 2),
    "swiglu": lambda shape, rng: Step(lambda x, w, v: F.silu(x @ w) * (x @ v) / shape[1], ((shape[1], 3),) * 2),
    "distances": lambda shape, rng: Step(
        lambda x, y: ((x[:, None] - y) ** 2).sum(-1) / shape[1], ((4, shape[1]),)),
}  # fmt: skip
SEQUENCE: dict[str, Maker] = {
    "attention": _heads,
    "recurrent": _recurrent,
    "rope": _rotated,
    "einsum": lambda shape, rng: Step(lambda x, y: torch.einsum("btd,bsd->bts", x, y) / 2, ((shape[0], 3, shape[2]),)),
    "convolution along": lambda shape, rng: Step(
        lambda x, w: F.conv1d(x, w, padding=1) / 2, ((3, shape[1], 3),)),
    "mean over time": always(lambda x: x.mean(1)),
    "largest over time": always(lambda x: x.amax(1)),
}  # fmt: skip
IMAGE: dict[str, Maker] = {
    "convolution": _convolution,
    "by channel": lambda shape, rng: Step(
        lambda x, w: F.conv2d(x, w, padding=1, groups=shape[1]), ((shape[1], 1, 3, 3),)),
    "convolution turned": lambda shape, rng: Step(
        lambda x, w: F.conv_transpose2d(x, w, stride=2) / 2, ((shape[1], 2, 2, 2),)),
    "largest of windows": always(lambda x: F.max_pool2d(x, 2, 1)),
    "means of windows": always(lambda x: F.avg_pool2d(x, 2)),
    "group norm": lambda shape, rng: Step(
        lambda x, w, b: F.group_norm(x, 1, w, b), ((shape[1],),) * 2),
    "batch norm of images": lambda shape, rng: Step(
        lambda x, w: F.batch_norm(x, None, None, w.contiguous(), training=True), ((shape[1],),)),
    "mean of each channel": always(lambda x: x.mean((2, 3))),
    "flat": always(lambda x: x.flatten(1)),
}  # fmt: skip
LAST: dict[str, Maker] = {
    "cross entropy": _loss("cross_entropy"),
    "cross entropy smoothed": _loss("cross_entropy", label_smoothing=0.1, reduction="sum"),
    "cross entropy of each": _loss("cross_entropy", reduction="none"),
    "focal": _focal,
    "mean squared error": _against("mse_loss"),
    "huber": _against("huber_loss", reduction="sum", delta=0.75),
    "smooth l1": _against("smooth_l1_loss", beta=0.5),
    "l1": _against("l1_loss"),
    "hinge": _against("soft_margin_loss", torch.sign),
    "poisson": _against("poisson_nll_loss", torch.abs),
    "binary": _against("binary_cross_entropy_with_logits", torch.sigmoid),
    "divergence": _against("kl_div", lambda y: y.softmax(-1), reduction="batchmean"),
    "log sum exp": always(lambda x: torch.logsumexp(x, -1)),
    "variance": always(lambda x: x.var(1)),
    "length": always(lambda x: x.norm(dim=1)),
}
"""What may come last, of a matrix."""

# Once for NumPy and for JAX: of the namespace, then as above.


def _windows(xp: Any, x: Any, w: Any) -> Any:
    n = x.shape[-1] - 1
    return x[..., :n] * w[0] + x[..., 1:] * w[1]


def _of_mean(xp: Any, x: Any) -> Any:
    return x - x.mean(axis=-1, keepdims=True)


def _layer_norm(xp: Any, x: Any, w: Any) -> Any:
    centred = _of_mean(xp, x)
    return centred / xp.sqrt((centred * centred).mean(axis=-1, keepdims=True) + 1e-3) * w


def _softmax(xp: Any, x: Any) -> Any:
    e = xp.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _log_sum_exp(xp: Any, x: Any) -> Any:
    m = x.max(axis=-1, keepdims=True)
    return m + xp.log(xp.exp(x - m).sum(axis=-1, keepdims=True))


def _scan(xp: Any, x: Any, w: Any) -> Any:
    h, hs = x[0] / 2, []
    for row in x:
        h = xp.tanh(h @ w / 2 + row)
        hs.append(h)
    return xp.stack(hs)


def _attention(xp: Any, x: Any, q: Any, k: Any) -> Any:
    return _softmax(xp, (x @ q) @ (x @ k).T / x.shape[-1]) @ x


Text = Callable[..., Any]


class Written(NamedTuple):
    """A step written once: of the namespace, what came before, and parameters of these shapes."""

    f: Text
    parameters: Callable[[Shape], tuple[Shape, ...]] = lambda shape: ()


WRITTEN: dict[str, Written] = {
    "tanh": Written(lambda xp, x: xp.tanh(x)),
    "sigmoid": Written(lambda xp, x: 1 / (1 + xp.exp(-x))),
    "softplus": Written(lambda xp, x: xp.log1p(xp.exp(x))),
    "softplus by logaddexp": Written(lambda xp, x: xp.logaddexp(x, 0)),
    "relu": Written(lambda xp, x: xp.maximum(x, 0)),
    "leaky": Written(lambda xp, x: xp.where(x > 0, x, 0.125 * x)),
    "elu": Written(lambda xp, x: xp.where(x > 0, x, xp.exp(xp.minimum(x, 0)) - 1)),
    "gelu by tanh": Written(lambda xp, x: 0.5 * x * (1 + xp.tanh(0.75 * (x + 0.0625 * x**3)))),
    "clipped": Written(lambda xp, x: xp.clip(x, -1.25, 0.75)),
    "sine": Written(lambda xp, x: xp.sin(x) + xp.cos(2 * x)),
    "arctan": Written(lambda xp, x: xp.arctan(x)),
    "root": Written(lambda xp, x: xp.sqrt(x * x + 1)),
    "logarithm": Written(lambda xp, x: xp.log(x * x + 1)),
    "quotient": Written(lambda xp, x: x / (1 + abs(x))),
    "cube": Written(lambda xp, x: x**3 / 8),
    "squared": Written(lambda xp, x: xp.square(x) / 2 - x),
    "scaled": Written(lambda xp, x, w, b: x * w + b, lambda s: ((s[-1],), (s[-1],))),
    "linear": Written(lambda xp, x, w, b: x @ w / 2 + b, lambda s: ((s[-1], 4), (4,))),
    "einsum": Written(lambda xp, x, w: xp.einsum("ij,kj->ik", x, w) / 2, lambda s: ((5, s[-1]),)),
    "gated": Written(lambda xp, x, w, v: xp.tanh(x @ w / 2) * (x @ v / 2), lambda s: ((s[-1], 3), (s[-1], 3))),
    "gram": Written(lambda xp, x: x @ x.T / x.shape[-1]),
    "softmax": Written(_softmax),
    "log softmax": Written(lambda xp, x: x - _log_sum_exp(xp, x)),
    "centred": Written(_of_mean),
    "layer norm": Written(_layer_norm, lambda s: ((s[-1],),)),
    "to length 1": Written(lambda xp, x: x / xp.sqrt((x * x).sum(axis=-1, keepdims=True) + 1e-3)),
    "attention": Written(_attention, lambda s: ((s[-1], 3), (s[-1], 3))),
    "scan": Written(_scan, lambda s: ((s[-1], s[-1]),)),
    "windows": Written(_windows, lambda s: ((2,),)),
    "largest of pairs": Written(lambda xp, x: xp.maximum(x[..., :-1], x[..., 1:])),
    "cumulative": Written(lambda xp, x: xp.cumsum(x, axis=-1) / 2),
    "taken": Written(lambda xp, x: xp.take(x, np.array([0, -1, 0, 1]), axis=-1)),
    "turned": Written(lambda xp, x: xp.roll(x[..., ::-1], 1, axis=0)),
    "stacked": Written(lambda xp, x: xp.concatenate([x, 2 * x[:1]], axis=0)),
    "padded": Written(lambda xp, x: xp.pad(x, ((0, 0), (1, 1)))),
    "outer": Written(lambda xp, x: (x[:, :, None] * x[:, None, :]).reshape(x.shape[0], -1)[:, :6]),
    "in order": Written(lambda xp, x: xp.sort(x, axis=-1)),
    "variance": Written(lambda xp, x: x / (1 + ((x - x.mean(axis=0)) ** 2).mean(axis=0))),
}
"""Of a matrix to a matrix."""
