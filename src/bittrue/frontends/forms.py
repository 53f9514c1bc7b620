"""Which operator stands for a function that several could compute: one choice for all front ends."""

from collections.abc import Callable

from bittrue.errors import ModelError
from bittrue.network import Operator
from bittrue.operators import Clip, GlobalAveragePooling, GlobalMaxPooling, ReduceMaximum, ReduceMean, ReLU

Reduction = Callable[[tuple[int, ...], bool], Operator]

OVER_AN_IMAGE: dict[Reduction, Callable[[bool], Operator]] = {
    ReduceMaximum: GlobalMaxPooling,
    ReduceMean: GlobalAveragePooling,
}
"""What a reduction over all axes but the last, the channels, is called."""

LARGEST = 2.0**128 - 2.0**104
"""Float32's largest number, beyond which a bound bounds nothing, or all."""


def clipped(low: float | None, high: float | None) -> Operator:
    """A clip, which is a ReLU where it starts at 0. Raises: ModelError where no number lies within its bounds."""
    if (low is not None and low > LARGEST) or (high is not None and high < -LARGEST):
        raise ModelError(
            f"it clips to {'' if low is None else f'at least {low:g}'}{'' if low is None or high is None else ', '}"
            f"{'' if high is None else f'at most {high:g}'}, where float32 has no numbers: export the model again"
        )
    low = None if low is None or low < -LARGEST else low
    high = None if high is None or high > LARGEST else high
    return ReLU(max_value=high) if low == 0 else Clip(low, high)
