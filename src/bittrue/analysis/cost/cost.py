"""The cost of a plan: bits that are stored, products by width, accumulators, and estimates of DSPs and block RAMs.

It follows from the network and the formats, whatever the trained weights are, so that it is known in a moment, is the
same before and after weights are repaired, and never falls when a word gets longer.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

from bittrue.analysis.cost.hardware import brams
from bittrue.analysis.cost.named import COSTS
from bittrue.analysis.cost.work import Products, Reading, Work, operand_of, work
from bittrue.display import Column, Table, View
from bittrue.errors import CarrierError, FormatError, ModelError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, word_length_between
from bittrue.fixed.dyadic import exact_codes
from bittrue.lowering import Lowered, lower_any_weights
from bittrue.network import Network
from bittrue.plan import Guard, Plan, PlanLike, Site, Spec, Word, as_plan, check_plan, formats_of
from bittrue.program import FixedNetwork, grouped
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
    def brams(self) -> int:
        """RAMB36E2 blocks, an estimate."""
        return brams(self.words, self.word_length)


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
    def named(self) -> dict[str, int]:
        """Every named cost."""
        return {name: entry.of(self) for name, entry in COSTS.items()}

    @property
    def largest_live_set(self) -> LiveSet:
        return max(self.live_sets, key=lambda live: live.bits)

    @property
    def live_brams(self) -> int:
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


def _number(value: int) -> str:
    return f"{value:,}" if value else ""


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


def cost(network: Network, plan: PlanLike) -> Cost:
    """What a plan costs in hardware. No weight is rounded for it.

    Raises: PlanError for another network's plan, and for one with a FLOAT site; what lowering raises.
    """
    plan = as_plan(plan)
    sites = check_plan(plan, network)
    check_fixed(plan)
    return cost_of(lower_any_weights(network, in_words(plan)), plan, sites)


def cost_or_reason(network: Network, plan: Plan) -> Cost | str:
    """For what shows a cost beside something else: the cost, or the sentence that says why the plan has none."""
    try:
        return cost(network, plan)
    except (CarrierError, FormatError, ModelError, PlanError) as error:
        return f"No cost: {error}"


def check_fixed(plan: Plan) -> None:
    """Raises: PlanError for a plan with a FLOAT site."""
    for name, spec in plan.sites.items():
        if spec is Word.FLOAT:
            raise PlanError(f"site {name} is FLOAT, and float32 has no cost in fixed-point hardware: give it a format.")


def in_words(plan: Plan) -> Plan:
    """The plan whose values all fit their words: what isn't bounded saturates."""
    return replace(plan, sites={name: _in_words(spec) for name, spec in plan.sites.items()})


def _in_words(spec: Spec) -> Spec:
    if isinstance(spec, Word):
        return spec
    if isinstance(spec, tuple):
        return tuple(map(_saturating, spec))
    return _saturating(spec.quantizer if isinstance(spec, Guard) else spec)


def _saturating(quantizer: Quantizer) -> Quantizer:
    return replace(quantizer, overflow=Overflow.SATURATE) if quantizer.overflow is Overflow.UNBOUNDED else quantizer


def cost_of(lowered: Lowered, plan: Plan, sites: Mapping[str, Site]) -> Cost:
    """The cost of a program that `lower_any_weights` made of `in_words(plan)`. sites: of its network."""
    network, program = lowered.network, lowered.program
    stored = [_parameter(site, lowered) for site in sites.values() if site.values is not None]
    nodes, made = _work(lowered)
    activations, live_sets = _activations(program)
    ordered = {node.name: place for place, node in enumerate(network.nodes)}
    return Cost(
        network=network.hash,
        plan=plan.hash,
        sites=tuple(sorted([*stored, *made, *activations], key=lambda site: ordered[site.node])),
        nodes=nodes,
        live_sets=live_sets,
        mean_bits={
            "weights": _mean_of(site for site in stored if sites[site.site].channels is not None),
            "activations": _mean_of(_rounded(lowered)),
        },
        unbounded=sum(
            any(quantizer.overflow is Overflow.UNBOUNDED for quantizer in _quantizers(spec))
            for spec in plan.sites.values()
        ),
    )


def _quantizers(spec: Spec) -> tuple[Quantizer, ...]:
    if isinstance(spec, Word | Guard):
        return ()
    return spec if isinstance(spec, tuple) else (spec,)


def _parameter(site: Site, lowered: Lowered) -> SiteCost:
    """A site with values, each of which is stored."""
    values = site.values
    assert values is not None
    words = values.size
    if formats := formats_of(lowered.plan.sites[site.name]):
        lengths = [format.word_length for format in formats]
        return SiteCost(site.name, site.node, "parameter", words, max(lengths), words // len(lengths) * sum(lengths))
    codes, _ = exact_codes(values)
    length = word_length_between(int(codes.min()), int(codes.max()))
    return SiteCost(site.name, site.node, "parameter", words, length, words * length)


def _rounded(lowered: Lowered) -> list[SiteCost]:
    """The outputs that are rounded, each as often as it has elements."""
    found = []
    for node in lowered.network.nodes:
        name = f"{node.name}.output"
        if formats := formats_of(lowered.plan.sites[name]):
            length, words = formats[0].word_length, prod(node.shape)
            found.append(SiteCost(name, node.name, "activation", words, length, words * length))
    return found


def _mean_of(sites: Iterable[SiteCost]) -> float | None:
    found = list(sites)
    words = sum(site.words for site in found)
    return sum(site.bits for site in found) / words if words else None


def _work(lowered: Lowered) -> tuple[tuple[NodeCost, ...], list[SiteCost]]:
    """What each node computes with, and the accumulators and tables that this takes."""
    network, program, plan = lowered.network, lowered.program, lowered.plan
    found: dict[str, list[Work]] = {node.name: [] for node in network.nodes}
    made = []
    for step in program.steps:
        roles = dict(network.by_name[step.node].operator.parameters())

        def formats(role: str, node: str = step.node, roles: Mapping[str, Any] = roles) -> tuple[FixedFormat, ...]:
            name = roles[role].name if role in roles else f"{node}.{role}"
            return formats_of(plan.sites.get(name, Word.EXACT))

        kind = type(step.instruction)
        if reason := work.gap(kind):
            done = Work(uncounted=reason)
        else:
            inputs = tuple(program.by_name[name].type for name in step.inputs)
            done = work[kind](step.instruction, Reading(step, inputs, formats))
        found[step.node].append(done)
        for table in done.tables:
            name = f"{step.node}.{table.role} table"
            made.append(
                SiteCost(name, step.node, "table", table.words, table.word_length, table.words * table.word_length)
            )
    nodes = tuple(_node_cost(name, works) for name, works in found.items())
    for node in nodes:
        if node.accumulator is not None:
            made.append(
                SiteCost(f"{node.node}.accumulator", node.node, "accumulator", 1, node.accumulator, node.accumulator)
            )
    return nodes, made


def _node_cost(node: str, works: list[Work]) -> NodeCost:
    return NodeCost(
        node,
        tuple(products for done in works for products in done.macs),
        tuple(products for done in works for products in done.products),
        max((done.accumulator for done in works if done.accumulator is not None), default=None),
        tuple(done.uncounted for done in works if done.uncounted is not None),
    )


def _activations(program: FixedNetwork) -> tuple[list[SiteCost], tuple[LiveSet, ...]]:
    """The values that are stored between the steps, and which of them live at each moment."""
    grouping = grouped(program)
    values = {}
    for step in (program.steps[0], *(group.last for group in grouping.groups)):
        words, length = prod(step.type.shape), operand_of(step.type).bits
        values[step.name] = SiteCost(step.site or step.name, step.node, "activation", words, length, words * length)
    made = {program.steps[0].name: 0} | {group.last.name: moment for moment, group in enumerate(grouping.groups)}
    first = values[program.steps[0].name]
    sets = [LiveSet(first.node, (first.site,), first.bits)]
    for moment, group in enumerate(grouping.groups):
        live = [
            values[name]
            for name, since in made.items()
            if since <= moment <= max(grouping.last_read.get(name, -1), moment if name == group.last.name else -1)
        ]
        sets.append(LiveSet(group.last.node, tuple(site.site for site in live), sum(site.bits for site in live)))
    return list(values.values()), tuple(sets)
