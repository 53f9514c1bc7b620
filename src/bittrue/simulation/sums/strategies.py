"""The ways to compute an exact sum of products, and what each costs beside the others.

Each is chosen only where the bounds prove it (B14); among the proven ones the cheapest is taken. Costs are counted in
products of a float32 kernel, for one image; `benchmarks/carriers.py` measures the constants below.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from bittrue.program import MultiplyAccumulate
from bittrue.rules import RuleTable
from bittrue.simulation.carrier import Carrier
from bittrue.simulation.sums.digits import Digits


@dataclass(frozen=True)
class Strategy(ABC):
    """How a sum of products is computed."""

    @property
    @abstractmethod
    def label(self) -> str:
        """As the proof's table has it."""

    @property
    def kernel_bits(self) -> int:
        """What one kernel's numbers must stay below is 2 to this."""
        return Carrier.FLOAT32.bits

    @property
    def added_on(self) -> Carrier:
        """The carrier of the whole sums."""
        return Carrier.FLOAT64


@dataclass(frozen=True)
class OneCarrier(Strategy):
    """All products in one kernel, on one carrier."""

    carrier: Carrier

    @property
    def label(self) -> str:
        return self.carrier.label

    @property
    def kernel_bits(self) -> int:
        return self.carrier.bits

    @property
    def added_on(self) -> Carrier:
        return self.carrier


@dataclass(frozen=True)
class ChannelGroups(Strategy):
    """The products of some input channels (start, stop) after the other, each in float32, added in float64."""

    groups: tuple[tuple[int, int], ...]

    @property
    def label(self) -> str:
        return f"float32 in {len(self.groups)} channel groups"


@dataclass(frozen=True)
class InputParts(Strategy):
    """The inputs of a dense layer or a grouped convolution cut into a high part and `low_bits` low bits, side by side
    in one float32 product, added in float64."""

    low_bits: int

    @property
    def label(self) -> str:
        return "float32, inputs in two parts"


@dataclass(frozen=True)
class DigitProducts(Strategy):
    """Each digit of the inputs by each of the weights in the processor's integer units, added on `carrier`."""

    inputs: Digits
    weights: Digits
    carrier: Carrier

    @property
    def label(self) -> str:
        return f"int8 digits, {self.inputs.count}×{self.weights.count} in {self.carrier.label}"

    @property
    def added_on(self) -> Carrier:
        return self.carrier


@dataclass(frozen=True)
class Work:
    """One image's part in a layer: how many products, how many numbers come in and how many sums go out.

    kind: "dense", "convolution", or "grouped" for convolutions whose channels are in groups.
    """

    products: int
    inputs: int
    outputs: int
    kind: str


NOMINAL_BATCH = 16

FLOAT64_PRODUCT = {"convolution": 3.5, "dense": 2.1, "grouped": 50.0}
"""In float64 oneDNN has no convolution, and torch goes through the groups one by one."""
INT64_PRODUCT = 100.0
GROUPED_PRODUCT = 1.1
TWO_PART_PRODUCT = {"dense": 1.13, "grouped": 10.0}
DIGIT_PRODUCT = 0.1
DIGIT_INPUT = 60.0
"""Cutting an input into digits, for each digit."""
ADDED_OUTPUT = 130.0
"""Adding one kernel's sum to the others', for each sum."""
DIGIT_CALL = 8e6 / NOMINAL_BATCH
"""What a call of an integer kernel costs whatever its size: torch finds it through more layers than a float one."""

cost: RuleTable[Callable[..., float]] = RuleTable("cost of a strategy")
"""Rules `(strategy, work) -> float`."""


@cost.rule(OneCarrier)
def _(strategy: OneCarrier, work: Work) -> float:
    match strategy.carrier:
        case Carrier.FLOAT32:
            return work.products
        case Carrier.FLOAT64:
            return work.products * FLOAT64_PRODUCT[work.kind]
        case _:
            return work.products * INT64_PRODUCT


@cost.rule(ChannelGroups)
def _(strategy: ChannelGroups, work: Work) -> float:
    return work.products * GROUPED_PRODUCT + len(strategy.groups) * work.outputs * ADDED_OUTPUT


@cost.rule(InputParts)
def _(strategy: InputParts, work: Work) -> float:
    return work.products * TWO_PART_PRODUCT[work.kind]


@cost.rule(DigitProducts)
def _(strategy: DigitProducts, work: Work) -> float:
    kernels = strategy.inputs.count * strategy.weights.count
    added = kernels if kernels > 1 or strategy.carrier is not Carrier.FLOAT32 else 0
    return (
        kernels * (work.products * DIGIT_PRODUCT + DIGIT_CALL)
        + strategy.inputs.count * work.inputs * DIGIT_INPUT
        + added * work.outputs * ADDED_OUTPUT
    )


def work_of(instruction: MultiplyAccumulate, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> Work:
    """The work of a layer whose inputs and outputs have these shapes, the batch axis left out."""
    outputs = prod(out_shape)
    kind = "grouped" if instruction.groups > 1 else "convolution" if instruction.strides else "dense"
    return Work(outputs * prod(instruction.weight.shape[:-1]), prod(in_shape), outputs, kind)
