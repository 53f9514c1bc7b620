"""What there is to see of a result: tables, and sentences between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log1p

_BLOCKS = " ▁▂▃▄▅▆▇█"
_BLOCKS_A_LINE = 16
_BAR_WIDTH, _BARS_HEIGHT = 2, 18  # pixels


@dataclass(frozen=True)
class Column:
    """A column's heading. number: stands to the right. folds: cells take several lines in a narrow window."""

    heading: str
    number: bool = False
    folds: bool = False


@dataclass(frozen=True)
class Bars:
    """A histogram in a cell; the heights are the logarithms of the counts, so that a lone value is seen, too."""

    counts: tuple[int, ...]

    @property
    def heights(self) -> tuple[float, ...]:
        """From 0, where there is nothing, to 1."""
        most = log1p(max(self.counts, default=0)) or 1.0
        return tuple(log1p(count) / most for count in self.counts)

    def text(self) -> str:
        """A line of blocks, neighbouring bins together; 1/8 of a block at least where there is a value."""
        size = -(-len(self.counts) // _BLOCKS_A_LINE) or 1
        together = Bars(tuple(sum(self.counts[first : first + size]) for first in range(0, len(self.counts), size)))
        return "".join(_BLOCKS[max(round(8 * height), height > 0)] for height in together.heights)

    def html(self) -> str:
        """The same as a picture, a bar a bin."""
        steps = (f"v{-_BARS_HEIGHT * height:.1f}h{_BAR_WIDTH}v{_BARS_HEIGHT * height:.1f}" for height in self.heights)
        width = _BAR_WIDTH * len(self.counts)
        return (
            f'<svg width="{width}" height="{_BARS_HEIGHT}" viewBox="0 0 {width} {_BARS_HEIGHT}" role="img" '
            f'aria-label="histogram"><path d="M0 {_BARS_HEIGHT}{"".join(steps)}z" fill="currentColor"/></svg>'
        )


Cell = str | Bars


@dataclass(frozen=True)
class Table:
    """Columns and rows of cells, whose texts are plain, whatever they hold."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    title: str | None = None


View = tuple[Table | str, ...]
"""What there is to see of a result: tables, and sentences between them."""
