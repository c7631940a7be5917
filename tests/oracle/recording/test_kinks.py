"""What hangs on comparisons that a rounding could turn: whichever branch a right program takes, it is not accused."""

from typing import Any

import numpy as np
import pytest
import torch

from conformance.arrays import Array
from conformance.judge.verdict import UNDECIDED, WRONG
from conformance.oracle.operation.operation import check_pullback
from conformance.oracle.recording import kinks

pytestmark = pytest.mark.sampled(2)


def by(*gradients: Any) -> Any:
    """A pullback that gives multiples of a cotangent of one number."""
    return lambda *arguments: tuple(np.asarray(k * arguments[-1]) for k in gradients)


def nested(x: Array, a: Array, b: Array) -> Array:
    """The inner comparison matters on one side of the outer one alone."""
    return np.where(a > 0, np.where(b > 0, 3 * x, 2 * x), 0 * x)


@pytest.mark.parametrize("shape", [(), (1,)])
def test_a_comparison_within_a_branch_is_seen(shape: tuple[int, ...]) -> None:
    """By its runs x seems to hang on the outer comparison alone, as that is where they differ from the first."""
    inputs = [np.full(shape, n) for n in (1.5, 0.0, 0.0)]
    for factor in (0, 2, 3, 1.25, 2.75):
        report = check_pullback(nested, by(factor, 0, 0), inputs)
        assert (report.verdict, report.findings) == (UNDECIDED, ()), factor
    for factor in (3.25, -0.25):
        assert check_pullback(nested, by(factor, 0, 0), inputs).verdict == WRONG, factor


def test_a_branch_that_no_turn_shows_is_undecided() -> None:
    """Only with three comparisons at certain sides the fourth matters; random runs meet that, single turns may not."""

    def deep(skipped: int) -> Any:
        def forward(x: Array, a: Array, b: Array, c: Array, d: Array) -> Array:
            for _ in range(skipped):  # comparisons have their names by their order
                _ = a > 0
            inner = np.where(c > 0, np.where(d > 0, 5 * x, 3 * x), 4 * x)
            return np.where(a > 0, np.where(b > 0, 2 * x, inner), x)

        return forward

    inputs = [np.full(1, n) for n in (1.5, 0.0, 0.0, 0.0, 0.0)]
    for skipped in (0, 5):
        for factor in (1, 5):
            assert check_pullback(deep(skipped), by(factor, 0, 0, 0, 0), inputs).verdict == UNDECIDED


def test_branches_that_do_not_surely_differ_are_all_admitted() -> None:
    """In bfloat16 the derivative at the smallest numbers is all about zero, or zero: of two that are equal one goes."""
    x = torch.tensor([[-0.5, -1.3828, -0.375, 0.1118, -1.3828]], dtype=torch.bfloat16)

    def forward(x: torch.Tensor) -> torch.Tensor:
        top = torch.topk(x, 4, dim=1).values
        return top * torch.sigmoid(1.5 * top)

    for first in (1, 4):

        def kept(x: torch.Tensor, g: torch.Tensor, first: int = first) -> torch.Tensor:
            chosen = torch.tensor([3, 2, 0, first])
            top, found = x[:, chosen].float(), torch.zeros_like(x)
            s = torch.sigmoid(1.5 * top)
            found[:, chosen] = (g.float() * (s + 1.5 * top * s * (1 - s))).to(x.dtype)
            return found

        for seed in range(2):
            report = check_pullback(forward, kept, x, seed=seed)
            assert [f.explanation for f in report.findings if f.kind == "ordinary"] == []


@pytest.mark.parametrize("n", [3, 5, 6, 9, 30])
def test_equal_numbers_may_stand_in_any_order(n: int) -> None:
    equal = np.concatenate([np.full((1, n), 1.0), [[2.0]]], axis=1)
    rng = np.random.default_rng(n)
    for _ in range(2):
        order = np.append(rng.permutation(n), n)

        def ordered(x: Array, g: Array, order: Array = order) -> Array:
            return g[:, np.argsort(order)]

        report = check_pullback(lambda x: np.sort(x, axis=1), ordered, equal)
        assert [f.explanation for f in report.findings if f.kind == "ordinary"] == []
        with_last = check_pullback(lambda x: np.sort(x, axis=1), lambda x, g: g[:, ::-1], equal)
        assert with_last.verdict == WRONG, "the largest is the last"


@pytest.mark.parametrize("limit", ["MANY", "WORK"])
def test_where_comparisons_are_too_many_all_that_moves_is_undecided(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of five equal numbers is taken for the largest, in each of many rows."""
    x = np.ones((40, 5))
    monkeypatch.setattr(kinks, limit, {"MANY": 8, "WORK": 10 * 240}[limit])
    for k in (0, 2, 4):

        def taken(x: Array, g: Array, k: int = k) -> Array:
            found = np.zeros_like(x)
            found[:, k] = g
            return found

        report = check_pullback(lambda x: x.max(axis=1), taken, x, seed=k)
        assert [f.explanation for f in report.findings if f.kind == "ordinary"] == []
        assert report.verdict == UNDECIDED
