"""The one table renderer: columns, rows of text, to standard output.

On a terminal, columns that may fold give way to the window's width; no cell is ever cut. Into a file or a pipe a table
is as wide as it needs to be.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bittrue.cli.output import printable

UNLIMITED_WIDTH = 100_000


@dataclass(frozen=True)
class Column:
    """A column's heading. number: stands to the right. folds: cells take several lines in a narrow window."""

    heading: str
    number: bool = False
    folds: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print the table; cells are plain text, whatever they hold."""
    from rich import box
    from rich.cells import cell_len
    from rich.console import Console
    from rich.measure import measure_renderables
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    cells = [[printable(cell) for cell in row] for row in rows]
    for index, column in enumerate(columns):
        # Without a minimum of its own, Rich takes a column to be as narrow as its longest word, and cuts the rest.
        whole = max(cell_len(text) for text in (column.heading, *(row[index] for row in cells)))
        table.add_column(
            Text(column.heading),
            justify="right" if column.number else "left",
            overflow="fold",
            no_wrap=not column.folds,
            min_width=None if column.folds else whole,
        )
    for row in cells:
        table.add_row(*map(Text, row))
    unlimited = Console(width=UNLIMITED_WIDTH, highlight=False)
    console = unlimited
    if sys.stdout.isatty():
        needed = measure_renderables(unlimited, unlimited.options, [table]).minimum
        console = Console(highlight=False)
        console.width = max(console.width, needed)
    if title is not None:
        console.print(Text(printable(title), style="bold"))
    console.print(table)
    console.print()
