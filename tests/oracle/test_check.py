"""The oracle, given an answer: a right one is never accused, a wrong one is placed where that can be told."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from conformance import GivenAnswer, Parameters, Problem, Report, assert_conforms, check
from conformance.arrays import Array
from conformance.bounds.admitted import loss_label
from conformance.judge.verdict import EXIT_STATUS
from conformance.oracle.network.estimate import FACTOR
from conformance.problems.problem import Answer, Architecture, fill
from conformance.problems.strategies import architectures
from conformance.subjects.correct import PROGRAMS, Program
from conformance.subjects.faults import FAULTS, Fault
from conformance.subjects.reference import reference_answer
from conformance.text.edits import planted
from reference import (
    GELU,
    L1,
    SELU,
    Activation,
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Hardswish,
    Identity,
    Layer,
    LeakyReLU,
    Loss,
    MeanSquaredError,
    Mish,
    PoissonNLL,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    Tanhshrink,
)

DTYPES = ("float64", "float32")
by_dtype = pytest.mark.parametrize("dtype", DTYPES)
SLOW = {"loops", "backwards", "pairwise", "compensated", "shuffled", "fused-multiply-add"}
"""Programs that take a step of Python for each product."""

RANDOM = settings(phases=(Phase.generate, Phase.shrink), suppress_health_check=[HealthCheck.too_slow])

REPORTED: dict[str, Callable[[Answer], GivenAnswer]] = {
    "gradients": lambda answer: GivenAnswer(answer.gradients),
    "no trace": lambda answer: GivenAnswer(answer.gradients, answer.value, answer.trace[-1].a, answer.input_gradient),
    "all": lambda answer: GivenAnswer(
        answer.gradients, answer.value, answer.trace[-1].a, answer.input_gradient, answer.trace
    ),
}
"""How much of an answer is given."""


def problem(
    widths: tuple[int, ...] = (3, 5, 4, 7),
    hidden: Activation = Tanh(),  # noqa: B008
    head: tuple[Activation, Loss] = (Sigmoid(), HalfSquaredError()),
    batch: int = 3,
    dtype: str = "float64",
    patterns: tuple[str, str, str] = ("generic", "generic", "generic"),
    reduction: Any = "sum",
    seed: int = 1,
) -> Problem:
    output, loss = head
    sigmas = (*[hidden] * (len(widths) - 2), output)
    return fill(Architecture(widths, sigmas, loss, reduction, batch, dtype, patterns, seed, 0.125))


def named(report: Report) -> list[tuple[str, int]]:
    return [(finding.equation, finding.layer) for finding in report.findings]


def accused(report: Report) -> bool:
    return report.verdict in ("WRONG", "SUSPECT")


DEEP, SHALLOW = architectures(depth=10, width=16), architectures(depth=3, width=5)


@RANDOM
@given(st.sampled_from(PROGRAMS), st.data(), st.sampled_from(sorted(REPORTED)))
def test_right_programs_are_never_accused(program: Program, data: st.DataObject, reported: str) -> None:
    quick = program.recursive and program.name not in SLOW
    architecture = data.draw(DEEP if quick else SHALLOW)
    given = fill(architecture._replace(batch=min(max(architecture.batch, 2), 17 if program.recursive else 3)))
    with np.errstate(all="ignore"):  # what overflows is the oracle's to see
        if not program.applies(given):
            return
        answer = program.answer(given)
    report = check(given, REPORTED[reported](answer))
    event(report.verdict)
    assert not accused(report), f"{program.name}, {reported}\n{report}"


CANCELLING = (1191881, 32, 5, 77)
"""Seeds whose deltas cancel where the gradients do not."""


@pytest.mark.parametrize("seed", CANCELLING)
@pytest.mark.parametrize("name", ["forward-mode", "complex-step"])
def test_a_trace_of_another_arrangement_is_never_accused(name: str, seed: int) -> None:
    (program,) = (program for program in PROGRAMS if program.name == name)
    for dtype in DTYPES:
        given = problem((5, 5, 4), head=(Identity(), MeanSquaredError()), dtype=dtype, reduction="mean", seed=seed)
        if program.applies(given):
            report = check(given, REPORTED["all"](program.answer(given)))
            assert not accused(report), f"\n{report}"


@pytest.mark.parametrize("seed", [550, 1066, 1458, 2578])
@pytest.mark.parametrize("sigma", [Softplus(), Tanhshrink()], ids=lambda sigma: type(sigma).__name__)
def test_what_may_overflow_on_the_way_is_not_accused(sigma: Activation, seed: int) -> None:
    """Cotangents near the format's end: PyTorch multiplies them by e^z and divides after, the reference does not."""
    (program,) = (program for program in PROGRAMS if program.name == "twin")
    patterns = ("integers", "integers", "generic")
    for output in (Identity(), SiLU(), Hardswish()):
        for factor in (1, 8):
            given = problem((4, 7, 5), sigma, (output, PoissonNLL()), dtype="float32", patterns=patterns, seed=seed)
            given = given._replace(x=given.x * np.float32(factor))
            with np.errstate(all="ignore"):
                answer = program.answer(given)
            report = check(given, REPORTED["gradients"](answer))
            assert not accused(report), f"\n{report}"


def test_an_estimate_that_runs_miss_by_chance_is_no_suspicion() -> None:
    """Whole numbers whose gradients cancel over the batch; a few runs may leave such an element where it is."""
    (program,) = (program for program in PROGRAMS if program.name == "loops")
    for seed in range(20):
        architecture = Architecture(
            (5, 5, 5), (Mish(), Sigmoid()), BinaryCrossEntropy(), "mean", 2, "float64", ("integers",) * 3, seed, 0.1
        )
        report = check(fill(architecture), REPORTED["gradients"](program.answer(fill(architecture))))
        assert not accused(report), f"\n{report}"


def test_where_the_truth_may_overflow_nothing_is_suspect() -> None:
    for seed in range(8):
        patterns = ("zeros", "tiny", "tiny")
        given = problem((7, 16, 16), Softplus(), (SELU(), PoissonNLL()), 1, "float32", patterns, seed=seed)
        given = scaled(given, 2.0**6)
        with np.errstate(all="ignore"):
            answer = reference_answer(given)
        report = check(given, REPORTED["gradients"](answer))
        assert not accused(report), f"\n{report}"


@by_dtype
def test_a_layer_of_gelu_alone(dtype: str) -> None:
    """SciPy's erfc takes no long double."""
    given = problem((3, 4), head=(GELU(), MeanSquaredError()), dtype=dtype)
    assert_conforms(check(given, REPORTED["no trace"](reference_answer(given))))


@by_dtype
@pytest.mark.parametrize("reported", sorted(REPORTED))
@pytest.mark.parametrize("batch", [1, 3])
def test_the_reference_conforms(batch: int, reported: str, dtype: str) -> None:
    given = problem(batch=batch, dtype=dtype)
    report = check(given, REPORTED[reported](reference_answer(given)), name="the reference")
    assert_conforms(report)
    assert report.subject.name == "the reference"
    assert report.exit_status == EXIT_STATUS["CONFORMS"]
    assert report.asked == 1
    assert report.robustness is None


LONG = 16384


@pytest.mark.parametrize("scale", [0.3, 1 / 3, 0.7])
@pytest.mark.parametrize("sigma", [Sigmoid(), Tanh(), Identity(), ReLU()], ids=lambda sigma: type(sigma).__name__)
def test_long_sums_of_one_number_are_never_suspect(sigma: Activation, scale: float) -> None:
    """All roundings of such a sum have one sign, which no estimate of the usual rounding expects."""
    dtype = np.dtype(np.float32)
    W = np.full((3, LONG), scale / 8, dtype)
    x, y = np.full((2, LONG), scale / 64, dtype), np.array([[0.5, -0.25, 1.0], [2.0, 0.75, -1.5]], dtype)
    layer = Layer(W, np.array([0.5, -0.5, 0.25], dtype), sigma)
    given = Problem((layer,), x, y, HalfSquaredError(), "sum", 0.125)
    assert not accused(check(given, REPORTED["all"](reference_answer(given))))
    # One after the other, as a loop adds them.
    z = np.stack([np.cumsum(sample * W, axis=1, dtype=dtype)[:, -1] for sample in x]) + layer.b
    a = sigma.apply(z)
    delta = sigma.pullback(z, a, a - y)
    assert abs(z - x.astype(np.float64) @ W.T.astype(np.float64) - layer.b).max() > 16 * np.finfo(dtype).eps
    report = check(given, [(delta.T @ x, delta.sum(axis=0))])
    assert not accused(report), f"\n{report}"


FAULTS_OF_UPDATES = {"update-ascends", "update-without-rate", "bias-not-updated"}
SATURATED = {"probability-clipped", "exponential-overflow", "log-of-zero"}
"""Those that are hidden while logits are moderate."""

SETTINGS: dict[str, dict[str, Any]] = {
    "derivative-of-sigmoid-handed-z": {"hidden": Sigmoid()},
    "leaky-slope-ignored": {"hidden": LeakyReLU()},
    "outputs-not-averaged": {"head": (Sigmoid(), MeanSquaredError())},
    "softmax-diagonal-only": {"head": (Softmax(), HalfSquaredError())},
    "softmax-twice": {"head": (Softmax(), CrossEntropy())},
    "log-epsilon": {"head": (Softmax(), CrossEntropy())},
    "bce-zero-class-dropped": {"head": (Sigmoid(), BinaryCrossEntropy())},
    "broadcast-target": {"widths": (3, 5, 1)},
    "batch-divided-twice": {"reduction": "mean"},
    "batch-not-divided": {"reduction": "mean"},
    "weight-transposed": {"widths": (3, 4, 4, 2)},
    "weight-transposed-forward": {"widths": (3, 4, 4, 2)},
    "weight-gradient-transposed": {"widths": (3, 4, 4, 2)},
    "probability-clipped": {"head": (Sigmoid(), BinaryCrossEntropy())},
    "exponential-overflow": {"head": (Softmax(), CrossEntropy())},
    "log-of-zero": {"head": (Softmax(), CrossEntropy())},
}
"""Where a fault shows, if not with tanh, sigmoid and half the squared error."""


def scaled(given: Problem, by: float) -> Problem:
    """With larger logits."""
    *below, last = given.network
    return given._replace(network=(*below, last._replace(W=last.W * by, b=last.b * by)))


def kinked(dtype: str = "float64") -> Problem:
    """Of whole numbers, so that a z is exactly 0."""
    head, patterns = (Identity(), HalfSquaredError()), ("integers", "integers", "generic")
    given = problem(hidden=ReLU(), head=head, patterns=patterns, seed=3, dtype=dtype)
    (W, b, sigma), *rest = given.network
    W, b = W.copy(), b.copy()
    W[2], b[2] = 0, 0
    return given._replace(network=(Layer(W, b, sigma), *rest))


@by_dtype
@pytest.mark.parametrize("fault", [f for f in FAULTS if f.name not in FAULTS_OF_UPDATES], ids=lambda fault: fault.name)
def test_a_planted_fault_is_placed_by_its_trace(fault: Fault, dtype: str) -> None:
    given = problem(**{"widths": (3, 4, 5), **SETTINGS.get(fault.name, {})}, dtype=dtype)
    if fault.name == "relu-one-at-zero":
        given = kinked(dtype)
    if fault.name in SATURATED:
        given = scaled(given, 2.0**10)
    conventions = {"relu_derivative_at_zero": 0} if fault.name == "relu-one-at-zero" else {}
    assert not accused(check(given, REPORTED["all"](reference_answer(given)), conventions=conventions))
    with np.errstate(all="ignore"):
        answer = reference_answer(given, planted(*fault.edits))
    report = check(given, REPORTED["all"](answer), conventions=conventions)
    assert report.verdict == "WRONG"
    assert report.findings[0].equation in fault.equations, f"\n{report}"
    # What is broken besides is broken by the same edit: nothing that merely follows is accused.
    assert {equation for equation, _ in named(report)} <= fault.equations


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("name", "placed"),
    [
        ("half-forgotten", [("B1", 2)]),
        ("sign-flipped", [("B1", 2)]),
        ("output-derivative-missing", [("B1", 2)]),
        ("hidden-derivative-missing", [("B2", 1)]),
        ("hidden-delta-doubled", [("B2", 1)]),
        ("weight-gradient-transposed", [("B3", 2)]),
    ],
)
def test_a_planted_fault_is_placed_by_gradients_alone(name: str, placed: list[tuple[str, int]], batch: int) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    widths = (3, 4, 4, 2) if name == "weight-gradient-transposed" else (3, 4, 5)
    given = problem(widths, batch=4 if batch > 1 and name == "weight-gradient-transposed" else batch)
    report = check(given, REPORTED["gradients"](reference_answer(given, planted(*fault.edits))))
    assert report.verdict == "WRONG"
    assert named(report)[0] == placed[0], f"\n{report}"
    if name in {"half-forgotten", "sign-flipped"}:
        factor = "2" if name == "half-forgotten" else "-1"
        assert f"All of them are {factor} times what is expected." in report.findings[0].explanation


@by_dtype
@pytest.mark.parametrize("batch", [1, 3])
def test_a_wrong_dw_and_a_wrong_db_stand_alone(batch: int, dtype: str) -> None:
    given = problem(batch=batch, dtype=dtype)
    right = reference_answer(given).gradients
    for l, (W, b) in enumerate(right):
        for equation, wrong in (("B3", Parameters(W * 2, b)), ("B4", Parameters(W, b * 2))):
            report = check(given, GivenAnswer((*right[:l], wrong, *right[l + 1 :])))
            assert report.verdict == "WRONG"
            assert named(report)[0] == (equation, l + 1), f"\n{report}"
            assert "All of them are 2 times what is expected." in report.findings[0].explanation


@by_dtype
def test_one_element(dtype: str) -> None:
    given = problem(dtype=dtype)
    W, b = reference_answer(given).gradients[1]
    for at in np.ndindex(W.shape):
        off = W.copy()
        off[at] += abs(W).max() / 64
        right = reference_answer(given).gradients
        report = check(given, GivenAnswer((right[0], Parameters(off, b), right[2])))
        assert [(f.equation, f.layer, f.element) for f in report.findings] == [("B3", 2, at)]
        assert report.findings[0].got == off[at]
        assert "1 of 20 elements" in report.findings[0].explanation


def deep() -> Problem:
    """Ten layers in float32, carried through which no bound decides the first."""
    return problem((16, *[64] * 9, 8), dtype="float32", batch=2)


def test_far_outside_the_usual_rounding_is_suspect_and_no_more() -> None:
    given = deep()
    right = reference_answer(given).gradients
    report = check(given, GivenAnswer(right))
    assert not accused(report)
    assert report.tallies["B3", 1].undecided == right[0].W.size
    (W, b), *rest = right
    report = check(given, GivenAnswer((Parameters(W * (1 + 2.0**-4), b), *rest)))
    assert report.verdict == "SUSPECT", f"\n{report}"
    assert report.exit_status == EXIT_STATUS["SUSPECT"]
    assert {(f.verdict, f.equation, f.layer) for f in report.findings} == {("SUSPECT", "B3", 1)}
    assert f"times {FACTOR} times what perturbed runs differ by" in report.findings[0].explanation
    assert "an estimate of the usual rounding speaks against it" in " ".join(str(report).split())
    with pytest.raises(AssertionError, match="SUSPECT"):
        assert_conforms(report)


def test_far_outside_the_bound_is_wrong_in_a_deep_network() -> None:
    given = problem((6, *[7] * 8, 3), dtype="float64", batch=2)
    right = reference_answer(given).gradients
    assert_conforms(check(given, GivenAnswer(right)))
    (W, b), *rest = right
    report = check(given, GivenAnswer((Parameters(W * (1 + 2.0**-4), b), *rest)))
    assert report.verdict == "WRONG"
    assert named(report) == [("B3", 1)]


@by_dtype
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("field", ["loss", "output", "input_gradient"])
def test_what_is_volunteered_is_judged_too(field: str, batch: int, dtype: str) -> None:
    given = problem(batch=batch, dtype=dtype)
    answer = REPORTED["no trace"](reference_answer(given))
    assert_conforms(check(given, answer))
    report = check(given, answer._replace(**{field: 2 * getattr(answer, field)}))
    assert report.verdict == "WRONG"
    place = {"loss": (loss_label(given), 3), "output": ("F2", 3), "input_gradient": ("B2", 0)}[field]
    assert named(report) == [place], f"\n{report}"
    assert "All of them are 2 times what is expected." in report.findings[0].explanation


@pytest.mark.parametrize("place", range(3))
@pytest.mark.parametrize("field", ["z", "a", "delta"])
def test_a_wrong_number_of_the_trace_is_placed(field: str, place: int) -> None:
    given = problem()
    answer = REPORTED["all"](reference_answer(given))
    assert answer.trace is not None
    numbers = getattr(answer.trace[place], field).copy()
    numbers[1, 0] += 1 / 8
    trace = tuple(s._replace(**{field: numbers}) if l == place else s for l, s in enumerate(answer.trace))
    report = check(given, answer._replace(trace=trace))
    assert report.verdict == "WRONG"
    first = {"z": "F1", "a": "F2", "delta": "B1" if place == 2 else "B2"}[field]
    assert named(report)[0] == (first, place + 1), f"\n{report}"


def test_conventions_are_held_to_where_they_are_declared() -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == "relu-one-at-zero")
    given = kinked()
    zero, one = reference_answer(given).gradients, reference_answer(given, planted(*fault.edits)).gradients
    assert any((p.W != q.W).any() for p, q in zip(zero, one, strict=True))
    declared = "relu_derivative_at_zero"
    assert_conforms(check(given, GivenAnswer(zero)))
    assert_conforms(check(given, GivenAnswer(one)))
    assert_conforms(check(given, GivenAnswer(zero), conventions={declared: 0}))
    assert_conforms(check(given, GivenAnswer(one), conventions={declared: 1}))
    assert check(given, GivenAnswer(one), conventions={declared: 0}).verdict == "WRONG"
    assert check(given, GivenAnswer(zero), conventions={declared: 1}).verdict == "WRONG"
    beyond = tuple(Parameters(16 * q.W - 15 * p.W, 16 * q.b - 15 * p.b) for p, q in zip(zero, one, strict=True))
    assert check(given, GivenAnswer(beyond)).verdict == "WRONG"  # not between the derivatives on either side


def test_a_kink_of_the_loss() -> None:
    given = problem(head=(Identity(), L1()), widths=(3, 4))
    (layer,) = given.network
    y = given.x @ layer.W.T + layer.b
    given = given._replace(y=y)
    for sign in (-1, 0, 1):
        delta = np.full(y.shape, float(sign))
        assert not accused(check(given, [(delta.T @ given.x, delta.sum(axis=0))]))
    delta = np.full(y.shape, 1.5)
    assert check(given, [(delta.T @ given.x, delta.sum(axis=0))]).verdict == "WRONG"


def test_a_forced_zero_must_be_zero() -> None:
    """An input that is 0 throughout leaves no gradient of its weights."""
    given = problem()
    x = given.x.copy()
    x[:, 1] = 0
    given = given._replace(x=x)
    (W, b), *rest = reference_answer(given).gradients
    assert not W[:, 1].any()
    off = W.copy()
    off[2, 1] = 1e-12
    report = check(given, GivenAnswer((Parameters(off, b), *rest)))
    assert report.verdict == "WRONG"
    assert report.findings[0].element == (2, 1)
    assert report.findings[0].expected == 0


def test_nothing_that_is_no_number_conforms() -> None:
    given = problem()
    for value in (np.nan, np.inf, -np.inf):
        (W, b), *rest = reference_answer(given).gradients
        off = W.copy()
        off[0, 0] = value
        report = check(given, GivenAnswer((Parameters(off, b), *rest)))
        assert report.verdict == "WRONG"
        assert report.findings[0].element == (0, 0)
        json.dumps(report.as_json(), allow_nan=False)
        assert str(report)


def test_assert_conforms_raises_with_the_whole_explanation() -> None:
    given = problem()
    right = [(W, b) for W, b in reference_answer(given).gradients]
    assert_conforms(check(given, right))
    wrong = [(-W, -b) for W, b in right]
    with pytest.raises(AssertionError) as raised:
        assert_conforms(check(given, wrong, name="mine"))
    said = " ".join(str(raised.value).split())
    assert "WRONG mine: one question" in said
    assert "(B1) delta^l = g^l * sigma'(z^l) is violated in layer 3" in said
    assert "All of them are -1 times what is expected." in said


Change = Callable[[list[tuple[Any, Any]]], Any]

REFUSED: list[tuple[Change, type[Exception], str]] = [
    (lambda g: g[1:], ValueError, "expected a list of (dW, db), one for each of the 3 layers, got 2 of them"),
    (lambda g: None, ValueError, "one for each of the 3 layers, got NoneType"),
    (lambda g: [(g[0][0].T, g[0][1]), *g[1:]], ValueError, "dW, layer 1: expected shape (5, 3), got (3, 5)"),
    (lambda g: [*g[:2], (g[2][0], g[2][1][:, None])], ValueError, "db, layer 3: expected shape (7,), got (7, 1)"),
    (lambda g: [(g[0][0] + 0j, g[0][1]), *g[1:]], TypeError, "dW, layer 1: expected an array of real numbers"),
    (
        lambda g: GivenAnswer(tuple(Parameters(W.astype(np.float32), b) for W, b in g)),
        ValueError, "W, layer 1: expected shape (5, 3) and dtype float64, got (5, 3) and float32",
    ),
    (
        lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g), loss=np.zeros(3)),
        ValueError, "loss: expected shape () and dtype float64, got (3,) and float64",
    ),
    (
        lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g), output=np.zeros((2, 3))),
        ValueError, "output: expected shape (3, 7) and dtype float64, got (2, 3)",
    ),
    (
        lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g), input_gradient=np.zeros((3, 2))),
        ValueError, "input_gradient: expected shape (3, 3) and dtype float64, got (3, 2)",
    ),
    (lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g[:2])), ValueError, "3 layers, got 2"),
    (lambda g: GivenAnswer(tuple(Parameters(*pair) for pair in g), trace=()), ValueError, "3 layers, got 0"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "error", "said"), REFUSED)
def test_an_answer_that_does_not_fit_is_refused(change: Change, error: type[Exception], said: str) -> None:
    given = problem()
    with pytest.raises(error, match=re.escape(said)):
        check(given, change([(W, b) for W, b in reference_answer(given).gradients]))


def test_a_trace_in_another_shape_is_refused() -> None:
    given = problem()
    answer = reference_answer(given)
    trace = tuple(s._replace(a=s.a.T) for s in answer.trace)
    with pytest.raises(ValueError, match=re.escape("trace, layer 1, a: expected shape (3, 5)")):
        check(given, REPORTED["all"](answer)._replace(trace=trace))


def test_a_problem_that_is_none_is_refused() -> None:
    given = problem()
    answer = [(W, b) for W, b in reference_answer(given).gradients]
    half = tuple(Layer(W.astype(np.float16), b.astype(np.float16), sigma) for W, b, sigma in given.network)
    halved = given._replace(network=half, x=given.x.astype(np.float16), y=given.y.astype(np.float16))
    with pytest.raises(TypeError, match="float16"):
        check(halved, answer)
    with pytest.raises(ValueError, match="y"):
        check(given._replace(y=given.y[:, :1]), answer)


def test_arrays_of_any_layout(capsys: pytest.CaptureFixture[str]) -> None:
    given = problem()

    def laid_out(a: Array) -> Array:
        apart = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
        apart[tuple(slice(None, None, 2) for _ in a.shape)] = a
        return np.asfortranarray(apart)[tuple(slice(None, None, 2) for _ in a.shape)]

    answer = [(laid_out(W), laid_out(b)) for W, b in reference_answer(given).gradients]
    before = [(W.copy(), b.copy()) for W, b in answer]
    report = check(given, answer)
    assert_conforms(report)
    for pair, copies in zip(answer, before, strict=True):
        assert all(np.array_equal(p, q) for p, q in zip(pair, copies, strict=True))
    assert capsys.readouterr().out == ""
