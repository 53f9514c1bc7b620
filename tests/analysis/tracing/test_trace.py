"""Traces: counts as the simulator and the definition have them, freed sites as whole simulations, planted faults."""

import json
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.networks import Layers, RecordedProgress, chain, convolutional, parameter, random_images
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.simulate import simulate
from bittrue.analysis.tracing.freeing import free, freed_spec
from bittrue.analysis.tracing.trace import trace
from bittrue.analysis.tracing.trace_result import Effect, Trace
from bittrue.data import Dataset, load_dataset
from bittrue.definition import Codes as DefinedCodes
from bittrue.definition import interpret_step
from bittrue.definition.meaning import meaning
from bittrue.errors import BittrueError
from bittrue.files import dump_json
from bittrue.fixed import Overflow, Rounding, decode, overflows, round_to_code
from bittrue.lowering import lower_keeping, lower_network, lower_variant
from bittrue.network import Network, NetworkBuilder, Parameter
from bittrue.operators import AveragePooling, BatchNormalization, Dense, Flatten, Input, MatMul, ReLU
from bittrue.plan import Override, Plan, PlanOptions, Word, plan_from_ranges, sites_of, study_plan, uniform_plan
from bittrue.program import Quantize
from bittrue.simulation import live_values
from bittrue.simulation.simulator import Simulator

WRAPPED = PlanOptions("affine", "every-node", "exact", "exact")
PRODUCTS = PlanOptions("affine", "every-node", "exact", "quantized")
TABLE = PlanOptions("affine", "fused", "table", "exact")


@pytest.fixture(name="network")
def _network() -> Network:
    return convolutional()


def plans(network: Network, dataset: Dataset) -> dict[str, Plan]:
    """Every kind of site, mode and word."""
    ranges = measure_ranges(network, dataset, images=10)

    def with_sites(
        *sites: str, overflow: Overflow = Overflow.WRAP, options: PlanOptions = WRAPPED, bits: int = 3
    ) -> Plan:
        overrides = [Override.parse(site) for site in sites]
        return uniform_plan(network, bits + 3, bits, overflow=overflow, options=options, overrides=overrides)

    accumulators = {
        "wraps once": ("ap_fixed<8,2,AP_TRN,AP_WRAP>", WRAPPED),
        "wraps early": ("ap_fixed<4,3,AP_RND,AP_WRAP>", WRAPPED),
        "saturates": ("ap_fixed<5,3,AP_RND_CONV,AP_SAT>", PRODUCTS),
        "unbounded": ("ap_fixed<5,3> NEAREST_AWAY UNBOUNDED", WRAPPED),
        "never acts": ("ap_fixed<40,20>", WRAPPED),
    }
    return {
        "study": study_plan(network, 3, word_length=4),
        "wrap": with_sites(),
        "saturate to zero": with_sites(overflow=Overflow.SATURATE_ZERO, bits=1),
        "symmetric, table": with_sites(overflow=Overflow.SATURATE_SYMMETRIC, options=TABLE, bits=4),
        "words": with_sites("conv.output=GUARD", "relu.output=EXACT", "dense.output=FLOAT", "pool.output=EXACT"),
        "hardware by channel": plan_from_ranges(network, ranges, 4, per_channel=True, overflow=Overflow.WRAP),
        "floor": uniform_plan(network, 5, 2, rounding=Rounding.FLOOR, overflow=Overflow.WRAP),
    } | {name: with_sites(f"*.accumulator={spec}", options=options) for name, (spec, options) in accumulators.items()}


KINDS = (
    *("study", "wrap", "saturate to zero", "symmetric, table", "words", "hardware by channel", "floor"),
    *("wraps once", "wraps early", "saturates", "unbounded", "never acts"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_the_simulators(kind: str, network: Network, tmp_path: Path) -> None:
    dataset = random_images(tmp_path)
    plan = plans(network, dataset)[kind]
    found = trace(network, plan, dataset, images=9, batch_size=4)
    expected = simulate(network, plan, dataset, images=9).overflows
    assert {site.site: site.overflowed for site in found.sites} == dict(expected)
    for site in found.sites:
        if site.overflowed_by_channel:
            assert sum(site.overflowed_by_channel) == site.overflowed
            assert len(site.overflowed_by_channel) == site.channels
        assert (site.first_overflow is None) == (site.overflowed == 0 or site.altered is None)
    if kind not in ("never acts", "hardware by channel"):
        assert sum(expected.values()) > 0


@pytest.mark.parametrize("kind", ["study", "wrap", "floor", "words"])
def test_zeros_and_first_places_are_the_definitions(kind: str, network: Network, tmp_path: Path) -> None:
    """Each step's exact result by its meaning in Fractions, beside the counts that the kernels gave."""
    dataset = random_images(tmp_path)
    plan = plans(network, dataset)[kind]
    images = next(iter(dataset.batches(3))).x
    found = trace(network, plan, dataset, images=3)
    program = lower_network(network, plan)
    floats = {step.name for step in program.steps if step.type.is_float}
    compared = 0
    events: dict[str, list[tuple[int, tuple[int, ...], str, str]]] = {}
    for image, x in enumerate(images):
        values: dict[str, DefinedCodes] = {}
        for step in program.steps:
            if step.name in floats or floats & set(step.inputs):
                floats.add(step.name)
                continue
            inputs = [values[name] for name in step.inputs]
            values[step.name] = interpret_step(step, inputs, x.ravel().tolist() if not inputs else None)
            if step.quantizer is None or not (step.is_dyadic or isinstance(step.instruction, Quantize)):
                continue
            exact = meaning[type(step.instruction)](step.instruction, step, tuple(inputs))
            numbers = (
                [decode(code, exact.binary_point) for code in exact.codes]
                if isinstance(exact, DefinedCodes)
                else [Fraction(float(number)) for number in x.ravel()]
            )
            for place, number in enumerate(numbers):
                code = round_to_code(number, step.quantizer.format.fraction_bits, step.quantizer.rounding)
                index = tuple(int(i) for i in np.unravel_index(place, step.type.shape))
                if number and not code:
                    events.setdefault(f"zero {step.site}", []).append((image, index, str(number), "0"))
                if overflows(code, step.quantizer):
                    became = decode(values[step.name].codes[place], step.quantizer.format.fraction_bits)
                    events.setdefault(f"overflow {step.site}", []).append((image, index, str(number), str(became)))
            compared += 1
            site = found.site(str(step.site))
            assert site.channels == step.type.shape[-1]
    assert compared
    for site in found.sites:
        if site.role != "output" or site.node in floats:
            continue
        if not program.by_name[site.node].is_dyadic and site.node != network.input.name:
            continue
        zeros, outside = (events.get(f"{what} {site.site}", []) for what in ("zero", "overflow"))
        assert (site.zeroed, site.overflowed) == (len(zeros), len(outside)), site.site
        for known, first in ((zeros, site.first_zero), (outside, site.first_overflow)):
            assert (first is None) == (not known)
            if first is not None:
                assert (first.image, first.index, first.exact, first.became) == known[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_freed_site_is_a_whole_simulation_of_its_plan(kind: str, network: Network, tmp_path: Path) -> None:
    """What goes on from kept values gives the bits of what begins with the images."""
    dataset = random_images(tmp_path)
    plan = plans(network, dataset)[kind]
    lowered = lower_keeping(network, plan)
    base = Simulator(lowered.program)
    x = next(iter(dataset.batches(5))).x
    kept = base.run_keeping(x)
    np.testing.assert_array_equal(kept.result.outputs, Simulator(lowered.program).run(x).outputs)
    found = trace(network, plan, dataset, images=5)
    whole = Simulator(lowered.program).run(x).outputs.argmax(1)
    freed = 0
    for name, site in sites_of(network, plan.options).items():
        spec = freed_spec(site, plan.sites[name], lowered.program)
        if spec is None:
            assert name not in found.ranking
            continue
        other = free(plan, {name: spec})
        expected = Simulator(lower_network(network, other)).run(x).outputs
        variant = lower_variant(lowered, other)
        np.testing.assert_array_equal(Simulator(variant, base).run_from(kept), expected)
        effect = found.site(name).effect
        assert effect is not None
        assert effect.flipped == int((expected.argmax(1) != whole).sum())
        assert set(effect.freed) == {name}
        freed += 1
    assert freed == len(found.ranking) > 3


def test_what_comes_before_a_freed_site_is_not_computed_again(network: Network, tmp_path: Path) -> None:
    plan = study_plan(network, 3)
    lowered = lower_keeping(network, plan)
    variant = lower_variant(lowered, free(plan, {"dense.weight": Word.EXACT}))
    own = {step.name for step in lowered.program.steps if variant.by_name[step.name] is step}
    assert own == {"image", "conv", "relu", "norm", "pool", "flatten", "softmax"}
    computed: list[str] = []

    class Watched(Simulator):
        def _compute(self, step: Any, *arguments: Any) -> Any:
            computed.append(step.name)
            return super()._compute(step, *arguments)

    base = Simulator(lowered.program)
    kept = base.run_keeping(next(iter(random_images(tmp_path).batches(4))).x)
    Watched(variant, base).run_from(kept)
    assert computed == ["dense", "softmax"]


def test_a_change_that_is_overlooked_is_found_out(
    monkeypatch: pytest.MonkeyPatch, network: Network, tmp_path: Path
) -> None:
    """The canary of the test above: if every step seemed unchanged, freed sites would do nothing."""
    monkeypatch.setattr(live_values, "same_codes", lambda first, second: True)
    with pytest.raises(AssertionError):
        test_a_freed_site_is_a_whole_simulation_of_its_plan("wrap", network, tmp_path)


def test_a_count_that_is_off_is_found_out(monkeypatch: pytest.MonkeyPatch, network: Network, tmp_path: Path) -> None:
    """The canary of the counts: exact results one unit too large."""
    from bittrue.analysis.tracing import plan_counts

    shifted = plan_counts._shifted
    monkeypatch.setattr(plan_counts, "_shifted", lambda codes, *rest: shifted(codes + 1, *rest))
    with pytest.raises(AssertionError):
        test_zeros_and_first_places_are_the_definitions("wrap", network, tmp_path)


# Planted faults


def labelled(network: Network, tmp_path: Path, images: int = 24, shape: tuple[int, ...] = (4,)) -> Dataset:
    """Random images with the float network's own predictions as labels."""
    from bittrue.simulation.float_model import FloatModel

    x = np.random.default_rng(5).uniform(-1, 1, (images, *shape)).astype(np.float32)
    np.savez(tmp_path / "own.npz", x=x, y=FloatModel(network).run(x).argmax(1))
    return load_dataset(str(tmp_path / "own.npz"))


def layered(weight: np.ndarray, bias: Sequence[float], *, between: Layers = ()) -> Network:  # type: ignore[assignment]
    """Four inputs, a dense layer, what is in between, and three classes."""
    generator = np.random.default_rng(3)
    first = Dense(Parameter("first.weight", weight.astype(np.float32)), Parameter("first.bias", np.float32(bias)))
    last = Dense(parameter(generator, "last.weight", len(bias), 3), parameter(generator, "last.bias", 3, scale=0.1))
    return chain("faulty", [("image", Input((4,))), ("first", first), *between, ("last", last)])


def plain(network: Network, *sites: str, options: PlanOptions = PlanOptions()) -> Plan:  # noqa: B008 (frozen)
    """24 bits everywhere but at `sites`."""
    overrides = [Override.parse(site) for site in sites]
    return uniform_plan(network, 24, 12, options=replace(options, rounding_points="every-node"), overrides=overrides)


def test_a_site_that_wraps(tmp_path: Path) -> None:
    network = layered(3 * np.eye(4), [0.5] * 4)
    dataset = labelled(network, tmp_path)
    found = trace(network, plain(network, "first.output=ap_fixed<8,2,AP_RND,AP_WRAP>"), dataset)
    site = found.site("first.output")
    assert found.ranking[0] == "first.output"
    assert site.overflow == "wrapped"
    assert site.overflowed > 10
    event = site.first_overflow
    assert event is not None
    x = next(iter(dataset.batches(24))).x
    assert event.image is not None
    # The input's 12 fraction bits, times 3, plus one half; then the low 8 bits with 6 of them behind the point.
    exact = 3 * Fraction(round(float(x[event.image][event.index]) * 2**12), 2**12) + Fraction(1, 2)
    assert Fraction(event.exact) == exact
    code = round_to_code(exact, 6, Rounding.NEAREST_UP)
    assert Fraction(event.became) == decode((code + 128) % 256 - 128, 6)
    effect = site.effect
    assert effect is not None
    assert (effect.back, effect.correct, effect.from_float) == (1.0, 24, 0)
    assert effect.freed == {"first.output": "GUARD"}  # the exact sum has 24 fraction bits, GUARD 6 + 16
    assert found.together is None
    assert found.diagnosis[0].startswith("Freeing first.output alone brings all that is lost back (")
    assert found.diagnosis[1].startswith(f"first.output: {site.overflowed} of 96 values wrapped (first in image ")
    # 3·1 + 0.5 < 4 takes 3 integer bits with the sign; of inputs up to 2^11, which their format allows, 14.
    assert "; 3 integer bits hold them, and 14 whatever the data" in found.diagnosis[1]
    assert site.bound == 3 * (2.0**11 - 2.0**-12) + 0.5


def test_the_same_site_without_a_limit_would_have_overflowed(tmp_path: Path) -> None:
    network = layered(3 * np.eye(4), [0.5] * 4)
    dataset = labelled(network, tmp_path)
    wrapping = trace(network, plain(network, "first.output=ap_fixed<8,2,AP_RND,AP_WRAP>"), dataset).site("first.output")
    sites = ["first.output=ap_fixed<8,2> NEAREST_UP UNBOUNDED"]
    found = trace(network, plain(network, *sites), dataset).site("first.output")
    assert found.overflow == "would have overflowed"
    assert (found.overflowed, found.overflowed_by_channel) == (wrapping.overflowed, wrapping.overflowed_by_channel)
    assert found.first_overflow is not None
    assert wrapping.first_overflow is not None
    assert found.first_overflow.exact == wrapping.first_overflow.exact
    assert abs(Fraction(found.first_overflow.became) - Fraction(found.first_overflow.exact)) <= Fraction(1, 2**7)
    assert "values would have overflowed (first in image" in str(found.diagnosis)


def test_a_dead_relu_in_the_float_network(tmp_path: Path) -> None:
    network = layered(0.1 * np.eye(4), [-1.0] * 4, between=[("relu", ReLU())])
    found = trace(network, plain(network), labelled(network, tmp_path))
    assert found.stop is not None
    assert (found.stop.node, found.stop.what, found.stop.in_float) == ("relu", "zero", 0.0)
    assert found.diagnosis[0] == (
        "relu: every value is 0, so that nothing after it depends on the image; in the float network, too, and no "
        "format can help: train it again."
    )


def test_a_relu_that_a_format_kills(tmp_path: Path) -> None:
    """All sums lie between 2.4 and 2.6, which a word that ends below 2 wraps to less than 0."""
    network = layered(0.1 * np.eye(4), [2.5] * 4, between=[("relu", ReLU())])
    found = trace(network, plain(network, "first.output=ap_fixed<8,2,AP_RND,AP_WRAP>"), labelled(network, tmp_path))
    assert found.stop is not None
    assert (found.stop.node, found.stop.what, found.stop.cause) == ("relu", "zero", None)
    assert found.stop.in_float > 2.4
    assert found.ranking[0] == "first.output"
    assert found.site("first.output").overflowed == found.site("first.output").values
    assert "first.output: 96 of 96 values wrapped" in "\n".join(found.diagnosis)


def test_weights_that_all_round_to_zero(tmp_path: Path) -> None:
    network = layered(0.24 * np.eye(4), [0.1] * 4, between=[("relu", ReLU())])
    found = trace(network, plain(network, "first.weight=ap_fixed<8,6>"), labelled(network, tmp_path))
    assert found.stop is not None
    assert (found.stop.node, found.stop.what, found.stop.cause) == ("first", "constant", "first.weight")
    assert found.stop.diagnosis == (
        "first: the values are the same for all 24 images, so that nothing after it depends on the image, because "
        "all 4 nonzero weights of first.weight round to 0 at 2 fraction bits."
    )
    assert found.ranking[0] == "first.weight"
    site = found.site("first.weight")
    assert site.effect is not None
    assert site.effect.back == 1
    # AP_TRN rounds down: 0.24 = 0.00111…₂ takes three bits to be above 0.
    assert site.keeps == (3, 3)
    assert site.first_zero is not None
    assert (site.first_zero.image, site.first_zero.index) == (None, (0, 0))
    assert Fraction(site.first_zero.exact) == Fraction(float(np.float32(0.24)))


def test_a_variance_that_rounds_to_zero(tmp_path: Path) -> None:
    """√((2^-6 + 2^-10)/2^-10) = √17 = 4.12…; at 3 fraction bits 2^-6 and 2^-5 are 0; 2^-6 is not, from 6 bits on."""
    variance = np.array([2.0**-6, 2.0**-5, 1, 2], np.float32)
    norm = BatchNormalization(
        None, None, Parameter("norm.mean", np.zeros(4, np.float32)), Parameter("norm.variance", variance), 2.0**-10
    )
    network = layered(np.eye(4), [0.0] * 4, between=[("norm", norm)])
    plan = plain(network, "norm.variance=ap_fixed<8,5,AP_RND_CONV,AP_SAT>", options=PlanOptions(batch_norm="raw"))
    found = trace(network, plan, labelled(network, tmp_path))
    site = found.site("norm.variance")
    assert (site.zeroed, site.zeroed_by_channel) == (2, (1, 1, 0, 0))
    assert site.diagnosis == (
        "norm.variance: 2 of 4 channels round to 0 at 3 fraction bits; the output grows up to 5.74×; 6 fraction bits "
        "keep all of them above 0."
    )
    assert found.ranking[0] == "norm.variance"
    assert site.effect is not None
    # The variances are dyadic, so that EXACT takes fewer bits than GUARD.
    assert site.effect.freed == {"norm.variance": "EXACT"}
    assert site.effect.back == 1


def sums(tmp_path: Path, third: float, spec: str) -> Trace:
    """Class 1's sum is 1.5 + 1.5 + third of ones, class 0's is 0 and class 2's is −1; 1 is right."""
    weight = np.zeros((4, 3), np.float32)
    weight[:3, 1] = [1.5, 1.5, third]
    last = Dense(Parameter("last.weight", weight), Parameter("last.bias", np.array([0, 0, -1], np.float32)))
    network = chain("sums", [("image", Input((4,))), ("last", last)])
    np.savez(tmp_path / "ones.npz", x=np.ones((5, 4), np.float32), y=np.ones(5, np.int64))
    return trace(network, plain(network, f"last.accumulator={spec}"), load_dataset(str(tmp_path / "ones.npz")))


def test_an_accumulator_that_saturates_on_the_way(tmp_path: Path) -> None:
    """3 is held at the highest code, 2 − 2^-12, and −2.75 more is below 0, where 0.25 would be right."""
    found = sums(tmp_path, -2.75, "ap_fixed<14,2,AP_RND_CONV,AP_SAT>")
    site = found.site("last.accumulator")
    assert (site.overflowed, site.overflowed_by_channel, site.high) == (5, (0, 5, 0), 3)
    event = site.first_overflow
    assert event is not None
    assert (event.image, event.index, event.product, event.exact, event.became) == (0, (1,), 2, "3", "8191/4096")
    assert site.bound is not None
    # Of inputs of 24 bits, half of them integer bits; the largest of them is a last bit below 2^11.
    assert site.bound == pytest.approx(5.75 * 2**11, rel=1e-6)
    assert found.ranking[0] == "last.accumulator"
    assert found.diagnosis[0].endswith("brings all that is lost back (0 → 5 of 5 right, float 5).")
    assert "after 2 products: 3 becomes 8191/4096" in found.diagnosis[1]


def test_an_accumulator_that_wraps_at_the_end(tmp_path: Path) -> None:
    """2.75 − 4 = −1.25; sums that leave the word on the way and come back do no harm."""
    harmless = sums(tmp_path, -2.75, "ap_fixed<26,2,AP_RND_CONV,AP_WRAP>")
    assert harmless.site("last.accumulator").overflowed == 0
    assert harmless.plan_correct == 5
    found = sums(tmp_path, -0.25, "ap_fixed<26,2,AP_RND_CONV,AP_WRAP>")
    site = found.site("last.accumulator")
    assert (site.values, site.overflowed, site.overflowed_by_channel) == (15, 5, (0, 5, 0))
    event = site.first_overflow
    assert event is not None
    assert (event.index, event.product, event.exact, event.became) == ((1,), None, "11/4", "-5/4")
    assert found.ranking[0] == "last.accumulator"
    assert found.plan_correct == 0


def test_an_average_that_wraps_inside(tmp_path: Path) -> None:
    """3 + 3 is −2 in four bits, and so the mean of two threes −1."""
    layers: Layers = [("image", Input((2, 2))), ("pool", AveragePooling((2,), (1,), ((0, 0),))), ("flat", Flatten())]
    network = chain("averaged", layers)
    np.savez(tmp_path / "rows.npz", x=np.tile(np.array([[3, 1], [3, 1]], np.float32), (4, 1, 1)), y=np.zeros(4))
    plan = uniform_plan(network, 12, 6, overrides=[Override("pool.accumulator", "ap_fixed<5,3>")])
    found = trace(network, plan, load_dataset(str(tmp_path / "rows.npz")))
    site = found.site("pool.accumulator")
    assert (site.overflowed, found.plan_correct) == (4, 0)
    assert found.ranking[0] == "pool.accumulator"


def test_a_matrix_product_whose_accumulator_overflows(tmp_path: Path) -> None:
    """Its numbers aren't gone through one by one; how many overflowed is known."""
    builder = NetworkBuilder("product")
    image = builder.add("image", Input((2, 2)))
    network = builder.finish(builder.add("flat", Flatten(), builder.add("product", MatMul(), image, image)))
    np.savez(tmp_path / "rows.npz", x=np.full((3, 2, 2), 2, np.float32), y=np.zeros(3))
    plan = uniform_plan(network, 12, 6, overrides=[Override("product.accumulator", "ap_fixed<20,3>")])
    dataset = load_dataset(str(tmp_path / "rows.npz"))
    site = trace(network, plan, dataset).site("product.accumulator")
    assert site.overflowed == simulate(network, plan, dataset).overflows["product.accumulator"] == 12
    assert site.altered is None


def test_two_faults_that_must_be_put_right_together(tmp_path: Path) -> None:
    network = layered(3 * np.eye(4), [0.5] * 4, between=[("relu", ReLU())])
    sites = ["first.output=ap_fixed<8,2,AP_RND,AP_WRAP>", "last.weight=ap_fixed<8,8>", "image.output=ap_fixed<8,2>"]
    found = trace(network, plain(network, *sites), labelled(network, tmp_path))
    assert found.together is not None
    assert set(found.together.freed) == {"first.output", "last.weight"}
    assert found.together.back is not None
    assert found.together.back >= 0.9
    assert "freeing these 2 sites brings" in "\n".join(found.diagnosis)


def test_without_labels_the_float_predictions_are_what_counts(tmp_path: Path) -> None:
    network = convolutional()
    found = trace(network, study_plan(network, 1), random_images(tmp_path, classes=None), images=30)
    assert (found.float_correct, found.plan_correct) == (None, None)
    assert found.agreeing is not None
    effect = found.site(found.ranking[0]).effect
    assert isinstance(effect, Effect)
    assert (effect.correct, effect.lost) == (None, None)
    assert effect.from_float is not None
    assert "predictions are float's" in repr(found)


def test_a_network_that_predicts_nothing_is_judged_by_its_error(tmp_path: Path) -> None:
    values = chain("values", [("image", Input((4,))), ("relu", ReLU())])
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32))
    one = Dense(Parameter("one.weight", np.full((4, 1), 0.3, np.float32)), None)
    values = chain("values", [("image", Input((4,))), ("one", one)])
    found = trace(values, study_plan(values, 1), load_dataset(str(tmp_path / "x.npz")))
    assert found.agreeing is None
    effect = found.site("one.weight").effect
    assert effect is not None
    assert (effect.flipped, effect.correct) == (None, None)
    assert effect.back is not None
    assert found.together is None


def test_batches_and_memory_change_nothing(monkeypatch: pytest.MonkeyPatch, network: Network, tmp_path: Path) -> None:
    from bittrue.analysis.evaluating import prefixes

    dataset = random_images(tmp_path)
    plan = study_plan(network, 1, word_length=4)
    whole = without_float(trace(network, plan, dataset, images=13))
    assert without_float(trace(network, plan, dataset, images=13, batch_size=3)) == whole
    monkeypatch.setattr(prefixes, "KEPT_BYTES", 8 * 1024 * 3)
    assert without_float(trace(network, plan, dataset, images=13)) == whole


def without_float(content: Any) -> Any:
    """A trace without what is measured against the float outputs, whose last bits depend on the batch size."""
    if isinstance(content, Trace):
        content = content.to_json()
    if isinstance(content, dict):
        return {name: without_float(value) for name, value in content.items() if name not in ("error", "in_float")}
    return [without_float(value) for value in content] if isinstance(content, list | tuple) else content


def test_progress_and_json(network: Network, tmp_path: Path) -> None:
    progress = RecordedProgress()
    found = trace(network, study_plan(network, 4), random_images(tmp_path), images=5, progress=progress)
    sites = len(found.ranking)
    assert progress.events[0] == (f"each of {sites} sites freed", 5 * sites)
    assert sum(event for event in progress.events[1 : sites + 1] if isinstance(event, int)) == 5 * sites
    text = dump_json(found.to_json())
    assert Trace.from_json(json.loads(text), "trace.json") == found
    with pytest.raises(BittrueError, match=r"trace\.json: not a trace \(it lacks 'bittrue'\)"):
        Trace.from_json({}, "trace.json")
    with pytest.raises(BittrueError, match="has no site 'nowhere'"):
        found.site("nowhere")


def test_a_site_whose_freedom_would_take_too_long_says_so(
    monkeypatch: pytest.MonkeyPatch, network: Network, tmp_path: Path
) -> None:
    from bittrue.analysis.tracing import trace as trace_module

    plan, dataset = uniform_plan(network, 60, 30), random_images(tmp_path)
    assert "dense.weight" in trace(network, plan, dataset, images=2).ranking
    monkeypatch.setattr(trace_module, "SLOW_PRODUCTS", 1)
    found = trace(network, plan, dataset, images=2)
    site = found.site("dense.weight")
    assert site.effect is None
    assert site.stuck is not None
    assert site.stuck.startswith("the sums of dense would need ")
    assert "dense.weight" not in found.ranking
    assert "dense.bias" in found.ranking


def test_what_can_be_reached_is_known_for_the_inputs_seen(tmp_path: Path) -> None:
    """UNBOUNDED formats bound nothing; of inputs up to 1, 3·x + 0.5 is at most 3.5 in magnitude."""
    network = layered(3 * np.eye(4), [0.5] * 4)
    np.savez(tmp_path / "ends.npz", x=np.array([[1, -1, 0.5, 0], [0, 0, 0, -0.25]], np.float32))
    dataset = load_dataset(str(tmp_path / "ends.npz"))
    plan = study_plan(network, 4)
    found = trace(network, plan, dataset)
    site = found.site("first.output")
    assert (site.low, site.high, site.bound) == (-2.5, 3.5, 3.5)
    assert found.site("image.output").bound is None
