"""What a cost holds, and how it is shown: by site, by node, by live set, and in all."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bittrue.analysis.cost.hardware import ULTRASCALE
from bittrue.analysis.cost.named import COSTS
from bittrue.analysis.cost.work import Products
from bittrue.display import Column, Table, View
from bittrue.result import Result
from bittrue.wording import counted


@dataclass(frozen=True)
class SiteCost:
    """What is stored for a site.

    kind: "parameter", "activation", "table", or "accumulator", of which one counts. words: how many. word_length: the
    longest of them; of an EXACT site that which holds all its codes. bits: of all words together.
    """

    site: str
    node: str
    kind: str
    words: int
    word_length: int
    bits: int

    @property
    def brams(self) -> float:
        """RAMB36E2 blocks, an estimate, by halves."""
        return ULTRASCALE.memories(self.words, self.word_length, written=self.kind == "activation")


@dataclass(frozen=True)
class NodeCost:
    """What a node computes with. macs: products that are summed up. products: all others. accumulator: the bits of its
    widest sum, None where it has none."""

    node: str
    macs: tuple[Products, ...]
    products: tuple[Products, ...]
    accumulator: int | None
    uncounted: tuple[str, ...]

    @property
    def dsps(self) -> int:
        """DSP48E2 slices for one output position at once, an estimate."""
        return sum(products.dsps for products in (*self.macs, *self.products))


@dataclass(frozen=True)
class LiveSet:
    """Values that are needed at the same time, by their sites, while `node` is computed."""

    node: str
    sites: tuple[str, ...]
    bits: int


@dataclass(frozen=True, repr=False)
class Cost(Result):
    """What a plan costs.

    network, plan: their hashes. sites: all that is stored. nodes: in the network's order. live_sets: the values that
    live at each moment, input and output included. mean_bits: "weights", of all weights, and "activations", of all
    elements of rounded outputs, the input's included; None where there are none. unbounded: how many sites are
    UNBOUNDED.
    """

    network: str
    plan: str
    sites: tuple[SiteCost, ...]
    nodes: tuple[NodeCost, ...]
    live_sets: tuple[LiveSet, ...]
    mean_bits: Mapping[str, float | None]
    unbounded: int

    def of_kind(self, kind: str) -> tuple[SiteCost, ...]:
        """The sites of a kind."""
        return tuple(site for site in self.sites if site.kind == kind)

    @cached_property
    def by_site(self) -> dict[str, SiteCost]:
        return {site.site: site for site in self.sites}

    @cached_property
    def named(self) -> dict[str, float]:
        """Every named cost."""
        return {name: entry.of(self) for name, entry in COSTS.items()}

    @property
    def largest_live_set(self) -> LiveSet:
        return max(self.live_sets, key=lambda live: live.bits)

    @property
    def live_brams(self) -> float:
        """RAMB36E2 blocks that hold the values of any moment, an estimate."""
        return max(sum(self.by_site[site].brams for site in live.sites) for live in self.live_sets)

    @property
    def accumulator(self) -> int | None:
        """The bits of the widest accumulator."""
        return max((node.accumulator for node in self.nodes if node.accumulator is not None), default=None)

    @property
    def uncounted(self) -> str:
        """What the nodes compute that isn't counted, by reason; empty where all is."""
        reasons: dict[str, list[str]] = {}
        for node in self.nodes:
            for reason in node.uncounted:
                reasons.setdefault(reason, []).append(node.node)
        return "; ".join(f"{', '.join(nodes)}: {reason}" for reason, nodes in reasons.items())

    @property
    def means(self) -> str:
        """`3.10 bits a weight and 5.25 a rounded activation`."""
        weights, activations = (
            "no" if bits is None else f"{bits:.2f}" for bits in map(self.mean_bits.get, ("weights", "activations"))
        )
        return f"{weights} bits a weight and {activations} a rounded activation"

    @cached_property
    def multiplications(self) -> dict[str, int]:
        """Products of one image by width, as in `8×6`: the data's, and the parameter's or the other data's."""
        found: Counter[str] = Counter()
        for node in self.nodes:
            for products in (*node.macs, *node.products):
                found[products.widths] += products.count
        return dict(found)

    def view(self) -> View:
        """A row a node, then all of it."""
        return (self._by_node(), *self.totals())

    def totals(self) -> View:
        """All of it, without the nodes."""
        return (self._in_all(), *self._notes())

    def _by_node(self) -> Table:
        headings = ("node", "weights", "values", "products", "widths", "sum", "DSP", "BRAM")
        stored = {node.node: [site for site in self.sites if site.node == node.node] for node in self.nodes}
        rows = []
        for node in self.nodes:
            products = (*node.macs, *node.products)
            sites = stored[node.node]
            rows.append(
                (
                    node.node,
                    _number(sum(site.bits for site in sites if site.kind in ("parameter", "table"))),
                    _number(sum(site.bits for site in sites if site.kind == "activation")),
                    _number(sum(each.count for each in products)),
                    ", ".join(dict.fromkeys(each.widths for each in products)),
                    "" if node.accumulator is None else str(node.accumulator),
                    _number(node.dsps),
                    _number(sum(site.brams for site in sites if site.kind != "accumulator")),
                )
            )
        columns = [Column(heading, number=heading not in ("node", "widths")) for heading in headings]
        return Table(columns, rows, "Cost by node, in bits; DSP48E2 and BRAM36 are estimates")

    def _in_all(self) -> Table:
        rows = [(name, f"{value:,}", COSTS[name].what) for name, value in self.named.items()]
        return Table((Column("cost"), Column("in all", number=True), Column("what", folds=True)), rows, "Cost in all")

    def _notes(self) -> list[str]:
        live = self.largest_live_set
        stored = self.named["weight-bits"]
        notes = [
            f"{self.means} on average; the parameters take {-(-stored // 8):,} bytes. The largest live set, "
            f"{' and '.join(live.sites)}, is that of {live.node}."
        ]
        if self.multiplications:
            counts = ", ".join(f"{count:,} of {widths}" for widths, count in self.multiplications.items())
            notes.append(f"Products of one image by width, data × parameter: {counts}.")
        if self.accumulator is not None:
            notes.append(
                f"The widest sum has {self.accumulator} bits, enough for any weights of these formats; "
                "`bittrue ranges` says how few do for the trained ones."
            )
        if self.unbounded:
            notes.append(
                f"{counted(self.unbounded, 'site')} of the plan are UNBOUNDED: counted as the words that their formats "
                "name, which hold less than may come."
            )
        if self.uncounted:
            notes.append(f"Not counted: {self.uncounted}.")
        return notes

    def records(self) -> list[dict[str, Any]]:
        """A row a site."""
        return [
            {
                "site": site.site,
                "node": site.node,
                "kind": site.kind,
                "words": site.words,
                "word_length": site.word_length,
                "bits": site.bits,
            }
            for site in self.sites
        ]

    def summary(self) -> dict[str, Any]:
        """The numbers in all, as sweep.json and plan --json have them."""
        return {"cost": self.named, "bits": dict(self.mean_bits)}

    def to_json(self) -> dict[str, Any]:
        live = self.largest_live_set
        return {
            "bittrue": 1,
            "network": self.network,
            "plan": self.plan,
            **self.summary(),
            "accumulator_bits": self.accumulator,
            "multiplications": {widths.replace("×", "x"): count for widths, count in self.multiplications.items()},
            "largest_live_set": {"node": live.node, "sites": list(live.sites), "bits": live.bits},
            "unbounded": self.unbounded,
            "sites": self.records(),
            "nodes": [
                {
                    "node": node.node,
                    "macs": _products_to_json(node.macs),
                    "products": _products_to_json(node.products),
                    "accumulator_bits": node.accumulator,
                    "dsp": node.dsps,
                    "uncounted": list(node.uncounted),
                }
                for node in self.nodes
            ],
        }


def _number(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0") if value else ""


def _products_to_json(products: Iterable[Products]) -> list[dict[str, Any]]:
    return [
        {
            "count": each.count,
            "data_bits": each.data.bits,
            "factor_bits": each.factor.bits,
            "at_once": each.at_once,
            "dsp": each.dsps,
        }
        for each in products
    ]
