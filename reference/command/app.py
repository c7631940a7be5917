"""The commands of ``python -m reference``; they need the extra ``command``, which the library itself does not."""

import sys
from pathlib import Path
from typing import Annotated, Any

import matplotlib
import numpy as np
import typer
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sklearn.datasets import load_digits

from ..activations import Softmax, Tanh
from ..backpropagation import Network
from ..examples import xor
from ..losses import CrossEntropy
from ..training import Epoch, evaluate, predict, split, train
from ..training.initialisers import initialised
from ..training.storage import save
from ..updates import SGD

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

PLOT = typer.Option("--plot", dir_okay=False, help="Draw into this file: .png, .svg or .pdf.")


@app.callback()
def main() -> None:
    """Examples of backpropagation by the reference."""


@app.command("xor")
def xor_command(plot: Annotated[Path | None, PLOT] = None) -> None:
    """Train the document's XOR network, and print what the document prints."""
    if plot:
        _check_plot(plot)
    result = xor.run()
    print("Final Predicted Output:")
    print(result.predicted)
    if plot:
        _write(xor_figure(result), plot)


@app.command("digits")
def digits_command(
    epochs: Annotated[int, typer.Option(min=1, help="How many passes over the training images.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Of split, first weights and shuffling.")] = 0,
    save_to: Annotated[Path | None, typer.Option("--save", dir_okay=False, help="Save the training there.")] = None,
    plot: Annotated[Path | None, PLOT] = None,
) -> None:
    """Train 64-32-10 on scikit-learn's handwritten digits, a fifth of them held out."""
    if plot:
        _check_plot(plot)
    if save_to and not save_to.parent.is_dir():
        raise typer.BadParameter(f"expected a folder that exists, got {save_to.parent}", param_hint="--save")
    console, rng, data = Console(), np.random.default_rng(seed), load_digits()
    x, y, test_x, test_y = split(rng, data.data / 16, np.eye(10)[data.target], 0.2)
    network = initialised(rng, [64, 32, 10], [Tanh(), Softmax()])
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("epochs", total=epochs)

        def shown(epoch: Epoch, network: Network) -> None:
            progress.update(task, advance=1, description=f"loss {epoch.loss:.4f}")

        try:
            result = train(
                network, x, y, CrossEntropy(), "mean", rule=SGD(0.5), epochs=epochs, batch_size=16, rng=rng,
                validation=(test_x, test_y), callback=shown,
            )  # fmt: skip
        except KeyboardInterrupt:
            progress.stop()
            console.print("INTERRUPTED: nothing is saved.")
            sys.exit(130)
    score = evaluate(result.network, test_x, test_y, CrossEntropy(), "mean")
    console.print(f"{len(x):,} images trained on, {len(test_x)} held out")
    console.print(f"test loss {score.loss:.4f}, test accuracy {score.accuracy:.2%}", highlight=False)
    if save_to:
        try:
            save(save_to, result)
        except OSError as error:
            print(f"--save: {save_to} cannot be written: {error}", file=sys.stderr)
            sys.exit(2)
        console.print(f"saved in {save_to}", highlight=False, soft_wrap=True)
    if plot:
        _write(digits_figure(result.history), plot)


def xor_figure(result: xor.Run) -> Figure:
    """The loss of every epoch, and the output over the square that holds the four samples."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.semilogy(range(1, len(result.losses) + 1), result.losses)
    left.set(title="Loss", xlabel="epoch", ylabel="half the squared error, four samples")
    ticks = np.linspace(-0.5, 1.5, 161)
    grid = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    output = predict(result.network, grid.reshape(-1, 2)).reshape(grid.shape[:2])
    surface = right.contourf(ticks, ticks, output, levels=np.linspace(0, 1, 21), cmap="RdBu_r")
    right.contour(ticks, ticks, output, levels=[0.5], colors="black")
    for target, marker in ((0, "o"), (1, "s")):
        samples = xor.X[xor.Y[:, 0] == target]
        right.scatter(*samples.T, marker=marker, color="white", edgecolors="black", s=70, label=f"XOR is {target}")
    right.set(title="Output, and where it is 1/2", xlabel="input 1", ylabel="input 2", aspect="equal")
    right.legend(loc="upper center", ncols=2)
    figure.colorbar(surface, ax=right)
    return figure


def digits_figure(history: tuple[Epoch, ...]) -> Figure:
    """The loss on both parts by epoch."""
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes: Any = figure.subplots()
    epochs = [epoch.epoch for epoch in history]
    axes.semilogy(epochs, [epoch.loss for epoch in history], label="training")
    axes.semilogy(epochs, [epoch.validation_loss for epoch in history], label="held out")
    axes.set(title="Digits, 64-32-10", xlabel="epoch", ylabel="mean cross-entropy")
    axes.legend()
    return figure


def _check_plot(plot: Path) -> None:
    if plot.suffix not in (".png", ".svg", ".pdf"):
        raise typer.BadParameter(f"expected a name ending in .png, .svg or .pdf, got {plot}", param_hint="--plot")
    if not plot.parent.is_dir():
        raise typer.BadParameter(f"expected a folder that exists, got {plot.parent}", param_hint="--plot")


def _write(figure: Figure, plot: Path) -> None:
    matplotlib.rcParams["svg.hashsalt"] = "reference"  # the same file for the same numbers
    try:
        figure.savefig(plot, dpi=150)
    except OSError as error:
        print(f"--plot: {plot} cannot be written: {error}", file=sys.stderr)
        sys.exit(2)
