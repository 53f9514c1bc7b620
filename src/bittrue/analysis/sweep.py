"""Sweeps: the float network, then one plan after another, on the same images; every finished batch is kept."""

import contextlib
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue._version import __version__
from bittrue.analysis.evaluating.batches import chosen_images, default_batch_size, reading
from bittrue.analysis.evaluating.evaluation import Question, combined, question
from bittrue.analysis.evaluating.metrics import PerImage, PerImageDeviation, flips, join, summarise, summarise_deviation
from bittrue.analysis.evaluating.store import BatchRecord, Store, Study, gaps
from bittrue.analysis.progress import Progress, found_here, showing
from bittrue.analysis.recipe import Recipe
from bittrue.analysis.statistics import mcnemar_exact
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verdict import Row, verdict
from bittrue.data import Batch, Dataset
from bittrue.errors import CarrierError, FormatError, ModelError, PlanError
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan, Ranges, check_plan
from bittrue.simulation.float_model import FloatModel
from bittrue.simulation.proof import LayerProof, prove
from bittrue.simulation.simulator import Simulator, is_exact

FLOAT = "float"
"""The name of the float row, and its key in the store; the others' keys are their plans' hashes."""

Compute = Callable[[Batch], BatchRecord]


@dataclass(frozen=True)
class SweepRow:
    """A row that is asked for."""

    name: str
    plan: Plan


def sweep_rows(
    network: Network,
    recipe: Recipe,
    *,
    word_lengths: Sequence[int] = (),
    fraction_bits: Sequence[int] = (),
    ranges: Ranges | None = None,
) -> tuple[SweepRow, ...]:
    """One row for each number of bits, named F=… or W=… after what is swept; of the other kind there may be one number.

    Raises: PlanError where both are swept, and what `Recipe.plan_for` raises.
    """
    if len(word_lengths) > 1 and len(fraction_bits) > 1:
        raise PlanError("a sweep takes a range of --word-length or of --fraction-bits: give one number for the other.")
    words: Sequence[int | None] = word_lengths or (None,)
    fractions: Sequence[int | None] = fraction_bits or (None,)
    by_word = len(words) > 1 or not fraction_bits
    return tuple(
        SweepRow(
            f"W={word}" if by_word else f"F={fraction}",
            recipe.plan_for(network, ranges, word_length=word, fraction_bits=fraction),
        )
        for word in words
        for fraction in fractions
    )


def sweep(
    network: Network,
    dataset: Dataset,
    rows: Sequence[SweepRow],
    *,
    store: str | Path | None = None,
    images: int | None = None,
    batch_size: int | None = None,
    metric: str = "accuracy",
    calibration: Mapping[str, Any] | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Evaluate the float network and each row's plan on the first `images` examples (None: all).

    store: the results' file; a sweep that was killed goes on where it was, and nothing in it is evaluated twice. The
    rows of exact plans depend on neither batch size nor threads; the last bits of the float row may, and with them
    what is measured against it. One plan is in memory at a time.

    Raises: PlanError for plans that don't fit, before anything is evaluated; CarrierError that names the row where no
    exact result can be promised (the rows before it are in the store); DataError where data and network don't fit;
    BittrueError for a metric that the outputs have no answer to; StoreError for a store that can't be used.
    """
    chosen = chosen_images(network, dataset, images)
    asked = question(network, chosen, metric)
    _check(rows, network)
    size = default_batch_size(network) if batch_size is None else batch_size
    # Another version may compute something else, so its results are no part of this study.
    study = Study(network.hash, chosen.sha256, {"metric": metric, "version": __version__})
    if store is None or not Path(store).exists():
        _check_lowering(rows, network)
    with Store.open(":memory:" if store is None else store, study) as opened, found_here(progress) as display:
        run = _Run(network, chosen, asked, opened, size, display)
        made = [run.float_row()]
        made += [run.plan_row(row) for row in rows]
    return Sweep(
        network=network.hash,
        network_name=network.name,
        data={"name": chosen.name, "split": chosen.split, "sha256": chosen.sha256, "images": chosen.images},
        metric=metric,
        rows=tuple(made),
        verdict=verdict(made, metric),
        calibration=calibration,
        command=command,
    )


def _check(rows: Sequence[SweepRow], network: Network) -> None:
    if not rows:
        raise PlanError("a sweep needs at least one plan beside the float network.")
    names = [FLOAT, *(row.name for row in rows)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise PlanError(f"two rows of the sweep have the name {twice!r}: give each its own.")
    for row in rows:
        with _naming(row.name):
            check_plan(row.plan, network)


def _check_lowering(rows: Sequence[SweepRow], network: Network) -> None:
    """Find a plan that can't be lowered before anything is evaluated or written."""
    for row in rows:
        with _naming(row.name):
            lower_network(network, row.plan)


@contextlib.contextmanager
def _naming(row: str) -> Iterator[None]:
    """Put the row's name in front of what is wrong with its plan."""
    try:
        yield
    except (CarrierError, FormatError, ModelError, PlanError) as error:
        raise type(error)(f"row {row}: {error}") from error


@dataclass(frozen=True, eq=False)
class _Run:
    """A sweep under way; every method makes one row from the store and what is missing there."""

    network: Network
    images: Dataset
    asked: Question
    store: Store
    batch_size: int
    progress: Progress | None

    def float_row(self) -> Row:
        if self.asked.needs_float:  # it is the yardstick itself
            return Row(FLOAT, None, False, self.images.images, mse=0.0)
        self.store.begin(FLOAT, {"name": FLOAT})
        self._fill(FLOAT, FLOAT, self._float_batches)
        return Row(FLOAT, None, False, self.images.images, **self._metrics(FLOAT))

    def plan_row(self, row: SweepRow) -> Row:
        key = row.plan.hash
        with _naming(row.name):
            if "layers" not in (self.store.row(key) or {}):
                self._evaluate(row)
            else:
                with showing(self.progress, row.name, self.images.images) as advance:
                    advance(self.images.images)
        known = self.store.row(key)
        assert known is not None
        counts = known["parameter_overflows"] | self._counters(key, "overflows", operator.add)
        return Row(
            row.name,
            key,
            known["exact"],
            self.images.images,
            overflows={site: counts[site] for site in row.plan.sites if site in counts},
            layers=tuple(LayerProof(**layer) for layer in known["layers"]),
            **self._metrics(key),
        )

    def _evaluate(self, row: SweepRow) -> None:
        """All of a row into the store: its batches, then what they prove."""
        key = row.plan.hash
        program = lower_network(self.network, row.plan)
        self.store.begin(key, {"name": row.name})
        self._fill(key, row.name, lambda: self._plan_batches(Simulator(program)))
        layers = prove(program, self._counters(key, "peaks", max))
        found = {
            "name": row.name,
            "exact": is_exact(program),
            "parameter_overflows": program.parameter_overflows,
            "layers": [asdict(layer) for layer in layers],
        }
        self.store.begin(key, found)

    def _fill(self, key: str, name: str, prepare: Callable[[], Compute]) -> None:
        """Evaluate what the store lacks of a row; models are made by `prepare` only where something is missing."""
        records = self.store.finished(key)
        with showing(self.progress, name, self.images.images) as advance:
            advance(sum(record.images for record in records))
            missing = gaps(records, self.images.images)
            compute = prepare() if missing else None
            for gap in missing:
                assert compute is not None
                with reading(self.images, self.batch_size, start=gap.start, images=len(gap)) as batches:
                    for batch in batches:
                        self.store.add(key, compute(batch))
                        advance(len(batch.x))

    def _float_batches(self) -> Compute:
        model = FloatModel(self.network)
        return lambda batch: self._record(batch, model.run(batch.x).astype(np.float64), None, {})

    def _plan_batches(self, simulator: Simulator) -> Compute:
        model = FloatModel(self.network) if self.asked.needs_float else None

        def compute(batch: Batch) -> BatchRecord:
            result = simulator.run(batch.x)
            float_outputs = None if model is None else model.run(batch.x).astype(np.float64)
            counters = {"overflows": result.overflows, "peaks": result.peaks}
            return self._record(batch, result.outputs, float_outputs, counters)

        return compute

    def _record(
        self,
        batch: Batch,
        outputs: NDArray[np.float64],
        float_outputs: NDArray[np.float64] | None,
        counters: Mapping[str, Mapping[str, int]],
    ) -> BatchRecord:
        judged = self.asked.per_image(outputs, batch, float_outputs)
        arrays = {entry.name: getattr(judged, entry.name) for entry in fields(judged)}
        return BatchRecord(batch.start, len(batch.x), arrays, counters)

    def _counters(self, key: str, group: str, how: Callable[[int, int], int]) -> dict[str, int]:
        return combined((record.counters[group] for record in self.store.finished(key)), how)

    def _metrics(self, key: str) -> dict[str, Any]:
        """The fields of a Row that the metric gives."""
        arrays = [record.arrays for record in self.store.finished(key)]
        if self.asked.needs_float:
            deviation = summarise_deviation(join([PerImageDeviation(**batch) for batch in arrays]))
            return {"mse": deviation.mse, "sqnr": deviation.sqnr}
        records = join([PerImage(**batch) for batch in arrays])
        metrics = summarise(records)
        found = {
            "accuracy": metrics.accuracy,
            "accuracy_interval": metrics.interval,
            "accuracy_over_ties": metrics.over_ties,
            "loss": metrics.loss,
            "correct": metrics.correct,
            "tied": metrics.tied,
            "zero_sum": metrics.zero_sum,
        }
        if key == FLOAT:
            return found
        float_correct = np.concatenate([record.arrays["correct"] for record in self.store.finished(FLOAT)])
        lost, gained = flips(float_correct, records.correct)
        return found | {"lost": lost, "gained": gained, "p_value": mcnemar_exact(lost, gained)}
