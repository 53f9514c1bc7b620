"""The table of a function of one code: what the simulation computes for every code that can come in (B8)."""

import numpy as np

from bittrue.errors import CarrierError
from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.program import CodeType, FixedNetwork, Lookup, Quantize, Step
from bittrue.program.functions import Function
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Value

LARGEST_INPUT = 1 << 16
"""Codes that a function may take in: a table of more is refused."""

_INPUT, _OUTPUT = "x", "y"


def table_of(
    function: Function, quantizer: Quantizer, low: int, high: int, fraction_bits: int, what: str
) -> np.ndarray:
    """The function's codes for the input codes from `low` to `high`: (codes, channels), or (codes, 1) where all
    channels
    have the same function. Their overflow mode has been applied.

    Raises: CarrierError, which begins with `what`, for more than 65,536 input codes; BittrueError for a code at which
    the function has no value.
    """
    count = high - low + 1
    if count > LARGEST_INPUT or abs(fraction_bits) > 100:
        raise CarrierError(
            f"{what}: a table with an entry for each of {count:,} input codes is too large; give the site before it "
            "16 bits or fewer."
        )
    channels = max([1, *(value.size for value in vars(function).values() if isinstance(value, np.ndarray))])
    kind = CodeType((channels,), fraction_bits, low, high)
    word = FixedFormat(True, max((~low).bit_length(), high.bit_length(), 1) + 1, fraction_bits)
    source = Step(
        _INPUT,
        f"{_INPUT}.output",
        Quantize(),
        (),
        CodeType((channels,), None),
        Quantizer(word, overflow=Overflow.SATURATE),
        kind,
    )
    limits = CodeType((channels,), quantizer.format.fraction_bits, quantizer.min_code, quantizer.max_code)
    if quantizer.overflow is Overflow.UNBOUNDED:
        limits = CodeType((channels,), quantizer.format.fraction_bits)
    result = Step(
        _OUTPUT, f"{_OUTPUT}.output", Lookup(function), (_INPUT,), CodeType((channels,), None), quantizer, limits
    )
    program = FixedNetwork("", "", (source, result), _OUTPUT, {})
    found: list[np.ndarray] = []

    def observe(step: Step, value: Value) -> None:
        if step.name == _OUTPUT:
            found.append(value.integers())

    codes = np.arange(low, high + 1, dtype=np.float32) * np.float32(2.0**-fraction_bits)
    Simulator(program).run(np.repeat(codes[:, None], channels, axis=1), observe)
    (table,) = found
    return table if (table != table[:, :1]).any() else table[:, :1]
