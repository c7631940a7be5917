"""Steps in a row: what a trainer keeps from one batch to the next shows in the second.

Momentum, a rate that decays and gradients of an earlier batch that nobody asked for leave the first step as it should
be.  So some steps are taken one after the other, each from the weights that the trainer returned, with other samples,
and each step's gradient is judged at the weights from which it was taken.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from reference import Layer

from ...arrays import Array, Network
from ...bounds.lifted import lifted
from ...judge import precision
from ...judge.judgement import Judgement
from ...judge.report import Finding, digits_apart, found
from ...judge.verdict import WRONG
from ...problems.problem import GivenAnswer, Parameters, Problem
from ...problems.wire import Malformed, Refused
from ...subjects.callables import Ask, Ended
from ...subjects.shapes.objective import documented
from ...subjects.shapes.style import Style
from ...subjects.shapes.taken import unknown
from ..explaining.factors import factor
from .asking.domain import Domain
from .asking.questions import Question, questions
from .judging.evidence import Evidence, evidence
from .naming.mistake import SLACK, gradients_of, in_float64
from .naming.steps import Shown, fitting, flat, sizes

STEPS = 5
"""Steps that are taken in a row: a schedule off by one shows in the second, one that waits a little in the fifth."""

RATE = 2.0**-3
"""The learning rate of these steps: the weights stay moderate, and a power of two divides them exactly."""

NEAR = 2.0**-10
"""How near a factor is to one that people take, relatively: 0.95 and 0.99, the nearest two, are 40 times as far."""

RATES = (2.0**-3, 2.0**-6)
"""The two learning rates of which a plain step is to show one gradient."""

Trained = Callable[[Problem, float], Network]
"""A trainer: from a problem and a learning rate to the network after one step; raises where it does not take them."""


class Step(NamedTuple):
    """A step in a row: what it was asked, the gradients that it implies, and what was found about them."""

    problem: Problem
    gradients: tuple[Parameters[Any], ...]
    evidence: Evidence


def by_steps(train: Trained, style: Style) -> Ask:
    """A trainer as a subject that answers with the gradients behind one step, by the first rate that it takes."""

    def ask(problem: Problem) -> GivenAnswer:
        refusal: Exception | None = None
        for exponent in LARGE_RATES:
            try:
                return inferred(problem, train(problem, 2.0**exponent), 2.0**exponent, style)
            except (NotImplementedError, Malformed, Ended):  # which are no matter of the rate
                raise
            except Exception as error:  # whatever it says of a rate that is too large for it
                if isinstance(error, Refused) and error.kind == "unsupported":
                    raise
                refusal = error
        raise refusal or ValueError("no learning rate was taken")

    return ask


LARGE_RATES = (40, 20, 0)
"""Powers of two that a trainer is given as its learning rate, until it takes one."""


def inferred(problem: Problem, after: Network, eta: float, style: Style) -> GivenAnswer:
    """The gradients behind one plain step, with the roundings of the product and the difference in their radii.

    What the style says that the objective adds to the loss is taken off; of biases that there are none of nothing is
    known.
    """
    gradients = []
    for p, q in zip(problem.network, after, strict=True):
        b = precision.from_step(p.b, q.b, eta) if style.biased else unknown(len(p.b), problem.dtype)
        gradients.append(Parameters(precision.from_step(p.W, q.W, eta), b))
    return documented(GivenAnswer(tuple(gradients)), problem, style)


def not_in_proportion(train: Trained, domain: Domain, seed: int) -> list[Finding]:
    """A finding where two rates show two gradients: then the step is no plain step of gradient descent.

    Parameters
    ----------
    train : function
    domain : Domain
    seed : int
    """
    problem = several(domain, seed).problem
    try:
        larger, smaller, again = (_shown(train, problem, eta, domain) for eta in (*RATES, RATES[0]))
    except Exception:  # what it cannot take at all is found by the questions
        return []
    if not (abs(again.got - larger.got) <= again.within).all():
        return []  # what is kept is found by the questions
    bound = larger.within + smaller.within
    with np.errstate(all="ignore"):
        beyond = abs(larger.got - smaller.got) - bound
    at = int(np.nanargmax(np.where(np.isfinite(bound), beyond, -np.inf)))
    if not beyond[at] > 0:
        return []
    kind = fitting((larger, smaller))
    numbers = float(larger.got[at]), float(smaller.got[at]), float(bound[at])
    said = (
        f"(U1) The step is not in proportion to the rate: with eta = {RATES[0]:g} it shows a gradient of "
        f"{numbers[0]:.9g} where with eta = {RATES[1]:g} it shows {numbers[1]:.9g}, more than {numbers[2]:.1g} apart.  "
        "So it is no plain step of gradient descent."
        + (f"  Exactly these numbers come where {kind.said}." if kind else "")
    )
    return [Finding(WRONG, "ordinary", "U1", 0, (), *numbers, said, (kind.name,) if kind else ())]


def _shown(train: Trained, problem: Problem, eta: float, domain: Domain) -> Shown:
    """A step that is taken, with what it shows."""
    got, rad = _flat(inferred(problem, train(problem, eta), eta, domain.style).gradients)
    of = lifted(problem, domain.conventions)
    leading = [(gradient.W.rad, gradient.b.rad) for gradient, _ in of.along_paths(of.states)]
    return Shown(problem, eta, got, rad + np.concatenate([part.ravel() for pair in leading[::-1] for part in pair]))


def several(domain: Domain, seed: int) -> Question:
    """The first ordinary question with several samples."""
    asked = [q for q in questions(domain, seed) if q.kind == "ordinary" and q.again is None and not q.layout]
    return next((q for q in asked if len(q.problem.x) > 1 and len(q.widths) > 2), asked[0])


def steps_in_a_row(train: Trained, domain: Domain, seed: int) -> tuple[list[Finding], list[Judgement]]:
    """What a trainer keeps from step to step: a finding about the first step that shows it, and all judgements.

    Parameters
    ----------
    train : function
    domain : Domain
    seed : int
    """
    try:
        taken = until_wrong(_taken(train, several(domain, seed), domain, seed))
    except Exception:  # what it cannot take at all is found by the questions
        return [], []
    return kept(taken, "Of steps in a row, each from the weights that the one before returned,")


def until_wrong(steps: Iterable[Step]) -> list[Step]:
    """The steps up to the first that is wrong otherwise than the very first."""
    taken: list[Step] = []
    for step in steps:
        taken.append(step)
        if step.evidence.wrong and not _like_first(taken):
            break
    return taken


def kept(taken: Sequence[Step], of_what: str) -> tuple[list[Finding], list[Judgement]]:
    """What is kept from step to step, as `until_wrong` gives them: a finding, and all judgements.

    Parameters
    ----------
    taken : sequence of Step
    of_what : str
        Which steps they are, as a sentence begins.
    """
    if not taken:
        return [], []
    if taken[0].evidence.wrong and len(taken) == 1:  # a first step that is wrong is no matter of what is kept
        return _of_sizes(taken[0]), []
    judged = [j for step in taken for j in judgements_of(step)]
    if not taken[-1].evidence.wrong or _like_first(taken):
        return [], [] if taken[0].evidence.wrong else judged
    if taken[0].evidence.wrong and not list(_fitting(taken)):
        return [], []
    return [_finding(taken, of_what)], judged


def judgements_of(step: Step) -> list[Judgement]:
    """The judgements of a step, as those of (U1) and (U2)."""
    of = step.evidence
    counted = of.accused if of.wrong else of.counted
    return [j._replace(equation=UPDATED[j.equation]) for j in counted if j.equation in UPDATED]


UPDATED = {"B3": "U1", "B4": "U2"}
"""The equations of a step, by those of the gradients that it shows."""


def no_plain_step(step: Step) -> Finding:
    """A finding about a step that is wrong, with what explains it without any step before."""
    j = max((j for j in step.evidence.accused if j.wrong), key=lambda j: j.margin)
    label, fitting = UPDATED.get(j.equation, "U1"), list(_combined(step, _alone(step), 0.0))[:1]
    said = (
        f"({label}) The step is no plain step of gradient descent: layer {j.layer}, {j.wrong:,} of {j.elements:,} "
        f"elements; at {list(j.element)} the gradient behind it is {j.got:.9g}, expected {j.expected:.9g} within "
        f"{j.bound:.1g}."
    )
    said += "".join(f"  {sentence}" for _, sentence in fitting)
    return found("ordinary", j._replace(equation=label), said, tuple(name for name, _ in fitting))


def _like_first(taken: Sequence[Step]) -> bool:
    """Whether the last step is the truth by the same factor as the first: that is a mistake, and nothing kept."""
    first, last = _multiple(taken[0]), _multiple(taken[-1])
    return bool(first) and abs(last / first - 1) < NEAR


def _multiple(step: Step) -> float:
    """The number by which all gradients of a wrong step are the truth, 1 where it is right; or 0."""
    if not step.evidence.wrong:
        return 1.0
    got, bound = _flat(step.gradients)
    truth, radius = _expected(step.evidence)
    with np.errstate(all="ignore"):
        r = float((got * truth).sum() / (truth * truth).sum())
        fits = bool((abs(got - r * truth) <= 2 * (1 + abs(r)) * (bound + radius)).all())
    return r if fits else 0.0


def _of_sizes(step: Step) -> list[Finding]:
    """A finding where the steps of a first batch have one size, whatever the gradients are."""
    got, bound = _flat(step.gradients)
    _, radius = _expected(step.evidence)
    found_sizes = sizes(Shown(step.problem, RATE, got, bound + radius))
    if not found_sizes:
        return []
    names, what = found_sizes
    j = max((j for j in step.evidence.accused if j.wrong), key=lambda j: j.margin)
    said = (
        f"(U1) It is no plain step of gradient descent: {what}; in layer {j.layer} at {list(j.element)} the gradient "
        f"behind it is {j.got:.9g}, expected {j.expected:.9g} within {j.bound:.1g}."
    )
    return [found("ordinary", j._replace(equation="U1"), said, names)]


def _taken(train: Trained, question: Question, domain: Domain, seed: int) -> Iterator[Step]:
    rng, problem = np.random.default_rng((seed, STEPS)), question.problem
    for _ in range(STEPS):
        after = train(problem, RATE)
        yield step_of(problem, after, RATE, domain)
        # Other samples of the same kind: the rows in another order, x with other signs.
        order = rng.permutation(len(problem.x))
        signs = rng.choice((-1, 1), problem.x.shape).astype(problem.dtype)
        network = tuple(Layer(W, b, layer.sigma) for (W, b, _), layer in zip(after, problem.network, strict=True))
        problem = problem._replace(network=network, x=problem.x * signs, y=problem.y[order])


def step_of(problem: Problem, after: Network, eta: float, domain: Domain) -> Step:
    """A step that was taken, with what is found about the gradients that it implies."""
    answer = inferred(problem, after, eta, domain.style)
    return Step(problem, answer.gradients, evidence(lifted(problem, domain.conventions), answer))


def _finding(taken: Sequence[Step], of_what: str) -> Finding:
    j = max((j for j in taken[-1].evidence.accused if j.wrong), key=lambda j: j.margin)
    label, fitting = UPDATED.get(j.equation, "U1"), list(_fitting(taken))[:1]
    first = "is" if len(taken) == 2 else f"{len(taken) - 1} are"
    r = _multiple(taken[0])
    right = f"right but for a factor of {digits_apart(r, 4)}" if taken[0].evidence.wrong else "right"
    said = (
        f"({label}) {of_what} the first {first} {right} and the next is not: layer {j.layer}, {j.wrong:,} of "
        f"{j.elements:,} elements; at {list(j.element)} the gradient behind it is {j.got:.9g}, expected "
        f"{j.expected:.9g} within {j.bound:.1g}.  "
        + (fitting[0][1] if fitting else "Something is kept from one step to the next.")
    )
    return found("ordinary", j._replace(equation=label), said, tuple(name for name, _ in fitting))


def _fitting(taken: Sequence[Step]) -> Iterator[tuple[str, str]]:
    """What explains the step that is wrong, by the steps before it: a name and a sentence each."""
    last, before = taken[-1], taken[-2]
    got, bound = _flat(last.gradients)
    earlier, earlier_radius = _expected(before.evidence)
    bound = bound + _expected(last.evidence)[1]
    for n, step in enumerate(taken[:-1], start=1):
        again = flat(gradients_of(in_float64(last.problem._replace(x=step.problem.x, y=step.problem.y))))
        if (abs(got - again) <= SLACK * bound).all() or (abs(got - _flat(step.gradients)[0]) <= bound).all():
            yield "an earlier batch", f"It is the gradient of the samples of step {n}: this batch was not looked at."
    truth = _expected(last.evidence)[0]
    bases = (
        *_bases(last),
        ("momentum", (truth, earlier),
         "It is {0} times the gradient plus {1} times that of the step before, as momentum adds."),
        ("momentum", (truth, np.sum([_expected(step.evidence)[0] for step in taken[:-1]], axis=0)),
         "It is {0} times the gradient plus {1} times the sum of all before it: they are added up."),
        ("momentum", (truth, *(_expected(step.evidence)[0] for step in reversed(taken[:-1]))),
         "It is {0} times the gradient plus {1} times that of the step before, and so on, as momentum adds."),
    )  # fmt: skip
    yield from _combined(last, bases, earlier_radius)


Basis = tuple[str, tuple[Array, ...], str]
"""A name, what is added up with a factor each, and a sentence for the factors."""


def _alone(step: Step) -> tuple[Basis, ...]:
    """Likewise, of a first step, of which nobody can say that its rate changes."""
    (_, truth, _), *rest = _bases(step)
    return (("multiple", truth, "It is {0} times the gradient."), *rest)


def _bases(step: Step) -> tuple[Basis, ...]:
    """What may be added up without any step before."""
    truth = _expected(step.evidence)[0]
    return (
        ("rate changes", (truth,), "It is {0} times the gradient: the rate changes from step to step."),
        ("weight decay", (truth, _weights(step.problem, 1)),
         "It is {0} times the gradient plus {1} times the weights."),
        ("weight decay", (truth, _weights(step.problem, 0)),
         "It is {0} times the gradient plus {1} times the weights, not the biases."),
    )  # fmt: skip


def _combined(step: Step, bases: Iterable[Basis], besides: Array | float) -> Iterator[tuple[str, str]]:
    """The names and sentences of what adds up to a step's gradients; ``besides`` is what else they may be off by."""
    got, bound = _flat(step.gradients)
    bound = bound + _expected(step.evidence)[1]
    for name, basis, sentence in bases if np.isfinite(got).all() else ():
        factors, *_ = np.linalg.lstsq(np.stack(basis, axis=1), got, rcond=None)
        with np.errstate(all="ignore"):
            off = abs(got - np.stack(basis, axis=1) @ factors)
            fits = (off <= 2 * (1 + abs(factors).sum()) * (bound + besides)).all()
        if fits and np.isfinite(factors).all() and len(got) > 2 * len(basis):
            numbers = [factor(float(r), KNOWN, NEAR) or digits_apart(float(r), 4) for r in factors]
            numbers = ["1" if abs(float(r) - 1) < NEAR else n for r, n in zip(factors, numbers, strict=True)]
            yield name, sentence.format(*numbers).replace("is 1 times the gradient plus", "is the gradient plus")


KNOWN = tuple((n / 100, f"{n / 100:g}") for n in (10, 50, 81, 90, 95, 99, 190))
"""Factors that people take."""


def _flat(gradients: Sequence[Parameters[Any]]) -> tuple[Array, Array]:
    parts = [part for layer in gradients for part in layer]
    mids = [np.asarray(precision.plain(part), np.float64).ravel() for part in parts]
    return np.concatenate(mids), np.concatenate([part.rad.ravel() for part in parts])


def _expected(e: Evidence) -> tuple[Array, Array]:
    """The truth of all gradients, and its radius, in the order of the layers."""
    leading = [(gradient.W, gradient.b) for gradient, _ in e.of.along_paths(e.of.states)]
    parts = [part for layer in reversed(leading) for part in layer]
    mids = [part.mid.astype(np.float64).ravel() for part in parts]
    return np.concatenate(mids), np.concatenate([part.rad.ravel() for part in parts])


def _weights(problem: Problem, of_biases: float) -> Array:
    """All parameters, the biases times a number."""
    return np.concatenate([p.astype(np.float64).ravel() for W, b, _ in problem.network for p in (W, of_biases * b)])


UPDATES = ("signs", "sizes divided out", "norm is 1", "norm clipped", "clipped")
"""Names, or their beginnings, of what a step does to right gradients."""


def of_updates(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings about a trainer: what a step does to right gradients is the update's, and explains the rest."""
    if findings and any(fault.startswith(UPDATES) for fault in findings[0].faults):
        first = findings[0]
        said = (
            f"(U1) It is no plain step of gradient descent: what it shows fits {' or '.join(first.faults)}; in layer "
            f"{first.layer} at {list(first.element)} {first.got:.9g} where the gradient is {first.expected:.9g}."
        )
        return (first._replace(equation="U1", explanation=said),)
    return tuple(findings)
