"""bittrue repair: better weights for a plan, without training."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import DataOptions, ModelOptions, PlanFile
from bittrue.cli.output import say
from bittrue.cli.progress import progress
from bittrue.cli.tables import TableOptions, print_view, shown_as_data

PLAN, WEIGHTS = "plan.json", "weights.npz"


@command
def repair(
    model: ModelOptions,
    plan: PlanFile,
    data: DataOptions,
    common: TableOptions,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder for plan.json and weights.npz, which go together.")
    ],
    repairs: Annotated[
        str,
        typer.Option(
            "--repair",
            metavar="auto|none|LIST",
            help="auto tries and keeps what helps; LIST, of fold, equalize, shift, grid, rescale, steps, gptq, qronos, "
            "bias, batch-norm, adaround, blocks and points, joined by commas: these, in this order.",
        ),
    ] = "auto",
    images: Annotated[
        int | None,
        typer.Option(
            "--images", metavar="N", min=2, help="Repair on the first N images, without their labels (default: 1000)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Draws what only a part is looked at of.")] = 0,
) -> None:
    """Make better weights for a plan, from images and without training; give them to other commands with --repaired."""
    from bittrue.files import replacing_together
    from bittrue.repairs.repair import repair as run

    network, formats = model.load_for(plan)
    dataset = data.load(network)
    with progress() as display:
        found = run(network, formats, dataset, repairs, images=images, seed=seed, progress=display)
    with replacing_together(out, (PLAN, WEIGHTS)) as folder:
        found.plan.save(folder / PLAN)
        found.save(folder / WEIGHTS)
    if shown_as_data(found, common):
        return
    print_view(found.view())
    say(f"Written: {out / PLAN}, and {out / WEIGHTS} for --repaired")
