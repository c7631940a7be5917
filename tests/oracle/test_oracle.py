"""The oracle, asking: no right program is accused, and each wrong one is, in the equation where that can be told."""

import json
import math
import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import settings

import reference
from conformance import GivenAnswer, Parameters, Problem, Report, assert_conforms, probe, probe_trainer
from conformance.arrays import Array, Network
from conformance.bounds.admitted import declared
from conformance.bounds.rounded import FORMATS
from conformance.judge.picture import plot
from conformance.judge.precision import NOTABLE
from conformance.judge.report import WIDTH, Subject
from conformance.judge.verdict import EXIT_STATUS
from conformance.oracle.network.interrogation import interrogated
from conformance.oracle.network.questions import Domain
from conformance.subjects.callables import Ask
from conformance.subjects.correct import PROGRAMS, Program
from conformance.subjects.faults import FAULTS, KEEPING
from conformance.subjects.reference import reference_answer
from conformance.text.edits import planted
from reference import (
    ELU,
    L1,
    BinaryCrossEntropy,
    CrossEntropy,
    GELUTanh,
    HalfSquaredError,
    Huber,
    Identity,
    Layer,
    LeakyReLU,
    LogSoftmax,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
    backward,
    forward,
    value_and_gradients,
)

DTYPES = ("float64", "float32")
THOROUGH = settings().max_examples >= 10_000
SLOW = {"loops", "backwards", "pairwise", "compensated", "shuffled", "fused-multiply-add"} | {
    program.name for program in PROGRAMS if not program.recursive
}
"""Programs that take a step of Python for each product, or a pass for each parameter."""

by_dtype = pytest.mark.parametrize("dtype", DTYPES)

Gradients = list[tuple[Array, Array]]


def right(network: Network, x: Array, y: Array) -> Gradients:
    """The gradients of the document's example."""
    _, gradients = value_and_gradients(network, x, y, HalfSquaredError(), "sum")
    return [(W, b) for _, W, b in gradients]


def spoiled(change: Callable[[Gradients, Network, Array, Array], Any]) -> Callable[[Network, Array, Array], Gradients]:
    """A function whose right gradients are changed in place before it returns them."""

    def wrong(network: Network, x: Array, y: Array) -> Gradients:
        gradients = right(network, x, y)
        change(gradients, network, x, y)
        return gradients

    return wrong


def named(report: Report) -> list[str]:
    """The equations of the ordinary findings, first things first."""
    return [finding.equation for finding in report.findings if finding.kind == "ordinary"]


def numbers(report: Report) -> int:
    return sum(tally.elements for tally in report.equations.values())


HIDDEN = (Tanh(), Sigmoid(), ReLU(), LeakyReLU(), ELU(), Softplus(), SiLU(), Softsign(), GELUTanh())
HEADS = (
    (Sigmoid(), HalfSquaredError()),
    (Softmax(), CrossEntropy()),
    (Sigmoid(), BinaryCrossEntropy()),
    (Identity(), MeanSquaredError()),
    (LogSoftmax(), Huber()),
    (Tanh(), L1()),
)


def asked(program: Program) -> Ask:
    """The program, reporting gradients alone; what it does not apply to it does not support."""

    def ask(problem: Problem) -> GivenAnswer:
        if not program.applies(problem):
            raise NotImplementedError
        return GivenAnswer(program.answer(problem).gradients)

    return ask


def domain(program: Program, dtype: str, turn: int) -> Domain:
    """Another order of activations and heads in each turn; small for slow programs."""
    hidden = HIDDEN[turn % len(HIDDEN) :] + HIDDEN[: turn % len(HIDDEN)]
    limits: dict[str, Any] = {"width": (1, 7), "layers": (1, 3)} if program.name in SLOW else {"width": (1, 1024)}
    if program.name not in SLOW and not THOROUGH and turn % 6:
        limits = {"width": (1, 70)}
    if not program.recursive:
        limits["batch"] = (1, 3)
    return Domain(hidden, HEADS[turn % len(HEADS) :] + HEADS[: turn % len(HEADS)], ["sum", "mean"], dtype, **limits)


@by_dtype
def test_right_programs_are_never_accused(dtype: str) -> None:
    judged = 0
    for turn, program in enumerate(PROGRAMS * (len(HIDDEN) if THOROUGH else 1)):
        report = interrogated(asked(program), domain(program, dtype, turn), Subject(program.name), seed=turn)
        judged += numbers(report)
        nothing = program.name == "complex-step" and dtype == "float32"
        assert report.verdict == ("UNDECIDED" if nothing else "CONFORMS"), f"\n{report}"
        assert report.robustness is None or report.robustness.verdict == "CONFORMS", f"\n{report}"
    print(f"{judged:,} numbers of right programs in {dtype}, none accused")
    assert judged >= 10**6 / len(DTYPES)


def column(a: Array) -> Array:
    return a.reshape(len(a), -1).T


def other_style(network: Network, x: Array, y: Array, forgotten: bool = False) -> Gradients:
    """A script in columns: weights (in, out), samples in columns, everything transposed on the way in and out."""
    weights = [np.ascontiguousarray(W.T) for W, _, _ in network]
    activations = [column(x)]
    for w, (_, b, _) in zip(weights, network, strict=True):
        activations.append(1 / (1 + np.exp(-(np.dot(w.T, activations[-1]) + b[:, None]))))
    error = (activations[-1] - column(y)) * activations[-1] * (1 - activations[-1])
    gradients = []
    for l in range(len(weights) - 1, -1, -1):
        gradients.append((np.dot(activations[l], error.T), error.sum(1)))
        slope = 1 if forgotten else activations[l] * (1 - activations[l])
        error = np.dot(weights[l], error) * slope
    return [(w.T, b) for w, b in reversed(gradients)]


@by_dtype
def test_a_script_in_another_style(dtype: str) -> None:
    assert_conforms(probe(other_style, dtype=dtype, seed=1))
    report = probe(lambda network, x, y: other_style(network, x, y, forgotten=True), dtype=dtype)
    assert report.verdict == "WRONG"
    assert named(report) == ["B2"]


@by_dtype
def test_a_function_of_two_parameters_and_a_class_that_is_called(dtype: str) -> None:
    class Net:
        def __call__(self, network: Network, batch: tuple[Array, Array]) -> Gradients:
            return right(network, *batch)

    report = probe(Net(), dtype=dtype)
    assert_conforms(report)
    assert report.subject.name == "Net"


class Wrong(NamedTuple):
    """A change of right gradients, and the equation that it violates."""

    equation: str
    change: Callable[[Gradients, Network, Array, Array], Any]
    said: str = ""


def scale(pair: tuple[Array, Array], of_W: float = 1, of_b: float = 1) -> None:
    for part, by in zip(pair, (of_W, of_b), strict=True):
        part *= part.dtype.type(by)


def scaled(of_W: float, of_b: float) -> Callable[[Gradients, Network, Array, Array], Any]:
    """Every layer's dL/dW and dL/db times a number each."""

    def change(g: Gradients, *_: Any) -> None:
        for pair in g:
            scale(pair, of_W, of_b)

    return change


def first_zero(g: Gradients, *_: Any) -> None:
    if len(g) > 1:
        scale(g[0], 0, 0)


HUNDREDTH = 1 + 2.0**-7
"""A factor that is off by about a hundredth."""


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


def nan(g: Gradients, *_: Any) -> None:
    g[0][0][0, 0] = np.nan


WRONG = {
    "all zero": Wrong("B1", scaled(0, 0), "All of them are zero."),
    "the first layer zero": Wrong("B2", first_zero, "All of them are zero."),
    "dL/dW zero": Wrong("B3", scaled(0, 1), "All of them are zero."),
    "dL/db zero": Wrong("B4", scaled(1, 0), "All of them are zero."),
    "dL/dW doubled": Wrong("B3", scaled(2, 1), "All of them are 2 times"),
    "the sign of dL/db": Wrong("B4", scaled(1, -1), "All of them are -1 times"),
    "everything negative": Wrong("B1", scaled(-1, -1), "All of them are -1 times"),
    "the sign of one bias": Wrong("B4", last_bias),
    "beyond width 32": Wrong("B3", wide, "units in a layer on; up to"),
    "single samples": Wrong("B3", for_batches(single=True), "It shows up to 1 samples; from 3 on the answers conform."),
    "batches": Wrong("B3", for_batches(single=False), "It shows from 3 samples on; up to 1 the answers conform."),
    "from the third layer on": Wrong("B3", from_the_third, "It shows from 3 layers on; up to 2 the answers conform."),
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
    """Only in the wide network one element is off; "pivot" is the row from which a is recovered, by its largest db."""

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
    report = probe(one_off(layer, part, element, 1 / 100), hidden=Tanh(), dtype=dtype, widths=WIDE)
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


def in_format(bits: int | None) -> Callable[[Network, Array, Array], Gradients]:
    """Every product's operands rounded to so many bits of significand; None cuts float32 to bfloat16's upper half."""

    def low(a: Array) -> Array:
        if bits is None:
            return (a.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32).astype(a.dtype)
        m, e = np.frexp(a)
        return np.ldexp(np.round(m * 2.0**bits) * 2.0**-bits, e).astype(a.dtype)

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        seen, a = [], x
        for W, b, sigma in network:
            z = low(a) @ low(W).T + b
            seen.append((a, z, sigma.apply(z)))
            a = seen[-1][2]
        g, found = a - y, []
        for (W, _, sigma), (a_prev, z, a) in zip(reversed(network), reversed(seen), strict=True):
            delta = sigma.pullback(z, a, g)
            found.append((low(delta).T @ low(a_prev), delta.sum(axis=0)))
            g = low(delta) @ low(W)
        return found[::-1]

    return gradients


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
    assert not any("claims" in remark for remark in whole.remarks)


def narrower(network: Network, x: Array, y: Array) -> Gradients:
    """All in float32, handed out as what was asked for."""
    small = tuple(Layer(W.astype(np.float32), b.astype(np.float32), sigma) for W, b, sigma in network)
    gradients = right(small, x.astype(np.float32), y.astype(np.float32))
    return [(W.astype(x.dtype), b.astype(x.dtype)) for W, b in gradients]


def test_float32_passed_off_as_float64() -> None:
    report = probe(narrower, width=(1, 70))
    assert report.verdict == "WRONG"
    assert any(remark.startswith("It claims float64, and multiplies like float32") for remark in report.remarks)
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
    assert any(remark.startswith("It claims float64") for remark in report.remarks)


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
    assert "It shows from 3 layers on" in report.findings[0].explanation


def second_call_wrong() -> Callable[[Network, Array, Array], Gradients]:
    calls = count(1)
    return spoiled(lambda g, *_: scale(g[0], 1.5) if next(calls) == 2 else None)


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


def answering(text: ModuleType, whole: bool) -> Ask:
    """A copy of the reference that reports its gradients, or everything but its trace."""

    def ask(problem: Problem) -> GivenAnswer:
        value, gradients, trace, dx, _ = reference_answer(problem, text)
        return GivenAnswer(gradients, value, trace[-1].a, dx) if whole else GivenAnswer(gradients)

    return ask


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


def sgd(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """One step of gradient descent."""
    rate = x.dtype.type(eta)
    return [(W - rate * dW, b - rate * db) for (W, b, _), (dW, db) in zip(network, right(network, x, y), strict=True)]


class Momentum:
    """A trainer whose velocity is kept from step to step."""

    def __init__(self) -> None:
        self.velocities: dict[tuple[int, ...], Gradients] = {}

    def __call__(self, network: Network, x: Array, y: Array, eta: float) -> Gradients:
        """One step."""
        shape, gradients = tuple(W.size for W, _, _ in network), right(network, x, y)
        before = self.velocities.get(shape, [(0 * W, 0 * b) for W, b in gradients])
        now = [(0.9 * V + W, 0.9 * c + b) for (V, c), (W, b) in zip(before, gradients, strict=True)]
        self.velocities[shape] = now
        return [(W - eta * V, b - eta * c) for (W, b, _), (V, c) in zip(network, now, strict=True)]


def updated_first(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """Each layer is updated before its delta is handed down."""
    steps, after = forward(network, x), []
    g = steps[-1].a - y
    for layer, step in zip(reversed(network), reversed(steps), strict=True):
        ((_, dW, db),) = reference.backward((layer,), (step,), g)
        W, b = layer.W - eta * dW, layer.b - eta * db
        delta = layer.sigma.pullback(step.z, step.a, g)
        g = delta @ W
        after.append((W, b))
    return after[::-1]


def timid(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """A trainer that takes no large learning rate."""
    if eta > 2:
        raise ValueError("eta: expected at most 2")
    return sgd(network, x, y, eta)


def without_bias(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """The biases stay as they are."""
    return [(W, b) for (W, _), (_, b, _) in zip(sgd(network, x, y, eta), network, strict=True)]


def ascending(network: Network, x: Array, y: Array, eta: float) -> Gradients:
    """The gradient is added."""
    return sgd(network, x, y, -eta)


@by_dtype
def test_trainers(dtype: str) -> None:
    for trainer in (sgd, timid):
        report = probe_trainer(trainer, dtype=dtype, width=(1, 70))
        assert_conforms(report)
        assert report.subject.name == trainer.__name__
    for wrong, equation in ((updated_first, "B2"), (Momentum(), "state"), (without_bias, "B4"), (ascending, "B1")):
        report = probe_trainer(wrong, dtype=dtype, width=(1, 70), hidden=Tanh())
        assert report.verdict == "WRONG"
        assert named(report)[0] == equation, f"\n{report}"


@by_dtype
@pytest.mark.parametrize("program", [p for p in PROGRAMS if p.name not in SLOW], ids=lambda program: program.name)
def test_the_steps_of_right_programs(program: Program, dtype: str) -> None:
    def step(network: Network, x: Array, y: Array, eta: float) -> tuple[Parameters[Array], ...]:
        problem = Problem(network, x, y, CrossEntropy(), "mean", eta)
        if not program.applies(problem):
            raise NotImplementedError
        return program.answer(problem).updated

    options: dict[str, Any] = {"hidden": ELU(), "output": Softmax(), "loss": "cross_entropy", "reduction": "mean"}
    assert_conforms(probe_trainer(step, dtype=dtype, width=(1, 7), **options))


def test_a_rate_that_no_trainer_takes_is_a_failure() -> None:
    def refusing(network: Network, x: Array, y: Array, eta: float) -> Gradients:
        raise ValueError("eta: expected less")

    report = probe_trainer(refusing, width=(1, 7))
    assert report.verdict == "WRONG"
    assert set(named(report)) == {"protocol"}
    assert "eta: expected less" in report.findings[0].explanation


def reject(*_: Any) -> Any:
    raise RuntimeError("out of luck")


PROTOCOL: dict[str, tuple[Callable[..., Any], str]] = {
    "raises": (reject, "RuntimeError: out of luck"),
    "returns nothing": (lambda network, x, y: None, r"expected a list of (dW, db)"),
    "too few layers": (lambda network, x, y: right(network, x, y)[1:], "expected a list of (dW, db), one for each of"),
    "transposed": (lambda network, x, y: [(W.T, b) for W, b in right(network, x, y)], "dW, layer 1: expected shape"),
    "a column of biases": (
        lambda network, x, y: [(W, b[:, None]) for W, b in right(network, x, y)], "db, layer 1: expected shape (",
    ),
    "complex": (lambda network, x, y: [(W + 0j, b) for W, b in right(network, x, y)], "got dtype complex128"),
    "words": (lambda network, x, y: [("W", "b") for _ in network], "expected an array of real numbers"),
    "one array a layer": (lambda network, x, y: [W for W, _ in right(network, x, y)], "expected (dW, db)"),
    "an answer with a layer less": (
        lambda network, x, y: GivenAnswer(tuple(Parameters(*pair) for pair in right(network, x, y)[:-1])), "layers",
    ),
    "an answer in another shape": (
        lambda network, x, y: GivenAnswer(tuple(Parameters(W.T, b) for W, b in right(network, x, y))), "shape",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", PROTOCOL)
def test_an_answer_that_is_none(mistake: str) -> None:
    function, said = PROTOCOL[mistake]
    report = probe(function, width=(1, 7))
    assert report.verdict == "WRONG"
    assert report.failed >= 1
    assert set(named(report)) == {"protocol"}
    assert said in report.findings[0].explanation
    assert "failed" in str(report)


def test_lists_and_tensors_and_whole_numbers_are_arrays() -> None:
    def tensors(network: Network, x: Array, y: Array) -> Any:
        return tuple((torch.from_numpy(W).requires_grad_(), torch.from_numpy(b)) for W, b in right(network, x, y))

    def lists(network: Network, x: Array, y: Array) -> Any:
        return [[W.tolist(), b.tolist()] for W, b in right(network, x, y)]

    def whole(network: Network, x: Array, y: Array) -> Any:
        return [(W.astype(int), b.astype(int)) for W, b in right(network, x, y)]

    assert_conforms(probe(lists, width=(1, 7)))
    assert_conforms(probe(tensors, width=(1, 7)))
    assert probe(whole, width=(1, 7)).verdict == "WRONG"


def test_no_numbers_at_all() -> None:
    report = probe(lambda network, x, y: [(np.nan * W, np.nan * b) for W, b in right(network, x, y)], width=(1, 70))
    assert report.verdict == "WRONG"
    assert "got nan" in report.findings[0].explanation
    json.dumps(report.as_json(), allow_nan=False)


def test_what_is_not_supported_is_not_asked() -> None:
    def single(network: Network, x: Array, y: Array) -> Gradients:
        if len(x) > 1:
            raise NotImplementedError("one sample at a time")
        return right(network, x, y)

    report = probe(single, width=(1, 7))
    assert_conforms(report)
    assert report.unsupported > 0
    assert any("one sample at a time" in remark for remark in report.remarks)
    nothing = probe(lambda network, x, y: single(network, np.vstack([x, x]), y), width=(1, 7))
    assert nothing.verdict == "UNDECIDED"
    assert nothing.exit_status == EXIT_STATUS["UNDECIDED"]
    assert nothing.asked == 0


def test_some_not_supported_and_some_failed() -> None:
    def picky(network: Network, x: Array, y: Array) -> Gradients:
        if len(x) == 1:
            raise NotImplementedError("batches only")
        if len(x) > 16:
            raise RuntimeError("too many samples")
        return right(network, x, y)

    for options in ({"width": (1, 70)}, {"widths": (4, 6, 3)}):
        report = probe(picky, **options)
        assert report.verdict == "WRONG"
        assert set(named(report)) == {"protocol"}
        assert report.unsupported > 0
        assert report.failed > 0


def test_a_function_that_changes_its_arguments_is_told_so() -> None:
    def steps(network: Network, x: Array, y: Array) -> Gradients:
        gradients = right(network, x, y)
        for (W, _, _), (dW, _) in zip(network, gradients, strict=True):
            W -= dW
        return gradients

    report = probe(steps, width=(1, 7))
    assert_conforms(report)
    assert "It changed the arrays that it was given." in report.remarks
    assert "It changed the arrays that it was given." not in probe(right, width=(1, 7)).remarks


def test_buffers_that_are_used_again() -> None:
    buffers: dict[tuple[int, ...], Array] = {}

    def buffered(array: Array) -> Array:
        buffer = buffers.setdefault(array.shape, array.copy())
        buffer[...] = array
        return buffer

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        return [(buffered(W), buffered(b)) for W, b in right(network, x, y)]

    # Layers of equal shape would share a buffer within one answer: that is a mistake, and none of these has them.
    assert_conforms(probe(gradients, layers=(1, 2), width=(1, 70)))


@pytest.mark.parametrize("shape", [(2, 3), (4, 6, 3), (1, 1), (1, 1, 1), (30, 40, 20, 10)])
def test_a_fixed_shape(shape: tuple[int, ...]) -> None:
    report = probe(right, hidden=Tanh(), widths=shape)
    assert_conforms(report)
    assert probe(spoiled(lambda g, *_: scale(g[0], 1, HUNDREDTH)), hidden=Tanh(), widths=shape).verdict == "WRONG"


REFUSED = [
    ({"hidden": "no such"}, ValueError, "no such"),
    ({"loss": "no such"}, ValueError, "no such"),
    ({"loss": "cross_entropy"}, ValueError, "Softmax"),
    ({"dtype": "float16"}, ValueError, "float16"),
    ({"reduction": "median"}, ValueError, "median"),
    ({"widths": (3,)}, ValueError, "widths"),
    ({"widths": (3, 0)}, ValueError, "widths"),
    ({"layers": (3, 2)}, ValueError, "layers"),
    ({"conventions": {"rleu_derivative_at_zero": 0}}, ValueError, "conventions"),
    ({"hidden": []}, ValueError, "hidden"),
    ({"hidden": ReLU}, TypeError, "write ReLU"),
    ({"layers": 3}, ValueError, "layers"),
    ({"targets": "classes"}, ValueError, "targets"),
]


@pytest.mark.parametrize(("options", "error", "said"), REFUSED)
def test_what_cannot_be_is_refused(options: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        probe(right, **options)


def reports() -> Iterator[Report]:
    """A report of each kind."""
    yield probe(right, width=(1, 70))
    yield probe(in_format(8), dtype="float32", hidden=Tanh(), width=(1, 70))
    yield probe(spoiled(nan), width=(1, 7))
    yield probe(second_call_wrong(), width=(1, 7))
    yield probe(reject, width=(1, 7))


FIELDS = {
    "report", "complete", "verdict", "subject", "profile", "seed", "problems", "elements", "effective_bits",
    "equations", "findings", "robustness",
}  # fmt: skip
OF_FINDINGS = {
    "verdict", "class", "equation", "layer", "element", "got", "expected", "bound", "faults", "explanation", "problem",
}  # fmt: skip


def test_reports_fit_a_terminal_and_the_protocol() -> None:
    for report in reports():
        lines = str(report).splitlines()
        assert lines[0].startswith(report.verdict)
        assert max(map(len, lines)) <= WIDTH == 100
        record = json.loads(json.dumps(report.as_json(), allow_nan=False))
        assert set(record) >= FIELDS
        assert record["report"] == 1
        assert record["verdict"] == report.verdict
        assert set(record["elements"]) == {"judged", "wrong", "suspect", "undecided"}
        assert set(record["problems"]) == {"asked", "unsupported", "failed"}
        for finding in record["findings"]:
            assert set(finding) >= OF_FINDINGS
        assert report.exit_status == EXIT_STATUS[report.verdict]


def test_floor_and_undecided_share_are_always_said() -> None:
    report = probe(right, width=(1, 70))
    said = str(report)
    assert "floor" in said
    assert "undecided" in said
    assert all(0 < tally.floor < math.inf for tally in report.equations.values())
    said = " ".join(said.split())
    assert f"All {numbers(report):,} numbers are within their bounds" in said
    assert "would have been caught" in said


def test_what_follows_is_said_to_follow() -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "half-forgotten")
    of = Domain([Tanh()], [(Sigmoid(), HalfSquaredError())], ["sum"], "float64", width=(1, 70))
    report = interrogated(answering(planted(*fault.edits), whole=False), of, Subject("it"))
    assert named(report) == ["B1"]
    said = report.findings[0].explanation
    assert "All of them are 2 times what is expected." in said
    assert "are off too, and follow from it by the documented equations." in said
    assert "follows" in str(report)
    assert ("B3", 1) in report.following


def test_forward_mode_is_told_to_be_another_route() -> None:
    (program,) = (program for program in PROGRAMS if program.name == "forward-mode")
    of = Domain([Tanh()], [(Sigmoid(), HalfSquaredError())], ["sum"], "float64", width=(1, 9), batch=(1, 1))
    report = interrogated(asked(program), of, Subject("forward mode"))
    assert_conforms(report)
    assert any(remark.startswith("Not evaluated by this recursion") for remark in report.remarks)


def test_bits_lost_are_few_in_right_programs() -> None:
    for dtype, bits in (("float64", 53), ("float32", 24)):
        assert probe(right, dtype=dtype, width=(1, 70)).effective_bits[dtype] > bits - NOTABLE


SIGNATURES = {".png": b"\x89PNG\r\n\x1a\n", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.mark.parametrize("ending", SIGNATURES)
def test_plot(ending: str, tmp_path: Path) -> None:
    report = probe(other_style, width=(1, 70))
    wrong = probe(lambda network, x, y: other_style(network, x, y, forgotten=True), width=(1, 70))
    for name, judged in (("right", report), ("wrong", wrong)):
        path = tmp_path / f"{name}{ending}"
        plot(judged, path)
        assert path.read_bytes().startswith(SIGNATURES[ending])


def test_a_picture_cut_short_leaves_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "picture.png").write_bytes(b"old")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plot(probe(right, width=(1, 7)), tmp_path / "picture.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"picture.png": b"old"}


def test_plot_refuses_what_it_cannot_draw(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a name that ends in .*png.*, got .*picture\.txt"):
        plot(probe(right, width=(1, 7)), tmp_path / "picture.txt")
    with pytest.raises(ValueError, match="expected a report with judged numbers"):
        plot(probe(reject, width=(1, 7)), tmp_path / "picture.png")
    assert not list(tmp_path.iterdir())


def test_a_trainer_may_step_in_place() -> None:
    def in_place(network: Network, x: Array, y: Array, eta: float) -> list[tuple[Array, Array]]:
        steps = right(network, x, y)
        for (W, b, _), (dW, db) in zip(network, steps, strict=True):
            W -= eta * dW
            b -= eta * db
        return [(W, b) for W, b, _ in network]

    assert_conforms(probe_trainer(in_place, width=(1, 7)))


def test_p_minus_y_is_right_for_targets_that_sum_to_one() -> None:
    def p_minus_y(network: Network, x: Array, y: Array) -> list[tuple[Array, Array]]:
        steps = forward(network, x)
        head = network[-1]._replace(sigma=Identity())
        gradients = backward((*network[:-1], head), steps, steps[-1].a - y)
        return [(gradient.W, gradient.b) for gradient in gradients]

    options: dict[str, Any] = {"output": Softmax(), "loss": CrossEntropy(), "width": (1, 7)}
    assert probe(p_minus_y, **options).verdict == "WRONG"
    for targets in ("distribution", "one-hot"):
        assert_conforms(probe(p_minus_y, targets=targets, **options))


@pytest.mark.parametrize("seed", range(3))
def test_in_a_wide_network_every_entry_of_a_batch_is_judged(seed: int) -> None:
    """The columns of units that are not at work as well."""

    def columns(network: Network, x: Array, y: Array) -> list[tuple[Array, Array]]:
        gradients = right(network, x, y)
        if len(x) > 1:
            gradients[1][0][:, 5:7] *= 2
        return gradients

    options: dict[str, Any] = {"widths": (300, 70, 10), "seed": seed}
    assert_conforms(probe(right, **options))
    report = probe(columns, **options)
    assert (report.verdict, report.findings[0].equation, report.findings[0].layer) == ("WRONG", "B3", 2)
    assert report.findings[0].element[1] in (5, 6)


@pytest.mark.parametrize("limits", [{"layers": (4, 4)}, {"layers": (7, 9)}, {"width": (16, 64)}, {"batch": (64, 64)}])
def test_within_any_limits_there_is_something_to_ask(limits: dict[str, Any]) -> None:
    report = probe(right, **limits)
    assert report.asked > 5
    assert_conforms(report)


def test_a_subject_that_answers_from_its_own_buffers_is_found_by_its_state() -> None:
    kept: list[GivenAnswer] = []

    def accumulating(network: Network, x: Array, y: Array) -> GivenAnswer:
        gradients = right(network, x, y)
        same = [k for k in kept if [W.shape for W, _ in k.gradients] == [W.shape for W, _ in gradients]]
        if not same:
            kept.append(GivenAnswer(tuple(Parameters(W, b) for W, b in gradients)))
            return kept[-1]
        for (W, b), (dW, db) in zip(same[0].gradients, gradients, strict=True):
            W += dW
            b += db
        return same[0]

    report = probe(accumulating, width=(1, 7))
    assert [finding.equation for finding in report.findings] == ["state"]
