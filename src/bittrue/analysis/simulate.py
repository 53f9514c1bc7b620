"""A whole data set through the simulation of one plan."""

import contextlib
import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bittrue.analysis.arrays import ArrayFile, growing_array, smallest_integers, words_in_twos_complement, words_of
from bittrue.analysis.evaluating.batches import chosen_images, default_batch_size
from bittrue.analysis.evaluating.evaluation import Evaluation, counters, metric_by_shape
from bittrue.analysis.evaluating.executor import InProcess, Unit, run_through
from bittrue.analysis.evaluating.record import Record, joined, totals
from bittrue.analysis.progress import Progress
from bittrue.data import Batch, DataLike
from bittrue.display import Column, Table, View
from bittrue.environment import exact_environment
from bittrue.errors import BittrueError
from bittrue.files import dump_json, make_folder, replacing_together, write_text
from bittrue.network import Network
from bittrue.plan import Plan, PlanLike, as_plan
from bittrue.program import FixedNetwork, Step
from bittrue.result import SavedResult
from bittrue.simulation.proof import LayerProof
from bittrue.simulation.simulator import Simulator, is_exact, prove
from bittrue.simulation.values import Value
from bittrue.wording import counted, percent

OUTPUTS = "outputs.npy"
FILES = ("simulate.json", OUTPUTS, "predictions.npy", "nodes.json", "nodes")
"""What a simulation may leave in its folder: of one plan together, or not at all."""

MOST_KEPT = 2**30
"""Bytes of outputs that stay in memory where no folder was asked for."""

FIGURES = {
    "accuracy": "accuracy",
    "interval": "accuracy_interval",
    "over_ties": "accuracy_over_ties",
    "loss": "loss",
    "correct": "correct",
    "tied": "tied",
}
"""The fields of a Simulation that a metric fills, and the names of its figures."""


@dataclass(frozen=True, repr=False)
class Simulation(SavedResult):
    """What the fixed-point network did on a data set.

    network, plan: their hashes. data: name, sha256 and images. The metrics (B13) are None where the data has no labels
    or the network is no classifier. exact: proven for every layer. overflows: for every site with a quantizer, how many
    of its codes lay outside its limits; of an accumulator, how many of its quantizations did, or how many final sums
    where it may wrap once at the end (B6). rounded_outputs: how many numbers of `outputs.npy` are rounded to float64,
    since their codes have more than 53 bits; predictions and ties go by the codes. planned: the plan itself, of which a
    file keeps the hash alone. kept: see `outputs`.
    """

    network: str
    plan: str
    data: Mapping[str, Any]
    images: int
    accuracy: float | None
    interval: tuple[float, float] | None
    over_ties: tuple[float, float] | None
    loss: float | None
    correct: int | None
    tied: int | None
    exact: bool
    layers: tuple[LayerProof, ...]
    overflows: Mapping[str, int]
    rounded_outputs: int = 0
    planned: Plan | None = field(default=None, repr=False, compare=False)
    kept: NDArray[np.float64] | None = field(default=None, repr=False, compare=False)

    file: ClassVar[str] = "simulation"

    @property
    def outputs(self) -> NDArray[np.float64]:
        """What the network gives for each image, (images, *shape): exact, but for `rounded_outputs`.

        In memory, or on the disk in `outputs.npy`, where there is one.

        Raises: BittrueError where neither has them.
        """
        if self.kept is None:
            raise BittrueError(
                "The outputs of this simulation are nowhere: simulate again with out=, a folder for outputs.npy, which "
                "the result then reads."
            )
        return self.kept

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """What `bittrue simulate` wrote, with the outputs beside it."""
        found = super().load(path)
        outputs = Path(path).parent / OUTPUTS
        return replace(found, kept=np.load(outputs, mmap_mode="r")) if outputs.exists() else found

    def view(self) -> View:
        columns = [Column("node"), Column("computed as")]
        columns += [Column("bound, bits", number=True), Column("margin, bits", number=True)]
        rows = [
            (layer.node, layer.strategy, f"{layer.bound_bits:.2f}", f"{layer.margin_bits:.2f}") for layer in self.layers
        ]
        title = "Proof: how large a layer's numbers can become, and how far that is from inexact"
        overflowing = [(site, f"{count:,}") for site, count in self.overflows.items() if count]
        tables = [Table(columns, rows, title)]
        if overflowing:
            tables.append(Table((Column("site"), Column("overflows", number=True)), overflowing))
        return (*tables, *self._accuracy(), self._summary())

    def _accuracy(self) -> Iterator[str]:
        if self.accuracy is None or self.interval is None or self.over_ties is None:
            return
        low, high = self.interval
        yield (f"Accuracy {percent(self.accuracy)} ({percent(low)} … {percent(high)} at 95 %), loss {self.loss:.4f}.")
        if self.tied:
            worst, best = self.over_ties
            yield (
                f"A tied top value in {counted(self.tied, 'image')}: {percent(worst)} … {percent(best)} over the ties."
            )

    def _summary(self) -> str:
        exact = "exact, proven for every layer" if self.exact else "not exact, since FLOAT has a part in it"
        overflows = counted(sum(self.overflows.values()), "overflow")
        summary = f"{counted(self.images, 'image')}, {overflows}; {exact}."
        if not self.rounded_outputs:
            return summary
        return (
            f"{summary} {counted(self.rounded_outputs, 'output')} of more than 53 bits: rounded to float64 in "
            "outputs.npy, and exact in the codes that --nodes writes."
        )

    def records(self) -> list[dict[str, Any]]:
        """A row a layer: its proof, and the overflows of its node's output."""
        return [asdict(layer) | {"overflows": self.overflows.get(f"{layer.node}.output", 0)} for layer in self.layers]

    def to_json(self) -> dict[str, Any]:
        """simulate.json's object."""
        return {
            "bittrue": 1,
            "network": self.network,
            "plan": self.plan,
            "data": dict(self.data),
            "accuracy": self.accuracy,
            "accuracy_interval": None if self.interval is None else list(self.interval),
            "accuracy_over_ties": None if self.over_ties is None else list(self.over_ties),
            "correct": self.correct,
            "images": self.images,
            "loss": self.loss,
            "tied": self.tied,
            "exact": self.exact,
            "layers": [asdict(layer) for layer in self.layers],
            "overflows": dict(self.overflows),
            "rounded_outputs": self.rounded_outputs,
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "Simulation":
        try:
            interval, over_ties = content["accuracy_interval"], content["accuracy_over_ties"]
            same = ("network", "plan", "data", "images", "accuracy", "loss", "correct", "tied", "exact", "overflows")
            return cls(
                **{name: content[name] for name in same},
                interval=None if interval is None else tuple(interval),
                over_ties=None if over_ties is None else tuple(over_ties),
                layers=tuple(LayerProof(**layer) for layer in content["layers"]),
                rounded_outputs=content.get("rounded_outputs", 0),  # files from before it was counted have none
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BittrueError(f"{source}: not a simulation ({error!r}); make one with `bittrue simulate`.") from None


@exact_environment()
def simulate(
    network: Network,
    plan: PlanLike,
    dataset: DataLike,
    *,
    images: int | None = None,
    batch_size: int | None = None,
    out: str | Path | None = None,
    nodes: bool = False,
    progress: Progress | None = None,
) -> Simulation:
    """Simulate the first `images` examples (None: all).

    out: a folder for `simulate.json`, `outputs.npy` (float64, (images, *shape): the exact values, but for
    `rounded_outputs`) and, for a classifier, `predictions.npy` (int32). nodes: there too `nodes/NAME.npy` with every
    node's codes, (images, *shape), in the smallest integer type that holds whatever the site can (FLOAT: the values in
    float32), and `nodes.json` with their fraction bits. Codes of more than 64 bits have one more axis, of uint64 words
    in two's complement, the least significant first, and `nodes.json` says how many. The files appear together, when
    all images are through, and those of an earlier simulation go; see `files.replacing_together`.

    Raises: DataError where data and network don't fit; PlanError for another network's plan; CarrierError where no
    exact result can be promised; BittrueError where `out` can't be written.
    """
    plan = as_plan(plan)
    chosen = chosen_images(network, dataset, images)
    metric = metric_by_shape(network, chosen)
    if nodes and out is None:
        raise BittrueError("The nodes' codes need a folder to lie in: give one.")
    evaluation = Evaluation(network, metric)
    program = evaluation.program(plan)
    steps = tuple(step for step in program.steps if step.site is not None) if nodes else ()
    records: list[Record] = []
    rounded = 0
    output = program.by_name[program.output].type.shape
    kept: list[NDArray[np.float64]] | None = [] if 8 * chosen.images * math.prod(output) <= MOST_KEPT else None
    size = default_batch_size(network) if batch_size is None else batch_size
    with contextlib.ExitStack() as stack:
        files = folder = None
        if out is not None:
            folder = stack.enter_context(replacing_together(out, FILES))
            files = stack.enter_context(_writing(folder, program, chosen.images, metric is not None, steps))

        def take(found: _Found) -> None:
            nonlocal rounded
            records.append(found.record)
            rounded += found.rounded
            if files is not None:
                files.append(found)
            elif kept is not None:
                kept.append(found.outputs)

        work = _Simulating(evaluation, frozenset(step.name for step in steps))
        unit = Unit(plan, range(chosen.images))
        run_through(InProcess(chosen, size), work, unit, take, progress, "simulate")
        figures = {} if metric is None else metric.summarise(joined([record.arrays for record in records]))
        found = Simulation(
            network=network.hash,
            plan=plan.hash,
            data={"name": chosen.name, "sha256": chosen.sha256, "images": chosen.images},
            images=chosen.images,
            **{name: figures.get(figure) for name, figure in FIGURES.items()},
            exact=is_exact(program),
            layers=prove(program, totals(records, "peaks", max)),
            overflows=program.parameter_overflows | totals(records, "overflows", operator.add),
            rounded_outputs=rounded,
            planned=plan,
            kept=None if files is not None or kept is None else np.concatenate(kept),
        )
        if folder is not None:
            found.save(folder / "simulate.json")
    return found if out is None else replace(found, kept=np.load(Path(out) / OUTPUTS, mmap_mode="r"))


@dataclass(frozen=True, eq=False)
class _Found:
    """A simulated batch.

    rounded: how many of the outputs are not what their codes say. nodes: the codes of the steps that are written, as
    their arrays hold them.
    """

    record: Record
    outputs: NDArray[np.float64]
    rounded: int
    nodes: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class _Simulating:
    """The work of a simulation; nodes: the steps whose codes are written."""

    evaluation: Evaluation
    nodes: frozenset[str]

    def prepare(self, plan: Plan) -> Callable[[Batch], _Found]:
        simulator, judge = Simulator(self.evaluation.program(plan)), self.evaluation.judge()

        def compute(batch: Batch) -> _Found:
            rows: dict[str, NDArray[Any]] = {}

            def observe(step: Step, codes: Value) -> None:
                if step.name in self.nodes:
                    rows[step.name] = _rows(step, codes)

            result = simulator.run(batch.x, observe if self.nodes else None)
            return _Found(judge(batch, result.judged, counters(result)), result.outputs, result.rounded, rows)

        return compute


@dataclass(frozen=True, eq=False)
class _Files:
    """What a simulation leaves behind; `nodes` by the name of the step."""

    outputs: ArrayFile
    predictions: ArrayFile | None
    nodes: Mapping[str, ArrayFile]

    def append(self, found: _Found) -> None:
        self.outputs.append(found.outputs)
        if self.predictions is not None:
            self.predictions.append(found.record.arrays["prediction"])
        for name, rows in found.nodes.items():
            self.nodes[name].append(rows)


@contextlib.contextmanager
def _writing(
    folder: Path, program: FixedNetwork, images: int, predictions: bool, steps: Sequence[Step]
) -> Iterator[_Files]:
    """The files of a simulation, which appear when the block has ended well; `steps`: those whose codes are written."""
    make_folder(folder / "nodes" if steps else folder)
    with contextlib.ExitStack() as stack:

        def array(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> ArrayFile:
            return stack.enter_context(growing_array(folder / f"{name}.npy", (images, *shape), dtype))

        yield _Files(
            outputs=array("outputs", program.by_name[program.output].type.shape, np.float64),
            predictions=array("predictions", (), np.int32) if predictions else None,
            nodes={step.name: array(f"nodes/{step.name}", _row_shape(step), _code_type(step)) for step in steps},
        )
        if steps:
            table = {step.name: _description(step) for step in steps}
            write_text(folder / "nodes.json", dump_json(table))


def _code_type(step: Step) -> np.dtype[Any]:
    return np.dtype(np.float32) if step.type.is_float else smallest_integers(step.type.low, step.type.high)


def _words(step: Step) -> int:
    return words_of(step.type.low, step.type.high)


def _row_shape(step: Step) -> tuple[int, ...]:
    return step.type.shape if _words(step) == 1 else (*step.type.shape, _words(step))


def _description(step: Step) -> dict[str, int | None]:
    """What nodes.json says of a step's array."""
    words = {} if _words(step) == 1 else {"words": _words(step)}
    return {"fraction_bits": step.type.fraction_bits, **words}


def _rows(step: Step, codes: Value) -> NDArray[Any]:
    """A batch's codes as the step's array holds them; FLOAT: the values."""
    if codes.fraction_bits is None:
        values: NDArray[np.float32] = codes.values().numpy().copy()  # a later step may overwrite them
        return values
    integers = codes.integers()
    if _words(step) > 1:
        return words_in_twos_complement(integers, _words(step))
    if codes.bound >> 63 and step.type.low is None:
        raise BittrueError(
            f"site {step.site}: nothing bounds its codes, and one needs more than 64 bits, too long for an array of "
            "integers; give it a format, or leave the nodes out."
        )
    return integers.astype(_code_type(step))
