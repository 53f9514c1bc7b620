"""The choices of a plan that are not formats: which form of batch norm, softmax and layer norm, and where values
are rounded."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from bittrue.errors import PlanError

CHOICES: dict[str, tuple[str, ...]] = {
    "batch_norm": ("affine", "raw"),
    "rounding_points": ("fused", "every-node"),
    "softmax": ("exact", "table"),
    "product": ("exact", "quantized"),
    "layer_norm": ("exact", "table"),
}


@dataclass(frozen=True)
class PlanOptions:
    """batch_norm: B7. rounding_points: B12. softmax: B9. product: B6. layer_norm: B9."""

    batch_norm: str = "affine"
    rounding_points: str = "fused"
    softmax: str = "exact"
    product: str = "exact"
    layer_norm: str = "exact"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise PlanError(f"the option {name} is {value!r}; it must be one of {', '.join(choices)}.")

    def to_json(self) -> dict[str, str]:
        """The options by name. `layer_norm`, which came later, is left out where it is exact, so that the plans from
        before keep their hash, and their results their place in stores."""
        chosen = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in chosen.items() if (name, value) != ("layer_norm", "exact")}

    @classmethod
    def from_json(cls, options: Mapping[str, Any], source: str) -> "PlanOptions":
        unknown = sorted(set(options) - set(CHOICES))
        if unknown:
            raise PlanError(f"{source}: unknown option {unknown[0]!r}; the options are {', '.join(CHOICES)}.")
        try:
            return cls(**options)
        except PlanError as error:
            raise PlanError(f"{source}: {error}") from None
