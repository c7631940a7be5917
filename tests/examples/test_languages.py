"""The programs of conformance/examples: built, run and asked; the right ones conform, and the mistake is named."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import conformance
from conformance import Problem, probe_trainer
from conformance.arrays import Array, Network
from conformance.command import app
from conformance.oracle.network.asking.declaration import domains
from conformance.problems.messages import TrainAnswer
from conformance.problems.problem import Architecture, fill
from conformance.problems.wire import Refused, problem_json
from conformance.subjects.reference import reference_answer
from reference import CrossEntropy, HalfSquaredError, Identity, Layer, LeakyReLU, Sigmoid, Softmax, Tanh, forward
from reference.gradients import Reduction

from .programs import Program, report, running

pytestmark = pytest.mark.sampled(3)

EXAMPLES = Path(conformance.__file__).parent / "examples"
SOURCES = {"c": "c/network.c", "javascript": "javascript/mynet.mjs"}
WIRES = ("c/wire.c", "javascript/wire.mjs")


def node(name: str) -> tuple[str, ...]:
    """The command that runs a program in JavaScript."""
    if shutil.which("node") is None:
        pytest.skip("node is missing")
    return "node", str(EXAMPLES / "javascript" / name)


@cache
def built(real: str) -> tuple[str, ...]:
    """The program in C, built as its own comment says, with every warning an error."""
    if shutil.which("cc") is None:
        pytest.skip("cc, a compiler for C, is missing")
    header = subprocess.run(["cc", "-E", "-"], input="#include <cjson/cJSON.h>\n", text=True, capture_output=True)
    if header.returncode:
        pytest.skip("libcjson-dev is missing")
    said = re.search(r"cc .*-lm", (EXAMPLES / "c" / "mynet.c").read_text())
    assert said
    command = said[0].replace("mynet ", f"{mkdtemp()}/mynet ", 1).split()
    warnings = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", f"-DREAL={real}")
    subprocess.run([*command, *warnings], cwd=EXAMPLES / "c", check=True)
    return (command[command.index("-o") + 1],)


PROGRAMS: dict[str, Callable[[], tuple[str, ...]]] = {
    "c": lambda: built("double"),
    "c in float32": lambda: built("float"),
    "javascript": lambda: node("mynet.mjs"),
}
each_program = pytest.mark.parametrize("name", PROGRAMS)


@each_program
def test_it_conforms_in_all_that_it_declares(name: str, whole: bool) -> None:
    with running(PROGRAMS[name]()) as program:
        (dtype,) = program.declaration.dtypes
        assert dtype == ("float32" if "float32" in name else "float64")
        assert len(program.declaration.activations) == 5
        assert len(program.declaration.heads) >= 12
        (of,) = domains(program.declaration)
        judged = report(program.declaration, program.ask, of, 400 if whole else 60)
        assert judged.verdict == "CONFORMS", judged
        assert judged.robustness
        assert judged.robustness.verdict == "CONFORMS"
        assert judged.unsupported == 0
        assert {"F1", "F2", "B1", "B2", "B3", "B4"} <= {equation for equation, _ in judged.tallies}


def train_request(network: Network, batches: list[tuple[Array, Array]], eta: float, **others: Any) -> str:
    problem = Problem(network, *batches[0], HalfSquaredError(), "sum", eta)
    request = json.loads(problem_json(problem, id=3))
    given = [{"x": x.tolist(), "y": y.tolist()} for x, y in batches]
    del request["x"], request["y"]
    rule = {"name": "sgd", "eta": eta, "momentum": 0, "nesterov": False}
    return json.dumps(request | {"cmd": "train", "batches": given, "update": rule} | others)


def trained(program: Program, network: Network, batches: list[tuple[Array, Array]], eta: float) -> Network:
    answer = TrainAnswer.model_validate_json(program.exchange(train_request(network, batches, eta)))
    assert answer.id == 3
    dtype = network[0].W.dtype
    stepped = zip(answer.layers, network, strict=True)
    return tuple(Layer(np.array(new.W, dtype), np.array(new.b, dtype), sigma) for new, (_, _, sigma) in stepped)


@each_program
def test_its_steps_conform(name: str) -> None:
    with running(PROGRAMS[name]()) as program:
        judged = probe_trainer(
            lambda network, x, y, eta: [layer[:2] for layer in trained(program, network, [(x, y)], eta)],
            dtype=program.declaration.dtypes[0],
            hidden=[Tanh(), LeakyReLU(0.25)],
            problems=30,
        )
        assert judged.verdict == "CONFORMS", judged
        assert {"U1", "U2"} <= {equation for equation, _ in judged.tallies}


@each_program
def test_its_trainings_conform(name: str, tmp_path: Path) -> None:
    """By the harness: gradients, by steps as well, and several batches in a request."""
    command = shlex.join(PROGRAMS[name]())
    asked = ("run", "--command", command, "--profile", "quick", "--problems", "5", "--report", str(tmp_path))
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert "Trainings of several batches: sgd." in done.output
    found = {of["equation"]: of for of in json.loads((tmp_path / "report.json").read_text())["equations"]}
    for equation in ("U1", "U2"):
        assert found[equation]["undecided"] < found[equation]["elements"] / 8


PLANTED = {
    "momentum": (
        "  for (const { x, y } of batches) {",
        "  let kept;\n  for (const { x, y } of batches) {",
        "lossAndGradients(layers, x, y, loss).gradients, eta)",
        "(kept = lossAndGradients(layers, x, y, loss).gradients.map(({ W, b }, l) => ({ "
        "W: kept ? each((g, v) => g + 0.9 * v, W, kept[l].W) : W, "
        "b: kept ? b.map((g, j) => g + 0.9 * kept[l].b[j]) : b }))), eta)",
    ),
    "rate changes": ("    checkBatch(layers, { x, y });\n    layers", "    eta *= 0.95;\n    layers"),
    "an earlier batch": ("lossAndGradients(layers, x, y, loss).gradients, eta)",
                         "lossAndGradients(layers, batches[0].x, batches[0].y, loss).gradients, eta)"),
    "weights decayed": ("w - eta * dw, W,", "0.99 * w - eta * dw, W,"),
}  # fmt: skip
"""Edits of the program in JavaScript, by the mistake that they make."""


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_mistake_in_its_training_is_named(mistake: str, tmp_path: Path) -> None:
    node("mynet.mjs")
    text = (EXAMPLES / "javascript" / "mynet.mjs").read_text()
    if mistake == "rate changes":  # from the second batch on
        loop = "  for (const { x, y } of batches) {"
        text = text.replace(loop, f"  eta /= 0.95;\n{loop}")
    for old, new in zip(PLANTED[mistake][::2], PLANTED[mistake][1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "mynet.mjs").write_text(text)
    shutil.copy(EXAMPLES / "javascript" / "wire.mjs", tmp_path)
    command = shlex.join(("node", str(tmp_path / "mynet.mjs")))
    asked = ("run", "--command", command, "--profile", "quick", "--problems", "5", "--report", str(tmp_path))
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 1, done.output
    first = json.loads((tmp_path / "report.json").read_text())["findings"][0]
    assert first["equation"] in ("U1", "U2"), first
    assert first["faults"][0] == mistake, first


def small(dtype: str, seed: int = 0, reduction: Reduction = "mean", batch: int = 3) -> Problem:
    generic = ("generic", "generic", "generic")
    sigmas = (LeakyReLU(0.25), Tanh(), Sigmoid())
    return fill(Architecture((3, 5, 6, 4), sigmas, HalfSquaredError(), reduction, batch, dtype, generic, seed, 0.125))


@each_program
def test_batches_are_steps_in_order(name: str) -> None:
    """The weights after two batches at once are, bit for bit, those after one and then the other."""
    with running(PROGRAMS[name]()) as program:
        first, second = (small(program.declaration.dtypes[0], seed, batch=B) for seed, B in ((0, 3), (1, 7)))
        batches = [(first.x, first.y), (second.x, second.y)]
        together = trained(program, first.network, batches, 0.125)
        apart = trained(program, trained(program, first.network, batches[:1], 0.125), batches[1:], 0.125)
        for at_once, in_turn in zip(together, apart, strict=True):
            assert np.array_equal(at_once.W, in_turn.W)
            assert np.array_equal(at_once.b, in_turn.b)
            assert not np.array_equal(at_once.W, first.network[0].W)


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "another dtype": ("unsupported", {"dtype": "float16"}),
    "another command": ("unsupported", {"cmd": "hessian"}),
    "an activation": ("unsupported", {"layers": [{"W": [[1, 2, 3]] * 4, "b": [1] * 4, "activation": {"name": "elu"}}]}),
    "a loss": ("unsupported", {"loss": {"name": "hinge", "reduction": "sum"}}),
    "a head": ("unsupported", {"loss": {"name": "cross_entropy", "reduction": "sum"}}),
    "a parameter": (
        "unsupported", {"loss": {"name": "half_squared_error", "reduction": "sum", "label_smoothing": 0.1}},
    ),
    "weights": ("unsupported", {"loss": {"name": "half_squared_error", "reduction": "sum", "weight": [1, 2]}}),
    "a short W": ("error", {"layers": [{"W": [[1, 2, 3]], "b": [1, 2], "activation": {"name": "sigmoid"}}]}),
    "a narrow W": ("error", {"layers": [{"W": [[1], [2, 3]], "b": [1, 2], "activation": {"name": "sigmoid"}}]}),
    "fewer targets": ("error", {"y": [[1, 2, 3, 4]]}),
    "narrow targets": ("error", {"y": [[1, 2], [1, 2], [1, 2]]}),
    "no layers": ("error", {"layers": []}),
    "no samples": ("error", {"x": [], "y": []}),
    "no loss": ("error", {"loss": None}),
}  # fmt: skip


@each_program
def test_it_says_what_it_cannot_and_goes_on(name: str) -> None:
    with running(PROGRAMS[name]()) as program:
        problem = small(program.declaration.dtypes[0])
        request = json.loads(problem_json(problem, id=11))
        for what, (kind, change) in REFUSED.items():
            answer = json.loads(program.exchange(json.dumps(request | change)))
            assert answer["id"] == 11, what
            assert set(answer) == {"id", kind}, f"{what}: {answer}"
        for line in ("", "{", "[]", "7", '"start"', "null", '{"id": 4}', '{"cmd": 3, "id": 4}'):
            assert set(json.loads(program.exchange(line))) - {"id"} <= {"error", "unsupported"}, line
        update = {"name": "sgd", "eta": 0.5, "momentum": 0.9}
        momentum = train_request(problem.network, [(problem.x, problem.y)], 0.5, update=update)
        assert "unsupported" in json.loads(program.exchange(momentum))
        assert "unsupported" in json.loads(program.exchange(momentum.replace('"sgd"', '"adam"')))
        given = program.ask(problem).gradients
        for (W, b), right in zip(given, reference_answer(problem).gradients, strict=True):
            bits = 2.0**-40 if problem.dtype == np.float64 else 2.0**-16  # a small network: some dozens of roundings
            np.testing.assert_allclose(W, right.W, bits)
            np.testing.assert_allclose(b, right.b, bits)


@each_program
def test_what_is_not_finite_is_answered_as_such(name: str) -> None:
    with running(PROGRAMS[name]()) as program:
        dtype = program.declaration.dtypes[0]
        large = np.array([[1e200 if dtype == "float64" else 2.0**100]], dtype)
        layers = (Layer(large, large[0], Identity()), Layer(-large, large[0], Identity()))
        given = program.ask(Problem(layers, large, large / 2, HalfSquaredError(), "sum", 0.1))
        assert given.loss == np.inf
        assert given.output is not None
        assert np.array_equal(given.output, [[-np.inf]])
        assert np.array_equal(given.gradients[1].W, [[-np.inf]])
        zeros = (Layer(large, large[0], Identity()), Layer(0 * large, large[0], Identity()))
        given = program.ask(Problem(zeros, large, large / 2, HalfSquaredError(), "sum", 0.1))
        assert given.output is not None
        assert np.array_equal(given.output, [[np.nan]], equal_nan=True)


@each_program
def test_softmax_and_cross_entropy_take_any_targets(name: str) -> None:
    with running(PROGRAMS[name]()) as program:
        problem = small(program.declaration.dtypes[0])
        last = problem.network[-1]._replace(sigma=Softmax())
        network = (*problem.network[:-1], last)
        problem = problem._replace(network=network, y=abs(problem.y) + 1, loss=CrossEntropy())
        given, right = program.ask(problem), reference_answer(problem)
        bits = 2.0**-40 if problem.dtype == np.float64 else 2.0**-16
        np.testing.assert_allclose(given.gradients[-1].b, right.gradients[-1].b, bits)
        smoothed = problem._replace(loss=CrossEntropy(label_smoothing=0.25))
        with pytest.raises(Refused, match="unsupported"):
            program.ask(smoothed)


@pytest.mark.parametrize("language", SOURCES)
def test_the_code_reads_as_the_equations(language: str) -> None:
    """Each label of the equations of a network, and of a step, stands beside a line of code."""
    lines = (EXAMPLES / SOURCES[language]).read_text().splitlines()
    for label in ("F1", "F2", "B1", "B2", "B3", "B4", "R1", "R2", "L1", "G1", "H1", "H2", "U1", "U2", "D2", "D3"):
        (of,) = (line for line in lines if f"({label})" in line)
        assert re.match(r"\s*[^\s/*]", of), of


@pytest.mark.parametrize("wire", WIRES)
def test_the_wire_takes_sixty_lines(wire: str) -> None:
    assert len((EXAMPLES / wire).read_text().splitlines()) <= 60


def test_the_mistake_is_named() -> None:
    with running(node("mistaken.mjs")) as program:
        (of,) = domains(program.declaration)
        judged = report(program.declaration, program.ask, of, 60)
        assert judged.verdict == "WRONG"
        first = judged.findings[0]
        assert (first.equation, first.faults[0]) == ("B1", "derivative-at-activation"), judged
        assert {finding.equation for finding in judged.findings} == {"B1", "B2"}


def test_the_mistake_learns_xor_all_the_same() -> None:
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([[0], [1], [1], [0.0]])
    rng = np.random.default_rng(0)
    layers = (Layer(rng.standard_normal((n, m)), rng.standard_normal(n), Sigmoid()) for m, n in ((2, 4), (4, 1)))
    network: Network = tuple(layers)
    with running(node("mistaken.mjs")) as program:
        losses = []
        for _ in range(2000):
            problem = Problem(network, x, y, HalfSquaredError(), "sum", 1.0)
            losses.append(float(reference_answer(problem).value))
            stepped = zip(network, program.ask(problem).gradients, strict=True)
            network = tuple(Layer(W - dW, b - db, sigma) for (W, b, sigma), (dW, db) in stepped)
    assert np.array_equal(forward(network, x)[-1].a.round(), y)
    assert losses[-1] < losses[0] / 10


PAGE = (EXAMPLES / "README.md").read_text()


@each_program
def test_the_two_lines_of_the_page_are_real(name: str) -> None:
    question, answer = re.findall(r"^```json\n(.*)\n```", PAGE, re.M)
    with running(PROGRAMS[name]()) as program:
        asked = question.replace("float64", program.declaration.dtypes[0])
        given = json.loads(program.exchange(asked))
        assert {field: given[field] for field in ("id", "gradients")} == json.loads(answer)


def test_the_smallest_program_of_the_page_conforms(tmp_path: Path) -> None:
    """As it stands, with the reference for what people have."""
    (skeleton,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    mine = """
        import reference

        def my_gradients(layers, x, y):
            network = [reference.Layer(l["W"], l["b"], reference.activation(**l["activation"])) for l in layers]
            _, gradients = reference.value_and_gradients(network, x, y, reference.HalfSquaredError(), "sum")
            return [(of.W.tolist(), of.b.tolist()) for of in gradients]
        """
    script = tmp_path / "mynet.py"
    script.write_text(textwrap.dedent(mine) + skeleton)
    with running((sys.executable, str(script))) as program:
        (of,) = domains(program.declaration)
        judged = report(program.declaration, program.ask, of, 30)
        assert judged.verdict == "CONFORMS", judged


def test_the_links_of_the_page_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert (EXAMPLES / link).exists(), link


def told(output: str) -> str:
    """What is printed, without numbers, whose last digits depend on who computes the exponential."""
    return " ".join(re.sub(r"[-+]?\d[\d,.]*(e[-+]\d+)?", "#", output).split())


def test_the_page_shows_what_is_printed(tmp_path: Path) -> None:
    """Of the program with a mistake: the run, and the question that it leaves."""
    name, program = node("mistaken.mjs")
    _, shown, fixed = re.findall(r"^```text\n(.*?)^```", PAGE, re.M | re.S)
    asked = [sys.executable, "-m", "conformance"]
    environment = os.environ | {"COLUMNS": "100", "PYTHONPATH": str(EXAMPLES.parent.parent)}

    def run(*arguments: str, command: str) -> subprocess.CompletedProcess[str]:
        words = [*asked, *arguments, "--command", f"{name} {command}"]
        return subprocess.run(words, cwd=tmp_path, env=environment, text=True, capture_output=True)

    found = run("run", command=program)
    assert found.returncode == 1, found.stderr
    assert told(found.stdout.replace(str(EXAMPLES / "javascript") + "/", "")) == told(shown)
    problem = str(next((tmp_path / "problems").iterdir()).relative_to(tmp_path))
    assert run("replay", problem, command=program).returncode == 1
    mended = run("replay", problem, command=str(EXAMPLES / "javascript" / "mynet.mjs"))
    assert mended.returncode == 0
    assert mended.stdout.splitlines()[-1].replace(problem, "") == re.sub(r"problems/\w+\.json", "", fixed.strip())
