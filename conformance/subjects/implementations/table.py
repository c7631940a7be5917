"""Who can be asked by name: implementations that are built in, and anybody's own by where it stands."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from typing import Any, NamedTuple

from ...problems.messages import StartAnswer
from ...problems.problem import GivenAnswer, Problem
from ..callables import Ask, asking
from ..shapes.taken import answer_of

BUILT_IN = {
    "reference": "texts:reference_text",
    "literal": "texts:literal_text",
    "torch": "torched:torch_autograd",
    "jax": "differentiated:jax",
    "autograd": "differentiated:autograd",
    "mygrad": "differentiated:mygrad",
    "tinygrad": "differentiated:tinygrad",
    "micrograd": "micrograd:values",
    "sklearn": "sklearn:perceptron",
    "keras": "keras:in_float32",
    "keras-float64": "keras:in_float64",
}
"""By name, the function of this folder that makes the subject: ``module:function``."""

NEEDS: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in ("torch", "jax", "autograd", "mygrad", "tinygrad", "micrograd")},
    "sklearn": ("scikit-learn",),
    "keras": ("keras", "jax"),
    "keras-float64": ("keras", "jax"),
}
"""The packages that they need, as pip has them."""


class Subject(NamedTuple):
    """Who answers: what it says that it can do, as the protocol's answer to ``start``, and a function that is asked."""

    declaration: StartAnswer
    ask: Ask


class Unknown(ValueError):
    """There is nobody of that name, or it cannot be imported; says why in one line."""


DOCUMENTED = StartAnswer(
    protocol=1, name="", version="", language="python", commands=["gradients"], dtypes=["float64"],
    activations=["sigmoid"], heads=[["sigmoid", "half_squared_error"]], reductions=["sum"],
)  # fmt: skip
"""What is assumed of a function that declares nothing: the document's example."""


def subject(name: str, declaration: StartAnswer | None = None) -> Subject:
    """Who is asked.

    Parameters
    ----------
    name : str
        One of `BUILT_IN`, or ``package.module:object``: a `Subject`, a function of ``(network, x, y)`` as
        `conformance.probe` takes it, or a function of one `Problem`.
    declaration : StartAnswer, optional
        What a function can do; `DOCUMENTED` where nothing is said.

    Raises
    ------
    Unknown
    """
    missing = [package for package in NEEDS.get(name, ()) if not _installed(package)]
    if missing:
        raise Unknown(f"{name} needs what is not installed: pip install {' '.join(missing)}")
    made = _imported(f"{__package__}.{BUILT_IN[name]}")() if name in BUILT_IN else _imported(name)
    if isinstance(made, Subject):
        return made if declaration is None else made._replace(declaration=declaration)
    if not callable(made):
        raise Unknown(f"{name}: expected a function of (network, x, y) or of a problem, got {type(made).__name__}")
    said = declaration or DOCUMENTED
    return Subject(said.model_copy(update={"name": said.name or name}), _ask(made))


def _installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _ask(function: Callable[..., Any]) -> Ask:
    """A function of a problem, or of a network and a batch."""
    if _parameters(function) != 1:
        return asking(function)

    def ask(problem: Problem) -> GivenAnswer:
        return answer_of(problem, function(problem))

    return ask


def _parameters(function: Callable[..., Any]) -> int:
    try:
        taken = signature(function).parameters.values()
    except (TypeError, ValueError):  # a built-in function says nothing of its parameters
        return 0
    if any(p.kind is p.VAR_POSITIONAL for p in taken):
        return 0
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in taken)


def _imported(place: str) -> Any:
    """The object at ``package.module:object``."""
    module, colon, path = place.partition(":")
    if not colon or not module or not path:
        names = ", ".join(BUILT_IN)
        raise Unknown(f"expected one of {names}, or package.module:object, got {place!r}")
    try:
        found: Any = import_module(module)
    except ModuleNotFoundError as missing:
        raise Unknown(f"expected the package {missing.name}, found none") from None
    except (Exception, SystemExit) as error:  # whatever somebody's module does when it is imported
        raise Unknown(f"{module} cannot be imported: {type(error).__name__}: {error}") from None
    for name in path.split("."):
        if not hasattr(found, name):
            raise Unknown(f"expected {name!r} in {getattr(found, '__name__', module)}, found none")
        found = getattr(found, name)
    return found
