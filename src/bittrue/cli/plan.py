"""bittrue plan: a format for every site."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import command
from bittrue.cli.output import say
from bittrue.cli.recipe_options import FractionBits, RecipeOptions
from bittrue.cli.tables import TableOptions, print_view, shown_as_data
from bittrue.cli.words import SizedModelOptions, WordOptions

if TYPE_CHECKING:
    from bittrue.analysis.asked import Options
    from bittrue.network import Network
    from bittrue.plan import Plan


@command
def plan(
    model: SizedModelOptions,
    words: WordOptions,
    recipe: RecipeOptions,
    common: TableOptions,
    fraction_bits: FractionBits = None,
    ranges: Annotated[
        Path | None,
        typer.Option("--ranges", metavar="ranges.json", help="Ranges from `bittrue ranges`, for the hardware recipe."),
    ] = None,
    from_model: Annotated[
        bool,
        typer.Option(
            "--from-model",
            help="The formats that the file holds: .onnx (QDQ, QONNX), .keras and .h5 (QKeras, HGQ); with "
            "--word-length W and --site for what has none.",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="plan.json", help="Write the plan.")] = None,
) -> None:
    """Choose a format for every site: the same everywhere, or word lengths with binary points from ranges."""
    from bittrue.analysis.asked import as_ranges, asked_for_one, make_plan, one_word_length
    from bittrue.errors import BittrueError

    numbers = words.given(model, fraction_bits)
    if from_model:
        if fraction_bits is not None or recipe.beyond_sites:
            raise BittrueError(
                "--from-model takes the formats that the file holds, and only --word-length, --site and how their "
                "quantizers are chosen beside it, for what has none: leave the rest out."
            )
        network, found = model.source.load_with_plan()
        show_plan(network, recipe.complete(network, found, one_word_length(numbers), as_ranges(ranges)), common, out)
        return
    asked: Options = {**numbers, **recipe.given()}
    asked_for_one(asked, has_ranges=ranges is not None)  # before a model is read in vain
    network = model.source.load()
    show_plan(network, make_plan(network, ranges=ranges, **asked), common, out)


def show_plan(network: "Network", made: "Plan", common: TableOptions, out: Path | None) -> None:
    """Write the plan where it is wanted, and print it with its cost."""
    from bittrue.analysis.cost.cost import cost_or_reason

    if out is not None:
        made.save(out)
    if shown_as_data(made, common):
        return
    print_view(made.view())
    priced = cost_or_reason(network, made)
    print_view((priced,) if isinstance(priced, str) else priced.totals())
    if out is not None:
        say(f"Written: {out}")
