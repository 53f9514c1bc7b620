"""bittrue simulate: what the fixed-point network computes, bit for bit."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import BatchSize, DataOptions, Images, ModelOptions, PlanFile, RepairedFile
from bittrue.cli.output import optional_folder, say
from bittrue.cli.progress import progress
from bittrue.cli.tables import TableOptions, print_view, shown_as_data


@command
def simulate(
    model: ModelOptions,
    plan: PlanFile,
    data: DataOptions,
    common: TableOptions,
    repaired: RepairedFile = None,
    images: Images = None,
    batch_size: BatchSize = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Write the result and the outputs into this folder, as .json and .npy."
        ),
    ] = None,
    nodes: Annotated[
        bool, typer.Option("--nodes", help="Write every node's integer codes into the folder, too.")
    ] = False,
) -> None:
    """Run the fixed-point network that a plan describes, bit for bit, and prove that it was computed exactly."""
    from bittrue.analysis.simulate import simulate as run
    from bittrue.errors import BittrueError

    if nodes and out is None:
        raise BittrueError("--nodes writes files: name their folder with --out DIR.")
    network, formats = model.load_for(plan, repaired)
    dataset = data.load(network)
    with optional_folder(out) as folder, progress() as display:
        result = run(
            network,
            formats,
            dataset,
            images=images,
            batch_size=batch_size,
            out=folder,
            nodes=nodes,
            progress=display,
        )
    if shown_as_data(result, common):
        return
    print_view(result.view())
    if folder is not None:
        say(f"Written into {folder}")
