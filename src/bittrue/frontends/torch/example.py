"""The one image that a module is exported and run for, and the module in evaluation mode."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch

from bittrue.errors import ModelError
from bittrue.wording import counted

PACKED = (
    "wrap it in a module whose forward slices one tensor, as in return self.model(x[:, :8], x[:, 8:]), and pack the "
    "data alike"
)


def several(inputs: int, outputs: int) -> ModelError:
    """The error for a model with so many of each."""
    remedy = PACKED if inputs != 1 else "wrap it in a module whose forward returns the one that the hardware computes"
    return ModelError(
        f"it has {counted(inputs, 'input')} and {counted(outputs, 'output')}, and bittrue takes one of each: {remedy}"
    )


def one_image(example_input: Any) -> tuple[Any, ...]:
    """The example with a batch of one: sizes that the model reads from it are then those of one image."""
    inputs = tuple(example_input) if isinstance(example_input, tuple | list) else (example_input,)
    if len(inputs) > 1:
        raise ModelError(f"{len(inputs)} example inputs were given, and bittrue takes one: {PACKED}")
    if len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor) or inputs[0].dim() < 2:
        raise ModelError(
            "it needs an example input, one tensor with a batch axis: from_torch(module, torch.zeros(1, 3, 32, 32))"
        )
    return (inputs[0][:1].detach(),)


@contextlib.contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """A module in evaluation mode, and afterwards as it was; an exported program stays what it is."""
    if not isinstance(module, torch.nn.Module):
        yield
        return
    training = [inner for inner in module.modules() if inner.training]
    module.eval()
    try:
        yield
    finally:
        for inner in training:
            inner.training = True
