"""The pictures say what their marks mean, and hide nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import reference
from conformance import check
from conformance.judge.picture import ENDINGS, drawn, plot
from conformance.judge.report import Report
from conformance.problems.problem import Architecture, fill
from reference import HalfSquaredError, Sigmoid, Tanh
from reference.command.figures import xor_figure
from reference.examples import xor


def report(spoil: float) -> Report:
    """Of right gradients, but that one number of dL/dW^1 is multiplied."""
    generic, sigmas = ("generic", "generic", "generic"), (Tanh(), Sigmoid())
    asked = fill(Architecture((4, 5, 3), sigmas, HalfSquaredError(), "mean", 3, "float64", generic, 5, 0.1))
    _, right = reference.value_and_gradients(asked.network, asked.x, asked.y, asked.loss, asked.reduction)
    gradients = [(layer.W.copy(), layer.b) for layer in right]
    gradients[0][0][3, 1] *= spoil
    return check(asked, gradients)


def texts(figure: Any) -> list[str]:
    """Everything that is written in a figure."""
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    legends = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    written = [text for legend in legends for text in (*legend.get_texts(), legend.get_title())]
    return [text.get_text() for text in (*written, *(text for axes in figure.axes for text in axes.texts))]


@pytest.mark.parametrize(("spoil", "infinite"), [(1.0, False), (1.5, False), (np.nan, True), (np.inf, True)])
def test_bar_dot_what_is_counted_and_infinity_are_explained(spoil: float, infinite: bool) -> None:
    judged = report(spoil)
    assert judged.verdict == ("CONFORMS" if spoil == 1 else "WRONG")
    figure = drawn(judged)
    written = texts(figure)
    for said in ("the wider the bar, the more", "the largest error of the cell", "beyond the bound", "Counted: "):
        assert len([text for text in written if said in text]) == 1, said
    assert (" infinite" in written) == infinite
    assert any(text.startswith("NaN or infinite") for text in written) == infinite
    (axes,) = figure.axes
    marks = [line for line in axes.lines if line.get_marker() == "^"]
    assert bool(marks) == infinite
    for line in axes.lines:
        if infinite and line.get_linestyle() == ":":  # above it is no scale
            (top, _) = line.get_ydata()
            assert max(*axes.get_yticks(), *axes.get_yticks(minor=True)) <= top
    for mark in marks:
        (column,), (height,) = mark.get_xdata(), mark.get_ydata()
        assert axes.get_xticklabels()[column].get_text() == "1"
        assert 1 < height < axes.get_ylim()[1]


def test_a_legend_hides_no_mark_and_no_text() -> None:
    """Neither of the picture of a report nor, where a sample was hidden, of the example."""
    outcome = xor.run(epochs=3)
    for figure in (drawn(report(np.nan)), xor_figure(outcome)):
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        (legend,) = figure.legends
        box = legend.get_window_extent()
        for axes in figure.axes:
            assert axes.get_legend() is None
            occupied: Any = axes.get_tightbbox()
            assert not box.overlaps(occupied)
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_picture_is_drawn_into_a_file(ending: str, tmp_path: Path) -> None:
    plot(report(np.nan), tmp_path / f"plot.{ending}")
    assert (tmp_path / f"plot.{ending}").stat().st_size > 5000
    with pytest.raises(ValueError, match=r"ends in \.png, \.svg or \.pdf"):
        plot(report(1.0), tmp_path / "plot.pgf")
    assert [path.name for path in tmp_path.iterdir()] == [f"plot.{ending}"]
