"""Sensitivity: what each weight and each output costs alone at each word length, all else being long.

All is exact: a case is the program with another format in one place, computed from the first step that differs, on the
kept values of the rest (`Simulator.run_from`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.evaluating.ending import ending_of
from bittrue.analysis.evaluating.evaluation import metric_by_shape
from bittrue.analysis.evaluating.prefixes import Prefixes
from bittrue.analysis.evaluating.yardstick import Yardstick, plan_before_softmax
from bittrue.analysis.progress import Progress, showing
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.site_words import REST, SiteWords, parse_words, site_words
from bittrue.bits import Bits
from bittrue.data import DataLike, Dataset
from bittrue.display import Column, Table, View
from bittrue.environment import exact_environment
from bittrue.errors import BittrueError
from bittrue.files import make_folder
from bittrue.lowering import lower_variant
from bittrue.network import Network
from bittrue.plan import Point, Ranges
from bittrue.result import SavedResult
from bittrue.simulation.simulator import KeptBatch, Simulator

IMAGES = 256
"""How many images are taken where nothing else is said: no labels are needed for the distance, and it settles soon."""

WORDS = "2:8"

SHADES = " ░▒▓█"
"""From a distance below a thousandth to one above 1, a decade each."""


@dataclass(frozen=True)
class SiteLoss:
    """One site alone at one word length. loss: the distance from the float network, the mean over the images.
    accuracy: of the values before a last softmax; None without labels or classes."""

    site: str
    word_length: int
    loss: float
    accuracy: float | None


@dataclass(frozen=True, repr=False)
class Sensitivity(SavedResult):
    """What each site costs alone at each word length.

    measure: what the losses are: "kl", the Kullback–Leibler divergence of the class probabilities from the float
    network's, in nats; or "squared error", as a share of the squared outputs. rest, rest_loss, rest_accuracy: bits of
    all other words, and what these cost. image_passes: images that were computed, each case's as one although most of
    it is shared.
    """

    network: str
    data: Mapping[str, Any]
    measure: str
    rest: int
    rest_loss: float
    rest_accuracy: float | None
    losses: tuple[SiteLoss, ...]
    image_passes: int

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
        sites = self.by_site()
        headings = [Column("site"), *(Column(f"W={bits}", number=True) for bits in self.words)]
        rows = [(name, *(_heat(of[bits].loss) for bits in self.words)) for name, of in sites.items()]
        called = "KL divergence from float, nats" if self.measure == "kl" else "squared error, share of the outputs'"
        tables: list[Table | str] = [Table(headings, rows, f"Each site alone, the rest at {self.rest} bits: {called}")]
        if self.rest_accuracy is not None:
            cells = [(name, *(_percent(of[bits].accuracy) for bits in self.words)) for name, of in sites.items()]
            tables.append(Table(headings, cells, f"Accuracy, % (the rest alone: {_percent(self.rest_accuracy)})"))
        worst = max(self.losses, key=lambda loss: loss.loss)
        tables.append(
            f"The rest alone: {self.rest_loss:.2g}. {worst.site} at {worst.word_length} bits costs most, "
            f"{worst.loss:.2g}. Shades: a decade each, ░ from 0.001 to █ above 1. {self.image_passes:,} image passes."
        )
        return tuple(tables)

    def records(self) -> list[dict[str, Any]]:
        """A row a site and word length."""
        return [vars(loss) for loss in self.losses]

    def to_json(self) -> dict[str, Any]:
        return {
            "bittrue": 1,
            "network": self.network,
            "data": dict(self.data),
            "measure": self.measure,
            "rest": {"word_length": self.rest, "loss": self.rest_loss, "accuracy": self.rest_accuracy},
            "image_passes": self.image_passes,
            "sites": self.records(),
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Sensitivity":
        try:
            rest = content["rest"]
            return cls(
                str(content["network"]),
                content["data"],
                str(content["measure"]),
                int(rest["word_length"]),
                float(rest["loss"]),
                rest["accuracy"],
                tuple(SiteLoss(**row) for row in content["sites"]),
                int(content["image_passes"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BittrueError(f"{source}: no sensitivities ({error}); make them with `bittrue sensitivity`.") from None


def _heat(loss: float) -> str:
    shade = SHADES[sum(loss >= edge for edge in (1e-3, 1e-2, 1e-1, 1))]
    return f"{loss:.2g} {shade}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2f}"


@exact_environment()
def sensitivity(
    network: Network,
    dataset: DataLike,
    *,
    words: Bits = WORDS,
    images: int | None = IMAGES,
    ranges: Ranges | None = None,
    point: Point = "least-squares",
    per_channel: bool = True,
    batch_size: int | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Sensitivity:
    """What each weight and each rounded output of `network` costs alone at each of `words`, on the first `images`
    examples (None: all).

    ranges: of the sites; None: measured on the same images. point, per_channel: see `plan_from_ranges`. out: a folder
    for `sensitivity.json`. Labels are needed for the accuracies alone.

    Raises: DataError where data and network don't fit; PlanError for words that are none, and where there is nothing to
    vary; BittrueError where `out` can't be written.
    """
    lengths = parse_words(words)
    folder = None if out is None else Path(out)
    if folder is not None:
        make_folder(folder)
    chosen = chosen_images(network, dataset, images)
    measured = ranges or measure_ranges(network, chosen, batch_size=batch_size, progress=progress)
    sites = site_words(network, measured, point=point, per_channel=per_channel)
    cases = [(name, bits) for name in sites.sites for bits in lengths]
    found = measured_alone(sites, chosen, cases, batch_size=batch_size, progress=progress)
    if folder is not None:
        found.save(folder / "sensitivity.json")
    return found


def measured_alone(
    sites: SiteWords,
    images: Dataset,
    cases: Sequence[tuple[str, int]],
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Sensitivity:
    """The losses of these sites with these word lengths, each alone, on all `images`."""
    network = sites.network
    yardstick = Yardstick(network, images)
    labels = images.labels if metric_by_shape(network, images) is not None else None
    ended, base = plan_before_softmax(network, sites.base)
    prefixes = Prefixes(ended, base, images, batch_size)
    predictions = ending_of(ended).predictions

    def judged(outputs: Sequence[NDArray[Any]]) -> tuple[float, float | None]:
        values = [batch.astype(np.float64) for batch in outputs]
        loss = float(yardstick.each(values).mean())
        right = None if labels is None else float((predictions(np.concatenate(values)) == labels).mean())
        return loss, right

    kept: list[NDArray[Any]] = []
    found = []
    with showing(progress, f"{len(sites.sites)} sites alone", images.images * (len(cases) + 1)) as advance:

        def take(batch: KeptBatch, first: int) -> None:
            kept.append(batch.result.judged)
            advance(len(batch.x))

        prefixes.each(take)
        rest_loss, rest_accuracy = judged(kept)
        for name, bits in cases:
            _, plan = plan_before_softmax(network, sites.plan({name: bits}))
            simulator = Simulator(lower_variant(prefixes.lowered, plan), prefixes.base)
            outputs: list[NDArray[Any]] = []

            def run(batch: KeptBatch, first: int, simulator: Simulator = simulator, into: Any = outputs) -> None:
                into.append(simulator.run_from(batch))
                advance(len(batch.x))

            prefixes.each(run)
            found.append(SiteLoss(name, bits, *judged(outputs)))
    return Sensitivity(
        network=network.hash,
        data={"name": images.name, "sha256": images.sha256, "images": images.images},
        measure="kl" if ending_of(network).is_classes else "squared error",
        rest=REST,
        rest_loss=rest_loss,
        rest_accuracy=rest_accuracy,
        losses=tuple(found),
        image_passes=images.images * (len(cases) + 2),
    )
