"""verify: the simulation against any witness: the definition, a target of an export that is built and run, a folder."""

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.evaluating.engine import EngineLike
from bittrue.analysis.progress import Progress
from bittrue.analysis.verify import Verification
from bittrue.analysis.verify import verify as against_the_definition
from bittrue.data import DataLike, Dataset
from bittrue.errors import BittrueError
from bittrue.exports.c.run import run_c
from bittrue.exports.device.compare import DeviceComparison, compare_codes, compare_with_folder
from bittrue.exports.device.exported import compare_export
from bittrue.exports.hls4ml.run import run_hls4ml
from bittrue.exports.job import Job, until
from bittrue.exports.manifest import NAME
from bittrue.exports.qdq.run import run_qdq
from bittrue.exports.qonnx.run import run_qonnx
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.exports.verilog.run import cycles_said, run_verilog
from bittrue.files import replacing_together
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan, PlanLike, as_plan

Build = Callable[[Job, Dataset, Path], Path]
"""Builds a target for a job in an empty folder, runs it on images, and gives back the folder of its codes, a file a
site."""

BUILDS: dict[str, Build] = {"c": run_c, "hls4ml": run_hls4ml, "qonnx": run_qonnx, "verilog": run_verilog}
"""The exports that can be built and run here and have the plan's bits, by name."""

FLOATING: dict[str, Build] = {"qdq": run_qdq}
"""Those that have them wherever float32 holds what they compute: a certificate shows where they differ, uncounted."""

SAID: dict[str, Callable[[Path], tuple[str, ...]]] = {"verilog": cycles_said}
"""What some of them say of their run, from the folder of its codes."""

FILE = "verify.json"

REFERENCE = "reference"
"""The definition in Python integers."""


def verify(
    network: Network,
    plan: PlanLike,
    dataset: DataLike,
    *,
    against: str = REFERENCE,
    images: int | None = None,
    until_node: str | None = None,
    out: str | Path | None = None,
    engine: EngineLike = None,
    progress: Progress | None = None,
    verilog: VerilogOptions | None = None,
) -> Verification | DeviceComparison:
    """Compare the simulation's codes on the first `images` examples (None: 2) with those of a witness, bit for bit.

    against: `reference`, the definition in Python integers, at every node; the name of an export in `BUILDS` or
    `FLOATING`, which is built and run here, at every node whose codes it stores; a folder of what a device computed
    (see `device.compare.compare_with_folder`); or an export's, whose files must be those of its manifest, and whose
    vectors are compared, whatever `dataset` is. until_node: for exports, the last node on the device. out: a folder for
    verify.json, which appears when all is compared; `bittrue report` shows it beside a sweep. engine: of the
    definition, see `measure_ranges`. verilog: how much that computes side by side (None: `VerilogOptions()`).

    Raises: BittrueError for a witness that doesn't exist, what the witness needs and lacks, and where `out` can't be
    written.
    """
    with contextlib.nullcontext() if out is None else replacing_together(out, [FILE]) as folder:
        found = _compared(network, as_plan(plan), dataset, against, images, until_node, engine, progress, verilog)
        if folder is not None:
            found.save(folder / FILE)
    return found


def _compared(
    network: Network,
    plan: Plan,
    dataset: DataLike,
    against: str,
    images: int | None,
    until_node: str | None,
    engine: EngineLike,
    progress: Progress | None,
    verilog: VerilogOptions | None,
) -> Verification | DeviceComparison:
    if against == REFERENCE:
        return against_the_definition(
            network, plan, dataset, against=against, images=images or 2, engine=engine, progress=progress
        )
    chosen = chosen_images(network, dataset, images or 2)
    builds = BUILDS | FLOATING
    if against not in builds:
        if not Path(against).is_dir():
            known = ", ".join((REFERENCE, *builds))
            raise BittrueError(
                f"There is no witness {against!r}: choose {known}, or a folder of what a device computed."
            )
        if (Path(against) / NAME).exists():
            return compare_export(network, plan, Path(against))
        return compare_with_folder(network, plan, dataset, against, images=chosen.images)
    program = lower_network(network, plan)
    if until_node is not None:
        program = until(program, until_node)
    job = Job(network, plan, program, None, verilog=verilog or VerilogOptions())
    with tempfile.TemporaryDirectory(prefix="bittrue-") as place:
        codes = builds[against](job, chosen, Path(place))
        found = compare_codes(program, chosen, codes, against=against)
        return replace(found, said=SAID[against](codes)) if against in SAID else found
