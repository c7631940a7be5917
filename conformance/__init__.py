"""The conformance suite: whether an implementation of backpropagation is within its rounding bounds.

`probe` asks a function, `probe_trainer` one that returns weights only, `probe_torch` a PyTorch module; `check` judges a
given answer to a given problem; `check_pullback` and `check_loss` judge one operation alone.  All return a `Report`,
which prints itself; `assert_conforms` raises with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .judge.report import Report
    from .oracle.network.module import probe_torch
    from .oracle.network.oracle import assert_conforms, check, probe, probe_trainer
    from .oracle.operation.operation import by_autograd, check_loss, check_pullback
    from .problems.problem import GivenAnswer, Parameters, Problem
    from .subjects.callables import asked_by

__all__ = [
    "GivenAnswer",
    "Parameters",
    "Problem",
    "Report",
    "asked_by",
    "assert_conforms",
    "by_autograd",
    "check",
    "check_loss",
    "check_pullback",
    "probe",
    "probe_torch",
    "probe_trainer",
]

_HOMES = {
    "GivenAnswer": "problems.problem",
    "Parameters": "problems.problem",
    "Problem": "problems.problem",
    "Report": "judge.report",
    "asked_by": "subjects.callables",
    "assert_conforms": "oracle.network.oracle",
    "by_autograd": "oracle.operation.operation",
    "check": "oracle.network.oracle",
    "check_loss": "oracle.operation.operation",
    "check_pullback": "oracle.operation.operation",
    "probe": "oracle.network.oracle",
    "probe_torch": "oracle.network.module",
    "probe_trainer": "oracle.network.oracle",
}
"""Where each name lives; its module, and the packages that it needs, are imported when it is first used."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
