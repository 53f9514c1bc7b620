"""measure: a network's ranges, and the accumulators that formats then need, in one call and one file."""

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bittrue.analysis.accumulators import AccumulatorWidths, accumulator_widths
from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.evaluating.engine import EngineLike, opened
from bittrue.analysis.progress import Progress
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.recipe import HARDWARE
from bittrue.data import DataLike
from bittrue.display import Table, View
from bittrue.files import replacing_json
from bittrue.network import Network
from bittrue.plan import PlanLike, Ranges, as_plan
from bittrue.result import Result

WORD_LENGTH = 8
"""Of the formats whose accumulators are reported where no others are asked for."""


@dataclass(frozen=True, repr=False)
class Measurement(Result):
    """Ranges in float, and accumulators under formats; formats: what these are called, as in "plan.json"."""

    ranges: Ranges
    accumulators: AccumulatorWidths
    formats: str

    def view(self) -> View:
        """The ranges', then the accumulators' under a title that says for which formats."""
        title = f"Accumulators for {self.formats}"
        widths = (replace(part, title=title) if isinstance(part, Table) else part for part in self.accumulators.view())
        return (*self.ranges.view(), *widths)

    def records(self) -> list[dict[str, Any]]:
        """The ranges': a row a site."""
        return self.ranges.records()

    def to_json(self) -> dict[str, Any]:
        """ranges.json's object, which `Ranges.load` reads."""
        return self.ranges.to_json() | {"accumulators": self.accumulators.to_json()}


def measure(
    network: Network,
    dataset: DataLike,
    plan: PlanLike | None = None,
    *,
    word_length: int = WORD_LENGTH,
    called: str = "the plan",
    images: int | None = None,
    batch_size: int | None = None,
    out: str | Path | None = None,
    engine: EngineLike = None,
    progress: Progress | None = None,
) -> Measurement:
    """What values each site takes on the first `images` examples (None: all), and how wide accumulators must be.

    plan: the formats that the accumulators are for, `called` so in the result; None: words of `word_length` bits of the
    hardware recipe, from these ranges. out: a file for `to_json`; whether it can be written is looked at first, so that
    nothing is computed in vain, and it appears when all is measured. engine: see `measure_ranges`.

    Raises: what `measure_ranges` and `accumulator_widths` raise; BittrueError where `out` can't be written.
    """
    chosen = chosen_images(network, dataset, images)
    with contextlib.nullcontext() if out is None else replacing_json(out) as write, opened(engine) as shared:
        ranges = measure_ranges(network, chosen, batch_size=batch_size, engine=shared, progress=progress)
        plan = None if plan is None else as_plan(plan)
        if plan is None:
            plan = HARDWARE.plan_for(network, ranges, word_length=word_length)
            called = f"{word_length}-bit words of the hardware recipe"
        widths = accumulator_widths(network, plan, chosen, batch_size=batch_size, engine=shared, progress=progress)
        found = Measurement(ranges, widths, called)
        if write is not None:
            write(found.to_json())
    return found
