"""How results are shown: tables and sentences, as text for terminals and as HTML for notebooks.

A result says what there is to see (`View`); this module alone knows how a table looks.
"""

import html
import io
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p
from typing import TYPE_CHECKING

from bittrue.wording import counted, printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table as RichTable

UNLIMITED_WIDTH = 100_000
ROWS_OF_A_REPR = 60
"""A result's `repr` leaves out the rows beyond these and says how many; `str` and HTML leave out none."""

_BLOCKS = " ▁▂▃▄▅▆▇█"
_BLOCKS_A_LINE = 16
_BAR_WIDTH, _BARS_HEIGHT = 2, 18  # pixels


@dataclass(frozen=True)
class Column:
    """A column's heading. number: stands to the right. folds: cells take several lines in a narrow window."""

    heading: str
    number: bool = False
    folds: bool = False


@dataclass(frozen=True)
class Bars:
    """A histogram in a cell; the heights are the logarithms of the counts, so that a lone value is seen, too."""

    counts: tuple[int, ...]

    @property
    def heights(self) -> tuple[float, ...]:
        """From 0, where there is nothing, to 1."""
        most = log1p(max(self.counts, default=0)) or 1.0
        return tuple(log1p(count) / most for count in self.counts)

    def text(self) -> str:
        """A line of blocks, neighbouring bins together; 1/8 of a block at least where there is a value."""
        size = -(-len(self.counts) // _BLOCKS_A_LINE) or 1
        together = Bars(tuple(sum(self.counts[first : first + size]) for first in range(0, len(self.counts), size)))
        return "".join(_BLOCKS[max(round(8 * height), height > 0)] for height in together.heights)

    def html(self) -> str:
        """The same as a picture, a bar a bin."""
        steps = (f"v{-_BARS_HEIGHT * height:.1f}h{_BAR_WIDTH}v{_BARS_HEIGHT * height:.1f}" for height in self.heights)
        width = _BAR_WIDTH * len(self.counts)
        return (
            f'<svg width="{width}" height="{_BARS_HEIGHT}" viewBox="0 0 {width} {_BARS_HEIGHT}" role="img" '
            f'aria-label="histogram"><path d="M0 {_BARS_HEIGHT}{"".join(steps)}z" fill="currentColor"/></svg>'
        )


Cell = str | Bars


@dataclass(frozen=True)
class Table:
    """Columns and rows of cells, whose texts are plain, whatever they hold."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    title: str | None = None


View = tuple[Table | str, ...]
"""What there is to see of a result: tables, and sentences between them."""


def to_text(view: View, *, most_rows: int | None = None) -> str:
    """The view for a terminal, as wide as its window, or as it needs to be where there is none.

    most_rows: of each table; how many were left out is said below it.
    """
    parts = (part if isinstance(part, str) else f"\n{_table_text(part, most_rows)}\n" for part in view)
    return "\n".join(parts).strip("\n").replace("\n\n\n", "\n\n")


def to_html(view: View) -> str:
    """The view for a notebook: an HTML fragment that asks for nothing from elsewhere."""
    parts = (f"<p>{_escaped(part)}</p>" if isinstance(part, str) else _table_html(part) for part in view)
    return f'<div class="bittrue" style="overflow-x: auto">{"".join(parts)}</div>'


def rich_table(table: Table, most_rows: int | None = None) -> "RichTable":
    """The table as Rich prints it; its title isn't part of it."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    cells = [[printable(_plain(cell)) for cell in row] for row in table.rows[:most_rows]]
    for index, column in enumerate(table.columns):
        # Without a minimum of its own, Rich takes a column to be as narrow as its longest word, and cuts the rest.
        whole = max(cell_len(text) for text in (column.heading, *(row[index] for row in cells)))
        shown.add_column(
            Text(column.heading),
            justify="right" if column.number else "left",
            overflow="fold",
            no_wrap=not column.folds,
            min_width=None if column.folds else whole,
        )
    for row in cells:
        shown.add_row(*map(Text, row))
    return shown


def needed_width(shown: "RenderableType") -> int:
    """How narrow the window may be before a cell is cut."""
    from rich.console import Console
    from rich.measure import measure_renderables

    unlimited = Console(width=UNLIMITED_WIDTH)
    return measure_renderables(unlimited, unlimited.options, [shown]).minimum


def _table_text(table: Table, most_rows: int | None) -> str:
    from rich.console import Console

    shown = rich_table(table, most_rows)
    width = UNLIMITED_WIDTH
    if sys.stdout.isatty():
        width = max(shutil.get_terminal_size().columns, needed_width(shown))
    stream = io.StringIO()
    # A kernel's environment asks for colours, and a `repr` has none.
    plain = Console(
        file=stream, width=width, highlight=False, force_jupyter=False, force_terminal=False, color_system=None
    )
    plain.print(shown)
    lines = [line.rstrip() for line in stream.getvalue().splitlines()]
    left_out = 0 if most_rows is None else len(table.rows) - most_rows
    if left_out > 0:
        lines.append(f"… and {counted(left_out, 'more row')}")
    return "\n".join([*([] if table.title is None else [printable(table.title)]), *lines])


def _table_html(table: Table) -> str:
    title = ""
    if table.title is not None:
        title = f'<caption style="text-align: left; font-weight: bold">{_escaped(table.title)}</caption>'
    headings = "".join(f'<th style="{_style(column)}">{_escaped(column.heading)}</th>' for column in table.columns)
    rows = "".join(
        f"<tr>{''.join(_cell_html(cell, column) for cell, column in zip(row, table.columns, strict=True))}</tr>"
        for row in table.rows
    )
    return f"<table>{title}<thead><tr>{headings}</tr></thead><tbody>{rows}</tbody></table>"


def _cell_html(cell: Cell, column: Column) -> str:
    content = cell.html() if isinstance(cell, Bars) else _escaped(cell)
    return f'<td style="{_style(column)}">{content}</td>'


def _style(column: Column) -> str:
    alignment = "right" if column.number else "left"
    return f"text-align: {alignment}" + ("" if column.folds else "; white-space: nowrap")


def _escaped(text: str) -> str:
    return html.escape(printable(text))


def _plain(cell: Cell) -> str:
    return cell.text() if isinstance(cell, Bars) else cell
