"""Hypothesis strategies: random architectures, and the problems they fill.

What is drawn is told to Hypothesis as events: ``pytest --hypothesis-show-statistics`` counts them.

Hypothesis draws the architecture, a pattern for each array and a seed; NumPy's generator fills the arrays.
Widths are pairwise distinct (equal extents hide mixed-up axes), or hold ones and equal pairs.
"""

from collections.abc import Iterator
from inspect import signature

from hypothesis import event
from hypothesis import strategies as st

from reference import ACTIVATIONS, LOSSES, Activation, Loss
from reference.losses import REQUIRED_HEAD

from ..arrays import Network
from .problem import PATTERNS, Architecture, Problem, fill

DEPTH = 8
WIDTH = 24
BATCH = 17

SLOPES = st.floats(0.0625, 2, width=32)
"""Parameters of activations and losses: numbers that float32 holds, above 1 as well."""


def activations() -> st.SearchStrategy[Activation]:
    """Any activation, those with parameters also with others than their defaults."""

    def varied(kind: type[Activation]) -> st.SearchStrategy[Activation]:
        names = signature(kind).parameters
        return st.builds(kind, **{name: SLOPES.map(lambda p: -p) if name == "min_val" else SLOPES for name in names})

    return st.sampled_from(list(ACTIVATIONS.values())).flatmap(lambda kind: st.just(kind()) | varied(kind))


def losses(outputs: int) -> st.SearchStrategy[Loss]:
    """Any loss for so many outputs, those with parameters also with others than their defaults."""
    parameters = {
        "weight": st.just(()) | st.tuples(*(SLOPES for _ in range(outputs))),
        "label_smoothing": st.sampled_from((0, 0.125, 0.1)),
        "delta": SLOPES,
        "beta": SLOPES,
    }

    def varied(kind: type[Loss]) -> st.SearchStrategy[Loss]:
        return st.builds(kind, **{name: parameters[name] for name in signature(kind).parameters})

    return st.sampled_from(list(LOSSES.values())).flatmap(lambda kind: st.just(kind()) | varied(kind))


def patterns() -> st.SearchStrategy[tuple[str, str, str]]:
    """Patterns of W, x and y: often all generic or all whole numbers (which meet the kinks), else any."""
    pattern = st.sampled_from(PATTERNS)
    return st.one_of(
        st.just(("generic", "generic", "generic")),
        st.just(("integers", "integers", "integers")),
        st.tuples(pattern, pattern, pattern),
    )


@st.composite
def architectures(draw: st.DrawFn, depth: int = DEPTH, width: int = WIDTH) -> Architecture:
    """A network of 1 to ``depth`` layers with its loss, reduction, batch, dtype, patterns and seed."""
    L = draw(st.integers(1, depth))
    extents = st.integers(1, width)
    widths = draw(
        st.one_of(
            st.lists(extents, min_size=L + 1, max_size=L + 1, unique=True),
            st.lists(st.sampled_from((1, 3, 4)) | extents, min_size=L + 1, max_size=L + 1),
        )
    )
    loss = draw(losses(widths[-1]))
    head = REQUIRED_HEAD.get(type(loss))
    architecture = Architecture(
        widths=tuple(widths),
        activations=(
            *draw(st.lists(activations(), min_size=L - 1, max_size=L - 1)),
            head() if head else draw(activations()),
        ),
        loss=loss,
        reduction=draw(st.sampled_from(("sum", "mean"))),
        batch=draw(st.integers(1, BATCH)),
        dtype=draw(st.sampled_from(("float64", "float32"))),
        patterns=draw(patterns()),
        seed=draw(st.integers(0, 2**32 - 1)),
        eta=draw(st.sampled_from((0.1, 0.5, 3.0, 0.001))),
    )
    for kind, name in sorted(set(features(architecture))):
        event(f"{kind} {name}")
    return architecture


def features(architecture: Architecture) -> Iterator[tuple[str, str]]:
    """What an architecture has, for counting: pairs such as ("activation", "relu") or ("layers", "3")."""
    for sigma in architecture.activations:
        yield "activation", _name(sigma, ACTIVATIONS)
    yield "loss", _name(architecture.loss, LOSSES)
    yield "reduction", architecture.reduction
    yield "layers", str(len(architecture.activations))
    yield "dtype", architecture.dtype
    yield from zip("Wxy", architecture.patterns, strict=True)


def _name(function: object, table: dict[str, type]) -> str:
    (name,) = (name for name, kind in table.items() if kind is type(function))
    return name


def problems(depth: int = DEPTH, width: int = WIDTH) -> st.SearchStrategy[Problem]:
    """The problem of a random architecture."""
    return architectures(depth, width).map(fill)


def networks(depth: int = DEPTH, width: int = WIDTH) -> st.SearchStrategy[Network]:
    """The network of a random problem."""
    return problems(depth, width).map(lambda problem: problem.network)
