"""The claim: what the plan that was chosen does on images that nothing was chosen on, measured once."""

from dataclasses import asdict, dataclass
from typing import Any

from bittrue.analysis.early_rows import LOOK
from bittrue.analysis.evaluating.engine import HERE, Engine
from bittrue.analysis.progress import Progress
from bittrue.analysis.statistics.fixed_sample import difference_interval
from bittrue.data import Dataset
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.searches.selection import correct, metric_of

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Claim:
    """Of the held-out images. lost: right in float only; gained: under the plan only. difference_interval: of the
    accuracy less float's, 95 %, for the population behind the images."""

    images: int
    accuracy: float
    float_accuracy: float
    difference_interval: tuple[float, float]
    lost: int
    gained: int

    @property
    def difference(self) -> float:
        return (self.gained - self.lost) / self.images

    def sentence(self) -> str:
        """`accuracy −0.30 points, 95 % interval [−0.60, +0.10], on 5,000 images never chosen on`"""
        low, high = (_points(end) for end in self.difference_interval)
        return (
            f"accuracy {_points(self.difference)} points ({100 * self.accuracy:.2f} % beside float's "
            f"{100 * self.float_accuracy:.2f} %), 95 % interval [{low}, {high}], on {self.images:,} images "
            "never chosen on"
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "difference_interval": list(self.difference_interval)}

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "Claim":
        low, high = found["difference_interval"]
        return cls(**{**found, "difference_interval": (low, high)})


def _points(share: float) -> str:
    return f"{100 * share:+.2f}".replace("-", "−")


def claimed(
    trained: Network,
    network: Network,
    plan: Plan,
    held_out: Dataset,
    engine: Engine = HERE,
    progress: Progress | None = None,
) -> Claim:
    """The claim of `network`, which may be a repaired one, under `plan`, beside the trained one in float."""
    metric = metric_of(trained, held_out)
    executor = engine.executor(held_out, LOOK, progress)
    in_float = correct(trained, None, held_out, metric, executor)
    own = correct(network, plan, held_out, metric, executor)
    lost, gained = int((in_float & ~own).sum()), int((own & ~in_float).sum())
    return Claim(
        images=held_out.images,
        accuracy=float(own.mean()),
        float_accuracy=float(in_float.mean()),
        difference_interval=difference_interval(lost, gained, held_out.images, CONFIDENCE),
        lost=lost,
        gained=gained,
    )
