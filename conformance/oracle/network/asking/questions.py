"""Questions: the problems that show things, for a subject that says what it can do.

First come small networks, each with one sample and with several that differ in nothing else: widths pairwise distinct
but for one equal hidden pair, none of them 2 (or 2, the batch and the outputs would be confused), biases that are not
zero, a kink met exactly, a saturated unit.  Then a covering array: depth, widths, inputs, outputs, samples, equal rows,
sizes, memory layouts and parameters, any two levels of any two of them together.  Networks beyond the small ones are
drawn well conditioned, so that the bound that is carried from x decides every layer; a few generic large ones locate.
Problems at the ends of the range are a class of their own.  The first question is asked again at the very end.
"""

import zlib
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from itertools import islice, pairwise
from typing import Any, Literal, NamedTuple

import numpy as np

from reference import NLL, Activation, CrossEntropy, CrossEntropyWithLogits, KLDivergence, loss_and_gradients
from reference.losses import TARGETS

from ....arrays import Network
from ....bounds.paths import MIXING
from ....problems import covering, drawn
from ....problems.problem import Architecture, Problem, fill
from .domain import Domain

Role = Literal["detect", "locate"]


class Question(NamedTuple):
    """A problem and why it is asked.

    ``role`` is "detect" for what the bound carried from x decides, "locate" for generic large networks; ``kind`` is
    "ordinary" or "extreme".  ``again`` is the place of the question that this one repeats.  ``layout`` names how the
    arrays lie in memory.  ``declared`` is the same problem with the parameters that the subject declares, where its
    activations have others: a subject may hold to its own.  ``open_targets`` says that y is not of the kind that a
    subject with undeclared targets is held to.  ``small`` questions have a small network, perhaps inside a wide one, so
    that the bound carried from x is narrow for generic weights too; ``combined`` ones are rows of the covering array.
    """

    why: str
    problem: Problem
    role: Role = "detect"
    kind: Literal["ordinary", "extreme"] = "ordinary"
    again: int | None = None
    layout: str = ""
    declared: Problem | None = None
    open_targets: bool = False
    small: bool = False
    combined: bool = False

    @property
    def widths(self) -> tuple[int, ...]:
        """n_0 to n_L."""
        return (self.problem.x.shape[1], *(len(b) for _, b, _ in self.problem.network))

    @property
    def size(self) -> int:
        """Products in a forward pass."""
        return len(self.problem.x) * sum(W.size for W, _, _ in self.problem.network)


class Shape(NamedTuple):
    """A network's widths and a batch; ``few`` where a few of its units make up a small network."""

    why: str
    widths: tuple[int, ...]
    batch: int
    role: Role = "detect"
    few: bool = False


OUTPUTS, BATCH = 5, 3

SHAPES = (
    Shape("one hidden layer", (4, 7, OUTPUTS), 1),
    Shape("one hidden layer", (4, 7, OUTPUTS), BATCH),
    Shape("no hidden layer", (4, OUTPUTS), 1),
    Shape("no hidden layer", (4, OUTPUTS), BATCH),
    Shape("no hidden layer, one output", (6, 1), 4),
    Shape("no hidden layer, one input", (1, 37), 17),
    Shape("many inputs", (800, 12, OUTPUTS), 1),
    Shape("many inputs", (800, 12, OUTPUTS), BATCH),
    Shape("an equal pair of hidden layers", (3, 6, 6, OUTPUTS), 1),
    Shape("an equal pair of hidden layers", (3, 6, 6, OUTPUTS), BATCH),
    Shape("784-128-10", (784, 128, 10), 1, "locate"),
    Shape("ten layers", (12, 16, 15, 14, 13, 11, 11, 10, 9, 8, OUTPUTS), 1, "locate"),
)
"""Single samples and batches of each, alike in all else; the first two are asked twice."""

DEEPEST = 12
"""Layers of the deepest networks that are asked."""

FACTORS: dict[str, tuple[Any, ...]] = {
    "layers": (2, 3, 6, DEEPEST),
    "hidden": ("distinct", "one", "two", "a pair", "64", "beyond 784"),
    "inputs": (1, 2, 4, 65),
    "outputs": (1, 2, OUTPUTS, 37),
    "samples": (1, 2, 4, 17, 40),
    "rows": ("distinct", "equal"),
    "numbers": ("normal", "whole", "some 0"),
    "sizes": ("usual", "large x", "tiny x", "large y"),
    "layout": ("", "transposed in memory", "strided", "with negative strides"),
}
"""What the covering array combines."""

QUESTIONS = 60
"""How many questions a subject is asked that has no fixed shape."""

OF_ONE_SHAPE = 30
"""How many questions a subject of one shape is asked, of a large one the fixed ones alone."""

LARGE = 2**18
"""Weights beyond which a network is large: judging a question takes some tenths of a second and a batch's more."""

SMALL_LAYERS, SMALL_WIDTH = 4, 16
"""Up to this depth and width the bound carried from x is below 1e-2 of the gradients in float32 for generic weights."""

MIXED_LAYERS = 3
"""Layers up to which hidden softmax networks are asked in float32: each multiplies the sum over paths by ten or more,
with respect to its value, and the bound with it; at 6 layers nothing is decided any more."""

UP, DOWN = 2.0**10, 2.0**-10
"""What x and y are scaled by."""

BASES = 3
"""Networks of a wide fixed shape that are drawn; the questions of the covering array have their weights in turn."""

DRAWS = 16
"""Draws of a problem at most, until one shows something in every layer: relu and its kin leave units dead."""

SHOWN = 0.25
"""The share of a layer's deltas that are not 0 in a problem that shows something."""

OPEN = 2
"""The question that has any targets where a subject does not say which it takes; what it shows is a remark."""

OF_DISTRIBUTIONS = (CrossEntropy, CrossEntropyWithLogits, NLL, KLDivergence)
"""Losses whose gradient is p - y where the targets y sum to one, and p sum(y) - y elsewhere."""


def questions(domain: Domain, seed: int, count: int | None = None) -> list[Question]:
    """The questions that the domain allows, deterministically from the seed.

    Parameters
    ----------
    domain : Domain
    seed : int
    count : int, optional
        How many; `QUESTIONS` or `OF_ONE_SHAPE` where nothing is said.  Beyond the covering array they are random.
    """
    count = count or (QUESTIONS if domain.widths is None else 0 if _is_large(domain.widths) else OF_ONE_SHAPE)
    found: list[Question] = []
    shapes = [*dict.fromkeys(_in_batches(shape, domain) for shape in _shapes(domain))]
    for i, shape in enumerate(shapes):
        question = question_of(domain, shape, seed, i)
        if i == 1:
            question = question._replace(problem=drawn.saturated(question.problem))
        found.append(question)
        if i in (0, 1):
            found.append(question._replace(why=f"{question.why}, once more", again=len(found) - 1))
    small = [shape for shape in shapes if shape.role == "detect" and len(shape.widths) > 2] or shapes
    for i, shape in enumerate(small[:2], start=len(shapes)):
        question = question_of(domain, shape, seed, i, numbers="whole")
        problem = drawn.dead(question.problem, -1)
        found.append(question._replace(why=f"{question.why}, of whole numbers, with a unit at z = 0", problem=problem))
    extremes = []
    for i, (why, extreme) in enumerate(drawn.EXTREMES.items(), start=len(shapes) + 2):
        question = question_of(domain, small[i % len(small)], seed, i)
        extremes.append(question._replace(why=why, problem=extreme(question.problem), kind="extreme"))
    kept = [q.problem for q in found if q.role == "detect" and not q.small][:BASES] if domain.widths else []
    rows = covering.rows(_factors(domain), seed)
    for i, row in enumerate(islice(rows, max(count - len(found) - len(extremes) - 1, 0)), start=len(shapes) + 8):
        question = _covering(domain, row, seed, i, kept[i % len(kept)].network if kept else None)
        found.append(question)
    return [*found, *extremes, found[0]._replace(why=f"{found[0].why}, at the very end", again=0)]


# Shapes.


def _shapes(domain: Domain) -> Sequence[Shape]:
    if domain.widths is None:
        return [shape for shape in SHAPES if _allowed(shape, domain)] or _within_limits(domain)
    widths, name = domain.widths, "-".join(map(str, domain.widths))
    all_of_them = [Shape(name, widths, B) for B in (1, BATCH, 17)]
    if is_small(widths):
        return all_of_them
    few = [Shape(f"{name}, {SMALL_WIDTH} units of each layer", widths, B, few=True) for B in (1, BATCH)]
    return [*few, *all_of_them, Shape(f"{name}, generic", widths, 1, "locate")]


def _is_large(widths: Sequence[int]) -> bool:
    return sum(m * n for m, n in pairwise(widths)) > LARGE


def is_small(widths: Sequence[int]) -> bool:
    """Whether the bound carried from x is narrow in a network of such widths, whatever its weights."""
    return len(widths) - 1 <= SMALL_LAYERS and max(widths) <= SMALL_WIDTH


def _within_limits(domain: Domain) -> list[Shape]:
    """As small and shallow as the subject takes, where none of `SHAPES` is."""
    depths = {domain.layers[0], min(domain.layers[0] + 1, domain.layers[1])}
    narrow = (4, 7, 6, 6, 3, 5)
    return [
        Shape(f"{L} layers", tuple(_clipped(narrow[l % len(narrow)], domain.width) for l in range(L + 1)), B)
        for L in sorted(depths)
        for B in (1, BATCH)
    ]


def _allowed(shape: Shape, domain: Domain) -> bool:
    def within(value: int, limits: tuple[int, int]) -> bool:
        return limits[0] <= value <= limits[1]

    mixing = any(isinstance(sigma, MIXING) for sigma in domain.hidden) and len(shape.widths) - 1 > MIXED_LAYERS
    in_limits = within(len(shape.widths) - 1, domain.layers) and all(within(n, domain.width) for n in shape.widths)
    return in_limits and not (mixing and domain.dtype == "float32")


def _clipped(value: int, limits: tuple[int, int]) -> int:
    return min(max(value, limits[0]), limits[1])


def _in_batches(shape: Shape, domain: Domain) -> Shape:
    """With as many samples as the subject takes."""
    return shape._replace(batch=_clipped(shape.batch, domain.batch))


def _factors(domain: Domain) -> dict[str, tuple[Any, ...]]:
    """The levels that the domain leaves; those that it maps onto one another count once."""
    factors = dict(FACTORS)
    factors["samples"] = tuple(dict.fromkeys(_clipped(B, domain.batch) for B in factors["samples"]))
    factors["head"] = tuple(range(len(domain.heads)))
    factors["reduction"] = tuple(domain.reductions)
    if any(map(_parameters, domain.hidden)) and not domain.half:  # in which it may not show which it holds to
        factors["parameters"] = ("declared", "other")
    if domain.widths is not None:
        return {name: of for name, of in factors.items() if name not in ("layers", "hidden", "inputs", "outputs")}
    most, mixing = domain.layers[1], any(isinstance(sigma, MIXING) for sigma in domain.hidden)
    if mixing:  # judging a layer that mixes n units takes n passes through it
        factors["hidden"] = tuple(kind for kind in factors["hidden"] if kind != "beyond 784")
    if mixing and domain.dtype == "float32":
        most = max(min(most, MIXED_LAYERS), domain.layers[0])
    factors["layers"] = tuple(dict.fromkeys(_clipped(L, (domain.layers[0], most)) for L in factors["layers"]))
    for name in ("inputs", "outputs"):
        factors[name] = tuple(dict.fromkeys(_clipped(n, domain.width) for n in factors[name]))
    if all(isinstance(sigma, MIXING) or isinstance(loss, OF_DISTRIBUTIONS) for sigma, loss in domain.heads):
        factors["outputs"] = tuple(n for n in factors["outputs"] if n > 1) or (1,)  # a single p is 1: nothing shows
    if all(isinstance(sigma, MIXING) for sigma in domain.hidden):
        factors["hidden"] = tuple(kind for kind in factors["hidden"] if kind != "one")
    return factors


def _widths(row: dict[str, Any], domain: Domain, rng: np.random.Generator) -> tuple[int, ...]:
    """The widths of a row of the array: small and distinct but for what it asks for."""
    hidden = [int(n) for n in rng.permutation([3, 7, 6, 9, 4, 8, 11, 10, 12, 13, 5])[: row["layers"] - 1]]
    if hidden:
        k, kind = int(rng.integers(len(hidden))), row["hidden"]
        special = {"one": 1, "two": 2, "64": 64, "beyond 784": int(rng.integers(785, 1000))}
        if kind == "a pair":
            hidden[k] = hidden[k - 1] if len(hidden) > 1 else row["inputs"]
        hidden[k] = special.get(kind, hidden[k])
    return tuple(_clipped(n, domain.width) for n in (row["inputs"], *hidden, row["outputs"]))


# Problems.


def _covering(domain: Domain, row: dict[str, Any], seed: int, i: int, network: Network | None) -> Question:
    """The question of a row of the covering array; of a wide network that is drawn already where one is given."""
    rng = np.random.default_rng((seed, i))
    widths = domain.widths or _widths(row, domain, rng)
    shape = Shape("-".join(map(str, widths)), widths, row["samples"])
    question = question_of(
        domain, shape, seed, i, row["numbers"], row["head"], row["reduction"], row.get("parameters") == "other", network
    )
    problem, said = question.problem, [question.why]
    if row["rows"] == "equal" and len(problem.x) > 1:
        problem = drawn.with_equal_rows(problem)
        said.append("equal rows")
    if row["sizes"] in ("large x", "tiny x"):
        problem = drawn.with_inputs_scaled(problem, UP if row["sizes"] == "large x" else DOWN)
        said.append(row["sizes"])
    if row["sizes"] == "large y" and type(problem.loss) not in TARGETS:
        problem = problem._replace(y=problem.y * problem.dtype.type(UP))
        said.append(row["sizes"])
    if row["numbers"] != "normal":
        said.append({"whole": "whole numbers", "some 0": "some x 0"}[row["numbers"]])
    if row["layout"]:
        said.append(f"arrays {row['layout']}")
    if question.declared:
        said.append("activations with other parameters")
        sigmas = [sigma for _, _, sigma in question.declared.network]
        layers = tuple(layer._replace(sigma=sigma) for layer, sigma in zip(problem.network, sigmas, strict=True))
        question = question._replace(declared=problem._replace(network=layers))
    return question._replace(why=", ".join(said), problem=problem, layout=row["layout"], combined=True)


def question_of(
    domain: Domain,
    shape: Shape,
    seed: int,
    i: int,
    numbers: str = "normal",
    head: int | None = None,
    reduction: Any = None,
    other_parameters: bool = False,
    network: Network | None = None,
) -> Question:
    """A question of that shape: activations, heads and reductions take turns where nothing is said of them."""
    turn = zlib.crc32(repr(shape.widths).encode())  # alike for single samples and batches of one shape
    first = 0 if domain.widths else turn + (i if head is not None else 0)
    hidden = [domain.hidden[(first + l) % len(domain.hidden)] for l in range(len(shape.widths) - 2)]
    own = hidden
    if other_parameters:
        hidden = [_other(sigma, l) for l, sigma in enumerate(hidden)]
    sigma, loss = domain.heads[(turn if head is None else head) % len(domain.heads)]
    reduction = reduction or domain.reductions[i % len(domain.reductions)]
    pattern = "integers" if numbers == "whole" else "generic"
    architecture = Architecture(
        shape.widths, (*hidden, sigma), loss, reduction, shape.batch, domain.dtype, (pattern,) * 3, 0, eta=0.125
    )
    small = shape.few or is_small(shape.widths)
    conditioned = shape.role == "detect" and not small
    base = int(np.random.SeedSequence((seed, turn if head is None else i)).generate_state(1)[0])
    for k in range(DRAWS):
        problem = _filled(architecture, base + k, numbers, conditioned, network, shape.few, domain.style.biased)
        if _shows(problem):
            break
    problem, as_asked = _with_targets(problem, domain, i)
    why = f"{shape.why}, {f'{shape.batch} samples' if shape.batch > 1 else 'one sample'}"
    question = Question(why, problem, shape.role, open_targets=not as_asked, small=small)
    if own == hidden:
        return question
    declared = (layer._replace(sigma=s) for layer, s in zip(problem.network, (*own, sigma), strict=True))
    return question._replace(declared=problem._replace(network=tuple(declared)))


def _filled(
    architecture: Architecture,
    draw: int,
    numbers: str,
    conditioned: bool,
    network: Network | None,
    few: bool,
    biased: bool,
) -> Problem:
    """The problem of a draw, moderate; with the weights of the network where one is given; or with biases of 0."""
    architecture = architecture._replace(seed=draw % 2**32)
    if network:
        ends = architecture._replace(
            widths=(architecture.widths[0], architecture.widths[-1]), activations=architecture.activations[-1:]
        )
        layers = zip(network, architecture.activations, strict=True)
        problem = fill(ends)._replace(network=tuple(layer._replace(sigma=sigma) for layer, sigma in layers))
    else:
        problem = fill(architecture)
        if not biased:
            problem = drawn.without_biases(problem)
        if conditioned:
            problem = drawn.well_conditioned(problem, draw)
    if few:
        whole = [False, *(isinstance(sigma, MIXING) for sigma in architecture.activations[:-1]), True]
        problem = drawn.few_at_work(problem, SMALL_WIDTH, whole, draw)
    if numbers == "some 0":
        problem = drawn.sparse(problem, draw)
    return drawn.moderate(problem)


def _shows(problem: Problem) -> bool:
    """Whether in every layer enough deltas of units that have weights are not 0."""
    with np.errstate(all="ignore"):
        gradients = loss_and_gradients(*problem[:5]).gradients
    at_work = [layer.W.any(axis=1) for layer in problem.network]
    return all(
        np.mean(gradient.delta[:, of] != 0) >= SHOWN
        for gradient, of in zip(gradients, at_work, strict=True)
        if of.any()
    )


def _parameters(sigma: Activation) -> dict[str, float]:
    """The parameters of an activation that has any."""
    return {field.name: getattr(sigma, field.name) for field in fields(sigma)} if is_dataclass(sigma) else {}


def _other(sigma: Activation, l: int) -> Activation:
    """The activation with other parameters than it has, where it has any: each a number of about its size."""
    factor = 1 + 2.0 ** -(1 + l % 3)
    of = {name: value * factor for name, value in _parameters(sigma).items()}
    return replace(sigma, **of) if of else sigma  # type: ignore[type-var]


def _with_targets(problem: Problem, domain: Domain, i: int) -> tuple[Problem, bool]:
    """With targets of the kind that is declared; for a cross-entropy also others, and whether they may accuse."""
    if domain.targets == "one-hot":
        width = problem.y.shape[1]
        return problem._replace(y=np.eye(width, dtype=problem.dtype)[problem.y.argmax(axis=1)]), True
    of_probabilities = isinstance(problem.loss, OF_DISTRIBUTIONS)
    if not of_probabilities and domain.targets != "distribution":
        return problem, True
    open_too = i % 2 if domain.targets == "any" else i == OPEN
    if of_probabilities and domain.targets != "distribution" and open_too and problem.y.shape[1] > 1:
        return problem, domain.targets == "any"
    y = abs(problem.y) + problem.dtype.type(1 / 8)
    return problem._replace(y=(y / y.sum(axis=1, keepdims=True)).astype(y.dtype)), True
