"""The oracle: whether gradients are right and, if not, where.

`probe` asks a function, `probe_trainer` one that returns weights only; `check` judges a given answer.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Unpack

import numpy as np

from reference import Layer
from reference.checks import check_batch, check_loss, check_network
from reference.checks.numbers import check_whole_number

from ...arrays import Network
from ...bounds.admitted import declared
from ...bounds.lifted import lifted
from ...judge import precision
from ...judge.headline import headline
from ...judge.known import Known, checked
from ...judge.report import Report, Subject
from ...judge.verdict import CONFORMS, NOT_ASKED, UNDECIDED, by_equation_and_layer, merged
from ...problems.problem import GivenAnswer, Problem
from ...subjects.callables import asking
from ...subjects.shapes.handed import handed, in_our_shapes
from ...subjects.shapes.objective import documented
from ...subjects.shapes.style import OURS, Shaped, Style, style_of
from ...subjects.shapes.taken import answer_of, apart_from_loss, check_shapes, layers_of
from .asking.domain import Declared, Method, domain_of, one_of
from .asking.orientation import in_own_arrays
from .asking.questions import Question
from .asking.unasked import call_of
from .conclusion import concluded
from .explanation import Violation, attributed, explained, summary
from .identity import identified, of_domain, of_problem
from .interrogation import interrogated
from .judging import estimate
from .judging.evidence import Evidence, equations_of, evidence
from .training import Trained, by_steps, not_in_proportion, of_updates, steps_in_a_row


def probe(
    function: Callable[..., Any],
    *,
    name: str = "",
    seed: int = 0,
    problems: int | None = None,
    known: Iterable[Known] = (),
    **options: Unpack[Declared],
) -> Report:
    """Ask a function for gradients, and say whether they are right and, if not, where.

    Parameters
    ----------
    function : callable
        Called as ``function(network, x, y)`` or, with two parameters, ``function(network, (x, y))``.  ``network`` is a
        tuple of ``(W, b, sigma)``, W (n_l, n_{l-1}), b (n_l,); x is (B, n_0) and y (B, n_L), all in ``dtype``.  It
        returns for each layer ``(dW, db)``, something with ``W`` and ``b``, or a dict of them, in the shapes of the
        parameters; or a dict of all gradients, by names such as "dW1" and "db1" or "layers.0.weight"; or the loss and
        its gradients, a pair; or a `GivenAnswer` with more.  What it has otherwise is declared, below.
        ``NotImplementedError`` says that it cannot answer this question.  Where it raises whatever it is asked nothing
        is judged.
    name : str
        For the report; the function's own by default.
    seed : int
        Of the questions.
    problems : int, optional
        How many questions; 60, or 30 for one shape, where nothing is said.  Beyond the fixed ones they are random.
    known : sequence of Known
        Failures that are expected, by the ids of their findings, with an address each
        (`conformance.judge.known.read` takes them from a file).  They do not make the verdict WRONG; one that passes is
        said.
    **options
        What the function computes, all of it optional:

        hidden, output : activation, or its name
            In its hidden layers (several take turns) and in its last: the reference's equations with PyTorch's
            parameters, so that softplus is a line above its threshold of 20 unless another is given.  Sigmoid.
        loss, reduction : loss or its name, "sum" or "mean"
            What it differentiates.  The document's example: half the squared error, summed.
        dtype : "float32" or "float64"
            The format in which it claims to compute.  float64.
        widths : sequence of int
            n_0 to n_L, if the function takes one shape only.
        layers, width, batch : (int, int)
            The smallest and the largest number of layers, units and samples that it takes.
        conventions : mapping
            The derivatives at kinks that it holds to, as ``{"relu_derivative_at_zero": 0}``.
        targets : "any", "distribution", "one-hot" or "indices"
            What y it takes: any that the loss is defined for; rows that sum to one, without which p - y is no gradient
            of softmax and cross-entropy; a single 1 in each row; or the classes themselves, y (B,) of whole numbers.
            Where nothing is said, it is judged on rows that sum to one, and what others show is a remark.
        method : "any" or "backpropagation"
            "backpropagation" promises the documented recursion, layer by layer, rescaled by powers of two at most.
            Then each equation alone, on the function's own numbers, may accuse, which tells more of large networks;
            without it what only such a bound finds is SUSPECT at most: forward mode and loss scales break it too.

        How its code has all this, where it is otherwise:

        weights : "out, in" or "in, out"
            How weights and their gradients are stored.
        samples : "rows" or "columns"
            How x, y and what is volunteered of samples are stored.
        biases : "(n,)", "(1, n)", "(n, 1)" or "none"
            Their shape; "none" for networks without: no b is handed over, no db is returned, and (B4) is not asked.
        parameters : "layers", "pairs", "in turn", "weights, biases", "biases, weights", or a pair of names
            How the network is handed over: layers of (W, b, sigma); a list of (W, b); a list W1, b1, W2, ...; two
            arguments, a list each; or a dict by names with ``{l}`` (from 1) or ``{k}`` (from 0) in them, such as
            ``("W{l}", "b{l}")``.
        returns : "pairs", "in turn", "weights, biases", "biases, weights", or a pair of names
            How gradients are returned: as ``parameters`` says, where nothing is said.  A dict whose names tell in one
            way alone what is whose gradient needs none.
        over_outputs : "sum" or "mean"
            "mean" where the loss is averaged over the outputs too, as a mean over all elements is.
        l2 : float
            The c of a penalty c/2 |W|^2 in the objective, so that dL/dW gains c W; twice lambda where the objective has
            lambda |W|^2.  It is neither averaged over samples nor over outputs.
        l2_biases : bool
            Whether the biases carry it too.  False.

    Returns
    -------
    Report
        ``print`` it; ``report.verdict`` is "CONFORMS", "WRONG", "SUSPECT" or "UNDECIDED"; or "NOT ASKED" where what
        came has other shapes than were declared, with the option that mends it, or nothing came.  Findings tell
        elements of arrays as the function has them; the ``question`` of a finding has the document's shapes.

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
    subject, domain = Subject(name or getattr(function, "__name__", type(function).__name__)), domain_of(**options)
    asked = domain, subject, check_whole_number("seed", seed, 0), _count(problems)
    called = call_of(subject.name, domain.style, "x, y")
    return interrogated(asking(function, domain.style), *asked, known, lambda style: asking(function, style), called)


def probe_trainer(
    trainer: Callable[..., Any],
    *,
    name: str = "",
    seed: int = 0,
    problems: int | None = None,
    known: Iterable[Known] = (),
    **options: Unpack[Declared],
) -> Report:
    """Ask a function that takes training steps and returns weights only; otherwise as `probe`.

    Parameters
    ----------
    trainer : callable
        Called as ``trainer(network, x, y, eta)``: one plain step of gradient descent with learning rate eta.  It
        returns the new ``(W, b)`` of each layer, alone or with a loss, which is not looked at.  The gradient is
        (W - W') / eta; eta is a large power of two, so that the subtraction loses nothing, and smaller where the
        trainer refuses it.
    name, seed, problems, known, **options
        As for `probe`.

    Returns
    -------
    Report
        With (U1) and (U2) besides: some steps in a row, each from the weights that the one before returned, with other
        samples, so that momentum, decay and schedules show.
    """
    if not callable(trainer):
        raise TypeError(f"expected a function of (network, x, y, eta), got {type(trainer).__name__}")
    domain, subject = domain_of(**options), Subject(name or getattr(trainer, "__name__", type(trainer).__name__))
    train = _steps(trainer, domain.style)
    seed = check_whole_number("seed", seed, 0)
    expected = checked(known)
    findings, judgements = steps_in_a_row(train, domain, seed)
    findings = findings or not_in_proportion(train, domain, seed)  # what is kept is no matter of the rate
    findings = [in_own_arrays(finding, domain.style) for finding in findings]
    report = interrogated(
        by_steps(train, domain.style), domain, subject, seed, _count(problems),
        restyled=lambda style: by_steps(_steps(trainer, style), style),
        called=call_of(subject.name, domain.style, "x, y, eta"),
    )  # fmt: skip
    if report.verdict == NOT_ASKED:
        return report
    if findings:  # what is no plain step shows no gradient, and questions of it tell nothing of the equations
        failed = [finding for finding in report.findings if finding.equation == "protocol"]
        tallies = by_equation_and_layer(judgements)
        report = report._replace(findings=(*findings, *failed), remarks=(), robustness=None, effective_bits={})
    else:
        tallies = merged(report.tallies, by_equation_and_layer(judgements))
        report = report._replace(findings=of_updates(report.findings))
    return identified(report._replace(tallies=tallies), of_domain(domain), expected)


def _steps(trainer: Callable[..., Any], style: Style) -> Trained:
    """A trainer as a function from a problem and a rate to the network after a step."""

    def train(problem: Problem, eta: float) -> Network:
        layers = tuple(layer._replace(W=layer.W.copy(), b=layer.b.copy()) for layer in problem.network)
        kept = problem._replace(network=layers, x=problem.x.copy(), y=problem.y.copy())  # it may step in place
        own = handed(kept, style)
        _, parameters = apart_from_loss(trainer(*own.network, own.x, own.y, eta))
        after = layers_of(problem, parameters, style, names=("W", "b"))
        return tuple(
            Layer(W, b if style.biased else layer.b, layer.sigma)
            for (W, b), layer in zip(after, problem.network, strict=True)
        )

    return train


@np.errstate(all="ignore")  # where the truth overflows, as the judge sees
def check(
    problem: Problem,
    answer: GivenAnswer | Sequence[Any] | Mapping[str, Any],
    *,
    conventions: Mapping[str, float] | None = None,
    method: Method = "any",
    known: Iterable[Known] = (),
    targets: Literal["indices"] | None = None,
    name: str = "",
    **shapes: Unpack[Shaped],
) -> Report:
    """Judge a given answer to a given problem.

    Parameters
    ----------
    problem : Problem
        `conformance.problems.problem.Problem`: network, x, y, loss, reduction, eta (which is not looked at).
    answer : GivenAnswer, or gradients as `probe` takes them
        The gradients, and what else is known: loss, output, dL/dx, the trace.
    conventions : mapping, optional
        The derivatives at kinks that are held to, as ``{"relu_derivative_at_zero": 0}``.
    method : "any" or "backpropagation"
        As for `probe`.
    known : sequence of Known
        As for `probe`.
    targets : "indices", optional
        That y is (B,), of class indices.
    name : str
        For the report.
    **shapes
        How problem and answer have their arrays, and what the objective adds to the loss, as for `probe`: weights,
        samples, biases, returns, over_outputs, l2, l2_biases.

    Returns
    -------
    Report
        WRONG by a bound; SUSPECT where only an estimate of the usual rounding speaks against a number; UNDECIDED where
        no bound is small enough.

    Raises
    ------
    TypeError, ValueError
        If the problem is none, or the answer has other shapes or another dtype; in one line with what mends it.
    """
    one_of("targets", targets, (None, "indices"))
    style = style_of(indices=targets == "indices", **shapes)
    problem, held_to = check_problem(in_our_shapes(problem, style)), declared(conventions)
    answer = answer_of(problem, answer, style)
    check_shapes(problem, answer)
    answer = documented(answer, problem, style)
    promised = one_of("method", method, ("any", "backpropagation")) == "backpropagation"
    report = judged(evidence(lifted(problem, held_to), answer), promised, style)
    report = identified(report._replace(subject=Subject(name or "the answer given")), of_problem(problem), known)
    return report._replace(remarks=tuple(summary(report)))


def judged(found: Evidence, promised: bool = False, style: Style = OURS) -> Report:
    """The report on one answer, from what was found about it; nobody's name and no remark stand there yet.

    Parameters
    ----------
    found : Evidence
    promised : bool
        Whether the documented recursion is promised, so that each equation alone may accuse.
    style : Style
        In which the answer came.
    """
    problem, answer = found.of.problem, found.answer
    question = Question("", problem)
    accused = found.wrong or (promised and found.doubtful)
    wrong = [Violation(question, found, found.explained(), ())] if accused else []
    violations = attributed(wrong)
    findings, violations, is_explained = concluded(explained(violations), violations, [found], style)
    counted = found.counted
    if violations:
        counted = tuple(violations[0].counted)
    elif found.alone is None or found.doubtful:
        estimated = {(j.equation, j.layer): j for j in estimate.suspected(found.of, answer) if j.suspect}
        counted = tuple(estimated.get((j.equation, j.layer), j) if j.undecided else j for j in counted)
    findings += [estimate.finding(j) for j in counted if j.suspect and not violations]
    quiet = is_explained or found.of.narrower
    bits = None if quiet else precision.effective_bits([(found.of, answer)])
    return Report(
        Subject("the answer given"),
        by_equation_and_layer(counted),
        tuple(in_own_arrays(finding, style) for finding in findings),
        asked=1,
        effective_bits={str(problem.dtype): bits} if bits else {},
        expected=equations_of(found.of, answer),
    )


def check_problem(problem: Problem) -> Problem:
    """The problem, every part of it checked as by `reference.value_and_gradients`; raises like it."""
    if not isinstance(problem, Problem):
        got = type(problem).__name__
        raise TypeError(f"problem: expected a Problem(network, x, y, loss, reduction, eta), got {got}")
    network, dtype = check_network(problem.network)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"problem: expected dtype float32 or float64, got {dtype}")
    loss = check_loss(network, dtype, problem.loss, problem.reduction)
    x, y = check_batch(network, dtype, problem.x, problem.y, loss)
    return problem._replace(network=network, x=x, y=y, loss=loss)


def assert_conforms(
    report: Report, *, undecided: Literal["refuse", "allow"] = "refuse", extremes: bool = False
) -> None:
    """Raise with the whole explanation unless a report conforms: for people's own tests.

    Parameters
    ----------
    report : Report
    undecided : "refuse" or "allow"
        Whether numbers that no bound decides may pass.
    extremes : bool
        Whether it must conform at the ends of the range too, where a formula that is right on paper may fail.

    Raises
    ------
    AssertionError
        If the verdict is another than CONFORMS, or UNDECIDED where that is allowed.  The first line says which
        equation is violated, where, and what mistake fits; the whole report follows.
    """
    __tracebackhide__ = True
    one_of("undecided", undecided, ("refuse", "allow"))
    if not isinstance(report, Report):
        raise TypeError(f"assert_conforms: expected a report of probe or check, got {type(report).__name__}")
    verdicts = [report.verdict, *([report.robustness.verdict] if extremes and report.robustness else [])]
    passing = (CONFORMS, UNDECIDED) if undecided == "allow" else (CONFORMS,)
    if any(verdict not in passing for verdict in verdicts):
        raise AssertionError(f"{headline(report)}\n\n{report}")


def _count(problems: Any) -> int | None:
    return None if problems is None else check_whole_number("problems", problems, 1)
