"""Failures that are known, of operations, losses, update rules and modules: by id, table, JSON and verdict agree."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conformance import Report, check_loss, check_pullback, check_rule, probe_torch
from conformance.arrays import Array
from conformance.judge.known import Known
from conformance.judge.report import mark
from conformance.problems.schemas import MODELS
from reference import Adam

pytestmark = pytest.mark.sampled(4)

URL = "https://example.org/issues/7"

X = np.array([[0.5, -1.25, 2.0], [0.25, 1.5, -0.75]])
Y = np.array([[1.0, 0.5, -0.25], [0.5, -2.0, 1.75]])


def times(x: Array, y: Array) -> Array:
    return x * y


def doubled(x: Array, y: Array, g: Array) -> tuple[Array, Array]:
    return 2 * g * y, g * x


def turned(a: Array, y: Array) -> Array:
    return y - a


def sums(parameters: list[Array], gradients: list[Array], state: Any) -> Any:
    after = [p - 0.01 * np.sign(g) for p, g in zip(parameters, gradients, strict=True)]
    return after, state


class Doubled(torch.autograd.Function):
    """tanh, its derivative twice."""

    @staticmethod
    def forward(ctx: Any, z: torch.Tensor) -> torch.Tensor:
        """The value."""
        a = torch.tanh(z)
        ctx.save_for_backward(a)
        return a

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        """The pullback."""
        (a,) = ctx.saved_tensors
        return 2 * g * (1 - a * a)


class Net(nn.Module):
    """Two layers, with that between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The output."""
        result: torch.Tensor = self.last(Doubled.apply(self.first(x)))  # type: ignore[no-untyped-call]
        return result


def of_module(**options: Any) -> Report:
    x, y = torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.ones(5, 2) / 3
    return probe_torch(Net(), nn.MSELoss(), x=x, y=y, **options)


DOORS: dict[str, tuple[Callable[..., Report], str]] = {
    "pullback": (lambda **o: check_pullback(times, doubled, (X, Y), **o), "vjp/factor-2/float64/times-by-input-1"),
    "pullback of one input": (
        lambda **o: check_pullback("tanh", lambda z, g: g, X.astype(np.float32), **o), "D3/*/float32/tanh"),
    "loss": (lambda **o: check_loss("huber", turned, X, Y, **o), "*/*/float64/huber"),
    "own loss": (
        lambda **o: check_loss(lambda a, y: ((a - y) ** 2).sum(axis=1) / 2, turned, X, Y, **o),
        "vjp/factor--1/float64/<lambda>"),
    "rule": (lambda **o: check_rule(sums, Adam(0.01), **o), "U11/*/float64/adam"),
    "module": (of_module, "B2/*/float32/tanh"),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_a_known_failure_is_excused_everywhere(door: str) -> None:
    ask, shape = DOORS[door]
    wrong = ask()
    assert (wrong.verdict, wrong.known) == ("WRONG", ())
    ids = list(dict.fromkeys(finding.id for finding in wrong.findings))
    assert [e if e == s else "*" for e, s in zip(ids[0].split("/"), shape.split("/"), strict=True)] == shape.split("/")
    known = [Known(each, URL) for each in ids]
    report = ask(known=iter(known))
    assert report.verdict != "WRONG"
    assert {report.status(each) for each in known} == {"failed"}
    found = report.as_json()
    MODELS["report"].model_validate(found)
    violated = [of for of in found["equations"] if of["verdict"] == "WRONG"]
    assert violated
    assert {of["known"] for of in violated} == {URL}
    cells = {(equation, layer) for (equation, layer), of in report.tallies.items() if of.verdict == "WRONG"}
    assert {mark(report, *cell).plain for cell in cells} == {"known"}
    assert f"known, {URL}" in str(report)
    assert not any(line.startswith("WRONG") for line in str(report).splitlines())


@pytest.mark.parametrize("door", DOORS)
def test_of_what_passes_and_what_was_not_asked_it_is_said(door: str) -> None:
    ask, _ = DOORS[door]
    first = ask().findings[0]
    scope = first.id.split("/", 2)[2]
    passing, of_another = Known(f"Z9/unknown/{scope}", URL), Known("Z9/unknown/float16/another", URL)
    report = ask(known=[passing, of_another])
    assert report.verdict == "WRONG"
    assert [report.status(each) for each in (passing, of_another)] == ["passed", "not asked"]


def test_another_input_is_not_excused() -> None:
    def both(x: Array, y: Array, g: Array) -> tuple[Array, Array]:
        return 2 * g * y, 2 * g * x

    report = check_pullback(times, both, (X, Y), known=[Known("vjp/factor-2/float64/times-by-input-1", URL)])
    assert report.verdict == "WRONG"
    assert report.findings[1].id == "vjp/factor-2/float64/times-by-input-2"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("known", [["B3/x/float64/tanh"], [Known("B3", URL)], 3])
def test_what_is_no_known_failure_is_refused(door: str, known: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"known|iterable"):
        DOORS[door][0](known=known)
