"""Views as text, no wider than a window.

A table that a window is too narrow for gives way in two steps, and loses nothing. Cells that may fold take several
lines, broken between words only. Where that isn't enough, the table comes in parts below each other, each with the
first column of all rows. No other cell is ever broken. Into a file or a pipe a table is as wide as it needs to be.
"""

import io
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bittrue.display.view import Bars, Cell, Table, View
from bittrue.wording import counted, printable

if TYPE_CHECKING:
    from rich.table import Table as RichTable

UNLIMITED_WIDTH = 100_000
ROWS_OF_A_REPR = 60
"""A result's `repr` leaves out the rows beyond these and says how many; `str` and HTML leave out none."""

READABLE = 24
"""A cell that folds has lines of so many characters at least, if it is that long: narrower ones read badly."""

_GAP = 2  # between two columns
_TOGETHER = re.compile(r"(?<=\d) (?=%)|(?<=\w) (?=[=<≥≤…] )|(?<=[=<≥≤…]) (?=[\w−-])")
_HELD = "\N{NO-BREAK SPACE}"  # in the place of a space while lines are broken


def window_width() -> int:
    """How many characters fit on a line of standard output: of what is no terminal, as many as one likes."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED_WIDTH


def to_text(view: View, *, most_rows: int | None = None) -> str:
    """The view for a terminal, as wide as its window, or as it needs to be where there is none.

    most_rows: of each table; how many were left out is said below it.
    """
    parts = (part if isinstance(part, str) else f"\n{_table_text(part, most_rows)}\n" for part in view)
    return "\n".join(parts).strip("\n").replace("\n\n\n", "\n\n")


def folded(text: str, width: int, indent: str = "") -> list[str]:
    """`text` in lines of at most `width` characters, broken between words; a number keeps its unit beside it.

    indent: what the lines after the first begin with. A word that is longer has a line of its own, whole.
    """
    lines = textwrap.wrap(
        _TOGETHER.sub(_HELD, text), width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace(_HELD, " ") for line in lines]


def blocks(table: Table, width: int, most_rows: int | None = None) -> Iterator["RichTable"]:
    """The table as Rich prints it, in as many parts as `width` needs; its title isn't part of it."""
    cells = [[printable(_plain(cell)) for cell in row] for row in table.rows[:most_rows]]
    columns = [
        _Shown(column.heading, column.number, column.folds, tuple(row[index] for row in cells))
        for index, column in enumerate(table.columns)
    ]
    for part in _parts(columns, width):
        yield _block(part, width)


@dataclass(frozen=True)
class _Shown:
    """A column with its cells as text."""

    heading: str
    number: bool
    folds: bool
    cells: tuple[str, ...]

    @property
    def width(self) -> int:
        """Of all cells in one line each."""
        return max(map(_length, (self.heading, *self.cells)))

    @property
    def narrowest(self) -> int:
        """With which nothing but a cell that may be is broken, and that at words only."""
        if not self.folds:
            return self.width
        words = (line for text in self.cells for line in folded(text, 1))
        return min(self.width, max([READABLE, _length(self.heading), *map(_length, words)]))


def _parts(columns: Sequence[_Shown], width: int) -> Iterator[list[_Shown]]:
    """The columns in groups that fit, each with the first; one that doesn't fit even so stands in a group of two."""
    first, *others = columns
    part = [first]
    for column in others:
        if len(part) > 1 and _needed([*part, column]) > width:
            yield part
            part = [first]
        part.append(column)
    yield part


def _needed(columns: Sequence[_Shown]) -> int:
    return sum(column.narrowest + _GAP for column in columns) - _GAP


def _block(columns: Sequence[_Shown], width: int) -> "RichTable":
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    spare = max(width - _needed(columns), 0)
    texts: list[list[str]] = []
    for column in columns:
        given = min(column.width, column.narrowest + spare)
        spare -= given - column.narrowest
        texts.append(["\n".join(folded(text, given)) if column.folds else text for text in column.cells])
        # Without a minimum of its own, Rich takes a column to be as narrow as its longest word, and cuts the rest.
        shown.add_column(
            Text(column.heading), justify="right" if column.number else "left", no_wrap=True, min_width=given
        )
    for row in zip(*texts, strict=True):
        shown.add_row(*map(Text, row))
    return shown


def _table_text(table: Table, most_rows: int | None) -> str:
    from rich.console import Console

    stream = io.StringIO()
    # A kernel's environment asks for colours, and a `repr` has none.
    plain = Console(
        file=stream,
        width=UNLIMITED_WIDTH,
        highlight=False,
        force_jupyter=False,
        force_terminal=False,
        color_system=None,
    )
    width = window_width()
    for number, block in enumerate(blocks(table, width, most_rows)):
        plain.print(*([""] if number else []), block, sep="\n")
    title = [] if table.title is None else folded(printable(table.title), width)
    lines = [*title, *(line.rstrip() for line in stream.getvalue().splitlines())]
    left_out = 0 if most_rows is None else len(table.rows) - most_rows
    if left_out > 0:
        lines.append(f"… and {counted(left_out, 'more row')}")
    return "\n".join(lines)


def _length(text: str) -> int:
    """In columns of a terminal, of which a Chinese character takes two."""
    from rich.cells import cell_len

    return cell_len(text)


def _plain(cell: Cell) -> str:
    return cell.text() if isinstance(cell, Bars) else cell
