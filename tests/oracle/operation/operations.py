"""Operations, their operands, and what tests read of a report on them."""

from typing import Any

import numpy as np
import torch

from conformance.arrays import Array
from conformance.judge.report import Report

DTYPES = ("float16", "bfloat16", "float32", "float64")


def generic(dtype: str, shape: tuple[int, ...] = (3, 5), seed: int = 0, scale: float = 2.0) -> Array:
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def tensor(z: Array, dtype: str) -> torch.Tensor:
    return torch.from_numpy(z).to(getattr(torch, dtype))


def accused(report: Report) -> list[str]:
    """What is found; a formula that is right on paper may fail at the ends of the range, which is robustness."""
    return [f"{f.verdict} {f.explanation}" for f in report.findings if f.kind != "extreme"]


def naive_sigmoid(z: Array, g: Array) -> Array:
    s = 1 / (1 + np.exp(-z))
    return g * s * (1 - s)


def linear(x: Array, W: Array, b: Array) -> Array:
    return x @ W.T + b


def of_linear(x: Array, W: Array, b: Array, g: Array) -> Any:
    return g @ W, g.T @ x, g.sum(axis=0)


def layernorm(x: Array) -> Array:
    mean = x.mean(axis=1, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=1, keepdims=True) + 1e-5)


def of_layernorm(x: Array, g: Array) -> Array:
    mean = x.mean(axis=1, keepdims=True)
    r = 1 / np.sqrt(x.var(axis=1, keepdims=True) + np.asarray(1e-5, x.dtype))
    n = (x - mean) * r
    return r * (g - g.mean(axis=1, keepdims=True) - n * (g * n).mean(axis=1, keepdims=True))


def softmax(z: Array) -> Array:
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def of_softmax(z: Array, g: Array) -> Array:
    p = softmax(z)
    return p * (g - (g * p).sum(axis=-1, keepdims=True))


def pooled(x: Array) -> Array:
    return x.reshape(x.shape[0], -1, 2).max(axis=2) ** 3


def of_pooled(x: Array, g: Array) -> Array:
    pairs = x.reshape(x.shape[0], -1, 2)
    m = pairs.max(axis=2, keepdims=True)
    return ((pairs == m) * (3 * m**2 * g[:, :, None])).reshape(x.shape)


def scaled(pullback: Any, factor: float) -> Any:
    def wrong(*arguments: Array) -> Any:
        result = pullback(*arguments)
        return tuple(factor * p for p in result) if isinstance(result, tuple) else factor * result

    return wrong


def log_cosh(a: Array, y: Array) -> Array:
    return np.log(np.cosh(a - y)).sum(axis=1)


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))
