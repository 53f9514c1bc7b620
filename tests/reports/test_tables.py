"""What the page's tables show that no file holds as it is."""

from bittrue.reports.tables import HEAT_LEVELS, heat, overflow_table, probability
from reports.folders import sweep


def test_overflows_by_site_and_row() -> None:
    table = overflow_table(sweep().rows)
    assert table.rows == ("F=3", "F=4", "F=5", "F=6", "F=7", "F=8")
    assert set(table.sites) == {"conv1.output", "dense6.output", "dense7.output"}
    assert [count for count, _ in table.sites["dense6.output"]] == [0, 0, 0, 0, 7, 7]
    assert table.silent == 23


def test_heat_grows_with_the_order_of_magnitude() -> None:
    levels = [heat(count, 99_999) for count in (0, 1, 9, 99, 999, 9_999, 99_999)]
    assert levels == [0, 1, 1, 2, 3, 4, HEAT_LEVELS]
    assert heat(1, 1) == HEAT_LEVELS


def test_small_probabilities_are_not_rounded_to_zero() -> None:
    assert [probability(p) for p in (None, 0.0, 9e-7, 0.0412, 1.0)] == ["–", "< 1e−300", "9e−07", "0.041", "1"]
