"""bittrue verify: the simulation against another witness, or against all of them, bit for bit."""

from pathlib import Path
from typing import Annotated

import typer

from bittrue.cli.command import ANSWER_IS_NO, command
from bittrue.cli.engine import EngineName, check_engine, opened_engine
from bittrue.cli.options import DataOptions, FewImages, ModelOptions, PlanFile, RepairedFile, Until
from bittrue.cli.output import optional_folder, say
from bittrue.cli.parallel import VerilogParallelOptions
from bittrue.cli.progress import progress
from bittrue.cli.tables import TableOptions, print_view, shown_as_data
from bittrue.errors import BittrueError


@command
def verify(
    model: ModelOptions,
    plan: PlanFile,
    data: DataOptions,
    common: TableOptions,
    verilog: VerilogParallelOptions,
    context: typer.Context,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="WITNESS",
            help="reference (the default): the definition in Python integers; c: the C of an export, built and run; "
            "hls4ml: its C simulation, built and run; qonnx: its own execution of an exported file; qdq: "
            "onnxruntime's; verilog: an export's, in Verilator; a folder of what a device computed, a file a site; "
            "or an export's folder, its files by hash and its vectors.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            help="Compare with every witness that can be had here, and write who agrees into this file, with hashes "
            "of everything and versions.",
        ),
    ] = None,
    mutations: Annotated[
        int | None,
        typer.Option(
            "--mutate",
            metavar="N",
            min=1,
            help="Change one thing in the exported files, N times, and see that their checks notice: a bit of a "
            "weight, a bias, a table, a vector, a memory image; a rounding mode, a shift, a bound, an accumulator. "
            "--against verilog: in the Verilog, queues too, in Verilator.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Draws the changes of --mutate.")] = 0,
    repaired: RepairedFile = None,
    images: FewImages = 2,
    until: Until = None,
    engine: EngineName = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help="Write verify.json, or --mutate's mutations.json, into this folder; `bittrue report` shows it in the "
            "page.",
        ),
    ] = None,
) -> None:
    """Compare every node's codes with those of another witness, bit for bit; exit code 1 where one differs."""
    check_engine(engine)
    from bittrue.analysis.verify import Verification
    from bittrue.exports.certificate import Certificate, certify
    from bittrue.exports.device.compare import DeviceComparison
    from bittrue.exports.mutation.mutate import C, MutationReport, mutate
    from bittrue.exports.witness import REFERENCE
    from bittrue.exports.witness import verify as compare
    from bittrue.files import check_json_name

    chosen = {"--against": against, "--certificate": certificate, "--mutate": mutations}
    given = [option for option, value in chosen.items() if value is not None]
    if len(given) > 1 and given != ["--against", "--mutate"]:
        raise BittrueError(f"{given[0]} and {given[1]} are two questions: ask one at a time.")
    if certificate is not None:
        if out is not None:
            raise BittrueError("--certificate names the file that it leaves: leave --out out.")
        check_json_name(certificate)
    if engine is not None and (certificate is not None or mutations is not None or against not in (None, REFERENCE)):
        raise BittrueError(
            f"--engine has no use here: what is built and run is run on this machine; leave it out, or compare with "
            f"the {REFERENCE}."
        )
    network, formats = model.load_for(plan, repaired)
    dataset = data.load(network)
    result: Certificate | MutationReport | Verification | DeviceComparison
    with optional_folder(out) as folder, progress() as display, opened_engine(engine, common) as shared:
        if certificate is not None:
            result = certify(
                network, formats, dataset, images=images, until_node=until, command=context.obj, progress=display
            )
            result.save(certificate)
        elif mutations is not None:
            result = mutate(
                network,
                formats,
                dataset,
                mutations,
                against=against or C,
                seed=seed,
                images=images,
                until_node=until,
                command=context.obj,
                progress=display,
                verilog=verilog.choose(),
            )
            if folder is not None:
                result.save(folder / "mutations.json")
        else:
            result = compare(
                network,
                formats,
                dataset,
                against=against or REFERENCE,
                images=images,
                until_node=until,
                out=folder,
                engine=shared,
                progress=display,
                verilog=verilog.choose(),
            )
    if not shown_as_data(result, common):
        print_view(result.view())
        if folder is not None:
            say(f"Written into {folder}")
    if result.mismatches:
        raise typer.Exit(ANSWER_IS_NO)
