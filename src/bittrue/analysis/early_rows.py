"""Rows of a sweep that end as soon as they are decided: images in a random order, looked at now and then.

A row is decided when a confidence sequence shows that on the whole test set it loses no more than it may, or that it
loses more. The looks come after every LOOK images, whatever the batch size, so that the same seed gives the same rows.
"""

import json
import operator
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from bittrue.analysis.decision import Decision
from bittrue.analysis.evaluating.evaluation import Evaluation
from bittrue.analysis.evaluating.executor import Executor, Under, Unit, Work
from bittrue.analysis.evaluating.metrics.metric import ByLabels, Metric
from bittrue.analysis.evaluating.record import Arrays, Record, gaps, joined, totals
from bittrue.analysis.evaluating.store import Facts, Store
from bittrue.analysis.progress import Progress, showing
from bittrue.analysis.row_names import FILE, FLOAT
from bittrue.analysis.standard import Standard
from bittrue.analysis.statistics.betting import Losses, loss_bounds, shows_fewer, shows_more
from bittrue.analysis.statistics.estimand import TheseImages
from bittrue.analysis.statistics.prior_posterior import share_interval
from bittrue.analysis.verdict import SIGNIFICANCE, Row
from bittrue.data import Batch
from bittrue.errors import BittrueError
from bittrue.files import dump_json
from bittrue.plan import Plan
from bittrue.simulation.proof import LayerProof
from bittrue.simulation.simulator import is_exact, prove

LOOK = 64
"""Images from one look to the next: a few batches of a large network, one of a small."""


def check_decidable(metric: Metric) -> None:
    """Raise BittrueError for a metric that judges no image right or wrong."""
    if not isinstance(metric.judged, ByLabels):
        raise BittrueError(
            f"--decide goes by images that are right or wrong, and --metric {metric.name} judges none so: choose "
            "accuracy, top-5 or binary, or leave --decide out."
        )


def is_decided(losses: Losses, images: int, most: int, error: float) -> bool:
    """Whether it is shown that of all `images` more than `most` are lost less gained, or no more; half of `error` is
    for either."""
    return shows_more(losses, images, most, error / 2) or shows_fewer(losses, images, most + 1, error / 2)


@dataclass(eq=False)
class _Drawn:
    """A row's records, in the order of their images."""

    records: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        insort(self.records, record, key=lambda record: record.start)

    def first(self, images: int) -> list[Record]:
        """Of the first so many images, which end with a record."""
        return self.records[: bisect_left(self.records, images, key=lambda record: record.start)]

    def arrays(self, images: int) -> Arrays:
        return joined([record.arrays for record in self.first(images)])

    def missing(self, images: int) -> tuple[range, ...]:
        """The images among the first so many that no record covers."""
        return gaps(self.first(images), images)

    def complete(self, images: int) -> int:
        """How many of these from the first on are covered, without a gap."""
        return next((gap.start for gap in self.missing(images)), images)


@dataclass(eq=False)
class Beside:
    """What rows are compared with: the file's own `plan`, or None for the float network.

    It is the work of its own images (executor.py), laid out once, however often there are some.
    """

    plan: Plan | None
    drawn: _Drawn = field(default_factory=_Drawn)
    compute: Callable[[Batch], Record] | None = None
    laid_out: "_LaidOut | None" = None

    @property
    def name(self) -> str:
        return FLOAT if self.plan is None else FILE

    @property
    def key(self) -> str:
        return FLOAT if self.plan is None else self.plan.hash

    def work(self, evaluation: Evaluation) -> "_LaidOut":
        if self.laid_out is None:
            self.laid_out = _LaidOut(self, evaluation)
        return self.laid_out


@dataclass(frozen=True, eq=False)
class _LaidOut:
    beside: Beside
    evaluation: Evaluation

    def __reduce__(self) -> tuple[Any, ...]:
        """Elsewhere it is the evaluation, whose kernels stay where they were laid out."""
        return _itself, (self.evaluation,)

    def prepare(self, plan: Plan | None) -> Callable[[Batch], Record]:
        if self.beside.compute is None:
            self.beside.compute = self.evaluation.prepare(plan)
        return self.beside.compute


def _itself(evaluation: Evaluation) -> Evaluation:
    return evaluation


@dataclass(frozen=True, eq=False)
class EarlyRows:
    """A sweep of so many `images` in a random order. error: of each row. beside: is evaluated as far as the rows go."""

    images: int
    metric: Metric
    evaluation: Evaluation
    executor: Executor
    store: Store
    progress: Progress | None
    standard: Standard
    error: float
    beside: Beside

    def begin(self) -> int:
        """Evaluate as many images of what rows are compared with as show that it does better than chance; how many
        these are."""
        self.store.describe(self.beside.key, self.beside.name)
        self.beside.drawn.records.extend(self.store.records(self.beside.key))
        with showing(self.progress, self.beside.name, self.images) as advance:
            for look in self._looks():
                self._fill_beside(look, advance)
                share = self._share(self.beside.drawn.arrays(look))
                if self.standard.chance is None or share[0] > self.standard.chance:
                    return look
        return self.images

    def beside_rows(self, images: int) -> list[Row]:
        """What rows are compared with, on the first so many images, which are evaluated; before it the float row, on as
        many, where that is another."""
        figures = self._figures(self.beside.drawn.arrays(images))
        if self.beside.plan is None:
            return [Row(FLOAT, None, False, images, **figures)]
        self.store.describe(FLOAT, FLOAT)
        floats = _Drawn(self.store.records(FLOAT))
        with showing(self.progress, FLOAT, self.images) as advance:
            self._evaluate(FLOAT, self.evaluation, (Unit(None, gap) for gap in floats.missing(images)), floats, advance)
        in_float = self._figures(floats.arrays(images)) | self._flips(floats, images)
        return [
            Row(FLOAT, None, False, images, **in_float),
            self._plan_row(FILE, self.beside.plan, self.beside.drawn.first(images), images, figures),
        ]

    def row(self, name: str, plan: Plan) -> Row:
        """The row `name`, evaluated until it is decided."""
        key = plan.hash
        self.store.describe(key, name)
        drawn = _Drawn(self.store.records(key))
        known = min(drawn.complete(self.images), self.beside.drawn.complete(self.images))
        is_kept = self._decided_at(drawn, known) is not None
        with showing(self.progress, f"{name} (kept)" if is_kept else name, self.images) as advance:
            advance(sum(record.images for record in drawn.records))
            if not is_kept:
                self._evaluate(key, self.evaluation, self._units(plan, drawn), drawn, advance)
        images = self._decided_at(drawn, self.images)
        if images is None:
            raise RuntimeError(f"the row {name} was evaluated on all images and isn't decided")
        bounds = loss_bounds(self._losses(drawn, images), self.images, self.error)
        figures = self._figures(drawn.arrays(images)) | self._flips(drawn, images)
        decision = Decision(self.images, self.error, bounds)
        return self._plan_row(name, plan, drawn.first(images), images, figures | {"decision": decision})

    def _plan_row(self, name: str, plan: Plan, records: list[Record], images: int, figures: dict[str, Any]) -> Row:
        facts = self._facts(plan, records, images)
        counts = dict(facts.parameter_overflows) | totals(records, "overflows", operator.add)
        return Row(
            name,
            plan.hash,
            facts.exact,
            images,
            overflows={site: counts[site] for site in plan.sites if site in counts},
            layers=tuple(LayerProof(**layer) for layer in facts.layers),
            **figures,
        )

    def _units(self, plan: Plan, drawn: _Drawn) -> Iterator[Unit[Plan]]:
        """The images up to each look, as long as the row isn't decided. Where an executor asks for units before others
        are finished it gets more than are needed, and the row is the same."""
        missing, start = drawn.missing(self.images), 0
        for look in self._looks():
            parts = (range(max(gap.start, start), min(gap.stop, look)) for gap in missing)
            yield from (Unit(plan, part) for part in parts if part)
            start = look
            self._fill_beside(look)
            if drawn.complete(look) == look and self._is_decided(drawn, look):
                return

    def _fill_beside(self, images: int, advance: Callable[[int], None] = lambda images: None) -> None:
        beside = self.beside
        missing = beside.drawn.missing(images)
        if missing:
            units = [Unit(beside.plan, gap) for gap in missing]
            self._evaluate(beside.key, beside.work(self.evaluation), units, beside.drawn, advance)

    def _evaluate(
        self,
        key: str,
        work: Work[Under, Record],
        units: Iterable[Unit[Under]],
        drawn: _Drawn,
        advance: Callable[[int], None],
    ) -> None:
        """Units into the store, and to what is drawn."""

        def take(part: Unit[Under], record: Record) -> None:
            self.store.add(key, record)
            drawn.add(record)
            advance(len(part.images))

        self.executor.run(work, units, take)

    def _looks(self) -> list[int]:
        return [*range(LOOK, self.images, LOOK), self.images]

    def _decided_at(self, drawn: _Drawn, known: int) -> int | None:
        """The first look at which the row is decided, among those for which enough is known; None where it isn't. Once
        decided it stays so."""
        looks = [look for look in self._looks() if look <= min(known, drawn.complete(self.images))]
        place = bisect_left(looks, True, key=lambda look: self._is_decided(drawn, look))
        return looks[place] if place < len(looks) else None

    def _is_decided(self, drawn: _Drawn, images: int) -> bool:
        most = self.standard.most_lost(self.images)
        return is_decided(self._losses(drawn, images), self.images, most, self.error)

    def _losses(self, drawn: _Drawn, images: int) -> Losses:
        found = [part.arrays(images)["correct"].astype(np.int8) for part in (self.beside.drawn, drawn)]
        losses: Losses = found[0] - found[1]
        return losses

    def _facts(self, plan: Plan, records: list[Record], images: int) -> Facts:
        """What is known of the row after so many images, from the store or for it."""
        key = f"{plan.hash} after {images}"
        kept = self.store.kept(key)
        if kept is not None:
            return Facts(**json.loads(kept))
        program = self.evaluation.program(plan)
        layers = [asdict(layer) for layer in prove(program, totals(records, "peaks", max))]
        facts = Facts(is_exact(program), program.parameter_overflows, layers)
        self.store.keep(key, dump_json(asdict(facts)))
        return facts

    def _figures(self, arrays: Arrays) -> dict[str, Any]:
        """The metric's, with an interval that holds whenever one stops."""
        return {**self.metric.summarise(arrays), "accuracy_interval": self._share(arrays)}

    def _share(self, arrays: Arrays) -> tuple[float, float]:
        correct = arrays["correct"]
        found = share_interval(int(correct.sum()), len(correct), TheseImages(self.images), SIGNIFICANCE)
        return found.low, found.high

    def _flips(self, drawn: _Drawn, images: int) -> dict[str, Any]:
        """Lost and gained images; McNemar's test is for a number of images set beforehand, so that there is none."""
        if not isinstance(self.metric.judged, ByLabels):
            raise TypeError(f"the metric {self.metric.name} judges no image right or wrong")
        found = self.metric.judged.beside(drawn.arrays(images), self.beside.drawn.arrays(images))
        return {**found, "p_value": None}
