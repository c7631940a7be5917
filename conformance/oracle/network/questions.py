"""Questions: the problems that show things, for a subject that says what it can do.

Small networks detect: single samples and batches, the same question twice, widths pairwise distinct but for one equal
hidden pair, none of them 2 (or 2, the batch and the outputs would be confused), biases that are not zero, a kink met
exactly, a saturated unit, wide and deep ones besides.  Larger ones locate.  Those at the ends of the range are a class
of their own.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from reference import Activation, Layer, Loss
from reference.gradients import Reduction
from reference.losses import TARGETS

from ...arrays import Array
from ...bounds.admitted import UNDECLARED, Conventions
from ...bounds.paths import MIXING
from ...judge.judgement import Judgement
from ...problems.problem import Architecture, Problem, fill
from .reading import Reading, restricted_problem

Role = Literal["detect", "locate"]
Targets = Literal["any", "distribution", "one-hot"]


class Domain(NamedTuple):
    """What a subject can do.

    ``hidden`` are the activations of hidden layers, which take turns, ``heads`` the pairs of the last layer's
    activation and loss.  ``widths`` is a network's fixed shape, whose layers have the hidden activations in order, or
    None; ``layers``, ``width`` and ``batch`` are the smallest and largest
    that it takes.  ``conventions`` are the derivatives at kinks that it declares, ``targets`` says what y is.
    """

    hidden: Sequence[Activation]
    heads: Sequence[tuple[Activation, Loss]]
    reductions: Sequence[Reduction]
    dtype: str
    widths: tuple[int, ...] | None = None
    layers: tuple[int, int] = (1, 12)
    width: tuple[int, int] = (1, 1024)
    batch: tuple[int, int] = (1, 1024)
    conventions: Conventions = UNDECLARED
    targets: Targets = "any"


class Question(NamedTuple):
    """A problem and why it is asked.

    ``role`` is "detect" for what the bound carried from x decides, "locate" for larger networks; ``kind`` is "ordinary"
    or "extreme"; ``again`` says that it is the question before, once more.  ``at_work`` has for x and each layer the
    indices of the units that make up a small network inside a wide one, if so it is.
    """

    why: str
    problem: Problem
    role: Role = "detect"
    kind: Literal["ordinary", "extreme"] = "ordinary"
    again: bool = False
    at_work: tuple[Array, ...] = ()

    @property
    def core(self) -> Problem:
        """The problem that is judged: the small network of the units at work, to whose sums the others add zeros."""
        return restricted_problem(self.problem, self.at_work) if self.at_work else self.problem

    def placed(self, judgement: Judgement) -> Judgement:
        """A judgement of the judged problem, its element where it stands in the whole one."""
        element, layer = judgement.element, judgement.layer
        if not self.at_work or not element or judgement.equation.startswith("L"):
            return judgement
        out = self.at_work[layer]
        if judgement.equation == "B3":
            place = int(out[element[0]]), int(self.at_work[layer - 1][element[1]])
            return judgement._replace(element=place)
        return judgement._replace(element=(*element[:-1], int(out[element[-1]])))

    def placed_in(self, reading: Reading | None) -> Reading | None:
        """A reading of the judged problem, likewise."""
        return reading and reading._replace(judgements=tuple(map(self.placed, reading.judgements)))


class Shape(NamedTuple):
    """A network's widths and a batch; ``embedded`` where a few units of it make up a small network."""

    why: str
    widths: tuple[int, ...]
    batch: int
    role: Role = "detect"
    embedded: bool = False


OUTPUTS, BATCH, PAIR = 5, 3, (3, 6, 6, 5)

SHAPES = (
    Shape("one hidden layer", (4, 7, OUTPUTS), 1),
    Shape("one hidden layer", (4, 7, OUTPUTS), BATCH),
    Shape("no hidden layer", (4, OUTPUTS), 1),
    Shape("no hidden layer", (4, OUTPUTS), BATCH),
    Shape("an equal pair of hidden layers", PAIR, 1),
    Shape("an equal pair of hidden layers", PAIR, BATCH),
    Shape("deep", (3, 7, 6, 6, 4, OUTPUTS), 1),
    Shape("deep", (3, 7, 6, 6, 4, OUTPUTS), BATCH),
    Shape("one output", (4, 7, 1), BATCH),
    Shape("wide", (9, 40, OUTPUTS), 33),
    Shape("wide", (9, 40, OUTPUTS), 1, "locate"),
    Shape("many inputs and outputs", (70, 6, 37), 1, "locate"),
    Shape("784-128-10", (784, 128, 10), 1, "locate"),
    Shape("ten layers", (12, 16, 15, 14, 13, 11, 11, 10, 9, 8, OUTPUTS), 1, "locate"),
)
"""Single samples and batches of each; the first two are asked twice.

The bound that is carried from x is small enough to accuse for narrow networks, and for wide ones in a batch; a wide
or deep network with a single sample is asked only to locate what is wrong.
"""

NARROW = (4, 7, 6, 6, 3, 5)
"""Widths that a subject is asked with whose limits none of `SHAPES` fits."""

SMALL = 16
"""The widest layer of a network that detects, where a subject's shape is fixed; of a wider one so many units count."""


def questions(domain: Domain, seed: int) -> Iterator[Question]:
    """The questions that the domain allows, deterministically from the seed."""
    shapes = [*dict.fromkeys(_in_batches(shape, domain) for shape in _shapes(domain))]
    for i, shape in enumerate(shapes):
        question = _question(domain, shape, seed, i)
        if i == 1 or (shape.widths, shape.batch) == (PAIR, 1):
            question = question._replace(problem=_saturated(question.problem))
        yield question
        if i in (0, 1):
            yield question._replace(why=f"{question.why}, once more", again=True)
    small = [shape for shape in shapes if shape.role == "detect" and len(shape.widths) > 2] or shapes
    for i, shape in enumerate(small[:2], start=len(shapes)):
        question = _question(domain, shape, seed, i, "integers", "integers")
        dead = _dead(question.problem, question.at_work[1][-1] if question.at_work else -1)
        yield question._replace(why=f"{question.why}, of whole numbers, with a unit at z = 0", problem=dead)
    for i, (why, extreme) in enumerate(EXTREMES.items(), start=len(shapes) + 2):
        shape = small[i % len(small)]
        question = _question(domain, shape, seed, i)
        yield question._replace(why=why, problem=extreme(question.problem), kind="extreme")


def _shapes(domain: Domain) -> Sequence[Shape]:
    if domain.widths is None:
        return [shape for shape in SHAPES if _allowed(shape, domain)] or _within_limits(domain)
    widths, name = domain.widths, "-".join(map(str, domain.widths))
    wide = max(widths) > SMALL
    few = f"{name}, {SMALL} units of each layer" if wide else name
    return [*(Shape(few, widths, B, embedded=wide) for B in (1, BATCH, 17)), Shape(name, widths, 1, "locate")]


def _within_limits(domain: Domain) -> list[Shape]:
    """As small and shallow as the subject takes, where none of `SHAPES` is."""
    least, most = domain.width
    depths = {domain.layers[0], min(domain.layers[0] + 1, domain.layers[1])}
    return [
        Shape(f"{L} layers", tuple(min(max(NARROW[l % len(NARROW)], least), most) for l in range(L + 1)), B)
        for L in sorted(depths)
        for B in (1, BATCH)
    ]


def _allowed(shape: Shape, domain: Domain) -> bool:
    def within(value: int, limits: tuple[int, int]) -> bool:
        return limits[0] <= value <= limits[1]

    return within(len(shape.widths) - 1, domain.layers) and all(within(width, domain.width) for width in shape.widths)


def _in_batches(shape: Shape, domain: Domain) -> Shape:
    """With as many samples as the subject takes."""
    least, most = domain.batch
    return shape._replace(batch=min(max(shape.batch, least), most))


def _question(
    domain: Domain, shape: Shape, seed: int, i: int, pattern: str = "generic", of_y: str = "generic"
) -> Question:
    """The i-th question: activations, heads and reductions take turns; targets may be whole numbers, 0 among them."""
    at_work = _at_work(domain, shape, seed, i) if shape.embedded else ()
    widths = tuple(map(len, at_work)) or shape.widths
    batch, first = shape.batch, 0 if domain.widths else i
    hidden = [domain.hidden[(first + l) % len(domain.hidden)] for l in range(len(widths) - 2)]
    head, loss = domain.heads[i % len(domain.heads)]
    reduction = domain.reductions[i % len(domain.reductions)]
    patterns = (pattern, pattern, of_y)
    draw = int(np.random.SeedSequence((seed, i)).generate_state(1)[0])
    problem = fill(
        Architecture(widths, (*hidden, head), loss, reduction, batch, domain.dtype, patterns, draw, eta=0.125)
    )
    # Targets of a cross-entropy sum to one in every other problem, and do not in the rest.
    alternately = TARGETS.get(type(loss), (None, None)) == (0, np.inf) and i % 2 and widths[-1] > 1
    if domain.targets == "one-hot":
        problem = problem._replace(y=np.eye(widths[-1], dtype=problem.dtype)[problem.y.argmax(axis=1)])
    elif domain.targets == "distribution" or alternately:
        y = abs(problem.y) + problem.dtype.type(1 / 8)
        problem = problem._replace(y=(y / y.sum(axis=1, keepdims=True)).astype(y.dtype))
    if at_work:
        problem = _embedded(problem, shape.widths, at_work, draw)
    why = f"{shape.why}, {f'{batch} samples' if batch > 1 else 'one sample'}"
    return Question(why, problem, shape.role, at_work=at_work)


def _at_work(domain: Domain, shape: Shape, seed: int, i: int) -> tuple[Array, ...]:
    """`SMALL` inputs and units of each hidden layer; all of the last layer, and of one whose activation mixes them."""
    rng = np.random.default_rng((seed, i))
    sigmas = [domain.hidden[l % len(domain.hidden)] for l in range(len(shape.widths) - 2)]
    whole = [False, *(isinstance(sigma, MIXING) for sigma in sigmas), True]
    return tuple(
        np.arange(n) if all_of_them else np.sort(rng.choice(n, min(n, SMALL), replace=False))
        for n, all_of_them in zip(shape.widths, whole, strict=True)
    )


def _embedded(problem: Problem, widths: tuple[int, ...], at_work: Sequence[Array], draw: int) -> Problem:
    """A small problem inside a wide one: no other weights, biases everywhere, and x 0 elsewhere."""
    rng = np.random.default_rng(draw)
    layers, x = [], np.zeros((len(problem.x), widths[0]), problem.dtype)
    x[:, at_work[0]] = problem.x
    for (few, of_few, sigma), m, n, into, out in zip(
        problem.network, widths, widths[1:], at_work, at_work[1:], strict=False
    ):
        W, b = np.zeros((n, m), problem.dtype), rng.standard_normal(n).astype(problem.dtype)
        W[np.ix_(out, into)], b[out] = few, of_few
        layers.append(Layer(W, b, sigma))
    return problem._replace(network=tuple(layers), x=x)


def _saturated(problem: Problem) -> Problem:
    """With the first unit's weights and bias scaled up."""
    (W, b, sigma), *rest = problem.network
    scale = np.ones(len(W), W.dtype)
    scale[0] = 8
    return problem._replace(network=(Layer(W * scale[:, None], b * scale, sigma), *rest))


def _dead(problem: Problem, unit: int) -> Problem:
    """With no weights and no bias into a unit of the first layer: every term of its z is 0."""
    (W, b, sigma), *rest = problem.network
    alive = np.ones(len(W), W.dtype)
    alive[unit] = 0
    return problem._replace(network=(Layer(W * alive[:, None], b * alive, sigma), *rest))


def _scaled(problem: Problem, first: float, last: float) -> Problem:
    """With the first layer's parameters and the last layer's scaled by powers of two."""
    dtype = problem.x.dtype.type

    def scale(layer: Layer[Array], by: float) -> Layer[Array]:
        return Layer(layer.W * dtype(by), layer.b * dtype(by), layer.sigma)

    network = (scale(problem.network[0], first), *problem.network[1:])
    return problem._replace(network=(*network[:-1], scale(network[-1], last)))


def _to_the_exponentials_end(problem: Problem) -> Problem:
    """With logits of the size at which an exponential overflows."""
    end = float(np.log(np.finfo(problem.dtype).max))
    return _scaled(problem, 1, 2.0 ** np.ceil(np.log2(end)))


def _to_the_logarithms_end(problem: Problem) -> Problem:
    """With logits of the size at which a probability rounds to 1."""
    end = -float(np.log(np.finfo(problem.dtype).eps))
    return _scaled(problem, 1, 2.0 ** np.floor(np.log2(end)))


def _to_subnormals(problem: Problem) -> Problem:
    """With inputs that are barely normal numbers."""
    tiny = np.finfo(problem.dtype).tiny
    return problem._replace(x=(problem.x * problem.x.dtype.type(4 * tiny)).astype(problem.dtype))


EXTREMES = {
    "saturated: first layer scaled by 64": lambda problem: _scaled(problem, 64, 1),
    "logits where a probability rounds to 1": _to_the_logarithms_end,
    "logits where an exponential overflows": _to_the_exponentials_end,
    "inputs that are barely normal": _to_subnormals,
}
"""Ordinary problems, moved to an end of the range."""
