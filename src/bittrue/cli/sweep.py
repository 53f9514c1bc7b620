"""bittrue sweep: the network at several numbers of bits beside float, and how few suffice."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.analysis.evaluating.metrics import NAMES as METRICS
from bittrue.cli.command import command
from bittrue.cli.options import (
    BatchSize,
    CommonOptions,
    DataOptions,
    FractionBits,
    Images,
    ModelOptions,
    RecipeOptions,
    parse_bits,
)
from bittrue.cli.output import optional_folder, say, say_json
from bittrue.cli.progress import progress
from bittrue.cli.tables import print_view
from bittrue.cli.words import WordOptions

if TYPE_CHECKING:
    from bittrue.analysis.sweep import SweepRow
    from bittrue.analysis.sweep_result import Sweep
    from bittrue.analysis.verify import Verification
    from bittrue.network import Network
    from bittrue.plan import Ranges

RANGES_IMAGES = 256
"""The report shows the ranges of the first images where the recipe needs none."""

STORE = "results.sqlite"


@command
def sweep(
    context: typer.Context,
    model: ModelOptions,
    data: DataOptions,
    words: WordOptions,
    recipe: RecipeOptions,
    common: CommonOptions,
    fraction_bits: FractionBits = None,
    calibrate: Annotated[
        int | None,
        typer.Option(
            "--calibrate",
            metavar="N",
            min=1,
            rich_help_panel="Data",
            help="Images to measure the hardware recipe's ranges on: of the training split, else left out of the test.",
        ),
    ] = None,
    images: Images = None,
    batch_size: BatchSize = None,
    metric: Annotated[
        str,
        typer.Option("--metric", metavar="|".join(METRICS), help="What is measured; the last two beside float."),
    ] = "accuracy",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="A folder for the results and the report; a killed sweep resumes there."
        ),
    ] = None,
) -> None:
    """Evaluate the network at several numbers of bits beside float, and say how few suffice."""
    from bittrue.analysis.ranges import measure_ranges
    from bittrue.analysis.sweep import sweep as evaluate
    from bittrue.analysis.sweep import sweep_rows
    from bittrue.errors import BittrueError

    lengths = words.all()
    fractions = () if fraction_bits is None else parse_bits(fraction_bits, "--fraction-bits")
    chosen = recipe.choose(word_length=bool(lengths), fraction_bits=bool(fractions))
    if calibrate is not None and not chosen.needs_ranges:
        raise BittrueError(
            f"--calibrate has no use in the recipe {chosen.name}: leave it out, or give --word-length alone."
        )
    network = model.load()
    if chosen.needs_ranges:
        calibration, dataset = data.load_with_calibration(network, calibrate)
    else:
        dataset = data.load(network)
        calibration = dataset.take(min(RANGES_IMAGES, dataset.images))
    with optional_folder(out) as folder, progress() as display:
        measured = None
        if chosen.needs_ranges or folder is not None:
            measured = measure_ranges(network, calibration, batch_size=batch_size, progress=display)
        rows = sweep_rows(network, chosen, word_lengths=lengths, fraction_bits=fractions, ranges=measured)
        try:
            result = evaluate(
                network,
                dataset,
                rows,
                store=None if folder is None else folder / STORE,
                images=images,
                batch_size=batch_size,
                metric=metric,
                calibration=measured.data if measured is not None and chosen.needs_ranges else None,
                command=context.obj,
                progress=display,
            )
        except KeyboardInterrupt:
            if folder is None:
                raise
            raise KeyboardInterrupt(f"the same command goes on from what is in {folder / STORE}") from None
        if folder is not None:
            write_results(folder, network, measured, rows, result)
    if common.json:
        say_json(result.to_json())
        return
    print_view(result.view())
    if folder is not None:
        say(f"The report: {folder / 'report.html'}")


def write_results(
    folder: Path,
    network: "Network",
    ranges: "Ranges | None",
    rows: "Sequence[SweepRow]",
    result: "Sweep",
    verification: "Verification | None" = None,
) -> None:
    """Everything that a sweep leaves in its folder beside its store, the report last."""
    from bittrue.files import write_text
    from bittrue.report.page import build_report

    plan = sufficient(rows, result).plan
    parts = {"ranges": ranges, "plan": plan, "sweep": result, "verify": verification}
    write_text(folder / "network.txt", network.text)
    for name, part in parts.items():
        if part is not None:
            part.save(folder / f"{name}.json")
    build_report(folder)


def sufficient(rows: "Sequence[SweepRow]", result: "Sweep") -> "SweepRow":
    """What was asked for as the sweep's sufficient row; the last row, which has the most bits, where none suffices."""
    enough = result.sufficient
    return rows[-1] if enough is None else next(row for row in rows if row.name == enough.name)
