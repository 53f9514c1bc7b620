"""Tables and sentences as text and as HTML, whatever their cells hold."""

from html.parser import HTMLParser

import pytest

from bittrue import display
from bittrue.display import Bars, Column, Table, to_html, to_text

HOSTILE = '<img src=x onerror="alert(1)">&\x1b[31m\u202e</td>'
COLUMNS = (Column("<b>name</b>"), Column("count", number=True))


class Reader(HTMLParser):
    """The tags and the texts of a fragment."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_escapes_whatever_cells_titles_and_sentences_hold() -> None:
    found = Reader(to_html((Table(COLUMNS, [(HOSTILE, "1")], HOSTILE), HOSTILE)))
    assert sorted(set(found.tags)) == ["caption", "div", "p", "table", "tbody", "td", "th", "thead", "tr"]
    written = HOSTILE.replace("\x1b", "\\x1b").replace("\u202e", "\\u202e")
    assert found.texts == [written, "<b>name</b>", "count", written, "1", written]


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


def test_text_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display.sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    words = "one two three four five six seven eight"
    lines = to_text((Table((Column("site"), Column("because", folds=True)), [("x" * 12, words)]),)).splitlines()
    assert max(map(len, lines)) <= 30
    assert " ".join(" ".join(lines[2:]).replace("x" * 12, "").split()) == words


def test_bars() -> None:
    assert Bars((0, 1, 10**6)).text() == " ▁█"
    assert Bars((0,) * 63 + (5,)).text() == " " * 15 + "█"
    assert Bars(()).text() == ""
    assert Bars((0, 0)).text() == "  "
    found = Reader(Bars((0, 3, 7)).html())
    assert found.tags == ["svg", "path"]
    assert 'viewBox="0 0 6 18"' in Bars((0, 3, 7)).html()
