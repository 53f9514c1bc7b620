"""What the rows of a sweep say: whether one loses more than may be lost, and how few bits suffice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from bittrue.analysis.decision import Decision
from bittrue.analysis.row_names import CALLED, FLOAT, Grid, bits_of, grid_of, lines_of
from bittrue.analysis.standard import Standard
from bittrue.analysis.statistics.fixed_sample import drop_p_value, images_needed, wilson_interval
from bittrue.simulation.proof import LayerProof
from bittrue.wording import counted, points, typographic

SIGNIFICANCE = 0.05
"""A claim is made where its test gives less than this if it were wrong."""


class Drop(Enum):
    """What is shown of a row's loss of accuracy against the reference."""

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
    """Images that only the reference (lost), or only another row (gained) gets right, and McNemar's exact test, of
    rows whose number of images was set beforehand."""

    lost: int
    gained: int
    p_value: float | None


@dataclass(frozen=True)
class Row:
    """One network, in float or under a plan, on all images of the sweep, or on as many as decided it.

    name: see `row_names`. plan: its hash; None for the float row, which is never called exact. exact: proven
    for every layer, and `layers` says how. overflows: for every site with a quantizer, how many of its codes, or of a
    parameter's, lay outside its limits.

    For the metrics accuracy, top-5 and binary (B13): the accuracy, its Wilson interval, its lowest and highest value
    over ties, the loss, and how many images are `correct`, `tied`, and without a probability above 0. lost, gained:
    images that only the row of the sweep's `reference`, or only this row, gets right; p_value: McNemar's for these. For
    mse and sqnr: both, against that row's outputs; an sqnr without a finite value is None. So is everything that the
    sweep's metric doesn't give. scores: what the other metrics give, by name; None where one has no value.

    decision: where the row ended as soon as it was decided. Its `images` then depend on what came out, so that there is
    no p_value, and the interval is one that holds whenever one stops (`statistics.prior_posterior`).

    cost: the plan's named costs. bits: its mean word lengths, "weights" and "activations". Both None of the float row,
    and of a plan with sites that are FLOAT or UNBOUNDED, whose words have no length.
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
    decision: Decision | None = None
    cost: Mapping[str, int] | None = None
    bits: Mapping[str, float | None] | None = None

    @property
    def share(self) -> Share:
        """What accuracy and binary give; raises ValueError where the metric was another."""
        if self.accuracy is None or self.accuracy_interval is None or self.accuracy_over_ties is None:
            raise ValueError(f"the row {self.name} has no accuracy with its interval and ties")
        return Share(self.accuracy, self.accuracy_interval, self.accuracy_over_ties)

    @property
    def flips(self) -> Flips | None:
        """Against the reference; None of that itself, and where the metric judges no image right or wrong."""
        if self.lost is None or self.gained is None:
            return None
        return Flips(self.lost, self.gained, self.p_value)


def drop(row: Row, standard: Standard, level: float = SIGNIFICANCE) -> Drop | None:
    """Whether it is shown, at this level, that the row loses no more than it may, or more; None of the reference, and
    where the metric judges no image right or wrong. See `fixed_sample.drop_p_value`; rows that were decided early have
    their share of SIGNIFICANCE already, whatever the level."""
    flips = row.flips
    if flips is None:
        return None
    if row.decision is not None:
        return _drop_decided(row.decision, standard)
    if drop_p_value(flips.lost, flips.gained, row.images, standard.margin) <= level:
        return Drop.WITHIN
    if drop_p_value(flips.gained, flips.lost, row.images, -standard.margin) <= level:
        return Drop.WORSE
    return Drop.UNKNOWN


def _drop_decided(decision: Decision, standard: Standard) -> Drop:
    """Whether all that isn't refused is within what may be lost, or nothing is."""
    least, most = decision.lost_less_gained
    may_be_lost = standard.most_lost(decision.of_images)
    if most <= may_be_lost:
        return Drop.WITHIN
    return Drop.WORSE if least > may_be_lost else Drop.UNKNOWN


def flips_verdict(rows: Sequence[Row], standard: Standard) -> str:
    """How few bits suffice, and what the next fewer cost; `rows`: what they are compared with first.

    For each line of rows (see `row_names`) it names the fewest bits from which on every row is shown to lose no more
    than it may, and says so where none is; of a grid, the fewest of weights and activations; for other names, what
    became of each. Where the reference's accuracy is near chance nothing is judged. A row that does clearly worse than
    one with fewer bits is named, too.
    """
    reference, *others = rows
    if _near_chance(reference, standard):
        return _chance_sentence(reference, standard)
    lines, grid = lines_of(others), grid_of(others)
    judge = _Judge(reference, standard, SIGNIFICANCE / (max(len(lines), 1) if grid is None else 1))
    together = " for all together" if len(lines) > 1 else ""
    test = _decided_how(others) or (
        f"exact test of the paired difference, {100 * (1 - SIGNIFICANCE):.0f} %{together}, "
        f"{counted(reference.images, 'image')}"
    )
    if grid is not None:
        found = judge.grid(grid)
    elif not lines:
        found = "; ".join(f"{row.name}: {judge.against(row)}" for row in others)
    else:
        found = ". ".join(f"{name and f'{name}: '}{judge.line(line)}" for name, line in lines.items())
    where = {name: "" if grid is not None or not name else f"{name}: " for name in lines}
    return " ".join([f"{found} ({test}).", *(text for name in lines for text in judge.worse(where[name], lines[name]))])


def _decided_how(rows: Sequence[Row]) -> str | None:
    """What rows speak of that were decided early, and how sure they are; None of others."""
    decisions = [row.decision for row in rows if row.decision is not None]
    if not decisions:
        return None
    fewest, most = min(row.images for row in rows), max(row.images for row in rows)
    drawn = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    sure = 100 * (1 - sum(decision.error for decision in decisions))
    together = "" if len(rows) == 1 else " for all rows together"
    return (
        f"this test set of {counted(decisions[0].of_images, 'image')}, decided on {drawn} of them in a random order, "
        f"{sure:.0f} %{together}"
    )


@dataclass(frozen=True)
class _Judge:
    """What is said of rows beside the reference; level: of each line's tests."""

    reference: Row
    standard: Standard
    level: float

    def sufficient(self, line: Sequence[Row]) -> Row | None:
        """The row with the fewest bits from which on each is shown to lose no more than it may.

        Tested from the most bits down to the first that isn't shown, so that the chance of a wrong answer is the level
        however many rows there are.
        """
        found = None
        for row in reversed(line):
            if not self.shows(row, self.level):
                break
            found = row
        return found

    def shows(self, row: Row, level: float) -> bool:
        """Whether a row is shown to lose no more than it may, and its accuracy doesn't hang on its ties: losing them
        must leave it within its interval."""
        return drop(row, self.standard, level) is Drop.WITHIN and not _ties_decide(row)

    def line(self, line: Sequence[Row]) -> str:
        row, alone = self.sufficient(line), len(line) == 1
        if row is None:
            return self._none(line[-1], alone)
        if row is line[0]:
            return f"{_label(row)}{'' if alone else ', the fewest here'}: {self.against(row)}"
        fewer = line[line.index(row) - 1]
        return f"{_label(fewer)}: {self.against(fewer)}; {_short(row)}: {self.against(row)}"

    def _none(self, most: Row, alone: bool) -> str:
        shown = "suffices" if drop(most, self.standard, self.level) is Drop.WORSE else "is shown to suffice"
        return f"{_label(most)}{'' if alone else ', the most here'}: {self.against(most)}, so none of these {shown}"

    def grid(self, grid: Grid[Row]) -> str:
        """The rows that suffice, and of which no other has fewer bits of both kinds."""
        found = self.in_grid(grid)
        if not found:
            return self._none(grid.cells[max(grid.cells)], alone=False)
        least = [row for row in found if not any(_is_less(other, row) for other in found)]
        within = f"Within {points(self.standard.max_drop)} of {CALLED[self.reference.name]}"
        return f"{within} with the fewest bits: {', '.join(_label(row) for row in sorted(least, key=_sizes))}"

    def in_grid(self, grid: Grid[Row]) -> list[Row]:
        """The rows of a grid that are shown to suffice; see `shown_in_grid`."""
        return [grid.cells[place] for place in shown_in_grid(grid, self.shows, self.level)]

    def against(self, row: Row) -> str:
        if row.accuracy_over_ties is not None and _ties_decide(row):
            least, most = row.accuracy_over_ties
            return f"ties decide, between {100 * least:.1f} and {100 * most:.1f} %"
        match drop(row, self.standard, self.level):
            case Drop.WITHIN:
                return f"within {points(self.standard.max_drop)} of {CALLED[self.reference.name]}"
            case Drop.WORSE if row.decision is not None:
                return f"more than {points(self.standard.max_drop)} below {CALLED[self.reference.name]}"
            case Drop.UNKNOWN if row.decision is not None:
                low, high = (typographic(f"{100 * end:+.2f}") for end in row.decision.difference_interval)
                return f"{low} to {high} points, which is not decided: sweep with --decide {self.standard.max_drop:g}"
            case Drop.UNKNOWN:
                return f"{self._difference(row)}, and too few images to tell ({self._needed(row)})"
            case _:
                return self._difference(row)

    def _needed(self, row: Row) -> str:
        flips = row.flips
        if flips is None:
            raise ValueError(f"the row {row.name} isn't judged by its flips")
        number = images_needed(flips.lost, flips.gained, row.images, self.standard.margin, self.level)
        return "the loss is too near to what may be lost" if number is None else f"about {number:,} would do"

    def _difference(self, row: Row) -> str:
        difference = 100 * (_accuracy(row) - _accuracy(self.reference))
        text = f"{difference:+.1f}" if abs(difference) >= 1 else f"{difference:+.2f}"
        return "0.00 points" if float(text) == 0 else f"{typographic(text)} points"

    def worse(self, where: str, line: Sequence[Row]) -> list[str]:
        """A sentence on the first row that has more than the largest drop less than one with fewer bits; none where
        rows were decided early, each on images of its own."""
        if any(row.decision is not None for row in line):
            return []
        for place, row in enumerate(line[1:], 1):
            better = max(line[:place], key=_accuracy)
            if _accuracy(better) - _accuracy(row) > self.standard.margin:
                shares = f"{100 * _accuracy(row):.1f} against {100 * _accuracy(better):.1f} %"
                does = "do" if _label(row).endswith("bits") else "does"
                return [f"{where}{_label(row)} {does} worse than {_short(better)}: {shares}."]
        return []


def ends_verdict(rows: Sequence[Row], what: str, text: Callable[[Row], str]) -> str:
    """`what` of the rows with the fewest and the most bits of each line, or else of all; for what no test judges."""
    lines = lines_of(rows[1:])
    named = _label if len(lines) == 1 else _name
    ends = [row for line in lines.values() for row in (line if len(line) == 1 else (line[0], line[-1]))]
    return f"{what}: {', '.join(f'{text(row)} with {named(row)}' for row in ends or rows[1:])}."


def sufficient(rows: Sequence[Row], standard: Standard) -> Row | None:
    """The row with the fewest bits from which on each is shown to lose no more than it may; None where none is.

    `rows`: with an accuracy, what they are compared with first. Of several recipes' lines (see `row_names`) each is
    tested at its share of SIGNIFICANCE, so that the chance that any of the answers is wrong is no more than that, and
    the first that has an answer gives it; of a grid (see `shown_in_grid`) the row with the fewest bits of both factors
    of a product. Of rows whose names hold no numbers of bits, the first in their order. None where the reference's
    accuracy is near chance.
    """
    reference, *others = rows
    if _near_chance(reference, standard):
        return None
    grid = grid_of(others)
    if grid is not None:
        shown = _Judge(reference, standard, SIGNIFICANCE).in_grid(grid)
        return min(shown, key=lambda row: (_sizes(row)[0] * _sizes(row)[1], _sizes(row)), default=None)
    lines = lines_of(others) or {"": others}
    judge = _Judge(reference, standard, SIGNIFICANCE / len(lines))
    return next((row for line in lines.values() if (row := judge.sufficient(line)) is not None), None)


def shown_in_grid(grid: Grid[Row], shows: Callable[[Row, float], bool], level: float) -> list[tuple[int, int]]:
    """The places of a grid whose rows are shown to suffice, so that the chance that any is wrong is the level.

    The most bits are tested at the whole level. A row that is shown hands on what it was tested at, to the next fewer
    bits of weights and of activations in equal parts; one that isn't shown keeps it. Source: Bretz, Maurer, Brannath,
    Posch, A graphical approach to sequentially rejective multiple test procedures (2009), with fixed shares.
    """
    levels = dict.fromkeys(grid.cells, 0.0)
    levels[max(grid.cells)] = level
    found = []
    for place in sorted(grid.cells, reverse=True):
        if levels[place] == 0 or not shows(grid.cells[place], levels[place]):
            continue
        found.append(place)
        fewer = grid.fewer(place)
        for next_place in fewer:
            levels[next_place] += levels[place] / len(fewer)
    return found


def _sizes(row: Row) -> tuple[int, int]:
    """The bits of weights and activations of a grid's row."""
    bits = bits_of(row.name)
    return (0, 0) if bits is None or bits.activations is None else (bits.bits, bits.activations)


def _is_less(row: Row, other: Row) -> bool:
    """Whether a grid's row has no more bits of either kind than another, which it isn't."""
    return row is not other and all(mine <= its for mine, its in zip(_sizes(row), _sizes(other), strict=True))


def _name(row: Row) -> str:
    return row.name


def _label(row: Row) -> str:
    """`6 fraction bits`, `1 bit`, or the row's name."""
    bits = bits_of(row.name)
    return row.name if bits is None else bits.label


def _short(row: Row) -> str:
    bits = bits_of(row.name)
    return row.name if bits is None else bits.short


def _ties_decide(row: Row) -> bool:
    """Whether losing its ties would take the accuracy out of its own interval: then it says little of the network.

    Where rows were decided early Wilson's is taken as elsewhere: that of the test set shrinks to nothing in the end."""
    if row.accuracy_over_ties is None or row.accuracy_interval is None:
        return False
    least = row.accuracy_interval[0]
    if row.decision is not None and row.correct is not None:
        least = wilson_interval(row.correct, row.images)[0]
    return row.accuracy_over_ties[0] < least


def _near_chance(reference: Row, standard: Standard) -> bool:
    """Whether the reference isn't shown to do better than by naming the commonest class for every image."""
    if standard.chance is None or reference.accuracy_interval is None:
        return False
    return reference.accuracy_interval[0] <= standard.chance


def _chance_sentence(reference: Row, standard: Standard) -> str:
    whose = "The float network" if reference.name == FLOAT else f"The row {reference.name}"
    return (
        f"{whose}'s {100 * _accuracy(reference):.1f} % of {counted(reference.images, 'image')} are no better "
        f"than naming the commonest class every time ({100 * (standard.chance or 0):.1f} %), so no row is judged: give "
        "the images as in training (--scale 1/255? --mean, --std, --layout), or more of them."
    )


def _accuracy(row: Row) -> float:
    if row.accuracy is None:
        raise ValueError(f"the row {row.name} has no accuracy")
    return row.accuracy
