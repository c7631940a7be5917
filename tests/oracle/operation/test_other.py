"""Operations of PyTorch, estimates, and questions that are refused."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import special
from torch.nn import functional as F

from conformance.arrays import Array
from conformance.judge.verdict import CONFORMS, SUSPECT, UNDECIDED, WRONG
from conformance.oracle.operation.operation import by_autograd, check_loss, check_pullback
from reference import ACTIVATIONS

from .operations import (
    DTYPES,
    accused,
    generic,
    linear,
    log_cosh,
    naive_sigmoid,
    of_linear,
    of_softmax,
    scaled,
    sigmoid,
    softmax,
    tensor,
)

pytestmark = pytest.mark.sampled(5)

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
    assert "gelu_by_erf, test_other.py:" in right.remarks[0]
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


def test_a_seed_that_is_none_is_refused() -> None:
    for seed in (None, -1, 0.5):
        with pytest.raises((TypeError, ValueError), match="seed: expected a whole number"):
            check_pullback("sigmoid", naive_sigmoid, Z, seed=seed)  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError), match="seed: expected a whole number"):
            check_loss("huber", lambda a, y: a - y, Z, Z, seed=seed)  # type: ignore[arg-type]


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
        (TypeError, "forward: expected a function, or the name or label", (None, None, Z)),
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
        (TypeError, "loss: expected a function, or the name or label", (None, log_cosh, Z, Z), None),
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
