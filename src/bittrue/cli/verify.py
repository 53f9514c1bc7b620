"""bittrue verify: the simulation against another witness, bit for bit."""

from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.command import ANSWER_IS_NO, command
from bittrue.cli.options import CommonOptions, DataOptions, FewImages, Model, PlanFile, load_plan
from bittrue.cli.output import explain, say, say_json
from bittrue.cli.progress import progress
from bittrue.wording import counted

if TYPE_CHECKING:
    from bittrue.analysis.verify import Verification


@command
def verify(
    model: Model,
    plan: PlanFile,
    data: DataOptions,
    common: CommonOptions,
    against: Annotated[
        str, typer.Option("--against", metavar="WITNESS", help="reference: the definition in Python integers.")
    ] = "reference",
    images: FewImages = 2,
) -> None:
    """Compare every node's codes with those of another witness, bit for bit; exit code 1 where one differs."""
    from bittrue.analysis.verify import verify as compare
    from bittrue.frontends import load

    network = load(model)
    formats = load_plan(plan)
    dataset = data.load(network)
    with progress() as display:
        result = compare(network, formats, dataset, against=against, images=images, progress=display)
    if common.json:
        say_json(result.to_json())
    else:
        print_verification(result)
    if result.mismatches:
        raise typer.Exit(ANSWER_IS_NO)


def print_verification(result: "Verification") -> None:
    """What was compared, and the first difference."""
    values, images = counted(result.values, "value"), counted(result.images, "image")
    say(f"Against the {result.against}: {values} on {images}, {result.mismatches:,} mismatches.")
    if result.first is not None:
        first = result.first
        place = "" if first.index is None else f", index {first.index}"
        say(f"The first: {first.what} of {first.site}, image {first.image}{place}.")
        say(f"Expected {first.expected}, got {first.got}.")
    if result.not_compared:
        explain(f"Without a definition, since FLOAT has a part in them: {', '.join(result.not_compared)}.")
