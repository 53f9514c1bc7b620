"""What the report's tables show that no file holds as it is, and how numbers are written in them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log10
from typing import Any

from bittrue import wording
from bittrue.analysis.sweep_result import difference
from bittrue.analysis.verdict import Row
from bittrue.reports.evidence import Evidence
from bittrue.wording import percent, typographic

HEAT_LEVELS = 5
_STRONGEST_HEAT = 99_999  # or the largest count, if that is more: a lone overflow is no alarm
NOTHING = "–"


@dataclass(frozen=True)
class OverflowTable:
    """Sites with overflows in some row.

    rows: the names of the rows with a plan. sites: by site, a (count, heat) pair a row; heat from 0, none, to
    HEAT_LEVELS, by the order of magnitude. silent: how many sites never overflowed.
    """

    rows: tuple[str, ...]
    sites: Mapping[str, tuple[tuple[int, int], ...]]
    silent: int


@dataclass(frozen=True)
class ProofTable:
    """The proof that is shown: whose it is, and its layers, each with node, strategy, bound_bits and margin_bits."""

    of: str
    exact: bool
    layers: Sequence[Any]


def overflow_table(rows: Sequence[Row]) -> OverflowTable:
    """The overflows of every row but the first, the float row."""
    tried = rows[1:]
    sites = list(dict.fromkeys(site for row in tried for site in row.overflows))
    counts = {site: [row.overflows.get(site, 0) for row in tried] for site in sites}
    most = max([_STRONGEST_HEAT, *(count for found in counts.values() for count in found)])
    loud = {site: tuple((count, heat(count, most)) for count in found) for site, found in counts.items() if any(found)}
    return OverflowTable(tuple(row.name for row in tried), loud, len(sites) - len(loud))


def heat(count: int, most: int) -> int:
    """From 0 for none to HEAT_LEVELS for `most`, in equal steps of the logarithm."""
    if count == 0:
        return 0
    return max(1, ceil(HEAT_LEVELS * log10(count + 1) / log10(most + 1) - 1e-9))


def proof_table(evidence: Evidence) -> ProofTable | None:
    """The proof of the folder's plan, from its row or its simulation, or else of the sweep's last row; None if none."""
    row, simulation = evidence.plan_row, evidence.simulation
    if row is None and simulation is not None:
        return ProofTable("the plan", simulation["exact"], simulation["layers"])
    row = row or evidence.sweep.rows[-1]
    return ProofTable(row.name, row.exact, row.layers) if row.layers else None


def interval(ends: tuple[float, float] | None) -> str:
    return NOTHING if ends is None else f"{100 * ends[0]:.2f}…{100 * ends[1]:.2f} %"


def over_ties(row: Row) -> str:
    return "no ties" if row.tied == 0 else interval(row.accuracy_over_ties)


def points(row: Row, reference: Row) -> str:
    """The difference of two accuracies in percentage points."""
    if row is reference or row.accuracy is None or reference.accuracy is None:
        return NOTHING
    found = row.accuracy - reference.accuracy
    if row.decision is not None and row.flips is not None:  # on other images than the reference: go by its own
        found = (row.flips.gained - row.flips.lost) / row.images
    text = f"{100 * found:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else typographic(text)


def probability(value: float | None) -> str:
    return NOTHING if value is None else typographic(wording.probability(value))


def decimals(value: float | None, places: int) -> str:
    return NOTHING if value is None else typographic(f"{value:.{places}f}")


def significant(value: float | None) -> str:
    """Six significant digits at most."""
    return NOTHING if value is None else typographic(f"{value:.6g}")


def count(number: int | None) -> str:
    return NOTHING if number is None else f"{number:,}"


FILTERS: dict[str, Callable[..., str]] = {
    "percent": percent,
    "interval": interval,
    "over_ties": over_ties,
    "points": points,
    "difference": difference,
    "probability": probability,
    "decimals": decimals,
    "significant": significant,
    "count": count,
}
