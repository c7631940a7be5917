"""`probe` and wrong programs: each is found, in the equation where that can be told."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import reference
from conformance import GivenAnswer, Problem, assert_conforms, probe
from conformance.arrays import Array, Network
from conformance.bounds.admitted import declared
from conformance.bounds.formats import FORMATS
from conformance.judge.report import Subject
from conformance.judge.verdict import EXIT_STATUS
from conformance.oracle.network.asking.domain import Domain
from conformance.oracle.network.interrogation import interrogated
from conformance.subjects.faults import FAULTS, KEEPING
from conformance.text.edits import planted
from reference import (
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Layer,
    LeakyReLU,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
    forward,
)

from ..functions import (
    HUNDREDTH,
    Gradients,
    answering,
    by_dtype,
    in_format,
    named,
    nan,
    right,
    scale,
    second_call_wrong,
    spoiled,
)

pytestmark = pytest.mark.sampled(4)


class Wrong(NamedTuple):
    """A change of right gradients, and the equation that it violates."""

    equation: str
    change: Callable[[Gradients, Network, Array, Array], Any]
    said: str = ""


def scaled(of_W: float, of_b: float) -> Callable[[Gradients, Network, Array, Array], Any]:
    """Every layer's dL/dW and dL/db times a number each."""

    def change(g: Gradients, *_: Any) -> None:
        for pair in g:
            scale(pair, of_W, of_b)

    return change


def first_zero(g: Gradients, *_: Any) -> None:
    if len(g) > 1:
        scale(g[0], 0, 0)


def last_bias(g: Gradients, *_: Any) -> None:
    g[0][1][-1] *= -1


def wide(g: Gradients, *_: Any) -> None:
    for W, b in g:
        if max(W.shape) > 32:
            scale((W, b), HUNDREDTH)


def for_batches(single: bool) -> Callable[[Gradients, Network, Array, Array], Any]:
    def change(g: Gradients, network: Network, x: Array, y: Array) -> None:
        if (len(x) == 1) == single:
            for pair in g:
                scale(pair, HUNDREDTH)

    return change


def from_the_third(g: Gradients, *_: Any) -> None:
    for pair in g[2:]:
        scale(pair, HUNDREDTH)


WRONG = {
    "all zero": Wrong("B1", scaled(0, 0), "All of them are zero."),
    "the first layer zero": Wrong("B2", first_zero, "All of them are zero."),
    "dL/dW zero": Wrong("B3", scaled(0, 1), "All of them are zero."),
    "dL/db zero": Wrong("B4", scaled(1, 0), "All of them are zero."),
    "dL/dW doubled": Wrong("B3", scaled(2, 1), "All of them are 2 times"),
    "the sign of dL/db": Wrong("B4", scaled(1, -1), "All of them are -1 times"),
    "everything negative": Wrong("B1", scaled(-1, -1), "All of them are -1 times"),
    "the sign of one bias": Wrong("B4", last_bias),
    "beyond width 32": Wrong("B3", wide, "All of them are 1.008 times"),
    "single samples": Wrong("B3", for_batches(single=True), "It shows with one sample; the same question with 3"),
    "batches": Wrong("B3", for_batches(single=False), "on; the same question with one sample is answered rightly."),
    "from the third layer on": Wrong("B3", from_the_third, "It shows from 3 layers on; the same question with 2"),
    "one number that is none": Wrong("B3", nan),
}


@by_dtype
@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_gradient_is_found_and_named(mistake: str, dtype: str) -> None:
    equation, change, said = WRONG[mistake]
    report = probe(spoiled(change), hidden=Tanh(), dtype=dtype, width=(1, 70))
    assert report.verdict == "WRONG"
    assert named(report)[0] == equation, f"\n{report}"
    assert said in report.findings[0].explanation
    assert report.exit_status == EXIT_STATUS["WRONG"]
    if mistake not in {"dL/db zero", "the sign of dL/db", "the sign of one bias"}:  # what spoils dL/db spoils more
        assert {finding.equation for finding in report.findings} <= {equation, "B1", "B2"}


WIDE = (784, 128, 10)
"""The classic network: 100,352 weights in its first layer."""


def one_off(layer: int, part: int, element: tuple[int, ...] | str, by: float) -> Callable[[Any, Any, Any], Gradients]:
    """For dense single samples one element is off; "pivot" is the row from which a is recovered, by its largest db."""

    def change(g: Gradients, network: Network, x: Array, y: Array) -> None:
        pair = g[layer]
        if len(x) == 1 and x.all():  # all units are at work
            J = int(abs(pair[1]).argmax())
            at = ((J, 3) if part == 0 else (J,)) if element == "pivot" else element
            assert pair[part][at]  # an element that is zero cannot be off by a factor
            pair[part][at] *= x.dtype.type(1 + by)

    return spoiled(change)


@by_dtype
@pytest.mark.parametrize(
    ("layer", "part", "element"),
    [
        (0, 0, (0, 0)), (0, 0, (127, 783)), (0, 0, (50, 400)), (0, 0, "pivot"), (0, 1, (77,)), (0, 1, "pivot"),
        (1, 0, (9, 127)), (1, 0, (0, 5)), (1, 0, "pivot"), (1, 1, (3,)), (1, 1, "pivot"),
    ],
)  # fmt: skip
def test_one_element_of_a_hundred_thousand(layer: int, part: int, element: Any, dtype: str) -> None:
    wrong = one_off(layer, part, element, 1 / 100)
    options: dict[str, Any] = {"hidden": Tanh(), "dtype": dtype, "widths": WIDE}
    if element == "pivot":  # the equation alone sees it, and is no proof
        assert probe(wrong, **options).verdict in ("WRONG", "SUSPECT")
    report = probe(wrong, method="backpropagation", problems=16, **options)
    assert report.verdict == "WRONG"
    finding = report.findings[0]
    assert (finding.equation, finding.layer) == ("B3" if part == 0 else "B4", layer + 1), f"\n{report}"
    if element != "pivot":
        assert finding.element == element
    assert "1 of " in finding.explanation


@by_dtype
def test_an_error_below_the_floor_that_is_printed_is_not_claimed(dtype: str) -> None:
    conforming = probe(right, hidden=Tanh(), dtype=dtype, widths=WIDE)
    assert_conforms(conforming)
    floor = conforming.equations["B3"].floor
    assert 0 < floor < 1 / 100
    for by, verdict in ((FORMATS[np.dtype(dtype)].u, "CONFORMS"), (64 * floor, "WRONG")):
        assert probe(one_off(0, 0, (50, 400), by), hidden=Tanh(), dtype=dtype, widths=WIDE).verdict == verdict


@pytest.mark.parametrize(
    ("bits", "dtype", "said"),
    [
        (11, "float32", "It claims float32, and multiplies like TF32 or float16"),
        (8, "float32", "It claims float32, and multiplies like bfloat16"),
        (None, "float32", "It claims float32, and multiplies like bfloat16"),
        (24, "float64", "It claims float64, and multiplies like float32"),
    ],
)
def test_products_in_a_narrower_format(bits: int | None, dtype: str, said: str) -> None:
    report = probe(in_format(bits), hidden=Tanh(), dtype=dtype, width=(1, 70))
    assert report.verdict == "WRONG"
    assert any(remark.startswith(said) for remark in report.remarks), report.remarks
    assert abs(report.effective_bits[dtype] - (bits or 8)) <= 2  # the worst of many roundings
    whole = probe(in_format(53), hidden=Tanh(), dtype=dtype, width=(1, 70))
    assert_conforms(whole)
    assert not [remark for remark in whole.remarks if "claims" in remark]


def narrower(network: Network, x: Array, y: Array) -> Gradients:
    """All in float32, handed out as what was asked for."""
    small = tuple(Layer(W.astype(np.float32), b.astype(np.float32), sigma) for W, b, sigma in network)
    gradients = right(small, x.astype(np.float32), y.astype(np.float32))
    return [(W.astype(x.dtype), b.astype(x.dtype)) for W, b in gradients]


def test_float32_passed_off_as_float64() -> None:
    report = probe(narrower, width=(1, 70))
    assert report.verdict == "WRONG"
    said = "It claims float64, and multiplies like float32"
    assert any(remark.startswith(said) for remark in report.remarks), report.remarks
    assert_conforms(probe(narrower, dtype="float32", width=(1, 70)))


def test_answers_in_another_format_are_taken_in_the_one_that_is_claimed() -> None:
    def float64(network: Network, x: Array, y: Array) -> Gradients:
        wide = tuple(Layer(W.astype(np.float64), b.astype(np.float64), sigma) for W, b, sigma in network)
        return right(wide, x.astype(np.float64), y.astype(np.float64))

    def float32(network: Network, x: Array, y: Array) -> Gradients:
        return [(W.astype(np.float32), b.astype(np.float32)) for W, b in right(network, x, y)]

    assert_conforms(probe(float64, dtype="float32", width=(1, 70)))
    assert probe(float32, width=(1, 70)).verdict == "WRONG"


STEP = 1e-6
"""Of the central differences: the customary one."""


def differences(network: Network, x: Array, y: Array) -> Gradients:
    """Central differences of the loss, two forward passes for each parameter."""

    def loss() -> float:
        return float(((forward(network, x)[-1].a - y) ** 2).sum() / 2)

    def derivative(p: Array, at: tuple[int, ...]) -> float:
        before, sides = p[at], []
        for h in (STEP, -STEP):
            p[at] = before + h
            sides.append(loss())
        p[at] = before
        return (sides[0] - sides[1]) / (2 * STEP)

    return [
        (
            np.array([[derivative(W, (j, i)) for i in range(W.shape[1])] for j in range(W.shape[0])]),
            np.array([derivative(b, (j,)) for j in range(len(b))]),
        )
        for W, b, _ in network
    ]


def test_central_differences_passed_off_as_gradients() -> None:
    report = probe(differences, hidden=Tanh(), width=(1, 9), batch=(1, 3))
    assert report.verdict == "WRONG"
    assert any(remark.startswith("It claims float64") for remark in report.remarks), report.remarks


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
@by_dtype
def test_an_epsilon_inside_a_logarithm(loss: str, dtype: str) -> None:
    def gradients(network: Network, x: Array, y: Array, epsilon: float) -> Gradients:
        steps = forward(network, x)
        a, eps = steps[-1].a, x.dtype.type(epsilon)
        if loss == "cross_entropy":
            g = -y / (a + eps)
        else:
            g = (1 - y) / (1 - a + eps) - y / (a + eps)
        found = reference.backward(network, steps, g)
        return [(W, b) for _, W, b in found]

    options: dict[str, Any] = {
        "hidden": Tanh(), "output": "softmax" if loss == "cross_entropy" else "sigmoid", "loss": loss, "dtype": dtype,
        "width": (1, 70),
    }  # fmt: skip
    assert_conforms(probe(lambda network, x, y: gradients(network, x, y, 0), **options))
    report = probe(lambda network, x, y: gradients(network, x, y, 1e-4), **options)
    assert report.verdict == "WRONG"
    assert named(report) == ["B1"]


class ScaledTanh(NamedTuple):
    """1.7159 tanh(2 z / 3), and its own derivative."""

    height: float = 1.7159

    def apply(self, z: Array) -> Array:
        """The value."""
        return z.dtype.type(self.height) * np.tanh(2 * z / 3)

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """Its vector-Jacobian product."""
        t = np.tanh(2 * z / 3)
        return g * (z.dtype.type(self.height) * 2 * (1 - t * t) / 3)


def backward_from(network: Network, x: Array, y: Array) -> Gradients:
    """Of half the squared error, through whatever activations."""
    steps = forward(network, x)
    gradients = reference.backward(network, steps, steps[-1].a - y)
    return [(W, b) for _, W, b in gradients]


@by_dtype
def test_another_function_consistent_with_itself(dtype: str) -> None:
    """Finite differences of its own loss would see nothing."""

    def scaled(network: Network, x: Array, y: Array) -> Gradients:
        return backward_from(tuple(layer._replace(sigma=ScaledTanh()) for layer in network), x, y)

    def transposed(network: Network, x: Array, y: Array) -> Gradients:
        turned = tuple(Layer(W.T if len(W) == len(W.T) else W, b, sigma) for W, b, sigma in network)
        gradients = backward_from(turned, x, y)
        return [(W.T if len(W) == len(W.T) else W, b) for W, b in gradients]

    options: dict[str, Any] = {"hidden": Tanh(), "output": Tanh(), "dtype": dtype, "width": (1, 70)}
    assert_conforms(probe(backward_from, **options))
    for function in (scaled, transposed):
        report = probe(function, **options)
        assert report.verdict == "WRONG"
        assert named(report)[0] == "F", f"\n{report}"
        assert "(F1) z^l = W^l a^{l-1} + b^l" in report.findings[0].explanation


def dropout() -> Callable[[Network, Array, Array], Gradients]:
    rng = np.random.default_rng(0)

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        kept = rng.random(network[0].W.shape) < 0.9
        return right((network[0]._replace(W=network[0].W * kept), *network[1:]), x, y)

    return gradients


@by_dtype
@pytest.mark.parametrize("subject", [second_call_wrong, dropout])
def test_what_is_kept_from_call_to_call(subject: Callable[[], Any], dtype: str) -> None:
    report = probe(subject(), dtype=dtype, width=(1, 70))
    assert report.verdict == "WRONG"
    assert named(report) == ["state"]
    assert "State imitates every other mistake, so nothing else is named." in " ".join(
        report.findings[0].explanation.split()
    )


@pytest.mark.parametrize("mistake", KEEPING)
def test_accumulated_gradients_and_a_stale_forward_pass(mistake: Callable[[], Any]) -> None:
    """By a program that has buffers for each shape; of the stale pass another question of a shape shows it."""
    buffers: dict[object, Any] = {}

    def ask(problem: Problem) -> GivenAnswer:
        shapes = problem.x.shape, *(W.shape for W, _, _ in problem.network)
        return GivenAnswer(buffers.setdefault(shapes, mistake())(problem).gradients)

    of = Domain([Tanh()], [(Sigmoid(), HalfSquaredError())], ["sum"], "float64", width=(1, 70))
    report = interrogated(ask, of, Subject("it"))
    assert report.verdict == "WRONG"
    assert named(report) == ["state"]


FAULTS_OF_UPDATES = {"update-ascends", "update-without-rate", "bias-not-updated"}
EXTREME_FAULTS = {"probability-clipped", "exponential-overflow", "log-of-zero"}
"""Those that are hidden while logits are moderate."""

SETTINGS: dict[str, tuple[Any, Any, Any]] = {
    "derivative-of-sigmoid-handed-z": (Sigmoid(), Sigmoid(), HalfSquaredError()),
    "leaky-slope-ignored": (LeakyReLU(), Sigmoid(), HalfSquaredError()),
    "relu-one-at-zero": (ReLU(), Sigmoid(), HalfSquaredError()),
    "outputs-not-averaged": (Tanh(), Sigmoid(), MeanSquaredError()),
    "softmax-diagonal-only": (Tanh(), Softmax(), HalfSquaredError()),
    "softmax-twice": (Tanh(), Softmax(), CrossEntropy()),
    "log-epsilon": (Tanh(), Softmax(), CrossEntropy()),
    "log-of-zero": (Tanh(), Softmax(), CrossEntropy()),
    "exponential-overflow": (Tanh(), Softmax(), CrossEntropy()),
    "bce-zero-class-dropped": (Tanh(), Sigmoid(), BinaryCrossEntropy()),
    "probability-clipped": (Tanh(), Sigmoid(), BinaryCrossEntropy()),
}
"""Where a fault shows, if not with tanh, sigmoid and half the squared error."""


@pytest.mark.parametrize("fault", [f for f in FAULTS if f.name not in FAULTS_OF_UPDATES], ids=lambda fault: fault.name)
def test_a_planted_fault_is_found_in_its_equation(fault: Any) -> None:
    hidden, output, loss = SETTINGS.get(fault.name, (Tanh(), Sigmoid(), HalfSquaredError()))
    reduction: Any = "mean" if fault.name.startswith("batch") else "sum"
    # Only a zero that is declared is held to; only a loss that is reported shows what became of a logarithm.
    held_to = declared({"relu_derivative_at_zero": 0} if fault.name == "relu-one-at-zero" else {})
    of = Domain([hidden], [(output, loss)], [reduction], "float64", width=(1, 70), conventions=held_to)
    ask = answering(planted(*fault.edits), whole=fault.name == "log-of-zero")
    report = interrogated(ask, of, Subject(fault.name))
    found = report.findings[0].equation
    print(f"{fault.name}: {report.verdict}, found in ({found}), planted in {', '.join(sorted(fault.equations))}")
    if fault.name in EXTREME_FAULTS:
        assert report.verdict == "CONFORMS"
        assert report.robustness is not None
        assert report.robustness.verdict == "WRONG"
        assert {finding.kind for finding in report.findings} == {"extreme"}
    else:
        assert report.verdict == "WRONG"
    # A batch alone tells the sum from its terms, and gradients alone z from a.
    assert found in fault.equations | ({"F"} if "F1" in fault.equations else set()) | (
        {"batch"} if fault.name in {"batch-divided-twice", "batch-not-divided", "broadcast-target"} else set()
    )
