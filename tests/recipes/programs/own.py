"""An activation and a loss of one's own: each a class of two functions, written for arrays of any kind."""

# mypy: ignore-errors
import numpy as np


class Bent:
    """bent(z) = z + (sqrt(z^2 + 1) - 1) / 2."""

    def apply(self, z):
        """a, from z (B, n)."""
        return z + 0.5 * (np.sqrt(z * z + 1) - 1)

    def pullback(self, z, a, g):
        """dL/dz, from dL/da."""
        return g * (1 + 0.5 * z / np.sqrt(z * z + 1))


class Quartic:
    """The fourth power of what is off, a quarter of it."""

    def value(self, a, y):
        """The loss of each sample (B,), from a and y (B, K)."""
        off = a - y
        return 0.25 * (off * off * off * off).sum(axis=1)

    def gradient(self, a, y):
        """dL/da."""
        off = a - y
        return off * off * off


def gradients(network, x, y):
    """Somebody's own backward pass of them, by formulas of its own."""
    seen = [x]
    for W, b, _ in network:
        z = seen[-1] @ W.T + b
        seen += [z, z + (np.hypot(z, 1) - 1) / 2]
    g, found = (seen[-1] - y) ** 3, []
    for l, (W, _, _) in reversed(list(enumerate(network))):
        z = seen[2 * l + 1]
        d = g * (1 + z / (2 * np.hypot(z, 1)))
        found.append((d.T @ seen[2 * l], d.sum(axis=0)))
        g = d @ W
    return found[::-1]
