"""How much of a network is computed side by side."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from bittrue.errors import BittrueError


@dataclass(frozen=True)
class VerilogOptions:
    """parallel: by node, the multipliers of its sums. multipliers: how many all others share, so that the slowest layer
    is fastest; None: one each. clock: MHz, for images per second."""

    parallel: Mapping[str, int] = field(default_factory=dict)
    multipliers: int | None = None
    clock: float = 100.0

    def __post_init__(self) -> None:
        for node, count in self.parallel.items():
            if count < 1:
                raise BittrueError(f"node {node}: {count} multipliers compute nothing: give it one at least.")
        if not 0 < self.clock < inf:
            raise BittrueError(f"A clock of {self.clock:g} MHz doesn't tick: give one above 0, as in 100.")

    @classmethod
    def parsed(cls, parallel: str | None, multipliers: int | None, clock: float = 100.0) -> "VerilogOptions":
        """parallel: as typed, `conv1=8,dense6=16`. Raises: BittrueError for another text."""
        found: dict[str, int] = {}
        for part in (parallel or "").split(",") if parallel else ():
            node, sign, count = part.strip().partition("=")
            if not sign or not count.isdecimal():
                raise BittrueError(
                    f"--parallel takes NODE=N with commas, as in conv1=8,dense6=16: {part[:40]!r} isn't."
                )
            if node in found:
                raise BittrueError(f"--parallel names node {node} twice: name each once.")
            found[node] = int(count)
        return cls(found, multipliers, clock)
