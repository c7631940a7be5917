"""Forward functions in PyTorch, with the shapes of their inputs."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

Forward = Callable[..., Any]
Shapes = tuple[tuple[int, ...], ...]


def drawn(shapes: Shapes, dtype: torch.dtype = torch.float64, seed: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype) for shape in shapes]


LABELS = torch.tensor([1, 0, 2])
BAGS = torch.tensor([0, 2, 4, 2, 2, 1])
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
    "max_pool2d, ceil_mode": (lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True), ((2, 3, 6, 7),)),
    "max_pool2d, dilated, ceil_mode": (lambda x: F.max_pool2d(x, 2, 2, 1, 2, ceil_mode=True), ((1, 2, 6, 5),)),
    "max_pool1d, ceil_mode": (lambda x: F.max_pool1d(x, 2, ceil_mode=True), ((2, 3, 5),)),
    "avg_pool2d, ceil_mode": (lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True), ((2, 3, 6, 7),)),
    "avg_pool2d, what is padded left out": (
        lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, count_include_pad=False), ((2, 1, 6, 7),)),
    "avg_pool1d, ceil_mode": (lambda x: F.avg_pool1d(x, 2, ceil_mode=True), ((2, 3, 5),)),
    "avg_pool3d, ceil_mode": (lambda x: F.avg_pool3d(x, 2, ceil_mode=True), ((1, 2, 3, 2, 5),)),
    "avg_pool2d by a divisor": (lambda x: F.avg_pool2d(x, 2, ceil_mode=True, divisor_override=3), ((1, 2, 3, 5),)),
    "nearest": (lambda x: F.interpolate(x, size=(5, 7)), ((1, 2, 3, 4),)),
    "nearest-exact": (lambda x: F.interpolate(x, size=(2, 7), mode="nearest-exact"), ((1, 2, 3, 4),)),
    "linear": (lambda x: F.interpolate(x, scale_factor=2.5, mode="linear"), ((1, 2, 3),)),
    "bilinear by a factor": (lambda x: F.interpolate(x, scale_factor=1.7, mode="bilinear"), ((1, 2, 3, 4),)),
    "bilinear by hardly more than 1": (lambda x: F.interpolate(x, scale_factor=1.3, mode="bilinear"), ((1, 1, 3, 4),)),
    "bilinear to a size": (lambda x: F.interpolate(x, size=(5, 3), mode="bilinear"), ((2, 1, 3, 4),)),
    "bilinear, corners aligned": (
        lambda x: F.interpolate(x, size=(5, 7), mode="bilinear", align_corners=True), ((1, 2, 3, 4),)),
    "trilinear": (lambda x: F.interpolate(x, scale_factor=(2, 1, 3), mode="trilinear"), ((1, 1, 2, 3, 2),)),
    "embedding_bag": (lambda w: F.embedding_bag(BAGS, w, torch.tensor([0, 2, 2]), mode="sum"), ((5, 3),)),
    "embedding_bag, mean": (lambda w: F.embedding_bag(BAGS, w, torch.tensor([0, 2]), padding_idx=2), ((5, 3),)),
    "embedding_bag, largest": (lambda w: F.embedding_bag(BAGS, w, torch.tensor([0, 2]), mode="max"), ((5, 3),)),
    "embedding_bag, weighted": (
        lambda w, p: F.embedding_bag(BAGS, w, torch.tensor([0, 2, 6]), mode="sum", per_sample_weights=p,
                                     include_last_offset=True), ((5, 3), (6,))),
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
