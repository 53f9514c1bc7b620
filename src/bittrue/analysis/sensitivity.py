"""Sensitivity: what each weight and each output costs alone at each word length, all else being long.

All losses are exact: a case is the program with another format in one place, computed from the first step that differs,
on the kept values of the rest (`Simulator.run_from`).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bittrue.analysis.alone import Measured, Nearby, with_sites
from bittrue.analysis.estimates import estimated, judged
from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.evaluating.ending import ending_of
from bittrue.analysis.evaluating.engine import HERE, Engine
from bittrue.analysis.pairs import PLANS, checked
from bittrue.analysis.progress import Progress, showing
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.sensitivity_result import Sensitivity, SiteLoss
from bittrue.analysis.site_words import REST, SiteWords, Words, parse_words, site_words
from bittrue.bits import Bits
from bittrue.data import DataLike, Dataset
from bittrue.environment import exact_environment
from bittrue.files import make_folder
from bittrue.fixed import Overflow, Quantizer
from bittrue.network import Network
from bittrue.plan import Override, Plan, Point, Ranges, Spec, Word
from bittrue.wording import counted

IMAGES = 256
"""How many images are taken where nothing else is said: no labels are needed for the distance, and it settles soon."""

WORDS = "2:8"


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
    overrides: Sequence[Override] = (),
    pairs: bool = True,
    batch_size: int | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> Sensitivity:
    """What each weight and each rounded output of `network` costs alone at each of `words`, on the first `images`
    examples (None: all), and how well cheap estimates would have predicted it.

    ranges: of the sites; None: measured on the same images. point, per_channel: see `plan_from_ranges`. overrides: of
    the rest, as for accumulators; what they name isn't varied. pairs: whether to look for pairs of sites whose single
    losses mislead. out: a folder for `sensitivity.json`. Labels are needed for accuracies and cross-entropies alone.

    Raises: DataError where data and network don't fit; PlanError for words that are none, and where there is nothing to
    vary; BittrueError where `out` can't be written.
    """
    lengths = parse_words(words)
    folder = None if out is None else Path(out)
    if folder is not None:
        make_folder(folder)
    chosen = chosen_images(network, dataset, images)
    measured = ranges or measure_ranges(network, chosen, batch_size=batch_size, progress=progress)
    sites = site_words(network, measured, point=point, per_channel=per_channel, overrides=overrides)
    cases = [(name, bits) for name in sites.sites for bits in lengths]
    nearby = Nearby(network, sites.base, chosen, batch_size)
    found = _alone(sites, nearby, cases, split=True, engine=HERE, progress=progress)
    with showing(progress, "estimates", chosen.images) as advance:
        estimates = estimated(sites, nearby.yardstick, cases)
        advance(chosen.images)
    losses, judgements = judged(found.losses, estimates, chosen.images)
    passes = found.image_passes + sum(estimate.image_passes for estimate in judgements)
    found = replace(found, losses=losses, estimates=judgements, image_passes=passes)
    if pairs:
        found = _with_pairs(found, sites, nearby, progress)
    if folder is not None:
        found.save(folder / "sensitivity.json")
    return found


def measure_of(network: Network) -> str:
    """What losses are, as `Sensitivity.measure`."""
    return "kl" if ending_of(network).is_classes else "squared error"


def measured_alone(
    sites: SiteWords,
    images: Dataset,
    cases: Sequence[tuple[str, int]],
    *,
    batch_size: int | None = None,
    engine: Engine = HERE,
    progress: Progress | None = None,
) -> Sensitivity:
    """The losses of these sites with these word lengths, each alone, on all `images`."""
    nearby = Nearby(sites.network, sites.base, images, batch_size)
    return _alone(sites, nearby, cases, split=False, engine=engine, progress=progress)


def _alone(
    sites: SiteWords,
    nearby: Nearby,
    cases: Sequence[tuple[str, int]],
    *,
    split: bool,
    engine: Engine,
    progress: Progress | None,
) -> Sensitivity:
    """split: whether the parts of each loss are simulated, too."""
    images = nearby.images
    parted = _Parts(sites, nearby) if split else None
    found = []
    with showing(progress, f"{counted(len(sites.sites), 'site')} alone", images.images * (len(cases) + 1)) as advance:
        rest = nearby.of_base()
        advance(images.images)
        plans_of_cases = (sites.plan({name: bits}) for name, bits in cases)
        for case, measured in zip(cases, nearby.of_all(plans_of_cases, engine, progress, advance), strict=True):
            loss = SiteLoss(*case, **vars(measured))
            found.append(loss if parted is None else parted.split(loss))
    plans = len(cases) + 2 + (0 if parted is None else parted.plans)
    return Sensitivity(
        network=sites.network.hash,
        data={"name": images.name, "sha256": images.sha256, "images": images.images},
        measure=measure_of(sites.network),
        rest=REST,
        rest_loss=rest.loss,
        rest_accuracy=rest.accuracy,
        losses=tuple(found),
        image_passes=images.images * plans,
    )


class _Parts:
    """The parts of a loss: the same site with a word that reaches as far as it must is left with the rounding, and the
    same plan with exact accumulators is without what these cost."""

    def __init__(self, sites: SiteWords, nearby: Nearby) -> None:
        self._sites, self._nearby = sites, nearby
        rounded = {
            name: Word.EXACT
            for name, spec in sites.base.sites.items()
            if name.endswith(".accumulator") and spec is not Word.EXACT
        }
        self._exact = rounded
        self._with_exact = Nearby(nearby.network, with_sites(sites.base, rounded), nearby.images) if rounded else nearby
        self.plans = 2 if rounded else 0

    def split(self, loss: SiteLoss) -> SiteLoss:
        plan = with_sites(self._sites.plan({loss.site: loss.word_length}), self._exact)
        in_exact_sums = self._measured(plan).loss if self._exact else loss.loss
        reaching = with_sites(plan, {loss.site: _reaching(plan.sites[loss.site])})
        rounding = self._measured(reaching).loss
        return replace(
            loss,
            rounding=rounding,
            clipping=in_exact_sums - rounding,
            accumulator=loss.loss - in_exact_sums,
        )

    def _measured(self, plan: Plan) -> Measured:
        self.plans += 1
        return self._with_exact.of(plan)


def _reaching(spec: Spec) -> Spec:
    """The same with nothing clipped."""
    if isinstance(spec, tuple):
        return tuple(replace(each, overflow=Overflow.UNBOUNDED) for each in spec)
    assert isinstance(spec, Quantizer)  # a site that is free has one
    return replace(spec, overflow=Overflow.UNBOUNDED)


def _with_pairs(found: Sensitivity, sites: SiteWords, nearby: Nearby, progress: Progress | None) -> Sensitivity:
    with showing(progress, "pairs", PLANS * nearby.images.images) as advance:

        def loss_of(words: Words) -> float:
            advance(nearby.images.images)
            return nearby.of(sites.plan(words)).loss - found.rest_loss

        check = checked(found.by_site(), found.rest_loss, loss_of)
    passes = found.image_passes + check.plans * nearby.images.images
    return replace(found, check=check, image_passes=passes)
