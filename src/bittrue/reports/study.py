"""A study: ranges, a sweep, the plan that it chooses, and the folder that says it all, in one call."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

from bittrue._version import __version__
from bittrue.analysis.asked import Options, as_ranges, asked_for
from bittrue.analysis.evaluating.engine import Engine, EngineLike, opened
from bittrue.analysis.evaluating.store import Store, Study, holds_batches
from bittrue.analysis.progress import Progress, found_here, showing
from bittrue.analysis.ranges import calibration_and_test, measure_ranges, unmeasured_images
from bittrue.analysis.standard import MAX_DROP, Standard, check_decide
from bittrue.analysis.sweep import sweep
from bittrue.analysis.sweep_result import Sweep
from bittrue.analysis.verify import Verification, verify
from bittrue.data import DataLike, Dataset
from bittrue.display import View
from bittrue.errors import BittrueError, PlanError
from bittrue.files import dump_json, make_folder, replacing_together, write_text
from bittrue.network import Network
from bittrue.plan import Plan, Ranges
from bittrue.reports.page import build_report
from bittrue.result import Result

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
    *,
    calibrate: int | None = None,
    calibration: DataLike | None = None,
    ranges: Ranges | str | Path | None = None,
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
    engine: EngineLike = None,
    progress: Progress | None = None,
    **options: Unpack[Options],
) -> StudyResult:
    """Evaluate the network at several numbers of bits beside float, say how few suffice, and leave a folder.

    The options say which numbers of bits, as on the command line: `word_length="4:10"` (see `Options`). calibrate,
    calibration, ranges: what binary points come from, see `calibration_and_test`; of ranges that are given, nothing is
    measured, and images that they were measured on are left out of the test. file_plan: see `sweep`.
    max_drop: the percentage points of accuracy that a row may lose and still suffice. verified_images: on so many the
    plan, if there is one, is compared with the definition.

    out: the folder for sweep.json, plan.json, ranges.json, verify.json, network.txt, the report, and the store, from
    which a study that was killed goes on where it was. images, batch_size, metric, decide, seed,
    engine: see `sweep`.

    Raises: what `asked_for`, `calibration_and_test`, `measure_ranges`, `sweep` and `verify` raise; BittrueError where
    `out` can't be written.
    """
    Standard(max_drop)  # refuses what is no largest drop before anything is measured
    if decide is not None:
        check_decide(decide, max_drop)
    asked, measured = asked_for(**options), as_ranges(ranges)
    if measured is not None and (calibration is not None or not asked.needs_ranges):
        name = asked.parts[0].recipe.name
        raise PlanError(f"ranges have no use in the recipe {name}, or beside a calibration: leave one out.")
    was_given = calibration is not None or measured is not None
    calibration, dataset = calibration_and_test(
        network, dataset, needed=asked.needs_ranges, calibrate=calibrate, calibration=calibration, ranges=measured
    )
    folder = None if out is None else Path(out)
    if folder is not None:
        make_folder(folder)
        _check_free(folder, network, asked.to_json())
    with _without_a_trace(folder), found_here(progress) as display, opened(engine) as shared:
        if measured is None and (asked.needs_ranges or folder is not None):
            measured = _ranges(network, calibration, folder, batch_size=batch_size, engine=shared, progress=display)
        rows = asked.rows(network, measured)
        if was_given and asked.needs_ranges and measured is not None:
            dataset = unmeasured_images(dataset, measured)
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
                calibration=measured.data if measured is not None and asked.needs_ranges else None,
                command=command,
                engine=shared,
                progress=display,
            )
            result = replace(result, recipe=asked.to_json())
        except KeyboardInterrupt:
            if folder is None:
                raise
            raise KeyboardInterrupt(f"the same command goes on from what is in {folder / STORE}") from None
        plan = result.plan
        verification = None
        if plan is not None and verified_images:
            verification = verify(network, plan, dataset, images=verified_images, engine=shared, progress=display)
    found = StudyResult(result, plan, measured, verification, folder)
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


def _check_free(folder: Path, network: Network, recipe: Any) -> None:
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
    if there.recipe is not None and there.recipe != recipe:
        which, names = _names(there.recipe), _names(recipe)
        raise BittrueError(
            f"{folder} holds a sweep of {which if which != names else f'{which} with other options'}, whose plan and "
            "report would be lost: give --out another folder."
        )


def _names(recipe: Any) -> str:
    """`the recipe study`, `the recipes study and hardware`."""
    several = [recipe] if isinstance(recipe, Mapping) else recipe
    names = " and ".join(str(each.get("name")) for each in several)
    return f"the recipe{'s' if len(several) > 1 else ''} {names}"


def _ranges(
    network: Network,
    images: Dataset,
    folder: Path | None,
    *,
    batch_size: int | None,
    engine: Engine,
    progress: Progress | None,
) -> Ranges:
    """The ranges of these images; kept in the folder's store, so that a study that goes on doesn't measure again."""
    if folder is None:
        return measure_ranges(network, images, batch_size=batch_size, engine=engine, progress=progress)
    path = folder / STORE
    with Store.open(path, Study(network.hash, images.sha256, {"ranges": __version__})) as store:
        kept = store.kept("ranges")
        if kept is not None:
            with showing(progress, "ranges (kept)", images.images) as advance:
                advance(images.images)
            return Ranges.from_json(json.loads(kept), str(path))
        ranges = measure_ranges(network, images, batch_size=batch_size, engine=engine, progress=progress)
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
