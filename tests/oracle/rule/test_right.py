"""Right update rules, in whatever arrangement and form, are not accused; what is done otherwise on purpose is said."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from conformance import Report, assert_conforms, check_rule
from conformance.arrays import Array
from conformance.oracle.rule.programs import plain
from reference import SGD, UPDATES, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rule

from .programs import BY_HAND, OPTAX

pytestmark = pytest.mark.sampled(6)

DTYPES = ("float32", "float64")

RULES: tuple[Rule, ...] = (
    SGD(0.1),
    SGD(0.1, momentum=0.9),
    SGD(0.1, momentum=0.9, dampening=0.25, weight_decay=0.01),
    SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    Adagrad(),
    Adagrad(lr_decay=0.1, weight_decay=0.01),
    RMSprop(),
    RMSprop(momentum=0.9, weight_decay=0.01),
    RMSprop(centered=True, alpha=0.9),
    Adam(),
    Adam(beta1=0.8, beta2=0.95, weight_decay=0.01, amsgrad=True),
    Adam(beta1=0),
    AdamW(),
    AdamW(weight_decay=0.1, amsgrad=True),
    Adamax(weight_decay=0.01),
    NAdam(),
    NAdam(weight_decay=0.01, momentum_decay=0.1),
    RAdam(),
    RAdam(beta2=0.9, weight_decay=0.01),
    Adadelta(),
    Adadelta(eta=0.5, rho=0.8, weight_decay=0.01),
)


def name_of(value: Any) -> str:
    return str(value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_the_reference_itself(rule: Rule, dtype: str) -> None:
    for seed in (0, 1):
        report = check_rule(plain(rule), rule, dtype=dtype, seed=seed)
        assert_conforms(report)
        assert {layer for _, layer in report.tallies} == {1, 2, 3, 4, 5}


def of_torch(rule: Rule, **options: Any) -> Callable[[Sequence[Any]], Any]:
    """What makes PyTorch's optimiser of that name, with the rule's parameters."""
    parameters: dict[str, Any] = dict(vars(rule))
    parameters["lr"] = parameters.pop("eta")
    if "beta1" in parameters:
        parameters["betas"] = float(parameters.pop("beta1")), parameters.pop("beta2")
    kind = getattr(torch.optim, type(rule).__name__)
    return lambda leaves: kind(leaves, **parameters, **options)


FUSED = {"SGD", "Adam", "AdamW", "Adagrad"}
"""Rules of which PyTorch has a fused kernel for processors."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", ["foreach", "fused", "one by one"])
@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_pytorch(rule: Rule, way: str, dtype: str) -> None:
    """Also where some arrays have no gradient: the third run."""
    if way == "fused" and type(rule).__name__ not in FUSED:
        assert "fused" not in getattr(torch.optim, type(rule).__name__).__init__.__annotations__
        return
    options = {"fused": True} if way == "fused" else {"foreach": way == "foreach"}
    report = check_rule(of_torch(rule, **options), rule, dtype=dtype)
    assert_conforms(report)
    refuses = (
        way == "fused" and isinstance(rule, SGD) and rule.momentum
    )  # a first gradient that comes late is a TypeError there
    assert (report.asked, report.unsupported) == ((2, 1) if refuses else (3, 0))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str, dtype: str) -> None:
    step, rule = BY_HAND[name]
    for seed in (0, 1, 2):
        assert_conforms(check_rule(step, rule, dtype=dtype, seed=seed))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTAX)
def test_as_optax(name: str, dtype: str) -> None:
    """Compiled, with all corrections in the format of the arrays."""
    step, rule, conventions = OPTAX[name]
    for seed in (0, 1):
        assert_conforms(check_rule(step, rule, dtype=dtype, seed=seed, conventions=conventions))


@pytest.mark.parametrize("name", [name for name in OPTAX if len(OPTAX[name][2]) == 1])
def test_what_is_done_otherwise_is_said_with_the_option(name: str) -> None:
    step, rule, conventions = OPTAX[name]
    ((option, value),) = conventions.items()
    report = check_rule(step, rule)
    assert report.verdict == "WRONG"
    assert "Right if" in report.findings[0].explanation
    assert f'conventions={{"{option}": "{value}"}}' in report.findings[0].explanation


def forms() -> dict[str, Any]:
    """Adam in each form that people have."""
    step, _ = BY_HAND["adam of the paper"]

    class Keeping:
        def __init__(self) -> None:
            self.state: Any = None

        def update(self, parameters: list[Array], gradients: list[Array]) -> None:
            after, self.state = step(parameters, gradients, self.state)
            for p, q in zip(parameters, after, strict=True):
                p[...] = q

    class Holding:
        def __init__(self, parameters: list[Array], lr: float = 0.01) -> None:
            self.parameters, self.state = parameters, None

        def step(self, gradients: list[Array]) -> list[Array]:
            after, self.state = step(self.parameters, gradients, self.state)
            for p, q in zip(self.parameters, after, strict=True):
                p[...] = q
            return self.parameters

    def stateful(parameters: list[Array], gradients: list[Array], state: Any = None) -> Any:
        return step(parameters, gradients, state)

    kept: list[Any] = [None]

    def returning(parameters: list[Array], gradients: list[Array]) -> list[Array]:
        after, kept[0] = step(parameters, gradients, kept[0])
        return list(after)

    return {
        "with a state": step,
        "with a state that may be left out": stateful,
        "in place, with a state of its own": Keeping().update,
        "returning parameters": returning,
        "an object": Keeping(),
        "a class of nothing": Keeping,
        "a class of parameters": Holding,
        "a function of parameters": lambda parameters: Holding(parameters),
    }


@pytest.mark.parametrize("form", list(forms()))
def test_forms(form: str) -> None:
    report = check_rule(forms()[form], Adam(0.01))
    assert_conforms(report)
    assert report.asked == (1 if form in ("in place, with a state of its own", "returning parameters") else 2)
    assert check_rule(forms()[form], Adam(0.02)).verdict == "WRONG"


def test_half_the_precision_is_not_enough() -> None:
    """float32 inside, float64 outside."""
    step, rule = BY_HAND["adam of the paper"]

    def narrow(parameters: Sequence[Array], gradients: Sequence[Array], state: Any) -> Any:
        p, g = ([x.astype(np.float32) for x in of] for of in (parameters, gradients))
        after, state = step(p, g, state)
        return [x.astype(np.float64) for x in after], state

    assert check_rule(narrow, rule).verdict == "WRONG"


def test_rules_by_name() -> None:
    for name in UPDATES:
        if name != "sgd":
            made: Any = UPDATES[name]
            assert_conforms(check_rule(plain(made()), name))


def test_plain_report() -> None:
    step, rule = BY_HAND["plain"]
    report: Report = check_rule(step, rule, name="mine")
    said = str(report)
    assert said.startswith("CONFORMS  mine: 2 questions")
    assert "array   (U6)" in said
    assert "24 steps, each from where the one before ended" in said
    assert report.as_json()["verdict"] == "CONFORMS"
