"""Ranges: what every node's output was in the float network, in one pass that holds no more than a batch.

Integer bits follow from the smallest and largest value; percentiles and the histogram tell whether these are outliers.
The float network's last bits may depend on the batch size and the machine, and so may those of the ranges.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from bittrue.analysis.evaluating.batches import chosen_images, default_batch_size
from bittrue.analysis.evaluating.engine import EngineLike, opened
from bittrue.analysis.evaluating.executor import Unit, run_through
from bittrue.analysis.progress import Progress
from bittrue.data import Batch, DataLike, Dataset, as_dataset
from bittrue.environment import exact_environment
from bittrue.errors import BittrueError, DataError, PlanError
from bittrue.network import Network
from bittrue.plan import Octave, PlanOptions, Ranges, SiteRange, sites_of
from bittrue.plan.ranges import PERCENTILES
from bittrue.simulation.float_model import FloatModel
from bittrue.wording import counted

HISTOGRAM_BINS = 64
"""Bins of the histogram that is kept, between the smallest and the largest value."""

_FINE_BINS = 8192  # between −reach and +reach while values come in: 32 or more to each bin that is kept
_SMALLEST_REACH = -100  # as a power of two; below it float32's own range gets in the way
CALIBRATION_IMAGES = 512


class StreamingHistogram:
    """Counts of the values of one site, between −2^k and 2^k, with k doubling the reach whenever a value lies beyond.

    The bins' edges are multiples of a power of two, so doubling merges neighbours exactly: the counts are the same
    whatever the order in which the values came.
    """

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf
        self.count = self.zeros = 0
        self._exponent = _SMALLEST_REACH
        self._bins = np.zeros(_FINE_BINS, np.int64)

    def add(self, values: torch.Tensor) -> None:
        """Count float32 values of any shape. Raises: ValueError for NaN and infinity."""
        low, high = (float(end) for end in torch.aminmax(values))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError("a value is not a finite number")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.count += values.numel()
        self.zeros += values.numel() - int(torch.count_nonzero(values))
        self._reach(math.frexp(max(-low, high))[1])
        # A product with a power of two is exact, and so is floor.
        places = (values.flatten() * (_FINE_BINS / 2 * 2.0**-self._exponent)).floor_().to(torch.int32)
        places += _FINE_BINS // 2
        self._bins += torch.bincount(places, minlength=_FINE_BINS).numpy()

    def merge(self, other: "StreamingHistogram") -> None:
        """Count what another one has counted; it may not be used afterwards."""
        self._reach(other._exponent)
        other._reach(self._exponent)
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.count += other.count
        self.zeros += other.zeros
        self._bins += other._bins

    def site_range(self) -> SiteRange:
        """What is kept of the site."""
        return SiteRange(
            low=self.low,
            high=self.high,
            count=self.count,
            zeros=self.zeros,
            percentiles=tuple((percent, self._percentile(percent)) for percent in PERCENTILES),
            histogram=self._kept(),
            octaves=tuple(self._octaves()),
        )

    def _reach(self, exponent: int) -> None:
        """Double the reach until values below 2^exponent have their bin."""
        if not self._bins.any():
            self._exponent = max(exponent, self._exponent)
        while self._exponent < exponent:
            pairs = self._bins.reshape(-1, 2).sum(axis=1)
            quarter = np.zeros(_FINE_BINS // 4, np.int64)
            self._bins = np.concatenate([quarter, pairs, quarter])
            self._exponent += 1

    def _centre(self, place: int) -> float:
        """The middle of a bin, moved inside the range."""
        middle = (place + 0.5 - _FINE_BINS / 2) * 2.0**self._exponent / (_FINE_BINS / 2)
        return min(max(middle, self.low), self.high)

    def _octaves(self) -> Iterator[Octave]:
        """The octaves of the values that are not 0; no bin lies in two, as its edges are multiples of its width."""
        bins = self._bins.copy()
        bins[_FINE_BINS // 2] -= self.zeros
        for negative in (True, False):
            places = np.flatnonzero(bins)
            places = places[(places < _FINE_BINS // 2) == negative]
            magnitudes = np.abs([self._centre(place) for place in places.tolist()])
            exponents = np.frexp(magnitudes)[1] - 1
            for exponent in np.unique(exponents).tolist():
                here = exponents == exponent
                counts, sizes = bins[places[here]], magnitudes[here]
                total, squares = float((counts * sizes).sum()), float((counts * sizes**2).sum())
                yield Octave(negative, exponent, int(counts.sum()), total, squares)

    def _percentile(self, percent: float) -> float:
        """The smallest value with `percent` of all at or below it, to within a bin; 0 is exact."""
        rank = math.ceil(Fraction(str(percent)) / 100 * self.count)
        place = int(np.searchsorted(np.cumsum(self._bins), rank))
        before = int(self._bins[:place].sum())
        if place == _FINE_BINS // 2 and rank - before <= self.zeros:  # its smallest values are the zeros
            return 0.0
        return self._centre(place)

    def _kept(self) -> tuple[int, ...]:
        """The counts in equal bins from the smallest to the largest value; a fine bin counts where its middle lies."""
        kept = [0] * HISTOGRAM_BINS
        width = (self.high - self.low) / HISTOGRAM_BINS
        for place in np.flatnonzero(self._bins).tolist():
            target = int((self._centre(place) - self.low) / width) if width > 0 else 0
            kept[min(target, HISTOGRAM_BINS - 1)] += int(self._bins[place])
        return tuple(kept)


@exact_environment()
def measure_ranges(
    network: Network,
    dataset: DataLike,
    *,
    images: int | None = None,
    batch_size: int | None = None,
    engine: EngineLike = None,
    progress: Progress | None = None,
) -> Ranges:
    """The ranges of every node's output, the input's among them, and of the parts of a table form that are measured,
    over the first `images` examples (None: all). engine: what carries it out, see `evaluating.engine`.

    Raises: DataError where the data doesn't fit the network; BittrueError for a node whose output is not finite, and
    for an engine that can't be opened.
    """
    chosen = chosen_images(network, dataset, images)
    histograms: dict[str, StreamingHistogram] = {}

    def take(found: Mapping[str, StreamingHistogram]) -> None:
        for site, histogram in found.items():
            if site in histograms:
                histograms[site].merge(histogram)
            else:
                histograms[site] = histogram

    size = default_batch_size(network) if batch_size is None else batch_size
    with opened(engine) as carrying_out:
        executor = carrying_out.executor(chosen, size, progress)
        run_through(executor, _Measuring(network), Unit(None, range(chosen.images)), take, progress, "ranges")
    return Ranges(
        network=network.hash,
        data={"name": chosen.name, "sha256": chosen.sha256, "images": chosen.images, "split": chosen.split},
        sites={name: histogram.site_range() for name, histogram in histograms.items()},
    )


class _Measuring:
    """The work that finds the histograms of a batch, by site: every node's output first, then the parts of table
    forms."""

    def __init__(self, network: Network) -> None:
        self.network = network

    def prepare(self, plan: None) -> Callable[[Batch], Mapping[str, StreamingHistogram]]:
        model = FloatModel(self.network)
        names = [f"{node.name}.output" for node in self.network.nodes]
        inner = defaultdict(list)
        for site in sites_of(self.network, PlanOptions(softmax="table", layer_norm="table")).values():
            if site.measure is not None:
                names.append(site.name)
                inner[self.network.by_name[site.node].inputs[0]].append((site.name, site.measure))

        def compute(batch: Batch) -> Mapping[str, StreamingHistogram]:
            histograms = {name: StreamingHistogram() for name in names}

            def observe(node: str, values: torch.Tensor) -> None:
                _count(histograms, f"{node}.output", values)
                for name, measure in inner[node]:
                    _count(histograms, name, measure(values))

            model.outputs(batch.x, observe)
            return histograms

        return compute


def _count(histograms: Mapping[str, StreamingHistogram], site: str, values: torch.Tensor) -> None:
    try:
        histograms[site].add(values)
    except ValueError:
        node, _, role = site.rpartition(".")
        raise BittrueError(
            f"The {role.replace('_', ' ')} of {node} in the float network is not finite for some image: look for "
            "what overflows there, or leave the image out."
        ) from None


@exact_environment()
def calibration_images(
    dataset: DataLike, images: int | None = None, *, train: DataLike | None = None
) -> tuple[Dataset, Dataset]:
    """Which examples to measure the ranges on, and which are then left to test on.

    `dataset`: what is tested on. `train`: the training split, where there is one and it isn't what is tested on; then
    the first `images` of it are measured (never more than there are) and `dataset` is left whole. Else the first
    `images` of `dataset` are measured and left out of the test. None: 512, or half of `dataset` where that is less.

    Raises: DataError where nothing would be left to test on, or for fewer images than one.
    """
    if images is not None and images < 1:
        raise DataError(f"Calibration on {images} images is impossible: take at least one.")
    dataset = as_dataset(dataset)
    if train is not None:
        train = as_dataset(train)
        return train.take(min(images or CALIBRATION_IMAGES, train.images)), dataset
    wanted = min(CALIBRATION_IMAGES, dataset.images // 2) if images is None else images
    if not 0 < wanted < dataset.images:
        raise DataError(
            f"{dataset.name} has no training split to calibrate on, and of its {counted(dataset.images, 'image')} none "
            f"would be left to test on after {max(wanted, 1):,} for calibration: take fewer, or more data."
        )
    return dataset.take(wanted), dataset.skip(wanted)


def calibration_and_test(
    network: Network,
    dataset: DataLike,
    *,
    needed: bool,
    calibrate: int | None = None,
    calibration: DataLike | None = None,
    ranges: Ranges | None = None,
) -> tuple[Dataset, Dataset]:
    """What to measure ranges on, and what is left to test on.

    needed: whether plans need the ranges; else they are measured on the first test images, of which none is left out.
    calibration: other data to measure on. calibrate: how many images; of `calibration`, else of the training split of
    data that are given by their name or path, else of the test images, which are then left out of the test; None: see
    `calibration_images`. ranges: those that are there already, for which no images are left out here.

    Raises: PlanError for images that nothing is to be measured on; what `calibration_images` raises.
    """
    test = chosen_images(network, dataset, None)
    if calibrate is not None and (ranges is not None or not needed):
        raise PlanError("--calibrate has no use here: nothing is measured for these plans, so leave it out.")
    if calibration is not None:
        measured = chosen_images(network, calibration, None)
        return measured if calibrate is None else measured.take(min(calibrate, measured.images)), test
    if ranges is not None or not needed:
        return test.take(min(SHOWN_IMAGES, test.images)), test
    train = None
    if isinstance(dataset, str | Path) and test.split != "train" and "train" in test.splits:
        train = as_dataset(dataset, split="train", shape=network.input.shape)
    return calibration_images(test, calibrate, train=train)


SHOWN_IMAGES = 256
"""The report shows the ranges of the first images where no plan needs them."""


@exact_environment()
def unmeasured_images(dataset: Dataset, ranges: Ranges) -> Dataset:
    """What is left of `dataset` to test on where `ranges` were measured on its first examples; else all of it.

    Raises: DataError where they were measured on all of it, or don't say on what.
    """
    measured, sha256 = ranges.data.get("images"), ranges.data.get("sha256")
    if type(measured) is not int or measured < 1 or not isinstance(sha256, str):
        raise DataError("The ranges don't say on which images they were measured: measure them with `bittrue ranges`.")
    if measured > dataset.images or dataset.take(measured).sha256 != sha256:
        return dataset
    if measured == dataset.images:
        raise DataError(
            f"The ranges were measured on all {counted(measured, 'image')} of {dataset.name}, which "
            "leaves none to test on: measure them on other data, or on the first ones only with --images N."
        )
    return dataset.skip(measured)
