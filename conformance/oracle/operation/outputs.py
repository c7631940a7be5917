"""Several outputs, each asked alone: what one of them leaves undecided must not hide behind another."""

from collections.abc import Mapping

import numpy as np

from ...judge.report import Finding, Report
from ...judge.verdict import CONFORMS, UNDECIDED, by_equation_and_layer, merged
from ...problems.layouts import like, numbers
from .asking.calls import Call, Operation, Outcome, cotangents, outcome_of, violated_in
from .explaining.evidence import answers
from .explaining.findings import of_gradient


def examined_by_output(operation: Operation, report: Report, outputs: Mapping[str, slice], seed: int) -> Report:
    """A report, with the cotangent of each output alone, all others zero; one that accuses stays as it is.

    Parameters
    ----------
    operation : Operation
        With one flat output.
    report : Report
        On all outputs at once.
    outputs : mapping
        Where each stands in the flat output, by what it is called.
    seed : int
        Of the cotangent.
    """
    if len(outputs) < 2 or report.verdict not in (CONFORMS, UNDECIDED):
        return report
    values, kind = [numbers(x) for x in operation.given], operation.given[0]
    g, places = cotangents(operation, seed)[-1], np.arange(operation.output[0] if operation.output else 0)
    gs = [numbers(like(np.where((places >= s.start) & (places < s.stop), g, 0.0), kind)) for s in outputs.values()]
    truth = operation.truth(values, gs)
    for name, alone, admitted in zip(outputs, gs, truth.expected, strict=True):
        of_output = operation._replace(equation=f"{operation.equation} of {name}")
        call = Call(values, alone, admitted, where=f"a cotangent of {name} alone")
        outcome = outcome_of(of_output, call, truth.estimated)
        if outcome.failed:
            report = report._replace(remarks=(*report.remarks, f"refuses {call.where}: {outcome.failed.said}"))
            continue
        report = report._replace(
            tallies=merged(report.tallies, by_equation_and_layer(outcome.judgements)),
            findings=(*report.findings, *_found(of_output, outcome)),
            asked=report.asked + 1,
        )
    return report


def _found(operation: Operation, outcome: Outcome) -> list[Finding]:
    """What is wrong, each input's gradient once."""
    given = answers(operation, [outcome])
    return [of_gradient(operation, given, k)[0] for k in violated_in(outcome)]
