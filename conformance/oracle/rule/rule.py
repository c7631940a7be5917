"""An update rule asked: somebody's steps, held to the reference's.

Each step is judged on what the step before left: the parameters after one are the exact inputs of the next, and what
the rule remembers follows with its bounds.

Examples
--------
>>> import numpy as np
>>> from reference import Adam
>>> def mine(parameters, gradients, state):
...     t, m, v = state or (0, [0 * p for p in parameters], [0 * p for p in parameters])
...     t = t + 1
...     m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients)]
...     v = [0.999 * a + 0.001 * g * g for a, g in zip(v, gradients)]
...     rate = 0.01 / (1 - 0.9**t)
...     after = [
...         p - rate * a / (np.sqrt(b / (1 - 0.999**t)) + 1e-8) for p, a, b in zip(parameters, m, v)
...     ]
...     return after, (t, m, v)
>>> check_rule(mine, Adam(0.01)).verdict
'CONFORMS'
>>> report = check_rule(mine, Adam(0.01, amsgrad=True))
>>> report.verdict, report.findings[0].equation, report.findings[0].faults
('WRONG', 'U12', ('amsgrad-ignored',))
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reference import UPDATES, Rule, update_rule
from reference.checks.numbers import check_whole_number

from ...arrays import Array
from ...bounds.formats import FORMATS
from ...bounds.rounded import Rounded
from ...judge.held import Update
from ...judge.judgement import Judgement
from ...judge.known import Known, checked
from ...judge.report import Finding, Report, Subject, found, unnumbered
from ...judge.verdict import by_equation_and_layer
from ...text.labels import documented
from ..identity import identified
from .catalogue import Mistake
from .forms import Asked, Form, form_of
from .judging import Step, admitted, bounded, equation, held
from .mistakes import declared
from .naming import fitting
from .runs import Run, runs, with_none


class Walked(NamedTuple):
    """What became of a run: its steps, what was found about each, what was altered, and what it raised, if it did."""

    run: Run
    steps: tuple[Step, ...]
    judgements: tuple[tuple[Judgement, ...], ...]
    expected: tuple[tuple[Rounded, ...], ...]
    altered: tuple[int, ...] = ()
    raised: str = ""

    @property
    def answered(self) -> bool:
        """Whether every step was taken, so far as its numbers were finite."""
        return not self.raised

    @property
    def wrong(self) -> list[tuple[int, Judgement]]:
        """The judgements that are, with the number of their step, counted from 1, the worst of each step first."""
        return [
            (t, j)
            for t, of_step in enumerate(self.judgements, start=1)
            for j in sorted(of_step, key=lambda j: -j.margin)
            if j.wrong
        ]


def check_rule(
    step: Any,
    rule: Rule | str,
    *,
    name: str = "",
    seed: int = 0,
    dtype: Any = "float64",
    conventions: Mapping[str, str] | None = None,
    known: Iterable[Known] = (),
) -> Report:
    """Judge somebody's update rule, step by step.

    Parameters
    ----------
    step : callable, or an optimiser
        In one of the forms that people have:

        ``step(parameters, gradients, state)``
            returns the new parameters and the new state; the state is whatever you like, and None at first.
        ``step(parameters, gradients)``
            returns the new parameters, or changes them in place and returns None; it keeps its own state, so that it
            is asked once only.  The ``step`` or ``update`` of an object is asked likewise.
        ``make(parameters)``
            makes an optimiser with ``step(gradients)`` or ``step(parameters, gradients)``; or, as
            ``lambda parameters: torch.optim.Adam(parameters, lr=0.01)`` does, one of tensors with ``step()``.
        ``make()``
            makes one that is handed the parameters later: ``step(parameters, gradients)``.

        Parameters and gradients are lists of arrays of several shapes, float64 unless ``dtype`` says otherwise.
    rule : Rule, or its name
        What it claims to be, with its parameters: ``reference.Adam(0.01)``, or ``"adam"`` with PyTorch's defaults.
    name : str
        For the report; its own by default.
    seed : int
        Of the parameters and gradients.
    dtype : "float32" or "float64"
        In which it claims to compute.  In float64 everything is decided.
    conventions : mapping, optional
        What it does otherwise on purpose, as ``{"epsilon": "inside"}``.  A report says "right if" where one fits.
    known : sequence of Known
        As for `conformance.probe`; the function of an id is the rule's name: ``U12/amsgrad-ignored/float64/adam``.

    Returns
    -------
    Report
        Tallies by the equation of the step, or of what is violated, and array, counted from 1.  The numbers judged are
        how far each parameter went.  A finding's ``question`` holds the step that shows it.

    Raises
    ------
    TypeError, ValueError
        If ``step`` has none of these forms, or its first step gives no such arrays; if the rule or a convention is
        unknown.
    """
    rule = _rule(rule)
    form, said = form_of(step), declared(rule, conventions)
    kind = np.dtype(dtype)
    if kind not in FORMATS:
        raise ValueError(f"dtype: expected float32 or float64, got {kind}")
    seed, named, expected = check_whole_number("seed", seed, 0), _name(rule), checked(known)
    walked: list[Walked] = []
    for run in _asked(rule, form, kind, seed):
        walked.append(_walked(form, run, rule, said, first=not walked))
        if walked[-1].raised:
            break
    findings, label = _findings(rule, said, walked)
    judgements = [j for walk in walked for of_step in walk.judgements for j in of_step]
    judgements = [j._replace(equation=label) if j.wrong and label else j for j in judgements]
    report = Report(
        Subject(name or getattr(step, "__name__", type(step).__name__)),
        by_equation_and_layer(judgements),
        tuple(findings),
        asked=sum(walk.answered or walk.run.whole for walk in walked),
        unsupported=sum(not walk.answered and not walk.run.whole for walk in walked),
        failed=sum(not walk.answered and walk.run.whole for walk in walked),
        remarks=tuple(_remarks(rule, form, said, walked)),
        seed=seed,
    )
    return identified(report, str(kind), lambda finding: named, [named], expected)


def _rule(rule: Any) -> Rule:
    made: Any = update_rule(rule) if isinstance(rule, str) and rule != "sgd" else rule
    if type(made) not in UPDATES.values():
        names = ", ".join(kind.__name__ for kind in UPDATES.values())
        got = repr(rule) if isinstance(rule, str) else getattr(rule, "__name__", type(rule).__name__)
        raise TypeError(f"rule: expected one of reference.{names}, such as Adam(0.01), got {got}")
    return made  # type: ignore[no-any-return]


def _name(rule: Rule) -> str:
    return next(name for name, kind in UPDATES.items() if kind is type(rule))


def _asked(rule: Rule, form: Form, dtype: Any, seed: int) -> Sequence[Run]:
    """The runs that a form takes: one alone where it keeps its state, and None for a gradient where that is usual."""
    asked = tuple(runs(rule, dtype, seed))
    if not form.again:
        return asked[:1]
    return (*asked, with_none(asked[0])) if form.tensors else asked


def _walked(form: Form, run: Run, rule: Rule, said: Sequence[Mistake], first: bool) -> Walked:
    """Take the steps of a run, until one is not finite; raises where the very first cannot be taken."""
    steps: list[Step] = []
    altered: tuple[int, ...] = ()
    raised = ""
    try:
        with np.errstate(all="ignore"):
            asked = Asked(form, run.parameters)
            before = run.parameters
            for gradients in run.gradients:
                taken = asked.step(gradients)
                steps.append(Step(before, gradients, taken.after))
                before, altered = taken.after, altered or taken.altered
                if not all(np.isfinite(p).all() for p in before):
                    break
    except (Exception, SystemExit) as error:
        if first and not steps and not isinstance(error, ArithmeticError):
            of = "" if isinstance(error, TypeError) and str(error).startswith("step: ") else f"{type(error).__name__}: "
            raise TypeError(f"{form.called} cannot be asked: {of}{error}") from error
        raised = f"{type(error).__name__}: {error}"
    expected = tuple(admitted(bounded(rule, said, steps), steps)) if steps else ()
    judgements = tuple(held(equation(type(rule)), *pair) for pair in zip(steps, expected, strict=True))
    return Walked(run, tuple(steps), judgements, expected, altered, raised)


def _findings(rule: Rule, said: Sequence[Mistake], walked: Sequence[Walked]) -> tuple[list[Finding], str]:
    """What is wrong, and the equation that it violates."""
    findings, label = [], ""
    shown = next((walk for walk in walked if walk.wrong), None)
    if shown:
        fits = _fitting(rule, said, walked)
        label = fits[0].label if fits else ""
        findings.append(_wrong(shown, walked, fits, label or equation(type(rule))))
    raised = next((walk for walk in walked if walk.raised and walk.run.whole), None)
    if raised:
        t, of = len(raised.steps) + 1, raised.run.name
        zero = "  A t that begins at 0 makes 1 - beta^t 0." if raised.raised.startswith("ZeroDivision") else ""
        text = f"Step {t} of {of} raised {raised.raised}.{zero}"
        findings.append(unnumbered("ordinary", equation(type(rule)), text, ("t-from-0",) if zero else ()))
    altered = next((walk for walk in walked if walk.altered), None)
    if altered:
        text = f"The step alters the gradients that it is given, those of array {altered.altered[0]} first."
        findings.append(unnumbered("ordinary", equation(type(rule)), text, ("gradients-altered",)))
    return findings, label


def _fitting(rule: Rule, said: Sequence[Mistake], walked: Sequence[Walked]) -> list[Mistake]:
    whole = [walk for walk in walked if walk.steps and walk.run.whole]
    return list(fitting(rule, said, [walk.steps for walk in whole])) if whole else []


def _wrong(shown: Walked, walked: Sequence[Walked], fits: Sequence[Mistake], label: str) -> Finding:
    t, j = shown.wrong[0]
    step, expected = shown.steps[t - 1], shown.expected[t - 1]
    k = j.layer - 1
    at = ", ".join(map(str, j.element))
    sentences = [
        f"({label}) {documented(label)}: violated from step {t} of {len(shown.steps)} on, with {shown.run.name}: array "
        f"{j.layer}, {j.wrong:,} of {j.elements:,} elements; [{at}] went {j.got:.9g} from "
        f"{step.before[k][j.element]:.9g}, expected {j.expected:.9g} within {j.bound:.1g}."
    ]
    right_if = [m for m in fits if m.convention]
    for mistake in right_if[:1]:
        assert mistake.convention is not None
        name, value = mistake.convention
        sentences.append(f'Right if {mistake.said}; then say conventions={{"{name}": "{value}"}}.')
    rest = [m for m in fits if not m.convention]
    if rest and not right_if:
        others = f" (or: {'; '.join(m.said for m in rest[1:3])})" if len(rest) > 1 else ""
        sentences.append(f"These are the numbers where {rest[0].said}{others}.")
    if not fits:
        sentences.append(_unnamed(shown, walked, t))
    names = tuple(dict.fromkeys(m.name for m in fits))
    held_by_hand = Update(t, step.before, step.gradients, step.after, tuple(_plain(bound) for bound in expected))
    said = "  ".join(sentences)
    return found("ordinary", j._replace(equation=label), said, names)._replace(question=held_by_hand)


def _unnamed(shown: Walked, walked: Sequence[Walked], t: int) -> str:
    if shown is not walked[0] and shown.run.whole and t == 1:
        return "The first run is right: something is kept from it that a new state or a new optimiser should not have."
    if any(g is None for g in shown.steps[t - 1].gradients):
        return "Arrays without a gradient stay as they are, and so does what is remembered of them."
    return "No mistake that is known gives these numbers."


def _plain(bound: Rounded) -> Array:
    return bound.mid.astype(bound.format.dtype)


def _remarks(rule: Rule, form: Form, said: Sequence[Mistake], walked: Sequence[Walked]) -> list[str]:
    count = sum(len(walk.steps) for walk in walked)
    remarks = [f"{rule!r}, asked as {form.called}: {count} steps, each from where the one before ended."]
    if not form.again:
        remarks.append("It keeps its own state, so it was asked once; step(parameters, gradients, state) is more.")
    remarks += [
        f"With {walk.run.name} it raised {walk.raised}, which is no matter of the rule."
        for walk in walked
        if walk.raised and not walk.run.whole
    ]
    return [*remarks, *(f"Held to what is declared: {mistake.said}." for mistake in said)]
