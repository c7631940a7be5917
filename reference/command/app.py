"""The commands; they need the extra ``command``, which the library itself does not."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..backpropagation import Network
from ..examples import digits, xor
from ..training.outcome import Epoch
from ..training.storage import save
from .figures import ENDINGS, digits_figure, draw, xor_figure

app = typer.Typer(
    help="Examples of backpropagation by the reference.",
    add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
)  # fmt: skip


def in_a_folder(path: Path | None) -> Path | None:
    """Refuse a file in a folder that does not exist."""
    if path and not path.parent.is_dir():
        raise typer.BadParameter(f"expected a folder that exists, got {path.parent}")
    return path


def drawable(path: Path | None) -> Path | None:
    """Refuse a name that does not say what to draw, before any training; and any where nothing can be drawn."""
    if path and path.suffix not in ENDINGS:
        raise typer.BadParameter(f"expected a name ending in {', '.join(ENDINGS)}, got {path}")
    if path:
        import_module("matplotlib")
    return in_a_folder(path)


PLOT = typer.Option("--plot", dir_okay=False, callback=drawable, help=f"Draw into this file: {', '.join(ENDINGS)}.")
SAVE = typer.Option("--save", dir_okay=False, callback=in_a_folder, help="Save the training there.")


def write(option: str, path: Path | None, write_to: Callable[[Path], None]) -> None:
    """Write the file that an option names, if it names one; end with a message if that fails."""
    if path:
        try:
            write_to(path)
        except OSError as error:
            print(f"{option}: {path} cannot be written: {error}", file=sys.stderr)
            sys.exit(2)


@app.command("xor")
def xor_command(plot: Annotated[Path | None, PLOT] = None) -> None:
    """Train the document's XOR network, and print what the document prints."""
    run = xor.run()
    print("Final Predicted Output:")
    print(run.predicted)
    write("--plot", plot, lambda path: draw(xor_figure(run), path))


@app.command("digits")
def digits_command(
    epochs: Annotated[int, typer.Option(min=1, help="How many passes over the training images.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="Of split, first weights and shuffling.")] = 0,
    save_to: Annotated[Path | None, SAVE] = None,
    plot: Annotated[Path | None, PLOT] = None,
) -> None:
    """Train 64-32-10 on scikit-learn's handwritten digits, a fifth of them held out."""
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("epochs", total=epochs)

        def shown(epoch: Epoch, network: Network[NDArray[Any]]) -> None:
            progress.update(task, advance=1, description=f"loss {epoch.loss:.4f}")

        try:
            run = digits.run(epochs, seed, shown)
        except KeyboardInterrupt:
            progress.stop()
            console.print("INTERRUPTED: nothing is saved.")
            sys.exit(130)
    console.print(f"{run.trained_on:,} images trained on, {run.held_out} held out")
    console.print(f"test loss {run.score.loss:.4f}, test accuracy {run.score.accuracy:.2%}", highlight=False)
    write("--save", save_to, lambda path: save(path, run.training))
    if save_to:
        console.print(f"saved in {save_to}", highlight=False, soft_wrap=True)
    write("--plot", plot, lambda path: draw(digits_figure(run.training.history), path))
