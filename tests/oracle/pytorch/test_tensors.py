"""Forward functions in PyTorch: each operation against PyTorch's own, and the functions that people differentiate."""

from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from conformance.bounds.formats import NAMED_FORMATS
from conformance.judge.report import Report
from conformance.judge.verdict import CONFORMS, SUSPECT, UNDECIDED, WRONG
from conformance.oracle.following.array import Unfollowed
from conformance.oracle.operation.operation import by_autograd, check_loss, check_pullback
from conformance.oracle.pytorch import aten
from conformance.oracle.pytorch.tensors import _graph, record_tensors

from .forwards import FORWARDS, S, drawn
from .mistakes import MISTAKES

pytestmark = pytest.mark.sampled(8)


@cache
def called(name: str) -> frozenset[str]:
    """The operations that a function is recorded as, in place or not."""
    forward, shapes = FORWARDS[name]
    inputs = drawn(shapes)
    nodes = _graph(forward, [x.numpy() for x in inputs], inputs).graph.nodes
    names = [str(node.target).removeprefix("aten.") for node in nodes if node.op == "call_function"]
    return frozenset({n.partition(".")[0].rstrip("_") for n in names} | set(names))


@pytest.mark.parametrize("name", FORWARDS)
def test_values_and_derivatives_are_pytorchs(name: str) -> None:
    """In float64, where PyTorch's own are within what is admitted."""
    forward, shapes = FORWARDS[name]
    inputs = drawn(shapes)
    followed = record_tensors(forward, [x.numpy() for x in inputs], inputs)(NAMED_FORMATS["float64"], None)
    leaves = [x.clone().requires_grad_() for x in inputs]
    output = forward(*leaves)
    near = followed.output.value
    assert near.mid.shape == tuple(output.shape)
    assert (abs(near.mid - output.detach().numpy()) <= near.rad + NAMED_FORMATS["float64"].tiny).all()
    g = drawn((tuple(output.shape),), seed=5)[0]
    gradients = torch.autograd.grad(output, leaves, g, allow_unused=True)
    [pulled] = followed.pulled([g.numpy()])
    for p, gradient in zip(pulled, gradients, strict=True):
        assert (abs(p.mid - (0 if gradient is None else gradient.numpy())) <= p.rad).all()
        decided = p.rad < abs(p.mid) / 2**20
        assert (decided | (p.mid == 0)).mean() > 0.5


def test_every_row_of_the_table_is_held_to_pytorch() -> None:
    seen = frozenset().union(*map(called, FORWARDS))
    assert set(aten.OPS) | aten.MOVING <= seen


def test_what_cannot_be_recorded_is_named_with_its_place() -> None:
    def with_lgamma(x: torch.Tensor) -> torch.Tensor:
        return torch.lgamma(x.abs()) * x

    inputs = drawn((S,))
    with pytest.raises(Unfollowed, match=r"with_lgamma, test_tensors.py:\d+ .*lgamma: .*nothing is known"):
        record_tensors(with_lgamma, [x.numpy() for x in inputs], inputs)(NAMED_FORMATS["float64"], None)
    report = check_pullback(with_lgamma, None, inputs)
    assert report.verdict in (CONFORMS, UNDECIDED)
    assert "with_lgamma, test_tensors.py" in report.remarks[0]
    with pytest.raises(Unfollowed, match="PyTorch cannot record it"):
        record_tensors(lambda x: x * float(x.sum()), [x.numpy() for x in inputs], inputs)


def inputs_of(name: str, dtype: torch.dtype) -> list[torch.Tensor]:
    return drawn(FORWARDS[name][1], dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", MISTAKES)
def test_right_and_wrong_pullbacks_in_pytorch(name: str, dtype: torch.dtype) -> None:
    forward, _ = FORWARDS[name]
    inputs = inputs_of(name, dtype)
    right = check_pullback(forward, None, inputs)
    assert [f.explanation for f in right.findings] == []
    assert (right.verdict, right.remarks) == (CONFORMS, ())
    for mistake, (pullback, where) in MISTAKES[name].items():
        report = check_pullback(forward, pullback, inputs)
        assert (report.verdict, {f.layer for f in report.findings}) == (WRONG, where), mistake


LACKING = {"avg_pool3d", "avg_pool3d, ceil_mode", "cdist", "multi_margin_loss"}
"""What PyTorch has for no half-precision number on the CPU."""


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", FORWARDS)
def test_pytorch_in_half_precision_is_not_accused(name: str, dtype: torch.dtype) -> None:
    forward, _ = FORWARDS[name]
    inputs = inputs_of(name, dtype)
    if name in LACKING:
        pytest.skip("PyTorch lacks it in half precision on the CPU")
    report = check_pullback(forward, None, inputs)
    assert [f.explanation for f in report.findings] == []


@given(
    name=st.sampled_from(sorted(set(FORWARDS) - LACKING)),
    dtype=st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64]),
    seed=st.integers(0, 2**16),
    scale=st.sampled_from([0.25, 1.0, 2.0]),
)
def test_right_pullbacks_are_not_accused(name: str, dtype: torch.dtype, seed: int, scale: float) -> None:
    """PyTorch's own, at other numbers; nor where these meet kinks and ties, as bfloat16's do."""
    forward, shapes = FORWARDS[name]
    report = check_pullback(forward, None, [(scale * x).to(dtype) for x in drawn(shapes, seed=seed)], seed=seed)
    assert [f.explanation for f in report.findings] == []


class Swish(torch.autograd.Function):
    """z sigma(z), its derivative by hand."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor) -> torch.Tensor:
        """The value."""
        ctx.save_for_backward(z)
        return z * torch.sigmoid(z)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        """The pullback."""
        (z,) = ctx.saved_tensors
        s = torch.sigmoid(z)
        return g * (s + z * s * (1 - s))


class SwishTimesTwo(Swish):
    """Off by a factor."""

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        """The pullback."""
        return 2 * Swish.backward(ctx, g)


def test_an_autograd_function_is_forward_and_pullback() -> None:
    inputs = drawn((S,), torch.float32)

    def verdicts(*pairs: Any) -> list[Report]:
        return [check_pullback(forward, pullback, inputs) for forward, pullback in pairs]

    right = verdicts((Swish, None), (Swish.apply, None), (F.silu, Swish), (F.silu, Swish.apply), (Swish, Swish))
    assert [(r.verdict, r.remarks) for r in right] == [(CONFORMS, ())] * 5
    wrong = verdicts((SwishTimesTwo, None), (F.silu, SwishTimesTwo.apply), (Swish, SwishTimesTwo))
    assert [(r.verdict, r.findings[0].faults) for r in wrong] == [(WRONG, ("factor 2",))] * 3
    assert SUSPECT not in {r.verdict for r in right + wrong}


def test_modules_and_what_is_compiled_are_followed() -> None:
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.GELU(), torch.nn.LayerNorm(5))
    inputs = drawn((S,), torch.float32)
    for forward in (module, torch.compile(module, backend="eager"), torch.compile(F.silu, backend="eager")):
        report = check_pullback(forward, lambda z, g, f=forward: by_autograd(f)(z, g)[0], inputs)
        assert (report.verdict, report.remarks) == (CONFORMS, ())
        wrong = check_pullback(forward, lambda z, g, f=forward: 1.01 * by_autograd(f)(z, g)[0], inputs)
        assert wrong.verdict == WRONG


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_losses_in_pytorch_are_followed(dtype: torch.dtype) -> None:
    outputs, targets = drawn((S, S), dtype)

    def loss(a: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(a, y.argmax(1))

    def summed(a: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.softmax(a, 1) - F.one_hot(y.argmax(1), 4)

    right = check_loss(loss, lambda a, y: summed(a, y) / 3, outputs, targets, reduction="mean")
    half = dtype in (torch.float16, torch.bfloat16)
    assert (right.verdict, ["accumulator=" in remark for remark in right.remarks]) == (CONFORMS, [True] * half)
    wrong = check_loss(loss, summed, outputs, targets, reduction="mean")
    assert [f.faults for f in wrong.findings] == [("factor 3",)]
