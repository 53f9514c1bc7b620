"""Fused groups on every unit of the compiled library, at the ends of what is proven, beside Python integers."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from bittrue.errors import KernelError
from bittrue.fixed import FixedFormat, Overflow, Rounding
from bittrue.program import Add, FixedNetwork
from bittrue.simulation.compiled import group, library, running
from bittrue.simulation.compiled.layout import layout
from bittrue.simulation.compiled.sources import Source
from bittrue.simulation.simulator import Simulator, prove
from forked import forked
from simulation.comparison import check, computed_by
from simulation.compiled import cases
from simulation.compiled.cases import images, output, program, sums

UNITS = library.units()


def test_the_library_is_built_and_has_the_portable_unit() -> None:
    assert [unit.name for unit in UNITS][-1:] == ["portable"]


@pytest.mark.parametrize("word", cases.DENSE_WORDS, ids=str)
@pytest.mark.parametrize("weight_bits", cases.DENSE_WEIGHT_BITS)
@pytest.mark.parametrize("products", cases.DENSE_PRODUCTS)
def test_dense_sums_at_the_ends(word: FixedFormat, weight_bits: int, products: int) -> None:
    assert check(*cases.dense(word, weight_bits, products)) is None


@pytest.mark.parametrize("geometry", cases.GEOMETRIES, ids=lambda geometry: geometry.name)
@pytest.mark.parametrize("word", cases.CONVOLUTION_WORDS, ids=str)
def test_convolutions(geometry: cases.Geometry, word: FixedFormat) -> None:
    assert check(*cases.convolution(geometry, word)) is None


@pytest.mark.parametrize("channels", cases.DEPTHWISE_CHANNELS)
@pytest.mark.parametrize("taps", cases.DEPTHWISE_TAPS, ids=str)
def test_depthwise(channels: int, taps: tuple[int, int]) -> None:
    assert check(*cases.depthwise(channels, taps)) is None


def test_convolutions_in_chunks() -> None:
    assert check(*cases.convolution(cases.IN_CHUNKS, cases.SIGNED_16, 16)) is None


@pytest.mark.parametrize("more", [0, 1])
def test_as_many_products_of_bytes_as_int32_holds(more: int) -> None:
    """And one more, which are multiplied in words of 16 bits."""
    products = cases.MOST_BYTE_PRODUCTS + more
    chain, x = cases.dense(cases.UNSIGNED_8, 8, products)
    with computed_by(replace(UNITS[0], multiplies_bytes=True)):
        (layer,) = (layer for layer in prove(chain, {}) if layer.node == "n0")
    assert ("int8" in layer.strategy) is (more == 0)
    assert check(chain, x) is None


def test_what_was_supposed_of_a_batch() -> None:
    """Batches beyond what those before them were: smaller, far larger, and small again."""
    chain, batches = cases.sequence(3, 40, 2, 2000, 40)
    for unit in UNITS:
        with computed_by(unit):
            simulator = Simulator(chain)
            for x in batches:
                for _ in range(2):
                    found = simulator.run(x)
                    with computed_by(None):
                        expected = Simulator(chain).run(x)
                    assert np.array_equal(found.outputs, expected.outputs)
                    assert found.overflows == expected.overflows
                    assert found.peaks == expected.peaks
    assert check(chain, batches[1]) is None


def test_canary_a_batch_beyond_what_was_supposed_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group.Group, "_is_supposed", lambda *arguments: True)
    chain, (small, large) = cases.sequence(1, 2000)
    with computed_by(UNITS[0]):
        simulator = Simulator(chain)
        simulator.run(small)
        found = simulator.run(large)
    with computed_by(None):
        assert not np.array_equal(found.outputs, Simulator(chain).run(large).outputs)


def test_weights_that_lie_in_another_order() -> None:
    for chain, x in (cases.depthwise(40, (3, 3)), cases.convolution(cases.GEOMETRIES[0], cases.CONVOLUTION_WORDS[0])):
        image, layer = chain.steps
        turned = replace(layer.instruction, weight=np.asfortranarray(layer.instruction.weight))
        assert check(replace(chain, steps=(image, replace(layer, instruction=turned))), x) is None


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("scale_bits", cases.SCALE_BITS)
def test_every_rounding_and_overflow_after_scale_offset_clip_and_addition(
    rounding: Rounding, overflow: Overflow, scale_bits: int
) -> None:
    assert check(*cases.all_stages(rounding, overflow, scale_bits)) is None


@pytest.mark.parametrize("minimum", [False, True])
@pytest.mark.parametrize("word", [cases.SIGNED_16, cases.UNSIGNED_16], ids=str)
def test_extrema_of_windows(minimum: bool, word: FixedFormat) -> None:
    assert check(*cases.extremum(minimum, word)) is None


def convolution() -> tuple[FixedNetwork, np.ndarray]:
    weight = np.random.default_rng(5).integers(-64, 64, (3, 3, 8, 16))
    word = FixedFormat(True, 8, 0)
    chain = program((16, 16, 8), word, (sums(weight, padding=(1, 1)), (16, 16, 16), 0, output(8, 8)))
    return chain, images((16, 16, 8), word, 8)


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """However little there is to do."""
    monkeypatch.setattr(running, "_LEAST_WORK", 1)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_threads_change_nothing(unit: library.Unit, three_threads: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a torch whose OpenMP can't be asked."""
    chain, x = convolution()
    assert running._in_parallel()
    with computed_by(unit):
        simulator = Simulator(chain)
        together = simulator.run(x)
        monkeypatch.setattr(running, "_in_parallel", lambda: 0)
        alone = simulator.run(x)
    assert np.array_equal(alone.outputs, together.outputs)
    assert alone.overflows == together.overflows
    assert sum(alone.overflows.values())


def test_a_child_process_stays_on_one_thread() -> None:
    """Its parent's threads aren't there, and OpenMP would wait for them."""
    assert forked(lambda: repr(running._in_parallel()).encode(), cpu_seconds=10) == b"0"


def test_the_proof_names_the_unit_and_its_margin() -> None:
    chain, _ = convolution()
    with computed_by(UNITS[0]):
        (layer,) = (layer for layer in prove(chain, {}) if layer.node == "n0")
    assert layer.strategy == f"{UNITS[0].name}, int8 added in int32"
    largest = 255 * int(abs(chain.steps[1].instruction.weight).sum((0, 1, 2)).max())
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


def test_canary_a_wrong_zero_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    chain, x = convolution()
    monkeypatch.setattr(group, "layout", lambda source, *more: layout(replace(source, zero=source.zero - 1), *more))
    with computed_by(replace(UNITS[0], multiplies_bytes=True)), pytest.raises(KernelError, match="^n0: "):
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
