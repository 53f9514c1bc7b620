"""What the names of a sweep's rows say: their bits, and so which rows stand on one line, or in a grid.

`F=5` and `W=8` count fraction bits and the bits of words, `W4A8` those of weights and activations; where a sweep has
several recipes, a row bears its recipe's name before that: `study F=5`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bittrue.wording import counted, typographic

FLOAT = "float"
"""The network as it is without quantizers."""

FILE = "file"
"""The plan that the file's own quantizers are."""

CALLED = {FLOAT: "float", FILE: "the file's own plan"}
"""What sentences call the row that all others are compared with."""

_NAME = re.compile(r"(?:(?P<recipe>[a-z]+) )?(?:(?P<kind>[FW])=(?P<bits>-?\d+)|W(?P<weights>\d+)A(?P<activations>\d+))")


class Named(Protocol):
    """Whatever bears a row's name."""

    @property
    def name(self) -> str: ...


_Row = TypeVar("_Row", bound=Named)


@dataclass(frozen=True)
class Bits:
    """What a name says. kind: F or W; WA where weights and activations have words of their own, and W alone in `bits`.

    recipe: empty where the sweep has but one.
    """

    recipe: str
    kind: str
    bits: int
    activations: int | None = None

    @property
    def label(self) -> str:
        """`6 fraction bits`, `1 bit` or `W4A8`, without the recipe."""
        if self.activations is not None:
            return f"W{self.bits}A{self.activations}"
        return typographic(counted(self.bits, "fraction bit" if self.kind == "F" else "bit"))

    @property
    def short(self) -> str:
        """The same beside another of its kind: `6`."""
        return self.label if self.activations is not None else typographic(str(self.bits))


def bits_of(name: str) -> Bits | None:
    """What a row's name says of its bits; None where it says nothing."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    recipe = found["recipe"] or ""
    if found["kind"] is None:
        return Bits(recipe, "WA", int(found["weights"]), int(found["activations"]))
    return Bits(recipe, found["kind"], int(found["bits"]))


@dataclass(frozen=True)
class Grid(Generic[_Row]):
    """Rows by the bits of weights and activations, several of each; cells: by these two."""

    weights: tuple[int, ...]
    activations: tuple[int, ...]
    cells: Mapping[tuple[int, int], _Row]

    def fewer(self, place: tuple[int, int]) -> list[tuple[int, int]]:
        """The cells with the next fewer bits of weights, and of activations."""
        weights, activations = place
        below = [(max((w for w in self.weights if w < weights), default=0), activations)]
        below.append((weights, max((a for a in self.activations if a < activations), default=0)))
        return [place for place in below if place in self.cells]


def grid_of(rows: Iterable[_Row]) -> Grid[_Row] | None:
    """The rows as a grid; None where they are none, or only one line of it."""
    cells: dict[tuple[int, int], _Row] = {}
    for row in rows:
        bits = bits_of(row.name)
        if bits is None or bits.activations is None or bits.recipe:
            return None
        cells[bits.bits, bits.activations] = row
    weights, activations = (tuple(sorted({place[axis] for place in cells})) for axis in (0, 1))
    return Grid(weights, activations, cells) if len(weights) > 1 and len(activations) > 1 else None


def lines_of(rows: Sequence[_Row]) -> dict[str, list[_Row]]:
    """The rows by what they have in common, each line in the order of its bits, the first row's line first.

    A line's name is its recipe, or in a grid the bits of its activations; it is empty where there is but one line.
    Empty where a name says nothing of bits, or one line would count different ones.
    """
    found = [(row, bits) for row in rows if (bits := bits_of(row.name)) is not None]
    is_grid = grid_of(rows) is not None
    lines: dict[str, list[tuple[_Row, Bits]]] = {}
    for row, bits in found:
        lines.setdefault(f"{bits.activations}-bit activations" if is_grid else bits.recipe, []).append((row, bits))
    kinds = [{bits.kind for _, bits in line} for line in lines.values()]
    if len(found) < len(rows) or any(len(kind) > 1 for kind in kinds):
        return {}
    return {
        name: [row for row, _ in sorted(line, key=lambda each: (each[1].bits, each[1].activations or 0))]
        for name, line in lines.items()
    }
