"""Programs at the ends of what the compiled kernels are proven for, in all geometries, each with a batch."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.program import (
    Add,
    Below,
    Clip,
    CodeType,
    FixedNetwork,
    Instruction,
    Lookup,
    MultiplyAccumulate,
    Quantize,
    ScaleOffset,
    Step,
    WindowExtremum,
)
from bittrue.program.functions import BatchNorm

Case = tuple[FixedNetwork, np.ndarray]

SIGNED_8, UNSIGNED_8 = FixedFormat(True, 8, 0), FixedFormat(False, 8, 0)
SIGNED_16, UNSIGNED_16 = FixedFormat(True, 16, 0), FixedFormat(False, 16, 0)


def code_type(shape: tuple[int, ...], word: FixedFormat) -> CodeType:
    return CodeType(shape, word.fraction_bits, word.min_code, word.max_code)


def program(
    shape: tuple[int, ...], word: FixedFormat, *instructions: tuple[Instruction, tuple[int, ...], int, Quantizer | None]
) -> FixedNetwork:
    """A chain: each instruction with the shape and the fraction bits of its exact result, and its quantizer. The
    second input of an Add is the network's input."""
    kind = code_type(shape, word)
    steps = [Step("x", "x.output", Quantize(), (), kind, Quantizer(word, Rounding.FLOOR, Overflow.SATURATE), kind)]
    for place, (instruction, out, bits, quantizer) in enumerate(instructions):
        inputs = (steps[-1].name, "x") if isinstance(instruction, Add) else (steps[-1].name,)
        far = 1 << 50
        exact = CodeType(out, bits, -far, far)
        kind = exact if quantizer is None else code_type(out, quantizer.format)
        name = f"n{place}"
        steps.append(Step(name, f"{name}.output", instruction, inputs, exact, quantizer, kind))
    return FixedNetwork("", "", tuple(steps), steps[-1].name, {})


def sums(
    weight: np.ndarray, *, strides: int = 1, padding: tuple[int, int] = (0, 0), dilation: int = 1, **more: Any
) -> MultiplyAccumulate:
    rank = weight.ndim - 2
    more = {"bias": None, "bias_fraction_bits": 0, "groups": 1, "weight_fraction_bits": (0,)} | more
    return MultiplyAccumulate(
        weight=weight, strides=(strides,) * rank, padding=(padding,) * rank, dilation=(dilation,) * rank, **more
    )


def images(shape: tuple[int, ...], word: FixedFormat, count: int = 3) -> np.ndarray:
    """Every code at one of the ends; the first image all lowest, the second all highest."""
    x = np.random.default_rng(0).choice([word.min_code, word.max_code], (count, *shape)).astype(np.float32)
    x[0], x[1] = word.min_code, word.max_code
    return x


def output(bits: int, shift: int, **modes: Any) -> Quantizer:
    modes = {"rounding": Rounding.NEAREST_EVEN, "overflow": Overflow.SATURATE} | modes
    return Quantizer(FixedFormat(True, bits, -shift), **modes)


DENSE_WORDS = (SIGNED_8, UNSIGNED_8, FixedFormat(True, 13, 0), SIGNED_16, UNSIGNED_16)
DENSE_WEIGHT_BITS = (8, 16)
DENSE_PRODUCTS = (1, 64, 65, 513, 4500)
"""Odd and even numbers, and more than one gathered row holds."""


def dense(word: FixedFormat, weight_bits: int, products: int) -> Case:
    """Whole sums in int32, chunks of them, and weights in two parts."""
    low, high = -(1 << weight_bits - 1), (1 << weight_bits - 1) - 1
    weight = np.random.default_rng(products).choice([low, high], (products, 5))
    weight[:, 0], weight[:, 1] = low, high
    shift = weight_bits + word.word_length + products.bit_length() - 12
    bias = np.array([high, low, 0, 1, -1]) << 3
    chain = program((products,), word, (sums(weight, bias=bias), (5,), 0, output(12, shift, overflow=Overflow.WRAP)))
    return chain, images((products,), word)


@dataclass(frozen=True)
class Geometry:
    """A convolution. padding: before and after, on each axis."""

    name: str
    window: tuple[int, ...]
    strides: int
    padding: tuple[int, int]
    dilation: int
    size: tuple[int, ...]
    channels: int
    outputs: int


GEOMETRIES = (
    Geometry("3×3", (3, 3), 1, (1, 1), 1, (7, 9), 3, 16),
    Geometry("strided, uneven padding", (3, 3), 2, (0, 1), 1, (8, 8), 5, 17),
    Geometry("dilated, more padding than window", (2, 3), 1, (2, 2), 2, (6, 7), 4, 33),
    Geometry("1×1", (1, 1), 1, (0, 0), 1, (20, 20), 2, 48),
    Geometry("one channel", (5, 1), 3, (4, 0), 1, (11, 3), 1, 1),
    Geometry("causal over one axis", (4,), 1, (3, 0), 1, (13,), 6, 10),
    Geometry("one axis, dilated beyond the image", (3,), 1, (2, 2), 3, (5,), 2, 64),
    Geometry("longer than a block", (3, 3), 1, (1, 1), 1, (3, 70), 2, 17),
    Geometry("strided, in whole tiles", (2, 3), 2, (1, 1), 1, (5, 32), 5, 34),
    Geometry("more outputs than fit a tile's columns", (3, 3), 1, (1, 1), 1, (4, 8), 4, 65),
)
CONVOLUTION_WORDS = (SIGNED_8, UNSIGNED_8, FixedFormat(True, 9, 0), UNSIGNED_16)
IN_CHUNKS = Geometry("in chunks of the image's rows", (3, 3), 1, (1, 1), 1, (2, 8), 64, 3)


def convolution(geometry: Geometry, word: FixedFormat, weight_bits: int = 7) -> Case:
    window, outputs, shape = geometry.window, geometry.outputs, (*geometry.size, geometry.channels)
    half = 1 << weight_bits - 1
    weight = np.random.default_rng(1).integers(-half, half, (*window, geometry.channels, outputs))
    layer = sums(
        weight,
        strides=geometry.strides,
        padding=geometry.padding,
        dilation=geometry.dilation,
        bias=np.arange(outputs),
    )
    reach = [sum(geometry.padding) - (taps - 1) * geometry.dilation - 1 for taps in window]
    out = tuple((length + more) // geometry.strides + 1 for length, more in zip(geometry.size, reach, strict=True))
    return program(shape, word, (layer, (*out, outputs), 0, output(10, weight_bits + 2))), images(shape, word)


DEPTHWISE_CHANNELS = (1, 15, 16, 31, 32, 40, 67)
DEPTHWISE_TAPS = ((3, 3), (1, 2), (5, 5))


def depthwise(channels: int, taps: tuple[int, int]) -> Case:
    word = FixedFormat(True, 13, 0)
    weight = np.random.default_rng(2).integers(-1024, 1024, (*taps, 1, channels))
    layer = sums(weight, padding=(1, 1), groups=channels)
    out = tuple(6 + 2 - length + 1 for length in taps)
    return program((6, 6, channels), word, (layer, (*out, channels), 0, output(13, 8))), images((6, 6, channels), word)


SCALE_BITS = (3, 25)
"""Stages in int32, and in float64."""


def all_stages(rounding: Rounding, overflow: Overflow, scale_bits: int) -> Case:
    """Scale and offset with two branches, an addition, a clip: ties of both signs, and results far outside their
    words."""
    word = FixedFormat(True, 8, 0)
    generator = np.random.default_rng(3)
    weight = generator.integers(-3, 4, (1, 1, 6, 6))
    scale = generator.integers(1, 8, 6) << scale_bits - 3
    offset = generator.integers(-20, 20, 6) << scale_bits - 3
    modes = {"rounding": rounding, "overflow": overflow}
    below = Below(1, -scale, offset)
    chain = program(
        (9, 11, 6),
        word,
        (sums(weight), (9, 11, 6), 0, None),
        (ScaleOffset(scale, 0, offset, 0, below), (9, 11, 6), 0, output(7, scale_bits - 1, **modes)),
        (Add(), (9, 11, 6), 0, output(6, 2, **modes)),
        (Clip(-40, 50), (9, 11, 6), -2, output(4, 3, **modes)),
    )
    x = generator.integers(word.min_code, word.max_code + 1, (5, 9, 11, 6)).astype(np.float32)
    if overflow is Overflow.UNBOUNDED:
        unbounded = [replace(step, type=replace(step.type, low=None, high=None)) for step in chain.steps[2:]]
        steps = [*chain.steps[:2], *unbounded]
        chain = replace(chain, steps=tuple(steps))
    return chain, x


def extremum(minimum: bool, word: FixedFormat) -> Case:
    pool = WindowExtremum((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), minimum)
    x = np.random.default_rng(4).integers(word.min_code, word.max_code + 1, (4, 9, 7, 5)).astype(np.float32)
    return program((9, 7, 5), word, (pool, (5, 4, 5), 0, None)), x


def all_cases() -> Iterator[Case]:
    yield from (dense(*choice) for choice in product(DENSE_WORDS, DENSE_WEIGHT_BITS, DENSE_PRODUCTS))
    yield from (convolution(*choice) for choice in product(GEOMETRIES, CONVOLUTION_WORDS))
    yield convolution(IN_CHUNKS, SIGNED_16, 16)
    yield from (depthwise(*choice) for choice in product(DEPTHWISE_CHANNELS, DEPTHWISE_TAPS))
    yield from (all_stages(*choice) for choice in product(Rounding, Overflow, SCALE_BITS))
    yield from (extremum(*choice) for choice in product((False, True), (SIGNED_16, UNSIGNED_16)))


def byte_cases() -> Iterator[Case]:
    """Whose products are of bytes where a unit multiplies them."""
    words = (SIGNED_8, UNSIGNED_8)
    yield from (dense(word, 8, products) for word, products in product(words, DENSE_PRODUCTS))
    yield from (convolution(*choice) for choice in product(GEOMETRIES, words))


MOST_BYTE_PRODUCTS = ((1 << 31) - 1) // (255 * 128)
"""So many products of the largest bytes stay below 2^31."""


def sequence(*amplitudes: int) -> tuple[FixedNetwork, list[np.ndarray]]:
    """Codes that nothing bounds, then a raw batch normalization, proven for those that occur, whose result is kept in
    words that hold it: a program and a batch for each amplitude."""
    generator = np.random.default_rng(7)
    numbers = {role: generator.integers(1, 40, 6) for role in ("gamma", "beta", "mean", "variance")}
    bits = dict.fromkeys((f"{role}_fraction_bits" for role in numbers), 4)
    norm = Lookup(BatchNorm(**numbers, **bits, epsilon=Fraction(1, 1000)))
    word, free = FixedFormat(True, 12, 0), output(12, -2, overflow=Overflow.UNBOUNDED)
    chain = program(
        (6, 7, 4),
        word,
        (sums(generator.integers(-9, 9, (3, 3, 4, 6)), padding=(1, 1)), (6, 7, 6), 0, free),
        (norm, (6, 7, 6), 2, free),
        (Clip(Fraction(0), None), (6, 7, 6), 2, free),
        (sums(generator.integers(-9, 9, (1, 1, 6, 5))), (6, 7, 5), 2, free),
    )
    steps = [chain.steps[0], *(replace(step, type=replace(step.type, low=None, high=None)) for step in chain.steps[1:])]
    batches = [generator.integers(-most, most + 1, (3, 6, 7, 4)).astype(np.float32) for most in amplitudes]
    return replace(chain, steps=tuple(steps)), batches
