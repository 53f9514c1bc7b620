"""bittrue sensitivity: what each weight and each output costs alone at each word length."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import BatchSize, DataOptions, FewImages, ModelOptions, Sites
from bittrue.cli.output import optional_folder, say
from bittrue.cli.progress import progress
from bittrue.cli.tables import TableOptions, print_view, shown_as_data
from bittrue.cli.words import FreePoint, FreeWords, PerChannel


@command
def sensitivity(
    model: ModelOptions,
    data: DataOptions,
    common: TableOptions,
    words: FreeWords = "2:8",
    images: FewImages = 256,
    point: FreePoint = "least-squares",
    per_channel: PerChannel = True,
    site: Sites = None,
    pairs: Annotated[
        bool,
        typer.Option("--pairs/--no-pairs", help="Look for pairs of sites that cost together more than alone."),
    ] = True,
    batch_size: BatchSize = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write sensitivity.json and report.html there."),
    ] = None,
) -> None:
    """Say what each weight and each output costs alone at each word length, all other words being long."""
    from bittrue.analysis.sensitivity import sensitivity as run
    from bittrue.plan import Override, parse_point
    from bittrue.reports.search_page import build_sensitivity_report

    network = model.load()
    dataset = data.load(network)
    with optional_folder(out) as folder, progress() as display:
        found = run(
            network,
            dataset,
            words=words,
            images=images,
            point=parse_point(point),
            per_channel=per_channel,
            overrides=tuple(map(Override.parse, site or ())),
            pairs=pairs,
            batch_size=batch_size,
            out=folder,
            progress=display,
        )
        if folder is not None:
            build_sensitivity_report(folder)
    if shown_as_data(found, common):
        return
    print_view(found.view())
    if folder is not None:
        say(f"Written into {folder}")
