"""The place where an answer changes, found by halving."""

from collections.abc import Callable

STEPS = 60
"""As many as the digits of a float64 are good for."""


def halved(
    is_below: Callable[[float], bool], low: float = 0.0, high: float = 1.0, steps: int = STEPS
) -> tuple[float, float]:
    """Two numbers of [low, high] between which `is_below` changes from true to false; neighbours, unless `steps` are
    fewer."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return low, high
