"""One operation alone: right pullbacks are never accused, wrong ones are found, and an estimate never accuses."""

from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from flint import arb
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special
from torch.nn import functional as F

from conformance.arrays import Array
from conformance.bounds.admitted import Widened
from conformance.bounds.assumptions import KAPPA, KAPPA_HALF
from conformance.bounds.formats import NAMED_FORMATS
from conformance.bounds.rounded import Rounded
from conformance.judge.report import Report
from conformance.judge.verdict import CONFORMS, SUSPECT, UNDECIDED, WRONG
from conformance.numbers.balls import balls, precise
from conformance.numbers.derivatives import FUNCTIONS
from conformance.oracle.operation.operation import by_autograd, check_loss, check_pullback
from conformance.problems.layouts import broadcast, layouts, like, numbers, repeated
from conformance.subjects import twin
from reference import ACTIVATIONS, LOSSES
from reference.losses import TARGETS

KINKS = (0, -0.0, 0.5, -0.5, 1, -1, 3, -3, 6, 20)
DTYPES = ("float16", "bfloat16", "float32", "float64")


def generic(dtype: str, shape: tuple[int, ...] = (3, 5), seed: int = 0, scale: float = 2.0) -> Array:
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def operands(dtype: str) -> list[Array]:
    """Generic, saturated, and at the kinks; all of them are numbers of bfloat16 too where they need to be."""
    saturated = np.array([[-90.0, 30, 12, -25], [11, -8, 60, -60]])
    return [generic(dtype), saturated.astype(dtype), np.array(KINKS, dtype=dtype).reshape(2, 5)]


def tensor(z: Array, dtype: str) -> torch.Tensor:
    return torch.from_numpy(z).to(getattr(torch, dtype))


def accused(report: Report) -> list[str]:
    return [f"{f.verdict} {f.explanation}" for f in report.findings]


# Right ones.


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_reference_is_not_accused(name: str) -> None:
    sigma = ACTIVATIONS[name]()

    def pullback(z: Array, g: Array) -> Array:
        return sigma.pullback(z, sigma.apply(z), g)

    for dtype in ("float16", "float32", "float64"):
        for z in operands(dtype):
            with np.errstate(all="ignore"):
                report = check_pullback(sigma.apply, pullback, z, equation=name)
            assert not accused(report)
        assert check_pullback(name, pullback, generic(dtype)).verdict == CONFORMS


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_pytorch_is_not_accused(name: str) -> None:
    pytorchs = partial(twin.activated, ACTIVATIONS[name]())
    for dtype in DTYPES:
        for z in operands("float32"):
            report = check_pullback(pytorchs, None, tensor(z, dtype), equation=name)
            assert not accused(report)
        assert check_pullback(name, by_autograd(pytorchs), tensor(generic("float32"), dtype)).verdict == CONFORMS


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_bound_of_every_format_holds_the_certified_derivative(name: str) -> None:
    sigma, z, g = ACTIVATIONS[name](), generic("float16"), generic("float16", seed=1)
    truth = sigma.pullback(balls(z), sigma.apply(balls(z)), balls(g)).astype(float)
    for dtype in ("float16", "bfloat16"):
        format = NAMED_FORMATS[dtype]
        operand = Rounded(z, format.u * abs(z.astype(float)), format)
        delta = Widened(sigma).pullback(operand, Widened(sigma).apply(operand), Rounded(g, 0 * g.astype(float), format))
        assert (abs(truth - delta.mid) <= delta.rad).all()


def naive_sigmoid(z: Array, g: Array) -> Array:
    s = 1 / (1 + np.exp(-z))
    return g * s * (1 - s)


def tanh_by_sech(z: Array, g: Array) -> Array:
    return g / np.cosh(z) ** 2


def tanh_by_square(z: Array, g: Array) -> Array:
    t = np.tanh(z)
    return g * ((1 - t) * (1 + t))


def silu_apart(z: Array, g: Array) -> Array:
    s = 1 / (1 + np.exp(-z))
    return g * s + g * z * s * (1 - s)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    ("name", "forward", "pullback"),
    [
        ("sigmoid", lambda z: 1 / (1 + np.exp(-z)), naive_sigmoid),
        ("sigmoid", lambda z: (np.tanh(z / 2) + 1) / 2, naive_sigmoid),
        ("tanh", np.tanh, tanh_by_sech),
        ("tanh", np.tanh, tanh_by_square),
        ("tanh", lambda z: 2 / (1 + np.exp(-2 * z)) - 1, tanh_by_square),
        ("silu", lambda z: z / (1 + np.exp(-z)), silu_apart),
        ("relu", lambda z: np.maximum(z, 0), lambda z, g: g * (z > 0)),
        ("relu", lambda z: np.where(z > 0, z, 0), lambda z, g: g * (z >= 0)),
        ("softplus", lambda z: np.log1p(np.exp(z)), lambda z, g: g - g * np.exp(-np.log1p(np.exp(z)))),
    ],
)
def test_other_formulas_are_not_accused(dtype: str, name: str, forward: Any, pullback: Any) -> None:
    """By name, and by the forward function's own text; derivative 0 or 1 at the kink of relu."""
    own = check_pullback(forward, pullback, generic(dtype))
    assert (own.verdict, set(own.equations)) == (CONFORMS, {"vjp", "state"})
    assert check_pullback(forward, pullback, generic(dtype), equation=name).verdict == CONFORMS
    for z in (np.clip(operands(dtype)[1], -20, 10), operands(dtype)[2]):
        with np.errstate(all="ignore"):
            assert not accused(check_pullback(forward, pullback, z))
            assert not accused(check_pullback(name, pullback, z))


@pytest.mark.parametrize("dtype", DTYPES)
def test_formulas_near_a_switch_are_not_accused(dtype: str) -> None:
    """relu6(z + 3) / 6 rounds z + 3 to the switch, an ulp below it; in float16 exponentials end early."""
    switch = torch.tensor(3.0, dtype=getattr(torch, dtype))
    below = torch.nextafter(switch, -switch)
    z = torch.stack([below, -below, switch, -switch, switch / 4, -switch / 8])[None]
    ends = torch.linspace(-11, 11, 23, dtype=getattr(torch, dtype))[None]
    for name, f, given in (
        ("hardsigmoid", lambda z: F.relu6(z + 3) / 6, z),
        ("hardswish", lambda z: z * F.relu6(z + 3) / 6, z),
        ("softplus", lambda z: torch.log1p(torch.exp(z)), ends),
        ("logsigmoid", lambda z: torch.log(torch.sigmoid(z)), ends),
    ):
        right = by_autograd(f)
        for seed in range(4):
            report = check_pullback(name, right, given, seed=seed)
            assert (accused(report), report.verdict) == ([], CONFORMS)
            assert not accused(check_pullback(f, None, given, seed=seed))
        assert check_pullback(name, lambda z, g, right=right: 1.25 * right(z, g)[0], given).verdict == WRONG


def test_products_that_underflow_on_the_way_back_are_not_accused() -> None:
    """1/(1 + e^-z)^2 is subnormal in float16, and e^-z multiplies it afterwards."""

    def own_silu(z: Any) -> Any:
        return z / (1 + (np if isinstance(z, np.ndarray) else torch).exp(-z))

    for z in ([-10.5, -9.25, 0.75], [-8.0, -10.0, 2.0]):
        report = check_pullback(own_silu, None, torch.tensor([z], dtype=torch.float16))
        assert (accused(report), report.verdict) == ([], CONFORMS)


# Somebody's own operations, each with its pullback written by hand.


def linear(x: Array, W: Array, b: Array) -> Array:
    return x @ W.T + b


def of_linear(x: Array, W: Array, b: Array, g: Array) -> Any:
    return g @ W, g.T @ x, g.sum(axis=0)


def layernorm(x: Array) -> Array:
    mean = x.mean(axis=1, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(axis=1, keepdims=True) + 1e-5)


def layernorm_by_var(x: Array) -> Array:
    return (x - np.mean(x, axis=1, keepdims=True)) / np.sqrt(np.var(x, axis=1, keepdims=True) + 1e-5)


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


def pooled(x: Array) -> Array:
    return x.reshape(x.shape[0], -1, 2).max(axis=2) ** 3


def of_pooled(x: Array, g: Array) -> Array:
    pairs = x.reshape(x.shape[0], -1, 2)
    m = pairs.max(axis=2, keepdims=True)
    return ((pairs == m) * (3 * m**2 * g[:, :, None])).reshape(x.shape)


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
        assert all(t.undecided < t.elements / 2 for t in report.tallies.values())
        assert all(t.floor < 2**12 * NAMED_FORMATS[dtype].u for t in report.tallies.values())
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


def scaled(pullback: Any, factor: float) -> Any:
    def wrong(*arguments: Array) -> Any:
        result = pullback(*arguments)
        return tuple(factor * p for p in result) if isinstance(result, tuple) else factor * result

    return wrong


# Several inputs and outputs.


def lstm(x: Array, h: Array, c: Array, W: Array) -> tuple[Array, Array]:
    z = np.concatenate([x, h], axis=1) @ W
    i, f, o, k = np.split(z, 4, axis=1)
    i, f, o = sigmoid(i), sigmoid(f), sigmoid(o)
    after = f * c + i * np.tanh(k)
    return o * np.tanh(after), after


def of_lstm(x: Array, h: Array, c: Array, W: Array, g: tuple[Array, Array]) -> Any:
    inputs = np.concatenate([x, h], axis=1)
    i, f, o, k = np.split(inputs @ W, 4, axis=1)
    i, f, o, k = (*(1 / (1 + np.exp(-z)) for z in (i, f, o)), np.tanh(k))
    t = np.tanh(f * c + i * k)
    of_c = g[1] + g[0] * o * (1 - t * t)
    parts = [of_c * k * i * (1 - i), of_c * c * f * (1 - f), g[0] * t * o * (1 - o), of_c * i * (1 - k * k)]
    of_z = np.concatenate(parts, axis=1)
    of_inputs = of_z @ W.T
    return of_inputs[:, : x.shape[1]], of_inputs[:, x.shape[1] :], of_c * f, inputs.T @ of_z


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_several_outputs(dtype: str) -> None:
    """A tuple out, a cotangent of the same form in; and by autograd in PyTorch."""
    inputs = [generic(dtype, shape, seed, 1.0) for seed, shape in enumerate(((3, 2), (3, 5), (3, 5), (7, 20)))]
    report = check_pullback(lstm, of_lstm, inputs)
    assert (report.verdict, accused(report), report.remarks) == (CONFORMS, [], ())

    def without_the_cells(x: Array, h: Array, c: Array, W: Array, g: Any) -> Any:
        return of_lstm(x, h, c, W, (g[0], 0 * g[1]))

    wrong = check_pullback(lstm, without_the_cells, inputs)
    assert (wrong.verdict, {f.layer for f in wrong.findings}) == (WRONG, {1, 2, 3, 4})
    if dtype == "float16":
        return

    def tensors(x: Any, h: Any, c: Any, W: Any) -> Any:
        i, f, o, k = (torch.cat([x, h], dim=1) @ W).chunk(4, dim=1)
        after = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(k)
        return {"h": torch.sigmoid(o) * torch.tanh(after), "c": after}

    given = [torch.from_numpy(x) for x in inputs]
    report = check_pullback(tensors, None, given)
    assert (report.verdict, accused(report), report.remarks) == (CONFORMS, [], ())
    swapped = lambda *args: by_autograd(tensors)(*args[:-1], {"h": args[-1]["c"], "c": args[-1]["h"]})
    assert check_pullback(tensors, swapped, given).verdict == WRONG


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_inputs_without_a_gradient_and_by_name(kind: Any) -> None:
    """Indices and masks among the inputs, None or nothing for them; names in and out; keywords held fixed."""
    rows, mask = kind(np.array([0, 2, 0, 1])), kind(np.array([True, False, True, True]))
    table, scale = kind(generic("float32", (3, 5))), kind(generic("float32", (5,), 1))

    def looked_up(table: Any, rows: Any, scale: Any, mask: Any, *, power: int) -> Any:
        return table[rows] * scale**power * mask[:, None]

    def pulled(table: Any, rows: Any, scale: Any, mask: Any, g: Any, *, power: int) -> Any:
        g = g * mask[:, None]
        onto = 0 * table
        for k, row in enumerate(rows):
            onto[row] += g[k] * scale**power
        return onto, (g * table[rows] * power * scale ** (power - 1)).sum(0)

    inputs, keywords = [table, rows, scale, mask], {"power": 3}
    with_none = lambda *args, **kw: (lambda a, b: (a, None, b, None))(*pulled(*args, **kw))
    for right in (pulled, with_none):
        report = check_pullback(looked_up, right, inputs, keywords=keywords)
        assert (report.verdict, accused(report), report.remarks) == (CONFORMS, [], ())

    def set_not_added(table: Any, rows: Any, scale: Any, mask: Any, g: Any, *, power: int) -> Any:
        onto = 0 * table
        onto[rows] = g * mask[:, None] * scale**power
        return onto, None, pulled(table, rows, scale, mask, g, power=power)[1], None

    wrong = check_pullback(looked_up, set_not_added, inputs, keywords=keywords)
    assert [(f.verdict, f.layer) for f in wrong.findings] == [(WRONG, 1)]
    by_name = {"table": table, "rows": rows, "scale": scale, "mask": mask}
    twice = lambda g, **named: {"table": pulled(g=g, **named)[0], "scale": 2 * pulled(g=g, **named)[1]}
    named = check_pullback(looked_up, twice, by_name, keywords=keywords)
    assert [f.faults for f in named.findings] == [("factor 2",)]
    assert "by input 'scale'" in named.findings[0].explanation
    if kind is torch.as_tensor:
        assert check_pullback(looked_up, None, inputs, keywords=keywords).verdict == CONFORMS


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
        assert (wrong.verdict, wrong.findings[0].faults) == (WRONG, ("factor 3",))


def log_cosh(a: Array, y: Array) -> Array:
    return np.log(np.cosh(a - y)).sum(axis=1)


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
    assert check_pullback("softmax", unshifted_softmax, ordinary).robustness is None
    with np.errstate(all="ignore"):
        report = check_pullback("softmax", unshifted_softmax, extreme)
        wrong = check_pullback("softmax", scaled(of_softmax, 2), extreme)
    assert report.robustness is not None
    assert (report.verdict, report.robustness.verdict) == (CONFORMS, WRONG)
    assert [(f.verdict, f.kind, f.faults) for f in report.findings] == [(WRONG, "extreme", ("not a number",))]
    assert f"Only for inputs beyond {end:g}" in report.findings[0].explanation
    assert [(wrong.verdict, f.kind) for f in wrong.findings] == [(WRONG, "ordinary")]
    robust = check_pullback("softmax", of_softmax, extreme)
    assert (robust.findings, robust.robustness and robust.robustness.wrong) == ((), 0)
    # An equation without an exponential has no such end.
    clipped = check_pullback("hardtanh", lambda z, g: np.where(abs(z) < 2 * end, g * (abs(z) < 1), g), extreme)
    assert (clipped.verdict, clipped.robustness) == (WRONG, None)


# What is assumed of functions, and known of them.


@pytest.mark.parametrize("name", FUNCTIONS)
@precise
def test_derivatives_of_functions(name: str) -> None:
    """Against a central difference, which is off by h^2 / 6 of a third derivative: below h here."""
    f, h = FUNCTIONS[name], arb(2) ** -80
    for x in (arb("0.3125"), arb("-0.625")) if not name.startswith(("log", "sqrt")) else (arb("0.3125"), arb("0.75")):
        difference = (f.value(x + h) - f.value(x - h)) / (2 * h)
        assert abs(difference - f.slope(x, f.value(x))) < h


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_functions(dtype: str) -> None:
    """For every finite number: what KAPPA_HALF assumes."""
    format, patterns = NAMED_FORMATS[dtype], np.arange(2**16, dtype=np.uint16)
    every = patterns.view(np.float16) if dtype == "float16" else (patterns.astype(np.uint32) << 16).view(np.float32)
    x = every[np.isfinite(every)]
    for name in FUNCTIONS:
        with np.errstate(all="ignore"):
            of_scipy = name in ("erf", "erfc", "expit")
            true = getattr(special if of_scipy else np, name)(x.astype(np.float64))
            answers = [numbers(getattr(torch.special if of_scipy else torch, name)(tensor(x, dtype)))]
            if dtype == "float16" and not of_scipy:
                answers.append(getattr(np, name)(x))
            # Beyond half of the largest number (e^x - e^-x) / 2 overflows.
            normal = (abs(true) >= format.tiny) & (abs(true) <= format.largest / 2)
            for got in answers:
                # PyTorch's erf errs absolutely: by half of 4.2e-7 at 1.8e-7, in bfloat16.
                size = abs(true[normal]) + (name == "erf")
                off = abs(got.astype(np.float64) - true)[normal] / (format.u * size)
                assert off.max() <= KAPPA_HALF / 2


@pytest.mark.parametrize(("dtype", "by"), [("float16", 1.0625), ("bfloat16", 1.375)])
def test_half_precision_finds_more_by_that(dtype: str, by: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def own(z: Any) -> Any:
        return 1 / (1 + (np if isinstance(z, np.ndarray) else torch).exp(-z))

    def too_much(z: torch.Tensor, g: torch.Tensor) -> Any:
        return by * by_autograd(torch.sigmoid)(z, g)[0]

    z = tensor(generic("float32"), dtype)
    assert check_pullback(own, too_much, z).verdict == WRONG
    monkeypatch.setitem(NAMED_FORMATS, dtype, NAMED_FORMATS[dtype]._replace(kappa=KAPPA))
    assert check_pullback(own, too_much, z).verdict == CONFORMS


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts_hold_the_same_numbers(dtype: str) -> None:
    x = generic("float32", (3, 4, 5))
    kinds: list[Any] = [tensor(x, dtype)] if dtype == "bfloat16" else [tensor(x, dtype), x.astype(dtype)]
    for kind in kinds:
        plain = numbers(kind)
        laid_out = {name: layout(plain, kind) for name, layout in layouts(kind)}
        assert len(laid_out) == (2 if isinstance(kind, torch.Tensor) else 3)
        for array in laid_out.values():
            assert (array.dtype, np.array_equal(numbers(array), plain)) == (kind.dtype, True)
            assert numbers(like(plain, kind)).tobytes() == plain.tobytes()
        spread = broadcast(repeated(plain), kind)
        assert np.array_equal(numbers(spread), repeated(plain))
        strides = [a.stride() if isinstance(a, torch.Tensor) else a.strides for a in (*laid_out.values(), spread)]
        contiguous = kind.stride() if isinstance(kind, torch.Tensor) else kind.strides
        assert len({contiguous, *strides}) == len(strides) + 1


# Wrong ones.


def test_a_mistake_that_ones_hide_is_found() -> None:
    x = generic("float32", (3, 6))
    hidden = scaled(of_layernorm, -100)
    assert (abs(hidden(x, np.ones_like(x))) < 2.0**-10).all()  # passes with a cotangent of ones
    report = check_pullback(layernorm, hidden, x)
    assert (report.verdict, report.findings[0].verdict) == (WRONG, WRONG)
    assert "-100 times the truth" in report.findings[0].explanation


def sigmoid(z: Array) -> Array:
    return 1 / (1 + np.exp(-z))


def central_differences(z: Array, g: Array) -> Array:
    h = 1e-6
    return g * (sigmoid(z + h) - sigmoid(z - h)) / (2 * h)


def one_off(z: Array, g: Array) -> Array:
    result = naive_sigmoid(z, g)
    result[7, 41] *= 1.01
    return result


def in_bfloat16(z: Array, g: Array) -> Array:
    s = tensor(sigmoid(z), "bfloat16")
    return (tensor(g, "bfloat16") * s * (1 - s)).float().numpy().astype(z.dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "pullback", "fault"),
    [
        ("sigmoid", lambda z, g: g * sigmoid(sigmoid(z)) * (1 - sigmoid(sigmoid(z))), "the derivative taken at a"),
        ("sigmoid", lambda z, g: g * z * (1 - z), "the pullback given z for a"),
        ("sigmoid", lambda z, g: naive_sigmoid(z, 0 * g + 1), "the derivative without the cotangent"),
        ("sigmoid", lambda z, g: 0 * g, "zero"),
        ("sigmoid", lambda z, g: naive_sigmoid(z, g) * 1.25, "factor 1.25"),
        ("sigmoid", lambda z, g: naive_sigmoid(z, g * abs(g)), "not linear in the cotangent"),
        ("sigmoid", lambda z, g: np.where(z > 1, np.nan, naive_sigmoid(z, g)), "not a number"),
        ("tanh", lambda z, g: g * np.tanh(z), "g times the value"),
        ("tanh", lambda z, g: g - np.tanh(z) ** 2, "g - (1 - derivative)"),
        ("softmax", lambda z, g: g * softmax(z) * (1 - softmax(z)), "the diagonal of the Jacobian alone"),
        ("softmax", lambda z, g: of_softmax(z.T, g.T).T, ""),
        ("relu", lambda z, g: g, ""),
        ("gelu", lambda z, g: g * special.erfc(-z / np.sqrt(np.asarray(2, z.dtype))) / 2, ""),
    ],
)
def test_a_wrong_derivative_is_found_and_named(dtype: str, name: str, pullback: Any, fault: str) -> None:
    z = generic(dtype, (7, 5))
    report = check_pullback(name, pullback, z)
    finding = report.findings[0]
    assert (report.verdict, finding.equation[0], finding.layer) == (WRONG, "D", 1)
    assert " ".join(finding.faults).startswith(fault)
    if name in ("sigmoid", "softmax"):
        own = sigmoid if name == "sigmoid" else softmax
        assert check_pullback(own, pullback, z).verdict == WRONG


def test_small_mistakes_are_found() -> None:
    z = generic("float32", (100, 100))
    report = check_pullback("sigmoid", one_off, z)
    assert (report.verdict, report.findings[0].element) == (WRONG, (7, 41))
    assert "1 of 10000 elements" in report.findings[0].explanation
    assert check_pullback("sigmoid", central_differences, generic("float64")).verdict == WRONG
    assert check_pullback(sigmoid, central_differences, generic("float64")).verdict == WRONG
    narrow = check_pullback("sigmoid", in_bfloat16, generic("float32"))
    assert narrow.verdict == WRONG
    assert abs(narrow.effective_bits["float32"] - 8) < 1.5  # three roundings of bfloat16, and their spread
    assert "bfloat16" in narrow.findings[0].explanation
    single = check_pullback(
        "sigmoid", lambda z, g: naive_sigmoid(z.astype("f4"), g.astype("f4")).astype("f8"), generic("float64")
    )
    assert single.verdict == WRONG
    assert abs(single.effective_bits["float64"] - 24) < 1.5


def test_half_precision_finds_what_its_floor_says() -> None:
    """Three bits lost are within KAPPA roundings of float16, below the floor; a factor that is off by it is not."""
    report = check_pullback("sigmoid", in_bfloat16, generic("float16"))
    assert report.verdict == CONFORMS
    assert report.tallies["D2", 1].floor > 2.0**-8, "bfloat16's u"

    def of_tanh(z: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        return g - g * torch.tanh(z) ** 2

    for dtype in ("float16", "bfloat16"):
        z = tensor(generic("float32"), dtype)
        floor = check_pullback("tanh", of_tanh, z).tallies["D3", 1].floor
        assert 0 < floor < 1, dtype
        assert check_pullback("tanh", scaled(of_tanh, 1 + floor), z).verdict == WRONG, dtype


def test_a_sum_missing_over_a_broadcast_axis_is_found() -> None:
    inputs = [generic("float32", shape, seed) for seed, shape in enumerate(((4, 3), (5, 3), (5,)))]
    report = check_pullback(linear, lambda x, W, b, g: (g @ W, g.T @ x, g), inputs)
    assert [(f.verdict, f.layer) for f in report.findings] == [(WRONG, 3)]
    assert "the sum over axis 0 is missing" in report.findings[0].explanation
    square = [generic("float32", shape, seed) for seed, shape in enumerate(((4, 3), (3, 3), (3,)))]
    report = check_pullback(linear, lambda x, W, b, g: (g @ W.T, (g.T @ x).T, g.mean(axis=0)), square)
    assert [f.faults for f in report.findings] == [(), ("transposed",), ("factor 1/4",)]
    missing = check_pullback(linear, lambda x, W, b, g: (g @ W, g.T @ x, None), inputs)
    assert "no gradient came" in missing.findings[0].explanation


# What is kept, changed or shared.


def test_changed_arguments_are_found() -> None:
    def changes_g(z: Array, g: Array) -> Array:
        g *= sigmoid(z) * (1 - sigmoid(z))
        return g.copy()

    def changes_z(z: Array, g: Array) -> Array:
        result = naive_sigmoid(z, g)
        z[...] = 0
        return result

    for pullback, what in ((changes_g, "the cotangent"), (changes_z, "input 1")):
        for forward in ("sigmoid", sigmoid):
            report = check_pullback(forward, pullback, generic("float32"))
            assert (report.verdict, [f.equation for f in report.findings]) == (WRONG, ["state"])
            assert what in report.findings[0].explanation


def test_state_is_found() -> None:
    kept = np.zeros((3, 5))

    def accumulates(z: Array, g: Array) -> Array:
        kept[...] += naive_sigmoid(z, g)
        return kept.copy()

    report = check_pullback("sigmoid", accumulates, generic("float64"))
    assert [(f.verdict, f.equation, f.faults) for f in report.findings] == [(WRONG, "state", ("keeps state",))]
    assert "2 times the truth" in report.findings[0].explanation
    assert report.tallies["D2", 1].verdict == CONFORMS

    calls = count()
    jumps = check_pullback("sigmoid", lambda z, g: naive_sigmoid(z, g) * (1 + (next(calls) == 1)), generic("float64"))
    assert [f.equation for f in jumps.findings] == ["state"]


def test_shared_memory_is_a_remark() -> None:
    buffer = np.zeros((3, 5))

    def overwrites(z: Array, g: Array) -> Array:
        buffer[...] = naive_sigmoid(z, g)
        return buffer

    shared = check_pullback("identity", lambda z, g: g, generic("float64"))
    assert shared.verdict == CONFORMS
    assert shared.remarks == ("the gradient by input 1 shares memory with the cotangent",)
    reused = check_pullback("sigmoid", overwrites, generic("float64"))
    assert (reused.verdict, "overwritten by the next" in reused.remarks[0]) == (CONFORMS, True)


def test_equal_rows_may_be_refused() -> None:
    def distinct(x: Array) -> Array:
        if (x[0] == x[1]).all():
            raise ValueError("equal rows")
        return x / 3

    assert check_pullback(distinct, lambda x, g: g / 3, generic("float64")).verdict == CONFORMS


def test_layouts_are_asked() -> None:
    def reads_memory(z: Array, g: Array) -> Array:
        """As a kernel does that takes every input for contiguous."""
        owner = z if z.base is None or z.strides[-1] < 0 else z.base
        flat = owner.T.ravel()[: z.size].reshape(z.shape) if z.flags.f_contiguous and z.ndim == 2 else z
        return naive_sigmoid(flat, g)

    report = check_pullback("sigmoid", reads_memory, generic("float64"))
    assert report.verdict == WRONG
    assert "with inputs transposed in memory" in report.findings[0].explanation

    def flat(z: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
        s = torch.sigmoid(z.view(-1))
        return (g.reshape(-1) * s * (1 - s)).view(z.shape)

    refused = check_pullback("sigmoid", flat, torch.from_numpy(generic("float32")))
    assert (refused.verdict, refused.unsupported) == (CONFORMS, 2)
    assert "refuses inputs transposed in memory: RuntimeError" in refused.remarks[0]


# PyTorch.


class Gelu(torch.autograd.Function):
    """z Phi(z), its derivative by hand."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor) -> torch.Tensor:
        """The value."""
        ctx.save_for_backward(z)
        return F.gelu(z)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        """The pullback."""
        (z,) = ctx.saved_tensors
        return g * (special_ndtr(z) + z * torch.exp(-z * z / 2) / (2 * torch.pi) ** 0.5)


class GeluWithoutDensity(Gelu):
    """The term z phi(z) is left out."""

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        """The pullback."""
        (z,) = ctx.saved_tensors
        return g * special_ndtr(z)


def special_ndtr(z: torch.Tensor) -> torch.Tensor:
    return torch.erfc(-z / 2**0.5) / 2


@pytest.mark.parametrize("dtype", DTYPES)
def test_autograd_functions(dtype: str) -> None:
    z = tensor(generic("float32"), dtype)
    for right in (Gelu, Gelu.apply):
        assert check_pullback("gelu", right, z).verdict == CONFORMS
    assert check_pullback(Gelu, None, z, equation="A11").verdict == CONFORMS
    wrong = check_pullback("gelu", GeluWithoutDensity.apply, z)
    assert (wrong.verdict, wrong.findings[0].equation, wrong.subject.name) == (WRONG, "D11", "GeluWithoutDensity")


def test_a_forward_function_in_numpy_judges_tensors() -> None:
    inputs = [torch.from_numpy(generic("float32", shape, seed)) for seed, shape in enumerate(((4, 3), (5, 3), (5,)))]
    assert check_pullback(linear, by_autograd(F.linear), inputs).verdict == CONFORMS
    half = [x.to(torch.bfloat16) for x in inputs]
    assert not accused(check_pullback(linear, by_autograd(F.linear), half))


# Estimates.


def gelu_by_erf(z: Array) -> Array:
    """By way of the bytes, where nothing can follow."""
    z = np.frombuffer(z.tobytes(), z.dtype).reshape(z.shape)
    return z * (1 + special.erf(z / np.sqrt(2))) / 2


def of_gelu(z: Array, g: Array) -> Array:
    return (g * (special.erfc(-z / np.sqrt(2)) / 2 + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi))).astype(z.dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_estimate_suspects_at_most(dtype: str) -> None:
    z = generic(dtype)
    right = check_pullback(gelu_by_erf, of_gelu, z)
    assert right.verdict in (CONFORMS, UNDECIDED)
    assert not accused(right)
    assert "gelu_by_erf, test_operation.py:" in right.remarks[0]
    assert "tobytes" in right.remarks[0]
    for wrong in (scaled(of_gelu, -1), scaled(of_gelu, 1.5), lambda z, g: of_gelu(z, g) * np.nan):
        report = check_pullback(gelu_by_erf, wrong, z)
        assert report.verdict == SUSPECT
        assert all(f.verdict == SUSPECT for f in report.findings)


def unrecorded(f: Any) -> Any:
    """As f, in a way that PyTorch cannot record."""
    return lambda z: f(z) if float(z.detach().sum()) < np.inf else z


def test_estimates_in_pytorch_at_kinks_and_of_parts() -> None:
    z = torch.from_numpy(generic("float32"))
    sigmoid = unrecorded(torch.sigmoid)
    assert not accused(check_pullback(sigmoid, None, z))
    assert "an estimate" in check_pullback(sigmoid, None, z).remarks[0]
    assert check_pullback(sigmoid, lambda z, g: g * torch.sigmoid(z), z).verdict == SUSPECT
    kinks = torch.tensor([[0.0, 1.0, -2.0], [0.0, 0.5, 0.0]])
    for at_zero in (0, 0.5, 1):
        for relu in (F.relu, unrecorded(F.relu)):
            report = check_pullback(
                relu, lambda z, g, s=at_zero: g * torch.where(z == 0, s, (z > 0).to(z.dtype)), kinks
            )
            assert not accused(report)
    large = check_pullback(unrecorded(torch.tanh), None, torch.from_numpy(generic("float32", (40, 40))))
    assert not accused(large)
    assert "256 of 1600 input elements were measured" in large.remarks


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_estimate_is_right_in_tails_and_beside_kinks(dtype: str) -> None:
    """Of tails a complex step knows; a kink anywhere within the steps leaves no estimate, and so no suspicion."""
    shares = np.array([0.0, 0.1, 0.26, 0.3, 0.4, 4 / 9, 0.49, 0.55, 0.7, 0.9, 0.99, 1.5])
    at_one = tensor(((1 + shares / 128) * np.tile([1, -1], 6)).reshape(3, 4), dtype)
    tails = torch.tensor([[15.0, -15, 0.5], [30, -30, 2]], dtype=getattr(torch, dtype))
    weights = torch.from_numpy(generic(dtype, (5, 4), 7))
    functions: list[Any] = [
        (torch.tanh, tails), (torch.sigmoid, tails), (F.hardtanh, at_one),
        (lambda z: F.huber_loss(z, 0 * z, reduction="none"), at_one),
        (lambda z: F.max_pool2d(z[None, None], 2), at_one), (lambda z: torch.topk(z, 2, dim=1).values, at_one),
        (lambda z: F.relu(z @ weights.T.to(z.dtype)) @ weights.to(z.dtype), tensor(generic(dtype, (3, 4), 5), dtype)),
    ]  # fmt: skip
    for f, z in functions:
        report = check_pullback(unrecorded(f), None, z)
        assert "an estimate" in report.remarks[0]
        assert accused(report) == []
        if z is at_one:  # where most derivatives are zero
            continue
        slightly = check_pullback(unrecorded(f), lambda z, g, f=f: 1.01 * by_autograd(f)(z, g)[0], z)
        assert slightly.verdict == SUSPECT


def test_what_cannot_be_run_in_float64_is_undecided() -> None:
    weights = torch.from_numpy(generic("float32", (5, 4), 7))
    z = torch.from_numpy(generic("float32", (3, 5)))
    report = check_pullback(unrecorded(lambda z: z @ weights), lambda z, g: 2 * (g @ weights.T), z)
    assert (report.verdict, accused(report)) == (UNDECIDED, [])
    assert "nor run in float64" in report.remarks[0]
    followed = check_pullback(lambda z: z @ weights, lambda z, g: 2 * (g @ weights.T), z)
    assert (followed.verdict, followed.remarks) == (WRONG, ())


def test_what_is_drawn_inside_is_not_judged() -> None:
    def dropped(z: Any) -> Any:
        return z * (torch.rand_like(z) > 0.5)

    z = generic("float32")
    for forward, pullback, given in (
        (dropped, None, torch.from_numpy(z)),
        (lambda z: z * (np.random.default_rng().random(z.shape) > 0.5), lambda z, g: 2 * g, z),
    ):
        report = check_pullback(forward, pullback, given)
        assert (report.verdict, accused(report)) == (UNDECIDED, [])
        assert "asked twice gives other values" in report.remarks[0]
        assert not [remark for remark in report.remarks if "NumPy" in remark]


def test_a_forward_function_that_changes_its_mind_is_not_followed() -> None:
    def other(z: Array) -> Array:
        return z * 2 if type(z) is np.ndarray else z * 3

    report = check_pullback(other, lambda z, g: 2 * g, generic("float64"))
    assert not accused(report)
    assert "other values" in report.remarks[0]


def test_kinks_of_own_operations() -> None:
    x = np.array([[1.0, 1, 1, 0, -2, 3], [0.5, 2, -1, 4, 4, 0.25]])

    def largest(x: Array) -> Array:
        return x.max(axis=1) ** 2

    def shared(x: Array, g: Array) -> Array:
        m = x == x.max(axis=1, keepdims=True)
        return m / m.sum(axis=1, keepdims=True) * (2 * g * x.max(axis=1))[:, None]

    report = check_pullback(largest, shared, x)
    assert not accused(report)
    assert "at a kink" in report.remarks[0]
    assert check_pullback(largest, scaled(shared, -1), x).verdict == WRONG
    # A tie that the derivative does not depend on decides nothing away.
    tied = check_pullback(softmax, of_softmax, np.array([[1.0, 1, 0.5], [2, -1, 2]]))
    assert (tied.verdict, sum(t.undecided for t in tied.tallies.values())) == (CONFORMS, 0)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_shares_at_a_tie_add_up_to_one(dtype: str) -> None:
    """By maxima of two and of three, alone and by the thousand; relu(z) - relu(-z) may have 0 at 0."""
    tied = np.array([[1.0, 1.5, -2, 0.5], [0.25, 1, -2, 3]], dtype)
    a, b = tied[0], np.array([1.0, 2.0, -2, 0.25], dtype)

    def sharing(at_ties: float, of_b: float) -> Any:
        return lambda a, b, g: (g * np.where(a == b, at_ties, a > b).astype(g.dtype),
                                g * np.where(a == b, of_b, b > a).astype(g.dtype))  # fmt: skip

    for shares, verdict in (((1, 0), True), ((0, 1), True), ((0.25, 0.75), True), ((1, 1), False), ((0, 0), False)):
        report = check_pullback(np.maximum, sharing(*shares), [a, b])
        assert (report.verdict != WRONG) is verdict, shares
        many = check_pullback(np.maximum, sharing(*shares), [np.ones((20, 25), dtype)] * 2)
        assert (many.verdict != WRONG) is verdict, shares

    x = np.array([[2.0, 2, 2, -1], [0.5, 0.5, 0.5, 0.25]], dtype)

    def of_max(weights: Any) -> Any:
        def pullback(x: Array, g: Array) -> Array:
            found = np.zeros_like(x)
            found[:, :3] = g[:, None] * np.array(weights, g.dtype)
            return found

        return pullback

    for weights, right in (((1, 0, 0), True), ((0.5, 0.25, 0.25), True), ((1, 1, 1), False), ((0.5, 0.25, 0.5), False)):
        report = check_pullback(lambda x: x.max(axis=1), of_max(weights), x)
        assert (report.verdict != WRONG) is right, weights
    z = np.array([[0.0, 1.0, -2.0], [0.0, 3.0, 0.5]], dtype)
    for at_zero, right in ((0, True), (1, True), (0.5, True), (2, True), (-0.5, False), (2.5, False)):
        report = check_pullback(
            lambda z: np.maximum(z, 0) - np.maximum(-z, 0),
            lambda z, g, s=at_zero: g * np.where(z == 0, s, 1).astype(g.dtype),
            z,
        )
        assert (report.verdict != WRONG) is right, at_zero


def test_too_many_kinks_that_hang_together_are_undecided() -> None:
    def folded(z: Array) -> Array:
        return np.maximum(np.maximum(z, 0).sum(axis=1, keepdims=True) - np.maximum(-z, 0).sum(), 0) * np.ones((1, 2))

    z = np.zeros((2, 6))
    report = check_pullback(folded, lambda z, g: 7 * np.ones_like(z), z)
    assert (report.verdict, report.tallies["vjp", 1].undecided) == (UNDECIDED, report.tallies["vjp", 1].elements)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_scalars(dtype: str) -> None:
    """A loss is an array of no axes, and so may an input be: in NumPy and in PyTorch."""
    w, scale = generic(dtype, (4,)), np.array(1.5, dtype)
    square = lambda w, s: (w * w).sum() * s
    of_square = lambda w, s, g: (2 * g * w * s, g * (w * w).sum())
    for inputs in ([w, scale], [torch.from_numpy(w), torch.from_numpy(scale)]):
        assert check_pullback(square, of_square, inputs).verdict == CONFORMS
        assert check_pullback(square, scaled(of_square, 2), inputs).verdict == WRONG


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_one_intermediate_that_overflows_is_undecided_alone(dtype: str) -> None:
    def steep(z: Array) -> Array:
        return 1 / (1 + np.exp(-25 * z))

    def of_steep(z: Array, g: Array) -> Array:
        s = 1 / (1 + np.exp(-np.asarray(25, z.dtype) * z))
        return g * 25 * s * (1 - s)

    z = np.array([[-5.0, 0.125, 0.03125], [0.0625, -0.125, 0.25]], dtype)
    with np.errstate(all="ignore"):
        report = check_pullback(steep, of_steep, z)
        assert (report.verdict, report.tallies["vjp", 1].undecided < report.tallies["vjp", 1].elements / 2) == (
            CONFORMS,
            True,
        )
        assert "1 input elements hang on what may overflow" in report.remarks[0]
        nan = check_pullback(steep, lambda z, g: np.where(z == -5, np.nan, of_steep(z, g)).astype(z.dtype), z)
        assert (nan.verdict, nan.findings[0].element) == (WRONG, (0, 0))
        assert "got nan" in nan.findings[0].explanation
        assert check_pullback(steep, scaled(of_steep, 1.25), z).verdict == WRONG


# Refused.


Z = generic("float32")


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "equation: expected one of identity, sigmoid", ("sigmoyd", naive_sigmoid, Z)),
        (TypeError, "equation: expected the name or an instance", (3, naive_sigmoid, Z)),
        (TypeError, "equation: expected the name or an instance", (ACTIVATIONS["relu"], naive_sigmoid, Z)),
        (TypeError, "input 1: expected a NumPy array or a PyTorch tensor, got int", ("sigmoid", naive_sigmoid, 3)),
        (TypeError, "input 2: expected a NumPy array", (linear, of_linear, [Z, 2.0])),
        (TypeError, "input 1: expected dtype float16.*got int64", ("sigmoid", naive_sigmoid, np.arange(3))),
        (TypeError, "input 2: expected a NumPy array of dtype float32", (linear, of_linear, [Z, Z.astype("f8")])),
        (TypeError, "input 2: expected a NumPy array", (linear, of_linear, [Z, torch.ones(2)])),
        (ValueError, "inputs: expected at least one array", ("sigmoid", naive_sigmoid, ())),
        (ValueError, "input 1: expected numbers, got an empty array", ("sigmoid", naive_sigmoid, Z[:0])),
        (ValueError, "input 1: expected finite numbers", ("sigmoid", naive_sigmoid, np.array([1, np.inf]))),
        (ValueError, "inputs: expected one, the z of Sigmoid, got 2", ("sigmoid", naive_sigmoid, (Z, Z))),
        (ValueError, r"inputs: expected shape \(samples, units\)", ("softmax", of_softmax, Z[0])),
        (TypeError, "forward: expected one array, got str", (lambda z: "z", naive_sigmoid, Z)),
        (TypeError, "forward: expected real numbers, got dtype bool", (lambda z: z > 0, naive_sigmoid, Z)),
        (TypeError, "pullback: expected a function", ("sigmoid", "naive", Z)),
        (TypeError, "pullback: expected a function, got None", ("sigmoid", None, Z)),
        (TypeError, "autograd: expected the inputs as PyTorch tensors", ("silu", by_autograd(F.silu), Z)),
        (TypeError, "pullback: expected 1 gradient, one for each input, got 2", (sigmoid, lambda z, g: (g, g), Z)),
    ],
)
def test_wrong_questions_are_refused(error: type[Exception], message: str, arguments: Any) -> None:
    with np.errstate(all="ignore"), pytest.raises(error, match=message):
        check_pullback(*arguments)


@pytest.mark.parametrize(
    ("error", "message", "arguments", "reduction"),
    [
        (ValueError, "equation: expected one of half_squared_error", ("hubert", log_cosh, Z, Z), None),
        (ValueError, "reduction: expected 'sum', 'mean' or None", ("huber", log_cosh, Z, Z), "max"),
        (ValueError, "outputs and targets: expected one shape", ("huber", log_cosh, Z, Z.T), None),
        (ValueError, "targets: expected numbers from 0 to inf for NLL", ("nll", log_cosh, Z, Z), None),
        (ValueError, r"loss: expected a result of shape \(\) for reduction 'sum'", (log_cosh, log_cosh, Z, Z), "sum"),
        (TypeError, "gradient: expected a function", ("huber", None, Z, Z), None),
    ],
)
def test_wrong_questions_about_a_loss_are_refused(
    error: type[Exception], message: str, arguments: Any, reduction: Any
) -> None:
    with pytest.raises(error, match=message):
        check_loss(*arguments, reduction=reduction)


def test_the_report_is_written() -> None:
    report = check_pullback("tanh", lambda z, g: g * np.tanh(z), generic("float32"), seed=3)
    written = report.as_json()
    assert (written["verdict"], written["seed"], written["subject"]["name"]) == (WRONG, 3, "<lambda>")
    assert [e["equation"] for e in written["equations"]] == ["D3"]
