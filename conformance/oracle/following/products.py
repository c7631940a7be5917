"""Products of recorded arrays: dot, inner and einsum, by way of products of matrices."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from .array import Recording, Unfollowed, recorded
from .functions import shaped


def dot(r: Recording, x: Any, y: Any, out: Any = None) -> Any:
    """As `numpy.dot`."""
    p, q = recorded(r, x), recorded(r, y)
    if not p.ndim or not q.ndim:
        return p * q
    if q.ndim > 2:
        q2 = np.moveaxis(q, -2, 0)
        return shaped(np.matmul(p, q2.reshape(q2.shape[0], -1)), (*p.shape[:-1], *q2.shape[1:]))
    return np.matmul(p, q)


def inner(r: Recording, x: Any, y: Any) -> Any:
    """As `numpy.inner`."""
    p, q = recorded(r, x), recorded(r, y)
    return (
        p * q
        if not p.ndim or not q.ndim
        else np.dot(p, np.moveaxis(q, -1, 0) if q.ndim == 1 else np.moveaxis(q, -1, -2))
    )


def einsum(r: Recording, subscripts: str, *operands: Any, out: Any = None, **_: Any) -> Any:
    """As `numpy.einsum`, two operands after the other."""
    if not isinstance(subscripts, str):
        raise Unfollowed("nothing is known of numpy.einsum with lists for subscripts")
    arrays = [recorded(r, x) for x in operands]
    terms, result = _subscripts(subscripts, [x.ndim for x in arrays])
    labels, total = terms[0], arrays[0]
    for k, (other, y) in enumerate(zip(terms[1:], arrays[1:], strict=True), start=2):
        later = set(result).union(*terms[k:])
        labels, total = _contracted(labels, total, other, y, later)
    labels, total = _diagonal(labels, total)
    gone = tuple(k for k, label in enumerate(labels) if label not in result)
    total = total.sum(axis=gone) if gone else total
    labels = [label for label in labels if label in result]
    return np.transpose(total, [labels.index(label) for label in result])


def _subscripts(text: str, ndims: Sequence[int]) -> tuple[list[list[str]], list[str]]:
    """Each operand's labels, and the result's; an ellipsis stands for labels of its own."""
    given, arrow, asked = text.replace(" ", "").partition("->")
    terms = given.split(",")
    most = max(n - len(t.replace("...", "")) for t, n in zip(terms, ndims, strict=True))
    dots = [f"#{k}" for k in range(most)]

    def labels(term: str, hidden: list[str]) -> list[str]:
        before, there, after = term.partition("...")
        return [*before, *(hidden if there else []), *after]

    each = [
        labels(t, dots[most - (n - len(t.replace("...", ""))) :] if n > len(t.replace("...", "")) else [])
        for t, n in zip(terms, ndims, strict=True)
    ]
    if arrow:
        return each, labels(asked, dots)
    letters = given.replace("...", "").replace(",", "")
    return each, [*dots, *sorted(c for c in set(letters) if letters.count(c) == 1)]


def _diagonal(labels: list[str], x: Any) -> tuple[list[str], Any]:
    """A label that comes twice is taken once, along the diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = np.diagonal(x, axis1=first, axis2=second)
            labels = [p for k, p in enumerate(labels) if k not in (first, second)] + [label]
    return labels, x


def _contracted(p: list[str], x: Any, q: list[str], y: Any, later: set[str]) -> tuple[list[str], Any]:
    """The product of two operands, summed over what nothing later has."""
    (p, x), (q, y) = _diagonal(p, x), _diagonal(q, y)
    for labels, other, k in ((p, q, 0), (q, p, 1)):
        alone = tuple(i for i, label in enumerate(labels) if label not in other and label not in later)
        if alone:
            kept = [label for label in labels if label in other or label in later]
            (p, x), (q, y) = ((kept, x.sum(axis=alone)), (q, y)) if k == 0 else ((p, x), (kept, y.sum(axis=alone)))
    both = [label for label in p if label in q and label in later]
    gone = [label for label in p if label in q and label not in later]
    of_x, of_y = [label for label in p if label not in q], [label for label in q if label not in p]
    size = {**dict(zip(q, y.shape, strict=True)), **dict(zip(p, x.shape, strict=True))}
    size |= {label: max(n, dict(zip(q, y.shape, strict=True)).get(label, 1)) for label, n in size.items()}
    if any(n != size[label] for labels, z in ((p, x), (q, y)) for label, n in zip(labels, z.shape, strict=True)):
        x, y = (np.broadcast_to(z, [size[label] for label in labels]) for labels, z in ((p, x), (q, y)))
    lengths = [prod(size[label] for label in group) for group in (both, of_x, gone, of_y)]
    left = np.transpose(x, [p.index(label) for label in both + of_x + gone]).reshape(lengths[0], lengths[1], lengths[2])
    right = np.transpose(y, [q.index(label) for label in both + gone + of_y]).reshape(
        lengths[0], lengths[2], lengths[3]
    )
    labels = both + of_x + of_y
    return labels, np.matmul(left, right).reshape([size[label] for label in labels])
