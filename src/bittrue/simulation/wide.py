"""The last resort: steps whose numbers no torch carrier holds, in Python integers, which hold any.

Each instruction has a rule on NumPy arrays of Python integers, beside its torch kernel. Nothing overflows there and
nothing is approximated, so that no bounds are carried along: what comes out is measured, and returns to torch as soon
as it fits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass

import numpy as np
import torch

from bittrue.fixed import Quantizer, integers
from bittrue.program import Bypass, CodeType, Quantize, Step
from bittrue.rules import RuleTable
from bittrue.simulation.carrier import Carrier, carrier_for
from bittrue.simulation.proof import quantizer_reach
from bittrue.simulation.values import Codes, Result, Value, WideCodes


@dataclass(frozen=True, eq=False)
class WideResult:
    """What a rule here returns.

    numbers: the exact codes, or, where the exact result is no dyadic number, codes that the step's quantizer has
    rounded but not yet limited. inner_overflows: as in Result.
    """

    numbers: np.ndarray
    inner_overflows: Mapping[str, int] = field(default_factory=dict)


WideKernel = Callable[[tuple[np.ndarray, ...]], WideResult]
"""Takes a step's inputs, (batch, *shape), which it leaves alone."""

wide_kernel: RuleTable[Callable[..., WideKernel]] = RuleTable("wide kernel", gaps_allowed=True)
"""Rules `(instruction, step, input types) -> WideKernel`."""

wide_kernel.unsupported(Quantize, reason="the simulator quantizes the input itself")
wide_kernel.unsupported(Bypass, reason="it computes in float32, whatever its inputs are carried on")


def numbers_of(value: Value) -> np.ndarray:
    """The codes as Python integers."""
    return value.integers().astype(object)


def holds_wide_codes(part: object) -> bool:
    """Whether an instruction, or a part of it, has codes that int64 doesn't hold."""
    if isinstance(part, np.ndarray):
        return bool(part.dtype == object)
    return is_dataclass(part) and any(holds_wide_codes(getattr(part, entry.name)) for entry in fields(part))


def fits_torch(result: Result, step: Step) -> bool:
    """Whether a torch carrier holds every number of the step's quantizer at work on a kernel's result."""
    return Carrier.INT64.holds(quantizer_reach(step, result.low, result.high, rounded=result.rounded))


def finish_result(result: Result, step: Step) -> tuple[Value, int]:
    """A torch kernel's result, finished in Python integers because `fits_torch` doesn't hold."""
    return finish(result.tensor.to(torch.int64).numpy().astype(object), step, rounded=result.rounded)


def finish(numbers: np.ndarray, step: Step, *, rounded: bool) -> tuple[Value, int]:
    """The step's quantizer on its result; the codes, back in torch where they fit, and how many overflowed."""
    quantizer = step.quantizer
    if quantizer is None:
        return _carried(numbers, step.type, step.name), 0
    if not rounded:
        shift = step.exact.binary_point - quantizer.format.fraction_bits
        numbers = integers.round_shift(numbers, shift, quantizer.rounding)
    return _limited(numbers, step.type, quantizer, step.name)


def quantize_wide(reals: np.ndarray, kind: CodeType, quantizer: Quantizer, what: str) -> tuple[Value, int]:
    """Finite float32 numbers quantized in Python integers."""
    codes = integers.quantize_reals(reals, quantizer.format.fraction_bits, quantizer.rounding)
    return _limited(codes, kind, quantizer, what)


def _limited(numbers: np.ndarray, kind: CodeType, quantizer: Quantizer, what: str) -> tuple[Value, int]:
    outside = integers.count_overflows(numbers, quantizer)
    return _carried(integers.apply_overflow(numbers, quantizer), kind, what), outside


def _carried(numbers: np.ndarray, kind: CodeType, what: str) -> Value:
    """The codes on the narrowest carrier that holds them; raises CarrierError where there is none."""
    low, high = integers.extremes(numbers)
    carrier = carrier_for(max(abs(low), abs(high)), what, widest=Carrier.PYTHON)
    if carrier is Carrier.PYTHON:
        return WideCodes(numbers, kind.binary_point, low, high)
    return Codes(torch.from_numpy(numbers.astype(np.int64)).to(carrier.dtype), kind.binary_point, low, high)


def each(x: np.ndarray, evaluate: Callable[[int], int]) -> np.ndarray:
    """A function of each code, evaluated once for each that occurs."""
    codes = x.ravel().tolist()
    known = {code: evaluate(code) for code in set(codes)}
    return shaped([known[code] for code in codes], x)


def rounded_to(codes: np.ndarray, fraction_bits: int, quantizer: Quantizer) -> np.ndarray:
    """Codes of `fraction_bits` rounded to those of a quantizer, not yet limited."""
    return integers.round_shift(codes, fraction_bits - quantizer.format.fraction_bits, quantizer.rounding)


def shaped(codes: list[int], like: np.ndarray) -> np.ndarray:
    """Codes in row-major order, in the shape of `like`."""
    return np.array(codes, object).reshape(like.shape)
