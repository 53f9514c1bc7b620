"""bittrue export: a planned network as files for hardware."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import CommonOptions, ModelOptions, OptionalDataOptions, PlanFile, Until, load_plan
from bittrue.cli.output import say_json
from bittrue.cli.tables import print_view


@command
def export(
    model: ModelOptions,
    plan: PlanFile,
    common: CommonOptions,
    data: OptionalDataOptions,
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="TARGET,…", help="c: C99, integers alone; vectors: golden vectors of every layer."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="The folder of the export; an export that is there is replaced."),
    ],
    images: Annotated[
        int | None,
        typer.Option("--images", metavar="N", min=1, help="Golden vectors of the first N images (default: 10)."),
    ] = None,
    until: Until = None,
) -> None:
    """Write the network under a plan for hardware: integers, each file's format and hash in manifest.json."""
    from bittrue.exports.export import export as write

    network = model.load()
    formats = load_plan(plan)
    result = write(network, formats, to, out, data=data.load_if_given(network), images=images, until_node=until)
    if common.json:
        say_json(result.to_json())
    else:
        print_view(result.view())
