"""Arithmetic between values."""

from dataclasses import dataclass

from bittrue.network import Operator


@dataclass(frozen=True, eq=False)
class Add(Operator):
    """Sum of inputs of one shape."""
