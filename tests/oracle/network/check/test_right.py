"""`check` and right programs: none is accused or suspected, whatever they report."""


import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from conformance import Problem, assert_conforms, check
from conformance.judge.verdict import EXIT_STATUS
from conformance.problems.problem import Architecture, fill
from conformance.problems.strategies import architectures
from conformance.subjects.correct import PROGRAMS, Program
from conformance.subjects.reference import reference_answer
from reference import (
    GELU,
    SELU,
    Activation,
    BinaryCrossEntropy,
    HalfSquaredError,
    Hardswish,
    Identity,
    Layer,
    MeanSquaredError,
    Mish,
    PoissonNLL,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
    Tanhshrink,
)

from ..answers import (
    DTYPES,
    REPORTED,
    accused,
    by_dtype,
    problem,
    scaled,
)

pytestmark = pytest.mark.sampled(4)

SLOW = {"loops", "backwards", "pairwise", "compensated", "shuffled", "fused-multiply-add"}
"""Programs that take a step of Python for each product."""

RANDOM = settings(phases=(Phase.generate, Phase.shrink), suppress_health_check=[HealthCheck.too_slow])


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
