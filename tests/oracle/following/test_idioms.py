"""Idioms of NumPy: each is followed, its derivative certified, and a small mistake in it found."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance.arrays import Array
from conformance.judge.verdict import CONFORMS, WRONG
from conformance.oracle.operation.operation import check_pullback

from .idioms import IDIOMS, REFUSED

pytestmark = pytest.mark.sampled(2)

Z = np.array([[0.5, -1.25, 0.75, 2.0], [-0.375, 1.5, 0.25, -2.5], [1.75, 0.3125, -0.625, 1.125]], np.float32)
"""Away from every kink of the idioms, and without ties."""

STEP = 2.0**-17
"""In float64 differences are off by some STEP^2 of a third derivative (6e-11) and 2^-53 / STEP: far below float32."""


def by_differences(forward: Callable[[Any], Any]) -> Callable[[Array, Array], Array]:
    """The pullback by central differences in float64, rounded once."""

    def pullback(z: Array, g: Array) -> Array:
        found = np.zeros(z.shape)
        for at in np.ndindex(z.shape):
            there = [z.astype(np.float64) for _ in range(2)]
            for x, step in zip(there, (STEP, -STEP), strict=True):
                x[at] += step
            high, low = (np.asarray(forward(x)) for x in there)
            found[at] = ((high - low) * g).sum() / (2 * STEP)
        return found.astype(z.dtype)

    return pullback


@pytest.mark.parametrize("name", IDIOMS)
def test_an_idiom_is_certified(name: str) -> None:
    forward = IDIOMS[name]
    right = by_differences(forward)
    report = check_pullback(forward, right, Z)
    assert [f.explanation for f in report.findings] == []
    assert (report.verdict, report.remarks) == (CONFORMS, ())

    def one_off(z: Array, g: Array) -> Array:
        wrong = right(z, g)
        at = np.unravel_index(abs(wrong).argmax(), wrong.shape)
        wrong[at] *= 1 + 2.0**-8
        return wrong

    assert check_pullback(forward, one_off, Z).verdict == WRONG


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_named_with_its_line(name: str) -> None:
    forward, said = REFUSED[name]
    report = check_pullback(forward, lambda z, g: 0 * z, Z)
    assert report.verdict != WRONG
    (remark,) = [remark for remark in report.remarks if remark.startswith("an estimate")]
    assert said in remark
    assert "idioms.py:" in remark
