"""What a sweep found: its rows, its verdict, and both as sweep.json."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from bittrue.analysis.charts.chart import Chart
from bittrue.analysis.cost.named import COSTS
from bittrue.analysis.decision import Decision
from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.row_names import FLOAT, grid_of
from bittrue.analysis.standard import MAX_DROP, Standard
from bittrue.analysis.verdict import Row, drop
from bittrue.display import Column, Table, View
from bittrue.errors import BittrueError
from bittrue.plan import Plan
from bittrue.result import SavedResult
from bittrue.simulation.proof import LayerProof
from bittrue.wording import counted, excerpt, typographic

QUANTIZED = (
    "The file holds quantizers: the row file is their plan, with which all are compared, and float the network without "
    "them."
)
PAIRS = ("accuracy_interval", "accuracy_over_ties")
MAPPINGS = ("decision", "layers", "overflows", "scores", "cost", "bits")
COSTS_SHOWN = ("weight-bits", "activation-bits", "mac-bit-operations", "dsp", "bram")


@dataclass(frozen=True, repr=False)
class Sweep(SavedResult):
    """The float row first, then that of the file's own plan where the file holds quantizers, then one row a plan.

    All are of the same images, and compared with the `reference`: the float row or, where there is one, the file's.

    network: its hash. data: name, split, sha256 and images. metric: B13's name. standard: by what rows are judged; the
    verdict follows from it and the rows. calibration: on what the ranges behind the plans were measured, if on
    anything. command: the command that made this, if one did. recipe: that of all plans, if there was one; a list of
    several. deciding: where each row ended as soon as it was decided, how the images were drawn: `error`, of all rows
    together, `seed`, and `look`, images from one look to the next. plans: by the rows' names; a file keeps their hashes
    alone, and finds the one that was picked in the plan.json beside it. No times, so that the same sweep is the same
    bytes.
    """

    network: str
    network_name: str
    data: Mapping[str, Any]
    metric: str
    rows: tuple[Row, ...]
    standard: Standard = field(default_factory=Standard)
    calibration: Mapping[str, Any] | None = None
    command: str | None = None
    recipe: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None
    reference: str = FLOAT
    deciding: Mapping[str, Any] | None = None
    plans: Mapping[str, Plan] = field(default_factory=dict, compare=False)

    file: ClassVar[str] = "sweep"

    @property
    def compared(self) -> tuple[Row, ...]:
        """The row that all others are compared with, and these; without the float row, where it is neither."""
        first = self.rows[0] if self.reference == FLOAT else next(r for r in self.rows if r.name == self.reference)
        return (first, *(row for row in self.rows[1:] if row is not first))

    def view(self) -> View:
        shown = metric_named(self.metric).shown
        where = f"{counted(self.data['images'], 'image')} of {self.data['name']}{self._measured_on()}"
        title = f"{self.network_name} on {where}{shown.note.format(reference=self.reference)}"
        columns = [Column("row"), *shown.columns]
        cells = [[row.name, *shown.cells(row, self.standard)] for row in self.rows]
        if self.deciding is not None:
            title += f"; 95 % and difference: of all {counted(self.data['images'], 'image')}"
            columns += [Column("images", number=True), Column("difference, points", number=True)]
            cells = [[*start, f"{row.images:,}", difference(row)] for start, row in zip(cells, self.rows, strict=True)]
        totals = ["" if row.plan is None else f"{sum(row.overflows.values()):,}" for row in self.rows]
        rows = [[*start, total] for start, total in zip(cells, totals, strict=True)]
        inexact = [row.name for row in self.rows if row.plan is not None and not row.exact]
        exactness = "Every row but float is exact, proven for every layer."
        if inexact:
            exactness = f"Not exact, since FLOAT has a part in them: {', '.join(inexact)}."
        table = Table([*columns, Column("overflows", number=True)], rows, title)
        origin = () if self.reference == FLOAT else (QUANTIZED,)
        return (table, *self._grid(), *self.costs(), exactness, *origin, self.verdict)

    def costs(self) -> tuple[Table, ...]:
        """A table of what the rows' plans cost; none where no row has a cost."""
        priced = [(row.name, row.cost) for row in self.rows if row.cost is not None]
        if not priced:
            return ()
        headings = [COSTS[name].heading for name in COSTS_SHOWN]
        rows = [(name, *(f"{cost[shown]:,}" for shown in COSTS_SHOWN)) for name, cost in priced]
        columns = (Column("row"), *(Column(heading, number=True) for heading in headings))
        return (Table(columns, rows, "Cost; DSP48E2 and BRAM36 are estimates"),)

    def _grid(self) -> list[Table]:
        """Weights by activations, where there are several of both: of each cell what the chart shows."""
        grid = grid_of(self.compared[1:])
        if grid is None:
            return []
        shown = metric_named(self.metric).shown
        columns = [
            Column("weights", number=True),
            *(Column(counted(bits, "bit"), number=True) for bits in grid.activations),
        ]
        texts = {place: shown.cells(row, self.standard) for place, row in grid.cells.items()}
        rows = [
            [
                counted(weights, "bit"),
                *(texts[weights, bits][0] if (weights, bits) in texts else "" for bits in grid.activations),
            ]
            for weights in reversed(grid.weights)
        ]
        return [
            Table(columns, rows, f"{shown.columns[0].heading}, by the bits of weights (down) and activations (across)")
        ]

    def _measured_on(self) -> str:
        """On which images the ranges were measured, for the title: nobody should have to wonder where they went."""
        if self.calibration is None:
            return ""
        images = self.calibration["images"]
        facts = [(data.get("name"), data.get("split")) for data in (self.calibration, self.data)]
        if facts[0] == facts[1]:
            return f" (ranges measured on {counted(images, 'other')})"
        words = [counted(images, "image"), *(f"of its {split} split" for split in facts[0][1:] if split is not None)]
        return f" (ranges measured on {' '.join(words)})"

    def chart(self) -> Chart:
        """Accuracy against bits beside the float network, with intervals and ties; else what the metric measures."""
        return Chart(metric_named(self.metric).shown.chart(self.compared, self.standard))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self._repr_html_() + self.chart().svg, "text/plain": repr(self)}

    def records(self) -> list[dict[str, Any]]:
        """A row a row; `overflows` is the sum over the sites, and the proofs are left out. Of a decision the
        `difference_interval` is there."""
        return [
            {entry.name: getattr(row, entry.name) for entry in fields(Row) if entry.name not in MAPPINGS}
            | {"overflows": sum(row.overflows.values()), "drop": self.answer(row), **row.scores}
            | ({} if row.decision is None else {"difference_interval": row.decision.difference_interval})
            | dict.fromkeys(COSTS)
            | dict(row.cost or {})
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
            "recipe": dict(self.recipe) if isinstance(self.recipe, Mapping) else self.recipe,
            "max_drop": self.standard.max_drop,
            "chance": self.standard.chance,
            "reference": self.reference,
            **({} if self.deciding is None else {"decide": dict(self.deciding)}),
            "rows": [_row_to_json(row) | {"drop": self.answer(row)} for row in self.rows],
            "verdict": self.verdict,
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Sweep":
        """Read back to_json's object; keys that are not known are passed over.

        Raises: BittrueError that names `source`.
        """
        try:
            if content["bittrue"] != 1:
                version = excerpt(repr(content["bittrue"]))
                raise BittrueError(f"{source}: version {version} of the file is not known; run the sweep again.")
            later = ("standard", "recipe", "reference", "deciding", "plans")
            values = {entry.name: content[entry.name] for entry in fields(cls) if entry.name not in later}
            # Files from before name none of these; their rows can be judged all the same.
            standard = Standard(content.get("max_drop", MAX_DROP), content.get("chance"))
            rows = tuple(_row_from_json(row) for row in content["rows"])
            if content.get("reference", FLOAT) not in (FLOAT, *(row.name for row in rows)):
                raise ValueError(f"it has no row {content['reference']}")
            return cls(
                **values | {"rows": rows, "standard": standard, "recipe": content.get("recipe")},
                reference=content.get("reference", FLOAT),
                deciding=content.get("decide"),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BittrueError(f"{source}: not a sweep ({error!r}); make one with `bittrue sweep`.") from None

    @cached_property
    def verdict(self) -> str:
        """One sentence on all rows: how few bits suffice, and what the next fewer cost."""
        return metric_named(self.metric).verdict(self.compared, self.standard)

    @property
    def sufficient(self) -> Row | None:
        """The row with the fewest bits from which on each is shown to lose no more than `standard.max_drop` points.

        None where none is, where the float network's accuracy is near chance, and for a metric that nothing
        tests. Of rows whose names hold no numbers of bits, the first in their order.
        """
        return metric_named(self.metric).sufficient(self.compared, self.standard)

    @property
    def plan(self) -> Plan | None:
        """The plan of the `sufficient` row; None where none is shown to suffice, and where it isn't at hand."""
        enough = self.sufficient
        return None if enough is None else self.plans.get(enough.name)

    @classmethod
    def load(cls, path: str | Path) -> "Sweep":
        """What `bittrue sweep` wrote, with the plan beside it."""
        found = super().load(path)
        beside, enough = Path(path).parent / "plan.json", found.sufficient
        if enough is None or not beside.exists():
            return found
        plan = Plan.load(beside)
        return replace(found, plans={enough.name: plan}) if plan.hash == enough.plan else found

    def answer(self, row: Row) -> str | None:
        """What is shown of a loss of `standard.max_drop` points: within, worse, or too few images; None of float."""
        found = drop(row, self.standard)
        return None if found is None else found.value


def difference(row: Row) -> str:
    """Between which the row's accuracy less the reference's lies on the whole test set, in points, where the row was
    decided early."""
    if row.decision is None:
        return ""
    return "…".join(typographic(f"{100 * end:+.2f}") for end in row.decision.difference_interval)


def _row_to_json(row: Row) -> dict[str, Any]:
    """The row; metrics without scores write none, and rows that nothing decided early no decision."""
    found = asdict(row) | {"decision": None if row.decision is None else row.decision.to_json()}
    return {name: value for name, value in found.items() if name not in ("scores", "decision") or value}


def _row_from_json(content: Mapping[str, Any]) -> Row:
    # Files from before have none of these.
    content = {"scores": {}, "decision": None, "cost": None, "bits": None, **content}
    values = {entry.name: content[entry.name] for entry in fields(Row)}
    decision = None if values["decision"] is None else Decision.from_json(values["decision"])
    pairs = {name: None if values[name] is None else tuple(values[name]) for name in PAIRS}
    layers = tuple(LayerProof(**layer) for layer in content["layers"])
    return Row(**values | pairs | {"layers": layers, "decision": decision})
