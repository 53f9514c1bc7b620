"""What a row's first images have shown of all images of the test set, when it was decided on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Decision:
    """A row of which so many images were drawn as were needed.

    of_images: in the test set, which is what is spoken of. lost_less_gained: of all of them, how many images are lost
    less gained, the least and the largest number (see `statistics.betting`). error: the probability that these ever
    miss the number, whenever one stops.
    """

    of_images: int
    error: float
    lost_less_gained: tuple[int, int]

    @property
    def difference_interval(self) -> tuple[float, float]:
        """Of the accuracy less float's on the whole test set."""
        least, most = self.lost_less_gained
        return -most / self.of_images, -least / self.of_images

    def to_json(self) -> dict[str, Any]:
        return {
            "of_images": self.of_images,
            "error": self.error,
            "lost_less_gained": list(self.lost_less_gained),
            "difference_interval": list(self.difference_interval),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Decision":
        """Read back to_json's object. Raises: KeyError, TypeError, ValueError where it isn't one."""
        least, most = content["lost_less_gained"]
        return cls(content["of_images"], content["error"], (least, most))
