"""Whether a group's sums of products are cheaper here than on torch, what follows them counted too.

Costs are counted as in `sums/strategies.py`: in products of torch's float32 kernel, for one image.
`benchmarks/carriers.py` measures the constants below.
"""

from collections.abc import Mapping

import numpy as np

from bittrue.errors import CarrierError
from bittrue.program import CodeType, MultiplyAccumulate, Step
from bittrue.simulation.compiled.sources import Source, SourceKind
from bittrue.simulation.compiled.stages import Span
from bittrue.simulation.sums.bounds import SumBounds
from bittrue.simulation.sums.choice import cheapest
from bittrue.simulation.sums.strategies import cost, work_of

PRODUCT: Mapping[str, float] = {
    "avx512": 0.55,
    "avxvnni": 0.9,
    "avx2": 1.2,
    "neondot": 1.2,
    "neon": 1.2,
    "portable": 10.0,
}
"""A product of two codes of up to 16 bits, by unit. NEON's are counted from its instructions, for want of a machine."""

BYTE_PRODUCT: Mapping[str, float] = {"avx512": 0.3, "avxvnni": 0.5, "neondot": 0.5}
"""A product of two bytes, by unit that has an instruction for it."""

DEPTHWISE_PRODUCT: Mapping[str, float] = {
    "avx512": 1.5,
    "avxvnni": 2.0,
    "avx2": 2.0,
    "neondot": 2.0,
    "neon": 2.0,
    "portable": 2.5,
}

OUTPUT: Mapping[str, float] = {
    "avx512": 20.0,
    "avxvnni": 20.0,
    "avx2": 20.0,
    "neondot": 20.0,
    "neon": 20.0,
    "portable": 50.0,
}
"""A number through one step that follows, in the block where it lies, by unit."""

TORCH_OUTPUT = 50.0
"""The same on torch, for which each step is some passes over all numbers."""


_SLOW = 2.0
"""A product that costs more is left to torch, but for codes that torch has no cheap way for."""


def multiplies_slowly(unit: str) -> bool:
    """Whether torch is expected to compute most sums of products."""
    return PRODUCT[unit] > _SLOW


def pays(
    instruction: MultiplyAccumulate,
    kind: CodeType,
    steps: tuple[Step, ...],
    span: Span,
    source: Source,
    sums: SumBounds,
    unit: str,
) -> bool:
    """Whether the library is expected to take less time than torch for these steps.

    instruction: of the first of them. kind, span: of its input.
    """
    work = work_of(instruction, kind.shape, steps[0].exact.shape)
    here = work.products * _product(source, unit) * len(source.places) + work.outputs * OUTPUT[unit] * len(steps)
    try:
        strategy = cheapest(sums, work, np.array([span.low]), np.array([span.high]))
    except CarrierError:
        return True
    return here <= cost[type(strategy)](strategy, work) + work.outputs * TORCH_OUTPUT * len(steps)


def _product(source: Source, unit: str) -> float:
    if source.kind is SourceKind.DEPTHWISE:
        return DEPTHWISE_PRODUCT[unit]
    in_bytes = source.packing is not None and source.packing.in_bytes
    return BYTE_PRODUCT.get(unit, PRODUCT[unit]) if in_bytes else PRODUCT[unit]
