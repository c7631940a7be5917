"""The errors of many sums of products together: what truncates, or adds with fewer bits, leaves more than the rest."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conformance.arrays import Array
from conformance.bounds.formats import NAMED_FORMATS
from conformance.judge.verdict import CONFORMS, SUSPECT, UNDECIDED
from conformance.oracle.following.following import follow
from conformance.oracle.operation.operation import check_pullback
from conformance.oracle.recording.linear import factor

from ..operation.operations import accused, generic, tensor

pytestmark = pytest.mark.sampled(4)

PLACES = torch.from_numpy(np.random.default_rng(7).integers(0, 5, 90))

FORWARDS: dict[str, tuple[Any, tuple[tuple[int, ...], ...]]] = {
    "linear": (F.linear, ((12, 24), (8, 24), (8,))),
    "matmul": (torch.matmul, ((2, 9, 12), (2, 12, 8))),
    "einsum": (lambda x, y: torch.einsum("bij,bkj->bik", x, y), ((2, 9, 6), (2, 8, 6))),
    "einsum of three": (lambda x, y, z: torch.einsum("ij,j,kj->ik", x, y, z), ((9, 20), (20,), (7, 20))),
    "bilinear": (lambda x, y, w: F.bilinear(x, y, w), ((12, 4), (12, 3), (5, 4, 3))),
    "conv1d": (lambda x, w: F.conv1d(x, w, padding=2, groups=2), ((3, 4, 16), (6, 2, 3))),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), ((2, 3, 7, 6), (4, 3, 3, 3), (4,))),
    "conv_transpose2d": (lambda x, w: F.conv_transpose2d(x, w, stride=2), ((2, 3, 6, 5), (3, 4, 3, 3))),
    "embedding": (lambda w: w[PLACES], ((5, 7),)),
    "scaled": (lambda x, w: -(x @ w) / 3, ((30, 20), (20, 9))),
    "added": (lambda x, b: x + b, ((20, 3, 12), (12,))),
    "products added up": (lambda x, w: (x * w).sum(0), ((30, 20), (20,))),
    "a scalar": (lambda x, y: (x * y).sum(), ((9,), (9,))),
    "in blocks": (lambda x, w: torch.cat([x[:20] @ w, x[20:] @ w]), ((30, 20), (20, 9))),
}


def in_float32(function: Any) -> Any:
    """The pullback in float32, rounded once."""

    def pullback(*arguments: torch.Tensor) -> Any:
        *inputs, g = (x.detach().float().requires_grad_() for x in arguments)
        return tuple(p.to(arguments[0].dtype) for p in torch.autograd.grad(function(*inputs), inputs, g.detach()))

    return pullback


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("name", FORWARDS)
def test_pytorch_is_not_suspect(name: str, dtype: str, whole: bool) -> None:
    function, shapes = FORWARDS[name]
    half = dtype in ("float16", "bfloat16")
    for seed in range(8 if whole else 1):
        inputs = [tensor(generic("float64", shape, seed + k, 1.0), dtype) for k, shape in enumerate(shapes)]
        report = check_pullback(function, None, inputs, seed=seed)
        assert (report.verdict in (CONFORMS, UNDECIDED), accused(report)) == (True, [])
        if half:
            wide = check_pullback(function, in_float32(function), inputs, accumulator="float32", seed=seed)
            assert (wide.verdict, accused(wide)) == (CONFORMS, [])


Step = Callable[[Array, Array], Array]
Matmul = Callable[[Array, Array], Array]


def one_by_one(step: Step, wide: Any, order: int = 1) -> Matmul:
    """A product of matrices whose terms are added one by one: each partial sum, of a wide format, is rounded."""

    def matmul(a: Array, b: Array) -> Array:
        total = np.zeros((len(a), b.shape[1]), a.dtype)
        for k in range(a.shape[1])[::order]:
            total = step(total.astype(wide) + a[:, k : k + 1].astype(wide) * b[k : k + 1].astype(wide), total)
        return total

    return matmul


def nearest(x: Array, like: Array) -> Array:
    return x.astype(like.dtype)


def truncated(x: Array, like: Array) -> Array:
    near = x.astype(like.dtype)
    return np.where(abs(near.astype(x.dtype)) > abs(x), np.nextafter(near, 0 * near), near)


def downward(x: Array, like: Array) -> Array:
    near = x.astype(like.dtype)
    return np.where(near.astype(x.dtype) > x, np.nextafter(near, -np.inf * np.ones_like(near)), near)


def to_bfloat16(x: Array, like: Array) -> Array:
    return torch.from_numpy(x.astype(np.float32)).bfloat16().float().numpy()


def in_pairs(a: Array, b: Array) -> Array:
    terms = a[:, :, None] * b[None]
    while terms.shape[1] > 1:
        if terms.shape[1] % 2:
            terms = np.concatenate([terms, 0 * terms[:, :1]], axis=1)
        terms = terms[:, ::2] + terms[:, 1::2]
    return terms[:, 0]


def in_blocks(a: Array, b: Array) -> Array:
    ends = range(0, a.shape[1], 5)
    return sum((a[:, k : k + 5] @ b[k : k + 5] for k in ends[1:]), a[:, :5] @ b[:5])


def by_jax(a: Array, b: Array) -> Array:
    with jax.enable_x64(True):
        return np.array(jnp.asarray(a) @ jnp.asarray(b))


RIGHT: dict[str, Matmul] = {
    "numpy": np.matmul,
    "einsum": lambda a, b: np.einsum("ij,jk->ik", a, b),
    "jax": by_jax,
    "sums of products": lambda a, b: (a[:, :, None] * b[None]).sum(axis=1),
    "fused": one_by_one(nearest, np.longdouble),
    "loop": lambda a, b: one_by_one(nearest, a.dtype)(a, b),
    "loop from the end": lambda a, b: one_by_one(nearest, a.dtype, -1)(a, b),
    "pairs": in_pairs,
    "blocks": in_blocks,
    "the largest first": lambda a, b: np.take(a, o := np.argsort(-abs(a[0])), axis=1) @ np.take(b, o, axis=0),
}


def product(x: Array, w: Array) -> Array:
    return x @ w


def pulled_by(matmul: Matmul, x: Array, w: Array, g: Array) -> Any:
    return matmul(g, w.T), matmul(x.T, g)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RIGHT)
def test_right_products_of_matrices_are_not_suspect(name: str, dtype: str, whole: bool) -> None:
    for seed, n in enumerate((5, 12, 40, 150) * 5 if whole else (12,)):
        inputs = [generic(dtype, (n, 10), seed), generic(dtype, (10, n), seed + 1)]
        report = check_pullback(product, partial(pulled_by, RIGHT[name]), inputs, seed=seed)
        assert (report.verdict, accused(report)) == (CONFORMS, [])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [8, 60])
@pytest.mark.parametrize("step", [truncated, downward])
def test_sums_that_are_not_rounded_to_nearest_are_suspect(step: Step, n: int, dtype: str) -> None:
    """Each of them is within its bound."""
    inputs = [generic(dtype, (n, 10)), generic(dtype, (10, n), 1)]
    wrong = one_by_one(step, np.float64 if dtype == "float32" else np.longdouble)
    report = check_pullback(product, partial(pulled_by, wrong), inputs)
    assert (report.verdict, [f.verdict for f in report.findings], report.exit_status) == (SUSPECT, [SUSPECT] * 2, 3)
    assert "the errors add up to" in report.findings[0].explanation
    assert report.tallies["vjp", 1].verdict == CONFORMS


def in_bfloat16(step: Step) -> Any:
    def pullback(*arguments: torch.Tensor) -> Any:
        x, w, g = (t.float().numpy() for t in arguments)
        return tuple(torch.from_numpy(p).bfloat16() for p in pulled_by(one_by_one(step, np.float32), x, w, g))

    return pullback


@pytest.mark.parametrize("n", [14, 40])
def test_sums_of_fewer_bits_than_declared_are_suspect(n: int) -> None:
    """Where they are too short to be WRONG."""
    inputs = [tensor(generic("float32", shape, seed), "bfloat16") for seed, shape in enumerate(((n, 10), (10, n)))]
    declared = partial(check_pullback, product, inputs=inputs, accumulator="float32")
    report = declared(in_bfloat16(to_bfloat16))
    assert (report.verdict, {f.verdict for f in report.findings}) == (SUSPECT, {SUSPECT})
    assert "fewer bits" in report.findings[0].explanation
    assert declared(in_bfloat16(nearest)).verdict == CONFORMS
    assert check_pullback(product, in_bfloat16(to_bfloat16), inputs).verdict == CONFORMS


C = np.arange(1.0, 5.0)


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (lambda x, y: x @ y.T, 1),
        (lambda x, y: np.pad(x, 1)[1:-1, 1:-1] @ y.T + C[:3], 1),
        (lambda x, y: (x[:, None] * y).sum(axis=2), 1),
        (lambda x, y: x + y, 1),
        (lambda x, y: x[[0, 0, 2]], 1),
        (lambda x, y: -0.25 * (x @ y.T), 0.25),
        (lambda x, y: (x @ y.T) / 4 - (y @ x.T) / 4, 0.25),
        (lambda x, y: x * y, 1),
        (lambda x, y: x @ x.T, None),
        (lambda x, y: x * x, None),
        (lambda x, y: x @ y.T @ y, None),
        (lambda x, y: x / y, None),
        (lambda x, y: (x @ y.T).sum() * x, None),
        (lambda x, y: (x @ y.T)[[0, 0]], None),
        (lambda x, y: (x @ y.T) * C[:3], None),
        (lambda x, y: (x * C) @ y.T, None),
        (lambda x, y: x @ y.T + 2 * (x @ y.T), None),
        (lambda x, y: np.tanh(x @ y.T), None),
        (lambda x, y: np.where(x > 0, x, 0.1 * x), None),
        (lambda x, y: np.maximum(x, y), 1),
        (lambda x, y: np.cumsum(x), None),
    ],
)
def test_what_is_a_sum_of_products(forward: Any, expected: float | None) -> None:
    inputs = [generic("float64", (3, 4), seed) for seed in (1, 2)]
    assert factor(follow(forward, inputs, NAMED_FORMATS["float64"]).output) == expected


def test_nothing_else_is_asked_of_many_errors() -> None:
    """PyTorch's leaky_relu is right, and biased: its slope is rounded once for all."""
    z = tensor(generic("float32", (40, 40)), "float32")
    assert check_pullback(lambda z: F.leaky_relu(z, 0.1), None, z).verdict == CONFORMS
