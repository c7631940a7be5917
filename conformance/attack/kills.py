"""What became of the mutants: the committed table KILLS.md, written and read."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from .mutants import Mutant, digests, mutants

TABLE = Path(__file__).with_name("KILLS.md")


class Fate(NamedTuple):
    """What became of a mutant: ``killer`` is the test that failed, ``how`` one of `HOW`, ``proof`` of an equal one."""

    mutant: Mutant
    how: str
    killer: str = ""
    proof: str = ""

    @property
    def explained(self) -> bool:
        """Whether a test failed, or none can."""
        return self.how != SURVIVED or bool(self.proof)


ASSERTION, ERROR, TIME, SURVIVED = "assertion", "error", "time", "survived"
HOW = ASSERTION, ERROR, TIME, SURVIVED
"""A check that failed, an exception of the altered text or of a number that refuses it, no end, no failure."""


def table(fates: Iterable[Fate]) -> str:
    """The fates of all mutants in Markdown: a row for each label, then those that are equal to the text."""
    by_label: dict[str, list[Fate]] = {}
    for fate in fates:
        by_label.setdefault(fate.mutant.label, []).append(fate)
    hashes = digests()
    rows = [_row(label, hashes[label], by_label[label]) for label in sorted(by_label, key=_order)]
    every = [fate for of in by_label.values() for fate in of]
    left = sorted((o for o in every if o.how == SURVIVED), key=lambda o: (_order(o.mutant.label), o.mutant))
    equal = [f"- `{o.mutant.name}` ({o.proof})" for o in left if o.proof]
    unexplained = [f"- `{o.mutant.name}`" for o in left if not o.proof]
    counts = ", ".join(f"{sum(o.how == how for o in every):,} {said}" for how, said in SAID.items())
    return "\n".join([
        HEADER,
        f"{len(every):,} mutants of {len(by_label)} lines: {counts}.",
        "",
        "| label | text | mutants | assertion | error | time | equal | unexplained | first test to fail, how often |",
        "|---|---|--:|--:|--:|--:|--:|--:|---|",
        *rows,
        "",
        "## Equal to the text",
        "",
        *(equal or ["None."]),
        "",
        "## Unexplained",
        "",
        *(unexplained or ["None."]),
        "",
    ])


HEADER = """# The text under attack

Made by `make kill-matrix`; not written by hand.  Each labelled line of the reference is altered in every way that
`conformance/attack/mutants.py` lists (a sign, a factor dropped or doubled, a transpose, a shift, operands swapped, an
axis, a constant), and the tests run with the altered text in place of the reference: for the judge as well as for what
it judges.  First those named after the label, then all that could fail.  A row counts its line's mutants by what
stopped them: a failed *assertion*, an *error* (the altered text, or a number that refuses it, raised), no end within a
*time*; or nothing, because they are *equal* to the text, proved for all values, or *unexplained*.  *text* is a hash of
the function and its mutants: a test fails where it is no longer that of the text.
"""

SAID = {
    ASSERTION: "stopped by an assertion",
    ERROR: "by an error",
    TIME: "by time",
    SURVIVED: "alive, proved equal or listed as unexplained",
}


def _row(label: str, digest: str, of: Sequence[Fate]) -> str:
    counts = Counter(fate.how for fate in of)
    equal = sum(bool(fate.proof) for fate in of)
    killers = Counter(sorted(fate.killer for fate in of if fate.how in (ASSERTION, ERROR)))
    names = ", ".join(f"`{name}` {times}" for name, times in killers.most_common())
    cells = [counts[how] for how in (ASSERTION, ERROR, TIME)] + [equal, counts[SURVIVED] - equal]
    return f"| {label} | `{digest}` | {len(of)} | {' | '.join(map(str, cells))} | {names} |"


def _order(label: str) -> tuple[str, int]:
    return label[0], int(label[1:])


class Committed(NamedTuple):
    """What the committed table says: each label's hash, the equal mutants by name with their proofs, and the others."""

    digests: Mapping[str, str]
    equal: Mapping[str, str]
    unexplained: tuple[str, ...]


def committed(text: str) -> Committed:
    """Read a table."""
    equal, _, unexplained = text.partition("## Unexplained")
    return Committed(
        dict(re.findall(r"^\| ([A-Z]\d+) \| `([0-9a-f]+)` \|", text, re.M)),
        dict(re.findall(r"^- `(.+)` \((\w+)\)$", equal, re.M)),
        tuple(re.findall(r"^- `(.+)`$", unexplained, re.M)),
    )


def changed(table: Committed) -> tuple[Mutant, ...]:
    """The mutants of lines whose text is not the table's."""
    now = digests()
    return tuple(mutant for mutant in mutants() if table.digests.get(mutant.label) != now[mutant.label])
