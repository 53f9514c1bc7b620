"""Random networks of all that hls4ml can have, with a random format, rounding and overflow at every site."""

import numpy as np

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, to_ap_fixed
from bittrue.network import Network
from bittrue.operators import (
    Add,
    AveragePooling,
    Clip,
    Concatenate,
    Flatten,
    GlobalAveragePooling,
    GlobalMaxPooling,
    Maximum,
    MaxPooling,
    Minimum,
    Multiply,
    PReLU,
    ReLU,
    Subtract,
    Transpose,
    ZeroPadding,
)
from bittrue.plan import Plan, PlanOptions
from bittrue.plan.build import Override, Points, build_plan
from bittrue.plan.sites import Site, sites_of
from cases import Draft

BOUNDED = (Overflow.SATURATE, Overflow.SATURATE_ZERO, Overflow.SATURATE_SYMMETRIC, Overflow.WRAP)

SHAPE = (5, 6, 3)


def random_network(seed: int, *, streams: bool) -> Network:
    """Six branches of one image, each of layers of other kinds, that meet at the end. streams: without what hls4ml's
    io_stream lacks."""
    random = np.random.default_rng(seed)
    draft = Draft(f"random-{seed}", SHAPE)
    image = draft.last

    def pads() -> tuple[tuple[int, int], ...]:
        return tuple((int(a), int(b)) for a, b in random.integers(0, 3, (2, 2)))

    def strides() -> tuple[int, ...]:
        return tuple(int(size) for size in random.integers(1, 3, 2))

    convolved = draft.convolution("conv", (3, 2), 4, image, strides=strides(), padding=pads())
    draft.norm("conv_norm")
    relu = draft.add("conv_relu", ReLU())
    padded = ((0, 1), (1, 0)) if not streams else ((0, 0), (0, 0))
    overlapping = (1, 1) if not streams else (2, 2)
    branches = [
        draft.add("max_positive", MaxPooling((2, 2), overlapping, padded), relu),
        draft.add("max_signed", MaxPooling((2, 2), overlapping, padded), convolved),
    ]
    draft.convolution("depthwise", (2, 3), 3, image, strides=strides(), padding=pads(), groups=3)
    draft.add("leaky", ReLU(negative_slope=0.3))
    branches.append(draft.add("average", AveragePooling((2, 2), overlapping, padded)))
    point = draft.convolution("point", (1, 1), 3, image)
    prelu = draft.add("prelu", PReLU(draft.parameter("prelu.slope", 3)))
    draft.add("six", Clip(0.0, 6.0))
    for name, operator, first, second in (
        ("add", Add(), point, prelu),
        ("maximum", Maximum(), image, point),
        ("minimum", Minimum(), prelu, point),
        ("subtract", Subtract(), draft.last, image),
        ("product", Multiply(), point, prelu),
    ):
        branches.append(draft.add(name, operator, first, second))
    draft.add("channels", Concatenate(2), branches[-1], branches[-2], branches[-3])
    draft.add("padding", ZeroPadding(((1, 0), (0, 2))))
    branches.append(draft.add("pooled", GlobalMaxPooling() if seed % 2 else GlobalAveragePooling()))
    if not streams:
        branches.append(draft.add("turned", Transpose((2, 0, 1)), branches[4]))
    ends = [draft.add(f"flat{place}", Flatten(), branch) for place, branch in enumerate(branches)]
    draft.add("together", Concatenate(0), *ends[:3])
    draft.dense("dense", 5)
    return_here = [draft.last, *ends[3:]]
    draft.add("result", Concatenate(0), *return_here)
    return draft.finish()


def random_plan(network: Network, seed: int, *, rounding_points: str = "every-node") -> Plan:
    """A format of its own at every site; one layer in two with an accumulator that rounds and overflows."""
    random = np.random.default_rng(seed)

    def quantizer(low: int, high: int, integer: tuple[int, int]) -> Quantizer:
        length = int(random.integers(low, high))
        fraction_bits = length - int(random.integers(*integer))
        format = FixedFormat(bool(random.random() < 0.7), length, fraction_bits)
        return Quantizer(format, random.choice(list(Rounding)), random.choice(list(BOUNDED)))

    def choose(site: Site) -> Quantizer:
        if site.node == "six" and site.role != "output":  # hls4ml clips at 6, and at nothing near it
            return Quantizer(FixedFormat(True, 4, 0))
        return quantizer(3, 10, (0, 3)) if site.values is not None else quantizer(5, 13, (2, 5))

    options = PlanOptions(rounding_points=rounding_points, product="quantized")
    accumulators = [
        Override(site.name, to_ap_fixed(quantizer(8, 16, (3, 6))))
        for site in sites_of(network, options).values()
        if site.role == "accumulator" and site.node in ("conv", "depthwise", "dense") and random.random() < 0.5
    ]
    points = Points(None, Rounding.NEAREST_EVEN, Overflow.SATURATE)
    return build_plan(network, options, choose, accumulators, points)


def images(seed: int, count: int = 12) -> np.ndarray:
    """Random images, some of them far outside of every format."""
    random = np.random.default_rng(seed)
    spread = random.choice([0.5, 2.0, 40.0], (count, 1, 1, 1))
    return (random.standard_normal((count, *SHAPE)) * spread).astype(np.float32)
