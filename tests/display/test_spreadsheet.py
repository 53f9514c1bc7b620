"""Records as CSV: numbers as they are, pairs as two columns, text quoted."""

import csv
import io

from bittrue.display import to_csv


def test_numbers_are_whole_and_pairs_two_columns() -> None:
    records = [
        {"name": 'F=5, "study"', "interval": (0.1, 1 / 3), "count": 1234567, "exact": True, "shape": [3, 3]},
        {"name": "float\n95 %", "interval": None, "count": None, "exact": False, "shape": []},
    ]
    assert list(csv.reader(io.StringIO(to_csv(records)))) == [
        ["name", "interval_low", "interval_high", "count", "exact", "shape"],
        ['F=5, "study"', "0.1", "0.3333333333333333", "1234567", "true", "3 3"],
        ["float 95 %", "", "", "", "false", ""],
    ]


def test_nothing_is_nothing() -> None:
    assert to_csv([]) == ""
