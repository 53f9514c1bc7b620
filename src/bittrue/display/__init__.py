"""How results are shown: tables and sentences, for terminals, notebooks, spreadsheets and LaTeX.

A result says what there is to see (`View`); this package alone knows how a table looks.
"""

from bittrue.display.latex import to_latex
from bittrue.display.notebook import to_html
from bittrue.display.spreadsheet import to_csv
from bittrue.display.terminal import ROWS_OF_A_REPR, to_text
from bittrue.display.view import Bars, Cell, Column, Table, View

__all__ = [
    "ROWS_OF_A_REPR",
    "Bars",
    "Cell",
    "Column",
    "Table",
    "View",
    "to_csv",
    "to_html",
    "to_latex",
    "to_text",
]
