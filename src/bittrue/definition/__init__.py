"""The meaning of a FixedNetwork, in Python integers and fractions: slow, obvious, and apart from what computes fast.

Standard library only. Nothing here is shared with `bittrue.simulation`, which is checked against it bit for bit.
"""

from bittrue.definition.interpret import interpret, interpret_step
from bittrue.definition.meaning import Codes, Numbers, meaning

__all__ = ["Codes", "Numbers", "interpret", "interpret_step", "meaning"]
