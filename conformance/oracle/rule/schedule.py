"""A learning-rate schedule asked: the factor, or the rate, of every epoch, held to (T1) to (T3).

Examples
--------
>>> from reference import step_decay
>>> check_schedule(lambda epoch: 0.1 * 0.5 ** ((epoch - 1) // 10), step_decay(10, 0.5), eta=0.1).verdict
'CONFORMS'
>>> report = check_schedule(lambda epoch: 0.5 ** (epoch // 10), step_decay(10, 0.5))
>>> report.verdict, report.findings[0].faults
('WRONG', ('epoch-early',))
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from reference.checks.numbers import check_number, check_whole_number

from ...arrays import Array
from ...bounds.assumptions import KAPPA
from ...bounds.formats import FORMATS
from ...bounds.rounded import Rounded
from ...judge.judgement import compare
from ...judge.report import Report, Subject, found
from ...judge.verdict import by_equation_and_layer
from ...text.edits import Edit, alone
from ...text.labels import documented

LABELS = {"step_decay": "T1", "cosine_decay": "T2", "warm_up": "T3"}

EDITS = {
    "T1": (
        ("without-floor", "gamma ** ((e - 1) / every)", "the rate falls in every epoch: the floor is missing"),
        ("factor-for-power", "1 - (1 - gamma) * ((e - 1) // every)", "the rate falls by steps of one size"),
        ("power-of-epochs", "gamma ** (e - 1)", "the rate falls in every epoch, by the whole factor"),
    ),
    "T2": (
        ("last-epoch-early", "least + (1 - least) * (1 + cos(pi * min(1, (e - 1) / max(1, epochs - 1)))) / 2",
         "the wave ends one epoch early: (e - 1) / (epochs - 1)"),
        ("rises-again", "least + (1 - least) * (1 + cos(pi * (e - 1) / epochs)) / 2",
         "the wave goes on, and the rate rises again, where it should stay at its least"),
        ("not-halved", "least + (1 - least) * (1 + cos(pi * min(1, (e - 1) / epochs)))", "the 1/2 is missing"),
        ("least-added", "least + (1 + cos(pi * min(1, (e - 1) / epochs))) / 2", "the wave lacks the factor 1 - least"),
        ("whole-wave", "least + (1 - least) * (1 + cos(2 * pi * min(1, (e - 1) / epochs))) / 2",
         "it is a whole wave, not half of one"),
        ("linear", "least + (1 - least) * (1 - min(1, (e - 1) / epochs))", "the rate falls along a line"),
    ),
    "T3": (
        ("from-zero", "min(1, (e - 1) / epochs) * then(e)", "the first epoch has the rate 0: e - 1 for e"),
        ("one-late", "min(1, e / (epochs + 1)) * then(e)", "the full rate comes one epoch late"),
        ("goes-on", "e / epochs * then(e)", "the rate goes on rising: the minimum is missing"),
        ("then-delayed", "min(1, e / epochs) * then(max(1, e - epochs))",
         "the other schedule begins when the warm-up has ended, not with it"),
        ("then-missing", "min(1, e / epochs)", "the other schedule is missing"),
    ),
}  # fmt: skip
"""What else is at the labelled line: a name, the expression, and what it is in words."""


def check_schedule(
    function: Callable[[int], float],
    schedule: Callable[[int], float],
    *,
    eta: float = 1.0,
    first: int = 1,
    name: str = "",
) -> Report:
    """Judge somebody's learning-rate schedule.

    Parameters
    ----------
    function : callable
        From the number of an epoch to its rate, a number.
    schedule : Schedule
        What it claims to be: ``reference.step_decay(10, 0.5)``, ``cosine_decay(30)``, ``warm_up(5)``.
    eta : float
        The rate at full size: 1 where the function gives the factor alone.
    first : int
        The number of the first epoch: 1 as in the reference, or 0.
    name : str
        For the report; the function's own by default.

    Returns
    -------
    Report
        Of one array, the rates of all epochs.

    Raises
    ------
    TypeError, ValueError
        If the schedule is none of the reference's, or the function gives no number.
    """
    kind = getattr(schedule, "__qualname__", "").partition(".")[0]
    if kind not in LABELS or not callable(function):
        raise TypeError(f"schedule: expected {', '.join(LABELS)} of the reference, and a function of the epoch")
    label, eta, first = LABELS[kind], check_number("eta", eta, 0), check_whole_number("first", first, 0)
    made_of = inspect.getclosurevars(schedule).nonlocals
    length = max((int(made_of[key]) for key in ("every", "epochs") if key in made_of), default=1)
    epochs = range(1, max(12, 2 * length + 3))
    got = _rates(function, first, epochs)
    bound = _bound(label, schedule, eta, epochs)
    judgement = compare(label, 1, got, bound)
    findings = []
    if judgement.wrong:
        (k,) = judgement.element
        fits = [
            (fault, said)
            for fault, other, said in _others(label, kind, schedule, made_of)
            if _agree(got, _bound(label, other, eta, epochs))
        ]
        explained = f"These are the rates where {fits[0][1]}." if fits else "No known mistake gives these rates."
        if fits and first == 1 and fits[0][0] == "epoch-early":
            explained = f"Right if epochs are counted from 0; then say first=0.  Else {fits[0][1]}."
        text = (
            f"({label}) {documented(label)}: {judgement.wrong} of {len(epochs)} epochs are wrong; epoch {first + k} "
            f"has {judgement.got:.9g}, expected {judgement.expected:.9g} within {judgement.bound:.1g}.  {explained}"
        )
        findings.append(found("ordinary", judgement, text, tuple(dict.fromkeys(fault for fault, _ in fits))))
    subject = Subject(name or getattr(function, "__name__", type(function).__name__))
    return Report(subject, by_equation_and_layer([judgement]), tuple(findings), asked=1)


def _rates(function: Callable[[int], Any], first: int, epochs: range) -> Array:
    try:
        rates = np.array([float(function(first + e - 1)) for e in epochs])
    except (Exception, SystemExit) as error:
        raise TypeError(f"schedule: expected a number of each epoch, got {type(error).__name__}: {error}") from error
    return rates


def _bound(label: str, schedule: Callable[[int], float], eta: float, epochs: range) -> Rounded:
    """A power is so many products, or a library function's; half a wave cancels from 1, of a rounded angle."""
    rates = np.array([eta * schedule(e) for e in epochs])
    format = FORMATS[rates.dtype]
    size = abs(rates) if label == "T1" else np.maximum(abs(rates), eta)
    return Rounded(rates, (2 * KAPPA + np.array(epochs)) * format.u * size, format)


def _agree(got: Array, bound: Rounded) -> bool:
    return not compare("", 1, got, bound).wrong


def _others(
    label: str, kind: str, schedule: Callable[[int], float], made_of: Any
) -> Iterator[tuple[str, Callable[[int], float], str]]:
    yield "epoch-early", lambda e: schedule(e + 1), "every epoch has the rate of the next one"
    yield "epoch-late", lambda e: schedule(e - 1), "every epoch has the rate of the one before"
    yield "epoch-late", lambda e: schedule(max(e - 1, 1)), "every epoch but the first has the rate of the one before"
    yield "constant", lambda e: 1.0, "the rate stays as it is"
    for fault, expression, said in EDITS[label]:
        other = getattr(alone("training.schedules", Edit(label, expression)), kind)(**made_of)
        yield fault, other, said
