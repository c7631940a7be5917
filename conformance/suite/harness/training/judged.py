"""What a trainer's answers add up to: plain steps in a row, two rates, then every rule that it declares."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ....judge.judgement import Judgement
from ....judge.report import Finding, Report, Subject, unnumbered
from ....judge.verdict import SUSPECT, UNDECIDED, by_equation_and_layer
from ....oracle.asking import Failure
from ....oracle.network.asking.domain import Domain
from ....oracle.network.identity import identified, of_domain
from ....oracle.network.training import (
    RATE,
    judgements_of,
    kept,
    no_plain_step,
    not_in_proportion,
    several,
    step_of,
    until_wrong,
)
from ....problems.training import Training, name_of, one_step, said
from ....subjects.callables import Ended
from .asked import by_rules, is_plain, plain
from .rules import held_to_rule
from .walk import Train, Walk, repeats, walked


class Shown(NamedTuple):
    """What became of a training: its walk, the judgements, and a finding with the number of batches that shows it."""

    walk: Walk
    judgements: Sequence[Judgement] = ()
    finding: Finding | None = None
    batches: int = 0

    @property
    def unsupported(self) -> bool:
        """Whether the subject said that it has no answer to such a training."""
        return self.walk.failed is not None and self.walk.failed.failure is Failure.UNSUPPORTED


Saved = Callable[[Finding, Training], Finding]
"""Gives a finding the training that shows it, as a file."""


def trained(
    train: Train, names: Sequence[str], domain: Domain, subject: Subject, seed: int, saved: Saved
) -> Report:
    """Ask somebody for trainings of a domain, and judge them.

    Parameters
    ----------
    train : function
    names : sequence of str
        Of the rules that are declared.
    domain : Domain
        Of whose gradients nothing is known to be wrong.
    subject : Subject
        For the report.
    seed : int
    saved : function

    Returns
    -------
    Report
        Not complete, if the subject says by `Ended` that no more is to be asked.
    """
    of_steps, of_rules, complete = list[Shown](), list[Shown](), True
    try:
        for training in plain(domain, seed) if "sgd" in names else ():
            of_steps.append(judged(train, training, domain))
        for training in by_rules(domain, names, seed):
            of_rules.append(judged(train, training, domain))
            if _as_well(of_steps, of_rules[-1]):  # which all others would be, too
                break
    except Ended:
        complete = False
    shown = [*of_steps, *of_rules]
    as_well = of_rules[-1] if of_rules and _as_well(of_steps, of_rules[-1]) else None
    report = Report(
        subject,
        by_equation_and_layer(j for each in shown for j in each.judgements),
        (*_first(of_steps, saved), *_undecided(names, shown)),
        asked=sum(not each.unsupported for each in shown),
        unsupported=sum(each.unsupported for each in shown),
        failed=sum(each.walk.failed is not None and not each.unsupported for each in shown),
        remarks=tuple(_remarks(shown, as_well)),
        complete=complete,
    )
    report = identified(report, of_domain(domain))
    return report._replace(
        findings=(*report.findings, *_of_rules(of_rules[:-1] if as_well else of_rules, domain.dtype, saved)),
        scopes=(*report.scopes, *(f"{domain.dtype}/{_name(each)}" for each in of_rules if each.walk.after)),
    )


def no_plain_steps(train: Train, domain: Domain, subject: Subject, seed: int, saved: Saved) -> Report | None:
    """A report where steps are not in proportion to the rate, so that no gradient can be told from them; or None."""
    found = not_in_proportion(lambda problem, eta: train(one_step(problem, eta)), domain, seed)
    if not found:
        return None
    training = one_step(several(domain, seed).problem, RATE)
    findings = tuple(saved(finding, training) for finding in found)
    return identified(Report(subject, {}, findings, asked=1), of_domain(domain))


def judged(train: Train, training: Training, domain: Domain) -> Shown:
    """Ask for a training, batch by batch, and judge its steps."""
    walk = walked(train, training)
    shown = _in_a_row(walk, domain) if is_plain(training.rule) else _by_rule(walk, domain)
    if walk.failed is not None and walk.failed.failure is not Failure.UNSUPPORTED:
        batches = len(walk.after) + 1
        text = f"A training ({said(training.rule)}, {batches} batch{'es' * (batches > 1)}): {walk.failed.said}"
        return shown._replace(finding=shown.finding or unnumbered("ordinary", "protocol", text), batches=batches)
    if shown.finding is not None and not repeats(train, walk, shown.batches - 1):
        text = (
            f"A training ({said(training.rule)}): asked for the same batches once more, it gave other parameters: "
            "something is kept from one request to the next, or its numbers depend on chance.  That imitates every "
            "other mistake, so nothing else is named."
        )
        # Nothing bounds how far roundings that differ from time to time lead apart in several steps.
        return shown._replace(judgements=(), finding=unnumbered("ordinary", "state", text, verdict=SUSPECT))
    return shown


def _in_a_row(walk: Walk, domain: Domain) -> Shown:
    eta = walk.training.rule.eta
    taken = until_wrong(
        step_of(walk.problem(t), after, eta, domain) for t, after in enumerate(walk.after)
    )
    findings, judgements = kept(taken, "Of the batches of one training")
    wrong = next((step for step in taken if step.evidence.wrong), None)
    if wrong is not None and not findings:
        findings = [no_plain_step(wrong)]
        judgements = [j for step in taken for j in judgements_of(step)]
    return Shown(walk, judgements, findings[0] if findings else None, len(taken))


def _by_rule(walk: Walk, domain: Domain) -> Shown:
    of = held_to_rule(walk, domain)
    return Shown(walk, of.judgements, of.finding, of.step + 1)


def _name(shown: Shown) -> str:
    return name_of(shown.walk.training.rule)


def _first(shown: Sequence[Shown], saved: Saved) -> Iterator[Finding]:
    """The finding of plain steps that says most: a named one, if there is one, and what broke."""
    findings = [each for each in shown if each.finding is not None]
    for broke in (True, False):
        alike = [each for each in findings if (each.finding and each.finding.equation in BROKEN) is broke]
        alike.sort(key=lambda each: not (each.finding and each.finding.faults))
        yield from (_saved(each, saved) for each in alike[:1])


BROKEN = ("protocol", "state")
"""What is no matter of an equation."""


def _of_rules(shown: Sequence[Shown], dtype: str, saved: Saved) -> Iterator[Finding]:
    """The first finding of each rule, and what it breaks on."""
    seen = set()
    for each in shown:
        if each.finding is not None and _name(each) not in seen:
            seen.add(_name(each))
            yield _saved(each, saved)._replace(dtype=dtype, function=_name(each))


def _saved(shown: Shown, saved: Saved) -> Finding:
    assert shown.finding is not None
    return saved(shown.finding, shown.walk.training.prefix(shown.batches or len(shown.walk.training.batches)))


def _undecided(names: Sequence[str], shown: Sequence[Shown]) -> Iterator[Finding]:
    """A finding for each rule that is declared and of which nothing is supported."""
    for name in names:
        of = [each for each in shown if _name(each) == name]
        if of and all(each.unsupported for each in of):
            failed = of[0].walk.failed
            text = f"Of {name}, which is declared, nothing is supported: {failed.said if failed else ''}."
            yield unnumbered("ordinary", "U1", text, verdict=UNDECIDED)


def _as_well(of_steps: Sequence[Shown], of_rule: Shown) -> bool:
    """Whether a rule is wrong as plain steps are: by nothing that is known of the rule."""
    finding = of_rule.finding
    return finding is not None and not finding.faults and any(each.finding is not None for each in of_steps)


def _remarks(shown: Sequence[Shown], as_well: Shown | None) -> Iterator[str]:
    rules = dict.fromkeys(said(each.walk.training.rule) for each in shown if each.walk.after)
    if rules:
        yield f"Trainings of several batches: {'; '.join(rules)}."
    refused = dict.fromkeys(said(each.walk.training.rule) for each in shown if each.unsupported)
    if refused:
        yield f"Trainings that are not supported: {'; '.join(refused)}."
    if as_well is not None:
        yield f"Wrong as plain steps are: {said(as_well.walk.training.rule)}.  So no other rule was asked."
