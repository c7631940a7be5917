"""Other formulas and other orders of summation: right programs that are edits of the reference's text.

Each is like a fault that is none (`conformance.subjects.faults`): no equation is written again.
"""

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import NamedTuple

from ..numbers import summation
from ..problems.problem import Answer, Problem
from ..text.edits import Edit, planted
from .reference import reference_answer


class Formula(NamedTuple):
    """A right program's name, what it does otherwise, and the edits that make it do so."""

    name: str
    route: str
    edits: tuple[Edit, ...]


@cache
def _text(edits: tuple[Edit, ...]) -> ModuleType:
    return planted(*edits)


def edited(*edits: Edit) -> Callable[[Problem], Answer]:
    """The answer of a copy of the reference with these edits, made when it is first asked."""
    return lambda problem: reference_answer(problem, _text(edits))


# --- The products and sums --------------------------------------------------------------------------------------------


def _core(F1: str, B2: str, B3: str, B4: str, imports: str = "") -> tuple[Edit, ...]:
    """The products and sums of the core in other words."""
    return tuple(Edit(label, words, imports) for label, words in (("F1", F1), ("B2", B2), ("B3", B3), ("B4", B4)))


def _orders(*names: str) -> str:
    """The statement that imports functions of `conformance.numbers.summation`."""
    return f"from {summation.__name__} import {', '.join(names)}"


SHIFTED = "(z - z.max(axis=1, keepdims=True))"
"""z less its largest, by rows."""


def summed(order: str) -> tuple[Edit, ...]:
    """The sums of the core, of the softmax and of the loss by a function of `conformance.numbers.summation`."""
    imports = _orders(f"{order} as total", "product")
    elsewhere = {
        "A8": f"exp({SHIFTED}) / total(exp({SHIFTED}).T)[:, None]",
        "D8": "a * (g - total((g * a).T)[:, None])",
        "A24": f"{SHIFTED} - log(total(exp({SHIFTED}).T)[:, None])",
        "L1": "total(((y - a) ** 2).T) / 2",
        "L2": "total(((y - a) ** 2).T) / a.shape[1]",
        "L4": "-total((y * LogSoftmax().apply(a)).T)",
        "H1": "p * total(y.T)[:, None] - y",
        "R1": "total(losses) / N",
    }
    return (
        *_core(
            F1="total(product(a_prev, W.T, b))",
            B2="total(product(delta, W))",
            B3="total(product(delta.T, a_prev))",
            B4="total(delta)",
            imports=imports,
        ),
        *(Edit(label, words, imports) for label, words in elsewhere.items()),
    )


SAMPLES_IN_COLUMNS = _core(
    F1="(W @ np.asfortranarray(a_prev).T + b[:, None]).T",
    B2="(W.T @ delta.T).T",
    B3="(a_prev.T @ np.asfortranarray(delta)).T",
    B4="delta.T.sum(axis=1)",
)

SUMS = (
    Formula("loops", "each sum term by term, without NumPy's", summed("loops")),
    Formula("backwards", "sums from the last term to the first", summed("backwards")),
    Formula("pairwise", "sums by halves", summed("pairwise")),
    Formula("compensated", "Kahan's sums", summed("compensated")),
    Formula("shuffled", "sums in a random order", summed("shuffled")),
    Formula(
        "einsum", "the products by Einstein's convention",
        _core(
            F1='np.einsum("si,ji->sj", a_prev, W) + b',
            B2='np.einsum("sj,ji->si", delta, W)',
            B3='np.einsum("sj,si->ji", delta, a_prev)',
            B4='np.einsum("sj->j", delta)',
        ),
    ),
    Formula(
        "outer-products", "matrix-vector products, and gradients as sums of outer products",
        _core(
            F1="np.stack([W @ sample + b for sample in a_prev])",
            B2="np.stack([d @ W for d in delta])",
            B3="sum((np.outer(d, sample) for d, sample in zip(delta, a_prev)), 0 * layer.W)",
            B4="sum(delta, 0 * delta[0])",
        ),
    ),
    Formula(
        "wide-accumulators", "products and sums in the wider format, each then rounded",
        _core(
            F1="(wide(a_prev) @ wide(W.T) + b).astype(W.dtype)",
            B2="(wide(delta) @ wide(W)).astype(W.dtype)",
            B3="(wide(delta.T) @ wide(a_prev)).astype(delta.dtype)",
            B4="wide(delta).sum(axis=0).astype(delta.dtype)",
            imports=_orders("wide"),
        ),
    ),
    Formula(
        "fused-multiply-add", "multiply-adds with a single rounding",
        _core(
            F1="fused(a_prev, W.T, b)",
            B2="fused(delta, W)",
            B3="fused(delta.T, a_prev)",
            B4="fused(delta.T, 0 * delta[:, :1] + 1)[:, 0]",
            imports=_orders("fused"),
        ),
    ),
    Formula(
        "bias-as-a-weight", "the bias as the weight of a unit that is always 1",
        (
            Edit("F1", "np.c_[a_prev, 0 * a_prev[:, :1] + 1] @ np.c_[W, b].T"),
            Edit("B3", "(delta.T @ np.c_[a_prev, 0 * a_prev[:, :1] + 1])[:, :-1]"),
            Edit("B4", "(delta.T @ np.c_[a_prev, 0 * a_prev[:, :1] + 1])[:, -1]"),
        ),
    ),
)
"""Those of the core otherwise."""


# --- The activations and the losses -----------------------------------------------------------------------------------

FUNCTIONS = (
    Formula(
        "reciprocals", "products with a reciprocal for divisions",
        (
            Edit("A2", "exp(np.minimum(z, 0)) * (1 / (1 + exp(-abs(z))))"),
            Edit("A8", f"exp({SHIFTED}) * (1 / exp({SHIFTED}).sum(axis=1, keepdims=True))"),
            Edit("A15", "z * (1 / (1 + abs(z)))"),
            Edit("G2", "(2 / a.shape[1]) * (a - y)"),
            Edit("R1", "losses.sum() * (1 / N)"),
            Edit("R2", "g * (1 / N)"),
        ),
    ),
    Formula("naive-sigmoid", "1 / (1 + e^-z) for every z", (Edit("A2", "1 / (1 + exp(-z))"),)),
    Formula("sigmoid-by-tanh", "(1 + tanh(z / 2)) / 2", (Edit("A2", "(1 + tanh(z / 2)) / 2"),)),
    Formula("tanh-by-sigmoid", "2 sigmoid(2 z) - 1", (Edit("A3", "2 * Sigmoid().apply(2 * z) - 1"),)),
    Formula(
        "tanh-by-exponentials", "(1 - e^-2|z|) / (1 + e^-2|z|), with the sign of z",
        (Edit("A3", "np.copysign((1 - exp(-2 * abs(z))) / (1 + exp(-2 * abs(z))), z)"),),
    ),
    Formula(
        "slopes-by-exponentials", "e^-z / (1 + e^-z)^2 and 1 / cosh^2 z",
        (
            Edit("D2", "g * (exp(-abs(z)) / (1 + exp(-abs(z))) ** 2)"),
            Edit("D3", "g * (2 / (exp(abs(z)) + exp(-abs(z)))) ** 2"),
        ),
    ),
    Formula(
        "slopes-multiplied-out", "a - a^2 and g - g a^2",
        (Edit("D2", "g * (a - a * a)"), Edit("D3", "g - g * a * a")),
    ),
    Formula(
        "slopes-factored", "g a (1 - a) and g (1 - a) (1 + a)",
        (Edit("D2", "g * a * (1 - a)"), Edit("D3", "g * (1 - a) * (1 + a)")),
    ),
    Formula(
        "slopes-by-the-activation", "of elu, softplus and their kin from a",
        (
            Edit("D6", "where(z > 0, g, g * (where(z > 0, 0, a) + self.alpha))"),
            Edit("D7", "where(self.beta * z > self.threshold, g, g * (1 - exp(-self.beta * a)))"),
            Edit("D20", "g * (1 - exp(a))"),
            Edit("D24", "g - exp(a) * g.sum(axis=1, keepdims=True)"),
        ),
    ),
    Formula(
        "plain-exponentials", "log(1 + e^z) and e^z - 1",
        (
            Edit("log1p_exp", "log(1 + exp(z))"),
            Edit("A6", "where(z > 0, z, self.alpha * (exp(z) - 1))"),
            Edit("A9", "1.0507009873554805 * where(z > 0, z, 1.6732632423543772 * (exp(z) - 1))"),
            Edit("A10", "where(z > 0, z, self.alpha * (exp(z / self.alpha) - 1))"),
        ),
    ),
    Formula(
        "unshifted-softmax", "e^z / sum e^z", (Edit("A8", "exp(z) / exp(z).sum(axis=1, keepdims=True)"),),
    ),
    Formula(
        "shifted-softmax", "shifted by max z, not halved",
        (
            Edit("A8", f"exp({SHIFTED}) / exp({SHIFTED}).sum(axis=1, keepdims=True)"),
            Edit("A24", f"{SHIFTED} - log(exp({SHIFTED}).sum(axis=1, keepdims=True))"),
            Edit("L4", "-(y * LogSoftmax().apply(a)).sum(axis=1)"),
        ),
    ),
    Formula(
        "log-sum-exp", "z - log sum exp, and softmax as its exponential",
        (
            Edit("A8", "exp(LogSoftmax().apply(z))"),
            Edit("A24", f"z - (z.max(axis=1, keepdims=True) + log(exp({SHIFTED}).sum(axis=1, keepdims=True)))"),
            Edit("L4", "-(y * LogSoftmax().apply(a)).sum(axis=1)"),
        ),
    ),
    Formula(
        "log-of-softmax", "log softmax as the logarithm of the softmax",
        (
            Edit("A24", "log(Softmax().apply(z))"),
            Edit("L4", "-(y * LogSoftmax().apply(a)).sum(axis=1)"),
        ),
    ),
    Formula(
        "chain-through-the-head", "dL/da and then (B1), not the fused delta",
        (
            Edit("H1", "Softmax().pullback(p, p, CrossEntropy().gradient(p, y))"),
            Edit("H2", "Sigmoid().pullback(p, p, BinaryCrossEntropy().gradient(p, y))"),
        ),
    ),
    Formula(
        "jacobian-of-softmax", "the softmax's derivative as a matrix",
        (
            Edit(
                "D8",
                'np.einsum("sjk,sk->sj", np.eye(len(a.T), dtype=a.dtype) * a[:, None] - a[:, :, None] * a[:, None], g)',
            ),
        ),
    ),
)
"""Other formulas for those."""
