"""How wide the accumulator of each sum must be, of products or over windows: whatever the data, and on the data.

Four widths, each for sums that keep every fraction bit of the products and the bias:

- *any input*: no partial sum of any of the products and the bias, in any order, can exceed it, for whatever codes the
  format of the layer's input allows: the layer may stand anywhere.
- *any order*: the same for whatever the network is given. The layers before this one can't produce every code.
- *in order*: the partial sums in the stated order (B6) on the data; what saturates needs that much to stay silent.
- *final*: the final sums on the data; what wraps (AP_WRAP) needs no more, since it may wrap in between.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from typing import Any, ClassVar

import torch

from bittrue.analysis.evaluating.batches import chosen_images, default_batch_size
from bittrue.analysis.evaluating.executor import InProcess, Unit, run_through
from bittrue.analysis.progress import Progress
from bittrue.data import Batch, DataLike
from bittrue.display import Column, Table, View
from bittrue.environment import exact_environment
from bittrue.errors import CarrierError, PlanError
from bittrue.fixed import FixedFormat
from bittrue.fixed.notation import ap_fixed_name
from bittrue.lowering import lower_by_formats, lower_keeping
from bittrue.network import Network
from bittrue.operators.windows import window_counts, window_rows, window_sum
from bittrue.plan import Guard, Plan, Word
from bittrue.program import CodeType, FixedNetwork, MultiplyAccumulate, Step, WindowSum
from bittrue.result import SavedResult
from bittrue.simulation.carrier import carrier_for
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.sums.accumulators import running_sums
from bittrue.simulation.sums.products import product_sums
from bittrue.simulation.values import Codes, Value
from bittrue.simulation.wide import holds_wide_codes
from bittrue.wording import counted

ORDERED_PRODUCTS = 4 * 10**9
"""How many products are added one by one to find the partial sums: a few seconds. The images follow from it."""


@dataclass(frozen=True)
class SumRange:
    """Codes that sums take: inclusive ends, at `fraction_bits`."""

    fraction_bits: int
    low: int
    high: int

    @property
    def format(self) -> FixedFormat:
        """The narrowest format that holds the range; unsigned where it never goes below zero."""
        signed = self.low < 0
        magnitude_bits = max(self.high.bit_length(), (-self.low - 1).bit_length() if signed else 0)
        return FixedFormat(signed, max(magnitude_bits + signed, 1), self.fraction_bits)

    def widened(self, low: int, high: int) -> "SumRange":
        """The range with more codes in it, at the same fraction bits."""
        return SumRange(self.fraction_bits, min(low, self.low), max(high, self.high))

    def __str__(self) -> str:
        return ap_fixed_name(self.format)

    def to_json(self) -> dict[str, Any]:
        bits = self.format.word_length
        return {"format": str(self), "word_length": bits, "fraction_bits": self.fraction_bits} | {
            "low": self.low,
            "high": self.high,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "SumRange":
        return cls(int(content["fraction_bits"]), int(content["low"]), int(content["high"]))


@dataclass(frozen=True)
class LayerAccumulator:
    """The accumulator that one layer needs.

    input, weight: the formats of the products' factors, as text; the input's is the narrowest that holds whatever the
    layers before can produce, and of a sum over windows the weight is EXACT, being 1. products: how many a sum has.
    any_input, any_order: None where no format bounds the input (UNBOUNDED), or nothing does. in_order, final: None
    where the sums need more than torch's integers hold.
    """

    node: str
    input: str
    weight: str
    products: int
    any_input: SumRange | None
    any_order: SumRange | None
    in_order: SumRange | None
    final: SumRange | None

    def to_json(self) -> dict[str, Any]:
        ranges = {name: getattr(self, name) for name in _RANGES}
        return {name: getattr(self, name) for name in ("node", "input", "weight", "products")} | {
            name: None if found is None else found.to_json() for name, found in ranges.items()
        }


_RANGES = ("any_input", "any_order", "in_order", "final")


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
            (layer.node, f"{layer.products:,}", *(_shown(getattr(layer, name)) for name in _RANGES))
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
            | {name: None if (found := getattr(layer, name)) is None else str(found) for name in _RANGES}
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
                    **{name: None if layer[name] is None else SumRange.from_json(layer[name]) for name in _RANGES},
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
    progress: Progress | None = None,
) -> AccumulatorWidths:
    """The accumulators that the sums of products of a network need under a plan, on the first `images` examples.

    Accumulators of the plan act on what the layers after them see; the widths are those of the exact sums. The partial
    sums in order are taken over the first images alone where all would take too long.

    Raises: DataError where the data doesn't fit; PlanError for another network's plan; CarrierError where no exact
    result can be promised.
    """
    chosen = chosen_images(network, dataset, images)
    lowered = lower_keeping(network, plan)
    program, by_formats = lowered.program, lower_by_formats(lowered)
    layers: list[_Layer | _Windows] = []
    for step in program.steps:
        if isinstance(step.instruction, MultiplyAccumulate):
            layers.append(_Layer(step, step.instruction, program, by_formats, weight_format(network, plan, step.node)))
        elif isinstance(step.instruction, WindowSum) and prod(step.instruction.window) > 1:
            layers.append(_Windows(step, step.instruction, program, by_formats))
    products = sum(prod(layer.step.type.shape) * layer.products for layer in layers if isinstance(layer, _Layer))
    ordered_images = min(max(ORDERED_PRODUCTS // max(products, 1), 1), chosen.images)
    work = _Widening(program, layers, ordered_images)
    executor = InProcess(chosen, default_batch_size(network) if batch_size is None else batch_size)
    run_through(executor, work, Unit(plan, range(chosen.images)), lambda _: None, progress, "accumulators")
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


@dataclass(frozen=True, eq=False)
class _Widening:
    """The work that widens the layers' ranges, in this process; of the first `ordered_images` by the partial sums."""

    program: FixedNetwork
    layers: "Sequence[_Layer | _Windows]"
    ordered_images: int

    def prepare(self, plan: Plan) -> Callable[[Batch], None]:
        simulator = Simulator(self.program)

        def compute(batch: Batch) -> None:
            ordered_images = max(self.ordered_images - batch.start, 0)

            def observe(step: Step, codes: Value) -> None:
                for layer in self.layers:
                    if layer.step.inputs[0] == step.name:
                        layer.add(codes, ordered_images)

            simulator.run(batch.x, observe)

        return compute


class _Layer:
    """The sums of one step so far."""

    def __init__(
        self,
        step: Step,
        instruction: MultiplyAccumulate,
        program: FixedNetwork,
        by_formats: FixedNetwork,
        weight: str,
    ) -> None:
        self.step = step
        self._weight = weight
        self._input: CodeType = program.by_name[step.inputs[0]].type
        self._allowed: CodeType = by_formats.by_name[step.inputs[0]].type
        self._sums = product_sums(instruction, step, self._input)
        self._in_order: SumRange | None = None
        self._final: SumRange | None = None
        self._measurable = not holds_wide_codes(instruction)

    @cached_property
    def products(self) -> int:
        return prod(self._sums.instruction.weight.shape[:-1])

    def add(self, codes: Value, ordered_images: int) -> None:
        """Widen the ranges by the sums of a batch of inputs."""
        self._measurable &= isinstance(codes, Codes)
        if not self._measurable or not isinstance(codes, Codes):
            return
        try:
            self._final = self._widened(self._final, self._sums.exact_sum(codes).tensor)
            if ordered_images:
                for sums in running_sums(self._sums, replace(codes, tensor=codes.tensor[:ordered_images])):
                    self._in_order = self._widened(self._in_order, sums)
        except CarrierError:
            self._measurable = False

    def found(self) -> LayerAccumulator:
        low, high, fraction_bits = self._input.low, self._input.high, self._sums.input_fraction_bits
        factor = f"UNBOUNDED with {fraction_bits} fraction bits"
        if low is not None and high is not None:
            factor = str(SumRange(fraction_bits, low, high))
        in_order, final = self._in_order, self._final
        if not self._measurable or in_order is None or final is None:
            in_order = final = None
        else:
            # Final sums are partial sums too, those of the images whose others were left out among them.
            in_order = in_order.widened(final.low, final.high)
        return LayerAccumulator(
            self.step.node,
            factor,
            self._weight,
            self.products,
            any_input=self._reach(self._allowed),
            any_order=self._reach(self._input),
            in_order=in_order,
            final=final,
        )

    def _reach(self, inputs: CodeType) -> SumRange | None:
        """What partial sums in any order can reach for codes of this type; None where nothing bounds them."""
        if inputs.low is None or inputs.high is None:
            return None
        return SumRange(self._sums.fraction_bits, *self._sums.partial_sums(inputs.low, inputs.high))

    def _widened(self, known: SumRange | None, sums: torch.Tensor) -> SumRange:
        low, high = (int(end) for end in torch.aminmax(sums))
        return SumRange(self._sums.fraction_bits, low, high) if known is None else known.widened(low, high)


class _Windows:
    """The sums over windows of one step so far."""

    def __init__(self, step: Step, instruction: WindowSum, program: FixedNetwork, by_formats: FixedNetwork) -> None:
        self.step = step
        self._instruction = instruction
        self._input = program.by_name[step.inputs[0]].type
        self._allowed = by_formats.by_name[step.inputs[0]].type
        geometry = (instruction.window, instruction.strides, instruction.padding, instruction.dilation)
        self.products = int(window_counts(self._input.shape[:-1], *geometry).max())
        self._in_order: SumRange | None = None
        self._final: SumRange | None = None
        self._measurable = True

    def add(self, codes: Value, ordered_images: int) -> None:
        """Widen the ranges by the sums of a batch of inputs."""
        self._measurable &= isinstance(codes, Codes)
        if not self._measurable or not isinstance(codes, Codes):
            return
        try:
            carrier_for(codes.bound * self.products, self.step.name)
        except CarrierError:
            self._measurable = False
            return
        x, instruction = codes.tensor.to(torch.int64), self._instruction
        geometry = (instruction.window, instruction.strides, instruction.padding, instruction.dilation)
        self._final = self._widened(self._final, window_sum(x, *geometry))
        if ordered_images:
            self._in_order = self._widened(self._in_order, window_rows(x[:ordered_images], *geometry).cumsum(-1))

    def found(self) -> LayerAccumulator:
        low, high, bits = self._input.low, self._input.high, self._input.binary_point
        factor = f"UNBOUNDED with {bits} fraction bits"
        if low is not None and high is not None:
            factor = str(SumRange(bits, low, high))
        in_order, final = (self._in_order, self._final) if self._measurable else (None, None)
        if in_order is not None and final is not None:
            in_order = in_order.widened(final.low, final.high)
        return LayerAccumulator(
            self.step.node,
            factor,
            Word.EXACT.value,
            self.products,
            any_input=self._reach(self._allowed),
            any_order=self._reach(self._input),
            in_order=in_order,
            final=final,
        )

    def _reach(self, inputs: CodeType) -> SumRange | None:
        """What partial sums in any order can reach for codes of this type; None where nothing bounds them."""
        if inputs.low is None or inputs.high is None:
            return None
        return SumRange(inputs.binary_point, self.products * min(inputs.low, 0), self.products * max(inputs.high, 0))

    def _widened(self, known: SumRange | None, sums: torch.Tensor) -> SumRange:
        low, high = (int(end) for end in torch.aminmax(sums))
        return SumRange(self._input.binary_point, low, high) if known is None else known.widened(low, high)
