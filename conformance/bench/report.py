"""How the benchmarks read in a terminal: tables of speed, of what judging costs, and the machine."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..judge.terminal import titled
from .bench import RIVALS, TEXTS, Memory, Row
from .comparison import TOOLS, Probed
from .comparison import Row as Compared
from .costs import Comparison, Cost, Diagnosed
from .operations import OperationCost


def speed(rows: Sequence[Row]) -> Group:
    """A row for each size, a column for each rival; and the same for the text in other libraries."""
    steps = _ratios(rows, "A step of the reference (forward, backward, update)", list(RIVALS))
    steps.caption = "After the time: the reference's time divided by theirs; below 1 the reference is faster."
    texts = _ratios(rows, "The same step by the same text, in other libraries", list(TEXTS))
    texts.caption = "NumPy's time divided by theirs; above 1 they are faster."
    return Group(steps, Text(), texts)


def _ratios(rows: Sequence[Row], title: str, names: Sequence[str]) -> Table:
    table = titled(title)
    table.add_column("network, samples, dtype", max_width=24)
    table.add_column("time", justify="right")
    for name in names:
        table.add_column(name.replace(" ", "\n").replace(".", ".\n"), justify="right")
    for row in rows:
        shown = [row.ratios[name] for name in names]
        table.add_row(
            row.size,
            f"{row.seconds * 1e6:,.0f} us",
            *("-" if ratio is None else f"{ratio:.2f}" for ratio in shown),
        )
    return table


def judging(costs: Sequence[Cost], compared: Comparison, diagnosed: Sequence[Diagnosed]) -> Group:
    """A row for each size that the oracle judges, and how it compares with gradcheck."""
    table = titled("Judging the gradients of a subject (the oracle's own time, without the subject's)")
    for name in ("network, dtype", "parameters", "questions", "time", "a parameter", "memory"):
        table.add_column(name, justify="left" if name.startswith("network") else "right")
    for cost in costs:
        table.add_row(
            cost.size,
            f"{cost.parameters:,}",
            str(cost.questions),
            f"{cost.seconds * 1e3:,.0f} ms",
            f"{cost.seconds / cost.parameters * 1e6:.2g} us",
            f"{cost.peak:,.0f} MiB",
        )
    said = (
        f"torch.autograd.gradcheck on {compared.size} ({compared.parameters:,} parameters): "
        f"{compared.gradcheck * 1e3:,.0f} ms.  check, which looks at one point as gradcheck does, takes "
        f"{compared.check * 1e3:,.1f} ms, {compared.gradcheck / compared.check:,.0f} times less; probe with all its "
        f"questions {compared.probe * 1e3:,.0f} ms, {compared.gradcheck / compared.probe:,.0f} times less."
    )
    naming = "; ".join(f"{of.mistake}: {of.wrong / of.right:.1f} times" for of in diagnosed)
    naming = f"A wrong program beside a right one, whose probe takes {diagnosed[0].right * 1e3:,.0f} ms: {naming}."
    return Group(table, Text(said), Text(naming))


def operations(rows: Sequence[OperationCost]) -> Table:
    """A row for each operation that is judged."""
    table = titled("Judging one operation of PyTorch with its gradients (check_pullback, all questions)")
    for name in ("operation", "numbers", "time", "memory", "gradcheck"):
        table.add_column(name, justify="left" if name == "operation" else "right")
    for row in rows:
        beside = "-" if row.gradcheck is None else f"{row.gradcheck:,.1f} s"
        table.add_row(row.operation, f"{row.numbers:,}", f"{row.seconds:,.1f} s", f"{row.peak:,.0f} MiB", beside)
    return table


def comparison(rows: Sequence[Compared], asked: Probed) -> Group:
    """What each finds of the mistakes, and whom it accuses of the right programs."""
    parts: list[RenderableType] = []
    for title, of, total in (
        ("Mistakes found, each tool at its defaults", "found", "mistakes"),
        ("Right programs accused", "accused", "right"),
    ):
        table = titled(title)
        for name in ("question", "asked", *TOOLS):
            table.add_column(name, justify="left" if name == "question" else "right")
        for row in rows:
            by_tool = [getattr(row, of)[tool] for tool in TOOLS]
            counts = ["-" if names is None else str(len(names)) for names in by_tool]
            table.add_row(row.scene, str(len(getattr(row, total))), *counts)
        parts.append(table)
    for row in rows:
        for tool, names in row.found.items():
            missed = [] if names is None else [name for name in row.mistakes if name not in names]
            if missed:
                parts.append(Text(f"{row.scene}: {tool} misses {', '.join(missed)}."))
    n, found, named = map(len, asked)
    said = f"probe, which asks questions of its own, finds {found} of {n} in float32, and names {named} of them."
    return Group(*parts, Text(f"\n{said}"))


def machine(facts: Mapping[str, Any], memory: Memory) -> Text:
    """Memory, and what the figures were taken on."""
    lines = [
        f"Memory: a step of {memory.size} allocates {memory.ratio:.2f} times the bytes of its trace and gradients.",
        f"NumPy {facts['numpy']}, {facts['blas']}; PyTorch {facts['torch']}, threads: {facts['torch threads']}.",
    ]
    if facts["avx512"] and "Haswell" in facts["blas"]:
        lines.append(
            "This processor has AVX-512, but NumPy's OpenBLAS took its Haswell kernels and leaves that on the table; "
            "with OPENBLAS_CORETYPE=SkylakeX it uses it, as PyTorch does, and the larger networks' ratios fall."
        )
    return Text("\n".join(lines))
