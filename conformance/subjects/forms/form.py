"""A form: a function as somebody writes it, for the problems on which it is right; and programs written in many."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from reference import L1, Activation, Hinge, Loss
from reference.losses import fused

from ...bounds.admitted import kinks
from ...bounds.assumptions import KEPT
from ...problems.problem import Answer, Problem
from ...text.edits import Edit
from ..reference import reference_answer

SPECIAL = "from scipy import special"
"""The statement that imports erf, logsumexp and their kin."""

BY_TANH = "(0.5 + 0.5 * tanh(0.5 * {}))"
"""The sigmoid as XLA has it."""


def everywhere(problem: Problem) -> bool:
    """Nothing is lost at the ends of the range."""
    return True


def moderate(problem: Problem) -> bool:
    """Whether e^z, its square and their inverses are normal numbers for every z, so that none loses digits."""
    largest = max(float(abs(state.z).max()) for state in reference_answer(problem).trace)
    return largest < float(np.log(np.finfo(problem.dtype).max)) / 4


def with_digits(problem: Problem) -> bool:
    """Whether besides each logit's p and 1 - p have digits left in which their logarithms can be taken."""
    largest = float(abs(reference_answer(problem).trace[-1].z).max())
    return moderate(problem) and largest < KEPT * float(np.log(2 / np.finfo(problem.dtype).eps))


def off_kinks(problem: Problem, answer: Answer) -> bool:
    """Whether nothing in a program's own answer is at a kink, where people's slopes differ."""
    a, loss, y = answer.trace[-1].a, problem.loss, problem.y
    met = [
        (state.z == kink).any()
        for state, (_, _, sigma) in zip(answer.trace, problem.network, strict=True)
        for kink in kinks(sigma)
    ]
    return not (any(met) or (type(loss) is L1 and (a == y).any()) or (type(loss) is Hinge and (y * a == 1).any()))


class Form(NamedTuple):
    """A function as somebody writes it: which, how, by what edits; for which parameters of it, for which problems."""

    of: type[Activation] | type[Loss]
    says: str
    edits: tuple[Edit, ...]
    holds: Callable[[Any], bool]
    criterion: Callable[[Problem], bool]

    def right(self, problem: Problem) -> bool:
        """Whether it is right for a problem; one without the function is none of its business."""
        functions = [f for f in (*(layer.sigma for layer in problem.network), problem.loss) if type(f) is self.of]
        return not functions or (all(map(self.holds, functions)) and self.criterion(problem))


def form(
    of: type[Activation] | type[Loss],
    says: str,
    holds: Callable[[Any], bool] = lambda function: True,
    criterion: Callable[[Problem], bool] = everywhere,
    imports: str = "",
    **expressions: str,
) -> Form:
    """A row: the expressions by their places."""
    edits = tuple(Edit(place, expression, imports) for place, expression in expressions.items())
    return Form(of, says, edits, holds, criterion)


class Written(NamedTuple):
    """Forms of which none stands in another's place, so that one program is written with all of them."""

    forms: tuple[Form, ...]

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Of all its forms."""
        return tuple(edit for form in self.forms for edit in form.edits)

    def right(self, problem: Problem) -> bool:
        """Whether all are; where the heads are not fused, whether the chain through the probabilities is too."""
        chained = any(edit.place == "fused" for edit in self.edits) and fused(problem.network[-1].sigma, problem.loss)
        return all(form.right(problem) for form in self.forms) and (not chained or with_digits(problem))


def written(forms: Sequence[Form]) -> tuple[Written, ...]:
    """As few programs as have room for all forms, each the first with room for the next."""
    programs: list[Written] = []
    for form in forms:
        places = {edit.place for edit in form.edits}
        room = next((p for p in programs if not places & {edit.place for edit in p.edits}), Written(()))
        if room.forms:
            programs[programs.index(room)] = Written((*room.forms, form))
        else:
            programs.append(Written((form,)))
    return tuple(programs)
