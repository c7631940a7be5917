"""Right programs by other routes: whoever judges must never accuse one of them.

Each answers problems in the problem's own dtype: by another formula (`conformance.subjects.formulas`), in the forms
that people write (`conformance.subjects.forms`) or on a route of its own (`conformance.subjects.routes`).  Some are
right on paper and fail at the ends of the range; such a program says by a criterion of its own which problems it
``applies`` to.
"""

import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..problems.problem import Answer, Problem
from .forms.activations import ACTIVATIONS
from .forms.form import Written, moderate, off_kinks, written
from .forms.losses import LOSSES
from .formulas import FUNCTIONS, SUMS, Formula, edited
from .routes import (
    by_complex_step,
    by_tangents,
    complex_step,
    divided_at_the_end,
    finite,
    forward_mode,
    in_columns,
    in_wider_registers,
    off_the_kink_of_l1,
    sample_by_sample,
    wider_has_erfc,
)
from .twin import text_answer, twin_answer


class Program(NamedTuple):
    """A right program: its name, its answer to a problem, what it is.

    ``recursive`` programs hand delta^l down from layer to layer, as documented.  The others may break the bound of
    one equation alone, (B2), (B3) or (B4), but no bound that is carried along all paths.
    """

    name: str
    answer: Callable[[Problem], Answer]
    route: str
    recursive: bool = True
    applies: Callable[[Problem], bool] = lambda problem: True


MODERATE = ("unshifted-softmax", "log-of-softmax", "chain-through-the-head")
"""Formulas that are right for problems that are `moderate`."""


def _program(formula: Formula) -> Program:
    answer = edited(*formula.edits)
    is_finite = finite(answer)

    def applies(problem: Problem) -> bool:
        return (formula.name not in MODERATE or moderate(problem)) and is_finite(problem)

    return Program(formula.name, answer, formula.route, applies=applies)


def _written(number: int, program: Written) -> Program:
    answer = edited(*program.edits)
    is_finite = finite(answer)
    return Program(
        f"as-people-write-it-{number}",
        answer,
        "; ".join(f"{form.of.__name__}: {form.says}" for form in program.forms),
        applies=lambda problem: program.right(problem) and is_finite(problem) and off_kinks(problem, answer(problem)),
    )


def by_autograd(problem: Problem) -> bool:
    """No l1 at its kink, and nothing that overflows on the way."""
    return off_the_kink_of_l1(problem) and finite(text_answer)(problem)


PROGRAMS = (
    *map(_program, SUMS),
    Program("in-columns", in_columns, "samples in columns, Fortran order"),
    Program("in-wider-registers", in_wider_registers, "all in the wider format", applies=wider_has_erfc),
    Program("divided-at-the-end", divided_at_the_end, "1/B in the gradients and in the rate, at the end"),
    Program("sample-by-sample", sample_by_sample, "single samples, added up"),
    *map(_program, FUNCTIONS),
    *(_written(number, program) for number, program in enumerate(written((*ACTIVATIONS, *LOSSES)), start=1)),
    Program("twin", twin_answer, "PyTorch's autograd"),
    Program("twin-sample-by-sample", lambda problem: sample_by_sample(problem, twin_answer), "PyTorch, added up"),
    Program("autograd-through-the-text", text_answer, "PyTorch's autograd through the text", applies=by_autograd),
    Program("forward-mode", forward_mode, "tangents go forward", recursive=False, applies=by_tangents),
    Program("complex-step", complex_step, "Im L(w + ih) / h", recursive=False, applies=by_complex_step),
)
"""The right programs, each by another route."""

BY_NUMBERS = ("loops", "backwards", "pairwise", "compensated", "shuffled", "fused-multiply-add", "sample-by-sample")
"""Programs that take a step of Python for each product or sample."""

FEW = 2**11
"""Products in a forward pass up to which those are asked."""


def another(problem: Problem) -> Program | None:
    """One of the programs that apply, told by the problem's own numbers, so that each has its turn."""
    products = len(problem.x) * sum(W.size for W, _, _ in problem.network)
    programs = [program for program in PROGRAMS if products <= FEW or program.name not in BY_NUMBERS]
    start = zlib.crc32(b"".join((problem.x.tobytes(), problem.network[0].W.tobytes()))) % len(programs)
    with np.errstate(all="ignore"):
        return next((p for p in (*programs[start:], *programs[:start]) if p.applies(problem)), None)
