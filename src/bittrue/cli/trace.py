"""bittrue trace: why a plan does what it does, site by site."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.engine import EngineName, check_engine, opened_engine
from bittrue.cli.options import BatchSize, DataOptions, FewImages, ModelOptions, PlanFile, RepairedFile
from bittrue.cli.output import optional_folder, say
from bittrue.cli.progress import progress
from bittrue.cli.tables import TableOptions, print_view, shown_as_data


@command
def trace(
    model: ModelOptions,
    plan: PlanFile,
    data: DataOptions,
    common: TableOptions,
    repaired: RepairedFile = None,
    images: FewImages = 64,
    batch_size: BatchSize = None,
    engine: EngineName = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Write trace.json into this folder; `bittrue report` shows it in the page."
        ),
    ] = None,
) -> None:
    """Say which sites overflow or round to 0, and what freeing each of them, or the fewest together, brings back."""
    check_engine(engine)
    from bittrue.analysis.tracing.trace import trace as run

    trained, network, formats = model.load_beside_trained(plan, repaired)
    dataset = data.load(network)
    with optional_folder(out) as folder, progress() as display, opened_engine(engine, common) as shared:
        result = run(
            network,
            formats,
            dataset,
            trained=trained,
            images=images,
            batch_size=batch_size,
            out=folder,
            engine=shared,
            progress=display,
        )
    if shown_as_data(result, common):
        return
    print_view(result.view())
    if folder is not None:
        say(f"Written into {folder}")
