"""Which operator stands for a function that several could compute: one choice for all front ends."""

from collections.abc import Callable
from math import isinf

from bittrue.network import Operator
from bittrue.operators import Clip, GlobalAveragePooling, GlobalMaxPooling, ReduceMaximum, ReduceMean, ReLU

Reduction = Callable[[tuple[int, ...], bool], Operator]

OVER_AN_IMAGE: dict[Reduction, Callable[[bool], Operator]] = {
    ReduceMaximum: GlobalMaxPooling,
    ReduceMean: GlobalAveragePooling,
}
"""What a reduction over all axes but the last, the channels, is called."""


def clipped(low: float | None, high: float | None) -> Operator:
    """A clip, which is a ReLU where it starts at 0."""
    low = None if low is None or isinf(low) else low
    high = None if high is None or isinf(high) else high
    return ReLU(max_value=high) if low == 0 else Clip(low, high)
