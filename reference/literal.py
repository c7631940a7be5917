"""The literal text: the document's equations as it writes them, sums over i, j and k.

A second text, independent of the first: nested lists, plain loops, one sample at a time, no NumPy.  It
runs on any numbers that add and multiply, so on `fractions.Fraction` without rounding.  Labels are those
of EQUATIONS.md.  It is for reading and for checking; `reference.backpropagation` is for use.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

Number = Any
Vector = list[Number]
Matrix = list[Vector]


class Neurons(NamedTuple):
    """One layer: weights ``w[j][i]`` into neuron j from neuron i, biases ``b[j]``, sigma and its derivative."""

    w: Matrix
    b: Vector
    sigma: Callable[[Number], Number]
    sigma_prime: Callable[[Number], Number]


def forward(network: Sequence[Neurons], x: Vector) -> tuple[Matrix, Matrix]:
    """One sample through the network: ``z[l][j]`` for l = 1 to L (``z[0]`` is empty), ``a[l][j]`` for l = 0 to L."""
    z: Matrix = [[]]
    a: Matrix = [x]
    for w, b, sigma, _ in network:
        J, I = range(len(w)), range(len(a[-1]))
        z.append([sum(w[j][i] * a[-1][i] for i in I) + b[j] for j in J])       # (F1)
        a.append([sigma(z[-1][j]) for j in J])                                 # (F2)
    return z, a


def loss(a: Vector, y: Vector) -> Number:
    """Half the sum of the squared errors of one sample."""
    return sum((y[k] - a[k]) ** 2 for k in range(len(y))) / 2                  # (L1)


def loss_gradient(a: Vector, y: Vector) -> Vector:
    """Its derivative by each output."""
    return [a[k] - y[k] for k in range(len(y))]                                # (G1)


def backward(network: Sequence[Neurons], z: Matrix, a: Matrix, g: Vector) -> tuple[list[Matrix], Matrix]:
    """One sample's ``dL/dw[l][j][i]`` and ``dL/db[l][j]``, layer 1 first, from ``g[j]`` = dL/da^L_j."""
    L = len(network)
    dw: list[Matrix] = []
    db: Matrix = []
    delta: Vector = []
    for l in range(L, 0, -1):
        sigma_prime = network[l - 1].sigma_prime
        J, I = range(len(z[l])), range(len(a[l - 1]))
        if l == L:
            delta = [g[j] * sigma_prime(z[l][j]) for j in J]                   # (B1)
        else:
            w, K = network[l].w, range(len(delta))
            delta = [sum(w[k][j] * delta[k] for k in K) * sigma_prime(z[l][j]) for j in J]  # (B2)
        dw.append([[delta[j] * a[l - 1][i] for i in I] for j in J])            # (B3)
        db.append([delta[j] for j in J])                                       # (B4)
    return dw[::-1], db[::-1]


def gradients(network: Sequence[Neurons], x: Matrix, y: Matrix) -> tuple[Number, list[Matrix], Matrix]:
    """Loss and gradients of half the squared error, added over the samples."""
    results = []
    for sample, target in zip(x, y, strict=True):
        z, a = forward(network, sample)
        results.append((loss(a[-1], target), *backward(network, z, a, loss_gradient(a[-1], target))))
    if not results:
        raise ValueError("x: expected at least one sample, got none")
    return reduce(_added, results)


def update(network: Sequence[Neurons], dw: list[Matrix], db: Matrix, eta: Number) -> list[Neurons]:
    """The network after one step of gradient descent."""
    updated = []
    for l, (w, b, sigma, sigma_prime) in enumerate(network):
        J, I = range(len(w)), range(len(w[0]))
        w = [[w[j][i] - eta * dw[l][j][i] for i in I] for j in J]              # (U1)
        b = [b[j] - eta * db[l][j] for j in J]                                 # (U2)
        updated.append(Neurons(w, b, sigma, sigma_prime))
    return updated


def _added(p: Any, q: Any) -> Any:
    """p + q, number by number, for nested lists and tuples of one shape."""
    return type(p)(_added(s, t) for s, t in zip(p, q, strict=True)) if isinstance(p, list | tuple) else p + q


def sigmoid(z: float) -> float:
    """The document's sigma."""
    return 1 / (1 + math.exp(-z))


ELEMENTWISE: dict[str, tuple[Callable[[Number], Number], Callable[[Number], Number]]] = {
    "identity": (lambda z: z, lambda z: 1),
    "relu": (lambda z: z if z > 0 else 0, lambda z: 1 if z > 0 else 0),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "tanh": (math.tanh, lambda z: 1 - math.tanh(z) ** 2),
}
"""sigma and sigma', both of z, of the activations that the document uses or that need no rounding."""
