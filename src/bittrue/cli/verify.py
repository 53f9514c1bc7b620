"""bittrue verify: the simulation against another witness, bit for bit."""

from typing import Annotated

import typer

from bittrue.cli.command import ANSWER_IS_NO, command
from bittrue.cli.options import CommonOptions, DataOptions, FewImages, ModelOptions, PlanFile, Until, load_plan
from bittrue.cli.output import say_json
from bittrue.cli.progress import progress
from bittrue.cli.tables import print_view


@command
def verify(
    model: ModelOptions,
    plan: PlanFile,
    data: DataOptions,
    common: CommonOptions,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            metavar="WITNESS",
            help="reference: the definition in Python integers; c: the C of an export, built and run; hls4ml: its C "
            "simulation, built and run; or a folder of what a device computed, a file a site.",
        ),
    ] = "reference",
    images: FewImages = 2,
    until: Until = None,
) -> None:
    """Compare every node's codes with those of another witness, bit for bit; exit code 1 where one differs."""
    from bittrue.exports.witness import verify as compare

    network = model.load()
    formats = load_plan(plan)
    dataset = data.load(network)
    with progress() as display:
        result = compare(network, formats, dataset, against=against, images=images, until_node=until, progress=display)
    if common.json:
        say_json(result.to_json())
    else:
        print_view(result.view())
    if result.mismatches:
        raise typer.Exit(ANSWER_IS_NO)
