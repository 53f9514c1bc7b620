"""The `kernel` table: how torch computes each instruction, with the bits of the definition."""

from collections.abc import Callable

from bittrue.rules import RuleTable
from bittrue.simulation.values import Codes, Result

Kernel = Callable[[tuple[Codes, ...]], Result]
"""Takes a step's inputs. It may overwrite an input's tensor only where that input is reusable.

Raises CarrierError, before it has overwritten anything, where no torch carrier is proven to hold its numbers.
"""

kernel: RuleTable[Callable[..., Kernel]] = RuleTable("kernel")
"""Rules `(instruction, step, input types) -> Kernel`: weights are laid out once, in the rule or at their first use."""
