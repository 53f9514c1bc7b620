"""Tables, sentences and histograms as HTML, whatever their cells hold."""

from html.parser import HTMLParser

from bittrue.display import Bars, Column, Table, to_html

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


def test_bars() -> None:
    assert Bars((0, 1, 10**6)).text() == " ▁█"
    assert Bars((0,) * 63 + (5,)).text() == " " * 15 + "█"
    assert Bars(()).text() == ""
    assert Bars((0, 0)).text() == "  "
    found = Reader(Bars((0, 3, 7)).html())
    assert found.tags == ["svg", "path"]
    assert 'viewBox="0 0 6 18"' in Bars((0, 3, 7)).html()
