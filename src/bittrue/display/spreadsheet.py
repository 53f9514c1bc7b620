"""Records as CSV, for spreadsheets and data frames."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from bittrue.wording import printable


def to_csv(records: Sequence[Mapping[str, Any]]) -> str:
    """A line a record under a line of names, as RFC 4180 has it but for the line's end: numbers in full, with a point.

    records: all with the same keys. A pair of numbers becomes two columns, `_low` and `_high`; a longer sequence one
    cell of its items between spaces; None an empty cell.
    """
    if not records:
        return ""
    pairs = {key for key in records[0] if any(_is_pair(record[key]) for record in records)}
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(name for key in records[0] for name in ((f"{key}_low", f"{key}_high") if key in pairs else (key,)))
    for record in records:
        writer.writerow(
            _cell(value)
            for key in records[0]
            for value in ((record[key] or (None, None)) if key in pairs else (record[key],))
        )
    return stream.getvalue()


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, int | float) for part in value)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case list() | tuple():
            return " ".join(map(_cell, value))
        case _:
            return printable(str(value))
