"""What is printed in a terminal: tables of one look, and parts with a blank line between."""

from rich import box
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
"""What a progress bar shows."""


def titled(title: str) -> Table:
    """A table that has no row yet, its title and caption to the left."""
    return Table(title=title, title_justify="left", caption_justify="left", box=box.SIMPLE, pad_edge=False)


def show(console: Console, *parts: RenderableType) -> None:
    """Print each part, a blank line between."""
    for part in parts:
        console.print(part)
        console.print()
