"""Accumulator widths: against all inputs that a format allows, against sums by hand, and against the simulation."""

from dataclasses import replace
from itertools import accumulate, permutations, product
from pathlib import Path

import numpy as np
import pytest

from analysis.networks import chain, convolutional, random_images
from bittrue.analysis import accumulators
from bittrue.analysis.accumulators import AccumulatorWidths, accumulator_widths
from bittrue.analysis.layer_sums import LayerAccumulator, SumRange
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.simulate import simulate
from bittrue.data import Dataset, load_dataset
from bittrue.errors import PlanError
from bittrue.fixed import FixedFormat, Overflow, Rounding
from bittrue.lowering import lower_network
from bittrue.network import Network, Parameter
from bittrue.operators import AveragePooling, Dense, Input, UpsamplingBilinear
from bittrue.plan import Override, Plan, plan_from_ranges, study_plan, uniform_plan
from bittrue.program import MultiplyAccumulate
from bittrue.simulation.sums.bounds import SumBounds
from bittrue.simulation.sums.products import ProductSums

WEIGHTS = np.array([[3, 0], [-2, 1], [1, 2]], np.float32)
BIAS = np.array([-4, 5], np.float32)
SUMS = Override("dense.output", "EXACT")


def small() -> Network:
    """Three inputs, two outputs."""
    dense = Dense(Parameter("dense.weight", WEIGHTS), Parameter("dense.bias", BIAS))
    return chain("small", [("image", Input((3,))), ("dense", dense)])


def small_plan(signed: bool = True) -> Plan:
    image = Override("image.output", f"ap_{'' if signed else 'u'}fixed<2,2>")
    return uniform_plan(small(), 8, 0, overrides=(image, SUMS))


def rows(folder: Path, *x: list[float]) -> Dataset:
    np.savez(folder / "rows.npz", x=np.array(x, np.float32))
    return load_dataset(str(folder / "rows.npz"))


@pytest.mark.parametrize("signed", [True, False])
def test_no_partial_sum_of_any_input_in_any_order_leaves_the_range(tmp_path: Path, signed: bool) -> None:
    (layer,) = accumulator_widths(small(), small_plan(signed), rows(tmp_path, [0, 0, 0])).layers
    codes = range(-2, 2) if signed else range(4)
    reached = {
        partial
        for channel in range(2)
        for x in product(codes, repeat=3)
        for order in permutations(
            [*(int(w) * c for w, c in zip(WEIGHTS[:, channel], x, strict=True)), int(BIAS[channel])]
        )
        for partial in accumulate(order)
    }
    assert layer.any_order is not None
    assert (layer.any_order.low, layer.any_order.high) == (min(reached), max(reached))
    assert layer.any_input == layer.any_order  # nothing stands before the input's quantizer
    assert (layer.products, layer.weight) == (3, "ap_fixed<8,8>")
    assert layer.input == ("ap_fixed<2,2>" if signed else "ap_ufixed<2,2>")


def test_any_codes_of_the_input_reach_further_than_any_image(tmp_path: Path) -> None:
    """Three times a code of 4 bits, in a word of 6, five times: −24 to 21 of the −32 to 31 that the word holds."""
    operators = [
        (name, Dense(Parameter(f"{name}.weight", np.full((1, 1), factor, np.float32)), None))
        for name, factor in (("three", 3), ("five", 5))
    ]
    network = chain("factors", [("image", Input((1,))), *operators])
    words = (Override("image.output", "Q3.0"), Override("three.output", "Q5.0"))
    plan = uniform_plan(network, 12, 0, overrides=words)
    three, five = accumulator_widths(network, plan, rows(tmp_path, [1])).layers
    assert three.any_input == three.any_order == SumRange(0, -24, 21)
    assert (five.any_input, five.any_order) == (SumRange(0, -160, 155), SumRange(0, -120, 105))
    assert five.input == "ap_fixed<6,6>"
    symmetric = (words[0], Override("three.output", "ap_fixed<6,6,AP_RND,AP_SAT_SYM>"))
    _, five = accumulator_widths(network, uniform_plan(network, 12, 0, overrides=symmetric), rows(tmp_path, [1])).layers
    assert five.any_input == SumRange(0, -155, 155)


def test_movements_and_maxima_pass_the_format_on(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    for layer in accumulator_widths(network, hardware(network, dataset), dataset).layers:
        assert layer.any_input is not None
        assert layer.any_order is not None
        assert layer.any_input.low <= layer.any_order.low
        assert layer.any_order.high <= layer.any_input.high


def test_the_sums_on_the_data(tmp_path: Path) -> None:
    """−4 + 3·1 − 2·1 + 1·1: −4, −1, −3, −2. 5 + 0 + 1 + 2: 5, 5, 6, 8. −4 + 3·(−2): −10, −12, −14. 5, 5, 6, 2."""
    found = accumulator_widths(small(), small_plan(), rows(tmp_path, [1, 1, 1], [-2, 1, -2]))
    (layer,) = found.layers
    assert layer.in_order == SumRange(0, -14, 8)
    assert layer.final == SumRange(0, -14, 8)
    (layer,) = accumulator_widths(small(), small_plan(), rows(tmp_path, [-2, -2, 1])).layers
    assert layer.in_order == SumRange(0, -10, 5)  # −4, −10, −6, −5; 5, 5, 3, 5
    assert layer.final == SumRange(0, -5, 5)
    assert (str(layer.in_order), str(layer.final)) == ("ap_fixed<5,5>", "ap_fixed<4,4>")


def averaged() -> Network:
    """Means of three numbers each, of four."""
    pooling = AveragePooling((3,), (1,), ((0, 0),))
    return chain("averaged", [("image", Input((4, 1))), ("pool", pooling)])


def test_the_sums_of_an_average(tmp_path: Path) -> None:
    """1 + 1 − 2 and 1 − 2 − 2: 1, 2, 0; 1, −1, −3. Whatever the data, three codes of two bits."""
    np.savez(tmp_path / "rows.npz", x=np.array([[[1], [1], [-2], [-2]]], np.float32))
    dataset = load_dataset(str(tmp_path / "rows.npz"))
    for overrides in ((), (Override("pool.accumulator", "ap_fixed<9,9>"),)):
        plan = uniform_plan(averaged(), 8, 0, overrides=(Override("image.output", "ap_fixed<2,2>"), *overrides))
        (layer,) = accumulator_widths(averaged(), plan, dataset).layers
        assert (layer.node, layer.products, layer.input, layer.weight) == ("pool", 3, "ap_fixed<2,2>", "EXACT")
        assert layer.any_order == SumRange(0, -6, 3)
        assert layer.in_order == SumRange(0, -3, 2)
        assert layer.final == SumRange(0, -3, 0)


def test_the_sums_of_a_padded_average_over_three_axes(tmp_path: Path) -> None:
    """The corner's window holds 1, 2, 4 and 8, the padding nothing."""
    pooling = AveragePooling((2, 2, 2), (2, 2, 2), ((1, 0), (0, 0), (0, 0)))
    network = chain("cube", [("image", Input((1, 2, 2, 1))), ("pool", pooling)])
    np.savez(tmp_path / "cube.npz", x=np.array([1, 2, 4, 8], np.float32).reshape(1, 1, 2, 2, 1))
    dataset = load_dataset(str(tmp_path / "cube.npz"))
    plan = uniform_plan(network, 8, 0, overrides=(Override("image.output", "ap_ufixed<4,4>"),))
    (layer,) = accumulator_widths(network, plan, dataset).layers
    assert layer.products == 4
    assert (layer.any_order, layer.in_order, layer.final) == (
        *(SumRange(0, 0, 60), SumRange(0, 0, 15), SumRange(0, 15, 15)),
    )


@pytest.mark.parametrize("operator", [UpsamplingBilinear((3,), False), UpsamplingBilinear((2,), False)])
def test_weights_that_no_file_holds(tmp_path: Path, operator: UpsamplingBilinear) -> None:
    """Thirds have a site, quarters are exact."""
    network = chain("upsampled", [("image", Input((3, 1))), ("up", operator)])
    np.savez(tmp_path / "rows.npz", x=np.ones((1, 3, 1), np.float32))
    dataset = load_dataset(str(tmp_path / "rows.npz"))
    (layer,) = accumulator_widths(network, uniform_plan(network, 8, 4), dataset).layers
    assert (layer.node, layer.weight) == ("up", "ap_fixed<8,4>" if operator.factors == (3,) else "EXACT")


@pytest.mark.parametrize(
    ("low", "high", "signed", "word_length"),
    [
        *((0, 0, False, 1), (0, 1, False, 1), (0, 8, False, 4)),
        *((-1, 0, True, 1), (-8, 7, True, 4), (-9, 0, True, 5), (-1, 8, True, 5)),
    ],
)
def test_the_narrowest_format(low: int, high: int, signed: bool, word_length: int) -> None:
    found = SumRange(3, low, high).format
    assert found == FixedFormat(signed, word_length, 3)
    assert found.min_code <= low <= high <= found.max_code


def hardware(network: Network, dataset: Dataset, *overrides: Override) -> Plan:
    return plan_from_ranges(network, measure_ranges(network, dataset), 6, per_channel=True, overrides=overrides)


def with_accumulators(network: Network, dataset: Dataset, ranges: dict[str, SumRange], modes: str) -> Plan:
    overrides = [Override(f"{node}.accumulator", f"{str(found)[:-1]},{modes}>") for node, found in ranges.items()]
    return hardware(network, dataset, *overrides)


def narrower(found: SumRange) -> SumRange:
    """One bit less."""
    return replace(found, low=found.low // 2 + 1 if found.low < 0 else 0, high=found.high // 2)


@pytest.mark.parametrize(
    ("which", "modes"),
    [
        ("any_input", "AP_RND,AP_SAT"),
        ("any_order", "AP_RND,AP_SAT"),
        ("in_order", "AP_TRN,AP_SAT_ZERO"),
        ("final", "AP_TRN,AP_WRAP"),
    ],
)
def test_accumulators_of_these_widths_change_nothing(tmp_path: Path, which: str, modes: str) -> None:
    """And with one bit less the simulation counts overflows on the data, for those widths that speak of it."""
    network, dataset = convolutional(), random_images(tmp_path)
    widths = accumulator_widths(network, hardware(network, dataset), dataset)
    assert [layer.node for layer in widths.layers] == ["conv", "dense"]
    found = {layer.node: getattr(layer, which) for layer in widths.layers}
    plan = with_accumulators(network, dataset, found, modes)
    exact = simulate(network, hardware(network, dataset), dataset, out=tmp_path / "exact")
    same = simulate(network, plan, dataset, out=tmp_path / "same")
    assert {site: n for site, n in same.overflows.items() if site.endswith("accumulator")} == {
        "conv.accumulator": 0,
        "dense.accumulator": 0,
    }
    assert (tmp_path / "same/outputs.npy").read_bytes() == (tmp_path / "exact/outputs.npy").read_bytes()
    assert {k: v for k, v in same.overflows.items() if k in exact.overflows} == exact.overflows
    if which in ("any_input", "any_order"):
        # Proven silent, so that nothing is computed product by product.
        assert [proof.strategy for proof in same.layers] == [proof.strategy for proof in exact.layers]
    else:
        plan = with_accumulators(network, dataset, {node: narrower(r) for node, r in found.items()}, modes)
        overflows = simulate(network, plan, dataset).overflows
        assert overflows["conv.accumulator"] > 0
        assert overflows["dense.accumulator"] > 0


def test_where_inputs_are_unbounded_or_float(tmp_path: Path) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    plan = study_plan(network, 4)
    widths = accumulator_widths(network, plan, dataset, images=5)
    assert [(layer.any_input, layer.any_order) for layer in widths.layers] == [(None, None)] * 2
    assert widths.layers[0].input == "UNBOUNDED with 4 fraction bits"
    assert all(layer.final is not None for layer in widths.layers)
    assert repr(widths).splitlines()[3].split()[2] == "–"
    floating = study_plan(network, 4, overrides=[Override("conv.output", "FLOAT")])
    assert [layer.node for layer in accumulator_widths(network, floating, dataset).layers] == ["dense"]


def test_sums_beyond_torch_are_not_measured(tmp_path: Path) -> None:
    wide = (Override("image.output", "ap_fixed<40,4>"), Override("dense.weight", "ap_fixed<40,4>"), SUMS)
    plan = uniform_plan(small(), 8, 0, overrides=wide)
    (layer,) = accumulator_widths(small(), plan, rows(tmp_path, [1, 1, 1])).layers
    assert (layer.in_order, layer.final) == (None, None)
    assert str(layer.any_order) == "ap_fixed<79,7>"  # down to −52 + 2·2⁻³⁶


def test_few_images_are_added_in_order_where_all_would_take_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, dataset = convolutional(), random_images(tmp_path)
    plan = hardware(network, dataset)
    products = 36 * 3 * 9 + 4 * 27  # an image
    monkeypatch.setattr(accumulators, "ORDERED_PRODUCTS", 7 * products)
    few = accumulator_widths(network, plan, dataset, batch_size=3)
    assert (few.ordered_images, few.data["images"]) == (7, 40)
    seven = accumulator_widths(network, plan, dataset, images=7)
    whole = accumulator_widths(network, plan, dataset, batch_size=40, images=40)
    for layer, of_seven, of_all in zip(few.layers, seven.layers, whole.layers, strict=True):
        assert layer.final == of_all.final
        assert of_seven.in_order is not None
        assert of_all.final is not None
        assert layer.in_order == of_seven.in_order.widened(of_all.final.low, of_all.final.high)
    monkeypatch.setattr(accumulators, "ORDERED_PRODUCTS", 1)
    one = accumulator_widths(small(), small_plan(), rows(tmp_path, [0, 0, 0], [-2, -2, 1]))
    assert one.ordered_images == 1
    assert one.layers[0].in_order == one.layers[0].final == SumRange(0, -5, 5)  # −10 goes unseen, the final −5 doesn't


def test_the_file(tmp_path: Path) -> None:
    widths = AccumulatorWidths(
        "sha256:1",
        "sha256:2",
        {"name": "rows", "sha256": "sha256:3", "images": 2},
        1,
        (LayerAccumulator("dense", "ap_fixed<2,2>", "EXACT", 3, None, None, SumRange(4, -(1 << 70), 3), None),),
    )
    content = widths.to_json()
    assert content["layers"][0]["in_order"] == {
        "format": "ap_fixed<71,67>",
        "word_length": 71,
        "fraction_bits": 4,
        "low": -(1 << 70),
        "high": 3,
    }
    assert AccumulatorWidths.from_json(content, "ranges.json") == widths
    before = {
        **content,
        "layers": [{k: v for k, v in layer.items() if k != "any_input"} for layer in content["layers"]],
    }
    assert AccumulatorWidths.from_json(before, "ranges.json") == widths
    for broken in ({}, {**content, "layers": [{"node": "dense"}]}, {**content, "layers": 3}, []):
        with pytest.raises(PlanError, match=r"^ranges\.json: its accumulators"):
            AccumulatorWidths.from_json(broken, "ranges.json")


def test_canary_a_bound_without_the_bias_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProductSums, "biases", property(lambda sums: [0] * len(sums.magnitudes)))
    with pytest.raises(AssertionError):
        test_no_partial_sum_of_any_input_in_any_order_leaves_the_range(tmp_path, True)


def test_wide_weights_have_exact_bounds() -> None:
    """Sums of weights beyond int64, in Python integers."""
    plan = uniform_plan(
        small(),
        8,
        0,
        rounding=Rounding.FLOOR,
        overflow=Overflow.WRAP,
        overrides=(Override("image.output", "ap_fixed<2,2>"), SUMS),
    )
    (step,) = [s for s in lower_network(small(), plan).steps if isinstance(s.instruction, MultiplyAccumulate)]
    assert isinstance(step.instruction, MultiplyAccumulate)
    wide = replace(step.instruction, weight=step.instruction.weight.astype(np.int64) << 60, bias=None)
    sums = SumBounds(wide, 0, "dense")
    assert sums.partial_sums(-2, 1) == (-10 << 60, 8 << 60)
