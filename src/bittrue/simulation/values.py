"""Values as they travel between steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np
import torch

from bittrue.errors import CarrierError
from bittrue.fixed.tensor import decode
from bittrue.program import CodeType, Step
from bittrue.simulation.carrier import CARRIERS, Carrier, carrier_for

_NORMAL_BITS = 960
"""With so many fraction bits every code of 53 bits is within float64's normal range."""


@dataclass(frozen=True, eq=False)
class Codes:
    """One batch of a step's codes.

    tensor: (batch, *shape), channels last, on a carrier, or in the short words of compiled kernels. low, high: bounds
    that hold for every code in it.
    fraction_bits: None where the values are FLOAT (then tensor holds values in float32, and the bounds are 0).
    reusable: whether the reader may overwrite the tensor.
    """

    tensor: torch.Tensor
    fraction_bits: int | None
    low: int
    high: int
    reusable: bool = False

    @property
    def bound(self) -> int:
        """The largest absolute value that a code can have."""
        return max(abs(self.low), abs(self.high))

    def carried(self, what: str) -> "Codes":
        """The same codes on a carrier, as torch's kernels want them; what: as errors name it."""
        if self.tensor.dtype in CARRIERS:
            return self
        return replace(self, tensor=self.tensor.to(carrier_for(self.bound, what).dtype), reusable=True)

    def values(self) -> torch.Tensor:
        """The values in float32, as FLOAT computation takes them."""
        if self.fraction_bits is None:
            return self.tensor
        try:
            return decode(self.tensor, self.fraction_bits, torch.float32)
        except CarrierError:
            return self._wide(self.fraction_bits).values()

    def reals(self) -> np.ndarray:
        """The values in float64, to which each is rounded once; no zero is negative."""
        bits, dtype = self.fraction_bits or 0, self.tensor.dtype
        if dtype is not torch.int64 and abs(bits) <= _NORMAL_BITS:
            # NumPy converts and multiplies piece by piece, in the cache.
            reals: np.ndarray = np.multiply(self.tensor.numpy(), 2.0**-bits, dtype=np.float64)
        else:
            try:
                reals = decode(self.tensor, bits).numpy()
            except CarrierError:
                return self._wide(bits).reals()
        if dtype.is_floating_point:
            reals += 0.0
        return reals

    def _wide(self, fraction_bits: int) -> "WideCodes":
        return WideCodes(self.integers().astype(object), fraction_bits, self.low, self.high)

    def integers(self) -> np.ndarray:
        """The codes as int64."""
        array: np.ndarray = self.tensor.to(torch.int64).numpy()
        return array

    def rows(self) -> list[list[int | float]]:
        """Each image's codes (or FLOAT values) in row-major order, as Python's numbers."""
        rows: list[list[int | float]] = self.tensor.reshape(len(self.tensor), -1).tolist()
        return rows


@dataclass(frozen=True, eq=False)
class WideCodes:
    """One batch of a step's codes of which some need more bits than torch's carriers have.

    numbers: (batch, *shape), channels last, Python integers in an array of the dtype object. low, high: bounds that
    hold for every code in it.
    """

    numbers: np.ndarray
    fraction_bits: int
    low: int
    high: int

    @property
    def bound(self) -> int:
        """The largest absolute value that a code can have."""
        return max(abs(self.low), abs(self.high))

    def reals(self) -> np.ndarray:
        """The values in float64, to which each is rounded once."""
        unit = 1 << abs(self.fraction_bits)
        try:
            # The quotient of two Python integers is correctly rounded, however large they are.
            quotients = self.numbers / unit if self.fraction_bits >= 0 else self.numbers * unit / 1
        except OverflowError:
            raise CarrierError("a value is beyond float64's range; give the site a format with less reach.") from None
        reals: np.ndarray = quotients.astype(np.float64)
        return reals

    def values(self) -> torch.Tensor:
        """The values in float32, as FLOAT computation takes them."""
        return torch.from_numpy(self.reals()).to(torch.float32)

    def integers(self) -> np.ndarray:
        """The codes as Python integers."""
        return self.numbers

    def rows(self) -> list[list[int | float]]:
        """Each image's codes in row-major order, as Python's numbers."""
        rows: list[list[int | float]] = self.numbers.reshape(len(self.numbers), -1).tolist()
        return rows


Value = Codes | WideCodes
"""One batch of a step's values."""


@dataclass(frozen=True, eq=False)
class Result:
    """What a kernel returns.

    tensor: the exact codes, or, where `rounded`, codes that the step's quantizer has rounded but not yet limited.
    low, high: bounds that hold for the codes in it. tight: they are as close as the inputs' own, and so not worth
    measuring again. inner_overflows: how many codes lay outside the limits of quantizers inside the instruction, by the
    role of their site (`accumulator`).
    """

    tensor: torch.Tensor
    low: int
    high: int
    rounded: bool = False
    tight: bool = False
    inner_overflows: Mapping[str, int] = field(default_factory=dict)


def shifted(codes: Codes, shift: int, carrier: Carrier) -> torch.Tensor:
    """codes · 2^shift for shift ≥ 0 on a carrier that holds them: the same tensor where nothing changes, else a new
    one."""
    moved = codes.tensor.to(carrier.dtype)
    return moved * carrier.factor(shift) if shift else moved


def exact_code(number: Fraction, step: Step) -> int:
    """A number on the grid of the step's exact result, as a code of it."""
    return int(number * Fraction(2) ** step.exact.binary_point)


def alignment(step: Step, types: tuple[CodeType, ...]) -> list[int]:
    """How far each input's codes are shifted left to reach the exact result's fraction bits."""
    return [step.exact.binary_point - kind.binary_point for kind in types]
