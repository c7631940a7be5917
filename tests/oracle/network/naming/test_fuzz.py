"""Random faults in random domains: no exception, nothing untrue is named, one story in all forms."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from conformance import check, probe, probe_trainer
from conformance.arrays import Array, Network
from conformance.judge.report import Report
from conformance.problems.problem import Architecture, fill
from conformance.problems.schemas import MODELS
from reference import ACTIVATIONS, HalfSquaredError

from ..functions import Gradients, right
from .recursion import RIGHT, Turn, recursion

FAULTS, SAMPLE = 100, 8
"""Random faults of each door, and how many of them where not all are asked."""

Line = Callable[[Turn, Array], Array]


def drawn(rng: np.random.Generator) -> tuple[Callable[[Network, Array, Array], Gradients], set[str], int]:
    """A program with one or two lines spoiled at random, somewhere; which lines, and in which layer, 0 for all."""
    seed, l = int(rng.integers(2**31)), int(rng.integers(0, 3))
    chosen = set(rng.choice(["delta", "dW", "db", "down"], int(rng.integers(1, 3)), replace=False).tolist())
    kinds = {line: int(rng.integers(0, 7)) for line in sorted(chosen)}

    def spoiled(line: str) -> Line:
        def given(t: Turn, x: Array) -> Array:
            out = RIGHT[line](t, x)
            if l and t.l != l:
                return out
            noise = np.random.default_rng((seed, *out.shape)).uniform(-1, 1, out.shape)
            with np.errstate(all="ignore"):
                return (
                    out * (1 + 0.3 * noise), out + 0.01 * noise, np.roll(out, 1, axis=-1), np.tanh(3 * out),
                    out * np.nan, out * 1e200, np.where(noise > 0.8, 0, out),
                )[kinds[line]].astype(out.dtype)  # fmt: skip

        return given

    return recursion(**{line: spoiled(line) for line in sorted(chosen)}), chosen, l


SHOWN_IN = {"delta": {"B1", "B2"}, "dW": {"B3"}, "db": {"B4"}, "down": {"B2"}}


def coherent(report: Report) -> None:
    """The text, the table and the JSON tell one story."""
    found = report.as_json()
    MODELS["report"].model_validate(found)
    json.dumps(found, allow_nan=False)
    text = re.sub(r"\s+", " ", str(report))
    assert text.startswith(report.verdict)
    assert found["verdict"] == report.verdict
    marked = {
        (equation["equation"], layer["layer"]): layer["verdict"]
        for equation in found["equations"]
        for layer in equation["layers"]
    }
    for finding, as_json in zip(report.findings, found["findings"], strict=True):
        assert re.sub(r"\s+", " ", finding.explanation) in text
        assert as_json["explanation"] == finding.explanation
        assert len(finding.id.split("/")) == 4
        assert "inf bounds" not in finding.explanation
        if finding.kind == "ordinary" and finding.layer and finding.equation[0] in "FBU" and finding.verdict == "WRONG":
            for layer in (finding.layer, *map(int, re.findall(r"Likewise in layers? (\d+)", finding.explanation))):
                assert marked[finding.equation, layer] == "WRONG", f"{finding.equation} {layer}\n{report}"


def random_options(rng: np.random.Generator) -> dict[str, Any]:
    hidden = str(rng.choice([name for name in ACTIVATIONS if name not in ("softmax", "log_softmax")]))
    options: dict[str, Any] = {
        "hidden": hidden, "output": "tanh", "dtype": str(rng.choice(["float64", "float32"])), "problems": 16,
        "seed": int(rng.integers(100)),
    }  # fmt: skip
    if rng.random() < 0.5:
        return options | {"widths": tuple(int(n) for n in rng.integers(1, 9, int(rng.integers(2, 5))))}
    return options | {"width": (1, int(rng.integers(5, 40))), "layers": (1, int(rng.integers(2, 6)))}


def seeds(whole: bool) -> range:
    return range(FAULTS if whole else SAMPLE)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_random_faults_of_functions(whole: bool) -> None:
    for seed in seeds(whole):
        rng = np.random.default_rng(seed)
        function, _, _ = drawn(rng)
        report = probe(function, **random_options(rng))
        coherent(report)
        assert not [f.faults for f in report.findings if set(f.faults) - POSSIBLE], f"{seed}\n{report}"


POSSIBLE = {
    *(f"columns shifted{place}" for place in ("", " in layer 1 alone", " in layer 2 alone", " in hidden layers")),
    *(f"dL/db shifted{place}" for place in ("", " in layer 1 alone", " in layer 2 alone", " in hidden layers")),
    *(f"{name}{place}" for name in ("columns reversed", "dL/db reversed", "dL/db shifted back", "columns shifted back")
      for place in ("", " in layer 1 alone", " in layer 2 alone", " in hidden layers", " in the last layer")),
    *(f"{name} in the last layer" for name in ("columns shifted", "dL/db shifted")),
}  # fmt: skip
"""What may be named of them: two of two elements shifted are reversed, and shifted back."""


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_random_faults_of_trainers(whole: bool) -> None:
    for seed in seeds(whole):
        rng = np.random.default_rng(1000 + seed)
        function, _, _ = drawn(rng)

        def step(network: Network, x: Array, y: Array, eta: float, function: Any = function) -> Gradients:
            found = zip(network, function(network, x, y), strict=True)
            return [(W - x.dtype.type(eta) * dW, b - x.dtype.type(eta) * db) for (W, b, _), (dW, db) in found]

        coherent(probe_trainer(step, **random_options(rng)))


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_random_faults_of_answers(whole: bool) -> None:
    generic = ("generic", "generic", "generic")
    for seed in seeds(whole):
        rng = np.random.default_rng(2000 + seed)
        function, _, _ = drawn(rng)
        options = random_options(rng)
        widths = tuple(int(n) for n in rng.integers(1, 9, int(rng.integers(2, 5))))
        sigmas = (*[ACTIVATIONS[options["hidden"]]()] * (len(widths) - 2), ACTIVATIONS["tanh"]())
        batch, dtype = int(rng.integers(1, 5)), options["dtype"]
        shape = Architecture(widths, sigmas, HalfSquaredError(), "sum", batch, dtype, generic, seed, 0.125)
        problem = fill(shape)
        coherent(check(problem, function(problem.network, problem.x, problem.y)))


def test_a_right_program_is_coherent_too() -> None:
    coherent(probe(right, width=(1, 20), problems=16))
