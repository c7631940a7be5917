"""What others find of the same mistakes: each tool is handed what it is said to be handed."""

import numpy as np
import pytest
from rich.console import Console

from conformance.bench.comparison import (
    BY_DIFFERENCES,
    RIGHT,
    SCENES,
    TOOLS,
    Given,
    measure,
    mistaken,
    probed,
    problem_of,
    right,
)
from conformance.bench.report import comparison
from conformance.subjects.faults import FAULTS

SMALL, NEAR, SINGLE, WIDE = SCENES
FEW = tuple(fault for fault in FAULTS if fault.name in ("hidden-derivative-missing", "softmax-twice", "bias-averaged"))


@pytest.mark.parametrize("tool", TOOLS)
def test_each_finds_a_gradient_that_is_grossly_wrong_and_no_fault_with_a_right_one(tool: str) -> None:
    _, fine = next(iter(right(SMALL, RIGHT[:1])))
    doubled = fine._replace(gradients=tuple(2 * gradient for gradient in fine.gradients))
    assert not TOOLS[tool](fine)
    assert TOOLS[tool](doubled)


@pytest.mark.parametrize("tool", BY_DIFFERENCES)
def test_finite_differences_see_no_mistake_that_is_consistent_with_itself(tool: str) -> None:
    """softmax-twice is the gradient of another loss, which they difference."""
    found = {fault.name: TOOLS[tool](given) for fault, _, given in mistaken(SMALL, FEW)}
    assert found == {"hidden-derivative-missing": True, "softmax-twice": False, "bias-averaged": True}


def test_a_row_counts_what_each_found_and_leaves_finite_differences_out_of_large_networks() -> None:
    row = measure(WIDE, FEW, RIGHT[:2])
    assert row.found["check"] == row.mistakes
    assert row.accused["check"] == ()
    assert [row.found[tool] for tool in BY_DIFFERENCES] == [None, None]
    console = Console(record=True, width=120)
    console.print(comparison([row], probed(FEW[:1])))
    assert "finds 1 of 1 in float32, and names 1 of them" in console.export_text()


def test_near_targets_make_gradients_small_and_the_network_stays() -> None:
    _, kind, given = next(iter(mistaken(SMALL, FEW)))
    far, near = problem_of(SMALL, kind), problem_of(NEAR, kind)
    assert all((ours.W == theirs.W).all() for ours, theirs in zip(far.network, near.network, strict=True))
    assert np.abs(near.y - far.y).max() > 0
    assert isinstance(given, Given)
    assert SINGLE.dtype == "float32"
