"""The `float_value` table: what an operator computes on real numbers, in float32 on torch; the yardstick and FLOAT
sites use it."""

from collections.abc import Callable

import torch

from bittrue.rules import RuleTable

FloatFunction = Callable[..., torch.Tensor]
"""Takes the inputs as tensors (batch, *shape), channels last, and returns the output likewise; it may not change its
inputs."""

float_value: RuleTable[Callable[..., FloatFunction]] = RuleTable("float_value")
"""Rules `(operator) -> FloatFunction`: parameters are laid out once, in the rule, not on every batch."""
