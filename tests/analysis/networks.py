"""A small convolutional classifier, and data that it can be asked about."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrue.analysis.evaluating.executor import Executor
from bittrue.analysis.progress import Progress
from bittrue.data import Dataset, load_dataset
from bittrue.network import Network, NetworkBuilder, Operator, Parameter
from bittrue.operators import (
    BatchNormalization,
    Convolution,
    Dense,
    Flatten,
    Input,
    MaxPooling,
    Pointwise,
    ReLU,
    Softmax,
)
from bittrue.program.functions import Sigmoid

Layers = list[tuple[str, Operator]]


def chain(name: str, layers: Layers) -> Network:
    """A network of one node after another."""
    builder = NetworkBuilder(name)
    last: tuple[str, ...] = ()
    for wanted, operator in layers:
        last = (builder.add(builder.unique_name(wanted), operator, *last),)
    return builder.finish(*last)


def parameter(generator: np.random.Generator, name: str, *shape: int, scale: float = 1.0) -> Parameter:
    return Parameter(name, (scale * generator.standard_normal(shape)).astype(np.float32))


def convolutional(seed: int = 0, *, classes: int = 4, ends: str = "softmax") -> Network:
    """6×6×1 images, convolution, ReLU, batch norm, pooling, dense, and then softmax, sigmoid or nothing."""
    generator = np.random.default_rng(seed)
    variance = Parameter("norm.variance", generator.uniform(0.5, 2, 3).astype(np.float32))
    layers: Layers = [
        ("image", Input((6, 6, 1))),
        (
            "conv",
            Convolution(
                weight=parameter(generator, "conv.weight", 3, 3, 1, 3),
                bias=parameter(generator, "conv.bias", 3),
                strides=(1, 1),
                padding=((1, 1), (1, 1)),
                dilation=(1, 1),
                groups=1,
            ),
        ),
        ("relu", ReLU()),
        (
            "norm",
            BatchNormalization(
                gamma=parameter(generator, "norm.gamma", 3),
                beta=parameter(generator, "norm.beta", 3),
                mean=parameter(generator, "norm.mean", 3),
                variance=variance,
                epsilon=1e-3,
            ),
        ),
        ("pool", MaxPooling((2, 2), (2, 2), ((0, 0), (0, 0)))),
        ("flatten", Flatten()),
        (
            "dense",
            Dense(
                parameter(generator, "dense.weight", 27, classes, scale=0.5),
                parameter(generator, "dense.bias", classes),
            ),
        ),
    ]
    last: dict[str, Layers] = {
        "softmax": [("softmax", Softmax())],
        "sigmoid": [("sigmoid", Pointwise(Sigmoid()))],
        "logits": [],
    }
    return chain("small", layers + last[ends])


def segmentation(classes: int, seed: int = 0) -> Network:
    """6×6×1 images, convolution and softmax: a class for each position."""
    generator = np.random.default_rng(seed)
    convolution = Convolution(
        weight=parameter(generator, "conv.weight", 3, 3, 1, classes),
        bias=parameter(generator, "conv.bias", classes),
        strides=(1, 1),
        padding=((1, 1), (1, 1)),
        dilation=(1, 1),
        groups=1,
    )
    return chain("segmentation", [("image", Input((6, 6, 1))), ("conv", convolution), ("softmax", Softmax())])


def images_file(folder: Path, images: int = 40, *, classes: int | None = 4, shape: tuple[int, ...] = (6, 6, 1)) -> Path:
    """An npz file of random images, with labels unless `classes` is None. Each kind has a folder of
    its own and is written once, for a data set that is in use would notice."""
    generator = np.random.default_rng(1)
    arrays = {"x": generator.standard_normal((images, *shape)).astype(np.float32)}
    if classes is not None:
        arrays["y"] = generator.integers(0, classes, images)
    path = folder / f"{images} of {shape} in {classes}" / "images.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **arrays)
    return path


def random_images(
    folder: Path, images: int = 40, *, classes: int | None = 4, shape: tuple[int, ...] = (6, 6, 1)
) -> Dataset:
    return load_dataset(str(images_file(folder, images, classes=classes, shape=shape)))


@dataclass(frozen=True)
class Through:
    """An engine whose executors are made by a function of the images and the batch size."""

    made_by: Callable[[Dataset, int], Executor]
    is_apart: bool = True

    def executor(self, images: Dataset, batch_size: int, progress: Progress | None) -> Executor:
        return self.made_by(images, batch_size)


class RecordedProgress:
    """What a progress display was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int] | float | str] = []

    def start(self, what: str, total: int) -> None:
        self.events.append((what, total))

    def advance(self, images: float) -> None:
        self.events.append(images)

    def finish(self) -> None:
        self.events.append("finished")

    def beside(self, state: str) -> None:
        """Not recorded: it says how fast it goes."""

    def tell(self, event: str) -> None:
        self.events.append(event)
