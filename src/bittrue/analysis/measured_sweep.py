"""sweep: from numbers of bits to their rows, with ranges where these need some; `analysis.sweep` evaluates them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Unpack

from bittrue.analysis.asked import Options, SweepRow, as_ranges, asked_for
from bittrue.analysis.evaluating.engine import EngineLike, opened
from bittrue.analysis.progress import Progress, found_here
from bittrue.analysis.ranges import calibration_and_test, measure_ranges, unmeasured_images
from bittrue.analysis.standard import MAX_DROP
from bittrue.analysis.sweep import sweep as sweep_of_rows
from bittrue.analysis.sweep_result import Sweep
from bittrue.data import DataLike
from bittrue.errors import PlanError
from bittrue.network import Network
from bittrue.plan import Plan, Ranges


def sweep(
    network: Network,
    dataset: DataLike,
    rows: Sequence[SweepRow] | None = None,
    *,
    calibrate: int | None = None,
    calibration: DataLike | None = None,
    ranges: Ranges | str | Path | None = None,
    file_plan: Plan | None = None,
    store: str | Path | None = None,
    images: int | None = None,
    batch_size: int | None = None,
    metric: str = "accuracy",
    max_drop: float = MAX_DROP,
    decide: float | None = None,
    seed: int = 0,
    command: str | None = None,
    engine: EngineLike = None,
    progress: Progress | None = None,
    **options: Unpack[Options],
) -> Sweep:
    """Evaluate the float network and one plan after another on the same images, and say how few bits suffice.

    The plans are those of `rows`, or what the options ask for as on the command line: `word_length="4:10"`,
    `weights="4:8", activations="6:8"`, `recipe=["study", "hardware"]`, and so on (see `Options`). `result.plan` is the
    one that was picked. `bittrue.study` leaves the command's files, too.

    calibrate, calibration, ranges: see `calibration_and_test`; images that given ranges were measured on are left out
    of the test. The other arguments are those of `analysis.sweep.sweep`.

    engine: see `measure_ranges`.

    Raises: what `asked_for`, `calibration_and_test`, `measure_ranges` and `analysis.sweep.sweep` raise.
    """
    with opened(engine) as shared:
        measured, facts, recipe = as_ranges(ranges), None, None
        if rows is not None:
            if options or (calibrate, calibration, ranges) != (None, None, None):
                raise PlanError("the rows of this sweep are given: leave out what says how others would be made.")
        else:
            asked = asked_for(**options)
            was_given = calibration is not None or measured is not None
            calibration, dataset = calibration_and_test(
                network,
                dataset,
                needed=asked.needs_ranges,
                calibrate=calibrate,
                calibration=calibration,
                ranges=measured,
            )
            if asked.needs_ranges and measured is None:
                with found_here(progress) as display:
                    measured = measure_ranges(
                        network, calibration, batch_size=batch_size, engine=shared, progress=display
                    )
            if asked.needs_ranges and measured is not None:
                facts = measured.data
                dataset = unmeasured_images(dataset, measured) if was_given else dataset
            rows, recipe = asked.rows(network, measured), asked.to_json()
        found = sweep_of_rows(
            network,
            dataset,
            rows,
            file_plan=file_plan,
            store=store,
            images=images,
            batch_size=batch_size,
            metric=metric,
            max_drop=max_drop,
            decide=decide,
            seed=seed,
            calibration=facts,
            command=command,
            engine=shared,
            progress=progress,
        )
        return replace(found, recipe=recipe)
