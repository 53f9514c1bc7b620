"""A study: ranges, a sweep, the plan that it chooses, and the folder that says it all, in one call."""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bittrue._version import __version__
from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.evaluating.store import Store, Study, holds_batches
from bittrue.analysis.progress import Progress, found_here, showing
from bittrue.analysis.ranges import calibration_images, measure_ranges, unmeasured_images
from bittrue.analysis.recipe import Recipe, choose_recipe
from bittrue.analysis.standard import MAX_DROP, Standard, check_decide
from bittrue.analysis.sweep import SweepRow, sweep, sweep_rows
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verify import Verification, verify
from bittrue.data import DataLike, Dataset
from bittrue.display import View
from bittrue.errors import BittrueError, PlanError
from bittrue.files import dump_json, make_folder, replacing_together, write_text
from bittrue.network import Network
from bittrue.plan import Plan, Ranges, WordLengths
from bittrue.reports.page import build_report
from bittrue.result import Result

RANGES_IMAGES = 256
"""The report shows the ranges of the first images where the recipe needs none."""

STORE = "results.sqlite"
FILES = ("sweep.json", "plan.json", "ranges.json", "network.txt", "report.html", "accuracy.png")
"""What a study leaves beside it, all of one study."""


@dataclass(frozen=True, repr=False)
class StudyResult(Result):
    """What a study found.

    plan: of the sweep's sufficient row; None where no row is shown to suffice. ranges: None where nothing needs them.
    verification: of the plan, where images were to be verified. folder: where all of it lies.
    """

    sweep: Sweep
    plan: Plan | None
    ranges: Ranges | None
    verification: Verification | None
    folder: Path | None

    @property
    def mismatches(self) -> int:
        """What the verification found; 0 where there was none."""
        return 0 if self.verification is None else self.verification.mismatches

    def view(self) -> View:
        """The sweep's, and how the check went."""
        return (*self.sweep.view(), *(() if self.verification is None else self.verification.view()))

    def records(self) -> list[dict[str, Any]]:
        """The sweep's."""
        return self.sweep.records()

    def to_json(self) -> dict[str, Any]:
        """sweep.json's object; the other parts have files of their own."""
        return self.sweep.to_json()


def study(
    network: Network,
    dataset: DataLike,
    recipe: Recipe | None = None,
    *,
    word_lengths: Sequence[int | WordLengths] = (),
    fraction_bits: Sequence[int] = (),
    calibration: DataLike | None = None,
    ranges: Ranges | None = None,
    file_plan: Plan | None = None,
    out: str | Path | None = None,
    images: int | None = None,
    batch_size: int | None = None,
    metric: str = "accuracy",
    max_drop: float = MAX_DROP,
    decide: float | None = None,
    seed: int = 0,
    verified_images: int = 0,
    command: str | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Evaluate the network at several numbers of bits beside float, say how few suffice, and leave a folder.

    recipe: None: the one that the bits given mean, as on the command line. calibration: what the ranges are measured
    on; None: where the recipe needs them, images that are then left out of the test (see `calibration_images`), else
    the first of `dataset`. ranges: those that the recipe needs, measured before; then nothing is measured. Images of
    `dataset` that they were measured on are left out of the test (see `unmeasured_images`). file_plan: see `sweep`.
    max_drop: the percentage points of accuracy that a row may lose and still suffice. verified_images: on so many the
    plan, if there is one, is compared with the definition.

    out: the folder for sweep.json, plan.json, ranges.json, verify.json, network.txt, the report, and the store, from
    which a study that was killed goes on where it was. images, batch_size, metric, decide, seed: see `sweep`.

    Raises: what `choose_recipe`, `measure_ranges`, `sweep_rows`, `sweep` and `verify` raise; BittrueError where `out`
    can't be written.
    """
    Standard(max_drop)  # refuses what is no largest drop before anything is measured
    if decide is not None:
        check_decide(decide, max_drop)
    chosen = recipe
    if chosen is None:
        chosen = choose_recipe(word_length=bool(word_lengths), fraction_bits=bool(fraction_bits))
    if ranges is not None and (calibration is not None or not chosen.needs_ranges):
        raise PlanError(f"ranges have no use in the recipe {chosen.name}, or beside a calibration: leave one out.")
    dataset = chosen_images(network, dataset, None)
    was_given = calibration is not None or ranges is not None
    if not was_given:
        calibration = dataset.take(min(RANGES_IMAGES, dataset.images))
        if chosen.needs_ranges:
            calibration, dataset = calibration_images(dataset)
    folder = None if out is None else Path(out)
    if folder is not None:
        make_folder(folder)
        _check_free(folder, network, chosen)
    with _without_a_trace(folder), found_here(progress) as display:
        if ranges is None and (chosen.needs_ranges or folder is not None):
            measured_on = chosen_images(network, calibration, None)
            ranges = _ranges(network, measured_on, folder, batch_size=batch_size, progress=display)
        rows = sweep_rows(network, chosen, word_lengths=word_lengths, fraction_bits=fraction_bits, ranges=ranges)
        if was_given and chosen.needs_ranges and ranges is not None:
            dataset = unmeasured_images(dataset, ranges)
        try:
            result = sweep(
                network,
                dataset,
                rows,
                file_plan=file_plan,
                store=None if folder is None else folder / STORE,
                images=images,
                batch_size=batch_size,
                metric=metric,
                max_drop=max_drop,
                decide=decide,
                seed=seed,
                calibration=ranges.data if ranges is not None and chosen.needs_ranges else None,
                command=command,
                progress=display,
            )
            result = replace(result, recipe=chosen.to_json())
        except KeyboardInterrupt:
            if folder is None:
                raise
            raise KeyboardInterrupt(f"the same command goes on from what is in {folder / STORE}") from None
        enough = sufficient_row(rows, result)
        plan = None if enough is None else enough.plan
        verification = None
        if plan is not None and verified_images:
            verification = verify(network, plan, dataset, images=verified_images, progress=display)
    found = StudyResult(result, plan, ranges, verification, folder)
    if folder is not None:
        _leave(found, network, folder)
    return found


@contextlib.contextmanager
def _without_a_trace(folder: Path | None) -> Iterator[None]:
    """A study that is refused before anything was evaluated leaves no store behind; one that was there stays."""
    if folder is None or (folder / STORE).exists():
        yield
        return
    try:
        yield
    except BittrueError:
        if not holds_batches(folder / STORE):
            for left in folder.glob(f"{STORE}*"):
                left.unlink()
        raise


def sufficient_row(rows: Sequence[SweepRow], result: Sweep) -> SweepRow | None:
    """What was asked for as the sweep's sufficient row; None where none is shown to suffice."""
    enough = result.sufficient
    return None if enough is None else next(row for row in rows if row.name == enough.name)


def _check_free(folder: Path, network: Network, recipe: Recipe) -> None:
    """Refuse a folder whose plan and report are another recipe's, or another network's: they would be lost."""
    try:
        there = Sweep.load(folder / "sweep.json")
    except BittrueError:  # none, or one that nobody can read
        return
    if there.network != network.hash:
        raise BittrueError(
            f"{folder} holds a sweep of another network, {there.network_name}, which would be lost: give --out another "
            "folder."
        )
    if there.recipe is not None and there.recipe != recipe.to_json():
        which = there.recipe.get("name")
        other = f"the recipe {which}" if which != recipe.name else f"the recipe {which} with other options"
        raise BittrueError(
            f"{folder} holds a sweep of {other}, whose plan and report would be lost: give --out another folder."
        )


def _ranges(
    network: Network, images: Dataset, folder: Path | None, *, batch_size: int | None, progress: Progress | None
) -> Ranges:
    """The ranges of these images; kept in the folder's store, so that a study that goes on doesn't measure again."""
    if folder is None:
        return measure_ranges(network, images, batch_size=batch_size, progress=progress)
    path = folder / STORE
    with Store.open(path, Study(network.hash, images.sha256, {"ranges": __version__})) as store:
        kept = store.kept("ranges")
        if kept is not None:
            with showing(progress, "ranges (kept)", images.images) as advance:
                advance(images.images)
            return Ranges.from_json(json.loads(kept), str(path))
        ranges = measure_ranges(network, images, batch_size=batch_size, progress=progress)
        store.keep("ranges", dump_json(ranges.to_json()))
    return ranges


def _leave(found: StudyResult, network: Network, folder: Path) -> None:
    """Everything that a study leaves in its folder beside its store, together; then the report of it.

    A verification that was there stays where it is about the same plan.
    """
    parts = {"ranges": found.ranges, "plan": found.plan, "sweep": found.sweep, "verify": found.verification}
    with replacing_together(folder, [*FILES, *_outdated(found, folder)]) as together:
        write_text(together / "network.txt", network.text)
        for name, part in parts.items():
            if part is not None:
                part.save(together / f"{name}.json")
    build_report(folder)


def _outdated(found: StudyResult, folder: Path) -> list[str]:
    """verify.json, unless it is about the plan that is found."""
    if found.verification is None and found.plan is not None:
        with contextlib.suppress(BittrueError):
            if Verification.load(folder / "verify.json").plan == found.plan.hash:
                return []
    return ["verify.json"]
