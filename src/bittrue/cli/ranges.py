"""bittrue ranges: what values each site takes, and the integer bits that follow."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import BatchSize, CommonOptions, DataOptions, Images, Model
from bittrue.cli.output import output_file, say, say_json
from bittrue.cli.progress import progress
from bittrue.cli.tables import Column, print_table

if TYPE_CHECKING:
    from bittrue.plan import Ranges


@command
def ranges(
    model: Model,
    data: DataOptions,
    common: CommonOptions,
    images: Images = None,
    batch_size: BatchSize = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="ranges.json", help="Write the ranges, for `bittrue plan --ranges`.")
    ] = None,
) -> None:
    """Measure what values each site takes in the float network, and the integer bits that follow."""
    from bittrue.analysis.ranges import measure_ranges
    from bittrue.files import dump_json
    from bittrue.frontends import load

    network = load(model)
    dataset = data.load(network)
    with output_file(out) as target:
        with progress() as display:
            measured = measure_ranges(network, dataset, images=images, batch_size=batch_size, progress=display)
        if target is not None:
            target.write_text(dump_json(measured.to_json()), encoding="utf-8")
    if common.json:
        say_json(measured.to_json())
        return
    print_ranges(measured)
    if out is not None:
        say(f"Written: {out}")


def print_ranges(measured: "Ranges") -> None:
    """The ranges as a table."""
    rows = [
        (
            name,
            f"{site.low:.6g}",
            f"{site.high:.6g}",
            f"{100 * site.zeros / site.count:.1f}",
            str(site.integer_bits),
            site.reason,
        )
        for name, site in measured.sites.items()
    ]
    columns = [
        Column("site"),
        Column("smallest", number=True),
        Column("largest", number=True),
        Column("zeros %", number=True),
        Column("bits", number=True),
        Column("because", folds=True),
    ]
    images, name = measured.data["images"], measured.data["name"]
    print_table(
        columns, rows, f"Ranges in float, on {images:,} images of {name}; bits: the integer bits that they need"
    )
