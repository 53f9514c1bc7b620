"""The certificate of a plan: definition, simulation, and every export that can be built here, on the same images."""

import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.progress import Progress, showing
from bittrue.analysis.verify import verify as against_the_definition
from bittrue.data import DataLike, Dataset
from bittrue.display import Column, Table, View
from bittrue.errors import BittrueError
from bittrue.exports.device.compare import compare_codes
from bittrue.exports.export import TARGETS, searched_images, write_targets
from bittrue.exports.job import VECTOR_IMAGES, Job, until
from bittrue.exports.tools import MissingToolError, c_compiler, version_of
from bittrue.exports.witness import BUILDS, FLOATING, REFERENCE
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan, PlanLike, as_plan
from bittrue.result import SavedResult
from bittrue.wording import counted

DEFINITION_IMAGES = 2
"""Images that are compared with the definition, at most: Python's integers take seconds for what takes others
milliseconds."""

PACKAGES = ("bittrue", "numpy", "torch", "hls4ml", "qonnx", "onnx", "onnxruntime")
"""Distributions whose versions a certificate names, where they are installed."""

_CODE_KEYS = ("site", "image", "index", "expected", "got")


@dataclass(frozen=True)
class Agreement:
    """The simulation beside one witness.

    exact: whether its arithmetic has the plan's bits; where it is floating point, what float32 doesn't hold may differ.
    layers: nodes, or sites, whose codes were compared. first: site, image, index, expected and got of the first code
    that differs. reason: why nothing was compared; None where something was.
    """

    witness: str
    exact: bool
    images: int
    layers: int
    values: int
    mismatches: int
    first: Mapping[str, Any] | None
    reason: str | None


@dataclass(frozen=True, repr=False)
class Certificate(SavedResult):
    """Who computes the same bits as the simulation, and of what.

    output, on_host: the last node on the device, and those that the device doesn't compute. not_exported: by target,
    why it can't have the network. files: hashes of what `bittrue export` writes for all other targets, with vectors of
    the first images (10 at most). versions: of the tools. command: what was typed; None from Python.
    """

    network: str
    network_name: str
    plan: str
    data: Mapping[str, Any]
    output: str
    on_host: tuple[str, ...]
    witnesses: tuple[Agreement, ...]
    not_exported: Mapping[str, str]
    files: Mapping[str, str]
    versions: Mapping[str, str]
    command: str | None

    file: ClassVar[str] = "certificate"

    @property
    def mismatches(self) -> int:
        """Of the witnesses whose arithmetic has the plan's bits."""
        return sum(each.mismatches for each in self.witnesses if each.exact)

    def view(self) -> View:
        columns = [Column("the simulation and"), Column("images", number=True), Column("layers", number=True)]
        columns += [Column("values", number=True), Column("mismatches", number=True)]
        compared = [each for each in self.witnesses if each.reason is None]
        rows = [
            (each.witness, f"{each.images:,}", f"{each.layers:,}", f"{each.values:,}", f"{each.mismatches:,}")
            for each in compared
        ]
        values = sum(each.values for each in compared)
        mismatches = counted(self.mismatches, "mismatch", "mismatches")
        sentences = [
            f"{counted(values, 'value')} compared with {counted(len(compared), 'witness', 'witnesses')}, "
            f"{mismatches}; {counted(len(self.files), 'exported file')} by hash."
        ]
        for each in self.witnesses:
            if each.first is not None:
                first = each.first
                sentences.append(
                    f"The first of {each.witness}: {first['site']}, image {first['image']}, index {first['index']}: "
                    f"expected {first['expected']}, got {first['got']}."
                )
        sentences += [
            f"{each.witness} computes in floating point: what float32 doesn't hold differs there, and isn't counted."
            for each in self.witnesses
            if each.mismatches and not each.exact
        ]
        sentences += [f"Without {each.witness}: {each.reason}" for each in self.witnesses if each.reason is not None]
        if self.on_host:
            sentences.append(f"Left to the host: {', '.join(self.on_host)}.")
        return Table(columns, rows, "Certificate"), *sentences

    def records(self) -> list[dict[str, Any]]:
        """A row a witness."""
        return [asdict(each) for each in self.witnesses]

    def to_json(self) -> dict[str, Any]:
        return {"bittrue": 1, **asdict(self), "mismatches": self.mismatches}

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Certificate":
        try:
            values = {entry.name: content[entry.name] for entry in fields(cls)}
            witnesses = tuple(Agreement(**each) for each in values["witnesses"])
            return cls(**values | {"witnesses": witnesses, "on_host": tuple(values["on_host"])})
        except (KeyError, TypeError, ValueError) as error:
            raise BittrueError(
                f"{source}: not a certificate ({error!r}); make one with `bittrue verify --certificate`."
            ) from None


def certify(
    network: Network,
    plan: PlanLike,
    dataset: DataLike,
    *,
    images: int | None = None,
    until_node: str | None = None,
    command: str | None = None,
    progress: Progress | None = None,
) -> Certificate:
    """Compare the simulation's codes on the first `images` examples (None: 2) with those of every witness there is: the
    definition (on 2 images at most), and each export that can be built and run here.

    What a target can't have, and a tool that isn't installed, stands in the certificate as a reason. until_node: for
    exports, the last node on the device. command: how it was made.

    Raises: BittrueError where a tool that is there fails, and for data and plans that don't fit.
    """
    plan = as_plan(plan)
    whole = chosen_images(network, dataset, None)
    chosen = whole.take(min(images or 2, whole.images))
    program = lower_network(network, plan)
    if until_node is not None:
        program = until(program, until_node)
    taken = chosen.take(min(VECTOR_IMAGES, chosen.images))
    job = Job(network, plan, program, taken, data=whole, searched=searched_images(plan, whole, None))
    refusals = _refusals(job)
    witnesses = [_definition(network, plan, chosen, progress)]
    for name in BUILDS | FLOATING:
        with showing(progress, name, chosen.images) as advance:
            witnesses.append(_built(name, job, chosen, refusals.get(name)))
            advance(chosen.images)
    return Certificate(
        network=network.hash,
        network_name=network.name,
        plan=plan.hash,
        data={"name": chosen.name, "sha256": chosen.sha256, "images": chosen.images},
        output=program.output,
        on_host=job.on_host,
        witnesses=tuple(witnesses),
        not_exported=refusals,
        files=_hashes(job, refusals),
        versions=_versions(),
        command=command,
    )


def _refusals(job: Job) -> dict[str, str]:
    """By target, why it can't have the network."""
    found = {}
    for name, target in TARGETS.items():
        try:
            target.check(job)
        except BittrueError as error:
            found[name] = str(error)
    return found


def _definition(network: Network, plan: Plan, images: Dataset, progress: Progress | None) -> Agreement:
    few = images.take(min(DEFINITION_IMAGES, images.images))
    found = against_the_definition(network, plan, few, images=None, progress=progress)
    first = None if found.first is None else {key: getattr(found.first, key) for key in _CODE_KEYS}
    layers = len(lower_network(network, plan).steps) - len(found.not_compared)
    return Agreement(REFERENCE, True, found.images, layers, found.values, found.mismatches, first, None)


def _built(name: str, job: Job, images: Dataset, refusal: str | None) -> Agreement:
    """One export, built and run; or why it can't be."""
    if refusal is None:
        try:
            with tempfile.TemporaryDirectory(prefix="bittrue-") as place:
                codes = (BUILDS | FLOATING)[name](job, images, Path(place))
                found = compare_codes(job.program, images, codes, against=name)
        except MissingToolError as error:
            refusal = str(error)
        else:
            first = None if found.first is None else {key: getattr(found.first, key) for key in _CODE_KEYS}
            return Agreement(
                name, name in BUILDS, found.images, len(found.sites), found.values, found.mismatches, first, None
            )
    return Agreement(name, name in BUILDS, 0, 0, 0, 0, None, refusal)


def _hashes(job: Job, refusals: Mapping[str, str]) -> dict[str, str]:
    """Of every file that `bittrue export` writes for the targets that can have the network."""
    targets = [target for name, target in TARGETS.items() if name not in refusals]
    with tempfile.TemporaryDirectory(prefix="bittrue-") as place:
        found: dict[str, str] = write_targets(job, targets, Path(place))["files"]
    return found


def _versions() -> dict[str, str]:
    """Of everything that takes part, as each says it itself."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    for name, command in (("cc", c_compiler()), ("g++", "g++"), ("make", "make"), ("verilator", "verilator")):
        said = version_of(command)
        if said is not None:
            found[name] = said
    return found
