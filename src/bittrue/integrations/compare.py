"""How far float32 ("fake") quantization in Keras lies from the bit-true result, on the user's own network and data."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.evaluating.batches import chosen_images, default_batch_size
from bittrue.analysis.evaluating.ending import Ending, ending_of
from bittrue.analysis.evaluating.executor import InProcess, Unit, run_through
from bittrue.analysis.progress import Progress
from bittrue.analysis.simulate import Simulation
from bittrue.data import Batch, DataLike
from bittrue.display import Column, Table, View
from bittrue.environment import exact_environment
from bittrue.errors import PlanError
from bittrue.fixed import Quantizer
from bittrue.integrations.keras_insert import insert_layers
from bittrue.integrations.with_keras import keras
from bittrue.lowering import lower_network
from bittrue.plan import Plan
from bittrue.program import FixedNetwork, Step
from bittrue.result import Result
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Value
from bittrue.wording import counted, percent


@dataclass(frozen=True)
class LayerDifference:
    """One node whose output the plan rounds.

    values: how many were compared. differing: of them not the same number. largest: the largest difference, in last
    bits of the node's format (LSB). images: in how many a value differs.
    """

    node: str
    values: int
    differing: int
    largest: float
    images: int


@dataclass(frozen=True, repr=False)
class Comparison(Result):
    """A plan computed by Keras in float32, against the bit-true result.

    network, plan: their hashes. data: name, sha256 and images. layers: in the network's order; a difference lives on in
    the layers behind. flipped: the images, counted from 0, that are classified otherwise; None where the network is no
    classifier. keras_correct, correct: how many images Keras and the bit-true network classify rightly; None without
    labels.
    """

    network: str
    plan: str
    data: Mapping[str, Any]
    images: int
    layers: tuple[LayerDifference, ...]
    flipped: tuple[int, ...] | None
    keras_correct: int | None
    correct: int | None

    def view(self) -> View:
        headings = ("values", "differ", "%", "largest, LSB", "in images")
        columns = [Column("node"), *(Column(heading, number=True) for heading in headings)]
        rows = [
            (
                layer.node,
                f"{layer.values:,}",
                f"{layer.differing:,}",
                f"{100 * layer.differing / layer.values:.3f}",
                f"{layer.largest:g}",
                f"{layer.images:,}",
            )
            for layer in self.layers
        ]
        return (Table(columns, rows, "Values in float32 sums, against the bit-true ones"), self._predictions())

    def _predictions(self) -> str:
        images = counted(self.images, "image")
        if self.flipped is None:
            return f"{images}; the network has no classes that could flip."
        flips = f"{counted(len(self.flipped), 'prediction')} of {images} flipped"
        if self.keras_correct is None or self.correct is None:
            return f"{flips}."
        accuracies = percent(self.keras_correct / self.images), percent(self.correct / self.images)
        return f"{flips}: accuracy {accuracies[0]} in Keras, {accuracies[1]} bit-true."

    def records(self) -> list[dict[str, Any]]:
        """A row a node."""
        return [asdict(layer) for layer in self.layers]

    def to_json(self) -> dict[str, Any]:
        return {
            "bittrue": 1,
            "network": self.network,
            "plan": self.plan,
            "data": dict(self.data),
            "images": self.images,
            "layers": self.records(),
            "flipped": None if self.flipped is None else list(self.flipped),
            "keras_correct": self.keras_correct,
            "correct": self.correct,
        }


@exact_environment()
def compare(
    model: Any,
    plan: Plan | Simulation,
    dataset: DataLike,
    *,
    images: int | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Compute the first `images` examples (None: all) under `plan` twice: by Keras with `bittrue.keras.insert`, whose
    sums are float32, and bit-true; and say what differs.

    model: the Keras model as trained. Compared are the nodes whose output site has a quantizer of its own: EXACT, GUARD
    and FLOAT ones have no last bit to count in.

    plan: or the Simulation that `simulate` returned for one; read from a file, it has its plan's hash alone.

    Raises: what `insert` and `simulate` raise; PlanError for anything that has no plan.
    """
    given = plan.planned if isinstance(plan, Simulation) else plan
    if not isinstance(given, Plan):
        raise PlanError(f"a {type(plan).__name__} has no plan in it here: give the Plan itself.")
    plan = given
    inserted = insert_layers(model, plan)
    network = inserted.network
    chosen = chosen_images(network, dataset, images)
    program = lower_network(network, plan)
    tallies = {node.name: _Tally(program.by_name[node.name]) for node in network.nodes if _is_compared(plan, node.name)}
    both = keras.Model(inserted.model.inputs[0], [inserted.values[name] for name in (*tallies, network.output)])
    ending = ending_of(network)
    found: list[_Predicted] = []
    work = _Comparing(program, both, tallies, ending)
    executor = InProcess(chosen, default_batch_size(network) if batch_size is None else batch_size)
    run_through(executor, work, Unit(plan, range(chosen.images)), found.append, progress, "compare")
    labelled = ending.is_classes and chosen.labels is not None
    return Comparison(
        network=network.hash,
        plan=plan.hash,
        data={"name": chosen.name, "sha256": chosen.sha256, "images": chosen.images},
        images=chosen.images,
        layers=tuple(tally.difference for tally in tallies.values()),
        flipped=tuple(image for part in found for image in part.flipped) if ending.is_classes else None,
        keras_correct=sum(part.keras_correct for part in found) if labelled else None,
        correct=sum(part.correct for part in found) if labelled else None,
    )


@dataclass(frozen=True)
class _Predicted:
    """Of a batch: the images that are classified otherwise, and how many Keras and the bit-true network have right."""

    flipped: tuple[int, ...] = ()
    keras_correct: int = 0
    correct: int = 0


@dataclass(frozen=True, eq=False)
class _Comparing:
    """The work of running each batch twice, in this process; both: the Keras model of all tallied outputs and the
    network's."""

    program: FixedNetwork
    both: Any
    tallies: "Mapping[str, _Tally]"
    ending: Ending

    def prepare(self, plan: Plan) -> Callable[[Batch], _Predicted]:
        simulator = Simulator(self.program)

        def compute(batch: Batch) -> _Predicted:
            *layers, outputs = (np.asarray(values) for values in self.both.predict_on_batch(batch.x))
            fake = dict(zip(self.tallies, layers, strict=True))

            def observe(step: Step, codes: Value) -> None:
                if step.name in self.tallies:
                    self.tallies[step.name].add(fake[step.name], codes.reals())

            true = simulator.run(batch.x, observe).judged
            return self._predicted(batch, outputs, true) if self.ending.is_classes else _Predicted()

        return compute

    def _predicted(self, batch: Batch, fake: NDArray[np.float32], true: NDArray[np.float64]) -> _Predicted:
        ours, theirs = self.ending.predictions(true), self.ending.predictions(fake)
        flipped = tuple((batch.start + np.flatnonzero(ours != theirs)).tolist())
        if batch.y is None:
            return _Predicted(flipped)
        return _Predicted(flipped, int(np.count_nonzero(theirs == batch.y)), int(np.count_nonzero(ours == batch.y)))


def _is_compared(plan: Plan, node: str) -> bool:
    return isinstance(plan.sites[f"{node}.output"], Quantizer)


class _Tally:
    """Differences of one node, batch by batch."""

    def __init__(self, step: Step) -> None:
        self._node = step.name
        self._fraction_bits = step.rounds_with.format.fraction_bits
        self._values = self._differing = self._images = 0
        self._largest = 0.0

    def add(self, fake: NDArray[np.float32], true: NDArray[np.float64]) -> None:
        distances = np.abs(fake.astype(np.float64) - true).reshape(len(true), -1)
        self._values += distances.size
        self._differing += int(np.count_nonzero(distances))
        self._images += int(np.count_nonzero(distances.any(axis=1)))
        self._largest = max(self._largest, float(distances.max(initial=0.0)))

    @property
    def difference(self) -> LayerDifference:
        largest = float(np.ldexp(self._largest, self._fraction_bits))
        return LayerDifference(self._node, self._values, self._differing, largest, self._images)
