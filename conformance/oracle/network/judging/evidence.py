"""Evidence: what speaks for and against an answer, by what may accuse and by what only names.

Two bounds look at every answer.  The one carried from x along all paths is broken by no right program, whatever its
arrangement: what is beyond it is WRONG.  Each equation alone, on the subject's own numbers, is narrow at any depth:
where all hold, the whole answer is a legitimate evaluation and nothing more need be asked; where one does not, it names
the equation, but a right program of another arrangement breaks it too.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ....arrays import Array
from ....bounds.admitted import loss_label
from ....bounds.lifted import Lifted
from ....bounds.rounded import Rounded
from ....judge import precision
from ....judge.judgement import Judgement, compare, known
from ....problems.problem import GivenAnswer
from .reading import Reading, biased, detection, explanation, from_trace, from_x


class Evidence(NamedTuple):
    """What was found about one answer.

    ``accused`` are judgements by bounds that no right program breaks, none where ``alone`` leaves nothing open;
    ``alone`` is the reading of each equation on the answer's own numbers, None for a batch without a trace.
    """

    of: Lifted
    answer: GivenAnswer
    accused: tuple[Judgement, ...]
    alone: Reading | None

    @property
    def wrong(self) -> bool:
        """Whether a number is beyond a bound that no right program breaks."""
        return any(j.wrong for j in self.accused)

    @property
    def doubtful(self) -> bool:
        """Whether an equation alone speaks against an answer that nothing else does."""
        return not self.wrong and self.alone is not None and bool(self.alone.violated)

    def explained(self) -> Reading | None:
        """The reading that explains what is wrong, if one does."""
        return explanation(self.of, self.answer, self.accused)

    @property
    def counted(self) -> tuple[Judgement, ...]:
        """The judgements that count of an answer that is not wrong: the narrower ones where they leave nothing open."""
        if self.alone is None or self.doubtful:
            return self.accused
        return tuple(j for j in self.alone.judgements if j.equation in ("B3", "B4") or j.undecided < j.elements)


def evidence(of: Lifted, answer: GivenAnswer) -> Evidence:
    """Judge an answer, in the shapes of its problem, by both bounds."""
    alone, finite = detection(of, answer), _all_finite(answer)
    if alone is not None and not alone.violated and finite:
        return Evidence(Lifted(of.problem, of.conventions, of.narrower), answer, (), alone)
    accused = (*from_trace(of, answer), *from_x(of, answer))
    if not finite:
        seen = {(j.equation, j.layer) for j in accused if j.wrong}
        accused += tuple(j for j in _not_numbers(of, answer) if (j.equation, j.layer) not in seen)
    # Many answers are held at once, and few looked at again: the problem is handed on as small as it was.
    return Evidence(Lifted(of.problem, of.conventions, of.narrower), answer, accused, alone)


def equations_of(of: Lifted, answer: GivenAnswer) -> tuple[tuple[str, int], ...]:
    """The equations and layers of which an answer of its kind can show something."""
    L = len(of.problem.network)
    keys = {(equation, l) for l in range(1, L + 1) for equation in ("B3", "B4", "B1" if l == L else "B2")}
    keys |= {(equation, l) for l in range(1, L + 1) for equation in ("F1", "F2")} if answer.trace else set()
    if not biased(answer):
        keys -= {("B4", l) for l in range(1, L + 1)}
    elif not answer.trace:
        keys |= {("F", l) for l in range(1, L)}
    if answer.output is not None:
        keys.add(("F2", L))
    if answer.loss is not None:
        keys.add((loss_label(of.problem), L))
    if answer.input_gradient is not None:
        keys.add(("B2", 0))
    return tuple(sorted(keys))


def _all_finite(answer: GivenAnswer) -> bool:
    gradients = [part for layer in answer.gradients for part in layer]
    traced = [part for layer in answer.trace or () for part in layer]
    parts = [*gradients, *traced, answer.loss, answer.output, answer.input_gradient]
    return all(np.isfinite(precision.plain(part)).all() for part in parts if part is not None)


def _not_numbers(of: Lifted, answer: GivenAnswer) -> Iterator[Judgement]:
    """Judge NaN and infinity where the truth, and all that leads to it, is representable by far.

    The bound that is carried from x may be infinite there, and one made of the answer's own numbers may be NaN.
    """
    states = [(_certain(z), _certain(a)) for z, a in of.states]
    for l, (gradient, _) in zip(range(len(states), 0, -1), of.along_paths(states), strict=True):
        for equation, expected, got in zip(
            ("B3", "B4"), (gradient.W, gradient.b), answer.gradients[l - 1], strict=True
        ):
            if known(got):
                yield from _missing(equation, l, precision.plain(got), expected)


def _missing(equation: str, layer: int, got: Array, expected: Rounded) -> Iterator[Judgement]:
    format = expected.format
    bad = ~np.isfinite(got) & np.isfinite(expected.rad)
    if bad.any():
        with np.errstate(all="ignore"):
            known = np.where(bad, got, expected.mid.astype(format.dtype)).astype(format.dtype)
        j = compare(equation, layer, known, expected)
        yield j._replace(undecided=j.elements - j.wrong)


def _certain(x: Rounded) -> Rounded:
    return Rounded(x.mid, np.zeros(x.shape), x.format)
