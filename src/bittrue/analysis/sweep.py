"""Sweeps: the float network, then one plan after another, on the same images; every finished batch is kept."""

import contextlib
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bittrue._version import __version__
from bittrue.analysis.asked import SweepRow
from bittrue.analysis.cost.cost import cost_or_reason
from bittrue.analysis.cost.result import Cost
from bittrue.analysis.early_rows import LOOK, Beside, EarlyRows, check_decidable
from bittrue.analysis.evaluating.batches import chosen_images, default_batch_size
from bittrue.analysis.evaluating.engine import EngineLike, opened
from bittrue.analysis.evaluating.evaluation import Evaluation, check_metric
from bittrue.analysis.evaluating.executor import Executor, Unit
from bittrue.analysis.evaluating.metrics import metric_named
from bittrue.analysis.evaluating.metrics.metric import ByFloat, ByLabels, Figures, Metric
from bittrue.analysis.evaluating.record import Arrays, Record, gaps, joined, totals
from bittrue.analysis.evaluating.store import Facts, Store, Study
from bittrue.analysis.evaluating.variants import PLAN_IS_WRONG
from bittrue.analysis.progress import SILENT, Progress, found_here, showing
from bittrue.analysis.row_names import FILE, FLOAT
from bittrue.analysis.standard import MAX_DROP, Standard, check_decide
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verdict import SIGNIFICANCE, Row
from bittrue.data import DataLike, Dataset
from bittrue.data.shuffled import shuffled
from bittrue.environment import exact_environment
from bittrue.errors import PlanError
from bittrue.lowering import lower_any_weights, lower_network
from bittrue.network import Network
from bittrue.plan import Plan, check_plan
from bittrue.simulation.proof import LayerProof
from bittrue.simulation.simulator import is_exact, prove
from bittrue.wording import counted


@exact_environment()
def sweep(
    network: Network,
    dataset: DataLike,
    rows: Sequence[SweepRow],
    *,
    file_plan: Plan | None = None,
    store: str | Path | None = None,
    images: int | None = None,
    batch_size: int | None = None,
    metric: str = "accuracy",
    max_drop: float = MAX_DROP,
    decide: float | None = None,
    seed: int = 0,
    calibration: Mapping[str, Any] | None = None,
    command: str | None = None,
    engine: EngineLike = None,
    progress: Progress | None = None,
) -> Sweep:
    """Evaluate the float network and each row's plan on the first `images` examples (None: all).

    file_plan: what a file's own quantizers are (`load_with_plan`); it is a row, and all others are compared with it
    instead of the float network, which lacks the quantizers and so isn't what was trained.
    store: the results' file; a sweep that was killed goes on where it was, and nothing in it is evaluated twice. The
    rows of exact plans depend on neither batch size nor threads; the last bits of the float row may, and with them
    what is measured against it. One plan is in memory at a time. max_drop: see `Standard`.

    decide: each row ends as soon as it is shown that on this test set it loses no more than so many percentage points,
    or that it loses more; see `early_rows`. Images are drawn in the order that `seed` gives (see `data.shuffled`), and
    the probability that any row's answer is wrong is SIGNIFICANCE at most, over that order. What is kept in the store
    is of that order, too: another largest drop goes on from it, a sweep of all images doesn't.

    engine: what carries it out, see `evaluating.engine`; a store that one has begun another goes on with. Elsewhere
    the rows are carried out side by side.

    Raises: PlanError for plans that don't fit, before anything is evaluated; CarrierError that names the row where no
    exact result can be promised (the rows before it are in the store); DataError where data and network don't fit;
    BittrueError for a metric that the outputs have no answer to; StoreError for a store that can't be used.
    """
    chosen = chosen_images(network, dataset, images)
    asked = metric_named(metric)
    check_metric(asked, network, chosen)
    if decide is not None:
        check_decide(decide, max_drop)
        check_decidable(asked)
    standard = Standard(max_drop if decide is None else decide, _chance(asked, chosen))
    own = None if file_plan is None else SweepRow(FILE, file_plan)
    _check(rows, network, own)
    size = default_batch_size(network) if batch_size is None else batch_size
    # Another version may compute something else, so its results are no part of this study.
    options: dict[str, object] = {"metric": metric, "version": __version__}
    if own is not None and isinstance(asked.judged, ByFloat):
        options["beside"] = own.plan.hash
    if decide is not None:
        options["order"] = seed
    study = Study(network.hash, chosen.sha256, options)
    if store is None or not Path(store).exists():
        _check_lowering(rows, network)
    with (
        Store.open(":memory:" if store is None else store, study) as kept,
        found_here(progress) as display,
        opened(engine) as carrying_out,
    ):
        evaluation = Evaluation(network, asked, file_plan)
        if decide is None:
            executor = carrying_out.executor(chosen, size, display)
            run = _Run(network, chosen, asked, evaluation, executor, kept, display, own)
            if carrying_out.is_apart:
                run.side_by_side(rows)
                run = replace(run, progress=SILENT)
            first = [] if own is None else [run.plan_row(own)]
            made = [run.float_row(), *first, *(run.plan_row(row) for row in rows)]
        else:
            executor = carrying_out.executor(shuffled(chosen, seed), size, display)
            error, beside = SIGNIFICANCE / len(rows), Beside(file_plan)
            early = EarlyRows(chosen.images, asked, evaluation, executor, kept, display, standard, error, beside)
            made = _early(early, rows)
    return Sweep(
        network=network.hash,
        network_name=network.name,
        data={"name": chosen.name, "split": chosen.split, "sha256": chosen.sha256, "images": chosen.images},
        metric=metric,
        rows=tuple(made),
        reference=FLOAT if own is None else FILE,
        standard=standard,
        calibration=calibration,
        command=command,
        deciding=None if decide is None else {"error": SIGNIFICANCE, "seed": seed, "look": LOOK},
        plans={row.name: row.plan for row in (rows if own is None else (own, *rows))},
    )


def _early(run: EarlyRows, rows: Sequence[SweepRow]) -> list[Row]:
    images = run.begin()
    made = []
    for row in rows:
        with _naming(row.name):
            made.append(run.row(row.name, row.plan))
    return [*run.beside_rows(max(images, *(row.images for row in made))), *made]


def _chance(metric: Metric, images: Dataset) -> float | None:
    """The share of the commonest labels, as many as an answer names, for a metric that judges by classes."""
    if images.labels is None or not isinstance(metric.judged, ByLabels):
        return None
    counts = np.sort(np.unique(images.labels, return_counts=True)[1])
    return int(counts[-metric.judged.named :].sum()) / images.images


def _check(rows: Sequence[SweepRow], network: Network, own: SweepRow | None) -> None:
    if not rows:
        raise PlanError("a sweep needs at least one plan beside the float network.")
    names = [FLOAT, *([] if own is None else [own.name]), *(row.name for row in rows)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PlanError(f"two rows of the sweep have the name {twice!r}: give each its own.")
    for row in rows if own is None else (own, *rows):
        with _naming(row.name):
            check_plan(row.plan, network)


def _check_lowering(rows: Sequence[SweepRow], network: Network) -> None:
    """Find a plan that can't be lowered before anything is evaluated or written: what holds for any weights needs no
    look at those that there are."""
    for row in rows:
        try:
            lower_any_weights(network, row.plan)
        except PLAN_IS_WRONG:
            with _naming(row.name):
                lower_network(network, row.plan)


def _key(plan: Plan | None) -> str:
    return FLOAT if plan is None else plan.hash


@contextlib.contextmanager
def _naming(row: str) -> Iterator[None]:
    """Put the row's name in front of what is wrong with its plan."""
    try:
        yield
    except PLAN_IS_WRONG as error:
        raise type(error)(f"row {row}: {error}") from error


@dataclass(frozen=True, eq=False)
class _Run:
    """A sweep under way; every method makes one row from the store and what is missing there."""

    network: Network
    images: Dataset
    metric: Metric
    evaluation: Evaluation
    executor: Executor
    store: Store
    progress: Progress | None
    own: SweepRow | None
    """The file's own plan, if it has one: what all rows are compared with, else the float row."""

    def side_by_side(self, rows: Sequence[SweepRow]) -> None:
        """Evaluate what the store lacks of all rows, in any order.

        Of a plan that is wrong the row says so when its turn comes, after those before it.
        """
        named: list[tuple[str, Plan | None]] = [(FLOAT, None)]
        if self.own is None and isinstance(self.metric.judged, ByFloat):
            named = []  # it is the yardstick itself
        named += [(row.name, row.plan) for row in (*([] if self.own is None else [self.own]), *rows)]
        plans = {_key(plan): (name, plan) for name, plan in named}
        missing: list[Unit[Plan | None]] = []
        for key, (name, plan) in plans.items():
            if self.store.finished(key) is None:
                self.store.describe(key, name)
            missing += [Unit(plan, gap) for gap in gaps(self.store.records(key), self.images.images)]
        total = self.images.images * len(plans)
        left = {key: sum(len(unit.images) for unit in missing if _key(unit.plan) == key) for key in plans}
        with showing(self.progress, counted(len(plans), "row"), total) as advance, contextlib.suppress(*PLAN_IS_WRONG):
            advance(total - sum(left.values()))

            def take(part: Unit[Plan | None], record: Record) -> None:
                key = _key(part.plan)
                self.store.add(key, record)
                advance(len(part.images))
                left[key] -= len(part.images)
                if part.plan is not None and not left[key]:
                    with contextlib.suppress(*PLAN_IS_WRONG):
                        self._finish(plans[key][0], part.plan)  # while others are computed

            self.executor.run(self.evaluation, missing, take)

    def float_row(self) -> Row:
        if self.own is None and isinstance(self.metric.judged, ByFloat):
            return Row(FLOAT, None, False, self.images.images, **self.metric.judged.itself)
        self.store.describe(FLOAT, FLOAT)
        self._fill(FLOAT, FLOAT, None)
        return Row(FLOAT, None, False, self.images.images, **self._figures(FLOAT))

    def plan_row(self, row: SweepRow) -> Row:
        key = row.plan.hash
        with _naming(row.name):
            known = self.store.finished(key)
            if known is None:
                known = self._evaluate(row)
            else:
                with showing(self.progress, f"{row.name} (kept)", self.images.images) as advance:
                    advance(self.images.images)
        priced = cost_or_reason(self.network, row.plan)
        counts = dict(known.parameter_overflows) | totals(self.store.records(key), "overflows", operator.add)
        return Row(
            row.name,
            key,
            known.exact,
            self.images.images,
            overflows={site: counts[site] for site in row.plan.sites if site in counts},
            layers=tuple(LayerProof(**layer) for layer in known.layers),
            **(priced.summary() if isinstance(priced, Cost) and not priced.unbounded else {}),
            **self._figures(key),
        )

    def _evaluate(self, row: SweepRow) -> Facts:
        """All of a row into the store: its records, then what they prove."""
        self.evaluation.program(row.plan)  # a plan that is wrong leaves nothing in the store
        self.store.describe(row.plan.hash, row.name)
        self._fill(row.plan.hash, row.name, row.plan)
        return self._finish(row.name, row.plan)

    def _finish(self, name: str, plan: Plan) -> Facts:
        """What a row's records prove, into the store."""
        program = self.evaluation.program(plan)
        layers = prove(program, totals(self.store.records(plan.hash), "peaks", max))
        facts = Facts(is_exact(program), program.parameter_overflows, [asdict(layer) for layer in layers])
        self.store.describe(plan.hash, name, facts)
        return facts

    def _fill(self, key: str, name: str, plan: Plan | None) -> None:
        """Evaluate what the store lacks of a row."""
        records = self.store.records(key)
        missing = gaps(records, self.images.images)
        with showing(self.progress, name if missing else f"{name} (kept)", self.images.images) as advance:
            advance(sum(record.images for record in records))

            def take(part: Unit[Plan | None], record: Record) -> None:
                self.store.add(key, record)
                advance(len(part.images))

            self.executor.run(self.evaluation, [Unit(plan, gap) for gap in missing], take)

    def _figures(self, key: str) -> Figures:
        reference, arrays = FLOAT if self.own is None else self.own.plan.hash, self._arrays(key)
        if key == reference and isinstance(self.metric.judged, ByFloat):
            return self.metric.judged.itself
        found = self.metric.summarise(arrays)
        if key == reference or not isinstance(self.metric.judged, ByLabels):
            return found
        return {**found, **self.metric.judged.beside(arrays, self._arrays(reference))}

    def _arrays(self, key: str) -> Arrays:
        return joined([record.arrays for record in self.store.records(key)])
