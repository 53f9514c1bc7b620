"""export: from a network and a plan to a folder of files for hardware, with a manifest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.tracing.trace_result import Trace
from bittrue.data import DataLike, Dataset
from bittrue.display import Column, Table, View
from bittrue.errors import BittrueError
from bittrue.exports.c.target import TARGET as C
from bittrue.exports.folder import require_ours
from bittrue.exports.hls4ml.target import TARGET as HLS4ML
from bittrue.exports.job import SEARCHED, VECTOR_IMAGES, Job, MemoryOptions, Target, until
from bittrue.exports.manifest import NAME, manifest_of
from bittrue.exports.memory.target import TARGET as MEMORY
from bittrue.exports.qdq.target import TARGET as QDQ
from bittrue.exports.qonnx.target import TARGET as QONNX
from bittrue.exports.vectors.target import TARGET as VECTORS
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.exports.verilog.target import TARGET as VERILOG
from bittrue.files import dump_json, replacing_folder
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan, PlanLike, as_plan
from bittrue.result import Result
from bittrue.wording import counted

TARGETS = {target.name: target for target in (C, HLS4ML, MEMORY, QDQ, QONNX, VECTORS, VERILOG)}
"""The kinds of export, by name."""


@dataclass(frozen=True, repr=False)
class Export(Result):
    """What an export left behind: the folder, the manifest's object, and what the targets say of it."""

    folder: str
    targets: tuple[str, ...]
    manifest: Mapping[str, Any]
    remarks: tuple[Table | str, ...] = ()

    def view(self) -> View:
        rows = [
            (
                name,
                entry["format"] if isinstance(entry["format"], str) else "a format a channel",
                _shape(entry["shape"]),
            )
            for name, entry in self.manifest["sites"].items()
        ]
        table = Table((Column("site"), Column("format"), Column("shape")), rows, f"Exported: {', '.join(self.targets)}")
        host = self.manifest["on_host"]
        where = f"Left to the host: {', '.join(host)}." if host else "All of the network is on the device."
        return table, f"{counted(len(self.manifest['files']), 'file')} in {self.folder}. {where}", *self.remarks

    def records(self) -> list[dict[str, Any]]:
        """A row a site."""
        return [{"site": name, **entry} for name, entry in self.manifest["sites"].items()]

    def to_json(self) -> dict[str, Any]:
        """manifest.json's object."""
        return dict(self.manifest)


def export(
    network: Network,
    plan: PlanLike,
    targets: str | Sequence[str],
    out: str | Path,
    *,
    data: DataLike | None = None,
    images: int | None = None,
    until_node: str | None = None,
    memory: MemoryOptions | None = None,
    trace: Trace | None = None,
    verilog: VerilogOptions | None = None,
) -> Export:
    """Write the network under the plan for hardware: a folder a target in `out`, and manifest.json.

    targets: names of `TARGETS`, as a list or joined by commas. data, images: the first `images` of it become golden
    vectors (None: 10, or all where there are fewer). until_node: the last node on the device; those after it are the
    host's. memory: how memory images are written (None: `MemoryOptions()`).

    trace: of the same plan and data; the images in which it found overflows first become vectors, too. None: those of
    the first 64. verilog: how much is computed side by side (None: `VerilogOptions()`).

    The folder appears whole, in the place of an export that was there. The same input gives the same bytes.

    Raises: BittrueError for a target that doesn't exist or can't have an instruction, by its node; for vectors without
    data; for a trace of something else; for a folder with files that no export wrote, or that were changed since.
    """
    plan = as_plan(plan)
    data = None if data is None else chosen_images(network, data, None)
    chosen = _targets(targets)
    program = lower_network(network, plan)
    if until_node is not None:
        program = until(program, until_node)
    taken = None if data is None else data.take(min(VECTOR_IMAGES, data.images) if images is None else images)
    searched = () if data is None else searched_images(plan, data, trace)
    job = Job(network, plan, program, taken, memory or MemoryOptions(), data, searched, verilog or VerilogOptions())
    for target in chosen:
        if target.needs_images and job.images is None:
            raise BittrueError(f"The target {target.name} is made from images: give data, and how many of it.")
        target.check(job)
    folder = Path(out)
    require_ours(folder, TARGETS.values())
    with replacing_folder(folder) as temporary:
        manifest = write_targets(job, chosen, temporary)
        (temporary / NAME).write_text(dump_json(manifest), encoding="utf-8")
    remarks = tuple(remark for target in chosen for remark in target.remarks(job))
    return Export(str(out), tuple(target.name for target in chosen), manifest, remarks)


def searched_images(plan: Plan, data: Dataset, trace: Trace | None) -> Sequence[int]:
    """The numbers of the images among which those that overflow become vectors.

    Raises: BittrueError for a trace of another plan or other data.
    """
    if trace is None:
        return range(min(SEARCHED, data.images))
    if trace.plan != plan.hash:
        raise BittrueError("The trace is about another plan: make it with `bittrue trace --plan` and this one.")
    if trace.images > data.images or trace.data["sha256"] != data.take(trace.images).sha256:
        raise BittrueError("The trace is about other data: make it with the --data of the export.")
    events = [site.first_overflow for site in trace.sites if site.first_overflow is not None]
    return sorted({event.image for event in events if event.image is not None})


def write_targets(job: Job, targets: Sequence[Target], folder: Path) -> dict[str, Any]:
    """Write targets that can have the job, each into its own folder in an empty one; the manifest's object."""
    files = {}
    for target in targets:
        (folder / target.name).mkdir()
        files[target.name] = target.write(job, folder / target.name)
    return manifest_of(job, folder, files)


def _targets(names: str | Sequence[str]) -> list[Target]:
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in TARGETS:
            known = ", ".join(TARGETS)
            raise BittrueError(f"There is no export target {name!r}: choose from {known}, joined by commas.")
    return [TARGETS[name] for name in dict.fromkeys(wanted)]


def _shape(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes)) or "1"
