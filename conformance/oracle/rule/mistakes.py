"""Mistakes: which can be made with a rule, what can be declared of one, and the programs that make them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from reference import AdamW, Rule

from .catalogue import AVERAGES, MATRICES, OF_DECAY, OF_STATE, ROWS, SQUARES, Mistake
from .programs import Program, plain


def mistakes(rule: Rule) -> Iterator[Mistake]:
    """The mistakes that can be made with a rule, the likelier first."""
    kind, has = type(rule).__name__, vars(rule)
    yield from ROWS[kind]
    if has.get("weight_decay") and not isinstance(rule, AdamW):
        yield from OF_DECAY
    if has.get("weight_decay"):
        yield MATRICES
    yield from OF_STATE
    yield from of_parameters(rule)
    if kind != "SGD" and kind != "Adagrad":
        yield from AVERAGES
    if "beta1" in has and kind != "Adamax":
        yield from SQUARES


def of_parameters(rule: Rule) -> Iterator[Mistake]:
    """Other parameters than the rule has."""
    has = vars(rule)

    def other(name: str, said: str, **parameters: float) -> Mistake:
        return Mistake(name, "", said, parameters=parameters)

    if "beta1" in has:
        yield other("betas-swapped", "beta_1 and beta_2 are swapped", beta1=has["beta2"], beta2=has["beta1"])
    for name in ("alpha", "rho"):
        if name in has:
            yield other(f"{name}-complemented", f"{name} and 1 - {name} are swapped", **{name: 1 - has[name]})
    for name, values in OTHERS.items():
        for value in values if has.get(name) else ():
            if value != has[name]:
                yield other(f"{name}-other", f"{name} is {value:g}, not {has[name]:g}", **{name: value})
    for factor, words in ((2, "2"), (0.5, "1/2"), (10, "10"), (0.1, "1/10")):
        yield other("rate-factor", f"the learning rate is {words} times what it should be", eta=has["eta"] * factor)
    yield other("rate-missing", "the learning rate is missing: it is 1", eta=1.0)


OTHERS: Mapping[str, tuple[float, ...]] = {
    "eps": (1e-7, 1e-8, 1e-6, 1e-10, 1e-5, 1e-12, 1e-3),
    "beta1": (0.9,),
    "beta2": (0.999, 0.99, 0.95),
    "alpha": (0.9, 0.99, 0.999),
    "rho": (0.9, 0.95),
    "momentum": (0.9, 0.99),
}
"""What people have for a parameter where nothing else is said."""


def conventions(rule: Rule) -> dict[tuple[str, str], Mistake]:
    """What can be declared of a rule, by name and value."""
    return {m.convention: m for m in mistakes(rule) if m.convention is not None}


def declared(rule: Rule, said: Mapping[str, str] | None) -> tuple[Mistake, ...]:
    """What somebody declares of a rule: rows whose text takes the documented one's place.

    Raises
    ------
    TypeError, ValueError
        If a name or a value is none that the rule has.
    """
    known = conventions(rule)
    if said is not None and not isinstance(said, Mapping):
        raise TypeError(f'conventions: expected a dict such as {{"epsilon": "inside"}}, got {type(said).__name__}')
    for pair in (said or {}).items():
        if pair not in known:
            options = ", ".join(f'{{"{name}": "{value}"}}' for name, value in known) or "nothing"
            raise ValueError(f"conventions: expected {options} for {type(rule).__name__}, got {dict([pair])!r}")
    return tuple(known[pair] for pair in (said or {}).items())


def program_of(rule: Rule, made: Sequence[Mistake], by: Callable[..., Rule]) -> Program:
    """The program that makes all of these mistakes at once.

    Parameters
    ----------
    rule : Rule
    made : sequence of Mistake
    by : function
        From a rule and edits to the rule of that text, for numbers of some kind.

    Raises
    ------
    ValueError
        If two of them edit the same place.
    """
    edits = tuple(edit for mistake in made for edit in mistake.edits)
    parameters = {name: value for mistake in made for name, value in mistake.parameters.items()}
    around = [mistake.program for mistake in made if mistake.program is not plain]
    return (around[-1] if around else plain)(by(replace(cast(Any, rule), **parameters), *edits))
