"""What rows' names say of their bits, and which rows stand together."""

from dataclasses import dataclass

import pytest

from bittrue.analysis.row_names import Bits, bits_of, grid_of, lines_of


@dataclass(frozen=True)
class Named:
    name: str


def named(*names: str) -> list[Named]:
    return [Named(name) for name in names]


@pytest.mark.parametrize(
    ("name", "bits", "label", "short"),
    [
        ("F=5", Bits("", "F", 5), "5 fraction bits", "5"),
        ("F=-1", Bits("", "F", -1), "−1 fraction bits", "−1"),
        ("W=1", Bits("", "W", 1), "1 bit", "1"),
        ("W4A8", Bits("", "WA", 4, 8), "W4A8", "W4A8"),
        ("hardware W=12", Bits("hardware", "W", 12), "12 bits", "12"),
    ],
)
def test_bits_of_a_name(name: str, bits: Bits, label: str, short: str) -> None:
    assert bits_of(name) == bits
    assert (bits.label, bits.short) == (label, short)


@pytest.mark.parametrize("name", ["float", "file", "wide", "F=x", "W4", "my row", "W4A8 "])
def test_names_without_bits(name: str) -> None:
    assert bits_of(name) is None
    assert lines_of(named(name, "F=5")) == {}


def test_lines_and_grids() -> None:
    assert lines_of(named("F=5", "F=4")) == {"": named("F=4", "F=5")}
    assert lines_of(named("W4A8", "W3A8")) == {"": named("W3A8", "W4A8")}
    assert lines_of(named("W4A8", "W4A7")) == {"": named("W4A7", "W4A8")}
    assert lines_of(named("F=5", "W=4")) == {}
    found = lines_of(named("study F=5", "hardware W=9", "study F=4"))
    assert found == {"study": named("study F=4", "study F=5"), "hardware": named("hardware W=9")}
    assert list(found) == ["study", "hardware"]
    cells = named("W4A8", "W3A8", "W4A7", "W3A7")
    grid = grid_of(cells)
    assert grid is not None
    assert (grid.weights, grid.activations, grid.cells[3, 8]) == ((3, 4), (7, 8), cells[1])
    assert grid.fewer((4, 8)) == [(3, 8), (4, 7)]
    assert grid.fewer((3, 7)) == []
    assert lines_of(cells) == {"8-bit activations": [cells[1], cells[0]], "7-bit activations": [cells[3], cells[2]]}
    assert grid_of(named("W4A8", "W3A8")) is None
    assert grid_of(named("W4A8", "W3A7", "F=3")) is None
