"""Trainers asked by the command line: what nobody asked for shows in several batches, and every rule is held."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from conformance.command import app
from conformance.oracle.asking import Failed, Failure
from conformance.oracle.network.asking.domain import domain_of
from conformance.problems.reports import Report
from conformance.problems.training import Training, parse_training, training_json
from conformance.suite.harness.training.asked import VARIANTS, by_rules, is_plain, plain
from conformance.suite.harness.training.judged import judged
from conformance.suite.harness.training.walk import walked
from reference import SGD, UPDATES, advance, begin, value_and_gradients

pytestmark = pytest.mark.sampled(3)

SCRIPT = Path(__file__).parents[2] / "subjects" / "programs" / "trainer.py"
BOTH = "gradients", "train"


def command(how: str, *commands: str) -> str:
    return shlex.join([sys.executable, str(SCRIPT), how, *commands])


def asked(*arguments: str) -> Result:
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, SystemExit | None), done.exception
    return done


def run(folder: Path, how: str, *commands: str) -> tuple[Result, Any]:
    quick = ("--profile", "quick", "--problems", "4", "--report", str(folder))
    done = asked("run", "--command", command(how, *commands), *quick)
    report = json.loads((folder / "report.json").read_text())
    Report.model_validate(report)
    return done, report


@pytest.mark.parametrize(
    ("how", "commands"), [("right", ()), ("right", BOTH), ("in double", ()), ("plain alone", BOTH)]
)
def test_a_right_trainer_conforms(how: str, commands: tuple[str, ...], tmp_path: Path) -> None:
    done, report = run(tmp_path, how, *commands)
    assert (done.exit_code, report["verdict"], report["findings"]) == (0, "CONFORMS", []), done.output
    judged_of = {of["equation"] for of in report["equations"] if of["elements"] > of["undecided"]}
    rules = {"U6", "U8", "U10", "U11", "U13", "U15", "U17", "U19", "U21"} if how != "plain alone" else set()
    assert {"B1", "B2", "B3", "B4", "U1", "U2", *rules} <= judged_of
    assert report["problems"]["unsupported"] == (2 * len(VARIANTS["sgd"]) if how == "plain alone" else 0)


WRONG = {
    "momentum unasked": ("U1", "momentum", "It is the gradient plus 0.9 times that of the step before"),
    "decaying rate": ("U2", "rate changes", "0.9091 times the gradient: the rate changes from step to step"),
    "stale batch": ("U1", "an earlier batch", "It is the gradient of the samples of step 1"),
    "stale gradient": ("U1", "an earlier batch", "It is the gradient of the samples of step 1"),
    "decay without rate": ("U1", "weights decayed", "the weights, not the biases, are multiplied by 0.99 besides"),
    "decay unasked": ("F", "", "say l2=0.01, l2_biases=True"),
    "adam uncorrected": ("U11", "adam-uncorrected", "neither average is corrected for its start at 0"),
    "betas swapped": ("U11", "betas-swapped", "beta_1 and beta_2 are swapped"),
    "momentum ignored": ("U6", "velocity-unused", "the velocity is not used: the step is the plain one"),
}
"""By mistake, the equation, the name, and what is said."""


@pytest.mark.parametrize("how", WRONG)
def test_a_mistake_is_found_named_and_replayed(how: str, tmp_path: Path) -> None:
    equation, name, said = WRONG[how]
    done, report = run(tmp_path, how)
    assert (done.exit_code, report["verdict"]) == (1, "WRONG"), done.output
    found = report["findings"]
    first = found[0]
    assert first["equation"] == equation, first
    assert (first["faults"] or [""])[0] == name
    assert said in first["explanation"]
    if how != "decay unasked":  # which is one of the gradients, too
        assert {(each["equation"], *each["faults"][:1]) for each in found} == {(equation, name)}, found
        assert len(found) == 2, "one in each format"
        path = tmp_path / first["problem"]
        training = parse_training(path.read_bytes())
        assert path.read_text() == training_json(training) + "\n"
        assert len(training.batches) == (1 if how in ("decay without rate", "adam uncorrected") else 2)
        again = asked("replay", str(path), "--command", command(how))
        assert (again.exit_code, again.stdout.splitlines()[-1].rpartition(": ")[2]) == (1, "still failing")
        mended = asked("replay", str(path), "--command", command("right"))
        assert (mended.exit_code, mended.stdout.splitlines()[-1].rpartition(": ")[2]) == (0, "fixed")


def test_a_rule_has_its_name_in_the_id(tmp_path: Path) -> None:
    _, report = run(tmp_path, "betas swapped")
    assert {each["id"] for each in report["findings"]} == {f"U11/betas-swapped/float{n}/adam" for n in (32, 64)}


@pytest.mark.parametrize("how", ["momentum unasked", "decay without rate"])
def test_right_gradients_do_not_hide_wrong_steps(how: str, tmp_path: Path) -> None:
    done, report = run(tmp_path, how, *BOTH)
    assert done.exit_code == 1
    assert report["findings"][0]["faults"][0] == WRONG[how][1]


def test_wrong_gradients_behind_right_ones(tmp_path: Path) -> None:
    """Who answers with right gradients, and trains with others, is told so by the steps."""
    done, report = run(tmp_path, "decay unasked", *BOTH)
    assert done.exit_code == 1
    assert all(each["explanation"].startswith("By its steps: ") for each in report["findings"]), done.output
    assert "No update rule was judged of float64 networks, whose plain steps are wrong." in report["remarks"]
    path = str(tmp_path / report["findings"][0]["problem"])
    assert asked("replay", path, "--command", command("decay unasked", *BOTH)).exit_code == 1
    assert asked("replay", path, "--command", command("right", *BOTH)).exit_code == 0


def test_what_depends_on_chance_is_said_to_be_so(tmp_path: Path) -> None:
    done, report = run(tmp_path, "by chance")
    assert done.exit_code == 1
    assert {each["equation"] for each in report["findings"]} == {"state"}


FAILING = {
    "died": "A training (sgd, 3 batches): it ended with status 3 when it was asked",
    "a layer too few": "A training (sgd, 2 batches): layers: expected a list of 2, one for each layer, got 0",
    "an error": "A training (adam, 1 batch): error: no memory",
}


@pytest.mark.parametrize("how", FAILING)
def test_a_training_that_fails_is_a_finding_of_the_exchange(how: str, tmp_path: Path) -> None:
    done, report = run(tmp_path, how)
    assert (done.exit_code, report["complete"]) == (1, True), done.output
    assert {(each["equation"], each["explanation"]) for each in report["findings"]} == {("protocol", FAILING[how])}
    assert report["problems"]["failed"] > 0
    path = str(tmp_path / report["findings"][0]["problem"])
    assert asked("replay", path, "--command", command(how)).exit_code == 1
    assert asked("replay", path, "--command", command("right")).exit_code == 0


@pytest.mark.parametrize("commands", [(), BOTH])
def test_a_wrapper_whose_training_is_wrong_in_form_is_not_judged(commands: tuple[str, ...]) -> None:
    done = asked("run", "--command", command("no layers", *commands))
    assert done.exit_code == 2
    assert "layers: expected a list of 1, one for each layer, got 0" in done.stderr
    assert '  sent: {"cmd": "train", "id": ' in done.stderr
    assert "So the wrapper is wrong, and not the mathematics: nothing was judged." in done.stderr


def test_a_training_cannot_be_replayed_by_who_does_not_train(tmp_path: Path) -> None:
    _, report = run(tmp_path, "betas swapped")
    path = str(tmp_path / report["findings"][0]["problem"])
    done = asked("replay", path, "--command", command("right", "gradients"))
    assert done.exit_code == 2
    assert "it is a training, and trainer does not declare 'train'" in done.stderr


def reference_of(training: Training) -> Any:
    network: Any = training.network
    state = begin(training.rule, network)
    for x, y in training.batches:
        _, gradients = value_and_gradients(network, x, y, training.loss, training.reduction)
        network, state = advance(training.rule, network, gradients, state)
    return network


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_right_step_is_accused_and_most_are_decided(dtype: str, whole: bool) -> None:
    hidden = ["sigmoid", "leaky_relu", "tanh"]
    domain = domain_of(hidden=hidden, dtype=dtype, width=(1, 16), layers=(1, 4), batch=(1, 8))
    for seed in range(40 if whole else 2):
        for training in (*plain(domain, seed), *by_rules(domain, list(UPDATES), seed)):
            shown = judged(reference_of, training, domain)
            assert shown.finding is None, shown.finding
            undecided = sum(j.undecided for j in shown.judgements) / sum(j.elements for j in shown.judgements)
            assert undecided < 0.2, training.rule


def test_numbers_that_are_not_finite_are_wrong() -> None:
    domain = domain_of(hidden="tanh", width=(1, 16))

    def broken(training: Training) -> Any:
        network = reference_of(training)
        return tuple(layer._replace(b=layer.b * np.nan) for layer in network) if len(training.batches) > 1 else network

    for training in (next(plain(domain, 0)), *by_rules(domain, ["adam", "sgd"], 0)):
        shown = judged(broken, training, domain)
        assert shown.finding is not None
        assert np.isnan(shown.finding.got)
        assert len(shown.walk.after) == 2


def test_what_is_kept_between_requests_is_state() -> None:
    domain, kept = domain_of(hidden="tanh", width=(1, 16)), list[int]()

    def drifting(training: Training) -> Any:
        kept.append(1)
        rule: Any = SGD(training.rule.eta * (1 + len(kept) / 8))
        return reference_of(training._replace(rule=rule))

    shown = judged(drifting, next(plain(domain, 0)), domain)
    assert shown.finding is not None
    assert (shown.finding.equation, shown.finding.verdict) == ("state", "SUSPECT")


def test_a_failure_is_said_with_its_training() -> None:
    domain = domain_of(hidden="tanh", width=(1, 16))

    def failing(training: Training) -> Any:
        if len(training.batches) == 3:
            raise ValueError("out of cheese")
        return reference_of(training)

    shown = judged(failing, next(plain(domain, 0)), domain)
    assert shown.walk.failed == Failed(Failure.RAISED, "ValueError: out of cheese", shown.walk.failed.error)  # type: ignore[union-attr]
    assert shown.finding is not None
    assert shown.finding.equation == "protocol"
    assert shown.finding.explanation == "A training (sgd, 3 batches): ValueError: out of cheese"


def test_each_prefix_is_a_request_of_its_own() -> None:
    domain, seen = domain_of(hidden="tanh", width=(1, 16)), list[int]()

    def counting(training: Training) -> Any:
        seen.append(len(training.batches))
        return reference_of(training)

    training = next(plain(domain, 0))
    walk = walked(counting, training)
    assert seen == [1, 2, 3, 4, 5]
    assert walk.before(0) is training.network
    assert walk.before(3) is walk.after[2]
    for (x, _), (other, _) in zip(training.batches, training.batches[1:], strict=False):
        assert not np.isin(x, other).any(), "no two batches have a sample in common"


def test_every_rule_of_the_reference_is_asked() -> None:
    assert set(VARIANTS) == set(UPDATES)
    domain = domain_of(hidden="tanh", width=(1, 16))
    assert {type(training.rule) for training in by_rules(domain, list(UPDATES), 0)} == set(UPDATES.values())
    assert not any(is_plain(training.rule) for training in by_rules(domain, list(UPDATES), 0))
    assert all(is_plain(training.rule) for training in plain(domain, 0))


def test_a_trainer_must_say_by_which_rules(tmp_path: Path) -> None:
    script = tmp_path / "adam.py"
    script.write_text(re.sub(r'"updates": \[\*reference.UPDATES\]', '"updates": ["adam"]', SCRIPT.read_text()))
    done = asked("run", "--command", shlex.join([sys.executable, str(script), "right"]))
    assert done.exit_code == 2
    assert "updates: expected 'sgd', whose steps show the gradients, got ['adam']" in done.stderr
