"""Faults: mistakes people really make, each an edit of the reference's own text.

`conformance.text.edits.planted` makes a copy of the reference with one in it; the suite must find it in the equation it
violates.
"""

from typing import NamedTuple

from reference import backward, forward, input_gradient
from reference.gradients import reduced_loss

from ..arrays import Array
from ..problems.problem import Answer, Parameters, Problem, State
from ..text.edits import Edit
from .reference import reference_answer


class Fault(NamedTuple):
    """A mistake: its name, the equations that the judge finds violated, the edits, and what it is."""

    name: str
    equations: frozenset[str]
    edits: tuple[Edit, ...]
    mistake: str


def _fault(name: str, equations: str, place: str, expression: str, mistake: str) -> Fault:
    return Fault(name, frozenset(equations.split()), (Edit(place, expression),), mistake)


FAULTS = (
    _fault(
        "output-derivative-missing", "B1", "B1", "+g if a is steps[-1].a else layer.sigma.pullback(z, a, g)",
        "delta^L lacks sigma'(z^L)",
    ),
    _fault(
        "hidden-derivative-missing", "B2", "B1", "layer.sigma.pullback(z, a, g) if a is steps[-1].a else +g",
        "delta^l lacks sigma'(z^l)",
    ),
    _fault(
        "derivative-at-activation", "B1 B2", "B1", "layer.sigma.pullback(a, layer.sigma.apply(a), g)",
        "sigma'(a) for sigma'(z)",
    ),
    _fault(
        "derivative-of-sigmoid-handed-z", "B1 B2", "D2", "g * (z * (1 - z))",
        "sigmoid_derivative(x) = x (1 - x), written for a and handed z",
    ),
    _fault(
        "derivative-of-cotangent", "B1 B2", "B1", "layer.sigma.pullback(g, layer.sigma.apply(g), 0 * g + 1)",
        "sigma'(g) for g sigma'(z)",
    ),
    _fault("tanh-derivative-is-tanh", "B1 B2", "D3", "g * a", "tanh' coded as tanh"),
    _fault("tanh-derivative-unparenthesised", "B1 B2", "D3", "g - a * a", "g - a^2 for g (1 - a^2)"),
    _fault("leaky-slope-ignored", "B1 B2", "D5", "where(z > 0, g, 0)", "the backward pass of leaky_relu is relu's"),
    _fault(
        "weights-updated-first", "B2", "B2", "delta @ (W - 0.1 * gradient.W)", "(B2) uses W after its update",
    ),
    _fault(
        "weight-transposed", "B2", "B2", "delta @ (W.T if W.shape[0] == W.shape[1] else W)", "delta W^T for delta W",
    ),
    _fault(
        "weight-gradient-transposed", "B3", "B3",
        "a_prev.T @ delta if a_prev.shape == delta.shape else delta.T @ a_prev",
        "a^T delta where the layout wants delta^T a",
    ),
    _fault("hidden-delta-doubled", "B2", "B2", "delta @ W + delta @ W", "W^T delta added twice"),
    _fault("bias-not-summed", "B4", "B4", "+delta[0]", "the first sample's delta for the sum"),
    _fault("bias-averaged", "B4", "B4", "delta.mean(axis=0)", "the mean over the batch for the sum"),
    _fault("bias-from-weight-rows", "B4", "B4", "(delta.T @ a_prev).sum(axis=1)", "row sums of dL/dW for dL/db"),
    _fault("outputs-not-averaged", "B1", "G2", "2 * (a - y)", "the loss averages over outputs, the gradient sums"),
    _fault("batch-divided-twice", "B1", "R2", "g / N / N", "1/B in the loss and again later"),
    _fault("batch-not-divided", "B1", "R2", "g / 1", "mean loss, summed gradient"),
    _fault("half-forgotten", "B1", "G1", "2 * (a - y)", "the derivative of the square without the 1/2"),
    _fault("sign-flipped", "B1", "G1", "y - a", "y - a kept while the update subtracts"),
    _fault("softmax-diagonal-only", "B1 B2", "D8", "a * (g - g * a)", "softmax taken elementwise: p (1 - p)"),
    Fault(
        "softmax-twice", frozenset(("L4", "L6", "B1")),
        (
            Edit("fused", "None"),
            Edit("L3", "CrossEntropyWithLogits().value(a, y)"),
            Edit("G3", "CrossEntropyWithLogits().gradient(a, y)"),
            Edit("L5", "BinaryCrossEntropyWithLogits().value(a, y)"),
            Edit("G5", "BinaryCrossEntropyWithLogits().gradient(a, y)"),
        ),
        "softmax before a loss that applies it; consistent with itself",
    ),
    _fault("bce-zero-class-dropped", "B1", "H2", "y * (p - 1)", "gradient only where y = 1"),
    _fault(
        "probability-clipped", "B1", "H2", "where(abs(2 * p - 1) < 1 - 2e-7, p - y, 0)",
        "probabilities clipped before the logarithm, gradient 0 beyond",
    ),
    _fault(
        "log-epsilon", "B1", "H1", "p * (y * p / (p + 1e-3)).sum(axis=1, keepdims=True) - y * p / (p + 1e-3)",
        "log(p + eps)",
    ),
    Fault(
        "broadcast-target", frozenset(("L1", "B1")),
        (
            Edit("L1", "(((y.T if a.shape[1] == 1 else y) - a) ** 2).sum(axis=1) / 2"),
            Edit("G1", "(a - y.T).sum(axis=1, keepdims=True) if a.shape[1] == 1 else a - y"),
        ),
        "(B,) against (B, 1) gives B by B, for one output",
    ),
    _fault(
        "relu-one-at-zero", "B1 B2", "D4", "where(z < 0, 0, g)", "sigma'(0) = 1: a convention, to be declared",
    ),
    _fault(
        "exponential-overflow", "F2 B1 B2", "A8", "exp(z) / exp(z).sum(axis=1, keepdims=True)",
        "softmax without a shift",
    ),
    _fault(
        "log-of-zero", "L4", "L4", "-(y * log(Softmax().apply(a))).sum(axis=1)",
        "log(0) for a saturated probability",
    ),
    _fault("bias-left-out", "F1", "F1", "a_prev @ W.T", "the weighted sum lacks b"),
    _fault(
        "weight-transposed-forward", "F1", "F1", "a_prev @ (W if W.shape[0] == W.shape[1] else W.T) + b",
        "a transposed square weight matrix",
    ),
    _fault("update-ascends", "U1", "U1", "W + eta * dW", "the update adds the gradient"),
    _fault("update-without-rate", "U1", "U1", "W - dW", "the update lacks eta"),
    _fault("bias-not-updated", "U2", "U2", "+b", "the biases stay as they are"),
)
"""The mistakes that concern the forward pass, (B1) to (B4) and the plain update."""


UPDATE_FAULTS = (
    _fault(
        "nesterov-variant", "U6", "U6", "p - eta * (v + self.momentum * v if self.nesterov else v), (v,)",
        "the look-ahead applied at the wrong place",
    ),
    _fault(
        "momentum-convention", "U5", "U5",
        "+g if t == 1 else self.momentum * v + (1 - self.dampening) * eta * g",
        "eta inside the velocity and outside",
    ),
    _fault(
        "adam-epsilon-inside", "U11", "U11",
        "p - eta / (1 - self.beta1**t) * (m / sqrt(largest / (1 - self.beta2**t) + self.eps)), (m, v, largest)",
        "eps inside the square root",
    ),
    _fault(
        "adam-epsilon-scaled", "U11", "U11",
        "p - eta / (1 - self.beta1**t) * m * (1 - self.beta2**t) ** 0.5 / (sqrt(largest) + self.eps), (m, v, largest)",
        "eps scaled by the correction",
    ),
    _fault(
        "adam-uncorrected", "U11", "U11", "p - eta * (m / (sqrt(largest) + self.eps)), (m, v, largest)",
        "no bias correction",
    ),
    _fault("penalty-not-differentiated", "U3", "U3", "g", "weight decay in the loss, not in the gradient"),
    _fault("penalty-factor", "U3", "U3", "g + 2 * weight_decay * p", "2 lambda for lambda"),
    _fault("penalty-sign", "U3", "U3", "g - weight_decay * p", "the penalty's sign"),
)
"""The mistakes that concern the update rules beyond the plain one."""


class Accumulating:
    """gradient-accumulated: the gradients of the calls before are still there, and are added to."""

    def __init__(self) -> None:
        self.sums: tuple[Parameters[Array], ...] = ()

    def __call__(self, problem: Problem) -> Answer:
        """Answer with the gradients of all problems of these shapes so far."""
        answer = reference_answer(problem)
        before = self.sums or tuple(Parameters(0 * W, 0 * b) for W, b in answer.gradients)
        self.sums = tuple(Parameters(V + W, c + b) for (V, c), (W, b) in zip(before, answer.gradients, strict=True))
        return answer._replace(gradients=self.sums)


class Stale:
    """stale-forward: the backward pass reads the forward pass of the call before."""

    def __init__(self) -> None:
        self.x: Array | None = None

    def __call__(self, problem: Problem) -> Answer:
        """Answer with a backward pass through the samples of the problem before."""
        answer, network = reference_answer(problem), problem.network
        steps = forward(network, problem.x if self.x is None else self.x)
        self.x = problem.x
        last = answer.trace[-1]
        _, sigma, g = reduced_loss(network[-1].sigma, last.z, last.a, problem.y, problem.loss, problem.reduction)
        gradients = backward((*network[:-1], network[-1]._replace(sigma=sigma)), steps, g)
        return answer._replace(
            gradients=tuple(Parameters(W, b) for _, W, b in gradients),
            trace=tuple(State(z, a, g.delta) for (z, a, _), g in zip(answer.trace, gradients, strict=True)),
            input_gradient=input_gradient(network, gradients),
        )


KEEPING = (Accumulating, Stale)
"""Mistakes that show in the second call: subjects that keep what they should not."""
