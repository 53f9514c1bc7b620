"""bittrue ranges: what values each site takes, the integer bits that follow, and the accumulators of the layers."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.bits import parse_number
from bittrue.cli.command import command
from bittrue.cli.engine import EngineName, check_engine, opened_engine
from bittrue.cli.options import BatchSize, DataOptions, Images, ModelOptions
from bittrue.cli.output import say
from bittrue.cli.progress import progress
from bittrue.cli.tables import TableOptions, print_view, shown_as_data


@command
def ranges(
    model: ModelOptions,
    data: DataOptions,
    common: TableOptions,
    images: Images = None,
    batch_size: BatchSize = None,
    word_length: Annotated[
        str | None,
        typer.Option(
            "--word-length",
            metavar="W",
            help="Accumulators for W-bit words of the hardware recipe, from these ranges (default: 8).",
        ),
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", metavar="plan.json", help="Accumulators for the formats of this plan.")
    ] = None,
    engine: EngineName = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="ranges.json", help="Write the ranges, for `bittrue plan --ranges`.")
    ] = None,
) -> None:
    """Measure what values each site takes in float, the integer bits that follow, and how wide accumulators must be."""
    check_engine(engine)
    from bittrue.analysis.measure import WORD_LENGTH, measure
    from bittrue.errors import BittrueError

    if plan is not None and word_length is not None:
        raise BittrueError("--plan has its own word lengths: leave --word-length out.")
    words = WORD_LENGTH if word_length is None else parse_number(word_length, "--word-length")
    network, formats = (model.load(), None) if plan is None else model.load_for(plan)
    dataset = data.load(network)
    with progress() as display, opened_engine(engine, common) as shared:
        found = measure(
            network,
            dataset,
            formats,
            word_length=words,
            called=str(plan),
            images=images,
            batch_size=batch_size,
            out=out,
            engine=shared,
            progress=display,
        )
    if shown_as_data(found, common):
        return
    print_view(found.view())
    if out is not None:
        say(f"Written: {out}")
