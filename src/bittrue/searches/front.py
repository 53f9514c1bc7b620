"""The front: plans from the dearest to the cheapest, each simulated on all selection images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from bittrue.display import Column, Table

POINTS = 12
"""Plans of a front, evenly spaced by price."""


@dataclass(frozen=True)
class FrontPoint:
    """A plan of the front: its words, what it costs, and of the selection images how many it loses and gains against
    float. plan: its hash, as it is before repairs."""

    plan: str
    price: float
    costs: Mapping[str, float]
    bits: Mapping[str, float | None]
    words: Mapping[str, int]
    images: int
    lost: int
    gained: int

    @property
    def drop(self) -> float:
        """Points of accuracy lost."""
        return 100 * (self.lost - self.gained) / self.images

    @property
    def error(self) -> float:
        """The standard error of `drop`, in points."""
        return 100 * sqrt(self.lost + self.gained) / self.images

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": self.plan,
            "price": self.price,
            "costs": dict(self.costs),
            "bits": dict(self.bits),
            "sites": dict(self.words),
            "images": self.images,
            "lost": self.lost,
            "gained": self.gained,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "FrontPoint":
        return cls(**{("words" if key == "sites" else key): value for key, value in found.items()})


def unbeaten(points: Sequence[FrontPoint]) -> frozenset[str]:
    """The plans that no other point beats in both price and loss."""
    return frozenset(
        point.plan
        for point in points
        if not any(
            other.price <= point.price
            and other.drop <= point.drop
            and (other.price, other.drop) != (point.price, point.drop)
            for other in points
        )
    )


def front_table(points: Sequence[FrontPoint], found: str | None, max_drop: float) -> Table:
    """A row a point. found: the plan that the search ended with."""
    best = unbeaten(points)
    columns = [
        Column("bits a weight", number=True),
        Column("bits an activation", number=True),
        *(Column(name, number=True) for name in points[0].costs),
        Column("points lost", number=True),
        Column("± standard error", number=True),
        Column(""),
    ]
    rows = [
        (
            _bits(point.bits.get("weights")),
            _bits(point.bits.get("activations")),
            *(f"{value:,}" for value in point.costs.values()),
            f"{point.drop:+.2f}".replace("-", "−"),
            f"{point.error:.2f}",
            _said(point, point.plan == found, point.plan in best, max_drop),
        )
        for point in points
    ]
    images = f"{points[0].images:,} selection images"
    return Table(columns, rows, f"The front: each plan simulated on {images}")


def _bits(mean: float | None) -> str:
    return "" if mean is None else f"{mean:.2f}"


def _said(point: FrontPoint, is_found: bool, is_best: bool, max_drop: float) -> str:
    if is_found:
        return "the plan found"
    if not is_best:
        return "beaten by another"
    return "within" if point.drop <= max_drop else ""
