"""First parameters (I1 to I4), and the document's example."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from reference import (
    HalfSquaredError,
    Sigmoid,
    Tanh,
    evaluate,
    forward,
    glorot,
    he,
    initialised,
    loss_and_gradients,
    predict,
    torch_default,
    uniform,
    update,
)
from reference.examples import xor

from .networks import RNG, bits

N, M = 200, 50
"""Units and inputs: 10,000 weights, so that a bound is reached within 1 % but with probability 0.99^10000."""


def test_I1_uniform() -> None:
    W, b = uniform(RNG(0), N, M)
    assert 0 <= W.min() < 0.01
    assert 0.99 < W.max() < 1
    assert b.shape == (N,)
    assert 0 <= b.min() < b.max() < 1


def test_I2_glorot() -> None:
    W, b = glorot(RNG(0), N, M)
    r = np.sqrt(6 / (N + M))
    assert -r <= W.min() < -0.99 * r
    assert 0.99 * r < W.max() < r
    assert not b.any()


def test_I3_he() -> None:
    W, b = he(RNG(0), N, M)
    n = W.size
    # The mean square of n normal numbers has a standard deviation of sqrt(2 / n): within five of them.
    assert abs((W**2).mean() * M / 2 - 1) < 5 * np.sqrt(2 / n)
    assert abs(W.mean()) < 5 * np.sqrt(2 / M / n)
    assert not b.any()


def test_I4_torch_default() -> None:
    import torch

    W, b = torch_default(RNG(0), N, M)
    theirs = torch.nn.Linear(M, N)
    r = 1 / np.sqrt(M)
    for p in (W, theirs.weight.detach().numpy()):
        assert 0.99 * r < abs(p).max() <= np.float32(r)
    for q in (b, theirs.bias.detach().numpy()):
        assert 0.9 * r < abs(q).max() <= np.float32(r)


def between(p: np.ndarray, low: float, high: float) -> np.ndarray:
    """The uniform distribution's function."""
    return (p - low) / (high - low)


def test_I1_I2_I3_I4_every_parameter_is_drawn_for_itself_from_its_distribution() -> None:
    r, s = np.sqrt(6 / (N + M)), np.sqrt(2 / M)
    drawn = {initialiser: initialiser(RNG(0), N, M) for initialiser in (uniform, glorot, he, torch_default)}
    for W, b in drawn.values():
        assert (W.shape, b.shape) == ((N, M), (N,))
    for p, distribution in (
        (drawn[uniform][0], lambda p: between(p, 0, 1)),
        (drawn[uniform][1], lambda p: between(p, 0, 1)),
        (drawn[glorot][0], lambda p: between(p, -r, r)),
        (drawn[he][0], lambda p: torch.special.ndtr(torch.tensor(p / s)).numpy()),
        (drawn[torch_default][0], lambda p: between(p, -np.sqrt(1 / M), np.sqrt(1 / M))),
        (drawn[torch_default][1], lambda p: between(p, -np.sqrt(1 / M), np.sqrt(1 / M))),
    ):
        n = p.size
        assert len(np.unique(p)) == n
        # Dvoretzky, Kiefer, Wolfowitz: further off with a probability of at most 2 exp(-2 n d^2) = 10^-9.
        d = np.sqrt(np.log(2e9) / (2 * n))
        assert abs(np.sort(distribution(p.ravel())) - np.arange(1, n + 1) / n).max() <= d + 1 / n


def test_initialised_draws_layer_by_layer_as_pytorch_does_if_nothing_is_said() -> None:
    network, rng = initialised(RNG(5), [2, 2, 2], [Tanh(), Sigmoid()]), RNG(5)
    assert bits(network) == [p.tobytes() for _ in range(2) for p in torch_default(rng, 2, 2)]
    assert [layer.sigma for layer in network] == [Tanh(), Sigmoid()]


def test_initialised_networks_have_the_dtype_and_refuse_what_does_not_fit() -> None:
    for initialiser in (uniform, glorot, he, torch_default):
        network = initialised(RNG(0), [2, 3], [Sigmoid()], initialiser, "float32")
        assert network[0].W.dtype == network[0].b.dtype == np.float32
    with pytest.raises(TypeError, match=r"rng: expected a numpy.random.Generator"):
        initialised(0, [2, 3], [Sigmoid()])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="got 2 widths and 2 activations"):
        initialised(RNG(0), [2, 3], [Sigmoid(), Sigmoid()])
    with pytest.raises(ValueError, match=r"widths\[1\]: expected a whole number, at least 1, got 0"):
        initialised(RNG(0), [2, 0], [Sigmoid()])


def test_xor_is_the_documents_example_to_the_digit() -> None:
    shown = subprocess.run([sys.executable, "-m", "reference"], capture_output=True, text=True, check=True)
    assert shown.stdout == (
        "Final Predicted Output:\n[[0.06029012]\n [0.94447222]\n [0.944367  ]\n [0.05997169]]\n"
    )
    assert shown.stderr == ""


def test_xor_starts_from_the_documents_weights() -> None:
    document = np.random.RandomState(42)  # its np.random, after its np.random.seed(42)
    hidden, output = document.rand(2, 2), document.rand(2, 1)
    bias_hidden, bias_output = document.rand(1, 2), document.rand(1, 1)
    first, second = xor.initial()
    assert (hidden == first.W.T).all()
    assert (output == second.W.T).all()
    assert (first.b == bias_hidden).all()
    assert (second.b == bias_output).all()
    assert forward(xor.initial(), xor.X)[-1].a.shape == xor.Y.shape


def test_xor_leaves_its_losses_and_the_network_of_its_last_output() -> None:
    result = xor.run(epochs=3)
    networks = [xor.initial()]
    for _ in range(2):
        gradients = loss_and_gradients(networks[-1], xor.X, xor.Y, HalfSquaredError(), "sum").gradients
        networks.append(update(networks[-1], gradients, 0.1))
    assert result.losses == [evaluate(network, xor.X, xor.Y, HalfSquaredError(), "sum").loss for network in networks]
    assert bits(result.network) == bits(networks[-1])
    assert (result.predicted == predict(networks[-1], xor.X)).all()
