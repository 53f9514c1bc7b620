"""A model that can be run, beside the Network that was read from it: what is read must be what the model computes.

Exporters drop arguments without a word, and a front end may misread one. So the model runs once on its example and on
random images, and so does the Network. Both round to float32, each in its own way; how far that leads is measured by
shaking every node's output by about as much. What differs by more is another function.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bittrue.errors import ModelError
from bittrue.network import Network
from bittrue.operators.float_value import float_value
from bittrue.shapes import Shape

ROUNDING = 2.0**-23
"""By how much float32 rounds a number of size 1, and so a node's largest one."""

ALIKE = 2.0**-20
"""Of the largest output: too little to be anything but float32's rounding, so that nothing is shaken for it."""

MARGIN = 16
"""How many times the shaken outputs' distance counts as rounding."""

Located = Iterable[tuple[str, np.ndarray]]
"""Names of the Network's nodes, each with what the model computes there, in the node's axes, in their order."""


@dataclass(frozen=True)
class Live:
    """A model to be run, one image at a time.

    called: what errors call it. shape: of an image as it takes it, its batch axis of 1 included. example: one that came
    with it. run: an image → the output in the Network's axes; None where it can't be had. image: an image → the
    Network's input. inner: an image → what it computes on the way, where that can be seen.
    """

    called: str
    shape: Shape
    run: Callable[[np.ndarray], np.ndarray | None]
    image: Callable[[np.ndarray], np.ndarray]
    inner: Callable[[np.ndarray], Located] = lambda image: ()
    example: np.ndarray | None = None


def check_live(network: Network, live: Live) -> None:
    """Raises: ModelError where the network computes something else than the model, with the node where it begins.

    An image for which the model has no finite output says nothing.
    """
    beside = _Beside(network)
    for image in _images(live):
        wanted = live.run(image)
        if wanted is None or not np.isfinite(wanted).all():
            continue
        found = beside.outputs(live.image(image))
        if wanted.shape == found[network.output].shape and beside.alike(
            live.image(image), found, network.output, wanted
        ):
            continue
        raise ModelError(_sentence(beside, live, image, wanted))


def _images(live: Live) -> Iterator[np.ndarray]:
    """The example, then numbers of both signs, then numbers between 0 and 1."""
    if live.example is not None:
        yield live.example.astype(np.float32)
    generator = np.random.default_rng(0)
    yield generator.normal(size=live.shape).astype(np.float32)
    yield generator.random(live.shape, np.float32)


class _Beside:
    """The Network, ready to run on one image."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.functions = {node.name: float_value[type(node.operator)](node.operator) for node in network.nodes}

    def outputs(self, image: np.ndarray, shaken: bool = False) -> dict[str, np.ndarray]:
        """Every node's output; shaken: each moved by float32's rounding of its largest number."""
        import torch

        generator = torch.Generator().manual_seed(0)
        values: dict[str, torch.Tensor] = {}
        with torch.inference_mode():
            for node in self.network.nodes:
                inputs = [values[name] for name in node.inputs] or [torch.from_numpy(np.array(image)[np.newaxis])]
                value = self.functions[node.name](*inputs)
                if shaken:
                    signs = torch.rand(value.shape, generator=generator).mul_(2).sub_(1)
                    value = value + signs * (value.abs().amax() * ROUNDING)
                values[node.name] = value
        return {name: value[0].numpy() for name, value in values.items()}

    def alike(self, image: np.ndarray, found: dict[str, np.ndarray], node: str, wanted: np.ndarray) -> bool:
        """Whether a node's output is what the model has there, but for float32's rounding."""
        distance = _distance(found[node], wanted)
        if distance <= ALIKE * np.abs(wanted).max(initial=0):
            return True
        rounding = _distance(self.outputs(image, shaken=True)[node], found[node])
        return distance <= MARGIN * rounding


def _distance(first: np.ndarray, second: np.ndarray) -> float:
    distance = float(np.abs(first.astype(np.float64) - second).max(initial=0))
    return distance if np.isfinite(distance) else float("inf")


def _sentence(beside: _Beside, live: Live, image: np.ndarray, wanted: np.ndarray) -> str:
    place = live.image(image)
    found = beside.outputs(place)
    node, there = next(
        (
            (name, value)
            for name, value in live.inner(image)
            if value.shape == found[name].shape and not beside.alike(place, found, name, value)
        ),
        (beside.network.output, wanted),
    )
    operator = beside.network.by_name[node].operator.name
    values = ""
    if there.shape == found[node].shape:
        worst = np.unravel_index(np.abs(found[node] - there).argmax(), there.shape) if there.shape else ()
        values = f" ({found[node][worst]:g} where {live.called} gives {there[worst]:g})"
    return (
        f"from its node {node} ({operator}) on, what was read computes something else than {live.called}{values}: "
        "write that layer with other operators, or read the model with check=False (--no-check) to look into it"
    )
