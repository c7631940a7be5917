"""Mistakes: known ones that give exactly an answer's numbers, in every question that is wrong.

A mistake is the reference's text with one edit (`conformance.subjects.faults`), another function or parameter than the
one that is asked, or something done to gradients that were right.  Each is evaluated on the question itself, and named
where it fits every number of every answer that is looked at.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from reference import ACTIVATIONS, ELU, LOSSES, Activation, Layer, LeakyReLU, Loss, Softplus, loss_and_gradients
from reference.losses import REQUIRED_HEAD, TARGETS

from ...arrays import Array
from ...bounds.rounded import EPSILON
from ...judge import precision
from ...problems.problem import Parameters, Problem
from ...subjects.faults import FAULTS, Fault
from ...subjects.reference import reference_answer
from ...text.edits import planted
from ...text.labels import label
from .judging.evidence import Evidence

LOOKED_AT = 5
"""Wrong answers that a mistake has to fit, the smallest: with fewer, mistakes are confused; more tell no more."""

SLACK = 4
"""How many of its bounds a number may be off from a mistake's: a mistake may lose twice what the truth does, twice."""

OTHERS: tuple[Activation, ...] = (
    *(kind() for kind in ACTIVATIONS.values()),
    *(LeakyReLU(slope) for slope in (0.1, 0.2, 0.25, 0.3)),
    ELU(0.5),
    Softplus(threshold=float("inf")),
)
"""Activations that may stand where another should, with parameters that people take."""

EPS = 1e-8
"""What Adam and its kin add to a root, by default."""

Gradients = Sequence[Parameters[Array]]


class Mistake(NamedTuple):
    """A known mistake: its name, what is said of it, and the gradients that it gives of a problem."""

    name: str
    said: str
    gradients: Callable[[Problem], Gradients]


def fitting(wrong: Iterable[Evidence], equations: Iterable[str]) -> list[Mistake]:
    """The mistakes that fit every number of the wrong answers, best first.

    Parameters
    ----------
    wrong : iterable of Evidence
        Of wrong answers, the smallest questions first.
    equations : iterable of str
        Those that are named; only faults of one of them are tried.
    """
    answers = [_Held.of(e) for e in list(wrong)[:LOOKED_AT]]
    named = set(equations)
    return [mistake for mistake in _mistakes(answers, named) if answers and _fits_all(mistake, answers)]


@dataclass(frozen=True)
class _Held:
    """A wrong answer with the truth, the last in float64, all arrays in the order W1, b1, W2, ..."""

    problem: Problem
    got: list[Array]
    truth: list[Array]
    bound: list[Array]

    @classmethod
    def of(cls, e: Evidence) -> "_Held":
        leading = [gradient for gradient, _ in e.of.along_paths(e.of.states)][::-1]
        expected = [part for gradient in leading for part in (gradient.W, gradient.b)]
        parts = [part for layer in e.answer.gradients for part in layer]
        got = [precision.plain(part).astype(np.float64) for part in parts]
        truth = [part.mid.astype(np.float64) for part in expected]
        bound = [t.rad + precision.radius(p) for t, p in zip(expected, parts, strict=True)]
        return cls(_in_float64(e.of.problem), got, truth, bound)


def _in_float64(problem: Problem) -> Problem:
    layers = tuple(Layer(W.astype(np.float64), b.astype(np.float64), sigma) for W, b, sigma in problem.network)
    return problem._replace(network=layers, x=problem.x.astype(np.float64), y=problem.y.astype(np.float64))


def _fits_all(mistake: Mistake, answers: Sequence[_Held]) -> bool:
    """Whether the mistake gives every number of every answer, and not the truth in all of them."""
    differs = False
    for held in answers:
        try:
            with np.errstate(all="ignore"):
                given = [np.asarray(part, np.float64) for layer in mistake.gradients(held.problem) for part in layer]
        except (ValueError, IndexError, TypeError):  # it is none of this architecture
            return False
        for got, mistaken, truth, bound in zip(held.got, given, held.truth, held.bound, strict=True):
            if got.shape != mistaken.shape:
                return False
            with np.errstate(all="ignore"):
                within = SLACK * (bound + EPSILON * abs(mistaken))
                alike = (got == mistaken) | (np.isnan(got) & np.isnan(mistaken))
                fits = (abs(got - mistaken) <= within) | alike | ~np.isfinite(bound)
                differs = differs or bool((~(abs(mistaken - truth) <= within))[np.isfinite(bound)].any())
            if not fits.all():
                return False
    return differs


def _mistakes(answers: Sequence[_Held], named: set[str]) -> Iterator[Mistake]:
    if not answers:
        return
    # Gradients alone do not tell (F1) from (F2); a batch alone tells the last delta at most.
    told = named | ({"F1", "F2"} if "F" in named else set()) | ({"B1", "L1"} if "batch" in named else set())
    for fault in FAULTS:
        if fault.equations & told:
            yield _of_fault(fault)
    problem = answers[0].problem
    yield from _of_other_functions(problem)
    yield from _of_samples()
    yield from _done_to_gradients(answers)


# The text with one edit.


def _of_fault(fault: Fault) -> Mistake:
    written = "; ".join(f"({edit.place}) as {edit.expression}" for edit in fault.edits)
    said = f"Exactly these numbers come of {fault.mistake}: {written}."
    return Mistake(fault.name, said, lambda problem: reference_answer(problem, _text(fault.name)).gradients)


@cache
def _text(name: str) -> ModuleType:
    """The reference with a fault in it: the same copy whenever it is asked for."""
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    return planted(*fault.edits)


# Another function or parameter.


@dataclass(frozen=True)
class _Mixed:
    """The value of one activation and the pullback of another."""

    value: Activation
    derivative: Activation

    def apply(self, z: Any) -> Any:
        return self.value.apply(z)

    def pullback(self, z: Any, a: Any, g: Any) -> Any:
        return self.derivative.pullback(z, self.derivative.apply(z), g)


def _of_other_functions(problem: Problem) -> Iterator[Mistake]:
    for name, kind in LOSSES.items():
        if kind is not type(problem.loss) and _defined(kind(), problem):
            said = f"These are the numbers of another loss, {name} ({label(kind.value)})."
            yield Mistake(f"loss is {name}", said, _of_loss(kind()))
    of_loss = {"label_smoothing": (0.1,), "delta": (0.5, 1.0, 2.0), "beta": (0.5, 1.0, 2.0)}
    for name, values in of_loss.items():
        if name in vars(problem.loss):
            for value in values:
                changed = type(problem.loss)(**{**vars(problem.loss), name: value})
                if changed != problem.loss:
                    said = f"Right if the loss had {name}={value:g}."
                    yield Mistake(
                        f"{name} is {value:g}", said, _of_loss(changed)
                    )
    for other in OTHERS:
        named = _named(other)
        yield Mistake(
            f"hidden is {named}", f"Right if the hidden activations were {named}.",
            _of_hidden(always(other)),
        )  # fmt: skip
        yield Mistake(
            f"pullback of {named}", f"The hidden layers' derivative is that of {named}.",
            _of_hidden(mixed(other)),
        )  # fmt: skip
        if type(problem.loss) not in REQUIRED_HEAD:
            yield Mistake(
                f"output is {named}", f"Right if the last activation were {named}.",
                _of_last(always(other)),
            )  # fmt: skip
            yield Mistake(
                f"last pullback of {named}", f"The last layer's derivative is that of {named}.",
                _of_last(mixed(other)),
            )  # fmt: skip


def _defined(loss: Loss, problem: Problem) -> bool:
    """Whether the loss takes the problem's head and targets."""
    head, (low, high) = REQUIRED_HEAD.get(type(loss)), TARGETS.get(type(loss), (-np.inf, np.inf))
    fits = head is None or head is type(problem.network[-1].sigma)
    return fits and bool((problem.y >= low).all() and (problem.y <= high).all())


def _named(sigma: Activation) -> str:
    (name,) = (name for name, kind in ACTIVATIONS.items() if kind is type(sigma))
    own = {key: value for key, value in vars(sigma).items() if value != getattr(type(sigma)(), key)}
    return name + (f" with {', '.join(f'{key}={value:g}' for key, value in own.items())}" if own else "")


Given = Callable[[Problem], Gradients]


def always(other: Activation) -> Callable[[Activation], Any]:
    """Another activation, whatever stands there."""
    return lambda own: other


def mixed(other: Activation) -> Callable[[Activation], Any]:
    """The pullback of another activation beside the value of the own one."""
    return lambda own: _Mixed(own, other)


def _of_loss(loss: Loss) -> Given:
    return lambda problem: _gradients(problem._replace(loss=loss))


def _of_hidden(change: Callable[[Activation], Any]) -> Given:
    def given(problem: Problem) -> Gradients:
        hidden = tuple(layer._replace(sigma=change(layer.sigma)) for layer in problem.network[:-1])
        return _gradients(problem._replace(network=(*hidden, problem.network[-1])))

    return given


def _of_last(change: Callable[[Activation], Any]) -> Given:
    def given(problem: Problem) -> Gradients:
        *hidden, last = problem.network
        return _gradients(problem._replace(network=(*hidden, last._replace(sigma=change(last.sigma)))))

    return given


def _gradients(problem: Problem) -> Gradients:
    found = loss_and_gradients(problem.network, problem.x, problem.y, problem.loss, problem.reduction).gradients
    return [Parameters(gradient.W, gradient.b) for gradient in found]


# Samples left out or out of order.


def _of_samples() -> Iterator[Mistake]:
    parts: dict[str, tuple[str, Callable[[Array], Array]]] = {
        "last sample left out": ("the last sample is left out", lambda x: x[:-1]),
        "first sample left out": ("the first sample is left out", lambda x: x[1:]),
        "first sample only": ("only the first sample is looked at", lambda x: x[:1]),
        "last sample only": ("only the last sample is looked at", lambda x: x[-1:]),
        "every second sample": ("only every second sample is looked at", lambda x: x[::2]),
    }
    for name, (said, part) in parts.items():
        # A mean is over the samples that are looked at, or over all of them.
        yield Mistake(
            name, f"Exactly these numbers come where {said}.",
            _of_part(part),
        )  # fmt: skip
        yield Mistake(
            name, f"Exactly these numbers come where {said}.",
            _of_part(part, over_all=True),
        )  # fmt: skip
    yield Mistake(
        "targets reversed", "Exactly these numbers come where the targets are in reverse order.",
        lambda p: _gradients(p._replace(y=p.y[::-1])),
    )  # fmt: skip


def _of_part(part: Callable[[Array], Array], over_all: bool = False) -> Given:
    """The gradients of some samples; a mean is over these, or over all."""

    def given(problem: Problem) -> Gradients:
        x, y = part(problem.x), part(problem.y)
        share = len(x) / len(problem.x) if over_all and problem.reduction == "mean" else 1.0
        return [Parameters(W * share, b * share) for W, b in _gradients(problem._replace(x=x, y=y))]

    return given


# Done to right gradients.


def _done_to_gradients(answers: Sequence[_Held]) -> Iterator[Mistake]:
    largest = max(float(abs(part).max(initial=0)) for held in answers for part in held.got)
    norms = [float(np.sqrt(sum((part**2).sum() for part in held.got))) for held in answers]
    changes: dict[str, tuple[str, Callable[[Gradients], Gradients]]] = {
        "signs": ("the gradients' signs alone", _each(np.sign)),
        "absolute values": ("the gradients' absolute values", _each(abs)),
        "sizes divided out": (
            "the gradients divided by their own sizes, as Adam's first step takes them",
            _each(lambda p: p / (abs(p) + EPS)),
        ),
        "squares": ("the gradients' squares", _each(np.square)),
        "rows reversed": ("dL/dW with its units in reverse order", _each(lambda p: p[::-1], of_b=False)),
        "columns reversed": ("dL/dW with its inputs in reverse order", _each(lambda p: p[:, ::-1], of_b=False)),
        "rows shifted": ("dL/dW with its units shifted by one", _each(lambda p: np.roll(p, 1, axis=0), of_b=False)),
        "columns shifted": (
            "dL/dW with its inputs shifted by one", _each(lambda p: np.roll(p, 1, axis=1), of_b=False),
        ),
        f"clipped at {largest:.6g}": (
            f"the gradients clipped elementwise at {largest:.6g}", _each(lambda p: p.clip(-largest, largest)),
        ),
        "norm is 1": ("the gradients divided by their norm", _normed(1.0)),
        f"norm clipped at {max(norms):.6g}": (
            f"the gradients scaled down to a norm of {max(norms):.6g}, as clipping by norm does",
            _normed(max(norms), True),
        ),
        "layers reversed": ("the layers' gradients in reverse order", lambda gradients: gradients[::-1]),
    }  # fmt: skip
    for name, (said, change) in changes.items():
        yield Mistake(name, f"These are {said}.", _then(change))


def _each(change: Callable[[Array], Array], of_b: bool = True) -> Callable[[Gradients], Gradients]:
    return lambda gradients: [Parameters(change(W), change(b) if of_b else b) for W, b in gradients]


def _normed(most: float, only_above: bool = False) -> Callable[[Gradients], Gradients]:
    def change(gradients: Gradients) -> Gradients:
        norm = float(np.sqrt(sum((part**2).sum() for layer in gradients for part in layer)))
        by = 1.0 if not norm or (only_above and norm <= most) else most / norm
        return [Parameters(W * by, b * by) for W, b in gradients]

    return change


def _then(change: Callable[[Gradients], Gradients]) -> Given:
    return lambda problem: change(_gradients(problem))
