"""Layers repaired one at a time, the rest left as it is: what a word length of a layer's weights costs when they are
repaired, at one pass through the network for all layers and lengths."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from bittrue.analysis.progress import Progress
from bittrue.data import Dataset
from bittrue.plan import Spec
from bittrue.repairs.draft import Draft
from bittrue.repairs.layer import INPUTS, Change, Layer
from bittrue.repairs.qronos import FITTED
from bittrue.repairs.walk import walk
from bittrue.repairs.weights import repaired_under

_QUICKLY = replace(FITTED, descends=False)
"""What single codes that are changed afterwards bring is little beside what a word length costs."""

Take = Callable[[str, int, Change], bool]
"""Called with the weights' site, their word length, and what the repair makes of their layer; says whether the next
word length is wanted, too."""


def repair_alone(
    draft: Draft,
    formats: Mapping[str, Mapping[int, Spec]],
    images: Dataset,
    take: Take,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> None:
    """Repair the weights of each layer under each of their `formats`, by site and word length, on the inputs that the
    draft gives bit for bit; no layer sees what is made of another.

    Each change is made for the draft, and given to `take` while the others aren't made yet: of large layers few fit
    into memory. Layers whose weights can't be repaired are left out.
    """

    def look(layer: Layer) -> Change | None:
        if type(layer.operator) not in INPUTS:
            return None
        site = layer.operator.weight.name
        own = formats.get(site, {})
        for word_length, change in zip(own, repaired_under(layer, _QUICKLY, list(own.values())), strict=False):
            if not take(site, word_length, change):
                break
        return None

    walk(draft, [look], images, seed=seed, progress=progress, what="layers repaired alone")
