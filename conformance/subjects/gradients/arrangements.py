"""Other arrangements of the chain rule and of the batch: the reference's own lines, put together otherwise."""

from collections.abc import Callable
from typing import Any

import numpy as np

import reference
from reference import Activation, Identity, Layer, Loss, cotangent, forward
from reference.gradients import Reduction

from ...arrays import Array, Network
from ...bounds.paths import MIXING
from ...numbers.summation import wide
from ...problems.problem import Parameters, Problem
from ..reference import reference_answer
from ..routes import wider_has_erfc
from .route import Gradients, Route, cotangent_of, of_one_layer, pulled_back

# --- Jacobians -------------------------------------------------------------------------------------------------------


def _slopes(layer: Layer[Array], z: Array, a: Array) -> Array:
    """The Jacobian da/dz of each sample, (B, n, n): its rows are the pullbacks of the unit vectors."""
    units = np.eye(len(layer.b), dtype=z.dtype)
    return np.stack([layer.sigma.pullback(z, a, np.broadcast_to(e, z.shape)) for e in units], axis=1)


def _by_jacobians(problem: Problem, product: Callable[[list[Array]], Array]) -> Gradients:
    """dz^L/dz^l as one matrix for each sample, and then dL/dz^L times that."""
    network, steps = problem.network, forward(problem.network, problem.x)
    _, sigma, g = cotangent_of(problem, steps[-1].z, steps[-1].a)
    last = sigma.pullback(steps[-1].z, steps[-1].a, g)
    links = [
        above.W @ _slopes(layer, z, a) for layer, above, (_, z, a) in zip(network, network[1:], steps, strict=False)
    ]
    deltas = [np.einsum("sk,skj->sj", last, product(links[l:])) for l in range(len(links))]
    return tuple(map(of_one_layer, network, steps, (*deltas, last)))


def from_the_input(links: list[Array]) -> Array:
    """The product of dz^(l+1)/dz^l, the lowest two first."""
    below, *others = links
    for link in others:
        below = link @ below
    return below


def from_the_output(links: list[Array]) -> Array:
    """The product of dz^(l+1)/dz^l, the uppermost two first."""
    *others, above = links
    for link in reversed(others):
        above = above @ link
    return above


# --- Scales ----------------------------------------------------------------------------------------------------------


def scaled_by(scale: float) -> Callable[[Problem], Gradients]:
    """The loss times a number, which is taken out of the gradients at the end."""

    def gradients(problem: Problem) -> Gradients:
        by, steps = problem.dtype.type(scale), forward(problem.network, problem.x)
        _, sigma, g = cotangent_of(problem, steps[-1].z, steps[-1].a)
        return tuple(Parameters(W / by, b / by) for W, b in pulled_back(problem.network, steps, sigma, g * by))

    return gradients


def normalised(problem: Problem) -> Gradients:
    """Each delta handed down over a power of two of its own size, as formats of few exponents want it."""
    network, steps = problem.network, forward(problem.network, problem.x)
    _, sigma, g = cotangent_of(problem, steps[-1].z, steps[-1].a)
    sigmas = [*(layer.sigma for layer in network[:-1]), sigma]
    found, exponent = [], 0
    for l in range(len(network) - 1, -1, -1):
        _, z, a = steps[l]
        delta = sigmas[l].pullback(z, a, g)
        by = int(np.frexp(abs(delta).max())[1])
        delta, exponent = np.ldexp(delta, -by), exponent + by
        layer = of_one_layer(network[l], steps[l], delta)
        found.append(Parameters(*(np.ldexp(part, exponent) for part in layer)))
        g = cotangent(network[l], reference.Gradient(delta, *layer))
    return tuple(reversed(found))


# --- The batch -------------------------------------------------------------------------------------------------------


def in_parts(size: int, weighted: bool = False) -> Callable[[Problem], Gradients]:
    """Micro-batches whose gradients are added up; ``weighted`` if each has its own mean, and its share of the whole."""

    def gradients(problem: Problem) -> Gradients:
        B, dtype = len(problem.x), problem.dtype.type
        mean = problem.reduction == "mean"
        of_part: Reduction = "mean" if weighted and mean else "sum"
        total: list[list[Array]] | None = None
        for start in range(0, B, size):
            part = problem._replace(
                x=problem.x[start : start + size], y=problem.y[start : start + size], reduction=of_part
            )
            share = dtype(len(part.x) / B if of_part == "mean" else 1)
            found = [[share * p for p in layer] for layer in reference_answer(part).gradients]
            total = found if total is None else _added(total, found)
        N = dtype(B if mean and not weighted else 1)
        return tuple(Parameters(*(p / N for p in layer)) for layer in total or ())

    return gradients


def _added(total: list[list[Array]], more: list[list[Array]]) -> list[list[Array]]:
    return [[p + q for p, q in zip(*layers, strict=True)] for layers in zip(total, more, strict=True)]


def reversed_batch(problem: Problem) -> Gradients:
    """The samples from the last to the first."""
    return reference_answer(problem._replace(x=problem.x[::-1], y=problem.y[::-1])).gradients


def padded_batch(problem: Problem) -> Gradients:
    """The batch filled up to a multiple of 8 with zeros, whose cotangent is masked."""
    B = len(problem.x)
    more = -B % 8
    steps = forward(problem.network, np.concatenate([problem.x, np.zeros((more, problem.x.shape[1]), problem.dtype)]))
    _, sigma, g = cotangent_of(problem, steps[-1].z[:B], steps[-1].a[:B])
    return pulled_back(problem.network, steps, sigma, np.concatenate([g, np.zeros((more, g.shape[1]), g.dtype)]))


# --- The units -------------------------------------------------------------------------------------------------------


def by_units(problem: Problem) -> bool:
    """No hidden layer mixes its units."""
    return not any(isinstance(sigma, MIXING) for _, _, sigma in problem.network[:-1])


def padded_units(problem: Problem) -> Gradients:
    """Inputs and hidden layers filled up to a multiple of 8 with units that have no weights, as tiles want it."""
    widths = [problem.x.shape[1], *(len(b) for _, b, _ in problem.network)]
    filled = [*(n + -n % 8 for n in widths[:-1]), widths[-1]]
    network = tuple(
        Layer(_filled(W, (n, m)), _filled(b, (n,)), sigma)
        for (W, b, sigma), m, n in zip(problem.network, filled, filled[1:], strict=False)
    )
    answer = reference_answer(problem._replace(network=network, x=_filled(problem.x, (len(problem.x), filled[0]))))
    return tuple(
        Parameters(W[:n, :m], b[:n])
        for (W, b), m, n in zip(answer.gradients, widths, widths[1:], strict=False)
    )


def _filled(array: Array, shape: tuple[int, ...]) -> Array:
    wider = np.zeros(shape, array.dtype)
    wider[tuple(map(slice, array.shape))] = array
    return wider


def permuted_units(problem: Problem) -> Gradients:
    """Inputs and hidden units in another order, and the gradients put back."""
    rng = np.random.default_rng(problem.x.shape[1])
    widths = [problem.x.shape[1], *(len(b) for _, b, _ in problem.network)]
    orders = [*(rng.permutation(n) for n in widths[:-1]), np.arange(widths[-1])]
    network = tuple(
        Layer(W[np.ix_(out, into)], b[out], sigma)
        for (W, b, sigma), into, out in zip(problem.network, orders, orders[1:], strict=False)
    )
    answer = reference_answer(problem._replace(network=network, x=problem.x[:, orders[0]]))
    back = [np.argsort(order) for order in orders]
    return tuple(
        Parameters(W[np.ix_(out, into)], b[out])
        for (W, b), into, out in zip(answer.gradients, back, back[1:], strict=False)
    )


# --- What is kept ----------------------------------------------------------------------------------------------------


def recomputed(problem: Problem) -> Gradients:
    """Nothing kept of the forward pass: each layer's z and a anew, sample by sample, when the recursion comes to it."""
    network = problem.network

    def step(l: int) -> reference.Step[Array]:
        single = [forward(network[: l + 1], problem.x[s : s + 1])[-1] for s in range(len(problem.x))]
        return reference.Step(*(np.concatenate(parts) for parts in zip(*single, strict=True)))

    last = step(len(network) - 1)
    _, sigma, g = cotangent_of(problem, last.z, last.a)
    found: list[Parameters[Array]] = []
    for l in range(len(network) - 1, -1, -1):
        layer = network[l] if l < len(network) - 1 else network[l]._replace(sigma=sigma)
        (gradient,) = reference.backward((layer,), (step(l),), g)
        found.append(Parameters(gradient.W, gradient.b))
        g = cotangent(layer, gradient)
    return tuple(reversed(found))


def _wider(network: Network) -> Network:
    return tuple(Layer(wide(W), wide(b), sigma) for W, b, sigma in network)


def forward_in_wider(problem: Problem) -> Gradients:
    """Forward in the wider format, what is kept rounded, and backward in the problem's own."""
    steps = [
        reference.Step(*(part.astype(problem.dtype) for part in step))
        for step in forward(_wider(problem.network), wide(problem.x))
    ]
    _, sigma, g = cotangent_of(problem, steps[-1].z, steps[-1].a)
    return pulled_back(problem.network, steps, sigma, g)


def backward_in_wider(problem: Problem) -> Gradients:
    """Forward in the problem's own format, and backward in the wider one, rounded when it is reported."""
    steps = [reference.Step(*map(wide, step)) for step in forward(problem.network, problem.x)]
    _, sigma, g = cotangent_of(problem._replace(y=wide(problem.y)), steps[-1].z, steps[-1].a)
    with np.errstate(over="ignore"):
        gradients = pulled_back(_wider(problem.network), steps, sigma, g)
        return tuple(Parameters(*(p.astype(problem.dtype) for p in layer)) for layer in gradients)


# --- Equal on paper --------------------------------------------------------------------------------------------------

Heads = dict[type[Loss], Callable[[Any], tuple[Activation, Loss]]]
"""For a loss, the last activation and the loss that are equal to it and its own on paper."""

IN_LOG_SPACE: Heads = {
    reference.CrossEntropy: lambda loss: (reference.LogSoftmax(), reference.NLL(loss.weight)),
    reference.BinaryCrossEntropy: lambda loss: (Identity(), reference.BinaryCrossEntropyWithLogits()),
}
"""Heads of probabilities as heads of their logarithms."""

IN_PROBABILITIES: Heads = {
    reference.NLL: lambda loss: (reference.Softmax(), reference.CrossEntropy(loss.weight)),
    reference.CrossEntropyWithLogits: lambda loss: (
        reference.Softmax(), reference.CrossEntropy(loss.weight, loss.label_smoothing),
    ),
    reference.BinaryCrossEntropyWithLogits: lambda loss: (reference.Sigmoid(), reference.BinaryCrossEntropy()),
}  # fmt: skip
"""Heads of logarithms or logits as heads of probabilities."""

KIN: dict[type, Callable[[Any], Any]] = {
    reference.ReLU: lambda sigma: reference.LeakyReLU(0),
    reference.ReLU6: lambda sigma: reference.Hardtanh(0, 6),
    reference.CELU: lambda sigma: reference.ELU(1) if sigma.alpha == 1 else sigma,
    reference.ELU: lambda sigma: reference.CELU(1) if sigma.alpha == 1 else sigma,
    reference.Huber: lambda loss: reference.SmoothL1(1) if loss.delta == 1 else loss,
    reference.SmoothL1: lambda loss: reference.Huber(1) if loss.beta == 1 else loss,
}
"""Functions that are another's special case, as that."""


def with_head(heads: Heads) -> Route:
    """The gradients of a head that is equal on paper."""
    space = "log-space" if heads is IN_LOG_SPACE else "probability-space"

    def gradients(problem: Problem) -> Gradients:
        sigma, loss = heads[type(problem.loss)](problem.loss)
        network = (*problem.network[:-1], problem.network[-1]._replace(sigma=sigma))
        return reference_answer(problem._replace(network=network, loss=loss)).gradients

    def applies(problem: Problem) -> bool:
        smoothed = isinstance(problem.loss, reference.CrossEntropy) and problem.loss.label_smoothing > 0
        return type(problem.loss) in heads and not smoothed

    return Route(f"{space}-head", gradients, f"the head in {space.replace('-', ' ')}", applies=applies)


def by_kin(problem: Problem) -> Gradients:
    """Functions that are another's special case, by that one."""
    network = tuple(layer._replace(sigma=_kin(layer.sigma)) for layer in problem.network)
    return reference_answer(problem._replace(network=network, loss=_kin(problem.loss))).gradients


def _kin(function: Any) -> Any:
    return KIN[type(function)](function) if type(function) in KIN else function


ARRANGEMENTS = (
    Route(
        "jacobians-from-the-input", lambda problem: _by_jacobians(problem, from_the_input),
        "dz^L/dz^l multiplied from the input side", recursive=False,
    ),
    Route(
        "jacobians-from-the-output", lambda problem: _by_jacobians(problem, from_the_output),
        "dz^L/dz^l multiplied from the output side", recursive=False,
    ),
    Route("loss-scale-1024", scaled_by(2.0**10), "the loss times 2^10"),
    Route("loss-scale-65536", scaled_by(2.0**16), "the loss times 2^16, as PyTorch's GradScaler begins"),
    Route("loss-scale-1000", scaled_by(1000), "the loss times 1000", recursive=False),
    Route("loss-scale-one-third", scaled_by(1 / 3), "the loss times a third", recursive=False),
    Route("normalised-deltas", normalised, "each delta over a power of two of its own"),
    Route("micro-batches", in_parts(2), "micro-batches of two, added up"),
    Route("micro-batches-of-five", in_parts(5), "micro-batches of five, added up"),
    Route("averaged-workers", in_parts(3, weighted=True), "means of parts, averaged by their shares"),
    Route("reversed-batch", reversed_batch, "the last sample first"),
    Route("padded-batch", padded_batch, "the batch filled up with masked samples"),
    Route("padded-units", padded_units, "layers filled up with units without weights", applies=by_units),
    Route("permuted-units", permuted_units, "units in another order"),
    Route("recomputed", recomputed, "nothing kept of the forward pass"),
    Route("forward-in-wider", forward_in_wider, "forward in the wider format", applies=wider_has_erfc),
    Route("backward-in-wider", backward_in_wider, "backward in the wider format", applies=wider_has_erfc),
    with_head(IN_LOG_SPACE),
    with_head(IN_PROBABILITIES),
    Route("kin", by_kin, "relu as leaky_relu(0), relu6 as hardtanh(0, 6) and so on"),
)  # fmt: skip
"""The arrangements."""
