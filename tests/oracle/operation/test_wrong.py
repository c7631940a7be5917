"""`check_pullback` and wrong derivatives: each is found, and what is kept, changed or shared is told."""

from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special

from conformance.arrays import Array
from conformance.judge.verdict import CONFORMS, WRONG
from conformance.oracle.operation.operation import check_pullback

from .operations import (
    generic,
    layernorm,
    linear,
    naive_sigmoid,
    of_layernorm,
    of_softmax,
    scaled,
    sigmoid,
    softmax,
    tensor,
)

pytestmark = pytest.mark.sampled(5)


def test_a_mistake_that_ones_hide_is_found() -> None:
    x = generic("float32", (3, 6))
    hidden = scaled(of_layernorm, -100)
    assert (abs(hidden(x, np.ones_like(x))) < 2.0**-10).all()  # passes with a cotangent of ones
    report = check_pullback(layernorm, hidden, x)
    assert (report.verdict, report.findings[0].verdict) == (WRONG, WRONG)
    assert "-100 times the truth" in report.findings[0].explanation


@pytest.mark.parametrize("seed", range(4))
def test_a_sign_that_few_cotangents_show_is_found(seed: int) -> None:
    """Sums of two numbers, of which all cotangents that are drawn may make positive ones."""

    def positive_part(x: Array, g: Array) -> Array:
        return np.maximum(np.cumsum(g[..., ::-1], -1)[..., ::-1], 0)

    x = np.random.default_rng(seed).standard_normal((2, 2))
    assert check_pullback(lambda x: np.cumsum(x, -1), positive_part, x).verdict == WRONG


def test_errors_that_are_all_of_one_size_are_no_format_s() -> None:
    def larger(z: Array, g: Array) -> Array:
        right = naive_sigmoid(z, g)
        return right * (1 + 1e-3 * np.sign(right))

    report = check_pullback("sigmoid", larger, generic("float64", (17, 8)))
    assert report.verdict == WRONG
    assert "format" not in report.findings[0].explanation


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
    (missing,) = check_pullback(lambda b: b * b, lambda b, g: None, inputs[2]).findings
    assert (missing.verdict, "no gradient came" in missing.explanation) == (WRONG, True)


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
