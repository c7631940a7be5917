"""The figures of the examples; matplotlib is imported when one is drawn."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..examples import xor
from ..training.evaluation import predict
from ..training.files import replacing
from ..training.outcome import Epoch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS: dict[str, dict[str, None]] = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
"""The endings of the files that can be drawn into, and what is left out there for not being the figure's."""


def xor_figure(run: xor.Run) -> "Figure":
    """Draw the loss of every epoch, and the output over the square that holds the four samples."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.semilogy(range(1, len(run.losses) + 1), run.losses)
    left.set(title="Loss", xlabel="epoch", ylabel="half the squared error, four samples")
    ticks = np.linspace(-0.5, 1.5, 161)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    output = predict(run.network, grid.reshape(-1, 2)).reshape(grid.shape[:2])
    surface = right.contourf(ticks, ticks, output, levels=np.linspace(0, 1, 21), cmap="RdBu_r")
    right.contour(ticks, ticks, output, levels=[0.5], colors="black")
    for target, marker in ((0, "o"), (1, "s")):
        samples = xor.X[xor.Y[:, 0] == target]
        right.scatter(*samples.T, marker=marker, color="white", edgecolors="black", s=70, label=f"XOR is {target}")
    right.set(title="Output, and where it is 1/2", xlabel="input 1", ylabel="input 2", aspect="equal")
    figure.colorbar(surface, ax=right)
    figure.legend(loc="outside lower center", ncols=2, facecolor="lightgrey")  # outside: within it would hide a sample
    return figure


def digits_figure(history: tuple[Epoch, ...]) -> "Figure":
    """Draw the losses on both parts by epoch."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    epochs = [epoch.epoch for epoch in history]
    axes.semilogy(epochs, [epoch.loss for epoch in history], label="training")
    axes.semilogy(epochs, [epoch.validation_loss for epoch in history], label="held out")
    axes.set(title="Digits, 64-32-10", xlabel="epoch", ylabel="mean cross-entropy")
    axes.legend()
    return figure


def draw(figure: "Figure", plot: Path) -> None:
    """Draw a figure into a file, which is the same for the same numbers."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "reference"}), replacing(plot) as file:
        figure.savefig(file, format=plot.suffix[1:], dpi=150, metadata=ENDINGS[plot.suffix])
