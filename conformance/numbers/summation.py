"""Orders of summation: the same products and sums, rounded otherwise.

Each sum takes its terms along the first axis, (n, ...), and gives (...), in their dtype.
`conformance.subjects.formulas` puts them into copies of the reference in place of ``@`` and ``.sum``.
"""

import numpy as np

from ..arrays import Array


def product(A: Array, B: Array, *addends: Array) -> Array:
    """The terms of A @ B, (n, rows, columns), each rounded, and of what is added to it."""
    terms = A.T[:, :, None] * B[:, None, :]
    return np.concatenate([terms, *(np.broadcast_to(addend, terms.shape[1:])[None] for addend in addends)])


def loops(terms: Array) -> Array:
    """One number after the other, without NumPy's sums."""
    total: Array = np.zeros(terms.shape[1:], terms.dtype)
    for at in np.ndindex(total.shape):
        for term in terms[(slice(None), *at)]:
            total[at] = total[at] + term
    return total


def backwards(terms: Array) -> Array:
    """From the last term to the first."""
    total: Array = terms[-1]
    for term in terms[-2::-1]:
        total = total + term
    return total


def pairwise(terms: Array) -> Array:
    """Both halves apart, down to single terms."""
    n = len(terms)
    return terms[0] if n == 1 else pairwise(terms[: n // 2]) + pairwise(terms[n // 2 :])


def shuffled(terms: Array) -> Array:
    """In a random order, always the same one for so many terms."""
    return backwards(terms[np.random.default_rng(len(terms)).permutation(len(terms))])


def compensated(terms: Array) -> Array:
    """Kahan's sum: what each addition loses is kept and added to the next term."""
    total: Array = terms[0]
    lost = 0 * total
    for term in terms[1:]:
        corrected = term - lost
        after = total + corrected
        total, lost = after, (after - total) - corrected
    return total


def wide(x: Array) -> Array:
    """float32 as float64, float64 as long double."""
    return x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)


def fused(A: Array, B: Array, addend: Array | int = 0) -> Array:
    """A @ B + addend by multiply-adds with a single rounding each: formed in the wider format, then rounded."""
    total = np.broadcast_to(np.asarray(addend, A.dtype), (len(A), B.shape[1]))
    for k in range(len(B)):
        total = (wide(A[:, k : k + 1]) * wide(B[k : k + 1]) + wide(total)).astype(A.dtype)
    return total
