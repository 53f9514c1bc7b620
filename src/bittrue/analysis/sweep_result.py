"""What a sweep found: its rows, its verdict, and both as sweep.json."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from bittrue.display import Column, Table, View
from bittrue.errors import BittrueError
from bittrue.result import SavedResult
from bittrue.simulation.proof import LayerProof
from bittrue.wording import counted, probability, typographic

if TYPE_CHECKING:
    from bittrue.analysis.chart import Chart

SIGNIFICANCE = 0.05
"""A row differs from float where McNemar's exact test gives less than this."""

PAIRS = ("accuracy_interval", "accuracy_over_ties")


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


@dataclass(frozen=True, repr=False)
class Sweep(SavedResult):
    """The float row first, then one row a plan, all on the same images.

    network: its hash. data: name, split, sha256 and images. metric: B13's name. calibration: on what the ranges behind
    the plans were measured, if on anything. command: the command that made this, if one did. No times, so that the same
    sweep is the same bytes.
    """

    network: str
    network_name: str
    data: Mapping[str, Any]
    metric: str
    rows: tuple[Row, ...]
    verdict: str
    calibration: Mapping[str, Any] | None = None
    command: str | None = None

    file: ClassVar[str] = "sweep"

    def view(self) -> View:
        title = f"{self.network_name} on {counted(self.data['images'], 'image')} of {self.data['name']}"
        if self.rows[0].accuracy is None:
            columns = [Column("row"), Column("mean squared error", number=True), Column("SQNR", number=True)]
            cells = [[row.name, f"{row.mse:.6g}", _or_blank(row.sqnr, "{:.2f} dB")] for row in self.rows]
        else:
            title += "; flips: images that only float (−) or only the row (+) gets right"
            columns = [Column("row"), *(Column(heading, number=True) for heading in ACCURACY_HEADINGS)]
            cells = [[row.name, *_accuracy_cells(row)] for row in self.rows]
        totals = ["" if row.plan is None else f"{sum(row.overflows.values()):,}" for row in self.rows]
        rows = [[*start, total] for start, total in zip(cells, totals, strict=True)]
        inexact = [row.name for row in self.rows if row.plan is not None and not row.exact]
        exactness = "Every row but float is exact, proven for every layer."
        if inexact:
            exactness = f"Not exact, since FLOAT has a part in them: {', '.join(inexact)}."
        return (Table([*columns, Column("overflows", number=True)], rows, title), exactness, self.verdict)

    def chart(self) -> "Chart":
        """Accuracy against bits beside the float network, with intervals and ties; for mse and sqnr the distance from
        float."""
        from bittrue.analysis import charts
        from bittrue.analysis.chart import Chart

        if self.rows[0].accuracy is None:
            return Chart(charts.deviation_chart(self.rows, self.metric))
        return Chart(charts.accuracy_chart(self.rows))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self._repr_html_() + self.chart().svg, "text/plain": repr(self)}

    def records(self) -> list[dict[str, Any]]:
        """A row a row; `overflows` is the sum over the sites, and the proofs are left out."""
        return [
            {entry.name: getattr(row, entry.name) for entry in fields(Row) if entry.name not in ("layers", "overflows")}
            | {"overflows": sum(row.overflows.values())}
            for row in self.rows
        ]

    def to_json(self) -> dict[str, Any]:
        """sweep.json's object."""
        return {
            "bittrue": 1,
            "network": self.network,
            "network_name": self.network_name,
            "data": dict(self.data),
            "metric": self.metric,
            "calibration": None if self.calibration is None else dict(self.calibration),
            "command": self.command,
            "rows": [asdict(row) for row in self.rows],
            "verdict": self.verdict,
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Sweep":
        """Read back to_json's object; keys that are not known are passed over.

        Raises: BittrueError that names `source`.
        """
        try:
            if content["bittrue"] != 1:
                raise BittrueError(
                    f"{source}: version {content['bittrue']!r} of the file is not known; run the sweep again."
                )
            values = {entry.name: content[entry.name] for entry in fields(cls)}
            return cls(**values | {"rows": tuple(_row_from_json(row) for row in content["rows"])})
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BittrueError(f"{source}: not a sweep ({error!r}); make one with `bittrue sweep`.") from None

    @property
    def sufficient(self) -> Row | None:
        """The row with the fewest bits from which on none is worse than float; None where there is none such.

        Nor may a row's accuracy hang on its ties: losing them must leave it within its interval.

        Of rows whose names hold no numbers of bits, the first in their order; None for mse and sqnr, which nothing
        tests.
        """
        return None if self.metric in ("mse", "sqnr") else sufficient(self.rows[1:])


ACCURACY_HEADINGS = ("accuracy %", "95 %", "over ties", "loss", "flips", "p")


def _accuracy_cells(row: Row) -> list[str]:
    assert row.accuracy is not None
    assert row.accuracy_interval is not None
    assert row.accuracy_over_ties is not None
    return [
        f"{100 * row.accuracy:.2f}",
        _reach(row.accuracy_interval),
        _reach(row.accuracy_over_ties) if row.tied else "",
        f"{row.loss:.4f}",
        "" if row.lost is None else f"−{row.lost:,} +{row.gained:,}",
        "" if row.p_value is None else probability(row.p_value),
    ]


def _reach(shares: tuple[float, float]) -> str:
    return "…".join(f"{100 * share:.2f}" for share in shares)


def _or_blank(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _row_from_json(content: Mapping[str, Any]) -> Row:
    values = {entry.name: content[entry.name] for entry in fields(Row)}
    pairs = {name: None if values[name] is None else tuple(values[name]) for name in PAIRS}
    return Row(**values | pairs | {"layers": tuple(LayerProof(**layer) for layer in content["layers"])})


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
