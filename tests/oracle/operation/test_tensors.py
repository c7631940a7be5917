"""Forward functions in PyTorch: each operation against PyTorch's own, and the functions that people differentiate."""

from collections.abc import Callable
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
from conformance.oracle.operation.operation import by_autograd, check_pullback
from conformance.oracle.pytorch import aten
from conformance.oracle.pytorch.tensors import _graph, record_tensors

Forward = Callable[..., Any]
Shapes = tuple[tuple[int, ...], ...]


def drawn(shapes: Shapes, dtype: torch.dtype = torch.float64, seed: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype) for shape in shapes]


LABELS = torch.tensor([1, 0, 2])
SOME = torch.tensor([[True, False, True, True], [False, True, True, False], [True, True, False, False]])


def rope(x: torch.Tensor) -> torch.Tensor:
    angle = torch.arange(4, dtype=x.dtype)[:, None] / 10 ** torch.arange(3, dtype=x.dtype)
    x1, x2 = x[..., ::2], x[..., 1::2]
    return torch.stack([x1 * angle.cos() - x2 * angle.sin(), x1 * angle.sin() + x2 * angle.cos()], -1).flatten(-2)


def focal(z: torch.Tensor) -> torch.Tensor:
    q = torch.softmax(z, 1).gather(1, LABELS[:, None])[:, 0]
    return (-((1 - q) ** 2) * q.log()).mean()


def lstm_cell(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any) -> Any:
    return torch.cat(torch.lstm_cell(x, (h, c), w, u, b), dim=1)


def causal(q: Any, k: Any, v: Any) -> Any:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def in_place(x: torch.Tensor) -> torch.Tensor:
    y = x.clone()
    y.mul_(2)
    y[:, 0] = x[:, 1] * x[:, 2]
    y[1] += 1
    return y


def attention_module(x: torch.Tensor) -> torch.Tensor:
    weight = torch.linspace(-1, 1, 48, dtype=x.dtype).reshape(12, 4)
    bias, eye = torch.full((12,), 0.25, dtype=x.dtype), torch.eye(4, dtype=x.dtype)
    none = torch.zeros(4, dtype=x.dtype)
    return F.multi_head_attention_forward(x, x, x, 4, 2, weight, bias, None, None, False, 0.0, eye, none)[0]


S: tuple[int, ...] = (3, 4)
FORWARDS: dict[str, tuple[Forward, Shapes]] = {
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (5,), w, b), ((3, 5), (5,), (5,))),
    "rms_norm": (lambda x, w: F.rms_norm(x, (5,), w), ((3, 5), (5,))),
    "causal attention": (causal, ((1, 2, 4, 3),) * 3),
    "masked attention": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, SOME), ((2, 3, 5), (2, 4, 5), (2, 4, 2))),
    "conv2d": (lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), ((2, 3, 5, 6), (4, 3, 3, 2), (4,))),
    "conv1d": (lambda x, w: F.conv1d(x, w, groups=2, dilation=2), ((2, 4, 9), (6, 2, 3))),
    "conv_transpose2d": (
        lambda x, w: F.conv_transpose2d(x, w, stride=2, padding=1, output_padding=1), ((2, 4, 3, 4), (4, 2, 3, 2))),
    "grouped conv_transpose1d": (lambda x, w: F.conv_transpose1d(x, w, groups=2, dilation=2), ((2, 4, 3), (4, 3, 2))),
    "max_pool2d": (lambda x: F.max_pool2d(x, 3, 2, 1), ((2, 3, 5, 6),)),
    "max_pool3d": (lambda x: F.max_pool3d(x, 2), ((1, 2, 4, 2, 3),)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, (2, 3)), ((2, 3, 4, 6),)),
    "avg_pool3d": (lambda x: F.avg_pool3d(x, 2), ((1, 2, 4, 2, 3),)),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, (2, 3)), ((2, 3, 5, 7),)),
    "adaptive_avg_pool3d": (lambda x: F.adaptive_avg_pool3d(x, (2, 1, 2)), ((1, 2, 3, 4, 5),)),
    "cross_entropy": (lambda z: F.cross_entropy(z, LABELS, label_smoothing=0.1), (S,)),
    "gelu": (lambda z: F.gelu(z), (S,)),
    "gelu by tanh": (lambda z: F.gelu(z, approximate="tanh"), (S,)),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True), ((4, 3, 2), (3,), (3,))),
    "batch_norm of running": (
        lambda x, w, b: F.batch_norm(x, x.new_full((3,), 0.5), x.new_full((3,), 2.0), w, b), ((4, 3, 2), (3,), (3,))),
    "embedding": (lambda w: F.embedding(torch.tensor([[0, 2], [2, 4]]), w), ((5, 3),)),
    "lstm_cell": (lstm_cell, ((2, 3), (2, 4), (2, 4), (16, 3), (16, 4), (16,))),
    "gru_cell": (lambda x, h, w, u: torch.gru_cell(x, h, w, u), ((2, 3), (2, 4), (12, 3), (12, 4))),
    "swiglu": (lambda x, w, v: F.silu(x @ w) * (x @ v), ((2, 3), (3, 4), (3, 4))),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), ((2, 4, 3), (4,), (4,))),
    "instance_norm": (lambda x: F.instance_norm(x), ((2, 4, 3),)),
    "logsumexp": (lambda x: torch.logsumexp(x, 1), (S,)),
    "focal": (focal, (S,)),
    "einsum": (lambda x, y: torch.einsum("bij,bkj->bik", x, y), ((2, 3, 4), (2, 5, 4))),
    "cumsum": (lambda x: torch.cumsum(x, 1), (S,)),
    "cumprod": (lambda x: torch.cumprod(x, 1), (S,)),
    "rope": (rope, ((2, 4, 6),)),
    "topk": (lambda x: torch.topk(x, 2, dim=1).values, ((3, 5),)),
    "softmax": (lambda x: F.softmax(x, -1), (S,)),
    "log_softmax": (lambda x: F.log_softmax(x, 0), (S,)),
    "huber_loss": (lambda x, y: F.huber_loss(x, y), (S, S)),
    "smooth_l1_loss": (lambda x, y: F.smooth_l1_loss(x, y, reduction="sum"), (S, S)),
    "mse_loss": (lambda x, y: F.mse_loss(x, y), (S, S)),
    "binary_cross_entropy_with_logits": (
        lambda x: F.binary_cross_entropy_with_logits(x, x.new_full((3, 4), 0.25)), (S,)),
    "binary_cross_entropy": (lambda x: F.binary_cross_entropy(x.sigmoid(), x.new_full((3, 4), 0.25)), (S,)),
    "kl_div": (lambda x: F.kl_div(F.log_softmax(x, 1), x.new_full((3, 4), 0.25), reduction="batchmean"), (S,)),
    "triplet_margin_loss": (lambda a, p, n: F.triplet_margin_loss(a, p, n), (S, S, S)),
    "multi_margin_loss": (lambda x: F.multi_margin_loss(x, LABELS), (S,)),
    "poisson_nll_loss": (lambda x: F.poisson_nll_loss(x, torch.ones_like(x)), (S,)),
    "sort": (lambda x: torch.sort(x, 1, descending=True)[0], (S,)),
    "argsort": (lambda x: x.gather(1, torch.argsort(x, dim=1, stable=True)) ** 2, (S,)),
    "median": (lambda x: x.median(1)[0], ((3, 4),)),
    "kthvalue": (lambda x: x.kthvalue(2, 1)[0], (S,)),
    "var": (lambda x: x.var(1), (S,)),
    "std": (lambda x: x.std(0), (S,)),
    "norm": (lambda x: x / x.norm(dim=1, keepdim=True), (S,)),
    "norm of order 3": (lambda x: torch.linalg.vector_norm(x, 3, dim=1), (S,)),
    "norm of order 1": (lambda x: torch.linalg.vector_norm(x, 1), (S,)),
    "norm of order inf": (lambda x: torch.linalg.vector_norm(x, float("inf"), dim=0), (S,)),
    "cosine_similarity": (lambda x, y: F.cosine_similarity(x, y), (S, S)),
    "cdist": (lambda x, y: torch.cdist(x, y), (S, (5, 4))),
    "pad": (lambda x: F.pad(x, (1, 2), value=3.5) ** 2, (S,)),
    "reflect": (lambda x: F.pad(x, (1, 2), mode="reflect"), ((2, 3, 4),)),
    "unfold": (lambda x: F.unfold(x, 2), ((2, 3, 4, 5),)),
    "fold": (lambda x: F.fold(x, (4, 5), 2), ((2, 12, 12),)),
    "tensor.unfold": (lambda x: x.unfold(1, 2, 1), (S,)),
    "as_strided": (lambda x: x.contiguous().as_strided((2, 3), (1, 2)), (S,)),
    "tril": (lambda x: x.tril(), ((4, 4),)),
    "diagonal": (lambda x: torch.diagonal(x) ** 2, (S,)),
    "flip and roll": (lambda x: x.flip(1) * x.roll(1, 0), (S,)),
    "repeat": (lambda x: x.repeat(2, 3), (S,)),
    "split": (lambda x: x.split([1, 3], dim=1)[1] * x.chunk(2, dim=1)[0][:, :1], (S,)),
    "unbind": (lambda x: torch.stack(x.unbind(1)).squeeze().unsqueeze(0), (S,)),
    "where": (lambda x: torch.where(x > 0, x, x.exp() - 1), (S,)),
    "masked_fill": (lambda x: x.masked_fill(x < 0, 0.5) * x, (S,)),
    "masked_select": (lambda x: x[SOME] ** 2, (S,)),
    "masked_select of a mask": (lambda x: torch.masked_select(x, SOME), (S,)),
    "masked_scatter": (lambda x, y: x.masked_scatter(SOME, y), (S, S)),
    "index_select": (lambda x: x.index_select(1, torch.tensor([2, 0, 2])), (S,)),
    "scatter": (lambda x, y: x.scatter(0, torch.tensor([[0, 1, 2, 0]]), y), (S, (1, 4))),
    "scatter of a number": (lambda x: x.scatter(0, torch.tensor([[0, 1, 2, 0]]), 2.0), (S,)),
    "scatter_add": (lambda x: x.new_zeros(2, 4).scatter_add(0, torch.tensor([[0, 1, 0, 1]] * 3), x), (S,)),
    "scatter_reduce": (lambda x, y: x.scatter_reduce(0, torch.tensor([[0, 1, 0, 1]]), y, "sum"), (S, (1, 4))),
    "index_add": (lambda x: x.new_zeros(2, 4).index_add(0, torch.tensor([0, 1, 0]), x), (S,)),
    "index_put": (lambda x, y: x.index_put((torch.tensor([0, 2]),), y), (S, (2, 4))),
    "index_put, accumulated": (lambda x, y: x.index_put((torch.tensor([0, 0]),), y, accumulate=True), (S, (2, 4))),
    "dropout": (lambda x: x * SOME * (4 / 3), (S,)),
    "in place": (in_place, (S,)),
    "select_scatter": (lambda x, y: torch.slice_scatter(torch.select_scatter(x, y, 0, 1), y[None], 0, 2), (S, (4,))),
    "silu": (lambda z: F.silu(z), (S,)),
    "mish": (lambda z: F.mish(z), (S,)),
    "elu": (lambda z: F.elu(z, 1.5), (S,)),
    "selu": (lambda z: F.selu(z), (S,)),
    "softplus": (lambda z: F.softplus(z), (S,)),
    "hardswish": (lambda z: F.hardswish(z), (S,)),
    "hardtanh": (lambda z: F.hardtanh(z), (S,)),
    "leaky_relu": (lambda z: F.leaky_relu(z, 0.25), (S,)),
    "logsigmoid": (lambda z: F.logsigmoid(z), (S,)),
    "softsign": (lambda z: F.softsign(z), (S,)),
    "relu": (lambda z: F.relu(z), (S,)),
    "glu": (lambda z: F.glu(z), (S,)),
    "prelu": (lambda z, w: F.prelu(z, w), (S, (1,))),
    "softshrink": (lambda z: F.softshrink(z), (S,)),
    "logcumsumexp": (lambda x: torch.logcumsumexp(x, 1), (S,)),
    "logaddexp": (lambda x, y: torch.logaddexp(x, y), (S, S)),
    "xlogy": (lambda x, y: torch.xlogy(x, y.abs()), (S, S)),
    "amax": (lambda x: x.amax(1) - x.amin((0, 1)), (S,)),
    "max": (lambda x: x.max() * x.max(1)[0] - x.min(1)[0] * x.min(), (S,)),
    "argmax": (lambda x: x[torch.arange(3), x.argmax(1)] * x[x.argmin(0), torch.arange(4)].sum(), (S,)),
    "clamp": (lambda x: x.clamp(-0.5, 0.5) + x.clamp_min(0.25), (S,)),
    "maximum": (lambda x, y: torch.maximum(x, y) + torch.fmin(x, y) * torch.fmax(x, y) + torch.minimum(x, y), (S, S)),
    "mean": (lambda x: x.mean() * x.mean(1) * x.sum() + x.sum(1), (S,)),
    "prod": (lambda x: x.prod(1) * x.prod(), (S,)),
    "bmm": (torch.bmm, ((2, 3, 4), (2, 4, 5))),
    "addmm": (lambda c, x, y: torch.addmm(c, x, y, beta=0.5, alpha=2), ((3, 5), (3, 4), (4, 5))),
    "bilinear": (lambda x, y, w, b: F.bilinear(x, y, w, b), ((2, 3), (2, 4), (5, 3, 4), (5,))),
    "bilinear interpolation of one axis": (lambda x: F.interpolate(x, scale_factor=2), ((1, 2, 3),)),
    "addcdiv": (lambda x, y, z: torch.addcdiv(torch.addcmul(x, y, z), y, z.abs() + 1, value=0.5), (S, S, S)),
    "lerp": (lambda x, y, w: torch.lerp(x, y, w), (S, S, S)),
    "powers": (lambda x, y: x.abs() ** 1.5 + 2.0**x + x**2 + (x.abs() + 1) ** y, (S, S)),
    "multi_head_attention": (attention_module, ((3, 2, 4),)),
    "divided": (lambda x, y: torch.div(x, y) + torch.div(x, y, rounding_mode="floor") * x, (S, S)),
    "exponentials": (lambda x: x.exp() + x.exp2() + x.expm1() + x.cosh() * x.sinh() + x.tanh() + x.sigmoid(), (S,)),
    "logarithms": (lambda x: (x * x).log() + (x * x).log2() * (x * x).log10() + (x * x).log1p(), (S,)),
    "roots": (lambda x: (x * x).sqrt() + (x * x).rsqrt() - 1 / x - x.reciprocal() - x.neg() + x.abs(), (S,)),
    "waves": (lambda x: x.sin() * x.cos() + x.tan() + x.atan() + x.asinh() + x.tanh().asin() * x.tanh().acos(), (S,)),
    "inverse functions": (lambda x: (x.tanh() / 2).atanh() * x, (S,)),
    "errors": (lambda x: torch.erf(x) * torch.erfc(x), (S,)),
    "of two": (lambda x, y: torch.hypot(x, y) + torch.atan2(x, y) + torch.copysign(x, y), (S, S)),
    "steps": (lambda x: x * (x.floor() + x.ceil() * x.round() + x.trunc() + x.sign() * 3), (S,)),
    "remainders": (lambda x: x * torch.remainder(3.3 * x, 1.1) + torch.fmod(5.3 * x, 1.7), (S,)),
    "masks": (lambda x, y: x * ((x < y) | (x <= -y)) + y * ((x >= y) & (x != 0)) * ~(x == y) * ~torch.isnan(x), (S, S)),
    "logical_not": (lambda x: x * torch.logical_not(x), (S,)),
    "constants like it": (lambda x: x * torch.full_like(x, 2.5) + torch.zeros_like(x).copy_(x[0]), (S,)),
    "cast": (lambda x: x.to(torch.float32).double() * x.to(torch.int64) * x.detach().contiguous(), (S,)),
}  # fmt: skip
"""Forward functions with the shapes of their inputs, drawn away from kinks and ties."""


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


# What people get wrong, each as the pullback of a forward function that is wrong, or by hand.


def without(k: int, forward: Forward) -> Forward:
    """The gradient by an input left out: zero."""
    right = by_autograd(forward)

    def pullback(*arguments: Any) -> Any:
        found = list(right(*arguments))
        found[k] = torch.zeros_like(found[k])
        return tuple(found)

    return pullback


def layer_norm_without_variance(x: Any, w: Any, b: Any, g: Any) -> Any:
    centred = x - x.mean(1, keepdim=True)
    rstd = 1 / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    h = g * w
    return rstd * (h - h.mean(1, keepdim=True)), (g * centred * rstd).sum(0), g.sum(0)


def rms_norm_without_its_term(x: Any, w: Any, g: Any) -> Any:
    r = 1 / (x.pow(2).mean(1, keepdim=True) + torch.finfo(x.dtype).eps).sqrt()
    return g * w * r, (g * x * r).sum(0)


def embedding_set_not_added(w: Any, g: Any) -> Any:
    found = torch.zeros_like(w)
    found[torch.tensor([[0, 2], [2, 4]])] = g
    return found


def lstm_with_sigma_for_its_derivative(x: Any, h: Any, c: Any, w: Any, u: Any, b: Any, g: Any) -> Any:
    """The forget gate passes c's cotangent on, times sigma; by its own sum it passes sigma, not sigma'."""
    n = c.shape[1]
    z = x @ w.T + h @ u.T + b
    i, f, o = (torch.sigmoid(z[:, k * n : (k + 1) * n]) for k in (0, 1, 3))
    k = torch.tanh(z[:, 2 * n : 3 * n])
    t = torch.tanh(f * c + i * k)
    of_h, of_c = g[:, :n], g[:, n:]
    of_c = of_c + of_h * o * (1 - t * t)
    parts = [of_c * k * i * (1 - i), of_c * c * f, of_c * i * (1 - k * k), of_h * t * o * (1 - o)]
    of_z = torch.cat(parts, 1)
    return of_z @ w, of_z @ u, of_c * f, of_z.T @ x, of_z.T @ h, of_z.sum(0)


def cross_entropy_without_smoothing(z: Any, g: Any) -> Any:
    return g * (torch.softmax(z, 1) - F.one_hot(LABELS, 4)) / 3


def stride_forgotten(x: Any, w: Any, b: Any, g: Any) -> Any:
    """The cotangents side by side, where they stand apart by the stride."""
    right = by_autograd(FORWARDS["conv2d"][0])(x, w, b, g)
    close = F.conv_transpose2d(g, w, padding=1)
    spare = [n - m for n, m in zip(x.shape[2:], close.shape[2:], strict=True)]
    return F.pad(close, (0, spare[1], 0, spare[0])), right[1], right[2]


def max_pool_to_all(x: Any, g: Any) -> Any:
    """To every number of a window, not the largest alone."""
    with torch.enable_grad():
        return by_autograd(lambda x: F.avg_pool2d(x, 3, 2, 1) * 9)(x, g)


def strict(q: Any, k: Any, v: Any) -> Any:
    """A mask that is off by one."""
    n = q.shape[-2]
    scores = q @ k.mT / q.shape[-1] ** 0.5
    return scores.masked_fill(~torch.ones(n, n, dtype=torch.bool).tril(1), -torch.inf).softmax(-1) @ v


def padded_width(q: Any, k: Any, v: Any) -> Any:
    """The scale of a width padded to four."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=0.5)


def group_norm_of_eval(x: Any, w: Any, b: Any) -> Any:
    """The statistics taken for constants."""
    groups = x.detach().reshape(2, 2, -1)
    mean, var = groups.mean(2, keepdim=True), groups.var(2, correction=0, keepdim=True)
    normal = ((x.reshape(2, 2, -1) - mean) / (var + 1e-5).sqrt()).reshape(x.shape)
    return normal * w[:, None] + b[:, None]


MISTAKES: dict[str, dict[str, tuple[Forward, set[int]]]] = {
    "layer_norm": {
        "variance term missing": (layer_norm_without_variance, {1}),
        "weight gradient missing": (without(1, FORWARDS["layer_norm"][0]), {2}),
    },
    "rms_norm": {
        "term missing": (rms_norm_without_its_term, {1}),
        "weight gradient missing": (without(1, FORWARDS["rms_norm"][0]), {2}),
    },
    "causal attention": {
        "mask off by one": (by_autograd(strict), {1, 2, 3}),
        "scale of the padded width": (by_autograd(padded_width), {1, 2, 3}),
        "not causal": (by_autograd(F.scaled_dot_product_attention), {1, 2, 3}),
    },
    "conv2d": {
        "weight gradient missing": (without(1, FORWARDS["conv2d"][0]), {2}),
        "stride forgotten": (stride_forgotten, {1}),
        "bias as a mean": (by_autograd(lambda x, w, b: F.conv2d(x, w, b / 2, stride=2, padding=1)), {3}),
        "weights not turned": (by_autograd(lambda x, w, b: F.conv2d(x, w.flip(2, 3), b, stride=2, padding=1)), {1, 2}),
    },
    "max_pool2d": {"to all": (max_pool_to_all, {1})},
    "cross_entropy": {"no smoothing": (cross_entropy_without_smoothing, {1})},
    "gelu": {"by tanh": (by_autograd(lambda z: F.gelu(z, approximate="tanh")), {1})},
    "batch_norm": {"of running": (by_autograd(FORWARDS["batch_norm of running"][0]), {1, 2})},
    "embedding": {"set, not added": (embedding_set_not_added, {1})},
    "lstm_cell": {"sigma for sigma'": (lstm_with_sigma_for_its_derivative, {1, 2, 4, 5, 6})},
    "swiglu": {"silu as sigmoid": (by_autograd(lambda x, w, v: torch.sigmoid(x @ w) * (x @ v)), {1, 2, 3})},
    "group_norm": {"statistics constant": (by_autograd(group_norm_of_eval), {1})},
    "logsumexp": {"sum over the wrong axis": (lambda x, g: g[:, None] * torch.softmax(x, 0), {1})},
    "focal": {"weight constant": (
        by_autograd(lambda z: (lambda q: (-((1 - q.detach()) ** 2) * q.log()).mean())(
            torch.softmax(z, 1).gather(1, LABELS[:, None])[:, 0])), {1})},
    "einsum": {"doubled": (by_autograd(lambda x, y: torch.einsum("bij,bkj->bik", x, 2 * y - y.detach())), {2})},
    "cumsum": {"not turned": (lambda x, g: torch.cumsum(g, 1), {1})},
    "rope": {"turned forward": (lambda x, g: rope(g), {1})},
    "topk": {"to the first": (by_autograd(lambda x: x[:, :2]), {1})},
    "softmax": {"diagonal alone": (lambda x, g: g * F.softmax(x, -1) * (1 - F.softmax(x, -1)), {1})},
    "dropout": {"mask not applied": (lambda x, g: 4 / 3 * g, {1}), "scale not applied": (lambda x, g: g * SOME, {1})},
    "scatter_add": {"one place": (lambda x, g: torch.cat([g, 0 * g[:1]]), {1})},
}  # fmt: skip


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


LACKING = {"avg_pool3d", "cdist", "multi_margin_loss"}
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
