"""Results on standard output: tables and sentences for people, or the one table that is asked for as data.

On a terminal, tables give way to the window's width; see `bittrue.display.terminal`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.options import CommonOptions
from bittrue.cli.output import explain, say_json, say_whole
from bittrue.display import Cell, Column, Table, View, to_csv, to_latex
from bittrue.display.terminal import UNLIMITED_WIDTH, blocks, folded, window_width
from bittrue.errors import BittrueError
from bittrue.wording import printable

if TYPE_CHECKING:
    from bittrue.result import Result

__all__ = ["Column", "TableOptions", "print_table", "print_view", "shown_as_data"]

TABLES = "Table"


@dataclass(frozen=True)
class TableOptions(CommonOptions):
    """What every command takes that prints a table."""

    csv: Annotated[
        bool,
        typer.Option(
            "--csv",
            rich_help_panel=TABLES,
            help="Print the table as CSV, numbers in full, and nothing else: for spreadsheets and data frames.",
        ),
    ] = False
    latex: Annotated[
        bool,
        typer.Option("--latex", rich_help_panel=TABLES, help="Print the tables as LaTeX (booktabs) and nothing else."),
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted = [option for option in ("json", "csv", "latex") if getattr(self, option)]
        if len(wanted) > 1:
            raise BittrueError(f"--{wanted[0]} and --{wanted[1]} both claim standard output: leave one out.")


def shown_as_data(result: "Result", wanted: TableOptions) -> bool:
    """Print the result as JSON, CSV or LaTeX where one of them is wanted; whether that was all that is to be said."""
    if wanted.json:
        say_json(result.to_json())
    elif wanted.csv:
        say_whole(to_csv(result.records()))
    elif wanted.latex:
        say_whole(to_latex(result.view()))
    return wanted.json or wanted.csv or wanted.latex


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

    console = Console(width=UNLIMITED_WIDTH, highlight=False)  # whatever is printed is as narrow as the window already
    width = window_width()
    if title is not None:
        console.print(Text("\n".join(folded(printable(title), width)), style="bold"))
    for block in blocks(Table(columns, tuple(rows)), width):
        console.print(block)
        console.print()
