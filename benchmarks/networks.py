"""Networks to measure on, built here: a MobileNet and a dense autoencoder, with random weights."""

from collections.abc import Callable

import numpy as np

from bittrue.network import Network, NetworkBuilder, Operator, Parameter
from bittrue.operators import (
    BatchNormalization,
    Convolution,
    Dense,
    GlobalAveragePooling,
    Input,
    ReLU,
    Softmax,
)

IMAGE = 96
BLOCKS = [(32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), *[(256, 1)] * 5, (512, 2), (512, 1)]
"""Channels and stride of each separable block: MobileNet with half the channels."""

WIDTHS = [128, 128, 128, 128, 8, 128, 128, 128, 128]
"""The hidden layers of the anomaly detector of MLPerf Tiny, which reads and gives 640 numbers."""


class _Chain:
    """Layer after layer, with weights that keep the size of the numbers."""

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.builder, self._random = NetworkBuilder(name), np.random.default_rng(0)
        self.last = self.builder.add(self.builder.unique_name("image"), Input(shape))

    def add(self, name: str, operator: Operator) -> None:
        self.last = self.builder.add(self.builder.unique_name(name), operator, self.last)

    @property
    def channels(self) -> int:
        return self.builder.shape(self.last)[-1]

    def _parameter(self, name: str, *shape: int) -> Parameter:
        size = np.sqrt(2 / np.prod(shape[:-1]))
        return Parameter(name, (size * self._random.standard_normal(shape)).astype(np.float32))

    def convolution(self, name: str, kernel: int, channels: int, stride: int = 1, groups: int = 1) -> None:
        size = self.builder.shape(self.last)[0]
        whole = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        padding = ((whole // 2, whole - whole // 2),) * 2
        weight = self._parameter(f"{name}.weight", kernel, kernel, self.channels // groups, channels)
        self.add(name, Convolution(weight, None, (stride, stride), padding, (1, 1), groups))
        self.norm(f"{name}_bn")

    def dense(self, name: str, units: int) -> None:
        bias = Parameter(f"{name}.bias", np.zeros(units, np.float32))
        self.add(name, Dense(self._parameter(f"{name}.weight", self.channels, units), bias))

    def norm(self, name: str) -> None:
        size = self.channels
        values = {
            "gamma": self._random.uniform(0.8, 1.2, size),
            "beta": 0.1 * self._random.standard_normal(size),
            "mean": 0.1 * self._random.standard_normal(size),
            "variance": self._random.uniform(0.8, 1.2, size),
        }
        parameters = {role: Parameter(f"{name}.{role}", value.astype(np.float32)) for role, value in values.items()}
        self.add(name, BatchNormalization(**parameters, epsilon=1e-3))


def mobilenet() -> Network:
    chain = _Chain("mobilenet", (IMAGE, IMAGE, 3))
    chain.convolution("conv", 3, 16, stride=2)
    chain.add("relu", ReLU(max_value=6.0))
    for index, (channels, stride) in enumerate(BLOCKS, start=1):
        chain.convolution(f"depthwise{index}", 3, chain.channels, stride, groups=chain.channels)
        chain.add(f"depthwise{index}_relu", ReLU(max_value=6.0))
        chain.convolution(f"pointwise{index}", 1, channels)
        chain.add(f"pointwise{index}_relu", ReLU(max_value=6.0))
    chain.add("pool", GlobalAveragePooling(keepdims=False))
    chain.dense("classes", 100)
    chain.add("softmax", Softmax())
    return chain.builder.finish(chain.last)


def autoencoder() -> Network:
    chain = _Chain("autoencoder", (640,))
    for index, width in enumerate(WIDTHS, start=1):
        chain.dense(f"dense{index}", width)
        chain.norm(f"bn{index}")
        chain.add(f"relu{index}", ReLU())
    chain.dense("output", 640)
    return chain.builder.finish(chain.last)


BUILT: dict[str, Callable[[], Network]] = {"mobilenet": mobilenet, "autoencoder": autoencoder}
