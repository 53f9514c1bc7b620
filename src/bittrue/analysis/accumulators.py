"""How wide the accumulator of each sum must be, of products or over windows: whatever the data, and on the data.

Four widths, each for sums that keep every fraction bit of the products and the bias:

- *any input*: no partial sum of any of the products and the bias, in any order, can exceed it, for whatever codes the
  format of the layer's input allows: the layer may stand anywhere.
- *any order*: the same for whatever the network is given. The layers before this one can't produce every code.
- *in order*: the partial sums in the stated order (B6) on the data; what saturates needs that much to stay silent.
- *final*: the final sums on the data; what wraps (AP_WRAP) needs no more, since it may wrap in between.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar

from bittrue.analysis.evaluating.batches import chosen_images, default_batch_size
from bittrue.analysis.evaluating.engine import EngineLike, opened
from bittrue.analysis.evaluating.executor import Unit, run_through
from bittrue.analysis.layer_sums import RANGES, LayerAccumulator, ProductSums, SeenSums, StepSums, SumRange, WindowSums
from bittrue.analysis.progress import Progress
from bittrue.data import Batch, DataLike
from bittrue.display import Column, Table, View
from bittrue.environment import exact_environment
from bittrue.errors import PlanError
from bittrue.fixed.notation import ap_fixed_name
from bittrue.lowering import Lowered, lower_by_formats, lower_keeping
from bittrue.network import Network
from bittrue.plan import Guard, Plan, Word
from bittrue.program import MultiplyAccumulate, Step, WindowSum
from bittrue.result import SavedResult
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Value
from bittrue.wording import counted

ORDERED_PRODUCTS = 4 * 10**9
"""How many products are added one by one to find the partial sums: a few seconds. The images follow from it."""


@dataclass(frozen=True, repr=False)
class AccumulatorWidths(SavedResult):
    """The accumulators of a network under a plan.

    network, plan: their hashes. data: name, sha256 and images of what was measured. ordered_images: on how many of them
    the partial sums in order were; of the others only the final ones count.
    """

    network: str
    plan: str
    data: Mapping[str, Any]
    ordered_images: int
    layers: tuple[LayerAccumulator, ...]

    file: ClassVar[str] = "accumulators"

    def view(self) -> View:
        rows = [
            (layer.node, f"{layer.products:,}", *(_shown(getattr(layer, name)) for name in RANGES))
            for layer in self.layers
        ]
        columns = [Column("accumulator of"), Column("products", number=True), Column("any input codes")]
        columns += [Column("any image"), Column("enough in order"), Column("at the end")]
        return (
            Table(columns, rows, "Accumulators"),
            "Any input codes: enough in any order, whatever codes the format of the layer's input allows. Any image: "
            "enough in any order, whatever the network is given, as the layers before can't produce every code. Enough "
            "in order: for the partial sums on the data, kernel rows, columns, then input channels "
            f"({counted(self.ordered_images, 'image')}). At the end: for the final sums on the data "
            f"({counted(self.data['images'], 'image')}), which is all that an accumulator that wraps needs to hold.",
        )

    def records(self) -> list[dict[str, Any]]:
        """A row a layer, with the formats as text; None where there is none."""
        return [
            {"node": layer.node, "products": layer.products, "input": layer.input, "weight": layer.weight}
            | {name: None if (found := getattr(layer, name)) is None else str(found) for name in RANGES}
            for layer in self.layers
        ]

    def to_json(self) -> dict[str, Any]:
        """The object under "accumulators" in ranges.json."""
        return {
            "network": self.network,
            "plan": self.plan,
            "data": dict(self.data),
            "ordered_images": self.ordered_images,
            "layers": [layer.to_json() for layer in self.layers],
        }

    @classmethod
    def from_json(cls, content: Any, source: str) -> "AccumulatorWidths":
        """Read back to_json's object; raises PlanError that names `source`."""
        try:
            layers = tuple(
                LayerAccumulator(
                    str(layer["node"]),
                    str(layer["input"]),
                    str(layer["weight"]),
                    int(layer["products"]),
                    **{name: None if layer[name] is None else SumRange.from_json(layer[name]) for name in RANGES},
                )
                # Files from before `any_input` was found have none.
                for layer in ({"any_input": None} | layer for layer in content["layers"])
            )
            images = int(content["ordered_images"])
            return cls(str(content["network"]), str(content["plan"]), dict(content["data"]), images, layers)
        except (KeyError, TypeError, ValueError) as error:
            raise PlanError(
                f"{source}: its accumulators can't be read ({error!r}); make it with `bittrue ranges`."
            ) from None


def _shown(found: SumRange | None) -> str:
    return "–" if found is None else str(found)


@exact_environment()
def accumulator_widths(
    network: Network,
    plan: Plan,
    dataset: DataLike,
    *,
    images: int | None = None,
    batch_size: int | None = None,
    engine: EngineLike = None,
    progress: Progress | None = None,
) -> AccumulatorWidths:
    """The accumulators that the sums of products of a network need under a plan, on the first `images` examples.

    Accumulators of the plan act on what the layers after them see; the widths are those of the exact sums. The partial
    sums in order are taken over the first images alone where all would take too long. engine: see `measure_ranges`.

    Raises: DataError where the data doesn't fit; PlanError for another network's plan; CarrierError where no exact
    result can be promised.
    """
    chosen = chosen_images(network, dataset, images)
    lowered = lower_keeping(network, plan)
    layers = _layers(network, lowered)
    products = sum(prod(layer.step.type.shape) * layer.products for layer in layers if isinstance(layer, ProductSums))
    ordered_images = min(max(ORDERED_PRODUCTS // max(products, 1), 1), chosen.images)
    work = _Widening(network, ordered_images, (lowered, layers))

    def take(found: Sequence[SeenSums]) -> None:
        for layer, seen in zip(layers, found, strict=True):
            layer.join(seen)

    size = default_batch_size(network) if batch_size is None else batch_size
    with opened(engine) as carrying_out:
        executor = carrying_out.executor(chosen, size, progress)
        run_through(executor, work, Unit(plan, range(chosen.images)), take, progress, "accumulators")
    return AccumulatorWidths(
        network=network.hash,
        plan=plan.hash,
        data={"name": chosen.name, "sha256": chosen.sha256, "images": chosen.images},
        ordered_images=ordered_images,
        layers=tuple(layer.found() for layer in layers),
    )


def weight_format(network: Network, plan: Plan, node: str) -> str:
    """The format of a layer's weights without its modes, or the word EXACT, as for weights that have no site."""
    weights = [parameter.name for role, parameter in network.by_name[node].operator.parameters() if role == "weight"]
    (name,) = weights or [f"{node}.weight"]
    spec = plan.sites.get(name, Word.EXACT)
    if isinstance(spec, Word):
        return spec.value
    quantizers = spec if isinstance(spec, tuple) else (spec.quantizer if isinstance(spec, Guard) else spec,)
    formats = {quantizer.format for quantizer in quantizers}
    if len(formats) == 1:
        return ap_fixed_name(formats.pop())
    fraction_bits = [format.fraction_bits for format in formats]
    return (
        f"{quantizers[0].format.word_length} bits, {min(fraction_bits)} to {max(fraction_bits)} of them fraction bits"
    )


def _layers(network: Network, lowered: Lowered) -> list[StepSums]:
    program, by_formats = lowered.program, lower_by_formats(lowered)
    layers: list[StepSums] = []
    for step in program.steps:
        if isinstance(step.instruction, MultiplyAccumulate):
            weight = weight_format(network, lowered.plan, step.node)
            layers.append(ProductSums(step, step.instruction, program, by_formats, weight))
        elif isinstance(step.instruction, WindowSum) and prod(step.instruction.window) > 1:
            layers.append(WindowSums(step, step.instruction, program, by_formats))
    return layers


@dataclass(frozen=True, eq=False)
class _Widening:
    """The work that finds what the layers' sums reach in a batch, of the first `ordered_images` the partial ones, too.

    made: of the plan, where it is lowered already; it doesn't travel, as it is larger than the network.
    """

    network: Network
    ordered_images: int
    made: tuple[Lowered, Sequence[StepSums]] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _Widening, (self.network, self.ordered_images)

    def prepare(self, plan: Plan) -> Callable[[Batch], list[SeenSums]]:
        if self.made is None:
            lowered = lower_keeping(self.network, plan)
            layers: Sequence[StepSums] = _layers(self.network, lowered)
        else:
            lowered, layers = self.made
        simulator = Simulator(lowered.program)

        def compute(batch: Batch) -> list[SeenSums]:
            ordered_images = max(self.ordered_images - batch.start, 0)
            found: dict[str, SeenSums] = {}

            def observe(step: Step, codes: Value) -> None:
                for layer in layers:
                    if layer.step.inputs[0] == step.name:
                        found[layer.step.name] = layer.seen(codes, ordered_images)

            simulator.run(batch.x, observe)
            return [found[layer.step.name] for layer in layers]

        return compute
