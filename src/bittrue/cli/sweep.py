"""bittrue sweep: the network at several numbers of bits beside float, and how few suffice."""

from pathlib import Path
from typing import Annotated

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
    from bittrue.errors import BittrueError
    from bittrue.report.study import study

    lengths = words.all()
    fractions = () if fraction_bits is None else parse_bits(fraction_bits, "--fraction-bits")
    chosen = recipe.choose(word_length=bool(lengths), fraction_bits=bool(fractions))
    if calibrate is not None and not chosen.needs_ranges:
        raise BittrueError(
            f"--calibrate has no use in the recipe {chosen.name}: leave it out, or give --word-length alone."
        )
    network = model.load()
    calibration = None
    if chosen.needs_ranges:
        calibration, dataset = data.load_with_calibration(network, calibrate)
    else:
        dataset = data.load(network)
    with optional_folder(out) as folder, progress() as display:
        found = study(
            network,
            dataset,
            chosen,
            word_lengths=lengths,
            fraction_bits=fractions,
            calibration=calibration,
            out=folder,
            images=images,
            batch_size=batch_size,
            metric=metric,
            command=context.obj,
            progress=display,
        )
    if common.json:
        say_json(found.to_json())
        return
    print_view(found.view())
    if folder is not None:
        say(f"The report: {folder / 'report.html'}")
