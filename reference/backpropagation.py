"""Backpropagation: the documented equations, one labelled line each.

The labels are those of EQUATIONS.md.  Arrays may hold any kind of number
(float, complex, Fraction, ball, dual number, symbol); samples are rows.
"""

from typing import Generic, NamedTuple, TypeAlias

from .activations import Activation
from .functions import Array

__all__ = ["Gradient", "Layer", "Step", "backward", "cotangent", "forward", "input_gradient", "update"]


class Layer(NamedTuple, Generic[Array]):
    """Weights ``W`` (n_l, n_{l-1}), biases ``b`` (n_l,) and the activation ``sigma``."""

    W: Array
    b: Array
    sigma: Activation


class Step(NamedTuple, Generic[Array]):
    """What one layer saw and made of a batch: ``a_prev`` (B, n_{l-1}), ``z`` and ``a`` (B, n_l)."""

    a_prev: Array
    z: Array
    a: Array


class Gradient(NamedTuple, Generic[Array]):
    """One layer's ``delta`` = dL/dz (B, n_l), dL/dW as ``W`` (n_l, n_{l-1}), dL/db as ``b`` (n_l,)."""

    delta: Array
    W: Array
    b: Array


Network: TypeAlias = tuple[Layer[Array], ...]
Trace: TypeAlias = tuple[Step[Array], ...]
Gradients: TypeAlias = tuple[Gradient[Array], ...]


def forward(network: Network[Array], x: Array) -> Trace[Array]:
    """Run the batch ``x`` (B, n_0) through the network: a step for each layer (F1, F2)."""
    steps: list[Step[Array]] = []
    for W, b, sigma in network:
        a_prev = steps[-1].a if steps else x
        z = a_prev @ W.T + b                           # (F1)  z^l = W^l a^{l-1} + b^l
        steps.append(Step(a_prev, z, sigma.apply(z)))  # (F2)  a^l = sigma^l(z^l)
    return tuple(steps)


def backward(network: Network[Array], steps: Trace[Array], g: Array) -> Gradients[Array]:
    """Pull the cotangent ``g`` = dL/da^L (B, n_L) back: every layer's delta, dL/dW and dL/db (B1 to B4)."""
    gradients: list[Gradient[Array]] = []
    above: Layer[Array] | None = None
    for layer, (a_prev, z, a) in zip(reversed(network), reversed(steps), strict=True):
        if above:
            g = cotangent(above, gradients[-1])
        delta = layer.sigma.pullback(z, a, g)          # (B1)  delta^l = g^l * sigma'(z^l)
        gradients.append(Gradient(
            delta,
            delta.T @ a_prev,                          # (B3)  dL/dW^l = sum over samples of delta^l a^{l-1}T
            delta.sum(axis=0)))                        # (B4)  dL/db^l = sum over samples of delta^l
        above = layer
    return tuple(reversed(gradients))


def cotangent(above: Layer[Array], gradient: Gradient[Array]) -> Array:
    """The cotangent g^l = dL/da^l (B, n_l) below a layer, from that layer's gradient."""
    W, delta = above.W, gradient.delta
    return delta @ W                                   # (B2)  g^l = W^{l+1}T delta^{l+1}


def input_gradient(network: Network[Array], gradients: Gradients[Array]) -> Array:
    """The input gradient dL/dx (B, n_0), which training never needs: (B2) below layer 1."""
    return cotangent(network[0], gradients[0])


def update(network: Network[Array], gradients: Gradients[Array], eta: float) -> Network[Array]:
    """One step of gradient descent with learning rate ``eta``: a new network (U1, U2)."""
    return tuple(
        Layer(W - eta * dW,                            # (U1)  W^l <- W^l - eta dL/dW^l
              b - eta * db,                            # (U2)  b^l <- b^l - eta dL/db^l
              sigma)
        for (W, b, sigma), (_, dW, db) in zip(network, gradients, strict=True))
