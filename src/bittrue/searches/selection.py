"""Whether a plan holds the accuracy on the images that plans are chosen on; one that doesn't is refused from as few of
them as show it."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.early_rows import LOOK, check_decidable
from bittrue.analysis.evaluating.engine import HERE, Engine
from bittrue.analysis.evaluating.evaluation import Evaluation, metric_by_shape
from bittrue.analysis.evaluating.executor import Executor, Unit
from bittrue.analysis.evaluating.metrics.metric import Metric
from bittrue.analysis.evaluating.record import Record
from bittrue.analysis.progress import Progress
from bittrue.analysis.standard import Standard
from bittrue.analysis.statistics.betting import shows_more
from bittrue.data import Dataset
from bittrue.errors import BittrueError, DataError
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.wording import points

STANDARD_ERRORS = 1
"""The margin that a plan has to keep: the standard error of its loss, √(lost + gained) images. Whoever takes the
cheapest plan that is just within on some images has been lucky with these images, and loses more on others."""


@dataclass(frozen=True)
class Decided:
    """within: whether the plan loses no more than it may on all selection images, with the margin; images: how many
    decided it, of which so many were lost and gained against float."""

    within: bool
    images: int
    lost: int
    gained: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def metric_of(network: Network, images: Dataset) -> Metric:
    """What judges an image right or wrong. Raises: BittrueError where there is nothing that does."""
    metric = metric_by_shape(network, images)
    if metric is None:
        raise BittrueError(
            f"A search chooses by images that are right or wrong, and {_lacking(network, images)}; without labels "
            "`bittrue sensitivity` says what each word length costs."
        )
    check_decidable(metric)
    return metric


def _lacking(network: Network, images: Dataset) -> str:
    if images.labels is None:
        return f"{images.name} has no labels"
    return f"{network.name} ends in no classes"


def check_selection(network: Network, images: Dataset, standard: Standard) -> tuple[Metric, int]:
    """What judges the images, and how many may be lost. Raises: as `metric_of`; DataError for too few images."""
    metric, most = metric_of(network, images), standard.most_lost(images.images)
    if most < 1:
        raise DataError(
            f"{images.images:,} images to choose on are too few to tell a loss of {points(standard.max_drop)}: "
            f"one image is more; take at least {ceil(100 / standard.max_drop):,}, or raise --max-drop."
        )
    return metric, most


def correct(
    network: Network, plan: Plan | None, images: Dataset, metric: Metric, executor: Executor
) -> NDArray[np.bool_]:
    """Which of the executor's images are right, all of them."""
    found = np.zeros(images.images, np.bool_)

    def take(part: Unit[Plan | None], record: Record) -> None:
        found[part.images.start : part.images.stop] = record.arrays["correct"]

    executor.run(Evaluation(network, metric), [Unit(plan, range(images.images))], take)
    return found


class Selection:
    """The selection images, and the float network on them.

    error: the probability that a plan is refused which loses no more than it may on all these images. engine: carries
    it out.
    """

    def __init__(
        self,
        network: Network,
        images: Dataset,
        standard: Standard,
        error: float,
        engine: Engine = HERE,
        progress: Progress | None = None,
    ) -> None:
        self.images = images
        self.metric, self.most = check_selection(network, images, standard)
        self.error = error
        self._executor = engine.executor(images, LOOK, progress)
        self._float = correct(network, None, images, self.metric, self._executor)

    def decide(self, network: Network, plan: Plan, advance: Callable[[float], None], *, whole: bool = False) -> Decided:
        """Simulate `network` under `plan` on batch after batch, until it is refused or all images are through. whole:
        don't stop before.

        Where an executor goes ahead, what decides are the first batches that refuse it all the same.
        """
        total = self.images.images
        losses = np.zeros(0, np.int8)
        waiting: dict[int, NDArray[np.int8]] = {}
        refused = False

        def take(part: Unit[Plan], record: Record) -> None:
            nonlocal losses, refused
            advance(len(part.images))
            waiting[part.images.start] = self._losses(part.images, record.arrays["correct"])
            while not refused and len(losses) in waiting:
                losses = np.concatenate([losses, waiting.pop(len(losses))])
                refused = not whole and bool(shows_more(losses, total, self.most, self.error))

        def looks() -> Iterator[Unit[Plan]]:
            for start in range(0, total, LOOK):
                if refused:
                    return
                yield Unit(plan, range(start, min(start + LOOK, total)))

        self._executor.run(Evaluation(network, self.metric), looks(), take)
        lost, gained = int((losses > 0).sum()), int((losses < 0).sum())
        is_within = lost - gained + STANDARD_ERRORS * sqrt(lost + gained) <= self.most
        return Decided(len(losses) == total and is_within, len(losses), lost, gained)

    def _losses(self, images: range, right: NDArray[np.bool_]) -> NDArray[np.int8]:
        found: NDArray[np.int8] = self._float[images.start : images.stop].astype(np.int8) - right.astype(np.int8)
        return found
