"""The one table renderer: columns, rows of text, to standard output.

On a terminal a table folds its cells to the window's width; into a file or a pipe it is as wide as it needs to be.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bittrue.cli.output import printable

UNLIMITED_WIDTH = 100_000


@dataclass(frozen=True)
class Column:
    """A column's heading; numbers stand to the right."""

    heading: str
    number: bool = False


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[str]], title: str | None = None) -> None:
    """Print the table; cells are plain text, whatever they hold."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        table.add_column(Text(column.heading), justify="right" if column.number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console = Console(highlight=False) if sys.stdout.isatty() else Console(width=UNLIMITED_WIDTH, highlight=False)
    if title is not None:
        console.print(Text(printable(title), style="bold"))
    console.print(table)
    console.print()
