"""What a trace found: per site what its quantizer did to the numbers, and what the network would do without it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar

from bittrue.analysis.charts.chart import Chart
from bittrue.analysis.charts.effects import BACK, OVERFLOWED, ZEROED, SiteEffect, effects_chart
from bittrue.display import Column, Table, View
from bittrue.errors import BittrueError
from bittrue.result import SavedResult
from bittrue.wording import counted, excerpt, percent

_SUMMANDS = ("bias", "beta", "offset", "mean")


@dataclass(frozen=True)
class Event:
    """One number before and after its quantizer.

    image: the data set's number of the image; None for parameters. index: the place in its tensor, the channel last.
    exact: the number before it was rounded, as a fraction, or, after "≈", the decimals of one that has no finite code.
    became: its value after. product: after how many products an accumulator held it, the bias alone being 0.
    """

    image: int | None
    index: tuple[int, ...]
    exact: str
    became: str
    product: int | None = None


@dataclass(frozen=True)
class Effect:
    """The network with one site freed, or several, on the images of the trace.

    freed: by site, what takes the place of its quantizer. flipped: predictions that are others than the plan's own.
    lost, gained: images that only the plan, or only the freed network, gets right. from_float: predictions that are
    others than the float network's; lost_to_float, gained_over_float: as lost and gained, against the float network.
    correct: right predictions. Without labels these are None, and so are predictions of a network that makes none.
    error: the mean squared difference of the outputs from the float outputs. back: the share of what the plan lost that
    comes back: of right predictions, else of those equal to float, else of the squared error; None where nothing is
    lost.
    """

    freed: Mapping[str, str]
    flipped: int | None
    lost: int | None
    gained: int | None
    from_float: int | None
    lost_to_float: int | None
    gained_over_float: int | None
    correct: int | None
    error: float
    back: float | None


@dataclass(frozen=True)
class SiteTrace:
    """What one site's quantizer did.

    role: "output", "weight", "accumulator", …. format: as text. values: how many numbers it took in, those of an
    accumulator one for each product. altered: how many it changed at all. overflow: what became of the numbers beyond
    its limits, "wrapped", "saturated" or "would have overflowed" (UNBOUNDED); overflowed: how many. zeroed: how many
    became 0 without being it (of a result that has no finite code, those that are not 0 with 16 fraction bits more).
    channels: how many there are (the last axis); overflowed_by_channel, zeroed_by_channel: empty where the count
    is 0. altered and zeroed are None, and so are the channels, for the parts of a table form.
    low, high: the least and the largest number before rounding. bound: what no number can exceed whatever the data, for
    inputs as large as those seen where no format bounds them; None where nothing is known.
    keeps: the fewest fraction bits with which 90 % of the numbers that are not 0 stay so, and those with which all do.
    effect: of this site freed alone; None where there is nothing to free. stuck: why it could not be freed.
    diagnosis: a sentence, where there is something to say.
    """

    site: str
    node: str
    role: str
    format: str
    fraction_bits: int | None
    values: int
    altered: int | None
    overflow: str
    overflowed: int
    zeroed: int | None
    nonzero: int | None
    channels: int | None
    overflowed_by_channel: tuple[int, ...]
    zeroed_by_channel: tuple[int, ...]
    first_overflow: Event | None
    first_zero: Event | None
    low: float | None
    high: float | None
    bound: float | None
    keeps: tuple[int | None, int | None]
    noise: float | None
    effect: Effect | None = None
    stuck: str | None = None
    diagnosis: str | None = None

    @property
    def damage(self) -> float:
        """The largest of the shares that overflowed, became 0, or are noise: what ranks sites that do nothing alone.

        Half of it for what is added: a summand that is 0 does less than a factor.
        """
        unbounded = self.overflow == "would have overflowed"
        overflowed = 0.0 if unbounded else self.overflowed / max(self.values, 1)
        most = max(overflowed, (self.zeroed or 0) / max(self.nonzero or 1, 1), min(self.noise or 0.0, 1.0))
        return most / 2 if self.role in _SUMMANDS else most


@dataclass(frozen=True)
class Stop:
    """Where the images stop telling: all values of this node are 0, or the same for every image, as all after it.

    what: "zero" or "constant". in_float: the largest magnitude that the node has in the float network. cause: the site
    of the node that does it, if one does. diagnosis: a sentence.
    """

    node: str
    what: str
    in_float: float
    cause: str | None
    diagnosis: str


@dataclass(frozen=True, repr=False)
class Trace(SavedResult):
    """Why a plan does what it does to a network.

    network, plan: their hashes. data: name, sha256 and images of what was run. float_correct, plan_correct: right
    predictions, None without labels. agreeing: the plan's predictions that are the float network's, None where the
    network makes none. error: the plan's mean squared error against the float outputs. sites: in the order of the plan.
    ranking: the sites that were freed, by what freeing each alone brings. together: the smallest set found that brings
    back what one site alone doesn't. stop: where the images stop telling. diagnosis: the sentences, the most important
    first. edges: each node and its inputs.
    """

    network: str
    network_name: str
    plan: str
    data: Mapping[str, Any]
    images: int
    float_correct: int | None
    plan_correct: int | None
    agreeing: int | None
    error: float
    sites: tuple[SiteTrace, ...]
    ranking: tuple[str, ...]
    together: Effect | None
    stop: Stop | None
    diagnosis: tuple[str, ...]
    edges: tuple[tuple[str, tuple[str, ...]], ...]

    file: ClassVar[str] = "trace"

    def site(self, name: str) -> SiteTrace:
        """The site called `name`; raises BittrueError where there is none."""
        for found in self.sites:
            if found.site == name:
                return found
        raise BittrueError(f"The trace has no site {name!r}: its plan rounds {', '.join(s.site for s in self.sites)}.")

    def to_json(self) -> dict[str, Any]:
        """trace.json's object."""
        content = {"bittrue": 1} | asdict(self)
        content["edges"] = {node: list(inputs) for node, inputs in self.edges}
        return content

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Trace":
        """Read back to_json's object; raises BittrueError that names `source`."""
        try:
            if content["bittrue"] != 1:
                raise BittrueError(
                    f"{source}: version {excerpt(content['bittrue'])} of the file is not known; trace again."
                )
            values = {entry.name: content[entry.name] for entry in fields(cls)}
            values["sites"] = tuple(_site_from_json(site) for site in content["sites"])
            values["together"] = _optional(Effect, content["together"])
            values["stop"] = _optional(Stop, content["stop"])
            values["edges"] = tuple((node, tuple(inputs)) for node, inputs in content["edges"].items())
            values |= {name: tuple(content[name]) for name in ("ranking", "diagnosis")}
            return cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            flaw = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise BittrueError(f"{source}: not a trace ({flaw}); make one with `bittrue trace`.") from None

    def view(self) -> View:
        """What the worst quantizers did, what freeing the best sites brings, and the sentences."""
        hot = sorted((site for site in self.sites if site.overflowed or site.zeroed), key=lambda site: -site.damage)
        freed = [(name, effect) for name in self.ranking[:_SHOWN] if (effect := self.site(name).effect) is not None]
        if self.together is not None:
            freed.append((f"{len(self.together.freed)} together", self.together))
        tables = []
        if hot:
            title = f"What the quantizers did on {counted(self.images, 'image')}, the worst first"
            tables.append(Table(_COUNTS, [_counts_row(site) for site in hot[:_SHOWN]], title))
        if freed:
            title = f"What freeing each of {counted(len(self.ranking), 'site')} brings, the best first"
            tables.append(Table(_EFFECTS, [_effect_row(name, effect) for name, effect in freed], title))
        outcome = f"{counted(self.images, 'image')}: {self.outcome}. Flipped, lost and gained: against the plan's own."
        return (*tables, outcome, *self.diagnosis)

    def chart(self) -> Chart:
        """Of the sites that cost most: the shares of numbers that overflowed and became 0, and of what the plan lost
        the share that comes back where the site alone is freed."""
        hot = sorted((site for site in self.sites if site.overflowed or site.zeroed), key=lambda site: -site.damage)
        names = list(dict.fromkeys([*self.ranking[:_SHOWN], *(site.site for site in hot)]))[:_SHOWN]
        return Chart(effects_chart([_shares(self.site(name)) for name in names]))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/html": self._repr_html_() + self.chart().svg, "text/plain": repr(self)}

    def records(self) -> list[dict[str, Any]]:
        """A row a site: its counts, and what freeing it alone does."""
        names = ("site", "format", "values", "altered", "overflow", "overflowed", "zeroed", "low", "high", "bound")
        shown = ("flipped", "lost", "gained", "correct", "from_float", "error", "back")
        return [
            {name: getattr(site, name) for name in names}
            | {name: None if site.effect is None else getattr(site.effect, name) for name in shown}
            | {"diagnosis": site.diagnosis}
            for site in self.sites
        ]

    @property
    def outcome(self) -> str:
        """What the plan does beside the float network, in words."""
        if self.float_correct is not None and self.plan_correct is not None:
            plan, floating = self.plan_correct / self.images, self.float_correct / self.images
            return f"{percent(plan)} right, float {percent(floating)}"
        if self.agreeing is not None:
            return f"{percent(self.agreeing / self.images)} of the predictions are float's"
        return f"mean squared error {self.error:.3g} against float"


_SHOWN = 12
"""How many sites the tables list; the file has all."""

_COUNTS = (
    Column("site"),
    Column("format", folds=True),
    *(Column(heading, number=True) for heading in ("values", "overflow", "to 0", "largest", "bound")),
)
_EFFECTS = (
    Column("freed alone"),
    Column("as"),
    *(Column(heading, number=True) for heading in ("flipped", "lost", "gained", "right", "unlike float", "error")),
    Column("back", number=True),
)


def _shares(site: SiteTrace) -> SiteEffect:
    zeroed = None if site.zeroed is None else site.zeroed / max(site.nonzero or 1, 1)
    back = None if site.effect is None else site.effect.back
    return SiteEffect(site.site, {OVERFLOWED: site.overflowed / max(site.values, 1), ZEROED: zeroed, BACK: back})


def _counts_row(site: SiteTrace) -> tuple[str, ...]:
    largest = "" if site.low is None or site.high is None else f"{max(-site.low, site.high):.4g}"
    zeroed = "" if site.zeroed is None else f"{site.zeroed:,}"
    bound = "" if site.bound is None else f"{site.bound:.4g}"
    return (site.site, site.format, f"{site.values:,}", f"{site.overflowed:,}", zeroed, largest, bound)


def _effect_row(name: str, effect: Effect) -> tuple[str, ...]:
    words = ", ".join(sorted(set(effect.freed.values())))
    numbers = (effect.flipped, effect.lost, effect.gained, effect.correct, effect.from_float)
    back = "" if effect.back is None else f"{100 * effect.back:.0f} %"
    return (name, words, *("" if n is None else f"{n:,}" for n in numbers), f"{effect.error:.3g}", back)


def _site_from_json(content: Mapping[str, Any]) -> SiteTrace:
    values = {entry.name: content[entry.name] for entry in fields(SiteTrace)}
    values |= {name: tuple(content[name]) for name in ("overflowed_by_channel", "zeroed_by_channel", "keeps")}
    values |= {name: _event_from_json(content[name]) for name in ("first_overflow", "first_zero")}
    return SiteTrace(**values | {"effect": _optional(Effect, content["effect"])})


def _event_from_json(content: Mapping[str, Any] | None) -> Event | None:
    return None if content is None else Event(**{**content, "index": tuple(content["index"])})


def _optional(kind: type, content: Mapping[str, Any] | None) -> Any:
    return None if content is None else kind(**content)
