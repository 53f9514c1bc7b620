"""FixedNetwork: the network in integers, a list of steps that hardware, the simulation and the definition all
follow."""

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, floor

from bittrue.errors import PlanError
from bittrue.fixed import Quantizer
from bittrue.program.bounds import Bounds
from bittrue.program.instructions import Instruction
from bittrue.shapes import Shape


@dataclass(frozen=True)
class CodeType:
    """What a step's result is: shape (batch axis left out), fraction bits, and the codes that can occur.

    fraction_bits: None for FLOAT values, which are float32 and have no codes.
    low, high: inclusive bounds that hold for every input, or None where nothing bounds the codes (UNBOUNDED sites).
    """

    shape: Shape
    fraction_bits: int | None
    low: int | None = None
    high: int | None = None

    @classmethod
    def within(cls, shape: Shape, fraction_bits: int, bounds: Bounds) -> "CodeType":
        """The codes of `fraction_bits` that hold all values within `bounds`."""
        scale = Fraction(2) ** fraction_bits
        low = None if bounds.low is None else floor(bounds.low * scale)
        high = None if bounds.high is None else ceil(bounds.high * scale)
        return cls(shape, fraction_bits, low, high)

    @property
    def is_float(self) -> bool:
        return self.fraction_bits is None

    @property
    def binary_point(self) -> int:
        """The fraction bits of a type that has codes.

        Raises PlanError for FLOAT values and for exact results without a finite code.
        """
        if self.fraction_bits is None:
            raise PlanError(
                "A value that is FLOAT, or has no finite code, has no binary point; give its site a format."
            )
        return self.fraction_bits

    @property
    def bounds(self) -> Bounds:
        """What the values lie between."""
        return Bounds.of_codes(self.low, self.high, self.binary_point)


@dataclass(frozen=True, eq=False)
class Step:
    """One instruction in its place.

    name: of the value it makes. Node outputs carry the node's name; what a node needs in between is `node.1`,
    `node.2`, …. site: the site whose quantizer this is (`conv1.output`), under which its overflows are counted; None
    in between. exact: the exact result's type before the quantizer; its fraction_bits is None where the result is no
    dyadic number (Lookup, Softmax, an average over 49) or is FLOAT.
    quantizer: rounds the exact result; None passes the exact code on.
    guard: the quantizer is a GUARD's (B5).
    """

    name: str
    site: str | None
    instruction: Instruction
    inputs: tuple[str, ...]
    exact: CodeType
    quantizer: Quantizer | None
    type: CodeType
    guard: bool = False

    @property
    def node(self) -> str:
        """The node whose step it is."""
        return self.name.partition(".")[0]

    def inner_site(self, role: str) -> str:
        """The site of a quantizer inside the instruction."""
        return f"{self.node}.{role}"

    @property
    def is_dyadic(self) -> bool:
        """Whether the exact result has a code, which the quantizer shifts; else it is rounded as it is computed."""
        return self.exact.fraction_bits is not None

    @property
    def rounds_with(self) -> Quantizer:
        """The quantizer of a step that must have one.

        Raises PlanError where the exact code is passed on.
        """
        if self.quantizer is None:
            raise PlanError(f"site {self.site or self.name}: it needs a format here; EXACT and FLOAT have none.")
        return self.quantizer


@dataclass(frozen=True, eq=False)
class FixedNetwork:
    """A network lowered under a plan.

    network, plan: the hashes of what it was made from. steps: inputs come before their readers; the first is the
    Quantize of the input. output: the step whose value is the network's. parameter_overflows: for each parameter site,
    how many of its values overflowed when they were rounded.
    """

    network: str
    plan: str
    steps: tuple[Step, ...]
    output: str
    parameter_overflows: dict[str, int]

    @cached_property
    def by_name(self) -> dict[str, Step]:
        return {step.name: step for step in self.steps}

    @cached_property
    def reader_counts(self) -> Counter[str]:
        """By step how many others read it, one that reads it twice counted once."""
        return Counter(name for step in self.steps for name in set(step.inputs))
