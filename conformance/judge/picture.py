"""A picture of a report: how far every number is off, in bounds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reference.training.files import replacing

from ..extras import told
from .report import Report, by_phase
from .verdict import Tally

ENDINGS = ("png", "svg", "pdf")
"""Of the files that can be drawn into."""

LAST = 60
"""The octave of `Judgement.spread` that holds all beyond it, the infinite too, for which there is a mark of its own."""


def plot(report: Report, path: str | Path) -> None:
    """Draw error/bound of every number, by layer and equation, with the bound at 1; the file is whole or not there.

    Parameters
    ----------
    report : Report
    path : str or Path
        Of the picture; its ending says the format: .png, .svg, .pdf.

    Raises
    ------
    ValueError
        If the format is unknown, or nothing was judged.
    OSError
        If the file cannot be written.
    """
    ending = Path(path).suffix[1:].lower()
    if ending not in ENDINGS:
        raise ValueError(f"plot: expected a name that ends in .png, .svg or .pdf, got {path}")
    figure = drawn(report)
    with replacing(path) as file:
        figure.savefig(file, format=ending, dpi=120)


def drawn(report: Report) -> Any:
    """The picture as a figure of matplotlib; raises like `plot`."""
    with told("a picture"):
        from matplotlib.figure import Figure

    keys = sorted(report.tallies, key=lambda key: (by_phase(key[0]), key[1]))
    if not keys:
        raise ValueError("plot: expected a report with judged numbers, got one with none")
    figure = Figure(figsize=(max(6.5, 1.5 + 0.45 * len(keys)), 6.5), layout="constrained")
    axes = figure.add_subplot()
    for column, key in enumerate(keys):
        _strip(axes, column, report.tallies[key])
    axes.axhline(1, color="black", linewidth=1)
    axes.text(len(keys) - 0.4, 1, " the bound", va="center", fontsize=9)
    axes.set_yscale("log", base=10)
    low, high = axes.get_ylim()
    high = max(high, 8)
    beyond = [column for column, key in enumerate(keys) if np.isinf(report.tallies[key].worst.margin)]
    if beyond:
        _infinite(axes, beyond, high, len(keys))
        high *= 100
    axes.set_ylim(low, high)
    if beyond:  # above the line is no scale
        for minor in (False, True):
            ticks = axes.get_yticks(minor=minor)
            axes.set_yticks([tick for tick in ticks if low <= tick <= high / 100], minor=minor)
    axes.axhspan(1, high, color="tab:red", alpha=0.06, linewidth=0)
    axes.set_xlim(-0.6, len(keys) - 0.4)
    axes.set_xticks(range(len(keys)), [str(layer) if layer else "dL/dx" for _, layer in keys], fontsize=8)
    _equation_names(axes, keys)
    axes.set_ylabel("error / bound")
    axes.set_title(f"{report.subject.name}: {report.verdict}", loc="left", fontsize=11)
    _legend(figure, beyond=bool(beyond))
    return figure


def _infinite(axes: Any, columns: Sequence[int], top: float, width: int) -> None:
    """A mark above the scale for each cell in which an error is infinite, as that of NaN or of what has no bound is."""
    axes.axhline(top, color="grey", linewidth=0.8, linestyle=":")
    axes.plot(columns, [10 * top] * len(columns), marker="^", linestyle="", color="tab:red", markersize=7)
    axes.text(width - 0.4, 10 * top, " infinite", va="center", fontsize=9)


def _legend(figure: Any, beyond: bool) -> None:
    """What the marks mean, below the axes, where it hides none of them."""
    from matplotlib.lines import Line2D

    def mark(label: str, **style: Any) -> Any:
        return Line2D([], [], label=label, **style)

    marks = [
        mark("numbers whose error is in this octave: the wider the bar, the more (logarithm)", color="tab:blue", lw=3),
        mark("the same, beyond the bound", color="tab:red", lw=3),
        mark("the largest error of the cell", color="dimgrey", marker="o", markersize=4, linestyle=""),
        mark("no number has an error", color="tab:green", marker="_", markersize=9, linestyle=""),
    ]
    if beyond:
        infinite = f"NaN or infinite, or further off than 2^{LAST - 1} bounds"
        marks.append(mark(infinite, color="tab:red", marker="^", markersize=7, linestyle=""))
    title = "Counted: every number of every ordinary question that has an error, and does not merely follow"
    figure.legend(handles=marks, title=title, loc="outside lower left", fontsize=8, title_fontsize=8, frameon=False)


def _strip(axes: Any, column: int, tally: Tally) -> None:
    """A cell's numbers as a strip: at each octave of error/bound as wide as the logarithm of their count."""
    if not tally.spread:
        axes.plot([column], [2.0**-20], marker="_", color="tab:green", markersize=8)
        return
    worst = tally.worst.margin
    octaves = np.array(sorted(k for k in tally.spread if k < LAST or np.isfinite(worst)))
    if not octaves.size:
        return
    counts = np.array([tally.spread[k] for k in octaves])
    widths = 0.12 + 0.7 * np.log1p(counts) / np.log1p(max(counts.max(), 2))
    middle = 2.0 ** (octaves - 0.5)
    outside = octaves > 0
    for chosen, colour in ((~outside, "tab:blue"), (outside, "tab:red")):
        axes.hlines(middle[chosen], column - widths[chosen] / 2, column + widths[chosen] / 2, color=colour, linewidth=3)
    if np.isfinite(worst) and worst > 0:
        axes.plot([column], [worst], marker="o", markersize=3, color="tab:red" if worst > 1 else "tab:blue")


def _equation_names(axes: Any, keys: Sequence[tuple[str, int]]) -> None:
    """The equation's name under its layers, and a line between equations."""
    for equation in dict.fromkeys(equation for equation, _ in keys):
        columns = [i for i, key in enumerate(keys) if key[0] == equation]
        axes.annotate(
            f"({equation})", (np.mean(columns), 0), xycoords=("data", "axes fraction"), xytext=(0, -28),
            textcoords="offset points", ha="center", fontsize=10,
        )  # fmt: skip
        if columns[0]:
            axes.axvline(columns[0] - 0.5, color="lightgrey", linewidth=0.8)
    axes.annotate("layer", (0, 0), xycoords="axes fraction", xytext=(-34, -12), textcoords="offset points", fontsize=8)
