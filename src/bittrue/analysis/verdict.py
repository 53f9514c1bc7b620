"""What the rows of a sweep say: whether one differs from float, and how few bits suffice."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bittrue.simulation.proof import LayerProof
from bittrue.wording import counted, typographic

SIGNIFICANCE = 0.05
"""A row differs from float where McNemar's exact test gives less than this."""


@dataclass(frozen=True)
class Share:
    """Of right images: the accuracy, its Wilson interval, and its lowest and highest value over ties."""

    accuracy: float
    interval: tuple[float, float]
    over_ties: tuple[float, float]


@dataclass(frozen=True)
class Flips:
    """Images that only the float row (lost), or only another row (gained) gets right, and McNemar's exact test."""

    lost: int
    gained: int
    p_value: float

    @property
    def differ(self) -> bool:
        """Whether the row differs from float."""
        return self.p_value < SIGNIFICANCE


@dataclass(frozen=True)
class Row:
    """One network, in float or under a plan, on all images of the sweep.

    name: "float", "F=5", "W=8", …. plan: its hash; None for the float row, which is never called exact. exact: proven
    for every layer, and `layers` says how. overflows: for every site with a quantizer, how many of its codes, or of a
    parameter's, lay outside its limits.

    For the metrics accuracy and binary (B13): the accuracy, its Wilson interval, its lowest and highest value over
    ties, the loss, and how many images are `correct`, `tied`, and without a probability above 0. lost, gained: images
    that only the float row, or only this row, gets right; p_value: McNemar's for these. For mse and sqnr: both, against
    the float outputs; an sqnr without a finite value is None. So is everything that the sweep's metric doesn't give.
    """

    name: str
    plan: str | None
    exact: bool
    images: int
    accuracy: float | None = None
    accuracy_interval: tuple[float, float] | None = None
    accuracy_over_ties: tuple[float, float] | None = None
    loss: float | None = None
    correct: int | None = None
    tied: int | None = None
    zero_sum: int | None = None
    lost: int | None = None
    gained: int | None = None
    p_value: float | None = None
    mse: float | None = None
    sqnr: float | None = None
    overflows: Mapping[str, int] = field(default_factory=dict)
    layers: tuple[LayerProof, ...] = ()

    @property
    def share(self) -> Share:
        """What accuracy and binary give; raises ValueError where the metric was another."""
        if self.accuracy is None or self.accuracy_interval is None or self.accuracy_over_ties is None:
            raise ValueError(f"the row {self.name} has no accuracy with its interval and ties")
        return Share(self.accuracy, self.accuracy_interval, self.accuracy_over_ties)

    @property
    def flips(self) -> Flips | None:
        """Against the float row; None of that itself, and where the metric judges no image right or wrong."""
        if self.lost is None or self.gained is None or self.p_value is None:
            return None
        return Flips(self.lost, self.gained, self.p_value)


def flips_verdict(rows: Sequence[Row]) -> str:
    """How few bits suffice, and what the next fewer cost; `rows`: the float row first.

    For rows named F=… or W=… it names the fewest bits from which on no row is worse than float (McNemar's exact test at
    5 %), and says so where none is; for other names, what became of each.
    """
    float_row, *others = rows
    by_bits = _sorted_by_bits(others)
    test = f"exact McNemar test, {100 * (1 - SIGNIFICANCE):.0f} %, {counted(float_row.images, 'image')}"
    if not by_bits:
        return f"{'; '.join(f'{row.name}: {_against_float(row, float_row)}' for row in others)} ({test})."
    row = sufficient(by_bits)
    if row is None:
        most = by_bits[-1]
        alone = "" if len(by_bits) == 1 else ", the most here"
        return f"{_label(most)}{alone}: {_against_float(most, float_row)}, so none of these suffices ({test})."
    found = _against_float(row, float_row)
    if row is by_bits[0]:
        alone = "" if len(by_bits) == 1 else ", the fewest here"
        return f"{_label(row)}{alone}: {found} ({test})."
    fewer = by_bits[by_bits.index(row) - 1]
    return f"{_label(fewer)}: {_against_float(fewer, float_row)}; {_bits(row)}: {found} ({test})."


def ends_verdict(rows: Sequence[Row], what: str, text: Callable[[Row], str]) -> str:
    """`what` of the rows with the fewest and the most bits, or else of all; for what no test judges."""
    others = rows[1:]
    ends = _sorted_by_bits(others) or others
    ends = [ends[0], ends[-1]] if len(ends) > 1 else ends
    return f"{what}: {', '.join(f'{text(row)} with {_label(row)}' for row in ends)}."


def sufficient(rows: Sequence[Row]) -> Row | None:
    """The row with the fewest bits from which on none is worse than float; None where there is none such.

    Nor may a row's accuracy hang on its ties: losing them must leave it within its interval. Of rows whose names hold
    no numbers of bits, the first in their order. `rows`: with an accuracy, without the float row.
    """
    found = None
    for row in reversed(_sorted_by_bits(rows) or rows):
        if _is_worse(row) or _ties_decide(row):
            break
        found = row
    return found


def _sorted_by_bits(rows: Sequence[Row]) -> list[Row]:
    """The rows by their numbers of bits, or none where a name holds no such number, or they count different bits."""
    kinds = {row.name[:2] for row in rows}
    if len(kinds) > 1 or not all(re.fullmatch(r"[FW]=-?\d+", row.name) for row in rows):
        return []
    return sorted(rows, key=lambda row: int(row.name[2:]))


def _label(row: Row) -> str:
    """`6 fraction bits`, `1 bit`, or the row's name."""
    if not _sorted_by_bits([row]):
        return row.name
    return typographic(counted(int(row.name[2:]), "fraction bit" if row.name.startswith("F") else "bit"))


def _bits(row: Row) -> str:
    return typographic(row.name[2:])


def _is_worse(row: Row) -> bool:
    return row.flips is not None and row.flips.differ and row.flips.lost > row.flips.gained


def _ties_decide(row: Row) -> bool:
    """Whether losing its ties would take the accuracy out of its own interval: then it says little of the network."""
    if row.accuracy_over_ties is None or row.accuracy_interval is None:
        return False
    return row.accuracy_over_ties[0] < row.accuracy_interval[0]


def _against_float(row: Row, float_row: Row) -> str:
    if row.flips is not None and row.flips.differ:
        return _points(row, float_row)
    if row.accuracy_over_ties is not None and _ties_decide(row):
        least, most = row.accuracy_over_ties
        return f"ties decide, between {100 * least:.1f} and {100 * most:.1f} %"
    return "not distinguishable from float"


def _points(row: Row, float_row: Row) -> str:
    points = 100 * (_accuracy(row) - _accuracy(float_row))
    text = f"{points:+.1f}" if abs(points) >= 1 else f"{points:+.2f}"
    return f"{typographic(text)} points"


def _accuracy(row: Row) -> float:
    if row.accuracy is None:
        raise ValueError(f"the row {row.name} has no accuracy")
    return row.accuracy
