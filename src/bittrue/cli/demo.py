"""bittrue demo: the whole road on a small network that comes with bittrue, in under a minute, without a download."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.calls import command_line
from bittrue.cli.command import ANSWER_IS_NO, command
from bittrue.cli.options import CommonOptions
from bittrue.cli.output import output_folder, say, say_json
from bittrue.cli.progress import progress
from bittrue.cli.tables import print_view

FRACTION_BITS = range(3, 10)
VERIFIED_IMAGES = 4


def bundled_model() -> bytes:
    """The digits network, as a `.keras` file."""
    return (files("bittrue.cli") / "data" / "digits.keras").read_bytes()


@command
def demo(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="A folder for the model, the results and the report.")
    ],
    common: CommonOptions,
) -> None:
    """Run it all on a small digits network: ranges, sweep, plan, check against the definition, report."""
    from bittrue.analysis.ranges import calibration_images
    from bittrue.data import load_dataset
    from bittrue.files import write_bytes
    from bittrue.frontends import load
    from bittrue.reports.study import study

    with output_folder(out) as folder, progress() as display:
        write_bytes(folder / "model.keras", bundled_model())
        network = load(folder / "model.keras")
        test = load_dataset("digits", shape=network.input.shape)
        training = load_dataset("digits", split="train", shape=network.input.shape)
        calibration, test = calibration_images(test, train=training)
        found = study(
            network,
            test,
            fraction_bits=FRACTION_BITS,
            calibration=calibration,
            out=folder,
            verified_images=VERIFIED_IMAGES,
            command=context.obj,
            progress=display,
        )
    if common.json:
        say_json(
            {
                "bittrue": 1,
                "folder": str(out),
                "verdict": found.sweep.verdict,
                "mismatches": found.mismatches,
                "next": next_commands(out),
            }
        )
    else:
        if found.ranges is not None:
            print_view(found.ranges.view())
        print_view(found.sweep.view())
        if found.verification is not None:
            say()
            print_view(found.verification.view())
        say(f"The report: {folder / 'report.html'}")
        say()
        say("Go on from here:")
        for line in next_commands(out):
            say(f"  {line}")
    if found.mismatches:
        raise typer.Exit(ANSWER_IS_NO)


def next_commands(folder: Path) -> list[str]:
    """Commands that work as they are printed, from the folder in which the demo was called."""
    model, ranges, plan = folder / "model.keras", folder / "ranges.json", folder / "plan8.json"
    return [
        command_line("inspect", model),
        command_line("sweep", model, "--data", "digits", "--word-length", "4:10", "--out", folder / "hardware"),
        command_line("plan", model, "--ranges", ranges, "--word-length", "8", "--out", plan),
        command_line("simulate", model, "--plan", plan, "--data", "digits"),
        command_line("verify", model, "--plan", plan, "--data", "digits"),
    ]
