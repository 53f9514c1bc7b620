"""A stream of codes in a module: its signals, and what is proven of the codes."""

from dataclasses import dataclass

from bittrue.analysis.cost.hardware import Operand
from bittrue.errors import CarrierError
from bittrue.program import CodeType, Step


def signed_width(low: int, high: int) -> int:
    """The bits of a signed number that holds all integers from `low` to `high`."""
    return max((~low).bit_length() if low < 0 else 0, high.bit_length()) + 1


@dataclass(frozen=True)
class Flow:
    """Signals `NAME_valid`, `NAME_ready` and `NAME_data`, signed, of `width` bits.

    low, high: what the codes lie between, for every input.
    """

    name: str
    fraction_bits: int
    low: int
    high: int

    @property
    def width(self) -> int:
        return signed_width(self.low, self.high)

    @property
    def data(self) -> str:
        return f"{self.name}_data"

    @property
    def operand(self) -> Operand:
        return Operand.of_codes(self.low, self.high)


def bounds_of(kind: CodeType, step: Step) -> tuple[int, int]:
    """The least and the greatest code of a type. step: the one that an error names.

    Raises: CarrierError where nothing bounds them.
    """
    if kind.low is None or kind.high is None:
        raise CarrierError(
            f"node {step.node}: nothing bounds the codes that it computes with, and wires have a fixed width; give the "
            "input's site a format that saturates or wraps."
        )
    return kind.low, kind.high
