"""Right programs by other routes: whoever judges must never accuse one of them.

Each answers problems in the problem's own dtype.  Where it is the reference with another formula, or another order of
summation, it is an edit of the reference's text, like a fault that is none (`conformance.subjects.faults`): no equation
is written again.  Some formulas are right on paper and fail at the ends of the range; such a program says by a
criterion of its own which problems it ``applies`` to.
"""

import zlib
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import NamedTuple

import numpy as np

import reference
from reference import Array, Layer, forward
from reference.backpropagation import Network
from reference.gradients import reduced_loss

from ..numbers.dual import Dual
from ..numbers.enclosure import Unbounded, Undecided
from ..numbers.summation import wide
from ..problems.problem import Answer, Parameters, Problem, State
from .faults import Edit, planted
from .reference import reference_answer
from .twin import twin_answer


class Program(NamedTuple):
    """A right program: its name, its answer to a problem, what it is.

    ``recursive`` programs hand delta^l down from layer to layer, as documented.  The others may break the bound of
    one equation alone, (B2), (B3) or (B4), but no bound that is carried along all paths.
    """

    name: str
    answer: Callable[[Problem], Answer]
    route: str
    recursive: bool = True
    applies: Callable[[Problem], bool] = lambda problem: True


@cache
def _text(edits: tuple[Edit, ...]) -> ModuleType:
    return planted(*edits)


def edited(*edits: Edit) -> Callable[[Problem], Answer]:
    """The answer of a copy of the reference with these edits, made when it is first asked."""
    return lambda problem: reference_answer(problem, _text(edits))


def _core(imported: str, z: str, W: str, b: str, g: str) -> tuple[Edit, ...]:
    """The four products and sums of the core in other words, and where these come from."""
    return (
        Edit("backpropagation", "from .functions import Array\n", f"{imported}\n\nfrom .functions import Array\n"),
        Edit("backpropagation", "z = a_prev @ W.T + b  ", f"z = {z}  "),
        Edit("backpropagation", " delta.T @ a_prev,", f" {W},"),
        Edit("backpropagation", " delta.sum(axis=0)))", f" {b}))"),
        Edit("backpropagation", "g = delta @ W  ", f"g = {g}  "),
    )


def summed(order: str) -> tuple[Edit, ...]:
    """The sums of the core, of the softmax and of the loss by a function of `conformance.numbers.summation`."""
    imported = f"from conformance.numbers.summation import {order} as total"
    return (
        *_core(
            f"{imported}, product",
            z="total(product(a_prev, W.T, b))",
            W="total(product(delta.T, a_prev))",
            b="total(delta)",
            g="total(product(delta, W))",
        ),
        Edit("activations", "from .functions import (", f"{imported}\nfrom .functions import ("),
        Edit("activations", "e / e.sum(axis=1, keepdims=True) ", "e / total(e.T)[:, None] "),
        Edit("activations", "(g - (g * a).sum(axis=1, keepdims=True))", "(g - total((g * a).T)[:, None])"),
        Edit("activations", "log((exp(d) ** 2).sum(axis=1, keepdims=True))", "log(total((exp(d) ** 2).T)[:, None])"),
        Edit("losses", "from .functions import Array,", f"{imported}\nfrom .functions import Array,"),
        Edit("losses", "((y - a) ** 2).sum(axis=1) / 2 ", "total(((y - a) ** 2).T) / 2 "),
        Edit("losses", "((y - a) ** 2).sum(axis=1) / a.shape[1] ", "total(((y - a) ** 2).T) / a.shape[1] "),
        Edit("losses", "p * y.sum(axis=1, keepdims=True) - y ", "p * total(y.T)[:, None] - y "),
        Edit("gradients", "from .functions import Array\n", f"{imported}\nfrom .functions import Array\n"),
        Edit("gradients", "losses.sum() / N,", "total(losses) / N,"),
    )


NUMPY, WIDE = "import numpy as np", "from conformance.numbers.summation import wide"

EINSUM = _core(
    NUMPY,
    z='np.einsum("si,ji->sj", a_prev, W) + b',
    W='np.einsum("sj,si->ji", delta, a_prev)',
    b='np.einsum("sj->j", delta)',
    g='np.einsum("sj,ji->si", delta, W)',
)
WIDE_ACCUMULATORS = _core(
    WIDE,
    z="(wide(a_prev) @ wide(W.T) + b).astype(W.dtype)",
    W="(wide(delta.T) @ wide(a_prev)).astype(W.dtype)",
    b="wide(delta).sum(axis=0).astype(W.dtype)",
    g="(wide(delta) @ wide(W)).astype(W.dtype)",
)
FUSED_MULTIPLY_ADD = _core(
    "from conformance.numbers.summation import fused",
    z="fused(a_prev, W.T, b)",
    W="fused(delta.T, a_prev)",
    b="fused(delta.T, 0 * delta[:, :1] + 1)[:, 0]",
    g="fused(delta, W)",
)
SAMPLES_IN_COLUMNS = _core(
    NUMPY,
    z="(W @ np.asfortranarray(a_prev).T + b[:, None]).T",
    W="(a_prev.T @ np.asfortranarray(delta)).T",
    b="delta.T.sum(axis=1)",
    g="(W.T @ delta.T).T",
)
BIAS_AS_A_WEIGHT = _core(
    "from numpy import c_",
    z="c_[a_prev, 0 * a_prev[:, :1] + 1] @ c_[W, b].T",
    W="(delta.T @ c_[a_prev, 0 * a_prev[:, :1] + 1])[:, :-1]",
    b="(delta.T @ c_[a_prev, 0 * a_prev[:, :1] + 1])[:, -1]",
    g="delta @ W",
)
OUTER_PRODUCTS = _core(
    NUMPY,
    z="np.stack([W @ sample + b for sample in a_prev])",
    W="sum((np.outer(d, sample) for d, sample in zip(delta, a_prev)), 0 * W)",
    b="sum(delta, 0 * delta[0])",
    g="np.stack([d @ W for d in delta])",
)

_SIGMOID = "exp(lower(z, 0)) / (1 + exp(lower(z, -z))) "
_SIGMOID_SLOPE = "g * (a * (1 - a)) "
_TANH = "return tanh(z)  "
_TANH_SLOPE = "g * (1 - a * a) "
_SOFTMAX = "e = exp(half_centred(z)) ** 2\n"
_LOG_SOFTMAX = "return d - log((exp(d) ** 2).sum(axis=1, keepdims=True)) / 2\n"
_COTANGENT = "g = head.delta(a, y) if head else loss.gradient(a, y)\n"


def _activation(old: str, new: str) -> Edit:
    return Edit("activations", old, new)


NAIVE_SIGMOID = (_activation(_SIGMOID, "1 / (1 + exp(-z)) "),)
SIGMOID_BY_TANH = (_activation(_SIGMOID, "(1 + tanh(z / 2)) / 2 "),)
TANH_BY_SIGMOID = (_activation(_TANH, "return 2 * Sigmoid().apply(2 * z) - 1  "),)
TANH_BY_EXPONENTIALS = (
    _activation(_TANH, "e = exp(2 * lower(z, -z)); return where(z > 0, 1 - e, e - 1) / (1 + e)  "),
)
SLOPES_BY_EXPONENTIALS = (
    _activation(_SIGMOID_SLOPE, "g * (exp(-magnitude(z)) / (1 + exp(-magnitude(z))) ** 2) "),
    _activation(_TANH_SLOPE, "g * (2 / (exp(magnitude(z)) + exp(-magnitude(z)))) ** 2 "),
)
SLOPES_MULTIPLIED_OUT = (
    _activation(_SIGMOID_SLOPE, "g * (a - a * a) "),
    _activation(_TANH_SLOPE, "g - g * a * a "),
)
SLOPES_FACTORED = (
    _activation(_SIGMOID_SLOPE, "g * a * (1 - a) "),
    _activation(_TANH_SLOPE, "g * (1 - a) * (1 + a) "),
)
SLOPES_BY_THE_ACTIVATION = (
    _activation("where(z > 0, g, self.alpha * (h * exp(n)))", "where(z > 0, g, h * (where(z > 0, 0, a) + self.alpha))"),
    _activation("g * Sigmoid().apply(t))  # (D7)", "g * (1 - exp(-self.beta * a)))  # (D7)"),
    _activation("g * Sigmoid().apply(-z)  ", "g * (1 - exp(a))  "),
    _activation("p = Softmax().apply(z)\n", "p = exp(a)\n"),
)
PLAIN_EXPONENTIALS = (
    _activation("return z - lower(z, 0) + log1p(exp(lower(z, -z)))\n", "return log(1 + exp(z))\n"),
    _activation("self.alpha * expm1(n))      # (A6)", "self.alpha * (exp(n) - 1))  # (A6)"),
    _activation("self.alpha * expm1(n))      # (A10)", "self.alpha * (exp(n) - 1))  # (A10)"),
    _activation("scaled(expm1(n), *SCALE_ALPHA))  # (A9)", "scaled(exp(n) - 1, *SCALE_ALPHA))  # (A9)"),
)
UNSHIFTED_SOFTMAX = (_activation(_SOFTMAX, "e = exp(z)\n"),)
SHIFTED_SOFTMAX = (
    _activation(_SOFTMAX, "e = exp(z - shift(z))\n"),
    _activation(
        _LOG_SOFTMAX, "c = z - shift(z); return (c - log(exp(c).sum(axis=1, keepdims=True))) / 2\n"
    ),
)
LOG_SUM_EXP = (
    _activation(_LOG_SOFTMAX, "return (z - (shift(z) + log(exp(z - shift(z)).sum(axis=1, keepdims=True)))) / 2\n"),
    _activation("return e / e.sum(axis=1, keepdims=True) ", "return exp(2 * half_log_softmax(z)) "),
)
LOG_OF_SOFTMAX = (_activation(_LOG_SOFTMAX, "return log(Softmax().apply(z)) / 2\n"),)
CHAIN_THROUGH_THE_HEAD = (
    Edit("gradients", _COTANGENT, "g = loss.gradient(a, y)\n"),
    Edit("gradients", "Identity() if head else sigma", "sigma"),
)
JACOBIAN_OF_SOFTMAX = (
    _activation("from .functions import (", f"{NUMPY}\n\nfrom .functions import ("),
    _activation(
        "return a * (g - (g * a).sum(axis=1, keepdims=True)) ",
        "J = np.eye(a.shape[1], dtype=a.dtype) * a[:, None] - a[:, :, None] * a[:, None]; "
        'return np.einsum("sjk,sk->sj", J, g) ',
    ),
)
RECIPROCALS = (
    _activation(_SIGMOID, "exp(lower(z, 0)) * (1 / (1 + exp(lower(z, -z)))) "),
    _activation("return e / e.sum(axis=1, keepdims=True) ", "return e * (1 / e.sum(axis=1, keepdims=True)) "),
    _activation("return z / (1 + magnitude(z)) ", "return z * (1 / (1 + magnitude(z))) "),
    Edit("losses", "return 2 * (a - y) / a.shape[1] ", "return (2 / a.shape[1]) * (a - y) "),
    Edit("gradients", "losses.sum() / N,", "losses.sum() * (1 / N),"),
    Edit("gradients", "g / N)", "g * (1 / N))"),
)


def in_wider_registers(problem: Problem) -> Answer:
    """All in the next wider format, each number rounded to the problem's dtype only when it is reported."""
    network = tuple(Layer(wide(W), wide(b), sigma) for W, b, sigma in problem.network)
    answer = reference_answer(problem._replace(network=network, x=wide(problem.x), y=wide(problem.y)))
    with np.errstate(over="ignore"):
        return Answer(
            answer.value.astype(problem.dtype),
            tuple(Parameters(*(p.astype(problem.dtype) for p in layer)) for layer in answer.gradients),
            tuple(State(*(p.astype(problem.dtype) for p in state)) for state in answer.trace),
            answer.input_gradient.astype(problem.dtype),
            tuple(Parameters(*(p.astype(problem.dtype) for p in layer)) for layer in answer.updated),
        )


def in_columns(problem: Problem) -> Answer:
    """Samples in columns: the arrays in Fortran order, the products transposed."""
    network = tuple(Layer(np.asfortranarray(W), b, sigma) for W, b, sigma in problem.network)
    x, y = np.asfortranarray(problem.x), np.asfortranarray(problem.y)
    return reference_answer(problem._replace(network=network, x=x, y=y), _text(SAMPLES_IN_COLUMNS))


def divided_at_the_end(problem: Problem) -> Answer:
    """The mean's 1/B divides the summed gradients, and is folded into the learning rate."""
    answer = reference_answer(problem._replace(reduction="sum"))
    if problem.reduction == "sum":
        return answer
    B = problem.dtype.type(len(problem.x))
    return Answer(
        answer.value / B,
        tuple(Parameters(W / B, b / B) for W, b in answer.gradients),
        tuple(State(z, a, delta / B) for z, a, delta in answer.trace),
        answer.input_gradient / B,
        descended(problem.network, answer.gradients, problem.dtype.type(problem.eta) / B),
    )


def sample_by_sample(problem: Problem, ask: Callable[[Problem], Answer] = reference_answer) -> Answer:
    """One sample at a time, the last first, the gradients added up."""
    B, mean = len(problem.x), problem.reduction == "mean"
    single = [
        ask(problem._replace(x=problem.x[s : s + 1], y=problem.y[s : s + 1], reduction="sum")) for s in range(B)
    ]
    N = problem.dtype.type(B if mean else 1)
    gradients = tuple(
        Parameters(*(sum(parts[-2::-1], parts[-1]) / N for parts in zip(*layers, strict=True)))
        for layers in zip(*(answer.gradients for answer in single), strict=True)
    )
    trace = tuple(
        State(*(np.concatenate(parts) for parts in zip(*states, strict=True)))
        for states in zip(*(answer.trace for answer in single), strict=True)
    )
    values = [answer.value for answer in single]
    return Answer(
        np.asarray(sum(values[-2::-1], values[-1]) / N),
        gradients,
        tuple(state._replace(delta=state.delta / N) for state in trace),
        np.concatenate([answer.input_gradient / N for answer in single]),
        descended(problem.network, gradients, problem.dtype.type(problem.eta)),
    )


def descended(network: Network, gradients: tuple[Parameters, ...], eta: Array) -> tuple[Parameters, ...]:
    """The parameters after a step with that rate, a number of their dtype."""
    return tuple(
        Parameters(layer.W - eta * W, layer.b - eta * b) for layer, (W, b) in zip(network, gradients, strict=True)
    )


class Directions(NamedTuple):
    """A number for each weight, bias, z and input of a problem: in these directions its loss is differentiated."""

    W: tuple[Array, ...]
    b: tuple[Array, ...]
    z: tuple[Array, ...]
    x: Array
    total: int


def _directions(problem: Problem) -> Directions:
    L, B = len(problem.network), len(problem.x)
    shapes = [W.shape for W, _, _ in problem.network]
    shapes += [b.shape for _, b, _ in problem.network]
    shapes += [(B, *b.shape) for _, b, _ in problem.network]
    shapes += [problem.x.shape]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    numbers = [np.arange(end - np.prod(shape), end).reshape(shape) for end, shape in zip(ends, shapes, strict=True)]
    return Directions(
        tuple(numbers[:L]), tuple(numbers[L : 2 * L]), tuple(numbers[2 * L : 3 * L]), numbers[-1], int(ends[-1])
    )


class Pass(NamedTuple):
    """The forward equations alone: the reduced loss, and z and a of every layer, (B, n_l)."""

    value: Array
    states: tuple[tuple[Array, Array], ...]


def _pass(problem: Problem, network: Network, x: Array) -> Pass:
    steps = forward(network, x)
    last = steps[-1]
    cotangent = reduced_loss(network[-1].sigma, last.z, last.a, problem.y, problem.loss, problem.reduction)
    return Pass(cotangent.value, tuple((step.z, step.a) for step in steps))


def _differentiated(problem: Problem, run: Pass, derivatives: Array) -> Answer:
    """The answer, from a pass and the derivative of its loss in each direction."""
    directions = _directions(problem)
    gradients = tuple(
        Parameters(derivatives[W], derivatives[b]) for W, b in zip(directions.W, directions.b, strict=True)
    )
    return Answer(
        np.asarray(run.value),
        gradients,
        tuple(State(z, a, derivatives[by]) for (z, a), by in zip(run.states, directions.z, strict=True)),
        derivatives[directions.x],
        descended(problem.network, gradients, problem.dtype.type(problem.eta)),
    )


def forward_mode(problem: Problem) -> Answer:
    """Tangents that go forward: dual numbers over floats, each with a tangent for every direction at once.

    A z is moved by the bias of its sample alone, so each sample has its own copy of the biases.
    """
    directions, B = _directions(problem), len(problem.x)
    unit = np.eye(directions.total, dtype=problem.dtype)

    def moved(numbers: Array, *by: Array) -> Array:
        duals = np.empty(numbers.shape, dtype=object)  # filled one by one: NumPy would make Python's floats of them
        for at in np.ndindex(numbers.shape):
            duals[at] = Dual(numbers[at], sum(unit[index[at]] for index in by))
        return duals

    def real(duals: Array) -> Array:
        return np.frompyfunc(lambda number: (Dual(0) + number).real, 1, 1)(duals).astype(problem.dtype)

    rows = [np.broadcast_to(index, (B, len(index))) for index in directions.b]
    network = tuple(
        Layer(moved(W, by_W), moved(np.broadcast_to(b, by_z.shape), by_b, by_z), sigma)
        for (W, b, sigma), by_W, by_b, by_z in zip(problem.network, directions.W, rows, directions.z, strict=True)
    )
    value, states = _pass(problem, network, moved(problem.x, directions.x))
    value = Dual(0) + value  # a dual even where nothing moves it
    derivatives = np.broadcast_to(np.asarray(value.tangent, problem.dtype), directions.total)
    run = Pass(np.asarray(value.real, problem.dtype), tuple((real(z), real(a)) for z, a in states))
    return _differentiated(problem, run, derivatives)


STEP = 1e-200
"""Of the complex step: nothing is subtracted, so it is so small that its square vanishes."""


def complex_step(problem: Problem) -> Answer:
    """Im L(w + ih) / h, a forward pass for each direction."""
    directions = _directions(problem)
    runs = [
        _pass(
            problem,
            tuple(
                Layer(W + 1j * STEP * (by_W == k), b + 1j * STEP * ((by_b == k) | (by_z == k)), sigma)
                for (W, b, sigma), by_W, by_b, by_z in zip(
                    problem.network, directions.W, directions.b, directions.z, strict=True
                )
            ),
            problem.x + 1j * STEP * (directions.x == k),
        )
        for k in range(directions.total)
    ]
    run = Pass(runs[0].value.real, tuple((z.real, a.real) for z, a in runs[0].states))
    return _differentiated(problem, run, np.array([run.value.imag for run in runs]) / STEP)


def numbers(answer: Answer) -> list[Array]:
    """All arrays of an answer."""
    layers = (layer for part in (answer.gradients, answer.trace, answer.updated) for layer in part)
    return [answer.value, answer.input_gradient, *(array for layer in layers for array in layer)]


def finite(answer: Callable[[Problem], Answer]) -> Callable[[Problem], bool]:
    """Whether all that a program answers is finite where the reference's answer is."""

    def applies(problem: Problem) -> bool:
        with np.errstate(all="ignore"):
            pairs = zip(numbers(answer(problem)), numbers(reference_answer(problem)), strict=True)
            return all((np.isfinite(p) >= np.isfinite(q)).all() for p, q in pairs)

    return applies


def moderate(problem: Problem) -> bool:
    """Whether e^z, its square and their inverses are normal numbers for every z, so that none loses digits."""
    largest = max(float(abs(state.z).max()) for state in reference_answer(problem).trace)
    return largest < float(np.log(np.finfo(problem.dtype).max)) / 4


def decided(problem: Problem) -> bool:
    """`moderate`, and no output is 0 or 1."""
    p = reference_answer(problem).trace[-1].a
    return moderate(problem) and bool(((p != 0) & (p != 1)).all())


def _wider_has_erfc(problem: Problem) -> bool:
    """SciPy's erfc takes no long double."""
    return problem.dtype == np.float32 or not any(type(sigma) is reference.GELU for _, _, sigma in problem.network)


DIRECTIONS = 400
"""As many as forward mode and complex step go in: beyond, they take too long."""


def _by_tangents(problem: Problem) -> bool:
    """Few directions, no l1 at its kink, nothing that dual numbers refuse; selu's long fractions overflow float32."""
    selu = any(isinstance(sigma, reference.SELU) for _, _, sigma in problem.network)
    kink = isinstance(problem.loss, reference.L1) and (reference_answer(problem).trace[-1].a == problem.y).any()
    if _directions(problem).total > DIRECTIONS or kink or (selu and problem.dtype == np.float32):
        return False
    try:
        return finite(forward_mode)(problem)
    except (Undecided, Unbounded):
        return False


ANALYTIC = (
    reference.Identity, reference.Sigmoid, reference.Tanh, reference.Softmax, reference.GELU, reference.GELUTanh,
    reference.SiLU, reference.Mish, reference.LogSigmoid, reference.Tanhshrink,
    reference.LogSoftmax, reference.HalfSquaredError, reference.MeanSquaredError, reference.CrossEntropy,
    reference.CrossEntropyWithLogits, reference.BinaryCrossEntropy, reference.BinaryCrossEntropyWithLogits,
    reference.NLL, reference.KLDivergence, reference.PoissonNLL,
)  # fmt: skip
"""Activations and losses without a kink or a jump, where a complex step is right; softplus jumps at its threshold."""


def _by_complex_step(problem: Problem) -> bool:
    """Few directions, in float64, everything analytic and within the range."""
    functions = (problem.loss, *(sigma for _, _, sigma in problem.network))
    return (
        problem.dtype == np.float64
        and all(isinstance(function, ANALYTIC) for function in functions)
        and _directions(problem).total <= DIRECTIONS
        and finite(complex_step)(problem)
    )


def _edit(name: str, edits: tuple[Edit, ...], route: str, applies: Callable[[Problem], bool] | None = None) -> Program:
    answer = edited(*edits)
    return Program(name, answer, route, applies=applies or finite(answer))


PROGRAMS = (
    _edit("loops", summed("loops"), "each sum term by term, without NumPy's"),
    _edit("backwards", summed("backwards"), "sums from the last term to the first"),
    _edit("pairwise", summed("pairwise"), "sums by halves"),
    _edit("compensated", summed("compensated"), "Kahan's sums"),
    _edit("shuffled", summed("shuffled"), "sums in a random order"),
    _edit("einsum", EINSUM, "the products by Einstein's convention"),
    _edit("outer-products", OUTER_PRODUCTS, "matrix-vector products, and gradients as sums of outer products"),
    _edit("wide-accumulators", WIDE_ACCUMULATORS, "products and sums in the wider format, each then rounded"),
    _edit("fused-multiply-add", FUSED_MULTIPLY_ADD, "multiply-adds with a single rounding"),
    _edit("bias-as-a-weight", BIAS_AS_A_WEIGHT, "the bias as the weight of a unit that is always 1"),
    Program("in-columns", in_columns, "samples in columns, Fortran order"),
    Program("in-wider-registers", in_wider_registers, "all in the wider format", applies=_wider_has_erfc),
    Program("divided-at-the-end", divided_at_the_end, "1/B in the gradients and in the rate, at the end"),
    Program("sample-by-sample", sample_by_sample, "single samples, added up"),
    _edit("reciprocals", RECIPROCALS, "products with a reciprocal for divisions"),
    _edit("naive-sigmoid", NAIVE_SIGMOID, "1 / (1 + e^-z) for every z"),
    _edit("sigmoid-by-tanh", SIGMOID_BY_TANH, "(1 + tanh(z / 2)) / 2"),
    _edit("tanh-by-sigmoid", TANH_BY_SIGMOID, "2 sigmoid(2 z) - 1"),
    _edit("tanh-by-exponentials", TANH_BY_EXPONENTIALS, "(1 - e^-2|z|) / (1 + e^-2|z|), with the sign of z"),
    _edit("slopes-by-exponentials", SLOPES_BY_EXPONENTIALS, "e^-z / (1 + e^-z)^2 and 1 / cosh^2 z"),
    _edit("slopes-multiplied-out", SLOPES_MULTIPLIED_OUT, "a - a^2 and g - g a^2"),
    _edit("slopes-factored", SLOPES_FACTORED, "g a (1 - a) and g (1 - a) (1 + a)"),
    _edit("slopes-by-the-activation", SLOPES_BY_THE_ACTIVATION, "of elu, softplus and their kin from a"),
    _edit("plain-exponentials", PLAIN_EXPONENTIALS, "log(1 + e^z) and e^z - 1"),
    _edit("unshifted-softmax", UNSHIFTED_SOFTMAX, "e^z / sum e^z", moderate),
    _edit("shifted-softmax", SHIFTED_SOFTMAX, "shifted by max z, not halved"),
    _edit("log-sum-exp", LOG_SUM_EXP, "z - log sum exp, and softmax as its exponential"),
    _edit("log-of-softmax", LOG_OF_SOFTMAX, "log softmax as the logarithm of the softmax", moderate),
    _edit("chain-through-the-head", CHAIN_THROUGH_THE_HEAD, "dL/da and then (B1), not the fused delta", decided),
    _edit("jacobian-of-softmax", JACOBIAN_OF_SOFTMAX, "the softmax's derivative as a matrix"),
    Program("twin", twin_answer, "PyTorch's autograd"),
    Program("twin-sample-by-sample", lambda problem: sample_by_sample(problem, twin_answer), "PyTorch, added up"),
    Program("forward-mode", forward_mode, "tangents go forward", recursive=False, applies=_by_tangents),
    Program("complex-step", complex_step, "Im L(w + ih) / h", recursive=False, applies=_by_complex_step),
)
"""The right programs, each by another route."""

BY_NUMBERS = ("loops", "backwards", "pairwise", "compensated", "shuffled", "fused-multiply-add", "sample-by-sample")
"""Programs that take a step of Python for each product or sample."""

FEW = 2**11
"""Products in a forward pass up to which those are asked."""


def another(problem: Problem) -> Program | None:
    """One of the programs that apply, told by the problem's own numbers, so that each has its turn."""
    products = len(problem.x) * sum(W.size for W, _, _ in problem.network)
    programs = [program for program in PROGRAMS if products <= FEW or program.name not in BY_NUMBERS]
    start = zlib.crc32(b"".join((problem.x.tobytes(), problem.network[0].W.tobytes()))) % len(programs)
    with np.errstate(all="ignore"):
        return next((p for p in (*programs[start:], *programs[:start]) if p.applies(problem)), None)
