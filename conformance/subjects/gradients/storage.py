"""Other storage and other products: where the numbers lie, and by which calls they are multiplied and added."""

from collections.abc import Callable

import numpy as np

from reference import Layer

from ...arrays import Array
from ...problems.problem import Parameters, Problem
from ...text.edits import Edit
from ..formulas import edited
from ..reference import reference_answer
from .route import Gradients, Route

# --- Storage ---------------------------------------------------------------------------------------------------------


def stored(given: Callable[[Array], Array], answered: Callable[[Array], Array]) -> Callable[[Problem], Gradients]:
    """The reference on arrays that lie otherwise in memory, its answer laid out likewise."""

    def gradients(problem: Problem) -> Gradients:
        network = tuple(Layer(given(W), given(b), sigma) for W, b, sigma in problem.network)
        answer = reference_answer(problem._replace(network=network, x=given(problem.x), y=given(problem.y)))
        return tuple(Parameters(*map(answered, layer)) for layer in answer.gradients)

    return gradients


def transposed(array: Array) -> Array:
    """The transpose of an array in C order: weights kept as (in, out)."""
    return np.ascontiguousarray(array.T).T


def strided(array: Array) -> Array:
    """Every third number of a buffer."""
    wider = np.full((*array.shape, 3), np.nan, array.dtype)
    wider[..., 1] = array
    return wider[..., 1]


def backwards(array: Array) -> Array:
    """From the end of memory to its beginning."""
    return np.flip(np.flip(array).copy())


def unaligned(array: Array) -> Array:
    """One byte beside where numbers of its size belong."""
    bytes_ = np.empty(array.nbytes + 1, np.uint8)
    moved = bytes_[1:].view(array.dtype).reshape(array.shape)
    moved[...] = array
    return moved


def in_one_buffer(problem: Problem) -> Gradients:
    """All parameters in one array, one after the other, and all gradients in another."""
    sizes = [part.size for W, b, _ in problem.network for part in (W, b)]
    ends = np.cumsum(sizes)

    def views(flat: Array) -> list[Array]:
        parts = np.split(flat, ends[:-1])
        shapes = [part.shape for W, b, _ in problem.network for part in (W, b)]
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    flat = views(np.concatenate([part.ravel() for W, b, _ in problem.network for part in (W, b)]))
    network = tuple(
        Layer(W, b, sigma) for W, b, (_, _, sigma) in zip(flat[::2], flat[1::2], problem.network, strict=True)
    )
    answer = reference_answer(problem._replace(network=network))
    found = views(np.concatenate([part.ravel() for layer in answer.gradients for part in layer]))
    return tuple(map(Parameters, found[::2], found[1::2]))


# --- Products --------------------------------------------------------------------------------------------------------

ONES = "(0 * delta[:, 0] + 1)"
SLOPES = "from .activations import Softmax, LogSoftmax"
PRODUCTS: dict[str, tuple[str, tuple[Edit, ...]]] = {
    "tensordot": (
        "the products by tensordot",
        (
            Edit("F1", "np.tensordot(a_prev, W, axes=(1, 1)) + b"),
            Edit("B2", "np.tensordot(delta, W, axes=(1, 0))"),
            Edit("B3", "np.tensordot(delta, a_prev, axes=(0, 0))"),
            Edit("B4", f"np.tensordot(delta, {ONES}, axes=(0, 0))"),
        ),
    ),
    "einsum-of-three": (
        "Einstein's convention over all at once, as it may choose",
        (
            Edit("F1", 'np.einsum("si,ji->sj", a_prev, W, optimize=True) + b[None, :]'),
            Edit("B2", 'np.einsum("ji,sj->si", W, delta, optimize=True)'),
            Edit("B3", f'np.einsum("s,sj,si->ji", {ONES}, delta, a_prev)'),
            Edit("B4", f'np.einsum("s,sj->j", {ONES}, delta)'),
        ),
    ),
    "batched-outer-products": (
        "all terms of a sum in one array, then added",
        (
            Edit("F1", "(a_prev[:, None, :] * W[None, :, :]).sum(axis=2) + b"),
            Edit("B2", "(delta[:, :, None] * W[None, :, :]).sum(axis=1)"),
            Edit("B3", "(delta[:, :, None] * a_prev[:, None, :]).sum(axis=0)"),
            Edit("B4", "np.add.reduce(delta, axis=0)"),
        ),
    ),
    "running-sums": (
        "the last of the running sums",
        (
            Edit("F1", "np.cumsum(np.concatenate([(b + 0 * a_prev[:, :1])[:, :, None],"
                 " a_prev[:, None, :] * W[None, :, :]], axis=2), axis=2)[:, :, -1]"),
            Edit("B2", "np.cumsum(delta[:, :, None] * W[None, :, :], axis=1)[:, -1]"),
            Edit("B3", "np.cumsum(delta[:, :, None] * a_prev[:, None, :], axis=0)[-1]"),
            Edit("B4", "np.cumsum(delta, axis=0)[-1]"),
        ),
    ),
    "largest-first": (
        "terms by falling size",
        (
            Edit("F1", "np.sort(a_prev[:, None, :] * W[None, :, :], axis=2)[:, :, ::-1].cumsum(axis=2)[:, :, -1] + b"),
            Edit("B2", "np.sort(delta[:, :, None] * W[None, :, :], axis=1)[:, ::-1].cumsum(axis=1)[:, -1]"),
            Edit("B3", "np.sort(delta[:, :, None] * a_prev[:, None, :], axis=0)[::-1].cumsum(axis=0)[-1]"),
            Edit("B4", "np.sort(delta, axis=0)[::-1].cumsum(axis=0)[-1]"),
        ),
    ),
    "tiles": (
        "products of tiles of four, added up",
        (
            Edit("F1", "sum(a_prev[:, k:k + 4] @ W[:, k:k + 4].T for k in range(0, W.shape[1], 4)) + b"),
            Edit("B2", "sum(delta[:, k:k + 4] @ W[k:k + 4] for k in range(0, len(W), 4))"),
            Edit("B3", "sum(delta[k:k + 4].T @ a_prev[k:k + 4] for k in range(0, len(delta), 4))"),
            Edit("B4", "sum(delta[k:k + 4].sum(axis=0) for k in range(0, len(delta), 4))"),
        ),
    ),
    "ones-for-sums": (
        "sums as products with ones",
        (Edit("B4", f"{ONES} @ delta"), Edit("R1", "(0 * losses + 1) @ losses / N")),
    ),
    "slopes-apart": (
        "sigma'(z) as an array of its own, then times g",
        (
            Edit(
                "B1",
                "layer.sigma.pullback(z, a, g) if isinstance(layer.sigma, (Softmax, LogSoftmax))"
                " else layer.sigma.pullback(z, a, 0 * g + 1) * g",
                SLOPES,
            ),
        ),
    ),
    "slopes-as-matrices": (
        "the Jacobian of the activation for each sample, a diagonal one too",
        (
            Edit(
                "B1",
                'np.einsum("skj,sk->sj", np.stack([layer.sigma.pullback(z, a, 0 * g + e)'
                ' for e in np.eye(g.shape[1], dtype=g.dtype)], axis=1), g)',
            ),
        ),
    ),
    "weights-times-slopes": (
        "W^(l+1) diag(sigma') first, then delta times that",
        (
            Edit(
                "B1",
                "layer.sigma.pullback(z, a, g) if above is None or isinstance(layer.sigma, (Softmax, LogSoftmax))"
                " else np.stack([d @ (above.W * s) for d, s in"
                " zip(gradients[-1].delta, layer.sigma.pullback(z, a, 0 * g + 1))])",
                SLOPES,
            ),
        ),
    ),
    "delta-times-slopes-in-columns": (
        "everything a column vector for each sample",
        (
            Edit("F1", "np.concatenate([(W @ a[:, None] + b[:, None]).T for a in a_prev])"),
            Edit("B2", "np.concatenate([(W.T @ d[:, None]).T for d in delta])"),
            Edit("B3", "np.sum([d[:, None] @ a[None, :] for d, a in zip(delta, a_prev)], axis=0)"),
            Edit("B4", "np.sum([d for d in delta], axis=0)"),
        ),
    ),
}
"""Calls of NumPy for the sums and products of the core, and what they are."""


def _edited(name: str) -> Route:
    says, edits = PRODUCTS[name]
    answer = edited(*edits)
    recursive = name != "weights-times-slopes"
    return Route(name, lambda problem: answer(problem).gradients, says, recursive)


STORAGE = (
    Route("weights-in-out", stored(transposed, transposed), "transposed storage, in the answer too"),
    Route("fortran-order", stored(np.asfortranarray, np.asfortranarray), "Fortran order, in the answer too"),
    Route("every-third-number", stored(strided, strided), "strided storage, in the answer too"),
    Route("from-the-end", stored(backwards, backwards), "negative strides, in the answer too"),
    Route("unaligned", stored(unaligned, unaligned), "unaligned storage, in the answer too"),
    Route("in-one-buffer", in_one_buffer, "parameters and gradients each in one flat buffer"),
    *map(_edited, PRODUCTS),
)
"""Other storage, other calls."""
