"""`check_pullback` and right pullbacks of drawn functions, in four formats: none is accused."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from conformance.judge.verdict import CONFORMS
from conformance.oracle.operation.operation import by_autograd, check_pullback

from ..operation.operations import DTYPES
from .compositions import Composition, by_jax, in_numpy, in_pytorch

pytestmark = pytest.mark.sampled(3)

MANY, SOME = 100, 2
"""How many functions are drawn of a kind, in `make thorough` and in the sample."""

KINDS: dict[str, tuple[Callable[[int], Composition], Callable[[Composition], tuple[Any, Any]]]] = {
    "PyTorch": (in_pytorch, lambda c: (c.function, by_autograd(c.function))),
    "NumPy": (in_numpy, lambda c: (partial(c.function, np), by_jax(c.function))),
}
"""What draws a function, and what makes of it a forward function and the right pullback."""

DECIDED = {"float16": 0.5, "bfloat16": 0.25, "float32": 0.75, "float64": 0.75}
"""How many are decided at least: measured, 0.8, 0.5, 0.95 and 0.95."""

WIDER = {"float16": torch.float32, "bfloat16": torch.float32, "float32": torch.float64}


def in_wider(pullback: Any) -> Any:
    """The same in a wider format, rounded once."""

    def wide(*arguments: Any) -> Any:
        kind = arguments[0].dtype
        to = WIDER[str(kind).removeprefix("torch.")]
        return tuple(part.to(kind) for part in pullback(*(x.to(to) for x in arguments)))

    return wide


def tensors(of: Composition, dtype: str) -> list[torch.Tensor]:
    return [torch.from_numpy(x).to(getattr(torch, dtype)) for x in of.inputs]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
def test_the_pullback_in_the_format_itself_is_not_accused(kind: str, dtype: str, whole: bool) -> None:
    draw, made = KINDS[kind]
    verdicts = []
    for number in range(MANY if whole else SOME):
        of = draw(number)
        forward, pullback = made(of)
        report = check_pullback(forward, pullback, tensors(of, dtype), seed=number)
        assert [f.explanation for f in report.findings] == [], f"{number}: {of.name}"
        assert not [remark for remark in report.remarks if "cannot be followed" in remark], f"{number}: {of.name}"
        verdicts.append(report.verdict)
    # Some derivatives are zero but for roundings, as that of the mean of a softmax; of bfloat16 many are not known.
    if whole:  # two tell nothing of shares
        assert verdicts.count(CONFORMS) >= DECIDED[dtype] * len(verdicts)


@pytest.mark.parametrize("dtype", WIDER)
@pytest.mark.parametrize("kind", KINDS)
def test_the_pullback_in_a_wider_format_is_not_accused(kind: str, dtype: str, whole: bool) -> None:
    """Which an accumulator that is declared admits, too."""
    draw, made = KINDS[kind]
    accumulator = "float32" if dtype != "float32" else None
    for number in range(MANY if whole else SOME):
        of = draw(number)
        forward, pullback = made(of)
        report = check_pullback(forward, in_wider(pullback), tensors(of, dtype), accumulator=accumulator, seed=number)
        assert [f.explanation for f in report.findings] == [], f"{number}: {of.name}"


def test_they_are_many() -> None:
    """All different, so that the first of these tests judges as many times the formats."""
    names = {(kind, draw(number).steps) for kind, (draw, _) in KINDS.items() for number in range(MANY)}
    assert len(names) * len(DTYPES) >= 500
