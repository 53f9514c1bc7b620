"""What the rows of a sweep say: whether one loses more than may be lost, and how few bits suffice."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from bittrue.analysis.standard import Standard
from bittrue.analysis.statistics.fixed_sample import drop_p_value, images_needed
from bittrue.simulation.proof import LayerProof
from bittrue.wording import counted, typographic

SIGNIFICANCE = 0.05
"""A claim is made where its test gives less than this if it were wrong."""


class Drop(Enum):
    """What is shown of a row's loss of accuracy against float, at the level SIGNIFICANCE."""

    WITHIN = "within"
    WORSE = "worse"
    UNKNOWN = "too few"


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


@dataclass(frozen=True)
class Row:
    """One network, in float or under a plan, on all images of the sweep.

    name: "float", "F=5", "W=8", …. plan: its hash; None for the float row, which is never called exact. exact: proven
    for every layer, and `layers` says how. overflows: for every site with a quantizer, how many of its codes, or of a
    parameter's, lay outside its limits.

    For the metrics accuracy, top-5 and binary (B13): the accuracy, its Wilson interval, its lowest and highest value
    over ties, the loss, and how many images are `correct`, `tied`, and without a probability above 0. lost, gained:
    images that only the float row, or only this row, gets right; p_value: McNemar's for these. For mse and sqnr: both,
    against the float outputs; an sqnr without a finite value is None. So is everything that the sweep's metric doesn't
    give. scores: what the other metrics give, by name; None where one has no value.
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
    scores: Mapping[str, float | None] = field(default_factory=dict)
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


def drop(row: Row, standard: Standard) -> Drop | None:
    """Whether it is shown that the row loses no more than it may, or more; None of the float row, and where the metric
    judges no image right or wrong. See `fixed_sample.drop_p_value`."""
    flips = row.flips
    if flips is None:
        return None
    if drop_p_value(flips.lost, flips.gained, row.images, standard.margin) <= SIGNIFICANCE:
        return Drop.WITHIN
    if drop_p_value(flips.gained, flips.lost, row.images, -standard.margin) <= SIGNIFICANCE:
        return Drop.WORSE
    return Drop.UNKNOWN


def flips_verdict(rows: Sequence[Row], standard: Standard) -> str:
    """How few bits suffice, and what the next fewer cost; `rows`: the float row first.

    For rows named F=… or W=… it names the fewest bits from which on every row is shown to lose no more than it may, and
    says so where none is; for other names, what became of each. Where the float network's accuracy is near chance
    nothing is judged. A row that does clearly worse than one with fewer bits is named, too.
    """
    float_row, *others = rows
    if _near_chance(float_row, standard):
        return _chance_sentence(float_row, standard)
    by_bits = _sorted_by_bits(others)
    test = (
        f"exact test of the paired difference, {100 * (1 - SIGNIFICANCE):.0f} %, {counted(float_row.images, 'image')}"
    )
    found = _found(by_bits, rows, standard) if by_bits else _each(rows, standard)
    return " ".join([f"{found} ({test}).", *_reversals(by_bits, standard)])


def _each(rows: Sequence[Row], standard: Standard) -> str:
    return "; ".join(f"{row.name}: {_against_float(row, rows[0], standard)}" for row in rows[1:])


def _found(by_bits: Sequence[Row], rows: Sequence[Row], standard: Standard) -> str:
    float_row, row = rows[0], sufficient(rows, standard)
    alone = len(by_bits) == 1
    if row is None:
        most = by_bits[-1]
        shown = "suffices" if drop(most, standard) is Drop.WORSE else "is shown to suffice"
        which = "" if alone else ", the most here"
        return f"{_label(most)}{which}: {_against_float(most, float_row, standard)}, so none of these {shown}"
    found = _against_float(row, float_row, standard)
    if row is by_bits[0]:
        which = "" if alone else ", the fewest here"
        return f"{_label(row)}{which}: {found}"
    fewer = by_bits[by_bits.index(row) - 1]
    return f"{_label(fewer)}: {_against_float(fewer, float_row, standard)}; {_bits(row)}: {found}"


def ends_verdict(rows: Sequence[Row], what: str, text: Callable[[Row], str]) -> str:
    """`what` of the rows with the fewest and the most bits, or else of all; for what no test judges."""
    others = rows[1:]
    ends = _sorted_by_bits(others) or others
    ends = [ends[0], ends[-1]] if len(ends) > 1 else ends
    return f"{what}: {', '.join(f'{text(row)} with {_label(row)}' for row in ends)}."


def sufficient(rows: Sequence[Row], standard: Standard) -> Row | None:
    """The row with the fewest bits from which on each is shown to lose no more than it may; None where none is.

    Tested from the most bits down to the first that isn't shown, so that the chance of a wrong answer is SIGNIFICANCE
    however many rows there are. Nor may a row's accuracy hang on its ties: losing them must leave it within its
    interval. Of rows whose names hold no numbers of bits, the first in their order. None where the float network's
    accuracy is near chance. `rows`: with an accuracy, the float row first.
    """
    float_row, *others = rows
    if _near_chance(float_row, standard):
        return None
    found = None
    for row in reversed(_sorted_by_bits(others) or others):
        if drop(row, standard) is not Drop.WITHIN or _ties_decide(row):
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


def _ties_decide(row: Row) -> bool:
    """Whether losing its ties would take the accuracy out of its own interval: then it says little of the network."""
    if row.accuracy_over_ties is None or row.accuracy_interval is None:
        return False
    return row.accuracy_over_ties[0] < row.accuracy_interval[0]


def _against_float(row: Row, float_row: Row, standard: Standard) -> str:
    if row.accuracy_over_ties is not None and _ties_decide(row):
        least, most = row.accuracy_over_ties
        return f"ties decide, between {100 * least:.1f} and {100 * most:.1f} %"
    match drop(row, standard):
        case Drop.WITHIN:
            return f"within {points(standard.max_drop)} of float"
        case Drop.UNKNOWN:
            return f"{_difference(row, float_row)}, and too few images to tell ({_needed(row, standard)})"
        case _:
            return _difference(row, float_row)


def _needed(row: Row, standard: Standard) -> str:
    flips = row.flips
    if flips is None:
        raise ValueError(f"the row {row.name} isn't judged by its flips")
    number = images_needed(flips.lost, flips.gained, row.images, standard.margin, SIGNIFICANCE)
    return "the loss is too near to what may be lost" if number is None else f"about {number:,} would do"


def points(number: float) -> str:
    """`1 point`, `0.5 points`: of percentage."""
    return f"{number:g} point{'' if number == 1 else 's'}"


def _difference(row: Row, float_row: Row) -> str:
    difference = 100 * (_accuracy(row) - _accuracy(float_row))
    text = f"{difference:+.1f}" if abs(difference) >= 1 else f"{difference:+.2f}"
    return "0.00 points" if float(text) == 0 else f"{typographic(text)} points"


def _near_chance(float_row: Row, standard: Standard) -> bool:
    """Whether the float network isn't shown to do better than by naming the commonest class for every image."""
    if standard.chance is None or float_row.accuracy_interval is None:
        return False
    return float_row.accuracy_interval[0] <= standard.chance


def _chance_sentence(float_row: Row, standard: Standard) -> str:
    return (
        f"The float network's {100 * _accuracy(float_row):.1f} % of {counted(float_row.images, 'image')} are no better "
        f"than naming the commonest class every time ({100 * (standard.chance or 0):.1f} %), so no row is judged: give "
        "the images as in training (--scale 1/255? --mean, --std, --layout), or more of them."
    )


def _reversals(by_bits: Sequence[Row], standard: Standard) -> list[str]:
    """A sentence on the first row that has more than the largest drop less than one with fewer bits."""
    for place, row in enumerate(by_bits[1:], 1):
        better = max(by_bits[:place], key=_accuracy)
        if _accuracy(better) - _accuracy(row) > standard.margin:
            shares = f"{100 * _accuracy(row):.1f} against {100 * _accuracy(better):.1f} %"
            return [f"{_label(row)} {'does' if row.name[2:] == '1' else 'do'} worse than {_bits(better)}: {shares}."]
    return []


def _accuracy(row: Row) -> float:
    if row.accuracy is None:
        raise ValueError(f"the row {row.name} has no accuracy")
    return row.accuracy
