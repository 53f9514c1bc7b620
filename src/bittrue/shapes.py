"""The sizes that networks and programs speak of, the batch axis left out."""

Shape = tuple[int, ...]
"""The size of each axis, channels last."""

Padding = tuple[tuple[int, int], ...]
"""(before, after) for each spatial axis."""
