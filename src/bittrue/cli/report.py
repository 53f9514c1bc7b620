"""bittrue report: the page of a folder of results."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.options import CommonOptions
from bittrue.cli.output import say, say_json


@command
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", show_default=False, help="A folder that `sweep` or `demo` made.")
    ],
    common: CommonOptions,
    max_drop: Annotated[
        float | None,
        typer.Option(
            "--max-drop",
            metavar="POINTS",
            help="Judge the rows by this loss of accuracy, in percentage points, and write sweep.json anew, first.",
        ),
    ] = None,
) -> None:
    """Make report.html from the results in a folder; it opens offline."""
    from bittrue.reports.page import build_report

    page = build_report(folder, max_drop)
    if common.json:
        say_json({"bittrue": 1, "report": str(page)})
        return
    say(f"Written: {page}")
