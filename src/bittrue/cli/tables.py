"""Views and tables on standard output.

On a terminal, columns that may fold give way to the window's width; no cell is ever cut. Into a file or a pipe a table
is as wide as it needs to be.
"""

import sys
from collections.abc import Iterable, Sequence

from bittrue.cli.output import explain
from bittrue.display import UNLIMITED_WIDTH, Cell, Column, Table, View, needed_width, rich_table
from bittrue.wording import printable

__all__ = ["Column", "print_table", "print_view"]


def print_view(view: View) -> None:
    """Print a result's tables and sentences."""
    for part in view:
        if isinstance(part, str):
            explain(printable(part))
        else:
            print_table(part.columns, part.rows, part.title)


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], title: str | None = None) -> None:
    """Print the table; cells are plain text, whatever they hold."""
    from rich.console import Console
    from rich.text import Text

    table = rich_table(Table(columns, tuple(rows)))
    console = Console(width=UNLIMITED_WIDTH, highlight=False)
    if sys.stdout.isatty():
        console = Console(highlight=False)
        console.width = max(console.width, needed_width(table))
    if title is not None:
        console.print(Text(printable(title), style="bold"))
    console.print(table)
    console.print()
