"""Every row of `conformance.subjects.domain`: PyTorch departs, the reference does not, and the twin goes round."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from conformance.bounds.admitted import Widened
from conformance.bounds.rounded import exact
from conformance.numbers.balls import balls
from conformance.subjects import twin
from conformance.subjects.domain import DEPARTURES
from reference import (
    CELU,
    BinaryCrossEntropyWithLogits,
    CrossEntropyWithLogits,
    Hardsigmoid,
    Hardtanh,
    LeakyReLU,
    Sigmoid,
    Softmax,
    Softplus,
)
from reference.activations import log1p_exp

from ..certified import radius_used

pytestmark = pytest.mark.sampled(4)


def leaf(*numbers: float, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.tensor([numbers], dtype=dtype, requires_grad=True)


def test_binary_cross_entropy_clamps() -> None:
    z = leaf(30.0)
    F.binary_cross_entropy(torch.sigmoid(z), torch.zeros(1, 1, dtype=torch.float64), reduction="sum").backward()
    assert 0.09 < twin.grad(z) < 0.1
    truth = BinaryCrossEntropyWithLogits().gradient(np.array([[30.0]]), np.array([[0.0]]))
    assert truth == Sigmoid().apply(np.array([[30.0]]))
    assert 1 - truth < 1e-12


def test_softmax_chain_is_not_a_number() -> None:
    z = leaf(0.0, 200.0, dtype=torch.float32)
    y = torch.tensor([[1.0, 0.0]])
    (-y * torch.log(torch.softmax(z, dim=1))).sum().backward()
    assert np.isnan(twin.grad(z)).any()
    logits = z.detach().numpy()
    assert CrossEntropyWithLogits().delta(Softmax().apply(logits), y.numpy()).tolist() == [[-1, 1]]


def test_softplus_is_linear() -> None:
    z = np.array([[21.0]])
    truth = log1p_exp(balls(z))
    theirs = F.softplus(torch.tensor(z)).numpy()
    assert theirs == Softplus().apply(z) == z
    assert float(abs(truth[0, 0] - 21)) > 7e-10
    textbook = Softplus(threshold=np.inf)
    assert textbook.apply(z) > z
    assert radius_used(textbook.apply(z), truth, Widened(textbook).apply(exact(z))) <= 1


def test_hardsigmoid_slope_is_float32() -> None:
    z = leaf(0.25, -2.0)
    F.hardsigmoid(z).sum().backward()
    assert (twin.grad(z) == np.float64(np.float32(1) / np.float32(6))).all()
    ours = Hardsigmoid().pullback(np.array([[0.25, -2.0]]), np.zeros((1, 2)), np.ones((1, 2)))
    assert (ours == 1 / 6).all()
    z = leaf(0.25, -2.0)
    twin.activated(Hardsigmoid(), z).sum().backward()
    assert (twin.grad(z) == 1 / 6).all()


def test_celu_slope_is_float32() -> None:
    z, alpha = leaf(-0.7), 0.3
    F.celu(z, alpha=alpha).sum().backward()
    truth = np.exp(np.array([[-0.7]]) / alpha)
    assert 5e-8 < abs(twin.grad(z) / truth - 1) < 6e-8
    z = leaf(-0.7)
    twin.activated(CELU(alpha=alpha), z).sum().backward()
    assert abs(twin.grad(z) / truth - 1) < 4 * np.finfo(float).eps
    z = leaf(-0.7)
    value = F.celu(z, alpha=1e300).sum()
    with pytest.raises(RuntimeError, match="without overflow"):
        value.backward()


def test_parameters_are_refused() -> None:
    with pytest.raises(AssertionError, match="must be greater than min_val"):
        torch.nn.Hardtanh(1, -1)
    z = leaf(-0.7, dtype=torch.float32)
    with pytest.raises(RuntimeError, match="without overflow"):
        torch.nn.LeakyReLU(1e300)(z)
    for sigma in (Hardtanh(1, -1), LeakyReLU(1e300)):
        with pytest.raises(twin.Refusal, match=f"PyTorch takes no {type(sigma).__name__}.* in float32"):
            twin.activated(sigma, z)
        assert sigma.apply(np.array([[0.5]])).shape == (1, 1)


def test_nadam_product_is_float32() -> None:
    p = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.NAdam([p])
    p.grad = torch.tensor([0.5], dtype=torch.float64)
    optimiser.step()
    assert optimiser.state[p]["mu_product"].dtype == torch.float32


def test_no_double_backward() -> None:
    z = leaf(0.25)
    (slope,) = torch.autograd.grad(F.hardsigmoid(z).sum(), z, create_graph=True)
    with pytest.raises(RuntimeError, match="derivative for aten::hardsigmoid_backward is not implemented"):
        torch.autograd.grad(slope.sum(), z)


def test_every_row_has_its_test() -> None:
    tree = ast.parse(Path(__file__).read_text())
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert {f"test_{name.replace('-', '_')}" for name in DEPARTURES} <= names
