"""What fits no question is not asked, and one line says which option mends it; with it, it is."""

from typing import Any

import numpy as np
import pytest

from conformance import GivenAnswer, Parameters, asked_by, check, probe, probe_trainer
from conformance.judge.held import Question
from conformance.problems.problem import Problem
from conformance.subjects.reference import reference_answer

from ..answers import problem
from ..functions import right
from .programs import MISTAKES, STYLES, program

pytestmark = pytest.mark.sampled(4)

SMALL: dict[str, Any] = {"width": (1, 16), "layers": (1, 3), "problems": 30}

SAID: dict[str, tuple[dict[str, Any], str]] = {
    "weights (in, out)": ({"weights": "in, out", "parameters": "pairs"}, "handed W1 (7, 4), b1 (7,), W2 (5, 7)"),
    "columns": (STYLES["columns"], "all weights, then all biases"),
    "Keras": ({"weights": "in, out", "parameters": "in turn"}, 'say weights="in, out", parameters="in turn"'),
    "rows of biases": ({"weights": "in, out", "biases": "(1, n)"}, 'biases (1, n)? say weights="in, out", biases='),
    "named": ({"parameters": ("W{l}", "b{l}")}, 'say parameters=("W{l}", "b{l}")'),
    "returned in turn": ({"returns": "in turn"}, 'got 4 of them: (7, 4), (7,), (5, 7), (5,): returned in turn'),
    "returned apart": ({"returns": "weights, biases"}, 'say returns="weights, biases".'),
    "columns of biases": ({"biases": "(n, 1)"}, "biases (n, 1)"),
}


@pytest.mark.parametrize("wrong", [False, True], ids=["right", "wrong"])
@pytest.mark.parametrize("name", SAID)
def test_the_option_that_mends_it_is_said(name: str, wrong: bool) -> None:
    """Whether the code is right or has a mistake besides; what is said is what it takes."""
    options, said = SAID[name]
    function = program(options, MISTAKES["one dW of another sign"] if wrong else None)
    report = probe(function, **SMALL)
    assert (report.verdict, report.exit_status, len(report.findings)) == ("NOT ASKED", 2, 1), f"\n{report}"
    finding = report.findings[0]
    assert (finding.verdict, finding.equation, finding.layer) == ("NOT ASKED", "shapes", 0)
    assert said in finding.explanation, finding.explanation
    assert "\n" not in finding.explanation
    declared = eval(f"dict({finding.explanation.split('? say ')[1].split('; or')[0].rstrip('.')})")
    assert probe(function, **SMALL, **declared).verdict == ("WRONG" if wrong else "CONFORMS"), declared


def test_a_trainer_is_told_too() -> None:
    def step(network: Any, x: Any, y: Any, eta: float) -> Any:
        pairs = zip(network, right(network, x, y), strict=True)
        return [(W - eta * dW, (b - eta * db)[:, None]) for (W, b, _), (dW, db) in pairs]

    report = probe_trainer(step, **SMALL)
    assert report.verdict == "NOT ASKED"
    assert 'b of layer 1 has shape (7, 1), expected (7,): biases (n, 1)? say biases="(n, 1)"' in str(
        report.findings[0].explanation
    )


def test_code_for_one_sample_is_told_too() -> None:
    """Its db is the delta of its one column; of several columns it fits no shape."""
    columns = program(STYLES["columns"])

    def one_at_a_time(weights: Any, biases: Any, x: Any, y: Any) -> Any:
        of_W, of_b = columns(weights, biases, x, y)
        return of_b if x.shape[1] == 1 else [np.repeat(b, 2, axis=1) for b in of_b], of_W

    said = probe(one_at_a_time, **SMALL).findings[0].explanation
    assert said.endswith(
        'say samples="columns", biases="(n, 1)", parameters="weights, biases", returns="biases, weights".'
    ), said
    declared: dict[str, Any] = STYLES["columns"] | {"batch": (1, 1)}
    report = probe(one_at_a_time, **SMALL, **declared)  # of single inputs dW and db have the same shape
    assert report.verdict == "NOT ASKED", f"\n{report}"
    assert 'say returns="biases, weights"' in report.findings[0].explanation
    assert probe(one_at_a_time, **SMALL, **declared | {"returns": "biases, weights"}).verdict == "CONFORMS"


def test_a_mistake_that_raises_is_no_matter_of_shapes() -> None:
    """The way back by W^T of a wrong side: networks without a hidden layer are answered, others raise."""

    def wrong(network: Any, x: Any, y: Any) -> Any:
        found = right(network, x, y)
        for W, _, _ in network[1:]:
            y @ W.T
        return found

    report = probe(wrong, **SMALL)
    assert (report.verdict, report.findings[0].equation) == ("WRONG", "protocol"), f"\n{report}"
    assert len(report.findings) == 2, "once of ordinary questions and once of extreme ones, whatever the sizes"


def test_names_that_tell_nothing_are_said() -> None:
    def both(network: Any, x: Any, y: Any) -> Any:
        pairs = enumerate(zip(network, right(network, x, y), strict=True), start=1)
        named = [{f"W{l}": layer.W, f"dW{l}": dW, f"db{l}": db} for l, (layer, (dW, db)) in pairs]
        return {name: part for of in named for name, part in of.items()}

    report = probe(both, **SMALL)
    assert report.verdict == "NOT ASKED"
    assert 'say returns=("dW{l}", "db{l}")' in report.findings[0].explanation
    assert probe(both, **SMALL, returns=("dW{l}", "db{l}")).verdict == "CONFORMS"


NAMES = [
    ("W{l}", "b{l}"), ("dW{l}", "db{l}"), ("grad_W{l}", "grad_b{l}"), ("layers.{k}.weight", "layers.{k}.bias"),
    ("nabla_w_{l}", "nabla_b_{l}"), ("W{l}_grad", "b{l}_grad"), ("dense_{k}/kernel", "dense_{k}/bias"),
    ("dw{l}", "db{l}"),
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES, ids=lambda names: names[0])
def test_names_that_people_give_are_recognised(names: tuple[str, str]) -> None:
    given = problem()
    answer = reference_answer(given).gradients
    of = {name.format(l=l, k=l - 1): p for l, pair in enumerate(answer, 1) for name, p in zip(names, pair, strict=True)}
    shuffled = {"dA1": 0, "dZ1": 0, **dict(sorted(of.items(), reverse=True))}
    assert check(given, shuffled).verdict == "CONFORMS"
    assert check(given, shuffled, returns=names).verdict == "CONFORMS"
    off = {**shuffled, names[1].format(l=2, k=1): 2 * answer[1].b}
    assert check(given, off).findings[0].layer == 2
    with pytest.raises(ValueError, match=r"expected 'other1'.* in the dict returned, got 'dA1'"):
        check(given, shuffled, returns=("other{l}", "b{l}"))


def test_where_an_element_stands_is_told_in_the_code_s_own_arrays() -> None:
    options: dict[str, Any] = {"weights": "in, out", "biases": "(n, 1)", "parameters": "pairs"}
    for style in ({}, options):
        kept: dict[bytes, Any] = {}
        function = program(style, MISTAKES["one dW of another sign"])

        def recorded(network: Any, x: Any, y: Any, function: Any = function, kept: Any = kept) -> Any:
            kept[x.tobytes()] = function(network, x, y)
            return kept[x.tobytes()]

        report = probe(recorded, widths=(4, 7, 5), **style)
        (finding, *_) = report.findings
        assert isinstance(finding.question, Question)
        dW, _ = kept[finding.question.x.tobytes()][finding.layer - 1]
        assert finding.equation == "B3"
        assert dW[finding.element] == finding.got
        assert f"at {list(finding.element)} " in finding.explanation
        assert ("of your dW (in, out) got" in finding.explanation) == bool(style)


def test_a_question_of_a_network_without_biases_can_be_held() -> None:
    """Its dL/db, which nobody gave, is the truth's: the question is judged again as it was."""
    options: dict[str, Any] = {"biases": "none", "l2": 0.25, "widths": (4, 7, 5)}
    report = probe(program(options, MISTAKES["one dW of another sign"]), **options)
    question = report.findings[0].question
    assert isinstance(question, Question)
    assert question.answer is not None
    again = check(question.problem, question.answer)
    assert (again.verdict, {finding.equation for finding in again.findings}) == ("WRONG", {"B3"}), f"\n{again}"


def test_nothing_is_decided_of_a_network_without_biases_that_answers_nothing() -> None:
    report = probe(lambda network, x, y: [0 * W for W, _ in network], biases="none", **SMALL)
    assert report.verdict == "WRONG"
    report = probe(lambda network, x, y: [np.nan * W for W, _ in network], biases="none", **SMALL)
    assert report.verdict == "WRONG"


def test_an_object_is_asked_by_its_parts() -> None:
    held: dict[str, Any] = {}

    def run(x: Any, y: Any) -> str:
        held["gradients"] = right(held["network"], x, y)
        return "what run returns is not looked at"

    put = lambda network: held.update(network=network)
    assert probe(asked_by(put, run, lambda: held["gradients"]), **SMALL).verdict == "CONFORMS"
    assert probe(asked_by(put, lambda x, y: right(held["network"], x, y)), **SMALL).verdict == "CONFORMS"


def test_what_is_changed_in_arrays_of_ones_own_is_told() -> None:
    options: dict[str, Any] = {"weights": "in, out", "samples": "columns", "biases": "(n, 1)"}
    function = program(options)

    def spoiling(network: Any, x: Any, y: Any) -> Any:
        found = function(network, x, y)
        x[...] = 0
        return found

    assert "It changed the arrays that it was given." in probe(spoiling, **SMALL, **options).remarks
    assert "It changed the arrays that it was given." not in probe(function, **SMALL, **options).remarks


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"weights": "out"}, 'weights: expected "out, in" or "in, out", got \'out\''),
    ({"samples": "column"}, "samples: expected"),
    ({"biases": "(n)"}, "biases: expected"),
    ({"parameters": "dict"}, 'or a pair of names such as ("W{l}", "b{l}")'),
    ({"returns": "layers"}, "returns: expected"),
    ({"returns": ("dW", "db")}, "with {l}"),
    ({"parameters": ("W{l}", "W{l}")}, "with {l}"),
    ({"parameters": ("W{n}", "b{n}")}, "with {l}"),
    ({"over_outputs": True}, "over_outputs: expected"),
    ({"l2": "0.1"}, "l2: expected"),
    ({"l2": float("nan")}, "l2: expected"),
    ({"l2_biases": 1}, "l2_biases: expected True or False"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED)
def test_what_cannot_be_declared_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        probe(right, **options)
    assert said in str(error.value)
    with pytest.raises((TypeError, ValueError)):
        check(problem(), [], **options)


def test_check_names_the_option_too() -> None:
    given = problem()
    answer = [(W.T, b[None]) for W, b in reference_answer(given).gradients]
    with pytest.raises(ValueError, match=r'biases \(1, n\)\? say weights="in, out", biases="\(1, n\)"') as error:
        check(given, answer)
    assert "\n" not in str(error.value)
    kept: Problem = given
    in_parts = GivenAnswer(tuple(Parameters(W.T, b) for W, b in reference_answer(kept).gradients))
    with pytest.raises(ValueError, match=r"or return dW\.T"):
        check(kept, in_parts)
