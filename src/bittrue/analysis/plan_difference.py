"""What differs between two plans: options, formats, modes, and what they cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bittrue.analysis.cost.cost import cost
from bittrue.analysis.cost.result import Cost
from bittrue.display import Column, Table, View
from bittrue.errors import PlanError
from bittrue.fixed import Quantizer
from bittrue.fixed.notation import ap_fixed_name
from bittrue.network import Network
from bittrue.plan import Guard, Plan, PlanLike, Spec, Word, as_plan
from bittrue.plan.spec import spec_to_json
from bittrue.result import Result
from bittrue.wording import counted

ABSENT = "–"


@dataclass(frozen=True)
class Difference:
    """One thing of which two plans don't say the same.

    where: a site, or "options", or "network". what: "format", "rounding", "overflow", "channels", "hash", or an option.
    """

    where: str
    what: str
    first: str
    second: str


@dataclass(frozen=True, repr=False)
class PlanDifference(Result):
    """What differs between two plans.

    costs: of both, where the network was given.
    """

    first: Plan
    second: Plan
    differences: tuple[Difference, ...]
    costs: tuple[Cost, Cost] | None

    @property
    def same(self) -> bool:
        """Whether the plans say the same of the same network."""
        return self.first.hash == self.second.hash

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that differ."""
        known = {**self.first.sites, **self.second.sites}
        return tuple(dict.fromkeys(entry.where for entry in self.differences if entry.where in known))

    def view(self) -> View:
        if self.same:
            return (f"The plans are the same: {counted(len(self.first.sites), 'site')}.",)
        known = {**self.first.sites, **self.second.sites}
        title = f"The plans differ at {len(self.sites)} of {counted(len(known), 'site')}"
        columns = [Column(heading) for heading in ("where", "what", "first", "second")]
        rows = [(entry.where, entry.what, entry.first, entry.second) for entry in self.differences]
        return (Table(columns, rows, title), *self._costs())

    def _costs(self) -> Iterator[Table | str]:
        if self.costs is None:
            return
        first, second = (found.named for found in self.costs)
        rows = [(name, f"{first[name]:,}", f"{second[name]:,}", _change(first[name], second[name])) for name in first]
        columns = [Column(heading, number=heading != "cost") for heading in ("cost", "first", "second", "change")]
        yield Table(columns, rows, "Cost in all")
        yield f"On average {self.costs[0].means}; then {self.costs[1].means}."
        one, other = (found.uncounted for found in self.costs)
        uncounted = {"either": one} if one == other else {"the first": one, "the second": other}
        yield from (f"Not counted in {which}: {what}." for which, what in uncounted.items() if what)

    def records(self) -> list[dict[str, Any]]:
        """A row a difference."""
        return [
            {"where": entry.where, "what": entry.what, "first": entry.first, "second": entry.second}
            for entry in self.differences
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "bittrue": 1,
            "first": {"plan": self.first.hash, "network": self.first.network},
            "second": {"plan": self.second.hash, "network": self.second.network},
            "same": self.same,
            "options": {
                name: [first, second]
                for (name, first), second in zip(
                    self.first.options.to_json().items(), self.second.options.to_json().values(), strict=True
                )
                if first != second
            },
            "sites": {
                name: [_json_of(plan.sites.get(name)) for plan in (self.first, self.second)] for name in self.sites
            },
            "differences": self.records(),
            "cost": None if self.costs is None else _pairs(*(found.named for found in self.costs)),
            "bits": None if self.costs is None else _pairs(*(found.mean_bits for found in self.costs)),
        }


def diff(first: PlanLike, second: PlanLike, network: Network | None = None) -> PlanDifference:
    """What differs between two plans, or the files of two.

    network: that of one of them, for what both cost; None leaves that out.

    Plans of one network that was trained twice are compared: its nodes are the same, its hash is a difference.

    Raises: PlanError for plans of networks with other nodes, and with a network what `cost` raises; BittrueError for
    files that hold no plan.
    """
    one, other = as_plan(first), as_plan(second)
    alone = sorted(_nodes(one) ^ _nodes(other))
    if one.network != other.network and alone:
        raise PlanError(
            f"The plans are of two networks, {one.network[:18]}… and {other.network[:18]}…, of which only one has the "
            f"node {alone[0]}: compare plans of one network."
        )
    costs = None if network is None else _costs(network, one, other)
    return PlanDifference(one, other, tuple(_differences(one, other)), costs)


def _costs(network: Network, first: Plan, second: Plan) -> tuple[Cost, Cost]:
    """Of both, where the network is that of one: a cost depends on no weight, so that with other weights it is the
    same."""
    if network.hash not in (first.network, second.network):
        raise PlanError(
            f"Neither plan was made for {network.name} ({network.hash[:18]}…), but for {first.network[:18]}…: give the "
            "model of one of them."
        )
    one, other = (cost(network, replace(plan, network=network.hash)) for plan in (first, second))
    return one, other


def _nodes(plan: Plan) -> frozenset[str]:
    return frozenset(name.partition(".")[0] for name in plan.sites)


def _differences(first: Plan, second: Plan) -> Iterator[Difference]:
    if first.network != second.network:
        yield Difference("network", "hash", *(f"{plan.network[:18]}…" for plan in (first, second)))
    options = (first.options.to_json(), second.options.to_json())
    for name in options[0]:
        if options[0][name] != options[1][name]:
            yield Difference("options", name.replace("_", " "), options[0][name], options[1][name])
    for name in {**first.sites, **second.sites}:
        yield from _of_site(name, first.sites.get(name), second.sites.get(name))


def _of_site(name: str, first: Spec | None, second: Spec | None) -> Iterator[Difference]:
    if first == second:
        return
    facts = (_facts(first), _facts(second))
    differing = [what for what in facts[0] if what in facts[1] and facts[0][what] != facts[1][what]]
    for what in differing:
        yield Difference(name, what, facts[0][what], facts[1][what])
    if not differing and isinstance(first, tuple) and isinstance(second, tuple):
        others = sum(one != other for one, other in zip(first, second, strict=False))
        yield Difference(name, "channels", facts[0]["format"], f"another F in {others:,} of {len(first):,}")


def _facts(spec: Spec | None) -> Mapping[str, str]:
    """What a plan says of a site, in parts that are compared each for itself."""
    if spec is None or isinstance(spec, Word):
        return {"format": ABSENT if spec is None else spec.value}
    quantizers = (spec.own,) if isinstance(spec, Guard) else (spec,) if isinstance(spec, Quantizer) else spec
    return {
        "format": f"{'GUARD of ' if isinstance(spec, Guard) else ''}{_format(quantizers)}",
        "rounding": quantizers[0].rounding.value,
        "overflow": quantizers[0].overflow.value,
    }


def _format(quantizers: tuple[Quantizer, ...]) -> str:
    formats = {quantizer.format for quantizer in quantizers}
    if len(formats) == 1:
        return ap_fixed_name(formats.pop())
    words, fractions = ({getattr(format, name) for format in formats} for name in ("word_length", "fraction_bits"))
    length = f"{min(words)}" if len(words) == 1 else f"{min(words)} to {max(words)}"
    return f"{length} bits, F = {min(fractions)}…{max(fractions)}"


def _json_of(spec: Spec | None) -> Any:
    return None if spec is None else spec_to_json(spec)


def _change(first: float, second: float) -> str:
    """`−12.5 %`."""
    if first == second:
        return ""
    return f"{second - first:+,}" if first == 0 else f"{100 * (second - first) / first:+.1f} %".replace("-", "−")


def _pairs(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]]:
    return {name: [first[name], second[name]] for name in first}
