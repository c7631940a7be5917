"""`check_pullback` and somebody's own operations, each with its pullback written by hand; losses."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from conformance.arrays import Array
from conformance.bounds.formats import NAMED_FORMATS
from conformance.judge.verdict import CONFORMS, WRONG
from conformance.oracle.operation.operation import check_loss, check_pullback
from reference import LOSSES
from reference.losses import TARGETS

from .operations import (
    accused,
    generic,
    layernorm,
    linear,
    log_cosh,
    of_layernorm,
    of_linear,
    of_pooled,
    of_softmax,
    pooled,
    scaled,
    softmax,
)

pytestmark = pytest.mark.sampled(5)


def layernorm_by_var(x: Array) -> Array:
    return (x - np.mean(x, axis=1, keepdims=True)) / np.sqrt(np.var(x, axis=1, keepdims=True) + 1e-5)


def logsumexp(z: Array) -> Array:
    m = np.max(z, axis=1, keepdims=True)
    return (m + np.log(np.exp(z - m).sum(axis=1, keepdims=True)))[:, 0]


def of_logsumexp(z: Array, g: Array) -> Array:
    return g[:, None] * np.exp(z - logsumexp(z)[:, None])


def normalised(x: Array) -> Array:
    return x / np.sqrt((x * x).sum(axis=1, keepdims=True))


def of_normalised(x: Array, g: Array) -> Array:
    n = np.linalg.norm(x, axis=1, keepdims=True).astype(x.dtype)
    return (g - x * (g * x).sum(axis=1, keepdims=True) / n**2) / n


def attention(q: Array, k: Array, v: Array) -> Array:
    return softmax(q @ k.T / 2) @ v


def of_attention(q: Array, k: Array, v: Array, g: Array) -> Any:
    p = softmax(q @ k.T / 2)
    of_scores = p * (g @ v.T - (g * (p @ v)).sum(axis=1, keepdims=True)) / 2
    return of_scores @ k, of_scores.T @ q, p.T @ g


def convolution(x: Array, w: Array) -> Array:
    n = x.shape[0] - w.shape[0] + 1
    return sum(x[i : i + n] * w[i] for i in range(1, w.shape[0])) + x[:n] * w[0]


def of_convolution(x: Array, w: Array, g: Array) -> Any:
    padded = np.pad(g, len(w) - 1)
    return sliding_window_view(padded, len(w)) @ w[::-1], sliding_window_view(x, len(g)) @ g


def bilinear(x: Array, y: Array) -> Array:
    return np.einsum("si,ti->st", x, y).T * np.array([[1.5, -0.5]])


def of_bilinear(x: Array, y: Array, g: Array) -> Any:
    scaled = (g * np.array([[1.5, -0.5]], g.dtype)).T
    return scaled @ y, scaled.T @ x


OWN: list[tuple[Any, Any, tuple[tuple[int, ...], ...]]] = [
    (linear, of_linear, ((4, 3), (5, 3), (5,))),
    (layernorm, of_layernorm, ((3, 6),)),
    (layernorm_by_var, of_layernorm, ((3, 6),)),
    (softmax, of_softmax, ((3, 5),)),
    (logsumexp, of_logsumexp, ((3, 5),)),
    (normalised, of_normalised, ((3, 5),)),
    (attention, of_attention, ((4, 3), (6, 3), (6, 2))),
    (convolution, of_convolution, ((9,), (4,))),
    (pooled, of_pooled, ((3, 8),)),
    (bilinear, of_bilinear, ((2, 3), (4, 3))),
    (lambda x, y: np.broadcast_to(x, (3, 4)) / (y * y + 1), None, ((4,), (3, 4))),
]


def of_broadcast(x: Array, y: Array, g: Array) -> Any:
    d = y * y + 1
    return (g / d).sum(axis=0), -2 * y * (g * x / d / d)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("forward", "pullback", "shapes"), OWN)
def test_own_operations_are_not_accused(dtype: str, forward: Any, pullback: Any, shapes: Any) -> None:
    pullback = pullback or of_broadcast
    inputs = [generic(dtype, shape, seed, 1.0) for seed, shape in enumerate(shapes)]
    report = check_pullback(forward, pullback, inputs)
    assert not accused(report)
    assert report.verdict == CONFORMS
    assert not [remark for remark in report.remarks if "estimate" in remark]
    assert set(report.tallies) == {(e, k) for e in ("vjp", "state") for k in range(1, len(shapes) + 1)}
    if dtype != "float16":
        assert not [t for t in report.tallies.values() if not t.undecided < t.elements / 2]
        assert not [t for t in report.tallies.values() if not t.floor < 2**12 * NAMED_FORMATS[dtype].u]
    # The same in wider registers, and each fault of a factor.
    wider = check_pullback(forward, in_float64(pullback), inputs)
    assert not accused(wider)
    for factor in (-1, 2, 0.5, 0):
        wrong = check_pullback(forward, scaled(pullback, factor), inputs)
        assert wrong.verdict == WRONG
        assert {f.layer for f in wrong.findings} == set(range(1, len(shapes) + 1)), factor


def in_float64(pullback: Any) -> Any:
    def wide(*arguments: Array) -> Any:
        result = pullback(*(x.astype(np.float64) for x in arguments))
        parts = result if isinstance(result, tuple) else (result,)
        return tuple(part.astype(arguments[0].dtype) for part in parts)

    return wide


# Losses.


@pytest.mark.parametrize("name", LOSSES)
def test_right_losses_are_not_accused(name: str) -> None:
    loss = LOSSES[name]()
    low, high = TARGETS.get(type(loss), (-np.inf, np.inf))
    for dtype in ("float16", "float32", "float64"):
        a, y = generic(dtype, (3, 4), 1), np.clip(generic(dtype, (3, 4), 2), low, high)
        if name in ("cross_entropy", "binary_cross_entropy"):
            a = (1 / (1 + np.exp(-a))).astype(dtype)

        def reduced(a: Array, y: Array) -> Array:
            return loss.value(a, y).sum() / len(y)

        def mean(a: Array, y: Array) -> Array:
            return loss.gradient(a, y) / len(a)

        each = check_loss(loss.value, loss.gradient, a, y, equation=name)
        assert (each.verdict, accused(each), len(each.equations)) == (CONFORMS, [], 3)
        assert not accused(check_loss(reduced, mean, a, y, equation=loss, reduction="mean"))
        wrong = check_loss(name, loss.gradient, a, y, reduction="mean")
        told = ("factor 3", "the sum over the samples, not their mean")
        assert (wrong.verdict, wrong.findings[0].faults) == (WRONG, told)


def test_own_losses() -> None:
    a, y = generic("float32", (3, 4), 1), generic("float32", (3, 4), 2)
    assert check_loss(log_cosh, lambda a, y: np.tanh(a - y), a, y).verdict == CONFORMS
    assert check_loss(log_cosh, lambda a, y: np.tanh(y - a), a, y).findings[0].faults == ("factor -1",)
    mean = check_loss(lambda a, y: log_cosh(a, y).sum() / 3, lambda a, y: np.tanh(a - y) / 3, a, y, reduction="mean")
    assert mean.verdict == CONFORMS
    tensors = torch.from_numpy(a), torch.from_numpy(y)
    assert check_loss("huber", lambda a, y: torch.clamp(a - y, -1, 1), *tensors).verdict == CONFORMS


def test_an_epsilon_in_the_logarithm_is_found() -> None:
    a = np.array([[0.125, 0.5, 0.375], [0.75, 0.0625, 0.1875]])
    y = np.array([[0, 1, 0], [1.0, 0, 0]])
    report = check_loss("cross_entropy", lambda a, y: -y / (a + 1e-4), a, y)
    assert (report.verdict, report.findings[0].equation) == (WRONG, "G3")
    value = check_loss(
        lambda a, y: -(y * np.log(a + 1e-4)).sum(axis=1), lambda a, y: -y / a, a, y, equation="cross_entropy"
    )
    assert [f.equation for f in value.findings] == ["L3"]


# Extreme inputs.


def unshifted_softmax(z: Array, g: Array) -> Array:
    e = np.exp(z)
    p = e / e.sum(axis=1, keepdims=True)
    return p * (g - (g * p).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_what_is_wrong_at_the_ends_of_the_range_alone_is_robustness(dtype: str) -> None:
    end = np.floor(np.log(NAMED_FORMATS[dtype].largest))
    ordinary = generic(dtype)
    extreme = ordinary.copy()
    extreme[1, 2] = 2 * end
    drawn = check_pullback("softmax", unshifted_softmax, ordinary)
    assert drawn.robustness is not None
    assert (drawn.verdict, drawn.robustness.verdict, {f.kind for f in drawn.findings}) == (CONFORMS, WRONG, {"extreme"})
    with np.errstate(all="ignore"):
        report = check_pullback("softmax", unshifted_softmax, extreme)
        wrong = check_pullback("softmax", scaled(of_softmax, 2), extreme)
    assert report.robustness is not None
    assert (report.verdict, report.robustness.verdict) == (CONFORMS, WRONG)
    assert {(f.verdict, f.kind, f.faults) for f in report.findings} == {(WRONG, "extreme", ("not a number",))}
    assert f"Only for inputs beyond {end:g}" in report.findings[0].explanation
    assert [(wrong.verdict, f.kind) for f in wrong.findings] == [(WRONG, "ordinary")]
    robust = check_pullback("softmax", of_softmax, extreme)
    assert (robust.findings, robust.robustness and robust.robustness.wrong) == ((), 0)
    # An equation without an exponential has no such end.
    clipped = check_pullback("hardtanh", lambda z, g: np.where(abs(z) < 2 * end, g * (abs(z) < 1), g), extreme)
    assert (clipped.verdict, clipped.robustness) == (WRONG, None)
