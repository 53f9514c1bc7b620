"""Tables and sentences as text, in windows of any width."""

import pytest

from bittrue.display import Column, Table, terminal, to_html, to_text
from bittrue.display.terminal import folded

COLUMNS = (Column("<b>name</b>"), Column("count", number=True))


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Standard output as a terminal of 30 characters."""
    monkeypatch.setattr(terminal.sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    return monkeypatch


def test_text_keeps_whole_cells_and_writes_control_characters_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a notebook's kernel has it
    lines = to_text((Table(COLUMNS, [("x" * 300, "1"), ("a\x1b[2J", "22")], "Title"), "One.", "Two.")).splitlines()
    assert lines[0] == "Title"
    assert lines[1].split() == ["<b>name</b>", "count"]
    assert lines[3].split() == ["x" * 300, "1"]
    assert lines[4].split() == ["a\\x1b[2J", "22"]
    assert lines[5:] == ["", "One.", "Two."]


def test_a_long_table_says_what_it_leaves_out() -> None:
    table = Table(COLUMNS, [(f"row{number}", "1") for number in range(10)])
    assert to_text((table,), most_rows=4).splitlines()[-2:] == ["row3             1", "… and 6 more rows"]
    assert to_text((table,)).splitlines()[-1].startswith("row9")
    assert "row9" in to_html((table,))


def test_cells_that_fold_end_their_lines_between_words(window: pytest.MonkeyPatch) -> None:
    words = "one two three four five six seven eight"
    lines = to_text((Table((Column("at"), Column("because", folds=True)), [("x" * 3, words)]),)).splitlines()
    assert max(map(len, lines)) <= 30
    assert [line[5:] for line in lines[2:]] == ["one two three four five", "six seven eight"]


def test_a_table_that_is_too_wide_comes_in_parts_with_the_first_column_and_whole_cells(
    window: pytest.MonkeyPatch,
) -> None:
    columns = (Column("site"), *(Column(f"number {index}", number=True) for index in range(5)))
    rows = [(f"conv{row}", *(f"{row}{index}" * 4 for index in range(5))) for row in range(3)]
    lines = to_text((Table(columns, rows, "Every number of every site, by its place"),)).splitlines()
    assert max(map(len, lines)) <= 30
    assert lines[:2] == ["Every number of every site, by", "its place"]
    headings = [line for line in lines if line.startswith("site")]
    assert [heading.split() for heading in headings] == [
        ["site", "number", "0", "number", "1"],
        ["site", "number", "2", "number", "3"],
        ["site", "number", "4"],
    ]
    found = " ".join(lines)
    assert all(found.count(cell) == (3 if cell.startswith("conv") else 1) for row in rows for cell in row)


def test_a_column_too_narrow_to_read_gets_a_part_of_its_own(window: pytest.MonkeyPatch) -> None:
    columns = (Column("site"), Column("values", number=True), Column("because", folds=True))
    lines = to_text((Table(columns, [("conv1", "123,456,789", "one two three four five")]),)).splitlines()
    assert lines[2].split() == ["conv1", "123,456,789"]
    assert lines[-1] == "conv1  one two three four five"


def test_a_cell_that_no_window_holds_is_whole_all_the_same(window: pytest.MonkeyPatch) -> None:
    columns = (Column("site"), Column("format", folds=True), Column("step"))
    lines = to_text((Table(columns, [("conv1", "x" * 40 + " per channel", "2^-7")]),)).splitlines()
    assert any(line.split() == ["conv1", "x" * 40] for line in lines)


def test_a_number_stays_beside_its_unit_and_its_limit() -> None:
    assert folded("of them 95 % fit", 11) == ["of them", "95 % fit"]
    assert folded("largest 0.78 < 2^0, so", 15) == ["largest", "0.78 < 2^0, so"]
    assert folded("", 10) == []
    assert folded("one two three", 8, "  ") == ["one two", "  three"]
