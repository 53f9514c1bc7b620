"""bittrue doctor: what there is to compute with, here and on the workers of an engine."""

from dataclasses import dataclass
from typing import Annotated

import typer

from bittrue.cli.command import ANSWER_IS_NO, command
from bittrue.cli.engine import EngineName, check_engine
from bittrue.cli.options import DATA, DATA_HELP, DataOptions, Images
from bittrue.cli.tables import TableOptions, print_view, shown_as_data
from bittrue.errors import BittrueError


@dataclass(frozen=True)
class MaybeDataOptions(DataOptions):
    """As of other commands, if there are any."""

    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA", rich_help_panel=DATA, help=f"Looked for on workers: {DATA_HELP}"),
    ] = None  # type: ignore[assignment]


@command
def doctor(data: MaybeDataOptions, common: TableOptions, engine: EngineName = None, images: Images = None) -> None:
    """Say what there is to compute with: versions, kernels, optional parts; with --engine each of its workers, too.

    The exit code is 1 where a worker doesn't fit, or has other data.
    """
    check_engine(engine)
    if data.data is not None and engine is None:
        raise BittrueError("--data has no use without --engine: it is looked for on the engine's workers.")
    from bittrue.data import load_dataset
    from bittrue.engines.doctor import doctor as examine

    dataset = None
    if data.data is not None:
        dataset = load_dataset(
            data.data,
            split=data.split,
            resize=data.resize,
            scale=data.scale,
            mean=data.mean,
            std=data.std,
            layout=data.layout,
        )
        dataset = dataset if images is None else dataset.take(min(images, dataset.images))
    found = examine(engine, dataset, logs=common.debug)
    if not shown_as_data(found, common):
        print_view(found.view())
    if found.problems:
        raise typer.Exit(ANSWER_IS_NO)
