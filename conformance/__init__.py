"""The conformance suite: whether an implementation of backpropagation is within its rounding bounds.

`probe` asks a function, `probe_trainer` one that returns weights only, `probe_torch` a PyTorch module; `check` judges a
given answer to a given problem; `check_pullback` and `check_loss` judge one operation alone, `check_rule` an update
rule, `check_schedule` and `check_clipping` what goes with one.  All return a `Report`, which prints itself;
`assert_conforms` raises with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .extras import told

if TYPE_CHECKING:
    from reference import __version__

    from .judge.report import Report
    from .oracle.network.module.module import probe_torch
    from .oracle.network.oracle import assert_conforms, check, probe, probe_trainer
    from .oracle.operation.operation import by_autograd, check_loss, check_pullback
    from .oracle.rule.clipping import check_clipping
    from .oracle.rule.rule import check_rule
    from .oracle.rule.schedule import check_schedule
    from .problems.problem import GivenAnswer, Parameters, Problem
    from .subjects.callables import asked_by

__all__ = [
    "GivenAnswer",
    "Parameters",
    "Problem",
    "Report",
    "__version__",
    "asked_by",
    "assert_conforms",
    "by_autograd",
    "check",
    "check_clipping",
    "check_loss",
    "check_pullback",
    "check_rule",
    "check_schedule",
    "probe",
    "probe_torch",
    "probe_trainer",
]

_HOMES = {
    "__version__": "reference",
    "GivenAnswer": "conformance.problems.problem",
    "Parameters": "conformance.problems.problem",
    "Problem": "conformance.problems.problem",
    "Report": "conformance.judge.report",
    "asked_by": "conformance.subjects.callables",
    "assert_conforms": "conformance.oracle.network.oracle",
    "by_autograd": "conformance.oracle.operation.operation",
    "check": "conformance.oracle.network.oracle",
    "check_clipping": "conformance.oracle.rule.clipping",
    "check_loss": "conformance.oracle.operation.operation",
    "check_pullback": "conformance.oracle.operation.operation",
    "check_rule": "conformance.oracle.rule.rule",
    "check_schedule": "conformance.oracle.rule.schedule",
    "probe": "conformance.oracle.network.oracle",
    "probe_torch": "conformance.oracle.network.module.module",
    "probe_trainer": "conformance.oracle.network.oracle",
}
"""Where each name lives; its module, and the packages that it needs, are imported when it is first used."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with told(f"conformance.{name}"):
        return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
