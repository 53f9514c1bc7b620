"""Views as HTML, for notebooks."""

import html

from bittrue.display.view import Bars, Cell, Column, Table, View
from bittrue.wording import printable


def to_html(view: View) -> str:
    """The view for a notebook: an HTML fragment that asks for nothing from elsewhere."""
    parts = (f"<p>{_escaped(part)}</p>" if isinstance(part, str) else _table_html(part) for part in view)
    return f'<div class="bittrue" style="overflow-x: auto">{"".join(parts)}</div>'


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
