"""A plan's layers in a Keras model: the study's accuracy in Keras itself, and every graph that bittrue reads."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import bittrue
import bittrue.keras
from bittrue.cli.demo import bundled_model
from bittrue.data import Dataset
from bittrue.errors import BittrueError, FormatError, ModelError, PlanError
from bittrue.frontends.keras.model import from_keras, from_keras_layers
from bittrue.integrations.keras_insert import insert_layers
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Override, Plan, PlanOptions, plan_from_ranges, study_plan, uniform_plan
from bittrue.simulation.simulator import Simulator
from frontends.keras.zoo import CASES, IMAGE, Case, functional, images, nested, randomise, sequential, shared

AFFINE = PlanOptions()
RAW = PlanOptions("raw", "every-node")


@pytest.fixture(scope="module")
def digits_model(tmp_path_factory: pytest.TempPathFactory) -> keras.Model:
    path = tmp_path_factory.mktemp("digits") / "digits.keras"
    path.write_bytes(bundled_model())
    return keras.saving.load_model(path)


@pytest.fixture(scope="module")
def digits(digits_model: keras.Model) -> Dataset:
    return bittrue.load_dataset("digits", shape=from_keras(digits_model).input.shape).take(200)


def pixels(dataset: Dataset) -> np.ndarray:
    return np.concatenate([batch.x for batch in dataset.batches(100)])


@pytest.mark.parametrize("options", [RAW, AFFINE], ids=["raw", "affine fused"])
@pytest.mark.parametrize("fraction_bits", range(3, 9))
def test_evaluate_shows_the_studys_accuracy(
    fraction_bits: int, options: PlanOptions, digits_model: keras.Model, digits: Dataset
) -> None:
    network = from_keras(digits_model)
    plan = study_plan(network, fraction_bits, options=options)
    model = bittrue.keras.insert(digits_model, plan)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    loss, accuracy = model.evaluate(pixels(digits), digits.labels, batch_size=100, verbose=0)
    simulation = bittrue.simulate(network, plan, digits)
    assert simulation.correct is not None
    assert simulation.loss is not None
    assert abs(round(accuracy * digits.images) - simulation.correct) <= 2
    # Its sums are float32, so a few codes differ by a last bit, and the loss with them.
    assert loss == pytest.approx(simulation.loss, rel=0.02)


def test_the_users_model_stays_as_it_is(digits_model: keras.Model, digits: Dataset) -> None:
    before = digits_model.predict(pixels(digits), verbose=0)
    weights = [weight.copy() for weight in digits_model.get_weights()]
    bittrue.keras.insert(digits_model, study_plan(from_keras(digits_model), 3))
    np.testing.assert_array_equal(digits_model.predict(pixels(digits), verbose=0), before)
    for old, new in zip(weights, digits_model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)


@cache
def built(case: Case) -> tuple[keras.Model, Network]:
    model = randomise(case.build())
    return model, from_keras(model)


REFUSED = ("rescaling", "normalization", "upsampling bilinear", "resizing up")
WITH_OWN_NUMBERS = [case for case in CASES if not any(word in case.name for word in REFUSED)]
"""The others' numbers are not the layers' weights, so that they can't be rounded."""

AS_DOCUMENTED = [case for case in WITH_OWN_NUMBERS if case.expected is None]
"""Those layers of which Keras's torch backend computes what Keras documents."""


def has_several_nodes(case: Case) -> bool:
    """Whether a layer of the case computes several nodes, so that what lies between them can't be rounded."""
    model, _ = built(case)
    network, origins = from_keras_layers(model)
    return any(
        origin is None or (origin.activation and any(node.operator.parameters()))
        for node in network.nodes
        if node.inputs
        for origin in [origins.get(node.name)]
    )


def test_most_layers_are_one_node_and_some_are_not() -> None:
    several = [case.name for case in WITH_OWN_NUMBERS if has_several_nodes(case)]
    assert 8 < len(several) < len(WITH_OWN_NUMBERS) / 2
    assert {"unit norm", "softmax by rows"} <= set(several)


@pytest.mark.parametrize("case", WITH_OWN_NUMBERS, ids=lambda case: case.name)
def test_disabled_it_is_the_float_model(case: Case) -> None:
    model, network = built(case)
    plan = uniform_plan(network, 8, 3, options=AFFINE)
    if has_several_nodes(case):
        with pytest.raises(ModelError, match="computes several nodes"):
            bittrue.keras.insert(model, plan, enabled=False)
        return
    off = bittrue.keras.insert(model, plan, enabled=False)
    np.testing.assert_array_equal(off.predict(images(model), verbose=0), model.predict(images(model), verbose=0))


@pytest.mark.parametrize("case", AS_DOCUMENTED, ids=lambda case: case.name)
def test_each_layer_computes_what_the_plan_says(case: Case) -> None:
    """Values are few and short here, so that float32 sums are as good as exact: one last bit at most is off."""
    model, network = built(case)
    for options in (RAW, AFFINE):
        plan = uniform_plan(network, 12, 5, options=options)
        if has_several_nodes(case):
            with pytest.raises(ModelError, match="computes several nodes"):
                insert_layers(model, plan)
            continue
        got = insert_layers(model, plan).model(images(model), training=False).detach().numpy()
        want = Simulator(lower_network(network, plan)).run(images(model)).outputs
        assert np.abs(got - want).max() <= 2.0**-5
        assert np.mean(got != want) < 0.01


def test_hardware_plans_too(digits_model: keras.Model, digits: Dataset) -> None:
    network = from_keras(digits_model)
    plan = plan_from_ranges(network, bittrue.measure_ranges(network, digits, images=50), 8, per_channel=True)
    compared = bittrue.compare(digits_model, plan, digits)
    assert compared.flipped is not None
    assert len(compared.flipped) <= 2
    assert compared.correct == bittrue.simulate(network, plan, digits).correct


def test_words_of_a_plan_and_names_of_layers() -> None:
    stack = [layers.Conv2D(4, 3, activation="relu", name="conv"), layers.BatchNormalization(name="bn")]
    model = randomise(sequential(*stack, layers.Softmax(name="top"))())
    network = from_keras(model)
    overrides = [Override("conv.output", "EXACT"), Override("bn.output", "GUARD"), Override("top.output", "FLOAT")]
    plan = uniform_plan(network, 8, 4, overrides=overrides)
    inserted = bittrue.keras.insert(model, plan)
    image = network.input.name
    names = [image, f"{image}_quantize", "conv", "conv_relu", "conv_relu_quantize", "bn", "bn_quantize", "top"]
    assert [layer.name for layer in inserted.layers] == names
    guard = inserted.get_layer("bn_quantize").quantizer
    assert (guard.format.fraction_bits, guard.overflow) == (20, bittrue.Overflow.UNBOUNDED)
    weight = inserted.get_layer("conv").get_weights()[0]
    np.testing.assert_array_equal(weight * 16, np.round(weight * 16))


def test_a_layer_used_twice_is_one_layer() -> None:
    model = randomise(functional(shared)())
    inserted = bittrue.keras.insert(model, uniform_plan(from_keras(model), 8, 4))
    assert [layer.name for layer in inserted.layers if isinstance(layer, layers.Conv2D)] == ["conv"]
    assert len(inserted.weights) == len(model.weights)


def test_it_is_compiled_saved_loaded_and_trained(tmp_path: Path) -> None:
    model = randomise(sequential(layers.Flatten(), layers.Dense(3, activation="softmax"))())
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    inserted = bittrue.keras.insert(model, study_plan(from_keras(model), 6))
    x, y = images(model), np.array([0, 1, 2])
    inserted.save(tmp_path / "inserted.keras")
    again = keras.saving.load_model(tmp_path / "inserted.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), inserted.predict(x, verbose=0))
    before = inserted.evaluate(x, y, verbose=0)[0]
    inserted.fit(x, y, epochs=3, verbose=0)
    assert inserted.evaluate(x, y, verbose=0)[0] != before


class Doubled(layers.Layer):
    def call(self, x: object) -> object:
        return 2 * x  # type: ignore[operator]


def two_inputs() -> keras.Model:
    left, right = keras.Input(IMAGE, name="left"), keras.Input(IMAGE, name="right")
    return keras.Model([left, right], layers.Add()([left, right]))


def two_outputs() -> keras.Model:
    image = keras.Input(IMAGE)
    return keras.Model(image, [layers.ReLU(name="left")(image), layers.ReLU(name="right")(image)])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (sequential(layers.ReLU(), Doubled(name="twice")), "layer twice"),
        (two_inputs, r"2 inputs \(left, right\)"),
        (two_outputs, r"2 outputs \(left, right\)"),
        (functional(layers.Lambda(lambda x: x, name="code")), "layer code"),
    ],
)
def test_models_that_are_refused_by_name(build: Callable[[], keras.Model], message: str) -> None:
    plan = Plan("sha256:0", AFFINE, {})
    with pytest.raises(ModelError, match=message):
        bittrue.keras.insert(build(), plan)


def planned(change: Callable[[Plan], Plan], *overrides: Override, options: PlanOptions = RAW) -> None:
    """Insert into a small model a plan that `change` has changed."""
    model = randomise(sequential(layers.Conv2D(2, 3, name="conv"), layers.Softmax(name="top"))())
    network = from_keras(model)
    bittrue.keras.insert(model, change(uniform_plan(network, 8, 4, options=options, overrides=overrides)))


def misspelt(plan: Plan) -> Plan:
    sites = {name.replace("conv.output", "conv.outputs"): spec for name, spec in plan.sites.items()}
    return Plan("sha256:of another network", plan.options, sites)


def same(plan: Plan) -> Plan:
    return plan


def test_a_layer_of_two_nodes_is_refused() -> None:
    model = randomise(sequential(layers.SeparableConv2D(3, 2, name="mix"))())
    with pytest.raises(
        ModelError, match="layer mix_depthwise: it is an operation of keras.ops, or a layer that computes several nodes"
    ):
        bittrue.keras.insert(model, uniform_plan(from_keras(model), 8, 4))


def test_plans_that_are_refused() -> None:
    with pytest.raises(PlanError, match=r"there is no site conv.outputs; did you mean conv.output"):
        planned(misspelt)
    with pytest.raises(PlanError, match="made for another network"):
        planned(lambda plan: Plan("sha256:0", plan.options, plan.sites))
    with pytest.raises(PlanError, match=r"site conv.accumulator: .*exact accumulators"):
        planned(same, Override("conv.accumulator", "ap_fixed<16,8>"))
    with pytest.raises(PlanError, match=r"site top.difference"):
        planned(same, options=PlanOptions("raw", "every-node", softmax="table"))
    with pytest.raises(PlanError, match=r"the plan says nothing of the site top.output"):
        planned(lambda plan: Plan(plan.network, plan.options, dict(list(plan.sites.items())[:-1])))
    with pytest.raises(FormatError, match=r"site conv.output: .*at most 25 bits"):
        planned(same, Override("conv.output", "ap_fixed<32,8>"))
    assert issubclass(PlanError, BittrueError)


def test_shapes_of_weights_that_bittrue_lays_out_otherwise_still_fit() -> None:
    model = randomise(functional(nested)())
    inserted = insert_layers(model, uniform_plan(from_keras(model), 8, 4))
    assert set(inserted.values) == set(inserted.network.by_name)
