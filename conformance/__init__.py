"""The conformance suite: whether an implementation of backpropagation is within its rounding bounds.

`probe` asks a function, `probe_trainer` one that returns weights only, `probe_torch` a PyTorch module; `check` judges a
given answer to a given problem; `check_pullback` and `check_loss` judge one operation alone.  All return a `Report`.
"""

from .module import probe_torch
from .operation import by_autograd, check_loss, check_pullback
from .oracle import assert_conforms, check, probe, probe_trainer
from .problem import Parameters, Problem
from .verdict import Report
from .wire import GivenAnswer

__all__ = [
    "GivenAnswer",
    "Parameters",
    "Problem",
    "Report",
    "assert_conforms",
    "by_autograd",
    "check",
    "check_loss",
    "check_pullback",
    "probe",
    "probe_torch",
    "probe_trainer",
]
