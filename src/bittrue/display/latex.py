"""The tables of a view as LaTeX, for papers."""

import re
from collections.abc import Iterator

from bittrue.display.view import Bars, Cell, Table, View
from bittrue.wording import printable

_HEAD = "% Needs \\usepackage{booktabs}."

_SIGNS = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    '"': r"\textquotedbl{}",
    "−": "$-$",
    "–": "--",
    "…": r"\dots{}",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "±": r"$\pm$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "→": r"$\to$",
    "√": r"$\surd$",
    "∞": r"$\infty$",
    "²": r"$^2$",
    "³": r"$^3$",
    "½": r"$\frac12$",
    "’": "'",
    "‘": "`",
    "“": "``",
    "”": "''",
}
_SIGN = re.compile("[" + re.escape("".join(_SIGNS)) + "]")


def to_latex(view: View) -> str:
    """A `tabular` a table, under its title as a comment; sentences, and columns of pictures, are left out.

    Source: S. Fear, Publication quality tables in LaTeX (the booktabs package), for where rules belong.
    """
    tables = [part for part in view if not isinstance(part, str)]
    return "\n".join([_HEAD, *("\n".join(_lines(table)) for table in tables)]) + "\n"


def _lines(table: Table) -> Iterator[str]:
    kept = [index for index in range(len(table.columns)) if not any(isinstance(row[index], Bars) for row in table.rows)]
    columns = [table.columns[index] for index in kept]
    if table.title is not None:
        yield f"% {printable(table.title)}"
    yield rf"\begin{{tabular}}{{{''.join('r' if column.number else 'l' for column in columns)}}}"
    yield r"\toprule"
    yield _row([column.heading for column in columns])
    yield r"\midrule"
    for row in table.rows:
        yield _row([row[index] for index in kept])
    yield r"\bottomrule"
    yield r"\end{tabular}"


def _row(cells: list[Cell]) -> str:
    texts = (_SIGN.sub(lambda found: _SIGNS[found[0]], printable(str(cell))) for cell in cells)
    return f"{' & '.join(texts)} \\\\"
