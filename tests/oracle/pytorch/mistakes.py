"""What people get wrong in PyTorch, each as the pullback of a forward function that is wrong, or by hand."""

from typing import Any

import torch
from torch.nn import functional as F

from conformance.oracle.operation.operation import by_autograd

from .forwards import BAGS, FORWARDS, LABELS, SOME, Forward, rope


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


def bags_set_not_added(w: Any, g: Any) -> Any:
    found = torch.zeros_like(w)
    found[BAGS] = g[torch.tensor([0, 0, 2, 2, 2, 2])]
    return found


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
    "max_pool2d, ceil_mode": {"last windows left out": (
        lambda x, g: by_autograd(lambda x: F.max_pool2d(x, 3, 2, 1))(x, g[:, :, :3])[0], {1})},
    "avg_pool2d, ceil_mode": {
        "all by nine": (by_autograd(lambda x: F.avg_pool2d(x, 3, 2, 1, ceil_mode=True, divisor_override=9)), {1}),
        "what is padded left out": (by_autograd(FORWARDS["avg_pool2d, what is padded left out"][0]), {1})},
    "nearest": {"floor by another size": (
        by_autograd(lambda x: F.interpolate(x, size=(5, 7), mode="nearest-exact")), {1})},
    "bilinear to a size": {
        "corners aligned": (
            by_autograd(lambda x: F.interpolate(x, size=(5, 3), mode="bilinear", align_corners=True)), {1}),
        "nearest": (by_autograd(lambda x: F.interpolate(x, size=(5, 3))), {1}),
        "doubled": (by_autograd(lambda x: 2 * F.interpolate(x, size=(5, 3), mode="bilinear")), {1})},
    "bilinear, corners aligned": {"not aligned": (
        by_autograd(lambda x: F.interpolate(x, size=(5, 7), mode="bilinear")), {1})},
    "trilinear": {"nearest": (by_autograd(lambda x: F.interpolate(x, scale_factor=(2, 1, 3))), {1})},
    "embedding_bag": {"set, not added": (bags_set_not_added, {1})},
    "embedding_bag, mean": {
        "added": (
            by_autograd(lambda w: F.embedding_bag(BAGS, w, torch.tensor([0, 2]), mode="sum", padding_idx=2)), {1}),
        "padding counted": (by_autograd(lambda w: F.embedding_bag(BAGS, w, torch.tensor([0, 2]))), {1})},
    "embedding_bag, largest": {"mean": (by_autograd(FORWARDS["embedding_bag, mean"][0]), {1})},
    "embedding_bag, weighted": {"weights left out": (
        lambda w, p, g: (by_autograd(FORWARDS["embedding_bag, weighted"][0])(w, torch.ones_like(p), g)[0],
                         by_autograd(FORWARDS["embedding_bag, weighted"][0])(w, p, g)[1]), {1})},
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
