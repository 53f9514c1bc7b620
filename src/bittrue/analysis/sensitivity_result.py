"""What sensitivities say: what each site costs alone, how well cheap estimates predict it, and which pairs mislead."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from bittrue.display import Column, Table, View
from bittrue.errors import BittrueError
from bittrue.result import SavedResult
from bittrue.wording import counted

SHADES = " ░▒▓█"
"""From a distance below a thousandth to one above 1, a decade each."""

CALLED = {"kl": "KL divergence from float, nats", "squared error": "squared error, share of the outputs'"}
"""The measures of the losses in words."""


@dataclass(frozen=True)
class SiteLoss:
    """One site alone at one word length.

    loss: the distance from the float network, the mean over the images; rounding, clipping and accumulator are its
    parts: what is left where the word reaches as far as it must and accumulators are exact, what the word's reach adds
    to that, and what accumulators that aren't exact add. A part below 0 makes up for another. None where it was not
    split.
    accuracy, cross_entropy: of the values before a last softmax; None without labels or classes. sqnr: of these values,
    in dB; None where nothing differs. estimates: of the loss, by their names. channels: the output channels that cost
    most by one of these, by their number, and their shares of it.
    """

    site: str
    word_length: int
    loss: float
    accuracy: float | None
    cross_entropy: float | None = None
    sqnr: float | None = None
    rounding: float | None = None
    clipping: float | None = None
    accumulator: float | None = None
    estimates: Mapping[str, float] = field(default_factory=dict)
    channels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Estimate:
    """How well a cheap estimate predicts the exact losses.

    ranks: Spearman's rank correlation over all sites and word lengths; ranks_of_words: over the sites at one word
    length, the mean over the lengths. None where one of both is constant. image_passes: what it took.
    """

    name: str
    means: str
    ranks: float | None
    ranks_of_words: float | None
    image_passes: int


@dataclass(frozen=True)
class Pair:
    """Two sites that cost together something else than the sum of what they cost alone."""

    first: str
    first_word: int
    second: str
    second_word: int
    predicted: float
    loss: float


@dataclass(frozen=True)
class Check:
    """What came of predicting that single losses add up.

    words: of all sites together, each the shortest word that costs little alone. predicted, loss: of the plan with
    these words. plans: how many plans were simulated to find the pairs; whole: whether those were enough.
    """

    words: Mapping[str, int]
    predicted: float
    loss: float
    pairs: tuple[Pair, ...]
    plans: int
    whole: bool


@dataclass(frozen=True, repr=False)
class Sensitivity(SavedResult):
    """What each site costs alone at each word length.

    measure: what the losses are: "kl", the Kullback–Leibler divergence of the class probabilities from the float
    network's, in nats; or "squared error", as a share of the squared outputs. rest, rest_loss, rest_accuracy: bits of
    all other words, and what these cost. image_passes: images that were computed, each case's as one although most of
    it is shared. check: None where no pairs were looked for.
    """

    network: str
    data: Mapping[str, Any]
    measure: str
    rest: int
    rest_loss: float
    rest_accuracy: float | None
    losses: tuple[SiteLoss, ...]
    image_passes: int
    estimates: tuple[Estimate, ...] = ()
    check: Check | None = None

    file: ClassVar[str] = "sensitivity"

    @property
    def words(self) -> tuple[int, ...]:
        return tuple(sorted({loss.word_length for loss in self.losses}))

    def by_site(self) -> dict[str, dict[int, SiteLoss]]:
        """The losses by site and word length, in the network's order."""
        found: dict[str, dict[int, SiteLoss]] = {}
        for loss in self.losses:
            found.setdefault(loss.site, {})[loss.word_length] = loss
        return found

    def view(self) -> View:
        parts: list[Table | str] = [
            self._table(f"Each site alone, the rest at {counted(self.rest, 'bit')}: {CALLED[self.measure]}", heat),
            self._table("Of which clipping, %", lambda loss: _share(loss, loss.clipping)),
            self._table("Of which rounding, %", lambda loss: _share(loss, loss.rounding)),
            self._table("Of which accumulators, %", lambda loss: _share(loss, loss.accumulator)),
            self._table(
                f"Accuracy, % (the rest alone: {_percent(self.rest_accuracy)})", lambda loss: _percent(loss.accuracy)
            ),
            self._table("Cross-entropy of the labels, nats", lambda loss: _number(loss.cross_entropy, ".4f")),
            self._table("Signal-to-noise ratio of the outputs, dB", lambda loss: _number(loss.sqnr, ".1f")),
        ]
        parts = [part for part in parts if isinstance(part, str) or _says_something(part)]
        if self.estimates:
            parts += [_estimates(self.estimates), *self._channels()]
        if self.check is not None:
            parts.extend(_pairs(self.check))
        worst = max(self.losses, key=lambda loss: loss.loss)
        parts.append(
            f"The rest alone: {self.rest_loss:.2g}. {worst.site} at {counted(worst.word_length, 'bit')} costs most, "
            f"{worst.loss:.2g}. Shades: a decade each, ░ from 0.001 to █ above 1. {self.image_passes:,} image passes."
        )
        return tuple(parts)

    def _table(self, title: str, cell: Callable[[SiteLoss], str]) -> Table:
        columns = [Column("site"), *(Column(f"W={bits}", number=True) for bits in self.words)]
        rows = [(name, *(cell(of[bits]) for bits in self.words)) for name, of in self.by_site().items()]
        return Table(columns, rows, title)

    def _channels(self) -> View:
        """Of the shortest words, the channels that cost most by the estimate that tells them apart."""
        shortest = [of[min(of)] for of in self.by_site().values()]
        rows = [
            (
                f"{loss.site} W={loss.word_length}",
                ", ".join(f"{channel}: {100 * share:.0f} %" for channel, share in loss.channels.items()),
            )
            for loss in shortest
            if loss.channels and shade(loss.loss)
        ]
        columns = [Column("site"), Column("channels and their estimated shares")]
        return (Table(columns, rows, "Output channels that cost most"),) if rows else ()

    def records(self) -> list[dict[str, Any]]:
        """A row a site and word length."""
        return [
            {**vars(loss), "estimates": dict(loss.estimates), "channels": dict(loss.channels)} for loss in self.losses
        ]

    def to_json(self) -> dict[str, Any]:
        return {
            "bittrue": 1,
            "network": self.network,
            "data": dict(self.data),
            "measure": self.measure,
            "rest": {"word_length": self.rest, "loss": self.rest_loss, "accuracy": self.rest_accuracy},
            "image_passes": self.image_passes,
            "estimates": [asdict(estimate) for estimate in self.estimates],
            "check": None if self.check is None else asdict(self.check),
            "sites": self.records(),
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Sensitivity":
        try:
            rest, check = content["rest"], content["check"]
            return cls(
                str(content["network"]),
                content["data"],
                str(content["measure"]),
                int(rest["word_length"]),
                float(rest["loss"]),
                rest["accuracy"],
                tuple(SiteLoss(**row) for row in content["sites"]),
                int(content["image_passes"]),
                tuple(Estimate(**estimate) for estimate in content["estimates"]),
                None if check is None else Check(**{**check, "pairs": tuple(Pair(**pair) for pair in check["pairs"])}),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BittrueError(f"{source}: no sensitivities ({error}); make them with `bittrue sensitivity`.") from None


def heat(loss: SiteLoss) -> str:
    """The loss with its shade."""
    return f"{loss.loss:.2g} {SHADES[shade(loss.loss)]}"


def shade(loss: float) -> int:
    """From 0, below a thousandth, to 4, above 1."""
    return sum(loss >= edge for edge in (1e-3, 1e-2, 1e-1, 1))


def _says_something(table: Table) -> bool:
    """Whether a cell beside the sites has more to tell than 0."""
    return any(cell not in ("", "0") for row in table.rows for cell in row[1:])


def _share(loss: SiteLoss, part: float | None) -> str:
    """Of a loss that is seen in the table above; what is smaller has no parts worth a number."""
    return f"{round(100 * part / loss.loss)}" if part is not None and shade(loss.loss) else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


def _number(value: float | None, format: str) -> str:
    return "" if value is None else f"{value:{format}}"


def _estimates(estimates: tuple[Estimate, ...]) -> Table:
    columns = [
        Column("estimate"),
        Column("all", number=True),
        Column("at one word length", number=True),
        Column("image passes", number=True),
        Column("what it is"),
    ]
    rows = [
        (
            estimate.name,
            _number(estimate.ranks, ".3f"),
            _number(estimate.ranks_of_words, ".3f"),
            f"{estimate.image_passes:,}",
            estimate.means,
        )
        for estimate in estimates
    ]
    return Table(columns, rows, "How cheap estimates order the exact losses (Spearman's rank correlation)")


def _pairs(check: Check) -> View:
    said = (
        f"All sites together, each with the shortest word that costs little alone, cost {check.loss:.2g} where "
        f"{check.predicted:.2g} is the sum; {counted(check.plans, 'plan')} simulated"
        f"{'' if check.whole else ', then no more pairs were looked for'}."
    )
    if not check.pairs:
        return (f"{said} No pair by itself makes the difference.",)
    columns = [Column("site"), Column("and"), Column("sum", number=True), Column("together", number=True)]
    rows = [
        (
            f"{pair.first} W={pair.first_word}",
            f"{pair.second} W={pair.second_word}",
            f"{pair.predicted:.2g}",
            f"{pair.loss:.2g}",
        )
        for pair in check.pairs
    ]
    return (Table(columns, rows, "Pairs of sites whose single losses mislead"), said)
