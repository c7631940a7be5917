"""Every declared shape: right programs conform, and each mistake is found in the equation that it breaks."""

from typing import Any

import numpy as np
import pytest

from conformance import GivenAnswer, Problem, check, probe, probe_trainer
from conformance.subjects.reference import reference_answer
from reference import CrossEntropy, Layer, Sigmoid, Softmax

from ..answers import by_dtype, problem
from .programs import MISTAKES, OF_BIASES, STYLES, arranged, paired, program, stored

pytestmark = pytest.mark.sampled(4)

SMALL: dict[str, Any] = {"width": (1, 16), "layers": (1, 3), "problems": 30}
"""Few questions and small ones: shapes are what is asked here."""

PENALTIES: dict[str, dict[str, Any]] = {
    "": {},
    "penalised": {"l2": 0.03},
    "penalised, with biases": {"l2": 0.7, "l2_biases": True},
}

every_style = pytest.mark.parametrize("style", STYLES)


@by_dtype
@pytest.mark.parametrize("penalty", PENALTIES)
@every_style
def test_a_right_program_conforms(style: str, penalty: str, dtype: str) -> None:
    options = STYLES[style] | PENALTIES[penalty]
    report = probe(program(options), dtype=dtype, **SMALL, **options)
    assert report.verdict == "CONFORMS", f"\n{report}"
    assert any(equation == "B4" for equation, _ in report.tallies) == (options.get("biases") != "none")
    assert not any("multiplies" in remark for remark in report.remarks), report.remarks


@every_style
def test_a_loss_that_is_returned_is_judged(style: str) -> None:
    options = STYLES[style] | {"l2": 0.03}
    function = program(options, with_loss=True)
    report = probe(function, **SMALL, **options)
    assert report.verdict == "CONFORMS", f"\n{report}"
    assert "L1" in report.equations

    def halved(*given: Any) -> Any:
        loss, found = function(*given)
        return found, loss / 2

    report = probe(halved, **SMALL, **options)
    assert (report.verdict, report.findings[0].equation) == ("WRONG", "L1"), f"\n{report}"


@pytest.mark.parametrize("mistake", MISTAKES | OF_BIASES)
@every_style
def test_a_mistake_is_found_in_its_equation(style: str, mistake: str) -> None:
    options = STYLES[style] | {"l2": 0.03}
    if mistake in OF_BIASES and options.get("biases") == "none":
        pytest.skip("it has none")
    planted = (MISTAKES | OF_BIASES)[mistake]
    report = probe(program(options, planted), **SMALL, **options)
    assert (report.verdict, report.findings[0].equation) == ("WRONG", planted.equation), f"\n{report}"


SAID = {
    "no penalty": "Right if there were no penalty",
    "penalty twice": "Right if l2=0.06",
    "penalty on the biases": "Right if the biases carry the penalty too: say l2_biases=True.",
}


@pytest.mark.parametrize("mistake", SAID)
@pytest.mark.parametrize("style", ["columns", "a mean over all elements"])
def test_a_penalty_that_is_off_is_told(style: str, mistake: str) -> None:
    options = STYLES[style] | {"l2": 0.03}
    report = probe(program(options, (MISTAKES | OF_BIASES)[mistake]), **SMALL, **options)
    assert report.findings[0].explanation.startswith(SAID[mistake]), f"\n{report}"


@every_style
def test_a_batch_that_is_not_divided_is_told(style: str) -> None:
    """It sums where a mean is declared; and the other way."""
    options = STYLES[style]
    declared = "sum" if options.get("reduction") == "mean" else "mean"
    report = probe(program(options), **SMALL, **options | {"reduction": declared})
    assert report.verdict == "WRONG"
    assert report.findings[0].explanation.startswith("Right if reduction="), f"\n{report}"


def test_a_mean_over_outputs_that_is_missing_is_told() -> None:
    options = STYLES["rows of biases"]
    report = probe(program({**options, "over_outputs": "sum"}), **SMALL, **options)
    assert report.findings[0].explanation.startswith("Right if the loss is summed over the outputs"), f"\n{report}"


def test_a_square_that_is_transposed_is_told() -> None:
    """No shape shows it: stored otherwise than was declared, or transposed where it is returned."""
    function = program({"weights": "in, out"})
    report = probe(function, widths=(5, 5, 5))
    assert report.findings[0].explanation.startswith('Right if weights are stored (in, out): say weights="in, out".')
    report = probe(program({}), widths=(5, 5, 5), weights="in, out")
    assert report.findings[0].explanation.startswith('Right if weights are stored (out, in): say weights="out, in".')
    report = probe(lambda *given: [(dW.T, db) for dW, db in function(*given)], widths=(5, 5, 5), weights="in, out")
    assert (report.verdict, report.findings[0].equation) == ("WRONG", "B3"), f"\n{report}"
    assert "a_prev.T @ delta" in report.findings[0].explanation


@every_style
def test_a_step_of_a_trainer(style: str) -> None:
    options = STYLES[style] | {"l2": 0.03}
    options["returns"] = options.get("parameters", "pairs")

    def trained(factor: float) -> Any:
        def step(*given: Any) -> Any:
            *handed, x, y, eta = given
            found = program(options)(*handed, x, y)
            own = dict(options, parameters=options["returns"])
            pairs = zip(
                paired(handed, options), paired(found if isinstance(found, tuple) else [found], own), strict=True
            )
            by = x.dtype.type(factor)
            new = [(W - eta * dW * by, None if b is None or db is None else b - eta * db) for (W, b), (dW, db) in pairs]
            return 0.5, arranged(new, own)  # a loss beside them is not looked at

        return step

    report = probe_trainer(trained(1), **SMALL, **options)
    assert report.verdict == "CONFORMS", f"\n{report}"
    report = probe_trainer(trained(2), **SMALL, **options)
    assert (report.verdict, report.findings[0].equation) == ("WRONG", "B3"), f"\n{report}"


@every_style
def test_an_answer_to_a_problem_in_its_shapes(style: str) -> None:
    options = {key: value for key, value in STYLES[style].items() if key not in ("reduction", "parameters")}
    given = problem(hidden=Sigmoid(), reduction=STYLES[style].get("reduction", "sum"))
    if options.get("biases") == "none":
        given = given._replace(network=tuple(layer._replace(b=0 * layer.b) for layer in given.network))
    turned, columns = options.get("weights") == "in, out", options.get("samples") == "columns"
    layers = tuple(Layer(W.T if turned else W, stored(b, options), sigma) for W, b, sigma in given.network)
    x, y = (given.x.T, given.y.T) if columns else (given.x, given.y)
    stated = Problem(layers, x, y, given.loss, given.reduction, given.eta)
    K = given.y.shape[1] if options.get("over_outputs") == "mean" else 1
    answer = [(W / K, b / K) for W, b in reference_answer(given).gradients]
    returned = arranged([(W.T if turned else W, stored(b, options)) for W, b in answer], options)
    report = check(stated, returned, **options)
    assert report.verdict == "CONFORMS", f"\n{report}"
    answer[1] = (2 * answer[1][0], answer[1][1])
    returned = arranged([(W.T if turned else W, stored(b, options)) for W, b in answer], options)
    report = check(stated, returned, **options)
    assert report.verdict == "WRONG", f"\n{report}"


def test_class_indices_stand_for_rows() -> None:
    given = problem(head=(Softmax(), CrossEntropy()))
    classes = np.array([2, 0, 6])
    one_hot = given._replace(y=np.eye(7)[classes])
    answer = [tuple(pair) for pair in reference_answer(one_hot).gradients]
    assert check(given._replace(y=classes), answer, targets="indices").verdict == "CONFORMS"
    assert check(given._replace(y=classes[::-1]), answer, targets="indices").verdict == "WRONG"
    for y in (np.array([2.0, 0, 6]), np.array([2, 0, 7]), np.array([[2, 0, 6]])):
        with pytest.raises(ValueError, match="y: expected class indices"):
            check(given._replace(y=y), answer, targets="indices")


def test_what_is_volunteered_of_samples_stands_in_columns() -> None:
    given = problem()
    whole = reference_answer(given)
    turned = GivenAnswer(
        whole.gradients, whole.value, whole.trace[-1].a.T, whole.input_gradient.T,
        tuple(type(state)(*(part.T for part in state)) for state in whole.trace),
    )  # fmt: skip
    stated = given._replace(x=given.x.T, y=given.y.T)
    assert check(stated, turned, samples="columns").verdict == "CONFORMS"
    below = 2 * whole.input_gradient.T
    off = turned._replace(input_gradient=below)
    report = check(stated, off, samples="columns")
    assert (report.verdict, report.findings[0].equation) == ("WRONG", "B2")
    finding = report.findings[0]
    assert below[finding.element] == finding.got
    assert f"at {list(finding.element)} in your columns of samples got" in finding.explanation
