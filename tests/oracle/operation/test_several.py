"""Several inputs and outputs: tuples and dicts of them, what has no gradient, keywords held fixed."""

from typing import Any

import numpy as np
import pytest
import torch

from conformance.arrays import Array
from conformance.judge.verdict import CONFORMS, SUSPECT, WRONG
from conformance.oracle.operation.operation import by_autograd, check_pullback

from .operations import accused, generic, sigmoid

pytestmark = pytest.mark.sampled(5)


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
    assert (report.verdict, accused(report)) == (CONFORMS, [])
    assert ["with 11 bits" in remark for remark in report.remarks] == [True] * (dtype == "float16")

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


def cross_entropy(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return -(t * torch.log_softmax(z, dim=1)).sum(dim=1).mean()


class _CrossEntropy(torch.autograd.Function):
    """Right by z; t is taken for a constant."""

    @staticmethod
    def forward(ctx: Any, z: Any, t: Any) -> Any:
        ctx.save_for_backward(z, t)
        return cross_entropy(z, t)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        z, t = ctx.saved_tensors
        return g * (torch.softmax(z, dim=1) - t) / len(z), None


class _Summed(_CrossEntropy):
    """The mean over the batch is forgotten on the way back."""

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        z, t = ctx.saved_tensors
        return g * (torch.softmax(z, dim=1) - t), None


def test_none_says_that_an_input_has_no_gradient() -> None:
    """It is no wrong number, what is found of the others is said, and how to ask with a constant."""
    z, t = torch.from_numpy(generic("float64", (5, 4))), torch.eye(4, dtype=torch.float64)[[0, 1, 2, 3, 1]]
    report = check_pullback(cross_entropy, _CrossEntropy.apply, (z, t))
    assert [(f.verdict, f.faults) for f in report.findings] == [(SUSPECT, ("no gradient",))]
    assert "None came for input 2" in report.findings[0].explanation
    report = check_pullback(cross_entropy, _Summed.apply, (z, t))
    assert [(f.verdict, f.faults) for f in report.findings] == [(WRONG, ("factor 5",)), (SUSPECT, ("no gradient",))]
    constant = by_autograd(lambda z: _CrossEntropy.apply(z, t))  # type: ignore[no-untyped-call]
    assert check_pullback(lambda z: cross_entropy(z, t), constant, z).verdict == CONFORMS


def test_none_where_the_derivative_is_zero_is_right() -> None:
    x, s = generic("float64", (3, 4)), generic("float64", (3, 4), 1)
    report = check_pullback(lambda x, s: x * np.sign(s), lambda x, s, g: (g * np.sign(s), None), (x, s))
    assert (report.verdict, accused(report)) == (CONFORMS, [])
    assert "None came for input 2, whose derivative is zero" in report.remarks
    report = check_pullback(lambda s, x: x * np.sign(s), lambda s, x, g: (None, g), (s, x))
    assert (report.verdict, ["by input 2" in f.explanation for f in report.findings]) == (WRONG, [True])


def test_a_pullback_without_a_cotangent_is_refused_in_a_line() -> None:
    z = torch.from_numpy(generic("float64", (5, 4)))
    for forward in (torch.tanh, "tanh"):
        with pytest.raises(TypeError, match=r"pullback\(\*inputs, g\), with 2 arguments, and <lambda> takes 1; "):
            check_pullback(forward, lambda z: torch.tanh(z), z)
