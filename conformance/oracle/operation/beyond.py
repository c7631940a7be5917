"""What is asked beyond the inputs given, once they are answered rightly.

Of a named equation the right answer is known anywhere: kinks, zeros and cotangents of any moderate size count as all
else does, and the ends of the range as robustness.  Of somebody's own forward function nobody said that it is meant for
other inputs: what it gets wrong there has a verdict of its own, and the main one stays.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from ...judge.report import Finding, Report, Robustness
from ...judge.verdict import CONFORMS, by_equation_and_layer, merged, worst_of
from ...problems.layouts import like, numbers
from .asking.calls import Call, Operation, Outcome, cotangents, outcome_of, outcome_of_value, violated_in
from .drawn import Drawn, Kind
from .explaining.evidence import answers
from .explaining.findings import of_gradient, of_value

Drawing = Callable[[Sequence[Array]], Iterable[Drawn]]
"""What to ask beyond, of the numbers of the inputs."""


class Asked(NamedTuple):
    """What was drawn, and what came of it: the gradients, or the ``value`` that the forward function gives."""

    drawn: Drawn
    outcome: Outcome
    value: bool = False


def examined_beyond(operation: Operation, report: Report, drawing: Drawing, seed: int) -> Report:
    """A report, with what is asked beyond the inputs given; of one that does not conform it stays as it is.

    Parameters
    ----------
    operation : Operation
    report : Report
        On the inputs given.
    drawing : callable
        What to ask, of the numbers of the inputs.
    seed : int
        Of the cotangents.
    """
    if report.verdict != CONFORMS:
        return report
    with np.errstate(all="ignore"):
        drawn = list(drawing([numbers(x) for x in operation.given]))
        asked = [a for one in drawn for a in _asked(operation, one, seed)]
    by_kind: dict[Kind, list[Asked]] = {"ordinary": [], "extreme": [], "beyond": []}
    for a in asked:
        by_kind[a.drawn.kind].append(a)
    answered = [a for a in by_kind["ordinary"] if not a.outcome.failed]
    found = tuple(finding for kind in by_kind for finding in _found(operation, by_kind[kind], kind))
    refused = dict.fromkeys(
        f"refuses {a.outcome.question.where}: {a.outcome.failed.said}" for a in asked if a.outcome.failed
    )
    return report._replace(
        tallies=merged(report.tallies, by_equation_and_layer(j for a in answered for j in a.outcome.judgements)),
        findings=(*report.findings, *found),
        asked=report.asked + len(asked),
        robustness=_added(report.robustness, _robustness(by_kind["extreme"])),
        beyond=_robustness(by_kind["beyond"]),
        remarks=(*report.remarks, *refused),
    )


def _asked(operation: Operation, drawn: Drawn, seed: int) -> Iterator[Asked]:
    """Ask once, if a truth that may accuse is to be had."""
    kind = operation.given[0]
    values = [numbers(like(x, kind)) for x in drawn.values]
    gs = [numbers(like(np.asarray(drawn.scale * g), kind)) for g in cotangents(operation, seed)[-1:]]
    try:
        truth = operation.truth(values, gs)
    except Exception:  # a forward function may refuse them; an equation may have no bound there
        return
    if not truth.estimated:
        call = Call(values, gs[0] if gs else None, truth.expected[0], where=drawn.where)
        yield Asked(drawn, outcome_of(operation, call, estimated=False))
    if operation.forward and truth.value is not None and drawn.scale == 1:
        try:
            of_forward = outcome_of_value(operation, values, truth.value, drawn.where)
        except Exception:  # whatever it may refuse
            return
        yield Asked(drawn, of_forward, value=True)


def _found(operation: Operation, asked: Sequence[Asked], kind: Kind) -> Iterator[Finding]:
    """What is wrong, each input's gradient once, and the value once."""
    shown: set[tuple[bool, int]] = set()
    for _, outcome, value in asked:
        for k in violated_in(outcome):
            if (value, k) not in shown:
                finding = of_value(outcome) if value else of_gradient(operation, answers(operation, [outcome]), k)[0]
                yield finding._replace(kind=kind)
            shown.add((value, k))


def _robustness(asked: Sequence[Asked]) -> Robustness | None:
    """The verdict on what was answered."""
    answered = [a.outcome for a in asked if not a.outcome.failed]
    if not answered:
        return None
    tallies = by_equation_and_layer(j for outcome in answered for j in outcome.judgements)
    wrong = sum(outcome.violated for outcome in answered)
    return Robustness(worst_of(t.verdict for t in tallies.values()), len(answered), wrong)


def _added(p: Robustness | None, q: Robustness | None) -> Robustness | None:
    if p is None or q is None:
        return p or q
    return Robustness(worst_of((p.verdict, q.verdict)), p.asked + q.asked, p.wrong + q.wrong)
