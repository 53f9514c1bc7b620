"""Fused groups on every unit of the compiled library, at the ends of what is proven, beside Python integers."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bittrue.errors import KernelError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding
from bittrue.program import (
    Add,
    Below,
    Clip,
    CodeType,
    FixedNetwork,
    Instruction,
    MultiplyAccumulate,
    Quantize,
    ScaleOffset,
    Step,
    WindowExtremum,
)
from bittrue.simulation.compiled import group, library, running
from bittrue.simulation.compiled.layout import layout
from bittrue.simulation.compiled.sources import Source
from bittrue.simulation.simulator import Simulator, prove
from simulation.comparison import check, computed_by

UNITS = library.units()

SIGNED_16, UNSIGNED_16 = FixedFormat(True, 16, 0), FixedFormat(False, 16, 0)


def test_the_library_is_built_and_has_the_portable_unit() -> None:
    assert [unit.name for unit in UNITS][-1:] == ["portable"]


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


@pytest.mark.parametrize("word", [FixedFormat(True, 8, 0), FixedFormat(True, 13, 0), SIGNED_16, UNSIGNED_16], ids=str)
@pytest.mark.parametrize("weight_bits", [8, 16])
@pytest.mark.parametrize("products", [1, 64, 65, 513, 4500])
def test_dense_sums_at_the_ends(word: FixedFormat, weight_bits: int, products: int) -> None:
    """Whole sums in int32, chunks of them, and weights in two parts; an odd number of products, and more than one
    gathered row holds."""
    low, high = -(1 << weight_bits - 1), (1 << weight_bits - 1) - 1
    weight = np.random.default_rng(products).choice([low, high], (products, 5))
    weight[:, 0], weight[:, 1] = low, high
    shift = weight_bits + word.word_length + products.bit_length() - 12
    bias = np.array([high, low, 0, 1, -1]) << 3
    chain = program((products,), word, (sums(weight, bias=bias), (5,), 0, output(12, shift, overflow=Overflow.WRAP)))
    assert check(chain, images((products,), word)) is None


GEOMETRIES = [
    # window, strides, padding, dilation, rows and columns, channels in and out
    pytest.param((3, 3), 1, (1, 1), 1, (7, 9), 3, 16, id="3×3"),
    pytest.param((3, 3), 2, (0, 1), 1, (8, 8), 5, 17, id="strided, uneven padding"),
    pytest.param((2, 3), 1, (2, 2), 2, (6, 7), 4, 33, id="dilated, more padding than window"),
    pytest.param((1, 1), 1, (0, 0), 1, (20, 20), 2, 48, id="1×1"),
    pytest.param((5, 1), 3, (4, 0), 1, (11, 3), 1, 1, id="one channel"),
    pytest.param((4,), 1, (3, 0), 1, (13,), 6, 10, id="causal over one axis"),
    pytest.param((3,), 1, (2, 2), 3, (5,), 2, 64, id="one axis, dilated beyond the image"),
]


@pytest.mark.parametrize(("window", "strides", "padding", "dilation", "size", "channels", "outputs"), GEOMETRIES)
@pytest.mark.parametrize("word", [FixedFormat(True, 9, 0), UNSIGNED_16], ids=str)
def test_convolutions(
    window: tuple[int, ...],
    strides: int,
    padding: tuple[int, int],
    dilation: int,
    size: tuple[int, ...],
    channels: int,
    outputs: int,
    word: FixedFormat,
) -> None:
    weight = np.random.default_rng(1).integers(-64, 64, (*window, channels, outputs))
    layer = sums(weight, strides=strides, padding=padding, dilation=dilation, bias=np.arange(outputs))
    reach = [sum(padding) - (taps - 1) * dilation - 1 for taps in window]
    out = tuple((length + more) // strides + 1 for length, more in zip(size, reach, strict=True))
    chain = program((*size, channels), word, (layer, (*out, outputs), 0, output(10, 9)))
    assert check(chain, images((*size, channels), word)) is None


@pytest.mark.parametrize("channels", [1, 15, 16, 31, 32, 40, 67])
@pytest.mark.parametrize("taps", [(3, 3), (1, 2), (5, 5)], ids=str)
def test_depthwise(channels: int, taps: tuple[int, int]) -> None:
    word = FixedFormat(True, 13, 0)
    weight = np.random.default_rng(2).integers(-1024, 1024, (*taps, 1, channels))
    layer = sums(weight, padding=(1, 1), groups=channels)
    out = tuple(6 + 2 - length + 1 for length in taps)
    chain = program((6, 6, channels), word, (layer, (*out, channels), 0, output(13, 8)))
    assert check(chain, images((6, 6, channels), word)) is None


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("scale_bits", [3, 25], ids=["narrow", "wide"])
def test_every_rounding_and_overflow_after_scale_offset_clip_and_addition(
    rounding: Rounding, overflow: Overflow, scale_bits: int
) -> None:
    """Ties of both signs, and results far outside their words, in int32 and in float64."""
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
    assert check(chain, x) is None


@pytest.mark.parametrize("minimum", [False, True])
@pytest.mark.parametrize("word", [SIGNED_16, UNSIGNED_16], ids=str)
def test_extrema_of_windows(minimum: bool, word: FixedFormat) -> None:
    pool = WindowExtremum((3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), minimum)
    chain = program((9, 7, 5), word, (pool, (5, 4, 5), 0, None))
    x = np.random.default_rng(4).integers(word.min_code, word.max_code + 1, (4, 9, 7, 5)).astype(np.float32)
    assert check(chain, x) is None


def convolution() -> tuple[FixedNetwork, np.ndarray]:
    weight = np.random.default_rng(5).integers(-64, 64, (3, 3, 8, 16))
    word = FixedFormat(True, 8, 0)
    chain = program((16, 16, 8), word, (sums(weight, padding=(1, 1)), (16, 16, 16), 0, output(8, 8)))
    return chain, images((16, 16, 8), word, 8)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_threads_change_nothing(unit: library.Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "_LEAST_WORK", 1)
    chain, x = convolution()
    with computed_by(unit):
        simulator = Simulator(chain)
        alone = simulator.run(x)
        torch.set_num_threads(3)
        try:
            together = simulator.run(x)
        finally:
            torch.set_num_threads(1)
    assert np.array_equal(alone.outputs, together.outputs)
    assert alone.overflows == together.overflows
    assert sum(alone.overflows.values())


def test_the_proof_names_the_unit_and_its_margin() -> None:
    chain, _ = convolution()
    with computed_by(UNITS[0]):
        (layer,) = (layer for layer in prove(chain, {}) if layer.node == "n0")
    assert layer.strategy == f"{UNITS[0].name}, int16 added in int32"
    largest = 128 * int(abs(chain.steps[1].instruction.weight).sum((0, 1, 2)).max())
    assert layer.margin_bits == pytest.approx(31 - np.log2(largest), abs=1e-12)


def test_canary_a_wrong_code_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    chain, x = convolution()

    def wrong(*arguments: Any) -> list[tuple[int, int, int]]:
        seen = running.run(*arguments)
        arguments[-1].view(-1)[7] += 1
        return seen

    monkeypatch.setattr(group, "check_kernel", lambda *arguments: None)
    monkeypatch.setattr(group, "run", wrong)
    difference = check(chain, x)
    assert difference is not None
    assert difference.startswith(f"{UNITS[0].name}: n0, image 0, index 7")


def test_canary_a_wrong_weight_is_refused_before_anything_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    chain, x = convolution()

    def spoiled(source: Source, *arguments: Any) -> object:
        for weights in source.weights:
            weights[0, 0, 0, 0] += 1
        return layout(source, *arguments)

    monkeypatch.setattr(group, "layout", spoiled)
    with computed_by(UNITS[0]), pytest.raises(KernelError, match="^n0: "):
        Simulator(chain).run(x)


def test_a_value_added_twice_is_for_torch() -> None:
    """x + conv(x) + x, and x + x: no group has them, whatever stands before and after."""
    word = FixedFormat(True, 8, 0)
    weight = np.random.default_rng(6).integers(-3, 4, (1, 1, 4, 4))
    chain = program((5, 5, 4), word, (sums(weight), (5, 5, 4), 0, output(8, 2)), (Add(), (5, 5, 4), 0, output(8, 1)))
    *before, last = chain.steps
    for inputs in (("x", "n0", "x"), ("n0", "n0"), ("n0", "x", "n0")):
        changed = replace(chain, steps=(*before, replace(last, inputs=inputs)))
        assert check(changed, images((5, 5, 4), word)) is None
