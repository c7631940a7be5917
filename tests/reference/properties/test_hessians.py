"""Hessian-vector products: the backward pass, differentiated."""

from collections.abc import Callable
from functools import partialmethod
from itertools import product
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import special

import reference
from conformance.arrays import Array
from conformance.bounds.assumptions import KAPPA
from conformance.bounds.formats import FORMATS
from conformance.bounds.rounded import Rounded, exact
from conformance.judge.judgement import compare
from conformance.numbers.balls import balls, distance
from conformance.numbers.dual import Dual, dual, tangent
from conformance.problems.problem import Architecture, Problem, fill
from conformance.subjects import twin
from reference import (
    ACTIVATIONS,
    Activation,
    HalfSquaredError,
    Identity,
    Layer,
    Tanh,
)

from .subjects import GENERIC, both_dtypes, counterpart, named


class Bounded:
    """A single `Rounded` as an element of object arrays, so that dual numbers can be made of it."""

    __slots__ = ("number",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, number: Rounded) -> None:
        self.number = number

    def _through(self, ufunc: np.ufunc, *others: Any) -> "Bounded":
        if any(isinstance(other, Dual) for other in others):
            return NotImplemented  # type: ignore[no-any-return]  # the dual number knows what to do
        return Bounded(ufunc(self.number, *(o.number if isinstance(o, Bounded) else o for o in others)))

    def __add__(self, other: Any) -> "Bounded":
        return self._through(np.add, other)

    def __mul__(self, other: Any) -> "Bounded":
        return self._through(np.multiply, other)

    __radd__, __rmul__ = __add__, __mul__

    def __sub__(self, other: Any) -> "Bounded":
        return self._through(np.subtract, other)

    def __rsub__(self, other: Any) -> "Bounded":
        return (-self)._through(np.add, other)

    def __truediv__(self, other: Any) -> "Bounded":
        return self._through(np.divide, other)

    def __rtruediv__(self, other: Any) -> "Bounded":
        return Bounded(other / self.number)

    def __neg__(self) -> "Bounded":
        return self._through(np.negative)

    def __pos__(self) -> "Bounded":
        return self

    def __pow__(self, exponent: int) -> "Bounded":
        return self if exponent == 1 else self * self ** (exponent - 1)

    def _decided(self, ufunc: np.ufunc, other: Any) -> bool:
        order = ufunc(self.number, other.number if isinstance(other, Bounded) else other)
        assert order.yes or order.no, f"{self.number} against {other} is undecided: draw another problem"
        return bool(order.yes)

    def __gt__(self, other: Any) -> bool:
        return self._decided(np.greater, other)

    def __lt__(self, other: Any) -> bool:
        return self._decided(np.less, other)

    def __eq__(self, other: object) -> bool:
        return self._decided(np.equal, other)

    exp = partialmethod(_through, np.exp)
    expm1 = partialmethod(_through, np.expm1)
    log = partialmethod(_through, np.log)
    log1p = partialmethod(_through, np.log1p)
    sqrt = partialmethod(_through, np.sqrt)
    tanh = partialmethod(_through, np.tanh)
    erfc = partialmethod(_through, special.erfc)

    def atan(self) -> "Bounded":
        """Of constants: its slope is 1 at most."""
        x = self.number
        mid = np.arctan(x.mid)
        return Bounded(Rounded(mid, np.asarray(x.rad, float), x.format).widened(KAPPA * x.format.u * float(abs(mid))))


def elements(make: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """An object array of what is made of each number, which keeps its dtype."""

    def lifted(array: Array) -> Array:
        result = np.empty(array.shape, dtype=object)
        for at in np.ndindex(array.shape):
            result[at] = make(array[at])
        return result

    return lifted


Direction = list[tuple[Array, Array]]


def hessian_vector(text: ModuleType, problem: Problem, v: Direction, lifted: Callable[[Array], Array]) -> list[Array]:
    """`backward` on duals over other numbers: the derivative in direction v of dL/dW and dL/db of every layer."""
    network = tuple(
        Layer(dual(lifted(W), lifted(p)), dual(lifted(b), lifted(q)), counterpart(text, sigma))
        for (W, b, sigma), (p, q) in zip(problem.network, v, strict=True)
    )
    x, y = lifted(problem.x), lifted(problem.y)
    gradients = text.loss_and_gradients(network, x, y, text.HalfSquaredError(), problem.reduction).gradients
    return [tangent(part) for gradient in gradients for part in (gradient.W, gradient.b)]


def double_backward(problem: Problem, v: Direction) -> list[Array]:
    """The same by PyTorch: the gradient of <gradient, v>."""
    parameters = twin.tensors(problem.network)
    zs, outputs = twin.forward(problem.network, parameters, torch.tensor(problem.x))
    y = torch.tensor(problem.y)
    value = twin.loss_value(problem.network, problem.loss, problem.reduction, zs[-1], outputs[-1], y)
    flat, directions = [p for layer in parameters for p in layer], [torch.tensor(p) for pair in v for p in pair]
    gradients = torch.autograd.grad(value, flat, create_graph=True)
    along = torch.stack([(g * p).sum() for g, p in zip(gradients, directions, strict=True)]).sum()
    return [part.numpy() for part in torch.autograd.grad(along, flat)]


def hessian_problem(dtype: str, sigma: Activation) -> tuple[Problem, Direction]:
    """A network 2-3-2 with a batch of 2, and a direction."""
    architecture = Architecture((2, 3, 2), (sigma, Identity()), HalfSquaredError(), "sum", 2, dtype, GENERIC, 5, 0.1)
    problem, rng = fill(architecture), np.random.default_rng(7)
    v = [(rng.standard_normal(W.shape).astype(dtype), rng.standard_normal(b.shape).astype(dtype))
         for W, b, _ in problem.network]
    return problem, v


def bounds_of(problem: Problem, v: Direction) -> list[Rounded]:
    """The products with the bound that the text's own roundings come to."""
    format = FORMATS[problem.dtype]
    nothing = Bounded(exact(np.zeros((), problem.dtype)))
    products = hessian_vector(reference, problem, v, elements(lambda number: Bounded(exact(np.asarray(number)))))

    def gathered(array: Array) -> Rounded:
        entries = [nothing.number if isinstance(e, int) else e.number for e in array.flat]
        mid = np.array([entry.mid for entry in entries]).reshape(array.shape)
        return Rounded(mid, np.array([float(entry.rad) for entry in entries]).reshape(array.shape), format)

    return [gathered(array) for array in products]


HESSIANS = [pair for pair in product(ACTIVATIONS, ("float32", "float64")) if pair != ("selu", "float32")]
"""Elements take selu's constants as fractions, whose whole numbers of 63 digits are beyond float32."""


@pytest.mark.parametrize(("name", "dtype"), HESSIANS)
def test_hessian_vector_products_are_the_double_backward_of_autograd(name: str, dtype: str) -> None:
    problem, v = hessian_problem(dtype, ACTIVATIONS[name]())
    bounds, truth = bounds_of(problem, v), hessian_vector(reference, problem, v, balls)
    ours = hessian_vector(reference, problem, v, elements(lambda number: number))
    answers = (double_backward(problem, v), [part.astype(dtype) for part in ours])
    for k, (bound, certified) in enumerate(zip(bounds, truth, strict=True)):
        for at in np.ndindex(bound.shape):
            assert distance(bound.mid[at], certified.item(*at)) <= bound.rad[at]
        for answer in answers:
            judged = compare("B3" if k % 2 == 0 else "B4", k // 2 + 1, answer[k], bound)
            assert not judged.wrong
            assert judged.undecided <= judged.elements // 2


@both_dtypes
@pytest.mark.parametrize("mistake", ["tanh-derivative-is-tanh", "hidden-delta-doubled", "derivative-at-activation"])
def test_a_wrong_backward_pass_has_a_wrong_hessian(mistake: str, dtype: str) -> None:
    problem, v = hessian_problem(dtype, Tanh())
    products = hessian_vector(named(mistake), problem, v, elements(lambda number: number))
    pairs = list(zip(products, bounds_of(problem, v), strict=True))
    assert any(compare("B3", 1, part.astype(dtype), bound).wrong for part, bound in pairs), pairs
