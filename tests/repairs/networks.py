"""A small residual network with random weights, images for it, and plans that hurt."""

import numpy as np

from bittrue.analysis.ranges import measure_ranges
from bittrue.data import Dataset, as_dataset
from bittrue.network import Network, NetworkBuilder, Operator, Parameter
from bittrue.operators import (
    Add,
    BatchNormalization,
    Convolution,
    Dense,
    Flatten,
    Input,
    MaxPooling,
    ReLU,
    Softmax,
)
from bittrue.plan import Plan, WordLengths, plan_from_ranges


def convolution(random: np.random.Generator, name: str, inputs: int, outputs: int, groups: int = 1) -> Convolution:
    weight = random.standard_normal((3, 3, inputs // groups, outputs)) / np.sqrt(9 * inputs / groups)
    return Convolution(
        Parameter(f"{name}.weight", weight.astype(np.float32)),
        Parameter(f"{name}.bias", random.standard_normal(outputs).astype(np.float32) / 4),
        (1, 1),
        ((1, 1), (1, 1)),
        (1, 1),
        groups,
    )


def normalization(random: np.random.Generator, name: str, channels: int) -> BatchNormalization:
    def values(role: str, low: float, high: float) -> Parameter:
        return Parameter(f"{name}.{role}", random.uniform(low, high, channels).astype(np.float32))

    return BatchNormalization(
        values("gamma", 0.5, 2), values("beta", -0.5, 1), values("mean", -0.2, 0.2), values("variance", 0.2, 2), 1e-3
    )


def residual(seed: int = 0) -> Network:
    """6×6×3 images; a convolution, a block with a shortcut around a depthwise and another one, pooling, two dense
    layers, and softmax."""
    random = np.random.default_rng(seed)
    builder = NetworkBuilder("residual")

    def add(name: str, operator: Operator, *inputs: str) -> str:
        return builder.add(name, operator, *inputs)

    image = add("image", Input((6, 6, 3)))
    first = add("norm1", normalization(random, "norm1", 8), add("conv1", convolution(random, "conv1", 3, 8), image))
    first = add("relu1", ReLU(), first)
    inner = add("conv2", convolution(random, "conv2", 8, 8, groups=8), first)
    inner = add("relu2", ReLU(), add("norm2", normalization(random, "norm2", 8), inner))
    inner = add("norm3", normalization(random, "norm3", 8), add("conv3", convolution(random, "conv3", 8, 8), inner))
    joined = add(
        "pool", MaxPooling((2, 2), (2, 2), ((0, 0), (0, 0))), add("relu3", ReLU(), add("sum", Add(), first, inner))
    )
    flat = add("flat", Flatten(), joined)
    for name, inputs, outputs in (("dense1", 72, 12), ("dense2", 12, 4)):
        weight = random.standard_normal((inputs, outputs)).astype(np.float32) / np.float32(np.sqrt(inputs))
        bias = Parameter(f"{name}.bias", random.standard_normal(outputs).astype(np.float32))
        flat = add(name, Dense(Parameter(f"{name}.weight", weight), bias), flat)
        flat = add("relu4", ReLU(), flat) if name == "dense1" else flat
    return builder.finish(add("softmax", Softmax(), flat))


def images(count: int = 240, seed: int = 1) -> Dataset:
    """Without labels."""
    random = np.random.default_rng(seed)
    rough = random.standard_normal((count, 6, 6, 3)).astype(np.float32)
    return as_dataset((rough + np.roll(rough, 1, 1) + np.roll(rough, 1, 2)) / 2)


def planned(network: Network, data: Dataset, weights: int = 3, activations: int = 6, **options: object) -> Plan:
    ranges = measure_ranges(network, data)
    words = WordLengths(weights, activations, 12, 16)
    return plan_from_ranges(network, ranges, words, point="least-squares", **options)  # type: ignore[arg-type]
