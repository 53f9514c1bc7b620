"""Timing in pairs: two contenders take turns in one process, so that a machine whose speed drifts doesn't matter."""

import time
from collections.abc import Callable


def ratios(contender: Callable[[], object], yardstick: Callable[[], object], rounds: int) -> list[float]:
    """The contender's time divided by the yardstick's, round by round, after a round that isn't counted."""
    contender(), yardstick()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        contender()
        middle = time.perf_counter()
        yardstick()
        found.append((middle - start) / (time.perf_counter() - middle))
    return found
