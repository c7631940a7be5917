"""Sums in half precision: what is declared of how they are added up is held to."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conformance.judge.report import Report
from conformance.judge.verdict import CONFORMS, SUSPECT, UNDECIDED, WRONG
from conformance.oracle.operation.operation import by_autograd, check_loss, check_pullback

from ..operation.operations import accused, generic, of_softmax, softmax, tensor

pytestmark = pytest.mark.sampled(4)

HALF = ("float16", "bfloat16")


def embedding(n: int) -> Callable[[torch.Tensor], torch.Tensor]:
    places = torch.from_numpy(np.random.default_rng(7).integers(0, 5, n))
    return lambda w: w[places]


def added_in(kind: torch.dtype, n: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The gradient of `embedding`, its rows added up one by one in numbers of a kind."""
    places = torch.from_numpy(np.random.default_rng(7).integers(0, 5, n))

    def pullback(w: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        sums = torch.zeros(w.shape, dtype=kind)
        for place, row in zip(places.tolist(), g.to(kind), strict=True):
            sums[place] += row
        return sums.to(w.dtype)

    return pullback


@pytest.mark.parametrize("n", [60, 1500])
@pytest.mark.parametrize("dtype", HALF)
def test_sums_are_added_up_as_declared(dtype: str, n: int) -> None:
    """Errors of some per cent are what bfloat16 sums have: right unless something better is declared."""
    w, half = tensor(generic("float32", (5, 3)), dtype), getattr(torch, dtype)
    f, bits = embedding(n), {"bfloat16": 8, "float16": 11}[dtype]
    for kind in (half, torch.float32):
        report = check_pullback(f, added_in(kind, n), w)
        assert (accused(report), report.verdict in (CONFORMS, UNDECIDED)) == ([], True)
        assert any(remark.startswith(f"sums with {bits} bits") for remark in report.remarks)
    right = check_pullback(f, added_in(torch.float32, n), w, accumulator="float32")
    assert (right.verdict, right.remarks) == (CONFORMS, ())
    assert right.tallies["vjp", 1].floor < 6 * 2.0**-bits
    assert check_pullback(f, added_in(half, n), w, accumulator="float32").verdict == WRONG


def in_blocks(kind: torch.dtype) -> Any:
    """The gradient of a bias, by blocks of 1,000 rows and then of these, in numbers of a kind."""

    def pullback(b: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        sums = torch.zeros((1000, 2), dtype=kind)
        for rows in g.to(kind).reshape(1000, 1000, 2):
            sums += rows
        total = torch.zeros(2, dtype=kind)
        for row in sums:
            total += row
        return total.to(b.dtype)

    return pullback


@pytest.mark.thorough
def test_a_million_terms_of_one_sign() -> None:
    b, x = tensor(generic("float32", (2,)), "bfloat16"), torch.zeros((10**6, 1), dtype=torch.bfloat16)
    judged = [check_pullback(lambda b: x + b, in_blocks(kind), b, accumulator="float32") for kind in KINDS]
    assert [report.verdict for report in judged] == [WRONG, CONFORMS]


KINDS = (torch.bfloat16, torch.float32)


def layernorm(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    n = x - x.mean(dim=1, keepdim=True)
    return n * torch.rsqrt((n * n).mean(dim=1, keepdim=True) + 1e-5) * w


def of_layernorm(x: torch.Tensor, w: torch.Tensor, g: torch.Tensor, of_x: float = 1) -> Any:
    """In float32 throughout, as kernels do; the gradient by x times a factor."""
    by_x, by_w = by_autograd(layernorm)(x.float(), w.float(), g.float())
    return of_x * by_x.to(x.dtype), by_w.to(x.dtype)


def test_an_accumulator_decides_a_layer_norm_in_bfloat16() -> None:
    inputs = [tensor(generic("float32", shape, seed, 1.0), "bfloat16") for seed, shape in enumerate(((4, 24), (24,)))]

    def judged(factor: float, accumulator: str | None) -> Report:
        return check_pullback(layernorm, lambda x, w, g: of_layernorm(x, w, g, factor), inputs, accumulator=accumulator)

    for factor in (1, 0, 2):
        assert judged(factor, None).verdict == UNDECIDED
    assert judged(1, "float32").verdict == CONFORMS
    for factor in (0, 2):
        assert (judged(factor, "float32").verdict, judged(factor, "float32").findings[0].layer) == (WRONG, 1)


FORWARDS: dict[str, tuple[Any, tuple[tuple[int, ...], ...]]] = {
    "products": (F.linear, ((33, 20), (11, 20), (11,))),
    "softmax": (lambda z: torch.softmax(z, -1), ((3, 17),)),
    "log sum exp": (lambda z: torch.logsumexp(z, -1), ((3, 17),)),
    "convolution": (lambda x, w, b: F.conv2d(x, w, b, padding=1), ((2, 3, 7, 6), (4, 3, 3, 3), (4,))),
    "several paths": (lambda w, x: torch.tanh(x @ w) @ w + torch.sigmoid(x @ w) @ w + x @ w, ((12, 12), (5, 12))),
    "two sums": (lambda x, b: (x + b).sum(0).sum(0), ((5, 6, 7), (7,))),
    "running sums": (lambda x: torch.cumsum(x, 0), ((50, 7),)),
    "variance": (lambda x: x.var(1), ((6, 19),)),
    "a scalar": (lambda z: F.cross_entropy(z, torch.arange(6)), ((6, 9),)),
    "attention": (F.scaled_dot_product_attention, ((1, 2, 9, 8),) * 3),
}


@pytest.mark.parametrize("name", FORWARDS)
@pytest.mark.parametrize("dtype", HALF)
def test_float32_sums_are_not_accused(dtype: str, name: str) -> None:
    """By PyTorch in the format, which adds these up in float32, and in float32 throughout.

    But for one: of a convolution in float16 PyTorch adds up in the format what a pixel takes part in, and is suspect.
    """
    f, shapes = FORWARDS[name]
    inputs = [tensor(generic("float32", shape, seed, 0.5), dtype) for seed, shape in enumerate(shapes)]

    def wide(*arguments: torch.Tensor) -> Any:
        return tuple(part.to(inputs[0].dtype) for part in by_autograd(f)(*(x.float() for x in arguments)))

    for pullback in (None, wide):
        for seed in range(3):
            report = check_pullback(f, pullback, inputs, accumulator="float32", seed=seed)
            if pullback is None and (dtype, name) == ("float16", "convolution"):
                assert report.verdict == SUSPECT
                continue
            assert (accused(report), report.verdict in (CONFORMS, UNDECIDED)) == ([], True)


def test_named_equations_have_an_accumulator() -> None:
    """The sum in a softmax, and its loss."""
    z, y = generic("float16", (3, 400), scale=1.0), np.eye(400, dtype="float16")[[5, 0, 77]]

    def inside(z: Any, g: Any) -> Any:
        return of_softmax(z.astype("float32"), g.astype("float32")).astype("float16")

    def delta(z: Any, y: Any) -> Any:
        return (softmax(z.astype("float32")) - y).astype("float16")

    for name, pullback in (("softmax", inside), ("softmax", lambda z, g: 2 * inside(z, g))):
        declared = check_pullback(name, pullback, z, accumulator="float32")
        undeclared = check_pullback(name, pullback, z)
        assert declared.verdict == (CONFORMS if pullback is inside else WRONG)
        assert declared.tallies["D8", 1].floor < undeclared.tallies["D8", 1].floor
    assert check_loss("cross_entropy_with_logits", delta, z, y, accumulator="float32").verdict == CONFORMS


@pytest.mark.parametrize(("dtype", "accumulator"), [("float32", "bfloat16"), ("bfloat16", "float16"), ("float16", "f")])
def test_wrong_accumulators_are_refused(dtype: str, accumulator: str) -> None:
    with pytest.raises(ValueError, match=r"accumulator: expected one of .*float32.*, or None, got"):
        check_pullback("tanh", None, tensor(generic("float32"), dtype), accumulator=accumulator)
