"""Faults of operations and losses, each with what a report has to say of it.

The words of a `Fault` that say what was mistaken stand apart from those that say which elements are wrong; a fault that
nobody could name has none.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import special
from torch.nn import functional as F

from conformance.arrays import Array
from conformance.judge.report import Report
from conformance.oracle.operation.operation import by_autograd, check_loss, check_pullback
from reference import (
    ACTIVATIONS,
    CELU,
    ELU,
    LOSSES,
    CrossEntropyWithLogits,
    Hardshrink,
    Hardtanh,
    Huber,
    LeakyReLU,
    SmoothL1,
    Softplus,
    Softshrink,
)

from ..pytorch.forwards import FORWARDS, drawn, rope
from ..pytorch.mistakes import MISTAKES
from .operations import generic, linear, naive_sigmoid, of_linear, of_softmax, sigmoid, softmax


class Fault(NamedTuple):
    """What is asked, what is wrong, and how it is asked.

    ``wrong`` are the inputs, from 1, of which the gradient is wrong.  ``mistake`` are words of which a report has to
    say one, among three at most; none where no name is to be had.  ``elements`` are words that tell which elements are
    wrong.
    """

    of: str
    fault: str
    report: Callable[[], Report]
    mistake: tuple[str, ...] = ()
    elements: str = ""
    wrong: tuple[int, ...] = (1,)


Z = np.array([[0.75, -1.25, 2.5, 0.25], [1.75, -0.375, -2.25, -4.5], [3.5, 7.0, -0.625, -6.5]])
A, Y = generic("float64", (3, 4), 1), generic("float64", (3, 4), 2)
CLASSES = np.eye(4)[[1, 3, 0]]


def act(of: Any, pullback: Any, z: Any = Z) -> Callable[[], Report]:
    return lambda: check_pullback(of, pullback, z)


def loss(of: Any, gradient: Any, a: Any = A, y: Any = Y, **options: Any) -> Callable[[], Report]:
    return lambda: check_loss(of, gradient, a, y, **options)


def own(forward: Any, pullback: Any, *shapes: tuple[int, ...]) -> Callable[[], Report]:
    inputs = [generic("float64", shape, seed, 1.0) for seed, shape in enumerate(shapes)]
    return lambda: check_pullback(forward, pullback, inputs)


def pulled(name: str, **parameters: Any) -> Any:
    """The reference's own pullback of another activation."""
    kind: Any = ACTIVATIONS[name](**parameters)
    return lambda z, g: kind.pullback(z, kind.apply(z), g)


def at(pullback: Any, where: Any, other: Any) -> Any:
    """A pullback with other numbers where something holds of z."""
    return lambda z, g: np.where(where(z), other(z, g), pullback(z, g))


def T(dtype: str = "float32", shape: tuple[int, ...] = (3, 4), seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(generic(dtype, shape, seed))


def half(z: Array, g: Array) -> Array:
    return pulled("gelu")(z, g) / 2


ACTIVATION_FAULTS = [
    Fault("relu", "passes g everywhere", act("relu", lambda z, g: +g), ("(D1)", "the cotangent itself"), "z < 0"),
    Fault("relu", "leaky by 0.01", act("relu", lambda z, g: g * np.where(z > 0, 1, 0.01)), ("(D5)",), "z < 0"),
    Fault("leaky_relu", "slope 0.2 for 0.01", act("leaky_relu", pulled("leaky_relu", negative_slope=0.2)), ("negative_slope = 0.2",), "z < 0"),
    Fault("leaky_relu", "slope left out", act(LeakyReLU(0.1), pulled("relu")), ("(D4)", "negative_slope = 0"), "z < 0"),
    Fault("elu", "alpha 0.5 for 1", act("elu", pulled("elu", alpha=0.5)), ("alpha = 0.5",), "z < 0"),
    Fault("elu", "alpha left out", act(ELU(1.5), pulled("elu")), ("alpha = 1",), "z < 0"),
    Fault("elu", "the value where z < 0", act("elu", lambda z, g: g * np.where(z > 0, 1, np.expm1(np.minimum(z, 0)))), ("g times the value", "expm1"), "z < 0"),
    Fault("celu", "without the division by alpha", act(CELU(2.0), lambda z, g: g * np.where(z > 0, 1, np.exp(np.minimum(z, 0)))), ("alpha = 1", "(D6)"), "z < 0"),
    Fault("selu", "without the scale", act("selu", lambda z, g: pulled("selu")(z, g) / 1.0507009873554805), ("factor 0.951", "0.951746 times", "for `scale"), ""),
    Fault("selu", "clipped to 3 where |z| > 3", act("selu", at(pulled("selu"), lambda z: abs(z) > 3, lambda z, g: 0 * g)), ("there it is 0",), "|z| > 3"),
    Fault("gelu", "by tanh", act("gelu", pulled("gelu_tanh")), ("(D12)",), ""),
    Fault("gelu", "without the density", act("gelu", lambda z, g: g * special.ndtr(z)), ("with `normal_distribution(z)` for",), ""),
    Fault("gelu", "by 1.702", act("gelu", lambda z, g: g * ((s := special.expit(1.702 * z)) + 1.702 * z * s * (1 - s))), (), ""),
    Fault("silu", "sigmoid alone", act("silu", lambda z, g: g * special.expit(z)), ("softplus", "Softplus", "with `s` for", "sigmoid"), ""),
    Fault("sigmoid", "z for a", act("sigmoid", lambda z, g: g * z * (1 - z)), ("given z for a",), ""),
    Fault("sigmoid", "taken at a", act("sigmoid", lambda z, g: naive_sigmoid(sigmoid(z), g)), ("taken at a",), ""),
    Fault("sigmoid", "cotangent ignored", act("sigmoid", lambda z, g: naive_sigmoid(z, 0 * g + 1)), ("without the cotangent",), ""),
    Fault("sigmoid", "cotangent clipped to 1", act("sigmoid", lambda z, g: naive_sigmoid(z, np.clip(g, -1, 1))), ("cotangent clipped to 1",), "cotangent is beyond 1"),
    Fault("sigmoid", "cotangent added", act("sigmoid", lambda z, g: g + naive_sigmoid(z, 0 * g + 1)), ("cotangent plus the derivative",), ""),
    Fault("sigmoid", "cotangent's absolute value", act("sigmoid", lambda z, g: naive_sigmoid(z, abs(g))), ("absolute values",), "negative"),
    Fault("sigmoid", "cotangent summed over rows", act("sigmoid", lambda z, g: naive_sigmoid(z, g.sum(0) + 0 * z)), ("cotangent's sum over axis 0",), ""),
    Fault("sigmoid", "cotangent reversed", act("sigmoid", lambda z, g: naive_sigmoid(z, g[:, ::-1])), ("cotangent reversed along axis 1",), ""),
    Fault("sigmoid", "last column forgotten", act("sigmoid", at(naive_sigmoid, lambda z: np.arange(z.shape[1]) == z.shape[1] - 1, lambda z, g: 0 * g)), ("there it is 0",), "last column"),
    Fault("sigmoid", "units from 32 on forgotten", act("sigmoid", at(naive_sigmoid, lambda z: np.arange(z.shape[1]) >= 32, lambda z, g: 0 * g), generic("float64", (2, 40))), ("there it is 0",), "columns from index 32 on"),
    Fault("sigmoid", "NaN where z > 6", act("sigmoid", at(naive_sigmoid, lambda z: z > 6, lambda z, g: g * np.nan)), ("not a number",), "z > 6"),
    Fault("sigmoid", "infinite in one place", act("sigmoid", at(naive_sigmoid, lambda z: z == z.max(), lambda z, g: g * np.inf)), ("infinite",), ""),
    Fault("sigmoid", "in float16", act("sigmoid", lambda z, g: naive_sigmoid(z.astype("f2"), g.astype("f2")).astype("f8")), ("bits",), ""),
    Fault("sigmoid", "nonsense", act("sigmoid", lambda z, g: np.cos(7 * z + 3 * g * g)), (), ""),
    Fault("tanh", "1 - z^2", act("tanh", lambda z, g: g * (1 - z * z)), ("given z for a",), ""),
    Fault("tanh", "g a", act("tanh", lambda z, g: g * np.tanh(z)), ("g times the value",), ""),
    Fault("tanh", "1 - a", act("tanh", lambda z, g: g * (1 - np.tanh(z))), ("`a` for `a * a`",), ""),
    Fault("tanh", "squared cotangent", act("tanh", lambda z, g: g * g * (1 - np.tanh(z) ** 2)), ("squares",), ""),
    Fault("tanh", "divided by |z| + 1", act("tanh", lambda z, g: g / (1 + abs(z)) ** 2), ("(D15)",), ""),
    Fault("softplus", "beta left out", act(Softplus(2.0), pulled("softplus")), ("beta = 1",), ""),
    Fault("softplus", "tanh of it", act("softplus", lambda z, g: g * np.tanh(z)), (), ""),
    Fault("hardtanh", "open above", act("hardtanh", lambda z, g: g * (z > -1)), ("max_val = inf",), "z > 1"),
    Fault("hardtanh", "bounds 2 for 1", act(Hardtanh(-2, 2), pulled("hardtanh")), ("there it is 0",), ""),
    Fault("hardswish", "slope 1 beyond -3", act("hardswish", at(pulled("hardswish"), lambda z: z < -3, lambda z, g: g)), ("`1` for `0`",), "z < -3"),
    Fault("hardsigmoid", "1/5 for 1/6", act("hardsigmoid", lambda z, g: g * (abs(z) < 3) / 5), ("1.2 times",), ""),
    Fault("relu6", "no upper end", act("relu6", pulled("relu")), ("(D4)",), "z > 6"),
    Fault("softshrink", "lambda 1 for 1/2", act(Softshrink(0.5), pulled("softshrink", lambd=1.0)), ("lambd = 1",), ""),
    Fault("hardshrink", "softened at zero", act(Hardshrink(0.5), lambda z, g: +g), ("(D1)", "lambd = 0"), "|z| < 0.5"),
    Fault("softmax", "diagonal alone", act("softmax", lambda z, g: g * softmax(z) * (1 - softmax(z))), ("diagonal of the Jacobian",), ""),
    Fault("softmax", "sum over the batch", act("softmax", lambda z, g: (p := softmax(z)) * (g - (g * p).sum(0))), ("with `0` for `1`",), ""),
    Fault("softmax", "of the other axis", act("softmax", lambda z, g: of_softmax(z.T, g.T).T), ("over the other axis",), ""),
    Fault("softmax", "no sum", act("softmax", lambda z, g: softmax(z) * g), ("g times the value",), ""),
    Fault("log_softmax", "cotangent taken to sum to 1", act("log_softmax", lambda z, g: g - softmax(z)), ("with `softmax(z)` for",), ""),
    Fault("log_softmax", "p g for p sum g", act("log_softmax", lambda z, g: g - softmax(z) * g), ("for `g.sum(axis=1, keepdims=True)`", "diagonal"), ""),
    Fault("logsigmoid", "sigmoid(z) for sigmoid(-z)", act("logsigmoid", lambda z, g: g * special.expit(z)), ("(D7)", "-z"), ""),
    Fault("gelu", "half of it", act("gelu", half), ("factor 1/2",), ""),
    Fault("mish in PyTorch", "of silu", act("mish", by_autograd(F.silu), T()), ("(D13)",), ""),
    Fault("elu in PyTorch", "alpha 2", act("elu", by_autograd(lambda z: F.elu(z, 2.0)), T()), ("alpha = 2",), "z < 0"),
    Fault("gelu in PyTorch", "by tanh, bfloat16", act("gelu", by_autograd(lambda z: 3 * F.gelu(z, approximate="tanh")), T().bfloat16()), ("factor 3",), ""),
]  # fmt: skip


W = np.array([0.5, 2.0, 1.0, 3.0])


def weighted(a: Array, y: Array) -> Array:
    """As PyTorch: divided by the sum of the targets' weights."""
    return CrossEntropyWithLogits(tuple(W)).gradient(a, y) / (y @ W).sum()


def of(name: str, **parameters: Any) -> Any:
    return LOSSES[name](**parameters).gradient


LOSS_FAULTS = [
    Fault("half_squared_error", "y - a", loss("half_squared_error", lambda a, y: y - a), ("factor -1",), ""),
    Fault("half_squared_error", "without the half", loss("half_squared_error", lambda a, y: 2 * (a - y)), ("factor 2",), ""),
    Fault("mean_squared_error", "half of the squares", loss("mean_squared_error", lambda a, y: a - y), ("(G1)",), ""),
    Fault("mean_squared_error", "mean over the batch for the outputs", loss("mean_squared_error", lambda a, y: 2 * (a - y) / 3), ("`a.shape[0]`",), ""),
    Fault("mean_squared_error, mean", "the sum", loss("mean_squared_error", of("mean_squared_error"), reduction="mean"), ("sum over the samples",), ""),
    Fault("huber", "delta left out", loss(Huber(0.5), of("huber")), ("delta = 1",), ""),
    Fault("huber", "not clipped below", loss("huber", lambda a, y: np.minimum(a - y, 1)), ("(G1)",), "a - y < -1"),
    Fault("huber", "of smooth_l1", loss(Huber(0.5), of("smooth_l1", beta=0.5)), ("factor 2",), ""),
    Fault("smooth_l1", "beta left out of the division", loss(SmoothL1(0.25), of("huber", delta=0.25)), ("1/4",), ""),
    Fault("smooth_l1", "of l1", loss("smooth_l1", of("l1")), ("(G7)",), "|a - y| < 1"),
    Fault("l1", "of the squares", loss("l1", of("half_squared_error")), ("(G1)",), ""),
    Fault("cross_entropy", "of the logits", loss("cross_entropy", of("cross_entropy_with_logits"), special.softmax(A, 1), CLASSES), ("(G4)",), ""),
    Fault("cross_entropy", "an epsilon", loss("cross_entropy", lambda a, y: -y / (a + 1e-3), special.softmax(A, 1), CLASSES), (), "y"),
    Fault("cross_entropy with logits", "no weight", loss(CrossEntropyWithLogits(tuple(W)), of("cross_entropy_with_logits"), A, CLASSES), ("no weight",), ""),
    Fault("cross_entropy with logits", "no smoothing", loss(CrossEntropyWithLogits(label_smoothing=0.1), of("cross_entropy_with_logits"), A, CLASSES), ("label_smoothing = 0",), ""),
    Fault("cross_entropy with logits", "the target's column alone", loss("cross_entropy_with_logits", lambda a, y: y * (softmax(a) - 1), A, CLASSES), ("in the place of the target alone",), "y = 0"),
    Fault("cross_entropy with logits", "softmax over the batch", loss("cross_entropy_with_logits", lambda a, y: special.softmax(a, 0) - y, A, CLASSES), ("softmax over the other axis",), ""),
    Fault("cross_entropy with logits", "sigmoid for softmax", loss("cross_entropy_with_logits", lambda a, y: special.expit(a) - y, A, CLASSES), ("(G6)",), ""),
    Fault("cross_entropy with logits", "softmax twice", loss("cross_entropy_with_logits", lambda a, y: softmax(softmax(a)) - y, A, CLASSES), ("softmax of the outputs",), ""),
    Fault("cross_entropy with logits, mean", "divided by the weights", loss(CrossEntropyWithLogits(tuple(W)), weighted, A, CLASSES, reduction="mean"), ("divided by the weights of the targets",), ""),
    Fault("cross_entropy with logits, mean", "mean over all numbers", loss("cross_entropy_with_logits", lambda a, y: (softmax(a) - y) / 12, A, CLASSES, reduction="mean"), ("1/4", "mean over all 12 numbers"), ""),
    Fault("binary_cross_entropy with logits", "of the probabilities", loss("binary_cross_entropy_with_logits", of("binary_cross_entropy"), special.expit(A), abs(CLASSES - 0.25)), ("(G5)",), ""),
    Fault("binary_cross_entropy with logits", "times sigma'", loss("binary_cross_entropy_with_logits", lambda a, y: (s := special.expit(a)) * (1 - s) * (s - y), A, CLASSES), ("times the derivative of a sigmoid",), ""),
    Fault("binary_cross_entropy", "not divided", loss("binary_cross_entropy", lambda a, y: a - y, special.expit(A), CLASSES), ("(G1)",), ""),
    Fault("hinge", "no margin", loss("hinge", lambda a, y: np.where(y * a < 0, -y, 0), A, np.sign(Y)), ("`-(y * a)` for `1 - y * a`",), ""),
    Fault("hinge", "-1 for -y", loss("hinge", lambda a, y: np.where(1 - y * a > 0, -1.0, 0), A, np.sign(Y)), ("there it is -1 times",), "elements with y"),
    Fault("kl_divergence", "p for y", loss("kl_divergence", lambda a, y: -np.exp(a), special.log_softmax(A, 1), softmax(Y)), (), ""),
    Fault("poisson_nll", "rates for logarithms", loss("poisson_nll", lambda a, y: 1 - y / a, A, abs(Y)), (), ""),
    Fault("half_squared_error", "samples beyond the first zero", loss("half_squared_error", lambda a, y: np.where(np.arange(3)[:, None] > 0, 0, a - y)), ("there it is 0",), "all rows but the first"),
    Fault("half_squared_error in PyTorch", "clipped to the norm 1", loss("half_squared_error", lambda a, y: (d := a - y) / max(float(d.norm()), 1.0), torch.from_numpy(A), torch.from_numpy(Y)), ("clipped to the norm 1",), ""),
    Fault("half_squared_error in PyTorch", "clipped to 1/2", loss("half_squared_error", lambda a, y: (a - y).clamp(-0.5, 0.5), torch.from_numpy(A), torch.from_numpy(Y)), ("delta = 0.5", "clipped to 0.5", "beyond 0.5"), ""),
]  # fmt: skip


def off(pullback: Any, k: int, change: Any) -> Any:
    """A pullback of which the k-th gradient is changed."""

    def wrong(*arguments: Any) -> Any:
        found = pullback(*arguments)
        parts = list(found) if isinstance(found, tuple | list) else [found]
        parts[k] = change(parts[k], *arguments)
        return tuple(parts) if isinstance(found, tuple | list) else parts[0]

    return wrong


def shaped(name: str, pullback: Any) -> Callable[[], Report]:
    forward, shapes = FORWARDS[name]
    return lambda: check_pullback(forward, pullback, drawn(shapes))


def by_hand(name: str) -> Any:
    return by_autograd(FORWARDS[name][0])


def table(w: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    return w[index]


def set_not_added(w: Any, index: Any, g: Any) -> Any:
    found = torch.zeros_like(w)
    found[index] = g
    return found, None


def scan(x: Array) -> Array:
    """h_t = h_(t-1) / 2 + x_t, along the rows."""
    found = [x[0]]
    for row in x[1:]:
        found.append(found[-1] / 2 + row)
    return np.stack(found)


def of_scan(x: Array, g: Array) -> Array:
    found = [g[-1]]
    for row in g[-2::-1]:
        found.append(found[-1] / 2 + row)
    return np.stack(found[::-1])


def two_outputs(x: Array) -> tuple[Array, Array]:
    return np.tanh(x), x * x


def of_two_outputs(x: Array, g: Any) -> Array:
    return g[0] * (1 - np.tanh(x) ** 2) + 2 * x * g[1]


def gates(n: int, k: int) -> Any:
    """One gate's rows left out."""
    return lambda part, *arguments: np.where((np.arange(len(part)) // n == k)[:, None], 0, part)


def torched(change: Any) -> Any:
    """A change of a tensor's numbers, written for arrays."""
    return lambda part, *arguments: torch.from_numpy(np.ascontiguousarray(change(part.numpy())))


LINEAR = ((4, 3), (5, 3), (5,))
SQUARE = ((4, 3), (3, 3), (3,))

OWN_FAULTS = [
    Fault("linear", "dW transposed", own(linear, off(of_linear, 1, lambda W, *a: W.T), *SQUARE), ("transposed",), "", (2,)),
    Fault("linear", "db a mean", own(linear, off(of_linear, 2, lambda b, *a: b / 4), *LINEAR), ("factor 1/4",), "", (3,)),
    Fault("linear", "db not summed", own(linear, off(of_linear, 2, lambda b, x, W, c, g: g), *LINEAR), ("the sum over axis 0 is missing",), "", (3,)),
    Fault("linear", "db of ones", own(linear, off(of_linear, 2, lambda b, x, W, c, g: 4 + 0 * b), *LINEAR), ("without the cotangent",), "", (3,)),
    Fault("linear", "dx reversed", own(linear, off(of_linear, 0, lambda x, *a: x[::-1]), *LINEAR), ("reversed along axis 0",), "", (1,)),
    Fault("linear", "dx negated", own(linear, off(of_linear, 0, lambda x, *a: -x), *LINEAR), ("factor -1",), "", (1,)),
    Fault("linear", "dW clipped to 1", own(linear, off(of_linear, 1, lambda W, *a: W.clip(-1, 1)), *LINEAR), ("clipped to 1",), "truth is beyond 1", (2,)),
    Fault("linear", "dW clipped to the norm 1", own(linear, off(of_linear, 1, lambda W, *a: W / max(1, np.linalg.norm(W))), *LINEAR), ("clipped to the norm 1",), "", (2,)),
    Fault("linear", "dW of the last row alone", own(linear, off(of_linear, 1, lambda W, *a: np.where(np.arange(5)[:, None] == 4, W, 0)), *LINEAR), ("there it is 0",), "all rows but the last", (2,)),
    Fault("linear", "dx beyond the first sample zero", own(linear, off(of_linear, 0, lambda x, *a: np.where(np.arange(4)[:, None] > 0, 0, x)), *LINEAR), ("there it is 0",), "all rows but the first", (1,)),
    Fault("linear", "cotangent's absolute value", own(linear, lambda x, W, b, g: of_linear(x, W, b, abs(g)), *LINEAR), ("absolute values",), "", (1, 2, 3)),
    Fault("linear", "shifted by one", own(linear, off(of_linear, 0, lambda x, *a: np.roll(x, 1, 1)), *LINEAR), ("shifted by 1 along axis 1",), "", (1,)),
    Fault("product", "gradients exchanged", own(lambda x, y: x * y, lambda x, y, g: (g * x, g * y), (3, 4), (3, 4)), ("the gradient by input", "the cotangent times input"), "", (1, 2)),
    Fault("softmax by hand", "diagonal alone", own(softmax, lambda z, g: g * softmax(z) * (1 - softmax(z)), (3, 5)), ("diagonal of the Jacobian",), ""),
    Fault("softmax by hand", "no sum", own(softmax, lambda z, g: g * softmax(z), (3, 5)), ("the cotangent times the output",), ""),
    Fault("scan", "forwards", own(scan, lambda x, g: scan(g), (6, 2)), ("forward function of the cotangent",), ""),
    Fault("scan", "one step alone", own(scan, lambda x, g: g, (6, 2)), ("the cotangent itself",), "all rows but the last"),
    Fault("scan", "last step forgotten", own(scan, off(of_scan, 0, lambda x, *a: np.where(np.arange(6)[:, None] == 5, 0, x)), (6, 2)), ("it is 0",), "the last row"),
    Fault("two outputs", "the second ignored", own(two_outputs, lambda x, g: of_two_outputs(x, (g[0], 0 * g[1])), (3, 4)), ("without the cotangent of output 2",), ""),
    Fault("layer_norm", "statistics constant", shaped("layer_norm", by_autograd(lambda x, w, b: (x - x.mean(1, keepdim=True).detach()) / (x.var(1, correction=0, keepdim=True).detach() + 1e-5).sqrt() * w + b)), ("held constant",), ""),
    Fault("layer_norm", "variance constant", shaped("layer_norm", MISTAKES["layer_norm"]["variance term missing"][0]), ("held constant",), ""),
    Fault("layer_norm", "dw missing", shaped("layer_norm", MISTAKES["layer_norm"]["weight gradient missing"][0]), ("zero",), "", (2,)),
    Fault("layer_norm", "db divided by the samples", shaped("layer_norm", off(by_hand("layer_norm"), 2, lambda b, *a: b / 3)), ("factor 1/3",), "", (3,)),
    Fault("batch_norm", "statistics of the running ones", shaped("batch_norm", MISTAKES["batch_norm"]["of running"][0]), (), "", (1, 2)),
    Fault("group_norm", "statistics constant", shaped("group_norm", MISTAKES["group_norm"]["statistics constant"][0]), ("held constant",), ""),
    Fault("rms_norm", "its term missing", shaped("rms_norm", MISTAKES["rms_norm"]["term missing"][0]), ("held constant",), ""),
    Fault("attention", "not causal", shaped("causal attention", MISTAKES["causal attention"]["not causal"][0]), (), "", (1, 2, 3)),
    Fault("attention", "scale twice", shaped("causal attention", off(by_hand("causal attention"), 0, lambda q, *a: q / 3**0.5)), ("0.57735 times",), "", (1,)),
    Fault("attention", "dv of the last position missing", shaped("causal attention", off(by_hand("causal attention"), 2, torched(lambda v: np.where(np.arange(4)[:, None] == 3, 0, v)))), ("there it is 0",), "last index of axis 2", (3,)),
    Fault("conv2d", "weights turned", shaped("conv2d", off(by_hand("conv2d"), 1, torched(lambda w: w[..., ::-1, ::-1]))), ("reversed along the last two axes",), "", (2,)),
    Fault("conv2d", "dw reversed along the width", shaped("conv2d", off(by_hand("conv2d"), 1, torched(lambda w: w[..., ::-1]))), ("reversed along axis 3",), "", (2,)),
    Fault("conv2d", "db of one sample", shaped("conv2d", MISTAKES["conv2d"]["bias as a mean"][0]), ("factor 1/2",), "", (3,)),
    Fault("conv2d", "the border forgotten", shaped("conv2d", off(by_hand("conv2d"), 0, torched(lambda x: np.pad(x[..., 1:-1, 1:-1], ((0, 0), (0, 0), (1, 1), (1, 1)))))), ("there it is 0",), "the border", (1,)),
    Fault("max_pool2d", "to all of a window", shaped("max_pool2d", MISTAKES["max_pool2d"]["to all"][0]), (), ""),
    Fault("avg_pool2d", "summed, not averaged", shaped("avg_pool2d", lambda x, g: 6 * by_hand("avg_pool2d")(x, g)[0]), ("factor 6",), ""),
    Fault("embedding", "set, not added", lambda: check_pullback(table, set_not_added, [drawn(((5, 3),))[0], torch.tensor([0, 2, 2, 4])]), (), "index stands more than once"),
    Fault("lstm_cell", "forget gate's rows left out", shaped("lstm_cell", off(by_hand("lstm_cell"), 3, lambda w, *a: torch.from_numpy(gates(4, 1)(w.numpy())))), ("there it is 0",), "second quarter of the rows", (4,)),
    Fault("lstm_cell", "sigma for sigma' in the forget gate", shaped("lstm_cell", MISTAKES["lstm_cell"]["sigma for sigma'"][0]), (), "second quarter of the rows", (1, 2, 4, 5, 6)),
    Fault("gru_cell", "one gate negated", shaped("gru_cell", off(by_hand("gru_cell"), 2, torched(lambda w: np.where((np.arange(12) // 4 == 2)[:, None], -w, w)))), ("-1 times the truth",), "last third of the rows", (3,)),
    Fault("cumsum", "not turned", shaped("cumsum", lambda x, g: torch.cumsum(g, 1)), ("the cotangent added up along axis 1",), ""),
    Fault("cumsum", "the cotangent handed on", shaped("cumsum", lambda x, g: g.clone()), ("the cotangent itself",), "all columns but the last"),
    Fault("rope", "turned forward", shaped("rope", lambda x, g: rope(g)), ("forward function of the cotangent",), ""),
    Fault("logsumexp", "no cotangent", shaped("logsumexp", lambda x, g: torch.softmax(x, 1)), ("without the cotangent",), ""),
    Fault("logsumexp", "softmax over the batch", shaped("logsumexp", MISTAKES["logsumexp"]["sum over the wrong axis"][0]), (), ""),
    Fault("huber_loss", "beyond delta not clipped", shaped("huber_loss", lambda x, y, g: (g * (x - y) / 12, g * (y - x) / 12)), (), "|input 1 - input 2| > 1", (1, 2)),
    Fault("mse_loss", "without the 2", shaped("mse_loss", lambda x, y, g: (g * (x - y) / 12, g * (y - x) / 12)), ("factor 1/2",), "", (1, 2)),
    Fault("cross_entropy", "no smoothing", shaped("cross_entropy", MISTAKES["cross_entropy"]["no smoothing"][0]), (), ""),
    Fault("cross_entropy", "sum, not mean", shaped("cross_entropy", lambda z, g: 3 * by_hand("cross_entropy")(z, g)[0]), ("factor 3",), ""),
    Fault("dropout", "mask not applied", shaped("dropout", lambda x, g: 4 / 3 * g), (), "truth is 0"),
    Fault("dropout", "scale not applied", shaped("dropout", MISTAKES["dropout"]["scale not applied"][0]), ("factor 3/4", "0.75 times"), ""),
    Fault("sort", "cotangent not moved back", shaped("sort", lambda x, g: g.clone()), ("the cotangent itself",), ""),
    Fault("topk", "to the first", shaped("topk", MISTAKES["topk"]["to the first"][0]), (), ""),
    Fault("prelu", "dw not negated", shaped("prelu", off(by_hand("prelu"), 1, lambda w, *a: -w)), ("factor -1",), "", (2,)),
    Fault("einsum", "one factor twice", shaped("einsum", MISTAKES["einsum"]["doubled"][0]), ("factor 2",), "", (2,)),
    Fault("scatter_add", "one place", shaped("scatter_add", MISTAKES["scatter_add"]["one place"][0]), (), ""),
    Fault("glu", "halves exchanged", shaped("glu", lambda z, g: by_hand("glu")(z, g)[0].roll(2, 1)), ("halves of axis 1 exchanged",), ""),
    Fault("own sigmoid", "nonsense", own(sigmoid, lambda z, g: g * np.cos(9 * z + 1), (3, 4)), (), ""),
]  # fmt: skip
"""Somebody's own forward functions."""

FAULTS = (*ACTIVATION_FAULTS, *LOSS_FAULTS, *OWN_FAULTS)
