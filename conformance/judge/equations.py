"""The judge: each documented equation held to its bound on somebody's own numbers.

`local` takes the inputs of every equation from the answer itself, so that each is judged alone, at any
depth; it names equation, layer and element.  `end_to_end` carries the bound from x to the gradients.  Both run
the reference's text on `Rounded`; nothing here knows where an answer came from.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference import (
    ACTIVATIONS,
    Array,
    Gradient,
    Identity,
    Layer,
    Loss,
    Step,
    backward,
    cotangent,
    forward,
    input_gradient,
    update,
)
from reference.activations import Activation
from reference.backpropagation import Network
from reference.functions import where
from reference.gradients import Cotangent, Reduction, reduced_loss
from reference.losses import fused

from ..bounds import assumptions
from ..bounds.paths import path_bounds
from ..bounds.rounded import Rounded, exact, gamma, observed
from ..numbers.enclosure import Unbounded
from ..problems.problem import Answer, Problem, State
from ..text.labels import label


class Judgement(NamedTuple):
    """What became of one equation in one layer: a plain record.

    ``margin`` is the largest error divided by its bound, found at ``element``, with what was ``got``, what was
    ``expected`` and the ``bound`` there.  An element is wrong beyond its bound, and undecided where a zero would
    pass or the truth may overflow.  ``floor`` is the median, over elements that are not zero, of the smallest
    relative error that would have been caught.  An element is suspect where only an estimate speaks against it.
    ``factor`` is the number by which all expected ones are multiplied, where one explains what is wrong.
    ``spread`` counts the elements by the octave of their margin: k for 2^(k-1) up to 2^k; those without error are not
    counted.
    """

    equation: str
    layer: int
    dtype: str
    elements: int
    wrong: int
    undecided: int
    margin: float
    floor: float
    element: tuple[int, ...]
    got: float
    expected: float
    bound: float
    suspect: int = 0
    factor: float = np.nan
    spread: Mapping[int, int] = {}


def compare(equation: str, layer: int, got: Array | Rounded, expected: Rounded) -> Judgement:
    """Hold numbers against what is admitted: midpoints and radii.

    Parameters
    ----------
    equation, layer : str, int
        What is judged, for the record.
    got : array, or Rounded
        Somebody's numbers; as `Rounded` where they are known only to within a radius, which joins the bound.
    expected : Rounded

    Raises
    ------
    ValueError
        If the shape or the dtype is not that of the problem.
    """
    if got.shape != expected.shape or got.dtype != expected.dtype:
        raise ValueError(
            f"{equation}, layer {layer}: expected shape {expected.shape} and dtype {expected.dtype}, "
            f"got {got.shape} and {got.dtype}"
        )
    format, size = expected.format, abs(expected.mid)
    numbers, bound = (got.mid, expected.rad + got.rad) if isinstance(got, Rounded) else (got, expected.rad)
    with np.errstate(all="ignore"):  # NaN and infinity are compared below
        error = abs(numbers.astype(format.wide) - expected.mid)
        overflow = ~(size + bound <= format.largest)
        margin = np.asarray(error / bound, np.float64)
        margin[np.isnan(margin)] = np.inf
        margin[overflow | (error == 0)] = 0
        relative = np.asarray(bound / size, np.float64)
    nonzero = size > 0
    wide = overflow | ~(relative < 1)
    # A zero of the structure has a bound of underflow alone, and is decided.
    wide = wide & (nonzero | (bound > format.tiny / format.u))
    at = np.unravel_index(int(margin.argmax()), margin.shape)
    wrong = int(np.count_nonzero(margin > 1))
    return Judgement(
        equation,
        layer,
        str(format.dtype),
        elements=margin.size,
        wrong=wrong,
        undecided=int(np.count_nonzero(wide)),
        margin=float(margin[at]),
        floor=_median(relative[nonzero]),
        element=tuple(map(int, at)),
        got=float(numbers[at]),
        expected=float(expected.mid[at]),
        bound=float(bound[at]),
        factor=_factor(numbers, expected, bound) if wrong else np.nan,
        spread=_octaves(margin),
    )


def _factor(numbers: Array, expected: Rounded, bound: Array) -> float:
    """The one factor r with numbers = r expected, each within its bound; NaN where there is none."""
    with np.errstate(all="ignore"):
        decided = np.isfinite(bound)  # what is undecided must not hide a factor that the rest has in common
        mid, got, bound = expected.mid.astype(np.float64)[decided], numbers.astype(np.float64)[decided], bound[decided]
        scale = abs(mid).max(initial=0) or 1.0
        r = float((got / scale * (mid / scale)).sum() / ((mid / scale) ** 2).sum())
        fits = bool((abs(got - r * mid) <= max(1.0, abs(r)) * 2 * bound).all())
        seen = bool((abs(r - 1) * abs(mid) > 2 * bound).any())
    return (0.0 if not got.any() else r) if fits and seen else np.nan


def _octaves(margin: Array) -> dict[int, int]:
    """How many margins lie in each octave, those from 2^-20 down and from 2^60 up together."""
    octaves = np.frexp(np.minimum(margin[margin > 0], 2.0**59))[1]
    counts = np.bincount(np.maximum(octaves, -20) + 20).tolist()
    return {k - 20: count for k, count in enumerate(counts) if count}


def _median(numbers: Array) -> float:
    """The upper median, 0 of none."""
    middle = numbers.size // 2
    return float(np.partition(numbers, middle)[middle]) if numbers.size else 0.0


def check_answer(problem: Problem, answer: Answer) -> None:
    """The answer has every layer, in the problem's shapes and dtype.

    Raises
    ------
    ValueError
        Naming what has not.
    """
    B, shapes = len(problem.x), [W.shape for W, _, _ in problem.network]
    expected: dict[str, list[tuple[tuple[int, ...], ...]]] = {
        "gradients": [(shape, shape[:1]) for shape in shapes],
        "updated": [(shape, shape[:1]) for shape in shapes],
        "trace": [((B, n),) * 3 for n, _ in shapes],
    }
    for name, layers in expected.items():
        got = getattr(answer, name)
        if len(got) != len(layers):
            raise ValueError(f"{name}: expected {len(layers)} layers, got {len(got)}")
        for l, (parts, wanted) in enumerate(zip(got, layers, strict=True), start=1):
            for part, shape, field in zip(parts, wanted, parts._fields, strict=True):
                if part.shape != shape or part.dtype != problem.dtype:
                    raise ValueError(
                        f"{name}, layer {l}, {field}: expected shape {shape} and dtype {problem.dtype}, "
                        f"got {part.shape} and {part.dtype}"
                    )


@dataclass(frozen=True)
class Widened:
    """An activation whose results admit every formula that is equal on paper.

    At a kink the reference's own convention holds; with ``at_zero`` that derivative at z = 0; with ``any_at_kinks``
    whatever lies between the derivatives on either side, for somebody who has declared nothing.
    """

    sigma: Activation
    at_zero: float | None = None
    any_at_kinks: bool = False

    def apply(self, z: Rounded) -> Rounded:
        """sigma(z), widened by what `conformance.bounds.assumptions` admits."""
        a = bounded(lambda: self.sigma.apply(z), z)
        with np.errstate(all="ignore"):  # what overflows has an infinite radius
            kappa, upper = z.format.kappa, _upper(a)
            by = self._most(lambda size: self._admitted.value(kappa, self.sigma, size, upper), z)
            return a.widened(z.format.u * by)

    def pullback(self, z: Rounded, a: Rounded, g: Rounded) -> Rounded:
        """dL/dz, widened likewise."""
        around = z.widened(z.format.tiny) if self.any_at_kinks else z
        delta = bounded(lambda: self.sigma.pullback(around, a, g), z)
        if self.at_zero is not None:
            delta = where(z == 0, self.at_zero * g, delta)
        with np.errstate(all="ignore"):
            kappa, size_of_g, upper = z.format.kappa, _size(g), _upper(a)
            by = self._most(lambda size: self._admitted.derivative(kappa, self.sigma, size, upper, size_of_g), z)
            return delta.widened(z.format.u * by)

    @staticmethod
    def _most(admitted: Callable[[Array], Array], z: Rounded) -> Array:
        """What is admitted at most: it grows or falls with |z|, whose ends the radius tells."""
        most = admitted(_size(z))
        return np.maximum(most, admitted(np.maximum(abs(_float(z)) - z.rad, 0))) if z.rad.any() else most

    @property
    def _admitted(self) -> assumptions.Admitted:
        return assumptions.ACTIVATIONS.get(type(self.sigma), assumptions.NOTHING)


@dataclass(frozen=True)
class WidenedLoss:
    """A loss whose results admit every formula that is equal on paper, and its terms added in any order."""

    loss: Loss
    any_at_kinks: bool = False

    def value(self, a: Rounded, y: Rounded) -> Rounded:
        """The loss of each sample, widened by what `conformance.bounds.assumptions` admits."""
        value = bounded(lambda: self.loss.value(a, y), Rounded(y.mid[:, 0], 0 * y.rad[:, 0], y.format))
        with np.errstate(all="ignore"):
            # Whoever adds the terms of all samples in one sum makes B K roundings.
            any_order = gamma(y.mid.size, a.format.u) * (value.absolute + value.brought)
            by = self._admitted.value(a.format.kappa, self.loss, _float(a), _float(y)) * _within(a)[:, 0]
            return value.widened(a.format.u * by + any_order)

    def gradient(self, a: Rounded, y: Rounded) -> Rounded:
        """dL/da, widened likewise."""
        around = a.widened(a.format.tiny) if self.any_at_kinks else a
        gradient = bounded(lambda: self.loss.gradient(around, y), a)
        with np.errstate(all="ignore"):
            by = self._admitted.derivative(a.format.kappa, self.loss, _float(a), _float(y)) * _within(a)
            return gradient.widened(a.format.u * by)

    @property
    def _admitted(self) -> assumptions.Admitted:
        return assumptions.LOSSES.get(type(self.loss), assumptions.NOTHING)


def bounded(equation: Callable[[], Rounded], like: Rounded) -> Rounded:
    """What an equation gives or, where it cannot be bounded, numbers of that shape of which nothing is known.

    A bound carried far may reach a division by what may be zero; there nothing is decided, and nothing accused.
    """
    try:
        return equation()
    except Unbounded:
        return like.widened(np.inf)


def local(problem: Problem, answer: Answer) -> Iterator[Judgement]:
    """Judge each equation alone, on the answer's own numbers.

    Each number of the answer counts as rounded once when it was reported (`conformance.bounds.rounded.observed`).

    Parameters
    ----------
    problem : Problem
    answer : Answer
        With its trace; in the problem's dtype.

    Raises
    ------
    ValueError
        If the answer lacks a layer, or an array has another shape or dtype than the problem asks for.

    Yields
    ------
    Judgement
        (F1), (F2), (B3), (B4) and the update of every layer; (B1) of the last, (B2) of all below, layer 0 being
        dL/dx; the loss by its own label.
    """
    check_answer(problem, answer)
    states = [State(*map(observed, state)) for state in answer.trace]
    # The rate carries its own rounding, and two more where it is folded with 1/B before it meets the gradient.
    eta = exact(np.asarray(problem.eta, problem.dtype))
    eta = eta.widened(3 * eta.format.u * abs(problem.eta))
    a_prev = exact(problem.x)
    for l, ((W, b, sigma), (z, a, delta)) in enumerate(zip(problem.network, states, strict=True), start=1):
        W, b = exact(W), exact(b)
        linear = (Layer(W, b, Identity()),)
        got, new = answer.gradients[l - 1], answer.updated[l - 1]
        yield compare("F1", l, answer.trace[l - 1].z, forward(linear, a_prev)[0].z)
        yield compare("F2", l, answer.trace[l - 1].a, Widened(sigma).apply(z))
        (gradient,) = backward(linear, (Step(a_prev, z, z),), delta)
        g_prev = cotangent(linear[0], gradient)
        yield compare("B3", l, got.W, once_more(gradient.W))
        yield compare("B4", l, got.b, once_more(gradient.b))
        if l == 1:
            yield compare("B2", 0, answer.input_gradient, once_more(g_prev))
        else:
            below = states[l - 2]
            expected = Widened(problem.network[l - 2].sigma).pullback(below.z, below.a, g_prev)
            yield compare("B2", l - 1, answer.trace[l - 2].delta, once_more(expected))
        (layer,) = update(linear, (Gradient(delta, observed(got.W), observed(got.b)),), eta)  # type: ignore[arg-type]
        yield compare("U1", l, new.W, layer.W)
        yield compare("U2", l, new.b, layer.b)
        a_prev = a
    z, a, delta = states[-1]
    y, head = exact(problem.y), problem.network[-1].sigma
    value, sigma, g = admitted_loss(head, z, a, y, problem.loss, problem.reduction)
    yield compare(loss_label(problem), len(states), answer.value, value)
    yield compare("B1", len(states), answer.trace[-1].delta, sigma.pullback(z, a, g))


def path(problem: Problem, answer: Answer) -> Iterator[Judgement]:
    """Judge deltas and gradients by the path bound (`conformance.bounds.paths`), from the answer's own z and a on.

    It admits every arrangement of the chain rule, forward mode among them, and is narrow at any depth.

    Yields
    ------
    Judgement
        (B1) or (B2), (B3) and (B4) of every layer, and (B2) of layer 0, dL/dx.
    """
    check_answer(problem, answer)
    states = [(observed(z), observed(a)) for z, a, _ in answer.trace]
    deltas = [state.delta for state in answer.trace]
    yield from led_back(problem, states, deltas, answer.gradients, answer.input_gradient)


def led_back(
    problem: Problem,
    states: Sequence[tuple[Rounded, Rounded]],
    deltas: Sequence[Array] | None,
    gradients: Sequence[tuple[Array | Rounded, Array | Rounded]],
    input_gradient: Array | None,
    conventions: Mapping[str, float] | None = None,
) -> Iterator[Judgement]:
    """Hold what leads back from given z and a to the path bound, the last layer first.

    Yields
    ------
    Judgement
        Of every layer (B1) or (B2), where there are deltas, (B3) and (B4); (B2) in layer 0 where dL/dx is given.
    """
    last = len(states)
    for l, (gradient, g_prev) in zip(range(last, 0, -1), along_paths(problem, states, conventions), strict=True):
        W, b = gradients[l - 1]
        if deltas is not None:
            yield compare("B1" if l == last else "B2", l, deltas[l - 1], gradient.delta)
        yield compare("B3", l, W, gradient.W)
        yield compare("B4", l, b, gradient.b)
        if l == 1 and input_gradient is not None:
            yield compare("B2", 0, input_gradient, g_prev)


def along_paths(
    problem: Problem, states: Sequence[tuple[Rounded, Rounded]], conventions: Mapping[str, float] | None = None
) -> Iterator[tuple[Gradient, Rounded]]:
    """The gradients that lead on from given z and a, within the path bound: those of `conformance.bounds.paths`."""
    z, a = states[-1]
    head = admitted_loss(
        problem.network[-1].sigma, z, a, exact(problem.y), problem.loss, problem.reduction, conventions
    )
    return path_bounds(admitted(problem.network, conventions), head, states, exact(problem.x))


def once_more(gradient: Rounded) -> Rounded:
    """Widened by a rounding: the 1/N of the mean may be taken of each gradient at the very end."""
    return gradient.widened(gradient.format.u * _size(gradient))


def end_to_end(problem: Problem, *answers: Answer) -> Iterator[tuple[Judgement, ...]]:
    """Judge answers by the bound carried from x through all layers; their traces are not looked at.

    Yields
    ------
    tuple of Judgement
        One for each answer: of the loss by its label, of (B3), (B4), (U1) and (U2) in each layer, and of (B2) in
        layer 0, dL/dx.
    """
    network = admitted(problem.network)
    y, head = exact(problem.y), problem.network[-1].sigma
    steps = forward(network, exact(problem.x))
    value, sigma, g = admitted_loss(head, steps[-1].z, steps[-1].a, y, problem.loss, problem.reduction)
    pulled = (*network[:-1], network[-1]._replace(sigma=sigma))
    gradients = backward(pulled, steps, g)
    below, updated = input_gradient(network, gradients), update(network, gradients, problem.eta)
    yield tuple(compare(loss_label(problem), len(steps), answer.value, value) for answer in answers)
    yield tuple(compare("B2", 0, answer.input_gradient, below) for answer in answers)
    for l, (gradient, layer) in enumerate(zip(gradients, updated, strict=True), start=1):
        yield tuple(compare("B3", l, answer.gradients[l - 1].W, gradient.W) for answer in answers)
        yield tuple(compare("B4", l, answer.gradients[l - 1].b, gradient.b) for answer in answers)
        yield tuple(compare("U1", l, answer.updated[l - 1].W, layer.W) for answer in answers)
        yield tuple(compare("U2", l, answer.updated[l - 1].b, layer.b) for answer in answers)


def admitted(network: Network, conventions: Mapping[str, float] | None = None) -> Network:
    """The network with exact parameters and widened activations, to be run on `Rounded`.

    Parameters
    ----------
    network : tuple of Layer
    conventions : mapping, optional
        The derivatives that somebody has declared at z = 0, as ``{"relu_derivative_at_zero": 1}``; where a kink is not
        declared anything between the one-sided derivatives is admitted.  None is the reference's own at every kink.
    """
    return tuple(Layer(exact(W), exact(b), held(sigma, conventions)) for W, b, sigma in network)


KINKED_AT_ZERO = ("relu", "leaky_relu", "elu", "selu", "relu6")
"""Activations whose derivative at z = 0 is a convention, for `declared`."""


def declared(conventions: Mapping[str, float] | None) -> dict[str, float]:
    """Conventions, each a finite number by the name of one.

    Raises
    ------
    ValueError
        If a name or a number is none.
    """
    known = [f"{name}_derivative_at_zero" for name in KINKED_AT_ZERO]
    for name, value in (conventions or {}).items():
        if name not in known:
            raise ValueError(f"conventions: expected one of {', '.join(known)}, got {name!r}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise ValueError(f"conventions: expected a finite number for {name}, got {value!r}")
    return dict(conventions or {})


def held(sigma: Activation, conventions: Mapping[str, float] | None) -> Widened:
    """The activation, widened, and held to what is declared at its kinks."""
    if conventions is None:
        return Widened(sigma)
    name = next((name for name, kind in ACTIVATIONS.items() if kind is type(sigma)), "")
    declared = conventions.get(f"{name}_derivative_at_zero")
    return Widened(sigma, at_zero=declared, any_at_kinks=declared is None)


def admitted_loss(
    sigma: Activation,
    z: Rounded,
    a: Rounded,
    y: Rounded,
    loss: Loss,
    reduction: Reduction,
    conventions: Mapping[str, float] | None = None,
) -> Cotangent:
    """The reference's reduced loss and the cotangent that starts the backward pass, widened likewise.

    A fused head is taken as its loss of the logits, with the identity as last activation.

    Parameters
    ----------
    sigma : Activation
        Of the last layer.
    z, a, y : Rounded (B, n_L)
    loss : Loss
    reduction : "sum" or "mean"
    conventions : mapping, optional
        As in `admitted`.
    """
    head = fused(sigma, loss)
    if head:
        sigma, a, loss = Identity(), z, head
    widened = WidenedLoss(loss, any_at_kinks=conventions is not None)
    value, sigma, g = reduced_loss(sigma, z, a, y, widened, reduction)
    return Cotangent(value, held(sigma, conventions), g)


def loss_label(problem: Problem) -> str:
    """The label of the loss as it is evaluated: that of the logits for a fused head."""
    return label(type(fused(problem.network[-1].sigma, problem.loss) or problem.loss).value)


def _size(x: Rounded) -> Array:
    """The largest absolute value within the radius, in float64."""
    return abs(_float(x)) + x.rad


def _upper(x: Rounded) -> Array:
    """The upper ends, in float64."""
    return _float(x) + x.rad


def _within(a: Rounded) -> Array:
    """By rows (B, 1): how much larger what is admitted of a loss may be within the radius of its outputs.

    Everything in the table grows at most by e^(2 r): a probability by the logits' radius either way, the rest slower.
    """
    return np.exp(2 * a.rad.max(axis=1, keepdims=True))


def _float(x: Rounded) -> Array:
    """The midpoints in float64, for the assumptions' formulas."""
    return x.mid.astype(np.float64)
