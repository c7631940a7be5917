"""What a function returns, taken as it is or refused, and what `probe` may be asked."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from conformance import GivenAnswer, Parameters, assert_conforms, probe
from conformance.arrays import Array, Network
from conformance.judge.verdict import EXIT_STATUS
from conformance.problems.reports import Report as ReportMessage
from reference import (
    ReLU,
    Tanh,
)

from ..functions import (
    HUNDREDTH,
    Gradients,
    named,
    reject,
    right,
    scale,
    spoiled,
)

pytestmark = pytest.mark.sampled(4)

NONE: dict[str, tuple[Callable[..., Any], str]] = {
    "returns nothing": (lambda network, x, y: None, r"expected a list of (dW, db)"),
    "too few layers": (lambda network, x, y: right(network, x, y)[1:], "expected a list of (dW, db), one for each of"),
    "transposed": (
        lambda network, x, y: [(W.T, b) for W, b in right(network, x, y)],
        'has shape (4, 7), expected (7, 4): weights stored (in, out)? say weights="in, out"; or return dW.T.',
    ),
    "a column of biases": (
        lambda network, x, y: [(W, b[:, None]) for W, b in right(network, x, y)],
        'db of layer 1 has shape (7, 1), expected (7,): biases (n, 1)? say biases="(n, 1)"; or return db',
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


@pytest.mark.parametrize("mistake", NONE)
def test_an_answer_that_is_none(mistake: str) -> None:
    function, said = NONE[mistake]
    report = probe(function, width=(1, 7))
    assert (report.verdict, report.exit_status, report.as_json()["verdict"]) == ("NOT ASKED", 2, "NOT ASKED")
    assert report.failed >= 1
    assert not report.tallies, "what fits by chance, as a transposed square, is not judged"
    assert named(report) == ["shapes"]
    assert said in report.findings[0].explanation
    assert "\n" not in report.findings[0].explanation
    assert "failed" in str(report)
    ReportMessage.model_validate(report.as_json())


def two(weights: Any, x: Array) -> Any:
    raise AssertionError("is never called: it takes too few")


def leaving(network: Network, x: Array, y: Array) -> Any:
    raise SystemExit(3)


def deep(network: Network, x: Array, y: Array) -> Any:
    return np.linalg.inv(x[0])


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (reject, {}, r"RuntimeError: out of luck \(functions.py, line \d+, in reject\); it is called as "
                     r"reject\(network, x, y\), network being layers of \(W, b, sigma\)\.$"),
        (leaving, {"parameters": "pairs"}, r"SystemExit: 3 \(.*in leaving\).*, network being a list"),
        (deep, {"parameters": ("W{l}", "b{l}")}, r"LinAlgError: .*line \d+, in deep\).*being a dict of W1, b1, "),
        (two, {"parameters": "weights, biases"},
         r"TypeError: two\(\) takes 2 positional arguments but 4 were given; it is called as "
         r"two\(weights, biases, x, y\), weights, biases being a list each"),
    ],
    ids=["raises", "exits", "in a library", "takes too few"],
)  # fmt: skip
def test_a_function_that_raises_whatever_it_is_asked_is_not_judged(function: Any, options: Any, said: str) -> None:
    report = probe(function, width=(1, 7), **options)
    assert (report.verdict, report.exit_status, len(report.findings)) == ("NOT ASKED", 2, 1), f"\n{report}"
    assert re.search(said, report.findings[0].explanation), report.findings[0].explanation
    assert "\n" not in report.findings[0].explanation


def test_a_function_that_raises_now_and_then_is_wrong() -> None:
    def picky(network: Network, x: Array, y: Array) -> Gradients:
        return right(network, x, y) if len(x) == 1 else reject(network, x, y)

    report = probe(picky, width=(1, 7))
    assert (report.verdict, named(report)) == ("WRONG", ["protocol"])
    assert "RuntimeError: out of luck" in report.findings[0].explanation


def test_shapes_that_fit_but_in_some_questions_are_wrong() -> None:
    """A squeeze that shows with one output alone is a mistake; it is told once, whatever its sizes."""

    def squeezed(network: Network, x: Array, y: Array) -> Any:
        return [(W[:, 0] if W.shape[1] == 1 else W, b) for W, b in right(network, x, y)]

    report = probe(squeezed, width=(1, 7))
    assert (report.verdict, named(report)) == ("WRONG", ["protocol"])
    assert "and 1" in report.findings[0].explanation


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
    assert report.verdict == "UNDECIDED", "most of it was not looked at"
    assert report.unsupported > report.asked
    assert any("one sample at a time" in remark for remark in report.remarks), report.remarks
    assert any(f"It refuses {report.unsupported} of" in remark for remark in report.remarks), report.remarks
    assert_conforms(probe(single, width=(1, 7), batch=(1, 1)))
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

    def buffered(array: Array, place: int) -> Array:
        buffer = buffers.setdefault((place, *array.shape), array.copy())
        buffer[...] = array
        return buffer

    def gradients(network: Network, x: Array, y: Array) -> Gradients:
        return [(buffered(W, l), buffered(b, l)) for l, (W, b) in enumerate(right(network, x, y))]

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
