"""Wrong update rules are found within ten steps, and named; right ones with other parameters too."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from conformance import Report, check_rule
from conformance.arrays import Array
from conformance.bounds.rounded import exact
from conformance.bounds.rules import altered_rule
from conformance.judge.held import Update
from conformance.oracle.rule.catalogue import ROWS, Mistake
from conformance.oracle.rule.judging import Step, judged
from conformance.oracle.rule.mistakes import declared, mistakes, program_of
from conformance.oracle.rule.programs import plain
from conformance.oracle.rule.runs import runs
from conformance.text.edits import planted
from reference import SGD, UPDATES, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rule

from .programs import BY_HAND

pytestmark = pytest.mark.sampled(6)

RULES: tuple[Rule, ...] = (
    SGD(0.1, momentum=0.9, dampening=0.25, weight_decay=0.01),
    SGD(0.125, momentum=0.75),
    SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    Adagrad(lr_decay=0.1, weight_decay=0.01),
    RMSprop(momentum=0.5, weight_decay=0.01),
    Adam(weight_decay=0.01),
    Adam(0.02, amsgrad=True),
    AdamW(weight_decay=0.1),
    Adamax(weight_decay=0.01),
    NAdam(weight_decay=0.01),
    RAdam(weight_decay=0.01),
    Adadelta(eta=0.5, weight_decay=0.01),
)

IN_VAIN = 2.0**-20
"""A change of a step by less, relatively, is no mistake of this rule: dampening ignored where there is none."""

CASES = [(rule, mistake) for rule in RULES for mistake in mistakes(rule)]


def made(rule: Rule, mistake: Mistake) -> Any:
    return program_of(rule, (mistake,), altered_rule)


def differs(rule: Rule, mistake: Mistake) -> bool:
    """Whether the mistake changes a step at all, on what is asked."""
    for run in runs(rule, np.dtype(np.float64), 0):
        states: list[Any] = [None, None]
        for gradients in run.gradients:
            both = []
            for k, program in enumerate((plain(rule), made(rule, mistake))):
                with np.errstate(all="ignore"):
                    try:
                        after, states[k] = program(run.parameters, gradients, states[k])
                    except ZeroDivisionError:
                        return True
                both.append(after)
            for p, right, wrong in zip(run.parameters, *both, strict=True):
                if not (abs(wrong - right) <= IN_VAIN * abs(right - p)).all():
                    return True
    return False


def test_each_rule_has_four_mistakes_at_least() -> None:
    assert set(ROWS) == {kind.__name__ for kind in UPDATES.values()}
    assert all(len(rows) >= 4 for rows in ROWS.values())
    names = [[m.name for m in rows] for rows in ROWS.values()]
    assert all(len(set(of)) == len(of) for of in names)


def test_mistakes_are_found_and_named(whole: bool) -> None:
    """All are found within ten steps of one of the runs, and nine of ten are named, first or beside their equals."""
    taken = CASES if whole else CASES[::27]
    missed, unnamed = [], []
    asked = 0
    for rule, mistake in taken:
        if not differs(rule, mistake):
            continue
        asked += 1
        report = check_rule(made(rule, mistake), rule)
        if report.verdict != "WRONG":
            missed.append((rule, mistake.name))
            continue
        finding = report.findings[0]
        if isinstance(finding.question, Update) and finding.question.step > (10 if not isinstance(rule, RAdam) else 17):
            missed.append((rule, mistake.name))
        if mistake.name not in finding.faults:
            unnamed.append((rule, mistake.name))
    assert asked >= 0.8 * len(taken)
    assert not missed
    assert len(unnamed) <= asked / 10


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ROWS)
def test_the_first_four_of_each_rule(kind: str, dtype: str) -> None:
    """In either format, with its equation: those of the rule's own rows that change it.

    In float32 some are smaller than what the corrections may lose there.
    """
    rule = next(rule for rule in RULES if type(rule).__name__ == kind)
    rows = [m for m in ROWS[kind] if differs(rule, m)][: 4 if dtype == "float64" else 6]
    found = 0
    for mistake in rows:
        report = check_rule(made(rule, mistake), rule, dtype=dtype)
        assert report.verdict == "WRONG" or dtype == "float32"
        if report.verdict != "WRONG":
            continue
        found += 1
        assert mistake.name in report.findings[0].faults
        if report.findings[0].faults[0] == mistake.name:
            assert report.findings[0].equation == mistake.label
            assert any(equation == mistake.label and tally.wrong for (equation, _), tally in report.tallies.items())
    assert found >= 4


def test_radam_right_and_wrong_are_told_apart() -> None:
    """Without its rectification it differs from the sixth step on, and not before."""
    rule = RAdam()
    (missing,) = [m for m in ROWS["RAdam"] if m.name == "rectification-missing"]
    finding = check_rule(made(rule, missing), rule).findings[0]
    assert isinstance(finding.question, Update)
    assert finding.question.step == 6
    assert finding.faults == ("rectification-missing",)
    assert finding.equation == "U18"


def keeping_t(step: Any) -> Any:
    """A step whose t is kept outside of the state, so that it goes on where a new run begins."""
    kept = [0]

    def wrong(parameters: Sequence[Array], gradients: Sequence[Array], state: Any) -> Any:
        t, rest = kept[0], state
        if rest is None:
            rest = [[np.zeros_like(p)] * 2 for p in parameters]
        after, (kept[0], rest) = step(parameters, gradients, (t, rest))
        return after, rest

    return wrong


def test_what_is_kept_beyond_a_run() -> None:
    step, rule = BY_HAND["adam of the paper"]
    report = check_rule(keeping_t(step), rule)
    assert report.verdict == "WRONG"
    assert "The first run is right: something is kept from it" in report.findings[0].explanation


def test_gradients_that_are_altered() -> None:
    def wrong(parameters: Sequence[Array], gradients: Sequence[Array]) -> None:
        for p, g in zip(parameters, gradients, strict=True):
            g *= 0.1
            p -= g

    report = check_rule(wrong, SGD(0.1))
    assert report.verdict == "WRONG"
    assert [finding.faults for finding in report.findings] == [("gradients-altered",)]
    assert "alters the gradients that it is given, those of array 1 first" in report.findings[0].explanation


def test_a_t_that_begins_at_0_divides_by_it() -> None:
    rule = Adam()
    wrong = plain(rule, lambda t, k, n: t - 1)
    report = check_rule(wrong, rule)
    assert report.verdict == "WRONG"
    assert report.findings[0].faults == ("t-from-0",)
    assert "ZeroDivisionError" in report.findings[0].explanation

    def of_arrays(parameters: Sequence[Array], gradients: Sequence[Array], state: Any) -> Any:
        t, m, v = state or (0, [0 * p for p in parameters], [0 * p for p in parameters])
        m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
        v = [0.999 * a + 0.001 * g * g for a, g in zip(v, gradients, strict=True)]
        c, d = (1 - np.float64(beta) ** t for beta in (0.9, 0.999))
        return [p - 0.001 * (a / c) / (np.sqrt(b / d) + 1e-8) for p, a, b in zip(parameters, m, v, strict=True)], (
            t + 1,
            m,
            v,
        )

    assert check_rule(of_arrays, rule).verdict == "WRONG"


def test_a_later_step_that_raises() -> None:
    def wrong(parameters: Sequence[Array], gradients: Sequence[Array], state: Any) -> Any:
        if state == 3:
            raise KeyError("velocity")
        return [p - 0.1 * g for p, g in zip(parameters, gradients, strict=True)], (state or 0) + 1

    report = check_rule(wrong, SGD(0.1))
    assert (report.verdict, report.failed) == ("WRONG", 1)
    assert "Step 4 of arrays of several shapes raised KeyError: 'velocity'." in report.findings[0].explanation


def test_arrays_without_a_gradient_stay() -> None:
    class Decaying(torch.optim.AdamW):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for p in group["params"]:
                    p.grad = torch.zeros_like(p) if p.grad is None else p.grad
            super().step()

    report = check_rule(lambda leaves: Decaying(leaves, lr=0.01, weight_decay=0.1), AdamW(0.01, weight_decay=0.1))
    assert report.verdict == "WRONG"
    assert "Arrays without a gradient stay as they are" in report.findings[0].explanation


def test_the_question_in_hand() -> None:
    rule = Adam(0.01)
    finding = check_rule(plain(replace(rule, eps=1e-6)), rule).findings[0]
    update = finding.question
    assert isinstance(update, Update)
    k = finding.layer - 1
    assert finding.got == update.after[k][finding.element] - update.before[k][finding.element]
    step, _ = plain(rule)(update.before, update.gradients, None)
    assert update.step == 1
    assert all(np.allclose(p, q, rtol=2.0**-40) for p, q in zip(step, update.expected, strict=True))
    assert finding.faults[0] == "eps-other"
    assert "eps is 1e-06, not 1e-08" in finding.explanation


@pytest.mark.parametrize(
    ("step", "rule", "options", "said"),
    [
        (3, Adam(), {}, r"step: expected step\(parameters, gradients, state\) -> .*, got int"),
        (lambda a, b, c, d: 0, Adam(), {}, "got a function of 4 arguments"),
        (lambda a, b, c: 5, Adam(), {}, r"expected \(parameters, state\), got int"),
        (lambda a: 7, Adam(), {}, "returned int, which has no step or update"),
        (lambda a, b: [1], Adam(), {}, "expected 5 arrays of parameters, got 1 of them"),
        (lambda a, b, c: ([x[:1] for x in a], 0), Adam(), {}, r"expected shape \(4, 3\) for array 1, got \(1, 3\)"),
        (lambda a, b, c: a.missing, Adam(), {}, "cannot be asked: AttributeError"),
        (lambda a, b, c: 0, "lion", {}, "expected one of sgd, adagrad"),
        (lambda a, b, c: 0, Adam, {}, r"rule: expected one of reference\.SGD, .* such as Adam\(0.01\), got Adam"),
        (lambda a, b, c: 0, "sgd", {}, "rule: expected one of .* got 'sgd'"),
        (lambda a, b, c: 0, Adam(), {"dtype": "float16"}, "dtype: expected float32 or float64, got float16"),
        (lambda a, b, c: 0, Adam(), {"conventions": {"epsilon": "up"}}, "conventions: expected .*for Adam, got"),
        (lambda a, b, c: 0, Adam(), {"conventions": "inside"}, "conventions: expected a dict"),
        (torch.optim.Adam([torch.ones(2)]), Adam(), {}, r"step\(\) of arrays finds no gradients"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(step: Any, rule: Any, options: Any, said: str) -> None:
    with pytest.raises((TypeError, ValueError), match=said) as raised:
        check_rule(step, rule, **options)
    assert "\n" not in str(raised.value)


def test_steps_of_somebody_else_are_judged_with_gradients_that_have_bounds() -> None:
    """As a trainer's are: a gradient known to within 2^-30 of itself tells Adam from Adam without its corrections."""
    rule = Adam(0.01)

    def steps_of(program: Any) -> list[Step]:
        run = next(runs(rule, np.dtype(np.float64), 3))
        before, state, steps = run.parameters, None, []
        for gradients in run.gradients:
            after, state = program(before, gradients, state)
            near = tuple(exact(g).widened(2.0**-30 * abs(g)) for g in gradients if g is not None)
            steps.append(Step(before, near, after))
            before = after
        return steps

    right = [j for of in judged(rule, steps_of(plain(rule))) for j in of]
    assert not any(j.wrong for j in right)
    assert sum(j.undecided for j in right) < sum(j.elements for j in right) / 10
    uncorrected = next(m for m in ROWS["Adam"] if m.name == "adam-uncorrected")
    assert any(j.wrong for of in judged(rule, steps_of(made(rule, uncorrected))) for j in of)
    scaled = declared(rule, {"epsilon": "scaled"})
    assert not any(j.wrong for of in judged(rule, steps_of(made(rule, scaled[0])), scaled) for j in of)


def test_the_texts_edits_are_what_the_copies_of_the_whole_reference_give() -> None:
    """`altered_rule` runs one altered module; `planted` the whole package."""
    rule, p, g = Adam(), np.array([0.5, -2.0]), np.array([3e-8, 1.0])
    for mistake in ROWS["Adam"]:
        kind = planted(*mistake.edits).Adam()
        theirs, ours = kind.step(p, g, kind.start(p), 1, 0.01), altered_rule(rule, *mistake.edits)
        assert (theirs[0] == ours.step(p, g, ours.start(p), 1, 0.01)[0]).all()


def test_a_report_is_no_longer_than_a_screen() -> None:
    report: Report = check_rule(plain(Adam(0.02)), Adam(0.01), name="mine")
    assert len(str(report).splitlines()) < 24
    assert "the learning rate is 2 times what it should be" in " ".join(str(report).split())
