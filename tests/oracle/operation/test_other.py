"""Operations of PyTorch, estimates, and questions that are refused."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import special
from torch.nn import functional as F

from conformance.arrays import Array
from conformance.bounds.formats import NAMED_FORMATS
from conformance.judge.verdict import CONFORMS, SUSPECT, UNDECIDED, WRONG
from conformance.numbers.balls import precise
from conformance.oracle.operation.operation import by_autograd, check_loss, check_pullback
from conformance.oracle.operation.pullback import pull_back
from conformance.oracle.operation.traced import Tape
from reference import ACTIVATIONS

from .operations import (
    DTYPES,
    accused,
    generic,
    linear,
    log_cosh,
    naive_sigmoid,
    of_linear,
    of_pooled,
    of_softmax,
    pooled,
    scaled,
    sigmoid,
    softmax,
    tensor,
)

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
    return z * (1 + special.erf(z / np.sqrt(2))) / 2


def of_gelu(z: Array, g: Array) -> Array:
    return (g * (special.erfc(-z / np.sqrt(2)) / 2 + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi))).astype(z.dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_an_estimate_suspects_at_most(dtype: str) -> None:
    z = generic(dtype)
    right = check_pullback(gelu_by_erf, of_gelu, z)
    assert right.verdict in (CONFORMS, UNDECIDED)
    assert not accused(right)
    assert "erf" in right.remarks[0]
    for wrong in (scaled(of_gelu, -1), scaled(of_gelu, 1.5), lambda z, g: of_gelu(z, g) * np.nan):
        report = check_pullback(gelu_by_erf, wrong, z)
        assert report.verdict == SUSPECT
        assert not [f for f in report.findings if f.verdict != SUSPECT]


def test_estimates_in_pytorch_at_kinks_and_of_parts() -> None:
    z = torch.from_numpy(generic("float32"))
    assert not accused(check_pullback(torch.sigmoid, None, z))
    assert "an estimate" in check_pullback(torch.sigmoid, None, z).remarks[0]
    assert check_pullback(torch.sigmoid, lambda z, g: g * torch.sigmoid(z), z).verdict == SUSPECT
    kinks = torch.tensor([[0.0, 1.0, -2.0], [0.0, 0.5, 0.0]])
    for at_zero in (0, 0.5, 1):
        report = check_pullback(F.relu, lambda z, g, s=at_zero: g * torch.where(z == 0, s, (z > 0).to(z.dtype)), kinks)
        assert not accused(report)
    large = check_pullback(torch.tanh, None, torch.from_numpy(generic("float32", (40, 40))))
    assert not accused(large)
    assert "256 of 1600 input elements were measured" in large.remarks


def test_a_forward_function_that_changes_its_mind_is_not_followed() -> None:
    def other(z: Array) -> Array:
        return z * 3 if z.dtype.hasobject else z * 2

    report = check_pullback(other, lambda z, g: 2 * g, generic("float64"))
    assert not accused(report)
    assert "other values" in report.remarks[0]


def test_kinks_of_own_operations_are_undecided() -> None:
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
    for x in (np.array([[-0.0, 2, -1, -1]]), np.array([[0.0, 0.0, 19, 3]])):
        for seed in range(8):  # whichever way the coins fall
            assert not accused(check_pullback(pooled, of_pooled, x, seed=seed))
    # A tie that the derivative does not depend on decides nothing away.
    tied = check_pullback(softmax, of_softmax, np.array([[1.0, 1, 0.5], [2, -1, 2]]))
    assert (tied.verdict, sum(t.undecided for t in tied.tallies.values())) == (CONFORMS, 0)


@precise
def test_what_leaves_the_trace_is_an_error() -> None:
    tape = Tape(NAMED_FORMATS["float64"])
    x = tape.leaf(0.5)
    with pytest.raises(TypeError, match="float"):
        float(x)
    with pytest.raises(AttributeError, match="no derivative is known of rint"):
        x.rint()
    y = (x**0.5 + 2**x - x / 3) * abs(-x) + np.sqrt(x)
    pulled = pull_back(tape, [y], [[1.0]])
    slope = (0.25**0.5 / 0.5**0.5 + np.log(2) * 2**0.5 - 1 / 3) * 0.5 + 2**0.5 + 0.5**0.5 - 0.5 / 3 + 0.5**0.5
    assert abs(float(pulled.truth[0][0].mid()) - slope) < 2.0**-50
    assert pulled.near[0][0].contains(pulled.truth[0][0])


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
        (TypeError, "forward: expected one array, got list", (lambda z: [z], naive_sigmoid, Z)),
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
