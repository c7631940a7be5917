"""Whatever a file or an option says ends in a verdict, or in one line on standard error and exit status 2."""

import itertools
import json
import warnings
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import reference
from conformance import check
from conformance.command import app
from conformance.problems.wire import Malformed, parse_problem
from conformance.suite import suite
from reference import ACTIVATIONS, LOSSES, UPDATES

pytestmark = pytest.mark.sampled(2)

EXTREMES: list[Any] = [
    0.0, -0.0, 1.0, -1.0, 2.5, 5e-324, -5e-324, 1e-300, 1e300, 1e-40, 1e40, -1e300, "Infinity", "-Infinity",
    [], [1.0], [1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [1e300, 1.0, 5e-324],
]  # fmt: skip
"""What a parameter may be in a file: numbers at the ends of either format, and lists."""

SHARE = 12
"""One of so many cases is put, chosen from a fixed seed; all of them on the whole."""


def request(sigma: dict[str, Any], loss: dict[str, Any], dtype: str = "float64") -> str:
    """A network of two layers on two samples, its numbers held by either format."""
    rng = np.random.default_rng(3)

    def numbers(*shape: int) -> Any:
        return (np.round(8 * rng.standard_normal(shape)) / 8).tolist()

    layers = [
        {"W": numbers(4, 2), "b": numbers(4), "activation": {"name": "tanh"}},
        {"W": numbers(3, 4), "b": numbers(3), "activation": sigma},
    ]
    y = [[0.25, 0.5, 0.25], [0.0, 1.0, 0.0]]
    of_loss = loss | {"reduction": "sum"}
    asked = {"cmd": "gradients", "dtype": dtype, "layers": layers, "loss": of_loss, "x": numbers(2, 2), "y": y}
    return json.dumps(asked)


def described(table: dict[str, type[Any]]) -> Iterator[dict[str, Any]]:
    """Every function of a table with every extreme for each parameter, and every pair for two."""
    for name, kind in table.items():
        names = [field.name for field in fields(kind)]
        yield {"name": name}
        yield from ({"name": name, parameter: value} for parameter in names for value in EXTREMES)
        for pair in itertools.combinations(names, 2):
            yield from (
                {"name": name, pair[0]: first, pair[1]: second}
                for first, second in itertools.product(EXTREMES[:14], repeat=2)
            )


def requests() -> list[str]:
    half = {"name": "half_squared_error"}
    heads = ("identity", "sigmoid", "softmax", "log_softmax")
    return [
        *(request(sigma, half, dtype) for sigma in described(ACTIVATIONS) for dtype in ("float32", "float64")),
        *(
            request({"name": head}, loss, dtype)
            for loss in described(LOSSES)
            for dtype in ("float32", "float64")
            for head in heads
        ),
    ]


def test_whatever_the_parameters_are_there_is_a_verdict_or_one_line(tmp_path: Path, whole: bool) -> None:
    """Asked by the command line, of a problem and of an answer to it that is wrong everywhere."""
    texts = requests()
    chosen = range(len(texts)) if whole else np.random.default_rng(13).permutation(len(texts))[::SHARE]
    problem, answer = tmp_path / "problem.json", tmp_path / "answer.json"
    ones = [{"W": np.ones(shape).tolist(), "b": np.ones(shape[0]).tolist()} for shape in ((4, 2), (3, 4))]
    answer.write_text(json.dumps({"gradients": ones}))
    statuses: dict[int, int] = {}
    for i in chosen:
        problem.write_text(texts[i])
        for arguments in (("replay", str(problem)), ("check", str(problem), str(answer))):
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                done = CliRunner().invoke(app, arguments)
            assert isinstance(done.exception, SystemExit | None), (texts[i], arguments[0], done.exception)
            lines = done.stderr.strip().splitlines()
            assert len(lines) == (done.exit_code == 2), (texts[i], lines)
            statuses[done.exit_code] = statuses.get(done.exit_code, 0) + 1
    assert min(statuses[0], statuses[1], statuses[2]) > 10, statuses


@pytest.mark.parametrize("name", UPDATES)
def test_whatever_the_parameters_of_an_update_rule_are_it_is_made_or_refused(name: str) -> None:
    kind: Any = UPDATES[name]
    made, refusals = 0, []
    for field, value in itertools.product(fields(kind), [*EXTREMES, float("nan"), True, None, "x"]):
        try:
            reference.update_rule(name, **{"eta": 0.125, field.name: value})
            made += 1
        except (TypeError, ValueError) as error:
            refusals.append((field.name, str(error)))
    assert made > 3
    assert len(refusals) > 3
    assert not [said for parameter, said in refusals if parameter not in said]


@pytest.mark.parametrize(
    ("sigma", "dtype", "said"),
    [
        ({"name": "hardtanh", "min_val": 2.0, "max_val": -0.5}, "float64", "PyTorch takes no Hardtanh(min_val=2.0"),
        ({"name": "hardtanh", "min_val": 0.5, "max_val": 0.5}, "float64", "PyTorch takes no Hardtanh(min_val=0.5"),
        ({"name": "elu", "alpha": 1e40}, "float32", "PyTorch takes no ELU(alpha=1e+40) in float32"),
        ({"name": "hardtanh", "min_val": -0.5, "max_val": 2.0}, "float64", ""),
        ({"name": "elu", "alpha": 1e40}, "float64", ""),
        ({"name": "celu", "alpha": 1e300}, "float64", ""),
        ({"name": "celu", "alpha": 0.3}, "float64", ""),
    ],
)
def test_what_pytorch_refuses_is_refused_by_name_and_what_it_takes_is_judged(
    sigma: dict[str, Any], dtype: str, said: str, tmp_path: Path
) -> None:
    problem = tmp_path / "problem.json"
    problem.write_text(request(sigma, {"name": "half_squared_error"}, dtype))
    done = CliRunner().invoke(app, ["replay", str(problem)])
    assert done.exit_code in ((2,) if said else (0, 3)), done.output  # 3 where what is decided conforms
    assert done.stderr.startswith(f"replay: {said}" if said else "")
    assert ("Verdict: " in done.stdout) == (not said)


@pytest.mark.parametrize(
    ("eta", "dtype", "status"),
    [
        ("-1", "float64", 2), ("nan", "float64", 2), ("inf", "float32", 2), ("-inf", "float32", 2),
        ("1e39", "float32", 2), ("1e39", "float64", 0), ("0", "float32", 0), ("0.125", "float64", 0),
    ],
)  # fmt: skip
def test_a_learning_rate_is_a_number_that_both_take(eta: str, dtype: str, status: int, tmp_path: Path) -> None:
    problem = tmp_path / "problem.json"
    problem.write_text(request({"name": "elu", "alpha": 0.5}, {"name": "half_squared_error"}, dtype))
    done = CliRunner().invoke(app, ["replay", str(problem), "--eta", eta])
    assert done.exit_code == status, done.output
    if status:
        assert done.stderr.startswith("replay: --eta: expected a number from 0 to ")
        assert "Verdict" not in done.stdout


def test_a_problem_of_which_nothing_is_decided_does_not_conform(tmp_path: Path) -> None:
    asked = json.loads(request({"name": "identity"}, {"name": "half_squared_error"}))
    problem = tmp_path / "problem.json"
    for size, status, verdict in ((1.0, 0, "CONFORMS"), (1.5e308, 3, "UNDECIDED")):
        asked["layers"][1]["W"] = [[size] * 4 for _ in range(3)]
        problem.write_text(json.dumps(asked))
        done = CliRunner().invoke(app, ["replay", str(problem)])
        assert done.exit_code == status, done.output
        assert f"Verdict: {verdict}." in done.stdout
        assert ("no element was decided of " in done.stdout) == (verdict == "UNDECIDED")


def test_what_a_picture_a_convention_or_a_folder_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    problem, answer = tmp_path / "problem.json", tmp_path / "answer.json"
    text = request({"name": "tanh"}, {"name": "half_squared_error"})
    problem.write_text(text)
    _, right = reference.value_and_gradients(*asked_of(text))
    gradients = [{"W": layer.W.tolist(), "b": layer.b.tolist()} for layer in right]
    answer.write_text(json.dumps({"gradients": gradients}))
    twice = ("--convention", "relu_derivative_at_zero=1", "--convention", "relu_derivative_at_zero=0")
    for options, said in (
        (("--plot", str(tmp_path / "plot.pgf")), "ends in .png, .svg or .pdf"),
        (twice, "got relu_derivative_at_zero twice"),
        (("--convention", "relu_derivative_at_zero=nan"), "expected a finite number"),
        (twice[:2], ""),
    ):
        done = CliRunner().invoke(app, ["check", str(problem), str(answer), *options])
        assert done.exit_code == (2 if said else 0), done.output
        assert said in done.stderr
        assert len(done.stderr.splitlines()) == bool(said)
    (tmp_path / "start-request.json").mkdir()
    done = CliRunner().invoke(app, ["schemas", str(tmp_path)])
    assert done.exit_code == 2
    assert done.stderr.startswith("python -m conformance schemas: ")


def asked_of(text: str) -> Any:
    """What `reference.value_and_gradients` takes, of a request."""
    problem = parse_problem(text)
    return problem.network, problem.x, problem.y, problem.loss, problem.reduction


@pytest.mark.parametrize("name", ["softplus", "celu"])
def test_the_smallest_parameter_is_judged(name: str) -> None:
    """Of a beta of 5e-324 an answer is judged, right or wrong, and the truth itself may be beyond every number."""
    parameter = {"softplus": "beta", "celu": "alpha"}[name]
    for dtype in ("float32", "float64"):
        problem = parse_problem(request({"name": name, parameter: 5e-324}, {"name": "half_squared_error"}, dtype))
        for factor in (1, 3):
            given = [(np.full_like(W, factor), np.full_like(b, factor)) for W, b, _ in problem.network]
            assert check(problem, given).verdict in ("WRONG", "UNDECIDED")
    with pytest.raises(Malformed, match="above 0"):
        parse_problem(request({"name": name, parameter: 0.0}, {"name": "half_squared_error"}))


def test_the_twin_takes_any_alpha() -> None:
    """CELU by parts: PyTorch's own derivative is off by float32's rounding of alpha (`conformance.subjects.domain`)."""
    for alpha in (0.3, 0.1, 1e-3, 1e300):
        text = request({"name": "celu", "alpha": alpha}, {"name": "half_squared_error"})
        assert not [one for one in suite.examine(parse_problem(text, 0.125)) if one.judgement.wrong], alpha
