"""`check_loss` and right gradients, in four formats, of outputs as each loss has them: none is accused."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from conformance.judge.verdict import CONFORMS, UNDECIDED, WRONG
from conformance.oracle.operation.operation import check_loss

from ..operation.operations import DTYPES, accused

pytestmark = pytest.mark.sampled(3)

Drawing = Callable[[torch.Tensor], torch.Tensor]
Text = Callable[[Any, Any], Any]


class Case(NamedTuple):
    """A loss of each sample, right gradients, and what makes outputs and targets of normal numbers; its equation."""

    loss: Text
    gradients: tuple[Text, ...]
    outputs: Drawing
    targets: Drawing
    equation: str | None = None


def plain(z: torch.Tensor) -> torch.Tensor:
    return z


def probabilities(z: torch.Tensor) -> torch.Tensor:
    return torch.softmax(z, 1)


def one_hot(z: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.one_hot(z.argmax(1), z.shape[1]).to(z.dtype)


def log_probabilities(z: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(z, 1)


CASES: dict[str, Case] = {
    "cross entropy of probabilities": Case(
        lambda a, y: -(y * a.log()).sum(1), (lambda a, y: -y / a, lambda a, y: -(1 / a) * y),
        probabilities, one_hot, "cross_entropy"),
    "against probabilities": Case(
        lambda a, y: -(y * a.log()).sum(1), (lambda a, y: -y / a,), probabilities, probabilities, "cross_entropy"),
    "of log-probabilities": Case(lambda a, y: -(y * a).sum(1), (lambda a, y: -y,), log_probabilities, one_hot, "nll"),
    "divergence": Case(
        lambda a, y: (y * (y.log() - a)).sum(1), (lambda a, y: -y,), log_probabilities, probabilities, "kl_divergence"),
    "binary": Case(
        lambda a, y: -(y * a.log() + (1 - y) * (1 - a).log()).sum(1),
        (lambda a, y: -y / a + (1 - y) / (1 - a), lambda a, y: (a - y) / (a * (1 - a))),
        torch.sigmoid, lambda z: (z > 0).to(z.dtype), "binary_cross_entropy"),
    "hinge": Case(
        lambda a, y: (1 - y * a).clamp(min=0).sum(1), (lambda a, y: -y * (y * a < 1), lambda a, y: -y * (y * a <= 1)),
        plain, lambda z: torch.where(z > 0, 1.0, -1.0).to(z.dtype), "hinge"),
    "squared hinge": Case(
        lambda a, y: ((1 - y * a).clamp(min=0) ** 2).sum(1), (lambda a, y: -2 * y * (1 - y * a).clamp(min=0),),
        plain, lambda z: torch.where(z > 0, 1.0, -1.0).to(z.dtype)),
    "poisson": Case(
        lambda a, y: (a.exp() - y * a).sum(1), (lambda a, y: a.exp() - y,),
        plain, lambda z: torch.round(2 * z.abs()), "poisson_nll"),
    "poisson of rates": Case(
        lambda a, y: (a - y * a.log()).sum(1), (lambda a, y: 1 - y / a, lambda a, y: (a - y) / a),
        lambda z: torch.exp(z), lambda z: torch.round(2 * z.abs())),
    "log cosh": Case(lambda a, y: (a - y).cosh().log().sum(1), (lambda a, y: (a - y).tanh(),), plain, plain),
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CASES)
def test_right_losses_of_what_they_are_meant_for(name: str, dtype: str, whole: bool) -> None:
    of = CASES[name]
    for seed in range(6 if whole else 1):
        z, t = np.random.default_rng(seed).standard_normal((2, 4, 5)) * (2 if seed % 2 else 1)
        outputs, targets = (
            f(torch.from_numpy(x)).to(getattr(torch, dtype)) for f, x in ((of.outputs, z), (of.targets, t))
        )
        for gradient in of.gradients:
            # The reference's equation, somebody's own loss, and its mean.
            own = check_loss(of.loss, gradient, outputs, targets, seed=seed)
            mean = check_loss(
                lambda a, y: of.loss(a, y).mean(), lambda a, y, f=gradient: f(a, y) / 4, outputs, targets,
                reduction="mean", seed=seed,
            )  # fmt: skip
            assert (accused(own), accused(mean)) == ([], [])
            if of.equation:
                named = check_loss(of.equation, gradient, outputs, targets, seed=seed)
                # In bfloat16 a probability may be 1, of which that loss is not defined.
                assert (named.verdict in (CONFORMS, UNDECIDED), accused(named)) == (True, [])
        wrong = check_loss(of.loss, lambda a, y: -2 * of.gradients[0](a, y), outputs, targets, seed=seed)
        assert wrong.verdict == WRONG
