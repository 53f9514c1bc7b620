"""bittrue sweep: the network at several numbers of bits beside float, and how few suffice."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.analysis.evaluating.metrics import NAMES as METRICS
from bittrue.analysis.standard import MAX_DROP
from bittrue.cli.calls import command_line
from bittrue.cli.command import command
from bittrue.cli.engine import EngineName, check_engine, opened_engine
from bittrue.cli.options import BatchSize, DataOptions, Images, ModelOptions
from bittrue.cli.output import optional_folder, say
from bittrue.cli.progress import progress
from bittrue.cli.recipe_options import FractionBits, RecipeOptions
from bittrue.cli.tables import TableOptions, print_view, shown_as_data
from bittrue.cli.words import SizedModelOptions, WordOptions, words_for

if TYPE_CHECKING:
    from bittrue.analysis.asked import Asked, Options
    from bittrue.reports.study import StudyResult

COLLAPSE = 0.8
"""Of the accuracy of what the rows are compared with: where the best row has less, a site may be wrong, and more bits
for all are no answer."""


@command
def sweep(
    context: typer.Context,
    model: SizedModelOptions,
    data: DataOptions,
    words: WordOptions,
    recipe: RecipeOptions,
    common: TableOptions,
    fraction_bits: FractionBits = None,
    calibrate: Annotated[
        int | None,
        typer.Option(
            "--calibrate",
            metavar="N",
            min=1,
            rich_help_panel="Data",
            help="Images to measure the hardware recipe's ranges on: of the training split, else left out of the test.",
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            "--calibration",
            metavar="DATA",
            rich_help_panel="Data",
            help="Other data to measure the hardware recipe's ranges on, read with the same options as --data.",
        ),
    ] = None,
    ranges: Annotated[
        Path | None,
        typer.Option(
            "--ranges",
            metavar="ranges.json",
            rich_help_panel="Data",
            help="The hardware recipe's ranges as `bittrue ranges` or another sweep left them.",
        ),
    ] = None,
    images: Images = None,
    batch_size: BatchSize = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric", metavar="NAME", help=f"What is measured: {', '.join(METRICS)}; the last two beside float."
        ),
    ] = "accuracy",
    max_drop: Annotated[
        float,
        typer.Option(
            "--max-drop",
            metavar="POINTS",
            help="Percentage points of accuracy that a row may lose against float and still suffice.",
        ),
    ] = MAX_DROP,
    decide: Annotated[
        float | None,
        typer.Option(
            "--decide",
            metavar="POINTS",
            help="End each row as soon as it is shown, on images in a random order, that on this test set it loses no "
            "more than so many percentage points, or that it loses more.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="Of the random order in which --decide draws the images (default: 0).",
        ),
    ] = None,
    engine: EngineName = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="A folder for the results and the report; a killed sweep resumes there."
        ),
    ] = None,
) -> None:
    """Evaluate the network at several numbers of bits beside float, and say how few suffice."""
    check_engine(engine)
    from bittrue.analysis.asked import as_ranges, asked_for
    from bittrue.errors import BittrueError
    from bittrue.reports.study import study

    options: Options = {**words.given(model, fraction_bits), **recipe.given()}
    asked = asked_for(**options)
    given = {"--calibrate": calibrate, "--calibration": calibration, "--ranges": ranges}
    useless = [option for option, value in given.items() if value is not None]
    if useless and not asked.needs_ranges:
        raise BittrueError(
            f"{useless[0]} has no use in the recipe {asked.parts[0].recipe.name}: leave it out, or give --word-length "
            "alone."
        )
    if len(useless) > 1 and ranges is not None:
        raise BittrueError(f"{useless[0]} has no use beside --ranges, which are measured already: leave one out.")
    if seed is not None and decide is None:
        raise BittrueError(f"--seed {seed} has no use without --decide: leave it out, or give --decide POINTS.")
    network, file_plan = model.source.load_with_any_plan()
    measured = as_ranges(ranges)
    measured_on = None
    if asked.needs_ranges and measured is None:
        measured_on, dataset = data.load_with_calibration(network, calibrate, calibration)
    else:
        dataset = data.load(network)
    with optional_folder(out) as folder, progress() as display, opened_engine(engine, common) as shared:
        found = study(
            network,
            dataset,
            calibration=measured_on,
            ranges=measured,
            file_plan=file_plan,
            out=folder,
            images=images,
            batch_size=batch_size,
            metric=metric,
            max_drop=max_drop,
            decide=decide,
            seed=seed or 0,
            command=context.obj,
            engine=shared,
            progress=display,
            **options,
        )
    if shown_as_data(found, common):
        return
    print_view(found.view())
    for line in _next(found, asked, model.source, data, recipe):
        say(line)


def _next(
    found: "StudyResult", asked: "Asked", model: ModelOptions, data: DataOptions, recipe: RecipeOptions
) -> list[str]:
    """Which row the plan is, and what to do with it; or why there is none, and what tells more."""
    folder, enough = found.folder, found.sweep.sufficient
    reference, *others = found.sweep.compared
    best = max(others, key=lambda row: row.accuracy or 0.0, default=reference)
    collapsed = enough is None and (best.accuracy or 0.0) < COLLAPSE * (reference.accuracy or 0.0)
    lines = []
    if folder is not None and enough is not None:
        lines.append(f"{folder / 'plan.json'} is the row {enough.name}. Next:")
        lines.append(f"  {command_line('verify', model, '--plan', folder / 'plan.json', data)}")
    elif folder is not None:
        lines.append("No plan.json: no row is shown to suffice.")
    if collapsed:
        lines += _to_trace(best.name, folder, asked, model, data, recipe)
    return lines if folder is None else [*lines, f"The report: {folder / 'report.html'}"]


def _to_trace(
    row: str, folder: Path | None, asked: "Asked", model: ModelOptions, data: DataOptions, recipe: RecipeOptions
) -> list[str]:
    """The commands that say which sites cost a row's accuracy, where there is a folder for what they take."""
    if folder is None:
        return ["Which sites cost the accuracy: bittrue plan with a row's bits, and bittrue trace with that plan."]
    made_by, word, fraction = asked.of_row(row)
    plan = folder / f"{row.replace('=', '').replace(' ', '-')}.json"
    bits = [*words_for(word), *([] if fraction is None else ["--fraction-bits", fraction])]
    ranges = ["--ranges", folder / "ranges.json"] if made_by.needs_ranges else []
    return [
        f"Which sites cost the accuracy of {row}:",
        f"  {command_line('plan', model, *ranges, *bits, recipe.only(made_by), '--out', plan)}",
        f"  {command_line('trace', model, '--plan', plan, data, '--out', folder)}",
    ]
