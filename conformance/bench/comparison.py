"""What others find, and whom they accuse, at their defaults: gradcheck, allclose and check_grads beside the oracle.

The same mistakes, each on a question that shows it, and the same right programs, put to each of them.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import reference
from reference import (
    ACTIVATIONS,
    LOSSES,
    Activation,
    BinaryCrossEntropy,
    CrossEntropy,
    HalfSquaredError,
    Identity,
    LeakyReLU,
    Loss,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    Softmax,
    Tanh,
)
from reference.gradients import Reduction

from ..arrays import Array
from ..judge.verdict import WRONG
from ..oracle.network.oracle import check, probe
from ..problems.problem import Architecture, GivenAnswer, Problem, fill
from ..subjects.correct import PROGRAMS, Program
from ..subjects.faults import FAULTS, Fault
from ..subjects.reference import counterpart, reference_answer
from ..subjects.twin import twin_answer
from ..text.edits import planted


class Given(NamedTuple):
    """A problem, the gradients (W1, b1, W2, ...) that somebody gives, and the text whose loss they are to be of."""

    problem: Problem
    gradients: tuple[Array, ...]
    text: ModuleType


class Scene(NamedTuple):
    """A kind of question: its name, widths after the inputs, batch, dtype, and how near the targets are."""

    name: str
    widths: tuple[int, ...]
    batch: int
    dtype: str
    near: float = 1.0


SCENES = (
    Scene("small, float64", (4, 5, 5, 3), 3, "float64"),
    Scene("the same, nearly trained: gradients of some 1e-7", (4, 5, 5, 3), 3, "float64", 2.0**-22),
    Scene("small, float32", (4, 5, 5, 3), 3, "float32"),
    Scene("64-96-80-10, 32 samples, float32", (64, 96, 80, 10), 32, "float32"),
)
"""Those on which all are asked; the last is too large for `gradcheck` and `check_grads`, which ask each parameter."""

LARGE = 1000
"""Parameters from which on nobody waits for finite differences."""


RIGHT = tuple(program for program in PROGRAMS if not program.name.startswith("as-people-write-it"))
"""The right programs that are put to all: other formulas, orders of summation and routes."""


class Kind(NamedTuple):
    """A network that may show a mistake."""

    hidden: Activation
    output: Activation
    loss: Loss
    reduction: Reduction


KINDS = (
    Kind(Tanh(), Sigmoid(), HalfSquaredError(), "mean"),
    Kind(Sigmoid(), Softmax(), CrossEntropy(), "sum"),
    Kind(ReLU(), Sigmoid(), BinaryCrossEntropy(), "mean"),
    Kind(LeakyReLU(), Identity(), MeanSquaredError(), "sum"),
    Kind(Softmax(), Softmax(), HalfSquaredError(), "sum"),
)


def _loss_of(given: Given, arrays: Sequence[Any], x: Any, y: Any) -> Any:
    """The loss by the given text, on the arrays of any library."""
    text, problem = given.text, given.problem
    pairs = zip(arrays[::2], arrays[1::2], problem.network, strict=True)
    layers = tuple(text.Layer(W, b, counterpart(of.sigma, ACTIVATIONS, text.ACTIVATIONS)) for W, b, of in pairs)
    loss = counterpart(problem.loss, LOSSES, text.LOSSES)
    return text.loss_and_gradients(layers, x, y, loss, problem.reduction).value


def checked(given: Given) -> bool:
    """Whether `conformance.check` calls them WRONG."""
    pairs = tuple(zip(given.gradients[::2], given.gradients[1::2], strict=True))
    return check(given.problem, list(pairs)).verdict == WRONG


def by_allclose(given: Given) -> bool:
    """Whether they are not `numpy.allclose` to PyTorch's, at its defaults."""
    truth = [part for layer in twin_answer(given.problem).gradients for part in layer]
    return not all(np.allclose(ours, theirs) for ours, theirs in zip(given.gradients, truth, strict=True))


def by_gradcheck(given: Given) -> bool:
    """Whether `torch.autograd.gradcheck` says at its defaults that they are not the loss's."""
    import torch

    x, y = torch.tensor(given.problem.x), torch.tensor(given.problem.y)
    gradients = [torch.tensor(gradient) for gradient in given.gradients]

    class Objective(torch.autograd.Function):
        """The loss, with the gradients that are given."""

        @staticmethod
        def forward(ctx: Any, *parameters: Any) -> Any:
            return _loss_of(given, parameters, x, y)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return tuple(g * gradient for gradient in gradients)

    parameters = [torch.tensor(part, requires_grad=True) for layer in given.problem.network for part in layer[:2]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that float32 will likely fail, as it does
        return not torch.autograd.gradcheck(Objective.apply, parameters, raise_exception=False)


def by_check_grads(given: Given) -> bool:
    """Whether `jax.test_util.check_grads` says at its defaults, in reverse mode, that they are not the loss's."""
    import jax
    from jax.test_util import check_grads

    def value(parameters: list[Any]) -> Any:
        return _loss_of(given, parameters, given.problem.x, given.problem.y)

    objective = jax.custom_vjp(value)
    objective.defvjp(
        lambda parameters: (value(parameters), None),
        lambda _, g: ([g * gradient for gradient in given.gradients],),
    )
    parameters = [part for layer in given.problem.network for part in layer[:2]]
    with jax.enable_x64(given.problem.dtype == np.float64):
        try:
            check_grads(objective, ([jax.numpy.asarray(part) for part in parameters],), order=1, modes=("rev",))
        except AssertionError:
            return True
    return False


TOOLS: dict[str, Callable[[Given], bool]] = {
    "check": checked,
    "gradcheck": by_gradcheck,
    "allclose": by_allclose,
    "check_grads": by_check_grads,
}
"""Who accuses, at their defaults: ours first."""

BY_DIFFERENCES = ("gradcheck", "check_grads")


class Row(NamedTuple):
    """What became of one kind of question: of how many each tool found the mistake, whom it accused though right.

    ``found`` and ``accused`` hold the names, by tool; None where it was not asked.
    """

    scene: str
    mistakes: tuple[str, ...]
    found: dict[str, tuple[str, ...] | None]
    right: tuple[str, ...]
    accused: dict[str, tuple[str, ...] | None]


def problem_of(scene: Scene, kind: Kind) -> Problem:
    """The question of that scene about a network of that kind; in the near one the targets are nearly the output."""
    sigmas = (*[kind.hidden] * (len(scene.widths) - 2), kind.output)
    generic = ("generic", "generic", "generic")
    of = Architecture(scene.widths, sigmas, kind.loss, kind.reduction, scene.batch, scene.dtype, generic, 3, 0.1)
    problem = fill(of)
    y = abs(problem.y) / abs(problem.y).sum(axis=1, keepdims=True)  # a distribution, which every loss takes
    if scene.near < 1:
        a = reference.forward(problem.network, problem.x)[-1].a
        y = a + scene.near * (y - a)
    return problem._replace(y=y.astype(problem.dtype))


def _gradients(problem: Problem, text: ModuleType) -> tuple[Array, ...]:
    with np.errstate(all="ignore"):  # a faulty text may overflow
        return tuple(part for layer in reference_answer(problem, text).gradients for part in layer)


def _shows(problem: Problem, gradients: Sequence[Array]) -> bool:
    """Whether they differ from the reference's by more than its own rounding can: half of the digits."""
    pairs = zip(gradients, _gradients(problem, reference), strict=True)
    within = float(np.sqrt(np.finfo(problem.dtype).eps))
    return any(not abs(ours - theirs).max() <= within * abs(theirs).max() for ours, theirs in pairs)


def mistaken(scene: Scene, faults: Sequence[Fault] = FAULTS) -> Iterator[tuple[Fault, Kind, Given]]:
    """Each mistake on the first network that shows it in its gradients; those that none shows are left out."""
    for fault in faults:
        text = planted(*fault.edits)
        for kind in KINDS:
            problem = problem_of(scene, kind)
            gradients = _gradients(problem, text)
            if _shows(problem, gradients):
                yield fault, kind, Given(problem, gradients, text)
                break


def right(scene: Scene, programs: Sequence[Program] = RIGHT) -> Iterator[tuple[Program, Given]]:
    """Each right program on the networks in turn, the first that it applies to."""
    for n, program in enumerate(programs):
        for kind in (*KINDS[n % len(KINDS) :], *KINDS[: n % len(KINDS)]):
            problem = problem_of(scene, kind)
            if program.applies(problem):
                gradients = tuple(part for layer in program.answer(problem).gradients for part in layer)
                yield program, Given(problem, gradients, reference)
                break


def measure(
    scene: Scene, faults: Sequence[Fault] = FAULTS, programs: Sequence[Program] = RIGHT,
    asked: Callable[[], object] = lambda: None,
) -> Row:  # fmt: skip
    """Put the mistakes and the right programs of a scene to all; ``asked`` is called after each."""
    wrong = [(fault.name, given) for fault, _, given in mistaken(scene, faults)]
    fine = [(program.name, given) for program, given in right(scene, programs)]

    def accused(of: list[tuple[str, Given]]) -> dict[str, tuple[str, ...] | None]:
        found: dict[str, tuple[str, ...] | None] = {}
        for name, tool in TOOLS.items():
            large = any(sum(g.size for g in given.gradients) > LARGE for _, given in of)
            found[name] = None if large and name in BY_DIFFERENCES else tuple(n for n, given in of if tool(given))
            asked()
        return found

    return Row(scene.name, tuple(n for n, _ in wrong), accused(wrong), tuple(n for n, _ in fine), accused(fine))


class Probed(NamedTuple):
    """What `probe` finds with questions of its own: of the mistakes those that it calls WRONG, and that it names."""

    mistakes: tuple[str, ...]
    found: tuple[str, ...]
    named: tuple[str, ...]


def probed(faults: Sequence[Fault] = FAULTS) -> Probed:
    """Each mistake put to `conformance.probe`, in float32, with the network that shows it declared."""
    shown = [(fault, kind) for fault, kind, _ in mistaken(SCENES[2], faults)]
    reports = {}
    for fault, kind in shown:
        ask = partial(_answer, planted(*fault.edits), kind)
        reports[fault.name] = probe(
            ask, hidden=kind.hidden, output=kind.output, loss=kind.loss, reduction=kind.reduction,
            dtype="float32", targets="distribution", name=fault.name,
        )  # fmt: skip
    return Probed(
        tuple(reports),
        tuple(name for name, report in reports.items() if report.verdict == WRONG),
        tuple(name for name, report in reports.items() if any(name in f.faults for f in report.findings)),
    )


def _answer(text: ModuleType, kind: Kind, network: Any, x: Array, y: Array) -> GivenAnswer:
    answer = reference_answer(Problem(network, x, y, kind.loss, kind.reduction, 0.1), text)
    return GivenAnswer(answer.gradients)
