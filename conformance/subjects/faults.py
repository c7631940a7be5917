"""Faults: mistakes people really make, each an edit of the reference's own text.

`planted` makes a copy of the reference with one fault in it; the suite must find it in the equation it violates.
An edit names a module and replaces one piece of a labelled line, so that no equation is written twice.
"""

import importlib.util
import sys
import tempfile
from importlib.abc import Loader
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, cast

import reference
from reference import Array, backward, forward
from reference.gradients import reduced_loss

from ..problems.problem import Answer, Parameters, Problem, State
from .reference import reference_answer


class Edit(NamedTuple):
    """``old`` stands once in the module's text and becomes ``new``."""

    module: str
    old: str
    new: str


class Fault(NamedTuple):
    """A mistake: its name, the equations that the judge finds violated, the edits, and what it is."""

    name: str
    equations: frozenset[str]
    edits: tuple[Edit, ...]
    mistake: str


def planted(*edits: Edit) -> ModuleType:
    """A copy of the reference with the edits made, imported under a name of its own.

    Raises
    ------
    ValueError
        If what an edit replaces does not stand exactly once in the module.
    """
    source = Path(reference.__file__).parent
    name = f"reference_with_fault_{next(_copies)}"
    with tempfile.TemporaryDirectory() as folder:
        for path in source.glob("*.py"):
            text = path.read_text()
            for edit in edits:
                if edit.module == path.stem:
                    if text.count(edit.old) != 1:
                        raise ValueError(f"{path.name}: expected {edit.old!r} once, found {text.count(edit.old)}")
                    text = text.replace(edit.old, edit.new)
            (Path(folder) / path.name).write_text(text)
        spec = importlib.util.spec_from_file_location(
            name, Path(folder) / "__init__.py", submodule_search_locations=[folder]
        )
        assert spec is not None  # the file is there
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            cast(Loader, spec.loader).exec_module(module)
        finally:
            for loaded in [n for n in sys.modules if n.partition(".")[0] == name]:
                del sys.modules[loaded]
    return module


_copies = count()


def _core(name: str, equations: str, old: str, new: str, mistake: str) -> Fault:
    return _fault(name, equations, "backpropagation", old, new, mistake)


def _fault(name: str, equations: str, module: str, old: str, new: str, mistake: str) -> Fault:
    return Fault(name, frozenset(equations.split()), (Edit(module, old, new),), mistake)


_PULLBACK = "delta = sigma.pullback(z, a, g)  "
_COTANGENT = "g = delta @ W  "
_WEIGHTS = " delta.T @ a_prev,"
_BIASES = " delta.sum(axis=0)))"

FAULTS = (
    _core(
        "output-derivative-missing", "B1", _PULLBACK, "delta = sigma.pullback(z, a, g) if gradients else +g",
        "delta^L lacks sigma'(z^L)",
    ),
    _core(
        "hidden-derivative-missing", "B2", _PULLBACK, "delta = +g if gradients else sigma.pullback(z, a, g)",
        "delta^l lacks sigma'(z^l)",
    ),
    _core(
        "derivative-at-activation", "B1 B2", _PULLBACK, "delta = sigma.pullback(a, sigma.apply(a), g)",
        "sigma'(a) for sigma'(z)",
    ),
    _fault(
        "derivative-of-sigmoid-handed-z", "B1 B2", "activations", "g * (a * (1 - a))", "g * (z * (1 - z))",
        "sigmoid_derivative(x) = x (1 - x), written for a and handed z",
    ),
    _core(
        "derivative-of-cotangent", "B1 B2", _PULLBACK, "delta = sigma.pullback(g, sigma.apply(g), 0 * g + 1)",
        "sigma'(g) for g sigma'(z)",
    ),
    _fault(
        "tanh-derivative-is-tanh", "B1 B2", "activations", "g * (1 - a * a)", "g * a", "tanh' coded as tanh",
    ),
    _fault(
        "tanh-derivative-unparenthesised", "B1 B2", "activations", "g * (1 - a * a)", "g - a * a",
        "g - a^2 for g (1 - a^2)",
    ),
    _fault(
        "leaky-slope-ignored", "B1 B2", "activations", "where(z > 0, g, self.negative_slope * h)", "where(z > 0, g, 0)",
        "the backward pass of leaky_relu is relu's",
    ),
    _core(
        "weights-updated-first", "B2", _COTANGENT, "g = delta @ (W - 0.1 * gradients[-1].W)",
        "(B2) uses W after its update",
    ),
    _core(
        "weight-transposed", "B2", _COTANGENT, "g = delta @ (W.T if W.shape[0] == W.shape[1] else W)",
        "delta W^T for delta W",
    ),
    _core(
        "weight-gradient-transposed", "B3", _WEIGHTS,
        " a_prev.T @ delta if a_prev.shape == delta.shape else delta.T @ a_prev,",
        "a^T delta where the layout wants delta^T a",
    ),
    _core(
        "hidden-delta-doubled", "B2", _COTANGENT, "g = delta @ W + delta @ W", "W^T delta added twice",
    ),
    _core("bias-not-summed", "B4", _BIASES, " +delta[0]))", "the first sample's delta for the sum"),
    _core("bias-averaged", "B4", _BIASES, " delta.mean(axis=0)))", "the mean over the batch for the sum"),
    _core(
        "bias-from-weight-rows", "B4", _BIASES, " (delta.T @ a_prev).sum(axis=1)))", "row sums of dL/dW for dL/db",
    ),
    _fault(
        "outputs-not-averaged", "B1", "losses", "return 2 * (a - y) / a.shape[1]", "return 2 * (a - y)",
        "the loss averages over outputs, the gradient sums",
    ),
    _fault("batch-divided-twice", "B1", "gradients", "g / N)", "g / N / N)", "1/B in the loss and again later"),
    _fault("batch-not-divided", "B1", "gradients", "g / N)", "g / 1)", "mean loss, summed gradient"),
    _fault(
        "half-forgotten", "B1", "losses", "return a - y ", "return 2 * (a - y) ",
        "the derivative of the square without the 1/2",
    ),
    _fault("sign-flipped", "B1", "losses", "return a - y ", "return y - a ", "y - a kept while the update subtracts"),
    _fault(
        "softmax-diagonal-only", "B1 B2", "activations", "a * (g - (g * a).sum(axis=1, keepdims=True))",
        "a * (g - g * a)", "softmax taken elementwise: p (1 - p)",
    ),
    Fault(
        "softmax-twice", frozenset(("L4", "L6", "B1")),
        (
            Edit("gradients", "head.value(z, y) if head", "head.value(a, y) if head"),
            Edit("gradients", "head.delta(a, y) if head", "head.gradient(a, y) if head"),
            Edit("gradients", "Identity() if head else sigma", "sigma"),
        ),
        "softmax before a loss that applies it; consistent with itself",
    ),
    _fault(
        "bce-zero-class-dropped", "B1", "losses", "return p - y ", "return y * (p - 1) ", "gradient only where y = 1",
    ),
    _fault(
        "probability-clipped", "B1", "losses", "return p - y ", "return where(abs(2 * p - 1) < 1 - 2e-7, p - y, 0) ",
        "probabilities clipped before the logarithm, gradient 0 beyond",
    ),
    _fault(
        "log-epsilon", "B1", "losses", "return p * y.sum(axis=1, keepdims=True) - y ",
        "y = y * p / (p + 1e-3); return p * y.sum(axis=1, keepdims=True) - y ", "log(p + eps)",
    ),
    Fault(
        "broadcast-target", frozenset(("L1", "B1")),
        (
            Edit(
                "losses", "return ((y - a) ** 2).sum(axis=1) / 2",
                "return (((y.T if a.shape[1] == 1 else y) - a) ** 2).sum(axis=1) / 2",
            ),
            Edit(
                "losses", "return a - y ",
                "return (a - y.T).sum(axis=1, keepdims=True) if a.shape[1] == 1 else a - y ",
            ),
        ),
        "(B,) against (B, 1) gives B by B, for one output",
    ),
    _fault(
        "relu-one-at-zero", "B1 B2", "activations", "gated(z, g)", "where(z < 0, 0, g)",
        "sigma'(0) = 1: a convention, to be declared",
    ),
    _fault(
        "exponential-overflow", "F2 B1 B2", "activations", "e = exp(half_centred(z)) ** 2", "e = exp(z)",
        "softmax without a shift",
    ),
    _fault(
        "log-of-zero", "L4", "losses", "return -2 * (y * half_log_softmax(a)).sum(axis=1)",
        "return -(y * log(Softmax().apply(a))).sum(axis=1)", "log(0) for a saturated probability",
    ),
    _core("bias-left-out", "F1", "z = a_prev @ W.T + b ", "z = a_prev @ W.T ", "the weighted sum lacks b"),
    _core(
        "weight-transposed-forward", "F1", "z = a_prev @ W.T + b ",
        "z = a_prev @ (W if W.shape[0] == W.shape[1] else W.T) + b ",
        "a transposed square weight matrix",
    ),
    _core("update-ascends", "U1", "W - eta * dW,", "W + eta * dW,", "the update adds the gradient"),
    _core("update-without-rate", "U1", "W - eta * dW,", "W - dW,", "the update lacks eta"),
    _core("bias-not-updated", "U2", "b - eta * db,", "+b,", "the biases stay as they are"),
)
"""The mistakes that concern the forward pass, (B1) to (B4) and the plain update."""


UPDATE_FAULTS = (
    _fault(
        "nesterov-variant", "U6", "updates", "d = g + self.momentum * v if self.nesterov else v",
        "d = v + self.momentum * v if self.nesterov else v", "the look-ahead applied at the wrong place",
    ),
    _fault(
        "momentum-convention", "U5", "updates", "self.momentum * v + (1 - self.dampening) * g  #",
        "self.momentum * v + (1 - self.dampening) * eta * g  #", "eta inside the velocity and outside",
    ),
    _fault(
        "adam-epsilon-inside", "U11", "updates", "root = sqrt(largest) / (1 - self.beta2**t) ** (1 / 2)\n",
        "root = sqrt(largest / (1 - self.beta2**t) + self.eps)\n", "eps inside the square root",
    ),
    _fault(
        "adam-epsilon-scaled", "U11", "updates", "root = sqrt(largest) / (1 - self.beta2**t) ** (1 / 2)\n",
        "root = (sqrt(largest) + self.eps) / (1 - self.beta2**t) ** (1 / 2)\n", "eps scaled by the correction",
    ),
    _fault(
        "adam-uncorrected", "U11", "updates",
        "rate = eta / (1 - self.beta1**t)\n        return p - rate * (m / (root",
        "rate = eta\n        return p - rate * (m / (root",
        "no bias correction",
    ),
    _fault(
        "penalty-not-differentiated", "U3", "updates",
        "return g + weight_decay * p if weight_decay else g ", "return g ",
        "weight decay in the loss, not in the gradient",
    ),
    _fault(
        "penalty-factor", "U3", "updates", "return g + weight_decay * p if", "return g + 2 * weight_decay * p if",
        "2 lambda for lambda",
    ),
    _fault(
        "penalty-sign", "U3", "updates", "return g + weight_decay * p if", "return g - weight_decay * p if",
        "the penalty's sign",
    ),
)
"""The mistakes that concern the update rules beyond the plain one."""


class Accumulating:
    """gradient-accumulated: the gradients of the calls before are still there, and are added to."""

    def __init__(self) -> None:
        self.sums: tuple[Parameters, ...] = ()

    def __call__(self, problem: Problem) -> Answer:
        """Answer with the gradients of all problems of these shapes so far."""
        answer = reference_answer(problem)
        before = self.sums or tuple(Parameters(0 * W, 0 * b) for W, b in answer.gradients)
        self.sums = tuple(Parameters(V + W, c + b) for (V, c), (W, b) in zip(before, answer.gradients, strict=True))
        return answer._replace(gradients=self.sums)


class Stale:
    """stale-forward: the backward pass reads the forward pass of the call before."""

    def __init__(self) -> None:
        self.x: Array = None

    def __call__(self, problem: Problem) -> Answer:
        """Answer with a backward pass through the samples of the problem before."""
        answer, network = reference_answer(problem), problem.network
        steps = forward(network, problem.x if self.x is None else self.x)
        self.x = problem.x
        last = answer.trace[-1]
        _, sigma, g = reduced_loss(network[-1].sigma, last.z, last.a, problem.y, problem.loss, problem.reduction)
        gradients, input_gradient = backward((*network[:-1], network[-1]._replace(sigma=sigma)), steps, g)
        return answer._replace(
            gradients=tuple(Parameters(W, b) for _, W, b in gradients),
            trace=tuple(State(z, a, g.delta) for (z, a, _), g in zip(answer.trace, gradients, strict=True)),
            input_gradient=input_gradient,
        )


KEEPING = (Accumulating, Stale)
"""Mistakes that show in the second call: subjects that keep what they should not."""
