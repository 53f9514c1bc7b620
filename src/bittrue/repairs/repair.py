"""repair: better weights for a network under a plan, without training and without labels."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bittrue.analysis.evaluating.batches import chosen_images
from bittrue.analysis.evaluating.yardstick import Yardstick
from bittrue.analysis.progress import Progress
from bittrue.data import DataLike, Dataset
from bittrue.environment import exact_environment
from bittrue.errors import BittrueError
from bittrue.network import Network
from bittrue.plan import Plan, check_plan
from bittrue.repairs import batch_norm, bias, blocks, equalize, fold, gptq, grid, points, qronos, rescale, steps
from bittrue.repairs.draft import Draft
from bittrue.repairs.memory import Memory
from bittrue.repairs.repaired import Repaired, Step
from bittrue.repairs.walk import LayerRepair, walk

IMAGES = 1000
HELD_BYTES = 2**32
"""Images to repair on where nothing else is asked for, if what is held of them takes no more than so many bytes."""
JUDGED_OF = 5
"""Every repair is judged on the last of so many parts of the images, and made from the others."""


@dataclass(frozen=True)
class OfLayers:
    """A repair of one layer after the other; those that follow each other in a list go through the network together."""

    text: str
    repair: LayerRepair
    alone: bool = False
    """Whether it goes through the network by itself, since it looks at layers ahead."""


@dataclass(frozen=True)
class OfNetwork:
    """A repair of the whole network, from images."""

    text: str
    repair: Callable[[Draft, Dataset], Draft]
    only_scales: bool = False
    """Whether it leaves weights to be rounded by what follows, with which it is judged."""


REPAIRS: Mapping[str, OfLayers | OfNetwork] = {
    "fold": OfNetwork("batch norms folded into the layers before them", lambda draft, images: fold.repair(draft)),
    "equalize": OfNetwork("channels scaled between layers", equalize.equalize, only_scales=True),
    "shift": OfNetwork("channels scaled between layers by powers of two", equalize.shift, only_scales=True),
    "grid": OfNetwork(
        "channels scaled so that the best steps of their weights are powers of two", grid.fit_grids, only_scales=True
    ),
    "rescale": OfNetwork(
        "one factor for all channels of what passes between layers", rescale.rescale, only_scales=True
    ),
    "steps": OfLayers("weights rounded, with steps by the outputs' error", steps.repair),
    "gptq": OfLayers("weights rounded one after the other, the rest made to fit", gptq.repair),
    "qronos": OfLayers("the same, and fitted to the float outputs from quantized inputs", qronos.repair),
    "bias": OfLayers("biases that keep each channel's mean", bias.repair),
    "batch-norm": OfLayers("batch norms fitted to the float outputs", batch_norm.repair),
    "adaround": OfLayers("weights, bias and batch norm of a layer by gradients", blocks.repair_rounding, alone=True),
    "blocks": OfLayers("the same of the layers between two rounding points together", blocks.repair_blocks, alone=True),
    "points": OfNetwork("binary points of activations by the outputs' error", points.move_points),
}
"""All repairs, by name."""
_LOOK_AHEAD = frozenset(name for name, of in REPAIRS.items() if isinstance(of, OfLayers) and of.alone)
"""Those of a layer that hang on layers after it: what they made is not remembered."""

_FITTED = ("qronos", "bias", "batch-norm")
AUTO: tuple[tuple[str, ...], ...] = (_FITTED, ("blocks",), ("points",))
"""What `auto` tries in turn; what doesn't bring the outputs nearer is dropped."""


@exact_environment()
def repair(
    network: Network,
    plan: Plan,
    dataset: DataLike,
    repairs: str | Sequence[str] = "auto",
    *,
    images: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    memory: Memory | None = None,
) -> Repaired:
    """Repair `network` under `plan` on the first `images` examples (None: 1,000, or all where there are fewer, or
    what `HELD_BYTES` hold).

    repairs: `auto`, which tries `AUTO` and keeps what helps; `none`; or names of `REPAIRS`, as a list or joined by
    commas, all of which are kept, in this order. Labels aren't looked at. The last fifth of the images is left out and
    judges each repair. seed: which positions of large convolutions are looked at. memory: of repairs of this network on
    the same images with the same seed before; what is the same isn't computed again.

    The result is the same whatever the batch size: it has none. The sums from which weights are computed are exact; the
    targets are float32, whose last bits may depend on the machine and the number of threads.

    Raises: BittrueError for a repair that doesn't exist; PlanError for another network's plan; DataError where the data
    don't fit, or are fewer than two images.
    """
    check_plan(plan, network)
    lists, keeps_all = tries(repairs)
    chosen = chosen_images(network, dataset, images)
    if images is None:
        chosen = chosen.take(min(IMAGES, max(HELD_BYTES // held_bytes(network), 2), chosen.images))
    judged = max(chosen.images // JUDGED_OF, 1)
    if chosen.images < 2:
        raise BittrueError("A repair is made from some images and judged on others: give at least two.")
    made_from, judging = chosen.take(chosen.images - judged), chosen.skip(chosen.images - judged)
    yardstick = Yardstick(network, judging)
    draft = Draft.begun(network, plan)
    finished = draft.finished()
    loss = yardstick.distance(*finished)
    done = []
    for names in lists:
        tried = _applied(draft, names, made_from, seed, progress, Memory() if memory is None else memory)
        result = tried.finished()
        after = yardstick.distance(*result)
        kept = keeps_all or after < loss
        done.append(Step(" + ".join(names), loss, after, kept))
        if kept:
            draft, finished, loss = tried, result, after
    return Repaired(
        network=finished[0],
        plan=finished[1],
        trained=network.hash,
        data={"name": chosen.name, "sha256": chosen.sha256, "images": chosen.images},
        steps=tuple(done),
        target=draft.target,
        folded=tuple(node.name for node in network.nodes if node.name not in finished[0].by_name),
    )


def held_bytes(network: Network) -> int:
    """About as many as are held of an image where most are: a layer's input and output, in float32, twice."""
    size = {node.name: math.prod(node.shape) for node in network.nodes}
    return max(8 * (size[node.name] + sum(size[name] for name in node.inputs)) for node in network.nodes)


def tries(repairs: str | Sequence[str]) -> tuple[tuple[tuple[str, ...], ...], bool]:
    """Lists of names that are tried in turn, and whether all are kept. Raises: BittrueError for an unknown name."""
    if repairs == "auto":
        return AUTO, False
    if repairs == "none":
        return (), True
    names = [name.strip() for name in repairs.split(",")] if isinstance(repairs, str) else list(repairs)
    for name in names:
        if name not in REPAIRS:
            known = ", ".join(REPAIRS)
            raise BittrueError(f"There is no repair {name!r}: choose auto, none, or of {known}, joined by commas.")
    lists: list[tuple[str, ...]] = []
    for name in names:
        if lists and _are_judged_together(REPAIRS[lists[-1][-1]], REPAIRS[name]):
            lists[-1] += (name,)
        else:
            lists.append((name,))
    return tuple(lists), True


def _are_judged_together(first: OfLayers | OfNetwork, then: OfLayers | OfNetwork) -> bool:
    """Whether nothing is known of the first before the one that follows it."""
    if isinstance(first, OfNetwork):
        return first.only_scales
    return isinstance(then, OfLayers)


def _applied(
    draft: Draft, names: Sequence[str], images: Dataset, seed: int, progress: Progress | None, memory: Memory
) -> Draft:
    """The repairs in their order, neighbours of layers in one pass."""
    waiting: list[LayerRepair] = []
    called: list[str] = []

    def pass_through(draft: Draft) -> Draft:
        found, what = draft, ", ".join(called)
        if waiting:
            known = None if _LOOK_AHEAD.intersection(called) else memory.walk(what)
            found = walk(draft, waiting, images, seed=seed, progress=progress, what=what, memory=known)
        waiting.clear()
        called.clear()
        return found

    for name in names:
        found = REPAIRS[name]
        if isinstance(found, OfLayers):
            if found.alone:
                draft = pass_through(draft)
            waiting.append(found.repair)
            called.append(name)
            if found.alone:
                draft = pass_through(draft)
        else:
            draft = found.repair(pass_through(draft), images)
    return pass_through(draft)
