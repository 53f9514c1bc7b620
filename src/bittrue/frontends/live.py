"""A model that can be run, beside the Network that was read from it: what is read must be what the model computes.

Exporters drop arguments without a word, and a front end may misread one. So the model runs once on its example and on
random images, and so does the Network. Both round to float32, each in its own way; how far that leads is measured by
shaking every node's output by about as much. What differs by more is another function.

docs/decisions/0017-live-models.md says which models are run, and where.
"""

import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from bittrue.errors import ModelError
from bittrue.network import Network
from bittrue.operators.float_value import float_value

ROUNDING = 2.0**-23
"""By how much float32 rounds a number of size 1, and so a node's largest one."""

ALIKE = 2.0**-20
"""Of the largest output: too little to be anything but float32's rounding, so that nothing is shaken for it."""

MARGIN = 16
"""How many times the shaken outputs' distance counts as rounding."""

MAXIMUM_VALUES = 1 << 28
"""Of all nodes together, for one image: 1 GiB in float32, beyond which a comparison takes too long."""

Located = Iterable[tuple[str, np.ndarray]]
"""Names of the Network's nodes, each with what the model computes there, in the node's axes, in their order."""


class NoWitnessError(Exception):
    """A model can't be run; the text says why."""


@dataclass(frozen=True)
class Live:
    """A model to be run, one image at a time.

    called: what errors call it. images: as it takes them, a batch axis of 1 included. run: images → the output for each
    in the Network's axes, None where it can't be had; it may raise NoWitnessError. image: an image → the Network's
    input. inner: an image → what the model computes on the way, where that can be seen. classes: as run, of a model
    that ends in an ArgMax what this gives, while run gives what it reads.
    """

    called: str
    images: Sequence[np.ndarray]
    run: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray | None]]
    image: Callable[[np.ndarray], np.ndarray]
    inner: Callable[[np.ndarray], Located] = lambda image: ()
    classes: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray | None]] = lambda images: [None] * len(images)


def check_live(network: Network, live: Live | None, where: str, told: Callable[[str], None] | None) -> None:
    """Raises: ModelError where the network computes something else than the model, with the node where it begins.

    Where the model's output is not finite it says nothing. Where none of it says anything, that is told, or where no
    one listens it is a warning; `where` is what it calls the model. Nothing is compared where there is no live one.
    """
    if live is None:
        return
    try:
        if sum(prod(node.shape) for node in network.nodes) > MAXIMUM_VALUES:
            raise NoWitnessError("it computes too many values for one image")
        _compare(network, live)
    except NoWitnessError as reason:
        (told or warnings.warn)(f"{where} was not compared with what {live.called} computes: {reason}")


def _compare(network: Network, live: Live) -> None:
    """Raises: ModelError, NoWitnessError."""
    beside = _Beside(network)
    compared = False
    for image, wanted in zip(live.images, live.run(live.images), strict=True):
        if wanted is None or not np.isfinite(wanted).any():
            continue
        compared = True
        place = live.image(image)
        found = beside.outputs(place, {network.output})[network.output]
        if wanted.shape != found.shape or not beside.alike(place, found, network.output, wanted):
            raise ModelError(_sentence(beside, live, image, wanted))
    if network.argmax is not None:
        for image, named in zip(live.images, live.classes(live.images), strict=True):
            if named is not None:
                compared = True
                _compare_classes(beside, live, image, named)
    if not compared:
        raise NoWitnessError("it gives no numbers for random images")


def _compare_classes(beside: "_Beside", live: Live, image: np.ndarray, named: np.ndarray) -> None:
    """Raises: ModelError where the model names a class whose value isn't the largest, but for float32's rounding."""
    place, output = live.image(image), beside.network.output
    found = beside.outputs(place, {output})[output]
    rows = found.reshape(-1, found.shape[-1])
    if named.size == len(rows) and not (named < 0).any() and not (named >= rows.shape[1]).any():
        theirs = np.take_along_axis(rows, named.reshape(-1, 1).astype(np.int64), 1)
        short = _distance(rows.max(1, keepdims=True), theirs)
        rounding = _distance(beside.outputs(place, {output}, shaken=True)[output], found)
        if short <= max(MARGIN * rounding, ALIKE * np.abs(found).max()):
            return
    raise ModelError(
        f"{live.called} names other classes than what was read: end the model at the values that its ArgMax reads, or "
        "read it with check=False (--no-check) to look into it"
    )


class _Beside:
    """The Network, ready to run on one image."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.functions = {node.name: float_value[type(node.operator)](node.operator) for node in network.nodes}

    def outputs(self, image: np.ndarray, wanted: Collection[str], shaken: bool = False) -> dict[str, np.ndarray]:
        """These nodes' outputs; shaken: each node's moved by float32's rounding of its largest number."""
        import torch

        generator = torch.Generator().manual_seed(0)
        values: dict[str, torch.Tensor] = {}
        readers = {name: len(nodes) for name, nodes in self.network.consumers.items()}
        with torch.inference_mode():
            for node in self.network.nodes:
                inputs = [values[name] for name in node.inputs] or [torch.from_numpy(np.array(image)[np.newaxis])]
                value = self.functions[node.name](*inputs)
                if shaken:
                    signs = torch.rand(value.shape, generator=generator).mul_(2).sub_(1)
                    value = value + signs * (value.abs().amax() * ROUNDING)
                values[node.name] = value
                for name in set(node.inputs):
                    readers[name] -= 1
                    if not readers[name] and name not in wanted:
                        del values[name]
        return {name: values[name][0].numpy() for name in wanted}

    def alike(self, image: np.ndarray, found: np.ndarray, node: str, wanted: np.ndarray) -> bool:
        """Whether a node's output is what the model has there, but for float32's rounding."""
        finite = np.isfinite(wanted)
        distance = _distance(found[finite], wanted[finite])
        if distance <= ALIKE * np.abs(wanted[finite]).max(initial=0):
            return True
        rounding = _distance(self.outputs(image, {node}, shaken=True)[node][finite], found[finite])
        return distance <= MARGIN * rounding


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    distance = float(np.abs(first.astype(np.float64) - second).max(initial=0))
    return distance if np.isfinite(distance) else float("inf")


def _sentence(beside: _Beside, live: Live, image: np.ndarray, wanted: np.ndarray) -> str:
    place = live.image(image)
    inner = [(name, value) for name, value in live.inner(image) if np.isfinite(value).any()]
    found = beside.outputs(place, {*(name for name, _ in inner), beside.network.output})
    node, there = next(
        (
            (name, value)
            for name, value in inner
            if value.shape == found[name].shape and not beside.alike(place, found[name], name, value)
        ),
        (beside.network.output, wanted),
    )
    operator = beside.network.by_name[node].operator.name
    values = ""
    if there.shape == found[node].shape:
        apart = np.nan_to_num(np.abs(found[node] - there), nan=np.inf)
        worst = np.unravel_index(np.where(np.isfinite(there), apart, -1).argmax(), there.shape) if there.shape else ()
        values = f" ({found[node][worst]:g} where {live.called} gives {there[worst]:g})"
    return (
        f"from its node {node} ({operator}) on, what was read computes something else than {live.called}{values}: "
        "write that layer with other operators, or read the model with check=False (--no-check) to look into it"
    )
