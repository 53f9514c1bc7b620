"""What the rows of a sweep say: whether one differs from float, and how few bits suffice."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bittrue.simulation.proof import LayerProof
from bittrue.wording import counted, typographic

SIGNIFICANCE = 0.05
"""A row differs from float where McNemar's exact test gives less than this."""


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


def verdict(rows: Sequence[Row], metric: str) -> str:
    """One sentence: how few bits suffice, and what the next fewer cost.

    For rows named F=… or W=… it names the fewest bits from which on no row is worse than float (McNemar's exact test at
    5 %), and says so where none is; for other names, what became of each. For mse and sqnr, which no test judges, it
    gives the values at both ends.
    """
    float_row, *others = rows
    by_bits = _sorted_by_bits(others)
    if metric in ("mse", "sqnr"):
        ends = by_bits or others
        ends = [ends[0], ends[-1]] if len(ends) > 1 else ends
        what = "Mean squared error against float" if metric == "mse" else "Signal to quantization noise against float"
        return f"{what}: {', '.join(f'{_deviation(row, metric)} with {_label(row)}' for row in ends)}."
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


def sufficient(rows: Sequence[Row]) -> Row | None:
    """Of rows with an accuracy, without the float row: see `Sweep.sufficient`."""
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
    assert row.p_value is not None
    return row.p_value < SIGNIFICANCE and (row.lost or 0) > (row.gained or 0)


def _ties_decide(row: Row) -> bool:
    """Whether losing its ties would take the accuracy out of its own interval: then it says little of the network."""
    if row.accuracy_over_ties is None or row.accuracy_interval is None:
        return False
    return row.accuracy_over_ties[0] < row.accuracy_interval[0]


def _against_float(row: Row, float_row: Row) -> str:
    assert row.p_value is not None
    if row.p_value < SIGNIFICANCE:
        return _points(row, float_row)
    if row.accuracy_over_ties is not None and _ties_decide(row):
        least, most = row.accuracy_over_ties
        return f"ties decide, between {100 * least:.1f} and {100 * most:.1f} %"
    return "not distinguishable from float"


def _points(row: Row, float_row: Row) -> str:
    assert row.accuracy is not None
    assert float_row.accuracy is not None
    points = 100 * (row.accuracy - float_row.accuracy)
    text = f"{points:+.1f}" if abs(points) >= 1 else f"{points:+.2f}"
    return f"{typographic(text)} points"


def _deviation(row: Row, metric: str) -> str:
    if metric == "mse":
        return f"{row.mse:.3g}"
    return "no finite value" if row.sqnr is None else f"{row.sqnr:.1f} dB"
