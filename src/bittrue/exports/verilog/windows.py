"""Windows that slide over rows and columns: their numbers, and what must have come in before each result (B10)."""

from dataclasses import dataclass
from math import prod

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.verilog.draft import CLOCK, Buffer, Draft, Parameter, Word, entering
from bittrue.program import Step
from bittrue.shapes import Padding, Shape

_ROW_CYCLES = 3
"""Cycles between the last tap of a row of results and the first of the next one, while the next rows are there."""


@dataclass(frozen=True)
class Windows:
    """Of an image with rows, columns and channels, whatever axes the network has. All fields have two entries, rows
    first, but `channels`."""

    size: tuple[int, int]
    channels: int
    out: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[tuple[int, int], tuple[int, int]]

    @classmethod
    def of(
        cls,
        step: Step,
        shape: Shape,
        kernel: Shape,
        strides: tuple[int, ...],
        padding: Padding,
        dilation: tuple[int, ...],
    ) -> "Windows":
        """Of a value of `shape`; one spatial axis lies along the rows, so that few words are held; without any, each
        position is a row.

        Raises: BittrueError for more than two spatial axes.
        """
        if len(kernel) > 2:
            raise BittrueError(
                f"node {step.node}: a window over {len(kernel)} axes has no module, which knows rows and columns; stop "
                "before it with --until."
            )
        *spatial, channels = shape
        if not kernel:
            spatial = [prod(spatial)]
        missing = 2 - len(spatial)
        two = (*spatial, *([1] * missing))
        taps, steps, spreads = ((*values, 1, 1)[:2] for values in (kernel, strides, dilation))
        around = (*padding, (0, 0), (0, 0))[:2]
        out = [
            (before + size + after - spread * (width - 1) - 1) // stride + 1
            for size, width, stride, (before, after), spread in zip(two, taps, steps, around, spreads, strict=True)
        ]
        return cls(_pair(two), channels, _pair(out), _pair(taps), _pair(steps), _pair(spreads), (around[0], around[1]))

    @property
    def span(self) -> int:
        """The rows that a window reaches over."""
        return (self.kernel[0] - 1) * self.dilation[0] + 1

    @property
    def depth(self) -> int:
        """Rows that are held: those of a window, and the next ones while it is read."""
        return min(self.span, self.size[0]) + min(self.strides[0], self.size[0])

    def needed(self, results: int) -> np.ndarray:
        """How many words must have come in before 0, 1, 2, … words have gone out, `results` at each position: all rows
        of a window must be there."""
        row = self.size[1] * self.channels
        tops = np.arange(self.out[0]) * self.strides[0] - self.padding[0][0]
        rows = np.clip(tops + self.span, 0, self.size[0])
        each = np.repeat(rows * row, self.out[1] * results)
        each[-1] = self.size[0] * row
        return np.concatenate([[0], each])

    @property
    def spare(self) -> int:
        """Words that the ring holds beside those of a window's rows: the next ones, which come in meanwhile."""
        return (self.depth - min(self.span, self.size[0])) * self.size[1] * self.channels

    @property
    def late(self) -> int:
        """Words of the next image that its first row of results needs, and that find no place in the ring while the
        last row of this image's is computed."""
        last = (self.out[0] - 1) * self.strides[0] - self.padding[0][0]
        held = self.size[0] - min(max(last, 0), self.size[0])
        first = min(max(self.span - self.padding[0][0], 0), self.size[0])
        return max(held + first - self.depth, 0) * self.size[1] * self.channels

    def cycles(self, words: int) -> int:
        """Of an image, with `words` taken in by whatever reads the windows at each position."""
        return self.out[0] * (self.out[1] * words + _ROW_CYCLES)

    def instance(self, draft: Draft, *, blocks: int, blocks_a_group: int, inner: int, words: int = 1) -> Word:
        """The module that reads the draft's input and gives its windows out as `tap`, with `words` channels in a beat;
        how its words are to be read. inner: beats of the channels that one sum reads."""
        word = Word.of(draft.sources[0])
        width = word.width * words
        source = "x" if words == 1 else _gathered(draft, word.width, words)
        for name in ("valid", "ready", "inside", "first", "last"):
            draft.line(f"logic tap_{name};")
        draft.line(f"logic [{width - 1}:0] tap_data;")
        draft.line()
        parameters: dict[str, Parameter] = {
            "WIDTH": width,
            "ROWS": self.size[0],
            "COLUMNS": self.size[1],
            "CHANNELS": self.channels // words,
            "OUT_ROWS": self.out[0],
            "OUT_COLUMNS": self.out[1],
            "KERNEL_ROWS": self.kernel[0],
            "KERNEL_COLUMNS": self.kernel[1],
            "STRIDE_ROWS": self.strides[0],
            "STRIDE_COLUMNS": self.strides[1],
            "DILATION_ROWS": self.dilation[0],
            "DILATION_COLUMNS": self.dilation[1],
            "PADDING_ROWS": self.padding[0][0],
            "PADDING_COLUMNS": self.padding[1][0],
            "BLOCKS": blocks,
            "BLOCKS_A_GROUP": blocks_a_group,
            "INNER": inner,
            "DEPTH": self.depth,
        }
        draft.buffers.append(Buffer(self.depth * self.size[1] * self.channels // words, width))
        flags = {f"out_{name}": f"tap_{name}" for name in ("inside", "first", "last")}
        draft.instance("window", parameters, CLOCK | entering(source) | entering("tap", "out") | flags)
        return word


def _gathered(draft: Draft, width: int, words: int) -> str:
    """The input's stream with so many words side by side: its name."""
    for name in ("valid", "ready"):
        draft.line(f"logic beat_{name};")
    draft.line(f"logic [{width * words - 1}:0] beat_data;")
    draft.line()
    draft.instance("gather", {"WIDTH": width, "COUNT": words}, CLOCK | entering("x") | entering("beat", "out"))
    return "beat"


def _pair(values: "list[int] | tuple[int, ...]") -> tuple[int, int]:
    rows, columns = values
    return rows, columns
