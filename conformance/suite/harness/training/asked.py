"""What a trainer is asked: plain steps by every head and reduction, then each rule that it declares.

No two batches of a training have a sample in common, and most differ in size.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from reference import SGD, Rule, update_rule

from ....arrays import Array
from ....oracle.network.asking.domain import Domain
from ....oracle.network.asking.draws import drawn_question
from ....oracle.network.asking.questions import Question, Shape, question_of
from ....oracle.network.training import RATE
from ....problems.training import Training

SAMPLES = (3, 1, 4, 2, 5, 3, 2, 4)
"""Of each batch, where the trainer takes so many."""

STEPS, LONGER = 5, {"radam": 8}
"""Batches of a training: a schedule that is off shows in the second, one that waits a little in the fifth; RAdam's
rectification begins with the sixth."""

WIDTHS = (4, 7, 5)
"""Of the network by which rules are asked, where the trainer takes such widths."""

PLAIN = 16
"""Trainings by plain steps at most."""

FIRST = 2**21
"""The number of the first network that is drawn: no random question of a run has so large a one."""

VARIANTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "sgd": (
        {"momentum": 0.9},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.5, "dampening": 0.25},
        {"weight_decay": 0.01},
    ),
    "adagrad": ({}, {"lr_decay": 0.1, "weight_decay": 0.01}),
    "rmsprop": ({}, {"momentum": 0.9}, {"centered": True, "weight_decay": 0.01}),
    "adam": ({}, {"amsgrad": True, "beta2": 0.5}, {"weight_decay": 0.01}),  # so that averages of squares fall, too
    "adamw": ({},),
    "adamax": ({}, {"weight_decay": 0.01}),
    "nadam": ({}, {"weight_decay": 0.01}),
    "radam": ({}, {"weight_decay": 0.01}),
    "adadelta": ({}, {"weight_decay": 0.01}),
}
"""The parameters by which each rule is asked, besides its defaults; of sgd beside the plain one."""


def plain(domain: Domain, seed: int) -> Iterator[Training]:
    """Trainings by plain steps, by every head and reduction, the network of `WIDTHS` first."""
    count = min(len(domain.heads) * len(domain.reductions), PLAIN)
    for k in range(count):
        question = _usual(domain, seed) if k == 0 else drawn_question(domain, seed, FIRST + k)
        yield _training(domain, question, seed, k, SGD(RATE), STEPS)


def by_rules(domain: Domain, names: Sequence[str], seed: int) -> Iterator[Training]:
    """Trainings by rules of these names, each with several parameters; not by plain steps."""
    question = _usual(domain, seed)
    for name in names:
        for parameters in VARIANTS[name]:
            yield _training(domain, question, seed, PLAIN, _rule(name, parameters), LONGER.get(name, STEPS))


def is_plain(rule: Rule) -> bool:
    """Whether a rule is plain gradient descent."""
    return isinstance(rule, SGD) and rule == SGD(rule.eta)


def _rule(name: str, parameters: Mapping[str, Any]) -> Rule:
    rate = {"eta": RATE} if name == "sgd" else {}
    return update_rule(name, **rate, **parameters)


def _usual(domain: Domain, seed: int) -> Question:
    L = min(max(len(WIDTHS) - 1, domain.layers[0]), domain.layers[1])
    widths = tuple(_within(WIDTHS[l % len(WIDTHS)], domain.width) for l in range(L + 1))
    shape = Shape("", widths, _within(SAMPLES[0], domain.batch))
    return question_of(domain, shape, seed, FIRST, head=0, reduction=domain.reductions[0])


def _training(domain: Domain, question: Question, seed: int, k: int, rule: Rule, steps: int) -> Training:
    problem, widths = question.problem, question.widths
    (head,) = islice((h for h, of in enumerate(domain.heads) if of == (problem.network[-1].sigma, problem.loss)), 1)

    def batch(t: int) -> tuple[Array, Array]:
        shape = Shape("", widths, _within(SAMPLES[t], domain.batch))
        number = FIRST + (k + 1) * len(SAMPLES) + t
        drawn = question_of(domain, shape, seed, number, head=head, reduction=problem.reduction).problem
        return drawn.x, drawn.y

    return Training(problem.network, tuple(map(batch, range(steps))), problem.loss, problem.reduction, rule)


def _within(n: int, limits: tuple[int, int]) -> int:
    return min(max(n, limits[0]), limits[1])
