"""The choices of a plan that are not formats: which form of batch norm and softmax, and where values are rounded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bittrue.errors import PlanError

CHOICES: dict[str, tuple[str, ...]] = {
    "batch_norm": ("affine", "raw"),
    "rounding_points": ("fused", "every-node"),
    "softmax": ("exact", "table"),
    "product": ("exact", "quantized"),
}


@dataclass(frozen=True)
class PlanOptions:
    """batch_norm: B7. rounding_points: B12. softmax: B9. product: B6."""

    batch_norm: str = "affine"
    rounding_points: str = "fused"
    softmax: str = "exact"
    product: str = "exact"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise PlanError(f"the option {name} is {value!r}; it must be one of {', '.join(choices)}.")

    def to_json(self) -> dict[str, str]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_json(cls, options: Mapping[str, Any], source: str) -> "PlanOptions":
        unknown = sorted(set(options) - set(CHOICES))
        if unknown:
            raise PlanError(f"{source}: unknown option {unknown[0]!r}; the options are {', '.join(CHOICES)}.")
        try:
            return cls(**options)
        except PlanError as error:
            raise PlanError(f"{source}: {error}") from None
