"""The smoke test: two fixed tiny problems, so that a broken wrapper is not taken for broken mathematics."""

from collections.abc import Sequence

from ...oracle.asking import Failure, reply
from ...oracle.network.asking.domain import Domain
from ...problems.drawn import moderate
from ...problems.problem import Architecture, Problem, fill
from ...problems.training import one_step
from ...subjects.shapes.taken import check_shapes
from .opening import CannotAsk, Opened

TINY = (((2, 3), 1), ((3, 2, 4), 3))
"""Widths and samples of the two problems, where the subject takes them."""

SHOWN = 400
"""Characters of a line that are printed."""


def tiny(domain: Domain) -> list[Problem]:
    """The problems of the smoke test, as near to `TINY` as the domain allows."""
    return [_problem(domain, widths, batch) for widths, batch in TINY]


def _problem(domain: Domain, widths: Sequence[int], batch: int) -> Problem:
    def within(n: int, limits: tuple[int, int]) -> int:
        return min(max(n, limits[0]), limits[1])

    L = within(len(widths) - 1, domain.layers)
    extents = tuple(within(widths[l % len(widths)], domain.width) for l in range(L + 1))
    sigma, loss = domain.heads[0]
    hidden = tuple(domain.hidden[l % len(domain.hidden)] for l in range(L - 1))
    B, generic = within(batch, domain.batch), ("generic", "generic", "generic")
    problem = fill(
        Architecture(extents, (*hidden, sigma), loss, domain.reductions[0], B, domain.dtype, generic, 0, eta=0.125)
    )
    if domain.targets in ("one-hot", "distribution"):
        y = problem.y * 0
        y[range(B), [k % extents[-1] for k in range(B)]] = 1
        problem = problem._replace(y=y)
    return moderate(problem)


def check_smoke(asked: Opened) -> None:
    """Ask the two problems; nothing is judged.

    Raises
    ------
    CannotAsk
        If an answer fails in form, or none comes: then the wrapper is wrong, and not the mathematics.
    """
    answers = 0
    for problem in tiny(asked.domains[0]):

        def call(problem: Problem = problem) -> None:
            check_shapes(problem, asked.ask(problem))
            if asked.train is not None and "sgd" in asked.rules:
                asked.train(one_step(problem, problem.eta))

        failed = reply(call, ()).failed
        answers += failed is None
        if failed is not None and failed.failure is not Failure.UNSUPPORTED:
            raise CannotAsk(_said(asked, failed.said))
    if not answers:
        raise CannotAsk(f"{asked.who.name}: neither of two tiny problems within what it declares is supported")


def _said(asked: Opened, why: str) -> str:
    said = [f"{asked.who.name}: a first, tiny question got no answer in form: {why}."]
    if asked.program is not None:
        sent, got = asked.program.exchange
        said += [f"  sent: {_cut(sent)}", f"  got:  {_cut(got)}"]
    said.append("So the wrapper is wrong, and not the mathematics: nothing was judged.")
    return "\n".join(said)


def _cut(line: str) -> str:
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line[:SHOWN])
    return f"{shown} ... ({len(line):,} characters)" if len(line) > SHOWN else shown
