"""The forms that people write: each is admitted, on ordinary problems and next to kinks; each row for it is needed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import reference
from conformance.bounds import assumptions
from conformance.bounds.admitted import OWN, UNDECLARED, Widened, kinks
from conformance.bounds.lifted import lifted
from conformance.bounds.rounded import exact
from conformance.judge.equations import end_to_end, local, path
from conformance.judge.judgement import Judgement
from conformance.problems.problem import Answer, Architecture, Problem, fill
from conformance.subjects.forms.activations import ACTIVATIONS
from conformance.subjects.forms.form import Form, written
from conformance.subjects.forms.losses import LOSSES
from conformance.subjects.formulas import edited
from conformance.subjects.reference import reference_answer
from conformance.text.edits import Edit
from reference import Activation, HalfSquaredError, Identity, Layer, Loss, Tanh
from reference.losses import REQUIRED_HEAD

pytestmark = pytest.mark.sampled(4)

FORMS = (*ACTIVATIONS, *LOSSES)
LOSS_TYPES = tuple(reference.LOSSES.values())
DTYPES = ("float32", "float64")
SEEDS = range(4)


def ordinary(of: type[Activation] | type[Loss], seed: int, dtype: str) -> Problem:
    """A network 3-5-4-3 with that function: one sample or three, z up to 10, either reduction."""
    loss: Any = HalfSquaredError()
    hidden: Any = Tanh()
    head: Any = Identity()
    if of in LOSS_TYPES:
        loss, head = of(), REQUIRED_HEAD.get(of, Identity)()
    else:
        hidden = of()
        head = of() if seed % 3 == 0 and of not in (reference.Softmax, reference.LogSoftmax) else Identity()
    architecture = Architecture(
        (3, 5, 4, 3), (hidden, hidden, head), loss, "mean" if seed % 2 else "sum", 1 if seed % 2 else 3, dtype,
        ("generic",) * 3, seed, 0.1,
    )  # fmt: skip
    problem = fill(architecture)
    scale = problem.dtype.type(2 ** (seed % 3))
    scaled = problem._replace(network=tuple(Layer(W * scale, b, sigma) for W, b, sigma in problem.network))
    small = max(float(abs(state.z).max()) for state in reference_answer(scaled).trace) <= 10
    return scaled if small else problem


def near_kinks(of: type[Activation] | type[Loss], seed: int, dtype: str) -> Problem:
    """With z of the first layer, or what the loss compares, within a few roundings of the kinks, or on them."""
    problem = ordinary(of, seed, dtype)
    if of in LOSS_TYPES:
        a = reference_answer(problem).trace[-1].a
        off = 1 if of in (reference.Huber, reference.SmoothL1) else 0
        return problem._replace(y=np.clip(1 / a, -1, 1) if of is reference.Hinge else a + problem.dtype.type(off))
    (W, b, sigma), *rest = problem.network
    places, rng = kinks(sigma) or (0,), np.random.default_rng(seed)
    met = (problem.x @ W.T)[0]
    wanted = np.array([places[i % len(places)] for i in range(len(b))], dtype)
    for _ in range(3):
        wanted = np.where(rng.random(len(b)) < 1 / 2, np.nextafter(wanted, wanted * 0 + rng.choice((-9, 9))), wanted)
    return problem._replace(network=(Layer(W, (wanted - met).astype(dtype), sigma), *rest))


def judged(problem: Problem, answer: Answer, near: bool) -> Iterator[Judgement]:
    of = lifted(problem, UNDECLARED if near else OWN)
    yield from path(of, answer)
    yield from local(of, answer)
    yield from (judgement for (judgement,) in end_to_end(of, answer))


def accusations(form: Form) -> tuple[int, list[Judgement]]:
    """How many problems a form was asked, and all that was found wrong."""
    answer, asked, found = edited(*form.edits), 0, []
    for near in (False, True):
        for seed in SEEDS:
            for dtype in DTYPES:
                problem = (near_kinks if near else ordinary)(form.of, seed, dtype)
                if form.right(problem):
                    asked += 1
                    with np.errstate(all="ignore"):  # where branches are evaluated that are not taken
                        given = answer(problem)
                    found += [j for j in judged(problem, given, near) if j.wrong]
    return asked, found


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.of.__name__}: {form.says}")
def test_is_admitted(form: Form) -> None:
    asked, found = accusations(form)
    assert asked >= len(SEEDS)
    assert not found


def test_every_function_is_written_otherwise() -> None:
    functions = {*reference.ACTIVATIONS.values(), *reference.LOSSES.values()}
    assert {form.of for form in FORMS} == functions - {Identity}
    assert len({(form.of, form.says) for form in FORMS}) == len(FORMS)


def test_programs_are_written_in_all_forms() -> None:
    programs = written(FORMS)
    assert [*dict.fromkeys(form for program in programs for form in program.forms)] != []
    assert sum(len(program.forms) for program in programs) == len(FORMS)
    for program in programs:
        places = [edit.place for edit in program.edits]
        assert len(set(places)) == len(places)


def accused(of: type[Activation] | type[Loss]) -> set[str]:
    return {j.equation for form in FORMS if form.of is of for j in accusations(form)[1]}


@pytest.mark.parametrize("share", [1, 1 / 2])
def test_units_of_leaky_relu_as_a_mean(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Constants of the format and products, each rounded: within `MEAN`, and beyond its half."""
    monkeypatch.setattr(assumptions, "MEAN", share * assumptions.MEAN)
    rng, one, beyond = np.random.default_rng(0), np.float32(1), 0
    for _ in range(500):
        s, z = np.float32(rng.random()), (1 + rng.random((1, 400))).astype("float32")
        z = np.concatenate([z, -z], axis=1)
        mean = (one + s) / 2 * z + (one - s) / 2 * abs(z)
        admitted = Widened(reference.LeakyReLU(float(s))).apply(exact(z))
        beyond += int(np.count_nonzero(abs(mean - admitted.mid) > admitted.rad))
    assert (beyond > 0) == (share < 1)


@pytest.mark.parametrize("of", [reference.LeakyReLU, reference.Hardtanh])
def test_without_its_row_a_form_is_accused(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(assumptions.ACTIVATIONS, of)
    assert "F2" in accused(of)


@pytest.mark.parametrize("of", [reference.Hardsigmoid, reference.Hardswish])
def test_a_kink_is_reached_through_its_own_arithmetic(of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(assumptions.REACH, of)
    assert "B2" in accused(of)


@pytest.mark.parametrize("of", [reference.BinaryCrossEntropy, reference.BinaryCrossEntropyWithLogits])
def test_a_textbooks_cross_entropy_loses_digits(of: type[Loss], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assumptions, "_lost", lambda format, z, y: 0 * z)
    assert "B1" in accused(of)


WRONG = {
    reference.LeakyReLU: Edit("D5", "where(z > 0, g, 1.001 * self.negative_slope * g)"),
    reference.Hardtanh: Edit("A16", "1.0001 * clip(z, self.min_val, self.max_val)"),
    reference.Hardsigmoid: Edit("D18", "where(z > -3.001, where(z < 3.001, g / 6, 0), 0)"),
    reference.Hardswish: Edit("D19", "g * where(z > -3.001, where(z < 3.001, (2 * z + 3) / 6, 1), 0)"),
    reference.BinaryCrossEntropy: Edit("H2", "1.001 * p - y"),
}


@pytest.mark.parametrize("of", WRONG, ids=lambda of: of.__name__)
@pytest.mark.parametrize("dtype", DTYPES)
def test_beside_what_is_admitted_a_mistake_is_found(of: type[Activation] | type[Loss], dtype: str) -> None:
    kinked = of in (reference.Hardsigmoid, reference.Hardswish)
    for seed in SEEDS:
        problem = ordinary(of, seed, dtype)
        if kinked:  # between 3 and 3.001, where the mistake shows
            (W, b, sigma), *rest = problem.network
            b = np.full(len(b), 3.0005, dtype) - (problem.x @ W.T)[0]
            problem = problem._replace(network=(Layer(W, b, sigma), *rest))
        answer = edited(WRONG[of])(problem)
        assert any(j.wrong for j in path(lifted(problem, UNDECLARED), answer)) or any(
            j.wrong for (j,) in end_to_end(lifted(problem, UNDECLARED), answer)
        )
