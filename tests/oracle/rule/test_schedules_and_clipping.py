"""The small doors: schedules and clipping, right and wrong."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from conformance import assert_conforms, check_clipping, check_schedule
from conformance.arrays import Array
from conformance.oracle.rule import clipping, schedule
from conformance.text.edits import Edit, alone
from reference import cosine_decay, step_decay, warm_up
from reference.backpropagation import Gradient

pytestmark = pytest.mark.sampled(6)

SCHEDULES: dict[str, tuple[str, dict[str, Any]]] = {
    "T1": ("step_decay", {"every": 5, "gamma": 0.7}),
    "T2": ("cosine_decay", {"epochs": 9, "least": 0.1}),
    "T3": ("warm_up", {"epochs": 4, "then": cosine_decay(11)}),
}


def by_pytorch(kind: Any, epochs: int, **options: Any) -> Callable[[int], float]:
    """The rates of a scheduler of PyTorch's, by the number of the epoch from 0."""
    leaf = torch.nn.Parameter(torch.ones(1))
    optimiser = torch.optim.SGD([leaf], lr=0.1)
    scheduler = kind(optimiser, **options)
    rates = []
    for _ in range(epochs):
        rates.append(float(optimiser.param_groups[0]["lr"]))
        optimiser.step()
        scheduler.step()
    return lambda epoch: rates[epoch]


def test_right_schedules() -> None:
    assert_conforms(check_schedule(lambda e: 0.5 ** ((e - 1) // 3), step_decay(3, 0.5)))
    assert_conforms(
        check_schedule(lambda e: 0.1 * (1 + math.cos(math.pi * min(e / 9, 1))) / 2, cosine_decay(9), eta=0.1, first=0)
    )
    half = lambda e: math.cos(math.pi / 2 * min((e - 1) / 9, 1)) ** 2
    assert_conforms(check_schedule(half, cosine_decay(9)))
    assert_conforms(check_schedule(lambda e: min(e, 5) / 5 * 0.3, warm_up(5), eta=0.3))
    steps = by_pytorch(torch.optim.lr_scheduler.StepLR, 40, step_size=4, gamma=0.3)
    assert_conforms(check_schedule(steps, step_decay(4, 0.3), eta=0.1, first=0))


@pytest.mark.parametrize("label", SCHEDULES)
def test_wrong_schedules(label: str) -> None:
    name, options = SCHEDULES[label]
    right = getattr(alone("training.schedules"), name)(**options)
    doors: dict[str, Any] = {"step_decay": step_decay, "cosine_decay": cosine_decay, "warm_up": warm_up}
    wanted = doors[name](**options)
    assert_conforms(check_schedule(right, wanted))
    for fault, expression, _ in schedule.EDITS[label]:
        wrong = getattr(alone("training.schedules", Edit(label, expression)), name)(**options)
        report = check_schedule(wrong, wanted)
        assert report.verdict == "WRONG"
        assert report.findings[0].equation == label
        assert fault in report.findings[0].faults
    report = check_schedule(lambda e: wanted(e + 1), wanted)
    assert report.findings[0].faults[0] == "epoch-early"
    assert "Right if epochs are counted from 0; then say first=0." in report.findings[0].explanation
    assert check_schedule(lambda e: wanted(e + 1), wanted, first=0).verdict == "CONFORMS"
    assert "epoch-late" in check_schedule(lambda e: wanted(max(e - 1, 1)), wanted).findings[0].faults
    assert "No known mistake" in check_schedule(lambda e: 1 / e**2, wanted).findings[0].explanation


def test_what_is_no_schedule_is_said() -> None:
    with pytest.raises(TypeError, match="schedule: expected step_decay, cosine_decay, warm_up of the reference"):
        check_schedule(lambda e: 1.0, lambda e: 1.0)
    with pytest.raises(TypeError, match="expected a number of each epoch, got IndexError"):
        check_schedule(lambda e: [1.0][9], step_decay(3, 0.5))


def of_pytorch(gradients: Sequence[Array]) -> list[Array]:
    leaves = [torch.nn.Parameter(torch.from_numpy(0 * g)) for g in gradients]
    for leaf, g in zip(leaves, gradients, strict=True):
        leaf.grad = torch.from_numpy(g.copy())
    torch.nn.utils.clip_grad_norm_(leaves, 2.0)
    return [leaf.grad.numpy() for leaf in leaves if leaf.grad is not None]


def in_place(gradients: Sequence[Array]) -> None:
    norm = np.linalg.norm(np.concatenate([g.ravel() for g in gradients]))
    for g in gradients:
        g *= min(1, 2.0 / (norm + 1e-6))


def as_optax(gradients: Sequence[Array]) -> list[Array]:
    """Without 10^-6, and only where the norm is too large."""
    norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradients))
    return [g if norm < 2.0 else (g / norm.astype(g.dtype)) * 2.0 for g in gradients]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_clipping(dtype: str) -> None:
    for seed in range(5):
        for clip in (of_pytorch, in_place):
            assert_conforms(check_clipping(clip, 2.0, dtype=dtype, seed=seed), undecided="allow")
        declared = check_clipping(as_optax, 2.0, dtype=dtype, seed=seed, conventions={"epsilon": "none"})
        assert_conforms(declared, undecided="allow")


def test_wrong_clipping() -> None:
    text = "Right if 10^-6 is not added to the norm"
    assert text in check_clipping(as_optax, 2.0).findings[0].explanation

    def layers(gradients: Sequence[Array]) -> tuple[Gradient[Array], ...]:
        return tuple(Gradient(b, W, b) for W, b in zip(gradients[::2], gradients[1::2], strict=True))

    for fault, expression, _ in clipping.EDITS:
        altered = alone("updates", Edit("U22", expression)).clipped

        def wrong(gradients: Sequence[Array], altered: Any = altered) -> list[Array]:
            return [p for _, W, b in altered(layers(gradients), 2.0) for p in (W, b)]

        report = check_clipping(wrong, 2.0)
        assert report.verdict == "WRONG"
        assert fault in report.findings[0].faults
        assert report.findings[0].question is not None
    by_value = check_clipping(lambda gs: [np.clip(g, -2.0, 2.0) for g in gs], 2.0)
    assert by_value.findings[0].faults == ("by-value",)


def test_what_is_no_clipping_is_said() -> None:
    with pytest.raises(TypeError, match="clip: expected arrays of shapes"):
        check_clipping(lambda gs: gs[:1], 2.0)
    with pytest.raises(TypeError, match="clip: expected a list of arrays, got IndexError"):
        check_clipping(lambda gs: [gs][9], 2.0)
    with pytest.raises(ValueError, match="a norm above 0"):
        check_clipping(in_place, 0.0)
    with pytest.raises(ValueError, match="conventions: expected"):
        check_clipping(in_place, 2.0, conventions={"epsilon": "inside"})
