"""Orders of summation: they give the same products and sums, rounded otherwise.

Each sum takes its terms along the first axis, (n, ...), and gives (...), in their dtype.
`conformance.subjects.formulas` puts them into copies of the reference in place of ``@`` and ``.sum``.
"""

import numpy as np

from ..arrays import Array


def product(A: Array, B: Array, *addends: Array) -> Array:
    """Round every term of A @ B, (n, rows, columns), and put the addends beside them."""
    terms = A.T[:, :, None] * B[:, None, :]
    return np.concatenate([terms, *(np.broadcast_to(addend, terms.shape[1:])[None] for addend in addends)])


def loops(terms: Array) -> Array:
    """Add one number after the other, without NumPy's sums."""
    total: Array = np.zeros(terms.shape[1:], terms.dtype)
    for at in np.ndindex(total.shape):
        for term in terms[(slice(None), *at)]:
            total[at] = total[at] + term
    return total


def backwards(terms: Array) -> Array:
    """Add from the last term to the first."""
    total: Array = terms[-1]
    for term in terms[-2::-1]:
        total = total + term
    return total


def pairwise(terms: Array) -> Array:
    """Add both halves apart, down to single terms."""
    n = len(terms)
    return terms[0] if n == 1 else pairwise(terms[: n // 2]) + pairwise(terms[n // 2 :])


def shuffled(terms: Array) -> Array:
    """Add in a random order, which is always the same for the same number of terms."""
    return backwards(terms[np.random.default_rng(len(terms)).permutation(len(terms))])


def compensated(terms: Array) -> Array:
    """Add by Kahan's sum: what each addition loses is kept, and added to the next term."""
    total: Array = terms[0]
    lost = 0 * total
    for term in terms[1:]:
        corrected = term - lost
        after = total + corrected
        total, lost = after, (after - total) - corrected
    return total


def wide(x: Array) -> Array:
    """Widen float32 to float64, and float64 to long double."""
    return x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)


def fused(A: Array, B: Array, addend: Array | int = 0) -> Array:
    """Compute A @ B + addend by multiply-adds that round once each: in the wider format, then to the narrower."""
    total = np.broadcast_to(np.asarray(addend, A.dtype), (len(A), B.shape[1]))
    for k in range(len(B)):
        total = (wide(A[:, k : k + 1]) * wide(B[k : k + 1]) + wide(total)).astype(A.dtype)
    return total
