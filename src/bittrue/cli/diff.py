"""bittrue diff: what differs between two plans."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.command import ANSWER_IS_NO, command
from bittrue.cli.options import ModelOptions
from bittrue.cli.tables import TableOptions, print_view, shown_as_data


@command
def diff(
    first: Annotated[Path, typer.Argument(metavar="A", show_default=False, help="A plan.")],
    second: Annotated[Path, typer.Argument(metavar="B", show_default=False, help="Another plan.")],
    common: TableOptions,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="MODEL", help="The network of either plan, for what both cost."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", metavar="FILE", help="The network's weights, where they are elsewhere.")
    ] = None,
) -> None:
    """Show what differs between two plans: options, formats, rounding and overflow, and with --model their cost.

    The exit code is that of diff: 0 where the plans are the same, 1 where they differ, 2 where that can't be said.
    """
    from bittrue.analysis.plan_difference import diff as compare
    from bittrue.errors import BittrueError

    if weights is not None and model is None:
        raise BittrueError("--weights has no use without --model: leave it out.")
    network = None if model is None else ModelOptions(model, weights).load_with_any_plan()[0]
    found = compare(first, second, network)
    if not shown_as_data(found, common):
        print_view(found.view())
    if not found.same:
        raise typer.Exit(ANSWER_IS_NO)
