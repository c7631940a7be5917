"""Functions: the numbers are right, of another loss, activation or parameter than the one that is asked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np

from reference import ACTIVATIONS, LOSSES, Activation, Loss, Sigmoid, Softplus
from reference.losses import REQUIRED_HEAD, TARGETS

from ....problems.problem import Problem
from ....text.labels import label
from .mistake import Given, Gradients, Mistake, gradients_of

VALUES: dict[str, tuple[float, ...]] = {
    "negative_slope": (0.001, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 1 / 3),
    "alpha": (0.1, 0.2, 0.5, 1.0, 1.5, 2.0),
    "beta": (0.5, 1.0, 2.0, 5.0, 10.0),
    "threshold": (float("inf"), 1.0, 5.0, 10.0, 20.0),
    "lambd": (0.1, 0.25, 0.3, 0.5, 1.0),
    "min_val": (-2.0, -1.0, -0.5, 0.0),
    "max_val": (0.5, 1.0, 2.0, 6.0),
    "label_smoothing": (0.0, 0.05, 0.1, 0.2),
    "delta": (0.1, 0.5, 1.0, 1.345, 2.0),
}
"""Parameters of activations and losses that people take."""

Change = Callable[[Activation], Any]


@dataclass(frozen=True)
class _Mixed:
    """The value of one activation and the pullback of another."""

    value: Activation
    derivative: Activation

    def apply(self, z: Any) -> Any:
        return self.value.apply(z)

    def pullback(self, z: Any, a: Any, g: Any) -> Any:
        return self.derivative.pullback(z, self.derivative.apply(z), g)


def functions(problem: Problem) -> Iterator[Mistake]:
    """Those that are tried for a problem."""
    yield from _losses(problem)
    hidden = list(dict.fromkeys(layer.sigma for layer in problem.network[:-1]))
    yield from _activations(hidden, "hidden", "hidden activations", "hidden layers' derivative", _of_hidden)
    if type(problem.loss) not in REQUIRED_HEAD:
        last = [problem.network[-1].sigma]
        yield from _activations(last, "output", "last activation", "last layer's derivative", _of_last)


def _losses(problem: Problem) -> Iterator[Mistake]:
    for name, kind in LOSSES.items():
        if kind is not type(problem.loss) and _defined(kind(), problem):
            said = f"These are the numbers of another loss, {name} ({label(kind.value)})."
            yield Mistake(f"loss is {name}", said, _of_loss(kind()))
    for name, changed in _changed(problem.loss):
        value = getattr(changed, name)
        yield Mistake(f"{name} is {value:g}", f"Right if the loss had {name}={value:g}.", _of_loss(changed))


def _activations(
    own: list[Activation], name: str, said: str, derivative: str, of: Callable[[Change], Given]
) -> Iterator[Mistake]:
    last = "last " if name == "output" else ""
    for kind in ACTIVATIONS.values():
        other, known = kind(), _named(kind())
        yield Mistake(f"{name} is {known}", f"Right if the {said} were {known}.", of(_always(other)))
        if kind is Softplus and own == [Sigmoid()]:  # whose derivative is a
            yield Mistake(
                f"{last}1 - a missing", f"The {derivative} lacks the factor 1 - a: a stands for a (1 - a).",
                of(_mixed(other)),
            )  # fmt: skip
            continue
        yield Mistake(
            f"{last}pullback of {known}", f"The {derivative} is that of {known}.", of(_mixed(other)),
        )  # fmt: skip
    for sigma in own:
        for _, changed in _changed(sigma):
            known = _named(changed)
            yield Mistake(f"{name} is {known}", f"Right if the {said} were {known}.", of(_instead(changed)))
            yield Mistake(
                f"{last}pullback of {known}", f"The {derivative} is that of {known}.",
                of(_mixed(changed, own_kind=True)),
            )  # fmt: skip


def _always(other: Activation) -> Change:
    return lambda own: other


def _instead(other: Activation) -> Change:
    return lambda own: other if type(own) is type(other) else own


def _mixed(other: Activation, own_kind: bool = False) -> Change:
    """The pullback of another activation beside the value of the own one, perhaps of its kind alone."""
    return lambda own: _Mixed(own, other) if type(own) is type(other) or not own_kind else own


def _changed(own: Any) -> Iterator[tuple[str, Any]]:
    """The same activation or loss with another value of one parameter."""
    for name in (field.name for field in fields(own)) if is_dataclass(own) else ():
        for value in VALUES.get(name, ()):
            if value != getattr(own, name):
                try:
                    yield name, replace(own, **{name: value})
                except ValueError:  # a least value that is above the largest
                    continue


def _defined(loss: Loss, problem: Problem) -> bool:
    """Whether the loss takes the problem's head and targets."""
    head, (low, high) = REQUIRED_HEAD.get(type(loss)), TARGETS.get(type(loss), (-np.inf, np.inf))
    fits = head is None or head is type(problem.network[-1].sigma)
    return fits and bool((problem.y >= low).all() and (problem.y <= high).all())


def _named(sigma: Activation) -> str:
    (name,) = (name for name, kind in ACTIVATIONS.items() if kind is type(sigma))
    own = {key: value for key, value in vars(sigma).items() if value != getattr(type(sigma)(), key)}
    return name + (f" with {', '.join(f'{key}={value:g}' for key, value in own.items())}" if own else "")


def _of_loss(loss: Loss) -> Given:
    return lambda problem: gradients_of(problem._replace(loss=loss))


def _of_hidden(change: Change) -> Given:
    def given(problem: Problem) -> Gradients:
        hidden = tuple(layer._replace(sigma=change(layer.sigma)) for layer in problem.network[:-1])
        return gradients_of(problem._replace(network=(*hidden, problem.network[-1])))

    return given


def _of_last(change: Change) -> Given:
    def given(problem: Problem) -> Gradients:
        *hidden, last = problem.network
        return gradients_of(problem._replace(network=(*hidden, last._replace(sigma=change(last.sigma)))))

    return given
