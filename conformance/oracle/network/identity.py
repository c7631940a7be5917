"""Identity: of what a finding is, in words that do not change with what is drawn, so that it may be known."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from reference import ACTIVATIONS, LOSSES

from ...judge.known import Known
from ...judge.report import Finding, Report
from ...problems.problem import Problem
from .. import identity
from .asking.domain import Domain

NOWHERE = "none"
"""The function of hidden layers that there are none of."""


class Functions(NamedTuple):
    """What is asked: the dtype, the hidden activations, the last one with the loss."""

    dtype: str
    hidden: str
    head: str

    def of(self, equation: str) -> str:
        """The function that an equation is about: the head of delta^L and the loss, of all others the hidden ones."""
        return self.head if equation in ("B1", "batch") or equation[0] in "LH" else self.hidden


def of_domain(domain: Domain) -> Functions:
    """What is asked of a subject."""
    heads = "+".join(f"{_named(sigma)}+{_named(loss)}" for sigma, loss in domain.heads)
    return Functions(domain.claimed, _joined(domain.hidden), heads)


def of_problem(problem: Problem) -> Functions:
    """What one problem asks."""
    *below, last = problem.network
    head = f"{_named(last.sigma)}+{_named(problem.loss)}"
    return Functions(str(problem.dtype), _joined(layer.sigma for layer in below), head)


def identified(report: Report, functions: Functions, known: Iterable[Known] = ()) -> Report:
    """A report whose findings say of what they are, and which of them are known; raises as `checked` does."""

    def of(finding: Finding) -> str:
        return functions.of(finding.equation)

    return identity.identified(report, functions.dtype, of, (functions.hidden, functions.head), known)


def _joined(sigmas: Iterable[Any]) -> str:
    return "+".join(dict.fromkeys(map(_named, sigmas))) or NOWHERE


def _named(function: Any) -> str:
    """The name of an activation or a loss; of somebody's own, that of its class."""
    kind = type(function)
    return next((name for name, of in (ACTIVATIONS | LOSSES).items() if of is kind), kind.__name__)
