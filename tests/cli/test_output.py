"""Text, tables, progress and folders."""

import json
import re
import sys
from pathlib import Path

import pytest

from bittrue.analysis import progress as progress_module
from bittrue.bits import parse_bits, parse_number
from bittrue.cli import command as command_module
from bittrue.cli.output import explain, output_folder, say_json, sentence
from bittrue.cli.progress import progress
from bittrue.cli.tables import Column, print_table
from bittrue.errors import BittrueError
from bittrue.wording import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo", "one two"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("5 ≥ −2^3 · é", "5 ≥ −2^3 · é"),
    ],
)
def test_printable(text: str, expected: str) -> None:
    assert printable(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("a", "a."), ("a.", "a."), ("did you mean b?", "did you mean b?")])
def test_sentence(text: str, expected: str) -> None:
    assert sentence(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5", [5]), ("3:8", [3, 4, 5, 6, 7, 8]), ("-2:1", [-2, -1, 0, 1]), (" 3 : 4 ", [3, 4]), ("4:4", [4])],
)
def test_bits(text: str, expected: list[int]) -> None:
    assert list(parse_bits(text, "--fraction-bits")) == expected


@pytest.mark.parametrize("text", ["", "3-8", "3:", ":8", "3:8:2", "1.5", "٣", "1234567"])
def test_bits_that_are_none(text: str) -> None:
    with pytest.raises(BittrueError, match="--word-length"):
        parse_bits(text, "--word-length")


def test_one_number_is_no_range() -> None:
    assert parse_number("7", "--word-length") == 7
    with pytest.raises(BittrueError, match="write one number"):
        parse_number("7:8", "--word-length")


def test_a_table_in_a_pipe_keeps_its_cells_whole(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 500
    print_table([Column("name"), Column("count", number=True)], [(long, "1"), ("[b]y[/b]\x1b", "12")], "[i]Title")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[i]Title"
    assert lines[3].split() == [long, "1"]
    assert lines[4].split() == ["[b]y[/b]\\x1b", "12"]


def test_a_table_on_a_narrow_terminal_folds_text_and_cuts_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setenv("TERM", "xterm")
    words = "one two three four five six seven eight nine ten"
    print_table([Column("site"), Column("because", folds=True)], [("x" * 20, words)])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines[1:])) <= 50
    assert "x" * 20 in lines[2]
    assert " ".join(lines[2:]).replace("x" * 20, "").split() == words.split()
    print_table([Column("site")], [("y" * 60,)])
    assert "y" * 60 in capsys.readouterr().out


def test_a_table_too_wide_for_the_terminal_keeps_its_cells_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts, each with the first column; headings and cells of several words included, which need not fold."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "xterm")
    columns = [Column("site"), Column("format"), Column("in steps of", number=True)]
    print_table(columns, [("dense6.accumulator", "ap_fixed<16,3> SATURATE", "2^-13"), ("a", "b c", "1")], "A title")
    printed = re.sub("\x1b\\[[0-9]*m", "", capsys.readouterr().out).splitlines()
    assert printed[0] == "A title"
    rows = [line.split() for line in printed[1:] if line.strip() and "─" not in line]
    assert rows[:3] == [["site", "format"], ["dense6.accumulator", "ap_fixed<16,3>", "SATURATE"], ["a", "b", "c"]]
    assert rows[3:] == [["site", "in", "steps", "of"], ["dense6.accumulator", "2^-13"], ["a", "1"]]


def test_prose_breaks_between_words_on_a_terminal_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    text = "not distinguishable from float (95 %)"
    explain(text)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    explain(text)
    assert capsys.readouterr().out.splitlines() == [text, "not distinguishable", "from float (95 %)"]


def test_json_is_one_object_of_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    say_json({"a": "é"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": "é"}
    assert out.isascii()


def test_progress_in_a_pipe_is_lines_on_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([0.0, 10.0, 40.0, 50.0, 60.0])
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: next(now))
    with progress() as display:
        display.start("F=5", 3000)
        for _ in range(3):
            display.advance(1000)
        display.finish()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["F=5: 2,000 of 3,000 images", "F=5: 3,000 images in 60.0 s"]


def test_progress_on_a_terminal_is_a_bar_a_part(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_module.sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with pytest.raises(BittrueError), progress() as display:
        display.start("[F=5]", 10)
        display.advance(10)
        display.finish()
        display.start("F=6", 10)
        raise BittrueError("The end.")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "[F=5]" in captured.err
    assert "F=6" in captured.err


def test_a_folder_that_was_made_in_vain_goes_again(tmp_path: Path) -> None:
    with pytest.raises(BittrueError, match=r"The end\."), output_folder(tmp_path / "a" / "b"):
        raise BittrueError("The end.")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_results_stays(tmp_path: Path) -> None:
    with pytest.raises(BittrueError), output_folder(tmp_path / "a") as folder:
        (folder / "results.sqlite").touch()
        raise BittrueError("The end.")
    assert (tmp_path / "a" / "results.sqlite").exists()


def test_a_folder_that_was_there_stays(tmp_path: Path) -> None:
    with pytest.raises(BittrueError), output_folder(tmp_path):
        raise BittrueError("The end.")
    assert tmp_path.exists()


def test_a_terminal_gets_a_sign_of_life(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command_module._announce("model.keras")
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(command_module.sys.stderr, "isatty", lambda: True)
    command_module._announce("mod\x1bel.keras")
    assert capsys.readouterr() == ("", "Reading mod\\x1bel.keras …\n")
