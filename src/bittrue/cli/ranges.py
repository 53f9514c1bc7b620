"""bittrue ranges: what values each site takes, the integer bits that follow, and the accumulators of the layers."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import BatchSize, CommonOptions, DataOptions, Images, ModelOptions, load_plan, parse_number
from bittrue.cli.output import output_json, say, say_json
from bittrue.cli.progress import progress
from bittrue.cli.tables import print_view
from bittrue.display import Table

if TYPE_CHECKING:
    from bittrue.analysis.accumulators import AccumulatorWidths

WORD_LENGTH = 8
"""Of the formats whose accumulators are reported where no others are asked for."""


@command
def ranges(
    model: ModelOptions,
    data: DataOptions,
    common: CommonOptions,
    images: Images = None,
    batch_size: BatchSize = None,
    word_length: Annotated[
        str | None,
        typer.Option(
            "--word-length",
            metavar="W",
            help=f"Accumulators for W-bit words of the hardware recipe, from these ranges (default: {WORD_LENGTH}).",
        ),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="plan.json", help="Accumulators for the formats of this plan.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="ranges.json", help="Write the ranges, for `bittrue plan --ranges`.")
    ] = None,
) -> None:
    """Measure what values each site takes in float, the integer bits that follow, and how wide accumulators must be."""
    from bittrue.analysis.accumulators import accumulator_widths
    from bittrue.analysis.ranges import measure_ranges
    from bittrue.analysis.recipe import HARDWARE
    from bittrue.errors import BittrueError
    from bittrue.files import dump_json

    if plan is not None and word_length is not None:
        raise BittrueError("--plan has its own word lengths: leave --word-length out.")
    words = WORD_LENGTH if word_length is None else parse_number(word_length, "--word-length")
    formats = None if plan is None else load_plan(plan)
    network = model.load()
    dataset = data.load(network)
    with output_json(out) as target:
        with progress() as display:
            measured = measure_ranges(network, dataset, images=images, batch_size=batch_size, progress=display)
            if formats is None:
                formats = HARDWARE.plan_for(network, measured, word_length=words)
            widths = accumulator_widths(
                network, formats, dataset, images=images, batch_size=batch_size, progress=display
            )
        content = measured.to_json() | {"accumulators": widths.to_json()}
        if target is not None:
            target.write_text(dump_json(content), encoding="utf-8")
    if common.json:
        say_json(content)
        return
    print_view(measured.view())
    print_accumulators(widths, f"{words}-bit words of the hardware recipe" if plan is None else str(plan))
    if out is not None:
        say(f"Written: {out}")


def print_accumulators(widths: "AccumulatorWidths", formats: str) -> None:
    """The accumulators, under a title that says for which formats."""
    title = f"Accumulators for {formats}"
    print_view(tuple(replace(part, title=title) if isinstance(part, Table) else part for part in widths.view()))
