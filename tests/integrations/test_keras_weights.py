"""Weights rounded in place, as the study rounded them, and the report of it."""

from fractions import Fraction

import keras
import numpy as np
import pytest
from keras import layers

import bittrue
from bittrue.errors import BittrueError, ModelError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, Rounding, decode, quantize
from bittrue.frontends.keras.model import from_keras
from bittrue.lowering import lower_network
from bittrue.plan import study_plan
from frontends.keras.zoo import randomise, sequential


def small() -> keras.Model:
    stack = [layers.Conv2D(3, 2, name="conv-1"), layers.BatchNormalization(name="bn"), layers.Dense(2, name="top")]
    return randomise(sequential(*stack)())


@pytest.mark.parametrize(
    "quantizer",
    [
        Quantizer(FixedFormat(True, 16, 3), Rounding.NEAREST_EVEN, Overflow.UNBOUNDED),
        Quantizer(FixedFormat(True, 4, 3), Rounding.FLOOR, Overflow.WRAP),
    ],
)
def test_every_weight_has_the_definitions_value(quantizer: Quantizer) -> None:
    model = small()
    before = [weight.copy() for weight in model.get_weights()]
    shape = quantizer.format
    report = bittrue.quantize_weights(
        model,
        shape.fraction_bits,
        word_length=shape.word_length,
        rounding=quantizer.rounding.value,
        overflow=quantizer.overflow,
    )
    names = ["conv_1.weight", "conv_1.bias", "bn.gamma", "bn.beta", "bn.mean", "bn.variance", "top.weight", "top.bias"]
    assert [change.name for change in report.weights] == names
    for old, new, change in zip(before, model.get_weights(), report.weights, strict=True):
        codes = [quantize(Fraction(float(value)), quantizer) for value in old.ravel()]
        wanted = np.array([float(decode(code, shape.fraction_bits)) for code in codes]).reshape(old.shape)
        np.testing.assert_array_equal(new, wanted)
        assert (change.values, change.changed) == (old.size, np.count_nonzero(wanted != old))
        assert change.zeroed == np.count_nonzero((wanted == 0) & (old != 0))
        assert change.largest_change == np.abs(wanted - old.astype(np.float64)).max()
        assert (change.overflows > 0) == (quantizer.overflow is Overflow.WRAP and np.abs(old).max() > 1)


def test_the_weights_are_those_of_the_study() -> None:
    model = small()
    network = from_keras(model)
    program = lower_network(network, study_plan(network, 4))
    bittrue.keras.quantize_weights(model, 4)
    again = lower_network(from_keras(model), study_plan(from_keras(model), 4))
    for step, other in zip(program.steps, again.steps, strict=True):
        for name, value in vars(step.instruction).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(other.instruction, name), value)
    report = bittrue.quantize_weights(model, 4)
    assert not any(change.changed for change in report.weights), "rounded numbers are on the grid"


def test_the_report_shows_itself() -> None:
    report = bittrue.quantize_weights(small(), 3)
    assert "Weights rounded to ap_fixed<16,13> NEAREST_EVEN UNBOUNDED" in repr(report)
    assert "bn.variance" in repr(report)
    assert report.to_json()["weights"][0]["name"] == "conv_1.weight"


def test_nothing_is_changed_where_one_weight_is_refused() -> None:
    model = small()
    model.layers[-1].bias.assign([1.0, np.nan])
    before = [weight.copy() for weight in model.get_weights()]
    with pytest.raises(ModelError, match=r"top.bias holds NaN"):
        bittrue.quantize_weights(model, 3)
    with pytest.raises(BittrueError, match=r"float32 doesn't hold"):
        model.layers[-1].bias.assign([1.0, 1e30])
        bittrue.quantize_weights(model, 3, word_length=40, overflow="SATURATE")
    for old, new in zip(before[:-1], model.get_weights()[:-1], strict=True):
        np.testing.assert_array_equal(new, old)


def test_models_that_are_refused() -> None:
    with pytest.raises(ModelError, match="no weights yet"):
        bittrue.quantize_weights(keras.Sequential([layers.Dense(3)]), 3)
    half = keras.Sequential([keras.Input((2,)), layers.Dense(3, dtype="float16", name="half")])
    with pytest.raises(ModelError, match=r"half.weight is float16"):
        bittrue.quantize_weights(half, 3)
