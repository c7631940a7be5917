"""The oracle: whether gradients are right and, if not, where.

`probe` asks somebody; `check` judges a given answer.  What accuses is the bound carried from x, forward and then back
along all paths (`conformance.reading.from_x`): no right program breaks it, whatever its arrangement.  What names the
equation, the layer and the element is each equation judged alone on the subject's own numbers.  A subject that passed
so on every small network has shown that it works by this recursion, and on large ones may be accused by it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import Parameter, signature
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from reference import Activation, Array, HalfSquaredError, Loss, Sigmoid, activation, forward, loss
from reference.checks import check_batch, check_loss, check_network
from reference.gradients import Reduction

from . import estimate, precision
from .explanation import Violation, explained, following, summary
from .judge import Judgement, admitted, along_paths
from .layouts import numbers
from .problem import Parameters, Problem
from .questions import Domain, Question, questions
from .reading import Reading, detection, explanation, from_x, idle, restricted
from .rounded import exact
from .verdict import (
    CONFORMS,
    WRONG,
    Finding,
    Report,
    Robustness,
    Subject,
    Tally,
    merged,
    tally,
)
from .wire import GivenAnswer, Refused

Ask = Callable[[Problem], GivenAnswer]
"""A subject, as the oracle sees it: a problem in, an answer out; `Refused` where it cannot."""

REPEATS = 4
"""How many wrong answers are asked for once more: state imitates every fault."""


class Outcome(NamedTuple):
    """What became of a question.

    ``accused`` are the judgements by the bound carried from x, ``alone`` those of each equation on the subject's own
    numbers, where it reported enough.  ``failure`` says why there is no answer, ``changed`` that the subject altered
    what it was given.
    """

    question: Question
    answer: GivenAnswer | None
    accused: tuple[Judgement, ...] = ()
    alone: Reading | None = None
    failure: str = ""
    changed: bool = False

    @property
    def judged(self) -> GivenAnswer:
        """The answer to the problem that is judged."""
        assert self.answer is not None
        return restricted(self.answer, self.question.at_work) if self.question.at_work else self.answer

    @property
    def wrong(self) -> bool:
        """Whether the bound that may accuse is broken."""
        return any(judgement.wrong for judgement in self.accused)


def probe(
    function: Callable[..., Any],
    *,
    hidden: Activation | str | Sequence[Activation] = Sigmoid(),  # noqa: B008  (a frozen value)
    output: Activation | str = Sigmoid(),  # noqa: B008
    loss: Loss | str = HalfSquaredError(),  # noqa: B008
    reduction: Reduction = "sum",
    dtype: str = "float64",
    widths: Sequence[int] | None = None,
    layers: tuple[int, int] = (1, 12),
    width: tuple[int, int] = (1, 1024),
    batch: tuple[int, int] = (1, 1024),
    conventions: Mapping[str, float] | None = None,
    name: str = "",
    seed: int = 0,
) -> Report:
    """Ask a function for gradients, and say whether they are right and, if not, where.

    Parameters
    ----------
    function : callable
        Called as ``function(network, x, y)`` or, with two parameters, ``function(network, (x, y))``.  ``network`` is a
        tuple of ``(W, b, sigma)``, W (n_l, n_{l-1}), b (n_l,); x is (B, n_0) and y (B, n_L), all in ``dtype``.  It
        returns for each layer ``(dW, db)``, or something with ``W`` and ``b``, in the shapes of the parameters; or a
        `GivenAnswer` with more.  ``NotImplementedError`` says that it cannot answer this question.
    hidden, output : activation, or its name
        What the function computes in its hidden layers (several take turns) and in its last.
    loss, reduction : loss or its name, "sum" or "mean"
        What it differentiates.  The defaults are the document's example.
    dtype : "float32" or "float64"
        The format in which it claims to compute.
    widths : sequence of int, optional
        n_0 to n_L, if the function takes one shape only.
    layers, width, batch : (int, int)
        The smallest and the largest number of layers, units and samples that it takes.
    conventions : mapping, optional
        The derivatives at kinks that it holds to, as ``{"relu_derivative_at_zero": 0}``.
    name : str
        For the report; the function's own by default.
    seed : int
        Of the questions.

    Returns
    -------
    Report
        ``print`` it; ``report.verdict`` is "CONFORMS", "WRONG", "SUSPECT" or "UNDECIDED".

    Raises
    ------
    TypeError, ValueError
        If what is said of the function cannot be: an unknown name, a loss that wants another last activation.

    Examples
    --------
    >>> import reference
    >>> def mine(network, x, y):
    ...     _, gradients = reference.value_and_gradients(network, x, y, reference.HalfSquaredError(), "sum")
    ...     return [(gradient.W, gradient.b) for gradient in gradients]
    >>> probe(mine).verdict
    'CONFORMS'
    >>> def doubled(network, x, y):
    ...     return [(2 * dW, db) for dW, db in mine(network, x, y)]
    >>> report = probe(doubled)
    >>> report.verdict, report.findings[0].equation
    ('WRONG', 'B3')
    """
    domain = _domain(hidden, output, loss, reduction, dtype, widths, layers, width, batch, conventions)
    subject = Subject(name or getattr(function, "__name__", type(function).__name__))
    return interrogated(asking(function), domain, subject, seed)


def probe_trainer(trainer: Callable[..., Any], **options: Any) -> Report:
    """Ask a function that takes training steps and returns weights only; otherwise as `probe`.

    Parameters
    ----------
    trainer : callable
        Called as ``trainer(network, x, y, eta)``: one plain step of gradient descent with learning rate eta.  It
        returns the new ``(W, b)`` of each layer.  The gradient is (W - W') / eta; eta is a large power of two, so that
        the subtraction loses nothing, and smaller where the trainer refuses it.
    **options
        Those of `probe`.

    Returns
    -------
    Report
    """
    options.setdefault("name", getattr(trainer, "__name__", type(trainer).__name__))

    def ask(network: Any, x: Array, y: Array) -> GivenAnswer:
        refusal: Exception | None = None
        for exponent in RATES:
            eta = 2.0**exponent
            try:
                stepped = trainer(network, x, y, eta)
            except (ValueError, OverflowError, FloatingPointError) as error:
                refusal = error
                continue
            after = _layers(stepped, [W.shape for W, _, _ in network], x.dtype)
            return GivenAnswer(
                tuple(
                    Parameters(*(precision.from_step(p, q, eta) for p, q in ((W, V), (b, c))))
                    for (W, b, _), (V, c) in zip(network, after, strict=True)
                )
            )
        raise refusal or ValueError("no learning rate was taken")

    return probe(ask, **options)


RATES = (40, 20, 0)
"""Powers of two that a trainer is given as its learning rate, until it takes one."""


def interrogated(ask: Ask, domain: Domain, subject: Subject, seed: int = 0) -> Report:
    """Ask a subject all questions of its domain and judge its answers.

    Parameters
    ----------
    ask : function
        From a problem to an answer.
    domain : Domain
    subject : Subject
        For the report.
    seed : int
    """
    asked = list(questions(domain, seed))
    outcomes = [_outcome(question, ask, domain, False) for question in asked if question.role == "detect"]
    recursive = _works_by_the_recursion(outcomes)
    outcomes += [_outcome(question, ask, domain, recursive) for question in asked if question.role == "locate"]
    first = [outcome for outcome in outcomes if not outcome.question.again]
    unsupported = [outcome for outcome in first if outcome.failure.startswith("unsupported")]
    failed = [outcome for outcome in first if outcome.failure and outcome not in unsupported]
    ordinary = [o for o in first if o.question.kind == "ordinary" and not o.failure]
    state = _state(outcomes, ask, domain)
    findings: list[Finding] = []
    tallies: dict[tuple[str, int], Tally] = {}
    for outcome in failed:
        findings.append(_failure(outcome))
    if state is not None:
        findings.append(state)
    for judgement in (j for o in ordinary if state is None for j in _counted(o, recursive, domain)):
        tallies = merged(tallies, {(judgement.equation, judgement.layer): tally(judgement)})
    violations = [] if state is not None else _violations(ordinary, recursive, domain)
    findings += explained(violations)
    extremes = [o for o in first if o.question.kind == "extreme" and not o.failure]
    broken = [outcome for outcome in extremes if outcome.wrong]
    if state is None and not any(finding.verdict == WRONG for finding in findings):
        findings += [f._replace(kind="extreme") for f in explained(_violations(broken, False, domain))]
    bits = precision.effective_bits([(o.question.judged, o.judged) for o in ordinary])
    report = Report(
        subject,
        tallies,
        tuple(findings),
        asked=len(outcomes) - len(unsupported),
        unsupported=len(unsupported),
        failed=len(failed),
        robustness=Robustness(WRONG if broken else CONFORMS, len(extremes), len(broken)) if extremes else None,
        effective_bits={domain.dtype: bits} if bits else {},
        seed=seed,
        following=following(violations),
    )
    return report._replace(remarks=tuple(_remarks(report, outcomes, recursive, domain)))


def _outcome(question: Question, ask: Ask, domain: Domain, recursive: bool) -> Outcome:
    """Ask and judge.

    Where every equation holds alone on the subject's own numbers, the whole is within the bound carried from x, which
    need not be evaluated; the questions with batches say how much that bound sees.
    """
    answer, failure, changed = _asked(question.problem, ask)
    if answer is None:
        return Outcome(question, None, failure=failure, changed=changed)
    outcome = Outcome(question, answer, changed=changed)
    problem, given, conventions = question.judged, outcome.judged, domain.conventions
    alone = detection(problem, given, conventions) if question.kind == "ordinary" and not question.again else None
    outcome = outcome._replace(alone=alone)
    within = alone is not None and not alone.violated and (recursive or domain.batch[1] > 1)
    if question.again or within:
        return outcome
    idling = idle(answer, question.at_work, problem.dtype) if question.at_work else ()
    return outcome._replace(accused=(*from_x(problem, given, conventions), *idling))


def _asked(problem: Problem, ask: Ask) -> tuple[GivenAnswer | None, str, bool]:
    """The answer, or why there is none; and whether the subject changed what it was given."""
    given = [problem.x, problem.y, *(p for W, b, _ in problem.network for p in (W, b))]
    copies = [p.copy() for p in given]
    network = tuple(
        layer._replace(W=W, b=b) for layer, W, b in zip(problem.network, copies[2::2], copies[3::2], strict=True)
    )
    try:
        with np.errstate(all="ignore"):
            answer = ask(problem._replace(network=network, x=copies[0], y=copies[1]))
    except NotImplementedError as error:
        return None, f"unsupported: {error}", False
    except Refused as refused:
        return None, str(refused), False
    except Exception as error:  # somebody else's code may raise anything
        return None, f"{type(error).__name__}: {error}", False
    try:
        _check_shapes(problem, answer)
    except ValueError as error:
        return None, str(error), False
    return answer, "", not all(map(np.array_equal, copies, given))


def asking(function: Callable[..., Any]) -> Ask:
    """A plain function as a subject: what it returns is taken apart, and refused where its shapes do not fit."""
    together = _takes_a_pair(function)

    def ask(problem: Problem) -> GivenAnswer:
        network, x, y = problem.network, problem.x, problem.y
        returned = function(network, (x, y)) if together else function(network, x, y)
        if isinstance(returned, GivenAnswer):
            return returned
        return GivenAnswer(_layers(returned, [W.shape for W, _, _ in network], problem.dtype))

    return ask


def _takes_a_pair(function: Callable[..., Any]) -> bool:
    try:
        positional = [
            p
            for p in signature(function).parameters.values()
            if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) and p.default is Parameter.empty
        ]
    except (TypeError, ValueError):  # a built-in function says nothing of its parameters
        return False
    return len(positional) == 2


def _layers(returned: Any, shapes: list[tuple[int, ...]], dtype: Any) -> tuple[Parameters, ...]:
    """What a function returned, a pair of arrays a layer; copied, since it may use its buffers again.

    Raises
    ------
    TypeError, ValueError
        If it is something else, or of other shapes.
    """
    if not isinstance(returned, list | tuple) or len(returned) != len(shapes):
        got = f"{len(returned)} of them" if isinstance(returned, list | tuple) else type(returned).__name__
        raise ValueError(f"expected a list of (dW, db), one for each of the {len(shapes)} layers, got {got}")
    layers = []
    for l, (layer, shape) in enumerate(zip(returned, shapes, strict=True), start=1):
        if hasattr(layer, "W") and hasattr(layer, "b"):
            layer = layer.W, layer.b
        if not isinstance(layer, list | tuple) or len(layer) != 2:
            raise ValueError(f"layer {l}: expected (dW, db), got {type(layer).__name__}")
        W, b = (_array(part, f"d{field}, layer {l}") for part, field in zip(layer, "Wb", strict=True))
        for array, field, expected in ((W, "dW", shape), (b, "db", shape[:1])):
            if array.shape != expected:
                raise ValueError(f"{field}, layer {l}: expected shape {expected}, got {array.shape}")
        with np.errstate(over="ignore"):
            layers.append(Parameters(W.astype(dtype, copy=False), b.astype(dtype, copy=False)))
    return tuple(layers)


def _array(part: Any, where: str) -> Array:
    array = numbers(part)  # copied
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{where}: expected an array of real numbers, got dtype {array.dtype}")
    return array


def _state(outcomes: Sequence[Outcome], ask: Ask, domain: Domain) -> Finding | None:
    """Whether the same question gets another answer, beyond what rounding explains: that imitates every fault."""
    for before, after in pairwise(outcomes):
        if after.question.again and before.answer is not None:
            found = _differs(before, after.answer, after.failure, domain)
            if found is not None:
                return found
    wrong = [o for o in outcomes if o.wrong and not o.question.again]
    for before in wrong[:REPEATS]:
        found = _differs(before, *_asked(before.question.problem, ask)[:2], domain)
        if found is not None:
            return found
    return None


def _differs(before: Outcome, again: GivenAnswer | None, failure: str, domain: Domain) -> Finding | None:
    """A finding where two answers to one question are further apart than two right answers can be."""
    kind, why, problem, answer = before.question.kind, before.question.why, before.question.judged, before.judged
    if again is None:
        said = f"Asked the same question again ({why}), it failed: {failure}"
        return Finding(WRONG, kind, "state", 0, (), np.nan, np.nan, np.nan, said)
    again = restricted(again, before.question.at_work) if before.question.at_work else again
    steps = forward(admitted(problem.network, domain.conventions), exact(problem.x))
    bounds = along_paths(problem, [(z, a) for _, z, a in steps], domain.conventions)
    for l, (gradient, _) in zip(range(len(steps), 0, -1), bounds, strict=True):
        for field in Parameters._fields:
            first, second = (precision.plain(getattr(given.gradients[l - 1], field)) for given in (answer, again))
            bound = 2 * getattr(gradient, field).rad
            with np.errstate(all="ignore"):
                beyond = abs(second - first) - bound
            beyond = np.where(np.isnan(first) != np.isnan(second), np.inf, np.nan_to_num(beyond, nan=-np.inf))
            at = np.unravel_index(int(np.argmax(beyond)), beyond.shape)
            if beyond[at] > 0:
                said = (
                    f"The same question ({why}) got another answer the second time, in d{field} of layer {l}: "
                    f"something is kept from one call to the next (gradients added up, an older forward pass, dropout "
                    f"left on).  "
                    f"State imitates every other mistake, so nothing else is named."
                )
                element = tuple(map(int, at))
                return Finding(
                    WRONG, kind, "state", l, element, float(second[at]), float(first[at]), float(bound[at]), said
                )
    return None


def _works_by_the_recursion(small: Iterable[Outcome]) -> bool:
    """Whether every equation holds alone in every small network with a single sample: only then may it accuse."""
    readings = [o.alone for o in small if o.question.kind == "ordinary" and o.alone is not None]
    return bool(readings) and not any(reading.violated for reading in readings)


def _counted(outcome: Outcome, recursive: bool, domain: Domain) -> Iterator[Judgement]:
    """The judgements of an outcome that count: those that may accuse, and those that name."""
    alone, accusing = outcome.alone, recursive and outcome.question.role == "locate"
    if outcome.wrong or (accusing and alone is not None and alone.violated):
        reading = explanation(outcome.question.judged, outcome.judged, domain.conventions)
        yield from reading.judgements if reading else outcome.accused
    elif accusing and alone is not None:
        yield from alone.judgements
    else:
        yield from outcome.accused
        if alone is not None and recursive:
            yield from (j for j in alone.judgements if j.equation in ("F", "F1", "F2", "B1", "B2"))


def _violations(outcomes: Sequence[Outcome], recursive: bool, domain: Domain) -> list[Violation]:
    conforming = tuple(o.question for o in outcomes if not o.wrong)
    found = []
    for o in outcomes:
        alone = recursive and o.question.role == "locate" and o.alone is not None and bool(o.alone.violated)
        if o.wrong or alone:
            reading = explanation(o.question.judged, o.judged, domain.conventions)
            found.append(Violation(o.question, o.accused, reading, conforming))
    return found


def _failure(outcome: Outcome) -> Finding:
    said = f"No answer to a question ({outcome.question.why}): {outcome.failure}"
    return Finding(WRONG, outcome.question.kind, "protocol", 0, (), np.nan, np.nan, np.nan, said)


def _remarks(report: Report, outcomes: Sequence[Outcome], recursive: bool, domain: Domain) -> Iterator[str]:
    yield from summary(report)
    small = [o.alone for o in outcomes if o.alone is not None and o.question.role == "detect"]
    if report.verdict == CONFORMS and not recursive and small:
        yield (
            "Not evaluated by this recursion: single equations are off by more than a rounding of their own, while "
            "the whole is within its bound.  Forward mode and complex steps are such programs."
        )
    if any(o.changed for o in outcomes):
        yield "It changed the arrays that it was given."
    for why in sorted({o.failure for o in outcomes if o.failure.startswith("unsupported")}):
        yield f"Not asked: {why}"


def check(
    problem: Problem,
    answer: GivenAnswer | Sequence[Any],
    *,
    conventions: Mapping[str, float] | None = None,
    name: str = "",
) -> Report:
    """Judge a given answer to a given problem.

    Parameters
    ----------
    problem : Problem
        `conformance.problem.Problem`: network, x, y, loss, reduction, eta (which is not looked at).
    answer : GivenAnswer, or list of (dW, db)
        The gradients, and what else is known: loss, output, dL/dx, the trace.
    conventions : mapping, optional
        The derivatives at kinks that are held to, as ``{"relu_derivative_at_zero": 0}``.
    name : str
        For the report.

    Returns
    -------
    Report
        WRONG by a bound; SUSPECT where only an estimate of the usual rounding speaks against a number; UNDECIDED where
        no bound is small enough.

    Raises
    ------
    TypeError, ValueError
        If the problem is none, or the answer has other shapes or another dtype.
    """
    problem = checked(problem)
    declared = conventions or {}
    if not isinstance(answer, GivenAnswer):
        answer = GivenAnswer(_layers(answer, [W.shape for W, _, _ in problem.network], problem.dtype))
    _check_shapes(problem, answer)
    accused = tuple(from_x(problem, answer, declared))
    question = Question("", problem)
    alone = detection(problem, answer, declared)
    outcome = Outcome(question, answer, accused, alone)
    traced = answer.trace is not None and alone is not None and bool(alone.violated)
    reading = explanation(problem, answer, declared) if outcome.wrong or traced else None
    violations = [Violation(question, accused, reading, ())] if outcome.wrong or traced else []
    counted = reading.judgements if reading else accused
    if not violations and any(j.undecided for j in accused):
        estimated = {(j.equation, j.layer): j for j in estimate.suspected(problem, answer, declared) if j.suspect}
        counted = tuple(estimated.get((j.equation, j.layer), j) for j in counted)
    tallies: dict[tuple[str, int], Tally] = {}
    for judgement in counted:
        tallies = merged(tallies, {(judgement.equation, judgement.layer): tally(judgement)})
    suspects = [j for j in counted if j.suspect]
    findings = [*explained(violations), *(estimate.finding(j) for j in suspects)]
    bits = precision.effective_bits([(problem, answer)])
    report = Report(
        Subject(name or "the answer given"),
        tallies,
        tuple(findings),
        asked=1,
        effective_bits={str(problem.dtype): bits} if bits else {},
        following=following(violations),
    )
    return report._replace(remarks=tuple(summary(report)))


def checked(problem: Problem) -> Problem:
    """The problem, every part of it checked as by `reference.value_and_gradients`; raises like it."""
    network, dtype = check_network(problem.network)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"problem: expected dtype float32 or float64, got {dtype}")
    loss = check_loss(network, dtype, problem.loss, problem.reduction)
    x, y = check_batch(network, dtype, problem.x, problem.y, loss)
    return problem._replace(network=network, x=x, y=y, loss=loss)


def _check_shapes(problem: Problem, answer: GivenAnswer) -> None:
    """Raise ValueError where a part of an answer has another shape or dtype than the problem asks for."""
    B, dtype = len(problem.x), problem.dtype
    for name, parts in (("gradients", answer.gradients), ("trace", answer.trace)):
        if parts is not None and len(parts) != len(problem.network):
            raise ValueError(f"{name}: expected {len(problem.network)} layers, got {len(parts)}")
    K = problem.network[-1].W.shape[0]
    expected: list[tuple[str, Any, tuple[int, ...]]] = [
        (f"{field}, layer {l}", getattr(got, field), shape)
        for l, (got, layer) in enumerate(zip(answer.gradients, problem.network, strict=True), start=1)
        for field, shape in (("W", layer.W.shape), ("b", layer.b.shape))
    ]
    expected += [("loss", answer.loss, ()), ("output", answer.output, (B, K))]
    expected += [("input_gradient", answer.input_gradient, problem.x.shape)]
    for l, (state, layer) in enumerate(zip(answer.trace or (), problem.network, strict=False), start=1):
        expected += [(f"trace, layer {l}, {f}", getattr(state, f), (B, len(layer.b))) for f in ("z", "a", "delta")]
    for where, part, shape in expected:
        if part is not None and (part.shape != shape or part.dtype != dtype):
            raise ValueError(
                f"{where}: expected shape {shape} and dtype {dtype}, got {part.shape} and {part.dtype}"
            )


def assert_conforms(report: Report) -> None:
    """Raise with the whole explanation unless a report conforms: for people's own tests.

    Raises
    ------
    AssertionError
        If the verdict is another than CONFORMS.
    """
    if report.verdict != CONFORMS:
        raise AssertionError(f"\n{report}")


def _domain(
    hidden: Any,
    output: Any,
    loss_: Any,
    reduction: Any,
    dtype: Any,
    widths: Any,
    layers: Any,
    width: Any,
    batch: Any,
    conventions: Any,
) -> Domain:
    """What is said of a subject, checked: by the reference's own checks, on a network of that kind."""
    sigmas = [_activation(each) for each in (hidden if isinstance(hidden, list | tuple) else [hidden])]
    head, of = _activation(output), loss(loss_) if isinstance(loss_, str) else loss_
    if str(dtype) not in ("float32", "float64"):
        raise ValueError(f"dtype: expected 'float32' or 'float64', got {dtype!r}")
    if widths is not None and (len(widths) < 2 or any(int(n) != n or n < 1 for n in widths)):
        raise ValueError(f"widths: expected n_0 to n_L, at least two whole numbers above 0, got {widths!r}")
    K = widths[-1] if widths is not None else 5
    probe_network = ((np.ones((K, 3), dtype), np.ones(K, dtype), head),)
    network, kind = check_network(probe_network)  # type: ignore[arg-type]
    of = check_loss(network, kind, of, reduction)
    for name, limits in (("layers", layers), ("width", width), ("batch", batch)):
        if len(limits) != 2 or not 1 <= limits[0] <= limits[1]:
            raise ValueError(f"{name}: expected the smallest and the largest, such as (1, 8), got {limits!r}")
    fixed = None if widths is None else tuple(int(n) for n in widths)
    domain = Domain(
        sigmas, [(head, of)], [reduction], str(dtype), fixed, tuple(layers), tuple(width), tuple(batch),
        dict(conventions or {}),
    )  # fmt: skip
    if not any(True for _ in questions(domain, 0)):
        raise ValueError(
            "nothing to ask: no question has so many layers, units and samples; widths=(n_0, ..., n_L) fixes one shape"
        )
    return domain


def _activation(named: Any) -> Activation:
    return activation(named) if isinstance(named, str) else named

