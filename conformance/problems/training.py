"""A training: batches of which each is one update by a rule, as the request ``train`` of the protocol."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from reference import SGD, UPDATES, Loss, Rule, update_rule
from reference.gradients import Reduction

from ..arrays import Array, Network
from . import files, messages
from .problem import Problem
from .wire import Malformed, parse_problem, problem_json


class Training(NamedTuple):
    """A network, batches x (B, n_0) with targets y (B, n_L), a loss, and the rule of which each batch is a step."""

    network: Network
    batches: tuple[tuple[Array, Array], ...]
    loss: Loss
    reduction: Reduction
    rule: Rule

    @property
    def dtype(self) -> np.dtype[Any]:
        """The format in which the subject is to compute."""
        dtype: np.dtype[Any] = self.batches[0][0].dtype
        return dtype

    def prefix(self, count: int) -> "Training":
        """With so many of the batches, the first ones."""
        return self._replace(batches=self.batches[:count])

    def problem(self, step: int, network: Network) -> Problem:
        """The problem whose gradients a step takes, counted from 0, from the network that was there before it."""
        return Problem(network, *self.batches[step], self.loss, self.reduction, self.rule.eta)


def one_step(problem: Problem, eta: float) -> Training:
    """The training by one plain step of gradient descent."""
    return Training(problem.network, ((problem.x, problem.y),), problem.loss, problem.reduction, SGD(eta))


def said(rule: Rule) -> str:
    """A rule in words: its name, and the parameters that are not its defaults, but for the learning rate."""
    of: Any = rule
    given = {field.name: getattr(rule, field.name) for field in fields(of) if field.name != "eta"}
    defaults = {field.name: field.default for field in fields(of)}
    rest = ", ".join(f"{name}={value}" for name, value in given.items() if value != defaults[name])
    return f"{name_of(rule)} with {rest}" if rest else name_of(rule)


def name_of(rule: Rule) -> str:
    """A rule's name in EQUATIONS.md."""
    (name,) = (name for name, kind in UPDATES.items() if kind is type(rule))
    return name


def _parameters(rule: Rule) -> dict[str, Any]:
    """The rule's parameters; one that is 0 or false is left out."""
    of: Any = rule
    given = {field.name: getattr(rule, field.name) for field in fields(of)}
    return {name: value if isinstance(value, bool) else float(value) for name, value in given.items() if value}


def training_json(training: Training, id: int = 1) -> str:
    """A training as one line, the request ``train``; raises as `conformance.problems.wire.problem_json`."""
    requests = [json.loads(problem_json(training.problem(t, training.network))) for t in range(len(training.batches))]
    update = {"name": name_of(training.rule), **_parameters(training.rule)}
    shared = {field: requests[0][field] for field in ("dtype", "layers", "loss")}
    batches = [{"x": request["x"], "y": request["y"]} for request in requests]
    request = {"cmd": "train", "id": id, **shared, "batches": batches, "update": update}
    return json.dumps(request, allow_nan=False)


def parse_training(text: str | bytes) -> Training:
    """The training of a request ``train``.

    Raises
    ------
    Malformed
        If it is anything else, or the shapes, names and numbers are not those of a training.
    """
    try:
        request = messages.Train.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Malformed(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    try:
        rule = update_rule(request.update.name, **request.update.__pydantic_extra__)
    except (TypeError, ValueError) as error:
        raise Malformed(f"update: {error}") from None
    shared = request.model_dump(include={"dtype", "layers", "loss"})
    problems = []
    for t, batch in enumerate(request.batches):
        try:
            problems.append(parse_problem(json.dumps({"cmd": "gradients", **shared, **batch.model_dump()})))
        except Malformed as error:
            raise Malformed(f"batches[{t}]: {error}") from None
    first_one = problems[0]
    batches = tuple((problem.x, problem.y) for problem in problems)
    return Training(first_one.network, batches, first_one.loss, first_one.reduction, rule)


def save_training(folder: Path, training: Training) -> Path:
    """Write a training to ``problems`` in a folder, named by its own text.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    return files.saved(folder / "problems", training_json(training).encode() + b"\n")


def read(path: Path) -> Problem | Training:
    """What a .json file asks: gradients or a training; raises as `conformance.problems.files.read_problem`."""
    try:
        document = json.loads(files.text_of(path))
    except (ValueError, RecursionError):  # which is said when it is read as a problem
        document = None
    if not isinstance(document, dict) or document.get("cmd") != "train":
        return files.read_problem(path)
    try:
        return parse_training(files.text_of(path))
    except Malformed as error:
        raise Malformed(f"{path}: {error}") from None
