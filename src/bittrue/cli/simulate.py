"""bittrue simulate: what the fixed-point network computes, bit for bit."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import BatchSize, CommonOptions, DataOptions, Images, Model, PlanFile, load_plan
from bittrue.cli.output import optional_folder, say, say_json
from bittrue.cli.progress import progress
from bittrue.cli.tables import Column, print_table
from bittrue.wording import counted, percent

if TYPE_CHECKING:
    from bittrue.analysis.simulate import Simulation


@command
def simulate(
    model: Model,
    plan: PlanFile,
    data: DataOptions,
    common: CommonOptions,
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
    from bittrue.files import dump_json, write_text
    from bittrue.frontends import load

    if nodes and out is None:
        raise BittrueError("--nodes writes files: name their folder with --out DIR.")
    network = load(model)
    formats = load_plan(plan)
    dataset = data.load(network)
    with optional_folder(out) as folder:
        with progress() as display:
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
        if folder is not None:
            write_text(folder / "simulate.json", dump_json(result.to_json()))
    if common.json:
        say_json(result.to_json())
        return
    _print(result)
    if folder is not None:
        say(f"Written into {folder}")


def _print(result: "Simulation") -> None:
    columns = [
        Column("node"),
        Column("computed as"),
        Column("bound, bits", number=True),
        Column("margin, bits", number=True),
    ]
    rows = [
        (layer.node, layer.strategy, f"{layer.bound_bits:.2f}", f"{layer.margin_bits:.2f}") for layer in result.layers
    ]
    print_table(columns, rows, "Proof: how large a layer's numbers can become, and how far that is from inexact")
    overflowing = [(site, f"{count:,}") for site, count in result.overflows.items() if count]
    if overflowing:
        print_table([Column("site"), Column("overflows", number=True)], overflowing)
    if result.accuracy is not None and result.interval is not None and result.over_ties is not None:
        low, high = result.interval
        interval = f"{percent(low)} … {percent(high)} at 95 %"
        say(f"Accuracy {percent(result.accuracy)} ({interval}), loss {result.loss:.4f}.")
        if result.tied:
            worst, best = result.over_ties
            tied = counted(result.tied, "image")
            say(f"A tied top value in {tied}: {percent(worst)} … {percent(best)} over the ties.")
    exact = "exact, proven for every layer" if result.exact else "not exact, since FLOAT has a part in it"
    say(f"{counted(result.images, 'image')}, {counted(sum(result.overflows.values()), 'overflow')}; {exact}.")
