"""What moderate inputs hide is asked as well: kinks, zeros, the ends of the range, and the inputs given, moved."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import special

from conformance.arrays import Array
from conformance.judge.verdict import CONFORMS, WRONG
from conformance.oracle.operation.operation import check_loss, check_pullback
from conformance.subjects.forms.activations import ACTIVATIONS as ACTIVATION_FORMS
from conformance.subjects.forms.form import Form
from conformance.subjects.forms.losses import LOSSES as LOSS_FORMS
from conformance.subjects.reference import counterpart
from conformance.text.edits import planted
from reference import ACTIVATIONS, LOSSES, Identity
from reference.losses import REQUIRED_HEAD

from ..operation.operations import accused, generic, scaled, tensor

pytestmark = pytest.mark.sampled(4)

SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


def moderate(dtype: str) -> Array:
    """Without a number at a kink, and far from the ends of the range."""
    return np.array([[0.75, -1.25, 2.5], [1.75, -0.375, -2.25]], dtype)


def selu(z: Array, g: Array) -> Array:
    return g * np.where(z > 0, SCALE, SCALE * ALPHA * np.exp(np.minimum(z, 0)))


def selu_of_all(z: Array, g: Array) -> Array:
    """Both branches are computed everywhere, and one of them is multiplied by 0: NaN from 89 on, in float32."""
    return g * ((z > 0) * SCALE + (z <= 0) * (SCALE * ALPHA * np.exp(z)))


def mish(z: Array, g: Array) -> Array:
    t, s = np.tanh(np.logaddexp(0, z)), special.expit(z)
    return g * (t + z * s * (1 - t * t))


def mish_by_quotient(z: Array, g: Array) -> Array:
    """With y / z for the tanh: NaN at 0."""
    y, s = z * np.tanh(np.logaddexp(0, z)), special.expit(z)
    return g * (y / z + z * s * (1 - (y / z) ** 2))


def of_log_softmax(z: Array, g: Array) -> Array:
    p = special.softmax(z, axis=1)
    return g - p * g.sum(axis=1, keepdims=True)


def of_log_softmax_by_quotient(z: Array, g: Array) -> Array:
    """The pullback of the softmax, handed g / p: NaN where p is 0."""
    p = special.softmax(z, axis=1)
    h = g / p
    return p * (h - (h * p).sum(axis=1, keepdims=True))


def clipped(pullback: Any) -> Any:
    return lambda z, g: pullback(z, np.clip(g, -3.5, 3.5))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_kinks_zeros_and_large_cotangents_count(dtype: str) -> None:
    z = moderate(dtype)
    for name, right, wrong in (
        ("mish", mish, mish_by_quotient),
        ("mish", mish, clipped(mish)),
        ("selu", selu, clipped(selu)),
        ("log_softmax", of_log_softmax, clipped(of_log_softmax)),
        ("tanh", lambda z, g: g * (1 - np.tanh(z) ** 2), lambda z, g: g * (z != 0) * (1 - np.tanh(z) ** 2)),
    ):
        report = check_pullback(name, right, z)
        assert (report.verdict, accused(report)) == (CONFORMS, [])
        found = check_pullback(name, wrong, z)
        assert (found.verdict, {f.kind for f in found.findings if f.kind != "extreme"}) == (WRONG, {"ordinary"})


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [("selu", selu, selu_of_all), ("log_softmax", of_log_softmax, of_log_softmax_by_quotient)],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_ends_of_the_range_are_robustness(name: str, right: Any, wrong: Any) -> None:
    z = moderate("float32")
    robust, fragile = check_pullback(name, right, z), check_pullback(name, wrong, z)
    assert robust.robustness is not None
    assert fragile.robustness is not None
    assert (robust.verdict, robust.findings, robust.robustness.verdict) == (CONFORMS, (), CONFORMS)
    assert (fragile.verdict, fragile.robustness.verdict, fragile.findings[0].kind) == (CONFORMS, WRONG, "extreme")
    assert "inputs at the ends of the range" in fragile.findings[0].explanation


def test_a_logit_of_zero_is_asked() -> None:
    """max(z, 0) - z y + log(1 + e^-|z|), pulled back with sign(z) as 0 at 0, loses half of its gradient there."""
    z, y = moderate("float32"), np.array([[1, 0, 1], [0, 0.25, 1]], "float32")
    right = check_loss("binary_cross_entropy_with_logits", lambda z, y: special.expit(z) - y, z, y)
    wrong = check_loss("binary_cross_entropy_with_logits", lambda z, y: (z != 0) * special.expit(z) - y, z, y)
    assert (right.verdict, right.findings) == (CONFORMS, ())
    assert (wrong.verdict, "logits of zero" in wrong.findings[0].explanation) == (WRONG, True)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_the_losses_of_the_reference_are_not_accused(name: str, dtype: str) -> None:
    loss: Any = LOSSES[name]()
    a, y = abs(generic(dtype, (3, 4), 1)), np.eye(4, dtype=dtype)[[1, 3, 0]]
    if name in ("cross_entropy", "binary_cross_entropy"):
        a = special.softmax(a, axis=1)
    if name in ("nll", "kl_divergence"):
        a = special.log_softmax(a, axis=1)
    with np.errstate(all="ignore"):
        report = check_loss(name, loss.gradient, a, y)
    assert (accused(report), report.verdict) == ([], CONFORMS)


def scale_shift(x: Array, w: Array, b: Array) -> Array:
    return np.tanh(x) * w + b


def of_scale_shift(x: Array, w: Array, b: Array, g: Array) -> Any:
    return g * w * (1 - np.tanh(x) ** 2), (g * np.tanh(x)).sum(axis=0), g.sum(axis=0)


def without_w(x: Array, w: Array, b: Array, g: Array) -> Any:
    _, *others = of_scale_shift(x, w, b, g)
    return g * (1 - np.tanh(x) ** 2), *others


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_factor_that_ones_hide_is_found_beyond_the_inputs_given(dtype: str) -> None:
    """It is said apart, and the verdict is that on the inputs given."""
    inputs = [generic(dtype, (4, 3)), np.ones(3, dtype), np.zeros(3, dtype)]
    right, wrong = (check_pullback(scale_shift, pullback, inputs) for pullback in (of_scale_shift, without_w))
    assert right.beyond is not None
    assert wrong.beyond is not None
    assert (right.verdict, right.findings, right.beyond) == (CONFORMS, (), (CONFORMS, 2, 0))
    assert (wrong.verdict, wrong.beyond) == (CONFORMS, (WRONG, 2, 1))
    assert [(f.kind, f.layer) for f in wrong.findings] == [("beyond", 1)]
    assert "Beyond the inputs given: WRONG, 1 of 2 questions answered wrongly." in str(wrong)
    assert "WRONG (beyond the inputs given)" in str(wrong)
    # What is wrong on the inputs given is said of them, and nothing more is asked.
    plainly = check_pullback(scale_shift, scaled(of_scale_shift, 2), inputs)
    assert (plainly.verdict, plainly.beyond) == (WRONG, None)


def test_an_order_that_is_taken_for_granted_is_found_beyond_the_inputs_given() -> None:
    """The largest of each row comes first in what is given."""
    z = np.array([[3.0, 1.5, -0.5, 0.25], [2.5, -1.0, 1.25, 2.0]], "float32")

    def largest(z: Array) -> Array:
        return z.max(axis=1) ** 3

    def right(z: Array, g: Array) -> Array:
        return (z == z.max(axis=1, keepdims=True)) * (3 * z.max(axis=1) ** 2 * g)[:, None]

    def first(z: Array, g: Array) -> Array:
        return np.eye(4, dtype=z.dtype)[0] * (3 * z[:, 0] ** 2 * g)[:, None]

    reports = [check_pullback(largest, pullback, z) for pullback in (right, first)]
    assert [(r.verdict, r.beyond and r.beyond.verdict) for r in reports] == [(CONFORMS, CONFORMS), (CONFORMS, WRONG)]


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_tensors_are_asked_beyond_as_well(dtype: str) -> None:
    inputs = [tensor(generic("float32", (4, 3)), dtype), torch.ones(3, dtype=getattr(torch, dtype))]

    def without_w(x: torch.Tensor, w: torch.Tensor, g: torch.Tensor) -> Any:
        return g, (g * x).sum(0)

    reports = [check_pullback(lambda x, w: x * w, pullback, inputs) for pullback in (None, without_w)]
    assert [(r.verdict, r.beyond and r.beyond.verdict) for r in reports] == [(CONFORMS, CONFORMS), (CONFORMS, WRONG)]


def said(form: Form) -> str:
    return f"{form.of.__name__}, {form.says}"


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("form", [f for f in (*ACTIVATION_FORMS, *LOSS_FORMS) if f.holds(f.of())], ids=said)
def test_the_forms_that_people_write_are_not_accused(form: Form, dtype: str) -> None:
    """Right formulas, some of which lose all digits at the ends of the range."""
    text = planted(*form.edits)
    equation: Any = form.of()
    a, y = generic(dtype, (3, 5), 1, 1.5), np.eye(5, dtype=dtype)[[1, 4, 0]]
    with np.errstate(all="ignore"):
        if isinstance(equation, tuple(ACTIVATIONS.values())):
            sigma: Any = counterpart(equation, ACTIVATIONS, text.ACTIVATIONS)
            report = check_pullback(equation, lambda z, g: sigma.pullback(z, sigma.apply(z), g), a)
        else:
            loss: Any = counterpart(equation, LOSSES, text.LOSSES)
            head = REQUIRED_HEAD.get(type(equation), Identity)()
            report = check_loss(equation, loss.gradient, np.asarray(head.apply(a)), y)
    assert (accused(report), report.verdict) == ([], CONFORMS)


def test_values_at_kinks_and_zeros_are_asked() -> None:
    """Of a forward function that claims to be an equation: softsign as z |z| / (|z| + z^2) is NaN at 0."""
    z = moderate("float32")

    def by_quotient(z: Array) -> Array:
        return z * abs(z) / (abs(z) + z * z)

    def pullback(z: Array, g: Array) -> Array:
        return g / (1 + abs(z)) ** 2

    for forward, verdict in ((lambda z: z / (1 + abs(z)), CONFORMS), (by_quotient, WRONG)):
        with np.errstate(all="ignore"):
            report = check_pullback(forward, pullback, z, equation="softsign")
        ordinary = [f.equation for f in report.findings if f.kind == "ordinary"]
        assert (report.verdict, ordinary) == (verdict, ["A15"] * (verdict == WRONG))

    def refusing(z: Array) -> Array:
        if not z.all():
            raise ValueError("no zeros, please")
        return z / (1 + abs(z))

    assert check_pullback(refusing, pullback, z, equation="softsign").verdict == CONFORMS
